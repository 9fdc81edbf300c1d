# SPDX-License-Identifier: Apache-2.0
"""Convolution, pooling and resizing of .ms files of MSL2."""

import ms_file
import numpy as np
import pytest
import reference as ref

PAD, SAME, VALID = range(3)
FLOOR, CEIL = range(2)
LINEAR, NEAREST, CUBIC = range(3)


def conv(net, x, out, kernel=(3, 3), stride=(1, 1), dilation=(1, 1), pads=(0, 0, 0, 0), mode=PAD, group=1,
         act=0, bias=True, **fields):
    w = net.const(net.weights(out, *kernel, x.shape[3] // group, spread=0.3), **fields)
    inputs = [x, w] + ([net.const(net.weights(out))] if bias else [])
    as_pads = {PAD: pads, SAME: "same", VALID: "valid"}[mode]
    value = ref.conv2d(x.v, w.v, inputs[2].v if bias else None, stride, dilation, as_pads, group, act)
    if mode == SAME:  # as the converter writes them
        pads = [n for i in range(2)
                for n in ref.same_pads(x.shape[1 + i], kernel[i], stride[i], dilation[i])]
    return net.node("Conv2DFusion", inputs, value, format=1, kernel_size=kernel, stride=stride,
                    dilation=dilation, pad_mode=mode, pad_list=pads, group=group, mode=1,
                    in_channel=x.shape[3], out_channel=out, activation_type=act)


def deconv(net, x, out, kernel=(3, 3), stride=(2, 2), dilation=(1, 1), pads=(0, 0, 0, 0), mode=PAD, group=1,
           act=0, bias=True, out_pads=(0, 0)):
    w = net.const(net.weights(x.shape[3], *kernel, out // group, spread=0.3))
    inputs = [x, w] + ([net.const(net.weights(out))] if bias else [])
    as_pads = {PAD: pads, SAME: "same", VALID: "valid"}[mode]
    value = ref.deconv2d(x.v, w.v, inputs[2].v if bias else None, stride, dilation, as_pads, out_pads,
                         group, act)
    return net.node("Conv2dTransposeFusion", inputs, value, format=1, kernel_size=kernel, stride=stride,
                    dilation=dilation, pad_mode=mode, pad_list=pads, group=group, mode=1,
                    in_channel=x.shape[3], out_channel=out, activation_type=act, output_paddings=out_pads)


CONVOLUTIONS = {
    "plain": {}, "no-bias": {"bias": False}, "1x1": {"kernel": (1, 1)}, "1x3": {"kernel": (1, 3)},
    "strided": {"stride": (2, 3)}, "padded": {"pads": (1, 2, 0, 1)}, "dilated": {"dilation": (2, 1)},
    "same": {"mode": SAME}, "same-strided": {"mode": SAME, "stride": (2, 2)},
    "same-even-kernel": {"mode": SAME, "kernel": (2, 4), "stride": (1, 2)},
    "same-dilated": {"mode": SAME, "dilation": (2, 2), "stride": (2, 1)},
    "same-wide-stride": {"mode": SAME, "kernel": (1, 1), "stride": (2, 2)},
    "valid-strided": {"mode": VALID, "stride": (2, 2)},
    "grouped": {"group": 2}, "depthwise": {"group": 4}, "depthwise-multiplied": {"group": 4, "out": 8},
    "relu": {"act": ref.RELU}, "relu6": {"act": ref.RELU6},
    "weights-said-khwc": {"format": ms_file.KHWC}, "weights-said-kchw": {"format": ms_file.KCHW},
}


@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolution(net, settings):
    net.check(conv(net, net.input(2, 9, 8, 4), **{"out": 4, **settings}))


def test_convolution_of_one_channel(net):
    net.check(conv(net, net.input(1, 7, 7, 1), 3, pads=(1, 1, 1, 1)))


def test_convolution_with_group_0_is_depthwise(net):
    """group = 0 means as many as the weights have."""
    x = net.input(1, 5, 5, 3)
    w = net.const(net.weights(3, 3, 3, 1))
    net.check(net.node("Conv2DFusion", [x, w], ref.conv2d(x.v, w.v, group=3), kernel_size=[3, 3],
                       stride=[1, 1], dilation=[1, 1], pad_list=[0, 0, 0, 0], pad_mode=VALID))


def test_same_without_pad_list(net):
    x = net.input(1, 7, 6, 3)
    w = net.const(net.weights(2, 3, 3, 3))
    net.check(net.node("Conv2DFusion", [x, w], ref.conv2d(x.v, w.v, pads="same", stride=(2, 2)),
                       kernel_size=[3, 3], stride=[2, 2], dilation=[1, 1], pad_mode=SAME, group=1, format=1))


def test_a_chain_of_convolutions(net):
    x = net.input(1, 12, 12, 3)
    y = conv(net, x, 8, pads=(1, 1, 1, 1), act=ref.RELU6, stride=(2, 2))
    y = conv(net, y, 8, pads=(1, 1, 1, 1), group=8, act=ref.RELU6)
    y = conv(net, y, 5, kernel=(1, 1))
    net.check(y)


DECONVOLUTIONS = {
    "plain": {}, "no-bias": {"bias": False}, "stride-1": {"stride": (1, 1)}, "4x4": {"kernel": (4, 4)},
    "padded": {"pads": (1, 0, 1, 1)}, "dilated": {"dilation": (2, 2)},
    "out-padded": {"out_pads": (1, 1), "pads": (1, 1, 1, 1)}, "out-padded-one": {"out_pads": (1, 0)},
    "same": {"mode": SAME}, "same-4x4": {"mode": SAME, "kernel": (4, 4)},
    "same-odd": {"mode": SAME, "kernel": (2, 5), "stride": (1, 3)},
    "valid": {"mode": VALID}, "rectangular": {"kernel": (2, 3), "stride": (3, 1)},
    "depthwise": {"out": 4, "group": 4}, "relu": {"act": ref.RELU}, "relu6": {"act": ref.RELU6},
}


@pytest.mark.parametrize("settings", DECONVOLUTIONS.values(), ids=DECONVOLUTIONS)
def test_deconvolution(net, settings):
    net.check(deconv(net, net.input(2, 5, 4, 4), **{"out": 3, **settings}))


def pool(net, kind, x, kernel=(3, 3), stride=(2, 2), pads=(0, 0, 0, 0), mode=PAD, ceil=False, act=0,
         is_global=False):
    as_pads = {PAD: pads, SAME: "same", VALID: "valid"}[mode]
    value = ref.pool(x.v, kind, None if is_global else kernel, stride, as_pads, ceil, act)
    settings = {} if is_global else {"kernel_size": kernel, "pad": pads}
    return net.node("MaxPoolFusion" if kind == "max" else "AvgPoolFusion", [x], value, strides=stride,
                    pad_mode=mode, round_mode=CEIL if ceil else FLOOR, format=1, activation_type=act,
                    **{"global": is_global}, **settings)


POOLS = {
    "plain": {}, "2x2": {"kernel": (2, 2)}, "stride-1": {"stride": (1, 1)},
    "rectangular": {"kernel": (2, 3), "stride": (1, 2)}, "padded": {"pads": (1, 1, 1, 1)},
    "padded-one-side": {"pads": (0, 1, 1, 0)}, "ceil": {"ceil": True, "kernel": (2, 2)},
    "ceil-padded": {"ceil": True, "pads": (1, 1, 1, 1)}, "same": {"mode": SAME},
    "same-2x2": {"mode": SAME, "kernel": (2, 2)}, "same-stride-1": {"mode": SAME, "stride": (1, 1)},
    "same-ceil": {"mode": SAME, "ceil": True}, "valid": {"mode": VALID, "stride": (3, 3)},
    "global": {"is_global": True}, "relu": {"act": ref.RELU}, "relu6": {"act": ref.RELU6},
}


@pytest.mark.parametrize("kind", ["max", "mean"])
@pytest.mark.parametrize("settings", POOLS.values(), ids=POOLS)
def test_pool(net, kind, settings):
    net.check(pool(net, kind, net.input(2, 8, 7, 3), **settings))


def test_pool_without_pads_and_mode(net):
    """Fields that are absent have their defaults."""
    x = net.input(1, 4, 4, 2)
    net.check(net.node("MaxPoolFusion", [x], ref.pool(x.v, "max", (2, 2), (2, 2)), kernel_size=[2, 2],
                       strides=[2, 2]))


METHODS = {LINEAR: "linear", NEAREST: "nearest", CUBIC: "cubic"}
SIZES = [(10, 14), (7, 9), (3, 4), (5, 7), (8, 21)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", range(3), ids=["asymmetric", "align-corners", "half-pixel"])
@pytest.mark.parametrize("method", [LINEAR, NEAREST], ids=["linear", "nearest"])
def test_resize(net, method, mode, size):
    x = net.input(2, 5, 7, 3)
    net.check(net.node("Resize", [x], ref.resize(x.v, *size, METHODS[method], mode), format=1,
                       method=method, new_height=size[0], new_width=size[1],
                       coordinate_transform_mode=mode))


@pytest.mark.parametrize("mode", range(2), ids=["asymmetric", "align-corners"])
def test_resize_cubic(net, mode):
    x = net.input(1, 5, 7, 2)
    net.check(net.node("Resize", [x], ref.resize(x.v, 9, 11, "cubic", mode, -0.5), format=1, method=CUBIC,
                       new_height=9, new_width=11, coordinate_transform_mode=mode, cubic_coeff=-0.5))


@pytest.mark.parametrize("given", ["size", "shape", "scales"])
def test_resize_to_an_input(net, given):
    x = net.input(1, 4, 6, 3)
    to = {"size": np.array([8, 9], np.int32), "shape": np.array([1, 8, 9, 3], np.int32),
          "scales": np.array([1, 2, 1.5, 1], np.float32)}[given]
    net.check(net.node("Resize", [x, net.const(to)], ref.resize(x.v, 8, 9, "linear", 0), method=LINEAR))


def test_resize_between_convolutions(net):
    x = conv(net, net.input(1, 6, 6, 3), 4)
    y = net.node("Resize", [x], ref.resize(x.v, 8, 8, "nearest", 0), method=NEAREST, new_height=8,
                 new_width=8, format=1)
    net.check(conv(net, y, 2, kernel=(1, 1)))


@pytest.mark.parametrize("block", [2, 3])
def test_depth_to_space(net, block):
    x = net.input(2, 3, 4, 2 * block * block)
    net.check(net.node("DepthToSpace", [x], ref.depth_to_space(x.v, block), block_size=block, format=1))


def test_depth_to_space_of_columns(net):
    x = net.input(1, 3, 4, 8)
    net.check(net.node("DepthToSpace", [x], ref.depth_to_space(x.v, 2, "CRD"), block_size=2, format=1,
                       mode="CRD"))


@pytest.mark.parametrize("mode, is_right", [("DCR", True), ("CXX", False), ("crd", False)])
def test_modes_of_depth_to_space(net, mode, is_right):
    x = net.input(1, 3, 2, 8)
    y = net.node("DepthToSpace", [x], ref.depth_to_space(x.v, 2), block_size=2, format=1, mode=mode)
    if is_right:
        net.check(y)
    else:
        net.refused(y, words=["DepthToSpace", "neither DCR nor CRD"])


def test_space_to_depth(net):
    x = net.input(2, 4, 6, 3)
    net.check(net.node("SpaceToDepth", [x], ref.space_to_depth(x.v, 2), block_size=2, format=1))


def test_space_to_batch_and_back(net):
    x = net.input(1, 5, 6, 2)
    y = net.node("SpaceToBatchND", [x], ref.space_to_batch(x.v, (2, 3), [(1, 0), (1, 2)]),
                 block_shape=[2, 3], paddings=[[1, 0], [1, 2]])
    net.check(y, net.node("BatchToSpaceND", [y], ref.batch_to_space(y.v, (2, 3), [(1, 0), (0, 2)]),
                          block_shape=[2, 3], crops=[[1, 0], [0, 2]]))


def test_space_to_batch_of_two_dimensions(net):
    x = net.input(1, 4, 6, 2)
    y = net.node("SpaceToBatch", [x], ref.space_to_batch(x.v, (2, 2), [(0, 0), (1, 1)]), block_size=[2, 2],
                 paddings=[[0, 0], [1, 1]])
    net.check(y, net.node("BatchToSpace", [y], ref.batch_to_space(y.v, (2, 2), [(0, 0), (1, 1)]),
                          block_size=[2, 2], crops=[[0, 0], [1, 1]]))


@pytest.mark.parametrize("kernel", [(3, 3), (1, 1)])
def test_full_connection_after_convolution(net, kernel):
    x = conv(net, net.input(1, 6, 6, 3), 4, kernel=kernel)
    w, b = net.const(net.weights(5, x.v[0].size)), net.const(net.weights(5))
    net.check(net.node("FullConnection", [x, w, b], x.v.reshape(1, -1) @ w.v.T + b.v, has_bias=True,
                       use_axis=True, axis=1))
