# SPDX-License-Identifier: Apache-2.0
"""The device's other ports: guest to PATH_PORT, and host to guest by PATH's CONNECT line."""

import contextlib
import hashlib
import socket

import pytest
from machine import eventually, read_line
from unix_server import Server, echo, exchange, read_all

SIZES = ["1", "4k", "1m", "16m"]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def port_path(vm, port):
    return f"{vm.uds}_{port}"


@pytest.mark.parametrize("name", SIZES)
def test_guest_connects_and_bytes_arrive_both_ways(vm, payloads, name):
    with Server(port_path(vm, 5000), echo):
        output = vm.check(f"vsock_probe pipe 2 5000 </data/{name} | sha256sum")
    assert output.split()[0] == sha256(payloads[name])


@pytest.mark.parametrize("name", SIZES)
def test_host_connects_and_bytes_arrive_both_ways(vm, payloads, name):
    vm.serve("echo", 6000 + len(name))
    with vm.connect(6000 + len(name)) as connection:
        assert sha256(exchange(connection, payloads[name])) == sha256(payloads[name])
    vm.run("killall vsock_probe")


def test_64_connections_at_once(vm):
    with Server(port_path(vm, 5001), echo):
        assert vm.check("vsock_probe storm 2 5001 64").strip() == "64"


def test_64_host_connections_at_once(vm):
    vm.serve("echo", 6100)
    connections = [vm.connect(6100) for _ in range(64)]
    for i, connection in enumerate(connections):
        connection.sendall(b"number %d\n" % i)
    for i, connection in reversed(list(enumerate(connections))):
        assert read_line(connection) == b"number %d\n" % i
        connection.close()
    vm.run("killall vsock_probe")


def test_guest_closes_one_half(vm):
    """The host sees the end, and can still answer."""
    received = []

    def answer_after_the_end(connection):
        received.append(read_all(connection))
        connection.sendall(b"%d bytes\n" % len(received[0]))

    with Server(port_path(vm, 5002), answer_after_the_end):
        assert vm.check("vsock_probe pipe 2 5002 </data/1m") == "1048576 bytes\n"


def test_host_closes_one_half(vm, payloads):
    """The guest sees the end, and can still answer."""
    vm.serve("late", 6200)
    with vm.connect(6200) as connection:
        assert exchange(connection, payloads["1m"]) == b"1048576 bytes\n"
    vm.run("killall vsock_probe")


def test_server_closes_its_half_first(vm):
    """The other way round: the guest reads the end at once and sends on."""
    received = []

    def end_then_read(connection):
        connection.sendall(b"go\n")
        connection.shutdown(socket.SHUT_WR)
        received.append(len(read_all(connection)))

    with Server(port_path(vm, 5003), end_then_read):
        assert vm.check("vsock_probe pipe 2 5003 </data/1m") == "go\n"
    assert received == [1 << 20]


def test_dead_port_is_refused_at_once(vm):
    status, output = vm.run("vsock_probe connect 2 5999")
    error, milliseconds = output.split()
    assert (status, error) == (1, "ECONNRESET")
    assert float(milliseconds) < 1000  # the guest's own timeout is 2 s


def test_other_cid_than_the_host_is_not_reached(vm):
    with Server(port_path(vm, 5004), echo):
        status, _ = vm.run("vsock_probe connect 77 5004")
    assert status == 1


def test_dead_guest_port_closes_the_host_connection(vm):
    assert vm.connect(6999) is None


def test_bytes_after_the_connect_line_are_kept(vm):
    vm.serve("echo", 6300)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(vm.uds))
        connection.sendall(b"CONNECT 6300\nhello, early\n")
        assert read_line(connection).startswith(b"OK ")
        assert read_line(connection) == b"hello, early\n"
    vm.run("killall vsock_probe")


def test_connect_line_in_pieces(vm):
    vm.serve("echo", 6301)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(vm.uds))
        for byte in b"CONNECT 6301\n":
            connection.sendall(bytes([byte]))
            vm.check("true")  # a pause, of several trips through the guest
        assert read_line(connection).startswith(b"OK ")
    vm.run("killall vsock_probe")


@pytest.mark.parametrize("line", [b"GET / HTTP/1.0\n", b"CONNECT\n", b"CONNECT -1\n",
                                  b"CONNECT 4294967296\n", b"x" * 4096])
def test_nonsense_instead_of_a_connect_line(vm, line):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(vm.uds))
        connection.sendall(line)
        with contextlib.suppress(ConnectionResetError):  # it closes without reading all
            assert not read_line(connection).startswith(b"OK ")


def test_one_slow_reader_delays_nobody(vm, payloads):
    """The host's end of one connection, and the guest's end of another, do not read at all."""
    stuck = []

    def never_read(connection):
        stuck.append(connection)
        connection.settimeout(None)
        assert eventually(lambda: done, timeout_s=50)

    done = []
    vm.serve("mute", 6400)
    with Server(port_path(vm, 5005), never_read), Server(port_path(vm, 5006), echo):
        vm.check("vsock_probe flood 2 5005 >/tmp/flood 2>&1 &")
        unread = vm.connect(6400)
        unread.setblocking(False)
        assert eventually(lambda: stuck)
        try:
            while True:
                unread.send(b"x" * 65536)
        except BlockingIOError:
            pass
        output = vm.check("vsock_probe pipe 2 5006 </data/1m | sha256sum", timeout_s=20)
        assert output.split()[0] == sha256(payloads["1m"])
        done.append(True)
        unread.close()
    vm.run("killall vsock_probe")


def test_host_program_that_dies_resets_the_guests_connection(vm):
    def die(connection):
        connection.recv(1)

    with Server(port_path(vm, 5007), die):
        output = vm.check("vsock_probe flood 2 5007", timeout_s=20)
    assert int(output) > 0


def test_unanswered_connect_is_dropped_when_the_host_program_goes(vm):
    for _ in range(50):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(vm.uds))
            connection.sendall(b"CONNECT 6999\n")
    vm.serve("echo", 6500)
    with vm.connect(6500) as connection:
        assert exchange(connection, b"still there") == b"still there"
    vm.run("killall vsock_probe")
