# SPDX-License-Identifier: Apache-2.0
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import ms_file
from daemon import Daemon
from net import Net, Runner


def pytest_configure():
    """A killed test run leaves no daemon: SIGTERM unwinds the fixtures as Ctrl-C does."""

    def stop(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


@pytest.fixture(scope="session")
def runner():
    """One daemon for all.  It forgets models at once: there are more than it may keep."""
    with tempfile.TemporaryDirectory(prefix="tensock.") as path:
        folder = Path(path)
        socket = folder / "local.sock"
        config = folder / "tensockd.conf"
        config.write_text(f"[daemon]\nlisten = unix:{socket}\nmax-workers = 2\nmax-models = 512\n"
                          "model-keep = 5s\n")
        daemon = Daemon(["--config", config], [socket])
        try:
            yield Runner(socket, folder)
        finally:
            status = daemon.stop()
        log = "\n".join(daemon.log)
        assert status == 0, log
        assert "Sanitizer" not in log and "runtime error" not in log, log
        assert "was killed by" not in log, log


def keep(request, net):
    """With TENSOCK_KEEP=FOLDER, what a failed test ran stays there."""
    folder = os.environ.get("TENSOCK_KEEP")
    report = getattr(request.node, "report", None)
    if folder and report and report.failed:
        net.save(Path(folder) / f"{request.module.__name__}-{request.node.name}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.when == "call":
        item.report = report


@pytest.fixture
def net(runner, request):
    """A model of MSL2."""
    one = Net(runner, ms_file.MSL2, request.node.name)
    yield one
    keep(request, one)


@pytest.fixture(params=[ms_file.MSL1, ms_file.V1_0])
def old(runner, request):
    """A model of each of the generations before, which have the same operators but not the same defaults."""
    one = Net(runner, request.param, request.node.name)
    yield one
    keep(request, one)
