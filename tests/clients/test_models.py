# SPDX-License-Identifier: Apache-2.0
"""The server and its models, as each of tritonclient's four clients sees them."""

import json
import time

import numpy
import pytest
from faces import CONFIG, FACES, INVALID, NOT_FOUND, UNAVAILABLE, UNSUPPORTED
from models import identity, sums, values

EXTENSIONS = {"classification", "model_repository", "model_repository(unload_dependents)", "model_configuration",
              "system_shared_memory", "binary_tensor_data", "parameters", "statistics"}


@pytest.fixture(params=FACES)
def face(request, connect):
    return connect(FACES[request.param])


@pytest.fixture
def own(face, request):
    """A model of the test's own, loaded: its name."""
    name = f"own {request.node.name}"
    face.load(name, identity("FP32", ("batch", 4), doc=name))
    return name


def in_index(face, name):
    return [(one.version, one.state, one.reason) for one in face.index() if one.name == name]


def test_health_and_the_server(face):
    assert face.is_server_live() and face.is_server_ready()
    server = face.server()
    assert server.name == "tensock" and server.version
    assert EXTENSIONS <= set(server.extensions)


def test_metadata(face, own):
    metadata = face.metadata(own)
    assert (metadata.name, list(metadata.versions)) == (own, ["1"])
    assert metadata.platform == "onnxruntime_onnx"
    for tensors, name in (metadata.inputs, "x"), (metadata.outputs, "y"):
        assert [(one.name, one.datatype, list(one.shape)) for one in tensors] == [(name, "FP32", [-1, 4])]
    assert face.metadata(own, "1") == metadata
    for name, version in ("nobody", ""), (own, "7"):
        with face.refused(NOT_FOUND, name):
            face.metadata(name, version)
        assert not face.is_model_ready(name, version)


def test_config(face, own):
    config = face.config(own)
    assert (config.name, config.backend, config.platform) == (own, "onnxruntime", "onnxruntime_onnx")
    # A request has all of its shape: no batch dimension is left out.
    assert config.max_batch_size == 0
    for tensors, name in (config.input, "x"), (config.output, "y"):
        assert [(one.name, list(one.dims)) for one in tensors] == [(name, [-1, 4])]
    data_type = config.input[0].data_type
    assert data_type == "TYPE_FP32" if face.is_http else data_type == 11
    with face.refused(NOT_FOUND, "nobody"):
        face.config("nobody")


def test_statistics(face, own):
    def only(version=""):
        one, = face.statistics(own, version)
        assert (one.name, one.version) == (own, "1")
        return one

    before = only()
    assert int(before.inference_count) == int(before.inference_stats.success.count) == 0
    begun_ms = time.time_ns() // 1_000_000
    for _ in range(3):
        face.infer(own, [face.input("x", numpy.ones((2, 4), numpy.float32))])
    with face.refused(INVALID):
        face.infer(own, [face.input("x", numpy.ones((2, 5), numpy.float32))])
    after = only("1")
    assert begun_ms - 1000 <= int(after.last_inference) <= time.time_ns() // 1_000_000
    assert int(after.inference_count) == int(after.execution_count) == 3
    stats = after.inference_stats
    for duration in stats.success, stats.queue, stats.compute_input, stats.compute_infer, stats.compute_output:
        assert int(duration.count) == 3
    assert int(stats.fail.count) == 1
    parts = sum(int(one.ns) for one in (stats.queue, stats.compute_input, stats.compute_infer, stats.compute_output))
    assert 0 < int(stats.compute_infer.ns) < int(stats.success.ns) < 60e9
    assert parts <= int(stats.success.ns)
    assert own in {one.name for one in face.statistics()}, "all models have none of it"
    with face.refused(NOT_FOUND, "nobody"):
        face.statistics("nobody")


def test_unload_and_load_again(face, own):
    inputs = [face.input("x", numpy.ones((1, 4), numpy.float32))]
    assert in_index(face, own) == [("1", "READY", "")]
    assert face.is_model_ready(own) and face.is_model_ready(own, "1")

    face.unload_model(own)
    (version, state, reason), = in_index(face, own)
    assert (version, state, reason) == ("1", "UNAVAILABLE", "unloaded")
    assert not face.is_model_ready(own)
    with face.refused(UNAVAILABLE, own):
        face.infer(own, inputs)

    face.load_model(own)  # the server has it still
    assert face.is_model_ready(own)
    assert face.infer(own, inputs).as_numpy("y").tolist() == [[1, 1, 1, 1]]
    face.unload_model(own, unload_dependents=True)
    assert not face.is_model_ready(own)


