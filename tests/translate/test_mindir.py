# SPDX-License-Identifier: Apache-2.0
"""Models that MindSpore itself exported (.mindir), with the arrays that it computed.

Each is NAME.mindir with NAME.npz beside it, in tests/models/mindir: in0, in1 ... and out0, out1 ...  Where
MindSpore computed in float16, the arrays have a number `tolerance`.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "models" / "mindir"
MODELS = sorted(FOLDER.glob("*.mindir"))


def unpacked(path, folder):
    """Files of the inputs, of the outputs, and the tolerance."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        names = archive.namelist()
    files = [[folder / f"{kind}{i}.npy" for i in range(99) if f"{kind}{i}.npy" in names]
             for kind in ("in", "out")]
    tolerance = float(np.load(folder / "tolerance.npy")) if "tolerance.npy" in names else 1e-5
    return *files, tolerance


@pytest.mark.parametrize("model", MODELS, ids=[path.stem for path in MODELS])
def test_model(runner, model):
    inputs, outputs, tolerance = unpacked(model.with_suffix(".npz"), runner.folder / "mindir")
    assert outputs, "there is nothing to compare"
    result = runner.run(model, inputs, outputs, tolerance)
    assert result.returncode == 0, result.stdout + result.stderr
