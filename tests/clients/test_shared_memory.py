# SPDX-License-Identifier: Apache-2.0
"""Triton's system shared memory, by its own library.  The shared daemon lets guest "tcp" name the regions of whoever runs
the tests."""

import os
import pathlib
import secrets
from types import SimpleNamespace

import numpy
import pytest
import tritonclient.utils.shared_memory as shm
from daemon import eventually
from faces import FACES, INVALID, NOT_FOUND, Grpc, record
from models import values
from tritonclient.utils import serialize_byte_tensor

DENIED = ("403", "StatusCode.PERMISSION_DENIED")
BYTES = 8192


@pytest.fixture(params=FACES)
def face(request, connect):
    one = connect(FACES[request.param])
    yield one
    one.unregister_system_shared_memory()


@pytest.fixture
def region():
    """A region of the host: its key, and a handle for Triton's library."""
    key = f"/tensock-test-{secrets.token_hex(8)}"
    handle = shm.create_shared_memory_region("region", key, BYTES)
    yield SimpleNamespace(key=key, handle=handle)
    shm.destroy_shared_memory_region(handle)


def listed(face, name=""):
    """What the server says of regions: [(name, key, offset, bytes)].  A key's slash may be left out."""
    status = face.get_system_shared_memory_status(name)
    regions = record(status) if face.is_http else status.regions.values()
    return sorted((one.name, "/" + one.key.lstrip("/"), one.offset, one.byte_size) for one in regions)


def by_region(face, name, datatype, shape, n, offset=0):
    tensor = face.module.InferInput(name, shape, datatype)
    tensor.set_shared_memory("region", n, offset)
    return tensor


def into_region(face, name, n, offset=0):
    output = face.output(name)
    output.set_shared_memory("region", n, offset)
    return output


