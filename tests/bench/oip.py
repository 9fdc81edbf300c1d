#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the Open Inference Protocol over HTTP costs, beside a server that only echoes: `./run bench oip`.

    oip.py [--rounds N] [--seconds S] [--only SIZE]

Identity models with binary tensors over a Unix socket, by a lean client in C, against the same client at an echo
server in C; the same with the tensors in shared memory, against a copy there; and a real model against the same engine in a process without us.  As native.py does it: in turns, and a
ratio is the median of the ratios of each round.
"""

import subprocess
import sys

import native
import onnx_writer
from daemon import BUILD
from native import Cell, number, ratio_text, ratios, spread

# What issue 8 wants of p50 at one connection (at most, of the echo's).
GOAL = 2.0
GOAL_MODEL_US = 200
native.TITLES["floor"] = "HTTP echo in C"
native.TITLES["copy"] = "a copy of them, by nobody else"
INPUTS = {"echo": "x0", "onnx": "x"}
OUTPUTS = {"echo": "x0", "onnx": "y"}


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
    bench_regions(size, addresses, arguments)


def bench_regions(size, addresses, arguments):
    """Of the models that bench_identity() has pushed."""
    shape = size // 4
    cells = {"copy": Cell([native.BENCH / "oip", "copy", shape, arguments.seconds])}
    for name, output in OUTPUTS.items():
        cells[name] = Cell([native.BENCH / "oip", "load", addresses[name], f"identity{size}", INPUTS[name], shape, 1,
                            arguments.seconds, "region", output])
    native.run_rounds(list(cells.values()), arguments.rounds)
    print(f"\n### {native.SIZES[size]} from one part of a region of shared memory to another\n")
    print("| | p50 µs | p99 µs | added µs |\n|---|---|---|---|")
    for name, cell in cells.items():
        added = sorted(a - b for a, b in zip(cell.p50, cells["copy"].p50))
        print(f"| {native.TITLES[name]} | {spread(cell.p50)} | {number(sorted(cell.p99)[len(cell.p99) // 2])} | "
              f"{number(added[len(added) // 2]) if name != 'copy' else ''} |", flush=True)


def bench_model(address, arguments):
    push(address, native.MODEL, "classifier")
    alone = Cell([native.BENCH / "engine_alone", "--loop", arguments.seconds, 1, 0, native.MODEL_SHAPE, native.PLUGIN,
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


if __name__ == "__main__":
    sys.exit(native.main(__doc__, "oip", bench_identity, bench_model))
