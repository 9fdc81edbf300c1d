# SPDX-License-Identifier: Apache-2.0
"""A guest's ssh through the hybrid socket, while the guest uses Tensock through the same device."""

import hashlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from machine import Machine

SERVER = "/usr/sbin/dropbear"
PROXY = Path(__file__).resolve().parent / "hybrid_proxy.py"


def with_libraries(program):
    """A program of this host for a guest, {path: file}: with the libraries that it needs."""
    needed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    libraries = re.findall(r"(?:=> |^\t)(/\S+) \(", needed, re.MULTILINE)
    return {program: Path(program), **{library: Path(library).resolve() for library in libraries}}


@pytest.fixture
def machine(folder, models):
    """A guest with an ssh server at port 22, and the folder with the key that opens it."""
    for name in ("server", "client"):
        subprocess.run(["dropbearkey", "-t", "ed25519", "-f", folder / name], check=True,
                       capture_output=True)
    public = subprocess.run(["dropbearkey", "-y", "-f", folder / "client"], check=True,
                            capture_output=True, text=True).stdout
    files = {**with_libraries(SERVER), "etc/server": folder / "server",
             "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n",
             "root/.ssh/authorized_keys": re.search(r"^ssh-.*\n", public, re.MULTILINE).group(),
             "models/16m": models["16m"][0]}
    with Machine(folder, files=files) as shared:
        vm = shared.vms[0]
        # It knows no vsock: it listens on the guest's loopback, and the port is led there.
        vm.check(f"{SERVER} -E -s -p 127.0.0.1:22 -r /etc/server >/tmp/sshd 2>&1")
        vm.check("vsock_probe exec 22 /bin/nc 127.0.0.1 22 >/tmp/ssh 2>&1 & "
                 "until grep -qs listening /tmp/ssh; do sleep 0.05; done")
        yield shared


def ssh(machine, command, data=b""):
    """Runs a command in the guest with these bytes as its input: its output."""
    proxy = shlex.join([sys.executable, str(PROXY), str(machine.vms[0].uds), "22"])
    client = subprocess.run(
        ["dbclient", "-J", proxy, "-y", "-y", "-T", "-i", machine.folder / "client", "root@guest",
         command], input=data, check=False, capture_output=True, timeout=60)
    assert client.returncode == 0, client.stderr
    return client.stdout


def test_ssh_beside_inference(machine, payloads):
    vm = machine.vms[0]
    data = payloads["1m"]
    vm.guest.start("for i in 1 2 3 4 5 6; do seed_guest /models/16m || exit 1; done")
    assert ssh(machine, "cat /proc/cmdline").find(b"vsguest=1") >= 0
    assert ssh(machine, "sha256sum", data).split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert ssh(machine, "cat", data) == data
    status, output = vm.guest.finish()
    assert (status, output.count(": OK (")) == (0, 6)
