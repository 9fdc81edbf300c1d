# SPDX-License-Identifier: Apache-2.0
"""Every op of virtio-vsock in every state of a connection, by hand: nothing answers for the guest."""

import os
import socket
import time

import pytest
from host import read_all, read_exactly, read_line
from vmm import Vmm
from vsock import (BUF_ALLOC, PAYLOAD_MAX, SEQPACKET, SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, STREAM, Op,
                   Packet)

PORT = 5000
GUEST_PORT = 1234
DATA = b"sixteen bytes ok"
ODD_OPS = [0, 8, 255, 0xffff]


@pytest.fixture
def raw(guest):
    guest.automatic = False
    return guest


class Wire:
    """One connection seen as packets."""

    def __init__(self, vmm, host_port=PORT, guest_port=GUEST_PORT):
        self.vmm = vmm
        self.ports = guest_port, host_port
        self.sent = self.taken = 0

    def say(self, op, data=b"", **fields):
        fields.setdefault("fwd_cnt", self.taken)
        self.vmm.transmit(Packet(*self.ports, op, data, **fields))
        if op == Op.RW:
            self.sent += len(data)

    def expect(self, op, **fields):
        guest_port, host_port = self.ports
        return self.vmm.expect(op, guest_port=guest_port, host_port=host_port, **fields)

    def take(self, n):
        """Takes n bytes of the host: they may come in several packets."""
        data = b""
        while len(data) < n:
            data += self.expect(Op.RW).data
        self.taken += len(data)
        return data

    def expect_shutdown(self, flags):
        """It may come in two steps."""
        while self.expect(Op.SHUTDOWN).flags != flags:
            pass

    def expect_silence(self):
        self.vmm.expect_nothing()

    def expect_gone(self):
        """The device knows nothing of it any more."""
        self.say(Op.CREDIT_REQUEST)
        self.expect(Op.RST)


def has_ended(program):
    """Whether there is nothing to come any more."""
    try:
        return program.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def opened(vmm, host, **fields):
    """(wire, program) of a connection that the guest has begun."""
    wire = Wire(vmm)
    with host.listen(PORT) as listener:
        wire.say(Op.REQUEST, **fields)
        program = listener.accept()[0]
    program.settimeout(20)
    wire.expect(Op.RESPONSE, buf_alloc=BUF_ALLOC, fwd_cnt=0, data=b"", flags=0)
    return wire, program


def dialled(vmm, host, **fields):
    """The same that the host has begun; the guest has been asked and has not answered."""
    program = host.dial(GUEST_PORT)
    request = vmm.expect(Op.REQUEST, guest_port=GUEST_PORT, buf_alloc=BUF_ALLOC, fwd_cnt=0)
    assert request.host_port >= 1 << 30
    return Wire(vmm, request.host_port), program


# ---- no connection ----

@pytest.mark.parametrize("type_", [STREAM, SEQPACKET, 0, 3, 0xffff])
def test_packets_of_no_connection(raw, type_):
    """RST with the type of its packet, where Linux knows the type; to an RST nothing."""
    for op in [*set(Op) - {Op.REQUEST, Op.RST}, *ODD_OPS]:
        raw.transmit(Packet(GUEST_PORT, PORT, op, type=type_))
        raw.expect(Op.RST, guest_port=GUEST_PORT, host_port=PORT, buf_alloc=0, fwd_cnt=0,
                   type=type_ if type_ in (STREAM, SEQPACKET) else STREAM)
    raw.transmit(Packet(GUEST_PORT, PORT, Op.RST, type=type_))
    raw.expect_nothing()


def test_a_request_to_a_dead_port(raw):
    for type_ in STREAM, SEQPACKET:
        raw.transmit(Packet(GUEST_PORT, PORT, Op.REQUEST, type=type_))
        raw.expect(Op.RST, guest_port=GUEST_PORT, host_port=PORT, type=type_)


@pytest.mark.parametrize("fields", [
    dict(src_cid=2), dict(src_cid=4), dict(src_cid=0), dict(src_cid=0xffffffff),
    dict(src_cid=1 << 32 | 3), dict(dst_cid=1), dict(dst_cid=3), dict(dst_cid=0),
    dict(dst_cid=0xffffffff), dict(dst_cid=1 << 32 | 2)])
def test_forged_addresses_are_dropped(raw, host, fields):
    """Whatever the op; a connection that has these ports is not touched by it."""
    wire, program = opened(raw, host)
    with program:
        for op in [*Op, *ODD_OPS]:
            wire.say(op, **fields)
            raw.transmit(Packet(1, 77, op, **fields))
        wire.expect_silence()
        wire.sent = 0
        wire.say(Op.RW, DATA)
        assert read_exactly(program, len(DATA)) == DATA


