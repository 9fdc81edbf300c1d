# SPDX-License-Identifier: Apache-2.0
"""Modes 19, 21, 22 and 30: workers that die, hang, flood and lie."""

import os
import signal
import time

import native
import numpy
import onnx_writer as onnx
import pytest
from rule import GOOD_INPUT, p99
from scenario import SANITIZED, alive, engine_config, eventually

RUN_MS = 20
IDLE = "model-idle = 3s\n"  # the good guest's worker stays, and is known
DEATHS = ["SEGV", "FPE", "BUS", "SYS", "ILL", "ABRT", "KILL", "TERM"]
# One model kills its worker so often, and not once more: it would be quarantined.
DEATHS_OF_ONE = 2


def slow_echo(number):
    return b"TSKECHO1 shape=4 delay_ms=%d number=%d" % (RUN_MS, number)


class Victims:
    """Several models of one guest, whose workers are killed from outside while they run."""

    def __init__(self, daemon, n):
        self.daemon, self.n = daemon, n
        self.guest = native.Guest(daemon.local)
        self.models = []
        self.others = set()  # processes that are not ours to kill
        self.errors, self.backs, self.n_killed = [], [], 0

    def use(self, number):
        """Models that no worker has died of."""
        for model in self.models:
            self.guest.unload(native.digest(model), remove=True)
        self.models = [slow_echo(number * self.n + i) for i in range(self.n)]
        for model in self.models:
            self.guest.push(model)
        self.ask()

    def start(self):
        return [self.guest.start(native.digest(model), [("x0", GOOD_INPUT[0])]) for model in self.models]

    def ask(self):
        for id_ in self.start():
            assert (self.guest.wait(id_).outputs()["x0"] == GOOD_INPUT[0]).all()

    def die(self, number):
        """All of them, at work.  A run that had not begun is given to the next worker, and goes well."""
        ids = self.start()
        time.sleep(RUN_MS / 4000)
        pids = set(self.daemon.workers()) - self.others
        began = time.monotonic()
        for pid in pids:
            os.kill(pid, number)
        self.n_killed += len(pids)
        for id_ in ids:
            try:
                self.guest.wait(id_)
            except native.Refused as refused:
                assert refused.status == native.WORKER_DIED, refused
                self.errors.append(time.monotonic() - began)
        began = time.monotonic()
        self.ask()
        self.backs.append(time.monotonic() - began - RUN_MS / 1000)


def kill_often(victims, numbers, figure, is_full):
    """Each time at work: the request under way has an error, the next a new worker."""
    with victims.daemon.good.asking(0.02):
        victims.others = set(victims.daemon.workers())
        for n in numbers:
            if n % DEATHS_OF_ONE == 0:
                victims.use(n)
            victims.die(signal.SIGKILL)
    victims.guest.socket.close()
    errors, backs = victims.errors, victims.backs
    figure(f"{victims.n_killed} workers killed, {victims.n} at once: an error to the request under way {len(errors)} "
           f"times, p99 {1000 * p99(errors):.1f} ms; the next answer p99 {1000 * p99(backs):.1f} ms; a good guest's "
           f"p99 {victims.daemon.good.p99_ms():.1f} ms")
    assert victims.n_killed >= victims.n * len(numbers)
    assert len(errors) > (victims.n_killed / 2 if is_full else 0)
    assert p99(errors) <= (0.05 if is_full else 5)
    assert p99(backs) <= (0.25 if is_full else 10)


@pytest.mark.mode(19)
def test_killed_ten_thousand_times(ruled, request, repeat, figure):
    """With an engine that opens at once."""
    victims = Victims(ruled(IDLE, engines=engine_config("echo")), 4)
    kill_often(victims, repeat(2500, fast=15, each=4), figure, request.config.getoption("--full"))


@pytest.mark.mode(19)
def test_killed_with_a_real_engine(ruled, request, repeat, figure):
    """Whose library takes its time to open."""
    kill_often(Victims(ruled(IDLE), 1), repeat(500, fast=10), figure, request.config.getoption("--full"))


