# SPDX-License-Identifier: Apache-2.0
"""What is not covered in .ms files is refused before anything runs, by a sentence that names it."""

import flatbuffer
import ms_file
import numpy as np
import pytest
import reference as ref
from net import Value

TRAINING = ["ActivationGrad", "Adam", "AddGrad", "ApplyMomentum", "AvgPoolGrad", "BatchNormGrad", "BiasAddGrad",
            "Conv2DBackpropFilterFusion", "Conv2DBackpropInputFusion", "MaxPoolGrad", "SGD",
            "SoftmaxCrossEntropyWithLogits", "LayerNormGrad"]
CONTROL = ["Switch", "SwitchLayer", "PartialFusion", "Call", "TensorListFromTensor", "TensorListGetItem",
           "TensorListReserve", "TensorListSetItem", "TensorListStack", "TensorArray"]
OTHERS = ["Custom", "CustomPredict", "CustomNormalize", "CustomExtractFeatures", "HashtableLookup",
          "LshProjection", "SkipGram", "Mfcc", "AudioSpectrogram", "Rfft", "AllGather", "ReduceScatter",
          "RandomStandardNormal", "UniformReal", "Assert"]
OLD = ["Custom", "BlackBox", "Sgd", "Adam", "Conv2DGradFilter", "PoolingGrad", "BNGrad", "ActivationGrad", "While",
       "Loop", "Switch", "Partial", "Merge", "TensorListStack", "HashtableLookup", "Proposal"]


def refused_operator(net, operator, **settings):
    """A sound net but for one node in its middle."""
    x = net.input(2, 3)
    y = net.node("Abs", [x], x.v)
    y = net.node(operator, [y], y.v, name="the/culprit", **settings)
    return net.refused(net.node("Neg", [y], y.v), words=[str(operator), "the/culprit"])


@pytest.mark.parametrize("operator", TRAINING + CONTROL + OTHERS)
def test_operator(net, operator):
    refused_operator(net, operator)


@pytest.mark.parametrize("operator", OLD)
def test_old_operator(old, operator):
    refused_operator(old, operator)


def test_custom_with_its_code(net):
    refused_operator(net, "Custom", type="ThirdPartyModel", attr={"model": b"\1\2"})


@pytest.mark.parametrize("kind", [ref.LINEAR, ref.FAST_GELU + 1])
def test_activation_that_is_not_known(net, kind):
    refused_operator(net, "Activation", activation_type=kind)


@pytest.mark.parametrize("number", [222, 255])
def test_operator_that_is_not_known(net, number):
    refused_operator(net, number)


def test_old_operator_that_is_not_known(old):
    refused_operator(old, 250)


def test_several_subgraphs(net):
    x = net.input(2, 3)
    net.graph.sub_graphs = 2
    assert "ubgraph" in net.refused(net.node("Abs", [x], x.v))


CODINGS = {"indexing": (1, "INDEXING"), "sparse": (2, "SPARSE"), "fse": (3, "FSE"), "bit-packing": (4, "BITPACK"),
           "fse-int": (5, "FSE"), "fse-infer": (6, "FSE"), "not-known": (99, "99")}


def coded(net, **fields):
    x = net.input(3, 4)
    w = net.const(net.weights(5, 4), name="the/weights", **fields)
    return net.refused(net.node("MatMulFusion", [x, w], x.v @ w.v.T, transpose_b=True), words=["the/weights"])


@pytest.mark.parametrize("number, word", CODINGS.values(), ids=CODINGS)
def test_coded_weights(net, number, word):
    assert word.lower() in coded(net, compression=number).lower().replace("-", "").replace("_", "")


def test_huffman(net):
    assert "uffman" in coded(net, huffman=True)


def test_external_weights(net):
    x = net.input(3, 4)
    w = net.const(net.weights(5, 4), name="the/weights", external="weights.bin", data=b"")
    net.refused(net.node("MatMulFusion", [x, w], x.v @ w.v.T, transpose_b=True), words=["the/weights"])


@pytest.mark.parametrize("settings", [{"zoneout_cell": 0.1}, {"zoneout_hidden": 0.1}])
def test_zoneout(net, settings):
    x = net.input(3, 1, 3)
    w, r, b = (net.const(net.weights(1, *dims)) for dims in ((16, 3), (16, 4), (32,)))
    h, c = net.const(net.weights(1, 1, 4)), net.const(net.weights(1, 1, 4))
    out = net.node("LSTM", [x, w, r, b, h, c], *[x.v] * 3, name="the/culprit", hidden_size=4, **settings)
    net.refused(out[0], words=["LSTM", "the/culprit"])


def test_batch_norm_of_training(net):
    x, c = net.input(2, 3), net.const(net.weights(3))
    net.refused(net.node("BatchNorm", [x, c, c], x.v, is_training=True, name="the/culprit"),
                words=["BatchNorm", "the/culprit"])


# Sound as FlatBuffers, and no model.

def plain(net):
    x = net.input(2, 3)
    y = net.node("AddFusion", [x, net.const(net.weights(3))], x.v)
    net.outputs = [y]
    net.graph.output(y.tensor)
    return net.graph


