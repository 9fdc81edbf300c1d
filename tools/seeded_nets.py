#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes models with seeded weights, as files of MindSpore Lite: seeded_nets.py mobilenetv2|lenet OUT.ms

The nets are MobileNetV2 (width 1.0, 1000 classes) and LeNet-5, as MindSpore's converter would write them:
NHWC, BatchNorm folded into the convolutions, activations fused, MSL2.  Every weight comes from one generator of
NumPy's, in the order in which MindSpore lists the net's parameters, so the file is made where it is needed and
kept nowhere; it must have its SHA-256 below, or none is written.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import ms_file
import numpy

SHA256 = {"mobilenetv2": "f0edc2cd05af434c8e33191194cec22489d84521ef660fd20ce5661b5bc2c579",
          "lenet": "e9bacb2e0be900bb58c1f4d4db627a8134db8584694e5f1cc47b66750abb4168"}

EPSILON = float(numpy.float32(1e-5))  # of nn.BatchNorm2d: a float32 there

RELU, RELU6 = 1, 3  # ActivationType
VALID = 2           # PadMode
REDUCE_MEAN = 0     # ReduceMode


@dataclass(frozen=True)
class Convolution:
    """With a BatchNorm behind it, and a ReLU6 where it activates.  Padded so that stride 1 keeps the size."""

    name: str
    cin: int
    cout: int
    kernel: int = 1
    stride: int = 1
    group: int = 1
    activates: bool = True


@dataclass(frozen=True)
class Block:
    """Convolutions one after the other; their result plus what they began with, where it adds."""

    name: str
    convolutions: list
    adds: bool = False


class Normalised(NamedTuple):
    """The parameters of a Convolution: OIHW, and what BatchNorm has of each channel."""

    weight: numpy.ndarray
    mean: numpy.ndarray
    variance: numpy.ndarray
    gamma: numpy.ndarray
    beta: numpy.ndarray

    def folded(self):
        """weight, bias: of a convolution alone that does the same.  In float64, then rounded once."""
        scale = self.gamma / numpy.sqrt(self.variance.astype(numpy.float64) + EPSILON)
        weight = self.weight * scale[:, None, None, None]
        return weight.astype(numpy.float32), (self.beta - self.mean * scale).astype(numpy.float32)


class Weighted(NamedTuple):
    weight: numpy.ndarray
    bias: numpy.ndarray


class Parameters:
    """Draws them, each call the next."""

    def __init__(self, seed):
        self.generator = numpy.random.default_rng(seed)

    def weight(self, *shape):
        deviation = numpy.sqrt(2.0 / numpy.prod(shape[1:]))
        return self.generator.normal(0.0, deviation, shape).astype(numpy.float32)

    def normal(self, n):
        return self.generator.normal(0.0, 0.1, n).astype(numpy.float32)

    def uniform(self, low, high, n):
        return self.generator.uniform(low, high, n).astype(numpy.float32)

    def weighted(self, *shape):
        return Weighted(self.weight(*shape), self.normal(shape[0]))

    def normalised(self, conv):
        n = conv.cout
        return Normalised(self.weight(n, conv.cin // conv.group, conv.kernel, conv.kernel), self.normal(n),
                          self.uniform(0.5, 1.5, n), self.uniform(0.8, 1.2, n), self.normal(n))


class LeNet:
    INPUT = [1, 32, 32, 1]

    def __init__(self):
        draw = Parameters(11).weighted
        self.convolutions = [draw(6, 1, 5, 5), draw(16, 6, 5, 5)]
        self.dense = [draw(120, 400), draw(84, 120), draw(10, 84)]


class MobileNetV2:
    INPUT = [1, 224, 224, 3]
    # expansion, channels, how often, stride of the first
    BOTTLENECKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                   (6, 320, 1, 1)]

    def __init__(self):
        """blocks: pairs of a Block and the parameters of its convolutions."""
        draw = Parameters(22)
        self.blocks = [(block, [draw.normalised(conv) for conv in block.convolutions])
                       for block in blocks(self.BOTTLENECKS)]
        self.head = draw.weighted(1000, 1280)


def blocks(bottlenecks):
    """In the order in which they run.  A Convolution's name has its place among MindSpore's cells."""
    yield Block("", [Convolution("0-Conv2d", 3, 32, 3, stride=2)])
    cin, place = 32, 3
    for expansion, cout, count, stride in bottlenecks:
        for i in range(count):
            yield bottleneck(f"{place}-Bottleneck", cin, cout, stride if i == 0 else 1, expansion)
            cin, place = cout, place + 1
    yield Block("", [Convolution(f"{place}-Conv2d", cin, 1280)])


def bottleneck(name, cin, cout, stride, expansion):
    inside = cin * expansion
    steps = [] if expansion == 1 else [{"cin": cin, "cout": inside}]
    steps += [{"cin": inside, "cout": inside, "kernel": 3, "stride": stride, "group": inside},
              {"cin": inside, "cout": cout, "activates": False}]
    convolutions = [Convolution(f"{name}/body-SequentialCell/{3 * i}-Conv2d", **step)
                    for i, step in enumerate(steps)]
    return Block(name, convolutions, adds=stride == 1 and cin == cout)


