# SPDX-License-Identifier: Apache-2.0
"""Graphs of .ms files of MSL2 that mix operators of images, which stay NHWC for their author, with others
that know nothing of images."""

import numpy as np
import pytest
import reference as ref
from net import i32
from test_ms_windows import conv, pool


@pytest.fixture
def image(net):
    """The output of a convolution: [2, 5, 6, 4]."""
    return conv(net, net.input(2, 7, 8, 3), 4)


def add(net, a, b):
    return net.node("AddFusion", [a, b], a.v + b.v)


def transpose(net, x, *perm, **options):
    return net.node("Transpose", [x, i32(*perm)], x.v.transpose(perm), **options)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_concat(net, image, axis):
    other = conv(net, net.inputs[0], 4)
    y = net.node("Concat", [image, other], np.concatenate([image.v, other.v], axis), axis=axis)
    net.check(conv(net, y, 2, kernel=(1, 1)))


def test_concat_with_what_is_no_image(net, image):
    other = net.input(2, 5, 6, 3)
    y = net.node("Concat", [image, other], np.concatenate([image.v, other.v], 3), axis=3)
    net.check(conv(net, y, 2, kernel=(1, 1)), y)


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_softmax(net, image, axis):
    net.check(net.node("Softmax", [image], ref.softmax(image.v, axis), axis=[axis]))


def test_softmax_between(net, image):
    y = net.node("Softmax", [image], ref.softmax(image.v, -1), axis=[-1])
    net.check(conv(net, y, 2))


@pytest.mark.parametrize("axes", [(1, 2), (-1,), (3,), (2,), (1, 2, 3)])
@pytest.mark.parametrize("keep", [False, True], ids=["", "keep"])
def test_reduce(net, image, axes, keep):
    net.check(net.node("ReduceFusion", [image, i32(*axes)], ref.reduce(image.v, 0, axes, keep),
                       keep_dims=keep, coeff=1.0))


def test_squeeze_and_excite(net, image):
    y = net.node("ReduceFusion", [image, i32(1, 2)], ref.reduce(image.v, 0, (1, 2), True), keep_dims=True)
    y = conv(net, y, 2, kernel=(1, 1), act=ref.RELU)
    y = conv(net, y, 4, kernel=(1, 1))
    y = net.node("Activation", [y], ref.activation(y.v, ref.HSIGMOID), activation_type=ref.HSIGMOID)
    y = net.node("MulFusion", [image, y], image.v * y.v)
    net.check(conv(net, y, 3, kernel=(1, 1)))


def test_squeeze_and_excite_by_dense(net, image):
    y = net.node("ReduceFusion", [image, i32(1, 2)], ref.reduce(image.v, 0, (1, 2)))
    w = net.const(net.weights(4, 4))
    y = net.node("MatMulFusion", [y, w], ref.activation(y.v @ w.v.T, ref.SIGMOID), transpose_b=True,
                 activation_type=ref.SIGMOID)
    y = net.node("Reshape", [y, i32(-1, 1, 1, 4)], y.v.reshape(-1, 1, 1, 4))
    y = net.node("MulFusion", [image, y], image.v * y.v)
    net.check(conv(net, y, 3, kernel=(1, 1)))


def test_reshape(net, image):
    net.check(net.node("Reshape", [image, i32(2, -1)], image.v.reshape(2, -1)))


def test_reshape_into_an_image(net, image):
    y = net.node("Reshape", [image, i32(2, 6, 5, 4)], image.v.reshape(2, 6, 5, 4))
    net.check(conv(net, y, 2))


def test_reshape_of_one_pixel(net):
    """Where height and width are 1, all layouts are the same."""
    y = pool(net, "mean", conv(net, net.input(2, 5, 5, 3), 4), is_global=True)
    net.check(net.node("Reshape", [y, i32(2, 4)], y.v.reshape(2, 4)))


def test_flatten(net, image):
    net.check(net.node("Flatten", [image], image.v.reshape(2, -1)))


@pytest.mark.parametrize("perm", [(0, 3, 1, 2), (0, 2, 3, 1), (0, 2, 1, 3), (3, 2, 1, 0), (0, 1, 2, 3)])
def test_transpose(net, image, perm):
    net.check(transpose(net, image, *perm))


def test_transpose_before_reshape(net, image):
    """As the converter writes PyTorch's flatten."""
    y = transpose(net, image, 0, 3, 1, 2)
    net.check(net.node("Reshape", [y, i32(2, -1)], y.v.reshape(2, -1)))


