# SPDX-License-Identifier: Apache-2.0
"""A daemon with the built-in device and a guest on it, and the host's end of the device's other ports."""

import socket
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "tools"), str(Path(__file__).resolve().parents[1])]
import daemon
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


def read_line(connection):
    """A line, byte by byte: what follows it stays in the socket.  Empty at the end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        line += byte
    return line


def eventually(condition, timeout_s=TIMEOUT_S):
    """As daemon.eventually(), with time for guests that are emulated."""
    return daemon.eventually(condition, timeout_s)