def test_ports_of_all_values(raw, host):
    for port in 0, 1, 1023, 9998, 10000, 0x7fffffff, 0xfffffffe, 0xffffffff:
        raw.transmit(Packet(port, port, Op.REQUEST))
        raw.expect(Op.RST, guest_port=port, host_port=port)
    for port in 0, 0xffffffff:
        with host.listen(PORT) as listener:
            wire = Wire(raw, PORT, port)
            wire.say(Op.REQUEST)
            with listener.accept()[0]:
                wire.expect(Op.RESPONSE)
                wire.say(Op.RST)


def test_a_runt_has_nobody_to_answer(raw):
    """Less than a header: taken, and that is all."""
    for n in 1, 20, 43:
        raw.transmit(bytes(n), cuts=[n])
    raw.flush()
    raw.expect_nothing()


# ---- open ----

def test_op_by_op_while_open(raw, host):
    wire, program = opened(raw, host)
    with program:
        wire.say(Op.CREDIT_UPDATE)
        wire.expect_silence()
        wire.say(Op.CREDIT_REQUEST)
        wire.expect(Op.CREDIT_UPDATE, buf_alloc=BUF_ALLOC, fwd_cnt=0, data=b"")
        wire.say(Op.RW, DATA)
        assert read_exactly(program, len(DATA)) == DATA
        wire.say(Op.CREDIT_REQUEST)
        wire.expect(Op.CREDIT_UPDATE, fwd_cnt=len(DATA))
        wire.say(Op.RW)  # empty, and nothing
        wire.expect_silence()
        wire.say(Op.SHUTDOWN)  # without a flag: nothing
        wire.expect_silence()
        program.sendall(DATA)
        assert wire.take(len(DATA)) == DATA
        wire.say(Op.RST)
        assert read_all(program) == b""
    wire.expect_gone()


@pytest.mark.parametrize("op", [Op.REQUEST, Op.RESPONSE, *ODD_OPS])
def test_what_has_no_place_while_open_resets(raw, host, op):
    for begun in opened, answered:
        wire, program = begun(raw, host)
        with program:
            wire.say(op)
            wire.expect(Op.RST)
            assert ended(program)
        wire.expect_gone()


def answered(vmm, host):
    wire, program = dialled(vmm, host)
    wire.say(Op.RESPONSE)
    assert read_line(program) == b"OK %d\n" % wire.ports[1]
    return wire, program


def ended(program):
    try:
        read_all(program)
    except ConnectionResetError:
        pass
    return True


def test_a_packet_of_another_type_while_open(raw, host):
    """Is none of this connection's: RST of its own type, and the connection stays."""
    wire, program = opened(raw, host)
    with program:
        wire.say(Op.RW, DATA, type=SEQPACKET)
        wire.expect(Op.RST, type=SEQPACKET)
        wire.sent = 0
        wire.say(Op.RW, DATA)
        assert read_exactly(program, len(DATA)) == DATA
        wire.say(Op.RST)


def test_lengths_that_lie(raw, host):
    """A header that says more than came, or more than a packet may have: RST.  One that says less:
    what it says counts."""
    for length in 17, 65536, 65537, 0x7fffffff, 0xffffffff:
        wire, program = opened(raw, host)
        with program:
            wire.say(Op.RW, DATA, length=length)
            wire.expect(Op.RST)
            assert ended(program)
    wire, program = opened(raw, host)
    with program:
        wire.say(Op.RW, DATA, length=7)
        wire.say(Op.RW, DATA)
        assert read_exactly(program, 23) == DATA[:7] + DATA
        wire.say(Op.RST)


def test_payload_where_none_belongs(raw, host):
    """Of other ops it is passed over."""
    wire, program = opened(raw, host)
    with program:
        wire.say(Op.CREDIT_REQUEST, DATA)
        wire.expect(Op.CREDIT_UPDATE, fwd_cnt=0)
        wire.say(Op.CREDIT_UPDATE, DATA)
        wire.say(Op.SHUTDOWN, DATA, flags=SHUT_SEND)
        assert read_all(program) == b""


# ---- being opened ----

def test_op_by_op_while_requested(raw, host):
    """Only RESPONSE opens; RST refuses; anything else is refused by RST."""
    for op in [*Op, *ODD_OPS]:
        wire, program = dialled(raw, host)
        with program:
            wire.say(op)
            if op == Op.RESPONSE:
                assert read_line(program) == b"OK %d\n" % wire.ports[1]
                wire.say(Op.RST)
            elif op != Op.RST:
                wire.expect(Op.RST)
            assert read_line(program) == b""
        wire.expect_gone()


