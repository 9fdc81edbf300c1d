# SPDX-License-Identifier: Apache-2.0
"""Tensors in memory that a program of this host shares with its native connection."""

import contextlib
import mmap
import os
import struct
import subprocess
import threading
import time
from pathlib import Path

import native
import numpy
import pytest
from conftest import BUILD, engine_config
from daemon import eventually

ECHO = b"TSKECHO1 shape=-1,4"
HASH = native.digest(ECHO)
SLOW = b"TSKECHO1 shape=-1,4 delay_ms=500"
SLOW_HASH = native.digest(SLOW)
SMALL = numpy.arange(8, dtype="float32").reshape(2, 4)
LARGE = numpy.arange(4 * 8192, dtype="float32").reshape(8192, 4)
SIZE = 4 << 20
OUT = 2 << 20


@pytest.fixture
def tensock(start):
    return start(engine_config("echo"))


class Memory:
    """A file in memory, shared with the guest's connection from the start."""

    def __init__(self, guest, size=SIZE):
        self.fd = os.memfd_create("shared")
        os.truncate(self.fd, size)
        self.map = mmap.mmap(self.fd, size)
        guest.share(self.fd, size)

    def put(self, at, array):
        self.map[at:at + array.nbytes] = array.tobytes()

    def has(self, at, array):
        return self.map[at:at + array.nbytes] == array.tobytes()

    def close(self):
        self.map.close()
        os.close(self.fd)


@contextlib.contextmanager
def connected(tensock):
    with native.Guest(tensock.local, features=native.FEATURE_MEMORY) as guest:
        assert guest.welcome["features"] == native.FEATURE_MEMORY
        yield guest


@pytest.fixture
def guest(tensock):
    with connected(tensock) as one:
        one.push(ECHO)
        yield one


@pytest.fixture
def memory(guest):
    one = Memory(guest)
    yield one
    one.close()


def held(tensock):
    """Descriptors of it that the guest's processes have."""
    n = 0
    for pid in [*tensock.fronts(), *tensock.workers()]:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                n += os.readlink(fd).startswith("/memfd:shared")
    return n


def mappings(tensock):
    return [pid for pid in tensock.workers() if "memfd:shared" in Path(f"/proc/{pid}/maps").read_text("utf-8")]


def infer(guest, memory, x, at=0, out=OUT, room=None):
    """x there, y back; how it has been answered."""
    memory.put(at, x)
    memory.map[out:out + x.nbytes] = b"\xff" * x.nbytes
    described = guest.infer_in_memory(HASH, [("x0", x)], at, ["x0"], [(out, x.nbytes if room is None else room)])
    assert described == {"x0": ("float32", x.shape, x.nbytes)}
    return memory.has(out, x)


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])
def test_in_and_out(guest, memory, x):
    for i in range(4):
        assert infer(guest, memory, x + i, at=64 * i)
    assert guest.stats()["requests-error"] == 0


def test_the_worker_maps_it(tensock, guest, memory):
    assert infer(guest, memory, LARGE)
    assert eventually(lambda: mappings(tensock))
    for i in range(3):
        assert infer(guest, memory, LARGE + i)
    # Another takes its place, and nothing of it is left.
    other = Memory(guest)
    assert infer(guest, other, LARGE)
    assert eventually(lambda: held(tensock) == 1)
    assert infer(guest, other, LARGE + 1)
    other.close()


def test_the_connections_end_is_its_end(tensock):
    with connected(tensock) as guest:
        guest.push(ECHO)
        memory = Memory(guest)
        assert infer(guest, memory, LARGE)
        assert infer(guest, memory, LARGE)
        assert held(tensock) >= 1
    assert eventually(lambda: held(tensock) == 0 and not mappings(tensock))
    memory.close()


