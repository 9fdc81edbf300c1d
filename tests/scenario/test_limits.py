# SPDX-License-Identifier: Apache-2.0
"""What a guest may use: a limit that is reached says its name, as tensockd.conf has it, and hurts nobody else."""

import contextlib
import hashlib
import os
import resource
import time
from pathlib import Path

import native
import numpy
import pytest
import seed
from conftest import DaemonError, cpu_s, engine_config, eventually, refused, stat_of

ECHO = b"TSKECHO1 shape=-1,4"
SLOW = b"TSKECHO1 shape=-1,4 delay_ms=3000"
ONE = [(0, numpy.zeros((1, 4), numpy.float32))]


def sha256(model):
    return hashlib.sha256(model).hexdigest()


@pytest.fixture
def echo_with(start, folder):
    """A daemon with the echo engine, these settings for uid guests, and another guest who must not notice."""
    def begin(daemon="", guest=""):
        tensock = start(f"{daemon}\n[guest other]\nhybrid = {folder}/other\n"
                        f"[guest uid-{os.getuid()}]\n{guest}\n" + engine_config("echo"))
        assert seed.ask(folder / "other_9999", ECHO) == b"OK"
        begun.append(tensock)
        return tensock

    begun = []
    yield begin
    for _ in begun:
        assert seed.ask(folder / "other_9999", ECHO) == b"OK"


def test_max_connections(echo_with):
    tensock = echo_with(guest="max-connections = 4")
    guests = [native.Guest(tensock.local) for _ in range(4)]
    for _ in range(3):
        with refused(native.LIMIT_REACHED, "max-connections"):
            native.Guest(tensock.local)
    with seed.Guest(tensock.local) as one_more:
        one_more.send(seed.header(4))
        assert one_more.receive() == b"ER"
        assert one_more.is_closed()
    guests.pop().socket.close()

    def is_served():
        with contextlib.suppress(native.Refused):
            guests.append(native.Guest(tensock.local))
            return True

    assert eventually(is_served)
    guests[-1].ping()
    for guest in guests:
        guest.ping()
        guest.socket.close()
    assert tensock.said("max-connections", "refused so far")


def test_max_models(echo_with):
    tensock = echo_with(guest="max-models = 2")
    with native.Guest(tensock.local) as guest:
        guest.push(ECHO, "a")
        guest.push(ECHO + b" ", "b")
        with refused(native.LIMIT_REACHED, "max-models"):
            guest.push(ECHO + b"  ", "c")
        guest.unload("a", remove=True)
        guest.push(ECHO + b"  ", "c")


def test_max_model_size(echo_with):
    tensock = echo_with(guest="max-model-size = 1KiB")
    with native.Guest(tensock.local) as guest:
        with refused(native.TOO_LARGE, "max-model-size", "1024"):
            guest.push(ECHO.ljust(1025))
        guest.push(ECHO.ljust(1024))
    with seed.Guest(tensock.local) as guest:
        guest.send(seed.header(1025, id_=4711))
        assert guest.receive() == b"ER"
    assert tensock.said("frame 4711", "max-model-size")


def test_max_request_size(echo_with):
    tensock = echo_with(guest="max-request-size = 1MiB")
    with native.Guest(tensock.local) as guest:
        guest.push(ECHO, "echo")
        with refused(native.TOO_LARGE, "max-request-size", "1048576"):
            guest.infer("echo", [(0, numpy.zeros((80000, 4), numpy.float32))])
        with refused(native.TOO_LARGE, "max-request-size"):  # inputs and outputs together
            guest.infer("echo", [(0, numpy.zeros((50000, 4), numpy.float32))])
        guest.infer("echo", ONE)


def test_max_request_size_to_the_byte(echo_with):
    """Though buffers come in steps of 64 KiB.  A row is 16 bytes each way, and each way has a head."""
    limit = 1_100_000
    tensock = echo_with(guest=f"max-request-size = {limit}")
    low, high = 0, 50000
    with native.Guest(tensock.local) as guest:
        guest.push(ECHO, "echo")
        while high - low > 1:
            rows = (low + high) // 2
            try:
                guest.infer("echo", [(0, numpy.zeros((rows, 4), numpy.float32))])
                low = rows
            except native.Refused as refusal:
                assert refusal.status == native.TOO_LARGE and "max-request-size" in str(refusal)
                high = rows
    assert limit - 16384 <= 2 * 16 * low <= limit, low


def test_max_memory(echo_with):
    tensock = echo_with(guest="max-memory = 1MiB\nmax-request-size = 8MiB")
    with native.Guest(tensock.local) as guest:
        guest.push(ECHO, "echo")
        with refused(native.LIMIT_REACHED, "max-memory"):
            guest.infer("echo", [(0, numpy.zeros((1 << 17, 4), numpy.float32))])
        with refused(native.LIMIT_REACHED, "max-memory"):
            guest.push(ECHO.ljust(1 << 20))
        guest.infer("echo", ONE)


