#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The built-in vsock device, measured beside another one: `./run bench device [--peer PROGRAM]`.

A guest has one vsock device, so each back end has a guest of its own, all from the same image and alive
at the same time; in each round one after the other works.  Times are taken in the guest.  Prints tables
as Markdown.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import bench
import daemon
import guest
import onnx_model

BUILD = daemon.BUILD
PORT, BULK_PORT, SERVICE_PORT = 5000, 5001, 9999
PEER_WINDOWS = [None, 262144, 1048576]  # --tx-buffer-size; None: the peer's own
ROUNDS = 9
MIB = 64
PINGS = 500
CONNECTS = 100
IDLE_S = 10
START_TIMEOUT_S = 10

# (name, what it prints in the guest, ratio to the peer that is wanted: at least or at most)
METRICS = [
    ("push", "guest to host, MiB/s"),
    ("push_cpu", "CPU of the back end, s/GiB"),
    ("pull", "host to guest, MiB/s"),
    ("pull_cpu", "CPU of the back end, s/GiB"),
    ("ping1", "ping, 1 B, µs"),
    ("ping4k", "ping, 4 KiB, µs"),
    ("connect", "connect and 1 B, µs"),
    ("ping_p99", "ping, 1 B, 99th percentile, µs"),
    ("mix_p99", "the same beside a push, µs"),
    ("upload", "upload of a model, MiB/s"),
]


def cpu_s(pids):
    """The time on a CPU of all threads of these processes, to the nanosecond."""
    paths = [path for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(path.read_text(encoding="ascii").split()[0]) for path in paths) / 1e9


def switches(pids):
    """How often these processes have given up or lost a CPU."""
    total = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/status"):
            total += sum(int(line.split()[1]) for line in path.read_text().splitlines()
                         if "ctxt_switches" in line)
    return total


def wait_for(path, process):
    deadline = time.monotonic() + START_TIMEOUT_S
    while not path.is_socket():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args[0]} does not listen")
        time.sleep(0.01)


class End:
    """A process that is killed when it is left."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Candidate:
    """A back end and its guest.  start(stack, vhost, uds) returns a function that gives its pids."""

    def __init__(self, name, start, uploads=False):
        self.name = name
        self.uploads = uploads
        self.results = {}
        self._start = start
        self.pids = None
        self.vm = None

    def boot(self, stack, folder, files):
        vhost, uds = folder / "vhost", folder / "uds"
        folder.mkdir()
        end = stack.enter_context(End([BUILD / "tests/bench/host_end",
                                       f"{uds}_{PORT}", f"{uds}_{BULK_PORT}"],
                                      stdout=subprocess.PIPE))
        if end.process.stdout.readline() != b"ready\n":
            raise RuntimeError("host_end does not listen")
        self.pids = self._start(stack, vhost, uds)
        self.vm = stack.enter_context(guest.Guest(folder / "guest", files, vhost))
        self.vm.wait_ready()

    def load(self, *words):
        """Runs vsock_load in the guest: the numbers that it prints."""
        return [float(word) for word in
                self.vm.check("vsock_load " + " ".join(map(str, words)), timeout_s=120).split()]

    def keep(self, metric, value):
        self.results.setdefault(metric, []).append(value)

    def bulk(self, way):
        before = cpu_s(self.pids())
        seconds, = self.load(way, PORT, MIB)
        self.keep(way, MIB / seconds)
        self.keep(way + "_cpu", (cpu_s(self.pids()) - before) / (MIB / 1024))

    def run_push(self):
        self.bulk("push")

    def run_pull(self):
        self.bulk("pull")

    def run_ping(self):
        median_us, p99_us = self.load("ping", PORT, 1, PINGS)
        self.keep("ping1", median_us)
        self.keep("ping_p99", p99_us)
        self.keep("ping4k", self.load("ping", PORT, 4096, PINGS)[0])

    def run_connect(self):
        self.keep("connect", self.load("connect", PORT, CONNECTS)[0])

    def run_mix(self):
        self.keep("mix_p99", self.load("mix", PORT, BULK_PORT, PINGS)[1])

    def run_upload(self):
        if self.uploads:
            self.keep("upload", MIB / self.load("upload", SERVICE_PORT, "/head", MIB)[0])


def tensock(build):
    """A daemon of this build folder."""

    def start(stack, vhost, uds):
        arguments = ["--listen", f"unix:{vhost.parent / 'local'}",
                     "--vm", f"bench={vhost},cid=3,uds={uds}"]
        daemon.BUILD = build
        process = stack.enter_context(daemon.Daemon(arguments, [vhost, uds]))
        daemon.BUILD = BUILD
        return lambda: [process.process.pid, *process.children("tensock-front")]

    return start


def peer(program, window):
    def start(stack, vhost, uds):
        command = [program, "--guest-cid=3", f"--socket={vhost}", f"--uds-path={uds}"]
        if window:
            command.append(f"--tx-buffer-size={window}")
        end = stack.enter_context(End(command, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL))
        wait_for(vhost, end.process)
        return lambda: [end.process.pid]

    return start


def candidates(options):
    found = [Candidate("Tensock", tensock(BUILD), uploads=True)]
    if options.other:
        found.append(Candidate("other", tensock(options.other.resolve()), uploads=True))
    if options.peer:
        for window in options.windows:
            name = f"peer, {window // 1024} KiB" if window else "peer"
            found.append(Candidate(name, peer(options.peer, window)))
    return found


def idle(candidate):
    """Context switches of the back end while its guest does nothing, and its fronts' memory."""
    pids = candidate.pids()
    before = switches(pids)
    time.sleep(IDLE_S)
    after = switches(pids)
    rss = [bench.memory_kib(pid, "Rss") / 1024 for pid in pids[1:]]
    print(f"\nIdle, {candidate.name}: {after - before} wake-ups of supervisor and front in "
          f"{IDLE_S} s; RSS of the front {sum(rss):.1f} MiB")


