#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the seal of fronts and workers costs, side by side with a build that does without.

    meson setup build-unsealed -Dpkg_config_path=$PWD/.deps/lib/pkgconfig -Dc_args=-DSANDBOX_SANITIZED=1
    ninja -C build-unsealed
    tests/bench/seal.py build-unsealed [ROUNDS [SECONDS]]

One request of 4 KiB at a time over the Unix socket; and how long a new worker takes, from the push of a
small model to its READY.
"""

import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests"), str(ROOT / "tests/scenario")]
import daemon
import native
import onnx_writer

SHAPE = 1024


def start(stack, build, path, folder):
    echo = folder / "echo.conf"
    echo.write_text(f"[engine onnxruntime]\n[engine echo]\n"
                    f"plugin = {build}/tests/engines/tensock-engine-echo.so\n")
    daemon.BUILD = build
    stack.enter_context(daemon.Daemon(["--config", echo, "--listen", f"unix:{path}"], [path]))


def p50(path, model, seconds):
    """Of one connection, in µs."""
    done = subprocess.run([ROOT / "build/tests/bench/native", f"unix:{path}", model, str(SHAPE), "1",
                           str(seconds), "identity"], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def cold_ms(path):
    """A model that is new each time: a new worker, its engines, its seal, the load."""
    with native.Guest(path) as guest:
        model = onnx_writer.identity(SHAPE, padding=random.randrange(8, 4000))
        start_s = time.monotonic()
        guest.push(model)
        took = (time.monotonic() - start_s) * 1000
        guest.unload(native.digest(model), remove=True)
    return took


def main():
    other = Path(sys.argv[1]).resolve()
    rounds, seconds = (int(word) for word in (sys.argv[2:] + ["9", "2"][len(sys.argv) - 2:]))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tensock.")))
        models = {"echo": folder / "m.echo", "ONNX Runtime": folder / "m.onnx"}
        models["echo"].write_bytes(b"TSKECHO1 shape=%d" % SHAPE)
        models["ONNX Runtime"].write_bytes(onnx_writer.identity(SHAPE))
        paths = {"sealed": folder / "sealed.sock", "unsealed": folder / "unsealed.sock"}
        for name, build in ("sealed", ROOT / "build"), ("unsealed", other):
            start(stack, build, paths[name], folder)
        cells = {(what, name): [] for what in [*models, "a new worker"] for name in paths}
        for _ in range(rounds):
            for what, name in random.sample(list(cells), len(cells)):
                cells[what, name].append(cold_ms(paths[name]) if what not in models else
                                         p50(paths[name], models[what], seconds))
        print("| | sealed | unsealed | ratio, median of rounds |\n|---|---|---|---|")
        for what in [*models, "a new worker"]:
            sealed, unsealed = cells[what, "sealed"], cells[what, "unsealed"]
            unit = "µs p50" if what in models else "ms"
            ratio = statistics.median(a / b for a, b in zip(sealed, unsealed))
            print(f"| {what} | {statistics.median(sealed):.1f} {unit} | "
                  f"{statistics.median(unsealed):.1f} {unit} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
