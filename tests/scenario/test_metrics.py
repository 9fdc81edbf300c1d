# SPDX-License-Identifier: Apache-2.0
"""Metrics: what operators' programs are told, that it is right, and that no guest gets at it."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import native
import numpy
import pytest
import seed
from conftest import DaemonError, alive, engine_config, eventually

GUEST = f"uid-{os.geteuid()}"
LINE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\d+(?:\.\d+)?)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    return connection


def read_all(connection):
    data = b""
    while piece := connection.recv(1 << 20):
        data += piece
    return data


def ask(path, request=b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"):
    """(status, head, body)"""
    with connect(path) as connection:
        connection.sendall(request)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode("ascii"), body.decode("utf-8")


def parse(text):
    """{(name, frozenset of labels): number}; fails where Prometheus would."""
    samples, kinds, family = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split()
            assert family not in kinds, f"{family} is there twice"
            kinds[family] = kind
            continue
        name, labels, value = LINE.fullmatch(line).groups()
        assert name.startswith(family), line
        pairs = LABEL.findall(labels or "")
        assert len(dict(pairs)) == len(pairs)
        key = (name, frozenset(pairs))
        assert key not in samples, f"{line} is there twice"
        samples[key] = float(value)
    return samples


ECHO = b"TSKECHO1 shape=-1,4"
OTHER_ECHO = b"TSKECHO1 shape=4,-1"
SLOW = b"TSKECHO1 shape=-1,4 delay_ms=3000"
ONE = [(0, numpy.zeros((1, 4), numpy.float32))]
FRONT_PAGE_BYTES = 256 << 10
ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "src/channel/metrics_family.c").read_text("utf-8")
FAMILIES = re.findall(r'"(tensock_\w+)"', SOURCE)  # by their ids


class Metrics:
    """A daemon that tells metrics at a path."""

    def __init__(self, start, folder, config=""):
        self.path = folder / "metrics.sock"
        self.host = start(f"metrics = unix:{self.path}\n{config}{engine_config('echo')}")

    def read(self):
        status, head, body = ask(self.path)
        assert status == 200 and "Content-Type: text/plain; version=0.0.4" in head
        return parse(body)

    def value(self, name, **labels):
        return self.read().get((name, frozenset(labels.items())))

    def becomes(self, expected, name, **labels):
        assert eventually(lambda: self.value(name, **labels) == expected), self.read()

    def of_guest(self, expected, name, **labels):
        self.becomes(expected, name, guest=GUEST, **labels)

    def process(self):
        pids = self.host.processes("tensock-metrics")
        return pids[0] if pids else None

    def kill(self):
        """Its process; waits for the next one."""
        before = self.process()
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda: self.process() not in (None, before))

    def kill_front(self):
        self.host.fronts_may_die = True
        front, = self.host.fronts()
        os.kill(front, signal.SIGKILL)
        assert eventually(lambda: not alive(front))

    def front_pages(self):
        """The pages of fronts, opened for writing: as only a front, or who is as mighty as the daemon, can."""
        folder = f"/proc/{self.host.pid}/fd"
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                if "memfd:tensock-metrics" in os.readlink(f"{folder}/{name}") and \
                        os.stat(f"{folder}/{name}").st_size == FRONT_PAGE_BYTES:
                    yield os.open(f"{folder}/{name}", os.O_RDWR)


@pytest.fixture
def metrics(start, folder):
    return Metrics(start, folder)


def test_numbers_add_up(metrics):
    with native.Guest(metrics.host.local) as guest:
        guest.push(ECHO, "echo", "7")
        guest.push(OTHER_ECHO, 'quo"ted\\')
        for _ in range(5):
            guest.infer("echo", ONE)
        for _ in range(2):
            with contextlib.suppress(native.Refused):
                guest.infer("echo", [(0, numpy.zeros((1, 5), numpy.float32))])
        guest.infer('quo"ted\\', [(0, numpy.zeros((4, 1), numpy.float32))])
        labels = {"model": "echo", "version": "7"}
        metrics.of_guest(5, "tensock_inferences_total", outcome="ok", **labels)
        metrics.of_guest(2, "tensock_inferences_total", outcome="invalid-argument", **labels)
        metrics.of_guest(1, "tensock_inferences_total", outcome="ok", version="",
                         model='quo\\"ted\\\\')
        for part in ["transfer_", "queue_", "compute_", ""]:
            metrics.of_guest(5, f"tensock_inference_{part}seconds_count", **labels)
            metrics.of_guest(5, f"tensock_inference_{part}seconds_bucket", le="+Inf", **labels)
        counters = guest.stats()
        # That question is one more.
        metrics.of_guest(counters["requests-ok"] + 1, "tensock_requests_total", result="ok")
        metrics.of_guest(counters["requests-error"], "tensock_requests_total", result="error")
        metrics.of_guest(2, "tensock_models_kept")
        metrics.of_guest(1, "tensock_connections")
        metrics.of_guest(len(ECHO) + len(OTHER_ECHO), "tensock_upload_bytes_total")
        read = metrics.read()
        parts = [read[f"tensock_inference_{part}seconds_sum", frozenset({"guest": GUEST, **labels}.items())]
                 for part in ["transfer_", "queue_", "compute_", ""]]
        assert abs(sum(parts[:3]) - parts[3]) < 1e-6 and parts[2] > 0
    metrics.of_guest(0, "tensock_connections")


def test_histogram_counts_where_it_belongs(metrics):
    with native.Guest(metrics.host.local) as guest:
        guest.push(SLOW, "slow")
        guest.infer("slow", ONE)
        labels = {"model": "slow", "version": ""}
        metrics.of_guest(0, "tensock_inference_compute_seconds_bucket", le="2.5", **labels)
        metrics.of_guest(1, "tensock_inference_compute_seconds_bucket", le="5", **labels)
        assert 3 <= metrics.value("tensock_inference_compute_seconds_sum", guest=GUEST, **labels) < 5


def test_cancelled_and_active(metrics):
    with native.Guest(metrics.host.local) as guest:
        guest.push(SLOW, "slow")
        id_ = guest.start("slow", ONE)
        metrics.of_guest(1, "tensock_requests_active")
        guest.cancel(id_)
        metrics.of_guest(1, "tensock_inferences_total", model="slow", version="", outcome="cancelled")
        metrics.of_guest(0, "tensock_requests_active")


def test_models_that_are_gone(metrics):
    """What they have counted does not go with them."""
    with native.Guest(metrics.host.local) as guest:
        guest.push(ECHO, "echo")
        guest.infer("echo", ONE)
        guest.unload("echo", remove=True)
        metrics.of_guest(1, "tensock_inferences_total", model="(others)", version="", outcome="ok")
        assert metrics.value("tensock_inferences_total", guest=GUEST, model="echo", version="",
                             outcome="ok") is None


def test_many_models(metrics):
    with native.Guest(metrics.host.local) as guest:
        for i in range(40):
            guest.push(ECHO + b" " * i, f"m{i:02}")
            guest.infer(f"m{i:02}", ONE)

        def counts():
            return {dict(labels)["model"]: value for (name, labels), value in metrics.read().items()
                    if name == "tensock_inferences_total" and dict(labels)["outcome"] == "ok"}

        assert eventually(lambda: sum(counts().values()) == 40)
        assert len(counts()) == 32 and counts()["(others)"] == 9


def test_long_names(metrics):
    """Names that are the same where they are cut are one series, not two: that would be none at all."""
    with native.Guest(metrics.host.local) as guest:
        for i in range(3):
            guest.push(ECHO + b" " * i, "n" * 100 + str(i))
            guest.infer("n" * 100 + str(i), ONE)
        metrics.of_guest(3, "tensock_inferences_total", model="n" * 64, version="", outcome="ok")


def test_seed_protocol(metrics):
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    name = native.digest(ECHO).hex()
    metrics.of_guest(1, "tensock_inferences_total", model=name, version="", outcome="ok")
    metrics.of_guest(1, "tensock_inference_transfer_seconds_count", model=name, version="")


def test_limits(start, folder):
    metrics = Metrics(start, folder, f"[guest uid-{os.geteuid()}]\nmax-models = 1\nmax-model-size = 1KiB\n"
                      "run-deadline = 1s\nmax-requests = 4\n")
    with native.Guest(metrics.host.local) as guest:
        guest.push(SLOW, "slow")
        for model in [ECHO, b"x" * 2000]:
            with contextlib.suppress(native.Refused):
                guest.push(model, "other")
        # One that can leaves by itself when its front has hung up, and is not killed then.
        for pid in metrics.host.workers():
            os.kill(pid, signal.SIGSTOP)
        with contextlib.suppress(native.Refused):
            guest.infer("slow", ONE)
        metrics.of_guest(1, "tensock_limit_hits_total", limit="max-models")
        metrics.of_guest(1, "tensock_limit_hits_total", limit="max-model-size")
        metrics.of_guest(1, "tensock_limit_hits_total", limit="run-deadline")
        metrics.of_guest(1, "tensock_worker_kills_total")
        metrics.of_guest(0, "tensock_limit_hits_total", limit="max-memory")


def test_sandbox_is_told(metrics):
    for feature in ["seccomp", "landlock", "namespaces"]:
        assert metrics.value("tensock_sandbox_may_lack", feature=feature) == 0
        assert metrics.value("tensock_sandbox_lacks", feature=feature) == 0


def test_allowance_is_told(start, folder):
    """It is seen where nothing is missing, too."""
    metrics = Metrics(start, folder, "allow-unsandboxed = landlock\n")
    assert metrics.value("tensock_sandbox_may_lack", feature="landlock") == 1
    assert metrics.value("tensock_sandbox_may_lack", feature="seccomp") == 0


def test_http(metrics):
    def status(request):
        return ask(metrics.path, request)[0]

    assert status(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == 404
    assert status(b"GET /metrics?x HTTP/1.0\r\n\r\n") == 200
    assert status(b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc") == 405
    assert status(b"\x16\x03\x01\x02\x00") == 400
    assert status(b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 9000) == 431
    code, head, body = ask(metrics.path, b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    assert code == 200 and not body and int(re.search(r"Content-Length: (\d+)", head)[1]) > 0


def test_a_hundred_at_once(metrics):
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: ask(metrics.path), range(100)))
    assert all(status == 200 and parse(body) for status, _, body in answers)


def test_slow_scrapers(metrics):
    """Who asks slowly, or does not read, keeps nobody waiting, and is shown the door."""
    idle = [connect(metrics.path) for _ in range(100)]
    idle[0].sendall(b"GET /met")
    begun = time.monotonic()
    assert metrics.read()
    assert time.monotonic() - begun < 2
    assert idle[0].recv(1) == b""  # after 5 s
    assert 4 < time.monotonic() - begun < 15
    for connection in idle:
        connection.close()


def test_path_is_not_for_all(metrics):
    assert os.stat(metrics.path).st_mode & 0o777 == 0o660


def test_guests_do_not_reach_it(start, folder):
    """It is at no port of a guest's, and in no protocol that guests speak."""
    metrics = Metrics(start, folder, f"[guest vm]\nhybrid = {folder}/vm\n")
    request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for path in [metrics.host.local, folder / "vm_9999"]:
        status, _, body = ask(path, request)
        assert status == 404
        assert "tensock_" not in body
    # Its process has no descriptor of the page of any, nor can it write its own guest's.
    for name in os.listdir(f"/proc/{metrics.process()}/fd"):
        with contextlib.suppress(FileNotFoundError):
            assert "memfd" not in os.readlink(f"/proc/{metrics.process()}/fd/{name}")


