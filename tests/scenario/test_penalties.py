# SPDX-License-Identifier: Apache-2.0
"""A guest whose processes crash again and again is held back, and comes back; others notice nothing.  A model
that kills its worker is refused.  What is killed from outside is nobody's fault."""

import os
import signal
import time

import native
import numpy
import pytest
import seed
from conftest import engine_config, eventually, refused

GOOD = b"TSKFAULT"
INPUT = [(0, numpy.zeros(4, numpy.float32))]


@pytest.fixture
def faulty(start, folder):
    """begin(settings of all guests but one): the daemon; the other guest must not notice anything."""
    tensocks = []
    other = folder / "other_9999"

    def begin(settings):
        tensock = start(f"{settings}\n[guest other]\nhybrid = {folder}/other\n" + engine_config("faulty"))
        assert seed.ask(other, GOOD) == b"OK"
        tensocks.append((tensock, set(tensock.fronts() + tensock.workers())))
        return tensock

    yield begin
    for tensock, survivors in tensocks:
        assert seed.ask(other, GOOD) == b"OK"
        assert survivors <= set(tensock.fronts() + tensock.workers())


def crash(guest, fault):
    """The status and the words of a model's crash: each has bytes of its own, so that none is in quarantine."""
    crash.n += 1
    return push(guest, b"TSKFAULT %s %d" % (fault, crash.n))


def push(guest, model):
    """0, or the status, and the words of the refusal.  It is removed again, not to come to max-models."""
    try:
        guest.push(model)
    except native.Refused as error:
        guest.unload(native.digest(model), remove=True)
        return error.status, error.message
    return 0, ""


crash.n = 0


def crash_until_refused(guest, fault=b"load:segv"):
    for n in range(100):
        status, message = crash(guest, fault)
        if status == native.LIMIT_REACHED:
            return n, message
        assert status == native.WORKER_DIED
    raise AssertionError("never refused")


@pytest.mark.parametrize("fault", [b"load:segv", b"load:abort", b"load:garbage-reply"])
def test_crashing_models(faulty, fault):
    tensock = faulty("max-crashes = 5")
    with native.Guest(tensock.local) as guest:
        guest.push(GOOD, "good")
        n, message = crash_until_refused(guest, fault)
        assert n > 5  # perhaps much more: how a worker ended is known a moment after the answer
        assert "max-crashes" in message and "try again in 1 s" in message
        # What is loaded goes on.
        guest.infer("good", INPUT)
        assert tensock.said("max-crashes", "none is started for 1 s")
        # It recovers, and falls again: for twice as long.
        assert eventually(lambda: crash(guest, fault)[0] == native.WORKER_DIED)
        _, message = crash_until_refused(guest, fault)
        assert "try again in 2 s" in message
        assert eventually(lambda: guest_can_push(guest))
    assert len(tensock.fronts()) == 2


def guest_can_push(guest):
    crash.n += 1
    status, message = push(guest, GOOD + b" %d" % crash.n)
    assert status == 0 or "max-crashes" in message
    return status == 0


def test_no_penalty(faulty):
    tensock = faulty("max-crashes = 0")
    with native.Guest(tensock.local) as guest:
        for _ in range(20):
            assert crash(guest, b"load:segv")[0] == native.WORKER_DIED


def can_infer(guest):
    """Or the worker was at its end just then."""
    try:
        guest.infer("good", INPUT)
    except native.Refused as error:
        assert error.status in (native.WORKER_DIED, native.UNAVAILABLE), error.message
        return False
    return True


def test_workers_killed_from_outside(faulty):
    """An operator's SIGKILL, or the kernel's: no penalty, and no quarantine of the model that ran."""
    tensock = faulty("max-crashes = 3")
    survivors = set(tensock.workers())
    with native.Guest(tensock.local) as guest:
        guest.push(GOOD, "good")
        for _ in range(20):
            assert eventually(lambda: can_infer(guest))
            worker, = set(tensock.workers()) - survivors
            os.kill(worker, signal.SIGKILL)
    assert not any("max-crashes" in line or "quarantine" in line for line in tensock.log)


