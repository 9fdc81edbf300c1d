#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the native protocol costs, beside what cannot be had for less: `./run bench native`.

    native.py [--rounds N] [--seconds S] [--only SIZE]

Identity models over the Unix socket, by a client in C on libtensock, against the plain ping-pong over
such a socket; and a real model against the same engine in a process without us.  All that is compared runs in
turns, in an order that changes from round to round; a ratio is the median of the ratios of each
round.  Prints tables in Markdown.
"""

import argparse
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]
import onnx_writer
from daemon import BUILD, Daemon

BENCH = BUILD / "tests/bench"
MODEL = ROOT / ".deps/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"
MODEL_SHAPE = "1,3,48,192"
PLUGIN = BUILD / "tensock-engine-onnxruntime.so"
LIBRARY = BUILD / "libonnxruntime.so.1"
SIZES = {4096: "4 KiB", 602_112: "602,112 B", 16 << 20: "16 MiB"}
CONNECTIONS = (1, 8)
# From so many on the client's tensors are in memory that it shares with the host.
SHARED_BYTES = 65536
# About as long as a worker has nothing to do between two requests of one client.
PAUSE_US = 50
# What issue 5 wants of p50 at one connection (at most, of the floor's) and of requests/s at eight.
GOALS = {("echo", 4096): 2.0, ("onnx", 4096): 2.3, ("echo", 602_112): 1.25, ("onnx", 602_112): 1.25,
         ("echo", 16 << 20): 1.25, ("onnx", 16 << 20): 1.25}
GOAL_RATE = 0.5
GOAL_MODEL, GOAL_MODEL_RATE = 1.10, 0.85
TITLES = {"floor": "Unix socket, ping-pong", "echo": "Tensock, engine that only copies",
          "onnx": "Tensock, ONNX Runtime's Identity", "echo-alloc": "copying engine, library's memory",
          "onnx-alloc": "ONNX Runtime's Identity, library's memory", "alone": "ONNX Runtime in process",
          "paced": "the same, asleep before each run", "model": "Tensock",
          "model-alloc": "Tensock, library's memory"}


class Cell:
    """The rounds of one program under one load."""

    def __init__(self, command):
        self.command = [str(word) for word in command]
        self.p50, self.p99, self.rate = [], [], []

    def run(self):
        done = subprocess.run(self.command, check=False, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(self.command)}: {done.stderr}")
        self.keep(*map(float, done.stdout.split()))

    def keep(self, p50, p99, rate, _n):
        self.p50.append(p50)
        self.p99.append(p99)
        self.rate.append(rate)


def ratios(values, base):
    return [value / other for value, other in zip(values, base)]


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def spread(values):
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"


def ratio_text(values):
    """Median, and where the middle half lies."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def run_rounds(cells, rounds):
    for _ in range(rounds):
        for cell in random.sample(cells, len(cells)):
            cell.run()