def test_other_addresses_are_refused(start):
    for address in ["tcp:0.0.0.0:8002", "vsock:8002", "hybrid:a=/tmp/a"]:
        with pytest.raises(DaemonError, match="metrics"):
            start(f"metrics = {address}\n")


def test_its_process_dies(metrics):
    with native.Guest(metrics.host.local) as guest:
        guest.push(ECHO, "echo")
        guest.infer("echo", ONE)
        for _ in range(3):
            metrics.kill()
            metrics.of_guest(1, "tensock_inferences_total", model="echo", version="", outcome="ok")
        guest.infer("echo", ONE)
        metrics.of_guest(2, "tensock_inferences_total", model="echo", version="", outcome="ok")


def test_a_front_dies(metrics):
    """Its gauges go at once, its counters begin anew with the next one."""
    with native.Guest(metrics.host.local) as guest:
        guest.push(ECHO, "echo")
        guest.infer("echo", ONE)
        metrics.of_guest(1, "tensock_inferences_total", model="echo", version="", outcome="ok")
        metrics.of_guest(1, "tensock_front_up")
        metrics.kill_front()
    metrics.of_guest(None, "tensock_connections")
    metrics.of_guest(0, "tensock_front_up")
    metrics.of_guest(1, "tensock_fronts_lost_total")
    metrics.of_guest(0, "tensock_front_crashes_total")
    metrics.of_guest(1, "tensock_inferences_total", model="echo", version="", outcome="ok")
    with native.Guest(metrics.host.local) as guest:
        metrics.of_guest(1, "tensock_connections")
        assert metrics.value("tensock_inferences_total", guest=GUEST, model="echo", version="",
                             outcome="ok") is None
    metrics.of_guest(2, "tensock_fronts_started_total")


