# SPDX-License-Identifier: Apache-2.0
"""Weights of .ms files in codings, and models that are quantised throughout."""

import numpy as np
import pytest
import reference as ref
from test_ms_quantised import QUANT_WEIGHT, parameters

INDEXING, SPARSE = 1, 2
QUANT_ALL = 5
INT8, FLOAT32 = 32, 43


def high_bits_first(numbers):
    """Pairs of a number and its width in bits."""
    bits = "".join(format(int(v), f"0{n}b") for v, n in numbers if n)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def list_of(q, bits):
    """How a list of values is written: their number (all of them: 0), and each with its sign turned."""
    values = np.unique(q)
    return values, [(len(values) % (1 << bits), bits), *((v + (1 << bits - 1), bits) for v in values)]


def indexed(q, bits):
    values, head = list_of(q, bits)
    width = int(len(values) - 1).bit_length()
    return high_bits_first(head + [(np.searchsorted(values, v), width) for v in q.ravel()])


def sparse(q, bits, zeros):
    """Elements that differ from their channel's zero point, behind the lengths of the runs of those that do not."""
    flat, places, runs = q.ravel(), [], []
    is_zero = (q == np.reshape(zeros, (-1,) + (1,) * (q.ndim - 1))).ravel()
    last = -1
    for i in np.flatnonzero(~is_zero):
        places.append(i)
        runs.append(i - last - 1)
        last = i
    width = max([int(run).bit_length() for run in runs] + [1])
    values, head = list_of(flat[places], bits)
    index = int(len(values) - 1).bit_length()
    return high_bits_first([(width, 8), (len(places), 32)] + head +
                           [(np.searchsorted(values, flat[i]), index) for i in places] + [(run, width) for run in runs])


def check(net, q, data, params, bits, coding):
    x = net.input(3, q.shape[1])
    w = net.graph.tensor("w", dims=list(q.shape), data=data, dtype="int8" if bits <= 8 else "int16", quant=params,
                         compression=coding)
    net.check(net.node("MatMulFusion", [x, w], x.v @ ref.dequantize(q, params).T, transpose_b=True,
                       quant_type=QUANT_WEIGHT))


@pytest.mark.parametrize("bits", [1, 4, 8, 11])
@pytest.mark.parametrize("n", [1, 5])
def test_indexing(net, bits, n):
    q = net.integers(5, 24, low=-(1 << bits - 1), high=1 << bits - 1)
    check(net, q, indexed(q, bits), parameters(net, n, bits), bits, INDEXING)


def test_indexing_of_few_values(net):
    q = net.random.choice([-100, 3, 77], (5, 24))
    check(net, q, indexed(q, 8), parameters(net, 5), 8, INDEXING)


@pytest.mark.parametrize("bits", [4, 8, 12])
@pytest.mark.parametrize("n", [1, 5])
def test_sparse(net, bits, n):
    zeros = net.integers(n, low=-3, high=4)
    params = [{**one, "zeroPoint": int(zero)} for one, zero in zip(parameters(net, n, bits), zeros)]
    q = net.integers(5, 24, low=-(1 << bits - 1), high=1 << bits - 1)
    q = np.where(net.random.random((5, 24)) < 0.7, zeros.reshape(-1, 1), q)
    # A run that goes over the end of its channel is of that channel's zero: so each row ends with an element.
    q[:, -1] = zeros + 1
    check(net, q, sparse(q, bits, zeros), params, bits, SPARSE)


def test_cut_short(net):
    q = net.integers(5, 24, low=-8, high=8)
    x = net.input(3, 24)
    w = net.graph.tensor("the/weights", dims=[5, 24], data=indexed(q, 4)[:-1], dtype="int8", quant=parameters(net, 1, 4),
                         compression=INDEXING)
    net.refused(net.node("MatMulFusion", [x, w], x.v @ q.T, transpose_b=True), words=["the/weights", "INDEXING"])


def test_clusters(net):
    """Weights of k-means: each INT8 is the place of a number in a list."""
    q = net.integers(5, 24, low=-128, high=128)
    clusters = net.weights(256)
    x = net.input(3, 24)
    w = net.graph.tensor("w", dims=[5, 24], data=q.astype(np.int8).tobytes(), dtype="int8", clusters=clusters.tolist())
    net.check(net.node("MatMulFusion", [x, w], x.v @ clusters[q + 128].T, transpose_b=True, quant_type=QUANT_WEIGHT))


