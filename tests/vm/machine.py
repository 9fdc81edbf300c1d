# SPDX-License-Identifier: Apache-2.0
"""A daemon with the built-in device and a guest on it, and the host's end of the device's other ports."""

import os
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import guest
from daemon import BUILD, Daemon

TIMEOUT_S = 60


def guest_files(files=None):
    """The programs of the tests and what else is given, {path in the guest: content}."""
    return {"bin/seed_guest": BUILD / "examples/seed_guest",
            "bin/vsock_probe": BUILD / "tests/vm/vsock_probe",
            "bin/seqpacket_probe": BUILD / "tests/vm/seqpacket_probe",
            "bin/vsock_puppet": BUILD / "tests/vm/vsock_puppet", **(files or {})}


class Vm:
    """One guest of a daemon: boots when it is made.  vhost: the daemon's socket for it, uds: the PATH
    of its other ports."""

    def __init__(self, folder, vhost, uds, files=None, kernel="6.1", hardware=None):
        self.uds = Path(uds)
        self.kernel = kernel
        self._folder = folder
        self._vhost = vhost
        self._files = guest_files(files)
        self.guest = None
        self.boot(**(hardware or {}))

    def boot(self, options=(), **hardware):
        """A new QEMU in the place of the old one, if there was one, with more options perhaps, or other
        hardware: see guest.qemu_command()."""
        self.close()
        self.guest = guest.Guest(self._folder, self._files, self._vhost, options=options,
                                 **{"kernel": self.kernel, **hardware})
        self.guest.wait_ready()

    def close(self):
        if self.guest:
            self.guest.close()
            self.guest = None

    def run(self, command, timeout_s=TIMEOUT_S):
        return self.guest.run(command, timeout_s)

    def check(self, command, timeout_s=TIMEOUT_S):
        return self.guest.check(command, timeout_s)

    def serve(self, mode, port, probe="vsock_probe", *arguments):
        """Starts a server of a probe in the guest; returns once it listens."""
        log = f"/tmp/{mode}.{port}"
        # Not the log of an earlier server: the new one makes its own a little later.
        self.check(f"rm -f {log}; {probe} {mode} {port} {' '.join(arguments)} >{log} 2>&1 & "
                   f"until grep -qs . {log}; do sleep 0.05; done; grep -q listening {log}")

    def connect(self, port):
        """A host program's connection to a port of the guest: the socket, or None when refused."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(self.uds))
        connection.sendall(b"CONNECT %d\n" % port)
        if read_line(connection).startswith(b"OK "):
            return connection
        connection.close()
        return None


class Machine:
    """A daemon with guests "vm1", "vm2" ... of the CIDs 3, 4 ..."""

    def __init__(self, folder, count=1, files=None, options=(), env=None, kernel="6.1", hardware=None):
        self.folder = Path(folder)
        self.daemon = None
        self.vms = []
        sockets = [(self.folder / f"vhost{i}", self.folder / f"uds{i}")
                   for i in range(1, count + 1)]
        self.local = self.folder / "local"
        arguments = ["--listen", f"unix:{self.local}", *options]
        for i, (vhost, uds) in enumerate(sockets, 1):
            arguments += ["--vm", f"vm{i}={vhost},cid={i + 2},uds={uds}"]
        try:
            ready = [self.local, *(path for pair in sockets for path in pair)]
            self.daemon = Daemon(arguments, ready, env=env)
            for i, (vhost, uds) in enumerate(sockets, 1):
                self.vms.append(Vm(self.folder / f"guest{i}", vhost, uds, files, kernel, hardware))
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for vm in self.vms:
            vm.close()
        if self.daemon:
            self.daemon.stop()

    def workers(self):
        """The process ids of all workers."""
        return self.daemon.children("tensock-worker")


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


def read_line(connection):
    """A line, byte by byte: what follows it stays in the socket.  Empty at the end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        line += byte
    return line


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


def eventually(condition, timeout_s=TIMEOUT_S):
    """Waits until condition() is true: its value, or the last one when time is up."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value
