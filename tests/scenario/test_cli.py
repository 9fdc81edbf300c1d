# SPDX-License-Identifier: Apache-2.0
"""tensock, the command line, against the real daemon."""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

import numpy
import onnx_writer as writer
import pytest
from conftest import BUILD, SANITIZED, engine_config, eventually
from seed import random_floats

TENSOCK = BUILD / "tensock"
TIMEOUT_S = 60
OK, FAILED, USAGE, UNREACHABLE, DIFFERS = range(5)


class Result:
    """What a run of tensock printed, and its status."""

    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout.decode(errors="surrogateescape")
        self.err = process.stderr.decode(errors="surrogateescape")

    @property
    def json(self):
        return json.loads(self.out)


def tensock(host, *arguments, environment=None, **options):
    """host: a path of a Unix socket, a whole address, or None for none."""
    command = [TENSOCK]
    if host is not None:
        command += ["--host", host if isinstance(host, str) else f"unix:{host}"]
    environment = {"PATH": "/usr/bin:/bin", **(environment or {})}
    if "ASAN_OPTIONS" in os.environ:
        environment["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"]
    process = subprocess.run([*command, *map(str, arguments)], capture_output=True, check=False,
                             stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, env=environment, **options)
    result = Result(process)
    assert process.returncode in range(5), result.err
    assert "Sanitizer" not in result.err and "runtime error" not in result.err, result.err
    for text in (result.out, result.err):  # nothing that was fed to it reaches the terminal raw
        assert not any(ord(c) < 32 and c != "\n" or ord(c) == 127 for c in text), repr(text)
    return result


@pytest.fixture
def host(onnx):
    """A function that runs tensock against a daemon."""

    def run(*arguments, **options):
        return tensock(onnx.local, *arguments, **options)

    run.daemon = onnx
    return run


def two_inputs():
    """y = a + b and z = b, of [n, 3]; a and b differ in what they leave open."""
    return writer.model(
        writer.node("Add", ["a", "b"], ["y"]), writer.node("Identity", ["b"], ["z"]),
        writer.graph_input("a", ["batch", 3]), writer.graph_input("b", ["batch", 3]),
        writer.graph_output("y", ["batch", 3]), writer.graph_output("z", ["batch", 3]))


@pytest.fixture
def model(folder):
    path = folder / "two.onnx"
    path.write_bytes(two_inputs())
    return path


