# SPDX-License-Identifier: Apache-2.0
"""VMs with the built-in device that come and go while the daemon runs."""

import os
import socket
import sys
from pathlib import Path

import pytest
from host import Host, eventually
from traffic import assert_works, called, connected, exchange
from vmm import Vmm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from control import HAS_DEVICE, HAS_VMM, IS_ATTACHED, UNAVAILABLE, Control, Refused


class Attached:
    """A VM that has been attached: what a Vmm and the traffic ask of a Host."""

    dial, listen = Host.dial, Host.listen

    def __init__(self, host, name):
        self.vhost = host.folder / f"{name}.vhost"
        self.uds = host.folder / f"{name}.uds"
        self.cid = host.control.guests()[name].cid


@pytest.fixture
def host(folder):
    host = Host(folder, arguments=["--control", folder / "control.sock"])
    with Control(folder / "control.sock") as host.control:
        yield host
    host.end()


def attach(host, name, cid=0):
    host.control.attach_vm(name, host.folder / f"{name}.vhost", cid, host.folder / f"{name}.uds")
    return Attached(host, name)


def files(host, name):
    return [path.name for path in host.folder.iterdir() if path.name.startswith(name + ".")]


def is_closed(vmm):
    """Whether the device's end of the VMM's connection has gone."""
    vmm.front.socket.settimeout(20)
    try:
        return vmm.front.socket.recv(1) == b""
    except ConnectionResetError:
        return True


def test_attach_and_detach(host):
    first = attach(host, "web")
    assert first.cid == 4  # 3 is the first VM's
    assert host.control.guests()["web"].ways == HAS_DEVICE | IS_ATTACHED
    with Vmm(first) as vmm:
        vmm.start()
        assert host.control.guests()["web"].ways == HAS_DEVICE | IS_ATTACHED | HAS_VMM
        assert_works(vmm, first)
        with called(vmm, first, 6000) as (connection, program):
            exchange(vmm, connection, program)
    assert eventually(lambda: not host.control.guests()["web"].ways & HAS_VMM)
    host.control.detach("web")
    assert not [name for name in files(host, "web") if "_" not in name]
    assert len(host.fronts()) == 1
    again = attach(host, "web")
    with Vmm(again) as vmm:
        vmm.start()
        assert_works(vmm, again)


def test_cids(host):
    assert attach(host, "a").cid == 4
    assert attach(host, "b", cid=77).cid == 77
    with pytest.raises(Refused, match="cid 77 of another"):
        attach(host, "c", cid=77)
    with pytest.raises(Refused, match="cid 3 of another"):
        attach(host, "c", cid=3)
    assert files(host, "c") == []
    host.control.detach("a")
    assert attach(host, "c").cid == 4
    with Vmm(Attached(host, "b")) as vmm:
        vmm.start()
        assert_works(vmm, Attached(host, "b"))


def test_a_running_vm_is_detached_by_force_only(host):
    web = attach(host, "web")
    with Vmm(web) as vmm:
        vmm.start()
        with connected(vmm, web) as (connection, program):
            with pytest.raises(Refused, match="end the VM first") as refused:
                host.control.detach("web")
            assert refused.value.status == UNAVAILABLE
            exchange(vmm, connection, program)  # as if nothing had been
            host.control.detach("web", force=True)
            assert program.recv(1) == b""
        assert is_closed(vmm)
    # All that the next one meets is its own.
    web = attach(host, "web")
    with Vmm(web) as vmm:
        vmm.start()
        assert_works(vmm, web)


def test_others_work_on(host):
    """One VM's connections stay while others come, work, and go."""
    with Vmm(host) as old:
        old.start()
        with connected(old, host) as (connection, program):
            front = host.fronts()
            for turn in range(5):
                names = [f"vm{turn}{letter}" for letter in "abc"]
                guests = [attach(host, name) for name in names]
                with Vmm(guests[1]) as vmm:
                    vmm.start()
                    assert_works(vmm, guests[1], 10_000)
                    exchange(old, connection, program, 10_000)
                    host.control.detach(names[0])
                    assert_works(vmm, guests[1], 10_000)
                    host.control.detach(names[1], force=True)
                host.control.detach(names[2])
                exchange(old, connection, program, 10_000)
            assert host.fronts() == front
            assert list(host.control.guests()) == ["vm"]


def test_a_vmm_that_waits_is_not_met_by_the_next(host):
    """A connection in the queue of the socket that goes is closed, not handed on."""
    attach(host, "web")
    early = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    early.settimeout(20)
    early.connect(str(host.folder / "web.vhost"))
    host.control.detach("web", force=True)
    try:
        assert early.recv(1) == b""
    except ConnectionResetError:
        pass
    early.close()
    web = attach(host, "web")
    with Vmm(web) as vmm:
        vmm.start()
        assert_works(vmm, web)


def test_the_socket_of_another_vm(host):
    """Refused without that VM's device seeing anything."""
    with pytest.raises(Refused, match="serves .* already, as vm:vm="):
        host.control.attach_vm("web", host.vhost)
    with pytest.raises(Refused, match="serves .* already, as uds:vm="):
        host.control.attach_vm("web", host.folder / "web", uds=host.uds)
    with pytest.raises(Refused, match="serves .* already, as uds:vm="):
        host.control.attach_vm("web", f"{host.uds}.seqpacket")
    assert not host.control.guests()["vm"].ways & HAS_VMM
    assert not os.path.exists(host.folder / "web")
    with Vmm(host) as vmm:
        vmm.start()
        assert_works(vmm, host)
