# SPDX-License-Identifier: Apache-2.0
"""Modes 3, 11 and 65: calls that fail and fall short, no memory, and what memory held before."""

import contextlib
import json
import shutil
import subprocess

import native
import numpy
import onnx_writer
import pytest
import seed
from daemon import BUILD
from plan import BAD_CALLS, NO_MEMORY, NOTHING, OLD, OLD_MEMORY
from rule import ECHO, GOOD_INPUT
from scenario import SANITIZED, alive, eventually

LARGE = numpy.random.default_rng(7).standard_normal(5000).astype("float32")
ANY = b"TSKECHO1 shape=-1"
# A front that is short of memory may end, but not by one of these.
CRASHES = ["SIGSEGV", "SIGBUS", "SIGABRT", "signal 11", "signal 7", "signal 6"]


def crashes(log):
    return [line for line in log if " front " in line and any(word in line for word in CRASHES)]


class WrongAnswer(Exception):
    """Whatever fails, this must not come."""


def conversation(local):
    """A seed frame, an upload, requests of all kinds and their answers, which must be right."""
    assert seed.ask(local, ECHO) == b"OK"
    with native.Guest(local, timeout_s=20) as guest:
        guest.push(ANY, "any")
        for n in (0, 1, 5000):
            if not numpy.array_equal(guest.infer(native.digest(ANY), [("x0", LARGE[:n])])["x0"], LARGE[:n]):
                raise WrongAnswer(n)
        assert guest.info(native.digest(ANY))["name"] == "any"
        assert "any" in [model["name"] for model in guest.list()]
        guest.ping()
        guest.unload(native.digest(ANY), remove=True)


@pytest.mark.mode(3)
def test_calls_that_fail_and_fall_short(plan, ruled, repeat):
    """Each call that moves bytes is, in turn, interrupted, refused, and good for one byte."""
    daemon = ruled("model-idle = 1s\n")
    conversation(daemon.local)
    plan.set(BAD_CALLS, spared=daemon.good_front)
    for _ in repeat(50, fast=2):
        conversation(daemon.local)
    assert plan.injected > 1000
    plan.set(NOTHING)


def works(local):
    """Again, within a while: a front that died is replaced, later and later."""
    def does():
        with contextlib.suppress(AssertionError, OSError, native.Closed, native.Refused):
            conversation(local)
            return True
        return False

    return eventually(does, 60)


@pytest.mark.mode(11)
def test_each_allocation_of_a_conversation_fails(plan, ruled, repeat):
    """Whatever has no memory says so, or its connection ends; it is whole afterwards."""
    # So many deaths are a guest's whose models kill their workers: it would be put off.
    daemon = ruled("quarantine = 0s\nmax-crashes = 0\n")
    daemon.tensock.fronts_may_die = True
    conversation(daemon.local)
    front, = set(daemon.fronts()) - {daemon.good_front}
    refused, at = 0, 0
    for at in repeat(10_000, fast=40, at_most=True):
        plan.set(NO_MEMORY, fail_at=at + 1, spared=daemon.good_front)
        try:
            conversation(daemon.local)
        except (AssertionError, OSError, native.Closed, native.Refused):
            refused += 1
        if not plan.injected:
            break  # there are not so many
        plan.set(NOTHING)
        assert works(daemon.local), f"allocation {at + 1}"
    plan.set(NOTHING)
    print(f"{at} allocations, {refused} of them were felt; the front {'lives' if alive(front) else 'has died'}")
    assert refused
    assert not crashes(daemon.log)


class Listener(native.Guest):
    """Keeps every byte that comes."""

    def receive(self, n):
        data = super().receive(n)
        self.heard = getattr(self, "heard", b"") + data
        return data


@pytest.mark.mode(65)
def test_no_old_memory_in_answers(plan, ruled):
    """What the front allocates is full of a pattern, and no answer has it."""
    daemon = ruled()
    plan.set(OLD_MEMORY)
    model = onnx_writer.identity(4)
    for name, version in (("", ""), ("m", ""), ("m" * 100, "2"), ("n", "v" * 60)):
        with Listener(daemon.local) as guest:
            guest.push(model, name, version)
            guest.push(ANY)
            for n in (0, 1, 3, 17, 5000):
                guest.infer(native.digest(ANY), [("x0", LARGE[:n])])
            guest.infer(native.digest(model), [("x", GOOD_INPUT[0])])
            guest.info(native.digest(model), load=True)
            guest.list()
            guest.stats()
            guest.ping()
            assert guest.wait(guest.offer(b"none" + name.encode(), "other"))[0] == native.SEND
            for ask in (lambda: guest.info("nobody"), lambda: guest.unload(bytes(32)),
                        lambda: guest.infer(native.digest(model), [("z", GOOD_INPUT)]),
                        lambda: guest.wait(guest.ask(native.INFER, b"\0" * 20))):
                with pytest.raises((native.Refused, native.Closed)):
                    ask()
            assert OLD * 2 not in guest.heard
    assert plan.injected
    plan.set(NOTHING)


def has_valgrind():
    return shutil.which("valgrind") and not SANITIZED


# Fair: else the thread that races has the one turn that there is for nearly all of the time.
VALGRIND = ["valgrind", "--fair-sched=yes", "--quiet", "--error-exitcode=99", "--leak-check=no", "--track-fds=no"]
CONVERSATIONS = ["native_vectors", "native_session", "seed_session", "native_output", "vsock_device", "vsock_table",
                 "backend", "worker_control", "front_control", "device_control", "worker_link"]


@pytest.mark.mode(65)
@pytest.mark.slow
@pytest.mark.skipif(not has_valgrind(), reason="there is no valgrind, or a sanitizer in its place")
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_no_byte_is_sent_that_nobody_wrote(name):
    """Memory of the stack as well: valgrind knows of each byte that a call sends whether it was written."""
    with open(BUILD / "meson-info" / "intro-tests.json", encoding="utf-8") as records:
        command = next(record["cmd"] for record in json.load(records)
                       if record["name"] == name and "python" not in record["cmd"][0])
    done = subprocess.run([*VALGRIND, *command], cwd=BUILD, text=True, errors="replace", timeout=280, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "[==========] " in done.stdout, done.stdout[-3000:]  # it ran
    assert "uninitialised" not in done.stdout, done.stdout[-3000:]
