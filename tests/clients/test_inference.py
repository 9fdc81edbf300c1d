# SPDX-License-Identifier: Apache-2.0
"""Inference with each of tritonclient's four clients."""

import asyncio

import ml_dtypes
import numpy
import pytest
from faces import FACES, INVALID, NOT_FOUND, UNSUPPORTED, GrpcAio, HttpAio
from models import MIXED, TYPES, values


@pytest.fixture(params=FACES)
def face(request, connect):
    return connect(FACES[request.param])


def same(result, name, expected):
    """Whether that output has the type, the shape and each bit of an array."""
    got = result.as_numpy(name)
    assert got is not None, f"no output {name}"
    assert got.dtype == expected.dtype and got.shape == expected.shape
    if expected.dtype == numpy.object_:
        assert got.tolist() == expected.tolist()
    else:
        assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("datatype", TYPES)
def test_every_type(face, need, datatype):
    model, array = f"identity_{datatype.lower()}", values(datatype)
    need(face, model)
    result = face.infer(model, [face.input("x", array)])
    same(result, "y", array)
    output = face.metadata(model).outputs[0]
    assert (output.name, output.datatype, list(output.shape)) == ("y", datatype, [-1])


@pytest.mark.parametrize("datatype", ["FP32", "BOOL", "BYTES"])
def test_tensor_of_no_elements(face, need, datatype):
    model, array = f"identity_{datatype.lower()}", values(datatype, 0)
    need(face, model)
    same(face.infer(model, [face.input("x", array)]), "y", array)


def test_nan_and_the_infinite_are_kept_in_binary(face, need):
    need(face, "identity_fp32")
    array = numpy.array([numpy.nan, numpy.inf, -numpy.inf, -0.0], numpy.float32)
    same(face.infer("identity_fp32", [face.input("x", array)]), "y", array)


def test_several_inputs_and_outputs(face, need):
    need(face, "mixed")
    arrays = {name: values(name, 5 + i) for i, name in enumerate(MIXED)}
    # Neither inputs nor outputs need to come in the model's order.
    inputs = [face.input(f"in_{name}", arrays[name]) for name in reversed(MIXED)]
    result = face.infer("mixed", inputs)
    for name, array in arrays.items():
        same(result, f"out_{name}", array)

    wanted = ["BYTES", "FP32"]
    result = face.infer("mixed", inputs, outputs=[face.output(f"out_{name}") for name in wanted])
    for name in wanted:
        same(result, f"out_{name}", arrays[name])
    assert result.as_numpy("out_INT64") is None, "an output that was not asked for"


def test_outputs_are_computed(face, need):
    need(face, "sums")
    a = numpy.arange(12, dtype=numpy.float32).reshape(3, 4)
    b = numpy.full((3, 4), 0.5, numpy.float32)
    result = face.infer("sums", [face.input("a", a), face.input("b", b)])
    same(result, "sum", a + b)
    same(result, "difference", a - b)


def test_the_reply_names_model_version_and_request(face, need):
    need(face, "identity_fp32")
    inputs = [face.input("x", values("FP32"))]
    for id_ in ["42", "a-b_c 7", "é" * 20, "i" * 1024]:
        result = face.infer("identity_fp32", inputs, request_id=id_)
        reply = result.get_response()
        reply = reply if isinstance(reply, dict) else {
            "id": reply.id, "model_name": reply.model_name, "model_version": reply.model_version}
        assert (reply["id"], reply["model_name"], reply["model_version"]) == (id_, "identity_fp32", "1")


def test_version(face, need):
    need(face, "identity_fp32")
    array = values("FP32")
    inputs = [face.input("x", array)]
    same(face.infer("identity_fp32", inputs, model_version="1"), "y", array)
    with face.refused(NOT_FOUND, "identity_fp32", "7"):
        face.infer("identity_fp32", inputs, model_version="7")


def test_classification(face, need):
    need(face, "rows")
    rows = numpy.array([[0.5, -1, 8, 3, 3.25], [9, 7, 1, 2, 4]], numpy.float32)
    result = face.infer("rows", [face.input("x", rows)], outputs=[face.output("y", class_count=3)])
    # No dimension is one of a batch: the largest of all elements.
    picked = [tuple(map(float, one.decode().split(":"))) for one in result.as_numpy("y")]
    assert picked == [(9, 5), (8, 2), (7, 6)]
    # More than there are: all of them.
    result = face.infer("rows", [face.input("x", rows)], outputs=[face.output("y", class_count=100)])
    assert result.as_numpy("y").shape == (10,)


def test_64_mib(face, need):
    need(face, "big")
    array = numpy.arange(16 << 20, dtype=numpy.uint32).view(numpy.float32)
    same(face.infer("big", [face.input("x", array)]), "y", array)


