# SPDX-License-Identifier: Apache-2.0
"""A VM is paused and goes on, or its driver has gone: a VMM says the same until the queues start again.

What is lost in a pause is looked for in every state of a connection, with bytes under way."""

import os
import random
import select
import socket
import threading
import time

import pytest
from host import Host, eventually, read_all, read_exactly, read_line
from traffic import PORT, assert_works, called, connected, exchange
from vmm import RX, TX, Vmm
from vsock import BUF_ALLOC, PAYLOAD_MAX, SEQPACKET, SHUT_BOTH, SHUT_SEND, Op, Packet

EOM = 1
F_SEQPACKET = 1 << 1
PAUSE_S = 0.4  # of impatient()


def halt(vmm, disable=False):
    """What QEMU says on `stop`; newer ones disable the queues first."""
    if disable:
        vmm.enable(False)
    for index, queue in vmm.queues.items():
        queue.base = vmm.front.get_vring_base(index)


def go_on(vmm):
    """What QEMU says on `cont`."""
    vmm.front.set_features(vmm.features)
    vmm.share_memory()
    for index in vmm.queues:
        vmm.set_up_queue(index)
    vmm.enable()


def is_quiet(program, seconds=0.05):
    """Neither bytes nor an end come to a program."""
    poll = select.poll()
    poll.register(program, select.POLLIN | select.POLLHUP)
    return not poll.poll(seconds * 1000)


def ended(program):
    try:
        return read_all(program) == b""
    except ConnectionResetError:
        return True


def known(host):
    """A program's new connection that the device has: the next one, which says nonsense, has been turned away."""
    program = host.dial()
    with host.dial() as behind:
        behind.sendall(b"nonsense\n")
        assert ended(behind)
    return program


@pytest.fixture(scope="module")
def impatient():
    """A daemon that waits for a driver for a moment only."""
    import tempfile
    with tempfile.TemporaryDirectory(prefix="tensock-device.") as path:
        host = Host(path, config=f"pause-deadline = {PAUSE_S * 1000:.0f}ms\n")
        yield host
        host.end()


# ---- the same driver goes on ----

@pytest.mark.parametrize("event_idx", [True, False])
@pytest.mark.parametrize("disable", [True, False])
def test_pauses_amid_traffic(host, event_idx, disable):
    """Two connections, each with data both ways, through a pause wherever it comes."""
    chance = random.Random(event_idx)
    data = os.urandom(2_000_000)
    with Vmm(host) as vmm:
        vmm.start(event_idx=event_idx)
        with connected(vmm, host) as (out, listener), called(vmm, host, 6000) as (in_, caller):
            sent, got_by = {out: 0, in_: 0}, {}
            threads = [threading.Thread(target=program.sendall, args=[data])
                       for program in (listener, caller)]
            threads += [threading.Thread(target=lambda c=c, p=p: got_by.update(
                {c: read_exactly(p, len(data))})) for c, p in ((out, listener), (in_, caller))]
            for thread in threads:
                thread.start()
            came = {out: bytearray(), in_: bytearray()}
            pauses = 0
            while any(len(came[c]) < len(data) or sent[c] < len(data) for c in (out, in_)):
                for c in out, in_:
                    piece = min(c.credit, len(data) - sent[c], chance.randrange(1, 30_000))
                    c.send(data[sent[c]:sent[c] + piece])
                    sent[c] += piece
                    if c.received:
                        came[c] += c.recv()
                    assert c.state == "open"
                if not vmm.pump():
                    time.sleep(0.001)
                if chance.random() < 0.15:
                    halt(vmm, disable)
                    time.sleep(chance.choice([0, 0, 0.02]))
                    go_on(vmm)
                    pauses += 1
            vmm.flush()
            vmm.wait(lambda: not any(thread.is_alive() for thread in threads))
            assert pauses > 5
            assert came == {out: data, in_: data}
            assert got_by == {out: data, in_: data}
            out.close()
            in_.close()


def test_nothing_moves_meanwhile(guest, host):
    """What both sides write in a pause waits, and new programs are turned away."""
    with connected(guest, host) as (connection, program):
        exchange(guest, connection, program, 1000)
        halt(guest)
        program.sendall(b"from the host")
        connection.say(Op.RW, b"from the guest")
        connection.tx_cnt += 14
        assert is_quiet(program)
        assert (guest.tx.used_idx, guest.rx.used_idx) == (guest.tx.base, guest.rx.base)
        with host.dial() as other:
            assert ended(other)
        go_on(guest)
        assert read_exactly(program, 14) == b"from the guest"
        assert connection.recv_exactly(13) == b"from the host"
        exchange(guest, connection, program)
        connection.close()


