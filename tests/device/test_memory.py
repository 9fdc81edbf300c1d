# SPDX-License-Identifier: Apache-2.0
"""The guest's memory: of every kind, in any number of regions, and changed while queues run."""

import contextlib
import os

import pytest
from host import eventually, read_exactly
from memory import HUGE_PAGE, PAGE, Memory, Region
from traffic import assert_works, connected, exchange, to_guest, to_host
from vhost_user import Refused
from vmm import RX, TX, Vmm
from vsock import HEADER_BYTES, Op, Packet

MIB = 1 << 20
GIB = 1 << 30
HUGE_PAGES = "/proc/sys/vm/nr_hugepages"


def reserved_huge_pages():
    with open(HUGE_PAGES, encoding="ascii") as file:
        return int(file.read())


def reserve_huge_pages(n):
    with open(HUGE_PAGES, "w", encoding="ascii") as file:
        file.write(str(n))


@pytest.fixture
def huge_pages():
    """Sixteen huge pages, given back afterwards."""
    try:
        before = reserved_huge_pages()
        reserve_huge_pages(before + 16)
    except OSError:
        pytest.skip("huge pages cannot be reserved: this takes root, and a writable /proc/sys")
    try:
        if reserved_huge_pages() < before + 16:
            pytest.skip("the machine has no 32 MiB in huge pages to spare")
        yield
    finally:
        reserve_huge_pages(before)


@pytest.mark.parametrize("kind", ["memfd", "file"])
@pytest.mark.parametrize("mmap_offset", [0, PAGE, 3 * PAGE + 48])
def test_one_region(host, kind, mmap_offset):
    with Vmm(host, Memory([Region(0, 32 * MIB, mmap_offset, kind)])) as vmm:
        vmm.start()
        assert_works(vmm, host)


def test_huge_pages(host, huge_pages):
    """The region need not begin at a huge page's border, either."""
    for offset in 0, HUGE_PAGE // 2:
        region = Region(0, 7 * HUGE_PAGE, offset, "hugetlb")
        with Vmm(host, Memory([region])) as vmm:
            vmm.start(size=64)
            assert_works(vmm, host)


def low_and_high():
    """As q35 has them: below and above 4 GiB, in one file with a gap between the addresses."""
    low = Region(0, 8 * MIB)
    high = Region(4 * GIB, 32 * MIB, mmap_offset=8 * MIB)
    return Memory([low, high])


@pytest.mark.parametrize("rings, buffers", [(0, 1), (1, 0), (1, 1)])
def test_two_regions_with_a_gap(host, rings, buffers):
    with Vmm(host, low_and_high()) as vmm:
        regions = vmm.memory.regions
        vmm.negotiate()
        vmm.share_memory()
        vmm.memory.home = regions[rings]
        for index in RX, TX:
            vmm.make_queue(index)
            vmm.set_up_queue(index)
        vmm.memory.home = regions[buffers]
        vmm.run_driver()
        vmm.enable()
        assert_works(vmm, host)


def test_every_part_of_a_ring_in_a_region_of_its_own(host):
    regions = [Region(i * MIB, MIB) for i in range(6)] + [Region(GIB, 16 * MIB)]
    with Vmm(host, Memory(regions)) as vmm:
        vmm.memory.home = regions[6]
        vmm.negotiate()
        vmm.share_memory()
        for index in RX, TX:
            parts = [vmm.memory.allocate(PAGE, region=regions[3 * index + i]) for i in range(3)]
            vmm.make_queue(index, parts=parts)
            vmm.set_up_queue(index)
        vmm.run_driver()
        vmm.enable()
        assert_works(vmm, host)


def test_all_regions_that_there_may_be(host):
    """32 adjoining ones, in falling order, each with a file of its own: buffers cross many."""
    regions = [Region(i * MIB, MIB) for i in reversed(range(32))]
    with Vmm(host, Memory(regions)) as vmm:
        vmm.memory.home = regions[-1]
        vmm.negotiate()
        vmm.share_memory()
        for index in RX, TX:
            vmm.make_queue(index, 16)
            vmm.set_up_queue(index)
        vmm.memory.home = Region(MIB, 31 * MIB)  # for their addresses only: the memory is theirs
        vmm.run_driver()
        vmm.memory.home.close()
        vmm.enable()
        assert_works(vmm, host)


def test_a_buffer_crosses_adjoining_regions(host):
    """A packet either way, with the border at each place of its header and at the data's ends."""
    border = 8 * MIB
    data = os.urandom(1000)
    with Vmm(host, Memory([Region(0, border), Region(border, 8 * MIB)])) as vmm:
        vmm.start(n_rx=0)
        vmm.refill = False
        vmm.automatic = False
        vmm.rx.add(in_=[(vmm.memory.allocate(HEADER_BYTES), HEADER_BYTES)])
        vmm.rx.kick()
        with host.listen(5000) as listener:
            vmm.transmit(Packet(700, 5000, Op.REQUEST))
            program = listener.accept()[0]
            vmm.expect(Op.RESPONSE)
        whole = HEADER_BYTES + len(data)
        with program:
            for before in [*range(1, HEADER_BYTES + 2), whole - 1, whole]:
                vmm.memory.write(border - before,
                                 Packet(700, 5000, Op.RW, data).encode(vmm.cid))
                vmm.tx.add(out=[(border - before, whole)])
                vmm.tx.kick()
                assert read_exactly(program, len(data)) == data
                vmm.flush()

                vmm.memory.write(border - before, b"\xee" * (whole + 1))
                vmm.rx.add(in_=[(border - before, whole)])
                program.sendall(data)
                vmm.rx.kick()
                assert vmm.expect(Op.RW).data == data
                assert vmm.memory.read(border - before + whole, 1) == b"\xee"


