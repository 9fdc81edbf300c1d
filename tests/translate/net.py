# SPDX-License-Identifier: Apache-2.0
"""A model under construction, with what each of its tensors will hold; and tensock, which runs it."""

import os
import shutil
import subprocess
import zlib
from pathlib import Path

import ms_file
import numpy as np
from daemon import BUILD

TOLERANCE = 1e-5  # of the largest value that is expected
TIMEOUT_S = 60
OK, FAILED = 0, 1


class Runner:
    """The command line against a running daemon."""

    def __init__(self, socket, folder):
        self.socket, self.folder = socket, folder

    def tensock(self, *arguments):
        command = [BUILD / "tensock", "--host", f"unix:{self.socket}", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL,
                              timeout=TIMEOUT_S, env={**os.environ, "TENSOCK_HOST": "unix:/nonexistent"},
                              encoding="utf-8", errors="replace")

    def run(self, model, inputs, outputs, tolerance=TOLERANCE, names=None):
        """Files: a model, and arrays in their order, or by names of inputs and outputs."""
        options = ["--tolerance", f"{tolerance:g}"]
        names = names or [*range(len(inputs)), *range(len(outputs))]
        for i, path in enumerate([*inputs, *outputs]):
            options += ["--input" if i < len(inputs) else "--expect", f"{names[i]}={path}"]
        return self.tensock("run", model, *options)


def rounded(value):
    """A value as MindSpore Lite has it: it knows neither float64 nor, but as an input, int64."""
    value = np.asarray(value)
    return value.astype({"float64": np.float32, "int64": np.int32}.get(str(value.dtype), value.dtype))


def i32(*values):
    return np.array(values, np.int32)


class Value:
    """A tensor of the file, and what it holds: v."""

    def __init__(self, tensor, v):
        self.tensor, self.v = tensor, v

    @property
    def shape(self):
        return self.v.shape


class Net:
    def __init__(self, runner, generation, name):
        self.runner, self.name = runner, name
        self.graph = ms_file.Graph(generation, name="net")
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.inputs, self.outputs = [], []

    def weights(self, *dims, spread=1.0):
        return (self.random.normal(0, 1, dims) * spread).astype(np.float32)

    def integers(self, *dims, low=-9, high=10, dtype=np.int32):
        return self.random.integers(low, high, dims).astype(dtype)

    def input(self, *dims, v=None, declared=None, **fields):
        """Random numbers, unless v says what; declared: other dimensions than those of v."""
        v = self.weights(*dims) if v is None else np.asarray(v)
        tensor = self.graph.input(v.shape if declared is None else declared, dtype=str(v.dtype), **fields)
        self.inputs.append(Value(tensor, v))
        return self.inputs[-1]

    def positive(self, *dims, low=0.2, high=3.0):
        return self.input(v=self.random.uniform(low, high, dims).astype(np.float32))

    def const(self, array, **options):
        tensor = self.graph.const(array, **options)
        return Value(tensor, np.asarray(tensor.array))

    def node(self, operator, inputs, *values, **settings):
        """values: of its outputs.  Gives the output, or a list where there are several."""
        inputs = [one.tensor if isinstance(one, Value) else one for one in inputs]
        tensors = self.graph.node(operator, inputs, len(values), **settings)
        tensors = [tensors] if len(values) == 1 else tensors
        outputs = [Value(tensor, rounded(v)) for tensor, v in zip(tensors, values)]
        for output in outputs:
            output.tensor.dtype = str(output.v.dtype)
        return outputs[0] if len(outputs) == 1 else outputs

    def save(self, folder):
        """Writes the model and its arrays: their paths."""
        folder = Path(folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "model.ms").write_bytes(self.graph.bytes())
        for i, one in enumerate(self.inputs):
            np.save(folder / f"in{i}.npy", np.asarray(one.v, order="C"))
        for i, one in enumerate(self.outputs):
            np.save(folder / f"out{i}.npy", np.asarray(one.v, order="C"))
        return (folder / "model.ms", [folder / f"in{i}.npy" for i, _ in enumerate(self.inputs)],
                [folder / f"out{i}.npy" for i, _ in enumerate(self.outputs)])

    def run(self, *outputs, tolerance=TOLERANCE):
        self.outputs = list(outputs)
        self.graph.outputs = [one.tensor for one in outputs]
        names = None
        if self.graph.generation == ms_file.V1_0:  # an output is called by its tensor's number
            names = [*range(len(self.inputs)), *(one.tensor.index for one in outputs)]
        return self.runner.run(*self.save(self.runner.folder / "case"), tolerance, names)

    def check(self, *outputs, tolerance=TOLERANCE):
        """Runs it: each output is as expected, in type, shape and values."""
        for one in outputs:
            assert one.v.size and np.isfinite(one.v).all(), "the test itself is wrong"
        result = self.run(*outputs, tolerance=tolerance)
        assert result.returncode == OK, result.stdout + result.stderr

    def refused(self, *outputs, words=()):
        """The translator refuses it, by a sentence with these words."""
        result = self.run(*outputs)
        assert result.returncode == FAILED, result.stdout + result.stderr
        assert "onnxruntime" not in result.stderr and "worker" not in result.stderr, result.stderr
        for word in words:
            assert word in result.stderr, result.stderr
        return result.stderr

    def converted(self, *outputs):
        """The ONNX file that is made of it."""
        self.outputs = list(outputs)
        self.graph.outputs = [one.tensor for one in outputs]
        path, _, _ = self.save(self.runner.folder / "case")
        result = self.runner.tensock("convert", path, path.with_suffix(".onnx"))
        assert result.returncode == OK, result.stderr
        return path.with_suffix(".onnx").read_bytes()
