# SPDX-License-Identifier: Apache-2.0
"""The native protocol over the real daemon's socket, spoken by a client of its own (native.py)."""

import contextlib
import os
import random
import socket
import struct
import threading
import time

import native
import numpy
import onnx_writer
import pytest
import seed
from conftest import engine_config, eventually

ECHO = b"TSKECHO1 shape=1,4"
FOUR = numpy.arange(4, dtype="float32").reshape(1, 4)


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_for(condition):
    assert eventually(condition)


@pytest.fixture
def guest(echo):
    with native.Guest(echo.local) as one:
        yield one


# ---- As it is meant to be


def test_real_model(onnx, real_model):
    with native.Guest(onnx.local) as guest:
        assert guest.welcome["version"] == 1
        info = guest.push(real_model, "direction", "2")
        assert info["sent_from"] == 0 and info["state"] == 2 and info["engine"].startswith("onnx")
        (name, dtype, dims), = info["inputs"]
        assert (name, dtype, dims[1]) == ("x", 11, 3)
        image = numpy.zeros((2, 3, 48, 192), "float32")
        image[1] += 0.5
        first, = guest.infer("direction", [("x", image)]).values()
        assert first.shape == (2, 2) and numpy.allclose(first.sum(axis=1), 1, atol=1e-4)
        second, = guest.infer(native.digest(real_model), [(0, image)], wanted=[0]).values()
        assert (first == second).all()
        # The same bytes again: it is there, also for another connection.
        with native.Guest(onnx.local) as other:
            assert other.push(real_model)["sent_from"] is None
        with pytest.raises(native.Refused, match="is FP32") as refused:
            guest.infer("direction", [("x", image.astype("float64"))])
        assert refused.value.status == native.INVALID_ARGUMENT


def test_hello_beside_the_seed(onnx):
    """Both protocols at one address, and for one guest: what the seed brought can be run."""
    model = onnx_writer.identity(3)
    assert seed.ask(onnx.local, model) == b"OK"
    with native.Guest(onnx.local) as guest:
        x = numpy.array([1, 2, 3], "float32")
        assert (guest.infer(native.digest(model), [("x", x)])["y"] == x).all()
    assert len(onnx.fronts()) == 1


def test_types_and_shapes(guest):
    """Every type with a shape of its own, scalars and tensors without an element."""
    for dtype, number in native.DTYPES.items():
        model = b"TSKECHO1 dtype=%d shape=-1,2,-1" % number
        guest.push(model)
        for shape in [(1, 2, 3), (0, 2, 3), (100, 2, 33)]:
            x = numpy.random.randint(0, 2, shape).astype(dtype)
            y = guest.infer(native.digest(model), [("x0", x)])["x0"]
            assert y.dtype == x.dtype and y.shape == shape and (y == x).all()


def test_many_tensors(guest):
    model = b"TSKECHO1 tensors=1000 shape=-1"
    guest.push(model)
    xs = [numpy.full(i % 7, i, "float32") for i in range(1000)]
    tensors = [(f"x{i}", x) for i, x in enumerate(xs)]
    random.shuffle(tensors)
    y = guest.infer(native.digest(model), tensors)
    assert all((y[f"x{i}"] == x).all() and y[f"x{i}"].shape == x.shape for i, x in enumerate(xs))
    y = guest.infer(native.digest(model), tensors, wanted=["x13", 999, "x0"])
    assert list(y) == ["x13", "x999", "x0"] and (y["x13"] == 13).all()


@pytest.mark.parametrize("n", [0, 1, 4000, 16384, 65524, 65536, 1 << 18, (1 << 18) + 1, 1 << 22])
def test_sizes(guest, n):
    model = b"TSKECHO1 shape=-1"
    guest.push(model)
    x = numpy.random.rand(n).astype("float32")
    for _ in range(2):
        assert (guest.infer(native.digest(model), [("x0", x)])["x0"] == x).all()


def test_answers_in_any_order(guest):
    """A slow model holds nobody up but its own requests."""
    slow = b"TSKECHO1 delay_ms=500 shape=1,4"
    guest.push(slow)
    guest.push(ECHO)
    first = guest.start(native.digest(slow), [("x0", FOUR)])
    others = [guest.start(native.digest(ECHO), [("x0", FOUR + i)]) for i in range(50)]
    for i, id_ in reversed(list(enumerate(others))):
        assert (guest.wait(id_).outputs()["x0"] == FOUR + i).all()
    assert first not in guest.answers
    assert (guest.wait(first).outputs()["x0"] == FOUR).all()