def test_max_bytes_in_flight(echo_with):
    tensock = echo_with(guest="max-bytes-in-flight = 1MiB")
    with native.Guest(tensock.local) as guest, native.Guest(tensock.local) as second:
        guest.push(ECHO, "echo")
        guest.push(SLOW, "slow")
        large = [(0, numpy.zeros((25000, 4), numpy.float32))]  # twice that, with the outputs
        with refused(native.LIMIT_REACHED, "max-bytes-in-flight"):
            guest.infer("echo", [(0, numpy.zeros((1 << 17, 4), numpy.float32))])
        id_ = guest.start("slow", large)
        assert eventually(lambda: guest_is_at_work(second))
        with refused(native.LIMIT_REACHED, "max-bytes-in-flight"):
            second.infer("echo", [(0, numpy.zeros((30000, 4), numpy.float32))])
        guest.wait(id_)
        second.infer("echo", large)
        for _ in range(20):
            guest.infer("echo", large)


def guest_is_at_work(guest):
    return guest.stats()["requests-active"] > 0


def test_max_requests(echo_with):
    tensock = echo_with(guest="max-requests = 2")
    with native.Guest(tensock.local) as guest, native.Guest(tensock.local) as second:
        guest.push(SLOW, "slow")
        under_way = [guest.start("slow", ONE) for _ in range(2)]
        with refused(native.LIMIT_REACHED, "max-requests"):
            guest.infer("slow", ONE)
        with refused(native.LIMIT_REACHED, "max-requests"):
            second.infer("slow", ONE)
        for id_ in under_way:
            guest.wait(id_)
        second.infer("slow", ONE)


def test_deadlines(start):
    tensock = start("run-deadline = 300ms\nload-deadline = 300ms\nquarantine = 0s\n" +
                    engine_config("faulty"))
    with native.Guest(tensock.local) as guest:
        guest.push(b"TSKFAULT run:hang", "hang")
        with refused(native.DEADLINE_EXCEEDED, "run-deadline", "300 ms"):
            guest.infer("hang", [("x", numpy.zeros(4, numpy.float32))])
        with refused(native.DEADLINE_EXCEEDED, "load-deadline", "300 ms"):
            guest.push(b"TSKFAULT load:hang")


def test_idle_timeout(echo_with):
    tensock = echo_with(guest="idle-timeout = 200ms")
    with native.Guest(tensock.local) as guest:
        guest.send(native.frame(native.PING)[:7])
        assert guest.is_closed()
    assert tensock.said("idle-timeout")


def test_max_workers(echo_with):
    """They take turns; nobody is refused."""
    tensock = echo_with(guest="max-workers = 1")
    with native.Guest(tensock.local) as guest:
        for i in range(4):
            guest.push(ECHO.ljust(100 + i), str(i))
        for i in range(8):
            guest.infer(str(i % 4), ONE)
        assert guest.stats()["workers"] == 1


def test_max_guests(start, folder):
    tensock = start(f"max-guests = 1\n[guest a]\nhybrid = {folder}/a\n[guest b]\nhybrid = {folder}/b\n" +
                    engine_config("echo"))
    with seed.Guest(folder / "a_9999") as guest:
        assert guest.ask(ECHO) == b"OK"
        with seed.Guest(folder / "b_9999") as other:
            assert other.is_closed()
        assert guest.ask(ECHO) == b"OK"
    assert tensock.said("hybrid:b=", "max-guests")


# What only the kernel can share out.


def nice_of(pid):
    return int(stat_of(pid)[16])


def session_nice_of(pid):
    """None: the kernel does not share between sessions."""
    path = Path(f"/proc/{pid}/autogroup")
    return int(path.read_text(encoding="ascii").split()[-1]) if path.exists() else None


def test_cpu_weight(start, folder):
    """Where there is no cgroup to be had, a small weight is a high nice value, and the log says that it is no more."""
    tensock = start(f"[guest low]\nhybrid = {folder}/low\ncpu-weight = 10\n"
                    f"[guest other]\nhybrid = {folder}/other\n" + engine_config("echo"))
    if not any("not in force" in line for line in tensock.log):
        pytest.skip("this daemon may divide its cgroup")
    with seed.Guest(folder / "low_9999") as low:
        assert low.ask(ECHO) == b"OK"
        own = tensock.fronts() + tensock.workers()
        assert len(own) >= 2
        assert {nice_of(pid) for pid in own} == {min(nice_of(tensock.pid) + 10, 19)}, list(map(nice_of, own))
        with seed.Guest(folder / "other_9999") as other:
            assert other.ask(ECHO) == b"OK"
            others = set(tensock.fronts() + tensock.workers()) - set(own)
            assert {nice_of(pid) for pid in others} == {nice_of(tensock.pid)}
            if session_nice_of(tensock.pid) is not None:  # sessions share the processors, then processes
                assert {session_nice_of(pid) for pid in own} == {10}
                assert {session_nice_of(pid) for pid in others} == {0}