def print_table(found):
    ours, others = found[0], found[1:]
    print("\n| | " + " | ".join([ours.name, *(f"{other.name} | ratio" for other in others)]) + " |")
    print("|---" * (2 + 2 * len(others)) + "|")
    for metric, title in METRICS:
        values = ours.results.get(metric)
        if not values:
            continue
        digits = 2 if metric.endswith("cpu") else 0
        cells = [title, bench.spread(values, digits)]
        for other in others:
            theirs = other.results.get(metric)
            cells += [bench.spread(theirs, digits),
                      f"{bench.median(values) / bench.median(theirs):.2f}"] if theirs else ["", ""]
        print("| " + " | ".join(cells) + " |")


def measure(options, folder):
    head, _ = onnx_model.make_head(MIB << 20)
    files = {"bin/vsock_load": BUILD / "tests/bench/vsock_load", "head": head}
    found = candidates(options)
    with ExitStack() as stack:
        for i, candidate in enumerate(found):
            candidate.boot(stack, folder / str(i), files)
        idle(found[0])
        for i in range(options.rounds):
            for what in options.only:
                for k in range(len(found)):
                    getattr(found[(i + k) % len(found)], f"run_{what}")()
    print_table(found)


def parse():
    everything = ["push", "pull", "ping", "connect", "mix", "upload"]
    parser = argparse.ArgumentParser(prog="./run bench device")
    parser.add_argument("--peer", metavar="PROGRAM", help="vhost-device-vsock, to compare with")
    parser.add_argument("--windows", type=lambda text: [int(v) or None for v in text.split(",")],
                        default=PEER_WINDOWS, metavar="N,...",
                        help="its --tx-buffer-size; 0: its default")
    parser.add_argument("--other", type=Path, metavar="BUILD",
                        help="a build folder of Tensock, to compare with")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", type=lambda text: text.split(","), default=everything,
                        metavar="WHAT,...", help=",".join(everything))
    return parser.parse_args()


def main():
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, bench.stop)
    print(f"{time.strftime('%Y-%m-%d')}, {bench.machine()}", flush=True)
    if not options.peer:
        print("\nThe peer is not measured: --peer says where vhost-device-vsock is.")
    with tempfile.TemporaryDirectory(prefix="tensock-bench.") as folder:
        measure(options, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
