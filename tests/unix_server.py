# SPDX-License-Identifier: Apache-2.0
"""A server of a test's own at a Unix socket, and what both ends of a connection do."""

import os
import socket
import threading

TIMEOUT_S = 60


class Server:
    """Listens at a Unix socket; handle(connection) runs in a thread for each connection."""

    def __init__(self, path, handle, kind=socket.SOCK_STREAM):
        self.errors = []
        self._handle = handle
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, kind)
        self._listener.bind(str(path))
        self._listener.listen(128)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self._path)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        if kind is None and self.errors:
            raise self.errors[0]

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        connection.settimeout(TIMEOUT_S)
        try:
            with connection:
                self._handle(connection)
        except OSError as error:
            self.errors.append(error)


def echo(connection):
    """Sends back what comes, and its end."""
    while data := connection.recv(1 << 16):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def read_all(connection):
    parts = []
    while data := connection.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def exchange(connection, data):
    """Sends data and its end while receiving: all that comes back."""

    def send():
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the peer has gone; what is received says so

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    received = read_all(connection)
    sender.join(TIMEOUT_S)
    return received
