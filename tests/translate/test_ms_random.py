# SPDX-License-Identifier: Apache-2.0
"""Nets that are put together by chance: what each operator leaves to the next is where layouts go wrong."""

import os

import numpy as np
import pytest
import reference as ref
from test_ms_windows import conv, pool

N_NETS = int(os.environ.get("TENSOCK_RANDOM_NETS", "30"))
N_NODES = 12


class Maker:
    """A net that grows; `alive` are the values that the next node may read."""

    def __init__(self, net, seed):
        self.net, self.random = net, np.random.default_rng(seed)
        declared = [(2, 6, 6, 4), (-1, 6, 6, 4), (2, -1, -1, 4), (-1, -1, -1, -1)][seed % 4]
        self.alive = [net.input(v=net.weights(2, 6, 6, 4), declared=declared)]

    def pick(self, rank=None):
        values = [one for one in self.alive if rank is None or one.v.ndim == rank]
        return values[self.random.integers(len(values))] if values else None

    def choose(self, *things):
        return things[self.random.integers(len(things))]

    def axis(self, x):
        return int(self.random.integers(-x.v.ndim, x.v.ndim))

    def node(self, *arguments, **settings):
        return self.net.node(*arguments, **settings)

    def convolution(self):
        x = self.pick(4)
        if x is None or x.shape[3] > 16 or min(x.shape[1:3]) < 1:
            return None
        size = 3 if min(x.shape[1:3]) > 2 else 1
        group = x.shape[3] if self.random.random() < 0.3 else 1
        out = x.shape[3] if group > 1 else int(self.choose(2, 3, 4))
        return conv(self.net, x, out, kernel=(size, size), mode=self.choose(1, 2), group=group,
                    act=self.choose(0, 1, 3))

    def pooling(self):
        x = self.pick(4)
        if x is None or min(x.shape[1:3]) < 2:
            return None
        return pool(self.net, self.choose("max", "mean"), x, kernel=(2, 2), stride=self.choose((1, 1), (2, 2)),
                    mode=self.choose(1, 2))

    def activation(self):
        x, kind = self.pick(), self.choose(ref.RELU, ref.SIGMOID, ref.TANH, ref.HSWISH)
        return self.node("Activation", [x], ref.activation(x.v, kind), activation_type=kind)

    def constant(self):
        x = self.pick()
        dims = [self.choose(1, n) for n in x.shape[int(self.random.integers(x.v.ndim + 1)):]]
        c = self.net.const(self.net.weights(*dims))
        inputs = [x, c] if self.random.random() < 0.7 else [c, x]
        operator, function = self.choose(("AddFusion", np.add), ("MulFusion", np.multiply),
                                         ("SubFusion", np.subtract), ("Maximum", np.maximum))
        return self.node(operator, inputs, function(inputs[0].v, inputs[1].v))

    def sum(self):
        x = self.pick()
        others = [one for one in self.alive if one.shape == x.shape and one is not x]
        y = others[self.random.integers(len(others))] if others else x
        return self.node("AddFusion", [x, y], x.v + y.v)

    def transpose(self):
        x = self.pick()
        perm = self.choose((0, 3, 1, 2), (0, 2, 3, 1)) if x.v.ndim == 4 and self.random.random() < 0.7 else \
            tuple(int(n) for n in self.random.permutation(x.v.ndim))
        return self.node("Transpose", [x, np.array(perm, np.int32)], x.v.transpose(perm))

    def reshape(self):
        x = self.pick()
        if x.v.ndim == 4 and self.random.random() < 0.7:
            n, h, w, c = x.shape
            dims = self.choose((n, h * w, c), (n, -1), (n, w, h, c), (n, h, w * c), (n, 1, h * w, c))
        else:
            dims = self.choose((2, -1), (-1,), (2, 1, -1), (2, 1, 1, -1)) if x.v.size % 2 == 0 else (-1,)
        return self.node("Reshape", [x, np.array(dims, np.int32)], x.v.reshape(dims))

    def concat(self):
        x = self.pick()
        axis = self.axis(x)
        return self.node("Concat", [x, x], np.concatenate([x.v, x.v], axis), axis=axis) if x.v.size < 3000 else None

    def softmax(self):
        x = self.pick()
        axis = self.axis(x)
        return self.node("Softmax", [x], ref.softmax(x.v, axis), axis=[axis])

    def reduce(self):
        x = self.pick()
        axis, keep = self.axis(x), bool(self.random.integers(2))
        if x.v.ndim < 2:
            return None
        return self.node("ReduceFusion", [x, np.array([axis], np.int32)], ref.reduce(x.v, 0, [axis], keep),
                         keep_dims=keep, coeff=1.0)

    def slice(self):
        x = self.pick()
        axis = self.axis(x) % x.v.ndim
        if x.shape[axis] < 2:
            return None
        begin, size = [0] * x.v.ndim, list(x.shape)
        begin[axis], size[axis] = 1, x.shape[axis] - 1
        value = x.v.take(range(1, x.shape[axis]), axis)
        return self.node("SliceFusion", [x, np.array(begin, np.int32), np.array(size, np.int32)], value,
                         axes=list(range(x.v.ndim)))

    def split(self):
        x = self.pick()
        axis = self.axis(x)
        if x.shape[axis] % 2:
            return None
        parts = self.node("Split", [x], *np.split(x.v, 2, axis), output_num=2, axis=axis)
        self.alive.append(parts[1])
        return parts[0]

    def pad(self):
        x = self.pick(4)
        if x is None:
            return None
        pads = self.random.integers(0, 2, (4, 2)).astype(np.int32)
        return self.node("PadFusion", [x, pads], np.pad(x.v, pads))

    def scale(self):
        x = self.pick()
        c = self.net.const(self.net.weights(x.shape[-1]))
        return self.node("ScaleFusion", [x, c], ref.scale(x.v, c.v), axis=-1)

    def squeeze(self):
        x = self.pick()
        axes = [axis for axis, n in enumerate(x.shape) if n == 1]
        if not axes or x.v.ndim < 2:
            return None
        axis = int(self.random.choice(axes))
        return self.node("Squeeze", [x], x.v.squeeze(axis), axis=[axis])

    def dense(self):
        x = self.pick()
        if x.v.ndim < 2:
            return None
        w = self.net.const(self.net.weights(3, x.shape[-1], spread=0.3))
        return self.node("MatMulFusion", [x, w], x.v @ w.v.T, transpose_b=True)

    STEPS = [convolution, convolution, convolution, pooling, activation, constant, constant, sum, sum, transpose,
             transpose, reshape, concat, softmax, reduce, slice, split, pad, scale, squeeze, dense]

    def grow(self):
        value = self.choose(*self.STEPS)(self)
        if value is not None:
            self.alive.append(value)
            if len(self.alive) > 4:
                self.alive.pop(int(self.random.integers(len(self.alive) - 1)))


@pytest.mark.parametrize("seed", range(N_NETS))
def test_net(net, seed):
    maker = Maker(net, seed)
    while len(net.graph.nodes) < N_NODES:
        maker.grow()
    made = [one for one in maker.alive if one is not net.inputs[0]]
    net.check(*made, tolerance=5e-5)  # errors add up over twelve nodes
