# SPDX-License-Identifier: Apache-2.0
"""What a VM with the built-in device is held to, and how it is held back when its front crashes again and again."""

import contextlib
import os
import signal
import struct

import pytest
from host import Host, eventually, read_exactly
from traffic import assert_works, connected
from vmm import Vmm

PORT = 5000


@pytest.fixture
def limited(folder):
    """start(settings of all guests): the host."""
    with contextlib.ExitStack() as stack:
        def start(settings):
            host = Host(folder, config=settings)
            stack.callback(host.end)
            return host

        yield start


def test_max_connects_to_other_ports(limited):
    """One more in a second is refused as a dead port is; then it goes on.  What is open is not touched."""
    host = limited("max-connects = 4\n")
    with Vmm(host) as vmm:
        vmm.start()
        with host.listen(PORT) as listener:
            opened = []

            def connects():
                try:
                    opened.append((vmm.connect(PORT), listener.accept()[0]))
                except ConnectionRefusedError:
                    return False
                return True

            assert connects()
            while connects():
                assert len(opened) < 1000
            assert host.said("max-connects")
            for connection, program in opened:
                connection.send(b"still here")
                assert read_exactly(program, 10) == b"still here"
            assert eventually(connects)
            for connection, program in opened:
                connection.close()
                program.close()


def test_max_connections(limited):
    """A reset is how vsock refuses; the log says which limit that was."""
    host = limited("max-connections = 4\n")
    with Vmm(host) as vmm:
        vmm.start()
        opened = [vmm.connect(9999) for _ in range(4)]
        with pytest.raises(ConnectionRefusedError):
            vmm.connect(9999)
        assert host.said("max-connections", "refused so far")
        opened.pop().close()

        def connects():
            with contextlib.suppress(ConnectionRefusedError):
                opened.append(vmm.connect(9999))
                return True

        assert eventually(connects)
        opened[-1].send(struct.pack("<IIQ", 1, 1, 8) + b"no model")
        assert opened[-1].recv_exactly(2) == b"ER"


@pytest.mark.parametrize("number, is_penalised", [(signal.SIGABRT, True), (signal.SIGKILL, False)])
def test_a_front_that_dies_again_and_again(limited, number, is_penalised):
    """By a crash: the VM waits, for seconds at most, and then its device works as before.  Killed: it does not."""
    host = limited("max-crashes = 20\n")
    host.fronts_may_die = True
    with Vmm(host) as vmm:
        vmm.start()
        for _ in range(5):
            fronts = eventually(host.fronts)
            for pid in fronts:
                os.kill(pid, number)
            assert eventually(lambda: host.fronts() and host.fronts() != fronts)
        assert host.said("max-crashes") if is_penalised else \
            not any("max-crashes" in line for line in host.log)
        assert_works(vmm, host, 10_000)
        with connected(vmm, host) as (connection, program):
            connection.send(b"undisturbed")
            assert read_exactly(program, 11) == b"undisturbed"
