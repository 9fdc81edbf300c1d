# SPDX-License-Identifier: Apache-2.0
"""What a front and a worker cannot do, even if a guest's model has taken them over."""

import errno
import os
import re
import signal
import subprocess
from pathlib import Path

import daemon
import native
import numpy
import onnx_writer
import pytest
from conftest import BUILD, SANITIZED, Tensock, alive, engine_config, eventually

pytestmark = [
    pytest.mark.skipif(SANITIZED, reason="a sanitized build does not seal itself"),
    pytest.mark.skipif(bool(daemon.lacking()), reason=f"this machine lacks {', '.join(daemon.lacking())}"),
]

X = numpy.zeros(4, numpy.float32)
QUESTIONS = 16
CODE = [7, 8]  # the two that ask for memory to be executable


def ask(path):
    """What the canary's questions got: at its load, in its run."""
    with native.Guest(path) as guest:
        model = b"TSKCANARY ask ask"
        guest.push(model)
        errnos = guest.infer(native.digest(model), [(0, X)])["errnos"]
    return list(errnos[:QUESTIONS]), list(errnos[QUESTIONS:])


def test_questions(start):
    tensock = start(engine_config("canary"))
    while_loading, in_run = ask(tensock.local)
    assert while_loading == [errno.EACCES] * QUESTIONS
    assert in_run == [errno.EACCES] * QUESTIONS
    assert not Path("/tmp/tensock-canary").exists()


def test_code_only_where_an_engine_generates_it(start):
    tensock = start(engine_config("canary") + "generates-code = yes\n")
    for errnos in ask(tensock.local):
        assert [i for i, got in enumerate(errnos) if got != errno.EACCES] == CODE


@pytest.mark.parametrize("when", ["load", "run"])
def test_attacks(start, when):
    """Who makes such a call is ended, the guest gets an error, and it is counted."""
    tensock = start("log-level = debug\n" + engine_config("canary"))  # all lines, however many
    attacks = ["execve", "ptrace", "kill", "memory", "mount", "unshare", "setuid", "bpf", "io_uring"]
    for attack in attacks:
        with native.Guest(tensock.local) as guest:
            model = f"TSKCANARY {when} {attack}".encode()
            with pytest.raises(native.Refused):
                guest.push(model)
                guest.infer(native.digest(model), [(0, X)])
    assert tensock.said("a call that no worker makes", f"({len(attacks)} so far)")
    assert alive(tensock.pid) and len(tensock.fronts()) == 1


def status(pid):
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return {key: value.split() for key, _, value in
            (line.partition(":") for line in text.splitlines())}


def open_files(pid):
    """fd → what it is."""
    folder = Path(f"/proc/{pid}/fd")
    return {int(fd.name): os.readlink(fd) for fd in folder.iterdir()}


def mapped(pid):
    """Paths of what is mapped, with its inode; those of memfds begin with /memfd:."""
    found = set()
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/"):
            found.add((fields[5], int(fields[4])))
    return found


def look_at(pid, n_filters):
    """One process's seals; needs to be root, or the process's user."""
    found = status(pid)
    assert found["NoNewPrivs"] == ["1"] and found["Seccomp"] == ["2"]
    assert found["Seccomp_filters"] == [str(n_filters)]
    assert all(int(found[key][0], 16) == 0 for key in
               ["CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd"])
    for kind in ["net", "mnt", "ipc", "uts"]:
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), kind
    root = os.readlink(f"/proc/{pid}/root")
    assert root.endswith(" (deleted)") and os.readlink(f"/proc/{pid}/cwd") == root
    if os.geteuid() == 0:
        uids = set(found["Uid"] + found["Gid"])
        assert uids == {str(1950000000 + pid)} and found["Groups"] == []
    else:
        assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
    for fd, what in open_files(pid).items():
        assert fd <= 2 or re.match(r"(socket|pipe):|/memfd:|anon_inode:", what), (fd, what)


def test_worker_seen_from_outside(start):
    tensock = start("max-memory = 64MiB\n" + engine_config("echo"))
    with native.Guest(tensock.local) as guest:
        guest.push(b"TSKECHO1")
        (worker,) = tensock.workers()
        look_at(worker, 2)
        limits = Path(f"/proc/{worker}/limits").read_text(encoding="ascii")
        for name in ["core file size", "file size"]:
            assert re.search(rf"Max {name} +0 +0 ", limits), limits
        # 64 MiB, and what is there without a guest's doing.
        assert 64 << 20 < int(re.search(r"Max data size +(\d+) ", limits).group(1)) < 512 << 20
        assert 128 << 20 < int(re.search(r"Max address space +(\d+) ", limits).group(1)) < 4 << 30
        for path, _ in mapped(worker):
            assert path.startswith("/memfd:tensock") or ".so" in path or "tensock-worker" in path, path


