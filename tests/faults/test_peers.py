# SPDX-License-Identifier: Apache-2.0
"""Modes 1 to 9: peers that go, stall, flood and lie about sizes."""

import socket
import struct
import time

import native
import numpy
import pytest
import seed
from rule import ECHO, GOOD_INPUT, resources
from scenario import SANITIZED, cpu_s, eventually


def bad_front(daemon):
    with native.Guest(daemon.local):
        front, = set(daemon.fronts()) - {daemon.good_front}
    return front


@pytest.mark.mode(1)
def test_gone_at_every_byte_of_an_answer(daemon, repeat):
    """All but n bytes of WELCOME, MODEL and RESULT are read, then the socket is closed over the rest."""
    with native.Guest(daemon.local) as guest:
        guest.push(ECHO)
        front = bad_front(daemon)
        whole = native.hello() + b"".join(native.infer_frames(1, native.digest(ECHO), [("x0", GOOD_INPUT)]))
        with native.Guest(daemon.local, greet=False) as measure:
            measure.send(whole)
            _, _, body = measure.receive_frame()
            n_bytes = 16 + len(body)
            _, _, body = measure.receive_frame()
            n_bytes += 16 + len(body)
        before = resources(front)["fds"]
        for _ in repeat(20, fast=1):
            for n in range(n_bytes + 1):
                with native.Guest(daemon.local, greet=False) as peer:
                    peer.send(whole)
                    peer.receive(n)
            assert eventually(lambda: resources(front)["fds"] <= before)


@pytest.mark.mode(2)
def test_end_and_nothing_before(daemon, repeat):
    """The seed's host read 0 bytes for ever."""
    front = bad_front(daemon)
    for _ in repeat(1000):
        with seed.Guest(daemon.local) as guest:
            guest.socket.shutdown(socket.SHUT_WR)
            assert guest.is_closed()
    before, began = cpu_s(front), time.monotonic()
    time.sleep(1)
    assert cpu_s(front) - before < 0.05 * (time.monotonic() - began)


@pytest.mark.mode(2)
def test_end_within_a_frame(daemon, repeat):
    whole = seed.frame(ECHO)
    for i in repeat(1000):
        with seed.Guest(daemon.local) as guest:
            guest.send(whole[:1 + i % (len(whole) - 1)])
            guest.socket.shutdown(socket.SHUT_WR)
            assert guest.is_closed()


def shaped(rank, dims, n, dtype=11):
    """An INFER of one tensor of this shape, without its payload."""
    described = native.string("x0") + struct.pack("<III", native.NO_INDEX, dtype, rank) + \
        b"".join(struct.pack("<q", dim) for dim in dims) + struct.pack("<Q", n)
    rest = struct.pack("<I", 0) + native.reference(native.digest(ECHO)) + struct.pack("<II", 1, 0) + described
    return struct.pack("<IQ", 12 + len(rest), 0) + rest


SHAPES = [
    (65535, [1], 4), (0xFFFFFFFF, [], 4), (33, [1] * 33, 4), (2, [1 << 32, 1 << 32], 0), (2, [1 << 62, 4], 0),
    (4, [1 << 31] * 4, 16), (1, [-1], 4), (1, [-(1 << 63)], 0), (1, [4], (1 << 64) - 16), (1, [4], 1 << 63),
    (1, [1 << 61], 1 << 63)]


@pytest.mark.mode(4, 5)
def test_shapes_that_are_none(daemon):
    front = bad_front(daemon)
    before = resources(front)["kib"]
    for rank, dims, n in SHAPES:
        with native.Guest(daemon.local) as guest:
            guest.push(ECHO)
            with pytest.raises((native.Refused, native.Closed)):
                guest.wait(guest.ask(native.INFER, shaped(rank, dims, n)))
    assert SANITIZED or resources(front)["kib"] - before < 4096


@pytest.mark.mode(5)
def test_empty_tensors_are_served(daemon):
    model = b"TSKECHO1 shape=-1,-1"
    with native.Guest(daemon.local) as guest:
        guest.push(model)
        for shape in ((0, 4), (4, 0), (0, 0), (0, 1 << 40)):
            x = numpy.zeros(shape, "float32") if 1 << 40 not in shape else numpy.empty((0, 1 << 40), "float32")
            assert guest.infer(native.digest(model), [("x0", x)])["x0"].shape == shape