def test_run_as_the_seed(host, folder):
    path = folder / "identity.onnx"
    path.write_bytes(writer.identity(60))
    result = host("run", path)
    expected = random_floats(60)
    assert result.status == OK, result.err
    assert result.out == ("y  FP32 [60]\n" + " ".join(f"{float(v):g}" for v in expected[:51]) +
                          " ... 9 more\n")
    full = host("run", path, "--full")
    assert full.out.split("\n")[1] == " ".join(f"{float(v):g}" for v in expected)
    document = host("--json", "run", path, "--full").json
    values = numpy.array(document["outputs"][0]["values"], dtype=numpy.float32)
    assert (values == expected).all()
    assert document["outputs"][0]["shape"] == [60]
    assert document["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_inputs_and_outputs_of_numpy(host, model, folder):
    a = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    b = numpy.full((2, 3), 0.5, dtype=numpy.float32)
    numpy.save(folder / "a.npy", a)
    (folder / "b.raw").write_bytes(b.tobytes())
    result = host("run", model, "--input", f"a={folder}/a.npy", "--input", f"1=@{folder}/b.raw",
                  "--shape", "b=2,3", "--output", f"y={folder}/y.npy", "--output", f"1=@{folder}/z.raw")
    assert result.status == OK, result.err
    assert (numpy.load(folder / "y.npy") == a + b).all()
    assert (folder / "z.raw").read_bytes() == b.tobytes()
    assert sorted(p.name for p in folder.glob("*npy*")) == ["a.npy", "y.npy"]  # nothing half written


# TensorProto's numbers of the element types, and arrays of NumPy that stand for them.
ARRAYS = [
    (9, numpy.array([True, False, True])), (2, numpy.array([0, 255], dtype="u1")),
    (4, numpy.array([65535], dtype="<u2")), (12, numpy.array([1 << 31], dtype="<u4")),
    (13, numpy.array([(1 << 64) - 1, 0], dtype="<u8")), (3, numpy.array([-128, 127], dtype="i1")),
    (5, numpy.array([-32768], dtype="<i2")), (6, numpy.array([-1 << 31], dtype="<i4")),
    (7, numpy.array([-1 << 63, (1 << 63) - 1], dtype="<i8")),
    (10, numpy.array([0.1, -65504, numpy.inf], dtype="<f2")),
    (1, numpy.array([0.1, -0.0, numpy.inf], dtype="<f4")),
    (11, numpy.array([0.1, 1e-320, -numpy.inf], dtype="<f8")),
    (16, numpy.array([b"\x80\x3f", b"\0\xc0"], dtype="V2")),
    (8, numpy.array([b"", "\u00e9".encode(), b"a\0b\xff"])),
]


@pytest.mark.parametrize("number, array", ARRAYS, ids=[str(one.dtype) for _, one in ARRAYS])
def test_every_type_of_numpy(host, folder, number, array):
    """Through the engine and back, byte for byte."""
    path = folder / "identity.onnx"
    model = writer.model(writer.node("Identity", ["x"], ["y"]),
                         writer.graph_input("x", ["n"], number), writer.graph_output("y", ["n"], number))
    path.write_bytes(model.replace(b"\x10\x0b", b"\x10\x0d", 1))  # operators of set 13, not 11: BF16
    numpy.save(folder / "x.npy", array)
    result = host("--json", "run", path, "--input", f"x={folder}/x.npy", "--output",
                  f"y={folder}/y.npy", "--expect", f"y={folder}/x.npy", "--tolerance", "0")
    assert result.status == OK, result.err
    saved = numpy.load(folder / "y.npy")
    assert saved.tobytes() == array.tobytes() and saved.shape == array.shape
    values = result.json["outputs"][0]["values"]
    if array.dtype.kind in "iub":
        assert values == array.tolist()
    elif array.dtype.kind == "f":
        assert (numpy.array([float(v) for v in values], dtype=array.dtype) == array).all()


def test_inputs_that_do_not_fit(host, model, folder):
    numpy.save(folder / "doubles.npy", numpy.zeros((1, 3)))
    numpy.save(folder / "wide.npy", numpy.zeros((1, 4), dtype=numpy.float32))
    (folder / "cut.npy").write_bytes((folder / "wide.npy").read_bytes()[:-1])
    (folder / "raw").write_bytes(b"abc")
    for value in ("doubles.npy", "wide.npy", "cut.npy", "none.npy", "@raw", "@none"):
        at = "@" if value[0] == "@" else ""
        result = host("run", model, "--input", f"a={at}{folder}/{value.lstrip('@')}")
        assert result.status == FAILED and not result.out
        assert value.lstrip("@") in result.err or "input a" in result.err or "float64" in result.err
    for option in ("--input", "--shape", "--output", "--expect"):
        assert host("run", model, option, "nobody=1").status == USAGE
        assert host("run", model, option, "7=1").status == USAGE
        assert host("run", model, option, "a").status == USAGE
    assert host("run", model, "--shape", "a=1,4").status == FAILED
    assert host("run", model, "--shape", "a=1").status == FAILED
    # The host judges what the model does not say: these cannot be added.
    assert host("run", model, "--shape", "a=2,3", "--shape", "b=5,3").status == FAILED


def test_expect(host, model, folder):
    right = random_floats(3).reshape(1, 3)
    numpy.save(folder / "right.npy", right)
    numpy.save(folder / "near.npy", right * numpy.float32(1.001))
    numpy.save(folder / "shape.npy", right.reshape(3))
    numpy.save(folder / "type.npy", right.astype(numpy.float64))
    expect = ["run", model, "--expect"]
    assert host(*expect, f"z={folder}/right.npy").status == OK
    result = host(*expect, f"z={folder}/near.npy")
    assert result.status == DIFFERS and "DIFFERS: largest difference" in result.out
    assert host(*expect, f"z={folder}/near.npy", "--tolerance", "0.002").status == OK
    assert host(*expect, f"z={folder}/shape.npy").status == DIFFERS
    assert host(*expect, f"z={folder}/type.npy").status == DIFFERS
    assert host(*expect, f"y={folder}/right.npy", "--tolerance", "0.1").status == DIFFERS
    assert host(*expect, f"z={folder}/none.npy").status == FAILED
    document = host("--json", *expect, f"1={folder}/near.npy").json["expect"][0]
    assert document["name"] == "z" and not document["as-expected"]
    assert document["relative"] == pytest.approx(0.001, rel=0.01)


def test_repeat(host, model):
    result = host("run", model, "--repeat", "20")
    assert "20 runs: min " in result.out and ", p99 " in result.out
    latency = host("--json", "run", model, "--repeat", "20").json["latency"]
    assert latency["n"] == 20
    figures = [latency[f"{key}-ns"] for key in ("min", "p50", "p90", "p99", "max")]
    assert figures == sorted(figures) and figures[0] > 0


def test_deadline(host, folder):
    path = folder / "endless.onnx"
    path.write_bytes(writer.endless())
    start = time.monotonic()
    result = host("run", path, "--deadline", "300ms")
    assert result.status == FAILED and "deadline" in result.err
    assert time.monotonic() - start < 20


def test_models_by_name(host, model):
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    result = host("push", model, "--name", "two", "--version", "1")
    assert result.status == OK and digest in result.out and "two:1" in result.out
    for name in ("two", "two:1", f"sha256:{digest}", f"sha256:{digest[:8]}"):
        assert host("run", name).status == OK, name
    for name in ("two:2", "tw", "sha256:" + "0" * 64, "sha256:12", "sha256:", ":", "two:", "zwei:1"):
        assert host("run", name).status == FAILED, name
    listed = host("--json", "ls").json["models"]
    assert [one["sha256"] for one in listed] == [digest]
    assert listed[0]["name"] == "two" and listed[0]["state"] == "ready" and listed[0]["runs"] == 4
    assert "two:1" in host("ls").out and digest[:12] in host("ls").out


def test_show(host, model):
    result = host("show", model)
    assert "input    0 a  FP32 [batch, 3]\n" in result.out and "engine     onnxruntime" in result.out
    document = host("--json", "show", model).json
    assert document["inputs"][1] == {"name": "b", "dtype": "FP32", "shape": [-1, 3],
                                     "dim-names": ["batch", None]}
    assert document["format"] == "onnx" and document["bytes"] == model.stat().st_size


def test_rm(host, model):
    host("push", model, "--name", "two")
    assert eventually(lambda: len(host.daemon.workers()) == 1)
    assert host("rm", "two", "--unload-only").status == OK
    assert eventually(lambda: not host.daemon.workers())
    assert host("--json", "ls").json["models"][0]["state"] == "stored"
    assert host("run", "two").status == OK  # loads it again
    assert host("rm", "two").status == OK
    assert host("--json", "ls").json == {"models": []}
    assert eventually(lambda: not host.daemon.workers())
    assert host("run", "two").status == FAILED
    assert host("rm", "two").status == FAILED


def test_two_names(host, model):
    """One model, by each of its names: listed, shown, run, and gone by either."""
    for name, version in ("old", "1"), ("new", "2"):
        assert host("push", model, "--name", name, "--version", version).status == OK
    models = host("--json", "ls").json["models"]
    assert sorted((m["name"], m["version"]) for m in models) == [("new", "2"), ("old", "1")]
    assert len({m["sha256"] for m in models}) == 1
    for name in "old", "new", "old:1", "new:2", f"sha256:{models[0]['sha256'][:12]}":
        assert host("run", name).status == OK, host("run", name).err
    for name in "old", "new":
        assert host("--json", "show", name).json["name"] == name
    host("rm", "old", "--unload-only")
    assert host("--json", "show", "old").json["name"] == "old"  # and so where it has to be loaded first
    assert host("rm", "old").status == OK
    assert host("--json", "ls").json == {"models": []}
    assert host("run", "new").status == FAILED
    for name in "old", "new":
        host("push", model, "--name", name)
    assert host("rm", f"sha256:{models[0]['sha256'][:12]}").status == OK  # one model, listed twice
    assert host("--json", "ls").json == {"models": []}


def test_ps(host, model):
    host("run", model)
    document = host("--json", "ps").json
    assert document["guest"] == f"uid-{os.getuid()}" and document["limits"]["requests"] > 0
    assert any(one["value"] > 0 for one in document["counters"])
    assert f"uid-{os.getuid()}" in host("ps").out


def test_bench(host, model):
    result = host("bench", model, "--concurrency", "3", "--duration", "300ms", "--warm-up", "50ms")
    assert result.status == OK, result.err
    assert result.out.startswith("3 connections, ") and "requests/s" in result.out
    document = host("--json", "bench", model, "-c2", "-d", "300ms", "--warm-up", "0").json
    assert document["failures"] == 0 and document["latency"]["n"] > 0
    assert document["requests-per-second"] == pytest.approx(document["latency"]["n"] / 0.3)


def test_bench_tells_failures(host, folder):
    path = folder / "endless.onnx"
    path.write_bytes(writer.endless())
    result = host("bench", path, "-c2", "-d", "500ms", "--warm-up", "0", "--deadline", "100ms")
    assert result.status == FAILED and "failed; the first: " in result.out


def test_bench_ends_with_the_host(start, model):
    daemon = start()
    bench = subprocess.Popen([TENSOCK, "--host", f"unix:{daemon.local}", "bench", model, "-c2",
                              "--duration", "1h"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert eventually(daemon.workers)
        time.sleep(0.3)
        daemon.daemon.stop()
        output, _ = bench.communicate(timeout=TIMEOUT_S)
        assert bench.returncode == FAILED, output
    finally:
        bench.kill()
        bench.wait()


def test_doctor(host):
    result = host("doctor")
    assert result.status == OK, result.out
    assert "the engine onnxruntime" in result.out and "loads and runs a model" in result.out
    assert host("--json", "ls").json == {"models": []}  # it leaves nothing behind
    assert {one["level"] for one in host("--json", "doctor").json["findings"]} <= {"ok", "warn"}


def test_doctor_without_a_host(folder):
    result = tensock(folder / "none.sock", "doctor")
    assert result.status == FAILED and "fail  no local socket" in result.out and "→ " in result.out
    (folder / "file").write_text("")
    assert "is no socket" in tensock(folder / "file", "doctor").out
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(folder / "stale.sock"))
    stale.close()
    assert "fail  no connection" in tensock(folder / "stale.sock", "doctor").out


def test_doctor_does_not_go_to_the_host_of_this_machine():
    """This machine may be a guest of somebody who has not asked for our bytes."""
    if "vsguest=1" in open("/proc/cmdline", encoding="ascii").read().split():
        pytest.skip("somebody says that this is a guest")
    result = tensock("vsock:2:9999", "doctor")
    assert result.status == FAILED and "not connected to CID 2" in result.out
    result = tensock(None, "ls", environment={"XDG_RUNTIME_DIR": "/nonexistent"})
    if not os.path.exists("/run/tensock/tensock.sock"):
        assert result.status == UNREACHABLE


def test_where_the_host_is(onnx, folder):
    assert tensock(None, "ls", environment={"TENSOCK_HOST": f"unix:{onnx.local}"}).status == OK
    assert tensock(None, "ls", "--host", f"unix:{onnx.local}").status == OK
    (folder / "run" / "tensock").mkdir(parents=True)
    (folder / "run" / "tensock" / "tensock.sock").symlink_to(onnx.local)
    assert tensock(None, "ls", environment={"XDG_RUNTIME_DIR": f"{folder}/run"}).status == OK
    assert tensock(folder / "none", "ls").status == UNREACHABLE
    for address in ("ftp:x", "unix:", "tcp:localhost:1", "vsock:x:1", "x" * 300):
        assert tensock(address, "ls").status == USAGE, address


def test_hints_fit(host, model, folder):
    """What is wrong with an address or a file is not put down to tensors."""
    for name in ("one", "two"):
        path = folder / f"{name}.onnx"
        path.write_bytes(writer.identity(1, padding=len(name) + ord(name[0])))
        assert host("push", path, "--name", "twice", "--version", name).status == OK
    for result in (host("rm", "twice"), host("push", folder / "none"), tensock("ftp:x", "ls")):
        assert result.status != OK and result.err.count("\n") == 1, result.err


def test_command_lines(folder):
    none = folder / "none"
    for words in ([], ["frobnicate"], ["--frob"], ["--host"], ["ls", "too", "much"], ["run"],
                  ["run", "a", "b"], ["run", "a", "--repeat", "0"], ["run", "a", "--tolerance", "-1"],
                  ["run", "a", "--deadline", "soon"], ["push"], ["push", "a", "--version", "1"],
                  ["rm"], ["bench", "a", "-c", "0"], ["bench", "a", "-c", "100000"], ["show"],
                  ["ls", "--json=1"], ["rm", "a", "--unload"]):
        result = tensock(none, *words)
        assert result.status == USAGE and "tensock" in result.err, words
        assert not result.out
    assert tensock(None, "--json", "run").json["error"]["status"] == "invalid-argument"
    assert "?[2J" in tensock(none, "\x1b[2J").err


def test_help(folder):
    text = tensock(None, "--help").out
    assert len(text.split("\n")) <= 25 and max(map(len, text.split("\n"))) <= 100
    for name in ("run", "push", "ls", "show", "rm", "ps", "bench", "doctor", "proxy"):
        assert f"\n  {name}  " in text
        result = tensock(folder / "none", name, "--help")
        assert result.status == OK and result.out.startswith(f"usage: tensock {name}")
        assert len(result.out.split("\n")) <= 25
        assert max(map(len, result.out.split("\n"))) <= 100
    assert tensock(None, "--version").out.startswith("tensock 0.")


def test_what_is_told_of_options():
    """Help, manual and both completions know the same commands and options."""
    root = Path(__file__).resolve().parents[2]
    texts = [(root / name).read_text() for name in (
        "man/tensock.1.scd", "dist/completion/tensock.bash", "dist/completion/_tensock")]
    names = re.findall(r"^  ([a-z]+) ", tensock(None, "--help").out, re.MULTILINE)
    assert len(names) == 13
    for name in names:
        options = re.findall(r"--[a-z-]+", tensock(None, name, "--help").out)
        assert "--json" in options
        for word in (name, *options):
            assert all(word in text for text in texts), (name, word)


def complete(*words, environment):
    """What bash offers for the last word of a line."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tensock; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    completion = Path(__file__).resolve().parents[2] / "dist" / "completion" / "tensock.bash"
    return subprocess.run(["bash", "-c", script, "bash", completion, "tensock", *words], check=True,
                          capture_output=True, text=True, env=environment).stdout.split()


def test_completion(onnx, model):
    environment = {"PATH": f"{BUILD}:/usr/bin:/bin", "TENSOCK_HOST": f"unix:{onnx.local}"}
    tensock(onnx.local, "push", model, "--name", "two", "--version", "1")
    assert complete("b", environment=environment) == ["bench"]
    assert complete("--host", "unix:x", "do", environment=environment) == ["doctor"]
    assert complete("attach", "web", "--vh", environment=environment) == ["--vhost-socket"]
    assert complete("run", "--to", environment=environment) == ["--tolerance"]
    assert complete("rm", "", environment=environment) == ["two"]
    assert complete("rm", "--un", environment=environment) == ["--unload-only"]
    assert complete("push", str(model)[:-2], environment=environment) == [str(model)]
    environment["TENSOCK_HOST"] = "unix:/nonexistent"
    assert complete("rm", "", environment=environment) == []


def test_models_that_are_none(host, model, folder):
    whole = model.read_bytes()
    (folder / "cut.onnx").write_bytes(whole[:len(whole) // 2])
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "text.onnx").write_bytes(b"this is no model\x1b[31m")
    for name in ("cut.onnx", "empty.onnx", "text.onnx", "none.onnx", ""):
        for command in ("run", "push", "show"):
            result = host(command, folder / name)
            assert result.status == FAILED and result.err.startswith(f"tensock {command}: "), name
        error = host("--json", "run", folder / name).json["error"]
        assert error["status"] and error["message"]
    assert host("run", model).status == OK  # nobody is hurt


def test_names_of_a_hostile_model(host, folder):
    """The model's author chose these names."""
    name = "x\x1b]0;owned\x07\n\u202e"
    path = folder / "hostile.onnx"
    path.write_bytes(writer.model(writer.node("Identity", [name], ["y\r"]),
                                  writer.graph_input(name, ["\x1b[2J"]),
                                  writer.graph_output("y\r", ["\x1b[2J"])))
    for command in ("run", "show"):
        result = host(command, path)
        assert result.status == OK, result.err
        assert "\u202e" not in result.out
    assert host("--json", "show", path).json["inputs"][0]["name"] == name
    assert host("run", path, "--input", f"{name}=zeros").status == OK


def test_output_to_a_full_disk(host, model):
    with open("/dev/full", "wb") as full:
        process = subprocess.run([TENSOCK, "--host", f"unix:{host.daemon.local}", "run", model],
                                 stdout=full, stderr=subprocess.PIPE, check=False, timeout=TIMEOUT_S)
    assert process.returncode == FAILED and b"No space left" in process.stderr
    assert host("run", model, "--output", "y=/dev/full").status == FAILED
    assert host("run", model, "--output", "y=/nonexistent/y.npy").status == FAILED


@contextlib.contextmanager
def impostor(path, answer):
    """Something at a host's socket that sends `answer` to all who come, and nothing more."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    taken = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                taken.append(connection)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in (listener, *taken):
            connection.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64,
                                    struct.pack("<IIQ", 0x102, 0, 1 << 60)])
def test_hosts_that_are_none(folder, answer):
    with impostor(folder / "x.sock", answer):
        start = time.monotonic()
        result = tensock(folder / "x.sock", "ls")
        assert result.status == UNREACHABLE and result.err
        assert time.monotonic() - start < 30
        assert tensock(folder / "x.sock", "doctor").status == FAILED


def hold_up(daemon, process):
    """Lets the fronts run for so short that what `process` asks of them takes a while."""
    while process.poll() is None:
        fronts = daemon.fronts()
        if not fronts:  # from its first moment on
            time.sleep(0.001)
            continue
        for pid in fronts:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)
        for pid in fronts:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.005)


def test_progress_of_a_long_upload(start, folder):
    """On a terminal, and only there; it goes away at the end."""
    daemon = start()
    assert tensock(daemon.local, "ls").status == OK  # there is a front to be held up
    path = folder / "large.onnx"
    path.write_bytes(writer.identity(1, padding=64 << 20))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 70, 0, 0))
    process = subprocess.Popen([TENSOCK, "--host", f"unix:{daemon.local}", "push", path],
                               stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    holder = threading.Thread(target=hold_up, args=(daemon, process))
    holder.start()
    shown = b""
    while select.select([master], [], [], TIMEOUT_S)[0]:
        try:
            shown += os.read(master, 4096)
        except OSError:  # the other end is closed
            break
    os.close(master)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    holder.join()
    assert process.returncode == OK, shown
    lines = shown.decode().split("\r")
    assert any("MiB of 64.0 MiB" in line and "left" in line for line in lines), shown
    assert all(len(line.replace("\x1b[K", "")) < 70 for line in lines)
    assert lines[-1] == "\x1b[K" and b"large" not in output


@pytest.mark.skipif(SANITIZED, reason="a sanitized program is not static")
def test_any_guest_can_run_it():
    """Static and small."""
    elf = TENSOCK.read_bytes()
    assert elf[:5] == b"\x7fELF\2"  # of 64 bits
    at, (size, n) = struct.unpack_from("<Q", elf, 32)[0], struct.unpack_from("<HH", elf, 54)
    kinds = {struct.unpack_from("<I", elf, at + i * size)[0] for i in range(n)}
    assert 1 in kinds and not kinds & {2, 3}  # loaded, neither dynamic nor with an interpreter
    assert TENSOCK.stat().st_size <= 1.5 * 1024 * 1024
    assert subprocess.run([TENSOCK, "--version"], env={}, check=True, stdout=subprocess.PIPE,
                          cwd="/").stdout.startswith(b"tensock ")


def test_worker_that_dies(start, folder):
    daemon = start(engine_config("faulty"))
    path = folder / "model"
    for fault in ("run:segv", "run:error", "load:abort", "run:garbage-ring", "run:bad-output"):
        path.write_text(f"TSKFAULT {fault}")
        result = tensock(daemon.local, "run", path)
        assert result.status == FAILED and result.err and not result.out, fault