def test_full_windows(guest, host):
    """Each side has sent all that it may, and nobody has read."""
    data = os.urandom(4 * BUF_ALLOC)
    with connected(guest, host) as (connection, program):
        writer = threading.Thread(target=program.sendall, args=[data])
        writer.start()
        sent = 0
        deadline = time.monotonic() + 20
        while (sent == 0 or connection.credit or len(connection.received) < BUF_ALLOC) and \
                time.monotonic() < deadline:
            n = min(connection.credit, PAYLOAD_MAX)
            connection.send(data[sent:sent + n])
            sent += n
            guest.run(0.01)
        assert sent > BUF_ALLOC and len(connection.received) == BUF_ALLOC
        for _ in range(3):
            halt(guest)
            assert writer.is_alive()
            go_on(guest)
            guest.run(0.02)
        assert connection.credit == 0 and len(connection.received) == BUF_ALLOC
        halt(guest)
        # The program reads what its socket holds, in the pause; the rest comes afterwards.
        got = read_exactly(program, 100_000)
        go_on(guest)
        assert connection.recv_exactly(len(data)) == data
        writer.join()
        assert got + read_exactly(program, sent - len(got)) == data[:sent]
        exchange(guest, connection, program)
        connection.close()


def test_while_the_guest_connects(guest, host):
    with host.listen(PORT) as listener:
        for i in range(20):
            connection = guest.peer.request(PORT)
            if i % 2:
                guest.flush()
            halt(guest)
            if i % 3 == 0:
                time.sleep(0.01)
            go_on(guest)
            with listener.accept()[0] as program:
                guest.wait(lambda: connection.state == "open")
                exchange(guest, connection, program, 1000)
                connection.close()
                assert read_all(program) == b""
        # A dead port is told of, too.
        connection = guest.peer.request(PORT + 1)
        guest.flush()
        halt(guest)
        go_on(guest)
        guest.wait(lambda: connection.state == "reset")


