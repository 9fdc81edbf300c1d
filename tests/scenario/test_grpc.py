# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 that is meant to harm, or is none, to the real daemon: it alone is told, and the others go on.

What gRPC does for clients that mean well: tests/clients.
"""

import random
import socket
import struct
import time

import h2
import pytest
from conftest import SANITIZED, engine_config, eventually
from test_bad_input import fds, memory_kib

# What a client may cost the front beside its connection's own, whatever it sends.
MEMORY_KIB = 65536 if SANITIZED else 4096


@pytest.fixture
def host(start):
    """A daemon, with a connection at rest for each test to look after: the same front is there to the end."""
    tensock = start("idle-timeout = 500ms\n" + engine_config("echo"))
    with h2.Connection(tensock.local) as other:
        assert other.is_live()
        front, = tensock.fronts()
        yield tensock
        assert other.is_live() and h2.is_live(tensock.local)
        assert tensock.fronts() == [front]


def test_it_is_live(host):
    assert h2.is_live(host.local)


def test_rapid_reset(host):
    """CVE-2023-44487."""
    with h2.Connection(host.local) as one:
        for _ in range(2000):
            stream = one.begin(h2.INFERENCE + "ServerLive")
            if not one.send(h2.frame(h2.RST_STREAM, 0, stream, struct.pack(">I", h2.CANCEL))):
                break
        assert one.goaway() == (h2.ENHANCE_YOUR_CALM, "too many streams that come to nothing")
    assert host.said("too many streams that come to nothing")


def test_resets_that_the_host_is_made_to_send(host):
    """CVE-2025-8671: each stream's window is made to overflow."""
    with h2.Connection(host.local) as one:
        for _ in range(2000):
            stream = one.begin(h2.INFERENCE + "ServerLive")
            if not one.send(h2.frame(h2.WINDOW_UPDATE, 0, stream, struct.pack(">I", h2.MOST))):
                break
        code, _ = one.goaway()
        assert code == h2.ENHANCE_YOUR_CALM


def test_continuation_flood(host):
    """CVE-2024-28182."""
    front, = host.fronts()
    before = memory_kib(front)
    field = h2.literal("x", b"y" * 1000)
    with h2.Connection(host.local) as one:
        one.begin(h2.INFERENCE + "ServerLive", flags=0)
        for _ in range(5000):
            if not one.send(h2.frame(h2.CONTINUATION, 0, 1, field)):
                break
        code, _ = one.goaway()
        assert code == h2.ENHANCE_YOUR_CALM
    with h2.Connection(host.local) as one:
        one.begin(h2.INFERENCE + "ServerLive", flags=0)
        for _ in range(100):
            one.send(h2.frame(h2.CONTINUATION, 0, 1))
        code, _ = one.goaway()
        assert code == h2.ENHANCE_YOUR_CALM
    assert memory_kib(front) - before < MEMORY_KIB


def test_hpack_bomb(host):
    """A field of 4 KiB in the table, then named 12,000 times: 48 MiB."""
    front, = host.fronts()
    before = memory_kib(front)
    with h2.Connection(host.local) as one:
        bomb = h2.head(h2.INFERENCE + "ServerLive") + h2.literal("x", b"y" * 3900, 0x40) + b"\xbe" * 12000
        for stream in range(1, 101, 2):
            one.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, bomb[:16000]))
        one.stream = 101
        assert one.is_live()
    assert memory_kib(front) - before < MEMORY_KIB


def test_table_that_grows_and_shrinks(host):
    with h2.Connection(host.local) as one:
        one.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1,
                          h2.integer(1 << 30, 5, 0x20) + h2.head(h2.INFERENCE + "ServerLive")))
        assert one.goaway()


@pytest.mark.parametrize("kind, payload", [(h2.PING, b"12345678"), (h2.SETTINGS, h2.setting(4, 65535)),
                                           (h2.PRIORITY, b"\0\0\0\x01\x10"), (0x42, b"z" * 16000)],
                         ids=["ping", "settings", "priority", "unknown"])
def test_flood_of_control(host, kind, payload):
    """By one who reads nothing."""
    front, = host.fronts()
    before = memory_kib(front)
    with h2.Connection(host.local) as one:
        one.socket.settimeout(1)
        stream = 3 if kind == h2.PRIORITY else 0
        try:
            for _ in range(2000):
                if not one.send(h2.frame(kind, 0, stream, payload) * 10):
                    break
        except socket.timeout:
            pass
    assert memory_kib(front) - before < MEMORY_KIB


@pytest.mark.parametrize("kind", [h2.HEADERS, h2.SETTINGS, h2.GOAWAY, 0x42])
def test_frame_of_control_that_is_too_large(host, kind):
    with h2.Connection(host.local) as one:
        one.send(h2.frame(kind, 0, 1 if kind == h2.HEADERS else 0, b"\0" * 100000))
        code, _ = one.goaway()
        assert code == h2.ENHANCE_YOUR_CALM


