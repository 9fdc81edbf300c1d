# SPDX-License-Identifier: Apache-2.0
"""The model that the demo sends, and the values that it expects of it."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
sys.path += [str(TOOLS), str(ROOT / "tests/scenario")]
import seed_print
import seeded_nets
from seed import random_floats

N_PRINTED = 51


def convolution(x, weight, conv):
    """x: channels, height, width."""
    padding = conv.kernel // 2
    x = numpy.pad(x, [(0, 0), (padding, padding), (padding, padding)])
    size = (x.shape[1] - conv.kernel) // conv.stride + 1
    y = 0
    for i in range(conv.kernel):
        for j in range(conv.kernel):
            seen = x[:, i::conv.stride, j::conv.stride][:, :size, :size]
            tap = weight[:, :, i, j]
            y = y + (numpy.tensordot(tap, seen, 1) if conv.group == 1 else tap[:, :, None] * seen)
    return y


def normalised(x, parameters):
    """A BatchNorm by its definition: what the model has folded stands apart here."""
    mean, variance, gamma, beta = (one.astype(numpy.float64)[:, None, None] for one in parameters[1:])
    return (x - mean) / numpy.sqrt(variance + numpy.float32(1e-5)) * gamma + beta


def mobilenetv2(image):
    """In float64.  image: height, width, channels."""
    model = seeded_nets.MobileNetV2()
    x = image.astype(numpy.float64).transpose(2, 0, 1)
    for block, all_parameters in model.blocks:
        before = x
        for conv, parameters in zip(block.convolutions, all_parameters):
            x = normalised(convolution(x, parameters.weight.astype(numpy.float64), conv), parameters)
            x = numpy.clip(x, 0, 6) if conv.activates else x
        x = before + x if block.adds else x
    weight, bias = (one.astype(numpy.float64) for one in model.head)
    return weight @ x.mean((1, 2)) + bias


@pytest.mark.parametrize("name", seeded_nets.NETS)
def test_made_is_what_is_pinned(tmp_path, name):
    out = tmp_path / "model.ms"
    subprocess.run([sys.executable, "-B", TOOLS / "seeded_nets.py", name, out], check=True)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == seeded_nets.SHA256[name]


def test_nothing_else_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(seeded_nets.SHA256, "lenet", "0" * 64)
    monkeypatch.setattr(sys, "argv", ["seeded_nets.py", "lenet", str(tmp_path / "model.ms")])
    assert seeded_nets.main() == 1
    assert not list(tmp_path.iterdir())
    assert "draws other numbers" in capsys.readouterr().err


def test_expected_values():
    image = random_floats(224 * 224 * 3).reshape(224, 224, 3)
    expected = seed_print.read_values(TOOLS / "mobilenetv2.expected")
    numpy.testing.assert_allclose(expected, mobilenetv2(image)[:N_PRINTED], rtol=0, atol=1e-9)


def line(values):
    return seed_print.HEAD + " ".join(f"{value:g}" for value in values) + " "


def test_line_is_compared():
    expected = [1.2345649, -0.5, 2.5e-7, 0]
    assert seed_print.difference(line(expected), expected) <= seed_print.TOLERANCE
    assert seed_print.difference(line([1.23457 + 2e-5, *expected[1:]]), expected) > seed_print.TOLERANCE
    assert seed_print.difference(line([*expected[:3], 2e-5]), expected) > seed_print.TOLERANCE


@pytest.mark.parametrize("broken", ["output data is:1 2 ", "output data is:1 2 3 4 ", "output data is:1 2 nan ",
                                    "output data is:1 2 inf ", "output data is:1 2 x ", "OK 1 2 3", ""])
def test_other_lines_differ(broken):
    assert not seed_print.difference(broken, [1, 2, 3]) <= seed_print.TOLERANCE