def test_single_bytes(guest):
    guest.push(ECHO)
    frames = b"".join(native.infer_frames(77, native.digest(ECHO), [("x0", FOUR)]))
    for byte in frames + native.frame(native.PING, 78):
        guest.send(bytes([byte]))
    assert (guest.wait(77).outputs()["x0"] == FOUR).all()
    guest.wait(78, native.PONG)


def test_large_beside_small(guest):
    """64 MiB there and back: requests between its chunks are answered between its chunks."""
    large = b"TSKECHO1 shape=-1"
    guest.push(large)
    guest.push(ECHO)
    x = numpy.random.rand(16 << 20).astype("float32")
    frames = native.infer_frames(1 << 20, native.digest(large), [("x0", x)])
    small = range(1 << 21, (1 << 21) + len(frames))

    def send():
        for id_, data in zip(small, frames):
            guest.send(data, *native.infer_frames(id_, native.digest(ECHO), [("x0", FOUR)]))
        # And while the answer comes.
        for i in range(100):
            guest.send(native.frame(native.PING, 1000 + i))
            time.sleep(0.001)

    sender = threading.Thread(target=send)
    sender.start()
    order = []
    while (1 << 20) not in guest.answers or len(order) < len(frames) + 100:
        before = set(guest.answers)
        guest.take()
        order += set(guest.answers) - before - {1 << 20}
        if (1 << 20) in guest.results and "began" not in order:
            order.append("began")
    sender.join()
    assert (guest.wait(1 << 20).outputs()["x0"] == x).all()
    early = order[:order.index("began")]
    assert len([id_ for id_ in early if id_ in small]) > len(frames) / 2
    for id_ in small:
        assert (guest.wait(id_).outputs()["x0"] == FOUR).all()


def test_names_of_one_model_beyond_what_a_list_holds(start):
    """All models come first, then as many of their other names as there is room for."""
    tensock = start("max-models = 512\n" + engine_config("echo"))
    with native.Guest(tensock.local) as guest:
        models = [f"TSKECHO1 shape=1,{i + 1}".encode() for i in range(40)]
        for i, model in enumerate(models):
            for k in range(16):
                guest.push(model, f"n{i}", str(k))
        listed = guest.list()
        assert len(listed) == 512 == len({(m["name"], m["version"]) for m in listed})
        assert [(m["hash"], m["version"]) for m in listed[:40]] == [(native.digest(m), "15") for m in models]
        assert guest.info("n3")["version"] == "15"
        with pytest.raises(native.Refused, match="16 names"):
            guest.push(models[0], "one more")


def test_models_are_listed_and_go(guest, echo):
    other = b"TSKECHO1 shape=1,5"
    assert guest.push(ECHO, "cat", "1")["name"] == "cat"
    guest.push(other, "cat", "2")
    assert {(m["name"], m["version"]) for m in guest.list()} == {("cat", "1"), ("cat", "2")}
    assert guest.info("cat")["hash"] == native.digest(other)  # the one labelled last
    guest.infer("cat", [("x0", numpy.zeros((1, 5), "float32"))])
    assert guest.info("cat")["runs"] == 1
    guest.unload("cat")
    wait_for(lambda: len(echo.workers()) == 1)
    info = guest.info("cat")
    assert info["state"] == 0 and info["inputs"]
    assert guest.info("cat", load=True)["state"] == 2
    guest.unload("cat", remove=True)
    assert guest.info("cat")["hash"] == native.digest(ECHO)
    with pytest.raises(native.Refused) as refused:
        guest.info(native.digest(other))
    assert refused.value.status == native.NOT_FOUND
    counters = guest.stats()
    assert counters["requests-active"] == 0
    assert counters["requests-accepted"] == counters["requests-ok"] + counters["requests-error"]


def test_upload_goes_on(echo):
    """A connection that breaks in the middle: the next one sends the rest."""
    model = b"TSKECHO1 shape=1,4 ".ljust(3_000_000)
    with native.Guest(echo.local) as guest:
        id_ = guest.offer(model)
        guest.wait(id_, native.SEND)
        guest.send(native.frame(native.CHUNK, id_, model[:200_000]),
                   native.frame(native.CHUNK, id_, model[200_000:400_000])[:1000])
    with native.Guest(echo.local) as guest:
        wait_for(lambda: guest.stats()["connections"] == 1)
        assert guest.push(model)["sent_from"] == 200_000 + 1000 - native.HEADER_BYTES
        assert (guest.infer(native.digest(model), [("x0", FOUR)])["x0"] == FOUR).all()
        assert guest.stats()["uploads-resumed"] == 1


