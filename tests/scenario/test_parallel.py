# SPDX-License-Identifier: Apache-2.0
"""Several runs of one model at once in one worker."""

import os
import signal
import time

import native
import numpy
import onnx_writer
import pytest
from conftest import SANITIZED, engine_config, eventually

FOUR = numpy.arange(4, dtype="float32")
POISON = numpy.float32([-666, 0, 0, 0])
CPUS = len(os.sched_getaffinity(0))


def start_many(guest, model, n):
    return [guest.start(native.digest(model), [(0, FOUR + i)]) for i in range(n)]


def assert_all(guest, ids):
    for i, id_ in enumerate(ids):
        (output,) = guest.wait(id_).outputs().values()
        assert (output == FOUR + i).all()


def test_runs_overlap(start):
    """Each run waits inside the engine until there are three."""
    tensock = start(engine_config("echo") + "parallel = 3\n")
    model = b"TSKECHO1 shape=4 runs=8 together=3 delay_ms=1"
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        for _ in range(5):
            assert_all(guest, start_many(guest, model, 12))
    assert len(tensock.workers()) <= 2  # one, and a spare


@pytest.mark.skipif(CPUS < 2, reason="one processor: one run")
def test_as_many_as_processors_without_a_word(start):
    tensock = start(engine_config("echo"))
    model = b"TSKECHO1 shape=4 runs=8 together=%d delay_ms=1" % min(CPUS, 4)
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        assert_all(guest, start_many(guest, model, 12))


@pytest.mark.parametrize("config, model", [("parallel = 1\n", b"TSKECHO1 shape=4 runs=8 delay_ms=100"),
                                           ("threads = 256\n", b"TSKECHO1 shape=4 runs=8 delay_ms=100"),
                                           ("parallel = 8\n", b"TSKECHO1 shape=4 runs=1 delay_ms=100")])
def test_one_by_one(start, config, model):
    """Where the operator, the processors or the engine allow no more."""
    tensock = start(engine_config("echo") + config)
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        began = time.monotonic()
        assert_all(guest, start_many(guest, model, 4))
        assert time.monotonic() - began >= 0.4


def test_real_model(start, real_model):
    """The same answers as one by one."""
    image = numpy.random.default_rng(1).random((16, 1, 3, 48, 192), "float32")
    tensock = start("[engine onnxruntime]\nparallel = 4\n")
    with native.Guest(tensock.local) as guest:
        guest.push(real_model)
        name = native.digest(real_model)
        alone = [guest.infer(name, [(0, one)]) for one in image]
        for _ in range(4):
            ids = [guest.start(name, [(0, one)]) for one in image]
            for id_, expected in zip(ids, alone):
                (output,), (wanted,) = guest.wait(id_).outputs().values(), expected.values()
                assert numpy.allclose(output, wanted, atol=1e-6)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own memory is beyond every limit")
def test_one_wants_too_much(start):
    """Whichever run it is, and whatever others are under way: it alone fails, and what it had serves the next."""
    tensock = start("max-memory = 64MiB\n[engine onnxruntime]\nparallel = 4\n")
    model = onnx_writer.squares()
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        (worker,) = tensock.workers()
        for _ in range(3):
            sizes = [8, 1 << 14, 500, 1 << 14, 9, 10, 1 << 14, 700]
            ids = [guest.start(native.digest(model), [("x", numpy.float32([n])),
                                                      ("n", numpy.array([n, n], "int64"))]) for n in sizes]
            for id_, n in zip(ids, sizes):
                if n == 1 << 14:
                    with pytest.raises(native.Refused) as refused:
                        guest.wait(id_)
                    assert refused.value.status == native.OUT_OF_MEMORY, refused.value
                else:
                    (output,) = guest.wait(id_).outputs().values()
                    assert output.shape == (1, 1) and output[0, 0] == n
        assert tensock.workers() == [worker]


def test_each_is_cancelled_by_itself(start):
    tensock = start(engine_config("echo") + "parallel = 3\n")
    model = b"TSKECHO1 shape=4 runs=3 delay_ms=20000"
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        ids = start_many(guest, model, 3)
        time.sleep(0.2)
        began = time.monotonic()
        for id_ in reversed(ids):
            guest.cancel(id_)
            with pytest.raises(native.Refused) as refused:
                guest.wait(id_)
            assert refused.value.status == native.CANCELLED
        quick = b"TSKECHO1 shape=4"
        guest.push(quick)
        assert_all(guest, start_many(guest, quick, 3))
        assert time.monotonic() - began < 8


def outcomes(guest, ids):
    """How each ended: 0, or the status of its ERROR."""
    found = []
    for id_ in ids:
        try:
            guest.wait(id_)
            found.append(0)
        except native.Refused as refused:
            found.append(refused.status)
    return found


@pytest.mark.parametrize("place", [0, 1, 2, 5])
def test_one_that_kills_the_worker(start, place):
    """It alone has the error, wherever it stood in the line."""
    tensock = start(engine_config("faulty") + "parallel = 3\n")
    model = b"TSKFAULT poison"
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        values = [FOUR] * 6
        values[place] = POISON
        ids = [guest.start(native.digest(model), [(0, one)]) for one in values]
        wanted = [0] * 6
        wanted[place] = native.WORKER_DIED
        assert outcomes(guest, ids) == wanted
        assert outcomes(guest, [guest.start(native.digest(model), [(0, FOUR)])]) == [0]


def test_worker_that_is_killed_under_several(start):
    """Nobody's fault, and nobody's error."""
    tensock = start(engine_config("faulty") + "parallel = 3\n")
    model = b"TSKFAULT poison"
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        assert eventually(tensock.workers)
        guest.infer(native.digest(model), [(0, FOUR)])
        ids = start_many(guest, model, 6)
        time.sleep(0.05)
        for pid in tensock.workers():
            os.kill(pid, signal.SIGKILL)
        assert_all(guest, ids)