def test_the_store_dies(start, folder):
    metrics = Metrics(start, folder, f"store = {folder}/store\n")
    store, = metrics.host.processes("tensock-store")
    os.kill(store, signal.SIGKILL)
    metrics.becomes(1, "tensock_store_restarts_total")


@pytest.mark.parametrize("what", ["garbage", "more than fits", "always being written", "the daemon's words"])
def test_hostile_front(metrics, folder, what):
    """What one front writes harms nobody's metrics but its guest's."""
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    metrics.of_guest(1, "tensock_front_up")
    metrics.of_guest(1, "tensock_requests_total", result="ok")
    page, = metrics.front_pages()
    front, = metrics.host.fronts()
    os.kill(front, signal.SIGSTOP)
    written = {"garbage": (100, 5000, os.urandom(5000)),
               "more than fits": (100, 1 << 40, b""),
               "always being written": (101, 0, b""),
               "the daemon's words": (100, 9, bytes([FAMILIES.index("tensock_guests")]) +
                                      (77).to_bytes(8, "little"))}[what]
    sequence, size, data = written
    os.pwrite(page, sequence.to_bytes(8, "little") + size.to_bytes(8, "little") + data, 0)
    os.close(page)
    assert eventually(lambda: metrics.value("tensock_metrics_errors_total") > 0)
    assert metrics.value("tensock_guests") == 1
    assert metrics.value("tensock_requests_total", guest=GUEST, result="ok") == 1
    assert metrics.host.said("cannot be read")
    assert alive(metrics.process())
    os.kill(front, signal.SIGCONT)


