# SPDX-License-Identifier: Apache-2.0
"""tensockd as a child process, for the demo, the tests and the measurements."""

import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

# The folder with the programs.
BUILD = Path(os.environ.get("TENSOCK_BUILD", Path(__file__).resolve().parent.parent / "build"))
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20


class DaemonError(Exception):
    """tensockd did not do what it was asked to."""


def eventually(condition, timeout_s=20):
    """Waits until a condition holds; what it gave last."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return result


@functools.cache
def lacking():
    """What this kernel (or the container around us) lacks of what seals the daemon's children, by name."""
    names = []
    while True:
        command = [BUILD / "tensockd", *allowed(names), "--listen", "unix:/dev/null/none", "--control", "none"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        found = re.search(r"--allow-unsandboxed=(\w+)$", done.stderr, re.MULTILINE)
        if not found or found[1] in names:
            return names
        names.append(found[1])


def allowed(names):
    return [f"--allow-unsandboxed={','.join(names)}"] if names else []


def allowances():
    """Where it lacks something, a demo and tests go on without it, and say so."""
    names = lacking()
    if names:
        print(f"tensockd runs without {', '.join(names)}, which this machine lacks", file=sys.stderr)
    return allowed(names)


class Daemon:
    """A running tensockd.  Use as a context manager; leaving it ends the daemon.

    sockets: those that are there once it is ready.  on_line: called with each line that it prints,
    from threads.  program: in the place of BUILD's.
    """

    def __init__(self, arguments, sockets, on_line=None, env=None, program=None):
        self.command = [str(program or BUILD / "tensockd"), *allowances(), *map(str, arguments)]
        self.output = []  # its standard output: what the seed printed
        self.log = []     # its standard error
        self._on_line = on_line
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**os.environ, **(env or {})})
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.output), (self.process.stderr, self.log))]
        for reader in self._readers:
            reader.start()
        try:
            self._wait_for(sockets)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self, pipe, lines):
        for line in pipe:
            text = line.decode(errors="replace").rstrip("\n")
            lines.append(text)
            if self._on_line:
                self._on_line(text)

    def _wait_for(self, sockets):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(Path(path).is_socket() for path in sockets):
            if self.process.poll() is not None:
                self._readers[1].join()
                raise DaemonError("tensockd has ended:\n" + "\n".join(self.log))
            if time.monotonic() > deadline:
                raise DaemonError("tensockd is not ready:\n" + "\n".join(self.log))
            time.sleep(0.002)

    def children(self, name, parent=None):
        """The process ids of its children with this program's name."""
        parent = parent or self.process.pid
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as children:
            pids = [int(pid) for pid in children.read().split()]
        return [pid for pid in pids if _program(pid) == name]

    def deaths_of_fronts(self):
        """What the log says of fronts that did not end well."""
        return [line for line in self.log if "tensockd: warning" in line and " front " in line and
                ("was killed by" in line or "exited with" in line)]

    def stop(self):
        """Asks it to end: its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for reader in self._readers:
            reader.join(STOP_TIMEOUT_S)
        return self.process.returncode


def _program(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return None
