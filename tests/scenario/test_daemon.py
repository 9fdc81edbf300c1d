# SPDX-License-Identifier: Apache-2.0
"""tensockd itself: its command line, its sockets, its processes, its end."""

import contextlib
import os
import resource
import select
import signal
import socket
import stat
import subprocess
import threading
import time

import onnx_writer
import pytest
import seed
from conftest import SANITIZED, cpu_s, engine_config, eventually
from daemon import BUILD, Daemon, DaemonError

ECHO = b"TSKECHO1 shape=1,4"


def tensockd(*arguments, **kwargs):
    return subprocess.run([BUILD / "tensockd", *map(str, arguments)], capture_output=True,
                          text=True, timeout=20, check=False, **kwargs)


@pytest.mark.parametrize("arguments, words", [
    (["--listen"], ["'--listen'", "--help"]),
    (["--port", "9"], ["'--port'", "--help"]),
    (["--listen", "9999"], ["'9999'", "unix:PATH"]),
    (["--listen", "tcp:0.0.0.0:9999"], ["loopback"]),
    (["--listen", "unix:/" + "x" * 200], ["bytes"]),
    (["--vm", "web"], ["NAME=VHOST_SOCKET"]),
    (["--vm", "web=/run/x,cid=2"], ["from 3"]),
    (["--vm", "uid-0=/run/x"], ["choose another"]),
    (["--config", "/nonexistent"], ["/nonexistent", "No such file"]),
    (["start"], ["'start'", "--help"]),
])
def test_wrong_command_line(arguments, words):
    done = tensockd(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("tensockd: error: ") and done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("text, where", [
    ("[daemon]\nlisten = nowhere\n", ":2:"),
    ("[daemon]\n\n# comment\nmax-model-size = huge\n", ":4:"),
    ("[guest a\n", ":1:"),
    ("[engine x]\nplugin = /a\nplugin = /b\n", ":3:"),
    ("\0\n", ":1:"),
])
def test_bad_configuration(folder, text, where):
    path = folder / "bad.conf"
    path.write_text(text)
    done = tensockd("--config", path)
    assert done.returncode == 2
    assert f"{path}{where}" in done.stderr


def test_help_and_version():
    assert tensockd("--version").stdout.startswith("tensockd ")
    done = tensockd("--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 24 and "--listen" in done.stdout


def test_example_configuration(folder):
    """The one that is installed reads as it stands, and with every example in it uncommented."""
    example = os.path.join(os.path.dirname(__file__), "../../dist/tensockd.conf")
    with open(example, encoding="utf-8") as file:
        lines = file.read().splitlines()
    path = folder / "all.conf"
    uncommented = [line[1:] if line[:1] == "#" and line[1:2] not in ("", " ") else line
                   for line in lines]
    assert uncommented != lines
    path.write_text("\n".join(uncommented))
    # It ends where the example's folders are missing, which is after all of it has been read.
    done = tensockd("--config", path, "--listen", f"unix:{folder}/nowhere/sock")
    assert done.returncode == 1, done.stderr
    path.write_text("\n".join(lines))
    done = tensockd("--config", path, "--listen", f"unix:{folder}/nowhere/sock")
    assert done.returncode == 1 and "nowhere" in done.stderr


def test_vsock_that_is_not_there(folder):
    """Asked for by name, it is an error where the kernel has none."""
    try:
        socket.socket(socket.AF_VSOCK).close()
        pytest.skip("this kernel has AF_VSOCK, and a test does not listen on it outside of a guest")
    except OSError:
        done = tensockd("--listen", "vsock:9999", "--listen", f"unix:{folder}/s")
        assert done.returncode == 1 and "vsock" in done.stderr


def test_socket_files(start, folder):
    tensock = start(engine_config("echo") + f"[guest web]\nhybrid = {folder}/web\n", "--vm",
                    f"vm={folder}/vhost,uds={folder}/uds")
    assert tensock.said("ready", str(tensock.local), "hybrid:web", "vm:vm", "uds:vm")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()
             if path.is_socket()}
    assert modes == {"local.sock": 0o666, "web_9999": 0o660, "vhost": 0o660, "uds": 0o660,
                     "uds.seqpacket": 0o660}
    for path, kind in (("uds", socket.SOCK_STREAM), ("uds.seqpacket", socket.SOCK_SEQPACKET)):
        with socket.socket(socket.AF_UNIX, kind) as connection:
            connection.connect(str(folder / path))
    assert len(tensock.fronts()) == 1  # the VM's, from the start


def test_stale_and_served_sockets(start, folder):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(folder / "local.sock"))
    stale.listen()
    stale.close()
    tensock = start(engine_config("echo"))
    assert seed.ask(tensock.local, ECHO) == b"OK"
    done = tensockd("--listen", f"unix:{tensock.local}")
    assert done.returncode == 1 and "another program serves" in done.stderr
    assert seed.ask(tensock.local, ECHO) == b"OK"


