# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 that is meant to harm, or is none, to the real daemon: it alone is told, and the others go on.

What gRPC does for clients that mean well: tests/clients.
"""

import random
import socket
import struct
import time

import http2
import onnx_writer
import pytest
from conftest import SANITIZED, engine_config, eventually
from test_bad_input import fds, memory_kib

field = onnx_writer.field

# What a client may cost the front beside its connection's own, whatever it sends.
MEMORY_KIB = 65536 if SANITIZED else 4096


@pytest.fixture
def host(start):
    """A daemon, with a connection at rest for each test to look after: the same front is there to the end."""
    tensock = start("idle-timeout = 500ms\n" + engine_config("echo"))
    with http2.Connection(tensock.local) as other:
        assert other.is_live()
        front, = tensock.fronts()
        yield tensock
        assert other.is_live() and http2.is_live(tensock.local)
        assert tensock.fronts() == [front]


def test_it_is_live(host):
    assert http2.is_live(host.local)


def test_rapid_reset(host):
    """CVE-2023-44487."""
    with http2.Connection(host.local) as one:
        for _ in range(2000):
            stream = one.begin(http2.INFERENCE + "ServerLive")
            if not one.send(http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", http2.CANCEL))):
                break
        assert one.goaway() == (http2.ENHANCE_YOUR_CALM, "too many streams that come to nothing")
    assert host.said("too many streams that come to nothing")


def test_resets_that_the_host_is_made_to_send(host):
    """CVE-2025-8671: each stream's window is made to overflow."""
    with http2.Connection(host.local) as one:
        for _ in range(2000):
            stream = one.begin(http2.INFERENCE + "ServerLive")
            if not one.send(http2.frame(http2.WINDOW_UPDATE, 0, stream, struct.pack(">I", http2.MOST))):
                break
        code, _ = one.goaway()
        assert code == http2.ENHANCE_YOUR_CALM


def test_continuation_flood(host):
    """CVE-2024-28182."""
    front, = host.fronts()
    before = memory_kib(front)
    field = http2.literal("x", b"y" * 1000)
    with http2.Connection(host.local) as one:
        one.begin(http2.INFERENCE + "ServerLive", flags=0)
        for _ in range(5000):
            if not one.send(http2.frame(http2.CONTINUATION, 0, 1, field)):
                break
        code, _ = one.goaway()
        assert code == http2.ENHANCE_YOUR_CALM
    with http2.Connection(host.local) as one:
        one.begin(http2.INFERENCE + "ServerLive", flags=0)
        for _ in range(100):
            one.send(http2.frame(http2.CONTINUATION, 0, 1))
        code, _ = one.goaway()
        assert code == http2.ENHANCE_YOUR_CALM
    assert memory_kib(front) - before < MEMORY_KIB


def test_hpack_bomb(host):
    """A field of 4 KiB in the table, then named 12,000 times: 48 MiB."""
    front, = host.fronts()
    before = memory_kib(front)
    with http2.Connection(host.local) as one:
        bomb = http2.head(http2.INFERENCE + "ServerLive") + http2.literal("x", b"y" * 3900, 0x40) + b"\xbe" * 12000
        for stream in range(1, 101, 2):
            one.send(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream, bomb[:16000]))
        one.stream = 101
        assert one.is_live()
    assert memory_kib(front) - before < MEMORY_KIB


def test_table_that_grows_and_shrinks(host):
    with http2.Connection(host.local) as one:
        one.send(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1,
                          http2.integer(1 << 30, 5, 0x20) + http2.head(http2.INFERENCE + "ServerLive")))
        assert one.goaway()


@pytest.mark.parametrize("kind, payload", [(http2.PING, b"12345678"), (http2.SETTINGS, http2.setting(4, 65535)),
                                           (http2.PRIORITY, b"\0\0\0\x01\x10"), (0x42, b"z" * 16000)],
                         ids=["ping", "settings", "priority", "unknown"])
def test_flood_of_control(host, kind, payload):
    """By one who reads nothing."""
    front, = host.fronts()
    before = memory_kib(front)
    with http2.Connection(host.local) as one:
        one.socket.settimeout(1)
        stream = 3 if kind == http2.PRIORITY else 0
        try:
            for _ in range(2000):
                if not one.send(http2.frame(kind, 0, stream, payload) * 10):
                    break
        except socket.timeout:
            pass
    assert memory_kib(front) - before < MEMORY_KIB


