# SPDX-License-Identifier: Apache-2.0
"""Operators of .ms files of MSL2 that sum: products of matrices, norms, reductions, recurrent cells."""

import numpy as np
import pytest
import reference as ref
from net import i32


@pytest.mark.parametrize("kind", [0, ref.RELU, ref.RELU6, ref.SIGMOID, ref.TANH],
                         ids=["none", "relu", "relu6", "sigmoid", "tanh"])
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
def test_dense(net, bias, kind):
    x, w = net.input(3, 7), net.const(net.weights(5, 7))
    b = [net.const(net.weights(5))] if bias else []
    value = x.v @ w.v.T + (b[0].v if b else 0)
    net.check(net.node("MatMulFusion", [x, w, *b], ref.activation(value, kind), transpose_b=True,
                       activation_type=kind))


@pytest.mark.parametrize("a_turned", [False, True], ids=["", "a-turned"])
@pytest.mark.parametrize("b_turned", [False, True], ids=["", "b-turned"])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_matmul_of_tensors(net, a_turned, b_turned, batch):
    a = net.input(*batch, *((5, 4) if a_turned else (4, 5)))
    b = net.input(*batch, *((6, 5) if b_turned else (5, 6)))
    value = (np.swapaxes(a.v, -1, -2) if a_turned else a.v) @ (np.swapaxes(b.v, -1, -2) if b_turned else b.v)
    net.check(net.node("MatMulFusion", [a, b], value, transpose_a=a_turned, transpose_b=b_turned))


def test_matmul_of_three_dimensions_with_two(net):
    x, w, b = net.input(2, 4, 5), net.const(net.weights(6, 5)), net.const(net.weights(6))
    net.check(net.node("MatMulFusion", [x, w, b], x.v @ w.v.T + b.v, transpose_b=True))


def test_matmul_of_one_pixel(net):
    """[n, c, 1, 1] is multiplied as [n, c]."""
    x, w = net.input(3, 7, 1, 1), net.const(net.weights(5, 7))
    net.check(net.node("MatMulFusion", [x, w], x.v[:, :, 0, 0] @ w.v.T, transpose_b=True))


@pytest.mark.parametrize("first", [False, True], ids=["", "vector-first"])
def test_matmul_with_a_vector(net, first):
    x, v = net.input(4, 5), net.const(net.weights(4 if first else 5))
    inputs = [v, x] if first else [x, v]
    net.check(net.node("MatMulFusion", inputs, inputs[0].v @ inputs[1].v))


FULL_CONNECTIONS = {
    "flattened": ((2, 3, 4), 12, {"use_axis": True, "axis": 1}),
    "last-axis": ((2, 3, 4), 4, {"use_axis": True, "axis": 2}),
    "no-axis": ((2, 3, 4), 12, {}), "matrix": ((3, 7), 7, {"use_axis": True, "axis": 1}),
    "relu": ((3, 7), 7, {"use_axis": True, "axis": 1, "activation_type": ref.RELU}),
}


@pytest.mark.parametrize("dims, n, settings", FULL_CONNECTIONS.values(), ids=FULL_CONNECTIONS)
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
def test_full_connection(net, dims, n, settings, bias):
    x, w = net.input(*dims), net.const(net.weights(5, n))
    b = [net.const(net.weights(5))] if bias else []
    flat = x.v.reshape(*dims[:settings["axis"]], n) if settings.get("use_axis") else x.v.reshape(-1, n)
    value = flat @ w.v.T + (b[0].v if b else 0)
    net.check(net.node("FullConnection", [x, w, *b], ref.activation(value, settings.get("activation_type", 0)),
                       has_bias=bias, **settings))


MODES = {"mean": ref.REDUCE_MEAN, "max": ref.REDUCE_MAX, "min": ref.REDUCE_MIN, "prod": ref.REDUCE_PROD,
         "sum": ref.REDUCE_SUM, "sum-square": ref.SUM_SQUARE, "sum-of-absolute": ref.ASUM, "l2": ref.L2}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("keep", [False, True], ids=["", "keep"])