def test_clusters_of_another_type(net):
    """The list has a place for each INT8, and for nothing else."""
    q = net.integers(5, 24, low=0, high=200)
    x = net.input(3, 24)
    w = net.graph.tensor("the/weights", dims=[5, 24], data=q.astype(np.uint8).tobytes(), dtype="uint8",
                         clusters=net.weights(256).tolist(), quant=parameters(net, 1, 8))
    net.refused(net.node("MatMulFusion", [x, w], x.v @ q.T, transpose_b=True, quant_type=QUANT_WEIGHT),
                words=["the/weights", "clusters"])


# Of 8 bits from end to end.

def quantised(v, param):
    return np.clip(np.round(v / param["scale"]) + param["zeroPoint"], -128, 127)


def stands_for(q, param):
    return (q - param["zeroPoint"]) * param["scale"]


def scale_of(v):
    return {"scale": float((v.max() - v.min()) / 250), "zeroPoint": int(np.round(-125 - v.min() * 250 / (v.max() - v.min()))),
            "inited": True}


def integers_of(value, param):
    """Makes a tensor one of INT8 with that parameter."""
    value.tensor.dtype = "int8"
    value.tensor.fields["quant"] = [param]
    value.v = stands_for(quantised(value.v, param), param)
    return value


def hidden(net, x):
    """A convolution of quantised tensors; its result still quantised."""
    weights = [{"scale": 0.02 + i / 100, "zeroPoint": 0, "inited": True} for i in range(4)]
    q = net.integers(4, 3, 3, 3, low=-127, high=128)
    w = net.graph.tensor("w", dims=list(q.shape), data=q.astype(np.int8).tobytes(), dtype="int8", quant=weights)
    biases = [{"scale": one["scale"] * 0.02, "zeroPoint": 0, "inited": True} for one in weights]
    b = net.integers(4, low=-900, high=900)
    bias = net.graph.tensor("b", dims=[4], data=b.astype(np.int32).tobytes(), dtype="int32", quant=biases)
    value = ref.conv2d(x.v, ref.dequantize(q, weights), ref.dequantize(b, biases), act=ref.RELU)
    y = net.node("Conv2DFusion", [x, w, bias], value, kernel_size=[3, 3], stride=[1, 1], dilation=[1, 1],
                 pad_list=[0, 0, 0, 0], group=1, format=1, activation_type=ref.RELU, quant_type=QUANT_ALL)
    return integers_of(y, scale_of(value))


def test_casts_at_the_ends(net):
    x = net.input(1, 6, 6, 3)
    y = net.node("QuantDTypeCast", [x], x.v, src_t=FLOAT32, dst_t=INT8, quant_type=QUANT_ALL)
    y = hidden(net, integers_of(y, {"scale": 0.025, "zeroPoint": 5, "inited": True}))
    y = net.node("QuantDTypeCast", [y], y.v, src_t=INT8, dst_t=FLOAT32, quant_type=QUANT_ALL)
    # One step of the last scale, where a half is rounded otherwise.
    net.check(y, tolerance=1 / 200)


def test_integers_at_the_ends(net):
    """The caller gives and gets INT8."""
    param = {"scale": 0.025, "zeroPoint": 5, "inited": True}
    x = net.input(v=net.integers(1, 6, 6, 3, low=-100, high=100).astype(np.int8), quant=[param])
    numbers = type(x)(x.tensor, stands_for(x.v.astype(float), param))
    y = hidden(net, numbers)
    y.v = quantised(y.v, y.tensor.fields["quant"][0]).astype(np.int8)
    net.check(y, tolerance=1 / 100)


def test_integers_without_scale(net):
    x = net.input(v=net.integers(2, 3).astype(np.int8), quant=[{"scale": 0.1, "inited": True}])
    net.refused(net.node("Softmax", [x], x.v, axis=[1], quant_type=QUANT_ALL), words=["scale"])


@pytest.mark.parametrize("param", [{"scale": 0.0}, {"scale": -1.0}, {"scale": 0.1, "zeroPoint": 128}])
def test_scales_that_are_none(net, param):
    x = net.input(v=net.integers(2, 3).astype(np.int8), quant=[{**param, "inited": True}])
    net.refused(net.node("Abs", [x], x.v, quant_type=QUANT_ALL), words=["quantised"])
