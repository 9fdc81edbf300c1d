# SPDX-License-Identifier: Apache-2.0
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import onnx_model
from machine import Machine, guest

MODEL_SIZES = {"4k": 4096, "1m": 1 << 20, "16m": 16 << 20}


def pytest_configure():
    """A killed test run leaves no QEMU: SIGTERM unwinds the fixtures as Ctrl-C does."""

    def stop(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


@pytest.fixture
def folder():
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def models():
    """{name: (bytes, the line that the daemon prints for it)}"""
    return {name: onnx_model.make(size) for name, size in MODEL_SIZES.items()}


@pytest.fixture(scope="session")
def payloads():
    """{name: random bytes} of the sizes at which bytes are compared."""
    return {name: os.urandom(size) for name, size in {"1": 1, **MODEL_SIZES}.items()}


@pytest.fixture(scope="session", params=guest.KERNELS)
def machine(request, models, payloads):
    """One daemon and one guest, shared by the tests that leave both as they were; then the same with
    a guest of the next kernel."""
    if not guest.have_kernel(request.param):
        pytest.skip(f"no Linux {request.param} for a guest: tools/deps test found none")
    files = {f"models/{name}": data for name, (data, _) in models.items()}
    files |= {f"data/{name}": data for name, data in payloads.items()}
    files["models/1"] = b"\x08"
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path:
        with Machine(path, files=files, kernel=request.param) as shared:
            yield shared


@pytest.fixture
def vm(machine):
    """The shared guest.  A test that broke it does not take the others along: they get a new one."""
    shared = machine.vms[0]
    if shared.guest is None:
        shared.boot()
    yield shared
    try:
        shared.check("true", timeout_s=20)
    except Exception:
        shared.boot()
