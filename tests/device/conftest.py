# SPDX-License-Identifier: Apache-2.0
import contextlib
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
def shared_hosts():
    """The daemons of the tests that leave theirs as it was: one for all of them, and another where it was
    lost.  A test that loses it fails, and only that one."""
    with contextlib.ExitStack() as stack:
        hosts = []

        def usable():
            if not hosts or hosts[-1].lost():
                path = stack.enter_context(tempfile.TemporaryDirectory(prefix="tensock-device."))
                hosts.append(Host(path))
                stack.callback(hosts[-1].daemon.stop)
            return hosts[-1]

        yield usable
        if not hosts[-1].lost():
            hosts[-1].end()


@pytest.fixture
def host(shared_hosts):
    """The shared daemon.  Its front must outlive the test."""
    shared = shared_hosts()
    before = shared.fronts()
    yield shared
    assert not shared.lost(), shared.lost() + "\n" + "\n".join(shared.log)
    assert shared.fronts() == before, "\n".join(shared.log)


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
