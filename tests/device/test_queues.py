# SPDX-License-Identifier: Apache-2.0
"""Virtqueues: their life, and every layout that a driver may give its buffers."""

import itertools
import os
import random
import select
import time

import pytest
from host import eventually, read_all, read_exactly
from traffic import assert_works, called, connected, exchange, to_guest, to_host
from virtqueue import INDIRECT, NEXT, WRITE
from vmm import (EVENT, LINUX_5_10, LINUX_6_12, RX, TX, Vmm, linux_6_1_cuts, linux_6_12_cuts)
from vsock import HEADER_BYTES, PAYLOAD_MAX, Op, Packet

RX_LAYOUTS = {
    "Linux 5.10 and 6.1": LINUX_5_10,
    "Linux 6.12": LINUX_6_12,
    "Linux, linear within a page": [3776],
    "one byte of data": [45],
    "one byte of data, apart": [44, 1],
    "a split header": [1, 20, 23, 1000],
    "header byte by byte": [1] * 44 + [4096],
    "header and data overlap descriptors": [40, 8, 4000],
    "a whole packet": [HEADER_BYTES + PAYLOAD_MAX],
    "64 KiB": [65536],
    "more than any packet": [44, 100_000],
    "many pages": [44] + [4096] * 16,
    "empty descriptors between": [0, 44, 0, 0, 4096, 0],
}
TX_CUTS = {
    "Linux 6.1": linux_6_1_cuts,
    "Linux 6.12": linux_6_12_cuts,
    "one descriptor": lambda n: [n],
    "a split header": lambda n: [7, 30] + ([n - 37] if n > 37 else []),
    "byte by byte at the header": lambda n: [1] * 44 + ([n - 44] if n > 44 else []),
    "an empty descriptor": lambda n: [44, 0] + ([n - 44] if n > 44 else [0]),
    "odd pieces": lambda n: [44] + [1000] * ((n - 44) // 1000) + [(n - 44) % 1000],
}


# ---- what is negotiated ----

@pytest.mark.parametrize("event_idx, indirect, kick, call, n_queues", itertools.product(
    [True, False], [True, False], [True, False], [True, False], [2, 3]))
def test_every_combination(host, event_idx, indirect, kick, call, n_queues):
    with Vmm(host) as vmm:
        vmm.start(event_idx, indirect, n_queues, kick=kick, call=call)
        assert_works(vmm, host)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 1024])
@pytest.mark.parametrize("event_idx", [True, False])
def test_every_size(host, size, event_idx):
    """No chain, be it in a table of its own, has more descriptors than the queue."""
    with Vmm(host) as vmm:
        if size == 1:
            vmm.tx_cuts = TX_CUTS["one descriptor"]
        vmm.start(event_idx, size=size, rx_layout=LINUX_6_12 if size == 1 else LINUX_5_10)
        assert_works(vmm, host)


def test_queues_of_different_sizes(host):
    with Vmm(host) as vmm:
        vmm.negotiate()
        vmm.share_memory()
        for index, size in (RX, 8), (TX, 512), (EVENT, 4):
            vmm.make_queue(index, size)
            vmm.set_up_queue(index)
        vmm.run_driver()
        vmm.enable()
        assert_works(vmm, host)


def test_a_legacy_vmm_without_protocol_features(host):
    """Its rings need no enabling."""
    with Vmm(host) as vmm:
        front = vmm.front
        front.set_owner()
        vmm.features = front.get_features() & ~(1 << 30)
        front.set_features(vmm.features)
        vmm.share_memory()
        for index in RX, TX:
            vmm.make_queue(index)
            vmm.set_up_queue(index)
        front.sync()
        vmm.run_driver()
        vmm.pump()
        assert_works(vmm, host)


def test_the_event_queue_is_left_alone(host):
    """There is no event for a guest of this device: its buffers stay where they are."""
    with Vmm(host) as vmm:
        vmm.start(n_queues=3)
        event = vmm.queues[EVENT]
        for _ in range(8):
            event.add(in_=[(vmm.memory.allocate(8), 8)])
        event.kick(force=True)
        assert_works(vmm, host)
        assert event.used_idx == 0


