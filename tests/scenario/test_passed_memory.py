# SPDX-License-Identifier: Apache-2.0
"""Tensors in memory whose descriptor a program of this host passes over the Unix socket: no operator need allow it."""

import contextlib
import fcntl
import json
import mmap
import os
import socket
import tempfile
from multiprocessing import shared_memory
from pathlib import Path

import http_guest
import native
import numpy
import pytest
from conftest import engine_config
from daemon import eventually

ECHO = b"TSKECHO1 shape=1,4"
FOUR = numpy.arange(4, dtype="float32").reshape(1, 4)
LARGE = numpy.arange(4 * 8192, dtype="float32").reshape(8192, 4)
SIZE = 8192
F_ADD_SEALS, F_SEAL_WRITE = 1033, 8


@pytest.fixture
def tensock(start):
    tensock = start(engine_config("echo"))
    with native.Guest(tensock.local) as guest:
        guest.push(ECHO, "echo")
    return tensock


@pytest.fixture
def guest(tensock):
    with http_guest.Guest(tensock.local) as one:
        yield one


@pytest.fixture
def region():
    with contextlib.ExitStack() as stack:
        fd = os.memfd_create("region")
        stack.callback(os.close, fd)
        os.truncate(fd, SIZE)
        yield fd


def register(guest, name, fds, offset=0, size=SIZE, key="fd:"):
    body = json.dumps({"key": key, "offset": offset, "byte_size": size})
    return guest.ask_with(fds, "POST", f"/v2/systemsharedmemory/region/{name}/register", body)


def infer(guest, region="r"):
    """x out of the region, y into it, 64 bytes on."""
    parameters = {"shared_memory_region": region, "shared_memory_byte_size": 16}
    return guest.ask("POST", "/v2/models/echo/infer", json.dumps({
        "inputs": [{"name": "x0", "shape": [1, 4], "datatype": "FP32", "parameters": parameters}],
        "outputs": [{"name": "x0", "parameters": {**parameters, "shared_memory_offset": 64}}]}))


def unregister(guest):
    assert guest.ask("POST", "/v2/systemsharedmemory/unregister").status == 200


def held(tensock):
    """What the front has of the things that are passed to it here."""
    front, = tensock.fronts()
    names = []
    for fd in Path(f"/proc/{front}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(fd))
    return [name for name in names if name.startswith(("/memfd:region", "/dev/shm", "/dev/zero", "/etc"))]


def test_in_and_out(guest, region):
    memory = mmap.mmap(region, SIZE)
    answer = register(guest, "r", [region], offset=4096, size=4096)
    assert answer.status == 200, answer.body
    for i in range(3):
        memory[4096:4112] = (FOUR + i).tobytes()
        answer = infer(guest)
        assert answer.status == 200, answer.body
        assert answer.json["outputs"] == [{"name": "x0", "datatype": "FP32", "shape": [1, 4]}]
        assert memory[4160:4176] == (FOUR + i).tobytes()
    assert memory[:4096] == bytes(4096)


def infer_large(guest, out):
    """LARGE out of the region, and into it at this offset."""
    parameters = {"shared_memory_region": "r", "shared_memory_byte_size": LARGE.nbytes}
    return guest.ask("POST", "/v2/models/wide/infer", json.dumps({
        "inputs": [{"name": "x0", "shape": LARGE.shape, "datatype": "FP32", "parameters": parameters}],
        "outputs": [{"name": "x0", "parameters": {**parameters, "shared_memory_offset": out}}]}))


@pytest.fixture
def wide(tensock):
    with native.Guest(tensock.local) as one:
        one.push(b"TSKECHO1 shape=-1,4", "wide")


@pytest.mark.usefixtures("wide")
def test_the_worker_maps_it(tensock, guest, region):
    def mappings():
        return [pid for pid in tensock.workers() if "memfd:region" in Path(f"/proc/{pid}/maps").read_text("utf-8")]

    os.truncate(region, 2 * LARGE.nbytes)
    memory = mmap.mmap(region, 2 * LARGE.nbytes)
    assert register(guest, "r", [region], size=2 * LARGE.nbytes).status == 200
    assert infer_large(guest, LARGE.nbytes).status == 200
    assert eventually(mappings)
    for i in range(3):
        memory[:LARGE.nbytes] = (LARGE + i).tobytes()
        assert infer_large(guest, LARGE.nbytes).status == 200
        assert memory[LARGE.nbytes:] == (LARGE + i).tobytes()
    unregister(guest)
    assert eventually(lambda: not mappings())


@pytest.mark.usefixtures("wide")
def test_what_the_worker_cannot_map(guest):
    """Sealed against writing: inputs are copied."""
    fd = os.memfd_create("region", os.MFD_ALLOW_SEALING)
    os.write(fd, LARGE.tobytes())
    fcntl.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)
    assert register(guest, "r", [fd], size=LARGE.nbytes).status == 200
    for _ in range(3):
        answer = guest.ask("POST", "/v2/models/wide/infer", json.dumps({"inputs": [
            {"name": "x0", "shape": LARGE.shape, "datatype": "FP32",
             "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": LARGE.nbytes}}],
            "parameters": {"binary_data_output": True}}))
        assert answer.status == 200, answer.body
        assert answer.tensors["x0"].tobytes() == LARGE.tobytes()
        assert "cannot be written" in infer_large(guest, 0).error
    os.close(fd)


