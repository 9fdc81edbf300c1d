# SPDX-License-Identifier: Apache-2.0
"""tritonclient's four clients, so that one test can be done with each of them."""

import asyncio
import inspect
import json
import time
from types import SimpleNamespace

import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from models import values
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

CONFIG = json.dumps({"backend": "onnxruntime"})
# What a status is called over HTTP and over gRPC.
INVALID = ("400", "StatusCode.INVALID_ARGUMENT")
EXISTS = ("400", "StatusCode.ALREADY_EXISTS")
NOT_FOUND = ("404", "StatusCode.NOT_FOUND")
UNSUPPORTED = ("501", "StatusCode.UNIMPLEMENTED")
UNAVAILABLE = ("503", "StatusCode.UNAVAILABLE")


class Face:
    """A client.  What is not here is the client's own method, which is waited for where it is a coroutine."""

    is_http = False
    is_aio = False

    def __init__(self, url, **options):
        self.loop = asyncio.new_event_loop() if self.is_aio else None
        self.client = self.wait(self.connect(url, **options))

    def wait(self, result):
        return self.loop.run_until_complete(result) if inspect.isawaitable(result) else result

    def __getattr__(self, name):
        method = getattr(self.client, name)
        return lambda *positional, **named: self.wait(method(*positional, **named))

    def end(self):
        self.wait(self.client.close())
        if self.loop:
            self.loop.close()

    def input(self, name, array, **options):
        tensor = self.module.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, **options)
        return tensor

    def output(self, name, **options):
        return self.module.InferRequestedOutput(name, **options)

    def load(self, name, model, version="1", config=CONFIG):
        self.load_model(name, config=config, files={f"file:{version}/model.onnx": model})

    def has_room(self, within_s=10):
        """Whether a server of few requests at once lets go of what was given up."""
        array, deadline = values("FP32"), time.monotonic() + within_s
        while True:
            try:
                result = self.infer("identity_fp32", [self.input("x", array)])
                return result.as_numpy("y").tobytes() == array.tobytes()
            except InferenceServerException as error:
                assert "max-requests" in error.message(), error
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)

    def refused(self, status, *words):
        return refused(status[0 if self.is_http else 1], *words)


class refused:  # pylint: disable=invalid-name
    """As a context: what is asked within ends with this status, in these words.  Names stand in quotes of either kind."""

    def __init__(self, status, *words):
        self.status, self.words = status, words

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _trace):
        if error is None:
            pytest.fail("it was not refused")
        if not isinstance(error, InferenceServerException):
            return False
        assert error.status() == self.status, error
        for word in self.words:
            assert word.replace("'", '"') in error.message().replace("'", '"'), error
        return True


def record(reply):
    """A reply in JSON as one of protobuf looks: fields are attributes."""
    return json.loads(json.dumps(reply), object_hook=lambda fields: SimpleNamespace(**fields))


class Http(Face):
    is_http = True
    module = tritonclient.http

    def connect(self, url, **options):
        return tritonclient.http.InferenceServerClient(url, **options)

    def server(self):
        return record(self.get_server_metadata())

    def metadata(self, model, version=""):
        return record(self.get_model_metadata(model, version))

    def config(self, model):
        return record(self.get_model_config(model))

    def statistics(self, model="", version=""):
        return record(self.get_inference_statistics(model, version)).model_stats

    def index(self):
        return record(self.get_model_repository_index())


class HttpAio(Http):
    is_aio = True

    async def connect(self, url, **options):
        return tritonclient.http.aio.InferenceServerClient(url, **options)


class Grpc(Face):
    module = tritonclient.grpc

    def connect(self, url, **options):
        return tritonclient.grpc.InferenceServerClient(url, **options)

    def server(self):
        return self.get_server_metadata()

    def metadata(self, model, version=""):
        return self.get_model_metadata(model, version)

    def config(self, model):
        return self.get_model_config(model).config

    def statistics(self, model="", version=""):
        return self.get_inference_statistics(model, version).model_stats

    def index(self):
        return self.get_model_repository_index().models


class GrpcAio(Grpc):
    is_aio = True

    async def connect(self, url, **options):
        return tritonclient.grpc.aio.InferenceServerClient(url, **options)


FACES = {"http": Http, "http.aio": HttpAio, "grpc": Grpc, "grpc.aio": GrpcAio}