# ---- signals ----

@pytest.mark.parametrize("event_idx", [True, False])
def test_a_driver_that_wants_no_signals_gets_none(host, event_idx):
    with Vmm(host) as vmm:
        vmm.start(event_idx=event_idx)
        # The first one after the start comes unasked, as nothing is known of the driver yet.
        vmm.transmit(Packet(1, 1, Op.RW, b"to nobody"))
        vmm.wait(lambda: vmm.peer.stray)
        vmm.flush()
        vmm.pump()
        for port in range(50):
            for queue in vmm.queues.values():
                queue.want_signal(False)
            vmm.transmit(Packet(port, 1, Op.RW, b"to nobody"))
            assert eventually(lambda: not vmm.tx.outstanding or vmm._take_tx())
            assert eventually(lambda: len(vmm.peer.stray) == port + 2 or not vmm._take_rx())
            if port == 0:
                # A signal comes right behind what it is for: that of the turn before this one's.
                for queue in vmm.queues.values():
                    queue.drain_signal()
        assert [queue.drain_signal() for queue in vmm.queues.values()] == [0, 0]


def test_the_device_asks_for_few_kicks_when_busy(host):
    """A burst of packets costs far fewer kicks than packets."""
    for event_idx in True, False:
        with Vmm(host) as vmm:
            vmm.start(event_idx=event_idx, size=256)
            with connected(vmm, host) as (connection, program):
                before = vmm.tx.kicks
                to_host(vmm, connection, program, bytes(1 << 20), piece=4096)
                assert vmm.tx.kicks - before < 256


def test_signals_may_be_left_unread(guest, host):
    """The call eventfd is full: the device does not block on it."""
    for queue in guest.queues.values():
        os.eventfd_write(queue.call_fd, (1 << 64) - 2)
    for port in range(10):
        guest.transmit(Packet(port, 1, Op.RW, b"to nobody"))
    assert eventually(lambda: guest.rx.used_idx == guest.rx.next_used + 10)
    guest.pump()
    assert_works(guest, host)


def test_fds_are_exchanged_while_queues_run(guest, host):
    with connected(guest, host) as (connection, program):
        for i in range(20):
            queue = guest.queues[i % 2]
            old = queue.kick_fd, queue.call_fd, queue.err_fd
            queue.kick_fd, queue.call_fd, queue.err_fd = (
                os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in old)
            guest.front.set_vring_kick(i % 2, queue.kick_fd)
            guest.front.set_vring_call(i % 2, queue.call_fd)
            guest.front.set_vring_err(i % 2, queue.err_fd)
            guest.front.sync()
            for fd in old:
                os.close(fd)
            exchange(guest, connection, program, 10_000)
        connection.close()


def test_from_polled_to_kicked_and_back(guest, host):
    for polled in True, False, True:
        for index, queue in guest.queues.items():
            queue.polled = polled
            guest.front.set_vring_kick(index, None if polled else queue.kick_fd)
        guest.front.sync()
        assert_works(guest, host)


# ---- layouts ----

@pytest.mark.parametrize("indirect", [True, False])
@pytest.mark.parametrize("layout", RX_LAYOUTS.values(), ids=RX_LAYOUTS)
def test_receive_buffers_of_any_layout(host, layout, indirect):
    with Vmm(host) as vmm:
        vmm.start(indirect=indirect, rx_layout=layout)
        data = os.urandom(20_000 if sum(layout) < 200 else 300_000)
        with connected(vmm, host) as (connection, program):
            to_guest(vmm, connection, program, data)
            connection.send(b"and back")
            vmm.flush()
            assert read_exactly(program, 8) == b"and back"
            connection.close()
        with called(vmm, host) as (connection, program):
            to_guest(vmm, connection, program, data[:1000])


