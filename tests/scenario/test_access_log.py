# SPDX-License-Identifier: Apache-2.0
"""The access log: a line for each request, whether it came to a model or not, and what the line says."""

import contextlib
import json
import socket
import time

import http2
import http_guest
import native
import numpy
import onnx_writer
import pytest
from conftest import engine_config, eventually

ECHO = b"TSKECHO1 shape=-1,4"
SLOW = b"TSKECHO1 shape=-1,4 delay_ms=3000"
FOUR = numpy.zeros((1, 4), numpy.float32)
field = onnx_writer.field


class Log:
    """A daemon and the lines of its access log, all of them: at this level nothing is dropped."""

    def __init__(self, start, config=""):
        self.host = start(f"log-format = json\nlog-level = debug\naccess-log = yes\n{config}{engine_config('echo')}")
        with native.Guest(self.host.local) as guest:
            self.input = guest.push(ECHO, "echo", "7")["inputs"][0][0]
            guest.push(SLOW, "slow")
        self.seen = 0
        assert [line["what"] for line in self.take(2)] == ["OFFER", "OFFER"]

    def lines(self):
        return [json.loads(line) for line in list(self.host.log) if '"message":"access"' in line]

    def take(self, n):
        """The next n lines; there are no more, nor will be."""
        assert eventually(lambda: len(self.lines()) >= self.seen + n), self.host.log[-5:]
        time.sleep(0.05)
        lines = self.lines()[self.seen:]
        assert len(lines) == n, lines
        self.seen += n
        return lines

    def is_counted(self):
        """Whether the counters have as many requests as have ended by the log."""
        with native.Guest(self.host.local) as guest:
            counters = guest.stats()
        n = self.seen
        self.take(1)  # that question
        return n == sum(counters[f"requests-{end}"] for end in ("ok", "error", "cancelled", "reset"))


@pytest.fixture
def log(start):
    return Log(start, "max-request-size = 1MiB\n")


def test_http(log):
    small, large = json.dumps({"inputs": []}), bytes(2 << 20)
    body, headers = http_guest.infer_body([(log.input, FOUR)], id="mine")
    wrong, wrong_headers = http_guest.infer_body([(log.input, numpy.zeros((1, 5), numpy.float32))])
    load = json.dumps({"parameters": {"file:1/m": "eHl6"}})
    asked = [
        ("GET", "/v2/health/live", None, (), 200, "ok"),
        ("GET", "/", None, (), 404, "not-found"),
        ("GET", '/a%22%0Ab/%E2%80%AE/c?d', None, (), 404, "not-found"),
        ("GET", "/v2/models/none", None, (), 404, "not-found"),
        ("PUT", "/v2", b"x", (), 405, "unsupported"),
        ("POST", "/v2/models/none/infer", small, (), 404, "not-found"),
        ("POST", "/v2/models/echo/infer", "{", (), 400, "invalid-argument"),
        ("POST", "/v2/models/echo/infer", large, (), 413, "too-large"),
        ("POST", "/v2/models/echo/infer", wrong, wrong_headers, 400, "invalid-argument"),
        ("POST", "/v2/models/echo/infer", body, headers, 200, "ok"),
        ("POST", "/v2/repository/index", "[", (), 400, "invalid-argument"),
        ("POST", "/v2/repository/models/bad/load", load, (), 400, "invalid-model"),
        ("POST", "/v2/repository/models/slow/unload", "{}", (), 200, "ok"),
        ("GET", "/v2/models/slow/ready", None, (), 400, "ok"),
    ]
    with http_guest.Guest(log.host.local) as guest:
        for method, path, text, more, status, _ in asked:
            assert guest.ask(method, path, text, more).status == status, path
    lines = log.take(len(asked))
    assert [(line["protocol"], line["http"], line["outcome"]) for line in lines] == \
        [("http", status, outcome) for *_, status, outcome in asked]
    for line, (method, path, *_) in zip(lines, asked):
        if "%" not in path:
            assert line["what"] == f"{method} {path}"
        assert ("error" in line) == (line["outcome"] != "ok")
    # What steers a terminal, and ends a line, does neither.
    assert lines[2]["what"] == 'GET /a"?b/???/c'
    inference = lines[9]
    assert (inference["model"], inference["version"], inference["request"]) == ("echo", "7", "mine")
    assert inference["bytes_out"] == 16 and inference["total_us"] >= inference["compute_us"]
    assert lines[8]["model"] == "echo" and "bytes_in" in lines[8] and "bytes_in" not in lines[7]
    assert log.is_counted()


