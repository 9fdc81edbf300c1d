# SPDX-License-Identifier: Apache-2.0
"""The hybrid sockets at their edges: peers that leave at any step, full backlogs, every connection there may be."""

import contextlib
import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from machine import eventually, read_line
from unix_server import Server, echo, exchange

CONNECTIONS_MAX = 1024  # max-connections, as the daemon has it where nobody says otherwise
PORT = 7000             # served in the guest by one process


@pytest.fixture(autouse=True)
def crowd(vm):
    """An echo server in the guest, at PORT, which must still be served at the end."""
    vm.check("ulimit -n 4096; vsock_probe crowd 7000 >/tmp/crowd 2>&1 & "
             "until grep -qs listening /tmp/crowd; do sleep 0.05; done")
    yield
    with vm.connect(PORT) as connection:
        assert exchange(connection, b"still there") == b"still there"
    vm.run("killall vsock_probe; while pidof vsock_probe; do sleep 0.05; done; rm /tmp/crowd")


def dial(vm):
    """A connection to PATH, where nothing has been said yet."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(20)
    connection.connect(str(vm.uds))
    return connection


def front(machine):
    """/proc's folder of the front with the guest's device."""
    folders = [Path(f"/proc/{pid}") for pid in machine.daemon.children("tensock-front")]
    return next(folder for folder in folders
                if "memory-backend" in (folder / "maps").read_text(encoding="utf-8"))


def front_sockets(machine):
    """How many sockets it has open."""
    with contextlib.suppress(FileNotFoundError):  # one was closed meanwhile
        return sum("socket:" in str(fd.readlink()) for fd in (front(machine) / "fd").iterdir())


def front_bytes(machine):
    """The memory of its own, without the guest's."""
    rollup = (front(machine) / "smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Anonymous:\s+(\d+)", rollup, re.MULTILINE).group(1)) * 1024


def assert_echoed(connections):
    """Each gets back what it has sent: all are open at once."""
    for i, connection in enumerate(connections):
        connection.sendall(b"number %d\n" % i)
    for i, connection in reversed(list(enumerate(connections))):
        assert read_line(connection) == b"number %d\n" % i


@pytest.mark.parametrize("tail", [b"", b"early\n", b"early " * 9999 + b"\n"],
                         ids=["alone", "with bytes", "with many"])
def test_line_byte_by_byte(vm, tail):
    """Each byte of the line a packet of its own; what comes with its end is the guest's."""
    with dial(vm) as connection:
        for byte in b"connect %d" % PORT:
            connection.send(bytes([byte]))
            time.sleep(0.002)
        connection.sendall(b"\n" + tail)
        assert re.fullmatch(rb"OK \d+\n", read_line(connection))
        connection.sendall(b"late\n")
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert received == tail + b"late\n"


@pytest.mark.parametrize("line", [
    b"\n", b"CONNECT\n", b"CONNECT \n", b"CONNECT  7000\n", b"CONNECT 7000 \n", b"CONNECT 7000\r\n",
    b"CONNECT 0x1b58\n", b"CONNECT 4294967295\n", b"CONNECT 99999999999999999999\n",
    b"CONNECT " + b"0" * 40 + b"7000\n", b"CONNECT 70\x0000\n", b"KONNECT 7000\n"])
def test_malformed_line_ends_that_connection_at_once(vm, line):
    with dial(vm) as connection, vm.connect(PORT) as other:
        start = time.monotonic()
        connection.sendall(line + b"and more")
        with contextlib.suppress(ConnectionResetError):  # it closes without reading all
            assert connection.recv(100) == b""
        assert time.monotonic() - start < 2  # and not when the time for the line is over
        assert_echoed([other])


def test_host_program_that_never_says_its_line_is_dropped(vm):
    with dial(vm) as silent, dial(vm) as slow:
        start = time.monotonic()
        slow.sendall(b"CONNECT 70")
        for connection in (silent, slow):
            with contextlib.suppress(ConnectionResetError):  # it closes without reading all
                assert connection.recv(1) == b""
        assert 4 < time.monotonic() - start < 8


def leave_in_the_line(connection):
    connection.sendall(b"CONNECT 7")


def leave_before_ok(connection):
    connection.sendall(b"CONNECT %d\n" % PORT)


def leave_after_ok(connection):
    leave_before_ok(connection)
    read_line(connection)


def leave_in_the_data(connection):
    leave_after_ok(connection)
    connection.sendall(b"x" * 100_000)
    connection.recv(1000)


@pytest.mark.parametrize("leave", [lambda _: None, leave_in_the_line, leave_before_ok,
                                   leave_after_ok, leave_in_the_data],
                         ids=["at once", "in the line", "before OK", "after OK", "in the data"])
def test_host_program_leaves(machine, vm, leave):
    """At each step, many times over: nothing stays of it."""
    before = front_sockets(machine)
    with vm.connect(PORT) as witness:
        for _ in range(50):
            with dial(vm) as connection:
                leave(connection)
        assert_echoed([witness])
    assert eventually(lambda: front_sockets(machine) == before)


