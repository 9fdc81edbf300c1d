# SPDX-License-Identifier: Apache-2.0
"""A guest's memory as a VMM has it: regions of files, mapped here and shared with the device."""

import mmap
import os
import tempfile

PAGE = 4096
HUGE_PAGE = 2 << 20
USER_BASE = 0x7f00_0000_0000  # where the VMM claims to have mapped its regions
USER_GAP = 1 << 40            # between two of them: guest and user addresses share no distance


class Region:
    """size bytes at a guest address, in a file from mmap_offset on.

    kind: "memfd", "file" (a plain file, unlinked) or "hugetlb".
    """

    def __init__(self, guest_addr, size, mmap_offset=0, kind="memfd", user_addr=None):
        self.guest_addr = guest_addr
        self.size = size
        self.mmap_offset = mmap_offset
        self.user_addr = user_addr  # None: the Memory that it comes to says it
        self.kind = kind
        step = HUGE_PAGE if kind == "hugetlb" else PAGE
        whole = -(-(mmap_offset + size) // step) * step
        self.fd = self._open(kind)
        os.ftruncate(self.fd, whole)
        self._map = mmap.mmap(self.fd, whole)
        self.view = memoryview(self._map)[mmap_offset:mmap_offset + size]

    @staticmethod
    def _open(kind):
        if kind == "file":
            fd, path = tempfile.mkstemp(prefix="tensock-ram.")
            os.unlink(path)
            return fd
        flags = os.MFD_CLOEXEC | (os.MFD_HUGETLB if kind == "hugetlb" else 0)
        return os.memfd_create("guest", flags)

    @property
    def end(self):
        return self.guest_addr + self.size

    def close(self):
        self.view.release()
        self._map.close()
        os.close(self.fd)


class Memory:
    """Regions.  allocate() gives space from the front of `home`, which is the
    first region unless said otherwise; no byte is given twice before forget()."""

    def __init__(self, regions=None):
        self.regions = []
        self._added = 0
        self._next = {}
        for region in regions or [Region(0, 32 << 20)]:
            self.add(region)
        self.home = self.regions[0]

    def add(self, region):
        """One region more, here; telling the device is the VMM's part."""
        if region.user_addr is None:
            region.user_addr = USER_BASE + self._added * USER_GAP + region.guest_addr
        self._added += 1
        self.regions.append(region)
        return region

    def allocate(self, size, align=16, region=None):
        """The guest address of size unused bytes."""
        region = region or self.home
        start = -(-self._next.get(id(region), region.guest_addr) // align) * align
        assert start + size <= region.end, "the guest's memory is too small for this test"
        self._next[id(region)] = start + size
        return start

    def forget(self):
        """All is unused again: for a new driver."""
        self._next.clear()

    def at(self, guest_addr):
        """The region that holds this byte; None: none does."""
        return next((r for r in self.regions if r.guest_addr <= guest_addr < r.end), None)

    def user(self, guest_addr):
        """The VMM's address of a guest address."""
        region = self.at(guest_addr)
        return region.user_addr + guest_addr - region.guest_addr

    def window(self, guest_addr, size):
        """A view of bytes that lie in one region."""
        region = self.at(guest_addr)
        offset = guest_addr - region.guest_addr
        assert offset + size <= region.size
        return region.view[offset:offset + size]

    def _pieces(self, guest_addr, size):
        while size:
            region = self.at(guest_addr)
            assert region, f"no memory at {guest_addr:#x}"
            piece = min(size, region.end - guest_addr)
            yield self.window(guest_addr, piece)
            guest_addr += piece
            size -= piece

    def read(self, guest_addr, size):
        return b"".join(map(bytes, self._pieces(guest_addr, size)))

    def write(self, guest_addr, data):
        data = memoryview(data)
        for window in self._pieces(guest_addr, len(data)):
            window[:] = data[:len(window)]
            data = data[len(window):]

    def close(self):
        for region in self.regions:
            region.close()
