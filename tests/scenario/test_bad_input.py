# SPDX-License-Identifier: Apache-2.0
"""A guest that does it wrong: it alone is told, and the daemon and the other guests go on."""

import ctypes
import os
import socket
import struct
import time

import native
import onnx_writer
import pytest
import seed
from conftest import SANITIZED, engine_config, eventually

ECHO = b"TSKECHO1 shape=1,4"
LIMIT = 1 << 20


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_kib(pid, key="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key + ":"))


@pytest.fixture
def small(start):
    """A daemon that takes models up to LIMIT, and a connection at rest for each test to look after."""
    tensock = start(f"max-model-size = {LIMIT}\nidle-timeout = 500ms\n" + engine_config("echo"))
    with seed.Guest(tensock.local) as other:
        assert other.ask(ECHO) == b"OK"
        yield tensock
        assert other.ask(ECHO) == b"OK"
        assert seed.ask(tensock.local, ECHO) == b"OK"


@pytest.mark.parametrize("size", [0, LIMIT + 1, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63,
                                  (1 << 64) - 16, (1 << 64) - 1])
def test_size_that_is_refused(small, size):
    front, = small.fronts()
    before = memory_kib(front, "VmPeak")
    with seed.Guest(small.local) as guest:
        guest.send(seed.header(size, id_=4711))
        assert guest.receive() == b"ER"
        assert guest.is_closed()
    assert small.said("uid-", "4711")
    if size > LIMIT:
        assert memory_kib(front, "VmPeak") - before < 4096  # nothing was taken for it


def test_largest_size_that_is_taken(small):
    with seed.Guest(small.local) as guest:
        assert guest.ask(ECHO.ljust(LIMIT)) == b"OK"


@pytest.mark.parametrize("first", [b"\0\0\0\0", b"\2\0\0\0", b"\1\0\0\1", b"\xff\xff\xff\xff",
                                   b"get ", b"SSH-"], ids=bytes.hex)
def test_no_known_protocol(small, first):
    with seed.Guest(small.local) as guest:
        guest.send(first + b"\0" * 12)
        assert guest.receive(2) in (b"", b"ER")
        assert guest.is_closed()


def test_unknown_type_after_a_good_frame(small):
    with seed.Guest(small.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        guest.send(seed.header(4, type_=77) + b"abcd")
        assert guest.receive() == b"ER"
        assert guest.is_closed()


def test_gone_at_every_byte(small):
    """Closed, and closed with bytes unread, at each byte of the header and of a short body."""
    front, = small.fronts()
    before = fds(front)
    whole = seed.frame(ECHO)
    for n in range(len(whole) + 1):
        for shut_only in (False, True):
            guest = seed.Guest(small.local)
            guest.send(whole[:n])
            if shut_only:
                guest.socket.shutdown(socket.SHUT_WR)
                assert guest.receive(2) == (b"OK" if n == len(whole) else b"")
            guest.socket.close()
    assert eventually(lambda: fds(front) < before + 20)
    assert small.fronts() == [front]


@pytest.mark.parametrize("n", [1, 4095, 4096, 65536, LIMIT - 1])
def test_gone_within_a_large_body(small, n):
    front, = small.fronts()
    before = fds(front)
    for _ in range(20):
        with seed.Guest(small.local) as guest:
            guest.send(seed.header(LIMIT) + b"x" * n)
    # Other things may have come meanwhile, a spare worker for one; twenty would be a leak.
    assert eventually(lambda: fds(front) < before + 20)


def test_stopped_within_a_frame(small):
    """idle-timeout ends a connection in the middle of a frame, but not one between two frames."""
    with seed.Guest(small.local) as at_rest, seed.Guest(small.local) as in_header, \
            seed.Guest(small.local) as in_body:
        assert at_rest.ask(ECHO) == b"OK"
        in_header.send(seed.header(100)[:7])
        in_body.send(seed.header(100) + b"x")
        assert in_header.is_closed()
        assert in_body.is_closed()
        assert at_rest.ask(ECHO) == b"OK"


@pytest.mark.parametrize("data", [b"\0", b"not a model", b"\x08\x06", b"\xff" * 4096, b"\0" * 65536],
                         ids=["zero", "text", "cut", "ones", "zeros"])
def test_not_a_model(onnx, data):
    with seed.Guest(onnx.local) as guest:
        assert guest.ask(data, 4711) == b"ER"
        assert guest.ask(onnx_writer.identity(2)) == b"OK"  # the stream is as good as before
    assert onnx.said("frame 4711")
    assert onnx.printed(seed.output_line(seed.random_floats(2)))


def test_truncated_models(onnx, real_model):
    """Cut at any byte: never "OK" for what is no model, never a crash of anything but a worker."""
    step = len(real_model) // 40
    with seed.Guest(onnx.local) as guest:
        for n in [1, 2, 3, 10, 100, *range(step, len(real_model) - 1, step), len(real_model) - 1]:
            assert guest.ask(real_model[:n]) == b"ER", n
        assert guest.ask(real_model) == b"OK"
    assert len(onnx.fronts()) == 1


def test_tampered_models(onnx):
    """One byte changed, each in its turn: any answer will do, but there is one."""
    model = onnx_writer.identity(4)
    with seed.Guest(onnx.local) as guest:
        for i in range(0, len(model), 2 if SANITIZED else 1):
            tampered = bytearray(model)
            tampered[i] ^= 0x81
            assert guest.ask(bytes(tampered)) in (b"OK", b"ER")
        assert guest.ask(model) == b"OK"
    assert len(onnx.fronts()) == 1


class Canary:
    """Sees, by inotify, whether anybody opens a file."""

    IN_ACCESS, IN_OPEN = 0x1, 0x20

    def __init__(self, path):
        path.write_bytes(struct.pack("<4f", 1, 2, 3, 4))
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(self.fd, str(path).encode(), self.IN_ACCESS | self.IN_OPEN) >= 0

    def was_touched(self):
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False


def test_external_data_is_never_read(onnx, folder):
    path = folder / "canary"
    canary = Canary(path)
    locations = [str(path), f"../../../../../../../..{path}", f"/proc/self/root{path}", "canary",
                 "./canary", f"/tmp/../{path}"]
    with seed.Guest(onnx.local) as guest:
        for i, location in enumerate(locations):
            assert guest.ask(onnx_writer.external(location), i) == b"ER"
    assert onnx.said("frame 0", "external")
    assert not canary.was_touched()
    path.read_bytes()
    assert canary.was_touched()  # it would have been seen


def test_endless_model(start):
    deadline_s = 0.5
    tensock = start("run-deadline = 500ms\n")
    with seed.Guest(tensock.local) as guest, seed.Guest(tensock.local) as other:
        assert guest.ask(onnx_writer.identity(1)) == b"OK"  # the engine is warm
        began = time.monotonic()
        guest.send(seed.frame(onnx_writer.endless(), 4711))
        assert other.ask(onnx_writer.identity(2)) == b"OK"
        assert guest.receive() == b"ER"
        assert deadline_s <= time.monotonic() - began < deadline_s + 3
        assert guest.ask(onnx_writer.identity(3)) == b"OK"
    assert tensock.said("frame 4711", "deadline")


@pytest.mark.skipif(SANITIZED, reason="the engine's allocation is the test: no sanitizer's")
def test_terabyte_model(onnx):
    with seed.Guest(onnx.local) as guest:
        assert guest.ask(onnx_writer.terabyte(), 4711) == b"ER"
        assert guest.ask(onnx_writer.identity(2)) == b"OK"
    assert onnx.said("frame 4711")


def test_never_reads(echo):
    """A guest that sends and sends, and reads nothing, is bounded, and delays nobody."""
    front = None
    with seed.Guest(echo.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        front, = echo.fronts()
        before = memory_kib(front)
        guest.socket.settimeout(0.3)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100 << 20:
                guest.send(seed.frame(ECHO) * 100)
                sent += 100 * len(seed.frame(ECHO))
        assert seed.ask(echo.local, ECHO) == b"OK"
        # A sanitizer keeps what was freed for a while, some 7 KiB of it a frame.
        assert memory_kib(front) - before < (64 if SANITIZED else 16) << 10
    assert echo.fronts() == [front]


def test_connect_flood(start, folder):
    tensock = start(f"[guest good]\nhybrid = {folder}/good\n" + engine_config("echo"))
    with seed.Guest(folder / "good_9999") as good:
        assert good.ask(ECHO) == b"OK"
        slowest = 0
        for _ in range(20):
            for _ in range(100):
                flood = socket.socket(socket.AF_UNIX)
                flood.connect(str(tensock.local))
                flood.close()
            began = time.monotonic()
            assert good.ask(ECHO) == b"OK"
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 2

    # What the flooded front cannot be given is closed.
    assert eventually(lambda: seed.ask(tensock.local, ECHO) == b"OK")
    assert len(tensock.fronts()) == 2
    assert eventually(lambda: fds(tensock.pid) < 40)


def test_max_connections(start, folder):
    """One more than max-connections is closed at once; other guests have their own."""
    tensock = start(f"max-connections = 8\n[guest other]\nhybrid = {folder}/other\n" +
                    engine_config("echo"))
    guests = [seed.Guest(tensock.local) for _ in range(8)]
    for guest in guests:
        assert guest.ask(ECHO) == b"OK"
    with seed.Guest(tensock.local) as one_more:
        assert one_more.is_closed()
    assert seed.ask(folder / "other_9999", ECHO) == b"OK"
    guests.pop().socket.close()
    assert eventually(lambda: seed.Guest(tensock.local).ask(ECHO) == b"OK")
    for guest in guests:
        guest.socket.close()


def test_log_flood(start, folder):
    """A guest that does wrong all the time writes a bounded log, and what is left out is counted."""
    tensock = start(engine_config("echo"))
    began = time.monotonic()
    with seed.Guest(tensock.local) as guest:
        for i in range(1000):
            assert guest.ask(b"x", i) == b"ER"
    took_s = time.monotonic() - began
    assert len(tensock.log) < 10 * (took_s + 2) + 10
    time.sleep(1.1)
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(b"x") == b"ER"
    assert tensock.said("dropped")


def test_processes_flood_the_log_together(start):
    """Its front and its workers share ten lines a second, and tell of all that were left out."""
    tensock = start(engine_config("faulty"))

    def said():
        return [line for line in tensock.log if line.startswith(("tensock-front:", "tensock-worker:"))]

    def dropped():
        return sum(int(line.split()[-5]) for line in said() if line.endswith("log lines were dropped"))

    began = time.monotonic()
    with native.Guest(tensock.local) as guest:
        for i in range(12):
            guest.push(f"TSKFAULT load:chatter {i}".encode())
        for _ in range(50):
            with seed.Guest(tensock.local) as other:
                assert other.ask(b"x") == b"ER"
    lines = said()
    assert len(lines) <= 11 * (time.monotonic() - began + 2)
    time.sleep(1.1)
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(b"x") == b"ER"
    # The last of them may have dropped some after that line.
    assert eventually(lambda: dropped() + len(said()) > 12 * 100), said()