def test_idle_daemon_does_not_wake(metrics):
    """What has not changed costs nothing."""
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    front, = metrics.host.fronts()
    time.sleep(3)  # the pages are written within a second, or later on a busy machine
    pids = [front, metrics.host.pid, metrics.process()]

    def switches(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)

    before = [switches(pid) for pid in pids]
    time.sleep(3)
    assert [switches(pid) - count for pid, count in zip(pids, before)] == [0, 0, 0]


def test_reload(metrics, folder):
    config = folder / "tensockd.conf"
    text = config.read_text()
    config.write_text(text.replace(str(metrics.path), f"{metrics.path}.other"))
    os.kill(metrics.host.pid, signal.SIGHUP)
    assert metrics.host.said("the address of metrics", "next start")
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    metrics.of_guest(1, "tensock_requests_total", result="ok")


def test_upgrade(metrics):
    """The socket stays, a new process is behind it, and what is counted begins anew."""
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    metrics.of_guest(1, "tensock_fronts_started_total")
    before = metrics.process()
    os.kill(metrics.host.pid, signal.SIGUSR2)
    assert eventually(lambda: metrics.process() not in (None, before))
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    assert seed.ask(metrics.host.local, ECHO) == b"OK"
    metrics.of_guest(2, "tensock_requests_total", result="ok")
    assert eventually(lambda: not alive(before))


def test_it_is_off_by_default(echo):
    assert seed.ask(echo.local, ECHO) == b"OK"
    assert not echo.processes("tensock-metrics")


def test_documented():
    """docs/metrics.md has a row of each, with its kind and labels, and no other."""
    document = (ROOT / "docs/metrics.md").read_text("utf-8")
    names = {*FAMILIES, "tensock_metrics_errors_total"}
    rows = re.findall(r"^\| `(tensock_\w+)` \| (\w+) \|([^|]*)\|", document, re.MULTILINE)
    assert sorted(names) == sorted(name for name, _, _ in rows)
    labels = dict(re.findall(r'\[METRICS_(\w+)\] = "(\w+)"', SOURCE))
    families = {name: (kind.lower(), [labels[label] for label in re.findall(r"METRICS_(\w+)", its_labels)])
                for name, kind, its_labels in re.findall(
                    r'"(tensock_\w+)",\s*"[^"]*",\s*METRICS_(\w+),\s*(?:true|false),\s*{([^}]*)}', SOURCE)}
    assert len(families) == len(names) - 1
    assert {name: (kind, re.findall(r"`(\w+)`", its_labels))
            for name, kind, its_labels in rows if name in families} == families


