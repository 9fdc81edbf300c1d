# SPDX-License-Identifier: Apache-2.0
"""The front that serves a VM's device is killed, and the next one goes on with the device.

TENSOCK_KILLS: how often in a row under load (20).
"""

import os
import random
import signal
import threading
import time

import pytest
from machine import Machine, eventually
from unix_server import Server, exchange, read_all

KILLS = int(os.environ.get("TENSOCK_KILLS", "20"))
BACK_WITHIN_S = 2
ECHO_PORT = 7000
PUSH_PORT = 7001


def front_of(machine, vm):
    """The process that serves vm: the one that has its memory."""
    for pid in machine.daemon.children("tensock-front"):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            text = maps.read()
        if "memory-backend" in text and inode_of(text) == guest_inode(vm):
            return pid
    return None


def inode_of(maps):
    line = next(line for line in maps.splitlines() if "memory-backend" in line)
    return line.split()[4]


def guest_inode(vm):
    with open(f"/proc/{vm.guest.process.pid}/maps", encoding="utf-8") as maps:
        return inode_of(maps.read())


def kill_front(machine, vm, number=signal.SIGKILL):
    pid = eventually(lambda: front_of(machine, vm))
    assert pid
    os.kill(pid, number)
    return pid


def reaches(vm):
    """Whether a host program gets an echo from the guest, now."""
    try:
        connection = vm.connect(ECHO_PORT)
        if not connection:
            return False
        with connection:
            return exchange(connection, b"are you there") == b"are you there"
    except OSError:
        return False


def back_after(vm):
    """Seconds until the device works again."""
    start = time.monotonic()
    assert eventually(lambda: reaches(vm), timeout_s=20)
    return time.monotonic() - start


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_front_is_killed(folder, models, name):
    """Connections of every kind end at once, listening sockets stay, another VM is not disturbed."""
    files = {"models/4k": models["4k"][0]}
    ended = []
    with Machine(folder, count=2, files=files) as machine:
        vm, other = machine.vms
        vm.serve("echo", ECHO_PORT)
        other.serve("echo", ECHO_PORT)
        undisturbed = other.connect(ECHO_PORT)
        with Server(f"{vm.uds}_{PUSH_PORT}", lambda connection: ended.append(read_all(connection))):
            from_host = vm.connect(ECHO_PORT)
            from_host.sendall(b"x")
            assert from_host.recv(1) == b"x"
            vm.check(f"{{ (echo hello; sleep 60) | vsock_probe pipe 2 {PUSH_PORT} "
                     ">/tmp/pipe 2>&1; echo $? >/tmp/pipe.ended; } &")
            vm.check("{ sleep 60 | vsock_probe pipe 2 9999 >/tmp/seed 2>&1; "
                     "echo $? >/tmp/seed.ended; } &")
            vm.check("sleep 0.3")
            before = kill_front(machine, vm, getattr(signal, name))
            assert back_after(vm) < BACK_WITHIN_S
            assert eventually(lambda: ended) == [b"hello\n"]
            assert from_host.recv(1) == b""
            # Both programs in the guest have seen the end of theirs.
            vm.check("for i in $(seq 40); do [ -s /tmp/pipe.ended -a -s /tmp/seed.ended ] && exit 0; "
                     "sleep 0.1; killall sleep; done; false", timeout_s=20)
            assert ": OK (" in vm.check("seed_guest /models/4k")
            assert front_of(machine, vm) != before
        assert exchange(undisturbed, b"still here") == b"still here"


def test_guest_that_is_connecting_is_told(folder):
    """A REQUEST that no front has answered is answered by the next, whatever the first did with it."""
    with Machine(folder) as machine:
        vm = machine.vms[0]
        vm.serve("echo", ECHO_PORT)
        for _ in range(5):
            pid = front_of(machine, vm)
            os.kill(pid, signal.SIGSTOP)
            vm.guest.start("vsock_probe connect 2 7777")
            time.sleep(random.random() * 0.2)
            os.kill(pid, signal.SIGKILL)
            output = vm.guest.finish()[1]
            assert output.startswith("ECONNRESET"), output
            assert back_after(vm) < BACK_WITHIN_S


def test_vmm_goes_on_after_a_take_over(folder, models):
    """QEMU resets the device, and boots again, with fronts that did not see the session begin."""
    with Machine(folder, files={"models/4k": models["4k"][0]}) as machine:
        vm = machine.vms[0]
        for action in (vm.guest.reset, vm.guest.reboot):
            vm.serve("echo", ECHO_PORT)
            kill_front(machine, vm)
            assert back_after(vm) < BACK_WITHIN_S
            action()
            assert ": OK (" in vm.check("seed_guest /models/4k")
        kill_front(machine, vm)
        vm.guest.reset()
        assert ": OK (" in vm.check("seed_guest /models/4k")
        # A VMM that goes while there is no front, and the next one.
        vm.guest.kill()
        kill_front_any(machine)
        vm.boot()
        assert ": OK (" in vm.check("seed_guest /models/4k")


def kill_front_any(machine):
    for pid in machine.daemon.children("tensock-front"):
        os.kill(pid, signal.SIGKILL)


class Load:
    """Streams through the guest's echo server, as fast as it goes, and checks every byte."""

    def __init__(self, vm, payload):
        self.bytes = 0
        self.resets = 0
        self.wrong = None
        self._vm = vm
        self._payload = payload
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join(60)

    def _run(self):
        while not self._done.is_set() and not self.wrong:
            try:
                connection = self._vm.connect(ECHO_PORT)
            except OSError:
                connection = None
            if not connection:
                time.sleep(0.01)
                continue
            with connection:
                try:
                    got = exchange(connection, self._payload)
                except OSError:
                    got = b""
            self.bytes += len(got)
            self.resets += len(got) != len(self._payload)
            if got != self._payload[:len(got)]:
                self.wrong = "other bytes came back than were sent"


def test_front_is_killed_again_and_again_under_load(folder, models, payloads):
    data = payloads["1m"]
    received = {"whole": 0, "cut": 0}

    def check(connection):
        got = read_all(connection)
        assert got == data[:len(got)], "other bytes came than were sent"
        received["whole" if len(got) == len(data) else "cut"] += 1

    files = {"models/1m": models["1m"][0], "data/1m": data}
    with Machine(folder, files=files) as machine:
        vm = machine.vms[0]
        vm.serve("echo", ECHO_PORT)
        waits = []
        with Server(f"{vm.uds}_{PUSH_PORT}", check), Load(vm, data) as load:
            vm.check(f"while :; do vsock_probe pipe 2 {PUSH_PORT} </data/1m; done >/dev/null 2>&1 &")
            vm.check("while :; do seed_guest /models/1m; done >/tmp/seed 2>&1 &")
            for _ in range(KILLS):
                time.sleep(random.random() * 0.1)
                kill_front(machine, vm)
                waits.append(back_after(vm))
            assert eventually(lambda: received["whole"] and load.bytes)
            uploads = vm.check("grep -c ': OK (' /tmp/seed; grep ': ER' /tmp/seed; true").split("\n")
        assert load.wrong is None
        assert load.resets
        assert uploads[1:] == [""], uploads
        waits.sort()
        print(f"{KILLS} kills, back after {waits[KILLS // 2]:.3f} s, {waits[-1]:.3f} s at most; "
              f"pushes {received}, echoed {load.bytes >> 20} MiB with {load.resets} resets, "
              f"{uploads[0]} models")
        assert waits[-1] < BACK_WITHIN_S, waits[-20:]