@pytest.mark.parametrize("indirect", [True, False])
@pytest.mark.parametrize("cuts", TX_CUTS.values(), ids=TX_CUTS)
def test_packets_of_any_layout(host, cuts, indirect):
    with Vmm(host) as vmm:
        vmm.tx_cuts = cuts
        vmm.start(indirect=indirect)
        with connected(vmm, host) as (connection, program):
            for n in 1, 100, 4096, 32_500, 33_000, PAYLOAD_MAX:
                to_host(vmm, connection, program, os.urandom(n))
            connection.close()


def test_buffers_of_all_layouts_mixed(host):
    """Nothing depends on what the last buffer was."""
    with Vmm(host) as vmm:
        vmm.start(n_rx=0)
        shuffled = random.Random(1)
        layouts = [shuffled.choice(list(RX_LAYOUTS.values())) for _ in range(40)]
        for layout in layouts:
            vmm.rx.add(in_=[(vmm.memory.allocate(n), n) for n in layout])
        with connected(vmm, host) as (connection, program):
            to_guest(vmm, connection, program, os.urandom(500_000))
            connection.close()


@pytest.mark.parametrize("layout", [[43], [1], [0], [20, 23]])
def test_a_buffer_too_small_for_a_header_comes_back_empty(host, layout):
    with Vmm(host) as vmm:
        vmm.start(n_rx=0)
        vmm.automatic = False
        vmm.refill = False
        small = vmm.rx.add(in_=[(vmm.memory.allocate(n), n) for n in layout])
        vmm.memory.write(small.in_[0][0], b"\xee" * layout[0])
        good = vmm.rx.add(in_=[(vmm.memory.allocate(4140), 4140)])
        vmm.rx.kick()
        vmm.transmit(Packet(1, 1, Op.RW, b"to nobody"))
        assert eventually(lambda: vmm.rx.used_idx == 2)
        assert vmm.rx.take_used() is small
        assert small.written == 0
        assert vmm.memory.read(small.in_[0][0], layout[0]) == b"\xee" * layout[0]
        assert vmm.rx.take_used() is good
        assert good.written == HEADER_BYTES


def test_nothing_is_written_behind_a_packet(guest, host):
    """Of each buffer only as many bytes as the used ring says."""
    with connected(guest, host) as (connection, program):
        guest.refill = False
        offered = list(guest.rx.outstanding.values())
        for chain in offered:
            for addr, length in chain.in_:
                guest.memory.write(addr, b"\xee" * length)
        for n in 1, 1000, 4095, 4096:
            program.sendall(b"x" * n)
            assert connection.recv_exactly(n) == b"x" * n
        for chain in offered:
            behind = b"".join(guest.memory.read(*pair) for pair in chain.in_)[chain.written or 0:]
            assert behind == b"\xee" * len(behind)


def test_buffers_of_the_wrong_direction(guest, host):
    """What the device might write in a packet to it, it does not; what it might read in a receive
    buffer, it passes over."""
    spare = guest.memory.allocate(100)
    guest.memory.write(spare, b"\xee" * 100)
    with connected(guest, host) as (connection, program):
        data = Packet(connection.guest_port, connection.host_port, Op.RW, b"hello").encode(guest.cid)
        addr = guest.memory.allocate(len(data))
        guest.memory.write(addr, data)
        connection.tx_cnt += 5
        guest.tx.add(out=[(addr, len(data))], in_=[(spare, 100)])
        guest.tx.kick()
        assert read_exactly(program, 5) == b"hello"
        guest.flush()
        assert guest.memory.read(spare, 100) == b"\xee" * 100
        guest.refill = False
        while guest.rx.has_room(2):
            guest.rx.add(out=[(spare, 100)], in_=[(guest.memory.allocate(5000), 5000)])
        guest.rx.kick()
        to_guest(guest, connection, program, os.urandom(400_000))


# ---- rules broken by the driver ----

def raw_chain(vmm, queue, descriptors, head=0):
    """Descriptors (address, length, flags, next) put into the table from place 0 on, and offered."""
    for place, descriptor in enumerate(descriptors):
        queue.write_descriptor(queue.desc, place, *descriptor)
    queue.offer(head)
    queue.kick(force=True)


