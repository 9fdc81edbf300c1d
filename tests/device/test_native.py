# SPDX-License-Identifier: Apache-2.0
"""The native protocol over the built-in device: packets of all sizes into tensors, and out of them."""

import itertools
import random
import sys
from pathlib import Path

import numpy
import pytest
from daemon import BUILD
from host import Host
from vmm import Vmm
from vsock import Op, Packet

sys.path.append(str(Path(__file__).resolve().parents[1] / "scenario"))
import native

ECHO = b"TSKECHO1 shape=-1"
ENGINE = f"[engine echo]\nplugin = {BUILD}/tests/engines/tensock-engine-echo.so\n"


class DeviceGuest(native.Guest):
    """On a connection of the device's."""

    def __init__(self, connection, piece=65536):
        self.connection, self.piece = connection, piece
        self.ids = itertools.count(1)
        self.results, self.answers, self.said_goodbye = {}, {}, False
        self.send(native.hello())
        self.welcome = self.read_welcome()

    def send(self, *frames):
        for data in frames:
            self.connection.send(data, piece=self.piece)

    def receive(self, n):
        return self.connection.recv_exactly(n)


@pytest.fixture
def echo_vmm(folder):
    host = Host(folder, ENGINE)
    with Vmm(host) as vmm:
        vmm.start()
        yield vmm
    host.end()


@pytest.mark.parametrize("piece", [97, 4096, 65536])
def test_infer(echo_vmm, piece):
    guest = DeviceGuest(echo_vmm.connect(9999), piece)
    guest.push(ECHO)
    for n in (0, 1, 1000, 5000, 70_000):
        xs = [numpy.random.rand(n).astype("float32") for _ in range(5)]
        ids = [guest.start(native.digest(ECHO), [("x0", x)]) for x in xs]
        random.shuffle(order := list(zip(ids, xs)))
        for id_, x in order:
            assert (guest.wait(id_).outputs()["x0"] == x).all()
    guest.connection.close()


def test_answers_that_wait_for_credit(echo_vmm):
    """The guest asks for far more than its buffer, and takes it late."""
    guest = DeviceGuest(echo_vmm.connect(9999, buf_alloc=32768))
    guest.push(ECHO)
    x = numpy.random.rand(1 << 18).astype("float32")
    ids = [guest.start(native.digest(ECHO), [("x0", x + i)]) for i in range(6)]
    pings = [guest.ask(native.PING) for _ in range(50)]
    for i, id_ in enumerate(ids):
        assert (guest.wait(id_).outputs()["x0"] == x + i).all()
    for id_ in pings:
        guest.wait(id_, native.PONG)
    assert guest.stats()["requests-active"] == 0


def test_forged_packets_are_counted(echo_vmm):
    """Those of another's address, either end's; the guest can see it in what its host counts."""
    guest = DeviceGuest(echo_vmm.connect(9999))
    assert guest.stats()["packets-forged"] == 0
    for fields in dict(src_cid=4), dict(src_cid=2), dict(dst_cid=1):
        for op in Op:
            echo_vmm.transmit(Packet(1, 9999, op, **fields))
    assert guest.stats()["packets-forged"] == 3 * len(Op)
    guest.connection.close()