def test_two_connections_upload_the_same(echo):
    model = b"TSKECHO1 shape=1,4 ".ljust(1_000_000)
    with native.Guest(echo.local) as one, native.Guest(echo.local) as two:
        ids = [guest.offer(model) for guest in (one, two)]
        for guest, id_ in zip((one, two), ids):
            guest.wait(id_, native.SEND)
        for at in range(0, len(model), 100_000):
            for guest, id_ in zip((one, two), ids):
                guest.send(native.frame(native.CHUNK, id_, model[at:at + 100_000]))
        for guest, id_ in zip((one, two), ids):
            guest.wait(id_, native.MODEL)
        assert len(one.list()) == 1


# ---- Requests that end early


def test_cancel(guest):
    slow = b"TSKECHO1 delay_ms=20000 shape=1,4"
    guest.push(slow)
    running = guest.start(native.digest(slow), [("x0", FOUR)])
    waiting = guest.start(native.digest(slow), [("x0", FOUR)])
    time.sleep(0.2)
    began = time.monotonic()
    for id_ in (waiting, running):
        guest.cancel(id_)
        with pytest.raises(native.Refused) as refused:
            guest.wait(id_)
        assert refused.value.status == native.CANCELLED
    assert time.monotonic() - began < 5
    guest.cancel(running)  # of what is no more: nothing
    guest.cancel(4711)
    guest.ping()
    assert guest.stats()["requests-cancelled"] == 2


def test_deadline(guest):
    slow = b"TSKECHO1 delay_ms=20000 shape=1,4"
    guest.push(slow)
    guest.push(ECHO)
    began = time.monotonic()
    ids = [guest.start(native.digest(slow), [("x0", FOUR)], deadline_ms=ms) for ms in (300, 200)]
    for id_ in ids:
        with pytest.raises(native.Refused) as refused:
            guest.wait(id_)
        assert refused.value.status == native.DEADLINE_EXCEEDED
    assert 0.15 < time.monotonic() - began < 5
    guest.infer(native.digest(ECHO), [("x0", FOUR)], deadline_ms=20000)


# ---- Limits


def test_limits(start):
    tensock = start("max-model-size = 1MiB\nmax-request-size = 1MiB\nmax-requests = 5\n"
                    "max-models = 2\n" + engine_config("echo"))
    slow = b"TSKECHO1 delay_ms=300 shape=-1,4"
    with native.Guest(tensock.local) as guest:
        assert guest.welcome["requests_max"] == 5
        assert guest.welcome["model_bytes_max"] == 1 << 20

        def refuses(status, call, *arguments, **more):
            with pytest.raises(native.Refused) as refused:
                call(*arguments, **more)
            assert refused.value.status == status, str(refused.value)
            guest.ping()

        refuses(native.TOO_LARGE, guest.push, ECHO.ljust((1 << 20) + 1))
        guest.push(slow)
        guest.push(ECHO)
        refuses(native.LIMIT_REACHED, guest.push, b"TSKECHO1 shape=1,7")
        x = numpy.zeros((1 << 16, 4), "float32")
        refuses(native.TOO_LARGE, guest.infer, native.digest(slow), [("x0", x)])
        refuses(native.NOT_FOUND, guest.infer, "nobody", [("x0", FOUR)])
        ids = [guest.start(native.digest(slow), [("x0", FOUR)]) for _ in range(8)]
        for id_ in ids[5:]:
            refuses(native.LIMIT_REACHED, guest.wait, id_)
        for id_ in ids[:5]:
            assert (guest.wait(id_).outputs()["x0"] == FOUR).all()


def test_memory_is_given_back(start):
    """Inputs that do not fit beside those under way are refused; later they are taken."""
    tensock = start("max-memory = 24MiB\n" + engine_config("echo"))
    slow = b"TSKECHO1 delay_ms=500 shape=-1"
    x = numpy.zeros(1 << 20, "float32")
    with native.Guest(tensock.local) as guest:
        guest.push(slow)
        for _ in range(2):
            ids = [guest.start(native.digest(slow), [("x0", x)]) for _ in range(10)]
            answers = []
            for id_ in ids:
                try:
                    answers.append(guest.wait(id_).payload_bytes)
                except native.Refused as refused:
                    assert refused.status == native.LIMIT_REACHED, str(refused)
                    answers.append(None)
            assert x.nbytes in answers and None in answers
        assert guest.stats()["memory-bytes"] <= 24 << 20


# ---- Guests that do it wrong