@pytest.mark.parametrize("kind", [http2.HEADERS, http2.SETTINGS, http2.GOAWAY, 0x42])
def test_frame_of_control_that_is_too_large(host, kind):
    with http2.Connection(host.local) as one:
        one.send(http2.frame(kind, 0, 1 if kind == http2.HEADERS else 0, b"\0" * 100000))
        code, _ = one.goaway()
        assert code == http2.ENHANCE_YOUR_CALM


def test_a_window_that_is_never_opened(host):
    """Who takes no answer is waited for, but not for ever."""
    with http2.Connection(host.local, settings=http2.setting(4, 0)) as one:
        one.call(http2.INFERENCE + "ServerLive")
        assert http2.is_live(host.local)
        assert not any(kind == http2.DATA for kind, *_ in one.frames())
    assert host.said("silent for too long")


def test_a_window_that_opens_byte_by_byte(host):
    with http2.Connection(host.local, settings=http2.setting(4, 0)) as one:
        stream = one.call(http2.INFERENCE + "ServerLive")
        one.send(http2.frame(http2.WINDOW_UPDATE, 0, stream, struct.pack(">I", 1)) * 7)
        assert one.answer(stream) == http2.message(b"\x08\x01")


def test_windows_that_are_turned_up_and_down(host):
    with http2.Connection(host.local) as one:
        for i in range(200):
            one.send(http2.frame(http2.SETTINGS, 0, 0, http2.setting(4, 0 if i % 2 else http2.MOST)))
            one.next()
        one.send(http2.frame(http2.SETTINGS, 0, 0, http2.setting(4, 65535)))
        assert one.is_live()
    with http2.Connection(host.local) as one:
        one.send(http2.frame(http2.SETTINGS, 0, 0, http2.setting(4, 1 << 31)))
        assert one.goaway()[0] == 3  # FLOW_CONTROL_ERROR
    with http2.Connection(host.local) as one:
        one.send(http2.frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", http2.MOST)))
        assert one.goaway()[0] == 3


def test_a_body_without_end(host):
    """Of a message that is larger than any limit: no more than a window of it is sent."""
    front, = host.fronts()
    before = memory_kib(front)
    with http2.Connection(host.local) as one:
        stream = one.begin(http2.INFERENCE + "ModelInfer")
        one.send(http2.frame(http2.DATA, 0, stream, struct.pack(">BI", 0, (1 << 32) - 1) + b"\0" * 1000))
        assert one.answer(stream) == b""
        one.is_live()
    assert memory_kib(front) - before < MEMORY_KIB


def test_a_length_that_is_only_said(host):
    """A message of 1 GiB of which little comes costs little."""
    front, = host.fronts()
    before = memory_kib(front, "VmPeak")
    with http2.Connection(host.local) as one:
        for _ in range(20):
            stream = one.begin(http2.INFERENCE + "ModelInfer")
            one.send(http2.frame(http2.DATA, 0, stream, struct.pack(">BI", 0, 1 << 30)
                                 + b"\x12\x80\x80\x80\x80\x02" + b"n" * 1000))
        assert one.is_live()
        assert memory_kib(front, "VmPeak") - before < MEMORY_KIB


def test_slowly(host):
    """Half a preface, half a frame, half a message: each a byte now and then."""
    whole = (http2.PREFACE + http2.frame(http2.SETTINGS)
             + http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.head(http2.INFERENCE + "ModelInfer"))
             + http2.frame(http2.DATA, 0, 1, http2.message(b"\x0a\x01m")[:6]))
    for end in (10, 30, 60, len(whole)):
        with http2.Connection(host.local, preface=None) as one:
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
    with http2.Connection(host.local) as one:
        for _ in range(200):
            one.begin(http2.INFERENCE + "ModelStreamInfer")
        assert one.goaway()[0] == 1  # PROTOCOL_ERROR: it knows how many it may open
    with http2.Connection(host.local, acknowledges=False) as one:
        for _ in range(200):
            one.begin(http2.INFERENCE + "ModelStreamInfer")
        refused = 0
        while refused < 70:  # REFUSED_STREAM
            kind, _, _, payload = one.next()
            refused += kind == http2.RST_STREAM and int.from_bytes(payload, "big") == 7
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
    infer = http2.message(b"\x0a\x01m\x2a\x0e\x0a\x01x\x12\x04FP32\x1a\x01\x01\x3a\x04abcd")
    good = (http2.frame(http2.SETTINGS, 0, 0, http2.setting(4, 100000))
            + http2.frame(http2.HEADERS, http2.END_HEADERS, 1,
                          http2.head(http2.INFERENCE + "ModelInfer", ("grpc-timeout", "1S")))
            + http2.frame(http2.DATA, 0, 1, infer[:-4]) + http2.frame(http2.DATA, 0, 1, infer[-4:])
            + http2.frame(http2.WINDOW_UPDATE, 0, 1, b"\0\0\1\0")
            + http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 3,
                          http2.head("/grpc.health.v1.Health/Check"))
            + http2.frame(http2.PING, 0, 0, b"12345678"))
    for _ in range(100):
        with http2.Connection(host.local, preface=None) as one:
            one.send(http2.PREFACE + mutated(rng, good))
            one.socket.shutdown(socket.SHUT_WR)
            for kind, *_ in one.frames():
                assert kind != http2.PUSH_PROMISE


