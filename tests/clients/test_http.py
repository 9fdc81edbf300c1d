# SPDX-License-Identifier: Apache-2.0
"""What only HTTP has: JSON, compressed bodies, and tritonclient's own ways to it."""

import gzip
import json
import zlib

import numpy
import pytest
import tritonclient.http
from faces import INVALID, UNSUPPORTED, Http, HttpAio
from models import TYPES, values
from tritonclient.utils import InferenceServerException

NOT_IN_JSON = ["FP16", "BF16"]


@pytest.fixture(params=[Http, HttpAio], ids=["sync", "aio"])
def face(request, connect):
    return connect(request.param)


def words(text):
    return numpy.array(text, dtype=object)


def in_json(datatype):
    """An array whose values survive JSON."""
    if datatype == "BYTES":
        return words(["", "tensor", "höher", '"\\\n\t', "\x00\x01", "😀", "7"])
    return values(datatype)


@pytest.mark.parametrize("to_binary", [False, True], ids=["to JSON", "to binary"])
@pytest.mark.parametrize("from_binary", [False, True], ids=["from JSON", "from binary"])
@pytest.mark.parametrize("datatype", [name for name in TYPES if name not in NOT_IN_JSON])
def test_json(face, need, datatype, from_binary, to_binary):
    model, array = f"identity_{datatype.lower()}", in_json(datatype)
    need(face, model)
    result = face.infer(model, [face.input("x", array, binary_data=from_binary)],
                        outputs=[face.output("y", binary_data=to_binary)])
    output = result.get_output("y")
    assert ("data" in output) == (not to_binary)
    got = result.as_numpy("y")
    assert got.dtype == array.dtype
    if datatype == "BYTES":
        got = [one.decode() if isinstance(one, bytes) else one for one in got]
        assert got == array.tolist()
    else:
        assert got.tobytes() == array.tobytes()


def test_some_outputs_in_json_and_some_in_binary(face, need):
    need(face, "mixed")
    arrays = {name: values(name) for name in ("FP32", "INT64", "BOOL", "FP16", "UINT8")}
    arrays["BYTES"] = in_json("BYTES")
    binary = {"FP32": True, "INT64": False, "BOOL": True, "FP16": True, "UINT8": False, "BYTES": True}
    result = face.infer(
        "mixed",
        [face.input(f"in_{name}", array, binary_data=binary[name]) for name, array in arrays.items()],
        outputs=[face.output(f"out_{name}", binary_data=not binary[name] or name == "FP16") for name in arrays])
    for name, array in arrays.items():
        got = result.as_numpy(f"out_{name}")
        if name == "BYTES":
            assert [str(one) for one in got] == array.tolist()
        else:
            assert got.tobytes() == array.tobytes(), name


@pytest.mark.parametrize("datatype", NOT_IN_JSON)
def test_what_json_cannot_have(face, need, datatype):
    model, array = f"identity_{datatype.lower()}", values(datatype)
    need(face, model)
    with face.refused(UNSUPPORTED, datatype, "JSON"):
        face.infer(model, [face.input("x", array)], outputs=[face.output("y", binary_data=False)])
    if datatype == "FP16":
        tensor = face.input("x", numpy.ones(3, numpy.float16), binary_data=False)
        with face.refused(UNSUPPORTED, datatype, "JSON"):
            face.infer(model, [tensor])


def test_tensor_of_no_elements_in_json(face, need):
    need(face, "identity_fp32")
    result = face.infer("identity_fp32", [face.input("x", values("FP32", 0), binary_data=False)],
                        outputs=[face.output("y", binary_data=False)])
    assert result.get_output("y")["data"] == [] and result.as_numpy("y").shape == (0,)


def test_a_megabyte_of_json(face, need):
    need(face, "big")
    array = numpy.random.default_rng(1).standard_normal(1 << 18).astype(numpy.float32)
    result = face.infer("big", [face.input("x", array, binary_data=False)],
                        outputs=[face.output("y", binary_data=False)])
    assert result.as_numpy("y").tobytes() == array.tobytes()


def test_classes_in_json(face, need):
    need(face, "rows")
    rows = numpy.array([[0.5, -1, 8, 3, 3.25]], numpy.float32)
    result = face.infer("rows", [face.input("x", rows)], outputs=[face.output("y", binary_data=False, class_count=1)])
    output = result.get_output("y")
    assert output["datatype"] == "BYTES" and output["shape"] == [1]
    assert output["data"][0].rsplit(":", 1)[1] == "2"


@pytest.mark.parametrize("n", [7, 1 << 20])
@pytest.mark.parametrize("answer", [None, "gzip", "deflate"])
@pytest.mark.parametrize("ask", [None, "gzip", "deflate"])
def test_compression(face, need, ask, answer, n):
    need(face, "big")
    array = numpy.arange(n, dtype=numpy.float32)
    result = face.infer("big", [face.input("x", array)], request_compression_algorithm=ask,
                        response_compression_algorithm=answer)
    assert result.as_numpy("y").tobytes() == array.tobytes()


