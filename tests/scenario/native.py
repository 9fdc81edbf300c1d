# SPDX-License-Identifier: Apache-2.0
"""A guest's end of the native protocol, written from docs/protocol.md and nothing else."""

import hashlib
import itertools
import socket
import struct

import numpy

TIMEOUT_S = 60
HEADER_BYTES = 16
BODY_MAX = 256 * 1024
ALIGN = 64
NO_INDEX = 0xFFFFFFFF

HELLO, OFFER, INFO, LIST, UNLOAD, INFER, CANCEL, STATS, MEMORY, INFER_MEMORY = range(16, 26)
CHUNK, PING, PONG = range(32, 35)
WELCOME, SEND, MODEL, MODELS, DONE, RESULT, COUNTERS, ERROR, GOAWAY, RESULT_MEMORY, INLINE = range(48, 59)

FEATURE_OPERATORS, FEATURE_MEMORY = 1, 2

# Statuses.
(INVALID_ARGUMENT, INVALID_MODEL, UNSUPPORTED, NOT_FOUND, TOO_LARGE, PERMISSION_DENIED, PROTOCOL,
 LIMIT_REACHED, OUT_OF_MEMORY, UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, WORKER_DIED,
 ENGINE_FAILED, INTERNAL, ALREADY_EXISTS) = range(1, 17)

DTYPES = {"bool": 1, "uint8": 2, "uint16": 3, "uint32": 4, "uint64": 5, "int8": 6, "int16": 7,
          "int32": 8, "int64": 9, "float16": 10, "float32": 11, "float64": 12}
NUMPY = {number: name for name, number in DTYPES.items()}
BYTES = 14


class Refused(Exception):
    """An ERROR."""

    def __init__(self, id_, status, message):
        super().__init__(f"{id_}: {status}: {message}")
        self.id, self.status, self.message = id_, status, message


class Closed(Exception):
    """The host has closed the connection."""


def frame(type_, id_=0, body=b""):
    return struct.pack("<IIQ", type_, id_, len(body)) + body