def print_cells(cells, base, goals):
    """cells: {(name, connections): Cell}, all of one table."""
    print("| | connections | p50 µs | p99 µs | requests/s | p50, × | goal | requests/s, × | goal |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, connections), cell in cells.items():
        floor = cells[base, connections]
        row = [TITLES[name], connections, spread(cell.p50), number(statistics.median(cell.p99)),
               spread(cell.rate)]
        if cell is floor:
            row += ["1", "", "1", ""]
        else:
            latency, rate = goals.get((name, connections), ("", ""))
            row += [ratio_text(ratios(cell.p50, floor.p50)), latency,
                    ratio_text(ratios(cell.rate, floor.rate)), rate]
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def bench_identity(folder, size, addresses, arguments):
    shape = size // 4
    # Of a fixed shape, so that the host can place the output before the run.
    models = {"echo": folder / f"echo{size}.model", "onnx": folder / f"identity{size}.onnx"}
    models["echo"].write_bytes(b"TSKECHO1 shape=%d" % shape)
    models["onnx"].write_bytes(onnx_writer.identity(shape))
    cells, goals = {}, {}
    for n in CONNECTIONS:
        cells["floor", n] = Cell([BENCH / "pingpong", "load", addresses["floor"], size, n,
                                  arguments.seconds])
        for name, model in models.items():
            load = [BENCH / "native", f"unix:{addresses[name]}", model, shape, n, arguments.seconds, "identity"]
            cells[name, n] = Cell(load)
            goals[name, n] = (f"≤ {GOALS[name, size]}", "") if n == 1 else ("", f"≥ {GOAL_RATE}")
            if size >= SHARED_BYTES:
                cells[f"{name}-alloc", n] = Cell([*load, "alloc"])
                goals[f"{name}-alloc", n] = goals[name, n]
    run_rounds(list(cells.values()), arguments.rounds)
    print(f"\n### {SIZES[size]} there and back\n")
    print_cells(cells, "floor", goals)


def bench_model(address, arguments):
    cells, goals = {}, {}
    for n in CONNECTIONS:
        for name, pause in ("alone", 0), ("paced", PAUSE_US):
            cells[name, n] = Cell([BENCH / "engine_alone", "--loop", arguments.seconds, n, pause,
                                   MODEL_SHAPE, PLUGIN, LIBRARY, MODEL])
        for name, options in ("model", []), ("model-alloc", ["alloc"]):
            cells[name, n] = Cell([BENCH / "native", f"unix:{address}", MODEL, MODEL_SHAPE, n,
                                   arguments.seconds, *options])
            goals[name, n] = (f"≤ {GOAL_MODEL}", "") if n == 1 else ("", f"≥ {GOAL_MODEL_RATE}")
    run_rounds(list(cells.values()), arguments.rounds)
    print("\n### PP-OCR's direction classifier, 110,592 B in\n")
    print_cells(cells, "alone", goals)


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return (f"{os.cpu_count()} cores ({cpu.group(1) if cpu else os.uname().machine}), "
            f"load {os.getloadavg()[0]:.1f}")


def serve(program, path):
    """A floor, which listens when this returns."""
    process = subprocess.Popen([BENCH / program, "serve", path])
    while not path.is_socket():
        if process.poll() is not None:
            raise RuntimeError(f"{program} has ended")
        time.sleep(0.002)
    return process


def bench(folder, arguments, floor_program, identity, model):
    """identity and model: as bench_identity() and bench_model(), to be called beside that floor."""
    addresses = {name: folder / f"{name}.sock" for name in ("floor", "echo", "onnx")}
    shared = f"[daemon]\nshared-memory = {os.getuid()}\n"
    echo, onnx = folder / "echo.conf", folder / "onnx.conf"
    echo.write_text(f"{shared}[engine echo]\nplugin = {BUILD}/tests/engines/tensock-engine-echo.so\n")
    onnx.write_text(shared)
    listen = {name: ["--listen", f"unix:{path}"] for name, path in addresses.items()}
    floor = serve(floor_program, addresses["floor"])
    try:
        with Daemon(["--config", echo, *listen["echo"]], [addresses["echo"]]), \
                Daemon(["--config", onnx, *listen["onnx"]], [addresses["onnx"]]):
            for size in SIZES:
                if arguments.only in (None, str(size)):
                    identity(folder, size, addresses, arguments)
            if arguments.only in (None, "model"):
                model(addresses["onnx"], arguments)
    finally:
        floor.terminate()
        floor.wait()


def main(description, *measured):
    """measured: the last arguments of bench()."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    parser.add_argument("--only", choices=[*map(str, SIZES), "model"])
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("a median needs 2 rounds, a result 9")
    for number_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number_, lambda n, _frame: sys.exit(128 + n))
    print(f"{time.strftime('%Y-%m-%d')}, {machine()}, {arguments.rounds} rounds of "
          f"{arguments.seconds} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="tensock-bench.") as folder:
        bench(Path(folder), arguments, *measured)
    return 0


if __name__ == "__main__":
    sys.exit(main(__doc__, "pingpong", bench_identity, bench_model))
