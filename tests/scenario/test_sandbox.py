# SPDX-License-Identifier: Apache-2.0
"""What a front and a worker cannot do, even if a guest's model has taken them over."""

import errno
import os
import re
from pathlib import Path

import native
import numpy
import pytest
from conftest import SANITIZED, alive, engine_config, eventually

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitized build does not seal itself")

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
    tensock = start(engine_config("echo"))
    with native.Guest(tensock.local) as guest:
        guest.push(b"TSKECHO1")
        (worker,) = tensock.workers()
        look_at(worker, 2)
        limits = Path(f"/proc/{worker}/limits").read_text(encoding="ascii")
        for name in ["core file size", "file size"]:
            assert re.search(rf"Max {name} +0 +0 ", limits), limits
        assert not re.search(r"Max (address space|data size) +unlimited", limits)
        for path, _ in mapped(worker):
            assert path.startswith("/memfd:tensock") or ".so" in path or "tensock-worker" in path, path