def string(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<H", len(data)) + data


def hello(version_min=1, version_max=1, program="native.py", features=0):
    return frame(HELLO, 0, struct.pack("<IIQ", version_min, version_max, features) + string(program))


def digest(model):
    return hashlib.sha256(model).digest()


def reference(model, version=""):
    """By its hash (bytes), or by its name."""
    if isinstance(model, bytes):
        return b"\1" + model
    return b"\2" + string(model) + string(version)


def pad(data):
    return data + bytes(-len(data) % ALIGN)


def describe(name, dtype, shape, n, index=NO_INDEX):
    return (string(name) + struct.pack("<III", index, dtype, len(shape)) +
            struct.pack(f"<{len(shape)}qQ", *shape, n))


def question(model, tensors, wanted=(), deadline_ms=0):
    """What an INFER says behind its head, and its payload.  tensors: (name or index, array) each."""
    described, payload = b"", b""
    for name, array in tensors:
        data = array.tobytes()
        index = NO_INDEX if isinstance(name, str) else name
        described += describe(name if isinstance(name, str) else "", DTYPES[array.dtype.name],
                              array.shape, len(data), index)
        payload = pad(payload) + data
    for name in wanted:
        described += (string(name) + struct.pack("<I", NO_INDEX) if isinstance(name, str)
                      else string("") + struct.pack("<I", name))
    return (struct.pack("<I", deadline_ms) + reference(model) +
            struct.pack("<II", len(tensors), len(wanted)) + described), payload


def infer_memory_frame(id_, model, tensors, at, wanted=(), places=(), deadline_ms=0):
    """places: (at, bytes) each.  The payload is to stand in the memory."""
    rest, payload = question(model, tensors, wanted, deadline_ms)
    rest += struct.pack("<QI", at, len(places)) + b"".join(struct.pack("<QQ", *place) for place in places)
    return frame(INFER_MEMORY, id_, struct.pack("<IQ", 12 + len(rest), len(payload)) + rest)


def infer_frames(id_, model, tensors, wanted=(), deadline_ms=0):
    """The frames of an INFER."""
    rest, payload = question(model, tensors, wanted, deadline_ms)
    meta = struct.pack("<IQ", 12 + len(rest), len(payload)) + rest
    body = pad(meta) if payload else meta
    first = payload[:BODY_MAX - len(body)]
    frames = [frame(INFER, id_, body + first)]
    for at in range(len(first), len(payload), BODY_MAX):
        frames.append(frame(CHUNK, id_, payload[at:at + BODY_MAX]))
    return frames


class Reader:
    """Fields of a body, one after the other; nothing may be left at the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        piece = self.data[self.at:self.at + n]
        assert len(piece) == n, "the body is too short"
        self.at += n
        return piece

    def unpack(self, layout):
        values = struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))
        return values if len(values) > 1 else values[0]

    def string(self):
        return self.take(self.unpack("H")).decode()

    def end(self):
        assert self.at == len(self.data), "the body is too long"


class Result:
    """A RESULT as it grows by CHUNKs."""

    def __init__(self, body):
        head = Reader(body)
        meta_bytes, self.payload_bytes = head.unpack("IQ")
        reader = Reader(body[:meta_bytes])
        reader.take(12)
        n, self.queue_ns, self.compute_ns = reader.unpack("IQQ")
        self.described = []
        for _ in range(n):
            name = reader.string()
            index, dtype, rank = reader.unpack("III")
            shape = [reader.unpack("q") for _ in range(rank)]
            self.described.append((name, index, dtype, shape, reader.unpack("Q")))
        reader.end()
        start = meta_bytes + -meta_bytes % ALIGN
        assert not any(body[meta_bytes:start])
        self.payload = bytearray(body[start:])

    def is_whole(self):
        assert len(self.payload) <= self.payload_bytes
        return len(self.payload) == self.payload_bytes

    def outputs(self):
        """By name: arrays, or for BYTES the raw bytes."""
        arrays, at = {}, 0
        for name, _, dtype, shape, n in self.described:
            start = at + -at % ALIGN
            assert not any(self.payload[at:start]), "a gap that is not zero"
            at = start + n
            data = bytes(self.payload[start:at])
            arrays[name] = (numpy.frombuffer(data, NUMPY[dtype]).reshape(shape)
                            if dtype in NUMPY else data)
        assert at == self.payload_bytes
        return arrays


def read_model(reader):
    info = {"hash": reader.take(32)}
    info["size"], info["memory"], info["runs"], info["state"] = reader.unpack("QQQI")
    info["name"], info["version"] = reader.string(), reader.string()
    return info


def read_description(data):
    reader = Reader(data)
    assert reader.unpack("I") == 1
    info = {"engine": reader.string(), "format": reader.string()}
    n_inputs, n_outputs = reader.unpack("II")

    def tensor():
        name = reader.string()
        dtype, rank = reader.unpack("II")
        dims = []
        for _ in range(rank):
            dims.append(reader.unpack("q"))
            reader.string()
        return name, dtype, dims

    info["inputs"] = [tensor() for _ in range(n_inputs)]
    info["outputs"] = [tensor() for _ in range(n_outputs)]
    reader.end()
    return info


def read_described(body):
    """The outputs that a RESULT_MEMORY describes."""
    reader = Reader(body)
    meta_bytes, _payload_bytes, n = reader.unpack("IQI")
    reader.take(16)
    assert meta_bytes == len(body)
    outputs = {}
    for _ in range(n):
        name = reader.string()
        _index, dtype, rank = reader.unpack("III")
        shape = struct.unpack(f"<{rank}q", reader.take(8 * rank))
        outputs[name] = (NUMPY[dtype], shape, reader.unpack("Q"))
    reader.end()
    return outputs


class Guest:
    """One connection.  What is asked has the id that ask functions return.  address: the path of a Unix
    socket, or (host, port)."""

    def __init__(self, address, greet=True, timeout_s=TIMEOUT_S, features=0):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout_s)
        self.socket.connect(address if family == socket.AF_INET else str(address))
        self.ids = itertools.count(1)
        self.results = {}  # that are not whole yet
        self.answers = {}  # by id: what came and was not waited for
        self.said_goodbye = False
        if greet:
            self.send(hello(features=features))
            self.welcome = self.read_welcome()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *frames):
        for data in frames:
            self.socket.sendall(data)

    def receive(self, n):
        data = bytearray(n)
        view = memoryview(data)
        while view:
            try:
                got = self.socket.recv_into(view)
            except ConnectionResetError:
                got = 0
            if not got:
                raise Closed
            view = view[got:]
        return bytes(data)

    def receive_frame(self):
        """(type, id, body)"""
        type_, id_, size = struct.unpack("<IIQ", self.receive(HEADER_BYTES))
        assert size <= BODY_MAX
        return type_, id_, self.receive(size)

    def read_welcome(self):
        type_, id_, body = self.receive_frame()
        if type_ == ERROR:
            raise self.error(id_, body)
        assert (type_, id_) == (WELCOME, 0)
        reader = Reader(body)
        keys = ["version", "requests_max", "features", "model_bytes_max", "request_bytes_max"]
        welcome = dict(zip(keys, reader.unpack("IIQQQ")))
        welcome["program"], welcome["guest"] = reader.string(), reader.string()
        return welcome

    @staticmethod
    def error(id_, body):
        reader = Reader(body)
        status = reader.unpack("I")
        error = Refused(id_, status, reader.string())
        reader.end()
        assert error.message
        return error

    def take(self):
        """Takes one frame; puts what is whole by it into answers.  Returns its type."""
        type_, id_, body = self.receive_frame()
        if type_ == ERROR:
            error = self.error(id_, body)
            if not id_:
                raise error
            self.results.pop(id_, None)
            self.answer(id_, error)
        elif type_ == GOAWAY:
            self.said_goodbye = True
        elif type_ in (RESULT, CHUNK):
            if type_ == RESULT:
                assert id_ not in self.results
                self.results[id_] = Result(body)
            else:
                self.results[id_].payload += body
            if self.results[id_].is_whole():
                self.answer(id_, self.results.pop(id_))
        else:
            self.answer(id_, (type_, body))
        return type_

    def answer(self, id_, answer):
        assert id_ not in self.answers, "two answers"
        self.answers[id_] = answer

    def wait(self, id_, type_=None):
        """The answer to id_: a Result, or the body of a frame of that type.  Raises Refused."""
        while id_ not in self.answers:
            self.take()
        answer = self.answers.pop(id_)
        if isinstance(answer, Refused):
            raise answer
        if type_ is None:
            return answer
        assert answer[0] == type_
        return answer[1]

    def ask(self, type_, body=b""):
        id_ = next(self.ids)
        self.send(frame(type_, id_, body))
        return id_

    def ping(self):
        return self.wait(self.ask(PING), PONG)

    def offer(self, model, name="", version="", size=None):
        size = len(model) if size is None else size
        return self.ask(OFFER, digest(model) + struct.pack("<Q", size) + string(name) +
                        string(version))

    def push(self, model, name="", version=""):
        """Uploads it if the host wants it; what MODEL tells, and the offset it was sent from."""
        id_ = self.offer(model, name, version)
        type_, body = self.wait(id_)
        offset = None
        if type_ == SEND:
            offset, = struct.unpack("<Q", body)
            for at in range(offset, len(model), BODY_MAX):
                self.send(frame(CHUNK, id_, model[at:at + BODY_MAX]))
            type_, body = self.wait(id_)
        assert type_ == MODEL
        return {**self.read_model(body), "sent_from": offset}

    @staticmethod
    def read_model(body):
        reader = Reader(body)
        info = read_model(reader)
        description = reader.take(reader.unpack("I"))
        reader.end()
        return {**info, **(read_description(description) if description else {})}

    def info(self, model, load=False):
        return self.read_model(self.wait(
            self.ask(INFO, reference(model) + struct.pack("<I", load)), MODEL))

    def unload(self, model, remove=False):
        self.wait(self.ask(UNLOAD, reference(model) + struct.pack("<I", remove)), DONE)

    def list(self):
        reader = Reader(self.wait(self.ask(LIST), MODELS))
        models = [read_model(reader) for _ in range(reader.unpack("I"))]
        reader.end()
        return models

    def stats(self):
        reader = Reader(self.wait(self.ask(STATS), COUNTERS))
        counters = {reader.string(): reader.unpack("Q") for _ in range(reader.unpack("I"))}
        reader.end()
        return counters

    def start(self, model, tensors, wanted=(), deadline_ms=0):
        id_ = next(self.ids)
        self.send(*infer_frames(id_, model, tensors, wanted, deadline_ms))
        return id_

    def infer(self, model, tensors, wanted=(), deadline_ms=0):
        return self.wait(self.start(model, tensors, wanted, deadline_ms)).outputs()

    def share(self, fd, size):
        """MEMORY; fd None: without a descriptor."""
        data = frame(MEMORY, 0, struct.pack("<Q", size))
        if fd is None:
            self.send(data)
        else:
            assert socket.send_fds(self.socket, [data], [fd]) == len(data)

    def start_in_memory(self, model, tensors, at, wanted=(), places=(), deadline_ms=0):
        id_ = next(self.ids)
        self.send(infer_memory_frame(id_, model, tensors, at, wanted, places, deadline_ms))
        return id_

    def infer_in_memory(self, *args, **named):
        """What a RESULT_MEMORY says of each output: {name: (dtype, shape, bytes)}."""
        return read_described(self.wait(self.start_in_memory(*args, **named), RESULT_MEMORY))

    def cancel(self, id_):
        self.send(frame(CANCEL, id_))

    def is_closed(self):
        """Waits until the host has closed; False if it says anything."""
        try:
            self.receive(1)
        except Closed:
            return True
        return False
