# SPDX-License-Identifier: Apache-2.0
"""KServe's inference client, over REST and gRPC.  In a run of pytest of its own: see meson.build."""

import asyncio
import importlib.util
import sys
import types
import urllib.request
from base64 import b64encode

import numpy
import orjson
import pytest
from models import MODELS, TYPES, values

# Of the package only the client: what the package imports first is KServe's server, and Kubernetes.
package = types.ModuleType("kserve")
package.__path__ = importlib.util.find_spec("kserve").submodule_search_locations
sys.modules["kserve"] = package
from kserve.inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import InferInput, InferRequest, RequestedOutput

IN_JSON = [name for name in TYPES if name not in ("FP16", "BF16")]


def load(server, name):
    """KServe's client cannot."""
    if name not in server.loaded:
        body = orjson.dumps({"parameters": {
            "config": "{}", "file:1/model.onnx": b64encode(MODELS[name]).decode()}})
        urllib.request.urlopen(f"{server.http}/v2/repository/models/{name}/load", data=body).close()
        server.loaded.add(name)


@pytest.fixture(scope="module")
def loop():
    one = asyncio.new_event_loop()
    yield one
    one.close()


class Rest:
    def __init__(self, server, loop):
        self.client = InferenceRESTClient(RESTConfig(protocol="v2"))
        self.base, self.loop = server.http, loop

    def call(self, method, *arguments, **named):
        return self.loop.run_until_complete(getattr(self.client, method)(self.base, *arguments, **named))

    def is_server_live(self):
        return self.call("is_server_live")

    def is_server_ready(self):
        return self.call("is_server_ready")

    def is_model_ready(self, model):
        return self.call("is_model_ready", model)

    def infer(self, request, **named):
        return self.call("infer", request, model_name=request.model_name, **named)

    def end(self):
        self.loop.run_until_complete(self.client.close())


class Rpc:
    def __init__(self, server, loop):
        self.loop = loop

        async def connect():
            return InferenceGRPCClient(url=server.tcp)

        self.client = loop.run_until_complete(connect())

    def __getattr__(self, method):
        return lambda *arguments, **named: self.loop.run_until_complete(
            getattr(self.client, method)(*arguments, **named))

    def end(self):
        self.loop.run_until_complete(self.client.close())


@pytest.fixture(params=[Rest, Rpc])
def face(request, server, loop):
    one = request.param(server, loop)
    yield one
    one.end()


def request_of(model, array, datatype, binary, **more):
    one = InferInput(name="x", shape=list(array.shape), datatype=datatype)
    one.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[one], **more)


def test_health(face, server):
    load(server, "identity_fp32")
    assert face.is_server_live() is True and face.is_server_ready() is True
    assert face.is_model_ready("identity_fp32") is True


def test_no_such_model(face):
    array = values("FP32")
    with pytest.raises(Exception) as caught:
        face.infer(request_of("nobody", array, "FP32", True))
    assert "Request for unknown model: 'nobody' is not found" in str(caught.value)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "values"])
@pytest.mark.parametrize("datatype", [name for name in TYPES if name != "BF16"])
def test_every_type(face, server, datatype, binary):
    if datatype == "FP16" and not binary:
        pytest.skip("KServe's client sends FP16 in binary alone")
    if datatype == "BYTES":
        array = numpy.array([b"tensor", b"", "höher".encode()], dtype=object)
    else:
        array = values(datatype)
    model = f"identity_{datatype.lower()}"
    load(server, model)
    outputs = [RequestedOutput("y", parameters={"binary_data": binary})] if isinstance(face, Rest) else None
    result = face.infer(request_of(model, array, datatype, binary, request_outputs=outputs, request_id="7"))
    assert result.model_name == model and result.id == "7"
    got = result.outputs[0].as_numpy()
    assert got.shape == array.shape
    if datatype == "BYTES":
        assert [one.encode() if isinstance(one, str) else one for one in got] == array.tolist()
    else:
        assert got.tobytes() == array.tobytes()


def test_a_dictionary(server, loop):
    """What KServe's documentation shows."""
    load(server, "sums")
    face = Rest(server, loop)
    rows = {"shape": [1, 4], "datatype": "FP32", "data": [[1, 2, 3, 4]]}
    try:
        result = face.call("infer", {"inputs": [{"name": "a", **rows}, {"name": "b", **rows}]}, model_name="sums")
    finally:
        face.end()
    assert {one.name: one.data for one in result.outputs} == {"sum": [2, 4, 6, 8], "difference": [0, 0, 0, 0]}


def test_headers_of_the_answer(server, loop):
    load(server, "identity_fp32")
    face = Rest(server, loop)
    headers = {}
    try:
        face.infer(request_of("identity_fp32", values("FP32"), "FP32", False), response_headers=headers)
    finally:
        face.end()
    assert headers["content-type"] == "application/json"
