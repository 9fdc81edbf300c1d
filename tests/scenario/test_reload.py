# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: the configuration is read again, and holds from then on, or nothing has changed."""

import os
import signal
import socket

import onnx_writer
import pytest
import seed
from conftest import alive, engine_config, eventually
from control import HAS_DEVICE, HAS_HYBRID, IS_ATTACHED, Control

ECHO = b"TSKECHO1 shape=1,4"
DONE = "the configuration has been read again"
KEPT = "the configuration stays as it was"


def reload(tensock, config, word=DONE):
    """Gives the daemon another configuration: the last line of the log that has this word."""
    text = f"[daemon]\nlisten = unix:{tensock.local}\n{config}"
    (tensock.folder / "tensockd.conf").write_text(text)
    return hang_up(tensock, word)


def hang_up(tensock, word=DONE):
    def told():
        return [line for line in tensock.log if word in line]

    before = len(told())
    os.kill(tensock.pid, signal.SIGHUP)
    assert eventually(lambda: len(told()) > before), "\n".join(tensock.log)
    return told()[-1]


def guests(tensock):
    with Control(tensock.control) as control:
        return control.guests()


def refuses(path):
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) != 0


@pytest.mark.parametrize("config, words", [
    ("max-memory = lots\n", [":3:", "max-memory"]),
    ("[guest a\n", [":3:", "']'"]),
    ("[guest a]\nuds = /x/y\n", ["guest a", "vhost-socket"]),
    ("[engine nothing]\nplugin = /nonexistent\n", ["nothing", "/nonexistent"]),
    ("listen = unix:/nonexistent/s\n[guest b]\nhybrid = {folder}/b\n", ["/nonexistent/s"]),
])
def test_bad_file_changes_nothing(host, folder, config, words):
    with seed.Guest(host.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        before, files = guests(host), sorted(folder.iterdir())
        line = reload(host, config.format(folder=folder) + engine_config("echo"), KEPT)
        assert line.startswith("tensockd: error: ")
        for word in words:
            assert word in line
        assert guest.ask(ECHO) == b"OK"
        assert guests(host) == before
        assert sorted(folder.iterdir()) == files
        assert seed.ask(host.local, ECHO) == b"OK"


def test_file_that_is_gone(host):
    (host.folder / "tensockd.conf").unlink()
    assert "No such file" in hang_up(host, KEPT)
    assert seed.ask(host.local, ECHO) == b"OK"


def test_guests_come_and_go(host, folder):
    config = engine_config("echo")
    reload(host, f"listen = hybrid:third={folder}/third\n{config}[guest web]\nhybrid = {folder}/web\n")
    assert {name: guest.ways for name, guest in guests(host).items()} == \
        {"web": HAS_HYBRID, "third": HAS_HYBRID}
    with seed.Guest(folder / "web_9999") as web, seed.Guest(folder / "third_9999") as third:
        assert web.ask(ECHO) == b"OK" == third.ask(ECHO)
        fronts = host.fronts()
        # One stays as it is, one goes, one comes.
        reload(host, f"{config}[guest web]\nhybrid = {folder}/web\n[guest other]\n"
                     f"hybrid = {folder}/other\n")
        assert third.is_closed()
        assert refuses(folder / "third_9999")
        assert not (folder / "third_9999").exists()
        assert web.ask(ECHO) == b"OK"
        assert seed.ask(folder / "other_9999", ECHO) == b"OK"
        assert eventually(lambda: len([pid for pid in fronts if alive(pid)]) == 1)
    # Another path for the same guest: its connections stay.
    with seed.Guest(folder / "web_9999") as web:
        assert web.ask(ECHO) == b"OK"
        reload(host, f"{config}[guest web]\nhybrid = {folder}/web2\n")
        assert web.ask(ECHO) == b"OK"
        assert seed.ask(folder / "web2_9999", ECHO) == b"OK"
        assert refuses(folder / "web_9999")


def test_devices_come_and_go(host, folder):
    config = engine_config("echo")
    reload(host, f"{config}[guest a]\nvhost-socket = {folder}/a\n")
    assert guests(host)["a"].ways == HAS_DEVICE and guests(host)["a"].cid == 3
    front, = host.fronts()
    # Another one before it does not take its CID, nor its front.
    reload(host, f"{config}[guest b]\nvhost-socket = {folder}/b\nuds = {folder}/u\n"
                 f"[guest a]\nvhost-socket = {folder}/a\n")
    assert {name: guest.cid for name, guest in guests(host).items()} == {"a": 3, "b": 4}
    assert front in host.fronts() and len(host.fronts()) == 2
    # Another CID is another device: the guest goes, and comes back.
    reload(host, f"{config}[guest a]\nvhost-socket = {folder}/a\ncid = 7\n")
    assert eventually(lambda: {name: guest.cid for name, guest in guests(host).items()} == {"a": 7})
    assert eventually(lambda: len(host.fronts()) == 1 and front not in host.fronts())
    reload(host, config)
    assert eventually(lambda: not guests(host) and not host.fronts())
    assert not (folder / "a").exists()


def test_running_vm_keeps_its_device(host, folder):
    config = engine_config("echo")
    reload(host, f"{config}[guest a]\nvhost-socket = {folder}/a\n")
    with socket.socket(socket.AF_UNIX) as vmm:
        vmm.connect(str(folder / "a"))
        line = reload(host, config, KEPT)
        assert "guest a" in line and "--force" in line
        assert "guest a" in reload(host, f"{config}[guest a]\nvhost-socket = {folder}/a\ncid = 5\n",
                                   KEPT)
        assert guests(host)["a"].cid == 3
    assert eventually(lambda: DONE in reload(host, config, "configuration"))


def test_attached_guests_stay(host, folder):
    with Control(host.control) as control:
        control.attach_hybrid("web", folder / "web")
        control.attach_vm("vm", folder / "vm", cid=3)
    config = engine_config("echo")
    reload(host, config + f"[guest new]\nvhost-socket = {folder}/new\n")
    assert {name: (guest.ways, guest.cid) for name, guest in guests(host).items()} == \
        {"web": (HAS_HYBRID | IS_ATTACHED, 0), "vm": (HAS_DEVICE | IS_ATTACHED, 3),
         "new": (HAS_DEVICE, 4)}
    assert seed.ask(folder / "web_9999", ECHO) == b"OK"
    # What was attached stands in no file's way, nor a file in its.
    assert "guest web has been attached" in reload(
        host, config + f"[guest web]\nhybrid = {folder}/elsewhere\n", KEPT)
    assert "cid 3" in reload(
        host, config + f"[guest new]\nvhost-socket = {folder}/new\ncid = 3\n", KEPT)
    with Control(host.control) as control:
        control.detach("web")
        control.detach("vm")


def test_detached_guest_comes_back_by_the_file(host, folder):
    config = f"{engine_config('echo')}[guest web]\nhybrid = {folder}/web\n"
    reload(host, config)
    with Control(host.control) as control:
        control.detach("web")
    assert eventually(lambda: not guests(host))
    reload(host, config)
    assert seed.ask(folder / "web_9999", ECHO) == b"OK"


def test_limits_of_the_next_front(host, folder):
    config = f"{engine_config('echo')}[guest web]\nhybrid = {folder}/web\n"
    reload(host, config)
    assert seed.ask(folder / "web_9999", ECHO) == b"OK"
    reload(host, config + "max-model-size = 4\n")
    host.fronts_may_die = True
    for pid in host.fronts():
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not host.fronts())
    # A connection may still have been given to the one that was dying: it is closed.
    assert eventually(lambda: seed.ask(folder / "web_9999", ECHO) == b"ER")
    assert seed.ask(host.local, ECHO) == b"OK"  # another guest


