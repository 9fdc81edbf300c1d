# SPDX-License-Identifier: Apache-2.0
"""The front end of vhost-user, as a VMM speaks it: messages over one Unix socket."""

import os
import socket
import struct
import time
from enum import IntEnum

TIMEOUT_S = 20

VERSION = 1
REPLY = 4
NEED_REPLY = 8
NO_FD = 0x100

F_INDIRECT = 1 << 28
F_EVENT_IDX = 1 << 29
F_PROTOCOL = 1 << 30
F_VERSION_1 = 1 << 32

P_MQ = 1 << 0
P_REPLY_ACK = 1 << 3
P_CONFIG = 1 << 9
P_MEM_SLOTS = 1 << 15


class Request(IntEnum):
    """Every request of QEMU's docs/interop/vhost-user.rst."""
    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    RESET_OWNER = 4
    SET_MEM_TABLE = 5
    SET_LOG_BASE = 6
    SET_LOG_FD = 7
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    SEND_RARP = 19
    NET_SET_MTU = 20
    SET_BACKEND_REQ_FD = 21
    IOTLB_MSG = 22
    SET_VRING_ENDIAN = 23
    GET_CONFIG = 24
    SET_CONFIG = 25
    CREATE_CRYPTO_SESSION = 26
    CLOSE_CRYPTO_SESSION = 27
    POSTCOPY_ADVISE = 28
    POSTCOPY_LISTEN = 29
    POSTCOPY_END = 30
    GET_INFLIGHT_FD = 31
    SET_INFLIGHT_FD = 32
    GPU_SET_SOCKET = 33
    RESET_DEVICE = 34
    VRING_KICK = 35
    GET_MAX_MEM_SLOTS = 36
    ADD_MEM_REG = 37
    REM_MEM_REG = 38
    SET_STATUS = 39
    GET_STATUS = 40
    GET_SHARED_OBJECT = 41
    SET_DEVICE_STATE_FD = 42
    CHECK_DEVICE_STATE = 43


class Refused(Exception):
    """The device answered an acknowledged request with an error."""


class Disconnected(Exception):
    """The device has closed the connection."""


def region_bytes(region):
    return struct.pack("<QQQQ", region.guest_addr, region.size, region.user_addr,
                       region.mmap_offset)