def test_there_and_back(net, image):
    y = transpose(net, image, 0, 3, 1, 2)
    y = net.node("Activation", [y], ref.activation(y.v, ref.TANH), activation_type=ref.TANH)
    net.check(conv(net, transpose(net, y, 0, 2, 3, 1), 2))


def test_nchw_input(net):
    """The converter's form of a net of PyTorch: NCHW outside, NHWC within."""
    x = net.input(1, 3, 6, 7, format=0)
    y = conv(net, transpose(net, x, 0, 2, 3, 1), 4, pads=(1, 1, 1, 1), act=ref.RELU)
    net.check(transpose(net, y, 0, 3, 1, 2))


def test_channel_shuffle(net, image):
    y = net.node("Reshape", [image, i32(2, 5, 6, 2, 2)], image.v.reshape(2, 5, 6, 2, 2))
    y = transpose(net, y, 0, 1, 2, 4, 3)
    y = net.node("Reshape", [y, i32(2, 5, 6, 4)], y.v.reshape(2, 5, 6, 4))
    net.check(conv(net, y, 4, group=4))


def test_channel_shuffle_in_nchw(net, image):
    y = transpose(net, image, 0, 3, 1, 2)
    y = net.node("Reshape", [y, i32(2, 2, 2, 5, 6)], y.v.reshape(2, 2, 2, 5, 6))
    y = transpose(net, y, 0, 2, 1, 3, 4)
    y = net.node("Reshape", [y, i32(2, 4, 5, 6)], y.v.reshape(2, 4, 5, 6))
    net.check(conv(net, transpose(net, y, 0, 2, 3, 1), 3))


@pytest.mark.parametrize("dims", [(), (1,), (4,), (6, 4), (6, 1), (1, 1, 1, 4), (1, 5, 6, 1), (2, 5, 6, 4)])
@pytest.mark.parametrize("first", [False, True], ids=["", "constant-first"])
def test_add_of_a_constant(net, image, dims, first):
    c = net.const(net.weights(*dims))
    y = add(net, c, image) if first else add(net, image, c)
    net.check(y, conv(net, y, 2))


@pytest.mark.parametrize("dims", [(4,), (6, 4), (1, 1, 1, 4), (2, 5, 6, 1)])
def test_product_with_an_input(net, image, dims):
    other = net.input(*dims)
    y = net.node("MulFusion", [image, other], image.v * other.v)
    net.check(conv(net, y, 2))


def test_binary_of_a_larger_rank(net, image):
    other = net.input(3, 1, 1, 1, 4)
    net.check(net.node("AddFusion", [image, other], image.v + other.v))


def test_residual(net, image):
    y = conv(net, image, 4, pads=(1, 1, 1, 1), act=ref.RELU)
    y = add(net, image, conv(net, y, 4, kernel=(1, 1)))
    y = net.node("Activation", [y], ref.activation(y.v, ref.RELU), activation_type=ref.RELU)
    net.check(pool(net, "mean", y, is_global=True))


def test_two_branches(net, image):
    a = pool(net, "max", image, stride=(1, 1), mode=1)
    b = conv(net, image, 3, mode=1)
    y = net.node("Concat", [a, b], np.concatenate([a.v, b.v], 3), axis=3)
    flat = net.node("Reshape", [image, i32(2, -1)], image.v.reshape(2, -1))
    net.check(conv(net, y, 2, kernel=(1, 1)), flat, image)


def test_branch_seen_both_ways(net, image):
    """One tensor, read as NHWC by one and turned by the other."""
    turned = transpose(net, image, 0, 3, 1, 2)
    y = conv(net, image, 4, mode=1)
    net.check(add(net, turned, transpose(net, y, 0, 3, 1, 2)))


def test_slice(net, image):
    y = net.node("SliceFusion", [image, i32(0, 1, 2, 1), i32(2, 3, -1, 2)], image.v[:, 1:4, 2:, 1:3],
                 axes=[0, 1, 2, 3])
    net.check(conv(net, y, 2, kernel=(1, 1)), y)


def test_strided_slice(net, image):
    """Every second pixel: the focus of YOLOv5."""
    parts = [net.node("StridedSlice", [image, i32(0, 0, v, 0), i32(2, 4, 6, 4), i32(1, 2, 2, 1)],
                      image.v[:, 0:4:2, v:6:2]) for v in range(2)]
    y = net.node("Concat", parts, np.concatenate([one.v for one in parts], 3), axis=-1)
    net.check(conv(net, y, 2, kernel=(1, 1)))


