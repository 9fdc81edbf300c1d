# SPDX-License-Identifier: Apache-2.0
"""Modes 33, 35, 37 and 54: a VM and its front, either of which may go at any time."""

import os
import random
import signal
import threading
import time

import native
import pytest
from device_native import DeviceGuest
from host import Host
from plan import NO_MEMORY, NOTHING
from rule import ECHO, GOOD_INPUT, p99
from scenario import alive, cpu_s, eventually
from test_memory import crashes
from traffic import PORT, assert_works
from vmm import Vmm

SEED = int(os.environ.get("TENSOCK_SEED", random.randrange(1 << 32)))


GONE = (ConnectionResetError, ConnectionRefusedError, BrokenPipeError, EOFError, native.Closed)


class VmHost(Host):
    """A daemon of ours as tests/device has it: with one VM."""

    def __init__(self, ruled, folder, config=""):
        self.cid, self.vhost, self.uds = 3, folder / "vhost.sock", folder / "vm.vsock"
        self.ruled = ruled(config, "--vm", f"vm={self.vhost},cid=3,uds={self.uds}")
        self.folder, self.daemon = folder, self.ruled.daemon

    def front(self):
        """The VM's, once there is one."""
        return eventually(lambda: self.ruled.front_of("vm"))


@pytest.fixture
def vm_host(ruled, folder):
    return VmHost(ruled, folder)


def guest_of(vmm):
    guest = DeviceGuest(vmm.connect(9999))
    guest.push(ECHO)
    return guest


def ask(guest):
    return guest.start(native.digest(ECHO), [("x0", GOOD_INPUT)])


def end_of(guest, id_):
    """The one terminal answer: ok, error, reset."""
    try:
        assert (guest.wait(id_).outputs()["x0"] == GOOD_INPUT).all()
        return "ok"
    except native.Refused:
        return "error"
    except GONE:
        return "reset"


def first_answer(vmm):
    """From a connection that is new, as often as it takes."""
    def answers():
        try:
            guest = guest_of(vmm)
            return end_of(guest, ask(guest)) == "ok" and guest
        except (*GONE, native.Refused):
            return None

    return eventually(answers)


@pytest.mark.mode(37)
def test_front_is_killed_a_thousand_times(vm_host, request, repeat, figure):
    """Under load, by a guest of the device: each request has one end, and the VM's vsock goes on."""
    vm_host.ruled.tensock.fronts_may_die = True
    rng, ends, backs = random.Random(SEED), {"ok": 0, "error": 0, "reset": 0}, []
    print("TENSOCK_SEED", SEED)
    with Vmm(vm_host) as vmm:
        vmm.start()
        guest = first_answer(vmm)
        with vm_host.ruled.good.asking(0.02):
            for _ in repeat(1000, fast=15):
                ids = [ask(guest) for _ in range(rng.randrange(1, 20))]
                victim = vm_host.front()
                time.sleep(rng.random() * 0.005)
                began = time.monotonic()
                os.kill(victim, signal.SIGKILL)
                for id_ in ids:
                    ends[end_of(guest, id_)] += 1
                guest = first_answer(vmm)
                assert guest, "it is not back"
                backs.append(time.monotonic() - began)
        assert_works(vmm, vm_host, 10_000)
        os.unlink(f"{vm_host.uds}_{PORT}")
    figure(f"{len(backs)} fronts killed: {sum(ends.values())} requests, of which {ends}; an answer again p99 "
           f"{1000 * p99(backs):.0f} ms, at most {1000 * max(backs):.0f} ms; a good guest's p99 "
           f"{vm_host.ruled.good.p99_ms():.1f} ms")
    assert ends["reset"]
    assert p99(backs) <= (2 if request.config.getoption("--full") else 15)


def guest_mappings(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        return [line for line in maps if "memfd:guest" in line]


@pytest.mark.mode(33)
def test_vm_is_gone_while_its_model_runs(vm_host, repeat):
    """What comes of the run goes nowhere, and nothing of the VM's memory stays mapped."""
    for _ in repeat(50, fast=3):
        with Vmm(vm_host) as vmm:
            vmm.start()
            guest = DeviceGuest(vmm.connect(9999))
            guest.push(b"TSKECHO1 shape=1,4 delay_ms=300")
            guest.start(native.digest(b"TSKECHO1 shape=1,4 delay_ms=300"), [("x0", GOOD_INPUT)])
            guest.ping()
            front = vm_host.front()
            assert guest_mappings(front)
        assert eventually(lambda pid=front: not guest_mappings(pid))
        assert alive(front)


@pytest.mark.mode(35)
def test_storm_of_restarts(vm_host, repeat):
    """64 connections, and the driver begins anew: the first try of each next one works."""
    with Vmm(vm_host) as vmm:
        vmm.start()
        for _ in repeat(30, fast=2):
            guests = [DeviceGuest(vmm.connect(9999)) for _ in range(64)]
            guests[0].push(ECHO)
            ids = [(guest, ask(guest)) for guest in guests]
            assert {end_of(*pair) for pair in ids[:32]} == {"ok"}
            vmm.restart()
        guest = guest_of(vmm)
        assert end_of(guest, ask(guest)) == "ok"


@pytest.mark.mode(54)
def test_storm_of_kicks(vm_host, request, figure):
    """As fast as a guest can: its own front works at it, and others are served."""
    seconds = 10 if request.config.getoption("--full") else 1
    with Vmm(vm_host) as vmm:
        vmm.start()
        stop, kicks = threading.Event(), 0
        files = [queue.kick_fd for queue in vmm.queues.values()]

        def kick():
            nonlocal kicks
            while not stop.is_set():
                for fd in files:
                    os.eventfd_write(fd, 1)
                kicks += len(files)

        kicker = threading.Thread(target=kick)
        supervisor_before = cpu_s(vm_host.ruled.pid)
        kicker.start()
        try:
            with vm_host.ruled.good.asking():
                time.sleep(seconds)
            guest = guest_of(vmm)
            assert end_of(guest, ask(guest)) == "ok"
        finally:
            stop.set()
            kicker.join()
        figure(f"{kicks / seconds:.0f} kicks a second; a good guest's p99 {vm_host.ruled.good.p99_ms():.1f} ms")
        assert cpu_s(vm_host.ruled.pid) - supervisor_before < 0.2 + 0.05 * seconds
        before = cpu_s(vm_host.front())
        time.sleep(0.5)
        assert cpu_s(vm_host.front()) - before < 0.2  # it is over with them


@pytest.mark.mode(11)
def test_each_allocation_of_a_start_fails(plan, ruled, folder, repeat):
    """A front that cannot start, or take its device over, is started again."""
    vm_host = VmHost(ruled, folder, "max-crashes = 0\n")
    vm_host.ruled.tensock.fronts_may_die = True
    at = 0
    with Vmm(vm_host) as vmm:
        vmm.start()
        for at in repeat(10_000, fast=8, at_most=True):
            victim = vm_host.front()
            plan.set(NO_MEMORY, fail_at=at + 1, spared=vm_host.ruled.good_front)
            os.kill(victim, signal.SIGKILL)
            assert eventually(lambda pid=victim: not alive(pid))
            assert first_answer(vmm), f"allocation {at + 1}"
            if not plan.injected:
                break
            plan.set(NOTHING)
    plan.set(NOTHING)
    print(f"{at} allocations")
    assert not crashes(vm_host.ruled.log)
