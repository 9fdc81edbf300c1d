# SPDX-License-Identifier: Apache-2.0
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from host import BUILD, Host
from vmm import Vmm

# Programs under ASan and UBSan take more of everything.
SANITIZED = b"__asan_init" in (BUILD / "tensockd").read_bytes()


def pytest_configure():
    """A killed test run leaves no daemon: SIGTERM unwinds the fixtures as Ctrl-C does."""

    def stop(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


@pytest.fixture
def folder():
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="tensock-device.") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def shared_host():
    """One daemon for all tests that leave it as it was."""
    with tempfile.TemporaryDirectory(prefix="tensock-device.") as path:
        host = Host(path)
        yield host
        host.end()


@pytest.fixture
def host(shared_host):
    """The shared daemon.  Its front must outlive the test."""
    before = shared_host.fronts()
    yield shared_host
    assert shared_host.fronts() == before, "\n".join(shared_host.log)


@pytest.fixture
def own_host(folder):
    """A daemon for this test alone."""
    host = Host(folder)
    yield host
    host.end()


@pytest.fixture
def vmm(host):
    """A VMM that has connected and not said anything yet."""
    with Vmm(host) as vmm:
        yield vmm


@pytest.fixture
def guest(vmm):
    """A running guest with everything that Linux 6.1 has under QEMU."""
    vmm.start()
    return vmm
