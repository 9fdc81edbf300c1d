# SPDX-License-Identifier: Apache-2.0
"""tensockd under a service manager: what it says, and the sockets that it is given."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess

import pytest
import seed
from conftest import engine_config, eventually
from daemon import BUILD

ECHO = b"TSKECHO1 shape=1,4"


class Service:
    """tensockd, started as systemd starts it: with a notification socket, and sockets that listen."""

    def __init__(self, folder, arguments=(), sockets=(), environment=None):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(20)
        config = folder / "service.conf"
        config.write_text(engine_config("echo"))
        # The shell becomes tensockd: LISTEN_PID is its own.  fd 3 and on are in its hands.
        moves = "".join(f" {3 + i}<&{100 + i} {100 + i}<&-" for i in range(len(sockets)))
        script = f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@"{moves}'
        with contextlib.ExitStack() as stack:
            for i, one in enumerate(sockets):
                os.dup2(one.fileno(), 100 + i)
                stack.callback(os.close, 100 + i)
            self.process = subprocess.Popen(
                ["bash", "-c", script, "bash", BUILD / "tensockd", "--config", config, *map(str, arguments)],
                pass_fds=range(100, 100 + len(sockets)), stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
                env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), **(environment or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.manager.close()

    def told(self):
        """The next thing it says, as a dictionary; signs of life are left out."""
        while True:
            lines = self.manager.recv(4096).decode().split("\n")
            if lines != ["WATCHDOG=1"]:
                return dict(line.split("=", 1) for line in lines)

    def log(self):
        return self.process.stderr.read()


def listener(path, kind=socket.SOCK_STREAM):
    one = socket.socket(socket.AF_UNIX, kind)
    one.bind(str(path))
    one.listen()
    return one


def test_what_is_said(folder):
    with Service(folder, ["--listen", f"unix:{folder}/s"]) as service:
        said = service.told()
        assert said.pop("READY") == "1" and list(said) == ["STATUS"]
        assert seed.ask(folder / "s", ECHO) == b"OK"  # it is so
        service.process.send_signal(signal.SIGHUP)
        said = service.told()
        assert said["RELOADING"] == "1"
        assert 0 < int(said["MONOTONIC_USEC"])
        assert service.told()["READY"] == "1"
        (folder / "service.conf").write_text("nonsense\n")
        service.process.send_signal(signal.SIGHUP)
        assert service.told()["RELOADING"] == "1"
        said = service.told()
        assert said["READY"] == "1" and "service.conf:1:" in said["STATUS"]
        service.process.terminate()
        assert service.told()["STOPPING"] == "1"
        assert service.process.wait(20) == 0


def test_upgrade(folder):
    """The manager sees one process, that is not ready for a moment; a socket of its own stays its own."""
    with listener(folder / "s") as local:
        with Service(folder, ["--listen", f"unix:{folder}/s"], [local],
                     {"WATCHDOG_USEC": "1000000"}) as service:
            assert service.told()["READY"] == "1"
            for _ in range(2):
                service.process.send_signal(signal.SIGUSR2)
                assert service.told()["RELOADING"] == "1"
                assert service.told()["READY"] == "1"
                assert seed.ask(folder / "s", ECHO) == b"OK"
            assert service.manager.recv(4096) == b"WATCHDOG=1"
            service.process.terminate()
            assert service.told()["STOPPING"] == "1"
            assert service.process.wait(20) == 0
        assert (folder / "s").exists()


def test_signs_of_life(folder):
    with Service(folder, ["--listen", f"unix:{folder}/s"],
                 environment={"WATCHDOG_USEC": "100000"}) as service:
        seen = 0
        while seen < 5:
            seen += service.manager.recv(4096) == b"WATCHDOG=1"
        # One that does not get round its loop gives none.
        service.process.send_signal(signal.SIGSTOP)
        service.manager.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                service.manager.recv(4096)
        service.process.send_signal(signal.SIGCONT)
        service.manager.settimeout(20)
        assert service.manager.recv(4096) == b"WATCHDOG=1"


def test_start_that_fails_is_not_ready(folder):
    with Service(folder, ["--listen", f"unix:{folder}/nowhere/s"]) as service:
        assert service.process.wait(20) == 1
        service.manager.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                assert b"READY=1" not in service.manager.recv(4096)


def test_sockets_that_are_given(folder):
    """Each is known by its address.  Who was there before tensockd is served, and they stay when it ends."""
    with socket.create_server(("127.0.0.1", 0)) as net, listener(folder / "s") as local, \
            listener(folder / "vm_9999") as hybrid, listener(folder / "c", socket.SOCK_SEQPACKET) as control:
        port = net.getsockname()[1]
        arguments = ["--listen", f"unix:{folder}/s", "--listen", f"tcp:127.0.0.1:{port}", "--listen",
                     f"hybrid:vm={folder}/vm", "--control", f"{folder}/c"]
        for _ in range(2):
            with seed.Guest(folder / "s") as early, \
                    Service(folder, arguments, [control, net, hybrid, local]) as service:
                assert service.told()["READY"] == "1"
                assert early.ask(ECHO) == b"OK"
                assert seed.ask(("127.0.0.1", port), ECHO) == b"OK"
                assert seed.ask(folder / "vm_9999", ECHO) == b"OK"
                # A guest's processes know nothing of it.
                for pid in children(service.process.pid):
                    with open(f"/proc/{pid}/environ", "rb") as environ:
                        assert b"LISTEN" not in (text := environ.read()) and b"NOTIFY" not in text
                service.process.terminate()
                assert service.process.wait(20) == 0
            (folder / "notify").unlink()
            assert {"s", "vm_9999", "c"} <= {path.name for path in folder.iterdir()}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def test_some_are_given(folder):
    """The others it opens itself."""
    with listener(folder / "s") as local:
        arguments = ["--listen", f"unix:{folder}/s", "--listen", f"unix:{folder}/t"]
        with Service(folder, arguments, [local]) as service:
            assert service.told()["READY"] == "1"
            assert seed.ask(folder / "s", ECHO) == b"OK" == seed.ask(folder / "t", ECHO)
            service.process.terminate()
            assert service.process.wait(20) == 0
    assert (folder / "s").exists() and not (folder / "t").exists()


@pytest.mark.parametrize("path, listens, words", [
    ("other", True, ["/other", "none of the addresses"]),
    ("s", False, ["fd 3", "no socket that listens"]),
])
def test_sockets_that_do_not_fit(folder, path, listens, words):
    with listener(folder / path) if listens else socket.socket(socket.AF_UNIX) as one:
        with Service(folder, ["--listen", f"unix:{folder}/s"], [one]) as service:
            assert service.process.wait(20) == 1
            log = service.log()
            for word in words:
                assert word in log
    assert not (folder / "s").exists()


def test_runtime_directory(folder):
    """The one that the manager has made is the place of the default sockets."""
    (folder / "run").mkdir()
    with Service(folder, environment={"RUNTIME_DIRECTORY": f"{folder}/run"}) as service:
        assert service.told()["READY"] == "1"
        names = sorted(path.name for path in (folder / "run").iterdir())
        assert names == ["control.sock", "tensock.sock"]
        assert seed.ask(folder / "run/tensock.sock", ECHO) == b"OK"
        service.process.terminate()
        assert service.process.wait(20) == 0
    assert eventually(lambda: not list((folder / "run").iterdir())) and (folder / "run").is_dir()


@pytest.mark.parametrize("unit, exposure", [("tensockd.service", 6), ("tensock-proxy.service", 11)])
def test_unit(folder, unit, exposure):
    """What systemd makes of the unit: it understands all of it, and finds little to be exposed."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    shutil.copy(BUILD / "dist" / unit, folder)
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={exposure}",
                           "--no-pager", folder / unit], capture_output=True, text=True, check=False,
                          timeout=60)
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout
    # An unknown setting is said there, one line each.
    assert f"{unit}:" not in done.stderr, done.stderr