class Net:
    """A .ms file in the making, of MSL2 and NHWC.  Each method: a tensor."""

    def __init__(self, name, dims):
        self.graph = ms_file.Graph(ms_file.MSL2, name)
        self.input = self.graph.input(dims, name="x")

    def node(self, operator, inputs, name, dims, layout=ms_file.NHWC, **settings):
        output = self.graph.node(operator, inputs, name=name, **settings)
        output.name, output.dims = name, dims
        output.fields["format"] = layout
        return output

    def const(self, array, name, layout=ms_file.NHWC):
        return self.graph.const(array, name=name, format=layout)

    def convolution(self, x, name, weight, bias, padding=0, stride=1, group=1, **settings):
        """weight: OIHW."""
        n, *sizes, cin = x.dims
        cout, _, kernel, _ = weight.shape
        inputs = [x, self.const(weight.transpose(0, 2, 3, 1), name + "/w", ms_file.KHWC),
                  self.const(bias, name + "/b")]
        dims = [n, *[(size + 2 * padding - kernel) // stride + 1 for size in sizes], cout]
        return self.node("Conv2DFusion", inputs, name, dims, format=ms_file.NHWC, kernel_size=[kernel] * 2,
                         stride=[stride] * 2, dilation=[1, 1], pad_list=[padding] * 4, mode=1, group=group,
                         in_channel=cin, out_channel=cout, **settings)

    def max_pool(self, x, name):
        n, height, width, channels = x.dims
        return self.node("MaxPoolFusion", [x], name, [n, height // 2, width // 2, channels],
                         kernel_size=[2, 2], strides=[2, 2], pad=[0] * 4, pad_mode=VALID, format=ms_file.NHWC)

    def add(self, x, y, name):
        return self.node("AddFusion", [x, y], name, x.dims)

    def mean(self, x, name):
        """Of height and width."""
        axes = self.const([1, 2], name + "/axes")
        return self.node("ReduceFusion", [x, axes], name, [x.dims[0], x.dims[3]], mode=REDUCE_MEAN, coeff=1.0)

    def flatten(self, x, name):
        """In the order of NCHW."""
        n, height, width, channels = x.dims
        turned = self.node("Transpose", [x, self.const([0, 3, 1, 2], name + "/t/perm")], name + "/t",
                           [n, channels, height, width], ms_file.NCHW)
        dims = [n, channels * height * width]
        return self.node("Reshape", [turned, self.const(dims, name + "/shape", ms_file.NCHW)], name, dims,
                         ms_file.NCHW)

    def dense(self, x, name, weighted, activation=0):
        inputs = [x, self.const(weighted.weight, name + "/w", ms_file.NCHW),
                  self.const(weighted.bias, name + "/b", ms_file.NCHW)]
        return self.node("MatMulFusion", inputs, name, [x.dims[0], len(weighted.bias)], ms_file.NCHW,
                         transpose_b=True, activation_type=activation)

    def bytes(self, output):
        return self.graph.output(output).bytes()


def lenet():
    model = LeNet()
    net = Net("lenet", model.INPUT)
    x = net.input
    for i, parameters in enumerate(model.convolutions):
        x = net.convolution(x, f"Default/c{i + 1}-Conv2d/Conv2D-op0", *parameters, pad_mode=VALID,
                            activation_type=RELU)
        x = net.max_pool(x, f"Default/pool-MaxPool2d/MaxPool-op{i}")
    x = net.flatten(x, "Default/flat-Flatten/Flatten-op0")
    for i, parameters in enumerate(model.dense):
        last = parameters is model.dense[-1]
        x = net.dense(x, f"Default/f{i + 1}-Dense/MatMul-op0", parameters, 0 if last else RELU)
    return net.bytes(x)


def mobilenetv2():
    model = MobileNetV2()
    net = Net("mobilenetv2", model.INPUT)
    x = net.input
    for block, parameters in model.blocks:
        before = x
        for conv, normalised in zip(block.convolutions, parameters):
            x = net.convolution(x, f"Default/features-SequentialCell/{conv.name}/Conv2D-op0",
                                *normalised.folded(), conv.kernel // 2, conv.stride, conv.group,
                                activation_type=RELU6 if conv.activates else 0)
        if block.adds:
            x = net.add(before, x, f"Default/features-SequentialCell/{block.name}/Add-op0")
    x = net.mean(x, "Default/ReduceMean-op0")
    return net.bytes(net.dense(x, "Default/head-Dense/MatMul-op0", model.head))


NETS = {"mobilenetv2": mobilenetv2, "lenet": lenet}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in NETS:
        print(f"usage: seeded_nets.py {'|'.join(NETS)} OUT.ms", file=sys.stderr)
        return 2
    name, out = sys.argv[1:]
    data = NETS[name]()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256[name]:
        print(f"seeded_nets.py: {name} has the SHA-256 {digest}, not {SHA256[name]}: the generator of this\n"
              f"NumPy ({numpy.__version__}) draws other numbers, or ms_file.py writes another layout.",
              file=sys.stderr)
        return 1
    Path(out).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
