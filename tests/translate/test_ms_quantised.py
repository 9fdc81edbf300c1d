# SPDX-License-Identifier: Apache-2.0
"""Quantised weights of .ms files: told apart from plain ones, and multiplied out."""

import numpy as np
import pytest
import reference as ref

QUANT_WEIGHT, QUANT_ALL = 4, 5


def parameters(net, n, bits=8, corrected=False):
    params = [{"scale": float(net.random.uniform(0.01, 0.05)), "zeroPoint": int(net.integers(low=-20, high=20)),
               "numBits": bits, "inited": True} for _ in range(n)]
    if corrected:
        for i, one in enumerate(params):
            one.update(varCorr=0.5 + i / 4, meanCorr=0.125 * i - 0.25)
    return params


def stored(net, dims, params, bits=8, axis=0):
    """Weights: as the file has them, and what they are."""
    low, high = -(1 << bits - 1), 1 << bits - 1
    q = net.integers(*dims, low=low, high=high)
    w = np.moveaxis(ref.dequantize(np.moveaxis(q, axis, 0), params), 0, axis)
    if bits in (8, 16):
        data = q.astype(f"int{bits}").tobytes()
    else:
        data = ref.pack_bits(q, bits)
    tensor = net.graph.tensor(f"w{len(net.graph.tensors)}", dims=list(dims), data=data,
                              dtype="int8" if bits <= 8 else "int16", quant=params)
    return tensor, w


def check_conv(net, n_params, bits=8, corrected=False, group=1):
    x = net.input(1, 6, 6, 4)
    w, value = stored(net, (4, 3, 3, 4 // group), parameters(net, n_params, bits, corrected), bits)
    b = net.const(net.weights(4))
    net.check(net.node("Conv2DFusion", [x, w, b], ref.conv2d(x.v, value, b.v, group=group), kernel_size=[3, 3],
                       stride=[1, 1], dilation=[1, 1], pad_list=[0, 0, 0, 0], group=group, format=1,
                       quant_type=QUANT_WEIGHT))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("n", [1, 4], ids=["per-tensor", "per-channel"])
def test_convolution(net, n, bits):
    check_conv(net, n, bits)


def test_convolution_corrected(net):
    check_conv(net, 4, corrected=True)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 9, 10, 12, 15])
@pytest.mark.parametrize("n", [1, 4], ids=["per-tensor", "per-channel"])
def test_other_widths(net, n, bits):
    check_conv(net, n, bits)


def test_depthwise(net):
    check_conv(net, 4, group=4)


@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("n", [1, 5], ids=["per-tensor", "per-channel"])
def test_matmul(net, n, turned):
    """A channel is a column of the product, wherever the weights have it."""
    x = net.input(3, 6)
    dims, axis = ((5, 6), 0) if turned else ((6, 5), 1)
    w, value = stored(net, dims, parameters(net, n), axis=axis)
    net.check(net.node("MatMulFusion", [x, w], x.v @ (value.T if turned else value), transpose_b=turned,
                       quant_type=QUANT_WEIGHT))


def test_full_connection(net):
    x = net.input(3, 6)
    w, value = stored(net, (5, 6), parameters(net, 5))
    b = net.const(net.weights(5))
    net.check(net.node("FullConnection", [x, w, b], x.v @ value.T + b.v, has_bias=True, use_axis=True, axis=1,
                       quant_type=QUANT_WEIGHT))


def test_embedding(net):
    at = net.input(v=net.integers(2, 5, low=0, high=9))
    w, value = stored(net, (9, 4), parameters(net, 1))
    net.check(net.node("Gather", [w, at, net.const(np.int32(0))], value[at.v], quant_type=QUANT_WEIGHT))