def test_reduce(net, mode, keep):
    x = net.input(2, 3, 4, 5)
    axes = net.const(np.array([1, -2], np.int32))
    net.check(net.node("ReduceFusion", [x, axes], ref.reduce(x.v, mode, axes.v, keep), mode=mode,
                       keep_dims=keep, coeff=1.0))


@pytest.mark.parametrize("dtype", [bool, np.float32], ids=["bool", "float"])
@pytest.mark.parametrize("keep", [False, True], ids=["", "keep"])
def test_reduce_all(net, keep, dtype):
    x = net.input(v=(net.integers(4, 3, low=0, high=5) > 0).astype(dtype))
    value = ref.reduce(x.v, ref.ALL, [1], keep)
    assert value.any() and not value.all(), "the test itself is wrong"
    net.check(net.node("ReduceFusion", [x, i32(1)], value.astype(dtype), mode=ref.ALL, keep_dims=keep))


AXES = {"all": [], "first": [0], "last": [-1], "all-named": [0, 1, 2], "scalar": 1}


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_reduce_axes(net, axes):
    x = net.input(2, 3, 4)
    axes = net.const(np.array(axes, np.int32))
    value = ref.reduce(x.v, ref.REDUCE_MEAN, axes.v.reshape(-1), True)
    net.check(net.node("ReduceFusion", [x, axes], value, keep_dims=True, coeff=1.0))


def test_reduce_to_a_number(net):
    x = net.input(2, 3)
    axes = net.const(np.array([0, 1], np.int32))
    net.check(net.node("ReduceFusion", [x, axes], ref.reduce(x.v, ref.REDUCE_SUM), mode=ref.REDUCE_SUM))


def test_reduce_integers(net):
    x, axes = net.input(v=net.integers(3, 4)), net.const(np.array([1], np.int32))
    net.check(net.node("ReduceFusion", [x, axes], x.v.sum(1), mode=ref.REDUCE_SUM))


def test_reduce_to_the_end(net):
    x = net.input(2, 3, 4, 5)
    value = ref.reduce(x.v, ref.REDUCE_SUM, [1, 2, 3]) * 0.5
    net.check(net.node("ReduceFusion", [x, np.array([1], np.int32)], value, mode=ref.REDUCE_SUM,
                       reduce_to_end=True, coeff=0.5))


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("keep", [False, True], ids=["", "keep"])
@pytest.mark.parametrize("operator", ["ArgMaxFusion", "ArgMinFusion"])
def test_arg(net, operator, axis, keep):
    x = net.input(3, 4, 5)
    value, _ = ref.arg_top(x.v, axis, 1, operator == "ArgMaxFusion")
    value = value if keep else value.squeeze(axis)
    net.check(net.node(operator, [x], value, axis=axis, top_k=1, keep_dims=keep))


def test_arg_max_of_three(net):
    x = net.input(3, 7)
    net.check(net.node("ArgMaxFusion", [x], ref.arg_top(x.v, 1, 3)[0], axis=1, top_k=3, keep_dims=True))


def test_arg_max_value(net):
    x = net.input(3, 7)
    net.check(net.node("ArgMaxFusion", [x], x.v.max(1), axis=1, top_k=1, out_max_value=True))


def test_arg_max_and_value(net):
    x = net.input(3, 7)
    index, value = net.node("ArgMaxFusion", [x], x.v.argmax(1), x.v.max(1), axis=1, top_k=1)
    net.check(index, value)


def test_top_k(net):
    x = net.input(3, 7)
    indices, values = ref.arg_top(x.v, 1, 4)
    net.check(*net.node("TopKFusion", [x, net.const(np.int32(4))], values, indices, axis=-1, largest=1))


@pytest.mark.parametrize("axis", [-1, 0, 1, 2, 3])
def test_softmax(net, axis):
    x = net.input(2, 3, 4, 5)
    net.check(net.node("Softmax", [x], ref.softmax(x.v, axis), axis=[axis]))


def test_log_softmax(net):
    x = net.input(2, 3, 5)
    net.check(net.node("LogSoftmax", [x], np.log(ref.softmax(x.v, 1)), axis=1))


