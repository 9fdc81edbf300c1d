# SPDX-License-Identifier: Apache-2.0
"""Mode 69: the others at random, beside a guest that works, for a while."""

import contextlib
import os
import random
import signal
import time

import onnx_writer as onnx
import pytest
import seed
from rule import ECHO, resources
from scenario import SANITIZED
from test_connections import storm
from test_fronts import VmHost, ask, end_of, first_answer
from test_models import rubbish
from test_mutants import mutate, originals
from vmm import Vmm

SEED = int(os.environ.get("TENSOCK_SEED", random.randrange(1 << 32)))
# What an allocator may do in a short time; over a day's it is the slope that counts.
GROWTH_KIB = 1024


class Chaos:
    """What may go wrong, one thing after the other."""

    def __init__(self, host, vmm, rng):
        self.host, self.vmm, self.rng = host, vmm, rng
        self.local = host.ruled.local
        self.models = [model for models in originals().values() for model in models]
        self.guest = first_answer(vmm)
        self.ends = {"ok": 0, "error": 0, "reset": 0}
        self.number = 0

    def kill_front(self):
        ids = [ask(self.guest) for _ in range(5)]
        os.kill(self.host.front(), signal.SIGKILL)
        self.count(ids)
        self.guest = first_answer(self.vmm)

    def count(self, ids):
        for id_ in ids:
            self.ends[end_of(self.guest, id_)] += 1

    def kill_workers(self):
        for pid in self.host.ruled.others_workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def leave(self):
        whole = seed.frame(ECHO)
        with seed.Guest(self.local) as guest, contextlib.suppress(ConnectionError):
            guest.send(whole[:self.rng.randrange(len(whole))])

    def send_rubbish(self):
        model = self.rng.choice([*rubbish().values(), mutate(self.rng, self.rng.choice(self.models)), onnx.endless()])
        with seed.Guest(self.local) as guest:
            assert guest.ask(model) in (b"OK", b"ER")

    def crash_a_worker(self):
        self.number += 1
        fault = self.rng.choice(["run:segv", "load:abort", "run:exit", "run:garbage-ring", "run:bad-output"])
        with seed.Guest(self.local) as guest:
            assert guest.ask(f"TSKFAULT {fault} {self.number}".encode()) in (b"OK", b"ER")

    def storm(self):
        storm(self.local, 1000, 1)

    def work(self):
        self.count([ask(self.guest) for _ in range(50)])

    def restart_driver(self):
        self.vmm.restart()
        self.guest = first_answer(self.vmm)

    def step(self):
        """The likely first."""
        acts = [self.work] * 6 + [self.leave, self.send_rubbish] * 2 + [
            self.kill_front, self.kill_workers, self.crash_a_worker, self.storm, self.restart_driver]
        self.rng.choice(acts)()
        assert self.guest, "the VM's vsock does not come back"


@pytest.mark.mode(69)
def test_all_at_random(ruled, folder, request, figure):
    minutes = request.config.getoption("--soak")
    seconds = 60 * minutes if minutes else 30 if request.config.getoption("--full") else 5
    print("TENSOCK_SEED", SEED)
    host = VmHost(ruled, folder, "run-deadline = 500ms\nload-deadline = 2s\n")
    host.ruled.tensock.fronts_may_die = True
    steps = 0
    with Vmm(host) as vmm:
        vmm.start()
        chaos = Chaos(host, vmm, random.Random(SEED))
        for _ in range(20):
            chaos.step()
        pids = {"supervisor": host.ruled.pid, "good front": host.ruled.good_front}
        before, began = {name: resources(pid)["kib"] for name, pid in pids.items()}, time.monotonic()
        with host.ruled.good.asking(0.02):
            while time.monotonic() < began + seconds:
                chaos.step()
                steps += 1
    grown = {name: resources(pid)["kib"] - before[name] for name, pid in pids.items()}
    figure(f"{steps} steps in {seconds} s: the VM's requests {chaos.ends}, the good guest's "
           f"{len(host.ruled.good.latencies_s)} all ok; grown by {grown} KiB")
    assert SANITIZED or max(grown.values()) <= GROWTH_KIB
