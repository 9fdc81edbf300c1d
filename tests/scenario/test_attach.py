# SPDX-License-Identifier: Apache-2.0
"""Guests that come and go while the daemon runs."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import onnx_writer
import pytest
from conftest import alive, engine_config, eventually
from control import (HAS_HYBRID, INVALID_ARGUMENT, IS_ATTACHED, LIST, NOT_FOUND, PROTOCOL, REQUEST,
                     RESULT, STATE, UNSUPPORTED, Control, Refused, request)
from daemon import BUILD
from seed import Guest

ECHO = b"TSKECHO1 shape=1,4"


@pytest.fixture
def host(start, folder):
    """A daemon with the echo engine, a control socket, and a guest from the file."""
    tensock = start(engine_config("echo") + f"[guest old]\nhybrid = {folder}/old\n"
                    "[guest small]\nmax-model-size = 16\n", "--control", folder / "control.sock")
    tensock.control = folder / "control.sock"
    return tensock


@pytest.fixture
def control(host):
    with Control(host.control) as control:
        yield control


def converse(path, model=ECHO):
    with Guest(path) as guest:
        return guest.ask(model)


def sockets(folder):
    return sorted(path.name for path in folder.iterdir())


def test_state(host, control):
    assert stat.S_IMODE(os.stat(host.control).st_mode) == 0o600
    before = control.state()
    assert before.pid == host.pid and before.text and before.n_guests == 1
    time.sleep(0.05)
    assert control.state().uptime_ms >= before.uptime_ms + 50


def test_list(host, control):
    assert list(control.guests()) == ["old"]  # the other one has limits, and no socket
    assert converse(host.local) == b"OK"
    guests = control.guests()
    local = guests[f"uid-{os.getuid()}"]
    assert (local.ways, local.cid) == (0, 0)
    assert [local.pid] == host.fronts()
    assert guests["old"].ways == HAS_HYBRID and guests["old"].pid == 0
    assert guests["old"].text == f"{host.folder}/old_9999"


def test_hybrid(host, control, folder):
    control.attach_hybrid("web", folder / "web")
    assert stat.S_IMODE(os.stat(f"{folder}/web_9999").st_mode) == 0o660
    assert host.said("guest web: attached", f"pid {os.getpid()}", f"{folder}/web")
    assert control.guests()["web"].ways == HAS_HYBRID | IS_ATTACHED
    with Guest(f"{folder}/web_9999") as guest:
        assert guest.ask(ECHO) == b"OK"
        front = control.guests()["web"].pid
        assert front in host.fronts()
        control.detach("web")
        # All is over by the answer, the guest's connection, too.
        assert not alive(front)
        assert guest.is_closed()
    assert host.said("guest web: detached")
    assert "web" not in control.guests()
    assert not os.path.exists(f"{folder}/web_9999")
    assert eventually(lambda: not host.workers())
    # Another one of that name knows nothing of the first.
    control.attach_hybrid("web", folder / "web")
    assert converse(f"{folder}/web_9999") == b"OK"


def test_guest_of_the_file_is_detached(host, control, folder):
    assert converse(folder / "old_9999") == b"OK"
    control.detach("old")
    assert not os.path.exists(folder / "old_9999")
    control.attach_hybrid("old", folder / "elsewhere")
    assert converse(folder / "elsewhere_9999") == b"OK"


def test_guest_of_the_command_line_is_detached(start, folder):
    host = start("", "--control", folder / "c", "--listen", f"hybrid:web={folder}/web",
                 "--listen", f"hybrid:web={folder}/twice", "--listen", f"unix:{folder}/local.sock")
    with Control(folder / "c") as control:
        assert [guest.ways for guest in control.ask(LIST)] == [HAS_HYBRID]
        assert control.state().n_guests == 1
        with pytest.raises(Refused, match="already"):
            control.attach_hybrid("web", folder / "other")
        control.detach("web")
        assert not control.guests() and sockets(folder) == ["c", "local.sock", "tensockd.conf"]
        control.attach_hybrid("web", folder / "web")
        assert os.path.exists(folder / "web_9999")
    assert host.said("guest web: detached")


def test_limits_of_the_section(host, control, folder):
    """A guest that the file has limits for gets them when it comes, each time."""
    for _ in range(2):
        control.attach_hybrid("small", folder / "small")
        assert converse(folder / "small_9999", ECHO + b" " * 100) == b"ER"
        assert converse(folder / "small_9999", b"TSKECHO1") == b"OK"
        control.detach("small")


@pytest.mark.parametrize("arguments, status, words", [
    ((1, 0, 0, "old", "/x"), INVALID_ARGUMENT, "already"),
    ((1, 0, 0, "uid-5", "/x"), INVALID_ARGUMENT, "choose another"),
    ((1, 0, 0, "-a", "/x"), INVALID_ARGUMENT, "no guest's name"),
    ((1, 0, 0, "a/b", "/x"), INVALID_ARGUMENT, "no guest's name"),
    ((1, 0, 0, "new", "relative"), INVALID_ARGUMENT, "not absolute"),
    ((1, 0, 0, "new", "/" + "x" * 99), INVALID_ARGUMENT, "bytes"),
    ((1, 0, 0, "new", "{}/no/such/folder"), None, "No such file"),
    ((1, 0, 0, "new", "{}/old"), INVALID_ARGUMENT, "serves .*old_9999 already"),
    ((1, 0, 0, "new", "{}/file"), INVALID_ARGUMENT, "is no socket"),
    ((2, 0, 2, "new", "{}/new"), INVALID_ARGUMENT, "from 3"),
    ((2, 0, 0xffffffff, "new", "{}/new"), INVALID_ARGUMENT, "from 3"),
    ((2, 0, 0, "new", "{}/new", "uds"), INVALID_ARGUMENT, "not absolute"),
    ((2, 0, 0, "new", "{}/new_80", "{}/new"), INVALID_ARGUMENT, "at port 80"),
    ((2, 0, 0, "new", "{}/new", "{}/control.sock"), None, "another program serves"),
    ((2, 0, 0, "new", "{}/local.sock"), INVALID_ARGUMENT, "already, as unix:"),
    ((2, 0, 0, "new", "{}/new", "{}/no/such"), None, "No such file"),
    ((3, 0, 0, "new"), NOT_FOUND, "no guest new"),
    ((3, 0, 0, "small"), NOT_FOUND, "no guest small"),
    ((3, 0, 0, "uid-0"), NOT_FOUND, "no guest uid-0"),
])
def test_refused(host, control, folder, arguments, status, words):
    """What is refused leaves nothing behind, and costs nothing but its answer."""
    (folder / "file_9999").write_text("mine")
    (folder / "file").write_text("mine")
    before = sockets(folder), control.guests()
    arguments = [str(a).format(folder) if isinstance(a, str) else a for a in arguments]
    with pytest.raises(Refused, match=words) as refused:
        control.ask(*arguments)
    assert status is None or refused.value.status == status
    assert (sockets(folder), control.guests()) == before
    assert not host.processes("tensock-front")
    control.attach_hybrid("new", folder / "new")
    assert converse(folder / "new_9999") == b"OK"


def test_many_come_and_go_while_others_work(host, control, folder):
    """A conversation that lasts is not disturbed, nor is any that begins."""
    stop = threading.Event()
    undisturbed = []

    def work(path):
        with Guest(path) as guest:
            while not stop.is_set():
                if guest.ask(ECHO) != b"OK":
                    return
        undisturbed.append(path)

    workers = [threading.Thread(target=work, args=[path])
               for path in (host.local, folder / "old_9999")]
    for worker in workers:
        worker.start()
    for turn in range(10):
        names = [f"vm{turn}-{i}" for i in range(3)]
        for i, name in enumerate(names):
            if i == 2:
                control.attach_vm(name, folder / name)
            else:
                control.attach_hybrid(name, folder / name)
        assert set(names) < set(control.guests())
        assert converse(folder / f"{names[0]}_9999") == b"OK"
        for name in names:
            control.detach(name)
    stop.set()
    for worker in workers:
        worker.join()
    assert len(undisturbed) == len(workers)
    assert set(control.guests()) == {"old", f"uid-{os.getuid()}"}
    assert eventually(lambda: len(host.fronts()) == 2)


def test_max_guests(start, folder):
    """A VM's front is there at once: with max-guests of others there is no room for it."""
    host = start("max-guests = 1\n" + engine_config("echo"), "--control", folder / "c")
    with Control(folder / "c") as control:
        control.attach_hybrid("first", folder / "first")
        before = sockets(folder)
        with Guest(folder / "first_9999") as guest:
            assert guest.ask(ECHO) == b"OK"
            with pytest.raises(Refused, match="max-guests"):
                control.attach_vm("vm", folder / "vm", uds=folder / "uds")
            assert sockets(folder) == before
            assert list(control.guests()) == ["first"]
            assert guest.ask(ECHO) == b"OK"
        control.detach("first")
        control.attach_vm("vm", folder / "vm", uds=folder / "uds")
        assert [control.guests()["vm"].pid] == host.fronts()
        control.detach("vm")