@pytest.mark.parametrize("dims", [(2, 4, 5, 3), (6, 3)])
def test_batch_norm(net, dims):
    x = net.input(*dims)
    mean, variance = net.const(net.weights(3)), net.const(net.weights(3) ** 2)
    net.check(net.node("BatchNorm", [x, mean, variance], ref.batch_norm(x.v, mean.v, variance.v, 1e-3),
                       epsilon=1e-3, format=1))


@pytest.mark.parametrize("dims", [(2, 4, 5, 3), (6, 3)])
def test_fused_batch_norm(net, dims):
    x = net.input(*dims)
    gamma, beta, mean = (net.const(net.weights(3)) for _ in range(3))
    variance = net.const(net.weights(3) ** 2)
    value = ref.batch_norm(x.v, mean.v, variance.v, 1e-2, gamma.v, beta.v)
    net.check(net.node("FusedBatchNorm", [x, gamma, beta, mean, variance], value, epsilon=1e-2))


def test_fused_batch_norm_with_the_default_epsilon(net):
    x = net.input(2, 3, 3, 2)
    gamma, beta, mean = (net.const(net.weights(2)) for _ in range(3))
    variance = net.const(np.array([1e-4, 2e-4], np.float32))
    value = ref.batch_norm(x.v, mean.v, variance.v, 1e-4, gamma.v, beta.v)
    net.check(net.node("FusedBatchNorm", [x, gamma, beta, mean, variance], value))


SCALES = {"channels": ((5,), -1), "rows": ((3,), 1), "two": ((4, 5), 2), "all": ((2, 3, 4, 5), 0)}


