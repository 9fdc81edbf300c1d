# SPDX-License-Identifier: Apache-2.0
"""libtensock in a guest, by the command line: over the built-in device, in each kernel, and what becomes
of it when the host's end dies, is silent or its VM stands still."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import guest as guests
import numpy
import onnx_model
import onnx_writer as writer
import pytest
from machine import BUILD, Machine, eventually

MIB = 1 << 20
LARGE = 32 * MIB
HYBRID_PORT = 7999
HEARTBEAT_S = 10       # of the command line: silence until it asks for a sign of life
HAS_ENDED_S = 45       # two of those and five new connections that nobody answers, and room
SLOW_S = 4


def npy(array):
    """The bytes of a .npy file."""
    with tempfile.TemporaryFile() as file:
        numpy.save(file, array)
        file.seek(0)
        return file.read()


def files():
    """What the guests have: the program, small models with inputs and outputs, the head of a large one."""
    a = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    two = writer.model(writer.node("Add", ["a", "b"], ["y"]),
                       writer.graph_input("a", ["batch", 3]), writer.graph_input("b", ["batch", 3]),
                       writer.graph_output("y", ["batch", 3]))
    head, _ = onnx_model.make_head(LARGE)
    return {"bin/tensock": BUILD / "tensock", "two.onnx": two, "a.npy": npy(a),
            "twice.npy": npy(a + a), "other.npy": npy(a + a + 1), "head": head,
            "identity.onnx": writer.identity(1024), "endless.onnx": writer.endless()}


class Native:
    """A machine, its guest, and `tensock` in there."""

    def __init__(self, machine):
        self.machine = machine
        self.vm = machine.vms[0]

    def run(self, command, timeout_s=60):
        return self.vm.run(f"tensock {command}", timeout_s)

    def check(self, command, timeout_s=60):
        return self.vm.check(f"tensock {command}", timeout_s)

    def json(self, command, timeout_s=60):
        return json.loads(self.check(f"--json {command}", timeout_s))

    def start(self, command):
        self.vm.guest.start(f"tensock {command}")

    def finish(self, timeout_s=60):
        return self.vm.guest.finish(timeout_s)

    def forget_all(self, options=""):
        for model in self.json(f"{options} ls")["models"]:
            self.check(f"{options} rm sha256:{model['sha256']}")

    def front(self):
        """The process with the guest's memory."""
        for pid in self.machine.daemon.children("tensock-front"):
            try:
                maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
            if "memory-backend" in maps:
                return pid
        return None

    def kill_front(self):
        """Kills it; returns when there is another."""
        pid = eventually(self.front)
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: self.front() not in (None, pid))

    def make_large(self):
        """A model of LARGE bytes, in the guest."""
        _, padding = onnx_model.make_head(LARGE)
        self.vm.check(f"[ -e /tmp/large.onnx ] || (cat /head; head -c {padding} /dev/zero) "
                      ">/tmp/large.onnx")

    def uploaded(self):
        """So many bytes of models are there in the front."""
        found = 0
        for fd in Path(f"/proc/{self.front()}/fd").iterdir():
            try:
                if "memfd:tensock-model" in os.readlink(fd):
                    found = max(found, os.stat(fd).st_blocks * 512)
            except FileNotFoundError:
                pass  # closed meanwhile
        return found


@pytest.fixture(scope="module", params=guests.KERNELS)
def every(request):
    """A guest of each kernel, with ONNX Runtime; its host has a hybrid socket besides, which the guest's own
    device reaches at HYBRID_PORT."""
    if not guests.have_kernel(request.param):
        pytest.skip(f"no Linux {request.param} for a guest: tools/deps test found none")
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path:
        config = Path(path) / "tensockd.conf"
        config.write_text(f"[guest side]\nhybrid = {path}/side\n", encoding="ascii")
        with Machine(path, files=files(), kernel=request.param,
                     options=["--config", config]) as machine:
            native = Native(machine)
            os.link(f"{path}/side_9999", f"{native.vm.uds}_{HYBRID_PORT}")
            yield native


@pytest.fixture
def native(every):
    """The same; no model of a test is left for the next."""
    yield every
    every.forget_all()


def test_models_come_and_go(native):
    native.check("push /two.onnx --name two --version 7")
    native.check("push /identity.onnx")
    models = {model["name"]: model for model in native.json("ls")["models"]}
    assert sorted(models) == ["", "two"] and models["two"]["version"] == "7"
    shown = native.check("show two:7")
    assert "a  FP32 [batch, 3]" in shown and "onnxruntime" in shown
    native.check("rm two")
    native.check(f"rm sha256:{models['']['sha256'][:12]}")
    assert native.json("ls") == {"models": []}
    assert native.run("rm two")[0] == 1


def test_run_on_files(native):
    """Exit status 0 for what is expected, 4 for what is not."""
    inputs = "run /two.onnx --input a=/a.npy --input b=/a.npy"
    output = native.check(f"{inputs} --expect y=/twice.npy --tolerance 0")
    assert "y  FP32 [2, 3]\n0 2 4 6 8 10\n" in output and "as expected" in output
    status, output = native.run(f"{inputs} --expect y=/other.npy")
    assert status == 4 and "DIFFERS" in output
    native.check(f"{inputs} --output y=/tmp/y.npy")
    native.vm.check("cmp /tmp/y.npy /twice.npy")


