# SPDX-License-Identifier: Apache-2.0
"""The lists of system calls: each call that is listed is made, and what is refused is known.

Other suites' tests are run with fronts, workers and stores under strace; whether they pass so slowed down is not
looked at, but what the processes ask of the kernel once they are sealed.
"""
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import daemon  # pylint: disable=wrong-import-position

BUILD = Path(os.environ.get("TENSOCK_BUILD", ROOT / "build"))
PROGRAMS = ["tensock-front", "tensock-metrics", "tensock-worker", "tensock-store"]
SANITIZED = b"__asan_init" in (BUILD / "tensockd").read_bytes()

pytestmark = [
    pytest.mark.skipif(SANITIZED, reason="a sanitized build does not seal itself"),
    pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace"),
    pytest.mark.skipif(bool(daemon.lacking()), reason=f"this machine lacks {', '.join(daemon.lacking())}"),
]

# Enough of what is done with them that each call is made.
WORK = {
    "scenario": ["test_conversation.py", "test_engines.py", "test_metrics.py", "test_sandbox.py",
                 "test_shared_memory.py", "test_passed_memory.py", "test_http.py", "test_grpc.py", "test_store.py"],
    "device": ["test_connections.py"],
}

# Refused, and nothing is lost by it: of the C library at a thread's start, in abort(), and where malloc() asks
# how many processors there are; engines that want to know the time zone.
HARMLESS = {
    "tensock-worker": {"rt_sigprocmask", "rt_sigaction", "set_robust_list", "clone3", "gettid",
                       "getpid", "tgkill", "openat", "newfstatat", "rt_sigreturn"},
    "tensock-front": set(),
    "tensock-metrics": set(),
    "tensock-store": {"clone3", "openat"},
}

# Source and, in the order in which a process is sealed by them, its lists, each of these tables.
LISTS = {
    "tensock-worker": (ROOT / "src/worker/seal.c", {"while_loading": ["calls", "until_loaded"],
                                                    "when_loaded": ["calls"]}),
    "tensock-front": (ROOT / "src/front/seal.c", {"ready": ["calls"]}),
    "tensock-metrics": (ROOT / "src/metrics/seal.c", {"serving": ["calls"]}),
    "tensock-store": (ROOT / "src/store/seal.c", {"opened": ["calls"]}),
}
EACH_LIST = [(program, name) for program, (_, lists) in LISTS.items() for name in lists]
MOST = {"while_loading": 24, "when_loaded": 24, "ready": 35, "opened": 45, "serving": 23}

Row = collections.namedtuple("Row", "name another rare error")


def read_table(source, table):
    """The rows of a table, as the source has them."""
    text = re.search(rf"struct filter_call {table}\[\] = \{{(.*?)^\}};", source.read_text("utf-8"),
                     re.DOTALL | re.MULTILINE).group(1)
    rows = [Row(name, "is_another" in rest, "is_rare" in rest, ".error" in rest)
            for name, rest in re.findall(r'\{ \.name = "(\w+)"(.*?)(?=\{ \.name|\Z)', text, re.DOTALL)]
    assert rows
    return rows


def read_list(program, name):
    source, lists = LISTS[program]
    return [row for table in lists[name] for row in read_table(source, table)]


@pytest.mark.parametrize("program,name", EACH_LIST)
def test_length(program, name):
    """Calls that are the same by another number, as other machines have it, count once."""
    names = {row.name for row in read_list(program, name) if not row.another and not row.error}
    assert len(names) <= MOST[name], sorted(names)


def trace_programs(folder):
    """A build folder in which fronts and workers are traced; where the traces are."""
    traces = folder / "traces"
    traces.mkdir(mode=0o777)
    build = folder / "build"
    build.mkdir()
    for path in BUILD.iterdir():
        if path.name not in ["tensockd", *PROGRAMS]:
            (build / path.name).symlink_to(path)
    # It looks for the others beside itself.
    shutil.copy(BUILD / "tensockd", build)
    for program in PROGRAMS:
        wrapper = build / program
        # -D: the program is tensockd's child, and strace another's.
        wrapper.write_text("#!/bin/sh\nexec strace -D -f -qq -o "
                           f'{traces}/{program}.$$ {BUILD}/{program} "$@"\n')
        wrapper.chmod(0o755)
    return build, traces


# With an address where strace may not look into a process that has another uid by now.
SEAL = re.compile(r"SECCOMP_FILTER_FLAG_TSYNC, (?:\{len=|0x)")
CALL = re.compile(r"\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)")


def stages(trace):
    """What one process asked, from its first seal on: a Counter of (call, was it refused) for each of
    its lists."""
    counts = []
    text = trace.read_text("utf-8", "replace")
    # The canary asks for what it must not have.
    for line in text.splitlines() if "tensock-engine-canary" not in text else []:
        match = CALL.match(line)
        is_seal = SEAL.search(line) and "= -1" not in line
        if not match or ("<unfinished" in line and not is_seal):
            continue
        if counts:
            counts[-1][match.group(1), "= -1 EACCES" in line or "= -1 ENOSYS" in line] += 1
        if is_seal:
            counts.append(collections.Counter())
    return counts


MAKES = re.compile(r"\b(?:socket|socketpair|connect|bind|mkdir(?:at)?|mknod(?:at)?|symlink(?:at)?|"
                   r"link(?:at)?|rename(?:at2?)?|truncate|creat)\(|O_CREAT|O_WRONLY|O_RDWR|O_TMPFILE")


def made_by_engine(trace):
    """Lines of a worker's trace, from its start on, by which a file or a socket would come to be."""
    text = trace.read_text("utf-8", "replace")
    return [line for line in text.splitlines() if "tensock-engine-canary" not in text and
            MAKES.search(line) and '"/dev/null"' not in line]


def end_tracers(traces):
    """A strace whose program was killed at a bad moment waits for ever; they are told by their files."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and f"{traces}/".encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            pass


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(program, list) → Counter of what was asked under it."""
    build, traces = trace_programs(tmp_path_factory.mktemp("calls"))
    environment = {"TENSOCK_MODELS": str(ROOT / ".deps/models"), **os.environ,
                   "TENSOCK_BUILD": str(build)}
    for suite, files in WORK.items():
        subprocess.run(["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                        *[str(ROOT / "tests" / suite / name) for name in files]],
                       env=environment, stdout=subprocess.DEVNULL, check=False, timeout=600)
    end_tracers(traces)
    result = collections.defaultdict(collections.Counter)
    for trace in traces.iterdir():
        program = trace.name.rpartition(".")[0]
        if program == "tensock-worker":
            result["files"].update(made_by_engine(trace))
            result["workers"]["n"] += 1
        for name, counts in zip(LISTS[program][1], stages(trace)):
            result[program, name] += counts
    return result


@pytest.mark.parametrize("program,name", EACH_LIST)
def test_each_is_made(made, program, name):
    seen = {call for call, refused in made[program, name] if not refused}
    wanted = {row.name for row in read_list(program, name)
              if not (row.another or row.rare or row.error)}
    assert sorted(wanted - seen) == [], "listed, but not needed"


@pytest.mark.parametrize("program,name", EACH_LIST)
def test_none_is_missing(made, program, name):
    refused = {call for call, was_refused in made[program, name] if was_refused}
    assert sorted(refused - HARMLESS[program]) == [], "needed, perhaps, but not listed"


def test_engines_make_no_file(made):
    """From the start of the process on: no file, no socket, no telemetry (mode 66)."""
    assert made["workers"]["n"] > 10
    assert sorted(made["files"]) == []