def test_while_a_host_program_connects(guest, host):
    """Its line may come before the pause, in the middle of it, or in both."""
    assert_works(guest, host, 1000)
    guest.listen(6000)
    for i in range(20):
        line = b"CONNECT 6000\nearly"
        before = (len(line) * i // 19)
        with known(host) as program:  # one that comes in the pause is turned away
            program.sendall(line[:before])
            time.sleep(0.005)
            halt(guest)
            program.sendall(line[before:])
            assert is_quiet(program, 0.005)
            go_on(guest)
            connection = guest.accept(6000)
            assert connection.recv_exactly(5) == b"early"
            guest.flush()
            assert read_line(program) == b"OK %d\n" % connection.host_port
            exchange(guest, connection, program, 1000)
            connection.close()


def test_the_guest_has_more_time_to_answer(guest, host):
    """It has 2 s, of its own."""
    guest.automatic = False
    with host.dial(6000) as program:
        request = guest.expect(Op.REQUEST)
        halt(guest)
        assert is_quiet(program, 2.5)
        go_on(guest)
        assert is_quiet(program, 0.1)
        guest.transmit(Packet(6000, request.host_port, Op.RESPONSE))
        assert read_line(program).startswith(b"OK ")
        guest.transmit(Packet(6000, request.host_port, Op.RST))


@pytest.mark.parametrize("when", ["before", "in it"])
def test_half_closed_by_the_host(guest, host, when):
    with connected(guest, host) as (connection, program):
        if when == "in it":
            halt(guest)
        program.sendall(b"the last")
        program.shutdown(socket.SHUT_WR)
        if when == "before":
            guest.wait(lambda: connection.peer_shut == SHUT_SEND)
            halt(guest)
        go_on(guest)
        assert connection.recv_all() == b"the last"
        data = os.urandom(100_000)
        connection.send(data)
        guest.flush()
        assert read_exactly(program, len(data)) == data
        connection.close()


@pytest.mark.parametrize("when", ["before", "in it"])
def test_half_closed_by_the_guest(guest, host, when):
    with connected(guest, host) as (connection, program):
        connection.send(b"the last")
        if when == "in it":
            guest.flush()
            halt(guest)
        connection.shutdown()
        if when == "before":
            guest.flush()
            halt(guest)
        assert read_exactly(program, 8) == b"the last"
        if when == "in it":
            assert is_quiet(program)
        go_on(guest)
        assert read_all(program) == b""
        program.sendall(b"an answer")
        assert connection.recv_exactly(9) == b"an answer"
        connection.close()


def test_the_guest_has_closed_with_bytes_under_way(guest, host):
    """They reach the program, and its end behind them; then the guest has its RST."""
    data = os.urandom(450_000)
    with connected(guest, host) as (connection, program):
        sent = 0
        while sent < len(data) and (connection.credit or sent < BUF_ALLOC):
            n = min(connection.credit, PAYLOAD_MAX, len(data) - sent)
            connection.send(data[sent:sent + n])
            sent += n
            guest.run(0.01)
        connection.shutdown(SHUT_BOTH)
        guest.flush()
        halt(guest)
        time.sleep(0.3)  # longer than one of its looks at a socket that is full
        go_on(guest)
        assert connection.state == "open"
        assert read_all(program) == data[:sent]
        guest.wait(lambda: connection.state == "closed")


def test_a_program_that_goes_meanwhile(guest, host):
    """Its last bytes are the guest's, and then their end."""
    for unread in False, True:
        with connected(guest, host) as (connection, program):
            if unread:
                connection.send(b"nobody reads this")
                guest.flush()
            halt(guest)
            program.sendall(b"goodbye")
            program.close()
            time.sleep(0.01)
            go_on(guest)
            assert connection.recv_exactly(7) == b"goodbye"
            try:
                assert connection.recv_all() == b""
            except ConnectionResetError:
                assert unread


def test_messages(host):
    """With a part of one sent and the rest behind the pause; the bounds of all stay."""
    path = f"{host.uds}_{PORT}"
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, Vmm(host) as vmm:
        listener.settimeout(20)
        listener.bind(path)
        listener.listen()
        vmm.start()
        vmm.features |= F_SEQPACKET
        halt(vmm)
        go_on(vmm)
        vmm.automatic = False
        say = {"type": SEQPACKET}
        vmm.transmit(Packet(1234, PORT, Op.REQUEST, **say))
        vmm.flush()
        halt(vmm)
        go_on(vmm)
        with listener.accept()[0] as program:
            program.settimeout(20)
            vmm.expect(Op.RESPONSE, type=SEQPACKET)
            messages = [os.urandom(n) for n in (1, 5000, 70_000, 3)]
            for message in messages:
                program.send(message)
            vmm.run(0.01)
            halt(vmm)
            program.send(b"in the pause")
            go_on(vmm)
            got, came = [b""], []
            while len(came) < 5:
                packet = vmm.receive()
                if packet.op == Op.RW:
                    got[0] += packet.data
                    if packet.flags & EOM:
                        came.append(got[0])
                        got[0] = b""
            assert came == [*messages, b"in the pause"]
            taken = sum(map(len, came))
            for part, flags in (b"one", EOM), (b"tw", 0), (b"", None), (b"o", EOM), (b"three", EOM):
                if flags is None:
                    vmm.flush()
                    halt(vmm)
                    assert program.recv(100) == b"one"
                    assert is_quiet(program)
                    go_on(vmm)
                else:
                    vmm.transmit(Packet(1234, PORT, Op.RW, part, flags=flags, fwd_cnt=taken, **say))
            assert [program.recv(100), program.recv(100)] == [b"two", b"three"]
            vmm.transmit(Packet(1234, PORT, Op.RST, **say))
            assert ended(program)
    os.unlink(path)


def test_the_service(guest, host):
    """A connection to Tensock itself, in the middle of a frame."""
    connection = guest.connect(9999)
    connection.send(b"\x01\x00")
    guest.flush()
    halt(guest)
    go_on(guest)
    connection.send(b"\x00\x00x")
    guest.flush()
    halt(guest)
    time.sleep(0.02)
    go_on(guest)
    guest.run(0.02)
    assert connection.state == "open"
    assert_works(guest, host)
    connection.reset()


@pytest.mark.parametrize("index", [RX, TX])
def test_one_queue_is_disabled(guest, host, index):
    with connected(guest, host) as (connection, program):
        for _ in range(3):
            guest.front.set_vring_enable(index, 0)
            guest.front.sync()
            program.sendall(b"here")
            connection.say(Op.RW, b"there")
            connection.tx_cnt += 5
            assert is_quiet(program)
            guest.front.set_vring_enable(index, 1)
            assert connection.recv_exactly(4) == b"here"
            assert read_exactly(program, 5) == b"there"
        connection.close()


# ---- it is another driver ----

def part_bytes(queue):
    return 16 * queue.size, 6 + 2 * queue.size, 6 + 8 * queue.size


def other_base(vmm):
    """As Linux does it: its rings lie where the last driver's lay."""
    for index, old in list(vmm.queues.items()):
        parts = old.desc, old.avail, old.used
        for at, size in zip(parts, part_bytes(old)):
            vmm.memory.write(at, bytes(size))
        vmm.make_queue(index, old.size, parts=parts)
    vmm.run_driver()


def other_place(vmm):
    for queue in vmm.queues.values():
        new = queue.allocate_parts()
        sizes = part_bytes(queue)
        for old, at, size in zip((queue.desc, queue.avail, queue.used), new, sizes):
            vmm.memory.write(at, vmm.memory.read(old, size))
        queue.desc, queue.avail, queue.used = new


def other_features(vmm):
    vmm.features |= F_SEQPACKET


@pytest.mark.parametrize("change", [other_base, other_place, other_features])
def test_all_are_reset(host, change):
    """The next driver has not a byte of the old one's."""
    with Vmm(host) as vmm:
        vmm.start()
        with connected(vmm, host) as (connection, program), called(vmm, host, 6000) as (_, caller):
            exchange(vmm, connection, program, 1000)
            halt(vmm)
            program.sendall(b"old news")
            assert is_quiet(program) and is_quiet(caller)
            change(vmm)
            go_on(vmm)
            assert ended(program) and ended(caller)
            vmm.wait(lambda: connection.state == "reset" or len(vmm.peer.stray) == 2)
            assert not connection.received
            assert all(packet.op == Op.RST for packet in vmm.peer.stray)
        assert_works(vmm, host)


def test_a_driver_that_has_used_nothing(guest, host):
    """Both queues at 0: as a new one's, and taken for one."""
    with known(host) as program:
        assert is_quiet(program)
        halt(guest)
        assert is_quiet(program)
        go_on(guest)
        assert ended(program)
    assert_works(guest, host)


# ---- nobody goes on ----

def test_a_driver_that_does_not_come_back(impatient):
    with Vmm(impatient) as vmm:
        vmm.start()
        with connected(vmm, impatient) as (connection, program), \
                called(vmm, impatient, 6000) as (_, caller):
            start = time.monotonic()
            halt(vmm)
            assert is_quiet(program, PAUSE_S / 2)
            assert ended(program) and ended(caller)
            assert time.monotonic() - start > PAUSE_S * 0.9
            assert impatient.said("have not been started")
            # It was but a long pause: then the guest hears of it.
            go_on(vmm)
            vmm.wait(lambda: connection.state == "reset")
        assert_works(vmm, impatient)


def test_short_pauses_do_not_add_up(impatient):
    with Vmm(impatient) as vmm:
        vmm.start()
        with connected(vmm, impatient) as (connection, program):
            for _ in range(4):
                halt(vmm)
                time.sleep(PAUSE_S / 2)
                go_on(vmm)
                exchange(vmm, connection, program, 1000)
            vmm.run(PAUSE_S * 1.5)
            exchange(vmm, connection, program, 1000)
            connection.close()


def test_a_vmm_that_ends_in_a_pause(host):
    """Programs hear at once: there is nothing to wait for."""
    with Vmm(host) as vmm:
        vmm.start()
        with connected(vmm, host) as (_, program):
            halt(vmm)
            start = time.monotonic()
            vmm.close()
            assert ended(program)
            assert time.monotonic() - start < 5
    with Vmm(host) as vmm:
        vmm.start()
        assert_works(vmm, host)


def test_the_front_dies_in_a_pause(own_host):
    """Its connections are lost; the guest hears of it when it goes on."""
    own_host.fronts_may_die = True
    with Vmm(own_host) as vmm:
        vmm.start()
        for _ in range(3):
            with connected(vmm, own_host) as (connection, program):
                halt(vmm)
                pid = eventually(own_host.fronts)[0]
                os.kill(pid, 9)
                assert ended(program)
                assert eventually(lambda: own_host.fronts() not in ([], [pid]))
                go_on(vmm)
                vmm.wait(lambda: connection.state == "reset")
            assert_works(vmm, own_host)
