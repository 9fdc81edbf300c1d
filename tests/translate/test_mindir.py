# SPDX-License-Identifier: Apache-2.0
"""Models that MindSpore itself exported (.mindir), with the arrays that it computed: tests/models/README.md."""

import zipfile
from pathlib import Path

import pytest

ARCHIVE = zipfile.ZipFile(Path(__file__).resolve().parents[1] / "models" / "mindir.zip")
NAMES = sorted({name.split("/")[0] for name in ARCHIVE.namelist()})
# Of the largest expected: of what is computed in float32, and in float16.
TOLERANCE, TOLERANCE_OF_HALF = 1e-5, 5e-3


def test_archive():
    assert len(NAMES) > 400


@pytest.mark.parametrize("name", NAMES)
def test_model(runner, name, tmp_path):
    files = [entry for entry in ARCHIVE.namelist() if entry.startswith(name + "/")]
    ARCHIVE.extractall(tmp_path, files)
    folder = tmp_path / name
    inputs = [folder / f"in{i}.npy" for i in range(len(list(folder.glob("in*.npy"))))]
    outputs = [folder / f"out{i}.npy" for i in range(len(list(folder.glob("out*.npy"))))]
    assert outputs, "there is nothing to compare"
    tolerance = TOLERANCE_OF_HALF if (folder / "half").exists() else TOLERANCE
    result = runner.run(folder / "model.mindir", inputs, outputs, tolerance)
    assert result.returncode == 0, result.stdout + result.stderr