def test_a_gap_is_no_memory(host):
    """A buffer that reaches one byte into it breaks its queue, and only that session."""
    with Vmm(host, Memory([Region(0, 16 * MIB), Region(16 * MIB + PAGE, 4 * MIB)])) as vmm:
        vmm.start()
        vmm.tx.add(out=[(16 * MIB - 100, 101)], indirect=False)
        vmm.tx.kick()
        assert eventually(vmm.tx.is_broken)
        vmm.restart()
        assert_works(vmm, host)


# ---- tables that change ----

def moved(memory, region, mmap_offset):
    """The same guest memory in another file."""
    new = Region(region.guest_addr, region.size, mmap_offset, user_addr=region.user_addr)
    new.view[:] = region.view
    memory.regions[memory.regions.index(region)] = new
    if memory.home is region:
        memory.home = new
    memory._next[id(new)] = memory._next.get(id(region), region.guest_addr)
    return new


def test_a_new_table_while_queues_run(host):
    """The region of the rings and of all buffers comes from another file, time and again."""
    with Vmm(host) as vmm:
        vmm.start()
        with connected(vmm, host) as (connection, program):
            for i in range(1, 6):
                old = vmm.memory.regions[0]
                moved(vmm.memory, old, i * PAGE)
                vmm.share_memory()
                # What the device did to the old file before it took the new one cannot be seen:
                # it had nothing to do.
                old.close()
                exchange(vmm, connection, program)
            connection.close()


def test_regions_are_added_around_the_running_rings(host):
    with Vmm(host, Memory([Region(GIB, 16 * MIB)])) as vmm:
        vmm.start()
        with connected(vmm, host) as (connection, program):
            for addr in 0, 2 * GIB, GIB + 16 * MIB, GIB - 16 * MIB:
                vmm.memory.add(Region(addr, 16 * MIB))
                vmm.share_memory()
                exchange(vmm, connection, program)
            while len(vmm.memory.regions) > 1:
                vmm.memory.regions.pop().close()
                vmm.share_memory()
                exchange(vmm, connection, program)
            connection.close()


def test_memory_is_plugged_and_unplugged_by_region(host):
    """Buffers in the new region at once; the connection goes on when it leaves."""
    with Vmm(host) as vmm:
        vmm.start(n_rx=8)
        vmm.refill = False
        home = vmm.memory.home
        with connected(vmm, host) as (connection, program):
            for i in range(3):
                region = vmm.memory.add(Region(GIB + i * 16 * MIB, 16 * MIB))
                vmm.front.add_mem_reg(region)
                vmm.memory.home = region
                vmm.offer_rx(8)
                while any(vmm.memory.at(chain.in_[0][0]) is region
                          for chain in vmm.rx.outstanding.values()):
                    to_guest(vmm, connection, program, os.urandom(1000))
                vmm.memory.home = home
                vmm.offer_rx(8)
                vmm.memory.regions.remove(region)
                vmm.front.rem_mem_reg(region, [] if i else [region.fd])
                region.close()
                to_host(vmm, connection, program, os.urandom(10_000))


def test_a_region_that_is_not_there_is_not_removed(guest, host):
    region = guest.memory.regions[0]
    for other in (Region(region.guest_addr, region.size - PAGE, user_addr=region.user_addr),
                  Region(region.guest_addr + PAGE, region.size, user_addr=region.user_addr),
                  Region(region.guest_addr, region.size, user_addr=region.user_addr + PAGE)):
        with contextlib.closing(other), pytest.raises(Refused):
            guest.front.rem_mem_reg(other)
    with pytest.raises(Refused):
        guest.front.add_mem_reg(region)
    assert_works(guest, host)


def test_the_rings_region_is_removed(guest, host):
    """Their queues stop, and start again when it is back."""
    with connected(guest, host) as (connection, program):
        region = guest.memory.regions[0]
        guest.front.rem_mem_reg(region)
        program.sendall(b"meanwhile")
        guest.front.add_mem_reg(region)
        guest.front.sync()
        assert connection.recv_exactly(9) == b"meanwhile"
        exchange(guest, connection, program)
        connection.close()


def test_a_file_that_shrinks_hurts_only_its_own_front(own_host):
    """SIGBUS ends the front of this guest; the daemon goes on and gives the next VMM a new one."""
    own_host.fronts_may_die = True
    with Vmm(own_host) as vmm:
        vmm.start()
        front = own_host.fronts()
        os.ftruncate(vmm.memory.regions[0].fd, 0)
        os.eventfd_write(vmm.tx.kick_fd, 1)
        assert own_host.said("front", "was killed by")
        with contextlib.suppress(Exception):
            vmm.front.sync()
        # Its own view of the memory is gone, too: not to be touched any more.
    assert own_host.fronts() != front
    with Vmm(own_host) as vmm:
        vmm.start()
        assert_works(vmm, own_host)
