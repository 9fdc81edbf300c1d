# SPDX-License-Identifier: Apache-2.0
"""Operators of .ms files of MSL2 that move elements, and those that compute shapes."""

import numpy as np
import pytest
import reference as ref
from net import FAILED, i32


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(net, axis):
    dims = [[2, 3, 4] for _ in range(3)]
    for i, one in enumerate(dims):
        one[axis] = i + 1
    inputs = [net.input(*one) for one in dims]
    net.check(net.node("Concat", inputs, np.concatenate([one.v for one in inputs], axis), axis=axis))


def test_concat_with_constant(net):
    x, c = net.input(2, 3), net.const(net.weights(2, 2))
    net.check(net.node("Concat", [c, x], np.concatenate([c.v, x.v], 1), axis=1))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_stack(net, axis):
    inputs = [net.input(2, 3) for _ in range(3)]
    net.check(net.node("Stack", inputs, np.stack([one.v for one in inputs], axis), axis=axis))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_unstack(net, axis):
    x = net.input(3, 3, 3)
    net.check(*net.node("Unstack", [x], *np.moveaxis(x.v, axis, 0), axis=axis))


SPLITS = {"even": ([], 3), "sizes": ([1, 3, 2], 3), "rest": ([1, 2, -1], 3), "two": ([4, 2], 2)}


@pytest.mark.parametrize("sizes, n", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("axis", [1, -2])
def test_split(net, axis, sizes, n):
    x = net.input(2, 6, 3)
    parts = np.split(x.v, np.cumsum(sizes[:-1]) if sizes else n, axis)
    net.check(*net.node("Split", [x], *parts, output_num=n, axis=axis,
                        **({"size_splits": sizes} if sizes else {})))


@pytest.mark.parametrize("perm", [(0, 2, 1), (2, 0, 1), (0, 1, 2)])
def test_transpose(net, perm):
    x = net.input(2, 3, 4)
    net.check(net.node("Transpose", [x, i32(*perm)], x.v.transpose(perm)))


def test_transpose_without_an_order_turns_round(net):
    x = net.input(2, 3, 4)
    net.check(net.node("Transpose", [x, net.const(np.zeros(0, np.int32))], x.v.T))


RESHAPES = {"plain": (6, 4), "rest": (4, -1), "copied": (0, -1, 2), "flat": (-1,), "more": (1, 2, 3, 4, 1)}


@pytest.mark.parametrize("shape", RESHAPES.values(), ids=RESHAPES)
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_reshape(net, shape, dtype):
    x = net.input(2, 3, 4)
    to = [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    net.check(net.node("Reshape", [x, net.const(np.array(shape), dtype=dtype)], x.v.reshape(to)))


def test_reshape_to_a_number(net):
    x = net.input(1, 1)
    net.check(net.node("Reshape", [x, net.const(np.zeros(0, np.int32))], x.v.reshape(())))


@pytest.mark.parametrize("axis, dims", [(1, (2, 12)), (2, (6, 4)), (0, (1, 24))])
def test_flatten(net, axis, dims):
    x = net.input(2, 3, 4)
    net.check(net.node("Flatten", [x], x.v.reshape(dims), axis=axis))


@pytest.mark.parametrize("axes", [[], [1], [-1], [1, 3]], ids=["all", "one", "last", "two"])
def test_squeeze(net, axes):
    x = net.input(2, 1, 3, 1)
    value = x.v.squeeze(tuple(axes) if axes else None)
    net.check(net.node("Squeeze", [x], value, axis=axes))


@pytest.mark.parametrize("axes", [[0], [1], [-1], [0, 3]], ids=["first", "one", "last", "two"])
def test_unsqueeze(net, axes):
    x = net.input(2, 3)
    net.check(net.node("Unsqueeze", [x], np.expand_dims(x.v, tuple(axes)), axis=axes))


@pytest.mark.parametrize("axis", [0, 2, -1, -2])
def test_expand_dims(net, axis):
    x = net.input(2, 3)
    net.check(net.node("ExpandDims", [x, net.const(np.int32(axis))], np.expand_dims(x.v, axis)))


INDICES = {"list": [2, 0, 2], "matrix": [[0, 1], [1, 2]], "number": 1}


@pytest.mark.parametrize("indices", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather(net, axis, indices):
    x, at = net.input(4, 3, 5), net.input(v=np.array(indices, np.int32))
    net.check(net.node("Gather", [x, at, net.const(np.int32(axis))], x.v.take(at.v, axis)))


def test_embedding(net):
    table, at = net.const(net.weights(9, 4)), net.input(v=net.integers(2, 5, low=0, high=9))
    net.check(net.node("Gather", [table, at, net.const(np.int32(0))], table.v[at.v]))


@pytest.mark.parametrize("n", [1, 2])
def test_embedding_lookup(net, n):
    """Of one table, or of several that stand one behind the other."""
    tables = [net.const(net.weights(4 + i, 3)) for i in range(n)]
    at = net.input(v=net.integers(2, 5, low=0, high=sum(one.shape[0] for one in tables)))
    net.check(net.node("EmbeddingLookupFusion", [*tables, at], np.concatenate([one.v for one in tables])[at.v]))


def test_non_max_suppression(net):
    boxes = net.const(np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 5, 1, 6], [3, 3, 4, 4]]], np.float32))
    scores = net.input(v=np.array([[[0.9, 0.8, 0.7, 0.1]]], np.float32))
    limits = [net.const(np.int32(3)), net.const(np.float32(0.5)), net.const(np.float32(0.2))]
    net.check(net.node("NonMaxSuppression", [boxes, scores, *limits], i32([0, 0, 0], [0, 0, 2])))