@pytest.mark.parametrize("versions", [(2, 2), (2, 1 << 31)])
def test_version_is_refused(echo, versions):
    with native.Guest(echo.local, greet=False) as guest:
        guest.send(native.hello(*versions))
        with pytest.raises(native.Refused, match="version 1 .* 2 to") as refused:
            guest.read_welcome()
        assert refused.value.id == 0 and refused.value.status == native.UNSUPPORTED
        assert guest.is_closed()


def test_later_versions_may_say_more(echo):
    with native.Guest(echo.local, greet=False) as guest:
        body = native.hello(1, 9)[native.HEADER_BYTES:] + b"of a later version"
        guest.send(native.frame(native.HELLO, 0, body))
        assert guest.read_welcome()["version"] == 1


def messages():
    """One of each that a guest may send, by its name."""
    return {
        "HELLO": native.hello(),
        "OFFER": native.frame(native.OFFER, 5, native.digest(b"m") + struct.pack("<Q", 9) +
                              native.string("name") + native.string("1")),
        "INFO": native.frame(native.INFO, 5, native.reference("cat") + struct.pack("<I", 1)),
        "LIST": native.frame(native.LIST, 5),
        "UNLOAD": native.frame(native.UNLOAD, 5, native.reference(b"h" * 32) +
                               struct.pack("<I", 1)),
        "INFER": native.infer_frames(5, "cat", [("x0", FOUR)], ["x0"])[0],
        "STATS": native.frame(native.STATS, 5),
        "CHUNK": native.frame(native.CHUNK, 5, b"some bytes"),
    }


@pytest.mark.parametrize("name", messages())
def test_garbage_in_each_message(echo, name):
    """Whatever stands in a message, the host answers, or ends this connection with a reason."""
    good = messages()[name]
    rng = random.Random(name)
    with native.Guest(echo.local) as watcher:
        for _ in range(60):
            bad = bytearray(good)
            for _ in range(rng.choice([1, 1, 2, 8])):
                bad[rng.randrange(4, len(bad))] = rng.choice([0, 1, 0x7f, 0x80, 0xff,
                                                              rng.randrange(256)])
            with native.Guest(echo.local, greet=name != "HELLO") as guest:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    guest.send(bytes(bad))
                    guest.socket.shutdown(socket.SHUT_WR)
                with contextlib.suppress(native.Closed, native.Refused):
                    while True:
                        if name == "HELLO":
                            guest.read_welcome()
                        else:
                            guest.take()
        watcher.ping()
        counters = watcher.stats()
        assert counters["requests-active"] == 0
    assert len(echo.fronts()) == 1