@pytest.mark.parametrize("dims, axis", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
def test_scale(net, dims, axis, bias):
    x, factor = net.input(2, 3, 4, 5), net.const(net.weights(*dims))
    offset = [net.const(net.weights(*dims))] if bias else []
    value = ref.scale(x.v, factor.v, offset[0].v if bias else 0.0, axis)
    net.check(net.node("ScaleFusion", [x, factor, *offset], value, axis=axis))


@pytest.mark.parametrize("kind", [ref.RELU, ref.RELU6], ids=["relu", "relu6"])
def test_scale_with_activation(net, kind):
    x, factor, offset = net.input(2, 3, 4, 5), net.const(net.weights(5)), net.const(net.weights(5))
    net.check(net.node("ScaleFusion", [x, factor, offset], ref.scale(x.v, factor.v, offset.v, 3, kind),
                       axis=3, activation_type=kind))


def test_scale_by_a_tensor(net):
    x, factor = net.input(2, 3, 4, 5), net.input(2, 3)
    net.check(net.node("ScaleFusion", [x, factor], ref.scale(x.v, factor.v, 0.0, 0), axis=0))


LAYER_NORMS = {"last": -1, "last-by-number": 2, "two": 1, "all-but-batch": -2}


@pytest.mark.parametrize("begin", LAYER_NORMS.values(), ids=LAYER_NORMS)
def test_layer_norm(net, begin):
    x = net.input(4, 3, 8)
    gamma, beta = (net.const(net.weights(*x.shape[begin:])) for _ in range(2))
    net.check(net.node("LayerNormFusion", [x, gamma, beta], ref.layer_norm(x.v, gamma.v, beta.v, begin, 1e-3),
                       begin_norm_axis=begin, begin_params_axis=begin, epsilon=1e-3,
                       elementwise_affine=True))


def test_layer_norm_with_the_default_epsilon(net):
    x = net.input(v=net.weights(3, 6) * 1e-2)
    gamma, beta = net.const(net.weights(6)), net.const(net.weights(6))
    net.check(net.node("LayerNormFusion", [x, gamma, beta], ref.layer_norm(x.v, gamma.v, beta.v, -1, 1e-5),
                       begin_norm_axis=-1, begin_params_axis=-1))


def test_layer_norm_without_scale(net):
    x = net.input(3, 6)
    net.check(net.node("LayerNormFusion", [x], ref.layer_norm(x.v, 1.0, 0.0, -1, 1e-3), begin_norm_axis=-1,
                       begin_params_axis=-1, epsilon=1e-3))


def test_instance_norm(net):
    """Of NHWC, as files from 1.3 on have it."""
    x, gamma, beta = net.input(2, 5, 6, 3), net.const(net.weights(3)), net.const(net.weights(3))
    value = ref.instance_norm(x.v.transpose(0, 3, 1, 2), gamma.v, beta.v, 1e-3).transpose(0, 2, 3, 1)
    net.check(net.node("InstanceNorm", [x, gamma, beta], value, epsilon=1e-3))


@pytest.mark.parametrize("axes", [[-1], [3], [0, 1, 2, 3]], ids=["last", "last-by-number", "all"])
@pytest.mark.parametrize("kind", [0, ref.RELU], ids=["none", "relu"])
def test_l2_normalize(net, axes, kind):
    x = net.input(2, 3, 4, 5)
    net.check(net.node("L2NormalizeFusion", [x], ref.l2_normalize(x.v, axes, 1e-4, kind), axis=axes,
                       epsilon=1e-4, activation_type=kind))


def test_l2_normalize_of_nearly_nothing(net):
    """The sum of squares, not the norm, is at least epsilon; and epsilon is at least 1e-6."""
    x = net.input(v=net.weights(3, 5) * 1e-4)
    net.check(net.node("L2NormalizeFusion", [x], ref.l2_normalize(x.v, [-1], 0), axis=[-1]))


@pytest.mark.parametrize("radius", [1, 2])
def test_local_response_norm(net, radius):
    x = net.input(2, 3, 4, 7)
    net.check(net.node("LRN", [x], ref.lrn(x.v, radius, 2.0, 0.3, 0.75), depth_radius=radius, bias=2.0,
                       alpha=0.3, beta=0.75, norm_region="ACROSS_CHANNELS"))


@pytest.mark.parametrize("settings", [{}, {"exclusive": True}, {"reverse": True}],
                         ids=["plain", "exclusive", "reverse"])
@pytest.mark.parametrize("axis", [0, -1])
def test_cumsum(net, axis, settings):
    x = net.input(3, 4)
    net.check(net.node("CumSum", [x, net.const(np.int32(axis))], ref.cumsum(x.v, axis, **settings), **settings))


@pytest.mark.parametrize("directions", [1, 2], ids=["forward", "both"])
def test_lstm(net, directions):
    n = 4
    x = net.input(5, 2, 3)
    w, r = net.const(net.weights(directions, 4 * n, 3)), net.const(net.weights(directions, 4 * n, n))
    b = net.const(net.weights(directions, 8 * n))
    h, c = net.const(net.weights(directions, 2, n)), net.const(net.weights(directions, 2, n))
    values = ref.lstm(x.v, w.v, r.v, b.v, h.v, c.v)
    net.check(*net.node("LSTM", [x, w, r, b, h, c], *values, bidirectional=directions == 2, has_bias=True,
                        input_size=3, hidden_size=n, num_layers=1, num_directions=directions))


def test_lstm_whose_states_are_inputs(net):
    x, h, c = net.input(3, 1, 3), net.input(1, 1, 4), net.input(1, 1, 4)
    w, r, b = (net.const(net.weights(1, *dims)) for dims in ((16, 3), (16, 4), (32,)))
    out = net.node("LSTM", [x, w, r, b, h, c], *ref.lstm(x.v, w.v, r.v, b.v, h.v, c.v), has_bias=True,
                   input_size=3, hidden_size=4)
    net.check(net.node("Squeeze", [out[0]], out[0].v[:, 0], axis=[1]))


@pytest.mark.parametrize("directions", [1, 2], ids=["forward", "both"])
def test_gru(net, directions):
    n = 4
    x = net.input(5, 2, 3)
    w, r = net.const(net.weights(directions, 3 * n, 3)), net.const(net.weights(directions, 3 * n, n))
    b, h = net.const(net.weights(directions, 6 * n)), net.const(net.weights(directions, 2, n))
    net.check(*net.node("GRU", [x, w, r, b, h], *ref.gru(x.v, w.v, r.v, b.v, h.v),
                        bidirectional=directions == 2))