def test_gather_nd(net):
    x, at = net.input(3, 4, 5), net.const(np.array([[0, 1], [2, 3], [1, 0]], np.int32))
    net.check(net.node("GatherNd", [x, at], ref.gather_nd(x.v, at.v)))


def test_gather_d(net):
    x, at = net.input(3, 4), net.const(net.integers(3, 2, low=0, high=4))
    net.check(net.node("GatherD", [x, net.const(np.int32(1)), at], np.take_along_axis(x.v, at.v, 1)))


@pytest.mark.parametrize("axes", [[0, 1, 2], [2, 0, 1]], ids=["in-order", "turned"])
@pytest.mark.parametrize("size", [(1, 2, 3), (2, -1, -1)], ids=["sizes", "rest"])
def test_slice(net, axes, size):
    x = net.input(4, 5, 6)
    begin = (1, 2, 0)
    index = [slice(None)] * 3
    for axis, first, n in zip(axes, begin, size):
        index[axis] = slice(first, None if n < 0 else first + n)
    net.check(net.node("SliceFusion", [x, i32(*begin), i32(*size)], x.v[tuple(index)], axes=axes))


STRIDED = {
    "plain": ((0, 1, 2), (2, 3, 4), (1, 1, 1), {}), "stride": ((0, 0, 1), (4, 5, 6), (2, 3, 2), {}),
    "negative": ((-3, -2, 0), (-1, 5, -1), (1, 1, 1), {}),
    "backwards": ((3, 4, 5), (0, 1, 0), (-1, -2, -3), {}),
    "begin-mask": ((2, 2, 2), (3, 4, 5), (1, 1, 1), {"begin_mask": 5}),
    "end-mask": ((1, 1, 1), (2, 2, 2), (1, 1, 1), {"end_mask": 3}),
    "shrink": ((1, 0, 2), (2, 5, 3), (1, 1, 1), {"shrink_axis_mask": 5}),
    "shrink-last": ((0, 0, -1), (4, 5, 0), (1, 1, 1), {"shrink_axis_mask": 4, "begin_mask": 3, "end_mask": 3}),
    "fewer": ((1,), (3,), (1,), {}), "too-far": ((0, 0, 0), (99, 5, 6), (1, 1, 1), {}),
}


def strided(settings):
    return {name.replace("shrink_axis", "shrink"): value for name, value in settings.items()}


@pytest.mark.parametrize("begin, end, stride, settings", STRIDED.values(), ids=STRIDED)
def test_strided_slice(net, begin, end, stride, settings):
    x = net.input(4, 5, 6)
    net.check(net.node("StridedSlice", [x, i32(*begin), i32(*end), i32(*stride)],
                       ref.strided_slice(x.v, begin, end, stride, **strided(settings)), **settings))


def test_strided_slice_of_axes(net):
    x = net.input(4, 5, 6)
    net.check(net.node("StridedSlice", [x, i32(1, 0), i32(5, 9), i32(-1, 0), i32(2, 3)],
                       x.v[0:9:3, :, 1:5:2]))


def test_strided_slice_with_a_new_axis(net):
    x = net.input(4, 5)
    net.check(net.node("StridedSlice", [x, i32(0, 0, 1), i32(0, 4, 3), i32(1, 1, 1)], x.v[None, 0:4, 1:3],
                       new_axis_mask=1))


PADS = [[0, 0], [1, 2], [2, 0], [0, 1]]


