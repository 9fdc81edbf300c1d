# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frames by hand, so that they can be wrong, and as much of gRPC as its calls need."""

import socket
import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK, END_STREAM, END_HEADERS = 1, 1, 4
ENHANCE_YOUR_CALM, CANCEL = 11, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INFERENCE = "/inference.GRPCInferenceService/"
MOST = 0x7fffffff


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def setting(key, value):
    return struct.pack(">HI", key, value)


def integer(value, bits, first=0):
    """HPACK's: what does not fit the first byte's last bits follows it."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    out, value = bytes((first | most,)), value - most
    while value > 127:
        out, value = out + bytes((value & 127 | 128,)), value >> 7
    return out + bytes((value,))


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return integer(len(value), 7) + value


def literal(name, value, first=0):
    """A field that goes to no table; first 0x40: to the table."""
    return bytes((first,)) + text(name) + text(value)


def head(path, *fields):
    """POST, http, and what a call of gRPC has."""
    return (b"\x83\x86\x04" + text(path) + b"\x01" + text("tensock") + literal("te", "trailers")
            + literal("content-type", "application/grpc") + b"".join(literal(*field) for field in fields))


def message(payload=b""):
    return struct.pack(">BI", 0, len(payload)) + payload


class Connection:
    """A client, which sends what it is told and keeps the frames that come."""

    def __init__(self, path, settings=b"", preface=PREFACE, acknowledges=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # without a timeout: it waits for room in the listener's queue
        self.socket.settimeout(10)
        self.stream = -1
        self.rest = b""
        if preface:
            # The host's settings, its windows among them, hold from their acknowledgement on.
            self.send(preface + frame(SETTINGS, 0, 0, settings) + (frame(SETTINGS, ACK) if acknowledges else b""))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False: the host does not take it any more."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def begin(self, path, *fields, flags=END_HEADERS):
        """Opens a stream, whose number it returns."""
        self.stream += 2
        self.send(frame(HEADERS, flags, self.stream, head(path, *fields)))
        return self.stream

    def call(self, path, payload=b"", *fields):
        stream = self.begin(path, *fields)
        whole = message(payload)
        for at in range(0, len(whole), 16384):
            self.send(frame(DATA, END_STREAM if at + 16384 >= len(whole) else 0, stream, whole[at:at + 16384]))
        return stream

    def read(self, n):
        while len(self.rest) < n:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.rest += more
        out, self.rest = self.rest[:n], self.rest[n:]
        return out

    def next(self):
        """(type, flags, stream, payload)."""
        header = self.read(9)
        stream, = struct.unpack(">I", header[5:])
        return header[3], header[4], stream, self.read(int.from_bytes(header[:3], "big"))

    def frames(self):
        """All that come until the host closes."""
        try:
            while True:
                yield self.next()
        except (EOFError, ConnectionResetError):
            return

    def answer(self, stream):
        """The bytes of the answer, when it has ended."""
        body = b""
        for kind, flags, at, payload in self.frames():
            if at == stream and kind == DATA:
                body += payload
            if at == stream and kind in (DATA, HEADERS) and flags & END_STREAM:
                return body
            assert not (at == stream and kind == RST_STREAM), payload
        raise AssertionError("the connection has ended")

    def goaway(self):
        """(code, text) with which the host ends the connection; None: it says nothing."""
        said = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                said = int.from_bytes(payload[4:8], "big"), payload[8:].decode()
        return said

    def is_live(self):
        """ServerLive is answered."""
        return self.answer(self.call(INFERENCE + "ServerLive")) == message(b"\x08\x01")


def is_live(path):
    with Connection(path) as one:
        return one.is_live()
