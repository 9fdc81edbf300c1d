#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The measurements of docs/benchmarks.md: `./run bench`.  Prints its tables as Markdown.

What is compared stands side by side in one run, round by round in turns: the load of the machine
changes, ratios hold.
"""

import os
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/vm")]
import guest
import onnx_model
from daemon import BUILD, Daemon

MIB = 1 << 20
MODEL = ROOT / ".deps/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"
PLUGIN = BUILD / "tensock-engine-onnxruntime.so"
LIBRARY = BUILD / "libonnxruntime.so.1"
UPLOAD_ROUNDS = {256: 5, 16: 9}  # the memory is measured with the first of all
IDLE_ROUNDS = 15
START_ROUNDS = 31
SENT = re.compile(r": OK \((\d+) bytes, sent in ([\d.]+) s, answered in ([\d.]+) s\)")


def median(values):
    return statistics.median(values)


def spread(values, digits=1):
    """Median (least to most)."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratio(values, base):
    """The median of the ratios of each round."""
    return f"{median([value / other for value, other in zip(values, base)]):.2f}"


def cpu_s(pids):
    """User and system time of these processes, in seconds."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_kib(pid, what):
    """A line of smaps_rollup; 0 when the process is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(re.search(rf"^{what}:\s+(\d+)", rollup, re.MULTILINE).group(1))


def memfd_bytes(pids):
    """Memory in memfds that these processes hold, each counted once, without the guest's memory."""
    found = {}
    for pid in pids:
        try:
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                name = os.readlink(entry)
                if name.startswith("/memfd:") and "memory-backend" not in name:
                    status = os.stat(entry)
                    found[status.st_dev, status.st_ino] = status.st_blocks * 512
        except OSError:
            continue  # it has ended meanwhile
    return sum(found.values())


class MemoryWatch:
    """Samples the daemon's memory until it is left: the peaks."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._done = threading.Event()
        self.peak = {"memfd": 0, "front": 0, "worker": 0}
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def sample(self):
        fronts = self._daemon.children("tensock-front")
        workers = self._daemon.children("tensock-worker")
        return {"memfd": memfd_bytes(fronts + workers),
                "front": sum(memory_kib(pid, "Anonymous") for pid in fronts) * 1024,
                "worker": sum(memory_kib(pid, "Anonymous") for pid in workers) * 1024}

    def _watch(self):
        while not self._done.wait(0.02):
            for name, value in self.sample().items():
                self.peak[name] = max(self.peak[name], value)


def bench_upload(folder):
    """Uploads from a guest through the built-in device, and from the host through a Unix socket."""
    local, vhost = folder / "local", folder / "vhost"
    files = {"bin/seed_guest": BUILD / "examples/seed_guest"}
    heads = {}
    for size in UPLOAD_ROUNDS:
        heads[size], padding = onnx_model.make_head(size * MIB)
        files[f"head{size}"] = heads[size]
        (folder / f"model{size}").write_bytes(heads[size] + bytes(padding))
    options = ["--listen", f"unix:{local}", "--vm", f"bench={vhost},cid=3"]
    print("| upload | MiB/s, guest, device | MiB/s, host, Unix socket | ratio |"
          " front's CPU s/GiB, device | Unix socket | ratio |")
    print("|---|---|---|---|---|---|---|")
    memory = None
    with Daemon(options, [local, vhost]) as daemon, \
            guest.Guest(folder / "guest", files, vhost, memory_mib=1024) as vm:
        vm.wait_ready()
        for size, rounds in UPLOAD_ROUNDS.items():
            padding = size * MIB - len(heads[size])
            vm.check(f"(cat /head{size}; head -c {padding} /dev/zero) >/tmp/model", timeout_s=300)
            device, unix = [], []
            for _ in range(rounds):
                with MemoryWatch(daemon) as watch:
                    device.append(upload(daemon, size, lambda: vm.check(
                        "seed_guest /tmp/model", timeout_s=300)))
                    memory = memory or (size, watch, watch.sample())
                unix.append(upload(daemon, size, lambda: subprocess.run(
                    [BUILD / "examples/seed_guest", "--unix", local, folder / f"model{size}"],
                    check=True, capture_output=True, text=True).stdout))
            speeds = [[rate for rate, _ in way] for way in (device, unix)]
            costs = [[cost for _, cost in way] for way in (device, unix)]
            print(f"| {size} MiB | {spread(speeds[0], 0)} | {spread(speeds[1], 0)} | "
                  f"{ratio(*speeds)} | {spread(costs[0], 2)} | "
                  f"{spread(costs[1], 2)} | {ratio(*costs)} |")
    size, watch, after = memory
    print_memory(size, watch, after, engine_alone_memory(folder / f"model{size}"))


def upload(daemon, size_mib, send):
    """One upload: MiB/s while sending, and CPU seconds of the fronts per GiB."""
    before = {pid: cpu_s([pid]) for pid in daemon.children("tensock-front")}
    match = SENT.search(send())
    if not match or int(match.group(1)) != size_mib * MIB:
        raise RuntimeError("the upload was not answered with OK")
    used = sum(cpu_s([pid]) - before.get(pid, 0) for pid in daemon.children("tensock-front"))
    return size_mib / float(match.group(2)), used / (size_mib / 1024)


def engine_alone_memory(model):
    """What the engine takes for a model in a process without us: its own memory's peak, in bytes."""
    peak = 0
    with subprocess.Popen([BUILD / "tests/bench/engine_alone", "--once", PLUGIN, LIBRARY, model],
                          stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, memory_kib(process.pid, "Anonymous") * 1024)
            time.sleep(0.005)
    if process.returncode != 0:
        raise RuntimeError("the engine alone has failed")
    return peak