@pytest.mark.parametrize("mode", [0, 1, 2], ids=["constant", "reflect", "symmetric"])
@pytest.mark.parametrize("given", ["input", "attribute"])
def test_pad(net, mode, given):
    x = net.input(2, 3, 4, 5)
    settings = {"constant_value": 0.75} if mode == 0 else {}
    value = np.pad(x.v, PADS, ["constant", "reflect", "symmetric"][mode],
                   **({"constant_values": 0.75} if mode == 0 else {}))
    if given == "attribute":
        net.check(net.node("PadFusion", [x], value, padding_mode=mode, paddings=PADS, **settings))
    else:
        net.check(net.node("PadFusion", [x, np.array(PADS, np.int32)], value, padding_mode=mode, **settings))


def test_pad_of_two_dimensions(net):
    x = net.input(3, 4)
    net.check(net.node("PadFusion", [x, np.array([[1, 0], [0, 2]], np.int32)],
                       np.pad(x.v, [[1, 0], [0, 2]])))


def test_tile(net):
    x = net.input(2, 3)
    net.check(net.node("TileFusion", [x, i32(2, 3)], np.tile(x.v, (2, 3)), dims=[0, 1]))


def test_tile_of_some_dimensions(net):
    x = net.input(2, 3, 4)
    net.check(net.node("TileFusion", [x, i32(2)], np.tile(x.v, (1, 2, 1)), dims=[1]))


def test_tile_without_dimensions(net):
    x = net.input(2, 3)
    net.check(net.node("TileFusion", [x, i32(3, 2)], np.tile(x.v, (3, 2))))


@pytest.mark.parametrize("given", ["input", "attribute"])
def test_broadcast_to(net, given):
    x = net.input(3, 1)
    value = np.broadcast_to(x.v, (2, 3, 4))
    if given == "attribute":
        net.check(net.node("BroadcastTo", [x], value, shape=[2, 3, 4]))
    else:
        net.check(net.node("BroadcastTo", [x, i32(2, 3, 4)], value))


@pytest.mark.parametrize("axes", [[0], [1, 2], [-1]])
def test_reverse(net, axes):
    x = net.input(2, 3, 4)
    net.check(net.node("ReverseV2", [x], np.flip(x.v, axes), axis=axes))


def test_reverse_sequence(net):
    x, n = net.input(3, 5, 2), net.const(i32(1, 3, 5))
    net.check(net.node("ReverseSequence", [x, n], ref.reverse_sequence(x.v, n.v, 1, 0), seq_dim=1,
                       batch_dim=0))


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(net, axis):
    x = net.input(v=net.integers(2, 3, low=0, high=5))
    value = np.moveaxis(np.where(np.eye(5)[x.v] > 0, 2.0, -1.0), -1, axis)
    net.check(net.node("OneHot", [x, net.const(np.int32(5)), np.float32(2), np.float32(-1)], value, axis=axis))


def test_one_hot_of_no_place(net):
    """Below 0 and from the depth on, all are off."""
    x = net.input(v=i32(-1, 0, 2, 3, -3))
    value = np.where(x.v[:, None] == np.arange(3), 2.0, -1.0)
    net.check(net.node("OneHot", [x, net.const(np.int32(3)), np.float32(2), np.float32(-1)], value, axis=-1))


def test_one_hot_of_a_pair(net):
    """Off and on in one tensor."""
    x = net.input(v=net.integers(4, low=0, high=3))
    value = np.where(np.eye(3)[x.v] > 0, 2.0, -1.0)
    net.check(net.node("OneHot", [x, net.const(np.int32(3)), np.array([-1, 2], np.float32)], value, axis=-1))


@pytest.mark.parametrize("offsets", [[1], [1, 2]], ids=["one", "each"])
def test_crop(net, offsets):
    x, like = net.input(1, 6, 7, 3), net.input(1, 4, 5, 3) if len(offsets) > 1 else net.input(1, 4, 5, 2)
    if len(offsets) > 1:
        value, settings = x.v[:, 1:5, 2:7], {"axis": 1, "offsets": [1, 2, 0]}
    else:
        value, settings = x.v[:, 1:5, 1:6, 1:3], {"axis": 1, "offsets": [1]}
    net.check(net.node("Crop", [x, like], value, **settings))


def test_fill(net):
    """A constant of a shape."""
    x = net.input(2, 3)
    y = net.node("Fill", [net.const(np.float32(1.5)), i32(2, 3)], np.full((2, 3), 1.5))
    net.check(net.node("AddFusion", [x, y], x.v + y.v))


def test_constant_of_shape(net):
    x = net.input(2, 3)
    y = net.node("ConstantOfShape", [i32(2, 3)], np.full((2, 3), 0.5), data_type=43, value=[0.5])
    net.check(net.node("AddFusion", [x, y], x.v + y.v))