def test_data_that_is_too_short(net):
    x = net.input(2, 4)
    w = net.const(net.weights(4), data=b"\0" * 12)
    net.refused(net.node("AddFusion", [x, w], x.v))


def test_data_that_is_too_long(net):
    x = net.input(2, 4)
    w = net.const(net.weights(4), data=b"\0" * 20)
    net.refused(net.node("AddFusion", [x, w], x.v))


@pytest.mark.parametrize("dims", [[-1], [1 << 30, 1 << 30, 1 << 30], [0x7FFFFFFF] * 8])
def test_weights_of_an_impossible_shape(net, dims):
    x = net.input(2, 4)
    w = net.const(net.weights(4), dims=dims)
    net.refused(net.node("AddFusion", [x, w], x.v))


def test_rank_that_is_too_large(net):
    x = net.input(v=net.weights(4), declared=[1] * 100)
    net.refused(net.node("Abs", [x], x.v))


def test_type_that_is_not_known(net):
    x = net.input(2, 4)
    w = net.const(net.weights(4), dtype=None)
    w.tensor.fields["dtype"] = 77
    net.refused(net.node("AddFusion", [x, w], x.v))


def test_index_of_no_tensor(net):
    x = net.input(2, 4)
    y = net.node("Abs", [x], x.v)
    net.graph.nodes[0][2][0] = ms_file.Tensor(net.graph, 1 << 31, "nowhere")
    net.refused(y)


def test_node_that_reads_its_own_output(net):
    x = net.input(2, 4)
    y = net.node("AddFusion", [x, x], x.v)
    net.graph.nodes[0][2][1] = y.tensor
    net.refused(y)


def test_output_that_nobody_computes(net):
    x = net.input(2, 4)
    net.node("Abs", [x], x.v)
    net.refused(Value(net.graph.tensor("orphan"), x.v))


def test_no_outputs(net):
    x = net.input(2, 4)
    net.node("Abs", [x], x.v)
    net.refused()


def test_node_without_inputs(net):
    net.input(2, 4)
    net.refused(net.node("Abs", [], np.zeros(3), name="the/culprit"), words=["Abs", "the/culprit"])


def test_attributes_that_are_missing(net):
    x, w = net.input(1, 4, 4, 3), net.const(net.weights(2, 3, 3, 3))
    net.refused(net.node("Conv2DFusion", [x, w], x.v, name="the/culprit"), words=["Conv2DFusion", "the/culprit"])


@pytest.mark.parametrize("settings", [{"stride": [0, 1]}, {"stride": [-1, 1]}, {"dilation": [0, 1]},
                                      {"pad_list": [-1 << 62, 0, 0, 0]}, {"group": 7},
                                      {"group": -1}, {"stride": [1 << 62, 1 << 62]}])
def test_attributes_that_are_wrong(net, settings):
    x, w = net.input(1, 4, 4, 3), net.const(net.weights(2, 3, 3, 3))
    all_settings = {"kernel_size": [3, 3], "stride": [1, 1], "dilation": [1, 1], "pad_list": [0, 0, 0, 0],
                    "group": 1, **settings}
    net.refused(net.node("Conv2DFusion", [x, w], x.v, name="the/culprit", **all_settings))


@pytest.mark.parametrize("part", [0.01, 0.1, 0.5, 0.9])
def test_a_file_that_was_cut(net, part):
    data = plain(net).bytes()
    path = net.runner.folder / "cut.ms"
    path.write_bytes(data[:int(len(data) * part)])
    result = net.runner.run(path, [], [])
    assert result.returncode == 1, result.stdout


def test_a_table_that_points_nowhere(net):
    """Every 32-bit word of a small file, in turn, points far away."""
    data = bytearray(plain(net).bytes())
    path = net.runner.folder / "mutated.ms"
    for at in range(0, min(len(data), 400), 20):
        mutated = bytearray(data)
        mutated[at:at + 4] = b"\xff\xff\xff\x7f"
        path.write_bytes(mutated)
        assert net.runner.run(path, [], []).returncode in (0, 1)


def test_the_daemon_goes_on(net):
    """After all these, a sound model runs."""
    x = net.input(2, 3)
    net.check(net.node("Abs", [x], np.abs(x.v)))


def test_what_the_writer_writes_can_be_read(net, old):
    """Of the tests themselves."""
    for one in (net, old):
        model = ms_file.read(one.graph.bytes())
        assert model["generation"] == one.graph.generation
    data = plain_graph().bytes()
    assert flatbuffer.read(data).text(0) == "net"
    model = ms_file.read(data)
    assert [node["operator"] for node in model["nodes"]] == ["Conv2DFusion"]
    assert model["nodes"][0]["settings"]["kernel_size"] == [3, 3]
    assert model["nodes"][0]["settings"]["activation_type"] == 3
    assert model["tensors"][1]["array"].shape == (2, 3, 3, 3)


def plain_graph():
    graph = ms_file.Graph()
    x = graph.input([1, 4, 4, 3])
    w = graph.const(np.ones((2, 3, 3, 3)))
    return graph.output(graph.node("Conv2DFusion", [x, w], kernel_size=[3, 3], activation_type=3))
