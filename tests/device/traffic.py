# SPDX-License-Identifier: Apache-2.0
"""Connections between a guest and a host program, and bytes over them."""

import contextlib
import os
import threading

from host import read_exactly, read_line

PORT = 5000


@contextlib.contextmanager
def connected(vmm, host, port=PORT, **options):
    """(the guest's end, the host program's socket) of a connection that the guest began."""
    with host.listen(port) as listener:
        connection = vmm.connect(port, **options)
        with listener.accept()[0] as program:
            program.settimeout(20)
            yield connection, program


@contextlib.contextmanager
def called(vmm, host, port=PORT):
    """The same, begun by the host program."""
    vmm.listen(port)
    with host.dial(port) as program:
        connection = vmm.accept(port)
        vmm.flush()
        assert read_line(program) == b"OK %d\n" % connection.host_port
        yield connection, program


def to_host(vmm, connection, program, data, **options):
    """The program reads what the guest sends."""
    got = []
    reader = threading.Thread(target=lambda: got.append(read_exactly(program, len(data))))
    reader.start()
    connection.send(data, **options)
    vmm.wait(lambda: not reader.is_alive())
    assert got == [data]


def to_guest(vmm, connection, program, data):
    """The guest reads what the program sends."""
    writer = threading.Thread(target=program.sendall, args=[data])
    writer.start()
    assert connection.recv_exactly(len(data)) == data
    writer.join()


def exchange(vmm, connection, program, n=100_000):
    """n bytes each way."""
    data = os.urandom(n)
    to_host(vmm, connection, program, data)
    to_guest(vmm, connection, program, data)


def assert_works(vmm, host, n=100_000):
    """A new connection carries bytes both ways and ends in good order."""
    with connected(vmm, host) as (connection, program):
        exchange(vmm, connection, program, n)
        connection.close()
        assert program.recv(1) == b""
