# SPDX-License-Identifier: Apache-2.0
"""tensock proxy in guests without a network card: what their programs send to 127.0.0.1 reaches the host
by the built-in device."""

import json
import os
import signal
import struct
import tempfile
from pathlib import Path

import guest as guests
import onnx_writer as writer
import pytest
from machine import BUILD, Machine, eventually
from unix_server import Server, echo

MIB = 1 << 20
LARGE = 4 * MIB
OTHER_PORT = 7999  # where the host has an echo
LISTENS = " ".join(f"--listen tcp:127.0.0.1:{listen}" for listen in
                   ("8000", "8001", "8002", f"7000=vsock:2:{OTHER_PORT}"))


def files():
    """Programs and models; a model with its frame before it, as the seed sends it."""
    identity = writer.identity(LARGE // 4)
    return {"bin/tensock": BUILD / "tensock", "identity.onnx": identity,
            "small.onnx": writer.identity(16), "large": os.urandom(LARGE),
            "frame": struct.pack("<IIQ", 1, 1, len(identity)) + identity}


class Guest:
    """A machine with a guest, where lo is down when the proxy begins."""

    def __init__(self, machine):
        self.machine = machine
        self.vm = machine.vms[0]

    def check(self, command, timeout_s=60):
        return self.vm.check(command, timeout_s)

    def start(self):
        self.check(f"tensock proxy {LISTENS} >/tmp/proxy.log 2>&1 & echo $! >/tmp/proxy.pid; "
                   "until grep -q ready /tmp/proxy.log; do kill -0 $(cat /tmp/proxy.pid) || exit 1; "
                   "sleep 0.05; done")

    def front(self):
        """The process with the guest's memory."""
        for pid in self.machine.daemon.children("tensock-front"):
            try:
                if "memory-backend" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8"):
                    return pid
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
        return None


@pytest.fixture(scope="module", params=guests.KERNELS)
def guest(request):
    if not guests.have_kernel(request.param):
        pytest.skip(f"no Linux {request.param} for a guest: tools/deps test found none")
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path:
        with Machine(path, files=files(), kernel=request.param) as machine, \
                Server(f"{machine.vms[0].uds}_{OTHER_PORT}", echo):
            one = Guest(machine)
            one.check("ip link set lo down")
            one.start()
            assert "ip link set lo up" in one.check("cat /tmp/proxy.log")
            one.check("ip link set lo up")
            yield one
            one.check("kill $(cat /tmp/proxy.pid); while kill -0 $(cat /tmp/proxy.pid); do sleep 0.1; done")
            log = one.check("cat /tmp/proxy.log")
            assert "it is to end" in log and log.count("warning") == 1, log


@pytest.mark.parametrize("port", [8000, 8001, 8002])
def test_tensock_by_loopback(guest, port):
    """Each port leads to the host's one; what comes back is what went, in 4 MiB of any bits."""
    output = guest.check(f"tensock --host tcp:127.0.0.1:{port} run /identity.onnx --input 0=@/large "
                         "--output 0=@/tmp/large")
    assert "FP32 [1048576]" in output
    guest.check("cmp /large /tmp/large && rm /tmp/large")


def test_any_client_by_loopback(guest):
    """busybox's nc knows nothing but TCP: it says a model, and its end."""
    assert guest.check("nc 127.0.0.1 8001 </frame") == "OK"


def test_bytes_and_ends(guest):
    """To another port of the host: 4 MiB and their end there, and both back."""
    for _ in range(2):
        guest.check("nc 127.0.0.1 7000 </large | cmp - /large")


def test_many_at_once(guest):
    output = guest.check("tensock --json --host tcp:127.0.0.1:8000 bench /small.onnx -c 32 -d 2s")
    measured = json.loads(output)
    assert measured["concurrency"] == 32 and measured["failures"] == 0
    assert measured["latency"]["n"] > 32


def test_front_is_killed_under_it(guest):
    """The connection that was open ends; the proxy does not, and the next one is carried again."""
    guest.check("(cat /small.onnx; sleep 1000) | nc 127.0.0.1 7000 >/tmp/back & echo $! >/tmp/nc.pid; "
                "until cmp -s /small.onnx /tmp/back; do sleep 0.05; done")
    before = eventually(guest.front)
    os.kill(before, signal.SIGKILL)
    guest.check("while kill -0 $(cat /tmp/nc.pid) 2>/dev/null; do sleep 0.1; done")
    assert eventually(lambda: guest.front() not in (None, before))
    assert guest.check("nc 127.0.0.1 8002 </frame") == "OK"
