# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import native
from daemon import BUILD, Daemon, DaemonError, eventually

# Programs under ASan and UBSan take more of everything.
SANITIZED = b"__asan_init" in (BUILD / "tensockd").read_bytes()


def pytest_configure():
    """A killed test run leaves no daemon: SIGTERM unwinds the fixtures as Ctrl-C does."""

    def stop(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def stat_of(pid):
    """The fields of /proc/PID/stat behind the process's name; the first is its state."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()


def cpu_s(pid):
    """The processor time that a process has taken."""
    fields = stat_of(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def born(pid):
    """When a process was started, which tells it from a later one of that number; None: it is gone, or at its end."""
    try:
        fields = stat_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(pid):
    """Whether a process is there that has not ended."""
    return born(pid) is not None


@contextlib.contextmanager
def refused(status, *words):
    """What is asked within is refused with this status, in these words."""
    with pytest.raises(native.Refused) as caught:
        yield
    assert caught.value.status == status, caught.value.message
    for word in words:
        assert word in caught.value.message, caught.value.message


class Tensock:
    """A daemon under test, and the paths of its sockets."""

    def __init__(self, folder, config, arguments, program=None):
        self.folder = Path(folder)
        self.local = self.folder / "local.sock"
        config_file = self.folder / "tensockd.conf"
        config_file.write_text(f"[daemon]\nlisten = unix:{self.local}\n{config}")
        # A signal that is to end a worker is its end under ASan, too.
        self.daemon = Daemon(["--config", config_file, *arguments], [], program=program, env={
            "ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0"})
        self.pid = self.daemon.process.pid
        # Its socket may be there from one that came before it.
        if not eventually(lambda: self.is_ready() or self.daemon.process.poll() is not None) or \
                not self.is_ready():
            self.daemon.stop()
            raise DaemonError("\n".join(self.log))
        self.seen = set()  # every process of it that was looked at, and when it was born
        self.fronts_may_die = False

    @property
    def log(self):
        return self.daemon.log

    @property
    def output(self):
        return self.daemon.output

    def is_ready(self):
        return any(": info: ready" in line or '"message":"ready' in line for line in self.log)

    def said(self, *words):
        """Whether one line of the log has all these words; waits for it."""
        return eventually(lambda: any(all(word in line for word in words) for line in self.log))

    def printed(self, line, times=1):
        return eventually(lambda: self.output.count(line) >= times)

    def processes(self, name):
        pids = self.daemon.children(name)
        self.seen.update((pid, born(pid)) for pid in pids)
        return pids

    def is_gone(self):
        """Whether nothing of what was seen is left."""
        return not any(birth is not None and born(pid) == birth for pid, birth in self.seen)

    def fronts(self):
        return self.processes("tensock-front")

    def workers(self):
        return self.processes("tensock-worker")

    def end(self):
        """Stops it; nothing of it may be left behind."""
        if self.daemon.process.poll() is None:
            self.fronts()
            self.workers()
        status = self.daemon.stop()
        assert status == 0, "\n".join(self.log[-20:])
        assert eventually(self.is_gone), "processes are left"
        sockets = [path for path in self.folder.iterdir() if path.is_socket()]
        assert not sockets, "socket files are left"
        assert self.fronts_may_die or not self.daemon.deaths_of_fronts(), "\n".join(self.log)
        # The faulty engine divides by zero because it is asked to.
        reports = [line for line in self.log if "faulty.c" not in line and
                   ("Sanitizer" in line or "runtime error" in line)]
        assert not reports, "\n".join(self.log)


@pytest.fixture
def folder():
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="tensock.") as path:
        yield Path(path)


@pytest.fixture
def start(folder):
    """Starts a daemon: start(config text, command line arguments).  It is ended, and looked over, at
    the test's end."""
    started = []

    def start_one(config="", *arguments, at=None):
        where = at or folder
        where.mkdir(exist_ok=True)
        tensock = Tensock(where, config, arguments)
        started.append(tensock)
        return tensock

    with contextlib.ExitStack() as stack:  # a daemon that ends badly does not spare the others
        yield start_one
        for tensock in started:
            stack.callback(lambda one=tensock: one.end())


@pytest.fixture
def onnx(start):
    """A daemon with the default engine."""
    return start()


def engine_config(name):
    return f"[engine {name}]\nplugin = {BUILD}/tests/engines/tensock-engine-{name}.so\n"


@pytest.fixture
def echo(start):
    return start(engine_config("echo"))


@pytest.fixture
def host(start, folder):
    """One with the echo engine and a control socket."""
    tensock = start(engine_config("echo"), "--control", folder / "control.sock")
    tensock.control = folder / "control.sock"
    return tensock


def model_file(name):
    path = Path(os.environ.get("TENSOCK_MODELS", "")) / name
    if not path.is_file():
        pytest.skip(f"no model at {path}: set TENSOCK_MODELS (tools/deps demo brings it)")
    return path.read_bytes()


@pytest.fixture(scope="session")
def real_model():
    """The PP-OCR direction classifier: input x [-1, 3, ?, ?], output [N, 2]."""
    return model_file("ch_ppocr_mobile_v2.0_cls_infer.onnx")


@pytest.fixture(scope="session")
def mindspore_model():
    """MobileNetV2 of tools/seeded_nets.py: input [1, 224, 224, 3], output [1, 1000]."""
    return model_file("mobilenetv2.ms")
