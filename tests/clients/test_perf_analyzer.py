# SPDX-License-Identifier: Apache-2.0
"""Triton's perf_analyzer, until it prints what it has measured."""

import os
import re
import subprocess

import pytest
from conftest import DEPS
from faces import Grpc

PROGRAM = DEPS / "perf_analyzer" / "perf_analyzer"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="no perf_analyzer: tools/deps clients found none")


def analyze(*options):
    return subprocess.run([PROGRAM, *options], env={**os.environ, "LD_LIBRARY_PATH": str(PROGRAM.parent)},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, check=False)


@pytest.fixture
def measure(server, connect):
    """measure(protocol, model, options of its own): by what is asked at once, how many a second it was."""
    face = connect(Grpc)

    def run(protocol, model, *options):
        server.need(face, model)
        before = done(face, model)
        # Half a second each, as few times as it allows: whether figures are steady is not asked.
        command = ["-m", model, "-u", server.tcp, "-i", protocol, "-p", "500", "-s", "999",
                   "--max-trials", "20", *options]
        ended = analyze(*command)
        assert ended.returncode == 0, ended.stdout[:2000]
        rows = re.findall(r"^Concurrency: (\d+), throughput: ([\d.]+) infer/sec, latency (\d+) usec", ended.stdout,
                          re.MULTILINE)
        assert done(face, model) > before
        figures = {int(concurrency): float(rate) for concurrency, rate, _ in rows}
        assert figures and all(rate > 0 for rate in figures.values()), ended.stdout
        # What it has from the server's statistics.
        counted = re.findall(r"Inference count: (\d+)", ended.stdout)
        assert counted and all(int(count) > 0 for count in counted), ended.stdout
        return figures

    return run


def done(face, model):
    one, = face.statistics(model)
    return int(one.inference_stats.success.count)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("options", [
    [],
    ["--concurrency-range", "1:2"],
    ["--async", "--concurrency-range", "4"],
    ["--input-data", "zero", "--shared-memory", "none"],
], ids=["plain", "range", "async", "zeros"])
def test_it_completes(measure, protocol, options):
    figures = measure(protocol, "identity_fp32", "--shape", "x:16", *options)
    assert set(figures) == ({1, 2} if "1:2" in options else {4} if "4" in options else {1})


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_system_shared_memory(measure, protocol):
    """It begins by unregistering all regions, CUDA's as well."""
    measure(protocol, "identity_fp32", "--shape", "x:16", "--shared-memory", "system")


def test_parameters(measure):
    measure("grpc", "identity_fp32", "--shape", "x:16", "--request-parameter", "mine:7:int",
            "--request-parameter", "other:text:string", "--request-parameter", "flag:true:bool")


def test_json(measure):
    """Of one row: it takes the first dimension for one of a batch, and leaves out the values of the others."""
    measure("http", "sums", "--shape", "a:1,4", "--shape", "b:1,4", "--input-tensor-format", "json",
            "--output-tensor-format", "json")


def test_streaming(measure):
    measure("grpc", "identity_fp32", "--shape", "x:16", "--streaming", "--async")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_strings_and_several_inputs(measure, protocol):
    measure(protocol, "identity_bytes", "--shape", "x:4", "--string-length", "100")
    measure(protocol, "sums", "--shape", "a:3,4", "--shape", "b:3,4")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_trace_settings(measure, server, protocol):
    """It sets them before it runs: to what they are, nothing is traced."""
    measure(protocol, "identity_fp32", "--shape", "x:16", "--trace-level", "OFF", "--trace-rate", "1000")
    ended = analyze("-m", "identity_fp32", "-u", server.tcp, "-i", protocol, "--shape", "x:16",
                    "--trace-level", "TIMESTAMPS")
    assert ended.returncode != 0 and "'trace_level' stays" in ended.stdout


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed(measure, algorithm):
    measure("grpc", "identity_fp32", "--shape", "x:4096", "--grpc-compression-algorithm", algorithm)


def test_large_tensors(measure):
    for protocol in "http", "grpc":
        measure(protocol, "big", "--shape", f"x:{1 << 20}")
