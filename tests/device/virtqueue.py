# SPDX-License-Identifier: Apache-2.0
"""A split virtqueue from the driver's side (VIRTIO 1.2 §2.7), in a guest's memory."""

import os
import struct
import threading

from vhost_user import eventfd

NEXT = 1
WRITE = 2
INDIRECT = 4

NO_INTERRUPT = 1
NO_NOTIFY = 1

DESC_BYTES = 16


class DeviceError(Exception):
    """The device did what no device may do."""


class Chain:
    """Buffers that were offered: out and in_ are lists of (guest address, length)."""

    def __init__(self, head, out, in_, descriptors, tag):
        self.head = head
        self.out = out
        self.in_ = in_
        self.descriptors = descriptors  # those of the queue's own table that it takes
        self.tag = tag
        self.written = None             # by the device, once it has come back


_fence_lock = threading.Lock()


def fence():
    """No load passes a store before it: a lock taken and released is a full barrier on x86."""
    with _fence_lock:
        pass


class Queue:
    """Where the three parts lie may be said; otherwise memory is allocated for them."""

    def __init__(self, memory, size, event_idx=True, indirect=True, parts=None, base=0):
        self.memory = memory
        self.size = size
        self.event_idx = event_idx
        self.indirect = indirect
        self.desc, self.avail, self.used = parts or self.allocate_parts()
        self.kick_fd = eventfd()
        self.call_fd = eventfd()
        self.err_fd = eventfd()
        self.polled = False  # no kicks: the device looks by itself
        self.base = base  # where the device begins
        self.next_avail = base
        self.next_used = base
        self.kicked_avail = base  # up to here the device knows what was offered
        self.kicks = 0
        self.signals = 0
        self.outstanding = {}     # head: Chain, in the order in which they were offered
        self._free = list(range(size))
        self._tables = {}         # head: (address, entries) of the memory for its indirect table
        self._set16(self.used + 2, base)
        self._set16(self.avail + 2, base)

    def allocate_parts(self, region=None):
        """Zeroed space: (descriptors, available ring, used ring), guest addresses."""
        sizes = (16 * self.size, 16), (6 + 2 * self.size, 2), (6 + 8 * self.size, 4)
        parts = [self.memory.allocate(size, align, region) for size, align in sizes]
        for part, (size, _) in zip(parts, sizes):
            self.memory.write(part, bytes(size))
        return parts

    def close(self):
        for fd in self.kick_fd, self.call_fd, self.err_fd:
            os.close(fd)

    # ---- single values; 16 bits are read and written in one access, as a CPU does ----

    def _get16(self, addr):
        return self.memory.window(addr, 2).cast("H")[0]

    def _set16(self, addr, value):
        self.memory.window(addr, 2).cast("H")[0] = value & 0xffff

    @property
    def avail_idx(self):
        return self._get16(self.avail + 2)

    @property
    def used_idx(self):
        return self._get16(self.used + 2)

    def _used_event(self):
        return self.avail + 4 + 2 * self.size

    def _avail_event(self):
        return self.used + 4 + 8 * self.size

    # ---- offering ----

    def write_descriptor(self, table, index, addr, length, flags, following=0):
        self.memory.write(table + DESC_BYTES * index,
                          struct.pack("<QIHH", addr, length, flags, following))

    def _write_table(self, table, places, buffers):
        """One descriptor a buffer (address, length, WRITE or 0), chained, at these places."""
        for i, (place, (addr, length, flags)) in enumerate(zip(places, buffers)):
            last = i + 1 == len(buffers)
            self.write_descriptor(table, place, addr, length, flags | (0 if last else NEXT),
                                  0 if last else places[i + 1])

    def _indirect_table(self, head, n):
        addr, entries = self._tables.get(head, (0, 0))
        if entries < n:
            addr, entries = self.memory.allocate(DESC_BYTES * n), n
            self._tables[head] = addr, entries
        return addr

    def needs(self, n_buffers, indirect=None):
        """How many descriptors of the queue's own table a chain takes."""
        indirect = self.indirect if indirect is None else indirect
        return 1 if indirect and n_buffers > 1 else n_buffers

    def has_room(self, n_buffers, indirect=None):
        return len(self._free) >= self.needs(n_buffers, indirect)

    def add(self, out=(), in_=(), indirect=None, tag=None, publish=True):
        """Offers a chain; kick() tells the device.  An indirect table is used where it was
        negotiated and saves descriptors, as Linux does, unless `indirect` says otherwise."""
        buffers = [(*pair, 0) for pair in out] + [(*pair, WRITE) for pair in in_]
        n = self.needs(len(buffers), indirect)
        assert 0 < n <= len(self._free), "no free descriptors"
        places = [self._free.pop(0) for _ in range(n)]
        head = places[0]
        if n < len(buffers):
            table = self._indirect_table(head, len(buffers))
            self._write_table(table, list(range(len(buffers))), buffers)
            self.write_descriptor(self.desc, head, table, DESC_BYTES * len(buffers), INDIRECT)
        else:
            self._write_table(self.desc, places, buffers)
        chain = Chain(head, list(out), list(in_), places, tag)
        self.outstanding[head] = chain
        self.offer(head, publish)
        return chain

    def offer(self, head, publish=True):
        """Puts any number into the available ring, without a look at it."""
        self._set16(self.avail + 4 + 2 * (self.next_avail % self.size), head)
        self.next_avail = (self.next_avail + 1) & 0xffff
        if publish:
            self.publish()

    def publish(self, index=None):
        self._set16(self.avail + 2, self.next_avail if index is None else index)

    def wants_kick(self):
        """Whether the device asks to be told of what was offered since the last kick."""
        old, new = self.kicked_avail, self.next_avail
        if old == new:
            return False
        fence()
        if not self.event_idx:
            return not self._get16(self.used) & NO_NOTIFY
        event = self._get16(self._avail_event())
        return (new - event - 1) & 0xffff < (new - old) & 0xffff

    def kick(self, force=False):
        if not self.polled and (self.wants_kick() or force):
            os.eventfd_write(self.kick_fd, 1)
            self.kicks += 1
        self.kicked_avail = self.next_avail

    # ---- taking back ----

    def take_used(self):
        """The next chain that has come back, or None."""
        pending = (self.used_idx - self.next_used) & 0xffff
        if pending > len(self.outstanding):
            raise DeviceError(f"{pending} chains came back, {len(self.outstanding)} were offered")
        if pending == 0:
            return None
        elem = self.used + 4 + 8 * (self.next_used % self.size)
        head, written = struct.unpack("<II", self.memory.read(elem, 8))
        # No feature asks for it, but the take-over of a dead front's queues stands on it.
        if head != next(iter(self.outstanding)):
            raise DeviceError(f"chain {head} came back out of order")
        chain = self.outstanding.pop(head)
        if written > sum(length for _, length in chain.in_):
            raise DeviceError(f"{written} bytes are said to be written to a smaller chain")
        chain.written = written
        self._free += chain.descriptors
        self.next_used = (self.next_used + 1) & 0xffff
        return chain

    def want_signal(self, on=True):
        """Asks for a signal at the next used chain, or for none.  True: there is one already."""
        if self.event_idx:
            self._set16(self._used_event(), self.next_used if on else self.next_used - 1)
        else:
            self._set16(self.avail, 0 if on else NO_INTERRUPT)
        fence()
        return self.used_idx != self.next_used

    def drain_signal(self):
        """Takes the signals that are there; how many."""
        try:
            n = os.eventfd_read(self.call_fd)
        except BlockingIOError:
            return 0
        self.signals += n
        return n

    def is_broken(self):
        """Whether the device has told that it gives the queue up; it tells once."""
        try:
            return os.eventfd_read(self.err_fd) > 0
        except BlockingIOError:
            return False