def test_front_seen_from_outside(start):
    tensock = start(engine_config("echo"))
    with native.Guest(tensock.local) as guest:
        model = b"TSKECHO1"
        guest.push(model)
        guest.infer(native.digest(model), [(0, numpy.zeros((1 << 20, 4), numpy.float32))])
        (front,) = tensock.fronts()
        look_at(front, 1)
        for path, _ in mapped(front):
            assert path.startswith("/memfd:tensock") or ".so" in path or "tensock-front" in path, path


def test_threads_of_an_engine(start, real_model, mindspore_model):
    """They start, run and end in a sealed worker, also where the model is refused."""
    tensock = start("[engine onnxruntime]\nthreads = 3\nparallel = 2\n")
    unknown = onnx_writer.model(onnx_writer.node("Frobnicate", ["x"], ["y"]),
                                onnx_writer.graph_input("x", [1]), onnx_writer.graph_output("y", [1]))
    with native.Guest(tensock.local) as guest:
        with pytest.raises(native.Refused):
            guest.push(unknown)
        for model, shape in (real_model, (1, 3, 48, 192)), (mindspore_model, (1, 224, 224, 3)):
            guest.push(model)
            x = numpy.random.default_rng(1).random(shape, numpy.float32)
            guest.infer(native.digest(model), [(0, x)])
            # The one that was refused may take a while to end.
            assert eventually(lambda: len(tensock.workers()) == 1)
            (worker,) = tensock.workers()
            assert len(list(Path(f"/proc/{worker}/task").iterdir())) > 3
            guest.unload(native.digest(model))
            assert eventually(lambda: not alive(worker))


def memfds(pids):
    """Inodes of all shared memory that these processes have open or mapped."""
    found = set()
    for pid in pids:
        found.update(inode for path, inode in mapped(pid) if path.startswith("/memfd:"))
        for fd, what in open_files(pid).items():
            if what.startswith("/memfd:"):
                found.add(os.stat(f"/proc/{pid}/fd/{fd}").st_ino)
    return found


def sockets_and_pipes(pids):
    """Standard output and error are the daemon's, and all have them."""
    return {what for pid in pids for fd, what in open_files(pid).items()
            if fd > 2 and what.startswith(("socket:", "pipe:"))}


def of_front(front, workers):
    """The workers that have a socket pair with this front: by what they share."""
    return [worker for worker in workers if memfds([front]) & memfds([worker])]


def test_nothing_of_another_guest(start, folder):
    """Neither of two guests' processes has a descriptor, a mapping or a path of the other's."""
    tensock = start(engine_config("echo") + f"[guest a]\nhybrid = {folder}/a\n"
                    f"[guest b]\nhybrid = {folder}/b\n")
    with native.Guest(f"{folder}/a_9999") as a, native.Guest(f"{folder}/b_9999") as b:
        x = numpy.zeros((1, 4), numpy.float32)
        for guest in a, b:
            model = b"TSKECHO1 shape=-1,4 # " + guest.welcome["guest"].encode()
            guest.push(model)
            guest.infer(native.digest(model), [(0, x)])
        fronts, workers = tensock.fronts(), tensock.workers()
        assert len(fronts) == len(workers) == 2
        mine = [[front, *of_front(front, workers)] for front in fronts]
        assert all(len(pids) == 2 for pids in mine), "a worker shares memory with both, or none"
        assert all(memfds(pids) and sockets_and_pipes(pids) for pids in mine)
        assert not memfds(mine[0]) & memfds(mine[1])
        assert not sockets_and_pipes(mine[0]) & sockets_and_pipes(mine[1])


def test_the_daemon_ends_them(folder):
    """A change of identity takes away that a child dies with its parent: it is asked for again."""
    tensock = Tensock(folder, engine_config("echo"), [])
    try:
        with native.Guest(tensock.local) as guest:
            guest.push(b"TSKECHO1")
            children = tensock.fronts() + tensock.workers()
            assert len(children) == 2
            os.kill(tensock.pid, signal.SIGKILL)
            assert eventually(lambda: not any(map(alive, children)))
    finally:
        tensock.daemon.stop()