def test_results_that_cannot_be_told(start):
    """The model has run, and its client gets an error, which is what the line and the counters say."""
    host = start("access-log = yes\n")
    halves = onnx_writer.model(onnx_writer.node("Identity", ["x"], ["y"]),
                               onnx_writer.graph_input("x", ["n"], onnx_writer.FLOAT16),
                               onnx_writer.graph_output("y", ["n"], onnx_writer.FLOAT16), opset=13)
    said = json.dumps({"inputs": [{"name": "x", "datatype": "FP16", "shape": [2],
                                   "parameters": {"binary_data_size": 4}}]}).encode()
    with native.Guest(host.local) as guest:
        guest.push(halves, "halves")
        with http_guest.Guest(host.local) as client:
            assert client.ask("POST", "/v2/models/halves/infer", said + bytes(4),
                              {"Inference-Header-Content-Length": str(len(said))}).status == 501
        counters = guest.stats()
    assert host.said("access", 'what="POST /v2/models/halves/infer"', 'model="halves"', 'outcome="unsupported"',
                     "http=501")
    assert (counters["requests-ok"], counters["requests-error"]) == (1, 1)


def test_http_that_is_malformed_or_ends(log):
    def say(text):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(log.host.local))
            connection.sendall(text)
            with contextlib.suppress(TimeoutError):
                connection.settimeout(0.5)
                connection.recv(1000)

    say(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    line, = log.take(1)
    assert (line["what"], line["http"], line["outcome"]) == ("", 400, "protocol")
    say(b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: a\r\nX-Request-Id: x\r\nContent-Length: 10\r\n\r\n{")
    line, = log.take(1)
    assert (line["what"], line["request"], line["outcome"]) == ("POST /v2/models/echo/infer", "x", "cancelled")
    assert "http" not in line
    # A head that does not come whole asks for nothing.
    say(b"GET /v2 HTTP/1.1\r\nHost:")
    log.take(0)


def test_grpc(log):
    inputs = field(5, field(1, log.input) + field(2, b"FP32") + field(3, onnx_writer.varint(1) + onnx_writer.varint(4)))
    asked = [
        ("ServerLive", b"", "ok"),
        ("ModelMetadata", field(1, b"none"), "not-found"),
        ("ModelMetadata", b"\xff", "invalid-argument"),
        ("ModelInfer", field(1, b"none") + inputs + field(7, bytes(16)), "not-found"),
        ("ModelInfer", field(1, b"echo") + inputs + field(7, bytes(12)), "invalid-argument"),
        ("ModelInfer", field(1, b"echo") + field(3, b"mine") + inputs + field(7, bytes(16)), "ok"),
        ("RepositoryModelUnload", field(2, b"slow"), "ok"),
        ("NoMethod", b"", "unsupported"),
    ]
    with http2.Connection(log.host.local) as one:
        for method, payload, _ in asked:
            one.answer(one.call(http2.INFERENCE + method, payload))
        one.answer(one.call(http2.INFERENCE + "ServerLive", b"", ("grpc-encoding", "br")))
        # A message that says that it is of 2 MiB.
        stream = one.begin(http2.INFERENCE + "ModelInfer")
        one.send(http2.frame(http2.DATA, http2.END_STREAM, stream, b"\0" + (2 << 20).to_bytes(4, "big") + bytes(100)))
        one.answer(stream)
    lines = log.take(len(asked) + 2)
    assert [(line["protocol"], line["what"], line["outcome"]) for line in lines] == \
        [("grpc", method, outcome) for method, _, outcome in asked[:-1]] + [
            ("grpc", http2.INFERENCE + "NoMethod", "unsupported"),
            ("grpc", http2.INFERENCE + "ServerLive", "unsupported"), ("grpc", "ModelInfer", "too-large")]
    assert lines[5]["request"] == "mine" and lines[5]["model"] == "echo" and lines[5]["bytes_out"] == 16
    assert lines[6]["model"] == "slow" and "bytes_in" not in lines[6]
    assert all(("error" in line) == (line["outcome"] != "ok") and "http" not in line for line in lines)
    assert log.is_counted()


def test_grpc_that_ends(log):
    """By its reset before its message was whole, while it runs, and with its connection; each message of a stream."""
    inputs = field(5, field(1, log.input) + field(2, b"FP32") + field(3, onnx_writer.varint(1) + onnx_writer.varint(4)))
    slow = field(1, b"slow") + inputs + field(7, bytes(16))
    reset = (8).to_bytes(4, "big")
    with http2.Connection(log.host.local) as one:
        one.send(http2.frame(http2.RST_STREAM, 0, one.begin(http2.INFERENCE + "ServerReady"), reset))
        line, = log.take(1)
        assert (line["what"], line["outcome"]) == ("ServerReady", "cancelled")
        stream = one.call(http2.INFERENCE + "ModelInfer", slow)
        time.sleep(0.2)
        one.send(http2.frame(http2.RST_STREAM, 0, stream, reset))
        line, = log.take(1)
        assert (line["what"], line["outcome"], line["model"]) == ("ModelInfer", "cancelled", "slow")
        stream = one.begin(http2.INFERENCE + "ModelStreamInfer")
        one.send(http2.frame(http2.DATA, 0, stream, http2.message(field(1, b"none") + inputs + field(7, bytes(16)))))
        one.send(http2.frame(http2.DATA, 0, stream, http2.message(field(1, b"echo") + inputs + field(7, bytes(16)))))
        lines = log.take(2)
        assert [(line["what"], line["outcome"]) for line in lines] == \
            [("ModelStreamInfer", "not-found"), ("ModelStreamInfer", "ok")]
        one.send(http2.frame(http2.DATA, http2.END_STREAM, stream, http2.message(slow)))
        time.sleep(0.2)
    line, = log.take(1)
    assert (line["what"], line["outcome"]) == ("ModelStreamInfer", "cancelled")


def test_native(log):
    with native.Guest(log.host.local) as guest:
        guest.list()
        guest.stats()
        guest.info("echo")
        for model, tensors in ("none", [(0, FOUR)]), ("echo", [(0, numpy.zeros((1, 5), numpy.float32))]):
            with pytest.raises(native.Refused):
                guest.infer(model, tensors)
        guest.infer("echo", [(0, FOUR)])
        with pytest.raises(native.Refused):
            guest.infer("slow", [(0, FOUR)], deadline_ms=100)
        with pytest.raises(native.Refused):
            guest.push(b"nonsense")
        guest.unload("slow")
    lines = log.take(9)
    assert all(line["protocol"] == "native" for line in lines)
    assert [(line["what"], line["outcome"]) for line in lines[:7]] == [
        ("LIST", "ok"), ("STATS", "ok"), ("INFO", "ok"), ("INFER", "not-found"), ("INFER", "invalid-argument"),
        ("INFER", "ok"), ("INFER", "deadline-exceeded")]
    assert lines[7]["what"] == "OFFER" and "error" in lines[7]
    assert (lines[8]["what"], lines[8]["outcome"], lines[8]["model"]) == ("UNLOAD", "ok", "slow")
    assert lines[5]["model"] == "echo" and lines[5]["version"] == "7" and lines[6]["model"] == "slow"
    assert "model" not in lines[0] and "model" not in lines[3]
    # One that goes with its connection.
    with native.Guest(log.host.local) as guest:
        guest.push(SLOW, "slow")
        guest.start("slow", [(0, FOUR)])
        time.sleep(0.2)
    offer, line = log.take(2)
    assert offer["what"] == "OFFER" and (line["what"], line["outcome"]) == ("INFER", "cancelled")
