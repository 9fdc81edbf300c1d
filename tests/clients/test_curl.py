# SPDX-License-Identifier: Apache-2.0
"""HTTP as curl speaks it."""

import json
import subprocess
from types import SimpleNamespace

import numpy
import pytest
from faces import Http
from models import values

INFER = "/v2/models/identity_fp32/infer"
RAW = ["-H", "Inference-Header-Content-Length: 0", "-H", "Content-Type: application/octet-stream"]


@pytest.fixture
def curl(server, connect):
    """curl(path, options of its own): what it has got.  Paths of the server's."""
    server.need(connect(Http), "identity_fp32", "identity_bytes", "big", "rows", "table")

    def run(path, *options, data=None, at=None):
        report = "\n%{http_code} %{num_connects} %{size_download}"
        done = subprocess.run(
            ["curl", "-q", "-sS", "-v", "--noproxy", "*", "--max-time", "60", "-w", report, *options,
             (at or server.http) + path], input=data, stdin=None if data is not None else subprocess.DEVNULL,
            capture_output=True, check=False)
        trace = done.stderr.decode(errors="replace")
        assert done.returncode == 0, trace
        body, _, last = done.stdout.rpartition(b"\n")
        status, n_connects, n_bytes = map(int, last.split())
        headers = dict(line[2:].rstrip("\r").lower().split(": ", 1) for line in trace.splitlines()
                       if line.startswith("< ") and ": " in line)
        return SimpleNamespace(status=status, body=body, trace=trace, n_connects=n_connects, headers=headers,
                               n_bytes=n_bytes)

    return run


def asked(array, **more):
    """A request in JSON."""
    return json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": list(array.shape),
                                   "data": array.tolist()}], **more}).encode()


def test_health(curl):
    for path, key in ("/v2/health/live", "live"), ("/v2/health/ready", "ready"):
        reply = curl(path)
        assert reply.status == 200 and json.loads(reply.body)[key] is True
        assert reply.headers["content-type"] == "application/json"
    reply = curl("/v2/models/identity_fp32/ready")
    assert reply.status == 200


def test_head(curl):
    """As GET, without the body."""
    for path in "/v2/health/live", "/v2", "/v2/models/identity_fp32":
        got, head = curl(path), curl(path, "--head")
        assert head.status == 200
        assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.body))
        assert head.n_bytes == 0
    assert curl("/v2/models/nobody", "--head").status == 404


def test_json(curl):
    reply = curl(INFER, "--json", asked(numpy.array([1, 2.5, -3])).decode())
    assert reply.status == 200
    answer = json.loads(reply.body)
    output, = answer["outputs"]
    assert output == {"name": "y", "datatype": "FP32", "shape": [3], "data": [1, 2.5, -3]}
    assert answer["model_name"] == "identity_fp32" and answer["model_version"] == "1"


def test_json_as_people_write_it(curl):
    """Nested data; a form's content type, which curl sends where nobody says another."""
    body = ('{"id": "7",\n "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 5],\n'
            ' "data": [[1, 2, 3, 4, 5], [-1, -2e0, 0.3e1, 4.0, 5]]}]}\n')
    reply = curl("/v2/models/rows/infer", "-d", body)
    assert reply.status == 200
    answer = json.loads(reply.body)
    assert answer["id"] == "7" and answer["outputs"][0]["data"] == [1, 2, 3, 4, 5, -1, -2, 3, 4, 5]


def test_raw_binary_request(curl):
    """The body is the one input; the answer has its outputs behind its JSON."""
    array = values("FP32")
    reply = curl(INFER, *RAW, "--data-binary", "@-", data=array.tobytes())
    assert reply.status == 200
    n = int(reply.headers["inference-header-content-length"])
    assert reply.headers["content-type"] == "application/octet-stream"
    output, = json.loads(reply.body[:n])["outputs"]
    assert output["shape"] == [7] and output["parameters"]["binary_data_size"] == array.nbytes
    assert reply.body[n:] == array.tobytes()


