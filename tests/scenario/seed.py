# SPDX-License-Identifier: Apache-2.0
"""A guest's end of the seed conversation."""

import contextlib
import socket
import struct
import time

import numpy

TIMEOUT_S = 60
HEADER_BYTES = 16


def header(size, type_=1, id_=1):
    return struct.pack("<IIQ", type_, id_, size)


def frame(model, id_=1):
    return header(len(model), id_=id_) + model


class Guest:
    """One connection.  address: the path of a Unix socket, or (host, port)."""

    def __init__(self, address, timeout_s=TIMEOUT_S):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout_s)
        self._connect(address if family == socket.AF_INET else str(address), time.monotonic() + timeout_s)

    def _connect(self, address, deadline):
        """Waits for room in the listener's queue, which a socket with a timeout does not."""
        while True:
            try:
                self.socket.connect(address)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, n=2):
        """n bytes, or what came before the end."""
        data = b""
        while len(data) < n:
            try:
                piece = self.socket.recv(n - len(data))
            except ConnectionResetError:
                break
            if not piece:
                break
            data += piece
        return data

    def ask(self, model, id_=1):
        """The answer; b"" where the host has closed the connection, be it while we send."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(frame(model, id_))
        return self.receive()

    def is_closed(self):
        """Waits until the host has closed; False if it says anything."""
        return self.receive(1) == b""


def ask(address, model, id_=1):
    """One frame on a connection of its own."""
    with Guest(address) as guest:
        return guest.ask(model, id_)


def random_floats(n):
    """What the host fills a float input with: MT19937 with the seed 5489, in float arithmetic."""
    draws = numpy.random.RandomState(5489).randint(0, 1 << 32, size=n, dtype=numpy.uint64)
    unit = draws.astype(numpy.float32) / numpy.float32(1 << 32)
    low, high = numpy.float32(0.1), numpy.float32(1)
    return low + unit * (high - low)


def output_line(values):
    return "output data is:" + "".join(f"{float(value):g} " for value in values[:51])