def test_strided_slice_that_shrinks(net, image):
    net.check(net.node("StridedSlice", [image, i32(0, 1, 0, 0), i32(2, 2, 6, 4), i32(1, 1, 1, 1)], image.v[:, 1],
                       shrink_axis_mask=2))


def test_split_of_channels(net, image):
    a, b = net.node("Split", [image], image.v[..., :1], image.v[..., 1:], output_num=2, axis=3,
                    size_splits=[1, 3])
    net.check(conv(net, a, 2), conv(net, b, 2))


def test_split_of_rows(net, image):
    a, b = net.node("Split", [image], image.v[:, :2], image.v[:, 2:], output_num=2, axis=1, size_splits=[2, 3])
    net.check(add(net, a, net.node("Activation", [a], ref.activation(a.v, 1), activation_type=1)), b)


def test_pad(net, image):
    pads = [[0, 0], [1, 2], [0, 3], [1, 0]]
    y = net.node("PadFusion", [image, np.array(pads, np.int32)], np.pad(image.v, pads))
    net.check(conv(net, y, 2), y)


def test_pad_by_reflection(net, image):
    pads = [[0, 0], [1, 2], [3, 1], [0, 0]]
    y = net.node("PadFusion", [image, np.array(pads, np.int32)], np.pad(image.v, pads, "reflect"),
                 padding_mode=1)
    net.check(conv(net, y, 2))


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_pad_before_a_pool(net, image, kind):
    """Zeros that are above all else: a pool that pads by itself would leave them out."""
    x = net.node("SubFusion", [image, np.array([9], np.float32)], image.v - 9)
    pads = [[0, 0], [1, 1], [1, 1], [0, 0]]
    y = net.node("PadFusion", [x, np.array(pads, np.int32)], np.pad(x.v, pads))
    net.check(pool(net, kind, y, kernel=(2, 2)))


def test_gather_of_channels(net, image):
    y = net.node("Gather", [image, i32(3, 0), net.const(np.int32(3))], image.v[..., [3, 0]])
    net.check(conv(net, y, 2))


@pytest.mark.parametrize("axis", [1, 3, -1])
@pytest.mark.parametrize("keep", [False, True], ids=["", "keep"])
def test_arg_max(net, image, axis, keep):
    value = image.v.argmax(axis)
    net.check(net.node("ArgMaxFusion", [image], np.expand_dims(value, axis) if keep else value, axis=axis,
                       keep_dims=keep, top_k=1))


def test_top_k(net, image):
    indices, values = ref.arg_top(image.v, 3, 2)
    net.check(*net.node("TopKFusion", [image, net.const(np.int32(2))], values, indices, axis=3, largest=1))


def test_prelu(net, image):
    slope = net.const(net.weights(4))
    y = net.node("PReLUFusion", [image, slope], ref.prelu(image.v, slope.v))
    net.check(conv(net, y, 2))


def test_scale_and_norm(net, image):
    factor, offset = net.const(net.weights(4)), net.const(net.weights(4))
    y = net.node("ScaleFusion", [image, factor, offset], ref.scale(image.v, factor.v, offset.v), axis=-1)
    y = net.node("BiasAdd", [y, offset], y.v + offset.v)
    y = net.node("FusedBatchNorm", [y, factor, offset, offset, net.const(factor.v ** 2)],
                 ref.batch_norm(y.v, offset.v, factor.v ** 2, 1e-3, factor.v, offset.v), epsilon=1e-3)
    net.check(conv(net, y, 2))


def test_scale_of_rows(net, image):
    factor = net.const(net.weights(5, 6))
    net.check(net.node("ScaleFusion", [image, factor], ref.scale(image.v, factor.v, 0.0, 1), axis=1))


def test_norms_over_channels(net, image):
    gamma, beta = net.const(net.weights(4)), net.const(net.weights(4))
    y = net.node("LayerNormFusion", [image, gamma, beta], ref.layer_norm(image.v, gamma.v, beta.v, -1, 1e-5),
                 begin_norm_axis=-1, begin_params_axis=-1)
    y = net.node("L2NormalizeFusion", [y], ref.l2_normalize(y.v, [3], 1e-4), axis=[3], epsilon=1e-4)
    y = net.node("LRN", [y], ref.lrn(y.v, 1, 1.0, 0.5, 0.75), depth_radius=1, bias=1.0, alpha=0.5, beta=0.75)
    net.check(conv(net, y, 2))


