# SPDX-License-Identifier: Apache-2.0
"""Hosts and guests of different versions of the native protocol: what cannot be is refused by name."""

import contextlib
import socket
import struct
import threading

import native
import pytest
from test_cli import FAILED, OK, UNREACHABLE, tensock


def read_hello(connection):
    """The versions that the guest speaks."""
    type_, _, size = struct.unpack("<IIQ", connection.recv(16, socket.MSG_WAITALL))
    assert type_ == native.HELLO
    low, high, _ = struct.unpack_from("<IIQ", connection.recv(size, socket.MSG_WAITALL))
    return low, high


@contextlib.contextmanager
def host_of_another_version(path, answer):
    """answer(connection), once HELLO has been read; then it reads until the guest goes."""
    heard, failures = [], []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve_one(connection):
        heard.append(read_hello(connection))
        answer(connection)
        with contextlib.suppress(ConnectionError):
            while connection.recv(65536):
                pass

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(20)
                try:
                    serve_one(connection)
                except (AssertionError, OSError) as error:
                    failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
    assert not failures


def welcome(version, more=b""):
    """A WELCOME; more: fields of a later version."""
    return native.frame(native.WELCOME, 0, struct.pack("<IIQQQ", version, 8, 0, 1 << 30, 1 << 30) +
                        native.string("tensockd 9") + native.string("me") + more)


def refusal(message):
    return native.frame(native.ERROR, 0, struct.pack("<I", native.UNSUPPORTED) +
                        native.string(message))


def test_host_that_speaks_only_a_later_version(folder):
    """It says so, and its words reach the user; it is asked once."""
    words = "this host speaks versions 2 to 3 of the protocol, the guest version 1"
    with host_of_another_version(folder / "s", lambda to: to.sendall(refusal(words))) as heard:
        result = tensock(folder / "s", "--json", "ls")
        assert result.status != OK and words in result.err
        assert result.json["error"]["status"] == "unsupported"
    assert heard == [(1, 1)]


@pytest.mark.parametrize("version", [2, (1 << 32) - 1])
def test_host_that_chooses_what_was_not_offered(folder, version):
    with host_of_another_version(folder / "s", lambda to: to.sendall(welcome(version))) as heard:
        result = tensock(folder / "s", "--json", "ls")
        assert result.status != OK
        assert f"speaks version {version} of the protocol, this library 1" in result.err
        assert result.json["error"]["status"] == "unsupported"
    assert heard == [(1, 1)]


@pytest.mark.parametrize("more", [b"", b"of a later version", b"\0" * 900], ids=["nothing", "text", "much"])
def test_host_that_says_more(folder, more):
    """What stands behind the fields of version 1 is skipped, and the connection serves."""

    def answer(to):
        to.sendall(welcome(1, more))
        type_, id_, _ = struct.unpack("<IIQ", to.recv(16, socket.MSG_WAITALL))
        assert type_ == native.LIST
        to.sendall(native.frame(native.MODELS, id_, struct.pack("<I", 0)))

    with host_of_another_version(folder / "s", answer):
        result = tensock(folder / "s", "--json", "ls")
        assert result.status == OK, result.err
        assert result.json == {"models": []}


def test_doctor_names_the_version(folder):
    with host_of_another_version(folder / "s", lambda to: to.sendall(welcome(2))):
        result = tensock(folder / "s", "doctor")
        assert result.status in (FAILED, UNREACHABLE)
        assert "version 2" in result.out


def test_guest_of_a_later_version(onnx):
    """Refused, with both named, and others are served on."""
    with native.Guest(onnx.local, greet=False) as guest:
        guest.send(native.hello(2, 3))
        with pytest.raises(native.Refused, match="version 1 .* 2 to 3") as refused:
            guest.read_welcome()
        assert refused.value.status == native.UNSUPPORTED
        assert guest.is_closed()
    assert tensock(onnx.local, "ls").status == OK
