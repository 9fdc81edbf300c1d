# SPDX-License-Identifier: Apache-2.0
"""The control socket from a second language: what src/wire/operator.h says, written once more."""

import socket
import struct
from collections import namedtuple

VERSION = 1
ATTACH_HYBRID, ATTACH_VM, DETACH, LIST, STATE = range(1, 6)
RESULT, GUEST, DAEMON = range(1, 4)
FORCE = 1
HAS_DEVICE, HAS_HYBRID, IS_ATTACHED, HAS_VMM = 1, 2, 4, 8
REQUEST = struct.Struct("<4I64s108s108s")
ANSWER = struct.Struct("<8IQ64s256s")

# Statuses of include/tensock/types.h.
OK, INVALID_ARGUMENT, UNSUPPORTED, NOT_FOUND, PERMISSION_DENIED, PROTOCOL = 0, 1, 3, 4, 6, 7
LIMIT_REACHED, UNAVAILABLE = 8, 10

Answer = namedtuple("Answer", "type status ways cid pid n_guests uptime_ms name text")


def request(type_, flags=0, cid=0, name="", path="", uds=""):
    return REQUEST.pack(VERSION, type_, flags, cid, str(name).encode(), str(path).encode(),
                        str(uds).encode())


def read_answer(message):
    version, type_, status, ways, cid, pid, n_guests, zero, uptime_ms, name, text = \
        ANSWER.unpack(message)
    assert (version, zero) == (VERSION, 0)
    return Answer(type_, status, ways, cid, pid, n_guests, uptime_ms,
                  name.rstrip(b"\0").decode(), text.rstrip(b"\0").decode())


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer.text)
        self.status = answer.status


class Control:
    """A connection to the control socket at path."""

    def __init__(self, path, timeout_s=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout_s)
        self.socket.connect(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self):
        """The next answer; None at the end of the connection."""
        try:
            message = self.socket.recv(4096)
        except ConnectionResetError:  # told once, before what is still to be read
            message = self.socket.recv(4096)
        return read_answer(message) if message else None

    def ask(self, *arguments, **options):
        """All answers but the RESULT, which must be OK."""
        self.socket.send(request(*arguments, **options))
        answers = []
        while (answer := self.receive()).type != RESULT:
            answers.append(answer)
        if answer.status:
            raise Refused(answer)
        return answers

    def attach_hybrid(self, name, path):
        guest, = self.ask(ATTACH_HYBRID, name=name, path=path)
        assert guest == self.guests()[name]

    def attach_vm(self, name, path, cid=0, uds=""):
        guest, = self.ask(ATTACH_VM, name=name, path=path, cid=cid, uds=uds)
        assert guest == self.guests()[name]

    def detach(self, name, force=False):
        self.ask(DETACH, FORCE if force else 0, name=name)

    def guests(self):
        return {answer.name: answer for answer in self.ask(LIST)}

    def state(self):
        return self.ask(STATE)[0]
