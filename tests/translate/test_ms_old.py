# SPDX-License-Identifier: Apache-2.0
"""The old operator set of .ms files: MSL1, and those without an identifier."""

import ms_file
import numpy as np
import pytest
import reference as ref

NOTSET, SAME_UPPER, VALID, CAFFE = 0, 1, 2, 4
MEAN_POOLING = 1


def pads_of(mode, pads):
    return {SAME_UPPER: "same", VALID: "valid"}.get(mode, pads)


def window(prefix, kernel, stride, pads, mode, dilation=None):
    settings = {f"{prefix}H": kernel[0], f"{prefix}W": kernel[1], "strideH": stride[0], "strideW": stride[1],
                "padUp": pads[0], "padDown": pads[1], "padLeft": pads[2], "padRight": pads[3], "padMode": mode}
    if dilation:
        settings.update(dilateH=dilation[0], dilateW=dilation[1])
    return settings


def conv(net, x, out, kernel=(3, 3), stride=(1, 1), pads=(0, 0, 0, 0), mode=NOTSET, dilation=(1, 1), act=0,
         bias=False, group=1, operator="Conv2D", **fields):
    """operator: DepthwiseConv2D has a group for each channel, and its weights are [C, h, w, 1]."""
    depthwise = operator == "DepthwiseConv2D"
    group = x.shape[3] if depthwise else group
    w = net.const(net.weights(out, *kernel, x.shape[3] // group, spread=0.3), format=7)
    b = [net.const(net.weights(out))] if bias else []
    value = ref.conv2d(x.v, w.v, b[0].v if bias else None, stride, dilation, pads_of(mode, pads), group, act)
    settings = {"channelMultiplier": 1} if depthwise else {"group": group, "channelOut": out}
    return net.node(operator, [x, w, *b], value, activationType=act, hasBias=bias, **settings, **fields,
                    **window("kernel", kernel, stride, pads, mode, dilation))


CONVOLUTIONS = {
    "plain": {}, "bias": {"bias": True}, "strided": {"stride": (2, 1)}, "padded": {"pads": (1, 0, 2, 1)},
    "same": {"mode": SAME_UPPER, "stride": (2, 2)}, "valid": {"mode": VALID},
    "dilated": {"dilation": (1, 2)}, "relu": {"act": ref.RELU}, "relu6": {"act": ref.RELU6},
    "grouped": {"group": 2}, "rectangular": {"kernel": (1, 3)}, "caffe": {"mode": CAFFE, "pads": (1, 1, 1, 1)},
}


@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolution(old, settings):
    old.check(conv(old, old.input(2, 7, 8, 4), 4, **settings))


def test_convolution_with_channels_said(old):
    old.check(conv(old, old.input(1, 5, 5, 3), 2, channelIn=3, format=1))


@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"stride": (2, 2), "pads": (1, 1, 1, 1)},
                                      {"mode": SAME_UPPER}, {"act": ref.RELU6}])
def test_depthwise(old, settings):
    old.check(conv(old, old.input(1, 7, 8, 5), 5, operator="DepthwiseConv2D", **settings))


def deconv(net, x, out, kernel=(3, 3), stride=(2, 2), pads=(0, 0, 0, 0), mode=NOTSET, act=0, bias=False,
           operator="DeConv2D"):
    depthwise = operator == "DeDepthwiseConv2D"
    group = x.shape[3] if depthwise else 1
    w = net.const(net.weights(x.shape[3], *kernel, out // group, spread=0.3))
    b = [net.const(net.weights(out))] if bias else []
    value = ref.deconv2d(x.v, w.v, b[0].v if bias else None, stride, (1, 1), pads_of(mode, pads),
                         group=group, act=act)
    settings = {"channelMultiplier": 1} if depthwise else {"group": 1, "channelOut": out}
    return net.node(operator, [x, w, *b], value, activationType=act, hasBias=bias, channelIn=x.shape[3],
                    **settings, **window("kernel", kernel, stride, pads, mode, (1, 1)))


@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"pads": (1, 1, 0, 1)}, {"mode": SAME_UPPER},
                                      {"kernel": (4, 4), "pads": (1, 1, 1, 1)}, {"act": ref.RELU}])
def test_deconvolution(old, settings):
    old.check(deconv(old, old.input(1, 4, 5, 3), 2, **settings))


