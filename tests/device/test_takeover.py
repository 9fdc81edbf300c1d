# SPDX-License-Identifier: Apache-2.0
"""The front dies at any point of a session, and the VMM and its guest go on with the next one."""

import os
import random
import signal
import threading
import time

import pytest
from host import Host, eventually, read_all
from traffic import PORT, assert_works, called, connected, exchange
from vmm import EVENT, Vmm
from vsock import Op, Packet

SEED = int(os.environ.get("TENSOCK_SEED", random.randrange(1 << 32)))
ROUNDS = int(os.environ.get("TENSOCK_ROUNDS", "20"))


@pytest.fixture(scope="module")
def mortal():
    """A daemon whose front dies often."""
    import tempfile
    with tempfile.TemporaryDirectory(prefix="tensock-device.") as path:
        host = Host(path)
        host.fronts_may_die = True
        yield host
        host.end()


def kill_front(host, number=signal.SIGKILL):
    pids = eventually(host.fronts)
    assert pids
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def session(vmm, host, before_send):
    """All that a VMM says in its life.  before_send(n): called before message n, and after the last."""
    n = 0
    send = vmm.front.send

    def counted(*arguments, **options):
        nonlocal n
        before_send(n)
        n += 1
        send(*arguments, **options)

    vmm.front.send = counted
    vmm.start()
    bases = vmm.stop()
    vmm.set_up_queue(0)
    vmm.set_up_queue(1)
    vmm.enable()
    before_send(n)
    vmm.front.send = send
    assert_works(vmm, host, 10_000)
    assert bases == {0: 0, 1: 0}
    return n


def test_the_front_dies_at_each_message_of_the_vmm(mortal):
    """Before it is sent: the one before it may be in any state.  The next works as if nothing was."""
    with Vmm(mortal) as vmm:
        n_messages = session(vmm, mortal, lambda n: None)
    assert n_messages > 30
    for at in range(1, n_messages + 1):
        with Vmm(mortal) as vmm:
            session(vmm, mortal, lambda n: n == at and kill_front(mortal))


def test_connections_are_reset_and_what_listens_stays(mortal):
    with Vmm(mortal) as vmm:
        vmm.start()
        with connected(vmm, mortal) as (out, program), called(vmm, mortal, 6000) as (in_, caller):
            service = vmm.connect(9999)
            service.send(b"\x01\x00\x00\x00")  # a part of a frame
            for connection, socket in ((out, program), (in_, caller)):
                exchange(vmm, connection, socket)
            kill_front(mortal)
            vmm.wait(lambda: all(c.state == "reset" for c in (out, in_, service)))
            assert read_all(program) == b"" == read_all(caller)
        assert vmm.peer.stray == []
        assert_works(vmm, mortal)
        with called(vmm, mortal, 6000) as (connection, caller):
            exchange(vmm, connection, caller)


def receive_new(vmm):
    """The next packet but for an RST that was given before: a front may die between that and
    striking it out, and two do no harm."""
    while (packet := vmm.receive()).guest_port == 1:
        assert packet.op == Op.RST
    return packet


def test_what_the_guest_sent_meanwhile_is_answered(mortal):
    """Packets that lie in the queue while there is no front: each has its answer, and one only."""
    with Vmm(mortal) as vmm:
        vmm.start()
        vmm.automatic = False
        for _ in range(5):
            pid = eventually(mortal.fronts)[0]
            os.kill(pid, signal.SIGSTOP)
            vmm.transmit(Packet(70, 7000, Op.REQUEST))           # nobody serves it
            vmm.transmit(Packet(71, 7001, Op.RW, b"lost"))       # of no connection
            vmm.transmit(Packet(72, 9999, Op.REQUEST))
            os.kill(pid, signal.SIGKILL)
            answers = sorted((receive_new(vmm) for _ in range(3)), key=lambda p: p.guest_port)
            assert [(p.guest_port, p.op) for p in answers] == \
                [(70, Op.RST), (71, Op.RST), (72, Op.RESPONSE)]
            vmm.expect_nothing()
            vmm.transmit(Packet(72, 9999, Op.RST))
        vmm.expect_nothing()


def test_a_vmm_with_an_event_queue_hears_of_a_transport_reset(mortal):
    with Vmm(mortal) as vmm:
        vmm.start(n_queues=3)
        event = vmm.queues[EVENT]
        address = vmm.memory.allocate(8)
        for _ in range(3):
            vmm.memory.write(address, b"\xff" * 8)
            event.add(in_=[(address, 8)])
            event.kick()
            kill_front(mortal)
            chain = eventually(event.take_used)
            assert chain.written == 4
            assert vmm.memory.read(address, 8) == bytes(4) + b"\xff" * 4
        assert_works(vmm, mortal)


def test_a_vmm_that_goes_and_comes_while_there_is_no_front(mortal):
    for _ in range(3):
        with Vmm(mortal) as vmm:
            vmm.start()
            kill_front(mortal)
        with Vmm(mortal) as vmm:
            vmm.start()
            assert_works(vmm, mortal, 1000)


def push(vmm, connection, program, data):
    """Data both ways until it is through or the connection is reset: what came at each end."""
    got = []
    reader = threading.Thread(target=lambda: got.append(read_quietly(program)))
    writer = threading.Thread(target=write_quietly, args=[program, data])
    reader.start()
    writer.start()
    received = b""
    try:
        connection.send(data)
        connection.shutdown()
        received = connection.recv_exactly(len(data))
    except (ConnectionResetError, BrokenPipeError, EOFError):
        pass
    vmm.wait(lambda: not reader.is_alive() and not writer.is_alive())
    return got[0], received + bytes(connection.received)


def read_quietly(program):
    data = b""
    try:
        while piece := program.recv(1 << 16):
            data += piece
    except OSError:
        pass
    return data


def write_quietly(program, data):
    try:
        program.sendall(data)
    except OSError:
        pass


@pytest.mark.parametrize("event_idx", [True, False])
def test_the_front_dies_at_any_moment_under_load(mortal, event_idx):
    """Whatever arrives is a prefix of what was sent, and the queues are as good as new."""
    rng = random.Random(SEED)
    print("TENSOCK_SEED", SEED)
    data = rng.randbytes(1_000_000)
    with Vmm(mortal) as vmm:
        vmm.start(event_idx=event_idx, size=rng.choice([16, 128, 256]))
        for i in range(ROUNDS):
            with connected(vmm, mortal, PORT + i) as (connection, program):
                delay = rng.random() * 0.03
                killer = threading.Thread(target=lambda: (time.sleep(delay), kill_front(mortal)))
                killer.start()
                at_host, at_guest = push(vmm, connection, program, data)
                killer.join()
            assert at_host == data[:len(at_host)]
            assert at_guest == data[:len(at_guest)]
            assert_works(vmm, mortal, 1000)
