# SPDX-License-Identifier: Apache-2.0
"""Other people's clients, as they are, in a guest without a network card: curl, Triton's for Python, perf_analyzer.
tests/clients has all that is asked of them; here is that they reach the host."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import onnx_writer as writer
import pytest
from machine import BUILD, Machine

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".deps/clients/bin/python"
PERF_ANALYZER = ROOT / ".deps/perf_analyzer/perf_analyzer"
LIBRARIES = {"LD_LIBRARY_PATH": str(PERF_ANALYZER.parent)}
SCRIPT = Path(__file__).with_name("guest_clients.py")
# Processes that are emulated, and load 70 MiB of libraries.
SLOW_S = 300


def ask(command, **env):
    return subprocess.run(command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=True).stdout


def with_libraries(*paths):
    """Programs or libraries, and all libraries that these want, the loader among them: {path in the guest: file}."""
    found = ask(["ldd", *map(str, paths)], **LIBRARIES)
    wanted = re.findall(r"^\s(?:\S+ => )?(/\S+) \(0x", found, re.MULTILINE)
    return {str(path): Path(path) for path in [*paths, *wanted]}


def python_files(folder):
    """The interpreter, and what guest_clients.py loads of its library and of the clients, compiled, for emulation is slow;
    with what lies beside it, for a module may have loaded another in its place."""
    loaded = {Path(name) for name in ask([PYTHON, "-B", SCRIPT, "--files"]).split("\n") if name.startswith("/")}
    sources = {beside for path in loaded for beside in path.parent.glob("*.py")}
    (folder / "sources").write_text("\n".join(map(str, sources)), encoding="utf-8")
    ask([PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-i", folder / "sources"],
        PYTHONPYCACHEPREFIX=str(folder / "compiled"))
    compiled = {f"compiled/{path.relative_to(folder / 'compiled')}": path for path in folder.rglob("*.pyc")}
    program = PYTHON.resolve()
    return {**{str(path): path for path in loaded | sources}, **compiled,
            **with_libraries(program, *(path for path in loaded if ".so" in path.suffixes)),
            "python": f'#!/bin/sh\nPYTHONPATH={site_packages()} PYTHONPYCACHEPREFIX=/compiled exec {program} -B -s "$@"\n'}


def site_packages():
    return ask([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()


@pytest.fixture(scope="module")
def guest():
    """A guest with the clients, where the proxy listens."""
    if not PYTHON.exists():
        pytest.skip("no clients: tools/deps clients brings them")
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path:
        (Path(path) / "python").mkdir()
        files = {"bin/tensock": BUILD / "tensock", "identity.onnx": writer.identity("n"),
                 "other.onnx": writer.identity("n", padding=1), "clients.py": SCRIPT,
                 **with_libraries(Path("/usr/bin/curl")), **python_files(Path(path) / "python")}
        if PERF_ANALYZER.exists():
            files |= with_libraries(PERF_ANALYZER)
        with Machine(path, files=files, hardware={"memory_mib": 1024}) as machine:
            vm = machine.vms[0]
            vm.check("tensock proxy --host vsock:2:9999 >/tmp/proxy.log 2>&1 & "
                     "until grep -q ready /tmp/proxy.log; do sleep 0.05; done")
            vm.check("tensock push /identity.onnx --name identity --version 1")
            yield vm


def test_curl(guest):
    server = json.loads(guest.check("curl -sS http://127.0.0.1:8000/v2"))
    assert server["name"] == "tensock"
    reply = guest.check("curl -sS http://127.0.0.1:8000/v2/models/identity/infer -d '"
                        '{"inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[1,2.5,-3]}]}' "'")
    assert json.loads(reply)["outputs"][0]["data"] == [1, 2.5, -3]
    # 4 MiB: curl asks before it sends them.
    guest.check("head -c 4194304 /dev/urandom >/tmp/x")
    guest.check("curl -sS -H 'Inference-Header-Content-Length: 0' --data-binary @/tmp/x -o /tmp/reply "
                "http://127.0.0.1:8000/v2/models/identity/infer", SLOW_S)
    guest.check("tail -c 4194304 /tmp/reply | cmp - /tmp/x")


def test_tritonclient(guest):
    used = guest.check("sh /python /clients.py /other.onnx", SLOW_S)
    assert used.split() == ["tritonclient.http", "tritonclient.grpc"]


@pytest.mark.parametrize("protocol, port", [("http", 8000), ("grpc", 8001)])
def test_perf_analyzer(guest, protocol, port):
    if not PERF_ANALYZER.exists():
        pytest.skip("no perf_analyzer: tools/deps clients found none")
    output = guest.check(f"LD_LIBRARY_PATH={PERF_ANALYZER.parent} {PERF_ANALYZER} -m identity -i {protocol} "
                         f"-u 127.0.0.1:{port} --shape x:16 -p 1000 -s 999 --max-trials 20 2>&1", SLOW_S)
    assert re.search(r"throughput: [1-9][\d.]* infer/sec", output), output
