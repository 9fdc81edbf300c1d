# SPDX-License-Identifier: Apache-2.0
"""Every message of vhost-user, by number."""

import contextlib
import itertools
import os
import socket
import struct

import pytest
from memory import Memory, Region
from traffic import assert_works, connected
from vhost_user import (F_EVENT_IDX, F_INDIRECT, F_PROTOCOL, F_VERSION_1, NEED_REPLY, P_CONFIG,
                        P_MEM_SLOTS, P_MQ, P_REPLY_ACK, REPLY, VERSION, Disconnected, FrontEnd,
                        Refused, Request, eventfd)
from vmm import RX, TX, Vmm

SERVED = {Request.GET_FEATURES, Request.SET_FEATURES, Request.SET_OWNER, Request.RESET_OWNER,
          Request.SET_MEM_TABLE, Request.SET_VRING_NUM, Request.SET_VRING_ADDR,
          Request.SET_VRING_BASE, Request.GET_VRING_BASE, Request.SET_VRING_KICK,
          Request.SET_VRING_CALL, Request.SET_VRING_ERR, Request.GET_PROTOCOL_FEATURES,
          Request.SET_PROTOCOL_FEATURES, Request.GET_QUEUE_NUM, Request.SET_VRING_ENABLE,
          Request.GET_CONFIG, Request.SET_CONFIG, Request.GET_MAX_MEM_SLOTS, Request.ADD_MEM_REG,
          Request.REM_MEM_REG}
# Not served, and nobody waits for an answer to them.
ONE_WAY = {Request.SET_LOG_FD, Request.SEND_RARP, Request.NET_SET_MTU,
           Request.SET_BACKEND_REQ_FD, Request.SET_VRING_ENDIAN, Request.SET_INFLIGHT_FD,
           Request.RESET_DEVICE, Request.SET_STATUS}
FEATURES = F_VERSION_1 | F_EVENT_IDX | F_INDIRECT | F_PROTOCOL


def is_gone(front):
    """Whether the device has closed the connection, perhaps without reading all."""
    try:
        front.sync()
        return False
    except Disconnected:
        return True


def test_features(vmm):
    front = vmm.front
    offered = front.get_features()
    assert offered & FEATURES == FEATURES
    assert not offered & 1 << 34, "a packed ring is offered"
    for bit in range(64):
        if not offered & 1 << bit:
            with pytest.raises(Refused):
                front.acknowledged(Request.SET_FEATURES, struct.pack("<Q", 1 << bit))
    front.acknowledged(Request.SET_FEATURES, struct.pack("<Q", 0))
    front.acknowledged(Request.SET_FEATURES, struct.pack("<Q", offered))


def test_protocol_features(vmm):
    front = vmm.front
    offered = front.get_protocol_features()
    assert offered == P_MQ | P_REPLY_ACK | P_CONFIG | P_MEM_SLOTS
    front.acknowledged(Request.SET_PROTOCOL_FEATURES, struct.pack("<Q", offered))
    for bit in range(64):
        if not offered & 1 << bit:
            with pytest.raises(Refused):
                front.acknowledged(Request.SET_PROTOCOL_FEATURES, struct.pack("<Q", 1 << bit))


def test_numbers_that_are_asked_for(vmm):
    assert vmm.front.get_queue_num() == 3
    assert vmm.front.get_max_mem_slots() == 32


def test_config(vmm):
    front = vmm.front
    cid = struct.pack("<Q", vmm.cid)
    assert front.get_config() == cid
    for offset, size in itertools.product(range(12), range(12)):
        assert front.get_config(offset, size) == (cid + bytes(24))[offset:offset + size]
    assert front.get_config(0, 256) == cid + bytes(248)
    assert front.get_config(1, 256) is None
    assert front.get_config(0, 257) is None
    assert front.get_config(0xffffffff, 8) is None
    for flags in 0, 1:  # all of it is read-only, migration or not
        with pytest.raises(Refused):
            front.acknowledged(Request.SET_CONFIG, struct.pack("<III", 0, 8, flags) + bytes(8))
    front.send(Request.SET_CONFIG, struct.pack("<III", 0, 8, 0) + bytes(8))
    assert front.get_config() == cid