def test_range(net):
    x = net.input(v=net.integers(4))
    y = net.node("Range", [net.const(np.int32(1)), net.const(np.int32(9)), net.const(np.int32(2))],
                 np.arange(1, 9, 2), d_type=0)
    net.check(net.node("AddFusion", [x, y], x.v + y.v))


@pytest.mark.parametrize("operator", ["Shape", "Rank", "Size"])
def test_of_the_shape(net, operator):
    x = net.input(2, 3, 4)
    net.check(net.node(operator, [x], {"Shape": i32(2, 3, 4), "Rank": np.int32(3), "Size": np.int32(24)}[operator]))


@pytest.mark.parametrize("operator, function", [("Triu", np.triu), ("Tril", np.tril)])
@pytest.mark.parametrize("k", [None, 0, 1, -1])
def test_triangle(net, operator, function, k):
    x = net.input(2, 3, 4)
    inputs = [x] if k is None else [x, net.const(np.int64(k), dtype="int64")]
    net.check(net.node(operator, inputs, function(x.v, k or 0)))


@pytest.mark.parametrize("operator", ["ScatterNdUpdate", "TensorScatterAdd"])
def test_scatter(net, operator):
    x, at, values = net.input(4, 5), net.const(np.array([[0, 1], [3, 4], [2, 2]], np.int32)), net.input(3)
    out = x.v.copy()
    if operator == "ScatterNdUpdate":
        out[tuple(at.v.T)] = values.v
    else:
        np.add.at(out, tuple(at.v.T), values.v)
    net.check(net.node(operator, [x, at, values], out))


@pytest.mark.parametrize("shape_is_first", [True, False], ids=["1.2", "2.7"])
def test_scatter_nd(net, shape_is_first):
    """The shape comes first in files of 1.2, and last in those of 2.7."""
    at, values = net.const(np.array([[0, 1], [3, 2], [2, 0]], np.int32)), net.input(3)
    inputs = [i32(4, 3), at, values] if shape_is_first else [at, values, i32(4, 3)]
    net.check(net.node("ScatterNd", inputs, ref.scatter_nd(at.v, values.v, (4, 3))))


@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_elements(net, axis):
    x, at, values = net.input(3, 3), net.const(np.array([[2, 0], [1, 2]], np.int32)), net.input(2, 2)
    out = x.v.copy()
    np.put_along_axis(out[:2] if axis else out[:, :2], at.v, values.v, axis)
    net.check(net.node("ScatterElements", [x, at, values], out, axis=axis))


def test_depend_is_its_first_input(net):
    x, y = net.input(2, 3), net.input(2)
    net.check(net.node("Neg", [net.node("Depend", [x, net.node("Abs", [y], np.abs(y.v))], x.v)], -x.v))


def test_fill_of_a_shape(net):
    x = net.input(2, 3)
    y = net.node("FillV2", [i32(2, 3), net.const(np.float32(1.5))], np.full((2, 3), 1.5))
    net.check(net.node("AddFusion", [x, y], x.v + y.v))


def test_range_of_attributes(net):
    x = net.input(v=net.integers(4))
    y = net.node("Range", [x], np.arange(1, 9, 2), d_type=34, start=1, limit=9, delta=2)
    net.check(net.node("AddFusion", [x, y], x.v + y.v))


def test_strided_slice_with_an_ellipsis(net):
    x = net.input(3, 4, 5)
    net.check(net.node("StridedSlice", [x, i32(1, 0, 2), i32(3, 0, 4), i32(1, 1, 1)], x.v[1:3, :, 2:4],
                       ellipsis_mask=2))


def test_glu(net):
    x = net.input(3, 8)
    net.check(net.node("GLU", [x], x.v[:, :4] * ref.sigmoid(x.v[:, 4:]), axis=1))


def flat_by_shape(net, x):
    """[n, ...] to [n, rest], as TensorFlow's models compute it."""
    shape = net.node("Shape", [x], i32(*x.shape))
    n = net.node("StridedSlice", [shape, i32(0), i32(1), i32(1)], np.int32(x.shape[0]), shrink_axis_mask=1)
    to = net.node("Stack", [n, net.const(np.int32(-1))], i32(x.shape[0], -1))
    return net.node("Reshape", [x, to], x.v.reshape(x.shape[0], -1))


def test_reshape_to_a_computed_shape(net):
    net.check(flat_by_shape(net, net.input(2, 3, 4)))


