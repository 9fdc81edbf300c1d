# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol over HTTP/1.1 against the real daemon, by http.client and by hand."""

import base64
import contextlib
import gzip
import http.client
import json
import socket
import threading
import time
import zlib

import http_guest
import native
import numpy
import onnx_writer
import pytest
from conftest import engine_config, eventually

ECHO = b"TSKECHO1 shape=1,4"
ANY = b"TSKECHO1 shape=-1"
SLOW = b"TSKECHO1 delay_ms=20000 shape=1,4"
FOUR = numpy.arange(4, dtype="float32").reshape(1, 4)
MIB = 1 << 20
HOST = b"Host: h\r\n"
GET = b"GET /v2/health/live HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /v2/models/echo/infer HTTP/1.1\r\n" + HOST


def push(tensock, model, name, version=""):
    with native.Guest(tensock.local) as guest:
        guest.push(model, name, version)


def stats(tensock):
    with native.Guest(tensock.local) as guest:
        return guest.stats()


@pytest.fixture
def guest(echo):
    push(echo, ECHO, "echo")
    with http_guest.Guest(echo.local) as one:
        yield one


class Raw:
    """Bytes there and back."""

    def __init__(self, tensock, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(tensock.local))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, data):
        """All that comes back until the connection ends; what is sent may not be taken whole."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self.rest()

    def rest(self):
        data = b""
        try:
            while more := self.socket.recv(65536):
                data += more
        except ConnectionResetError:
            pass
        return data

    def until(self, end):
        data = b""
        while end not in data:
            more = self.socket.recv(65536)
            assert more, data
            data += more
        return data


# ---- As it is meant to be


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
        metadata = guest.get("/v2/models/direction").json
        assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3, -1, -1]}]
        assert guest.get("/v2/models/direction/config").json["max_batch_size"] == 0
        (told,) = guest.get("/v2/models/direction/stats").json["model_stats"]
        assert told["inference_stats"]["success"]["count"] == 3  # whatever protocol they came by


def test_outputs_of_named_dimensions(onnx):
    """Where the name tells an output's size before the run, and where it tells a lie."""
    axis = onnx_writer.field(1, "axis") + onnx_writer.field(3, 0) + onnx_writer.field(20, 2)
    ends = onnx_writer.graph_input("x", ["n"]), onnx_writer.graph_output("y", ["n"])
    push(onnx, onnx_writer.model(onnx_writer.node("Relu", ["x"], ["y"]), *ends), "relu")
    push(onnx, onnx_writer.model(onnx_writer.node("Concat", ["x", "x"], ["y"], axis), *ends), "twice")
    with http_guest.Guest(onnx.local) as guest:
        for n in (3, 1000, 0, 1, 1 << 20):
            x = numpy.random.rand(n).astype("float32") - numpy.float32(0.5)
            assert numpy.array_equal(guest.infer("relu", [("x", x)]).tensors["y"], numpy.maximum(x, 0))
            assert numpy.array_equal(guest.infer("twice", [("x", x)]).tensors["y"], numpy.concatenate([x, x]))


def test_types_and_shapes(guest, echo):
    for number, (name, dtype) in enumerate(http_guest.DTYPES.items()):
        model = f"m{number}"
        push(echo, b"TSKECHO1 dtype=%d shape=-1,2" % native.DTYPES[numpy.dtype(dtype).name], model)
        for n in (0, 1, 100):
            x = numpy.random.randint(0, 2, (n, 2)).astype(dtype)
            y = guest.infer(model, [("x0", x)]).tensors["x0"]
            assert y.dtype == x.dtype and y.shape == x.shape and (y == x).all()
            answer = guest.infer(model, [("x0", x)], binary=False)
            if name == "FP16":
                assert answer.status == 501 and "JSON" in answer.error
            else:
                assert (answer.tensors["x0"] == x).all()


@pytest.mark.parametrize("n", [0, 1, 2000, 8190, 20000, 1 << 18, (1 << 24) + 1])
def test_sizes(guest, echo, n):
    push(echo, ANY, "any")
    x = numpy.random.rand(n).astype("float32")
    for _ in range(2):
        assert (guest.infer("any", [("x0", x)]).tensors["x0"] == x).all()