def test_guest_program_leaves(machine, vm):
    """In the middle of data both ways, whoever of the two has connected."""
    before = front_sockets(machine)
    ended = []

    def talk(connection):
        with contextlib.suppress(ConnectionError):
            while True:
                connection.sendall(b"x" * 100_000)
        ended.append(connection)

    vm.check("cp /bin/vsock_probe /tmp/leaver")
    with Server(f"{vm.uds}_5400", talk):
        for i in range(5):
            vm.check("/tmp/leaver pipe 2 5400 </dev/zero >/dev/null & "
                     "until pidof leaver; do :; done; sleep 0.2; killall -KILL leaver")
            assert eventually(lambda: len(ended) == i + 1)  # noqa: B023
    vm.check("/tmp/leaver echo 7001 >/tmp/leaver.log & "
             "until grep -qs listening /tmp/leaver.log; do sleep 0.05; done")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(vm.connect(7001)) for _ in range(5)]
        for connection in connections:
            connection.sendall(b"x" * 100_000)
        vm.check("killall -KILL leaver")
        for connection in connections:
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
    assert eventually(lambda: front_sockets(machine) == before)


@pytest.fixture
def full(vm):
    """A listener at port 5401 whose backlog is full, and the connections that fill it."""
    path = f"{vm.uds}_5401"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, \
            contextlib.ExitStack() as fillers:
        listener.bind(path)
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                filler = fillers.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                filler.setblocking(False)
                filler.connect(path)
        yield listener
    Path(path).unlink()


def test_full_backlog_delays_only_its_own_connection(vm, full):
    assert full
    with vm.connect(PORT) as other:
        vm.guest.start("vsock_probe connect 2 5401")
        slowest = 0
        start = time.monotonic()
        while time.monotonic() - start < 1.5:
            sent = time.monotonic()
            assert_echoed([other])
            slowest = max(slowest, time.monotonic() - sent)
        status, output = vm.guest.finish()
        error, milliseconds = output.split()
        assert status == 1
        assert error in ("ECONNRESET", "ETIMEDOUT")  # the guest's own patience is 2 s, too
        assert 1500 < float(milliseconds) < 4000
        assert slowest < 0.5


def test_backlog_that_clears_in_time_is_no_error(vm, full):
    vm.guest.start("vsock_probe connect 2 5401")
    with pytest.raises(Exception, match="did not answer"):
        vm.guest.finish(timeout_s=0.5)
    full.settimeout(10)
    accepted = [full.accept()[0] for _ in range(2)]  # the filler, and the guest's behind it
    status, output = vm.guest.finish()
    for connection in accepted:
        connection.close()
    assert (status, output.split()[0]) == (0, "OK")


def test_1000_connections_of_the_guest_at_once(machine, vm):
    before = front_sockets(machine)
    with Server(f"{vm.uds}_5402", echo):
        assert vm.check("vsock_probe storm 2 5402 1000").strip() == "1000"
    assert eventually(lambda: front_sockets(machine) == before)


def test_1000_host_programs_come_at_once(machine, vm):
    """Nobody waits for another one's OK; the front is asleep when they come."""
    fronts = machine.daemon.children("tensock-front")
    with contextlib.ExitStack() as stack:
        for pid in fronts:
            os.kill(pid, signal.SIGSTOP)
        wake = threading.Timer(0.5, lambda: [os.kill(pid, signal.SIGCONT) for pid in fronts])
        wake.start()
        connections = []
        for _ in range(1000):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.connect(str(vm.uds))  # waits where the queue is full
            connection.settimeout(20)
            connection.sendall(b"CONNECT %d\n" % PORT)
            connections.append(connection)
        wake.join()
        for connection in connections:
            assert read_line(connection).startswith(b"OK ")
        assert_echoed(connections)


def test_every_connection_and_one_more(machine, vm):
    """max-connections of the host's, all at once and twice; the next one is refused either way."""
    before = front_sockets(machine)
    log_lines = len(machine.daemon.log)
    start = time.monotonic()
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(vm.connect(PORT)) for _ in range(CONNECTIONS_MAX)]
            assert front_sockets(machine) == before + CONNECTIONS_MAX
            for _ in range(200):
                with dial(vm) as refused, contextlib.suppress(ConnectionError):
                    refused.sendall(b"CONNECT %d\n" % PORT)
                    assert refused.recv(1) == b""
            with Server(f"{vm.uds}_5403", echo):
                assert vm.run("vsock_probe connect 2 5403")[1].split()[0] == "ECONNRESET"
            assert vm.run("vsock_probe connect 2 9999")[1].split()[0] == "ECONNRESET"
            assert_echoed(connections)
        assert eventually(lambda: front_sockets(machine) == before)
    told = [line for line in machine.daemon.log[log_lines:] if "max-connections" in line]
    assert 1 <= len(told) <= time.monotonic() - start + 1  # one a second at most
    assert "vm1" in told[0]
    assert f"{CONNECTIONS_MAX} are open" in told[0]


def test_unread_bytes_are_bounded(machine, vm):
    """1,000 connections, each as full as the device lets it be, and nobody reads: docs/device.md says
    how much the front may hold."""
    bound = (4 << 30) // 64 + CONNECTIONS_MAX * (16 << 10)  # of max-memory's default
    before = front_bytes(machine), front_sockets(machine)
    done = threading.Event()
    with Server(f"{vm.uds}_5404", lambda _: done.wait(60)), vm.connect(PORT) as other:
        vm.check("ulimit -n 4096; cp /bin/vsock_probe /tmp/leaver; "
                 "/tmp/leaver fill 2 5404 1000 >/tmp/filled 2>&1 & "
                 "until grep -qs . /tmp/filled; do sleep 0.1; done", timeout_s=120)
        taken = int(vm.check("cat /tmp/filled"))
        unread = front_bytes(machine) - before[0]
        assert_echoed([other])
        vm.check("killall -KILL leaver")
        done.set()
    assert taken > 1000 * (16 << 10)
    assert bound / 2 < unread < bound + (4 << 20)
    assert eventually(lambda: front_sockets(machine) == before[1])