def test_log_file_shared_with_a_script(folder):
    precious = folder / "precious"
    precious.write_text("")
    with open(folder / "log", "wb", buffering=0) as log:
        log.write(b"before\n")
        subprocess.run([BUILD / "tensockd", "--listen", f"unix:{precious}"], stderr=log, timeout=60,
                       check=False)
        log.write(b"after\n")
    lines = (folder / "log").read_text().splitlines()
    assert len(lines) == 3 and "is no socket" in lines[1], lines


def test_file_in_the_place_of_a_socket(folder):
    path = folder / "precious"
    path.write_text("do not touch")
    done = tensockd("--listen", f"unix:{path}")
    assert done.returncode == 1 and "is no socket" in done.stderr
    assert path.read_text() == "do not touch"


def test_start_that_fails_leaves_nothing(folder):
    done = tensockd("--listen", f"unix:{folder}/a", "--vm", f"v={folder}/v", "--listen",
                    f"unix:{folder}/nowhere/b")
    assert done.returncode == 1
    assert not list(folder.iterdir())


def test_default_socket(folder, monkeypatch):
    """Without --listen: $XDG_RUNTIME_DIR/tensock/tensock.sock.  (Root's is /run/tensock: not here.)"""
    if os.geteuid() == 0:
        pytest.skip("as root the default sockets are the host's own")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    path = folder / "tensock/tensock.sock"
    with Daemon([], [path]):
        assert path.is_socket()
    assert not list(folder.iterdir())


def test_ready_soon_and_small(start, folder):
    began = time.monotonic()
    tensock = start(engine_config("echo"), "--vm", f"vm={folder}/vhost")
    assert tensock.said("ready")
    took_ms = (time.monotonic() - began) * 1000
    assert eventually(tensock.fronts)
    time.sleep(0.2)
    rss_kib = 0
    for pid in [tensock.pid, *tensock.fronts()]:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            rss_kib += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    print(f"ready after {took_ms:.0f} ms, {rss_kib} KiB")
    if not SANITIZED:
        assert rss_kib <= 10 << 10
        assert took_ms <= 200  # 50 on a machine that does nothing else


def test_children_have_what_they_need_and_no_more(start):
    tensock = start(engine_config("echo"))
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        for pid in tensock.fronts() + tensock.workers():
            with open(f"/proc/{pid}/environ", "rb") as environ:
                names = {entry.split(b"=")[0] for entry in environ.read().split(b"\0") if entry}
            assert names <= {b"LANG", b"PATH", b"ORT_DISABLE_TELEMETRY", b"ASAN_OPTIONS",
                             b"UBSAN_OPTIONS", b"LSAN_OPTIONS"}
            with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
                core = next(line for line in limits if line.startswith("Max core file size"))
            assert core.split()[4:6] == ["0", "0"]
            assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
            assert os.readlink(f"/proc/{pid}/cwd").endswith(" (deleted)")
            assert os.getsid(pid) == pid
        for pid in tensock.workers():
            assert os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"


def test_front_that_is_killed(start, folder):
    tensock = start(engine_config("echo") + f"[guest other]\nhybrid = {folder}/other\n")
    tensock.fronts_may_die = True
    with seed.Guest(folder / "other_9999") as other:
        assert other.ask(ECHO) == b"OK"
        theirs, = tensock.fronts()
        with seed.Guest(tensock.local) as guest:
            guest.send(seed.frame(b"TSKECHO1 delay_ms=20000"))
            assert eventually(lambda: len(tensock.fronts()) == 2)
            front, = set(tensock.fronts()) - {theirs}
            time.sleep(0.2)
            began = time.monotonic()
            os.kill(front, signal.SIGKILL)
            assert guest.is_closed()
        # A connection may still have been given to the front that was dying: it is closed, too.
        assert eventually(lambda: seed.ask(tensock.local, ECHO) == b"OK", 2)
        assert time.monotonic() - began < 2
        assert other.ask(ECHO) == b"OK"
        assert theirs in tensock.fronts() and front not in tensock.fronts()
    assert tensock.said("uid-", "was killed by signal 9")
    # The workers of the front that died are gone with it.
    assert eventually(lambda: len(tensock.workers()) <= 4)


