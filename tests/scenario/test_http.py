# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol over HTTP/1.1 against the real daemon, by http.client and by hand."""

import http_guest
import native
import numpy
import onnx_writer
import pytest

ECHO = b"TSKECHO1 shape=1,4"
FOUR = numpy.arange(4, dtype="float32").reshape(1, 4)


def push(tensock, model, name):
    with native.Guest(tensock.local) as guest:
        guest.push(model, name)


@pytest.fixture
def guest(echo):
    push(echo, ECHO, "echo")
    with http_guest.Guest(echo.local) as one:
        yield one


def test_health(onnx):
    with http_guest.Guest(onnx.local) as guest:
        for word in ("live", "ready"):
            answer = guest.get(f"/v2/health/{word}")
            assert answer.status == 200 and answer.json == {"live": True, "ready": True}
        answer = guest.ask("HEAD", "/v2/health/live")
        assert answer.status == 200 and answer.body == b"" and answer.headers["Content-Length"] != "0"
        assert guest.get("/v2").json["name"] == "tensock"


def test_real_model(onnx, real_model):
    push(onnx, real_model, "direction")
    image = numpy.zeros((2, 3, 48, 192), "float32")
    image[1] += 0.5
    with native.Guest(onnx.local) as guest:
        expected, = guest.infer("direction", [("x", image)]).values()
    with http_guest.Guest(onnx.local) as guest:
        answer = guest.infer("direction", [("x", image)])
        assert answer.status == 200, answer.body
        (name, binary), = answer.tensors.items()
        assert (binary == expected).all()
        text = guest.infer("direction", [("x", image)], binary=False)
        assert text.status == 200, text.body
        assert text.headers["Content-Type"] == "application/json"
        assert (text.tensors[name] == expected).all()