def test_workers_go_first_where_memory_is_short(echo_with):
    tensock = echo_with()
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        workers = tensock.workers()
        assert workers
        for pid in workers:
            with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as score:
                assert score.read() == "1000\n"


def test_no_files_are_left(start, folder):
    """The daemon accepts nobody for a while, without turning in circles, and loses nobody who waits."""
    tensock = start(engine_config("echo"))
    assert seed.ask(tensock.local, ECHO) == b"OK"
    usual = resource.prlimit(tensock.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(tensock.pid, resource.RLIMIT_NOFILE, (3, usual[1]))
    guests = [seed.Guest(tensock.local) for _ in range(8)]
    assert tensock.said("no connection can be accepted for now")
    before = cpu_s(tensock.pid)
    time.sleep(2)
    assert cpu_s(tensock.pid) - before < 0.5
    resource.prlimit(tensock.pid, resource.RLIMIT_NOFILE, usual)
    for guest in guests:
        assert guest.ask(ECHO) == b"OK"
        guest.socket.close()
    lines = [line for line in tensock.log if "no connection can be accepted" in line]
    assert len(lines) < 10


# Which models and engines.


def test_models(echo_with):
    tensock = echo_with(guest=f"models = {sha256(ECHO)}\nmodels = {'0' * 64}")
    with native.Guest(tensock.local) as guest:
        for _ in range(2):
            with refused(native.PERMISSION_DENIED, "models"):
                guest.push(ECHO + b" ", "other")
        assert not guest.list()
        guest.push(ECHO, "echo")
        guest.infer("echo", ONE)
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(ECHO + b" ", 4711) == b"ER"
        assert guest.ask(ECHO) == b"OK"
    assert tensock.said("frame 4711", "permission-denied")


def test_models_of_all(start, folder):
    """[daemon] says it for all, a section for its guest."""
    start(f"models = {sha256(ECHO)}\n[guest free]\nhybrid = {folder}/free\nmodels = any\n"
          f"[guest bound]\nhybrid = {folder}/bound\n" + engine_config("echo"))
    for name, answer in (("free", b"OK"), ("bound", b"ER")):
        assert seed.ask(folder / f"{name}_9999", ECHO + b" ") == answer
        assert seed.ask(folder / f"{name}_9999", ECHO) == b"OK"


def test_engines(start, folder):
    """A guest's workers open the engines that it may use, and no other."""
    tensock = start(f"[guest a]\nhybrid = {folder}/a\nengines = echo\n"
                    f"[guest b]\nhybrid = {folder}/b\nengines = faulty echo\n" +
                    engine_config("echo") + engine_config("faulty"))
    for name, answer in (("a", b"ER"), ("b", b"OK")):
        assert seed.ask(folder / f"{name}_9999", b"TSKFAULT") == answer
        assert seed.ask(folder / f"{name}_9999", ECHO) == b"OK"
    seen = set()
    for pid in tensock.workers():
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline, open(f"/proc/{pid}/maps") as maps:
            is_of_a = b"\0--guest\0a\0" in cmdline.read()
            assert ("engine-faulty" in maps.read()) != is_of_a
            seen.add(is_of_a)
    assert seen == {True, False}


def test_engine_that_is_not_there(start):
    with pytest.raises(DaemonError, match="no engine typo"):
        start("[guest uid-1]\nengines = typo\n" + engine_config("echo"))


# Who may come at all.


def test_only_configured(start, folder):
    tensock = start(f"guests = configured\n[guest a]\nhybrid = {folder}/a\n" + engine_config("echo"))
    for _ in range(20):
        with seed.Guest(tensock.local) as guest:
            assert guest.is_closed()
    assert seed.ask(folder / "a_9999", ECHO) == b"OK"
    assert tensock.said("guests = configured", f"uid-{os.getuid()}")
    assert len(tensock.fronts()) == 1


def test_only_configured_with_a_section(start):
    tensock = start(f"guests = configured\n[guest uid-{os.getuid()}]\n" + engine_config("echo"))
    assert seed.ask(tensock.local, ECHO) == b"OK"


def test_refusals_in_the_log(start):
    """A stranger who comes again and again writes a line a second, which counts the others."""
    tensock = start("guests = configured\n" + engine_config("echo"))
    began = time.monotonic()
    for _ in range(300):
        with seed.Guest(tensock.local) as guest:
            assert guest.is_closed()
    took_s = time.monotonic() - began
    lines = [line for line in tensock.log if "refused a connection" in line]
    assert 1 <= len(lines) <= took_s + 2
    time.sleep(1.1)
    with seed.Guest(tensock.local) as guest:
        assert guest.is_closed()
    assert tensock.said("301 refused so far")
