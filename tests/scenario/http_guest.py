# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol over HTTP/1.1 on a Unix socket, with nothing but Python's own http.client."""

import http.client
import json
import socket

import numpy

DTYPES = {"FP32": "<f4", "FP64": "<f8", "FP16": "<f2", "INT64": "<i8", "INT32": "<i4", "INT8": "i1",
          "UINT8": "u1", "BOOL": "?"}
NAMES = {numpy.dtype(dtype): name for name, dtype in DTYPES.items()}


class Connection(http.client.HTTPConnection):
    """One to the daemon's socket."""

    def __init__(self, path, timeout=20):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def tensors(self):
        """The outputs, binary ones and those in JSON."""
        length = int(self.headers.get("Inference-Header-Content-Length", len(self.body)))
        said, data, arrays = json.loads(self.body[:length]), self.body[length:], {}
        for output in said["outputs"]:
            dtype = DTYPES[output["datatype"]]
            n = output.get("parameters", {}).get("binary_data_size")
            if n is None:
                array = numpy.array(output["data"], dtype)
            else:
                array, data = numpy.frombuffer(data[:n], dtype), data[n:]
            arrays[output["name"]] = array.reshape(output["shape"])
        assert not data
        return arrays


class Guest:
    """A connection that is kept, and what is asked on it."""

    def __init__(self, path, timeout=20):
        self.connection = Connection(path, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, body=None, headers=(), chunked=False):
        self.connection.request(method, path, body, dict(headers), encode_chunked=chunked)
        return Answer(self.connection.getresponse())

    def ask_with(self, fds, method, path, body):
        """With descriptors beside the request's bytes, by a socket of its own kind: http.client sends none."""
        if self.connection.sock is None:
            self.connection.connect()
        text = body.encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n\r\n"
        request = head.encode() + text
        assert socket.send_fds(self.connection.sock, [request], fds) == len(request)
        response = http.client.HTTPResponse(self.connection.sock, method=method)
        response.begin()
        return Answer(response)

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def infer(self, model, tensors, **more):
        body, headers = infer_body(tensors, **more)
        return self.ask("POST", f"/v2/models/{model}/infer", body, headers)


def infer_body(tensors, binary=True, **more):
    """The body of an inference, and its headers."""
    inputs, data = [], b""
    for name, array in tensors:
        one = {"name": name, "shape": array.shape, "datatype": NAMES[array.dtype]}
        if binary:
            one["parameters"] = {"binary_data_size": array.nbytes}
            data += array.tobytes()
        else:
            one["data"] = array.tolist()
        inputs.append(one)
    said = {"inputs": inputs, **more}
    if binary:
        said.setdefault("parameters", {}).setdefault("binary_data_output", True)
    text = json.dumps(said).encode()
    return text + data, {"Inference-Header-Content-Length": str(len(text))} if binary else {}
