# SPDX-License-Identifier: Apache-2.0
"""What Linux's own tests of vsock ask of a stream, between a guest and a host program.  Either connects.

Their cases "connection reset", "multiple connections" and "SHUT_WR" are in test_ports.py; docs/device.md
has the table.  Where a case is about an option that only vsock has, it is the guest's end that has it.
"""

import contextlib
import errno
import select
import socket

import pytest
from machine import TIMEOUT_S, eventually

HOST_PORT = 5100
GUEST_PORT = 6600
OWN_PORT = 7700  # the guest's, when it chooses
SMALL_BUFFER = 128 << 10
PACKET = 64 << 10
PERIOD = 251
PIECES = [[4096, 4096, 200], [4096, 8192, 12288], [65536, 65536, 65536], [4096, "100@1", 4096]]
KINDS = {socket.SOCK_STREAM: "stream", socket.SOCK_SEQPACKET: "seqpacket"}


def pattern(start, n):
    """n bytes of what each end sends, from byte number start on; as in vsock_puppet.c."""
    start %= PERIOD
    return (bytes(range(PERIOD)) * (n // PERIOD + 2))[start:start + n]


class GuestEnd:
    """A socket that vsock_puppet holds.  What fails returns the error's name."""

    def __init__(self, vm, slot):
        self.vm = vm
        self.slot = slot

    def command(self, verb, *words):
        return " ".join(map(str, ["vsock_puppet", self.slot, verb, *words]))

    def ask(self, verb, *words):
        """A number, or else the words of the answer."""
        answer = self.vm.check(self.command(verb, *words)).strip()
        return int(answer) if answer.isdigit() else answer

    def send(self, n):
        return self.ask("send", n)

    def recv(self, n):
        return self.ask("recv", n)

    def attempt(self, n):
        return self.ask("try", n)

    def peek(self, n):
        return self.ask("peek", n)

    def shutdown(self, way):
        assert self.ask("shutdown", way) == 0

    def hangup(self):
        """Waits until the peer sends no more."""
        assert self.ask("hangup") == 0

    def close(self):
        assert self.ask("close") == 0


class HostEnd:
    """The host's Unix socket of a connection, with the same calls."""

    def __init__(self, connection):
        self.connection = connection
        self._sent = self._received = 0
        connection.settimeout(TIMEOUT_S)

    def send(self, n):
        try:
            self.connection.sendall(pattern(self._sent, n))
        except OSError as error:
            return errno.errorcode[error.errno]
        self._sent += n
        return n

    def _receive(self, n, flags=0):
        try:
            data = self.connection.recv(n, flags)
        except OSError as error:
            return errno.errorcode[error.errno]
        assert data == pattern(self._received, len(data))
        if not flags & socket.MSG_PEEK:
            self._received += len(data)
        return len(data)

    def recv(self, n):
        """So many bytes, or one message."""
        done = 0
        while done < n and (part := self._receive(n - done)):
            if isinstance(part, str):
                return part
            done += part
            if self.connection.type == socket.SOCK_SEQPACKET:
                break
        return done

    def attempt(self, n):
        self.connection.setblocking(False)
        try:
            return self._receive(n)
        finally:
            self.connection.settimeout(TIMEOUT_S)

    def peek(self, n):
        eventually(lambda: self._receive(n, socket.MSG_PEEK) == n)
        return self._receive(n, socket.MSG_PEEK)

    def shutdown(self, way):
        self.connection.shutdown({"rd": socket.SHUT_RD, "wr": socket.SHUT_WR}[way])

    def hangup(self):
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        assert poll.poll(5000)  # a guest that gets no answer gives up by itself, after 8 s

    def close(self):
        self.connection.close()


class Pair:
    """Both ends of one connection, guest and host; client is the one that has connected."""

    def __init__(self, vm, guest_connects, kind=socket.SOCK_STREAM):
        self.guest = GuestEnd(vm, 1)
        assert self.guest.ask("kind", KINDS[kind]) == 0
        if guest_connects:
            with listening(vm, kind) as listener:
                assert self.guest.ask("connect", 2, HOST_PORT) == 0
                self.host = HostEnd(listener.accept()[0])
            self.client, self.server = self.guest, self.host
        else:
            listener = GuestEnd(vm, 0)
            assert listener.ask("listen", GUEST_PORT) == 0
            self.host = HostEnd(connect(vm, kind))
            assert self.guest.ask("accept", listener.slot) == 0
            listener.close()
            self.client, self.server = self.host, self.guest


def connect(vm, kind):
    """The host's socket of a connection to GUEST_PORT."""
    if kind == socket.SOCK_STREAM:
        return vm.connect(GUEST_PORT)
    connection = socket.socket(socket.AF_UNIX, kind)
    connection.settimeout(TIMEOUT_S)
    connection.connect(f"{vm.uds}.seqpacket")
    connection.send(b"CONNECT %d" % GUEST_PORT)
    assert connection.recv(100).startswith(b"OK ")
    return connection


@contextlib.contextmanager
def listening(vm, kind=socket.SOCK_STREAM):
    path = vm.uds.with_name(f"{vm.uds.name}_{HOST_PORT}")
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.settimeout(TIMEOUT_S)
        listener.bind(str(path))
        try:
            listener.listen()
            yield listener
        finally:
            path.unlink()


@pytest.fixture
def puppet(vm):
    """A guest with a vsock_puppet that holds no socket yet."""
    vm.check("rm -f /tmp/vsock_puppet; vsock_puppet serve >/tmp/puppet.log 2>&1 & "
             "until [ -S /tmp/vsock_puppet ]; do sleep 0.02; done")
    yield vm
    vm.run("killall vsock_puppet")


@pytest.fixture(params=["guest-connects", "host-connects"])
def pair(request, puppet):
    both = Pair(puppet, request.param == "guest-connects")
    yield both
    both.host.close()


@pytest.fixture(params=["guest-connects", "host-connects"])
def message_pair(request, puppet):
    both = Pair(puppet, request.param == "guest-connects", socket.SOCK_SEQPACKET)
    yield both
    both.host.close()


def need_newer_kernel(end, why):
    """A case that an old guest kernel fails by itself, over its own loopback, too."""
    if end.vm.kernel == "6.1":
        pytest.skip(f"Linux {end.vm.kernel} {why}")


def test_guest_connects_to_a_port_that_is_only_bound(puppet):
    path = puppet.uds.with_name(f"{puppet.uds.name}_{HOST_PORT}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        bound.bind(str(path))
        assert GuestEnd(puppet, 1).ask("connect", 2, HOST_PORT) == "ECONNRESET"
        path.unlink()


def test_host_connects_to_a_port_that_is_only_bound(puppet):
    assert GuestEnd(puppet, 1).ask("bind", GUEST_PORT) == 0
    assert puppet.connect(GUEST_PORT) is None


@pytest.mark.parametrize("first", ["client", "server"])
def test_one_end_closes(pair, first):
    """The other one cannot send any more, and still gets what was sent to it."""
    closer, other = (pair.client, pair.server) if first == "client" else (pair.server, pair.client)
    assert closer.send(1) == 1
    closer.close()
    other.hangup()
    assert other.send(1) == "EPIPE"
    assert other.recv(1) == 1
    assert other.recv(1) == 0


def test_peeked_bytes_stay(pair):
    assert pair.server.attempt(64) == "EAGAIN"
    assert pair.client.send(64) == 64
    assert pair.server.peek(32) == 32
    assert pair.server.peek(64) == 64
    assert pair.server.recv(64) == 64


def test_poll_waits_for_the_low_water_mark(pair):
    assert pair.guest.ask("lowat", 128) == 0
    assert pair.host.send(1) == 1
    assert pair.guest.peek(1) == 1
    assert pair.guest.ask("readable", 200) == "0 no"
    assert pair.host.send(127) == 127
    assert pair.guest.ask("readable", 10000) == "0 yes"
    assert pair.guest.attempt(128) == 128


def test_a_fault_while_reading_loses_nothing(pair):
    need_newer_kernel(pair.guest, "loses the bytes of a read that fails")
    assert pair.host.send(512) == 512
    assert pair.guest.ask("fault") == "EFAULT"
    assert pair.guest.attempt(512) == 512


def test_small_packets_become_one_stream(pair):
    """The second one comes while the first is half read: Linux makes them one."""
    assert pair.client.send(5) == 5
    assert pair.server.recv(2) == 2
    assert pair.client.send(5) == 5
    assert pair.server.recv(8) == 8
    assert pair.server.attempt(64) == "EAGAIN"


def test_writer_hears_that_nobody_reads_any_more(pair):
    """Without having to write first: nothing is sent until then."""
    pair.server.shutdown("rd")
    assert eventually(lambda: pair.client.send(0) == "EPIPE")
    assert pair.client.send(1) == "EPIPE"


def send_without_a_copy(pair, pieces, how="zerocopy"):
    """The guest sends the pieces of its memory, and the host reads them in one go."""
    total = sum(int(str(piece).split("@")[0]) for piece in pieces)
    pair.guest.vm.guest.start(pair.guest.command("zerocopy", *pieces))
    assert pair.host.recv(total) == total
    status, output = pair.guest.vm.guest.finish()
    assert (status, output.split()) == (0, [str(total), how])


def test_bytes_without_a_copy(pair):
    """Their packets lie in several pieces of the guest's memory.  The last message exceeds what the
    device takes unread: Linux then copies."""
    need_newer_kernel(pair.guest, "has no MSG_ZEROCOPY for vsock")
    for pieces in PIECES:
        send_without_a_copy(pair, pieces)
        assert pair.guest.ask("errors") == "EAGAIN"
    send_without_a_copy(pair, [409600], "copied")


def test_messages_without_a_copy(message_pair):
    need_newer_kernel(message_pair.guest, "has no MSG_ZEROCOPY for vsock")
    for pieces in PIECES:
        send_without_a_copy(message_pair, pieces)
        assert message_pair.host.attempt(1) == "EAGAIN"  # it was one message
        assert message_pair.guest.ask("errors") == "EAGAIN"


def test_a_port_serves_again_once_the_peer_has_seen_the_end(puppet):
    """The guest's port is in use until the device's RST: it comes before the host's end of file."""
    end = GuestEnd(puppet, 1)
    with listening(puppet) as listener:
        for _ in range(5):
            assert end.ask("connect", 2, HOST_PORT, OWN_PORT) == 0
            accepted = HostEnd(listener.accept()[0])
            end.close()
            accepted.hangup()
            accepted.close()


def test_the_device_takes_more_than_128_kib_unread(pair):
    assert pair.guest.send(SMALL_BUFFER + 1) == SMALL_BUFFER + 1
    assert pair.host.recv(SMALL_BUFFER + 1) == SMALL_BUFFER + 1


def fill_small_buffer(pair):
    """One byte more is on its way to the guest than it has room for, and of that it has read a packet."""
    assert pair.guest.send(1) == 1  # behind the news of the buffer's size
    assert pair.host.recv(1) == 1
    assert pair.host.send(SMALL_BUFFER + 1) == SMALL_BUFFER + 1
    assert pair.guest.peek(SMALL_BUFFER) == SMALL_BUFFER
    assert pair.guest.recv(PACKET) == PACKET


def test_credit_comes_when_less_than_the_low_water_mark_is_left(pair):
    assert pair.guest.ask("buffer", SMALL_BUFFER) == 0
    assert pair.guest.ask("lowat", PACKET + 1) == 0
    fill_small_buffer(pair)
    # Linux 6.1 says so at once, and gives credit when it is read.
    assert pair.guest.ask("readable", 10000) == "0 yes"
    assert pair.guest.recv(PACKET + 1) == PACKET + 1


def test_credit_comes_with_a_new_low_water_mark(pair):
    need_newer_kernel(pair.guest, "sends no credit when the mark is set")
    assert pair.guest.ask("buffer", SMALL_BUFFER) == 0
    fill_small_buffer(pair)
    assert pair.guest.ask("lowat", PACKET + 1) == 0
    assert pair.guest.ask("readable", 10000) == "0 yes"
    assert pair.guest.attempt(PACKET + 1) == PACKET + 1


def test_nothing_stays_unsent(pair):
    need_newer_kernel(pair.guest, "has no SIOCOUTQ for vsock")
    assert pair.guest.send(64) == 64
    assert pair.host.recv(64) == 64
    assert pair.guest.ask("unsent") == 0