def breakages(vmm):
    """name: what a driver must not do to a queue of 128."""
    here = vmm.memory.allocate(1 << 16)
    end = vmm.memory.regions[0].end
    table = vmm.memory.allocate(16 * 200)
    nested = vmm.memory.allocate(16)

    def indirect(*descriptors, length=None, at=table):
        for place, descriptor in enumerate(descriptors):
            vmm.tx.write_descriptor(at, place, *descriptor)
        return [(at, 16 * len(descriptors) if length is None else length, INDIRECT)]

    vmm.tx.write_descriptor(nested, 0, here, 44, 0)
    return {
        "head out of range": dict(descriptors=[], head=128),
        "head far out of range": dict(descriptors=[], head=0xffff),
        "a loop of one": dict(descriptors=[(here, 44, NEXT, 0)]),
        "a loop of two": dict(descriptors=[(here, 44, NEXT, 1), (here, 1, NEXT, 0)]),
        "next out of range": dict(descriptors=[(here, 44, NEXT, 128)]),
        "outside of memory": dict(descriptors=[(end, 44, 0)]),
        "beyond the end": dict(descriptors=[(end - 43, 44, 0)]),
        "wraps around": dict(descriptors=[((1 << 64) - 1, 44, 0)]),
        "4 GiB": dict(descriptors=[(here, 0xffffffff, 0)]),
        "written, then read": dict(descriptors=[(here, 44, WRITE | NEXT, 1), (here, 44, 0)]),
        "an empty table": dict(descriptors=indirect(length=0)),
        "a table of a half": dict(descriptors=indirect((here, 44, 0), length=24)),
        "a table larger than the queue": dict(descriptors=indirect((here, 44, 0), length=129 * 16)),
        "a table outside": dict(descriptors=[(end, 16, INDIRECT)]),
        "a table beyond the end": dict(descriptors=[(end - 8, 16, INDIRECT)]),
        "a table at the end of all": dict(descriptors=[((1 << 64) - 16, 32, INDIRECT)]),
        "a table in a table": dict(descriptors=indirect((nested, 16, INDIRECT))),
        "a table and more": dict(descriptors=[(table, 16, INDIRECT | NEXT, 1), (here, 44, 0)]),
        "a loop in a table": dict(descriptors=indirect((here, 44, NEXT, 0))),
        "a jump out of a table": dict(descriptors=indirect((here, 44, NEXT, 1))),
        "too many pieces": dict(descriptors=indirect(*[(here, 1, NEXT, i + 1) for i in range(127)],
                                                     (here, 1, NEXT, 128))),
    }


@pytest.mark.parametrize("event_idx", [True, False])
def test_a_driver_breaks_its_queue(host, event_idx):
    """It is told by the err eventfd, the chain does not come back, and a reset mends it."""
    with Vmm(host) as vmm:
        vmm.start(event_idx=event_idx)
        for name in breakages(vmm):
            raw_chain(vmm, vmm.tx, **breakages(vmm)[name])
            assert eventually(vmm.tx.is_broken), name
            assert vmm.tx.used_idx == vmm.tx.next_used, name
            vmm.restart(event_idx=event_idx)
        assert_works(vmm, host)


def test_an_available_index_that_cannot_be(host):
    for jump in 129, 0x8000, 0xffff:
        with Vmm(host) as vmm:
            vmm.start()
            vmm.tx.publish(vmm.tx.next_avail + jump & 0xffff)
            os.eventfd_write(vmm.tx.kick_fd, 1)
            assert eventually(vmm.tx.is_broken)
            vmm.restart()
            assert_works(vmm, host)


def test_a_broken_receive_queue(guest, host):
    """The other queue is served on; there is only no way to answer."""
    guest.rx.offer(0xffff)
    guest.rx.kick(force=True)
    guest.peer.request(5999)
    assert eventually(lambda: guest.tx.used_idx == guest.tx.next_avail)
    guest.restart()
    assert_works(guest, host)


def test_indirect_without_being_asked(host):
    with Vmm(host) as vmm:
        vmm.start(indirect=False)
        raw_chain(vmm, vmm.tx, [(vmm.memory.allocate(16), 16, INDIRECT)])
        assert eventually(vmm.tx.is_broken)