def test_raw_binary_request_of_an_unknown_shape(curl):
    """Refused, as Triton refuses it; what the sentence says to do instead works."""
    array = numpy.arange(6, dtype=numpy.float32)
    reply = curl("/v2/models/table/infer", *RAW, "--data-binary", "@-", data=array.tobytes())
    error = json.loads(reply.body)["error"]
    assert reply.status == 400 and "'x', where more than one dimension is open" in error
    assert "(shape, binary_data_size)" in error and error.endswith("Inference-Header-Content-Length that JSON's length")
    said = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3],
                                   "parameters": {"binary_data_size": 24}}]}).encode()
    reply = curl("/v2/models/table/infer", "-H", f"Inference-Header-Content-Length: {len(said)}", "--data-binary", "@-",
                 data=said + array.tobytes())
    assert reply.status == 200 and json.loads(reply.body)["outputs"][0]["shape"] == [2, 3]
    reply = curl("/v2/models/identity_bytes/infer", *RAW, "--data-binary", "@-", data=b"abc")
    assert reply.status == 400 and "whose elements have no fixed size" in json.loads(reply.body)["error"]


def test_expect_100_continue(curl):
    """curl asks before it sends more than a megabyte."""
    array = numpy.arange(4 << 20, dtype=numpy.uint32)
    reply = curl("/v2/models/big/infer", *RAW, "-H", "Expect: 100-continue", "--expect100-timeout", "30",
                 "--data-binary", "@-", data=array.tobytes())
    assert reply.status == 200 and "< HTTP/1.1 100" in reply.trace
    assert reply.body.endswith(array.tobytes())


def test_expect_100_continue_of_what_is_refused(curl, own_server, connect):
    """The body is not asked for."""
    server = own_server("max-request-size = 1MiB\n")
    server.need(connect(Http, server), "identity_fp32")
    reply = curl(INFER, *RAW, "-H", "Expect: 100-continue", "--expect100-timeout", "30", "--data-binary", "@-",
                 data=bytes(4 << 20), at=server.http)
    assert reply.status == 413 and "< HTTP/1.1 100" not in reply.trace
    assert "max-request-size" in json.loads(reply.body)["error"]
    assert curl("/v2/health/live", at=server.http).status == 200


def test_too_large_without_asking(curl, own_server, connect):
    server = own_server("max-request-size = 1MiB\n")
    server.need(connect(Http, server), "identity_fp32")
    for body in (["--data-binary", "@-", "-H", "Expect:"], ["-X", "POST", "-T", "-", "-H", "Expect:"]):
        reply = curl(INFER, *RAW, *body, data=bytes(2 << 20), at=server.http)
        assert reply.status == 413 and "max-request-size" in json.loads(reply.body)["error"]


@pytest.mark.parametrize("n", [7, 1 << 20])
def test_chunked_upload(curl, n):
    """-T -: of a length that is not known."""
    array = numpy.arange(n, dtype=numpy.float32)
    reply = curl("/v2/models/big/infer", *RAW, "-X", "POST", "-T", "-", data=array.tobytes())
    assert "> Transfer-Encoding: chunked" in reply.trace
    assert reply.status == 200 and reply.body.endswith(array.tobytes())
    reply = curl("/v2/models/big/infer", "-X", "POST", "-T", "-", data=asked(array[:1000]))
    assert reply.status == 200 and json.loads(reply.body)["outputs"][0]["data"] == array[:1000].tolist()


def test_compressed(curl):
    array = numpy.zeros(100_000, numpy.float32)
    plain = curl("/v2/models/big/infer", "--data-binary", "@-", data=asked(array))
    packed = curl("/v2/models/big/infer", "--compressed", "--data-binary", "@-", data=asked(array))
    assert packed.status == 200 and packed.headers["content-encoding"] in ("gzip", "deflate")
    assert packed.body == plain.body and packed.n_bytes < plain.n_bytes / 10
    assert "content-encoding" not in plain.headers


