# SPDX-License-Identifier: Apache-2.0
"""The host under test: tensockd with one VM, its sockets, and host programs that use them."""

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from daemon import BUILD, Daemon, eventually

TIMEOUT_S = 20


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return line


def read_all(connection):
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def read_exactly(connection, n):
    data = b""
    while len(data) < n:
        piece = connection.recv(n - len(data))
        if not piece:
            raise EOFError(f"{len(data)} of {n} bytes came")
        data += piece
    return data


class Host:
    """vhost: where a VMM connects; uds: PATH of the VM's other ports."""

    def __init__(self, folder, config="", arguments=(), cid=3):
        self.folder = Path(folder)
        self.cid = cid
        self.vhost = self.folder / "vhost.sock"
        self.uds = self.folder / "vm.vsock"
        self.fronts_may_die = False
        config_file = self.folder / "tensockd.conf"
        config_file.write_text(f"[daemon]\nlisten = unix:{self.folder}/local.sock\n{config}")
        vm = f"vm={self.vhost},cid={cid},uds={self.uds}"
        self.daemon = Daemon(["--config", config_file, "--vm", vm, *arguments],
                             [self.vhost, self.uds],
                             # A signal is a front's end under ASan, too.
                             env={"ASAN_OPTIONS": "handle_sigbus=0:handle_abort=0"})
        eventually(self.fronts)

    @property
    def log(self):
        return self.daemon.log

    def said(self, *words, times=1):
        """Whether so many lines of the log have all these words; waits for them."""
        return eventually(lambda: sum(all(word in line for word in words)
                                      for line in list(self.log)) >= times)

    def fronts(self):
        return self.daemon.children("tensock-front")

    def lost(self):
        """What is not there any more that should be; empty when all is."""
        if self.daemon.process.poll() is not None:
            return f"the daemon has ended with {self.daemon.process.returncode}"
        gone = [str(path) for path in (self.vhost, self.uds) if not path.is_socket()]
        return f"somebody has removed {' and '.join(gone)}" if gone else ""

    def dial(self, port=None):
        """A host program's connection to PATH, with nothing or its CONNECT line said."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(self.uds))
        if port is not None:
            connection.sendall(b"CONNECT %d\n" % port)
        return connection

    def listen(self, port, backlog=16):
        """A host program that listens at a port for the guest; accept() is the test's."""
        path = f"{self.uds}_{port}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.settimeout(TIMEOUT_S)
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen(backlog)
        return listener

    def end(self):
        """Stops the daemon, which must have done well."""
        status = self.daemon.stop()
        log = "\n".join(self.log)
        assert status == 0, f"{status}\n{log}"
        assert self.fronts_may_die or not self.daemon.deaths_of_fronts(), log
        assert not any("Sanitizer" in line or "runtime error" in line for line in self.log), log
