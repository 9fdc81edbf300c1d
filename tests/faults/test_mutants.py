# SPDX-License-Identifier: Apache-2.0
"""Mode 28 at length: models of three formats with something changed, each of which is answered."""

import concurrent.futures
import io
import os
import random
import time
import zipfile
from pathlib import Path

import onnx_writer as onnx
import pytest
import seed
import seeded_nets
from test_models import folded, nested_if, unary
from test_workers import wide

TESTS = Path(__file__).resolve().parents[1]
SEED = int(os.environ.get("TENSOCK_SEED", random.randrange(1 << 32)))
SIZE_MAX = 64 << 10
AT_ONCE = 4
INTERESTING = [b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f",
               b"\0\0\0\x80", b"\xff" * 8, b"\0" * 8, b"\1\0\0\0", b"\xff\xff\xff\xff\x0f"]


def corpus(name):
    return [path.read_bytes() for path in sorted((TESTS / "fuzz/corpus" / name).iterdir())
            if path.stat().st_size <= SIZE_MAX]


def originals():
    """{format: models, most of which are right}"""
    with zipfile.ZipFile(io.BytesIO((TESTS / "models/mindir.zip").read_bytes())) as nets:
        mindir = [nets.read(entry) for entry in nets.infolist()
                  if entry.filename.endswith(".mindir") and entry.file_size <= SIZE_MAX]
    small = [onnx.identity(4), onnx.endless(), unary("Neg"), nested_if(2), folded(16), wide(4)]
    return {"onnx": small * 4 + corpus("onnx_scan"),
            "mindir": [*mindir, *corpus("mindir")],
            "ms": [model for model in (seeded_nets.lenet(),) if len(model) <= SIZE_MAX] + corpus("ms")}


def mutate(rng, model):
    """One to four changes."""
    data = bytearray(model)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data) + 1) if data else 0
        how = rng.randrange(6)
        if how == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif how == 1:
            piece = rng.choice(INTERESTING)
            data[at:at + len(piece)] = piece
        elif how == 2:
            del data[at:at + rng.randrange(1, 64)]
        elif how == 3:
            data[at:at] = rng.randbytes(rng.randrange(1, 16))
        elif how == 4:
            data[at:at] = data[at:at + rng.randrange(1, 256)]
        else:
            del data[at:]
    return bytes(data) or b"\0"


def ask_all(local, seeds, models):
    """Answers of models, each made of one of the seeds; they are counted."""
    answers = {b"OK": 0, b"ER": 0}
    with seed.Guest(local) as guest:
        for number in seeds:
            rng = random.Random(number)
            answers[guest.ask(mutate(rng, rng.choice(models)), number & 0xFFFFFFFF)] += 1
    return answers


@pytest.mark.mode(28)
@pytest.mark.parametrize("name", ["onnx", "mindir", "ms"])
def test_mutants(ruled, request, repeat, figure, name):
    """Any answer will do, but there is one; and front and supervisor are the same as before."""
    models = originals()[name]
    n = len(repeat(max(request.config.getoption("--mutate") // 3, 1000), fast=60))
    print("TENSOCK_SEED", SEED)
    daemon = ruled("load-deadline = 2s\nrun-deadline = 500ms\nmax-workers = 8\n")
    fronts = set(daemon.fronts())
    began = time.monotonic()
    with daemon.good.asking(0.05), concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        parts = [range(SEED + at, SEED + n, AT_ONCE) for at in range(AT_ONCE)]
        answers = list(pool.map(lambda part: ask_all(daemon.local, part, models), parts))
    took_s = time.monotonic() - began
    ok, refused = (sum(part[word] for part in answers) for word in (b"OK", b"ER"))
    figure(f"{n} mutants of {len(models)} {name} models: {ok} ran, {refused} were refused; {n / took_s:.0f} a second")
    assert ok + refused == n
    assert set(daemon.fronts()) == fronts, "a front has died"