def print_memory(size_mib, watch, after, alone):
    print(f"\n| memory, upload of {size_mib} MiB | MiB | of the model's size |\n|---|---|---|")
    rows = [("model and tensors in shared memory, peak", watch.peak["memfd"]),
            ("the front's own, peak", watch.peak["front"]),
            ("the worker's own (the engine's), peak", watch.peak["worker"]),
            ("the engine alone with this model, peak", alone),
            ("model and tensors in shared memory, after the answer", after["memfd"]),
            ("the front's own, after the answer", after["front"])]
    for name, value in rows:
        print(f"| {name} | {value / MIB:.1f} | {value / MIB / size_mib:.2f} |")


def ask(path, data):
    """One seed frame over a Unix socket: the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(struct.pack("<IIQ", 1, 1, len(data)) + data)
        answer = b""
        while len(answer) < 2:
            part = connection.recv(2)
            if not part:
                raise RuntimeError("tensockd has closed the connection")
            answer += part
        return answer


def ready_ms(local, arguments):
    """Milliseconds from before the start of tensockd until it accepts a connection."""
    start = time.monotonic()
    process = subprocess.Popen([BUILD / "tensockd", *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            while True:
                try:
                    connection.connect(str(local))
                    return (time.monotonic() - start) * 1e3
                except OSError:
                    if time.monotonic() - start > 10:
                        raise
                    time.sleep(0.0002)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def bench_idle(folder):
    """Resident memory of a daemon with one guest and no model, and the time until it is ready."""
    local, vhost = folder / "local", folder / "vhost"
    arguments = ["--listen", f"unix:{local}", "--vm", f"bench={vhost},cid=3"]
    times = [ready_ms(local, arguments) for _ in range(IDLE_ROUNDS)]
    with Daemon(arguments, [local, vhost]) as daemon:
        time.sleep(1)
        fronts = daemon.children("tensock-front")
        rss = {name: [memory_kib(pid, "Rss") / 1024 for pid in pids]
               for name, pids in (("supervisor", [daemon.process.pid]), ("front", fronts))}
        pss = sum(memory_kib(pid, "Pss") / 1024 for pid in [daemon.process.pid, *fronts])
    total = sum(map(sum, rss.values()))
    print("\n| idle, one VM, no model | measured | goal | ratio |\n|---|---|---|---|")
    print(f"| RSS of supervisor and front, MiB | {sum(rss['supervisor']):.1f} + "
          f"{' + '.join(f'{value:.1f}' for value in rss['front'])} = {total:.1f} "
          f"(Pss {pss:.1f}) | 10 | {total / 10:.2f} |")
    print(f"| start until it accepts, ms | {spread(times)} | 50 | {median(times) / 50:.2f} |")


def bench_start(folder):
    """From nothing to the first answer, against the same engine alone in a process."""
    local = folder / "local"
    model = MODEL.read_bytes()
    alone, first, second, later = [], [], [], []
    for _ in range(START_ROUNDS):
        output = subprocess.run([BUILD / "tests/bench/engine_alone", "1",
                                 PLUGIN, LIBRARY, MODEL],
                                check=True, capture_output=True, text=True).stdout
        alone.append(float(output))
        with Daemon(["--listen", f"unix:{local}"], [local]):
            for times, data, pause_s in ((first, model, 0), (second, renamed(model, 1), 0),
                                         (later, renamed(model, 2), 0.5)):
                time.sleep(pause_s)
                start = time.monotonic()
                if ask(local, data) != b"OK":
                    raise RuntimeError("the model was refused")
                times.append((time.monotonic() - start) * 1e3)
    print("\n| start to first answer, 0.6 MB model | ms | engine alone = 1 | fastest to fastest |")
    print("|---|---|---|---|")
    for name, times in (("the engine alone in a new process", alone),
                        ("the daemon's first connection: front, worker, answer", first),
                        ("another model at once after it, in another worker", second),
                        ("another model 0.5 s later, in the spare worker", later)):
        print(f"| {name} | {spread(times)} | {ratio(times, alone)} | "
              f"{min(times) / min(alone):.2f} |")


def renamed(model, n):
    """The same model under another hash: one more doc_string."""
    return model + b"\x32\x01%d" % n


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return (f"{os.cpu_count()} cores ({cpu.group(1) if cpu else os.uname().machine}), "
            f"guest on {guest.accelerator()}, load {os.getloadavg()[0]:.1f}")


def stop(number, _frame):
    sys.exit(128 + number)


def main():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    print(f"{time.strftime('%Y-%m-%d')}, {machine()}\n", flush=True)
    for bench in (bench_upload, bench_idle, bench_start):
        with tempfile.TemporaryDirectory(prefix="tensock-bench.") as folder:
            bench(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