@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"kernel": (2, 2)}, {"pads": (1, 1, 1, 1)}])
def test_depthwise_deconvolution(old, settings):
    old.check(deconv(old, old.input(1, 4, 5, 3), 3, operator="DeDepthwiseConv2D", **settings))


def pool(net, x, kind, kernel=(3, 3), stride=(2, 2), pads=(0, 0, 0, 0), mode=NOTSET, ceil=False, act=0,
         is_global=False):
    value = ref.pool(x.v, kind, None if is_global else kernel, stride, pads_of(mode, pads), ceil, act)
    return net.node("Pooling", [x], value, poolingMode=MEAN_POOLING if kind == "mean" else 0,
                    roundMode=int(ceil), activationType=act, **{"global": is_global},
                    **window("window", kernel, stride, pads, mode))


@pytest.mark.parametrize("kind", ["max", "mean"])
@pytest.mark.parametrize("settings", [{}, {"pads": (1, 1, 1, 1)}, {"mode": SAME_UPPER}, {"ceil": True},
                                      {"is_global": True}, {"act": ref.RELU6, "mode": VALID}])
def test_pooling(old, kind, settings):
    old.check(pool(old, old.input(1, 8, 8, 3), kind, **settings))


def test_batch_norm(old):
    x, mean, variance = old.input(2, 3, 4, 5), old.const(old.weights(5)), old.const(old.weights(5) ** 2)
    old.check(old.node("BatchNorm", [x, mean, variance], ref.batch_norm(x.v, mean.v, variance.v, 1e-3),
                       epsilon=1e-3))


@pytest.mark.parametrize("epsilon", [1e-3, None])
def test_fused_batch_norm(old, epsilon):
    x = old.input(2, 3, 4, 5)
    gamma, beta, mean = (old.const(old.weights(5)) for _ in range(3))
    variance = old.const(old.weights(5) ** 2 * (1 if epsilon else 1e-4))
    value = ref.batch_norm(x.v, mean.v, variance.v, epsilon or 1e-5, gamma.v, beta.v)
    old.check(old.node("FusedBatchNorm", [x, gamma, beta, mean, variance], value, epsilon=epsilon))


@pytest.mark.parametrize("axis, dims", [(-1, (5,)), (1, (3,)), (3, (5,))])
@pytest.mark.parametrize("kind", [0, ref.RELU])
def test_scale(old, axis, dims, kind):
    x, factor, offset = old.input(2, 3, 4, 5), old.const(old.weights(*dims)), old.const(old.weights(*dims))
    old.check(old.node("Scale", [x, factor, offset], ref.scale(x.v, factor.v, offset.v, axis, kind), axis=axis,
                       activationType=kind))


ELTWISE = {"prod": (0, lambda a, b: a * b), "sum": (1, lambda a, b: a + b), "max": (2, np.maximum)}


@pytest.mark.parametrize("mode, function", ELTWISE.values(), ids=ELTWISE)
def test_eltwise(old, mode, function):
    a, b = old.input(2, 3, 4), old.input(2, 3, 4)
    old.check(old.node("Eltwise", [a, b], function(a.v, b.v), mode=mode))


BINARY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


@pytest.mark.parametrize("operator", BINARY)
@pytest.mark.parametrize("kind", [0, ref.RELU6])
def test_binary(old, operator, kind):
    a, b = old.input(2, 3, 4, 5), old.const(old.random.uniform(0.5, 2, 5).astype(np.float32))
    old.check(old.node(operator, [a, b], ref.activation(BINARY[operator](a.v, b.v), kind), activationType=kind))


PLAIN = {"RealDiv": np.divide, "Maximum": np.maximum, "Minimum": np.minimum,
         "SquaredDifference": lambda a, b: (a - b) ** 2, "FloorDiv": lambda a, b: np.floor(a / b),
         "FloorMod": lambda a, b: a - np.floor(a / b) * b, "Mod": np.fmod}


@pytest.mark.parametrize("operator", PLAIN)
def test_binary_without_activation(old, operator):
    a, b = old.input(2, 3, 4), old.const(old.random.uniform(0.5, 2, (3, 1)).astype(np.float32))
    old.check(old.node(operator, [a, b], PLAIN[operator](a.v.astype(float), b.v)))


