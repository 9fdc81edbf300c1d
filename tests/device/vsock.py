# SPDX-License-Identifier: Apache-2.0
"""virtio-vsock as a guest speaks it (VIRTIO 1.2 §5.10): packets, and a peer with connections and
credit that behaves as Linux does."""

import itertools
import struct
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from virtqueue import DeviceError

CID_HOST = 2
HEADER = struct.Struct("<QQIIIHHIII")
HEADER_BYTES = HEADER.size
PAYLOAD_MAX = 65536
BUF_ALLOC = 262144  # of a Linux guest

STREAM = 1
SEQPACKET = 2

SHUT_RECEIVE = 1  # in flags of SHUTDOWN: what its sender will not do any more
SHUT_SEND = 2
SHUT_BOTH = 3

# Of connections that the guest begins.  Linux begins anywhere after each boot.
fresh_ports = itertools.count(1024)


class Op(IntEnum):
    REQUEST = 1
    RESPONSE = 2
    RST = 3
    SHUTDOWN = 4
    RW = 5
    CREDIT_UPDATE = 6
    CREDIT_REQUEST = 7


@dataclass
class Packet:
    """Ports are named by whose they are, so that one text reads the same in both directions."""
    guest_port: int
    host_port: int
    op: int
    data: bytes = b""
    flags: int = 0
    buf_alloc: int = BUF_ALLOC
    fwd_cnt: int = 0
    type: int = STREAM
    src_cid: int = None   # None: the guest's own
    dst_cid: int = CID_HOST
    length: int = None    # in the header; None: that of data

    def encode(self, guest_cid):
        src = guest_cid if self.src_cid is None else self.src_cid
        length = len(self.data) if self.length is None else self.length
        return HEADER.pack(src, self.dst_cid, self.guest_port, self.host_port, length, self.type,
                           self.op, self.flags, self.buf_alloc, self.fwd_cnt) + self.data


def decode(data, guest_cid):
    """A packet of the device, which has to be right."""
    if len(data) < HEADER_BYTES:
        raise DeviceError(f"a packet of {len(data)} bytes")
    src, dst, src_port, dst_port, length, type_, op, flags, buf_alloc, fwd_cnt = \
        HEADER.unpack(data[:HEADER_BYTES])
    packet = Packet(dst_port, src_port, op, data[HEADER_BYTES:], flags, buf_alloc, fwd_cnt, type_,
                    src, dst, length)
    faults = {
        "its addresses": (src, dst) != (CID_HOST, guest_cid),
        "its type": type_ not in (STREAM, SEQPACKET),
        "its op": op not in set(Op),
        "its length": length != len(packet.data) or (length > 0) > (op == Op.RW),
        "its flags": (op == Op.SHUTDOWN) != (flags != 0) if type_ == STREAM else False,
        "no data": op == Op.RW and type_ == STREAM and length == 0,
    }
    if any(faults.values()):
        raise DeviceError(f"a packet with {[f for f, bad in faults.items() if bad]}: {packet}")
    if op in set(Op):
        packet.op = Op(op)
    return packet