def test_instance_norm(net, image):
    gamma, beta = net.const(net.weights(4)), net.const(net.weights(4))
    value = ref.instance_norm(image.v.transpose(0, 3, 1, 2), gamma.v, beta.v, 1e-3).transpose(0, 2, 3, 1)
    net.check(conv(net, net.node("InstanceNorm", [image, gamma, beta], value, epsilon=1e-3), 2))


def test_instance_norm_of_nchw(net, image):
    """Between a transposition to NCHW and one back, tensors are said to be NCHW."""
    gamma, beta = net.const(net.weights(4)), net.const(net.weights(4))
    x = transpose(net, image, 0, 3, 1, 2)
    y = net.node("InstanceNorm", [x, gamma, beta], ref.instance_norm(x.v, gamma.v, beta.v, 1e-3), epsilon=1e-3)
    for one in (x, y):
        one.tensor.fields["format"] = 0
    net.check(conv(net, transpose(net, y, 0, 2, 3, 1), 2))


def test_format_transpose(net, image):
    """A transposition that says it is one of layout."""
    y = net.node("FormatTranspose", [image], image.v.transpose(0, 3, 1, 2), src_format=1, dst_format=0)
    y = net.node("Softmax", [y], ref.softmax(y.v, 1), axis=[1])
    z = net.node("FormatTranspose", [y], y.v.transpose(0, 2, 3, 1), src_format=0, dst_format=1)
    net.check(y, conv(net, z, 2))


def test_group_norm(net):
    """Of NCHW: the converter leaves it there."""
    x, gamma, beta = net.input(2, 4, 5, 6, format=0), net.const(net.weights(4)), net.const(net.weights(4))
    net.check(net.node("GroupNormFusion", [x, gamma, beta], ref.group_norm(x.v, 2, gamma.v, beta.v, 1e-3),
                       num_groups=2, epsilon=1e-3))


def test_tile_and_stack(net, image):
    y = net.node("TileFusion", [image, i32(1, 2, 1, 2)], np.tile(image.v, (1, 2, 1, 2)), dims=[0, 1, 2, 3])
    y = conv(net, y, 2)
    net.check(net.node("Stack", [y, y], np.stack([y.v, y.v], 1), axis=1))


def test_unsqueeze_and_squeeze(net, image):
    y = net.node("Unsqueeze", [image], image.v[:, None], axis=[1])
    y = net.node("Activation", [y], ref.activation(y.v, ref.RELU), activation_type=ref.RELU)
    net.check(conv(net, net.node("Squeeze", [y], y.v[:, 0], axis=[1]), 2))


def test_shape_of_an_image(net, image):
    net.check(net.node("Shape", [image], i32(*image.shape)))


def test_reshape_by_an_images_shape(net, image):
    shape = net.node("Shape", [image], i32(*image.shape))
    n = net.node("Gather", [shape, i32(0, 3), net.const(np.int32(0))], i32(2, 4))
    to = net.node("Concat", [n, i32(-1)], i32(2, 4, -1), axis=0)
    net.check(net.node("Reshape", [image, to], image.v.reshape(2, 4, -1)))


def test_detection_head(net, image):
    """Convolution, reshaping to boxes, softmax over classes, concatenation of levels: as in SSD."""
    levels = [image, pool(net, "max", image, kernel=(2, 2))]
    scores = []
    for level in levels:
        y = conv(net, level, 6, kernel=(1, 1))
        scores.append(net.node("Reshape", [y, i32(2, -1, 3)], y.v.reshape(2, -1, 3)))
    y = net.node("Concat", scores, np.concatenate([one.v for one in scores], 1), axis=1)
    net.check(net.node("Softmax", [y], ref.softmax(y.v, -1), axis=[-1]))


def test_attention_over_pixels(net, image):
    q = net.node("Reshape", [image, i32(2, 30, 4)], image.v.reshape(2, 30, 4))
    s = net.node("MatMulFusion", [q, q], q.v @ q.v.transpose(0, 2, 1), transpose_b=True)
    s = net.node("Softmax", [s], ref.softmax(s.v), axis=[-1])
    y = net.node("MatMulFusion", [s, q], s.v @ q.v)
    y = net.node("Reshape", [y, i32(2, 5, 6, 4)], y.v.reshape(2, 5, 6, 4))
    net.check(add(net, conv(net, y, 4, mode=1), image))


def test_bias_after_deep_matmul(net, image):
    """A product over the last axis of an image."""
    w, b = net.const(net.weights(3, 4)), net.const(net.weights(3))
    net.check(net.node("MatMulFusion", [image, w, b], image.v @ w.v.T + b.v, transpose_b=True))


