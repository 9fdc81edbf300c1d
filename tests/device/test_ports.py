# SPDX-License-Identifier: Apache-2.0
"""The ports of the device at which a guest reaches Tensock ("ports"), beside those of host programs."""

import os
import signal

import pytest
from daemon import DaemonError
from host import Host, eventually
from test_native import ECHO, ENGINE, DeviceGuest, native
from traffic import assert_works, connected, exchange
from vmm import Vmm

import http2

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: host\r\n\r\n"


class DeviceHttp2(http2.Connection):
    """On a connection of the device's."""

    def __init__(self, connection):
        self.connection, self.stream = connection, -1
        self.send(http2.PREFACE + http2.frame(http2.SETTINGS) + http2.frame(http2.SETTINGS, http2.ACK))

    def send(self, data):
        self.connection.send(data)

    def read(self, n):
        return self.connection.recv_exactly(n)


def assert_answers(vmm, port):
    """Any protocol."""
    http = vmm.connect(port)
    http.send(LIVE)
    assert http.recv_exactly(15) == b"HTTP/1.1 200 OK"
    http.close()
    grpc = DeviceHttp2(vmm.connect(port))
    assert grpc.is_live()
    grpc.connection.close()
    guest = DeviceGuest(vmm.connect(port))
    guest.push(ECHO)
    guest.connection.close()


def configured(folder, ports):
    return Host(folder, f"{ENGINE}[guest vm]\nports = {ports}\n")


@pytest.fixture
def triton(folder):
    host = configured(folder, "9999, 8000, 8001")
    host.fronts_may_die = True
    yield host
    host.end()


@pytest.fixture
def guest(triton):
    with Vmm(triton) as vmm:
        vmm.start()
        yield vmm


def test_every_port_takes_every_protocol(guest, triton):
    for port in (9999, 8000, 8001):
        assert_answers(guest, port)
    with pytest.raises(ConnectionRefusedError):
        guest.connect(8002)
    assert_works(guest, triton)


def test_they_are_no_host_programs(guest, triton):
    """Whatever stands at PATH_PORT; and a host program reaches the guest's own port of that number."""
    with triton.listen(8000) as listener:
        listener.settimeout(0.2)
        assert_answers(guest, 8000)
        with pytest.raises(TimeoutError):
            listener.accept()
    guest.listen(8000)
    with triton.dial(8000) as program:
        connection = guest.accept(8000)
        assert program.recv(3) == b"OK "
        connection.close()


def test_without_9999(folder):
    """It is a host program's then."""
    host = configured(folder, "7, 4294967294")
    with Vmm(host) as vmm:
        vmm.start()
        with pytest.raises(ConnectionRefusedError):
            vmm.connect(9999)
        with connected(vmm, host, 9999) as (connection, program):
            exchange(vmm, connection, program)
        for port in (7, 4294967294):
            assert_answers(vmm, port)
    host.end()


def ready(host, number):
    """Sends a signal, and waits until the daemon is ready again."""
    def n():
        return sum(": info: ready" in line for line in list(host.log))

    before = n()
    os.kill(host.daemon.process.pid, number)
    assert eventually(lambda: n() > before), "\n".join(host.log)


def next_front(host, front):
    assert eventually(lambda: host.fronts() not in ([], [front]))


def test_the_next_front_and_the_next_program_have_them(guest, triton):
    front, = triton.fronts()
    os.kill(front, signal.SIGKILL)
    next_front(triton, front)
    assert_answers(guest, 8001)
    front, = triton.fronts()
    ready(triton, signal.SIGUSR2)
    next_front(triton, front)
    assert_answers(guest, 8000)
    assert_works(guest, triton)


def test_reload(guest, triton):
    """They hold for the next front; until then a port that is new leads nowhere."""
    config = triton.folder / "tensockd.conf"
    config.write_text(config.read_text().replace("9999, 8000, 8001", "9999, 7000"))
    front, = triton.fronts()
    ready(triton, signal.SIGHUP)
    assert_answers(guest, 8000)
    with triton.listen(7000), pytest.raises(ConnectionRefusedError):
        guest.connect(7000)
    os.kill(front, signal.SIGKILL)
    next_front(triton, front)
    assert_answers(guest, 7000)
    with connected(guest, triton, 8000) as (connection, program):
        exchange(guest, connection, program)


def test_another_guest_cannot_stand_there(folder):
    """A hybrid socket of a guest is no host program of another's, at none of its ports."""
    with pytest.raises(DaemonError, match="vm.vsock_8001 is what guest vm reaches at port 8001"):
        Host(folder, f"{ENGINE}[guest vm]\nports = 9999, 8000\n[guest other]\nports = 8000, 8001\n"
                     f"hybrid = {folder}/vm.vsock\n")