def test_a_guest_that_does_not_answer(raw, host):
    """It is given 2 s, then RST; a late RESPONSE finds nothing."""
    wire, program = dialled(raw, host)
    with program:
        began = time.monotonic()
        assert read_line(program) == b""
        assert 1.5 < time.monotonic() - began < 10
    while raw.inbox or raw.pump():
        raw.inbox.clear()
    wire.say(Op.RESPONSE)
    wire.expect(Op.RST)


def test_a_program_that_goes_before_the_answer(raw, host):
    wire, program = dialled(raw, host)
    program.close()
    wire.say(Op.RESPONSE)
    wire.expect_shutdown(SHUT_BOTH)
    wire.say(Op.RST)
    wire.expect_gone()


def test_packets_while_the_host_is_being_connected(raw, host):
    """The listener's backlog is full: the guest's connection waits."""
    listener = host.listen(PORT, backlog=0)
    filler = socket.socket(socket.AF_UNIX)
    filler.connect(f"{host.uds}_{PORT}")
    with listener, filler:
        for op in set(Op) - {Op.RST} | {*ODD_OPS}:
            wire = Wire(raw)
            wire.say(Op.REQUEST)
            raw.flush()
            wire.say(op)
            wire.expect(Op.RST)
            wire.expect_gone()
        wire = Wire(raw)
        wire.say(Op.REQUEST)
        wire.say(Op.RST)
        wire.expect_gone()
        wire = Wire(raw)
        wire.say(Op.REQUEST)
        wire.expect_silence()
        listener.accept()[0].close()
        got = b""
        while not got:  # those that were given up may still come, and end at once
            with listener.accept()[0] as program:
                if not wire.sent:
                    raw.wait(lambda: raw.inbox or has_ended(program))
                    if not raw.inbox:
                        continue
                    wire.expect(Op.RESPONSE)
                    wire.say(Op.RW, DATA)
                got = program.recv(100)
        assert got == DATA
        wire.say(Op.RST)


def test_the_same_ports_again(raw, host):
    """At once after RST, or after the close in good order."""
    for _ in range(20):
        wire, program = opened(raw, host)
        with program:
            wire.say(Op.RST)
            assert read_all(program) == b""
        wire, program = opened(raw, host)
        with program:
            wire.say(Op.SHUTDOWN, flags=SHUT_BOTH)
            wire.expect(Op.RST)
            assert read_all(program) == b""


# ---- closing ----

def test_the_guest_sends_no_more(raw, host):
    wire, program = opened(raw, host)
    with program:
        wire.say(Op.RW, DATA)
        wire.say(Op.SHUTDOWN, flags=SHUT_SEND)
        assert read_all(program) == DATA
        program.sendall(DATA)
        assert wire.take(len(DATA)) == DATA
        wire.say(Op.SHUTDOWN, flags=SHUT_SEND)  # again, and nothing
        wire.say(Op.CREDIT_REQUEST)
        wire.expect(Op.CREDIT_UPDATE)
        wire.say(Op.RW, DATA)
        wire.expect(Op.RST)


def test_the_guest_receives_no_more(raw, host):
    wire, program = opened(raw, host)
    with program:
        wire.say(Op.SHUTDOWN, flags=SHUT_RECEIVE)
        raw.flush()
        with pytest.raises(BrokenPipeError):
            for _ in range(1000):
                program.sendall(DATA)
        wire.say(Op.RW, DATA)
        assert read_exactly(program, len(DATA)) == DATA
        wire.say(Op.SHUTDOWN, flags=SHUT_SEND)
        wire.expect(Op.RST)


def test_the_guest_closes_in_two_steps(raw, host):
    for first, second in (SHUT_SEND, SHUT_RECEIVE), (SHUT_RECEIVE, SHUT_SEND), \
            (SHUT_SEND, SHUT_BOTH), (SHUT_RECEIVE, SHUT_BOTH):
        wire, program = opened(raw, host)
        with program:
            wire.say(Op.SHUTDOWN, flags=first)
            wire.expect_silence()
            wire.say(Op.SHUTDOWN, flags=second)
            wire.expect(Op.RST)
            assert ended(program)
        wire.expect_gone()


def test_odd_flags_of_shutdown(raw, host):
    """Only the two that there are count."""
    wire, program = opened(raw, host)
    with program:
        wire.say(Op.SHUTDOWN, flags=0xfffffffc)
        wire.expect_silence()
        wire.say(Op.SHUTDOWN, flags=0xffffffff)
        wire.expect(Op.RST)