def test_kicks_for_nothing(guest, host):
    """A guest that only kicks costs little, and loses nothing by it."""
    with connected(guest, host) as (connection, program):
        for _ in range(2000):
            os.eventfd_write(guest.tx.kick_fd, 1)
        exchange(guest, connection, program)
        connection.close()


# ---- starting, stopping, resuming ----

def test_disabled_and_enabled_again(guest, host):
    """While it is disabled nothing is taken; then it goes on where it was."""
    with connected(guest, host) as (connection, program):
        guest.front.set_vring_enable(TX, 0)
        guest.front.sync()
        guest.transmit(Packet(2000, 1, Op.RW, b"to nobody"))
        used = guest.tx.used_idx
        time.sleep(0.02)
        assert guest.tx.used_idx == used
        guest.front.set_vring_enable(TX, 1)
        guest.wait(lambda: any(packet.guest_port == 2000 for packet in guest.peer.stray))
        exchange(guest, connection, program)
        connection.close()
    assert_works(guest, host)


@pytest.mark.parametrize("event_idx", [True, False])
def test_resumed_at_its_base(host, event_idx):
    """GET_VRING_BASE, then SET_VRING_BASE with what it gave: no chain is lost or taken twice."""
    with Vmm(host) as vmm:
        vmm.start(event_idx=event_idx)
        for i in range(20):
            for port in range(30):
                vmm.transmit(Packet(port + 1, 77, Op.RW, b"to nobody"))
            bases = vmm.stop()
            # All that it has taken it has given back.
            assert bases == {index: vmm.queues[index].used_idx for index in (RX, TX)}
            for index in RX, TX:
                vmm.set_up_queue(index)
            vmm.enable()
            vmm.wait(lambda: len(vmm.peer.stray) == 30 * (i + 1))
            assert sorted(p.guest_port for p in vmm.peer.stray[30 * i:]) == list(range(1, 31))
        assert_works(vmm, host)


def test_a_base_of_any_value(host):
    """The indices wrap around at 65536."""
    for base in 1, 0x7fff, 0xffff:
        with Vmm(host) as vmm:
            vmm.start(base=base, size=8)
            assert_works(vmm, host, 1 << 20)


def test_addresses_are_moved(host):
    """Stop, new places for the rings, start: as a guest that resizes or re-plugs its device."""
    with Vmm(host) as vmm:
        vmm.start()
        for _ in range(5):
            vmm.stop()
            for index, queue in vmm.queues.items():
                old = queue.desc, queue.avail, queue.used
                queue.desc, queue.avail, queue.used = queue.allocate_parts()
                sizes = 16 * queue.size, 6 + 2 * queue.size, 6 + 8 * queue.size
                for start, new, size in zip(old, (queue.desc, queue.avail, queue.used), sizes):
                    vmm.memory.write(new, vmm.memory.read(start, size))
                    vmm.memory.write(start, b"\xee" * size)
                vmm.set_up_queue(index)
            vmm.enable()
            vmm.pump()
            assert_works(vmm, host)


def test_another_size_after_a_stop(host):
    with Vmm(host) as vmm:
        for size in 128, 16, 1024, 2:
            vmm.start(size=size)
            assert_works(vmm, host)
            vmm.stop()


def test_started_and_stopped_without_ever_being_used(host):
    with Vmm(host) as vmm:
        for _ in range(50):
            vmm.start(n_rx=0)
            assert vmm.stop() == {RX: 0, TX: 0}
        vmm.start()
        assert_works(vmm, host)


def test_one_queue_alone_does_nothing(host):
    """Until the other one is there as well."""
    for first, second in (RX, TX), (TX, RX):
        with Vmm(host) as vmm:
            vmm.negotiate()
            vmm.share_memory()
            for index in RX, TX:
                vmm.make_queue(index)
            vmm.run_driver()
            request = vmm.peer.request(5998)
            vmm.set_up_queue(first)
            vmm.front.set_vring_enable(first, 1)
            vmm.front.sync()
            time.sleep(0.01)
            assert vmm.tx.used_idx == vmm.rx.used_idx == 0
            vmm.set_up_queue(second)
            vmm.front.set_vring_enable(second, 1)
            vmm.wait(lambda: request.state == "reset")
            assert_works(vmm, host)