def test_front_that_is_killed_again_and_again(start, folder):
    """It is replaced at once, then later and later, and never given up."""
    tensock = start(engine_config("echo"), "--vm", f"vm={folder}/vhost")
    tensock.fronts_may_die = True
    deaths = 0
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        for pid in tensock.fronts():
            os.kill(pid, signal.SIGKILL)
            deaths += 1
        time.sleep(0.01)
    assert 3 <= deaths < 30
    assert eventually(tensock.fronts)


def test_front_that_does_not_keep_up(start, folder):
    """What it cannot be given is closed, and counted; nobody else is held up."""
    tensock = start(engine_config("echo") + f"[guest other]\nhybrid = {folder}/other\n")
    assert seed.ask(tensock.local, ECHO) == b"OK"
    front, = tensock.fronts()
    os.kill(front, signal.SIGSTOP)
    guests = []
    for _ in range(2000):
        guests.append(seed.Guest(tensock.local, 5))
        if tensock.log and "does not keep up" in tensock.log[-1]:
            break
    assert tensock.said("uid-", "does not keep up")
    assert guests[-1].is_closed()
    assert seed.ask(folder / "other_9999", ECHO) == b"OK"
    os.kill(front, signal.SIGCONT)
    guests[0].socket.settimeout(seed.TIMEOUT_S)
    assert guests[0].ask(ECHO) == b"OK"
    for guest in guests:
        guest.socket.close()
    assert eventually(lambda: seed.ask(tensock.local, ECHO) == b"OK")


def test_interrupted_calls(start):
    """Stopped and continued again and again, which ends system calls with EINTR or short counts."""
    tensock = start()
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(onnx_writer.identity(3)) == b"OK"
        front, = tensock.fronts()
        sender = threading.Thread(target=guest.send,
                                  args=[seed.frame(onnx_writer.identity(3, 16 << 20))])
        sender.start()
        while sender.is_alive():
            os.kill(front, signal.SIGSTOP)
            time.sleep(0.001)
            os.kill(front, signal.SIGCONT)
            time.sleep(0.0005)
        assert guest.receive() == b"OK"
    assert tensock.printed(seed.output_line(seed.random_floats(3)), 2)


def test_stop_lets_work_finish(start):
    tensock = start(engine_config("echo"))
    with seed.Guest(tensock.local) as guest:
        guest.send(seed.frame(b"TSKECHO1 delay_ms=1000"))
        time.sleep(0.4)
        os.kill(tensock.pid, signal.SIGTERM)
        assert eventually(lambda: not tensock.local.exists())  # no new work
        assert guest.receive() == b"OK"
    assert tensock.daemon.process.wait(10) == 0
    assert tensock.said("SIGTERM")


def test_second_signal_ends_at_once(start):
    tensock = start(engine_config("echo"))
    tensock.fronts_may_die = True
    with seed.Guest(tensock.local) as guest:
        guest.send(seed.frame(b"TSKECHO1 delay_ms=20000"))
        assert eventually(tensock.workers)
        time.sleep(0.3)
        began = time.monotonic()
        os.kill(tensock.pid, signal.SIGINT)
        assert tensock.said("SIGINT")
        os.kill(tensock.pid, signal.SIGINT)
        assert tensock.daemon.process.wait(10) == 0
        assert time.monotonic() - began < 3
        assert guest.receive() in (b"", b"ER")  # the front may have seen its worker die first


def test_stop_has_a_deadline(start):
    """A front that does not end, stopped by the debugger's signal, is ended."""
    tensock = start("run-deadline = 200ms\n" + engine_config("echo"))
    tensock.fronts_may_die = True
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        for pid in tensock.fronts():
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        os.kill(tensock.pid, signal.SIGTERM)
        assert tensock.daemon.process.wait(15) == 0
        assert time.monotonic() - began < 8


def test_hangup_changes_nothing(echo):
    os.kill(echo.pid, signal.SIGHUP)
    assert echo.said("SIGHUP")
    assert seed.ask(echo.local, ECHO) == b"OK"


def test_killed_supervisor_takes_all_along(start):
    """Also a worker that would run for ever; and the next one finds its way."""
    tensock = start("run-deadline = 100s\n")
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(onnx_writer.identity(1)) == b"OK"
        guest.send(seed.frame(onnx_writer.endless()))
        time.sleep(0.5)
        assert tensock.fronts() and tensock.workers()
        tensock.daemon.process.kill()
        tensock.daemon.process.wait()
        assert guest.is_closed()
    assert eventually(tensock.is_gone)
    assert tensock.local.is_socket()  # left over
    try:
        again = start()
        assert seed.ask(again.local, onnx_writer.identity(1)) == b"OK"
        again.end()
    finally:
        tensock.end = lambda: None  # it was not to end well