COMPARE = {"Equal": np.equal, "NotEqual": np.not_equal, "Less": np.less, "LessEqual": np.less_equal,
           "Greater": np.greater, "GreaterEqual": np.greater_equal}


@pytest.mark.parametrize("operator", COMPARE)
def test_compare(old, operator):
    a, b = (old.input(v=old.integers(4, 5, low=-2, high=3).astype(np.float32)) for _ in range(2))
    old.check(old.node(operator, [a, b], COMPARE[operator](a.v, b.v)))


def test_bias_add(old):
    x, b = old.input(2, 3, 4, 5), old.const(old.weights(5))
    old.check(old.node("BiasAdd", [x, b], x.v + b.v, axis=[3]))


UNARY = {"Abs": np.abs, "Neg": np.negative, "Floor": np.floor, "Ceil": np.ceil, "Square": np.square, "Round": np.round,
         "Cos": np.cos, "Sin": np.sin, "Tan": np.tan, "Atan": np.arctan}
UNARY_OF_POSITIVE = {"Log": np.log, "Sqrt": np.sqrt, "Rsqrt": lambda x: 1 / np.sqrt(x), "Reciprocal": lambda x: 1 / x,
                     "Asin": np.arcsin}


@pytest.mark.parametrize("operator", UNARY)
def test_unary(old, operator):
    x = old.input(2, 3, 4)
    old.check(old.node(operator, [x], UNARY[operator](x.v.astype(float))))


@pytest.mark.parametrize("operator", UNARY_OF_POSITIVE)
def test_unary_of_positive(old, operator):
    x = old.positive(2, 3, 4, high=1.0)
    old.check(old.node(operator, [x], UNARY_OF_POSITIVE[operator](x.v.astype(float))))


ACTIVATIONS = {
    "relu": (ref.RELU, {}), "sigmoid": (ref.SIGMOID, {}), "relu6": (ref.RELU6, {}), "tanh": (ref.TANH, {}),
    "leaky-relu": (ref.LEAKY_RELU, {"alpha": 0.1}), "leaky-relu-default": (ref.LEAKY_RELU, {}),
    "hswish": (ref.HSWISH, {}), "hsigmoid": (ref.HSIGMOID, {}), "swish": (ref.SWISH, {}),
    "hard-tanh-default": (ref.HARD_TANH, {}), "hard-tanh": (ref.HARD_TANH, {"min_val": -2.0, "max_val": 0.5}),
}