def fill(wire, program):
    """The guest sends all that it may, and nobody reads."""
    data = os.urandom(BUF_ALLOC)
    for at in range(0, BUF_ALLOC, PAYLOAD_MAX):
        wire.say(Op.RW, data[at:at + PAYLOAD_MAX])
    return data


def last_credit(wire):
    """What the device says of itself, once it has worked all off."""
    wire.vmm.flush()
    while wire.vmm.inbox or wire.vmm.pump():
        wire.vmm.inbox.clear()
    wire.say(Op.CREDIT_REQUEST)
    return wire.expect(Op.CREDIT_UPDATE)


def test_a_close_waits_for_the_last_bytes(raw, host):
    """RST only when the program has read all."""
    wire, program = opened(raw, host)
    with program:
        data = fill(wire, program)
        assert last_credit(wire).fwd_cnt < BUF_ALLOC
        wire.say(Op.SHUTDOWN, flags=SHUT_BOTH)
        wire.expect_silence()
        assert read_exactly(program, BUF_ALLOC) == data
        wire.expect(Op.RST)
        assert read_all(program) == b""


def test_op_by_op_while_closing(raw, host):
    """Data behind the close resets; an RST of the guest's leaves the program its bytes."""
    for op in set(Op) | {*ODD_OPS}:
        wire, program = opened(raw, host)
        with program:
            data = fill(wire, program)
            last_credit(wire)
            wire.say(Op.SHUTDOWN, flags=SHUT_BOTH)
            wire.say(op)
            if op in (Op.SHUTDOWN, Op.CREDIT_UPDATE, Op.CREDIT_REQUEST):
                wire.expect_silence()
                assert read_exactly(program, BUF_ALLOC) == data
                wire.expect(Op.RST)
            elif op == Op.RST:
                wire.expect_gone()
                assert read_exactly(program, BUF_ALLOC) == data
            else:
                wire.expect(Op.RST)
            assert ended(program)


def test_the_host_sends_no_more(raw, host):
    wire, program = opened(raw, host)
    with program:
        program.sendall(DATA)
        program.shutdown(socket.SHUT_WR)
        assert wire.take(len(DATA)) == DATA
        wire.expect(Op.SHUTDOWN, flags=SHUT_SEND)
        wire.say(Op.RW, DATA)
        assert read_exactly(program, len(DATA)) == DATA
        wire.say(Op.SHUTDOWN, flags=SHUT_SEND)
        wire.expect(Op.SHUTDOWN, flags=SHUT_BOTH)
        assert read_all(program) == b""
        wire.say(Op.RST)
    wire.expect_gone()


def test_the_host_receives_no_more(raw, host):
    wire, program = opened(raw, host)
    with program:
        program.shutdown(socket.SHUT_RD)
        wire.expect(Op.SHUTDOWN, flags=SHUT_RECEIVE)
        program.sendall(DATA)
        assert wire.take(len(DATA)) == DATA
        wire.say(Op.RW, DATA)  # too late, and not its fault
        assert last_credit(wire).fwd_cnt == len(DATA)
        wire.say(Op.RST)


def take_between(wire):
    """The data that comes before SHUTDOWN has both flags."""
    data = b""
    while (packet := wire.vmm.receive()).flags != SHUT_BOTH:
        assert packet.op in (Op.RW, Op.SHUTDOWN)
        data += packet.data
    return data


@pytest.mark.parametrize("close", [0, SHUT_BOTH])
def test_the_host_receives_no_more_with_its_socket_full(raw, host, close):
    """Linux tells no writer of it then; a guest that has used all its credit would wait for ever."""
    wire, program = opened(raw, host)
    with program:
        fill(wire, program)
        while left := BUF_ALLOC - (wire.sent - last_credit(wire).fwd_cnt):
            wire.say(Op.RW, os.urandom(min(left, PAYLOAD_MAX)))
        if close:
            wire.say(Op.SHUTDOWN, flags=close)
            wire.expect_silence()
        program.shutdown(socket.SHUT_RD)
        if close:
            wire.expect(Op.RST)
        else:
            wire.expect(Op.SHUTDOWN, flags=SHUT_RECEIVE, fwd_cnt=wire.sent)
            wire.say(Op.RST)


def test_the_host_closes(raw, host):
    """What it had sent comes first.  The guest answers by RST, or is given 8 s."""
    wire, program = opened(raw, host)
    program.sendall(DATA)
    program.close()
    assert take_between(wire) == DATA
    wire.say(Op.RST)
    wire.expect_gone()


# ---- credit ----

