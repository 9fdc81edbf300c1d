# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers, written and read without the flatbuffers package: just enough of the format.

To be written are trees of Table, Vector, str and bytes.  Scalars that equal their default are left out, as
real writers leave them out.
"""

import struct

SCALARS = {"bool": "?", "byte": "b", "ubyte": "B", "int": "i", "uint": "I", "long": "q", "float": "f",
           "double": "d"}


def size_of(kind):
    return struct.calcsize("<" + SCALARS[kind]) if kind in SCALARS else 4


class Table:
    """Fields by their ids.  kind: a scalar's, or "ref" for what stands elsewhere."""

    def __init__(self):
        self.fields = {}

    def scalar(self, field, kind, value, default=0):
        if value is not None and value != default:
            self.fields[field] = (kind, value)
        return self

    def ref(self, field, value):
        if value is not None:
            self.fields[field] = ("ref", value)
        return self


class Vector:
    def __init__(self, kind, items):
        self.kind = kind
        self.items = list(items)


class Writer:
    def __init__(self):
        self.out = bytearray()
        self.vtables = {}

    def align(self, size, after=0):
        """So that what stands `after` bytes further on is aligned."""
        self.out.extend(bytes(-(len(self.out) + after) % size))

    def point(self, at, to):
        struct.pack_into("<I", self.out, at, to - at)

    def put(self, value):
        """Where the value stands."""
        if isinstance(value, Table):
            return self.put_table(value)
        if isinstance(value, Vector):
            return self.put_vector(value)
        self.align(4)
        at = len(self.out)
        if isinstance(value, str):
            text = value.encode()
            self.out += struct.pack("<I", len(text)) + text + b"\0"
        else:
            self.out += struct.pack("<I", len(value)) + value
        return at

    def put_vector(self, vector):
        size = size_of(vector.kind)
        self.align(4)
        self.align(size, after=4)
        at = len(self.out)
        self.out += struct.pack("<I", len(vector.items))
        if vector.kind in SCALARS:
            self.out += struct.pack(f"<{len(vector.items)}{SCALARS[vector.kind]}", *vector.items)
            return at
        self.out.extend(bytes(4 * len(vector.items)))
        for i, item in enumerate(vector.items):
            self.point(at + 4 + 4 * i, self.put(item))
        return at

    def put_table(self, table):
        places, end = {}, 4
        for field in sorted(table.fields, key=lambda f: (-size_of(table.fields[f][0]), f)):
            size = size_of(table.fields[field][0])
            end += -end % size
            places[field] = end
            end += size
        slots = [places.get(field, 0) for field in range(max(places, default=-1) + 1)]
        vtable = struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), end, *slots)
        if vtable not in self.vtables:
            self.align(2)
            self.vtables[vtable] = len(self.out)
            self.out += vtable
        self.align(8)
        at = len(self.out)
        self.out.extend(bytes(end))
        struct.pack_into("<i", self.out, at, at - self.vtables[vtable])
        for field, place in places.items():
            kind, value = table.fields[field]
            if kind == "ref":
                self.point(at + place, self.put(value))
            else:
                struct.pack_into("<" + SCALARS[kind], self.out, at + place, value)
        return at


def write(root, identifier=b""):
    writer = Writer()
    writer.out.extend(bytes(4) + identifier)
    writer.point(0, writer.put(root))
    writer.align(4)
    return bytes(writer.out)


class View:
    """A table of a file."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        self.vtable = at - struct.unpack_from("<i", data, at)[0]
        self.n_slots = struct.unpack_from("<H", data, self.vtable)[0] // 2 - 2

    def place(self, field):
        if field >= self.n_slots:
            return 0
        slot = struct.unpack_from("<H", self.data, self.vtable + 4 + 2 * field)[0]
        return self.at + slot if slot else 0

    def scalar(self, field, kind, default=0):
        place = self.place(field)
        return struct.unpack_from("<" + SCALARS[kind], self.data, place)[0] if place else default

    def follow(self, field):
        place = self.place(field)
        return place + struct.unpack_from("<I", self.data, place)[0] if place else 0

    def table(self, field):
        at = self.follow(field)
        return View(self.data, at) if at else None

    def vector(self, field, kind):
        """Its items: of scalars, or views of tables; None for a vector that is absent."""
        at = self.follow(field)
        if not at:
            return None
        n = struct.unpack_from("<I", self.data, at)[0]
        if kind in SCALARS:
            return list(struct.unpack_from(f"<{n}{SCALARS[kind]}", self.data, at + 4))
        places = [at + 4 + 4 * i for i in range(n)]
        return [View(self.data, p + struct.unpack_from("<I", self.data, p)[0]) for p in places]

    def raw(self, field):
        at = self.follow(field)
        if not at:
            return None
        n = struct.unpack_from("<I", self.data, at)[0]
        return self.data[at + 4:at + 4 + n]

    def text(self, field):
        raw = self.raw(field)
        return None if raw is None else raw.decode(errors="replace")


def read(data):
    return View(data, struct.unpack_from("<I", data, 0)[0])