def test_the_order_of_the_messages_is_free(host):
    """Any order in which the addresses come behind the memory; a queue runs when it has all."""
    steps = ["features", "num", "base", "addr", "kick", "call", "enable"]
    for seed, last in itertools.product(range(5), ("features", "num", "addr", "kick", "enable")):
        order = random.Random(seed).sample([step for step in steps if step != last], 6) + [last]
        with Vmm(host) as vmm:
            vmm.features = vmm.front.get_features()
            vmm.share_memory()
            for index in RX, TX:
                vmm.make_queue(index)
            for step, index in itertools.product(order, (RX, TX)):
                queue = vmm.queues[index]
                {"features": lambda: vmm.front.set_features(vmm.features),
                 "num": lambda: vmm.front.set_vring_num(index, queue.size),
                 "base": lambda: vmm.front.set_vring_base(index, 0),
                 "addr": lambda: vmm.set_addresses(index),
                 "kick": lambda: vmm.front.set_vring_kick(index, queue.kick_fd),
                 "call": lambda: vmm.front.set_vring_call(index, queue.call_fd),
                 "enable": lambda: vmm.front.set_vring_enable(index, 1)}[step]()
            vmm.front.sync()
            vmm.run_driver()
            vmm.pump()
            assert_works(vmm, host, 1000)


# ---- resets ----

def test_resets_at_any_time(host):
    """In the middle of everything: of an upload, a download, openings and closings."""
    shuffled = random.Random(7)
    with host.listen(5000) as listener, Vmm(host) as vmm:
        vmm.start()
        for _ in range(60):
            busy = [vmm.peer.request(5000) for _ in range(shuffled.randrange(6))]
            vmm.wait(lambda: all(connection.state == "open" for connection in busy))
            programs = [listener.accept()[0] for _ in busy]
            for program in programs:
                program.setblocking(False)
                program.send(bytes(200_000))
            for connection in busy:
                connection.send(os.urandom(min(connection.credit, shuffled.randrange(60_000))))
            for _ in range(shuffled.randrange(30)):
                vmm.pump()
            vmm.restart(event_idx=shuffled.random() < .5, indirect=shuffled.random() < .5,
                        rx_layout=shuffled.choice([LINUX_5_10, LINUX_6_12]))
            for program in programs:
                program.setblocking(True)
                assert ended(program)
                program.close()
    with Vmm(host) as vmm:
        vmm.start()
        assert_works(vmm, host)


def ended(program):
    """Reads up to the end, of whatever kind."""
    try:
        read_all(program)
    except ConnectionResetError:
        pass
    return True


def test_a_vmm_dies_under_load(host):
    """Its connections end, and the next VMM finds all as new."""
    for _ in range(5):
        with host.listen(5000) as listener, Vmm(host) as vmm:
            vmm.start()
            connection = vmm.connect(5000)
            with listener.accept()[0] as program:
                connection.send(os.urandom(200_000))
                vmm.close()
                assert ended(program)
    with Vmm(host) as vmm:
        vmm.start()
        assert_works(vmm, host)


def test_reset_owner_stops_all(guest, host):
    with connected(guest, host) as (connection, program):
        guest.front.reset_owner()
        guest.front.sync()
        guest.transmit(Packet(1, 1, Op.RW, b"to nobody"))
        poll = select.poll()
        poll.register(guest.tx.call_fd, select.POLLIN)
        guest.tx.drain_signal()
        assert not poll.poll(20)
        for index in RX, TX:
            guest.queues[index].base = guest.queues[index].used_idx
            guest.set_up_queue(index)
        guest.front.sync()
        guest.wait(lambda: guest.peer.stray)
        exchange(guest, connection, program)
        connection.close()
    assert_works(guest, host)