def test_json_log(start, folder):
    """Each line is an object, whichever process wrote it, and whatever a guest put into it."""
    host = start("log-format = json\naccess-log = yes\nlog-level = debug\n"
                 f"store = {folder}/store\nmetrics = unix:{folder}/metrics.sock\n{engine_config('echo')}")
    with native.Guest(host.local) as guest:
        guest.push(ECHO, 'n"\\\n\x1b\u202eame', "1")
        guest.infer('n"\\\n\x1b\u202eame', ONE)
        with contextlib.suppress(native.Refused):
            guest.infer("none", ONE)
    assert eventually(lambda: sum('"message":"access"' in line for line in host.log) == 3)
    lines = [json.loads(line) for line in list(host.log)]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ["error", "warning", "info", "debug"] and line["pid"] > 0
        assert all(c >= " " and c != "\u202e" for c in line["message"])
    assert {"tensockd", "tensock-front"} <= {line["program"] for line in lines}
    access, = [line for line in lines if line["message"] == "access" and line["what"] == "INFER" and
               line["outcome"] == "ok"]
    assert access["guest"] == GUEST and access["protocol"] == "native" and access["outcome"] == "ok"
    assert access["model"] == 'n"\\?????ame'
    assert access["version"] == "1" and access["bytes_out"] == 16
    assert access["total_us"] >= access["queue_us"] + access["compute_us"]


def test_access_log(start):
    host = start(f"access-log = yes\n{engine_config('echo')}")
    with native.Guest(host.local) as guest:
        guest.push(SLOW, "slow", "2")
        id_ = guest.start("slow", ONE)
        assert eventually(lambda: guest.stats()["requests-active"] == 1)
        guest.cancel(id_)
        assert host.said("access", 'protocol="native"', f"request={id_}", 'model="slow"', 'version="2"',
                         'outcome="cancelled"')
        with contextlib.suppress(native.Refused):
            guest.infer("slow", [(0, numpy.zeros((1, 5), numpy.float32))])
        assert host.said("access", 'outcome="invalid-argument"', "error=")
    assert seed.ask(host.local, ECHO) == b"OK"
    assert host.said("access", 'protocol="seed"', f'model="{native.digest(ECHO).hex()}"', 'outcome="ok"')


def test_access_log_is_bounded(start):
    """By its guest's budget, which other guests have for themselves."""
    host = start(f"access-log = yes\n{engine_config('echo')}")
    with native.Guest(host.local) as guest:
        guest.push(ECHO, "echo")
        begun = time.monotonic()
        for _ in range(300):
            guest.infer("echo", ONE)
        seconds = time.monotonic() - begun
    host.end()
    lines = sum(": access" in line for line in host.log)
    assert 0 < lines <= 10 * (seconds + 2)


def test_no_access_log_by_default(echo):
    assert seed.ask(echo.local, ECHO) == b"OK"
    echo.end()  # what it has said by now has been read
    assert not any(": access" in line for line in echo.log)


def test_http_inferences(start, folder):
    """Of whatever protocol: counted as one model's, and told of with the id that the client gave."""
    metrics = Metrics(start, folder, "access-log = yes\n")
    with native.Guest(metrics.host.local) as guest:
        name = guest.push(ECHO, "echo")["inputs"][0][0]
        guest.infer("echo", ONE)
    body = json.dumps({"id": "a \"b\"", "inputs": [{"name": name, "shape": [1, 4], "datatype": "FP32",
                                                    "data": [1, 2, 3, 4]}]}).encode()
    request = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    status, _, answer = ask(metrics.host.local, request % len(body) + body)
    assert status == 200, answer
    metrics.of_guest(2, "tensock_inferences_total", model="echo", version="", outcome="ok")
    assert metrics.host.said("access", 'protocol="http"', "connection=2", 'request="a \\"b\\""', 'model="echo"')