def test_a_window_that_is_never_opened(host):
    """Who takes no answer is waited for, but not for ever."""
    with h2.Connection(host.local, settings=h2.setting(4, 0)) as one:
        one.call(h2.INFERENCE + "ServerLive")
        assert h2.is_live(host.local)
        assert not any(kind == h2.DATA for kind, *_ in one.frames())
    assert host.said("silent for too long")


def test_a_window_that_opens_byte_by_byte(host):
    with h2.Connection(host.local, settings=h2.setting(4, 0)) as one:
        stream = one.call(h2.INFERENCE + "ServerLive")
        one.send(h2.frame(h2.WINDOW_UPDATE, 0, stream, struct.pack(">I", 1)) * 7)
        assert one.answer(stream) == h2.message(b"\x08\x01")


def test_windows_that_are_turned_up_and_down(host):
    with h2.Connection(host.local) as one:
        for i in range(200):
            one.send(h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 0 if i % 2 else h2.MOST)))
            one.next()
        one.send(h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 65535)))
        assert one.is_live()
    with h2.Connection(host.local) as one:
        one.send(h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 1 << 31)))
        assert one.goaway()[0] == 3  # FLOW_CONTROL_ERROR
    with h2.Connection(host.local) as one:
        one.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, struct.pack(">I", h2.MOST)))
        assert one.goaway()[0] == 3


def test_a_body_without_end(host):
    """Of a message that is larger than any limit: no more than a window of it is sent."""
    front, = host.fronts()
    before = memory_kib(front)
    with h2.Connection(host.local) as one:
        stream = one.begin(h2.INFERENCE + "ModelInfer")
        one.send(h2.frame(h2.DATA, 0, stream, struct.pack(">BI", 0, (1 << 32) - 1) + b"\0" * 1000))
        assert one.answer(stream) == b""
        one.is_live()
    assert memory_kib(front) - before < MEMORY_KIB


def test_a_length_that_is_only_said(host):
    """A message of 1 GiB of which little comes costs little."""
    front, = host.fronts()
    before = memory_kib(front, "VmPeak")
    with h2.Connection(host.local) as one:
        for _ in range(20):
            stream = one.begin(h2.INFERENCE + "ModelInfer")
            one.send(h2.frame(h2.DATA, 0, stream, struct.pack(">BI", 0, 1 << 30) + b"\x12\x80\x80\x80\x80\x02" + b"n" * 1000))
        assert one.is_live()
        assert memory_kib(front, "VmPeak") - before < MEMORY_KIB


def test_slowly(host):
    """Half a preface, half a frame, half a message: each a byte now and then."""
    whole = (h2.PREFACE + h2.frame(h2.SETTINGS)
             + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head(h2.INFERENCE + "ModelInfer"))
             + h2.frame(h2.DATA, 0, 1, h2.message(b"\x0a\x01m")[:6]))
    for end in (10, 30, 60, len(whole)):
        with h2.Connection(host.local, preface=None) as one:
            one.send(whole[:end - 3])
            begun = time.monotonic()
            for i in range(end - 3, end):
                one.send(whole[i:i + 1])
                time.sleep(0.1)
            list(one.frames())
            assert time.monotonic() - begun < 5


def test_streams_that_stay_open(host):
    """As many as may be, without a body: they are refused beyond that, and end with their connection."""
    front, = host.fronts()
    before = fds(front)
    with h2.Connection(host.local) as one:
        for _ in range(200):
            one.begin(h2.INFERENCE + "ModelStreamInfer")
        refused = 0
        one.socket.settimeout(1)
        try:
            for kind, _, _, payload in one.frames():
                refused += kind == h2.RST_STREAM and int.from_bytes(payload, "big") == 7
        except socket.timeout:
            pass
        assert refused >= 70
    assert eventually(lambda: fds(front) <= before)


def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(data))
        data[at:at + rng.randrange(2)] = rng.randbytes(rng.randrange(4))
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_nearly_right(host, seed):
    rng = random.Random(seed)
    good = (h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 100000))
            + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head(h2.INFERENCE + "ModelInfer", ("grpc-timeout", "1S")))
            + h2.frame(h2.DATA, 0, 1, h2.message(b"\x0a\x01m\x2a\x0e\x0a\x01x\x12\x04FP32\x1a\x01\x01\x3a\x04abcd")[:9])
            + h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\1\0")
            + h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 3, h2.head("/grpc.health.v1.Health/Check"))
            + h2.frame(h2.PING, 0, 0, b"12345678"))
    for _ in range(100):
        with h2.Connection(host.local, preface=None) as one:
            one.send(h2.PREFACE + mutated(rng, good))
            one.socket.shutdown(socket.SHUT_WR)
            for kind, *_ in one.frames():
                assert kind != h2.PUSH_PROMISE


def test_beyond_the_connections(start):
    tensock = start("max-connections = 1\n")
    with h2.Connection(tensock.local) as one:
        assert one.is_live()
        with h2.Connection(tensock.local) as other:
            code, text = other.goaway()
            assert code == h2.ENHANCE_YOUR_CALM and "max-connections" in text