def test_many_tensors(guest, echo):
    push(echo, b"TSKECHO1 tensors=300 shape=-1", "many")
    xs = [(f"x{i}", numpy.full(i % 7 if i % 50 else 30000, i, "float32")) for i in range(300)]
    y = guest.infer("many", xs).tensors
    assert all((y[name] == x).all() and y[name].shape == x.shape for name, x in xs)
    y = guest.infer("many", xs, outputs=[{"name": "x13", "parameters": {"binary_data": False}}, {"name": "x0"}])
    assert list(y.tensors) == ["x13", "x0"] and (y.tensors["x13"] == 13).all()


def test_bodies_in_other_forms(guest):
    body, headers = http_guest.infer_body([("x0", FOUR)])
    path = "/v2/models/echo/infer"
    deflate = zlib.compressobj(wbits=-15)
    forms = {"gzip": gzip.compress(body), "x-gzip": gzip.compress(body), "deflate": zlib.compress(body),
             "Deflate": deflate.compress(body) + deflate.flush()}
    for coding, data in forms.items():
        answer = guest.ask("POST", path, data, {**headers, "Content-Encoding": coding})
        assert answer.status == 200 and (answer.tensors["x0"] == FOUR).all(), answer.body
    for size in (1, 7, 1000):
        pieces = [body[at:at + size] for at in range(0, len(body), size)]
        answer = guest.ask("POST", path, iter(pieces), {**headers, "Transfer-Encoding": "chunked"}, chunked=True)
        assert answer.status == 200 and (answer.tensors["x0"] == FOUR).all(), answer.body
    answer = guest.ask("POST", path, FOUR.tobytes(), {"Inference-Header-Content-Length": "0"})
    assert (answer.tensors["x0"] == FOUR).all()


def test_compressed_answer(guest, echo):
    push(echo, ANY, "any")
    x = numpy.zeros(5000, "float32")
    body, _ = http_guest.infer_body([("x0", x)], binary=False)
    for coding, undo in (("gzip", gzip.decompress), ("deflate", zlib.decompress)):
        answer = guest.ask("POST", "/v2/models/any/infer", body, {"Accept-Encoding": coding})
        assert answer.headers["Content-Encoding"] == coding and len(answer.body) < 1000
        assert json.loads(undo(answer.body))["outputs"][0]["shape"] == [5000]


def test_request_ids(guest):
    answer = guest.get("/v2", headers={"X-Request-Id": "a-7"})
    assert answer.headers["X-Request-Id"] == "a-7"
    body, headers = http_guest.infer_body([("x0", FOUR)], id="seven")
    answer = guest.ask("POST", "/v2/models/echo/versions/1/infer", body, headers)
    length = int(answer.headers["Inference-Header-Content-Length"])
    assert json.loads(answer.body[:length])["id"] == "seven"


def test_load_and_unload(onnx):
    model = onnx_writer.identity(3)
    with http_guest.Guest(onnx.local) as guest:
        file = {"file:4/model.onnx": base64.b64encode(model).decode(), "config": "{}"}
        answer = guest.ask("POST", "/v2/repository/models/three/load", json.dumps({"parameters": file}))
        assert answer.status == 200 and answer.body == b"", answer.body
        x = numpy.array([1, 2, 3], "float32")
        assert (guest.infer("three", [("x", x)]).tensors["y"] == x).all()
        index = guest.ask("POST", "/v2/repository/index").json
        assert index == [{"name": "three", "version": "4", "state": "READY", "reason": ""}]
        assert guest.ask("POST", "/v2/repository/models/three/unload", "{}").status == 200
        assert eventually(lambda: not onnx.workers())
        assert guest.get("/v2/models/three/ready").status == 400
        assert guest.infer("three", [("x", x)]).status == 503
        assert guest.ask("POST", "/v2/repository/index", '{"ready":true}').json == []
        assert guest.ask("POST", "/v2/repository/models/three/load").status == 200
        assert guest.get("/v2/models/three/versions/4/ready").status == 200
        # Without a configuration, which Triton wants beside a file.
        file = {"file:1/model.onnx": base64.b64encode(onnx_writer.identity(2)).decode()}
        assert guest.ask("POST", "/v2/repository/models/two/load", json.dumps({"parameters": file})).status == 200
        assert (guest.infer("two", [("x", x[:2])]).tensors["y"] == x[:2]).all()
        answer = guest.ask("POST", "/v2/repository/models/three/load",
                           json.dumps({"parameters": {"file:1/a": base64.b64encode(b"nonsense").decode()}}))
        assert answer.status in (400, 501) and answer.error