def test_supervisor_that_is_stopped(start, folder):
    """By a debugger's signal: who is connected goes on, who connects waits, and nobody is turned away."""
    tensock = start(engine_config("echo"))
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        os.kill(tensock.pid, signal.SIGSTOP)
        try:
            until = time.monotonic() + 2
            while time.monotonic() < until:
                assert guest.ask(ECHO) == b"OK"
            late = seed.Guest(tensock.local)
            late.send(seed.frame(ECHO))
        finally:
            os.kill(tensock.pid, signal.SIGCONT)
        with late.socket:
            assert late.receive() == b"OK"
        assert guest.ask(ECHO) == b"OK"


def test_reader_of_the_output_that_stops(folder):
    """Nobody reads what is printed: nobody waits, and what could not be written is gone."""
    config = folder / "tensockd.conf"
    config.write_text(f"[daemon]\nlisten = unix:{folder}/s\n" + engine_config("echo"))
    read, write = os.pipe()
    flags = {fd: os.get_blocking(fd) for fd in (write,)}
    with subprocess.Popen([BUILD / "tensockd", "--config", config], stdout=write, stderr=write,
                          stdin=subprocess.DEVNULL) as process:
        try:
            assert eventually((folder / "s").is_socket)
            model = b"TSKECHO1 shape=1,51"
            for _ in range(400):  # several times what the pipe takes
                assert seed.ask(folder / "s", model) == b"OK"
            # The pipe's mode, which others share, is as it was.
            assert {fd: os.get_blocking(fd) for fd in (write,)} == flags
        finally:
            process.terminate()
            assert process.wait(20) == 0
    os.close(write)
    os.close(read)


def test_no_file_descriptors_left(start):
    """Accepting pauses without spinning, and goes on."""
    tensock = start(engine_config("echo"))
    assert seed.ask(tensock.local, ECHO) == b"OK"
    time.sleep(0.3)  # what it does beside, such as a spare worker, is done
    used = {int(fd) for fd in os.listdir(f"/proc/{tensock.pid}/fd")}
    free = min(set(range(len(used) + 1)) - used)
    resource.prlimit(tensock.pid, resource.RLIMIT_NOFILE, (free, 4096))
    guest = seed.Guest(tensock.local)
    guest.send(seed.frame(ECHO))
    assert tensock.said("no connection can be accepted")
    cpu_before = cpu_s(tensock.pid)
    time.sleep(1)
    assert cpu_s(tensock.pid) - cpu_before < 0.2
    resource.prlimit(tensock.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    assert guest.receive() == b"OK"
    guest.socket.close()


def test_idle_costs_nothing(echo):
    with seed.Guest(echo.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        time.sleep(0.5)
        pids = [echo.pid, *echo.fronts(), *echo.workers()]
        before = sum(map(cpu_s, pids))
        time.sleep(1)
        assert sum(map(cpu_s, pids)) - before < 0.03


def test_too_few_files_for_its_limits(folder):
    """Said at the start, not found out by a guest: fewer connections are let in, and these work."""
    few = ["prlimit", "--nofile=1836:1836", BUILD / "tensockd", "--listen", f"unix:{folder}/few"]
    with subprocess.Popen(few, stderr=subprocess.PIPE, text=True) as process, \
            contextlib.ExitStack() as stack:
        stack.callback(process.terminate)  # else a failure would be waited for
        lines = [process.stderr.readline() for _ in range(2)]
        guests = [stack.enter_context(seed.Guest(f"{folder}/few")) for _ in range(30)]
        for guest in guests[26:]:
            assert guest.is_closed()
        assert select.select([guest.socket for guest in guests[:26]], [], [], 0.5)[0] == []
    assert process.returncode == 0
    assert "at most 1836 files may be open, so max-connections is lowered, to 26" in lines[0]
    assert ": info: ready" in lines[1]


def test_max_guests(start, folder):
    tensock = start("max-guests = 1\n" + engine_config("echo") +
                    f"[guest a]\nhybrid = {folder}/a\n")
    with seed.Guest(tensock.local) as guest:
        assert guest.ask(ECHO) == b"OK"
        with seed.Guest(folder / "a_9999") as one_more:
            assert one_more.is_closed()
        assert guest.ask(ECHO) == b"OK"
    assert tensock.said("max-guests")


def test_a_second_daemon_beside_the_first(start, folder):
    first = start(engine_config("echo"), at=folder / "1")
    second = start(engine_config("echo"), at=folder / "2")
    assert seed.ask(first.local, ECHO) == b"OK"
    assert seed.ask(second.local, ECHO) == b"OK"
    with pytest.raises(DaemonError):
        start(engine_config("echo"), at=folder / "1")
