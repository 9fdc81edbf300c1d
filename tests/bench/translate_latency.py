# SPDX-License-Identifier: Apache-2.0
"""A translated model beside the same net exported by other means: translate_latency.py ROUNDS MODEL.onnx...

For translate.py, which runs it with onnx and onnxruntime of PyPI.  Other means: the net from its definition,
node by node as an exporter writes it, NCHW and with its BatchNorms, by the ONNX project's own helper.  All models
are loaded in one process, one thread, and run in turns; each gets the same image.  Prints a line for each, the
exported one first: the median of each round, in ms.
"""

import random
import statistics
import sys
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import seeded_nets

RUNS = 5  # of a model, in a round
TOLERANCE = 1e-5
OPSET = 17


class Exporter:
    def __init__(self):
        self.nodes, self.constants = [], []
        self.const("zero", numpy.float32(0))
        self.const("six", numpy.float32(6))

    def const(self, name, array):
        self.constants.append(numpy_helper.from_array(numpy.asarray(array), name))
        return name

    def node(self, operator, inputs, name, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def convolution(self, x, conv, parameters):
        name = conv.name
        x = self.node("Conv", [x, self.const(name + ".weight", parameters.weight)], name,
                      kernel_shape=[conv.kernel] * 2, strides=[conv.stride] * 2, group=conv.group,
                      pads=[conv.kernel // 2] * 4)
        inputs = [self.const(f"{name}.{field}", getattr(parameters, field))
                  for field in ("gamma", "beta", "mean", "variance")]
        x = self.node("BatchNormalization", [x, *inputs], name + "/norm", epsilon=1e-5)
        return self.node("Clip", [x, "zero", "six"], name + "/relu6") if conv.activates else x

    def block(self, x, block, all_parameters):
        before = x
        for conv, parameters in zip(block.convolutions, all_parameters):
            x = self.convolution(x, conv, parameters)
        return self.node("Add", [before, x], block.name) if block.adds else x

    def model(self, net):
        x = "image"
        for block, all_parameters in net.blocks:
            x = self.block(x, block, all_parameters)
        x = self.node("ReduceMean", [x], "mean", axes=[2, 3], keepdims=0)
        x = self.node("Gemm", [x, self.const("head.weight", net.head.weight),
                               self.const("head.bias", net.head.bias)], "classes", transB=1)
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
                for name, dims in (("image", [1, 3, 224, 224]), (x, [1, 1000]))]
        graph = helper.make_graph(self.nodes, "mobilenetv2", ends[:1], ends[1:], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


class Session:
    def __init__(self, model, image):
        """model: bytes or a path.  image: NHWC."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        (the_input,) = self.session.get_inputs()
        channels_last = the_input.shape[-1] == 3
        self.feeds = {the_input.name: image if channels_last else
                      numpy.ascontiguousarray(image.transpose(0, 3, 1, 2))}
        self.rounds = []

    def run(self):
        return self.session.run(None, self.feeds)[0]

    def time_round(self):
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - start)
        self.rounds.append(1000 * statistics.median(times))


def main():
    rounds, *paths = sys.argv[1:]
    exported = Exporter().model(seeded_nets.MobileNetV2())
    onnx.checker.check_model(exported)
    image = numpy.random.default_rng(1).normal(0, 1, (1, 224, 224, 3)).astype(numpy.float32)
    sessions = [Session(model, image) for model in (exported.SerializeToString(), *paths)]
    wanted, *others = [session.run() for session in sessions]
    for path, got in zip(paths, others):
        difference = abs(got - wanted).max() / abs(wanted).max()
        if not difference <= TOLERANCE:
            sys.exit(f"translate_latency.py: {path} gives something else, by {difference:.1e} of the largest")
    for _ in range(int(rounds)):
        for session in random.sample(sessions, len(sessions)):
            session.time_round()
    for session in sessions:
        print(*session.rounds)


if __name__ == "__main__":
    main()