def without(feature, *arguments):
    """tensockd as on a kernel that lacks a feature; what it says, until it ends."""
    return subprocess.run([BUILD / "tests/scenario/without", feature, BUILD / "tensockd", *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=60)


FEATURES = ["landlock", "namespaces", "seccomp"]


@pytest.mark.parametrize("feature", FEATURES)
def test_refuses_to_start(folder, feature):
    done = without(feature, "--listen", f"unix:{folder}/local.sock")
    assert done.returncode == 1 and not (folder / "local.sock").exists()
    (line,) = [line for line in done.stderr.splitlines() if "error" in line]
    assert f"guests cannot be kept apart here: no {feature}; " in line
    assert line.endswith(f"or start with --allow-unsandboxed={feature}")
    # What is allowed is something else.
    for other in FEATURES:
        if other != feature:
            assert without(feature, f"--allow-unsandboxed={other}",
                           "--listen", f"unix:{folder}/local.sock").returncode == 1


class Without(Tensock):
    """A daemon on a kernel that lacks a feature, and is allowed to."""

    def __init__(self, folder, feature, config, arguments):
        launcher = folder / "tensockd"
        launcher.write_text(f'#!/bin/sh\nexec "{BUILD}/tests/scenario/without" {feature} '
                            f'"{BUILD}/tensockd" "$@"\n')
        launcher.chmod(0o755)
        before = daemon.BUILD
        daemon.BUILD = folder
        try:
            super().__init__(folder, config, arguments)
        finally:
            daemon.BUILD = before


@pytest.mark.parametrize("feature,option", [
    *[(feature, f"--allow-unsandboxed={feature}") for feature in FEATURES],
    ("landlock", "--allow-unsandboxed"), ("seccomp", "")])
def test_allowed_to_start(folder, feature, option):
    """It says so, serves, and uses what there is."""
    config = "" if option else f"allow-unsandboxed = {feature}\n"
    tensock = Without(folder, feature, config + engine_config("echo"), [option] if option else [])
    try:
        assert tensock.said("warning", f"sealed without {feature}, as --allow-unsandboxed has it")
        with native.Guest(tensock.local) as guest:
            guest.push(b"TSKECHO1")
            (worker,), (front,) = tensock.workers(), tensock.fronts()
            for pid, n_filters in (worker, 2), (front, 1):
                found = status(pid)
                assert found["NoNewPrivs"] == ["1"] and int(found["CapEff"][0], 16) == 0
                # The one that pretends is a filter, too.
                assert found["Seccomp_filters"] == [str(1 + (feature != "seccomp") * n_filters)]
                has_own = os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
                assert has_own == (feature != "namespaces")
    finally:
        tensock.end()


def test_allowed_but_not_needed(start):
    """The option unseals nothing where all can be sealed."""
    tensock = start(engine_config("canary"), "--allow-unsandboxed")
    assert ask(tensock.local) == ([errno.EACCES] * QUESTIONS, [errno.EACCES] * QUESTIONS)
    look_at(tensock.workers()[0], 2)
    look_at(tensock.fronts()[0], 1)
    assert not any("sealed without" in line for line in tensock.log)


def test_supervisor_seen_from_outside(start):
    tensock = start(engine_config("echo"))
    found = status(tensock.pid)
    assert found["NoNewPrivs"] == ["1"]
    # chown, dac_override, fowner, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot,
    # sys_admin, sys_nice, sys_resource: as root; else none.
    kept = sum(1 << bit for bit in [0, 1, 3, 5, 6, 7, 8, 10, 18, 21, 23, 24]) if os.geteuid() == 0 else 0
    for key in ["CapPrm", "CapEff"]:
        assert int(found[key][0], 16) & ~kept == 0
    if os.geteuid() == 0:
        assert int(found["CapBnd"][0], 16) & ~kept == 0


def test_doctor(start):
    tensock = start(engine_config("echo"))
    done = subprocess.run([BUILD / "tests/scenario/without", "landlock", BUILD / "tensock", "doctor",
                           "--host", f"unix:{tensock.local}"], capture_output=True, text=True,
                          check=False, timeout=60)
    assert "gives this user no landlock: tensockd does not start without" in done.stdout
    done = subprocess.run([BUILD / "tensock", "doctor", "--host", f"unix:{tensock.local}"],
                          capture_output=True, text=True, check=False, timeout=60)
    assert "has what seals the processes that serve guests" in done.stdout


def test_a_worker_that_reaches_its_own_bounds_says_so(start):
    """RLIMIT_DATA and RLIMIT_AS: an error with its reason, no death, and the next run is well."""
    tensock = start("max-memory = 64MiB\n")
    model = onnx_writer.squares()
    with native.Guest(tensock.local) as guest:
        guest.push(model)
        (worker,) = tensock.workers()
        for n, status in (8, 0), (1 << 14, native.OUT_OF_MEMORY), (8, 0):
            inputs = [("x", numpy.ones(1, "float32")), ("n", numpy.array([n, n], "int64"))]
            if status:
                with pytest.raises(native.Refused) as refused:
                    guest.infer(native.digest(model), inputs)
                assert refused.value.status == status, refused.value
            else:
                guest.infer(native.digest(model), inputs)
        assert tensock.workers() == [worker]