def test_outputs_in_frames(guest, memory):
    """No places: a RESULT; and wanted or not, all of the model's come."""
    memory.put(64, LARGE)
    for wanted in [], ["x0"]:
        outputs = guest.wait(guest.start_in_memory(HASH, [("x0", LARGE)], 64, wanted)).outputs()
        assert outputs["x0"].tobytes() == LARGE.tobytes()


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])
def test_no_room_for_an_output(guest, memory, x):
    """What it takes is said, and nothing beyond the room is touched."""
    for room in 0, x.nbytes // 2, x.nbytes - 1:
        for _ in range(3):
            assert not infer(guest, memory, x, room=room)
            assert memory.map[OUT + room:OUT + x.nbytes] == b"\xff" * (x.nbytes - room)
    assert infer(guest, memory, x)


def test_many_under_way(guest, memory):
    xs = [LARGE[:1024] + i for i in range(32)]
    step = 1 << 15
    for i, x in enumerate(xs):
        memory.put(i * step, x)
    ids = [guest.start_in_memory(HASH, [("x0", x)], i * step, ["x0"], [(OUT + i * step, step)])
           for i, x in enumerate(xs)]
    # In frames between them, too.
    assert guest.infer(HASH, [("x0", SMALL)])["x0"].tobytes() == SMALL.tobytes()
    for i, id_ in enumerate(ids):
        guest.wait(id_, native.RESULT_MEMORY)
        assert memory.has(OUT + i * step, xs[i])


def test_beyond_it(guest, memory):
    assert infer(guest, memory, SMALL)
    beyond = [(SIZE, OUT, 64), (SIZE - 64, OUT, 64), (0, SIZE, 64), (0, SIZE - 64, 128), (0, SIZE - 64, 2**64 - 1),
              (2**64 - 64, OUT, 64), (0, 2**64 - 64, 64), (0, 2**64 - 64, 2**64 - 64)]
    for at, out, room in beyond:
        with pytest.raises(native.Refused, match="beyond the memory") as refused:
            guest.infer_in_memory(HASH, [("x0", LARGE)], at, ["x0"], [(out, room)])
        assert refused.value.status == native.INVALID_ARGUMENT
    assert infer(guest, memory, SMALL)


def test_errors_are_those_of_infer(guest, memory):
    for model, x, wanted, status in [(native.digest(b"none"), SMALL, ["x0"], native.NOT_FOUND),
                                     (HASH, SMALL.astype("int64"), ["x0"], native.INVALID_ARGUMENT),
                                     (HASH, SMALL, ["none"], native.NOT_FOUND)]:
        with pytest.raises(native.Refused) as refused:
            guest.infer_in_memory(model, [("x0", x)], 0, wanted, [(OUT, 64)])
        assert refused.value.status == status
    assert infer(guest, memory, SMALL)


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])
def test_without_memory(guest, x):
    """None has come, or none that is one: the guest is to ask in the usual way, and may share another."""
    def ask():
        return guest.wait(guest.start_in_memory(HASH, [("x0", x)], 0, ["x0"], [(OUT, x.nbytes)]), native.INLINE)

    assert ask() == b""
    guest.share(None, SIZE)
    assert ask() == b""
    with contextlib.ExitStack() as stack:
        for path in "/dev/zero", "/etc/hostname", "/dev/shm":
            fd = os.open(path, os.O_RDONLY)
            stack.callback(os.close, fd)
            guest.share(fd, 1)
            assert ask() == b""
        short = os.memfd_create("shared")
        stack.callback(os.close, short)
        guest.share(short, 1)
        assert ask() == b""
    assert guest.infer(HASH, [("x0", x)])["x0"].tobytes() == x.tobytes()
    memory = Memory(guest)
    assert infer(guest, memory, x)
    guest.share(None, SIZE)
    assert ask() == b""
    memory.close()