def tensock(*arguments, **options):
    return subprocess.run([BUILD / "tensock", *map(str, arguments)], capture_output=True, text=True,
                          timeout=30, check=False, **options)


def test_commands(host, folder):
    """tensock attach, guests, detach: what they say, print and end with."""
    to = ["--control", host.control]
    done = tensock("attach", "vm", "--vhost-socket", "vm.vhost", "--uds", "vm", *to, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cid 3" in done.stdout and f"path={folder}/vm.vhost" in done.stdout
    done = tensock("attach", "web", "--hybrid", folder / "web", "--json", *to)
    guest = json.loads(done.stdout)
    assert guest == {"name": "web", "device": False, "hybrid": True, "attached": True, "vmm": False,
                     "cid": None, "front": None, "socket": f"{folder}/web_9999"}
    assert converse(folder / "web_9999") == b"OK"

    done = tensock("guests", *to)
    head, _, *rows = done.stdout.splitlines()
    assert f"pid {host.pid}, up " in head and "3 guests" in head
    assert {row.split()[0] for row in rows} == {"old", "vm", "web"}
    done = tensock("guests", "--json", env={**os.environ, "TENSOCK_CONTROL": str(host.control)})
    listed = json.loads(done.stdout)
    assert listed["pid"] == host.pid
    assert {one["name"]: one["cid"] for one in listed["guests"]} == {"old": None, "vm": 3, "web": None}

    assert tensock("detach", "web", *to).returncode == 0
    assert json.loads(tensock("detach", "vm", "--json", *to).stdout) == {"detached": "vm"}
    assert list(json.loads(tensock("guests", "--json", *to).stdout)["guests"][0].items())[0] == \
        ("name", "old")


@pytest.mark.parametrize("arguments, status, words", [
    (["attach", "old", "--hybrid", "/x"], 1, "a guest old already"),
    (["attach", "a/b", "--hybrid", "/x"], 1, "no guest's name"),
    (["attach", "a", "--hybrid", "/no/such/folder"], 1, "No such file"),
    (["detach", "web"], 1, "no guest web"),
    (["attach"], 2, "NAME is missing"),
    (["attach", "a"], 2, "one of --vhost-socket and --hybrid"),
    (["attach", "a", "b", "--hybrid", "/x"], 2, "'b' is too much"),
    (["attach", "a", "--hybrid", "/x", "--vhost-socket", "/y"], 2, "one of"),
    (["attach", "a", "--hybrid", "/x", "--cid", "5"], 2, "belong to --vhost-socket"),
    (["attach", "a", "--vhost-socket", "/x", "--cid", "2"], 2, "--cid"),
    (["attach", "a", "--hybrid", "/" + "x" * 200], 2, "can have 107"),
    (["detach"], 2, "NAME is missing"),
    (["detach", "x" * 64], 2, "1 to 63 bytes"),
    (["guests", "x"], 2, "'x' is too much"),
])
def test_commands_that_fail(host, arguments, status, words):
    done = tensock(*arguments, "--control", host.control)
    assert done.returncode == status and done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1  # no hint about models and tensors


def test_commands_without_a_daemon(folder):
    for command in (["guests"], ["detach", "a"], ["attach", "a", "--hybrid", "/x"]):
        done = tensock(*command, "--control", folder / "c")
        assert done.returncode == 3 and "is not there" in done.stderr


def test_doctor_asks_the_daemon(host, control, folder):
    control.attach_hybrid("web", folder / "web")
    environment = {**os.environ, "TENSOCK_CONTROL": str(host.control)}
    address = ["--host", f"unix:{folder}/none"]
    done = tensock("doctor", *address, env=environment)
    assert f"pid {host.pid}, has 2 guests: old (hybrid), web (hybrid)" in done.stdout
    for i in range(30):
        control.attach_hybrid(f"guest-of-a-long-name-{i}", folder / f"g{i}")
    done = tensock("doctor", "--json", *address, env=environment)
    text = json.loads(done.stdout)["findings"][0]["text"]
    assert "has 32 guests: old (hybrid), " in text and text.endswith("...")
    host.daemon.process.kill()
    host.daemon.process.wait()
    assert "no tensockd serves" in tensock("doctor", *address, env=environment).stdout
    host.end = lambda: None
    environment["TENSOCK_CONTROL"] = str(folder / "none")
    assert "the daemon" not in tensock("doctor", *address, env=environment).stdout


@pytest.mark.parametrize("metrics", ["tcp:127.0.0.1:0", "unix:{folder}/metrics.sock"])
def test_doctor_asks_for_the_metrics(start, folder, metrics):
    environment = {**os.environ, "TENSOCK_CONTROL": str(folder / "control.sock")}
    config = "metrics = " + metrics.format(folder=folder) + "\n"
    host = start(config + engine_config("echo"), "--control", folder / "control.sock")
    address = ["--host", f"unix:{host.local}"]
    done = tensock("doctor", *address, env=environment)
    told = re.search(r"ok    the metrics at (\S+) answer\n", done.stdout)
    assert told and f"info: metrics at {told[1]}" in "\n".join(host.log), done.stdout
    # Its process stands still: what connects there waits.
    process, = host.processes("tensock-metrics")
    os.kill(process, signal.SIGSTOP)
    try:
        done = tensock("doctor", *address, env=environment)
    finally:
        os.kill(process, signal.SIGCONT)
    assert done.returncode == 1
    assert f"fail  the metrics at {told[1]} do not answer: no answer in time\n" in done.stdout


def test_doctor_where_there_are_no_metrics(host, folder):
    environment = {**os.environ, "TENSOCK_CONTROL": str(host.control)}
    done = tensock("doctor", "--host", f"unix:{host.local}", env=environment)
    assert 'ok    no metrics are told: there is no "metrics" in [daemon]\n' in done.stdout


def test_bad_messages(host, control):
    """Each costs its sender the connection, after a sentence."""
    for message, status in [(b"x", PROTOCOL), (request(STATE)[:-1], PROTOCOL),
                            (request(STATE) + b"x", PROTOCOL), (request(9), PROTOCOL),
                            (request(LIST, name="a"), PROTOCOL), (b"\x02\0\0\0", UNSUPPORTED),
                            (request(3, name="a\nb"), PROTOCOL),
                            (b"\1\0\0\0" + b"\xff" * (REQUEST.size - 4), PROTOCOL)]:
        with Control(host.control) as bad:
            bad.socket.send(message)
            answer = bad.receive()
            assert (answer.type, answer.status) == (RESULT, status)
            assert bad.receive() is None
    assert list(control.guests()) == ["old"]


def test_other_sockets_are_not_asked(host):
    """A stream is not taken for messages."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        with pytest.raises(OSError):
            stream.connect(str(host.control))


@contextlib.contextmanager
def default_daemon(folder, *arguments):
    """tensockd without a configuration, by a user who is not root, whose sockets are in the folder."""
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    if user:
        os.chown(folder, 65534, 65534)
        try:
            subprocess.run([BUILD / "tensockd", "--version"], check=True, **user)
        except PermissionError:
            pytest.skip("the programs are in a folder that not everybody may enter")
    folder.chmod(0o755)
    with subprocess.Popen([BUILD / "tensockd", *arguments], env=environment,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user) as daemon:
        try:
            assert eventually((folder / "tensock/tensock.sock").is_socket)
            yield daemon, environment, user
        finally:
            daemon.terminate()
    assert daemon.returncode == 0
    assert not list(folder.iterdir())


def test_default_place(folder):
    """Beside the default local socket, for its user and root, and nobody else."""
    path = folder / "tensock/control.sock"
    with default_daemon(folder) as (daemon, environment, user):
        assert eventually(path.is_socket)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert f"pid {daemon.pid}" in tensock("guests", env=environment, **user).stdout
        if user:
            assert f"pid {daemon.pid}" in tensock("guests", env=environment).stdout
            stranger = {"user": 65533, "group": 65534, "extra_groups": []}
            done = tensock("guests", env=environment, **stranger)
            assert done.returncode == 1 and "for root and the user" in done.stderr


def test_none(folder):
    with default_daemon(folder, "--control", "none") as (_, environment, user):
        environment.pop("TENSOCK_HOST", None)
        done = tensock("run", "/nowhere", env=environment, **user)
        assert "no model of that name" in done.stderr  # it serves
        assert [path.name for path in (folder / "tensock").iterdir()] == ["tensock.sock"]


def test_stop_ends_connections(start, folder):
    host = start("", "--control", folder / "c")
    with Control(folder / "c") as control:
        assert control.state().pid == host.pid
        host.daemon.stop()
        assert control.receive() is None
    assert not os.path.exists(folder / "c")
