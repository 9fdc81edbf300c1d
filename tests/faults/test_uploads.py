# SPDX-License-Identifier: Apache-2.0
"""Modes 16 and 17: the same model twice at once, and uploads in pieces."""

import concurrent.futures
import os
import random
import struct

import native
import numpy
import onnx_writer as onnx
import pytest

SEED = int(os.environ.get("TENSOCK_SEED", random.randrange(1 << 32)))
X = numpy.arange(4, dtype="float32")


def large(number, n=1 << 20):
    return onnx.identity(4, padding=n + number)


def assert_runs(guest, model):
    assert (guest.infer(native.digest(model), [("x", X)])["y"] == X).all()


@pytest.mark.mode(16)
def test_two_guests_push_the_same(daemon, repeat):
    """Each is asked for all of it: what another guest has is nobody's to hear of."""
    for number in repeat(50, fast=2):
        model = large(number)

        def push(path, model=model):
            with native.Guest(path) as guest:
                info = guest.push(model)
                assert_runs(guest, model)
                guest.unload(native.digest(model), remove=True)
            return info["sent_from"]

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert list(pool.map(push, [daemon.local, daemon.good.path])) == [0, 0]


def push_a_part(path, model, rng):
    """Offers it, sends some of what is asked for, goes.  The offset that it was asked from; None: it was there."""
    with native.Guest(path) as guest:
        type_, body = guest.wait(guest.offer(model))
        if type_ != native.SEND:
            return None
        offset, = struct.unpack("<Q", body)
        part = model[offset:offset + rng.randrange(len(model) - offset + 1)]
        for at in range(0, len(part), native.BODY_MAX):
            guest.send(native.frame(native.CHUNK, 1, part[at:at + native.BODY_MAX]))
        guest.ping()
    return offset


@pytest.mark.mode(17)
def test_broken_off_anywhere(ruled, repeat):
    """It goes on where it was, or from the beginning; what then runs is what was offered."""
    daemon = ruled("upload-keep = 30s\n")
    rng, went_on = random.Random(SEED), 0
    print("TENSOCK_SEED", SEED)
    for number in repeat(200, fast=4):
        model = large(number, 300_000)
        for _ in range(4):
            went_on += bool(push_a_part(daemon.local, model, rng))
        with native.Guest(daemon.local) as guest:
            guest.push(model)
            assert_runs(guest, model)
            guest.unload(native.digest(model), remove=True)
    assert went_on


@pytest.mark.mode(17)
@pytest.mark.parametrize("what", ["another", "twice", "turned round", "too short", "too long"])
def test_chunks_that_are_wrong(daemon, what):
    """Refused, and what is offered again afterwards is right."""
    model = large(0, 300_000 + len(large(0)) % 2)
    half = len(model) // 2
    assert 2 * half == len(model)
    sent = {"another": b"x" * len(model), "twice": model[:half] * 2, "turned round": model[half:] + model[:half],
            "too short": model[:-1], "too long": model + b"x"}[what]
    with native.Guest(daemon.local) as guest:
        assert guest.wait(id_ := guest.offer(model))[0] == native.SEND
        with pytest.raises((native.Refused, native.Closed, ConnectionError)):
            for at in range(0, len(sent), native.BODY_MAX):
                guest.send(native.frame(native.CHUNK, id_, sent[at:at + native.BODY_MAX]))
            if what == "too short":
                guest.cancel(id_)
            guest.wait(id_)
            if what == "too long":
                guest.ping()
    with native.Guest(daemon.local) as guest:
        guest.push(model)
        assert_runs(guest, model)
