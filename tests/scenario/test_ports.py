# SPDX-License-Identifier: Apache-2.0
"""The vsock ports at which a guest reaches Tensock, here through hybrid sockets; those of the built-in device
are in tests/device."""

import os
import signal
import stat

import http2
import http_guest
import pytest
import seed
from conftest import engine_config, eventually
from control import INVALID_ARGUMENT, Control, Refused
from daemon import DaemonError

ECHO = b"TSKECHO1 shape=1,4"
TRITON = "ports = 9999, 8000, 8001\n"


def assert_answers(path):
    """Any protocol."""
    with http_guest.Guest(path) as guest:
        assert guest.get("/v2/health/live").status == 200
        assert guest.get("/metrics").status == 404
    assert http2.is_live(path)
    assert seed.ask(path, ECHO) == b"OK"


def ports(folder, name):
    """Those with a socket file."""
    return {int(path.name.rpartition("_")[2]) for path in folder.glob(f"{name}_*") if path.is_socket()}


def asked(tensock, number, line):
    """Sends a signal, and waits for one more such line of the log."""
    def n():
        return sum(line in one for one in list(tensock.log))

    before = n()
    os.kill(tensock.pid, number)
    assert eventually(lambda: n() > before, 60), "\n".join(tensock.log)


def reload(tensock, before, after):
    config = tensock.folder / "tensockd.conf"
    config.write_text(config.read_text().replace(before, after))
    asked(tensock, signal.SIGHUP, "the configuration has been read again")


@pytest.fixture
def web(start, folder):
    """A guest with Triton's ports, and one with those that all have."""
    return start(f"{engine_config('echo')}[guest web]\nhybrid = {folder}/web\n{TRITON}"
                 f"[guest db]\nhybrid = {folder}/db\n", "--control", folder / "control.sock")


def test_every_port_takes_every_protocol(web, folder):
    assert ports(folder, "web") == {9999, 8000, 8001} and ports(folder, "db") == {9999}
    for port in (9999, 8000, 8001):
        path = folder / f"web_{port}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert_answers(path)
    assert len(web.fronts()) == 1  # whichever port: one guest
    assert_answers(folder / "db_9999")
    assert web.said("ready", f"hybrid:web={folder}/web ", f"hybrid:web={folder}/web (port 8000)")
    with Control(folder / "control.sock") as control:
        assert control.guests()["web"].text == f"{folder}/web_9999"


def test_ports_of_all(start, folder):
    """Of guests with no section, too: of an address, and of those that are attached."""
    start(f"ports = 8001 8000\nlisten = hybrid:fc={folder}/fc\n{engine_config('echo')}"
          f"[guest own]\nports = 7\n[guest web]\nhybrid = {folder}/web\n", "--control", folder / "control.sock")
    assert ports(folder, "fc") == ports(folder, "web") == {8001, 8000}
    assert_answers(folder / "fc_8000")
    with Control(folder / "control.sock") as control:
        control.attach_hybrid("new", folder / "new")
        control.attach_hybrid("own", folder / "own")
        assert control.guests()["new"].text == f"{folder}/new_8001"
        assert ports(folder, "new") == {8001, 8000} and ports(folder, "own") == {7}
        assert_answers(folder / "new_8001")
        assert_answers(folder / "own_7")
        # Another one may have none of these paths, and one that is refused leaves nothing.
        with pytest.raises(Refused, match="serves .*web_800[01] already") as refused:
            control.attach_hybrid("thief", folder / "web")
        assert refused.value.status == INVALID_ARGUMENT
        for name in ("new", "fc"):
            control.detach(name)
            assert not ports(folder, name)
    assert_answers(folder / "web_8000")


@pytest.mark.parametrize("config, words", [
    ("ports = 8000, 9999, 8000\n", [":3:", "8000 is there twice"]),
    ("[guest web]\nports = 8000\nports = 8001\n", [":5:", "ports is given twice"]),
    ("[guest web]\nports = http\n", [":4:", "'http' is no vsock port", "1 to 4294967294"]),
    ("[guest uid-7]\nports = 8000\n", [":4:", "uid-7", "listen"]),
    ("[guest a]\nvhost-socket = {folder}/a\nuds = {folder}/u\n[guest b]\nports = 9999, 8000\n"
     "hybrid = {folder}/u\n", ["u_8000 is what guest a reaches at port 8000"]),
    # Each port is a file, and that of another program stays its own.
    ("[guest web]\nports = 8000, 8001\nhybrid = {folder}/web\n", ["web_8001"]),
])
def test_refused(start, folder, config, words):
    (folder / "web_8001").write_text("mine")
    with pytest.raises(DaemonError) as refused:
        start(config.format(folder=folder))
    for word in words:
        assert word in str(refused.value)
    assert sorted(path.name for path in folder.iterdir()) == ["tensockd.conf", "web_8001"]


def test_reload(web, folder):
    """Sockets come and go at once; what is connected stays."""
    with seed.Guest(folder / "web_8001") as guest, seed.Guest(folder / "web_9999") as other:
        assert guest.ask(ECHO) == b"OK" == other.ask(ECHO)
        reload(web, TRITON, "ports = 9999, 8000, 8002\n")
        assert ports(folder, "web") == {9999, 8000, 8002}
        assert guest.ask(ECHO) == b"OK" == other.ask(ECHO)
        assert_answers(folder / "web_8002")  # a port as any other: no metrics
        assert len(web.fronts()) == 1
    reload(web, "ports = 9999, 8000, 8002\n", "")
    assert ports(folder, "web") == {9999}
    assert_answers(folder / "web_9999")


def test_upgrade_keeps_them(web, folder):
    with Control(folder / "control.sock") as control:
        control.attach_hybrid("late", folder / "late")
    paths = [folder / f"web_{port}" for port in (9999, 8000, 8001)] + [folder / "late_9999"]
    before = [path.stat().st_ino for path in paths]
    for _ in range(2):
        asked(web, signal.SIGUSR2, ": info: ready")
        assert [path.stat().st_ino for path in paths] == before
        for path in paths:
            assert_answers(path)
    # What the file says then, holds then.
    config = folder / "tensockd.conf"
    config.write_text(config.read_text().replace(TRITON, "ports = 8001, 7\n").replace(
        "[daemon]\n", "[daemon]\nports = 8\n"))
    asked(web, signal.SIGUSR2, ": info: ready")
    assert ports(folder, "web") == {8001, 7} and ports(folder, "late") == {8}
    assert (folder / "web_8001").stat().st_ino == before[2]
    for name in ("web_8001", "web_7", "late_8"):
        assert_answers(folder / name)