def test_what_breaks_the_rules(tensock, guest, memory):
    """Each on a connection of its own; this one's others go on."""
    good = struct.pack("<Q", SIZE)
    x = native.infer_memory_frame(1, HASH, [("x0", SMALL)], 0, ["x0"], [(OUT, 64)])
    for features, data in [(0, native.frame(native.MEMORY, 0, good)), (0, x),
                           (2, native.frame(native.MEMORY, 0, bytes(8))),
                           (2, native.frame(native.MEMORY, 0, good[:7])),
                           (2, native.infer_memory_frame(1, HASH, [("x0", SMALL)], 32)),
                           (2, native.infer_memory_frame(1, HASH, [("x0", SMALL)], 0, ["x0"], [(1, 1)])),
                           (2, native.infer_memory_frame(1, HASH, [("x0", SMALL)], 0, ["x0"], [(64, 1)] * 2)),
                           (2, native.frame(native.INFER_MEMORY, 1, x[16:-1]))]:
        with native.Guest(tensock.local, features=features) as bad:
            fd = os.memfd_create("shared")
            os.truncate(fd, SIZE)
            if features:
                bad.share(fd, SIZE)
            os.close(fd)
            bad.send(data)
            with pytest.raises(native.Refused) as refused:
                bad.take()
            assert (refused.value.id, refused.value.status) == (0, native.PROTOCOL)
            assert bad.is_closed()
    assert infer(guest, memory, LARGE)


def test_cut(tensock, guest, memory):
    """Whoever cuts it is told, or loses the worker; nothing else happens."""
    assert infer(guest, memory, LARGE)
    assert eventually(lambda: mappings(tensock))
    os.truncate(memory.fd, 4096)
    with pytest.raises(native.Refused, match="cut"):
        guest.infer_in_memory(HASH, [("x0", LARGE)], 0, ["x0"], [(OUT, LARGE.nbytes)])
    os.truncate(memory.fd, SIZE)
    assert infer(guest, memory, LARGE)


def map_it(tensock, guest, memory, model):
    """Runs of the model until its worker has it mapped."""
    def run():
        guest.infer_in_memory(model, [("x0", LARGE)], 0, ["x0"], [(OUT, LARGE.nbytes)])
        return mappings(tensock)

    memory.put(0, LARGE)
    assert eventually(run)


def test_cut_while_it_runs(start, folder):
    """It ends the worker of that guest alone."""
    tensock = start(f"{engine_config('echo')}[guest other]\nhybrid = {folder}/other\n")
    with connected(tensock) as guest, native.Guest(f"{folder}/other_9999") as other:
        guest.push(SLOW)
        other.push(ECHO)
        memory = Memory(guest)
        map_it(tensock, guest, memory, SLOW_HASH)
        fronts, before = tensock.fronts(), tensock.workers()
        id_ = guest.start_in_memory(SLOW_HASH, [("x0", LARGE)], 0, ["x0"], [(OUT, LARGE.nbytes)])
        time.sleep(0.2)
        os.truncate(memory.fd, 0)
        with pytest.raises(native.Refused) as refused:
            guest.wait(id_)
        assert refused.value.status == native.WORKER_DIED
        assert other.infer(HASH, [("x0", SMALL)])["x0"].tobytes() == SMALL.tobytes()
        assert tensock.fronts() == fronts
        assert len(set(before) & set(tensock.workers())) == 1
        os.truncate(memory.fd, SIZE)
        map_it(tensock, guest, memory, SLOW_HASH)
        assert memory.has(OUT, LARGE)
        memory.close()


def test_a_cancelled_run_writes_to_what_was_shared_then(tensock, guest):
    """So a client that shares another memory after an ERROR never meets it."""
    guest.push(SLOW)
    old = Memory(guest)
    map_it(tensock, guest, old, SLOW_HASH)
    old.map[OUT:OUT + LARGE.nbytes] = b"\xff" * LARGE.nbytes
    id_ = guest.start_in_memory(SLOW_HASH, [("x0", LARGE)], 0, ["x0"], [(OUT, LARGE.nbytes)])
    time.sleep(0.1)
    guest.cancel(id_)
    with pytest.raises(native.Refused) as refused:
        guest.wait(id_)
    assert refused.value.status == native.CANCELLED
    new = Memory(guest)
    assert infer(guest, new, LARGE + 1)
    assert eventually(lambda: held(tensock) == 1)
    assert infer(guest, new, LARGE + 2)
    old.close()
    new.close()


