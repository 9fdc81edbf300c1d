#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The built-in vsock device, measured beside another one: `./run bench device [--peer PROGRAM]`.

A guest has one vsock device, so each back end has a guest of its own, all from the same image and alive
at the same time; in each round one after the other works.  Times are taken in the guest.  A second
table has the same loads from a driver without a guest (bare_driver.c), which costs hardly anything
itself.  Prints Markdown.
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
PEER_WINDOWS = [None, 262144]  # --tx-buffer-size; None: its own; with more its guest hangs
ROUNDS = 9
MIB = 64
PINGS = 500
CONNECTS = 100
IDLE_S = 10
START_TIMEOUT_S = 10

BARE_MIB = 512
BARE_PINGS = 2000
BARE_CONNECTS = 300

# (name, what it is, digits behind the point)
METRICS = [
    ("push", "guest to host, MiB/s", 0),
    ("push_cpu", "- CPU of the back end, s/GiB", 2),
    ("push_irq", "- interrupts a MiB", 1),
    ("pull", "host to guest, MiB/s", 0),
    ("pull_cpu", "- CPU of the back end, s/GiB", 2),
    ("pull_irq", "- interrupts a MiB", 1),
    ("ping1", "ping, 1 B, µs", 0),
    ("ping1_irq", "- interrupts", 1),
    ("ping4k", "ping, 4 KiB, µs", 0),
    ("connect", "connect and 1 B, µs", 0),
    ("connect_irq", "- interrupts", 1),
    ("ping_p99", "ping, 1 B, 99th percentile, µs", 0),
    ("mix_p99", "the same beside a push, µs", 0),
    ("mix_push", "- that push, MiB/s", 0),
    ("upload", "upload of a model, MiB/s", 0),
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


def host_end(stack, uds):
    end = stack.enter_context(End([BUILD / "tests/bench/host_end", f"{uds}_{PORT}",
                                   f"{uds}_{BULK_PORT}"], stdout=subprocess.PIPE))
    if end.process.stdout.readline() != b"ready\n":
        raise RuntimeError("host_end does not listen")


class Candidate:
    """A back end and its guest.  start(stack, vhost, uds) returns a function that gives its pids."""

    def __init__(self, name, start, uploads=False):
        self.name = name
        self.uploads = uploads
        self.results = {}
        self.bare_results = {}
        self.start = start
        self.pids = None
        self.vm = None

    def boot(self, stack, folder, files, arguments):
        vhost, uds = folder / "vhost", folder / "uds"
        folder.mkdir()
        host_end(stack, uds)
        self.pids = self.start(stack, vhost, uds)
        self.vm = stack.enter_context(guest.Guest(folder / "guest", files, vhost, arguments=arguments))
        self.vm.wait_ready()

    def load(self, *words):
        """Runs vsock_load in the guest: the numbers that it prints."""
        return [float(word) for word in
                self.vm.check("vsock_load " + " ".join(map(str, words)), timeout_s=120).split()]

    def keep(self, metric, value):
        self.results.setdefault(metric, []).append(value)

    def interrupts(self):
        """Of all queues, so far."""
        lines = self.vm.check("cat /proc/interrupts").splitlines()
        return sum(int(line.split()[1]) for line in lines if "virtio0-virtqueue" in line)

    def counted(self, metric, times, *words):
        """As load(), with the interrupts each time."""
        before = self.interrupts()
        numbers = self.load(*words)
        self.keep(metric + "_irq", (self.interrupts() - before) / times)
        return numbers

    def bulk(self, way):
        before = cpu_s(self.pids())
        seconds, = self.counted(way, MIB, way, PORT, MIB)
        self.keep(way, MIB / seconds)
        self.keep(way + "_cpu", (cpu_s(self.pids()) - before) / (MIB / 1024))

    def run_push(self):
        self.bulk("push")

    def run_pull(self):
        self.bulk("pull")

    def run_ping(self):
        median_us, p99_us = self.counted("ping1", PINGS, "ping", PORT, 1, PINGS)
        self.keep("ping1", median_us)
        self.keep("ping_p99", p99_us)
        self.keep("ping4k", self.load("ping", PORT, 4096, PINGS)[0])

    def run_connect(self):
        self.keep("connect", self.counted("connect", CONNECTS, "connect", PORT, CONNECTS)[0])

    def run_mix(self):
        _, p99_us, speed = self.load("mix", PORT, BULK_PORT, PINGS)
        self.keep("mix_p99", p99_us)
        self.keep("mix_push", speed)

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


def bare(candidate, folder, *words):
    """The numbers of bare_driver with a new back end, and the CPU seconds of that."""
    with tempfile.TemporaryDirectory(dir=folder) as name, ExitStack() as stack:
        vhost, uds = Path(name) / "vhost", Path(name) / "uds"
        host_end(stack, uds)
        pids = candidate.start(stack, vhost, uds)
        before = bench.cpu_s(pids())  # with the threads that have ended: the peer's do, with its VMM
        numbers = subprocess.run([BUILD / "tests/bench/bare_driver", vhost, *map(str, words)],
                                 check=True, capture_output=True, text=True).stdout.split()
        return [float(number) for number in numbers], bench.cpu_s(pids()) - before


def bare_round(candidate, folder):
    def keep(metric, value):
        candidate.bare_results.setdefault(metric, []).append(value)

    for way in ("push", "pull"):
        numbers, used_s = bare(candidate, folder, way, PORT, BARE_MIB)
        keep(way, BARE_MIB / numbers[0])
        keep(way + "_cpu", used_s / (BARE_MIB / 1024))
        keep(way + "_irq", numbers[-1] / BARE_MIB)
    for metric, times, words in (("ping1", BARE_PINGS, ("ping", PORT, 1, BARE_PINGS)),
                                 ("ping4k", BARE_PINGS, ("ping", PORT, 4096, BARE_PINGS)),
                                 ("connect", BARE_CONNECTS, ("connect", PORT, BARE_CONNECTS))):
        numbers, _ = bare(candidate, folder, *words)
        keep(metric, numbers[0])
        keep(metric + "_irq", numbers[-1] / times)


def print_table(found, results):
    ours, others = found[0], found[1:]
    print("\n| | " + " | ".join([ours.name, *(f"{other.name} | ratio" for other in others)]) + " |")
    print("|---" * (2 + 2 * len(others)) + "|")
    for metric, title, digits in METRICS:
        values = results(ours).get(metric)
        if not values:
            continue
        cells = [title, bench.spread(values, digits)]
        for other in others:
            theirs = results(other).get(metric)
            cells += [bench.spread(theirs, digits),
                      f"{bench.median(values) / bench.median(theirs):.2f}"] if theirs else ["", ""]
        print("| " + " | ".join(cells) + " |", flush=True)


def measure(options, folder):
    head, _ = onnx_model.make_head(MIB << 20)
    files = {"bin/vsock_load": BUILD / "tests/bench/vsock_load", "head": head}
    found = candidates(options)
    with ExitStack() as stack:
        for i, candidate in enumerate(found):
            candidate.boot(stack, folder / str(i), files, options.guest_arguments)
        idle(found[0])
        for i in range(options.rounds):
            for what in [what for what in options.only if what != "bare"]:
                for candidate in found[i % len(found):] + found[:i % len(found)]:
                    getattr(candidate, f"run_{what}")()
    print_table(found, lambda candidate: candidate.results)


def measure_bare(options, folder):
    found = candidates(options)
    for i in range(options.rounds):
        for candidate in found[i % len(found):] + found[:i % len(found)]:
            bare_round(candidate, folder)
    print("\nWithout a guest:")
    print_table(found, lambda candidate: candidate.bare_results)


def parse():
    everything = ["push", "pull", "ping", "connect", "mix", "upload", "bare"]
    parser = argparse.ArgumentParser(prog="./run bench device")
    parser.add_argument("--peer", metavar="PROGRAM", help="vhost-device-vsock, to compare with")
    parser.add_argument("--windows", type=lambda text: [int(v) or None for v in text.split(",")],
                        default=PEER_WINDOWS, metavar="N,...",
                        help="its --tx-buffer-size; 0: its default")
    parser.add_argument("--other", type=Path, metavar="BUILD",
                        help="a build folder of Tensock, to compare with")
    parser.add_argument("--guest-arguments", default="", metavar="TEXT",
                        help="of the guests' kernel, as init_on_alloc=0: Debian's clears what it allocates")
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
        if options.only != ["bare"]:
            measure(options, Path(folder))
        if "bare" in options.only:
            measure_bare(options, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
