# SPDX-License-Identifier: Apache-2.0
"""What becomes of a guest's work when the host's end goes and comes back: libtensock goes on with it."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess

import onnx_writer as writer
import pytest
from conftest import BUILD, Tensock, engine_config, eventually

MIB = 1 << 20
LARGE = 64 * MIB
TIMEOUT_S = 60
SLOW = b"TSKECHO1 shape=4 delay_ms=2000"


@contextlib.contextmanager
def started(host, *arguments):
    """tensock, under way."""
    process = subprocess.Popen([BUILD / "tensock", "--host", f"unix:{host.local}", *arguments],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def outcome(process):
    """What it has printed, when it went well."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    return out


def models(host):
    with started(host, "--json", "ls") as process:
        return json.loads(outcome(process))["models"]


def uploaded(host):
    """So many bytes of models are there in the fronts."""
    found = 0
    for pid in host.fronts():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for fd in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    if "memfd:tensock-model" in os.readlink(fd.path):
                        found = max(found, os.stat(fd.path).st_blocks * 512)
    return found


@pytest.fixture
def large(folder):
    path = folder / "large.onnx"
    path.write_bytes(writer.identity(4, padding=LARGE))
    return path


def stop_in_the_upload(host, process):
    """The program stands still, with a part of its model sent."""
    assert eventually(lambda: uploaded(host) > MIB)
    process.send_signal(signal.SIGSTOP)
    assert uploaded(host) < LARGE


def assert_holds(host, path):
    model, = models(host)
    assert model["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_daemon_restarts_in_an_upload(start, large):
    """It begins again: the new one knows nothing of the old one's."""
    first = start("idle-timeout = 1s\n")  # it waits no longer for the rest of the model
    with started(first, "push", large) as process:
        stop_in_the_upload(first, process)
        assert first.daemon.stop() == 0
        second = start()
        process.send_signal(signal.SIGCONT)
        outcome(process)
        assert_holds(second, large)


def test_daemon_is_killed_in_an_upload(start, folder, large):
    """Without a GOAWAY, and with its socket's file left behind."""
    first = Tensock(folder, "", [])  # not ended as it should be
    with started(first, "push", large) as process:
        try:
            stop_in_the_upload(first, process)
        finally:
            first.daemon.process.kill()
            first.daemon.stop()
        assert eventually(first.is_gone)
        second = start()
        process.send_signal(signal.SIGCONT)
        outcome(process)
        assert_holds(second, large)


def test_daemon_restarts_while_models_run(start, folder):
    """What runs ends first; what comes later goes to the new one, which is given the model again."""
    path = folder / "identity.onnx"
    path.write_bytes(writer.identity(1024))
    # Which is how long the end waits for a client that was stopped in the middle of something.
    first = start("run-deadline = 3s")
    with started(first, "--json", "run", path, "--repeat", "20000") as process:
        assert eventually(first.workers)
        process.send_signal(signal.SIGSTOP)
        assert first.daemon.stop() == 0
        start()
        process.send_signal(signal.SIGCONT)
        assert json.loads(outcome(process))["latency"]["n"] == 20000


def test_front_is_killed_while_a_model_runs(start, folder):
    """The model is given to the next, and the run is asked for again."""
    path = folder / "slow.model"
    path.write_bytes(SLOW)
    host = start(engine_config("echo"))
    host.fronts_may_die = True
    with started(host, "--json", "run", path) as process:
        assert eventually(host.workers)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        front, = host.fronts()
        os.kill(front, signal.SIGKILL)
        assert len(json.loads(outcome(process))["outputs"][0]["values"]) == 4
        assert host.fronts() not in ([], [front])


def test_model_that_changes_before_it_is_given_again(start, folder):
    """What runs is what was asked for, or nothing."""
    path = folder / "slow.model"
    path.write_bytes(SLOW)
    host = start(engine_config("echo"))
    host.fronts_may_die = True
    with started(host, "run", path) as process:
        assert eventually(host.workers)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        path.write_bytes(SLOW + b" load_ms=0")
        os.kill(host.fronts()[0], signal.SIGKILL)
        _, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 1 and b"no model of this hash" in err