def test_of_shm_open(guest):
    """As Python's shared memory has it; another connection of the same guest may use it."""
    memory = shared_memory.SharedMemory(create=True, size=SIZE)
    try:
        assert register(guest, "r", [memory._fd]).status == 200  # pylint: disable=protected-access
    finally:
        memory.unlink()
    memory.buf[:16] = FOUR.tobytes()
    with http_guest.Guest(guest.connection.path) as another:
        assert infer(another).status == 200
    assert bytes(memory.buf[64:80]) == FOUR.tobytes()
    memory.close()


def test_status_and_unregister(tensock, guest, region):
    assert register(guest, "r", [region], offset=16, size=100).status == 200
    assert guest.get("/v2/systemsharedmemory/region/r/status").json == [
        {"name": "r", "key": "fd:", "offset": 16, "byte_size": 100}]
    assert len(held(tensock)) == 1
    unregister(guest)
    assert guest.get("/v2/systemsharedmemory/status").json == []
    assert held(tensock) == []
    assert "Unable to find" in infer(guest).error


def test_one_descriptor_for_each_request(guest, region):
    assert "SCM_RIGHTS" in register(guest, "r", []).error
    assert register(guest, "r", [region]).status == 200
    assert "no descriptor of shared memory" in register(guest, "s", []).error


def test_region_that_is_cut_or_sealed(guest):
    fd = os.memfd_create("region", os.MFD_ALLOW_SEALING)
    assert "shorter" in register(guest, "r", [fd], size=1).error
    os.truncate(fd, SIZE)
    assert "shorter" in register(guest, "r", [fd], offset=1).error
    assert register(guest, "r", [fd]).status == 200
    os.truncate(fd, 10)
    assert "cut" in infer(guest).error
    unregister(guest)
    os.truncate(fd, SIZE)
    fcntl.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)  # it can be read still
    assert register(guest, "r", [fd]).status == 200
    assert "cannot be written" in infer(guest).error
    os.close(fd)


def test_what_is_no_memory(tensock, guest):
    with contextlib.ExitStack() as stack:
        def opened(path, flags):
            fd = os.open(path, flags)
            stack.callback(os.close, fd)
            return fd

        ours, theirs = socket.socketpair()
        stack.callback(ours.close)
        stack.callback(theirs.close)
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            others = [opened("/dev/shm", os.O_RDONLY), opened(file.name, os.O_RDONLY),
                      opened(file.name, os.O_WRONLY), opened(file.name, os.O_RDWR | os.O_APPEND)]
        others += [opened("/dev/zero", os.O_RDWR), opened("/etc/hostname", os.O_RDONLY), ours.fileno(), *os.pipe()]
        stack.callback(os.close, others[-1])
        stack.callback(os.close, others[-2])
        for fd in others:
            answer = register(guest, "r", [fd], size=1)
            assert answer.status == 400 and " descriptor " in answer.error, answer.body
            assert held(tensock) == []
    assert guest.get("/v2/systemsharedmemory/status").json == []
    assert held(tensock) == []


def test_others_region(start, folder, region):
    """Another guest knows nothing of it."""
    tensock = start(f"{engine_config('echo')}[guest other]\nhybrid = {folder}/other\n")
    with http_guest.Guest(tensock.local) as guest, http_guest.Guest(f"{folder}/other_9999") as other:
        assert register(guest, "r", [region]).status == 200
        assert other.get("/v2/systemsharedmemory/status").json == []
        assert len(guest.get("/v2/systemsharedmemory/status").json) == 1


def test_one_too_many(guest, region):
    for i in range(64):
        assert register(guest, str(i), [region]).status == 200
    assert "64" in register(guest, "more", [region]).error


def test_floods_leave_nothing(tensock, guest, region):
    """1,000 messages with as many descriptors as the kernel takes, on each kind of connection."""
    assert register(guest, "r", [region]).status == 200
    with contextlib.ExitStack() as stack:
        for first in [b"", b"G", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x10\0\0\0" + bytes(12),
                      b"\1\0\0\0\1\0\0\0" + (1 << 20).to_bytes(8, "little")]:
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.connect(str(tensock.local))
            peer.send(first)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(1000):
                    socket.send_fds(peer, [b"E"], [region] * 253)
        # At most one a connection; the region has one.
        assert eventually(lambda: len(held(tensock)) <= 1 + 3)
        assert guest.get("/v2/health/live").status == 200
    assert eventually(lambda: len(held(tensock)) == 1)
    unregister(guest)
    assert held(tensock) == []