def mapping(server, key):
    """The workers that have mapped a region."""
    return [pid for pid in server.tensock.workers()
            if f"/dev/shm{key}" in pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")]


def test_register_and_unregister(face, region):
    assert listed(face) == []
    face.register_system_shared_memory("region", region.key, BYTES)
    face.register_system_shared_memory("part", region.key, 1000, offset=96)
    assert listed(face) == [("part", region.key, 96, 1000), ("region", region.key, 0, BYTES)]
    assert listed(face, "part") == [("part", region.key, 96, 1000)]
    with face.refused(NOT_FOUND, "nothing"):
        face.get_system_shared_memory_status("nothing")
    with face.refused(INVALID, "'region' already in manager"):
        face.register_system_shared_memory("region", region.key, BYTES)
    face.unregister_system_shared_memory("part")
    assert [one[0] for one in listed(face)] == ["region"]
    face.unregister_system_shared_memory("nothing")
    face.unregister_system_shared_memory()
    assert listed(face) == []


def test_infer_through_a_region(face, need, region):
    need(face, "identity_fp32")
    array = numpy.arange(512, dtype=numpy.float32)
    shm.set_shared_memory_region(region.handle, [array], offset=64)
    face.register_system_shared_memory("region", region.key, BYTES)
    inputs = [by_region(face, "x", "FP32", [512], array.nbytes, 64)]

    # In by the region, out by the reply.
    assert face.infer("identity_fp32", inputs).as_numpy("y").tobytes() == array.tobytes()

    # Both by the region; nothing but the output's place is written.
    shm.set_shared_memory_region(region.handle, [numpy.full(2048, 0xAA, numpy.uint8)], offset=4096)
    outputs = [into_region(face, "y", array.nbytes, 4096)]
    result = face.infer("identity_fp32", inputs, outputs=outputs)
    got = shm.get_contents_as_numpy(region.handle, numpy.float32, [512], offset=4096)
    assert got.tobytes() == array.tobytes()
    # Over HTTP it says nothing of the region: Triton's C++ client takes any parameters for those of binary data.
    output = result.get_output("y")
    assert set(output) == {"name", "datatype", "shape"} if face.is_http else output.datatype == "FP32"

    # In by the request, out by the region, which is larger than what comes.
    face.infer("identity_fp32", [face.input("x", -array)], outputs=[into_region(face, "y", 4096, 4096)])
    got = shm.get_contents_as_numpy(region.handle, numpy.float32, [512], offset=4096)
    assert got.tobytes() == (-array).tobytes()


def test_some_inputs_by_a_region_and_some_not(face, need, region):
    need(face, "sums")
    a = numpy.arange(8, dtype=numpy.float32).reshape(2, 4)
    b = numpy.full((2, 4), 2, numpy.float32)
    shm.set_shared_memory_region(region.handle, [b])
    face.register_system_shared_memory("region", region.key, BYTES)
    outputs = [into_region(face, "difference", a.nbytes, 1024), face.output("sum")]
    result = face.infer("sums", [face.input("a", a), by_region(face, "b", "FP32", [2, 4], b.nbytes)], outputs=outputs)
    assert result.as_numpy("sum").tolist() == (a + b).tolist()
    got = shm.get_contents_as_numpy(region.handle, numpy.float32, [2, 4], offset=1024)
    assert got.tolist() == (a - b).tolist()


def test_large_tensors_stay_in_the_region(face, server, need):
    """The model runs on them as they lie there: its worker has mapped the region, from the first request on."""
    need(face, "sums")
    key, n = f"/tensock-test-{secrets.token_hex(8)}", 1 << 20
    region = shm.create_shared_memory_region("region", key, 4 * n)
    try:
        face.register_system_shared_memory("region", key, 4 * n)
        inputs = [by_region(face, name, "FP32", [n // 16, 4], n, i * n) for i, name in enumerate("ab")]
        outputs = [into_region(face, "sum", n, 2 * n), into_region(face, "difference", n, 3 * n)]
        for factor in 1, 2, 3:
            a = factor * numpy.arange(n // 4, dtype=numpy.float32)
            b = numpy.full(n // 4, factor, numpy.float32)
            shm.set_shared_memory_region(region, [a, b])
            face.infer("sums", inputs, outputs=outputs)
            got = shm.get_contents_as_numpy(region, numpy.float32, [2, n // 4], offset=2 * n)
            assert (got[0] == a + b).all() and (got[1] == a - b).all()
            assert factor == 1 or mapping(server, key)
        face.unregister_system_shared_memory("region")
        assert eventually(lambda: not mapping(server, key))
    finally:
        shm.destroy_shared_memory_region(region)


def test_strings_by_a_region(face, need, region):
    need(face, "identity_bytes")
    array = numpy.array([b"", b"tensor", b"\x00\xff"], dtype=object)
    data = serialize_byte_tensor(array)
    shm.set_shared_memory_region(region.handle, [data])
    face.register_system_shared_memory("region", region.key, BYTES)
    result = face.infer("identity_bytes", [by_region(face, "x", "BYTES", [3], len(data.item()))])
    assert result.as_numpy("y").tolist() == array.tolist()


def test_what_is_not_in_the_region(face, need, region):
    need(face, "identity_fp32")
    face.register_system_shared_memory("region", region.key, BYTES)
    array = values("FP32")
    for n, offset in (28, BYTES), (28, BYTES - 4), (24, 0), (28, 1 << 62):
        with face.refused(INVALID, "region" if n == 28 else "'x'"):
            face.infer("identity_fp32", [by_region(face, "x", "FP32", [7], n, offset)])
    for n, offset in (24, 0), (28, BYTES - 4):  # too small for what comes; not all of it there
        with face.refused(INVALID):
            face.infer("identity_fp32", [face.input("x", array)], outputs=[into_region(face, "y", n, offset)])
    assert face.infer("identity_fp32", [face.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()


def test_a_region_that_is_not_registered(face, need):
    need(face, "identity_fp32")
    with face.refused(NOT_FOUND, "Unable to find shared memory region: 'region'"):
        face.infer("identity_fp32", [by_region(face, "x", "FP32", [7], 28)])
    with face.refused(NOT_FOUND, "Unable to find shared memory region: 'region'"):
        face.infer("identity_fp32", [face.input("x", values("FP32"))], outputs=[into_region(face, "y", 28)])


def test_what_cannot_be_registered(face, region):
    for key in "/tensock-no-such-region", "../../etc/passwd", "/a/b", "", "x" * 300:
        with pytest.raises(Exception) as caught:
            face.register_system_shared_memory("region", key, BYTES)
        assert type(caught.value).__name__ == "InferenceServerException", caught.value
    for offset, n in (0, BYTES + 1), (BYTES, 1), (1 << 62, 1):
        with pytest.raises(Exception) as caught:
            face.register_system_shared_memory("region", region.key, n, offset=offset)
        assert type(caught.value).__name__ == "InferenceServerException", caught.value
    assert listed(face) == []


def test_a_region_that_is_cut(face, need, region):
    """Its maker may do that at any time: it costs the request, and nobody a process."""
    need(face, "identity_fp32")
    face.register_system_shared_memory("region", region.key, BYTES)
    os.truncate(f"/dev/shm{region.key}", 4096)
    try:
        with face.refused(INVALID):
            face.infer("identity_fp32", [by_region(face, "x", "FP32", [7], 28, 4096)])
    finally:
        os.truncate(f"/dev/shm{region.key}", BYTES)
    assert face.is_server_ready()


def test_whom_the_operator_does_not_let(server, region):
    """Another guest, which has neither the right nor the first one's regions."""
    face = Grpc(server.unix)
    try:
        assert listed(face) == []
        with face.refused(DENIED):
            face.register_system_shared_memory("region", region.key, BYTES)
    finally:
        face.end()
