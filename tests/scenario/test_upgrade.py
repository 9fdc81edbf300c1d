# SPDX-License-Identifier: Apache-2.0
"""SIGUSR2: the program at tensockd's path takes its place, and nobody is turned away."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import native
import numpy
import pytest
import seed
from conftest import SANITIZED, Tensock, alive, engine_config, eventually
from control import HAS_HYBRID, IS_ATTACHED, Control
from daemon import BUILD

ECHO = b"TSKECHO1 shape=1,4"
FOUR = numpy.arange(4, dtype="float32").reshape(1, 4)


def count(tensock, word):
    return sum(word in line for line in list(tensock.log))


def upgrade(tensock, word=": info: ready"):
    """Waits until it has happened or, by another word, has not."""
    before = count(tensock, word)
    os.kill(tensock.pid, signal.SIGUSR2)
    assert eventually(lambda: count(tensock, word) > before, 60), "\n".join(tensock.log)


def test_program_is_another_one(host):
    """The same process, with the same children to be, and another program in it."""
    before = os.stat(f"/proc/{host.pid}/exe").st_ino
    mappings = open(f"/proc/{host.pid}/maps", encoding="ascii").read()
    with Control(host.control) as control:
        uptime_ms = control.state().uptime_ms
        upgrade(host)
        assert control.receive() is None
    assert host.daemon.process.poll() is None
    assert os.stat(f"/proc/{host.pid}/exe").st_ino == before
    assert open(f"/proc/{host.pid}/maps", encoding="ascii").read() != mappings  # it was started anew
    with Control(host.control) as control:
        assert control.state().uptime_ms >= uptime_ms
    assert seed.ask(host.local, ECHO) == b"OK"
    for pid in host.fronts() + host.workers():
        with open(f"/proc/{pid}/environ", "rb") as environ:
            assert b"TAKEOVER" not in environ.read()
    upgrade(host)
    assert seed.ask(host.local, ECHO) == b"OK"


@contextlib.contextmanager
def held_up(host):
    """What its workers are at takes until the end of this, however long an upgrade takes on a busy machine."""
    assert eventually(host.workers)
    workers = host.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


def test_what_is_under_way_is_answered(host):
    slow = b"TSKECHO1 delay_ms=1500 shape=1,4"
    with seed.Guest(host.local) as guest, native.Guest(host.local) as other:
        guest.send(seed.frame(slow))
        other.push(slow)
        id_ = other.start(native.digest(slow), [("x0", FOUR)])
        other.ping()
        old, = host.fronts()
        with held_up(host):
            upgrade(host)
            # Who comes now has a front of the new program, and does not wait.
            began = time.monotonic()
            assert seed.ask(host.local, ECHO) == b"OK"
            if not SANITIZED:
                assert time.monotonic() - began < 1.2
            assert old in host.fronts() and len(host.fronts()) == 2
        while not other.said_goodbye:
            other.take()
        assert (other.wait(id_).outputs()["x0"] == FOUR).all()
        assert guest.receive() == b"OK"
    assert eventually(lambda: not alive(old))
    assert eventually(lambda: len(host.fronts()) == 1)


def test_two_upgrades_in_one_run(host):
    """Old fronts are handed on as well; and the end waits for them."""
    slow = b"TSKECHO1 delay_ms=1500 shape=1,4"
    with seed.Guest(host.local) as guest:
        guest.send(seed.frame(slow))
        with held_up(host):
            old, = host.fronts()
            upgrade(host)
            assert seed.ask(host.local, ECHO) == b"OK"
            upgrade(host)
            assert old in host.fronts()
            host.daemon.process.terminate()
        assert guest.receive() == b"OK"
    assert host.daemon.process.wait(60) == 0


def test_worker_that_is_asked_for_later(host):
    """A request that the old front reads only now has a worker of the new program's."""
    with seed.Guest(host.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        old, = host.fronts()
        os.kill(old, signal.SIGSTOP)
        guest.send(seed.frame(b"TSKECHO1 shape=1,5"))
        workers = host.workers()
        upgrade(host)
        os.kill(old, signal.SIGCONT)
        assert guest.receive() == b"OK"
        assert set(host.workers()) - set(workers) or eventually(lambda: not alive(old))


def test_worker_that_dies_meanwhile(host):
    """The new program waits for the workers of the old one's fronts, and tells these."""
    host.fronts_may_die = True
    with native.Guest(host.local) as guest:
        crash = b"TSKECHO1 delay_ms=30000 shape=1,4"
        guest.push(crash)
        id_ = guest.start(native.digest(crash), [("x0", FOUR)])
        guest.ping()
        worker, = host.workers()
        upgrade(host)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(native.Refused) as refused:
            guest.wait(id_)
        assert "worker" in str(refused.value)
    assert eventually(lambda: not host.workers())


def test_new_program_that_does_not_work(folder):
    """A file that is missing, broken, of another version, or that finds its configuration wrong."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for name in ("tensockd", "tensock-front", "tensock-worker"):
        shutil.copy2(BUILD / name, bin_)
    program = bin_ / "tensockd"
    tensock = Tensock(folder, engine_config("echo"), [], program)
    try:
        with seed.Guest(tensock.local) as guest:
            assert guest.ask(ECHO) == b"OK"
            fronts = tensock.fronts()
            for name, content in (("missing", None), ("broken", b"\x7fELF nonsense"),
                                  ("old", b"#!/bin/sh\nexit 2\n"), ("stuck", b"#!/bin/sh\nkill -9 $$\n"),
                                  ("racing", b"#!/bin/sh\nmv \"$0\" \"$0.gone\"\n")):
                put(program, content)
                upgrade(tensock, "does not take over")
                assert guest.ask(ECHO) == b"OK", name
                assert seed.ask(tensock.local, ECHO) == b"OK"
                assert tensock.fronts() == fronts
            put(program, (BUILD / "tensockd").read_bytes())
            config = (folder / "tensockd.conf").read_text()
            (folder / "tensockd.conf").write_text("nonsense\n")
            upgrade(tensock, "does not take over")
            assert tensock.said("tensockd.conf:1:")
            (folder / "tensockd.conf").write_text(config)
            assert guest.ask(ECHO) == b"OK"
        upgrade(tensock)
        assert seed.ask(tensock.local, ECHO) == b"OK"
    finally:
        tensock.end()


def put(program, content):
    """By a rename, as a package manager does it."""
    if content is None:
        program.unlink()
        return
    new = program.with_name("new")
    new.write_bytes(content)
    new.chmod(0o755)
    new.rename(program)


def test_version_is_checked():
    for tag in ("1.1", "x", ""):
        done = subprocess.run([BUILD / "tensockd", "--can-take-over", tag], capture_output=True,
                              text=True, timeout=20, check=False)
        assert done.returncode == 2 and "cannot take over" in done.stderr and "restart" in done.stderr


def test_nothing_to_take_over():
    """The variable alone is an error, not a start from nothing."""
    for number in ("0", "3", "77", "x"):
        done = subprocess.run([BUILD / "tensockd"], capture_output=True, text=True, timeout=20,
                              check=False, env={**os.environ, "TENSOCKD_TAKEOVER": number})
        assert done.returncode == 2 and "cannot take the place" in done.stderr


def test_configuration_is_read_anew(host, folder):
    """Sockets that are no longer there are closed, those that are new opened; the attached ones stay."""
    config = folder / "tensockd.conf"
    config.write_text(config.read_text() + f"[guest old]\nhybrid = {folder}/old\n")
    os.kill(host.pid, signal.SIGHUP)
    assert eventually((folder / "old_9999").is_socket)
    with Control(host.control) as control:
        control.attach_hybrid("web", folder / "web")
        control.attach_vm("vm", folder / "vm", cid=9)
    config.write_text(config.read_text().replace("[guest old]\nhybrid = " + f"{folder}/old",
                                                 "[guest new]\nhybrid = " + f"{folder}/new"))
    upgrade(host)
    with Control(host.control) as control:
        guests = control.guests()
        assert {name: guest.ways for name, guest in guests.items() if name in ("web", "new", "old")} == \
            {"web": HAS_HYBRID | IS_ATTACHED, "new": HAS_HYBRID}
        assert guests["vm"].cid == 9 and guests["vm"].ways & IS_ATTACHED
    assert seed.ask(folder / "web_9999", ECHO) == b"OK" == seed.ask(folder / "new_9999", ECHO)
    assert not (folder / "old_9999").exists()
    assert eventually(host.fronts)


def test_port_that_was_any_stays(start):
    tensock = start(engine_config("echo"), "--listen", "tcp:127.0.0.1:0")
    line = next(line for line in tensock.log if ": info: ready" in line)
    port = int(line.rpartition(":")[2])
    for _ in range(2):
        assert seed.ask(("127.0.0.1", port), ECHO) == b"OK"
        upgrade(tensock)
    assert seed.ask(("127.0.0.1", port), ECHO) == b"OK"


def test_killed_supervisor_takes_all_along(folder):
    """Those that the program before it has started, too; and the next start finds its way."""
    tensock = Tensock(folder, engine_config("echo"), [])
    slow = b"TSKECHO1 delay_ms=30000 shape=1,4"
    with seed.Guest(tensock.local) as guest:
        guest.send(seed.frame(slow))
        assert eventually(tensock.workers) and tensock.fronts()
        upgrade(tensock)
        assert seed.ask(tensock.local, ECHO) == b"OK"
        assert len(tensock.fronts()) == 2 and tensock.workers()
        tensock.daemon.process.kill()
        tensock.daemon.stop()
        assert guest.is_closed()
    assert eventually(tensock.is_gone)
    again = Tensock(folder, engine_config("echo"), [])
    assert seed.ask(again.local, ECHO) == b"OK"
    again.end()


def test_nothing_piles_up(host):
    for _ in range(2):
        upgrade(host)
        assert seed.ask(host.local, ECHO) == b"OK"
    assert eventually(lambda: len(host.fronts()) == 1)
    eventually(lambda: len(host.workers()) <= 1)
    fds = len(os.listdir(f"/proc/{host.pid}/fd"))
    for _ in range(5):
        upgrade(host)
        assert seed.ask(host.local, ECHO) == b"OK"
    assert eventually(lambda: len(host.fronts()) == 1)
    assert eventually(lambda: len(os.listdir(f"/proc/{host.pid}/fd")) <= fds)


def test_signals_that_come_meanwhile(host):
    """Two upgrades at once are one; the end is not missed, whenever it comes."""
    os.kill(host.pid, signal.SIGUSR2)
    os.kill(host.pid, signal.SIGUSR2)
    assert eventually(lambda: count(host, ": info: ready") >= 2, 60)
    assert seed.ask(host.local, ECHO) == b"OK"


@pytest.mark.parametrize("delay_ms", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55])
def test_end_that_comes_meanwhile(start, delay_ms):
    tensock = start(engine_config("echo"))
    assert seed.ask(tensock.local, ECHO) == b"OK"
    os.kill(tensock.pid, signal.SIGUSR2)
    time.sleep(delay_ms / 1000)
    tensock.daemon.process.terminate()
    assert tensock.daemon.process.wait(60) == 0


class Client(threading.Thread):
    """Asks again and again.  A connect must succeed; an answer that does not come is asked for again."""

    def __init__(self, path, kind, until):
        super().__init__()
        self.path, self.kind, self.until = path, kind, until
        self.answers = self.again = 0
        self.failure = None

    def ask(self):
        if self.kind == "seed":
            with seed.Guest(self.path) as guest:
                return guest.ask(ECHO) == b"OK"
        with native.Guest(self.path) as guest:
            guest.push(ECHO)
            return (guest.infer(native.digest(ECHO), [("x0", FOUR)])["x0"] == FOUR).all()

    def run(self):
        while not self.until(self) and not self.failure:
            try:
                done = self.ask()
            except (native.Closed, native.Refused, ConnectionResetError, BrokenPipeError, EOFError):
                done = False
            except Exception as error:  # pylint: disable=broad-except
                self.failure = error
                return
            self.answers += done
            self.again += not done


def test_no_connect_is_refused(host):
    """Clients that connect all the time, across three upgrades: TENSOCK_REQUESTS makes it 10,000."""
    wanted = int(os.environ.get("TENSOCK_REQUESTS", "1000"))
    upgrades = []
    clients = [Client(host.local, kind, lambda client: len(upgrades) == 3 and
                      client.answers >= wanted / 4) for kind in ("seed", "native") * 2]
    for client in clients:
        client.start()
    try:
        for share in (0.2, 0.4, 0.6):
            assert eventually(lambda: sum(client.answers for client in clients) >= wanted * share or
                              any(client.failure for client in clients), 300)
            upgrade(host)
            upgrades.append(share)
    finally:
        upgrades.extend([1] * (3 - len(upgrades)))
        for client in clients:
            client.join()
    assert [client.failure for client in clients] == [None] * 4, "\n".join(host.log)
    answers, again = (sum(getattr(client, name) for client in clients) for name in ("answers", "again"))
    print(f"{answers} answers, {again} asked for again, across three upgrades")
    assert answers >= wanted
    # At most what was open when each one came.
    assert again <= 3 * 4 * 2


def test_backlog_waits(host):
    """Who connects in the very moment of it waits in the socket's queue."""
    with socket.socket(socket.AF_UNIX) as one:
        os.kill(host.pid, signal.SIGSTOP)
        os.kill(host.pid, signal.SIGUSR2)
        one.connect(str(host.local))
        one.settimeout(60)
        one.sendall(seed.frame(ECHO))
        os.kill(host.pid, signal.SIGCONT)
        assert one.recv(2) == b"OK"
    assert eventually(lambda: count(host, ": info: ready") == 2, 60)