def test_reshape_to_a_computed_shape_of_any_batch(net):
    x = net.input(v=net.weights(3, 4, 2), declared=[-1, 4, 2])
    y = flat_by_shape(net, x)
    w = net.const(net.weights(5, 8))
    net.check(net.node("MatMulFusion", [y, w], y.v @ w.v.T, transpose_b=True))


def test_shape_by_gather_and_concat(net):
    x = net.input(v=net.weights(2, 3, 4), declared=[-1, -1, 4])
    shape = net.node("Shape", [x], i32(2, 3, 4))
    part = net.node("Gather", [shape, i32(0, 1), net.const(np.int32(0))], i32(2, 3))
    to = net.node("Concat", [part, i32(2, 2)], i32(2, 3, 2, 2), axis=0)
    net.check(net.node("Reshape", [x, to], x.v.reshape(2, 3, 2, 2)))


def test_computed_sizes(net):
    """Arithmetic on a shape: to twice the height and width."""
    x = net.input(v=net.weights(1, 3, 4, 2), declared=[1, -1, -1, 2])
    shape = net.node("Shape", [x], i32(1, 3, 4, 2))
    part = net.node("StridedSlice", [shape, i32(1), i32(3), i32(1)], i32(3, 4))
    size = net.node("MulFusion", [part, i32(2, 2)], i32(6, 8))
    net.check(net.node("Resize", [x, size], ref.resize(x.v, 6, 8, "nearest", 0), method=1))


def test_shape_by_numbers_and_expand_dims(net):
    """Each dimension by itself, as PyTorch's exporter computes it."""
    x = net.input(v=net.weights(2, 3, 4), declared=[-1, 3, -1])
    shape = net.node("Shape", [x], i32(2, 3, 4))
    parts = []
    for i, n in ((0, 2), (2, 4)):
        part = net.node("Gather", [shape, net.const(np.int32(i)), net.const(np.int32(0))], np.int32(n))
        parts.append(net.node("ExpandDims", [part, net.const(np.int32(0))], i32(n)))
    to = net.node("Concat", [parts[0], i32(-1), parts[1]], i32(2, -1, 4), axis=0)
    net.check(net.node("Reshape", [x, to], x.v.reshape(2, -1, 4)))


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Fill", "BroadcastTo", "TileFusion"])
def test_of_a_computed_shape(net, operator):
    x, one = net.input(v=net.weights(2, 3), declared=[-1, 3]), net.const(np.array([[0.5]], np.float32))
    shape = net.node("Shape", [x], i32(2, 3))
    value = np.full((2, 3), 0.5)
    if operator == "ConstantOfShape":
        y = net.node(operator, [shape], value, data_type=43, value=[0.5])
    elif operator == "Fill":
        y = net.node(operator, [net.const(np.float32(0.5)), shape], value)
    else:
        y = net.node(operator, [one, shape], value)
    net.check(net.node("AddFusion", [x, y], x.v + y.v))


def test_slice_to_a_computed_size(net):
    """As much of one as the other has."""
    x, like = net.input(5, 6), net.input(v=net.weights(3, 4), declared=[-1, -1])
    size = net.node("Shape", [like], i32(3, 4))
    net.check(net.node("SliceFusion", [x, i32(0, 0), size], x.v[:3, :4], axes=[0, 1]))


def test_constants_that_are_computed_with(net):
    """A graph whose shape is computed from constants alone."""
    c = net.const(net.weights(2, 6))
    shape = net.node("Shape", [c], i32(2, 6))
    to = net.node("MulFusion", [shape, i32(2, 1)], i32(4, 6))
    x = net.input(2, 3, 4)
    net.check(net.node("Reshape", [x, to], x.v.reshape(4, 6)))


def normalised(net, dims):
    """Along the last axis, of a tensor whose rank only the file says: by these dims."""
    x, to = net.input(2, 3, 4), net.input(v=i32(4, 3, 2), declared=(-1,))
    y = net.node("Reshape", [x, to], x.v.reshape(4, 3, 2))
    y.tensor.dims = dims
    return net.node("Softmax", [y], ref.softmax(y.v, -1), axis=[-1], name="the/culprit")


def test_recorded_rank(net):
    net.check(normalised(net, [4, 3, 2]))


def test_recorded_rank_that_is_not_known(net):
    """As the converter writes what it could not infer."""
    net.refused(normalised(net, [-1]), words=["the/culprit", "number of dimensions"])


def test_recorded_rank_that_is_wrong(net):
    """The axis would be another one."""
    result = net.run(normalised(net, [4, 3]))
    assert result.returncode == FAILED and "Reshape" in result.stderr, result.stderr