def test_its_parameters(face, need):
    """priority, and those of one's own, change nothing; timeout, in microseconds, does."""
    need(face, "identity_fp32", "endless")
    array = values("FP32")
    parameters = {"mine": "text", "number": 7, "flag": True}
    same(face.infer("identity_fp32", [face.input("x", array)], priority=2, timeout=60_000_000,
                    parameters=parameters), "y", array)
    with face.refused(("504", "StatusCode.DEADLINE_EXCEEDED"), "deadline"):
        face.infer("endless", [face.input("x", values("FP32", 1))], timeout=300_000)


def test_sequences_are_refused(face, need):
    need(face, "identity_fp32")
    for named in {"sequence_id": 5, "sequence_start": True}, {"sequence_id": "name"}:
        with face.refused(UNSUPPORTED, "sequence"):
            face.infer("identity_fp32", [face.input("x", values("FP32"))], **named)


@pytest.mark.parametrize("kind, options", [(HttpAio, {"conn_limit": 8}), (GrpcAio, {})], ids=["http", "grpc"])
def test_many_at_once_by_asyncio(connect, need, kind, options):
    face = connect(kind, **options)
    need(face, "identity_int64")

    async def ask(i):
        array = numpy.full(100 + i, i, numpy.int64)
        same(await face.client.infer("identity_int64", [face.input("x", array)]), "y", array)

    async def all_of_them():
        await asyncio.gather(*(ask(i) for i in range(64)))

    face.wait(all_of_them())


# --- what is refused ----------------------------------------------------------------------------


def test_no_such_model(face):
    with face.refused(NOT_FOUND, "Request for unknown model: 'nobody' is not found"):
        face.infer("nobody", [face.input("x", values("FP32"))])


def test_wrong_type(face, need):
    need(face, "identity_fp32")
    with face.refused(INVALID, "'x'", "INT64", "FP32"):
        face.infer("identity_fp32", [face.input("x", values("INT64"))])


def test_wrong_shape(face, need):
    need(face, "sums")
    with face.refused(INVALID, "'a'"):
        face.infer("sums", [face.input("a", numpy.zeros((2, 5), numpy.float32)),
                            face.input("b", numpy.zeros((2, 5), numpy.float32))])
    with face.refused(INVALID, "'b'"):
        face.infer("sums", [face.input("a", numpy.zeros((2, 4), numpy.float32)),
                            face.input("b", numpy.zeros(4, numpy.float32))])


def test_missing_unknown_and_double_inputs(face, need):
    need(face, "sums")
    array = numpy.zeros((1, 4), numpy.float32)
    for names, word in [(["a"], "'b'"), (["a", "b", "c"], "'c'"), (["a", "a", "b"], "'a'")]:
        with face.refused(INVALID, word):
            face.infer("sums", [face.input(name, array) for name in names])


def test_unknown_output(face, need):
    need(face, "identity_fp32")
    with face.refused(NOT_FOUND, "no output 'nothing'"):
        face.infer("identity_fp32", [face.input("x", values("FP32"))], outputs=[face.output("nothing")])


@pytest.mark.parametrize("change", [-4, -1, 1, 4])
def test_more_or_fewer_bytes_than_its_shape(face, need, change):
    need(face, "identity_fp32")
    array = values("FP32")
    tensor = face.input("x", array)
    data = (array.tobytes() + bytes(4))[:array.nbytes + change]
    if face.is_http:
        tensor._raw_data = data
        tensor._parameters["binary_data_size"] = len(data)
    else:
        tensor._raw_content = data
    with face.refused(INVALID, "'x'"):
        face.infer("identity_fp32", [tensor])


def test_bytes_with_a_length_beyond_their_end(face, need):
    need(face, "identity_bytes")
    tensor = face.input("x", numpy.array([b"abc", b"de"], dtype=object))
    setattr(tensor, "_raw_data" if face.is_http else "_raw_content", b"\3\0\0\0abc\3\0\0\0de")
    with face.refused(INVALID, "string 1"):
        face.infer("identity_bytes", [tensor])


def test_a_refusal_costs_no_later_request(face, need):
    need(face, "identity_fp32")
    array = values("FP32")
    for _ in range(20):
        with face.refused(INVALID, "'x'"):
            face.infer("identity_fp32", [face.input("x", values("INT64"))])
        same(face.infer("identity_fp32", [face.input("x", array)]), "y", array)


def test_bfloat16_is_no_float16(face, need):
    need(face, "identity_bf16")
    array = numpy.array([3.140625, 1e38], ml_dtypes.bfloat16)
    result = face.infer("identity_bf16", [face.input("x", array)])
    assert result.as_numpy("y").astype(numpy.float32).tolist() == array.astype(numpy.float32).tolist()
