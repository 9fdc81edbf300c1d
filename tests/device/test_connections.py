# SPDX-License-Identifier: Apache-2.0
"""What every guest does, through queues of our own."""

import socket
import struct
import threading

import pytest
from host import read_all, read_exactly, read_line
from vsock import SHUT_SEND, Op, Packet

PAYLOAD = bytes(range(256)) * 4096  # 1 MiB


def test_a_guest_connects_and_both_talk(guest, host):
    with host.listen(5000) as listener:
        c = guest.connect(5000)
        with listener.accept()[0] as program:
            c.send(b"hello")
            assert read_exactly(program, 5) == b"hello"
            program.sendall(b"hello, guest")
            assert c.recv_exactly(12) == b"hello, guest"
            c.shutdown(SHUT_SEND)
            assert read_all(program) == b""
            program.sendall(b"still here")
            assert c.recv_exactly(10) == b"still here"
            program.shutdown(socket.SHUT_WR)
            assert c.recv() == b""
            c.close()
    assert guest.peer.stray == []


def test_the_service_answers(guest):
    """Port 9999 is Tensock itself: a frame whose model is none."""
    c = guest.connect(9999)
    for _ in range(2):
        c.send(struct.pack("<IIQ", 1, 1, 8) + b"no model")
        assert c.recv_exactly(2) == b"ER"
    c.close()


def test_a_host_program_connects(guest, host):
    guest.listen(6000)
    with host.dial(6000) as program:
        c = guest.accept(6000)
        assert read_line(program) == b"OK %d\n" % c.host_port
        program.sendall(b"hello")
        assert c.recv_exactly(5) == b"hello"
        c.send(b"and you")
        assert read_exactly(program, 7) == b"and you"
        c.close()
        assert read_all(program) == b""


def test_dead_ports_are_refused_at_once(guest, host):
    with pytest.raises(ConnectionRefusedError):
        guest.connect(5001)
    with host.dial(6001) as program:
        guest.wait(lambda: not readable(program))
        assert read_all(program) == b""


def readable(program):
    """False once there is something to read, or the end."""
    program.setblocking(False)
    try:
        program.recv(1, socket.MSG_PEEK)
        return False
    except BlockingIOError:
        return True
    finally:
        program.settimeout(20)


@pytest.mark.parametrize("event_idx", [True, False])
def test_a_megabyte_each_way(vmm, host, event_idx):
    vmm.start(event_idx=event_idx, indirect=event_idx)
    with host.listen(5002) as listener:
        c = vmm.connect(5002)
        with listener.accept()[0] as program:
            got = []
            reader = threading.Thread(target=lambda: got.append(read_exactly(program, len(PAYLOAD))))
            reader.start()
            c.send(PAYLOAD)
            vmm.wait(lambda: not reader.is_alive())
            assert got == [PAYLOAD]
            writer = threading.Thread(target=program.sendall, args=[PAYLOAD])
            writer.start()
            assert c.recv_exactly(len(PAYLOAD)) == PAYLOAD
            writer.join()
            c.close()


def test_a_reset_ends_it(guest, host):
    with host.listen(5003) as listener:
        c = guest.connect(5003)
        with listener.accept()[0] as program:
            c.reset()
            assert read_all(program) == b""
    guest.transmit(Packet(c.guest_port, 5003, Op.RW, b"late"))
    guest.wait(lambda: guest.peer.stray)
    assert guest.peer.stray[0].op == Op.RST


def test_a_driver_is_reset(guest, host):
    with host.listen(5004) as listener:
        guest.connect(5004)
        with listener.accept()[0] as program:
            guest.restart()
            assert read_all(program) == b""
        c = guest.connect(5004)
        with listener.accept()[0] as program:
            c.send(b"again")
            assert read_exactly(program, 5) == b"again"