def test_parameters_that_quantise_nothing(net):
    """Many files have one of these for each tensor, with inited false, and name their nodes QUANT_WEIGHT."""
    quant = [{"scale": 1.0, "zeroPoint": 3, "inited": False}]
    x = net.input(3, 6, quant=quant)
    w, b = net.const(net.weights(5, 6), quant=quant), net.const(net.weights(5), quant=quant)
    net.check(net.node("MatMulFusion", [x, w, b], x.v @ w.v.T + b.v, transpose_b=True,
                       quant_type=QUANT_WEIGHT))


def test_float16_weights(net):
    """Weights of half the size: cast by the graph."""
    x, w = net.input(3, 6), net.const(net.weights(5, 6).astype(np.float16))
    y = net.node("Cast", [w, net.const(np.int32(43))], w.v.astype(np.float32))
    net.check(net.node("MatMulFusion", [x, y], x.v @ y.v.T, transpose_b=True))


def test_float16_weights_of_nodes(net):
    """The converter's fp16 = on: weights are halved in the file, and nothing says so but their type."""
    x, w, b = net.input(1, 6, 6, 3), net.weights(4, 3, 3, 3).astype(np.float16), net.weights(4).astype(np.float16)
    y = net.node("Conv2DFusion", [x, net.const(w), net.const(b)],
                 ref.conv2d(x.v, w.astype(float), b.astype(float)), kernel_size=[3, 3], stride=[1, 1],
                 dilation=[1, 1], pad_list=[0, 0, 0, 0], group=1, format=1)
    c = net.weights(4).astype(np.float16)
    net.check(net.node("AddFusion", [y, net.const(c)], y.v + c.astype(np.float32)))


def test_weights_that_are_cast_before_a_convolution(net):
    x, w = net.input(1, 6, 6, 3), net.const(net.weights(4, 3, 3, 3).astype(np.float16))
    y = net.node("Cast", [w, net.const(np.int32(43))], w.v.astype(np.float32))
    net.check(net.node("Conv2DFusion", [x, y], ref.conv2d(x.v, y.v), kernel_size=[3, 3], stride=[1, 1],
                       dilation=[1, 1], pad_list=[0, 0, 0, 0], group=1, format=1))


def test_quantised_and_shared(net):
    """The same weights for two nodes."""
    x = net.input(4, 4)
    w, value = stored(net, (4, 4), parameters(net, 4))
    y = net.node("MatMulFusion", [x, w], x.v @ value.T, transpose_b=True, quant_type=QUANT_WEIGHT)
    y.v = y.v.astype(np.float32)
    net.check(net.node("MatMulFusion", [y, w], y.v @ value.T, transpose_b=True, quant_type=QUANT_WEIGHT))


def quantised(values, scale, zero_point):
    return np.clip(np.round(values / scale) + zero_point, -128, 127).astype(np.int8)


def test_net_that_is_quantised_as_a_whole(net):
    """int8 goes in and comes out: right to within a step."""
    x = net.input(v=net.integers(1, 6, 6, 3, low=-128, high=128, dtype=np.int8),
                  quant=[{"scale": 0.02, "zeroPoint": 5, "inited": True}])
    params = parameters(net, 4)
    for one in params:
        one["zeroPoint"] = 0
    w, value = stored(net, (4, 3, 3, 3), params)
    b = net.integers(4, low=-999, high=999)
    bias = net.const(b, quant=[{"scale": 0.02 * one["scale"], "numBits": 32, "inited": True} for one in params])
    plain = ref.conv2d((x.v.astype(float) - 5) * 0.02, value, b * [0.02 * one["scale"] for one in params])
    y = net.node("Conv2DFusion", [x, w, bias], quantised(plain, 0.05, -3), kernel_size=[3, 3], stride=[1, 1],
                 dilation=[1, 1], pad_list=[0, 0, 0, 0], group=1, format=1, quant_type=QUANT_ALL)
    y.tensor.fields["quant"] = [{"scale": 0.05, "zeroPoint": -3, "inited": True}]
    net.check(y, tolerance=1.01 / np.abs(y.v.astype(int)).max())