def test_unload_of_one_name_leaves_another(face, request):
    """The same bytes under two names are two models to who uses them."""
    model = identity("FP32", doc=request.node.name)
    names = [f"{name} {request.node.name}" for name in ("one", "two")]
    for name in names:
        face.load(name, model)
    face.unload_model(names[0])
    assert not face.is_model_ready(names[0])
    assert face.is_model_ready(names[1])
    array = values("FP32")
    assert face.infer(names[1], [face.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()


def test_load_takes_the_place_of_what_was_there(face, own):
    assert [one.name for one in face.metadata(own).inputs] == ["x"]
    face.load(own, sums(doc=own))
    assert [one.name for one in face.metadata(own).inputs] == ["a", "b"]
    assert in_index(face, own) == [("1", "READY", "")]


def test_versions(face, request):
    name = f"versions {request.node.name}"
    face.load(name, identity("FP32", doc=name), version="1")
    face.load(name, sums(doc=name), version="3")
    assert sorted(face.metadata(name).versions) == ["1", "3"]
    assert [one.name for one in face.metadata(name, "1").inputs] == ["x"]
    assert [one.name for one in face.metadata(name, "3").inputs] == ["a", "b"]
    array = values("FP32")
    result = face.infer(name, [face.input("x", array)], model_version="1")
    assert result.as_numpy("y").tobytes() == array.tobytes()
    assert len(face.statistics(name)) == 2 and len(face.statistics(name, "3")) == 1


def test_names_of_all_kinds(face, request):
    array = values("FP32")
    for name in ["with space", "50%25", "question?mark", "høyre", "dot.s_and-dashes"]:
        face.load(name, identity("FP32", doc=name + request.node.name))
        assert face.infer(name, [face.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()
        assert in_index(face, name) == [("1", "READY", "")]


def test_load_of_what_is_no_model(face, request):
    name = f"broken {request.node.name}"
    with face.refused(INVALID, "no model"):
        face.load(name, b"this is no model at all")
    assert not face.is_model_ready(name)
    with face.refused(NOT_FOUND, name):
        face.infer(name, [face.input("x", values("FP32"))])
    with face.refused(NOT_FOUND, "nobody"):
        face.load_model("nobody")
    with face.refused(NOT_FOUND, "nobody"):
        face.unload_model("nobody")


@pytest.mark.parametrize("config, status", [('{"max_batch_size": 8}', UNSUPPORTED), ("no JSON", INVALID), ("[]", INVALID)])
def test_a_config_that_cannot_be_had(face, request, config, status):
    with face.refused(status, "config"):
        face.load(f"config {request.node.name}", identity("FP32", doc=request.node.name), config=config)


def test_an_own_config(face, request):
    name = f"configured {request.node.name}"
    config = {**json.loads(CONFIG), "max_batch_size": 0, "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1]}]}
    face.load(name, identity("FP32", doc=name), config=json.dumps(config))
    assert face.is_model_ready(name)


def test_a_file_without_a_config(face, request):
    """Triton wants one; here the model says all that it would."""
    name = f"bare {request.node.name}"
    face.load(name, identity("FP32", doc=name), config=None)
    assert face.is_model_ready(name) and face.config(name).max_batch_size == 0


def test_trace_and_log_settings(face):
    """Answered, so that clients which ask go on."""
    trace, log = face.get_trace_settings(), face.get_log_settings()
    if face.is_http:
        assert trace["trace_level"] == ["OFF"] and "log_info" in log
    else:
        assert list(trace.settings["trace_level"].value) == ["OFF"] and "log_info" in log.settings


def test_settings_that_hold_may_be_set(face):
    """What is so already: nothing changes.  What is not so is refused by its name."""
    face.update_trace_settings(settings={"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": None})
    face.update_log_settings({"log_error": True, "log_file": "", "log_format": "default"})
    with face.refused(UNSUPPORTED, "'trace_level'"):
        face.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]})
    with face.refused(UNSUPPORTED, "'log_verbose_level'"):
        face.update_log_settings({"log_error": True, "log_verbose_level": 3})


def test_no_cuda_memory(face):
    """Regions are listed (there are none) and unregistered: nothing is left to do; none can be made."""
    status = face.get_cuda_shared_memory_status()
    assert (status if face.is_http else list(status.regions)) == []
    face.unregister_cuda_shared_memory()
    with face.refused(UNSUPPORTED, "CUDA"):
        face.register_cuda_shared_memory("region", b"A" * 64, 0, 4096)
