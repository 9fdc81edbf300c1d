#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the translation of MindSpore's models costs, and how fast they then run: `./run bench translate`.

    translate.py [--rounds N] [--mindir FILE]

The model is MobileNetV2 as tools/seeded_nets.py makes it, and as a .mindir where one is given or lies beside
this checkout.  Translated, it runs beside the same net exported to ONNX by other means (translate_latency.py), for
which onnx and onnxruntime are fetched by pip, into build/.  Prints tables in Markdown.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import native
from daemon import BUILD

MODEL = ROOT / ".deps/models/mobilenetv2.ms"
MINDIR = ROOT.parent / "shared/models/mobilenetv2.mindir"
TRANSLATIONS = 20
# What issue 6 wants, at most.
GOAL_MS, GOAL_EXTRA, GOAL_LATENCY = 50, 1.3, 1.1

# onnxruntime is the engine's own release: .deps/lib has its library.
REQUIREMENTS = ["onnx==1.19.1", "onnxruntime==1.28.0"]
PACKAGES = BUILD / "bench-packages"


def packages():
    """The folder with REQUIREMENTS, which stays; complete when it is there."""
    wanted = " ".join(REQUIREMENTS)
    mark = PACKAGES / "requirements"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return PACKAGES
    print(f"fetching {wanted}", file=sys.stderr)
    shutil.rmtree(PACKAGES, ignore_errors=True)
    pip = ["/usr/bin/python3", "-m", "pip"]
    if subprocess.run([*pip, "--version"], check=False, capture_output=True).returncode != 0:
        sys.exit("./run bench translate: wants python3-pip")
    subprocess.run([*pip, "install", "-q", "--only-binary=:all:", "--root-user-action=ignore",
                    "--target", PACKAGES, *REQUIREMENTS], check=True)
    mark.write_text(wanted, encoding="utf-8")
    return PACKAGES


def bench_translation(models, folder):
    """{name: path} → {name: path of what it is in ONNX}"""
    print(f"\n### Translation, {TRANSLATIONS} times in one process\n")
    print("| | MB | ms | goal | the first time | memory beside the model, × | goal | result, × |")
    print("|---|---|---|---|---|---|---|---|")
    translated = {}
    for name, path in models.items():
        translated[name] = folder / (name + ".onnx")
        done = subprocess.run([BUILD / "tests/bench/translate", path, str(TRANSLATIONS), translated[name]],
                              check=True, capture_output=True, text=True)
        median, least, most, first, extra, result = map(float, done.stdout.split())
        size = path.stat().st_size
        print(f"| {name} | {size / 1e6:.1f} | {median:.1f} ({least:.1f} to {most:.1f}) | ≤ {GOAL_MS} "
              f"| {first:.1f} | {extra / size:.2f} | ≤ {GOAL_EXTRA} | {result / size:.2f} |", flush=True)
    return translated


def bench_latency(translated, rounds):
    done = subprocess.run(
        ["/usr/bin/python3", "-B", ROOT / "tests/bench/translate_latency.py", str(rounds), *translated.values()],
        check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(packages())})
    base, *others = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    print(f"\n### A run, {rounds} rounds in turns, one thread of ONNX Runtime\n")
    print("| | ms | × | goal |\n|---|---|---|---|")
    print(f"| exported to ONNX by other means | {native.spread(base)} | 1 | |")
    for name, values in zip(translated, others):
        ratio = native.ratio_text(native.ratios(values, base))
        print(f"| {name}, translated | {native.spread(values)} | {ratio} | ≤ {GOAL_LATENCY} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--mindir", type=Path, default=MINDIR if MINDIR.exists() else None)
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("a median needs 2 rounds, a result 9")
    models = {"mobilenetv2.ms": MODEL}
    if arguments.mindir:
        models["mobilenetv2.mindir"] = arguments.mindir
    print(f"{time.strftime('%Y-%m-%d')}, {native.machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tensock-bench.") as folder:
        bench_latency(bench_translation(models, Path(folder)), arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
