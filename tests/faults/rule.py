# SPDX-License-Identifier: Apache-2.0
"""The common rule of all failure modes.

Beside the guest that goes wrong there is a good one.  Once the test is through, the supervisor and the
good guest's front must be the same processes with the same fds, memory and threads, the good guest must be
answered, each guest's counters must add up, and the log must not have grown beyond its bound.
"""

import contextlib
import os
import threading
import time

import native
import numpy
from control import Control
from scenario import SANITIZED, engine_config, eventually

BACK_S = 30  # conftest.py makes it the 5 of docs/faults.md, where nothing else is to run beside
SUPERVISOR_KIB, FRONT_KIB = 1024, 2048  # what an allocator may keep
FRONT_FDS = 2
LINES_PER_S = 60  # of the log, by all processes: the supervisor's 50 and a front's 10

GOOD_MODEL = b"TSKECHO1 shape=1,4 good=1"
GOOD_INPUT = numpy.arange(4, dtype="float32").reshape(1, 4)
ECHO = b"TSKECHO1 shape=1,4"
ENGINES = engine_config("echo") + engine_config("faulty") + "[engine onnxruntime]\n"
# Workers go soon, so that the rest is like the beginning.
CONFIG = ["model-idle = 200ms", "model-keep = 60s", "upload-keep = 1s"]


def resources(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.rstrip("\n").split(":", 1) for line in status)
    return {"fds": len(os.listdir(f"/proc/{pid}/fd")), "threads": int(fields["Threads"]),
            "kib": int(fields["VmRSS"].split()[0])}


def pipes(pid):
    """The pipes that a process holds, but those it began with: a front has one each way to each worker."""
    found = set()
    for fd in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            link = os.readlink(fd.path)
            if int(fd.name) > 2 and link.startswith("pipe:"):
                found.add(link)
    return found


def adds_up(counters):
    ended = sum(counters[f"requests-{end}"] for end in ("ok", "error", "cancelled", "reset"))
    return counters["requests-accepted"] == ended + counters["requests-active"]


def p99(values):
    return sorted(values)[min(len(values) * 99 // 100, len(values) - 1)]


class Good:
    """A guest that does nothing wrong, and asks now and then."""

    def __init__(self, path):
        self.path = path
        self.guest = native.Guest(path)
        self.lock = threading.Lock()
        self.latencies_s = []
        self.ask()

    def ask(self):
        with self.lock:
            began = time.monotonic()
            try:
                outputs = self.guest.infer(native.digest(GOOD_MODEL), [("x0", GOOD_INPUT)])
            except native.Refused as refused:
                assert refused.status == native.NOT_FOUND, refused
                self.guest.push(GOOD_MODEL)
                outputs = self.guest.infer(native.digest(GOOD_MODEL), [("x0", GOOD_INPUT)])
            assert (outputs["x0"] == GOOD_INPUT).all()
            self.latencies_s.append(time.monotonic() - began)

    def stats(self):
        with self.lock:
            return self.guest.stats()

    @contextlib.contextmanager
    def asking(self, pause_s=0.005):
        """Asks again and again meanwhile; latencies_s is then that of this time."""
        self.ask()
        self.latencies_s = []
        stop, failures = threading.Event(), []

        def ask_on():
            try:
                while not stop.wait(pause_s):
                    self.ask()
            except Exception as failure:  # whatever it is, the test is told
                failures.append(failure)

        asker = threading.Thread(target=ask_on)
        asker.start()
        try:
            yield self
        finally:
            stop.set()
            asker.join()
        assert not failures, failures

    def p99_ms(self):
        return 1000 * p99(self.latencies_s)


class Ruled:
    """A daemon under the rule.  tensock: as tests/scenario has it; local: where the bad guest connects."""

    def __init__(self, start, folder, config="", arguments=(), engines=ENGINES):
        good = folder / "good"
        self.control_path = folder / "control.sock"
        ours = [f"control = {self.control_path}", *(line for line in CONFIG if line.partition("=")[0] not in config)]
        self.tensock = start("\n".join([*ours, config, "[guest good]", f"hybrid = {good}", engines]), *arguments)
        self.folder = folder
        self.local = self.tensock.local
        self.good = Good(f"{good}_9999")
        self.good_front = self.front_of("good")
        with native.Guest(self.local) as guest:
            guest.push(ECHO)
            guest.infer(native.digest(ECHO), [("x0", GOOD_INPUT)])
        self.began = time.monotonic()
        self.lines = len(self.tensock.log)
        self.rest()
        self.n_fronts = len(self.tensock.fronts())
        self.base = {pid: resources(pid) for pid in (self.tensock.pid, self.good_front)}

    def __getattr__(self, name):
        return getattr(self.tensock, name)

    def front_of(self, name):
        """The process of a guest's front; 0 where there is none."""
        with Control(self.control_path) as control:
            return control.guests()[name].pid

    def others_workers(self):
        """The workers that are not the good guest's."""
        good = pipes(self.good_front)
        found = []
        for pid in self.tensock.workers():
            with contextlib.suppress(OSError):  # it has ended
                if not pipes(pid) & good:
                    found.append(pid)
        return found

    def rest(self):
        """Waits until the workers have gone."""
        assert eventually(lambda: not self.tensock.workers(), BACK_S), "workers are left"

    def is_back(self):
        """What is not as it was."""
        more = []
        # A guest that came later has a front, which the supervisor holds by these.
        fds = FRONT_FDS * (len(self.tensock.fronts()) - self.n_fronts)
        for pid, base in self.base.items():
            now = resources(pid)
            kib = SUPERVISOR_KIB if pid == self.tensock.pid else FRONT_KIB
            if now["fds"] > base["fds"] + fds or now["threads"] != base["threads"] or \
                    (not SANITIZED and now["kib"] > base["kib"] + kib):
                more.append((pid, base, now))
        return more

    def check(self):
        assert self.tensock.daemon.process.poll() is None, "the daemon has ended"
        self.good.ask()
        assert self.good_front in self.tensock.fronts(), "the good guest's front has died"
        assert adds_up(self.good.stats()), self.good.stats()
        self.check_counters()
        self.rest()
        assert eventually(lambda: not self.is_back(), BACK_S), self.is_back()
        grown = len(self.tensock.log) - self.lines
        assert grown <= LINES_PER_S * (time.monotonic() - self.began + 2), f"{grown} lines of log"

    def check_counters(self):
        """Those of the bad guest: nothing of it is under way any more."""
        def are_right():
            with native.Guest(self.local) as guest:
                self.counters = guest.stats()
            return adds_up(self.counters) and not self.counters["requests-active"]

        assert eventually(are_right, BACK_S), self.counters