@pytest.mark.parametrize("request_", [*(set(Request) - SERVED), 0, 44, 255, 1 << 31, 0xffffffff])
def test_a_request_that_is_not_served(host, request_):
    """With NEED_REPLY it gets an error, and no harm is done.  Without, it is passed over if surely
    nobody waits for an answer; else the VMM would wait for ever, and is disconnected."""
    payload = bytes(8)
    with Vmm(host) as vmm:
        vmm.start()
        for _ in range(2):
            with pytest.raises(Refused):
                vmm.front.acknowledged(request_, payload)
        assert_works(vmm, host, 1000)
        vmm.front.send(request_, payload)
        assert is_gone(vmm.front) == (request_ not in ONE_WAY)


def test_fds_of_requests_that_are_not_served_are_closed(vmm, host):
    """They would pile up in the front."""
    pid = host.fronts()[0]
    vmm.front.sync()
    before = len(os.listdir(f"/proc/{pid}/fd"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for request in Request.SET_BACKEND_REQ_FD, Request.SET_LOG_FD, Request.SET_INFLIGHT_FD:
            vmm.front.send(request, bytes(8), [theirs.fileno()] * 8)
    vmm.front.sync()
    assert len(os.listdir(f"/proc/{pid}/fd")) == before


RING_FDS = (Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR)


@pytest.mark.parametrize("request_", sorted(SERVED))
def test_a_request_of_another_length_ends_the_session(host, request_):
    """No request that is served has a payload of 7 bytes, nor brings two fds for one.  Fds of requests
    that have none are closed with them."""
    faults = [(bytes(7), 0)] + [(bytes(8), 2)] * (request_ in RING_FDS)
    for payload, n_fds in faults:
        front = FrontEnd(host.vhost)
        fd = eventfd()
        front.send(request_, payload, [fd] * n_fds)
        os.close(fd)
        assert is_gone(front)
        front.close()


def test_headers_that_are_none_end_the_session(host):
    for flags in 0, 2, 3, VERSION | REPLY, VERSION | 16, VERSION | 1 << 31:
        front = FrontEnd(host.vhost)
        front.send(Request.GET_FEATURES, flags=flags)
        assert is_gone(front)
        front.close()
    front = FrontEnd(host.vhost)
    front.socket.sendall(struct.pack("<III", Request.GET_FEATURES, VERSION, 0xffffffff))
    assert is_gone(front)
    front.close()


def test_need_reply_changes_nothing_where_there_is_a_reply(vmm):
    front = vmm.front
    for request in Request.GET_FEATURES, Request.GET_PROTOCOL_FEATURES, Request.GET_QUEUE_NUM, \
            Request.GET_MAX_MEM_SLOTS:
        assert front.ask(request, flags=VERSION | NEED_REPLY) == front.ask(request)
    ask = struct.pack("<III", 0, 8, 0) + bytes(8)
    assert front.ask(Request.GET_CONFIG, ask, VERSION | NEED_REPLY) == \
        front.ask(Request.GET_CONFIG, ask)
    base = struct.pack("<II", RX, 0)
    assert front.ask(Request.GET_VRING_BASE, base, VERSION | NEED_REPLY) == \
        front.ask(Request.GET_VRING_BASE, base)
    front.sync()


def test_every_step_can_be_acknowledged(host):
    with Vmm(host, checked=True) as vmm:
        vmm.start()
        assert_works(vmm, host)
        vmm.front.reset_owner()
        vmm.front.set_owner()
    with Vmm(host, checked=True) as vmm:
        vmm.start(kick=False, call=False)
        assert_works(vmm, host)


def addresses(index, desc=0, used=0, avail=0, flags=0):
    return struct.pack("<IIQQQQ", index, flags, desc, used, avail, 0)


@pytest.mark.parametrize("request_, payload", [
    (Request.SET_VRING_NUM, struct.pack("<II", 3, 128)),
    (Request.SET_VRING_NUM, struct.pack("<II", 0, 0)),
    (Request.SET_VRING_NUM, struct.pack("<II", 0, 100)),
    (Request.SET_VRING_NUM, struct.pack("<II", 0, 2048)),
    (Request.SET_VRING_NUM, struct.pack("<II", 0, 1 << 31)),
    (Request.SET_VRING_BASE, struct.pack("<II", 3, 0)),
    (Request.SET_VRING_BASE, struct.pack("<II", 0, 0x10000)),
    (Request.SET_VRING_ENABLE, struct.pack("<II", 3, 1)),
    (Request.SET_VRING_ENABLE, struct.pack("<II", 0, 2)),
    (Request.SET_VRING_ADDR, addresses(3)),
    (Request.SET_VRING_ADDR, addresses(0, desc=8)),
    (Request.SET_VRING_ADDR, addresses(0, used=2)),
    (Request.SET_VRING_ADDR, addresses(0, avail=1)),
    (Request.SET_VRING_ADDR, addresses(0, flags=1)),  # of the dirty log, which is not offered
    (Request.SET_VRING_KICK, struct.pack("<Q", 0x103)),
    (Request.SET_VRING_CALL, struct.pack("<Q", 0x1ff)),
])
def test_a_value_that_cannot_be(host, request_, payload):
    """It is told where a reply is awaited, else the session ends; nothing has changed."""
    with Vmm(host) as vmm:
        vmm.negotiate()
        vmm.share_memory()
        with pytest.raises(Refused):
            vmm.front.acknowledged(request_, payload)
        vmm.front.send(request_, payload)
        assert is_gone(vmm.front)


def test_a_running_queue_is_frozen(guest, host):
    """What it already has may be said again."""
    for request, payload in (
            (Request.SET_VRING_NUM, struct.pack("<II", TX, 64)),
            (Request.SET_VRING_BASE, struct.pack("<II", TX, 0)),
            (Request.SET_VRING_ADDR, addresses(TX, *(guest.memory.user(guest.rx.desc),) * 3))):
        with pytest.raises(Refused):
            guest.front.acknowledged(request, payload)
    guest.front.set_vring_num(TX, guest.tx.size)
    guest.set_addresses(TX)
    guest.front.set_features(guest.features)
    assert_works(guest, host)


@pytest.mark.parametrize("table", [
    [(0, 0, 0)],                                   # no bytes
    [(0, 0x2000, 0), (0x1000, 0x2000, 0)],         # overlap
    [(0, 0x1000, 0x1000000)],                      # past the file's end
    [((1 << 64) - 0x1000, 0x2000, 0)],             # wraps around
    [(0, 1 << 63, 0)],
    [],
])
def test_a_memory_table_that_cannot_be(host, table):
    """The one that was there stays."""
    with Vmm(host) as vmm, contextlib.closing(Region(0, 0x10000)) as spare:
        vmm.start()
        payload = struct.pack("<II", len(table), 0) + b"".join(
            struct.pack("<QQQQ", addr, size, addr, offset) for addr, size, offset in table)
        with pytest.raises(Refused):
            vmm.front.acknowledged(Request.SET_MEM_TABLE, payload, [spare.fd] * len(table))
        assert_works(vmm, host)


def test_other_files_are_refused(host):
    """Memory is regular files, the rest is eventfds."""
    with Vmm(host) as vmm:
        vmm.start()
        reader, writer = os.pipe()
        ours, theirs = socket.socketpair()
        for fd in reader, writer, theirs.fileno(), vmm.memory.regions[0].fd:
            for request in Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR:
                with pytest.raises(Refused):
                    vmm.front.acknowledged(request, struct.pack("<Q", TX), [fd])
        region = struct.pack("<QQQQQ", 0, 1 << 40, 0x1000, 1 << 40, 0)
        for fd in reader, theirs.fileno(), vmm.tx.kick_fd:
            with pytest.raises(Refused):
                vmm.front.acknowledged(Request.ADD_MEM_REG, region, [fd])
        os.close(reader)
        os.close(writer)
        ours.close()
        theirs.close()
        assert_works(vmm, host)


def test_a_second_vmm_is_turned_away(own_host):
    with Vmm(own_host) as vmm:
        vmm.start()
        with connected(vmm, own_host) as (connection, program):
            for _ in range(3):
                with contextlib.closing(FrontEnd(own_host.vhost)) as second:
                    assert is_gone(second)
            assert own_host.said("turned away", times=3)
            connection.send(b"undisturbed")
            assert program.recv(100) == b"undisturbed"


def next_front_end(host):
    """One that is served: the last one's messages may still be worked off."""
    while True:
        front = FrontEnd(host.vhost)
        if not is_gone(front):
            return front
        front.close()


def conversation(vmm):
    """The messages of a start, as (request, payload, fds)."""
    said = []
    vmm.front.send = lambda request, payload=b"", fds=(), flags=VERSION: \
        said.append((request, payload, list(fds), flags))
    answers = {Request.GET_FEATURES: struct.pack("<Q", FEATURES),
               Request.GET_PROTOCOL_FEATURES: struct.pack("<Q", P_MQ | P_REPLY_ACK | P_CONFIG),
               Request.GET_QUEUE_NUM: struct.pack("<Q", 3),
               Request.SET_MEM_TABLE: bytes(8),
               Request.GET_CONFIG: struct.pack("<IIIQ", 0, 8, 0, vmm.cid)}
    vmm.front.receive = answers.get
    vmm.start()
    return said


def test_a_vmm_vanishes_at_each_step(host):
    """After each message, and within each.  The next one finds a new device."""
    with Vmm(host) as script:
        said = conversation(script)
        # The script's own connection has said nothing, but it is there.
        script.front.socket.close()
        for n in range(len(said) + 1):
            for cut in None, 1, 11, 13:
                front = next_front_end(host)
                for request, payload, fds, flags in said[:n]:
                    front.send(request, payload, fds, flags)
                if cut and n < len(said):
                    request, payload, fds, flags = said[n]
                    message = struct.pack("<III", request, flags, len(payload)) + payload
                    socket.send_fds(front.socket, [message[:cut]], fds)
                front.close()
    with Vmm(host) as vmm:
        vmm.start()
        assert_works(vmm, host)


def test_a_vmm_sends_byte_by_byte(host):
    with Vmm(host) as vmm:
        vmm.front.send = vmm.front.send_bytewise
        vmm.start()
        assert_works(vmm, host)


def test_a_vmm_does_not_read_its_replies(host):
    """The session ends before they fill more than a socket's buffer."""
    front = FrontEnd(host.vhost)
    with pytest.raises(Disconnected):
        for _ in range(100_000):
            front.send(Request.GET_FEATURES)
    front.close()
    with Vmm(host) as vmm:
        vmm.start()
        assert_works(vmm, host)


def fds_of_front(host):
    """How many it has open while a VMM is connected that has said nothing."""
    with contextlib.closing(next_front_end(host)):
        return len(os.listdir(f"/proc/{host.fronts()[0]}/fd"))


def test_no_fds_are_left_of_a_session(host):
    before = fds_of_front(host)
    for _ in range(3):
        with Vmm(host, Memory([Region(i << 22, 1 << 22) for i in range(32)])) as vmm:
            vmm.start(size=16, n_rx=4)
            vmm.front.set_mem_table(vmm.memory.regions)
        assert fds_of_front(host) == before
