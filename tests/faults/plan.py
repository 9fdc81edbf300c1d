# SPDX-License-Identifier: Apache-2.0
"""A front whose calls fail by plan: see inject.h."""

import mmap
import shutil
import struct

from daemon import BUILD

NOTHING, NO_MEMORY, BAD_CALLS, OLD_MEMORY = range(4)
OLD = b"\xdb"
LAYOUT = struct.Struct("<IIQQQ")
PROGRAMS = ["tensockd", "tensock-worker", "tensock-engine-onnxruntime.so", "libonnxruntime.so.1"]


class Plan:
    """folder: where the programs are copied to, which a daemon is then started from."""

    def __init__(self, folder):
        folder.mkdir()
        for name in PROGRAMS:
            if (BUILD / name).exists():
                shutil.copy(BUILD / name, folder / name)
        shutil.copy(BUILD / "tests/faults/tensock-front", folder / "tensock-front")
        (folder / "plan").write_bytes(bytes(LAYOUT.size))
        with open(folder / "plan", "r+b") as file:
            self.map = mmap.mmap(file.fileno(), LAYOUT.size)

    def set(self, kind, fail_at=0, spared=0):
        """From now on.  The kind is written last: it is what the front looks at."""
        self.map[4:LAYOUT.size] = LAYOUT.pack(kind, spared, 0, fail_at, 0)[4:]
        self.map[0:4] = struct.pack("<I", kind)

    @property
    def injected(self):
        return LAYOUT.unpack(self.map)[4]
