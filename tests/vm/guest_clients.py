# SPDX-License-Identifier: Apache-2.0
"""Runs in a guest: Triton's clients, as PyPI has them, against what `tensock proxy` brings to the loopback.  With --files:
says which files of this Python it has loaded, for test_clients.py to put into the guest."""

import contextlib
import sys
from pathlib import Path

import certifi
import numpy
import tritonclient.grpc
import tritonclient.http

N_LARGE = 1 << 20
certifi.where()  # as the HTTP client does where a system has no certificates


def use(module, url, model):
    client = module.InferenceServerClient(url)
    assert client.is_server_live() and client.is_server_ready()
    name = module.__name__
    client.load_model(name, config="{}", files={"file:1/model.onnx": model})
    assert client.is_model_ready(name)
    for n in 7, N_LARGE:
        array = numpy.arange(n, dtype=numpy.float32)
        tensor = module.InferInput("x", [n], "FP32")
        tensor.set_data_from_numpy(array)
        result = client.infer(name, [tensor], request_id=str(n))
        assert result.as_numpy("y").tobytes() == array.tobytes()
    try:
        client.infer("nobody", [tensor])
        raise AssertionError("a model that is not there")
    except tritonclient.utils.InferenceServerException as error:
        assert "'nobody' is not found" in error.message(), error
    client.unload_model(name)
    assert not client.is_model_ready(name)
    client.close()
    print(name)


def main():
    if sys.argv[1:] == ["--files"]:
        # Where nobody listens; but then all of a client has been loaded.
        for module in tritonclient.http, tritonclient.grpc:
            with contextlib.suppress(Exception):
                use(module, "127.0.0.1:1", b"")
        files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        print("\n".join(sorted(filter(None, files))))
        return
    model = Path(sys.argv[1]).read_bytes()
    use(tritonclient.http, "127.0.0.1:8000", model)
    use(tritonclient.grpc, "127.0.0.1:8001", model)


if __name__ == "__main__":
    main()
