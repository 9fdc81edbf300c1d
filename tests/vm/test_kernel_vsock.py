# SPDX-License-Identifier: Apache-2.0
"""The AF_VSOCK listener: tensockd itself runs in a guest, and a program there reaches it over the
kernel's loopback (CID 1).  The machine that the tests run on need not have vsock at all."""

import re
import subprocess
import tempfile

import guest
import pytest
from machine import BUILD, guest_files

PROGRAMS = ["tensockd", "tensock-front", "tensock-worker", "tensock-engine-onnxruntime.so"]
LIBRARY = next((guest.ROOT / ".deps/lib").glob("libonnxruntime.so.*"), None)
CONFIG = f"""[daemon]
allow-local-cid = yes
listen = vsock:9999
[engine onnxruntime]
library = /opt/tensock/{LIBRARY.name if LIBRARY else ''}
"""


def needed_libraries(paths):
    """{absolute path} of the shared libraries that programs load at their start."""
    libraries = set()
    for path in paths:
        output = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
        libraries |= set(re.findall(r"(/\S+) \(0x", output))
    return libraries


@pytest.fixture(scope="module")
def host_in_guest(models):
    """A guest without a vsock device in which tensockd listens on the kernel's vsock."""
    programs = [BUILD / name for name in PROGRAMS] + [LIBRARY]
    files = {f"opt/tensock/{path.name}": path for path in programs}
    for library in needed_libraries(programs):
        files[library.lstrip("/")] = guest.Path(library)
    files |= {f"models/{name}": data for name, (data, _) in models.items()}
    files |= {"models/1": b"\x08", "etc/tensockd.conf": CONFIG}
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as folder, \
            guest.Guest(folder, guest_files(files), memory_mib=1024) as vm:
        vm.wait_ready()
        vm.check("/opt/tensock/tensockd --config /etc/tensockd.conf >/tmp/out 2>/tmp/log & "
                 "for i in $(seq 200); do "
                 "vsock_probe connect 1 9999 && exit; sleep 0.05; done; cat /tmp/log; false")
        yield vm


@pytest.mark.parametrize("name", ["4k", "1m", "16m"])
def test_seed_conversation(host_in_guest, models, name):
    data, line = models[name]
    assert f"/models/{name}: OK ({len(data)} bytes" in \
        host_in_guest.check(f"seed_guest --cid 1 /models/{name}")
    assert line in host_in_guest.check("cat /tmp/out").splitlines()


def test_one_byte_is_not_a_model(host_in_guest):
    status, output = host_in_guest.run("seed_guest --cid 1 /models/1")
    assert status == 1
    assert "/models/1: ER" in output
    assert "cid-1" in host_in_guest.check("cat /tmp/log")


def test_64_connections_at_once(host_in_guest):
    output = host_in_guest.check(
        "i=0; while [ $i -lt 64 ]; do sleep 30 | vsock_probe pipe 1 9999 >/dev/null & "
        "i=$((i + 1)); done; sleep 1; seed_guest --cid 1 /models/4k; killall vsock_probe sleep")
    assert ": OK (" in output


def test_the_daemon_ends_cleanly(host_in_guest):
    """Keep this one last."""
    host_in_guest.check("killall tensockd; for i in $(seq 100); do "
                        "pidof tensockd tensock-front tensock-worker || exit 0; sleep 0.1; done; false")
    assert host_in_guest.run("vsock_probe connect 1 9999")[1].startswith("ECONNRESET")
