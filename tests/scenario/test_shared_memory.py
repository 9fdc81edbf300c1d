# SPDX-License-Identifier: Apache-2.0
"""Tensors in POSIX shared memory, registered by name over HTTP: whose regions, which parts, what goes wrong."""

import concurrent.futures
import json
import os
import signal
import time
from pathlib import Path

import http_guest
import native
import numpy
import pytest
from conftest import SANITIZED, engine_config
from daemon import eventually

ECHO = b"TSKECHO1 shape=1,4"
WIDE = b"TSKECHO1 shape=8192,4"
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
        guest.push(WIDE, "wide")
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


# Tensors that are worth mapping: the worker has them where they lie, once it has said that it can.

ROWS = 8192
LARGE = numpy.arange(4 * ROWS, dtype="float32").reshape(ROWS, 4)
ROOM = 1 << 18  # of each tensor in the region; LARGE takes half of it


@pytest.fixture
def large():
    """Registered as "in": an input, and room for an output behind it."""
    with Region("large", 2 * ROOM) as one:
        one.write(0, LARGE.tobytes())
        yield one


def infer_large(guest, model="wide", offset=0, out=ROOM, datatype="FP32"):
    def at(offset):
        return {"shared_memory_region": "in", "shared_memory_byte_size": LARGE.nbytes, "shared_memory_offset": offset}

    shape = [ROWS, 4] if datatype == "FP32" else [LARGE.nbytes // 8, 1]
    said = {"inputs": [{"name": "x0", "shape": shape, "datatype": datatype, "parameters": at(offset)}]}
    if out is not None:
        said["outputs"] = [{"name": "x0", "parameters": at(out)}]
    return guest.ask("POST", f"/v2/models/{model}/infer", json.dumps(said))


def mapping(tensock, region):
    """The workers that have it mapped."""
    return [pid for pid in tensock.workers() if region.key in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")]


def map_it(tensock, guest, region, model="wide", workers=1):
    """The worker learns of it by a first request."""
    assert infer_large(guest, model).status == 200
    assert eventually(lambda: len(mapping(tensock, region)) == workers)


def test_the_worker_maps_it(tensock, guest, large):
    front, = tensock.fronts()
    assert register(guest, "in", large, size=2 * ROOM).status == 200
    map_it(tensock, guest, large)
    for i in range(3):
        there = LARGE + i
        large.write(4096, there.tobytes())
        large.write(ROOM, bytes(LARGE.nbytes))
        assert infer_large(guest, offset=4096, out=None).tensors["x0"].tobytes() == there.tobytes()
        answer = infer_large(guest, offset=4096)
        assert answer.status == 200, answer.body
        assert answer.json["outputs"][0]["shape"] == [ROWS, 4]
        assert large.read(ROOM, LARGE.nbytes) == there.tobytes()
    assert large.key not in Path(f"/proc/{front}/maps").read_text(encoding="utf-8")
    # Small parts, and those that are nowhere near an engine's alignment, are copied.
    large.write(4, FOUR.tobytes())
    assert infer(guest, offset=4).tensors["x0"].tobytes() == FOUR.tobytes()
    large.write(4, LARGE.tobytes())
    assert infer_large(guest, offset=4, out=ROOM + 4).status == 200
    assert large.read(ROOM + 4, LARGE.nbytes) == LARGE.tobytes()
    assert guest.ask("POST", "/v2/systemsharedmemory/unregister").status == 200
    assert eventually(lambda: not mapping(tensock, large))


@pytest.mark.parametrize("out", [0, 64, LARGE.nbytes - 64])
def test_output_upon_the_input(tensock, guest, large, out):
    assert register(guest, "in", large, size=2 * ROOM).status == 200
    map_it(tensock, guest, large)
    assert infer_large(guest, out=out).status == 200
    assert large.read(out, LARGE.nbytes) == LARGE.tobytes()


def test_strings_are_copied(tensock, guest, large):
    strings = b"".join(b"\4\0\0\0%04d" % (i % 10000) for i in range(LARGE.nbytes // 8))
    with native.Guest(tensock.local) as one:
        one.push(b"TSKECHO1 shape=-1,1 dtype=14", "strings")
    large.write(0, strings)
    assert register(guest, "in", large, size=2 * ROOM).status == 200
    for _ in range(3):
        answer = infer_large(guest, "strings", datatype="BYTES")
        assert answer.status == 200, answer.body
        assert large.read(ROOM, len(strings)) == strings
    assert not mapping(tensock, large)


@pytest.fixture
def slow(tensock):
    """A model whose run looks at its input after a while."""
    with native.Guest(tensock.local) as one:
        one.push(b"TSKECHO1 shape=-1,4 delay_ms=500", "slow")


def while_it_runs(guest, do):
    """The answer to a run of "slow", in the middle of which something is done."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(infer_large, guest, "slow")
        time.sleep(0.2)
        do()
        return answer.result()


def test_cut_while_it_runs(start, folder, large):
    tensock = start(f"shared-memory = {os.getuid()}\n{engine_config('echo')}[guest other]\nhybrid = {folder}/other\n")
    with native.Guest(tensock.local) as one, native.Guest(f"{folder}/other_9999") as other:
        one.push(b"TSKECHO1 shape=-1,4 delay_ms=500", "slow")
        other.push(ECHO, "echo")
    fronts = tensock.fronts()
    with http_guest.Guest(tensock.local) as guest:
        assert register(guest, "in", large, size=2 * ROOM).status == 200
        map_it(tensock, guest, large, "slow")
        before = tensock.workers()
        answer = while_it_runs(guest, lambda: os.truncate(large.path, 0))
        assert answer.status == 500, answer.body
        assert "died" in answer.error
        # Its own guest's worker, and nobody else.
        assert guest.get("/v2/health/live").status == 200
        assert tensock.fronts() == fronts
        assert len(set(before) & set(tensock.workers())) == 1
        with native.Guest(f"{folder}/other_9999") as other:
            answer, = other.infer("echo", [("x0", FOUR)]).values()
            assert (answer == FOUR).all()
        assert "cut" in infer_large(guest, "slow").error
        os.truncate(large.path, 2 * ROOM)
        large.write(0, LARGE.tobytes())
        map_it(tensock, guest, large, "slow")
        assert infer_large(guest, "slow").status == 200
        assert large.read(ROOM, LARGE.nbytes) == LARGE.tobytes()


@pytest.mark.usefixtures("slow")
def test_unregistered_while_it_runs(tensock, guest, large):
    def unregister():
        with http_guest.Guest(tensock.local) as another:
            assert another.ask("POST", "/v2/systemsharedmemory/region/in/unregister").status == 200
            assert "Unable to find" in infer_large(another, "slow").error
        assert mapping(tensock, large)

    assert register(guest, "in", large, size=2 * ROOM).status == 200
    map_it(tensock, guest, large, "slow")
    large.write(ROOM, bytes(LARGE.nbytes))
    answer = while_it_runs(guest, unregister)
    assert answer.status == 200, answer.body
    assert large.read(ROOM, LARGE.nbytes) == LARGE.tobytes()
    assert eventually(lambda: not mapping(tensock, large))
    assert register(guest, "in", large, size=2 * ROOM).status == 200
    map_it(tensock, guest, large, "slow")


@pytest.mark.usefixtures("slow")
def test_each_worker_maps_it(tensock, guest, large):
    assert register(guest, "in", large, size=2 * ROOM).status == 200
    map_it(tensock, guest, large)
    map_it(tensock, guest, large, "slow", workers=2)
    assert guest.ask("POST", "/v2/systemsharedmemory/unregister").status == 200
    assert eventually(lambda: not mapping(tensock, large))


def test_the_next_worker_maps_it(tensock, guest, large):
    assert register(guest, "in", large, size=2 * ROOM).status == 200
    map_it(tensock, guest, large)
    os.kill(mapping(tensock, large)[0], signal.SIGKILL)
    assert eventually(lambda: not mapping(tensock, large))
    map_it(tensock, guest, large)
    assert guest.ask("POST", "/v2/repository/models/wide/unload").status == 200
    assert not mapping(tensock, large)
    assert guest.ask("POST", "/v2/repository/models/wide/load").status == 200
    map_it(tensock, guest, large)
    large.write(ROOM, bytes(LARGE.nbytes))
    assert infer_large(guest).status == 200
    assert large.read(ROOM, LARGE.nbytes) == LARGE.tobytes()


def test_it_comes_and_goes_under_runs(tensock, large):
    """Several runs at once, on a region that others register and unregister: each has its answer, no worker dies."""
    with native.Guest(tensock.local) as one:
        one.push(b"TSKECHO1 shape=-1,4 delay_ms=3 runs=3", "parallel")
    end = time.monotonic() + 2

    def run():
        outcomes = set()
        with http_guest.Guest(tensock.local) as guest:
            while time.monotonic() < end:
                answer = infer_large(guest, "parallel", out=None)
                outcomes.add(answer.status)
                assert answer.status == 404 or answer.tensors["x0"].tobytes() == LARGE.tobytes(), answer.body
        return outcomes

    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(run) for _ in range(4)]
        workers = tensock.workers()
        with http_guest.Guest(tensock.local) as guest:
            while time.monotonic() < end:
                assert register(guest, "in", large, size=2 * ROOM).status == 200
                time.sleep(0.02)
                assert guest.ask("POST", "/v2/systemsharedmemory/unregister").status == 200
        assert set.union(*[one.result() for one in runs]) >= {200}
    assert tensock.workers() == workers
    assert eventually(lambda: not mapping(tensock, large))