def test_a_body_that_is_not_compressed_as_it_says(face, need):
    need(face, "identity_fp32")
    with face.refused(INVALID):
        face.infer("identity_fp32", [face.input("x", values("FP32"))], headers={"Content-Encoding": "gzip"})


def test_bodies_by_its_static_functions(server, connect, need):
    """generate_request_body() and parse_response_body() are for people who bring their own HTTP."""
    import http.client  # pylint: disable=import-outside-toplevel

    face = connect(Http)
    need(face, "identity_fp32")
    array = values("FP32")
    body, json_bytes = tritonclient.http.InferenceServerClient.generate_request_body([face.input("x", array)])
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for encoding, code in (None, bytes), ("gzip", gzip.compress), ("deflate", zlib.compress):
        headers = {"Inference-Header-Content-Length": str(json_bytes)}
        if encoding:
            headers |= {"Content-Encoding": encoding, "Accept-Encoding": encoding}
        connection.request("POST", "/v2/models/identity_fp32/infer", code(body), headers)
        response = connection.getresponse()
        assert response.status == 200
        result = tritonclient.http.InferenceServerClient.parse_response_body(
            response.read(), header_length=int(response.headers["Inference-Header-Content-Length"]),
            content_encoding=response.headers["Content-Encoding"])
        assert result.as_numpy("y").tobytes() == array.tobytes()
    connection.close()


def test_async_infer(connect, need):
    face = connect(Http, concurrency=8)
    need(face, "identity_fp32")
    arrays = [numpy.full(1000 + i, i, numpy.float32) for i in range(64)]
    asked = [face.async_infer("identity_fp32", [face.input("x", array)], request_id=str(i))
             for i, array in enumerate(arrays)]
    for i, request in enumerate(asked):
        result = request.get_result()
        assert result.get_response()["id"] == str(i)
        assert result.as_numpy("y").tobytes() == arrays[i].tobytes()


def test_async_infer_that_fails(connect, need):
    face = connect(Http, concurrency=4)
    need(face, "identity_fp32")
    good, bad = values("FP32"), values("INT64")
    asked = [face.async_infer("identity_fp32", [face.input("x", bad if i % 2 else good)]) for i in range(16)]
    for i, request in enumerate(asked):
        if i % 2:
            with face.refused(INVALID, "'x'"):
                request.get_result()
        else:
            assert request.get_result().as_numpy("y").tobytes() == good.tobytes()


def test_the_clients_own_timeout(connect, need):
    """It goes away; the server is there for whoever comes next."""
    face = connect(Http, network_timeout=0.5)
    need(connect(Http), "endless", "identity_fp32")
    with pytest.raises(Exception) as caught:
        face.infer("endless", [face.input("x", values("FP32", 1))])
    assert "timed out" in str(caught.value)
    array = values("FP32")
    other = connect(Http)
    assert other.infer("identity_fp32", [other.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()


def test_who_went_away_takes_no_place_for_ever(own_server, connect):
    """HTTP cannot tell who has gone from who has said all and waits: what such a one asked ends at its deadline."""
    server = own_server("max-requests = 2\nrun-deadline = 2s\n")
    patient = connect(Http, server)
    server.need(patient, "endless", "identity_fp32")
    for _ in range(2):
        face = connect(Http, server, network_timeout=0.3)
        with pytest.raises(Exception) as caught:
            face.infer("endless", [face.input("x", values("FP32", 1))])
        assert not isinstance(caught.value, InferenceServerException), str(caught.value)
        face.end()
    assert patient.has_room(within_s=20)


def test_headers_and_queries_of_ones_own(face, need):
    need(face, "identity_fp32")
    array = values("FP32")
    result = face.infer("identity_fp32", [face.input("x", array)], headers={"X-Mine": "v" * 2000},
                        query_params={"a": "b c", "list": [1, 2]})
    assert result.as_numpy("y").tobytes() == array.tobytes()
    assert face.is_server_live(query_params={"x": 1}, headers={"Authorization": "Bearer none"})


def test_index_of_what_is_ready(server, connect):
    """The one request of Triton's that its Python client cannot make."""
    import urllib.request  # pylint: disable=import-outside-toplevel

    face = connect(Http)
    server.need(face, "identity_fp32", "sums")
    face.unload_model("sums")
    server.loaded.discard("sums")

    def index(body):
        with urllib.request.urlopen(f"{server.http}/v2/repository/index", data=body) as reply:
            return {one["name"]: one["state"] for one in json.load(reply)}

    for body in b"", b"{}", b'{"ready": false}':
        assert index(body)["identity_fp32"] == "READY" and index(body)["sums"] == "UNAVAILABLE"
    ready = index(b'{"ready": true}')
    assert ready["identity_fp32"] == "READY" and "sums" not in ready