@pytest.mark.parametrize("memory, status", [("19MiB", 200), ("18MiB", 429)])
def test_memory_that_a_load_takes(start, memory, status):
    """Its text, in base64, and the model: seven thirds of the model's size and little more."""
    model = onnx_writer.identity(3, 8 << 20)
    text = json.dumps({"parameters": {"file:1/m": base64.b64encode(model).decode()}})
    tensock = start(f"max-memory = {memory}\nmax-request-size = 1MiB\nmax-model-size = 16MiB\n")
    with http_guest.Guest(tensock.local) as guest:
        answer = guest.ask("POST", "/v2/repository/models/m/load", text)
        assert answer.status == status, answer.body
        if status == 429:
            assert "max-memory" in answer.error
            return
        # The text has been let go of.
        x = numpy.array([1, 2, 3], "float32")
        assert (guest.infer("m", [("x", x)]).tensors["y"] == x).all()


def test_what_is_not_there(guest):
    assert guest.get("/v2/systemsharedmemory/status").json == []
    assert guest.get("/v2/cudasharedmemory/status").json == []
    for kind in ("system", "cuda"):
        assert guest.ask("POST", f"/v2/{kind}sharedmemory/unregister").status == 200
        answer = guest.ask("POST", f"/v2/{kind}sharedmemory/region/r/register", '{"key":"/k","byte_size":4}')
        assert answer.status in (403, 501) and "shared" in answer.error
    assert guest.get("/v2/trace/setting").json["trace_level"] == ["OFF"]
    for path in "/v2/trace/setting", "/v2/models/echo/trace/setting", "/v2/logging":
        holds = guest.get(path).json
        # To say what holds already is no change.
        assert guest.ask("POST", path, "{}").json == holds
        assert guest.ask("POST", path, json.dumps(holds)).json == holds
        assert guest.ask("POST", path, '{"nothing":"x"}').status == 400
        assert guest.ask("POST", path, "{").status == 400
    answer = guest.ask("POST", "/v2/models/echo/trace/setting", '{"trace_level":["TENSORS"]}')
    assert answer.status == 501 and "'trace_level'" in answer.error
    answer = guest.ask("POST", "/v2/logging", '{"log_info":true,"log_verbose_level":9}')
    assert answer.status == 501 and "'log_" in answer.error
    assert guest.get("/metrics").status == 404
    answer = guest.ask("PUT", "/v2/models/echo/infer", b"x")
    assert answer.status == 405 and answer.headers["Allow"] == "POST"
    assert "unknown model: 'none'" in guest.infer("none", [("x", FOUR)]).error
    assert guest.infer("echo", [("x0", FOUR)]).status == 200  # on the same connection