def test_who_is_served(host):
    assert seed.ask(host.local, ECHO) == b"OK"
    reload(host, "guests = configured\n" + engine_config("echo"))
    with seed.Guest(host.local) as guest:
        assert guest.is_closed()
    reload(host, f"guests = configured\n{engine_config('echo')}[guest uid-{os.getuid()}]\nmax-models = 7\n")
    assert seed.ask(host.local, ECHO) == b"OK"


def test_engines_of_the_next_worker(host):
    assert seed.ask(host.local, ECHO) == b"OK"
    assert seed.ask(host.local, onnx_writer.identity(1)) == b"ER"
    reload(host, "[engine onnxruntime]\n" + engine_config("echo"))
    assert seed.ask(host.local, onnx_writer.identity(1)) == b"OK"
    assert seed.ask(host.local, ECHO) == b"OK"


def test_log_level(host):
    reload(host, "log-level = debug\n" + engine_config("echo"))
    assert seed.ask(host.local, ECHO) == b"OK"
    assert host.said("tensockd: debug:")
    reload(host, "log-level = info\n" + engine_config("echo"))
    n = len(host.log)
    assert seed.ask(host.local, ECHO) == b"OK"
    assert not [line for line in host.log[n:] if "tensockd: debug" in line]


def test_what_needs_a_start(host, folder):
    reload(host, f"store = {folder}/store\n" + engine_config("echo"))
    assert host.said("warning", "the store", "next start")
    assert seed.ask(host.local, ECHO) == b"OK"
    assert not (folder / "store").exists()


def test_command_line_wins_again(start, folder):
    """--listen took the place of the file's addresses, and does so each time."""
    tensock = start(engine_config("echo"), "--listen", f"unix:{folder}/line", "--log-level", "info",
                    "--control", folder / "control")
    reload(tensock, f"log-level = debug\nlisten = unix:{folder}/more\ncontrol = {folder}/other\n" +
           engine_config("echo"))
    assert seed.ask(folder / "line", ECHO) == b"OK"
    assert sorted(path.name for path in folder.iterdir() if path.is_socket()) == ["control", "line"]
    assert not any(": debug: " in line for line in tensock.log)


def test_control_socket_moves(start, folder):
    tensock = start(f"control = {folder}/one\n" + engine_config("echo"))
    with Control(folder / "one") as control:
        reload(tensock, f"control = {folder}/two\n" + engine_config("echo"))
        assert control.receive() is None
    with Control(folder / "two") as control:
        assert control.state().pid == tensock.pid
        reload(tensock, "control = none\n" + engine_config("echo"))
        assert control.receive() is None
    assert not (folder / "one").exists() and not (folder / "two").exists()


def test_again_and_again(host, folder):
    """Nothing piles up."""
    configs = [engine_config("echo") + f"[guest web]\nhybrid = {folder}/web\n",
               engine_config("echo") + f"[guest vm]\nvhost-socket = {folder}/vm\n"]

    def fds():
        return len(os.listdir(f"/proc/{host.pid}/fd"))

    def settled():
        """The VM's front is the one that there is, and all of those before it are gone."""
        there = guests(host)
        return list(there) == ["vm"] and host.fronts() == [there["vm"].pid]

    for config in configs * 2:
        reload(host, config)
    assert eventually(settled)
    most = max(fds() for _ in range(20))  # who has just asked may still be there
    for config in configs * 10:
        reload(host, config)
    assert eventually(settled)
    assert eventually(lambda: fds() <= most)
    assert seed.ask(host.local, ECHO) == b"OK"