def test_run_as_the_seed(native):
    """Random inputs are the host's own."""
    values = native.json("run /identity.onnx --full")["outputs"][0]["values"]
    assert len(values) == 1024 and len(set(values)) > 1000 and min(values) >= 0.1


def test_bench_on_many_connections(native):
    measured = native.json("bench /identity.onnx --concurrency 16 --duration 2s --warm-up 200ms")
    assert measured["concurrency"] == 16 and measured["failures"] == 0
    assert measured["latency"]["n"] > 16


def test_doctor(native):
    """The host that a guest finds by itself."""
    output = native.check("doctor")
    assert "this machine's CID is 3" in output and "loads and runs a model" in output
    assert "fail" not in output
    status, output = native.run("--host vsock:2:9998 doctor")
    assert status == 1 and "fail  no connection" in output and "→ " in output


def test_over_a_hybrid_socket(native):
    """Another guest, to the host, than over the device's own port."""
    native.check("push /two.onnx --name two")
    side = f"--host vsock:2:{HYBRID_PORT}"
    assert native.json(f"{side} ls") == {"models": []}
    output = native.check(f"{side} run /two.onnx --input a=/a.npy --input b=/a.npy "
                          "--expect y=/twice.npy")
    assert "as expected" in output
    native.forget_all(side)
    assert [model["name"] for model in native.json("ls")["models"]] == ["two"]


def test_front_is_killed_in_an_upload(native):
    """It is begun again, and ends well."""
    native.make_large()
    native.start("push /tmp/large.onnx --name large")
    assert eventually(lambda: native.uploaded() > 2 * MIB)
    assert native.uploaded() < LARGE
    native.kill_front()
    status, output = native.finish()
    assert status == 0, output
    large, = native.json("ls")["models"]
    assert large["bytes"] == LARGE and large["name"] == "large"
    digest = native.vm.check("sha256sum /tmp/large.onnx").split()[0]
    assert large["sha256"] == digest


def test_paused_in_an_upload(native):
    """A VM that stands still for longer than a heartbeat goes on."""
    native.make_large()
    native.start("push /tmp/large.onnx")
    assert eventually(lambda: native.uploaded() > 2 * MIB)
    native.vm.guest.monitor("stop")
    time.sleep(HEARTBEAT_S + 2)
    assert native.uploaded() < LARGE
    native.vm.guest.monitor("cont")
    status, output = native.finish()
    assert status == 0, output
    assert native.json("ls")["models"][0]["bytes"] == LARGE


@pytest.fixture(scope="module")
def slow():
    """A guest whose host's engine takes SLOW_S for /slow.model, and an hour for /ages.model."""
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path:
        config = Path(path) / "tensockd.conf"
        config.write_text("[daemon]\nrun-deadline = 10min\n[engine echo]\n"
                          f"plugin = {BUILD}/tests/engines/tensock-engine-echo.so\n", encoding="ascii")
        models = {name: f"TSKECHO1 shape=4 delay_ms={delay_s * 1000}"
                  for name, delay_s in {"slow.model": SLOW_S, "ages.model": 3600}.items()}
        with Machine(path, files={**files(), **models}, options=["--config", config]) as machine:
            yield Native(machine)


def begin(slow, command):
    """Starts a run in the guest; returns once the engine has it."""
    slow.forget_all()
    assert eventually(lambda: not slow.machine.workers())
    slow.start(command)
    assert eventually(slow.machine.workers)
    time.sleep(SLOW_S / 4)


def test_front_is_killed_while_a_model_runs(slow):
    """The model is given again, and the run is."""
    begin(slow, "--json run /slow.model --full")
    slow.kill_front()
    status, output = slow.finish()
    assert status == 0, output
    assert json.loads(output)["outputs"][0]["shape"] == [4]


def test_paused_while_a_model_runs(slow):
    """QEMU stops the device's queues; the run goes on, and its answer comes when they do."""
    begin(slow, "--json run /slow.model")
    slow.vm.guest.monitor("stop")
    time.sleep(SLOW_S + 2)
    slow.vm.guest.monitor("cont")
    status, output = slow.finish()
    assert status == 0, output


def test_host_is_silent(slow):
    """Nobody answers, and no connection breaks: the heartbeat ends the wait, with a word for it."""
    begin(slow, "run /ages.model")
    front = slow.front()
    os.kill(front, signal.SIGSTOP)
    try:
        began = time.monotonic()
        status, output = slow.finish(timeout_s=2 * HAS_ENDED_S)
        took_s = time.monotonic() - began
    finally:
        os.kill(front, signal.SIGCONT)
    assert (status, output.splitlines()[0]) == (
        3, "tensock run: given up after 5 new connections: cannot connect to vsock:2:9999: "
        "it does not answer")
    assert 2 * HEARTBEAT_S - SLOW_S < took_s < HAS_ENDED_S, f"{took_s:.1f} s: {output}"
    assert slow.json("ls")["models"]