@pytest.mark.mode(19)
def test_died_of_anything(daemon):
    victims = Victims(daemon, 1)
    for number, name in enumerate(DEATHS):
        victims.use(number)
        victims.die(getattr(signal, f"SIG{name}"))
    victims.guest.socket.close()


@pytest.mark.mode(19)
@pytest.mark.parametrize("when", ["load", "run"])
def test_dies_by_itself(daemon, when):
    """The status says so, at load and at run."""
    with native.Guest(daemon.local) as guest:
        for fault in "segv", "fpe", "bus", "abort", "kill", "exit":
            model = f"TSKFAULT {when}:{fault}".encode()
            with pytest.raises(native.Refused) as refusal:
                guest.push(model)
                guest.infer(native.digest(model), [("x", GOOD_INPUT[0])])
            assert refusal.value.status == native.WORKER_DIED, fault
        guest.ping()


@pytest.mark.mode(21)
@pytest.mark.parametrize("how", ["hang", "spin"])
def test_ends_at_its_deadline(ruled, request, repeat, figure, how):
    daemon = ruled("run-deadline = 300ms\n")
    late = []
    with native.Guest(daemon.local) as guest, daemon.good.asking():
        for i in repeat(50, fast=2):
            model = f"TSKFAULT run:{how} {i}".encode()
            guest.push(model)
            began = time.monotonic()
            with pytest.raises(native.Refused) as refusal:
                guest.infer(native.digest(model), [("x", GOOD_INPUT[0])])
            late.append(time.monotonic() - began - 0.3)
            assert refusal.value.status == native.DEADLINE_EXCEEDED
            guest.unload(native.digest(model), remove=True)
    figure(f"{len(late)} runs that {how}: the answer p99 {1000 * p99(late):.1f} ms behind the deadline")
    assert min(late) > -0.1
    assert p99(late) < (0.1 if request.config.getoption("--full") else 5)


@pytest.mark.mode(22)
@pytest.mark.parametrize("when", ["load", "run"])
def test_floods_its_socket(ruled, when):
    """It is killed for it, or at its deadline; either way it is gone, and who asked has been told."""
    daemon = ruled("run-deadline = 1s\nload-deadline = 1s\n")
    model = f"TSKFAULT {when}:flood-control".encode()
    with native.Guest(daemon.local) as guest, daemon.good.asking():
        with pytest.raises(native.Refused):
            guest.push(model)
            guest.infer(native.digest(model), [("x", GOOD_INPUT[0])])
        flooders = set(daemon.workers())
        guest.ping()
    assert eventually(lambda: not any(map(alive, flooders)))


def wide(n):
    """x [1] → n floats."""
    return onnx.model(onnx.node("ConstantOfShape", ["n"], ["zeros"]), onnx.node("Add", ["zeros", "x"], ["y"]),
                      onnx.graph_input("x", [1]), onnx.graph_input("n", [1], onnx.INT64), onnx.graph_output("y", ["n"]))


@pytest.mark.mode(30)
@pytest.mark.skipif(SANITIZED, reason="the engine's allocation is the test: no sanitizer's")
def test_larger_than_allowed(ruled):
    daemon = ruled("max-request-size = 1MiB\n")
    model, x = wide(1), numpy.ones(1, "float32")
    with native.Guest(daemon.local) as guest:
        guest.push(model)

        def run(n):
            return guest.infer(native.digest(model), [("x", x), ("n", numpy.array([n], "int64"))])["y"]

        assert (run(1000) == 1).all()
        for n in (1 << 18) + 1, 1 << 24:
            with pytest.raises(native.Refused) as refusal:
                run(n)
            assert refusal.value.status in (native.TOO_LARGE, native.LIMIT_REACHED, native.OUT_OF_MEMORY)
        assert len(run(200_000)) == 200_000