class Connection:
    """One connection of the guest.  Calls that wait drive the whole guest meanwhile."""

    def __init__(self, peer, guest_port, host_port, type_=STREAM, buf_alloc=BUF_ALLOC):
        self.peer = peer
        self.guest_port = guest_port
        self.host_port = host_port
        self.type = type_
        self.state = "requested"  # then "open", then "closed" (in good order) or "reset"
        self.shut = 0             # what the guest has said
        self.peer_shut = 0        # what the device has said
        self.received = bytearray()
        self.buf_alloc = buf_alloc
        self.rx_cnt = self.fwd_cnt = self.told_fwd = 0
        self.tx_cnt = self.peer_fwd = self.peer_alloc = 0

    # ---- what it says ----

    def say(self, op, data=b"", **fields):
        """Sends one packet of this connection, whatever its state is."""
        self.told_fwd = self.fwd_cnt
        fields = {"fwd_cnt": self.fwd_cnt, "buf_alloc": self.buf_alloc, "type": self.type, **fields}
        self.peer.transmit(Packet(self.guest_port, self.host_port, op, data, **fields))

    @property
    def credit(self):
        """Bytes that it may send now."""
        return max(self.peer_alloc - ((self.tx_cnt - self.peer_fwd) & 0xffffffff), 0)

    def send(self, data, piece=PAYLOAD_MAX):
        """Sends all of it, as credit allows."""
        data = memoryview(data)
        while data:
            self.peer.wait(lambda: self.credit or self.state != "open" or
                           self.peer_shut & SHUT_RECEIVE)
            if self.state == "reset":
                raise ConnectionResetError
            if self.state != "open" or self.peer_shut & SHUT_RECEIVE or self.shut & SHUT_SEND:
                raise BrokenPipeError
            n = min(len(data), self.credit, piece)
            self.tx_cnt = (self.tx_cnt + n) & 0xffffffff
            self.say(Op.RW, bytes(data[:n]))
            data = data[n:]

    def shutdown(self, flags=SHUT_SEND):
        self.shut |= flags
        self.say(Op.SHUTDOWN, flags=self.shut)

    def close(self):
        """Both ways, and waits for the device to have done so, too."""
        if self.state == "open":
            self.shutdown(SHUT_BOTH)
            self.peer.wait(lambda: self.state != "open")
        self.peer.forget(self)

    def reset(self):
        """RST, and no word more."""
        self.say(Op.RST)
        self.state = "reset"
        self.peer.forget(self)

    # ---- what it hears ----

    def recv(self, n=PAYLOAD_MAX):
        """At most n bytes; b"" at the end.  An RST is an error after the bytes before it."""
        self.peer.wait(lambda: self.received or self.state in ("closed", "reset") or
                       self.peer_shut & SHUT_SEND)
        if not self.received and self.state == "reset":
            raise ConnectionResetError
        data = bytes(self.received[:n])
        del self.received[:n]
        self.fwd_cnt = (self.fwd_cnt + len(data)) & 0xffffffff
        if self.state == "open":
            told_free = self.buf_alloc - ((self.rx_cnt - self.told_fwd) & 0xffffffff)
            if data and told_free < PAYLOAD_MAX:
                self.say(Op.CREDIT_UPDATE)
            self._end_if_over()
        return data

    def recv_exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.recv(n - len(data))
            if not piece:
                raise EOFError(f"{len(data)} of {n} bytes came")
            data += piece
        return data

    def recv_all(self):
        """What comes before the end."""
        return b"".join(iter(self.recv, b""))

    def hear(self, packet):
        """A packet of the device that belongs to this connection."""
        self.peer_alloc, self.peer_fwd = packet.buf_alloc, packet.fwd_cnt
        if (self.tx_cnt - self.peer_fwd) & 0xffffffff > 1 << 31:
            raise DeviceError(f"it has taken more than was sent: {packet}")
        if packet.op == Op.RST:
            in_order = self.shut == SHUT_BOTH and self.state == "open"
            self.state = "closed" if in_order else "reset"
        elif self.state == "requested":
            if packet.op != Op.RESPONSE:
                raise DeviceError(f"before its RESPONSE: {packet}")
            self.state = "open"
        elif packet.op == Op.RW:
            self._hear_data(packet)
        elif packet.op == Op.SHUTDOWN:
            self.peer_shut |= packet.flags
            self._end_if_over()
        elif packet.op == Op.CREDIT_REQUEST:
            self.say(Op.CREDIT_UPDATE)
        elif packet.op != Op.CREDIT_UPDATE:
            raise DeviceError(f"out of place in state {self.state}: {packet}")

    def _hear_data(self, packet):
        if self.peer_shut & SHUT_SEND:
            raise DeviceError("data behind the end")
        self.rx_cnt = (self.rx_cnt + len(packet.data)) & 0xffffffff
        if (self.rx_cnt - self.fwd_cnt) & 0xffffffff > self.buf_alloc:
            raise DeviceError("more data than the guest had allowed")
        if not self.shut & SHUT_RECEIVE:
            self.received += packet.data

    def _end_if_over(self):
        """The device has closed both ways, and all was read: RST, as Linux does."""
        if self.peer_shut == SHUT_BOTH and not self.received and self.state == "open":
            self.say(Op.RST)
            self.state = "closed"
            self.peer.forget(self)


class Peer:
    """The vsock of one guest.  transmit(packet) sends; wait(condition) drives queues until it holds.
    What belongs to no connection gets RST."""

    def __init__(self, transmit, wait):
        self.transmit = transmit
        self.wait = wait
        self.connections = {}
        self.listeners = {}   # port: connections that came and were not accepted yet
        self.stray = []       # packets that belonged to no connection

    def forget(self, connection):
        self.connections.pop((connection.guest_port, connection.host_port), None)

    def request(self, host_port, guest_port=None, type_=STREAM, buf_alloc=BUF_ALLOC):
        """A connection that has asked, and has no answer yet."""
        connection = Connection(self, guest_port or next(fresh_ports), host_port, type_, buf_alloc)
        self.connections[connection.guest_port, host_port] = connection
        connection.say(Op.REQUEST)
        return connection

    def connect(self, host_port, guest_port=None, type_=STREAM, buf_alloc=BUF_ALLOC):
        connection = self.request(host_port, guest_port, type_, buf_alloc)
        self.wait(lambda: connection.state != "requested")
        if connection.state == "reset":
            self.forget(connection)
            raise ConnectionRefusedError
        return connection

    def listen(self, port):
        self.listeners[port] = deque()

    def accept(self, port):
        self.wait(lambda: self.listeners[port])
        return self.listeners[port].popleft()

    def hear(self, packet):
        connection = self.connections.get((packet.guest_port, packet.host_port))
        if connection:
            connection.hear(packet)
            if packet.op == Op.RST:
                self.forget(connection)
        elif packet.op == Op.REQUEST and packet.guest_port in self.listeners:
            self._accept(packet)
        elif packet.op != Op.RST:
            if packet.op != Op.REQUEST:
                self.stray.append(packet)
            self.transmit(Packet(packet.guest_port, packet.host_port, Op.RST, type=packet.type))
        else:
            self.stray.append(packet)

    def _accept(self, packet):
        connection = Connection(self, packet.guest_port, packet.host_port, packet.type)
        connection.peer_alloc, connection.peer_fwd = packet.buf_alloc, packet.fwd_cnt
        connection.state = "open"
        self.connections[packet.guest_port, packet.host_port] = connection
        connection.say(Op.RESPONSE)
        self.listeners[packet.guest_port].append(connection)