@pytest.mark.parametrize("over", [0, 1])
def test_the_window_of_the_device_is_kept_to_the_byte(raw, host, over):
    wire, program = opened(raw, host)
    with program:
        fill(wire, program)
        while left := BUF_ALLOC - (wire.sent - last_credit(wire).fwd_cnt):
            wire.say(Op.RW, os.urandom(min(left, PAYLOAD_MAX)))
        if over:
            wire.say(Op.RW, b"x")
            wire.expect(Op.RST)
            assert ended(program)
        else:
            wire.expect_silence()
            assert len(read_exactly(program, wire.sent)) == wire.sent
            wire.say(Op.RST)


def test_the_window_of_the_guest_is_kept_to_the_byte(raw, host):
    """A window of no, one, and some bytes; grown, shrunk below what is under way, and grown again."""
    wire, program = opened(raw, host, buf_alloc=0)
    with program:
        program.sendall(bytes(range(256)) * 40)
        wire.expect_silence()
        wire.say(Op.CREDIT_UPDATE, buf_alloc=1)
        assert wire.expect(Op.RW).data == bytes(1)
        wire.expect_silence()
        wire.say(Op.CREDIT_UPDATE, buf_alloc=1000, fwd_cnt=0)
        assert len(wire.expect(Op.RW).data) == 999
        wire.say(Op.CREDIT_UPDATE, buf_alloc=10, fwd_cnt=0)
        wire.say(Op.CREDIT_UPDATE, buf_alloc=10, fwd_cnt=990)
        wire.expect_silence()
        wire.say(Op.CREDIT_UPDATE, buf_alloc=10, fwd_cnt=993)
        assert len(wire.expect(Op.RW).data) == 3
        wire.say(Op.CREDIT_UPDATE, buf_alloc=0xffffffff, fwd_cnt=1003)
        wire.taken = 1003
        assert len(wire.take(10240 - 1003)) == 10240 - 1003
        wire.say(Op.RST)


def test_counts_that_cannot_be(raw, host):
    """Bytes taken that were never sent: RST.  Older counts are passed over."""
    for fwd_cnt in 1, 1 << 30, (1 << 31) - 1:
        wire, program = opened(raw, host)
        with program:
            wire.say(Op.CREDIT_UPDATE, fwd_cnt=fwd_cnt)
            wire.expect(Op.RST)
            assert ended(program)
    wire, program = opened(raw, host)
    with program:
        program.sendall(bytes(2000))
        wire.take(2000)
        wire.say(Op.CREDIT_UPDATE, buf_alloc=100)
        wire.say(Op.CREDIT_UPDATE, buf_alloc=100, fwd_cnt=500)
        program.sendall(bytes(1000))
        assert len(wire.expect(Op.RW).data) == 100
        wire.say(Op.RST)


def test_a_request_with_a_count(raw, host):
    """Nothing was sent yet."""
    for fwd_cnt in 1, 5, (1 << 31) - 1:
        with host.listen(PORT):
            wire = Wire(raw)
            wire.say(Op.REQUEST, fwd_cnt=fwd_cnt)
            wire.expect(Op.RST)


# ---- a guest that takes nothing ----

def test_a_guest_that_takes_no_packets(host):
    """RSTs pile up to a bound; then the device takes no more, and all is answered in the end."""
    with Vmm(host) as vmm:
        vmm.start(n_rx=0, size=512, indirect=False)
        vmm.automatic = False
        for port in range(200):
            addr = vmm.memory.allocate(44)
            vmm.memory.write(addr, Packet(port, 7, Op.RW).encode(vmm.cid))
            vmm.tx.add(out=[(addr, 44)])
        vmm.tx.kick()
        while vmm.tx.used_idx < 128:
            time.sleep(0.001)
        time.sleep(0.02)
        assert vmm.tx.used_idx == 128
        vmm.offer_rx(200)
        ports = [vmm.expect(Op.RST, host_port=7).guest_port for _ in range(200)]
        assert ports == list(range(200))


def test_control_packets_go_before_data(host):
    """A download waits for buffers; what is answered meanwhile overtakes it."""
    with Vmm(host) as vmm:
        vmm.start(n_rx=1, size=16)
        vmm.automatic = False
        vmm.refill = False
        wire, program = opened(vmm, host)
        with program:
            program.sendall(bytes(50_000))
            for port in range(5):
                vmm.transmit(Packet(port, 7, Op.RW))
            vmm.flush()
            wire.say(Op.CREDIT_REQUEST)
            vmm.flush()
            vmm.offer_rx(8)
            for port in range(5):
                vmm.expect(Op.RST, guest_port=port)
            wire.expect(Op.CREDIT_UPDATE)
            wire.expect(Op.RW)
            wire.say(Op.RST)