def test_as_many_as_a_guest_may_have(tensock):
    """Beyond, tensors go in frames; what ends makes room."""
    with contextlib.ExitStack() as stack:
        def another():
            guest = stack.enter_context(connected(tensock))
            guest.push(ECHO)
            memory = Memory(guest, 1 << 20)
            stack.callback(memory.close)
            memory.put(0, SMALL)
            return guest.wait(guest.start_in_memory(HASH, [("x0", SMALL)], 0, ["x0"], [(64, 64)]))[0]

        assert [another() for _ in range(64)] == [native.RESULT_MEMORY] * 64
        assert another() == native.INLINE
    with connected(tensock) as guest:
        memory = Memory(guest)
        assert eventually(lambda: infer(guest, memory, SMALL) or True)
        memory.close()


def test_restless(tensock, guest):
    """Memory that is changed while runs go on, by a client that keeps no rule: it alone is hurt."""
    memory = Memory(guest)
    end = time.monotonic() + 2
    stop = threading.Event()

    def flip():
        while not stop.is_set():
            memory.map[:LARGE.nbytes] = os.urandom(4096) * (LARGE.nbytes // 4096)

    thread = threading.Thread(target=flip)
    thread.start()
    n = 0
    try:
        while time.monotonic() < end:
            described = guest.infer_in_memory(HASH, [("x0", LARGE)], 0, ["x0"], [(0, LARGE.nbytes)])
            assert described == {"x0": ("float32", LARGE.shape, LARGE.nbytes)}
            n += 1
            if n % 10 == 0:
                guest.share(memory.fd, SIZE)
    finally:
        stop.set()
        thread.join()
    assert n > 10
    assert eventually(lambda: held(tensock) == 1)
    memory.close()


def librarys_mappings(pid):
    return Path(f"/proc/{pid}/maps").read_text("utf-8").count("memfd:tensock (")


def maps_the_librarys(tensock):
    return any(map(librarys_mappings, tensock.workers()))


def test_libtensock(tensock, folder):
    """The library does so by itself, from its second large request on; what comes back is what was sent."""
    model, x = folder / "model", folder / "x.npy"
    model.write_bytes(ECHO)
    numpy.save(x, LARGE)

    run = [BUILD / "tensock", "run", "--host", f"unix:{tensock.local}", model, "--input", f"x0={x}", "--expect", f"x0={x}",
           "--tolerance", "0"]
    subprocess.run([*run, "--repeat", "1"], check=True, capture_output=True)
    assert not maps_the_librarys(tensock)
    with subprocess.Popen([*run, "--repeat", "100000"], stdout=subprocess.DEVNULL) as process:
        try:
            assert eventually(lambda: maps_the_librarys(tensock))
        finally:
            process.terminate()
    assert eventually(lambda: not maps_the_librarys(tensock))
    subprocess.run([*run, "--repeat", "100"], check=True, capture_output=True)


@pytest.mark.parametrize("size", [65536, 4 << 20])
def test_memory_of_the_librarys(tensock, folder, size):
    """Inputs and outputs of several connections where they lie: every answer is what was sent, and the right one."""
    model = folder / "model"
    model.write_bytes(b"TSKECHO1 shape=%d" % (size // 4))
    program = [BUILD / "tests/bench/native", f"unix:{tensock.local}", model, str(size // 4), "3", "1", "identity", "alloc"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert eventually(lambda: maps_the_librarys(tensock))
        # Of each connection's memory, all of it, and behind input and output.
        assert eventually(lambda: librarys_mappings(process.pid) == 9)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and int(output.split()[3]) > 10
    assert eventually(lambda: not maps_the_librarys(tensock))