def test_pipelining(echo):
    push(echo, ECHO, "echo")
    body, _ = http_guest.infer_body([("x0", FOUR)], binary=False)
    one = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with Raw(echo) as raw:
        answers = raw.ask((one + GET) * 50 + b"GET /v2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert answers.count(b"HTTP/1.1 200 OK\r\n") == 101
        assert answers.count(b'"data":[0') == 50
        # In order.
        assert answers.find(b'"live"') > answers.find(b'"data"') and answers.endswith(b"}")


def test_continue(echo):
    push(echo, ECHO, "echo")
    body, _ = http_guest.infer_body([("x0", FOUR)], binary=False)
    with Raw(echo) as raw:
        raw.socket.sendall(POST + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body))
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.socket.sendall(body)
        assert b"HTTP/1.1 200 OK" in raw.until(b"]}]}")
        answer = raw.ask(POST + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ") and b"max-request-size" in answer


def test_deadline(guest, echo):
    push(echo, SLOW, "slow")
    began = time.monotonic()
    answer = guest.infer("slow", [("x0", FOUR)], parameters={"timeout": 200000, "binary_data_output": True})
    assert answer.status == 504 and 0.15 < time.monotonic() - began < 5


# ---- As it is not meant to be


BAD = {
    "two readings of the length": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "the same, the other way round": b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "a list of lengths": b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": b"Content-Length: +3\r\n\r\nabc",
    "two codings": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "another coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a fold": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Content-Length : 3\r\n\r\nabc",
    "a bare line feed": b"Content-Length: 3\n\r\nabc",
    "a bare carriage return": b"X: a\rContent-Length: 3\r\n\r\nabc",
    "a zero byte": b"X: a\0b\r\n\r\n",
    "a chunk's size of letters": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a chunk's size with a sign": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk's size beyond 64 bits": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "a chunk that is longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    "another host": b"Host: g\r\n\r\n",
    "no gzip": b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "half of gzip": b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + gzip.compress(b"hello")[:12],
    "too long a field": b"X: " + b"a" * 20000 + b"\r\n\r\n",
    "too many fields": b"X: a\r\n" * 200 + b"\r\n",
    "too long an extension": b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 10000 + b"\r\nx\r\n0\r\n\r\n",
    "too long a trailer": b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 10000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_refused_forms(echo, name):
    """One answer, which is a refusal, and the end: what stands behind it is not looked at."""
    push(echo, ECHO, "echo")
    with Raw(echo) as raw:
        answer = raw.ask(POST + BAD[name] + GET)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 ", b"HTTP/1.1 501 ")), answer
        assert answer.count(b"HTTP/1.1 ") == 1 and b"\r\nConnection: close\r\n" in answer
        assert b'{"error":"' in answer
    with Raw(echo) as raw:
        assert b" 200 OK" in raw.ask(GET[:-2] + b"Connection: close\r\n\r\n")
    assert len(echo.fronts()) == 1


def test_bomb(echo):
    push(echo, ANY, "any")
    data = gzip.compress(b"{" + b" " * (64 * MIB))
    with http_guest.Guest(echo.local) as guest:
        answer = guest.ask("POST", "/v2/models/any/infer", data, {"Content-Encoding": "gzip"})
        assert answer.status == 400 and "bomb" in answer.error and answer.headers["Connection"] == "close"


def test_json_that_is_none(guest):
    for text in (b"", b"{", b"[" * 100000, b'{"inputs":[]', b"nonsense", b"\xff\xfe", b'{"inputs":1}',
                 b'{"inputs":[{"name":"x0","shape":[1,4],"datatype":"FP32","data":[1,2,3]}]}',
                 b'{"inputs":[{"name":"x0","shape":[9223372036854775807,4],"datatype":"FP32","data":[]}]}'):
        answer = guest.ask("POST", "/v2/models/echo/infer", text)
        assert answer.status in (400, 413) and answer.error, text
    assert guest.infer("echo", [("x0", FOUR)]).status == 200


def test_limits(start):
    tensock = start("max-request-size = 1MiB\nmax-requests = 1\nmax-connections = 4\n" + engine_config("echo"))
    push(tensock, ANY, "any")
    push(tensock, SLOW, "slow")
    with http_guest.Guest(tensock.local) as guest:
        for n in (MIB // 4, 4 * MIB):
            answer = guest.infer("any", [("x0", numpy.zeros(n, "float32"))])
            assert answer.status == 413 and "max-request-size" in answer.error
        body = b" " * (2 * MIB)
        answer = guest.ask("POST", "/v2/models/any/infer", iter([body]), chunked=True)
        assert answer.status == 413 and "max-request-size" in answer.error

        def ask_slow():
            with contextlib.suppress(OSError, http.client.HTTPException):
                while guest.infer("slow", [("x0", FOUR)]).status == 429:
                    pass

        pending = threading.Thread(target=ask_slow)
        pending.start()
        with http_guest.Guest(tensock.local) as other:
            assert eventually(lambda: other.infer("any", [("x0", numpy.zeros(4, "float32"))]).status == 429)
            assert other.get("/v2/health/ready").status == 200
            guest.connection.sock.shutdown(socket.SHUT_RDWR)
            pending.join()
    others = [http_guest.Guest(tensock.local) for _ in range(4)]
    assert eventually(lambda: all(one.get("/v2").status == 200 for one in others[:2]))
    for one in others:
        one.connection.close()


def test_memory_is_given_back(start):
    """Whatever is refused in the middle, nothing of it stays."""
    tensock = start("max-memory = 64MiB\nmax-request-size = 32MiB\n" + engine_config("echo"))
    push(tensock, ANY, "any")
    with http_guest.Guest(tensock.local) as guest:
        for _ in range(20):
            x = numpy.zeros(3 * MIB, "float32")
            assert guest.infer("any", [("x0", x)]).status == 200
            with Raw(tensock) as raw:
                raw.socket.sendall(b"POST /v2/models/any/infer HTTP/1.1\r\n" + HOST +
                                   b"Content-Length: 30000000\r\n\r\n" + b" " * 100000)


def test_cut_bodies(echo):
    push(echo, ECHO, "echo")
    body, headers = http_guest.infer_body([("x0", FOUR)])
    whole = POST + b"".join(b"%s: %s\r\n" % (k.encode(), v.encode()) for k, v in headers.items()) + \
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    for n in range(4, len(whole), 5):
        with Raw(echo) as raw:
            raw.socket.sendall(whole[:n])
            if n % 2:
                raw.socket.shutdown(socket.SHUT_WR)
                assert raw.rest() == b""
    with http_guest.Guest(echo.local) as guest:
        assert guest.infer("echo", [("x0", FOUR)]).status == 200
    assert len(echo.fronts()) == 1


def test_cancel_by_going(echo):
    push(echo, SLOW, "slow")
    push(echo, ECHO, "echo")
    body, _ = http_guest.infer_body([("x0", FOUR)], binary=False)
    with Raw(echo) as raw:
        raw.socket.sendall(b"POST /v2/models/slow/infer HTTP/1.1\r\n" + HOST +
                           b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert eventually(lambda: stats(echo)["requests-active"] == 1)
    assert eventually(lambda: stats(echo)["requests-cancelled"] == 1)


def test_slow_heads(start):
    """A head that never ends is not waited for, however many bytes of it come."""
    tensock = start("idle-timeout = 1s\n" + engine_config("echo"))
    with Raw(tensock) as silent, Raw(tensock) as slow:
        silent.socket.sendall(b"GET /v2 HT")
        slow.socket.sendall(b"GET /v2 HTTP/1.1\r\n")
        began = time.monotonic()
        answer = b""
        with pytest.raises((BrokenPipeError, ConnectionResetError, StopIteration)):
            while time.monotonic() - began < 10:
                slow.socket.sendall(b"X: " + b"a" * 80 + b"\r\n")
                time.sleep(0.1)
                slow.socket.setblocking(False)
                try:
                    answer += slow.socket.recv(4096)
                except BlockingIOError:
                    pass
                slow.socket.setblocking(True)
                if answer:
                    raise StopIteration
        assert time.monotonic() - began < 5
        assert answer.startswith(b"HTTP/1.1 408 ") and b"idle-timeout" in answer
        assert silent.rest() == b""
        # Between its requests a client may be silent.
        with http_guest.Guest(tensock.local) as guest:
            assert guest.get("/v2").status == 200
            time.sleep(1.5)
            assert guest.get("/v2").status == 200


def test_stop(echo):
    """What is under way is answered; then the connection ends."""
    slow = b"TSKECHO1 delay_ms=1000 shape=1,4"
    push(echo, slow, "slow")
    answers = []

    def ask():
        with http_guest.Guest(echo.local) as guest:
            answers.append(guest.infer("slow", [("x0", FOUR)]))

    thread = threading.Thread(target=ask)
    thread.start()
    assert eventually(lambda: stats(echo)["requests-active"] == 1)
    echo.daemon.process.terminate()
    thread.join()
    assert echo.daemon.process.wait(20) == 0  # a second signal would end what is left of it
    assert answers[0].status == 200 and (answers[0].tensors["x0"] == FOUR).all()