@pytest.mark.parametrize("name", messages())
def test_half_of_each_message(echo, name):
    good = messages()[name]
    with native.Guest(echo.local) as watcher:
        front, = echo.fronts()
        before = fds(front)
        for n in {1, 3, 4, 8, 15, 16, 17, len(good) // 2, len(good) - 1}:
            for closes in (True, False):
                with native.Guest(echo.local, greet=name != "HELLO") as guest:
                    guest.send(good[:n])
                    if not closes:
                        guest.socket.shutdown(socket.SHUT_WR)
                        with contextlib.suppress(native.Closed, native.Refused):
                            while True:
                                guest.take()
        wait_for(lambda: fds(front) == before)
        watcher.ping()


def test_garbage_after_hello(echo):
    rng = random.Random(1)
    for _ in range(100):
        with native.Guest(echo.local) as guest:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                guest.send(rng.randbytes(rng.choice([16, 100, 5000])))
                guest.socket.shutdown(socket.SHUT_WR)
            with pytest.raises((native.Refused, native.Closed)):
                while True:
                    guest.take()


def test_chunks_that_nobody_asked_for(guest):
    for i in range(50):
        guest.send(native.frame(native.CHUNK, 1000 + i, bytes(native.BODY_MAX)))
    guest.ping()


def test_id_that_is_under_way(guest):
    slow = b"TSKECHO1 delay_ms=20000 shape=1,4"
    guest.push(slow)
    guest.send(*native.infer_frames(50, native.digest(slow), [("x0", FOUR)]) * 2)
    with pytest.raises(native.Refused, match="INFER 50: a request of this id") as refused:
        guest.take()
    assert refused.value.id == 0
    assert guest.is_closed()


def test_guest_that_goes_leaves_nothing(echo):
    slow = b"TSKECHO1 delay_ms=20000 shape=-1,4"
    with native.Guest(echo.local) as watcher:
        watcher.push(slow)
        front, = echo.fronts()
        before = fds(front)
        for _ in range(60):
            with native.Guest(echo.local) as guest:
                guest.start(native.digest(slow), [("x0", FOUR)])
                frames = native.infer_frames(9, native.digest(slow),
                                             [("x0", numpy.zeros((1 << 16, 4), "float32"))])
                guest.send(*frames[:2])
        wait_for(lambda: watcher.stats()["requests-active"] == 0)
        counters = watcher.stats()
        assert counters["requests-cancelled"] + counters["requests-reset"] == 120
        wait_for(lambda: fds(front) <= before + 64)  # buffers that are kept


def test_guest_that_does_not_read(start):
    """It is not read either; the others have their answers; then it is closed."""
    tensock = start("idle-timeout = 1s\n" + engine_config("echo"))
    model = b"TSKECHO1 shape=-1,4"
    x = numpy.zeros((1 << 16, 4), "float32")
    with native.Guest(tensock.local) as deaf, native.Guest(tensock.local) as other:
        other.push(model)
        deaf.socket.settimeout(0.3)
        sent = 0
        with pytest.raises((TimeoutError, BrokenPipeError, ConnectionResetError)):
            for i in range(10_000):
                deaf.send(*native.infer_frames(i + 1, native.digest(model), [("x0", x)]))
                sent += 1
        assert sent < 1000
        for _ in range(20):
            assert (other.infer(native.digest(model), [("x0", FOUR)])["x0"] == FOUR).all()
        wait_for(lambda: other.stats()["connections"] == 1)
        assert other.stats()["requests-active"] == 0


def test_quiet_guest_stays(start):
    tensock = start("idle-timeout = 300ms\n" + engine_config("echo"))
    with native.Guest(tensock.local) as guest, native.Guest(tensock.local) as silent:
        guest.push(ECHO)
        silent.send(native.hello()[:3])
        time.sleep(1)
        assert silent.is_closed()
        assert (guest.infer(native.digest(ECHO), [("x0", FOUR)])["x0"] == FOUR).all()


# ---- The host's end


def test_stop(echo):
    """GOAWAY; what is under way is answered, new requests are not taken."""
    slow = b"TSKECHO1 delay_ms=700 shape=1,4"
    with native.Guest(echo.local) as guest, native.Guest(echo.local) as idle:
        guest.push(slow)
        id_ = guest.start(native.digest(slow), [("x0", FOUR)])
        guest.ping()
        echo.daemon.process.terminate()
        while not guest.said_goodbye:
            guest.take()
        late = guest.start(native.digest(slow), [("x0", FOUR)])
        with pytest.raises(native.Refused) as refused:
            guest.wait(late)
        assert refused.value.status == native.UNAVAILABLE
        assert (guest.wait(id_).outputs()["x0"] == FOUR).all()
        assert guest.is_closed()
        assert idle.take() == native.GOAWAY
        assert idle.is_closed()
    echo.daemon.process.wait(20)  # a second signal would end it at once


def test_stop_does_not_wait_for_ever(start):
    """What is not whole by then ends with an error, then the connection."""
    tensock = start("run-deadline = 400ms\n" + engine_config("echo"))
    with native.Guest(tensock.local) as guest:
        guest.push(ECHO)
        id_ = next(guest.ids)
        long = numpy.zeros(native.BODY_MAX, dtype="float32")
        guest.send(native.infer_frames(id_, native.digest(ECHO), [("x0", long)])[0])
        guest.ping()
        tensock.daemon.process.terminate()
        with pytest.raises(native.Refused) as refused:
            guest.wait(id_)
        assert refused.value.status == native.UNAVAILABLE
        assert guest.said_goodbye
        assert guest.is_closed()
    assert tensock.daemon.process.wait(20) == 0


@pytest.mark.parametrize("fault", ["segv", "exit", "garbage-ring", "garbage-reply", "bad-output",
                                   "error"])
def test_worker_that_fails(start, fault):
    """One request has an error, the connection goes on, and the next has a new worker."""
    tensock = start(engine_config("faulty"))
    bad, good = b"TSKFAULT run:" + fault.encode(), b"TSKFAULT"
    x = numpy.arange(4, dtype="float32")
    with native.Guest(tensock.local) as guest:
        guest.push(bad)
        guest.push(good)
        for _ in range(2):
            with pytest.raises(native.Refused) as refused:
                guest.infer(native.digest(bad), [("x", x)])
            assert refused.value.status in (native.WORKER_DIED, native.ENGINE_FAILED)
            assert (guest.infer(native.digest(good), [("x", x)])["x"] == x).all()
