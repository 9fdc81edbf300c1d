# SPDX-License-Identifier: Apache-2.0
"""Tensors in POSIX shared memory, registered by name over HTTP: whose regions, which parts, what goes wrong."""

import json
import os
from pathlib import Path

import http_guest
import native
import numpy
import pytest
from conftest import SANITIZED, engine_config

ECHO = b"TSKECHO1 shape=1,4"
FOUR = numpy.arange(4, dtype="float32").reshape(1, 4)
OTHER_UID = 12345


class Region:
    """A file in /dev/shm, as shm_open() makes it."""

    def __init__(self, name, size):
        self.key = f"tensock-test-{os.getpid()}-{name}"
        self.path = Path("/dev/shm") / self.key
        self.path.write_bytes(bytes(size))
        self.path.chmod(0o600)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.path.unlink()

    def write(self, offset, data):
        with open(self.path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def read(self, offset, n):
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(n)


def register(guest, name, region, offset=0, size=4096, key=None):
    return guest.ask("POST", f"/v2/systemsharedmemory/region/{name}/register", json.dumps(
        {"key": key or f"/{region.key}", "offset": offset, "byte_size": size}))


def infer(guest, into="", size=16, offset=0, out_size=16):
    """x out of the region "in"; y into the other one, where there is one."""
    parameters = {"shared_memory_region": "in", "shared_memory_byte_size": size, "shared_memory_offset": offset}
    said = {"inputs": [{"name": "x0", "shape": [1, 4], "datatype": "FP32", "parameters": parameters}]}
    if into:
        said["outputs"] = [{"name": "x0", "parameters": {
            "shared_memory_region": into, "shared_memory_byte_size": out_size, "shared_memory_offset": 64}}]
    return guest.ask("POST", "/v2/models/echo/infer", json.dumps(said))


def serve(start, setting):
    tensock = start(f"{setting}\n{engine_config('echo')}")
    with native.Guest(tensock.local) as guest:
        guest.push(ECHO, "echo")
    return tensock


@pytest.fixture
def tensock(start):
    return serve(start, f"shared-memory = {os.getuid()}")


@pytest.fixture
def guest(tensock):
    with http_guest.Guest(tensock.local) as one:
        yield one


@pytest.fixture
def region():
    with Region("in", 8192) as one:
        yield one


def test_in_and_out(guest, region):
    assert register(guest, "in", region).status == 200
    region.write(256, FOUR.tobytes())
    answer = infer(guest, offset=256)
    assert answer.tensors["x0"].tobytes() == FOUR.tobytes()
    answer = infer(guest, into="in", offset=256)
    assert answer.status == 200, answer.body
    output = answer.json["outputs"][0]
    assert output == {"name": "x0", "datatype": "FP32", "shape": [1, 4]}
    assert region.read(64, 16) == FOUR.tobytes()


def test_offset_of_the_region(guest, region):
    assert register(guest, "in", region, offset=4096).status == 200
    region.write(4096 + 32, FOUR.tobytes())
    assert infer(guest, offset=32).tensors["x0"].tobytes() == FOUR.tobytes()


def test_status_and_unregister(guest, region):
    assert guest.get("/v2/systemsharedmemory/status").json == []
    assert register(guest, "in", region, offset=16, size=100).status == 200
    assert register(guest, "b", region).status == 200
    said = guest.get("/v2/systemsharedmemory/region/in/status").json
    assert said == [{"name": "in", "key": f"/{region.key}", "offset": 16, "byte_size": 100}]
    again = register(guest, "in", region)
    assert (again.status, again.error) == (400, "shared memory region 'in' already in manager")
    assert guest.ask("POST", "/v2/systemsharedmemory/region/in/unregister").status == 200
    assert guest.get("/v2/systemsharedmemory/region/in/status").status == 404
    assert len(guest.get("/v2/systemsharedmemory/status").json) == 1
    assert guest.ask("POST", "/v2/systemsharedmemory/unregister").status == 200
    assert guest.get("/v2/systemsharedmemory/status").json == []
    assert "Unable to find shared memory region" in infer(guest).error


def test_parts_beyond_it(guest, region):
    assert "shorter" in register(guest, "in", region, size=8193).error
    assert register(guest, "in", region).status == 200
    assert infer(guest, offset=4096 - 8).status == 400
    assert infer(guest, offset=1 << 63).status == 400
    assert "should be at least" in infer(guest, into="in", out_size=15).error
    assert infer(guest, size=20).status == 400  # 16 are what the type and shape say


def test_region_that_is_cut(guest, region):
    assert register(guest, "in", region).status == 200
    os.truncate(region.path, 10)
    assert "cut" in infer(guest).error
    assert guest.get("/v2/health/live").status == 200


def test_what_is_no_region_of_the_user(guest, region):
    for key in ["../../etc/passwd", "/etc/passwd", "..", "a/b"]:
        assert register(guest, "x", region, key=key).status == 400
    assert register(guest, "x", region, key="tensock-test-none").status == 400
    link = Path("/dev/shm") / f"{region.key}-link"
    link.symlink_to("/etc/hostname")
    try:
        assert register(guest, "x", region, key=link.name).status == 400
    finally:
        link.unlink()
    os.link(region.path, link)
    try:
        assert register(guest, "x", region, key=link.name).status == 400
    finally:
        link.unlink()
    assert guest.get("/v2/systemsharedmemory/status").json == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a file another user's")
def test_another_users_region(guest, region):
    os.chown(region.path, OTHER_UID, OTHER_UID)
    answer = register(guest, "in", region)
    assert answer.status == 403, answer.body
    assert "shared-memory" in answer.error


def test_nobody_may_without_the_setting(start, region):
    tensock = serve(start, "")
    with http_guest.Guest(tensock.local) as guest:
        answer = register(guest, "in", region)
        assert answer.status == 403, answer.body
        # What clients ask for in any case.
        assert guest.get("/v2/systemsharedmemory/status").json == []
        assert guest.ask("POST", "/v2/systemsharedmemory/unregister").status == 200
        assert guest.ask("POST", "/v2/cudasharedmemory/unregister").status == 200


@pytest.mark.skipif(SANITIZED, reason="a process under ASan has more of everything")
def test_many_registrations_cost_nothing(tensock, guest, region):
    front, = tensock.fronts()
    for _ in range(50):
        assert register(guest, "in", region).status == 200
        assert guest.ask("POST", "/v2/systemsharedmemory/unregister").status == 200
    assert len(list(Path(f"/proc/{front}/fd").iterdir())) < 60


def test_one_too_many(guest, region):
    for i in range(64):
        assert register(guest, str(i), region).status == 200
    assert "64" in register(guest, "more", region).error