class FrontEnd:
    """One connection of a VMM.  With `checked`, every request asks to be acknowledged, and one that
    is refused raises; as QEMU does only for the memory table."""

    def __init__(self, path, checked=False):
        self.checked = checked
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(str(path))

    def close(self):
        self.socket.close()

    def send(self, request, payload=b"", fds=(), flags=VERSION):
        message = struct.pack("<III", request, flags, len(payload)) + payload
        try:
            sent = socket.send_fds(self.socket, [message], list(fds))
            if sent < len(message):
                self.socket.sendall(message[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Disconnected from error

    def send_bytewise(self, request, payload=b"", fds=(), flags=VERSION, pause_s=0):
        """As send(), one byte at a time; the fds go with the first, as they do in one piece."""
        message = struct.pack("<III", request, flags, len(payload)) + payload
        socket.send_fds(self.socket, [message[:1]], list(fds))
        for i in range(1, len(message)):
            self.socket.sendall(message[i:i + 1])
            time.sleep(pause_s)

    def _receive_bytes(self, n):
        data = b""
        while len(data) < n:
            try:
                piece = self.socket.recv(n - len(data))
            except ConnectionResetError as error:
                raise Disconnected from error
            if not piece:
                raise Disconnected
            data += piece
        return data

    def receive(self, request):
        """The payload of the reply to a request."""
        got, flags, size = struct.unpack("<III", self._receive_bytes(12))
        assert (got, flags) == (request, VERSION | REPLY)
        return self._receive_bytes(size)

    def ask(self, request, payload=b"", flags=VERSION):
        """A request that has a reply of its own."""
        self.send(request, payload, flags=flags)
        return self.receive(request)

    def ask_u64(self, request):
        return struct.unpack("<Q", self.ask(request))[0]

    def acknowledged(self, request, payload=b"", fds=()):
        """A request that asks to be acknowledged; raises Refused if it fails."""
        self.send(request, payload, fds, VERSION | NEED_REPLY)
        if struct.unpack("<Q", self.receive(request))[0] != 0:
            raise Refused(request)

    def tell(self, request, payload=b"", fds=()):
        if self.checked:
            self.acknowledged(request, payload, fds)
        else:
            self.send(request, payload, fds)

    def sync(self):
        """All that was sent before has been served."""
        self.get_features()

    # ---- one method a request ----

    def get_features(self):
        return self.ask_u64(Request.GET_FEATURES)

    def set_features(self, features):
        self.tell(Request.SET_FEATURES, struct.pack("<Q", features))

    def get_protocol_features(self):
        return self.ask_u64(Request.GET_PROTOCOL_FEATURES)

    def set_protocol_features(self, features):
        # Before this there is nothing negotiated to acknowledge with.
        self.send(Request.SET_PROTOCOL_FEATURES, struct.pack("<Q", features))

    def get_queue_num(self):
        return self.ask_u64(Request.GET_QUEUE_NUM)

    def get_max_mem_slots(self):
        return self.ask_u64(Request.GET_MAX_MEM_SLOTS)

    def set_owner(self):
        self.tell(Request.SET_OWNER)

    def reset_owner(self):
        self.tell(Request.RESET_OWNER)

    def get_config(self, offset=0, size=8):
        """The bytes; None when the device says that there are none such."""
        payload = self.ask(Request.GET_CONFIG, struct.pack("<III", offset, size, 0) + bytes(size))
        if not payload:
            return None
        assert struct.unpack("<III", payload[:12]) == (offset, size, 0)
        return payload[12:]

    def set_mem_table(self, regions):
        """As QEMU: acknowledged, whatever `checked` says."""
        payload = struct.pack("<II", len(regions), 0) + b"".join(map(region_bytes, regions))
        self.acknowledged(Request.SET_MEM_TABLE, payload, [region.fd for region in regions])

    def add_mem_reg(self, region):
        self.acknowledged(Request.ADD_MEM_REG, bytes(8) + region_bytes(region), [region.fd])

    def rem_mem_reg(self, region, fds=()):
        self.acknowledged(Request.REM_MEM_REG, bytes(8) + region_bytes(region), fds)

    def set_vring_num(self, index, size):
        self.tell(Request.SET_VRING_NUM, struct.pack("<II", index, size))

    def set_vring_base(self, index, base):
        self.tell(Request.SET_VRING_BASE, struct.pack("<II", index, base))

    def get_vring_base(self, index):
        payload = self.ask(Request.GET_VRING_BASE, struct.pack("<II", index, 0))
        got, base = struct.unpack("<II", payload)
        assert got == index
        return base

    def set_vring_addr(self, index, desc, avail, used, flags=0, log=0):
        self.tell(Request.SET_VRING_ADDR,
                  struct.pack("<IIQQQQ", index, flags, desc, used, avail, log))

    def set_vring_enable(self, index, on):
        self.tell(Request.SET_VRING_ENABLE, struct.pack("<II", index, on))

    def _ring_fd(self, request, index, fd):
        if fd is None:
            self.tell(request, struct.pack("<Q", index | NO_FD))
        else:
            self.tell(request, struct.pack("<Q", index), [fd])

    def set_vring_kick(self, index, fd):
        """fd None: the device is to poll."""
        self._ring_fd(Request.SET_VRING_KICK, index, fd)

    def set_vring_call(self, index, fd):
        self._ring_fd(Request.SET_VRING_CALL, index, fd)

    def set_vring_err(self, index, fd):
        self._ring_fd(Request.SET_VRING_ERR, index, fd)


def eventfd():
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