@pytest.mark.parametrize("kind, settings", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_activation(old, kind, settings):
    """What is absent is 0.2, -1 and 1."""
    x = old.input(v=old.weights(2, 3, 4, 5) * 3)
    value = ref.activation(x.v, kind, settings.get("alpha", 0.2), settings.get("min_val", -1),
                           settings.get("max_val", 1))
    old.check(old.node("Activation", [x], value, type=kind, **settings))


@pytest.mark.parametrize("alpha", [0.5, None])
def test_elu(old, alpha):
    x = old.input(3, 5)
    old.check(old.node("Elu", [x], ref.activation(x.v, ref.ELU, alpha or 1.0), alpha=alpha))


def test_leaky_relu(old):
    x = old.input(2, 3, 4)
    old.check(old.node("LeakyReLU", [x], ref.activation(x.v, ref.LEAKY_RELU, 0.3), negativeSlope=0.3))


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu(old, approximate):
    x = old.input(2, 3, 4)
    old.check(old.node("GeLU", [x], ref.activation(x.v, ref.GELU, approximate=approximate), approximate=approximate))


@pytest.mark.parametrize("n", [1, 5])
def test_prelu_of_an_input(old, n):
    x, slope = old.input(2, 3, 4, 5), old.const(old.weights(n))
    old.check(old.node("PReLU", [x, slope], ref.prelu(x.v, slope.v), channelShared=n == 1))


@pytest.mark.parametrize("n", [1, 5])
def test_prelu_of_the_attribute(old, n):
    x, slope = old.input(2, 3, 4, 5), old.weights(n)
    old.check(old.node("PReLU", [x], ref.prelu(x.v, slope), slope=slope.tolist(), channelShared=n == 1))


def test_clip(old):
    x = old.input(3, 5)
    old.check(old.node("Clip", [x], np.clip(x.v, -0.5, 1), min=-0.5, max=1.0))


@pytest.mark.parametrize("settings", [{"power": 2.0, "scale": 1.0}, {"power": 0.5, "scale": 2.0, "shift": 1.0},
                                      {"power": 1.0, "scale": 3.0, "shift": -1.0}])
def test_power(old, settings):
    x = old.positive(3, 5)
    value = ref.power(x.v, settings["power"], settings["scale"], settings.get("shift", 0))
    old.check(old.node("Power", [x], value, **settings))


def test_power_of_tensors(old):
    x, y = old.positive(3, 5), old.input(3, 5)
    old.check(old.node("Power", [x, y], ref.power(x.v, y.v), scale=1.0))


@pytest.mark.parametrize("settings", [{}, {"base": 2.0, "scale": 0.5, "shift": 1.0}])
def test_exp(old, settings):
    x = old.input(3, 5)
    value = ref.exp(x.v, settings.get("base", -1), settings.get("scale", 1), settings.get("shift", 0))
    old.check(old.node("Exp", [x], value, **settings))


@pytest.mark.parametrize("mode", range(7))
@pytest.mark.parametrize("keep", [0, 1])
def test_reduce(old, mode, keep):
    x = old.input(2, 3, 4)
    old.check(old.node("Reduce", [x], ref.reduce(x.v, mode, [0, -1], bool(keep)), axes=[0, -1], keepDims=keep,
                       mode=mode))


@pytest.mark.parametrize("axes", [[1, 2], [], [-1]])
def test_mean(old, axes):
    x = old.input(2, 3, 4, 5)
    old.check(old.node("Mean", [x], ref.reduce(x.v, 0, axes, True), axis=axes, keepDims=True))


@pytest.mark.parametrize("align", [False, True], ids=["asymmetric", "align-corners"])
@pytest.mark.parametrize("method", [0, 1], ids=["linear", "nearest"])
def test_resize(old, method, align):
    x = old.input(1, 5, 7, 3)
    value = ref.resize(x.v, 8, 9, ["linear", "nearest"][method], int(align))
    old.check(old.node("Resize", [x], value, method=method, newHeight=8, newWidth=9, alignCorners=align))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("given", ["attribute", "input"])
def test_upsample(old, mode, given):
    x, scales = old.input(1, 5, 4, 3), [1, 2, 1.5, 1]
    inputs = [x, np.array(scales, np.float32)] if given == "input" else [x]
    old.check(old.node("Upsample", inputs, ref.resize(x.v, 10, 6, mode, 0), mode=mode,
                       **({"scales": scales} if given == "attribute" else {})))


@pytest.mark.parametrize("axis", [1, -1])
def test_concat(old, axis):
    a, b = old.input(2, 3, 3), old.input(2, 3, 3)
    old.check(old.node("Concat", [a, b], np.concatenate([a.v, b.v], axis), axis=axis, n=2))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_softmax(old, axis):
    """What is absent is the first axis in 1.0, and the last in MSL1."""
    x = old.input(2, 3, 4)
    absent = -1 if old.graph.generation == ms_file.MSL1 else 0
    old.check(old.node("SoftMax", [x], ref.softmax(x.v, absent if axis is None else axis), axis=axis))


def test_matmul(old):
    x, w = old.input(3, 4), old.const(old.weights(5, 4))
    old.check(old.node("MatMul", [x, w], x.v @ w.v.T, transposeB=True))


@pytest.mark.parametrize("bias", [False, True])
def test_full_connection(old, bias):
    x, w = old.input(2, 3, 4), old.const(old.weights(5, 12))
    b = [old.const(old.weights(5))] if bias else []
    value = x.v.reshape(2, 12) @ w.v.T + (b[0].v if bias else 0)
    old.check(old.node("FullConnection", [x, w, *b], value, hasBias=bias, axis=1, useAxis=True))


def test_layout_operators(old):
    x = old.input(1, 4, 5, 3)
    y = old.node("Nhwc2Nchw", [x], x.v.transpose(0, 3, 1, 2))
    z = old.node("Nchw2Nhwc", [y], x.v)
    old.check(y, conv(old, z, 2))


def test_transpose(old):
    x = old.input(2, 3, 4)
    old.check(old.node("Transpose", [x], x.v.transpose(2, 0, 1), perm=[2, 0, 1]))


def test_permute(old):
    x = old.input(1, 2, 3, 4)
    old.check(old.node("Permute", [x], x.v.transpose(0, 2, 3, 1), order=[0, 2, 3, 1]))


@pytest.mark.parametrize("shape", [[6, 4], [2, -1], [0, 12]])
def test_reshape(old, shape):
    x = old.input(2, 3, 4)
    old.check(old.node("Reshape", [x], x.v.reshape([2 if n == 0 else n for n in shape]), shape=shape))


def test_reshape_to_an_input(old):
    x = old.input(2, 3, 4)
    old.check(old.node("Reshape", [x, np.array([4, 6], np.int32)], x.v.reshape(4, 6)))


def test_flatten(old):
    x = old.input(2, 3, 4)
    old.check(old.node("Flatten", [x], x.v.reshape(2, 12)))


@pytest.mark.parametrize("mode", range(3))
def test_pad(old, mode):
    x = old.input(1, 4, 5, 3)
    value = np.pad(x.v, [[0, 0], [1, 2], [0, 3], [0, 1]], ["constant", "reflect", "symmetric"][mode],
                   **({"constant_values": 0.5} if mode == 0 else {}))
    old.check(old.node("Pad", [x], value, paddings=[0, 0, 1, 2, 0, 3, 0, 1], paddingMode=mode,
                       constantValue=0.5))


def test_slice(old):
    x = old.input(4, 5, 6)
    old.check(old.node("Slice", [x], x.v[1:3, :, 2:], axes=[0, 1, 2], begin=[1, 0, 2], size=[2, -1, 4]))


def slice_of_inputs(net, begin, end, steps=(1, 1)):
    x = net.input(4, 6)
    inputs = [net.const(np.array(v, np.int64), dtype="int64") for v in (begin, end, [0, -1], steps)]
    return net.node("Slice", [x, *inputs], x.v[1:3, 2:], name="the/culprit")


@pytest.mark.parametrize("end", [[3, 6], [3, 0x7FFFFFFF], [3, -1]], ids=["ends", "far", "rest"])
def test_slice_of_inputs(old, end):
    """Begins, ends, axes and steps."""
    old.check(slice_of_inputs(old, [1, 2], end))


@pytest.mark.parametrize("begin, end, steps", [([-1 << 63, 2], [3, 6], (1, 1)), ([1, 2], [3, -1 << 63], (1, 1)),
                                               ([1, 2], [3, 6], (1, 2))], ids=["begin", "end", "steps"])
def test_slice_of_wrong_inputs(old, begin, end, steps):
    old.refused(slice_of_inputs(old, begin, end, steps), words=["Slice", "the/culprit"])


def test_strided_slice(old):
    x = old.input(4, 5, 6)
    old.check(old.node("StridedSlice", [x], x.v[1:4:2, :3, 2], begin=[1, 1, 2], end=[4, 3, 3], stride=[2, 1, 1],
                       beginMask=2, shrinkAxisMask=4, isScale=[0, 0, 0]))


def test_strided_slice_of_axes(old):
    x = old.input(4, 5, 6)
    begin, end, axes, stride = (np.array(v, np.int32) for v in ([5, 0], [1, 3], [-1, 0], [-2, 1]))
    old.check(old.node("StridedSlice", [x, begin, end, axes, stride], x.v[0:3, :, 5:1:-2]))


def test_strided_slice_of_inputs(old):
    x = old.input(4, 5)
    begin, end, stride = (np.array(v, np.int32) for v in ([1, 4], [3, 0], [1, -2]))
    old.check(old.node("StridedSlice", [x, begin, end, stride], x.v[1:3, 4:0:-2]))


@pytest.mark.parametrize("sizes", [[], [1, 2, 3], [1, 2, -1]])
def test_split(old, sizes):
    x = old.input(2, 6)
    parts = np.split(x.v, np.cumsum(sizes[:-1]) if sizes else 3, 1)
    old.check(*old.node("Split", [x], *parts, numberSplit=3, splitDim=1, **({"sizeSplits": sizes} if sizes else {})))


def test_stack_and_unstack(old):
    a, b = old.input(2, 3), old.input(2, 3)
    y = old.node("Stack", [a, b], np.stack([a.v, b.v], 1), axis=1, n=2)
    old.check(y, *old.node("Unstack", [y], *y.v, num=2))


def test_tile(old):
    x = old.input(2, 3)
    old.check(old.node("Tile", [x], np.tile(x.v, (2, 3)), multiples=[2, 3], dims=[0, 1]))


def test_cast(old):
    x = old.input(v=old.integers(3, 4))
    old.check(old.node("Cast", [x], x.v.astype(np.float32), srcT=34, dstT=43))


def test_squeezes(old):
    x = old.input(2, 1, 3, 1)
    y = old.node("Squeeze", [x], x.v.reshape(2, 3), axis=[1, 3])
    y = old.node("Unsqueeze", [y], y.v[None], axis=[0])
    old.check(old.node("ExpandDims", [y], y.v[..., None], dim=-1))


def test_squeeze_of_all(old):
    x = old.input(2, 1, 3, 1)
    old.check(old.node("Squeeze", [x], x.v.reshape(2, 3)))


@pytest.mark.parametrize("axis", [0, 1])
def test_gather(old, axis):
    x, at = old.input(4, 5), old.const(np.array([3, 0, 1], np.int32))
    old.check(old.node("Gather", [x, at], x.v.take(at.v, axis), axis=axis))


def test_broadcast_to(old):
    x = old.input(3, 1)
    old.check(old.node("BroadcastTo", [x], np.broadcast_to(x.v, (2, 3, 4)), dst_shape=[2, 3, 4]))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
def test_arg(old, operator, keep):
    """1.0 and 1.1 give places as numbers of the input's type."""
    x = old.input(3, 4, 5)
    value = ref.arg_top(x.v, 1, 1, operator == "ArgMax")[0].astype(np.float32)
    old.check(old.node(operator, [x], value if keep else value.squeeze(1), axis=1, keepDims=keep))


def test_top_k(old):
    x = old.input(3, 7)
    indices, values = ref.arg_top(x.v, -1, 2)
    old.check(*old.node("TopK", [x], values, indices, k=2))


def test_norms(old):
    x, gamma, beta = old.input(2, 3, 5), old.const(old.weights(5)), old.const(old.weights(5))
    y = old.node("LayerNorm", [x, gamma, beta], ref.layer_norm(x.v, gamma.v, beta.v, -1, 1e-5),
                 normalizedShape=[5], elementwiseAffine=True)
    old.check(y, old.node("L2Norm", [y], ref.l2_normalize(y.v, [-1], 1e-4), axis=[-1], epsilon=1e-4))


def test_local_response_norm(old):
    x = old.input(1, 3, 4, 6)
    old.check(old.node("LocalResponseNormalization", [x], ref.lrn(x.v, 2, 1.0, 0.2, 0.75), depth_radius=2,
                       bias=1.0, alpha=0.2, beta=0.75))


def test_lrn(old):
    """All of `size` channels share alpha."""
    x = old.input(1, 3, 4, 6)
    old.check(old.node("Lrn", [x], ref.lrn(x.v, 2, 1.0, 0.3 / 5, 0.75), size=5, alpha=0.3))


@pytest.mark.parametrize("suffix", ["", "ND"])
def test_space_to_batch_and_back(old, suffix):
    x = old.input(1, 4, 6, 2)
    y = old.node("SpaceToBatch" + suffix, [x], ref.space_to_batch(x.v, (2, 2), [(0, 0), (1, 1)]), blockShape=[2, 2],
                 paddings=[0, 0, 1, 1])
    old.check(y, old.node("BatchToSpace" + suffix, [y], ref.batch_to_space(y.v, (2, 2), [(0, 0), (1, 1)]),
                          blockShape=[2, 2], crops=[0, 0, 1, 1]))


def test_space_and_depth(old):
    x = old.input(1, 4, 6, 2)
    y = old.node("SpaceToDepth", [x], ref.space_to_depth(x.v, 2), blockSize=2, format=1)
    old.check(y, old.node("DepthToSpace", [y], x.v, blockSize=2, format=1))


def test_shape_and_fill(old):
    x = old.input(2, 3)
    shape = old.node("Shape", [x], np.array([2, 3], np.int32))
    old.check(shape, old.node("ZerosLike", [x], np.zeros((2, 3))), old.node("OnesLike", [x], np.ones((2, 3))))


def test_rank(old):
    """One number in a vector, of the input's type."""
    x = old.input(2, 3, 4)
    old.check(old.node("Rank", [x], np.array([3.0])))


def test_logic(old):
    a, b = old.input(v=old.integers(3, 4) > 0), old.input(v=old.integers(3, 4) > 0)
    y = old.node("LogicalAnd", [a, b], a.v & b.v)
    y = old.node("LogicalOr", [old.node("LogicalNot", [y], ~y.v), b], ~y.v | b.v)
    z = old.node("LogicalXor", [y, a], y.v ^ a.v)
    c, d = old.input(3, 4), old.input(3, 4)
    old.check(y, z, *(old.node(operator, [z, c, d], np.where(z.v, c.v, d.v)) for operator in ("Where", "Select")))


def test_add_n(old):
    inputs = [old.input(2, 3) for _ in range(3)]
    old.check(old.node("AddN", inputs, sum(one.v for one in inputs), N=3))


def test_one_hot(old):
    x = old.input(v=old.integers(2, 3, low=0, high=4))
    value = np.where(np.eye(4)[x.v] > 0, 1.0, 0.0)
    old.check(old.node("OneHot", [x, old.const(np.int32(4)), np.float32(1), np.float32(0)], value, axis=-1))


def test_crop(old):
    x, like = old.input(1, 6, 7, 3), old.input(1, 4, 5, 3)
    old.check(old.node("Crop", [x, like], x.v[:, 1:5, 2:7], axis=1, offsets=[1, 2, 0]))


def test_gather_nd(old):
    x, at = old.input(3, 4), old.const(np.array([[0, 1], [2, 3]], np.int32))
    old.check(old.node("GatherNd", [x, at], ref.gather_nd(x.v, at.v)))


def test_fill(old):
    x = old.input(2, 3)
    y = old.node("Fill", [old.const(np.float32(0.5))], np.full((2, 3), 0.5), dims=[2, 3])
    old.check(old.node("Add", [x, y], x.v + y.v))


def test_constant_of_shape(old):
    x = old.input(2, 3)
    value = {"dataType": 43, "value": [0.5]} if old.graph.generation == ms_file.MSL1 else {"value": 0.5}
    y = old.node("ConstantOfShape", [np.array([2, 3], np.int32)], np.full((2, 3), 0.5), **value)
    old.check(old.node("Mul", [x, y], x.v * y.v))


@pytest.mark.parametrize("delta", [1, 2])
def test_range(old, delta):
    x = old.input(v=old.integers(2))
    y = old.node("Range", [x], np.arange(3, 3 + 2 * delta, delta), dType=34, start=3, limit=3 + 2 * delta,
                 delta=delta)
    old.check(old.node("Add", [x, y], x.v + y.v))


def test_reverse(old):
    x = old.input(2, 3, 4)
    old.check(old.node("Reverse", [x], np.flip(x.v, (1, 2)), axis=[1, 2]))


def test_what_changes_nothing(old):
    x = old.input(2, 3)
    y = old.node("Dropout", [x], x.v, ratio=0.5)
    for operator in ("Identity", "Depend", "MakeTuple", "TupleGetItem", "Return"):
        y = old.node(operator, [y], y.v)
    old.check(old.node("Neg", [y], -y.v))


@pytest.mark.parametrize("operator", ["MakeTuple", "TupleGetItem", "Return"])
def test_what_passes_on_more_than_one(old, operator):
    a, b = old.input(2, 3), old.input(2, 3)
    old.refused(old.node(operator, [a, b], a.v, name="the/culprit"), words=[operator, "the/culprit"])


@pytest.mark.parametrize("both", [False, True])
def test_lstm(old, both):
    d, n = 2 if both else 1, 3
    x = old.input(4, 2, 5)
    w, r, b = (old.const(old.weights(d, *dims)) for dims in ((4 * n, 5), (4 * n, n), (8 * n,)))
    h, c = old.const(old.weights(d, 2, n)), old.const(old.weights(d, 2, n))
    old.check(*old.node("Lstm", [x, w, r, b, h, c], *ref.lstm(x.v, w.v, r.v, b.v, h.v, c.v), bidirection=both))


def test_quantised_weights(old):
    """QuantType 2: WeightQuant."""
    x = old.input(1, 5, 5, 3)
    params = [{"scale": 0.02 + i / 100, "zeroPoint": i - 1, "inited": True} for i in range(4)]
    q = old.integers(4, 3, 3, 3, low=-128, high=128)
    w = old.graph.tensor("w", dims=[4, 3, 3, 3], data=q.astype(np.int8).tobytes(), dtype="int8", quant=params)
    old.check(old.node("Conv2D", [x, w], ref.conv2d(x.v, ref.dequantize(q, params)), group=1, quant_type=2,
                       **window("kernel", (3, 3), (1, 1), (0, 0, 0, 0), NOTSET, (1, 1))))


def test_casts_of_quantised_tensors(old):
    x = old.input(2, 3)
    param = {"scale": 0.05, "zeroPoint": 3, "inited": True}
    y = old.node("QuantDTypeCast", [x], x.v, srcT=43, dstT=32)
    y.tensor.dtype, y.tensor.fields["quant"] = "int8", [param]
    z = old.node("QuantDTypeCast", [y], x.v, srcT=32, dstT=43)
    z.v = ((np.clip(np.round(x.v / 0.05) + 3, -128, 127) - 3) * 0.05).astype(np.float32)
    old.check(z)


def nchw(net, operator, inputs, value, **settings):
    """An operator between two changes of layout, as 1.0's converter writes it; values are NCHW."""
    image = net.node("Nhwc2Nchw", [inputs[0]], inputs[0].v.transpose(0, 3, 1, 2))
    y = net.node(operator, [image, *inputs[1:]], value, **settings)
    for one in (image, y):
        one.tensor.fields["format"] = 0
    return net.node("Nchw2Nhwc", [y], y.v.transpose(0, 2, 3, 1))


def test_mobile_block(old):
    """A block of a net of 1.0: BatchNorm is Mul and Add of [1, C, 1, 1] in NCHW."""
    y = conv(old, old.input(1, 8, 8, 3), 4, pads=(1, 1, 1, 1))
    factor, offset = old.const(old.weights(1, 4, 1, 1), format=5), old.const(old.weights(1, 4, 1, 1), format=5)
    image = old.node("Nhwc2Nchw", [y], y.v.transpose(0, 3, 1, 2))
    image = old.node("Mul", [image, factor], image.v * factor.v)
    image = old.node("Add", [image, offset], image.v + offset.v)
    image = old.node("Activation", [image], ref.activation(image.v, ref.RELU6), type=ref.RELU6)
    y = old.node("Nchw2Nhwc", [image], image.v.transpose(0, 2, 3, 1))
    old.check(conv(old, y, 4, operator="DepthwiseConv2D", stride=(2, 2)))


def test_leaky_relu_by_maximum(old):
    x = old.input(1, 5, 6, 3)
    image = old.node("Nhwc2Nchw", [x], x.v.transpose(0, 3, 1, 2))
    part = old.node("Mul", [image, np.array([0.1], np.float32)], image.v * 0.1)
    image = old.node("Maximum", [part, image], np.maximum(part.v, image.v))
    old.check(conv(old, old.node("Nchw2Nhwc", [image], image.v.transpose(0, 2, 3, 1)), 2), image)


def test_concat_and_reshape_of_nchw(old):
    y = conv(old, old.input(1, 5, 6, 3), 4)
    image = old.node("Nhwc2Nchw", [y], y.v.transpose(0, 3, 1, 2))
    both = old.node("Concat", [image, image], np.concatenate([image.v, image.v], 1), axis=1, n=2)
    flat = old.node("Reshape", [both], both.v.reshape(1, -1), shape=[1, -1])
    old.check(flat, conv(old, old.node("Nchw2Nhwc", [both], both.v.transpose(0, 2, 3, 1)), 2))


def test_softmax_of_nchw(old):
    x = conv(old, old.input(1, 5, 6, 3), 4)
    old.check(nchw(old, "SoftMax", [x], ref.softmax(x.v.transpose(0, 3, 1, 2), 1), axis=1))


def test_instance_norm_of_nchw(old):
    x, gamma, beta = conv(old, old.input(2, 6, 6, 3), 4), old.const(old.weights(4)), old.const(old.weights(4))
    value = ref.instance_norm(x.v.transpose(0, 3, 1, 2), gamma.v, beta.v, 1e-5)
    old.check(nchw(old, "InstanceNorm", [x, gamma, beta], value))