def test_fronts_killed_from_outside(faulty):
    tensock = faulty("max-crashes = 20")
    tensock.fronts_may_die = True
    survivors = set(tensock.fronts())
    for _ in range(10):
        assert eventually(lambda: is_served(tensock.local))
        front, = set(tensock.fronts()) - survivors
        began = time.monotonic()
        os.kill(front, signal.SIGKILL)
        assert eventually(lambda: is_served(tensock.local))
        assert time.monotonic() - began < 5  # never the seconds of one that crashes by itself
    assert not any("max-crashes" in line for line in tensock.log)


def test_crashing_fronts(faulty):
    """Which count for ten crashes of a worker each."""
    tensock = faulty("max-crashes = 20")
    tensock.fronts_may_die = True
    survivors = set(tensock.fronts())

    for _ in range(3):
        assert eventually(lambda: is_served(tensock.local))
        front, = set(tensock.fronts()) - survivors
        os.kill(front, signal.SIGSEGV)
    assert tensock.said("max-crashes", "none is started for 1 s")
    assert not is_served(tensock.local)
    assert eventually(lambda: is_served(tensock.local))


def test_quarantine(faulty):
    tensock = faulty("quarantine = 5s")  # which all of what follows fits in on a busy machine
    model = b"TSKFAULT run:segv"
    with native.Guest(tensock.local) as guest:
        guest.push(model, "killer")
        for _ in range(3):
            with refused(native.WORKER_DIED):
                guest.infer("killer", INPUT)
        assert tensock.said("killed its worker 3 times", "quarantine")
        with refused(native.LIMIT_REACHED, "quarantine", "try again in 5 s"):
            guest.infer("killer", INPUT)
        with refused(native.LIMIT_REACHED, "quarantine"):
            guest.push(model, "again")
        guest.push(GOOD, "good")
        guest.infer("good", INPUT)
        with seed.Guest(tensock.local) as seed_guest:
            assert seed_guest.ask(model, 4711) == b"ER"
        assert tensock.said("frame 4711", "quarantine")

        def is_forgotten():
            try:
                guest.infer("killer", INPUT)
            except native.Refused as error:
                return error.status == native.WORKER_DIED
            raise AssertionError("it did not crash")

        assert eventually(is_forgotten)


def test_quarantine_is_each_guests_own(faulty, folder):
    tensock = faulty("")
    model = b"TSKFAULT load:segv"
    with seed.Guest(tensock.local) as guest:
        for id_ in range(3):
            assert guest.ask(model, 4700 + id_) == b"ER"
        assert tensock.said("killed its worker 3 times", "quarantine")
        assert guest.ask(model, 4711) == b"ER"
    assert tensock.said("frame 4711", "quarantine")
    with seed.Guest(folder / "other_9999") as other:
        assert other.ask(model, 4800) == b"ER"
    assert tensock.said("guest other", "frame 4800", "worker-died")


def test_deadlines_are_deaths(faulty):
    tensock = faulty("run-deadline = 200ms")
    with native.Guest(tensock.local) as guest:
        guest.push(b"TSKFAULT run:spin", "spin")
        for _ in range(3):
            with refused(native.DEADLINE_EXCEEDED):
                guest.infer("spin", INPUT)
        with refused(native.LIMIT_REACHED, "quarantine"):
            guest.infer("spin", INPUT)


# Connections.


def is_served(path):
    return seed.ask(path, GOOD) == b"OK"


def test_max_connects(start, folder):
    """Who comes too often waits at a socket of his own, and is turned away at one that is everybody's."""
    tensock = start(f"[guest fast]\nhybrid = {folder}/fast\nmax-connects = 5\n"
                    f"[guest other]\nhybrid = {folder}/other\n"
                    f"[guest uid-{os.getuid()}]\nmax-connects = 5\n" + engine_config("faulty"))
    began = time.monotonic()
    for _ in range(12):
        assert seed.ask(folder / "fast_9999", GOOD) == b"OK"
    assert time.monotonic() - began > 1  # five at once, then five a second
    began = time.monotonic()
    closed = 0
    for _ in range(100):
        closed += not is_served(tensock.local)
        assert seed.ask(folder / "other_9999", GOOD) == b"OK"
    assert closed >= 95 - 6 * (time.monotonic() - began)
    assert tensock.said("max-connects", "closed so far")
    lines = [line for line in tensock.log if "max-connects" in line]
    assert len(lines) <= time.monotonic() - began + 3
    assert eventually(lambda: is_served(tensock.local))
