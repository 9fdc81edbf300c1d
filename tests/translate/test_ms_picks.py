# SPDX-License-Identifier: Apache-2.0
"""Operators of .ms files that pick elements by places which are values, and channels that are shuffled."""

import numpy as np
import pytest
import reference as ref
from net import i32
from test_ms_windows import conv


@pytest.mark.parametrize("parts", [1, 2])
def test_embedding(net, parts):
    tables = [net.const(net.weights(4, 3)) for _ in range(parts)]
    at = net.input(v=net.integers(2, 5, low=0, high=4 * parts))
    table = np.concatenate([one.v for one in tables])
    net.check(net.node("EmbeddingLookupFusion", [*tables, at], table[at.v]))


def test_embedding_with_a_norm_is_refused(net):
    table, at = net.const(net.weights(4, 3)), net.input(v=net.integers(2, low=0, high=4))
    net.refused(net.node("EmbeddingLookupFusion", [table, at], table.v[at.v], max_norm=1.5), words=["max_norm"])


def test_scatter_to_zeros(net):
    at, updates = net.const(i32([0, 1], [2, 0], [0, 1])), net.input(3, 2)
    net.check(net.node("ScatterNd", [i32(3, 2, 2), at, updates], ref.scatter_nd(at.v, updates.v, (3, 2, 2))))


@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_elements(net, axis):
    x, updates = net.input(3, 4), net.input(2, 2)
    at = i32([0, 2], [1, 0])
    value = x.v.copy()
    for where in np.ndindex(2, 2):
        to = list(where)
        to[axis] = at[where]
        value[tuple(to)] = updates.v[where]
    net.check(net.node("ScatterElements", [x, net.const(at), updates], value, axis=axis))


def test_non_max_suppression(net):
    """The second box covers most of the first, the third none of it."""
    boxes = net.input(v=np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11]]], np.float32))
    scores = net.input(v=np.array([[[0.9, 0.75, 0.6]]], np.float32))
    limits = [net.const(v) for v in (i32(3), np.array([0.5], np.float32), np.array([0.0], np.float32))]
    net.check(net.node("NonMaxSuppression", [boxes, scores, *limits], i32([0, 0, 0], [0, 0, 2])))


@pytest.mark.parametrize("operator", ["NonZero", "Where"])
def test_places_of_what_is_true(net, operator):
    x = net.input(v=net.integers(3, 4, low=0, high=2))
    is_true = net.node("Cast", [x, net.const(np.int32(30))], x.v.astype(bool))
    places = np.stack(np.nonzero(x.v))
    net.check(net.node(operator, [is_true], places if operator == "NonZero" else places.T))


@pytest.mark.parametrize("batch", [2, -1])
def test_shuffled_channels(net, batch):
    """One Transpose for the shuffle, and one at each end."""
    y = conv(net, net.input(2, 5, 6, 4), 8, kernel=(1, 1))
    y = net.node("Reshape", [y, i32(batch, 5, 6, 2, 4)], y.v.reshape(2, 5, 6, 2, 4))
    y = net.node("Transpose", [y, i32(0, 1, 2, 4, 3)], y.v.transpose(0, 1, 2, 4, 3))
    y = net.node("Reshape", [y, i32(batch, 5, 6, 8)], y.v.reshape(2, 5, 6, 8))
    y = conv(net, y, 3, kernel=(1, 1))
    assert net.converted(y).count(b"Transpose") == 3
    net.check(y)


def test_bounds_of_clip_that_are_0(net):
    x = net.input(3, 4)
    net.check(net.node("Clip", [x], np.clip(x.v, 0, 0.5), min=0.0, max=0.5))


@pytest.mark.parametrize("value", [0.0, 0.75])
@pytest.mark.parametrize("operator", ["MaxPoolFusion", "AvgPoolFusion"])
def test_padding_before_a_pool(net, operator, value):
    """The pool sees the padding's value, whatever the runtime would make of the two."""
    x, pads = net.input(1, 4, 6, 3), [[0, 0], [1, 1], [1, 1], [0, 0]]
    y = net.node("PadFusion", [x, np.array(pads, np.int32)], np.pad(x.v, pads, constant_values=value),
                 constant_value=value)
    parts = np.stack([y.v[:, i::2, j::2] for i in range(2) for j in range(2)])
    net.check(net.node(operator, [y], parts.max(0) if operator[0] == "M" else parts.mean(0), kernel_size=[2, 2],
                       strides=[2, 2], pad=[0, 0, 0, 0]))