def test_connection_is_kept(curl, server):
    reply = curl("/v2/health/live", server.http + "/v2", server.http + "/v2/models/nobody")
    # Of three URLs curl prints three reports; the last one made no connection.
    assert reply.n_connects == 0
    assert curl("/v2/health/live", "-H", "Connection: close").headers["connection"] == "close"


def test_http_1_0(curl):
    reply = curl("/v2/health/live", "--http1.0")
    assert reply.status == 200 and json.loads(reply.body)["live"] is True


def test_unix_socket(curl, server):
    reply = curl("/v2", "--unix-socket", str(server.socket))
    assert reply.status == 200 and json.loads(reply.body)["name"] == "tensock"
    assert curl("/v2/models/identity_fp32", "--unix-socket", str(server.socket)).status == 404, "another guest's model"


@pytest.mark.parametrize("path, options, status", [
    ("/", [], 404),
    ("/v2/nothing", [], 404),
    ("/v3", [], 404),
    ("/v2/models/nobody", [], 404),
    ("/v2/models/identity_fp32/versions/9", [], 404),
    ("/v2/models/nobody/infer", ["-d", "{}"], 404),
    (INFER, [], 405),
    ("/v2", ["-d", "{}"], 405),
    ("/v2/health/live", ["-X", "DELETE"], 405),
    ("/v2/repository/index", [], 405),
    ("/v2/models/identity_fp32/generate", ["-d", "{}"], 404),
    ("/v2/models/identity_fp32/versions", [], 404),
    ("/v2/a/b/c/d/e/f/g/h", [], 404),
    ("/v2/nothing?a=b", [], 404),
    (INFER, ["-X", "PUT", "-d", "{}"], 405),
    ("/v2", ["-X", "OPTIONS"], 405),
    ("/v2/nothing", ["-X", "PATCH"], 404),
    (INFER, ["-d", ""], 400),
    (INFER, ["-d", "{"], 400),
    (INFER, ["-d", "[]"], 400),
    (INFER, ["-d", "{}"], 400),
    (INFER, ["-d", '{"inputs": []}'], 400),
    (INFER, ["-d", '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1]}]}'], 400),
    (INFER, ["-d", '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": ["1"]}]}'], 400),
    (INFER, ["-d", '{"inputs": [{"name": "x", "datatype": "FP31", "shape": [1], "data": [1]}]}'], 400),
    (INFER, ["-d", '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1], "data": [1]}]}'], 400),
    (INFER, ["-d", "{}", "-H", "Inference-Header-Content-Length: 3"], 400),
])
def test_what_is_refused(curl, path, options, status):
    """With a sentence, and on a connection that stays."""
    reply = curl(path, *options)
    assert reply.status == status, reply.body
    assert "connection" not in reply.headers, "it is closed"
    assert json.loads(reply.body)["error"]
    assert reply.headers["content-type"] == "application/json"
    if status == 405:
        assert reply.headers["allow"]


@pytest.mark.parametrize("field, status", [
    ("Inference-Header-Content-Length: x", 400), ("Content-Encoding: br", 415), ("Expect: more", 417)])
def test_a_head_that_is_refused(curl, field, status):
    """With a sentence, and the connection's end."""
    reply = curl(INFER, "-d", "{}", "-H", field)
    assert reply.status == status and json.loads(reply.body)["error"]
    assert reply.headers["connection"] == "close"


def test_index_and_load(curl, server, connect):
    """A model that the server has is loaded by an empty body, too."""
    server.need(connect(Http), "sums")
    assert curl("/v2/repository/models/sums/unload", "-X", "POST").status == 200
    assert curl("/v2/models/sums/ready").status in (400, 503)
    for body in [], ["-d", ""], ["-d", "{}"]:
        assert curl("/v2/repository/models/sums/load", "-X", "POST", *body).status == 200
    assert curl("/v2/models/sums/ready").status == 200
    index = json.loads(curl("/v2/repository/index", "-X", "POST").body)
    assert {"name": "sums", "version": "1", "state": "READY", "reason": ""} in index
