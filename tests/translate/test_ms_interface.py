# SPDX-License-Identifier: Apache-2.0
"""What a guest sees of a .ms model: names, types and shapes are the author's."""

import json

import ms_file
import numpy as np
import pytest


def show(net, *outputs, options=()):
    net.graph.outputs = [one.tensor for one in outputs]
    net.outputs = list(outputs)
    path, _, _ = net.save(net.runner.folder / "shown")
    result = net.runner.tensock(*options, "show", path)
    assert result.returncode == 0, result.stderr
    return result.stdout


def described(net, *outputs):
    return json.loads(show(net, *outputs, options=["--json"]))


def ends(tensors):
    return [(one["name"], one["dtype"], one["shape"]) for one in tensors]


def test_of_msl2(net):
    x, k = net.input(1, 4, 5, 3, name="image"), net.input(v=np.array([3], np.int32), name="k:0")
    y = net.node("AddFusion", [x, net.const(net.weights(3))], x.v)
    z = net.node("MulFusion", [k, k], k.v * k.v)
    y.tensor.name, z.tensor.name = "scores/out", "k²"
    shown = described(net, y, z)
    assert ends(shown["inputs"]) == [("image", "FP32", [1, 4, 5, 3]), ("k:0", "INT32", [1])]
    assert ends(shown["outputs"]) == [("scores/out", "FP32", [1, 4, 5, 3]), ("k²", "INT32", [1])]


def test_dimensions_that_are_open(net):
    x = net.input(v=net.weights(2, 4, 4, 3), declared=[-1, 4, 4, 3])
    shown = described(net, net.node("Abs", [x], np.abs(x.v)))
    assert shown["inputs"][0]["shape"] == [-1, 4, 4, 3]


@pytest.mark.parametrize("generation", [ms_file.MSL1, ms_file.V1_0])
def test_without_names(net, generation):
    """1.0 has no names for tensors: the runtime calls inputs after the node that reads them and their place
    there, and outputs by their numbers."""
    net.graph.generation = generation
    a, b = net.input(2, 3), net.input(2, 3)
    y = net.node("Add", [a, b], a.v + b.v)
    shown = described(net, y, net.node("Neg", [y], -y.v))
    names = [one["name"] for one in shown["inputs"] + shown["outputs"]]
    assert len(set(names)) == 4 and all(names)
    assert names == (["input0", "input1", "Add-0:0", "Neg-1:0"] if generation == ms_file.MSL1 else
                     ["Add-00", "Add-01", "2", "3"])


def test_names_that_are_the_same(net):
    """What is asked for by name must be one tensor."""
    a, b = net.input(2, 3, name="x"), net.input(2, 3, name="x")
    net.refused(net.node("AddFusion", [a, b], a.v + b.v), words=["two tensors", "called x"])


def test_a_name_that_is_no_text(net):
    x = net.input(2, 3, name="a\nb\x1b[31m")
    y = net.node("Abs", [x], np.abs(x.v))
    y.tensor.name = "c\x1b[31m"
    text = show(net, y)
    assert " a?b?[31m " in text and " c?[31m " in text
    result = net.run(y)
    assert "c?[31m" in result.stdout and "\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize("n", [1, 300])
def test_many_nodes(net, n):
    x = y = net.input(2, 3)
    for _ in range(n):
        y = net.node("Neg", [y], -y.v)
    net.check(y)


def test_input_that_nobody_reads(net):
    x, y = net.input(2, 3), net.input(4)
    net.check(net.node("Abs", [x], np.abs(x.v)))
    assert len(described(net, net.outputs[0])["inputs"]) == 2 and y.shape == (4,)


def test_output_that_is_given_twice(net):
    x = net.input(2, 3)
    y = net.node("Abs", [x], np.abs(x.v))
    net.refused(y, y, words=["two tensors"])


def test_tensors_without_names(net):
    x = net.input(2, 3)
    y = net.node("Abs", [x], np.abs(x.v))
    x.tensor.name = y.tensor.name = None
    net.check(y)


def test_nodes_that_are_not_in_order(net):
    x = net.input(2, 3)
    y = net.node("Abs", [x], np.abs(x.v))
    z = net.node("Neg", [y], -y.v)
    net.graph.nodes.reverse()
    net.check(z)
