#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the Open Inference Protocol over HTTP costs, beside a server that only echoes: `./run bench oip`.

    oip.py [--rounds N] [--seconds S] [--only SIZE]

Identity models with binary tensors over a Unix socket, by a lean client in C, against the same client at an echo
server in C; and a real model against the same engine in a process without us.  As native.py does it: in turns, and a
ratio is the median of the ratios of each round.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import native
import onnx_writer
from daemon import BUILD, Daemon
from native import Cell, number, ratio_text, ratios, spread

# What issue 8 wants of p50 at one connection (at most, of the echo's).
GOAL = 2.0
GOAL_MODEL_US = 200
native.TITLES["floor"] = "HTTP echo in C"
INPUTS = {"echo": "x0", "onnx": "x"}


def push(address, model, name):
    subprocess.run([BUILD / "tensock", "push", "--host", f"unix:{address}", "--name", name, model], check=True,
                   stdout=subprocess.DEVNULL)


def bench_identity(folder, size, addresses, arguments):
    shape = size // 4
    models = {"echo": folder / f"echo{size}.model", "onnx": folder / f"identity{size}.onnx"}
    models["echo"].write_bytes(b"TSKECHO1 shape=%d" % shape)
    models["onnx"].write_bytes(onnx_writer.identity(shape))
    cells, goals = {}, {}
    for name, model in models.items():
        push(addresses[name], model, f"identity{size}")
    for n in native.CONNECTIONS:
        load = [shape, n, arguments.seconds, "identity"]
        cells["floor", n] = Cell([native.BENCH / "oip", "load", addresses["floor"], "identity", "x", *load])
        for name in models:
            cells[name, n] = Cell([native.BENCH / "oip", "load", addresses[name], f"identity{size}",
                                   INPUTS[name], *load])
            goals[name, n] = (f"≤ {GOAL}", "") if n == 1 else ("", "")
    native.run_rounds(list(cells.values()), arguments.rounds)
    print(f"\n### {native.SIZES[size]} there and back\n")
    native.print_cells(cells, "floor", goals)


def bench_model(address, arguments):
    push(address, native.MODEL, "classifier")
    alone = Cell([native.BENCH / "engine_alone", "--loop", arguments.seconds, 1, native.MODEL_SHAPE, native.PLUGIN,
                  native.LIBRARY, native.MODEL])
    ours = Cell([native.BENCH / "oip", "load", address, "classifier", "x", native.MODEL_SHAPE, 1,
                 arguments.seconds])
    native.run_rounds([alone, ours], arguments.rounds)
    added = sorted(a - b for a, b in zip(ours.p50, alone.p50))
    print("\n### PP-OCR's direction classifier, 110,592 B in\n")
    print("| | p50 µs | p99 µs | p50, × | added µs | goal |\n|---|---|---|---|---|---|")
    print(f"| ONNX Runtime in process | {spread(alone.p50)} | {number(sorted(alone.p99)[len(alone.p99) // 2])} | 1 | | |")
    print(f"| Tensock, HTTP | {spread(ours.p50)} | {number(sorted(ours.p99)[len(ours.p99) // 2])} | "
          f"{ratio_text(ratios(ours.p50, alone.p50))} | {number(added[len(added) // 2])} | ≤ {GOAL_MODEL_US} |",
          flush=True)


def bench(folder, arguments):
    addresses = {name: folder / f"{name}.sock" for name in ("floor", "echo", "onnx")}
    echo = folder / "echo.conf"
    echo.write_text(f"[engine echo]\nplugin = {BUILD}/tests/engines/tensock-engine-echo.so\n")
    listen = {name: ["--listen", f"unix:{path}"] for name, path in addresses.items()}
    floor = native.serve("oip", addresses["floor"])
    try:
        with Daemon(["--config", echo, *listen["echo"]], [addresses["echo"]]), \
                Daemon(listen["onnx"], [addresses["onnx"]]):
            for size in native.SIZES:
                if arguments.only in (None, str(size)):
                    bench_identity(folder, size, addresses, arguments)
            if arguments.only in (None, "model"):
                bench_model(addresses["onnx"], arguments)
    finally:
        floor.terminate()
        floor.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    parser.add_argument("--only", choices=[*map(str, native.SIZES), "model"])
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("a median needs 2 rounds, a result 9")
    for number_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number_, lambda n, _frame: sys.exit(128 + n))
    print(f"{time.strftime('%Y-%m-%d')}, {native.machine()}, {arguments.rounds} rounds of "
          f"{arguments.seconds} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="tensock-bench.") as folder:
        bench(Path(folder), arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
