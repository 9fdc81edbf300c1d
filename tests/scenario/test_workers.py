# SPDX-License-Identifier: Apache-2.0
"""Workers that crash, hang and are killed: one request has an error, and the next a new worker."""

import os
import signal
import time

import onnx_writer
import pytest
import seed
from conftest import SANITIZED, engine_config, eventually

GOOD = b"TSKFAULT"
GOOD_LINE = seed.output_line(seed.random_floats(4))
CRASHES = ["segv", "fpe", "bus", "abort", "kill", "exit"]
NOISE = ["garbage-control", "flood-control", "garbage-ring", "garbage-reply"]


@pytest.fixture
def faulty(start, folder):
    """A daemon with the faulty engine, and another guest whose model runs before and after."""
    tensock = start(f"load-deadline = 1s\nrun-deadline = 1s\n[guest other]\nhybrid = {folder}/other\n" +
                    engine_config("faulty"))
    other = folder / "other_9999"
    with seed.Guest(other) as guest:
        assert guest.ask(GOOD) == b"OK"
        survivors = set(tensock.processes("tensock-front") + tensock.processes("tensock-worker"))
        yield tensock
        assert guest.ask(GOOD) == b"OK"
    now = set(tensock.processes("tensock-front") + tensock.processes("tensock-worker"))
    assert survivors <= now  # not one process of the other guest was touched


def ask_fault(tensock, fault, id_=4711):
    with seed.Guest(tensock.local) as guest:
        answer = guest.ask(b"TSKFAULT " + fault.encode(), id_)
        if answer == b"ER":
            assert guest.ask(GOOD) == b"OK"  # the same connection, a new worker
        return answer


@pytest.mark.parametrize("fault", CRASHES)
@pytest.mark.parametrize("when", ["load", "run"])
def test_crash(faulty, when, fault):
    began = time.monotonic()
    assert ask_fault(faulty, f"{when}:{fault}") == b"ER"
    assert time.monotonic() - began < (8 if SANITIZED else 4)
    assert faulty.said("frame 4711")
    assert faulty.printed(GOOD_LINE, 2)


@pytest.mark.parametrize("fault", ["hang", "spin"])
@pytest.mark.parametrize("when", ["load", "run"])
def test_deadline(faulty, when, fault):
    began = time.monotonic()
    assert ask_fault(faulty, f"{when}:{fault}") == b"ER"
    assert time.monotonic() - began < (8 if SANITIZED else 4)
    assert faulty.said("frame 4711", "deadline")


@pytest.mark.parametrize("when", ["load", "run"])
def test_error(faulty, when):
    assert ask_fault(faulty, f"{when}:error") == b"ER"
    assert faulty.said("frame 4711", "as the model wished")


@pytest.mark.parametrize("fault", NOISE)
@pytest.mark.parametrize("when", ["load", "run"])
def test_worker_that_says_garbage(faulty, when, fault):
    """Any answer but a hang, and the front lives."""
    fronts = faulty.fronts()
    assert ask_fault(faulty, f"{when}:{fault}") in (b"OK", b"ER")
    assert seed.ask(faulty.local, GOOD) == b"OK"
    assert set(fronts) <= set(faulty.fronts())


def test_bad_output(faulty):
    assert ask_fault(faulty, "run:bad-output") == b"ER"


@pytest.mark.skipif(SANITIZED, reason="slow")
def test_hundred_crashes(faulty):
    with seed.Guest(faulty.local) as guest:
        for i in range(50):
            assert guest.ask(b"TSKFAULT run:segv %d" % i) == b"ER"
            assert guest.ask(GOOD) == b"OK"
    assert len(faulty.fronts()) == 2


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGFPE, signal.SIGBUS, signal.SIGKILL,
                                    signal.SIGTERM])
def test_worker_that_is_killed_at_work(echo, number):
    with seed.Guest(echo.local) as guest:
        guest.send(seed.frame(b"TSKECHO1 delay_ms=20000", 4711))
        assert eventually(echo.workers)
        time.sleep(0.3)  # it is loaded and runs, and a spare may stand beside it
        began = time.monotonic()
        for pid in echo.workers():
            os.kill(pid, number)
        assert guest.receive() == b"ER"
        assert time.monotonic() - began < 2
        assert guest.ask(b"TSKECHO1") == b"OK"
    assert echo.said("frame 4711")


def test_worker_that_is_killed_with_a_line(echo):
    """Who was at work has an error; those behind it have a second worker."""
    guests = [seed.Guest(echo.local) for _ in range(8)]
    assert guests[0].ask(b"TSKECHO1 delay_ms=400") == b"OK"
    (worker,) = echo.workers()
    for guest in guests:
        guest.send(seed.frame(b"TSKECHO1 delay_ms=400"))
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    assert [guest.receive() for guest in guests] == [b"ER"] + [b"OK"] * 7
    for guest in guests:
        guest.socket.close()


@pytest.mark.parametrize("fault", CRASHES + NOISE + ["hang"])
def test_faults_in_a_line(faulty, fault):
    """Many at once of a model that fails: each has one answer, and the guest goes on."""
    fronts = faulty.fronts()
    guests = [seed.Guest(faulty.local) for _ in range(6)]
    for guest in guests:
        guest.send(seed.frame(b"TSKFAULT run:" + fault.encode()))
    answers = [guest.receive() for guest in guests]
    assert set(answers) <= ({b"OK", b"ER"} if fault in NOISE else {b"ER"})
    for guest in guests:
        assert guest.ask(GOOD) == b"OK"
        guest.socket.close()
    assert set(fronts) <= set(faulty.fronts())


def test_onnx_worker_that_is_killed_in_an_endless_run(onnx):
    with seed.Guest(onnx.local) as guest:
        assert guest.ask(onnx_writer.identity(1)) == b"OK"
        guest.send(seed.frame(onnx_writer.endless()))
        time.sleep(0.5)
        for pid in onnx.workers():
            os.kill(pid, signal.SIGKILL)
        assert guest.receive() == b"ER"
        assert guest.ask(onnx_writer.identity(1)) == b"OK"


def test_guest_that_is_gone_while_its_model_runs(start):
    tensock = start("run-deadline = 2s\n" + engine_config("echo"))
    with seed.Guest(tensock.local) as guest:
        guest.send(seed.frame(b"TSKECHO1 delay_ms=30000"))
        assert eventually(tensock.workers)
        time.sleep(0.2)
    began = time.monotonic()
    assert seed.ask(tensock.local, b"TSKECHO1") == b"OK"
    assert time.monotonic() - began < 2


def test_max_workers(start):
    """More models than workers: they take turns."""
    tensock = start("max-workers = 2\n" + engine_config("echo"))
    guests = [seed.Guest(tensock.local) for _ in range(12)]
    most = 0
    for i, guest in enumerate(guests):
        guest.send(seed.frame(b"TSKECHO1 shape=1,%d delay_ms=50" % (i + 1)))
    for guest in guests:
        most = max(most, len(tensock.workers()))
        assert guest.receive() == b"OK"
        guest.socket.close()
    assert 1 <= most <= 2


def test_engine_that_cannot_be_opened(start, folder):
    (folder / "broken.so").write_bytes(b"no shared object")
    tensock = start(f"[engine broken]\nplugin = {folder}/broken.so\n")
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(b"TSKECHO1") == b"ER"
        assert guest.ask(b"TSKECHO1") == b"ER"
    assert len(tensock.fronts()) == 1