def test_stale_dims(net):
    """What files say of tensors between is often wrong."""
    net.graph.stale_dims = (1, 99, 3, 3)
    y = conv(net, net.input(1, 6, 7, 3), 4)
    y = net.node("ReduceFusion", [y, i32(1, 2)], ref.reduce(y.v, 0, (1, 2)))
    net.check(net.node("Reshape", [y, i32(-1, 2)], y.v.reshape(-1, 2)))


DYNAMIC = {"batch": (-1, 7, 8, 3), "size": (1, -1, -1, 3), "all": (-1, -1, -1, -1)}


@pytest.mark.parametrize("declared", DYNAMIC.values(), ids=DYNAMIC)
def test_dynamic_image(net, declared):
    n = 1 if declared[0] == 1 else 2
    x = net.input(v=net.weights(n, 7, 8, 3), declared=declared)
    y = conv(net, x, 4, mode=2, act=ref.RELU6)
    y = add(net, y, net.const(net.weights(4)))
    y = pool(net, "max", y, kernel=(2, 2))
    net.check(net.node("ReduceFusion", [y, i32(1, 2)], ref.reduce(y.v, 0, (1, 2))))


def test_dynamic_batch_flattened(net):
    x = net.input(v=net.weights(3, 6, 6, 2), declared=(-1, 6, 6, 2))
    y = conv(net, x, 4)
    y = net.node("Reshape", [y, i32(-1, 64)], y.v.reshape(-1, 64))
    w = net.const(net.weights(5, 64))
    net.check(net.node("MatMulFusion", [y, w], y.v @ w.v.T, transpose_b=True))


def test_output_that_is_an_input(net):
    x = net.input(2, 3)
    net.check(x, net.node("Neg", [x], -x.v))


def test_output_that_is_read_again(net, image):
    net.check(image, conv(net, image, 2))


def test_weights_used_twice(net):
    """The same constant as weights and as a term."""
    x, w = net.input(3, 5, 5, 3), net.const(net.weights(3, 1, 1, 3))
    y = net.node("Conv2DFusion", [x, w], ref.conv2d(x.v, w.v), kernel_size=[1, 1], stride=[1, 1],
                 dilation=[1, 1], pad_list=[0, 0, 0, 0], group=1, format=1)
    net.check(add(net, y, w))


def test_weights_that_are_computed(net):
    """An input as the kernel of a convolution."""
    x, w = net.input(1, 6, 6, 3), net.input(2, 3, 3, 3)
    net.check(net.node("Conv2DFusion", [x, w], ref.conv2d(x.v, w.v), kernel_size=[3, 3], stride=[1, 1],
                       dilation=[1, 1], pad_list=[0, 0, 0, 0], group=1, format=1))


def transposes(onnx):
    return onnx.count(b"\x22\x09Transpose")


def test_hardly_a_transposition_is_left(net):
    """In a mobile net, one at its beginning."""
    y = conv(net, net.input(1, 12, 12, 3), 4, mode=1, stride=(2, 2), act=ref.RELU6)
    for _ in range(3):
        z = conv(net, y, 4, mode=1, group=4, act=ref.RELU6)
        z = conv(net, z, 4, kernel=(1, 1))
        z = add(net, z, net.const(net.weights(4)))
        y = add(net, y, z)
        y = net.node("Activation", [y], ref.activation(y.v, ref.HSWISH), activation_type=ref.HSWISH)
    y = net.node("Concat", [y, y], np.concatenate([y.v, y.v], 3), axis=3)
    y = net.node("PadFusion", [y, np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)],
                 np.pad(y.v, [[0, 0], [1, 1], [1, 1], [0, 0]]))
    y = pool(net, "max", y, kernel=(2, 2))
    y = net.node("ReduceFusion", [y, i32(1, 2)], ref.reduce(y.v, 0, (1, 2)))
    w = net.const(net.weights(5, 8))
    y = net.node("MatMulFusion", [y, w], y.v @ w.v.T, transpose_b=True)
    assert transposes(net.converted(y)) <= 1
    net.check(y)


def test_a_net_of_nchw_needs_no_transposition(net):
    """Between transpositions to NHWC and back there is none at all."""
    y = net.input(1, 3, 6, 7, format=0)
    for _ in range(2):
        y = transpose(net, y, 0, 2, 3, 1)
        y = conv(net, y, 4, mode=1, act=ref.RELU)
        y = transpose(net, y, 0, 3, 1, 2)
        y = net.node("Activation", [y], ref.activation(y.v, ref.TANH), activation_type=ref.TANH)
    assert transposes(net.converted(y)) == 0
    net.check(y)
