# SPDX-License-Identifier: Apache-2.0
"""Seqpacket connections between a real guest and Unix seqpacket sockets."""

import socket
import threading

import pytest
from machine import TIMEOUT_S, eventually
from unix_server import Server, echo

SIZES = [1, 4096, 65536, 200000, 262144]
PROBE = "seqpacket_probe"


def message(i, size):
    """As the probe makes them."""
    return bytes((i * 31 + k * 7 + (k >> 8)) & 0xff for k in range(size))


def port_path(vm, port):
    return f"{vm.uds}_{port}"


def large(connection):
    """A host program that sends long messages must make room for them."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 19)
    return connection


def serve(path, handle):
    return Server(path, lambda connection: handle(large(connection)), socket.SOCK_SEQPACKET)


def echo_messages(connection):
    while data := connection.recv(1 << 19):
        connection.send(data)
    connection.shutdown(socket.SHUT_WR)


@pytest.fixture
def dial(vm):
    """dial(port): a host program's connection to that port of the guest, None when refused."""
    connections = []

    def one(port, line=b"CONNECT %d"):
        connection = large(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        connections.append(connection)
        connection.settimeout(TIMEOUT_S)
        connection.connect(f"{vm.uds}.seqpacket")
        connection.send(line % port)
        return connection if connection.recv(100).startswith(b"OK ") else None

    yield one
    for connection in connections:
        connection.close()
    vm.run(f"killall {PROBE}")


def test_messages_of_the_guest_and_their_echoes(vm):
    with serve(port_path(vm, 5500), echo_messages):
        output = vm.check(f"{PROBE} exchange 2 5500 {' '.join(map(str, SIZES))}")
    assert output.split() == [str(len(SIZES))]


def test_messages_of_the_host_and_their_echoes(vm, dial):
    vm.serve("echo", 6600, PROBE)
    connection = dial(6600)
    for i, size in enumerate(SIZES):
        sent = message(i, size)
        assert connection.send(sent) == size
        assert connection.recv(1 << 19) == sent
    # Several under way at once are several all the same.
    for i in range(10):
        connection.send(message(i, i + 1))
    assert [connection.recv(1000) for _ in range(10)] == [message(i, i + 1) for i in range(10)]


@pytest.mark.parametrize("line", [b"CONNECT %d", b"CONNECT %d\n", b"connect %d\n"])
def test_connect_line_is_a_message(vm, dial, line):
    vm.serve("echo", 6601, PROBE)
    connection = dial(6601, line)
    connection.send(b"hello")
    assert connection.recv(100) == b"hello"


def test_nonsense_instead_of_a_connect_line(dial):
    for line in (b"CONNECT %d\nmore", b"HELLO %d", b"CONNECT " + b"0" * 100 + b"%d"):
        assert dial(6601, line) is None


def test_empty_messages_reach_the_guest(vm, dial):
    vm.serve("lengths", 6602, PROBE)
    connection = dial(6602)
    for length in (0, 3, 0, 0, 1):
        assert connection.send(b"x" * length) == length
        assert connection.recv(100) == b"%d" % length


@pytest.mark.parametrize("count, longest", [(3000, 300), (100, 150000)])
def test_many_messages_both_ways(vm, count, longest):
    with serve(port_path(vm, 5501), echo_messages):
        assert vm.check(f"{PROBE} storm 2 5501 {count} {longest}") == f"{count}\n"


def test_guest_closes_one_half(vm):
    received = []

    def answer_after_the_end(connection):
        while data := connection.recv(1000):
            received.append(data)
        connection.send(b"%d messages" % len(received))
        connection.send(b"and this")

    with serve(port_path(vm, 5502), answer_after_the_end):
        assert vm.check(f"{PROBE} half 2 5502") == "3 messages\nand this\n"
    assert received == [b"one", b"two", b"three"]


def test_host_closes_one_half(vm, dial):
    vm.serve("late", 6603, PROBE)
    connection = dial(6603)
    for i in range(100):
        connection.send(message(i, 5000))
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(100) == b"100 messages, 500000 bytes"
    assert connection.recv(100) == b""


def test_dead_ports_are_refused_at_once(vm):
    """Nobody, a stream's listener, Tensock's own port; and a listener of messages for a stream."""
    with Server(port_path(vm, 5503), echo), serve(port_path(vm, 5504), echo_messages):
        for command in (f"{PROBE} connect 2 5998", f"{PROBE} connect 2 5503",
                        f"{PROBE} connect 2 9999", "vsock_probe connect 2 5504"):
            status, output = vm.run(command)
            error, milliseconds = output.split()
            assert (status, error) == (1, "ECONNRESET"), command
            assert float(milliseconds) < 1000  # the guest's own timeout is 2 s
        assert vm.check(f"{PROBE} connect 2 5504").startswith("OK")


def test_dead_guest_ports_close_the_host_connection(vm, dial):
    vm.serve("echo", 6604)  # a stream
    vm.serve("echo", 6605, PROBE)
    assert dial(6998) is None
    assert dial(6604) is None
    assert vm.connect(6605) is None
    assert dial(6605) is not None
    vm.run("killall vsock_probe")


def test_message_longer_than_the_window_is_refused_in_the_guest(vm):
    """And costs it nothing else.  (Kernels before 6.2 say ENOMEM, whatever their transport says.)"""
    with serve(port_path(vm, 5505), echo_messages):
        output = vm.check(f"{PROBE} exchange 2 5505 10 262145 262144 20")
    error, right = output.split()
    assert error in ("EMSGSIZE", "ENOMEM") and right == "3"


def test_message_longer_than_the_guests_buffer_resets(vm):
    """Which a Linux guest reads as the end, and the host program as what it is."""
    failed = []

    def send_too_much(connection):
        connection.send(b"fits")
        connection.send(b"x" * 262145)
        try:
            connection.send(b"fits, too")
            connection.recv(100)
        except ConnectionResetError:
            failed.append(True)

    with serve(port_path(vm, 5506), send_too_much):
        assert vm.check(f"{PROBE} sink 2 5506", timeout_s=20) == "4\nend\n"
        assert eventually(lambda: failed)


def test_slow_host_gets_every_message(vm):
    """All that the guest can send before anything is read; then nothing is lost or joined."""
    go = threading.Event()
    received = []

    def read_late(connection):
        assert go.wait(TIMEOUT_S)
        while data := connection.recv(1000):
            received.append(data)

    with serve(port_path(vm, 5507), read_late):
        vm.check(f"rm -f /tmp/fill; {PROBE} fill 2 5507 64 >/tmp/fill & "
                 "until [ -s /tmp/fill ]; do sleep 0.05; done")
        go.set()
        assert eventually(lambda: vm.run(f"pidof {PROBE}")[0] != 0)
        count = int(vm.check("cat /tmp/fill"))
    assert count >= 262144 // 64
    assert received == [message(i, 64) for i in range(count)]


def test_slow_guest_gets_every_message(vm, dial):
    """So many small ones, unread, that Linux would reset the connection if it had them all."""
    vm.check("rm -f /tmp/go")
    vm.serve("patient", 6606, PROBE, "/tmp/go")
    connection = dial(6606)
    connection.setblocking(False)
    count = 0
    try:
        while True:
            connection.send(b"0123456789")
            count += 1
    except BlockingIOError:
        pass
    assert count > 500
    vm.check("touch /tmp/go")
    connection.settimeout(TIMEOUT_S)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(100) == b"%d messages, %d bytes" % (count, 10 * count)


def test_a_message_that_waits_delays_nobody(vm, dial):
    vm.check("rm -f /tmp/go")
    vm.serve("patient", 6607, PROBE, "/tmp/go")
    waiting = dial(6607)
    for _ in range(2):
        waiting.send(b"x" * 200000)  # the second one fits only when the first has been read
    vm.serve("echo", 6608, PROBE)
    other = dial(6608)
    other.send(b"hello")
    assert other.recv(100) == b"hello"
    vm.check("touch /tmp/go")
    waiting.shutdown(socket.SHUT_WR)
    assert waiting.recv(100) == b"2 messages, 400000 bytes"


def test_streams_and_messages_side_by_side(vm):
    with Server(port_path(vm, 5508), echo), serve(port_path(vm, 5509), echo_messages):
        vm.check("rm -f /tmp/sums; for i in 1 2 3 4; do "
                 "vsock_probe pipe 2 5508 </data/1m | sha256sum >>/tmp/sums; done & "
                 f"{PROBE} storm 2 5509 1000 5000 >/tmp/storm & wait; "
                 "[ $(cat /tmp/storm) = 1000 ]; sha256sum </data/1m >/tmp/sum; "
                 "[ $(sort -u /tmp/sums /tmp/sum | wc -l) = 1 ]; [ $(wc -l </tmp/sums) = 4 ]")