# --- an inference, by hand ----------------------------------------------------------------------


def sums():
    """a, b -> their sum, of any number of rows of four."""
    dims = ["rows", 4]
    return onnx_writer.model(onnx_writer.node("Add", ["a", "b"], ["sum"]), onnx_writer.graph_input("a", dims),
                             onnx_writer.graph_input("b", dims), onnx_writer.graph_output("sum", dims))


def input_field(name, rows):
    return field(5, field(1, name) + field(2, b"FP32") + field(3, onnx_writer.varint(rows) + onnx_writer.varint(4)))


def test_fields_in_any_order(onnx):
    """Raw contents may come before what they are of is known: they are kept, and each goes to its input."""
    rows = 5000
    a, b = (struct.pack(f"<{4 * rows}f", *(sign * i for i in range(4 * rows))) for sign in (3, -1))
    inputs, raws = [input_field(name, rows) for name in (b"a", b"b")], [field(7, raw) for raw in (a, b)]
    wanted = struct.pack(f"<{4 * rows}f", *(2 * i for i in range(4 * rows)))
    name = field(1, b"sums")
    with http2.Connection(onnx.local, http2.setting(4, 1 << 20)) as one:
        one.send(http2.frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))
        load = field(2, b"sums") + field(3, field(1, b"file:1/model.onnx") + field(2, field(4, sums())))
        assert one.answer(one.call(http2.INFERENCE + "RepositoryModelLoad", load)) == http2.message()
        for order in ([name, *inputs, *raws], [inputs[0], raws[0], inputs[1], raws[1], name],
                      [*raws, *inputs, name], [raws[0], inputs[0], raws[1], name, inputs[1]]):
            answer = one.answer(one.call(http2.INFERENCE + "ModelInfer", b"".join(order)))
            assert answer.endswith(field(6, wanted)), order


def test_memory_that_a_load_takes(start):
    """Its message, and the model: twice its size and little more, of which the message goes when it is read."""
    tensock = start("max-memory = 18MiB\nmax-request-size = 1MiB\nmax-model-size = 16MiB\n")
    with http2.Connection(tensock.local, http2.setting(4, 1 << 20)) as one:
        for name in b"first", b"second":
            model = onnx_writer.identity(len(name), 8 << 20)
            load = field(2, name) + field(3, field(1, b"file:1/model.onnx") + field(2, field(4, model)))
            answer = one.answer(one.call(http2.INFERENCE + "RepositoryModelLoad", load))
            # The first one is kept: there is no room for another beside it.
            assert (answer == http2.message()) == (name == b"first"), name
        infer = field(1, b"first") + field(5, field(1, b"x") + field(2, b"FP32") + field(3, b"\5")) + field(7, bytes(20))
        assert one.answer(one.call(http2.INFERENCE + "ModelInfer", infer)).endswith(field(6, bytes(20)))


def test_beyond_the_connections(start):
    tensock = start("max-connections = 1\n")
    with http2.Connection(tensock.local) as one:
        assert one.is_live()
        with http2.Connection(tensock.local) as other:
            code, text = other.goaway()
            assert code == http2.ENHANCE_YOUR_CALM and "max-connections" in text
