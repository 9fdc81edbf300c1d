# SPDX-License-Identifier: Apache-2.0
"""Another tensockd takes the place of the one that runs (SIGUSR2), and the VM's device goes on."""

import os
import random
import signal
import threading
import time

import numpy
import pytest
from host import Host, eventually, read_all
from test_native import ECHO, ENGINE, DeviceGuest, native
from test_takeover import receive_new
from traffic import assert_works, called, connected, exchange
from vmm import Vmm
from vsock import Op, Packet

SEED = int(os.environ.get("TENSOCK_SEED", random.randrange(1 << 32)))


def ready(host):
    return sum(": info: ready" in line for line in list(host.log))


def begin_upgrade(host):
    before = ready(host), host.fronts()
    os.kill(host.daemon.process.pid, signal.SIGUSR2)
    return before


def has_upgraded(host, before):
    """The new program is there, and so is the VM's new front."""
    return ready(host) > before[0] and len(host.fronts()) == 1 and host.fronts() != before[1]


def upgrade(host):
    before = begin_upgrade(host)
    assert eventually(lambda: has_upgraded(host, before)), "\n".join(host.log)


@pytest.fixture
def echo_host(folder):
    host = Host(folder, ENGINE)
    yield host
    host.end()


def test_connections_are_reset_and_new_ones_work(echo_host):
    with Vmm(echo_host) as vmm:
        vmm.start()
        for _ in range(3):
            with connected(vmm, echo_host) as (out, program), \
                    called(vmm, echo_host, 6000) as (in_, caller):
                service = vmm.connect(9999)
                service.send(b"\x01\x00\x00\x00")  # a part of a frame
                for connection, socket in ((out, program), (in_, caller)):
                    exchange(vmm, connection, socket)
                upgrade(echo_host)
                vmm.wait(lambda: all(c.state == "reset" for c in (out, in_, service)))
                assert read_all(program) == b"" == read_all(caller)
            assert_works(vmm, echo_host)
            with called(vmm, echo_host, 6000) as (connection, caller):
                exchange(vmm, connection, caller)
        guest = DeviceGuest(vmm.connect(9999))
        guest.push(ECHO)
        x = numpy.arange(5, dtype="float32")
        assert (guest.infer(native.digest(ECHO), [("x0", x)])["x0"] == x).all()


def test_vmm_that_has_said_nothing_yet(echo_host):
    """And one that comes and goes around it."""
    with Vmm(echo_host) as vmm:
        upgrade(echo_host)
        vmm.start()
        assert_works(vmm, echo_host)
    upgrade(echo_host)
    with Vmm(echo_host) as vmm:
        vmm.start()
        assert_works(vmm, echo_host)


def test_what_the_guest_asks_meanwhile_waits(echo_host):
    """No connection is refused: its packet lies in the queue until there is a front."""
    with Vmm(echo_host) as vmm:
        vmm.start()
        vmm.automatic = False
        for _ in range(5):
            pid, = echo_host.fronts()
            os.kill(pid, signal.SIGSTOP)
            vmm.transmit(Packet(72, 9999, Op.REQUEST))
            upgrade(echo_host)
            answer = receive_new(vmm)
            assert (answer.guest_port, answer.op) == (72, Op.RESPONSE)
            vmm.expect_nothing()
            vmm.transmit(Packet(72, 9999, Op.RST))
        vmm.expect_nothing()


def test_front_that_is_on_its_way_out(echo_host):
    """The exec waits until the device is nobody's."""
    echo_host.fronts_may_die = True
    with Vmm(echo_host) as vmm:
        vmm.start()
        for delay in (0, 0.001, 0.005, 0.02, 0.05):
            os.kill(eventually(echo_host.fronts)[0], signal.SIGKILL)
            time.sleep(delay)
            before = ready(echo_host)
            os.kill(echo_host.daemon.process.pid, signal.SIGUSR2)
            assert eventually(lambda: ready(echo_host) > before)
            assert_works(vmm, echo_host, 1000)


def test_under_load(echo_host):
    """Bytes that arrive are a prefix of what was sent, and the queues are as good as new."""
    rng = random.Random(SEED)
    print("TENSOCK_SEED", SEED)
    data = rng.randbytes(300_000)
    with Vmm(echo_host) as vmm:
        vmm.start()
        for i in range(5):
            with connected(vmm, echo_host, 5000 + i) as (connection, program):
                got = []
                reader = threading.Thread(target=lambda: got.append(read_all(program)))
                reader.start()
                time.sleep(rng.random() * 0.01)
                before = begin_upgrade(echo_host)
                try:
                    for at in range(0, len(data), 10_000):
                        connection.send(data[at:at + 10_000])
                    connection.shutdown()
                except (ConnectionResetError, BrokenPipeError):
                    pass
                vmm.wait(lambda: not reader.is_alive())
            assert got[0] == data[:len(got[0])]
            assert eventually(lambda: has_upgraded(echo_host, before)), "\n".join(echo_host.log)
            assert_works(vmm, echo_host, 1000)


def test_requests_are_asked_again(echo_host):
    """Each request of the guest has its answer, or a reset, after which it is asked again."""
    with Vmm(echo_host) as vmm:
        vmm.start()
        done, again, before = 0, 0, None
        x = numpy.arange(8, dtype="float32")
        for upgrades in range(4):
            wanted = done + 100
            while done < wanted:
                try:
                    guest = DeviceGuest(vmm.connect(9999))
                    guest.push(ECHO)
                    while done < wanted:
                        assert (guest.infer(native.digest(ECHO), [("x0", x)])["x0"] == x).all()
                        done += 1
                        if upgrades < 3 and done == wanted - 50:
                            before = begin_upgrade(echo_host)
                    guest.connection.close()
                except (ConnectionResetError, BrokenPipeError, EOFError):
                    again += 1
            if upgrades < 3:
                assert eventually(lambda: has_upgraded(echo_host, before)), "\n".join(echo_host.log)
        print(f"{done} answers, {again} resets, across three upgrades")
        assert done == 400 and again <= 6
