# SPDX-License-Identifier: Apache-2.0
"""The store on disk: what a guest has pushed is there after its front, the store or the daemon died."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess

import native
import onnx_writer as writer
import pytest
from conftest import BUILD, Tensock, alive, eventually

TIMEOUT_S = 60
OTHER = "other"


class Store:
    """A daemon with a store, and its guests: this user, and `other` on a socket of its own."""

    def __init__(self, start, folder):
        self.start_one, self.folder = start, folder
        self.path = folder / "store"
        self.other = folder / "other.vsock"
        self.host = None

    def config(self, extra=""):
        return (f"store = {self.path}\n{extra}\n[guest {OTHER}]\nhybrid = {self.other}\n")

    def start(self, extra=""):
        self.host = self.start_one(self.config(extra))
        return self.host

    def address(self, guest):
        return f"unix:{self.other}_9999" if guest == OTHER else f"unix:{self.host.local}"

    def run(self, *arguments, guest="", check=True):
        process = subprocess.run(
            [BUILD / "tensock", "--host", self.address(guest), *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=TIMEOUT_S, check=False)
        assert not check or process.returncode == 0, process.stderr
        return process

    def models(self, guest=""):
        return json.loads(self.run("--json", "ls", guest=guest).stdout)["models"]

    def names(self, guest=""):
        return sorted(model["name"] for model in self.models(guest))

    def push(self, path, name, guest=""):
        self.run("push", path, "--name", name, guest=guest)

    def runs(self, model, guest=""):
        """Whether it can be run."""
        return self.run("run", model, guest=guest, check=False).returncode == 0

    def file(self, model, guest=None):
        """Where it lies."""
        guest = guest or f"uid-{os.geteuid()}"
        return self.path / guest / hashlib.sha256(model.read_bytes()).hexdigest()

    def await_labels(self, *names, guest=None):
        """They are on the disk."""
        path = self.path / (guest or f"uid-{os.geteuid()}") / "labels"
        assert eventually(lambda: path.exists() and
                          all(name.encode() in path.read_bytes() for name in names))

    def process(self):
        pids = self.host.processes("tensock-store")
        return pids[0] if pids else None

    def kill_front(self):
        self.host.fronts_may_die = True
        front, = self.host.fronts()
        os.kill(front, signal.SIGKILL)
        assert eventually(lambda: not alive(front))


@pytest.fixture
def store(start, folder):
    return Store(start, folder)


@pytest.fixture
def small(folder):
    path = folder / "small.onnx"
    path.write_bytes(writer.identity(4))
    return path


@pytest.fixture
def padded(folder):
    path = folder / "padded.onnx"
    path.write_bytes(writer.identity(4, padding=1 << 20))
    return path


def uploads(store, guest="", what="uploads-begun"):
    """A counter, of this life of the front."""
    counters = json.loads(store.run("--json", "ps", guest=guest).stdout)["counters"]
    value, = (one["value"] for one in counters if one["name"] == what)
    return value


def test_front_is_killed(store, small, padded):
    store.start()
    store.push(small, "small")
    store.push(padded, "padded")
    assert eventually(lambda: store.file(padded).exists())
    store.await_labels("small", "padded")
    store.kill_front()
    assert store.names() == ["padded", "small"]
    assert store.runs("small") and store.runs("padded")


def test_upgrade(store, small, padded):
    """Another tensockd takes the place of this one: with it comes another store, and none stays behind."""
    host = store.start()
    for name, model in (("small", small), ("padded", padded)):
        store.push(model, name)
        store.await_labels(name)
        before = store.process()
        n_ready = sum(": info: ready" in line for line in host.log)
        os.kill(host.pid, signal.SIGUSR2)
        assert eventually(lambda: sum(": info: ready" in line for line in host.log) > n_ready)
        assert eventually(lambda: not alive(before))
        assert len(host.processes("tensock-store")) == 1
        assert name in store.names() and store.runs(name)
    assert store.names() == ["padded", "small"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_daemon_goes(store, small, padded, number):
    host = store.host = Tensock(store.folder, store.config(), [])
    try:
        store.push(small, "small")
        store.push(small, "again")
        store.push(padded, "padded")
        if number == signal.SIGKILL:
            assert eventually(lambda: store.file(padded).exists())
            store.await_labels("small", "again", "padded")
        host.fronts()
        store.process()
    finally:
        host.daemon.process.send_signal(number)
        host.daemon.process.wait(TIMEOUT_S)
        host.daemon.stop()
    assert eventually(host.is_gone)
    store.start()
    assert store.names() == ["again", "padded", "small"]
    assert store.runs("again") and store.runs("small") and store.runs("padded")
    # What is there is not sent again, and is known to be there before any of it is.
    store.push(padded, "new name")
    assert uploads(store) == 0
    assert store.names() == ["again", "new name", "padded", "small"]


MIB = 1 << 20
SENT = 20 * MIB


def part(store, model):
    path = store.path / f"uid-{os.geteuid()}" / f"{hashlib.sha256(model).hexdigest()}.part"
    return path.stat().st_size if path.exists() else 0


def begin_upload(store, model):
    """A guest that has sent so much of its model, and stays."""
    guest = native.Guest(store.host.local)
    id_ = guest.offer(model, "large")
    assert guest.wait(id_, native.SEND) == bytes(8)
    for at in range(0, SENT, native.BODY_MAX):
        guest.send(native.frame(native.CHUNK, id_, model[at:at + native.BODY_MAX]))
    return guest


@pytest.fixture(scope="module")
def large():
    return writer.identity(4, padding=24 * MIB)


@pytest.mark.parametrize("breaks_off", [False, True])
def test_front_is_killed_in_an_upload(store, large, breaks_off):
    """What has come is saved in steps, and to its last byte where the connection ends."""
    store.start()
    guest = begin_upload(store, large)
    if breaks_off:
        guest.socket.close()
    saved = SENT if breaks_off else 16 * MIB
    assert eventually(lambda: part(store, large) >= saved)
    store.kill_front()
    guest.socket.close()
    with native.Guest(store.host.local) as guest:
        sent_from = guest.push(large, "large")["sent_from"]
        assert sent_from == SENT if breaks_off else saved <= sent_from <= SENT
    assert (uploads(store), uploads(store, what="uploads-resumed")) == (0, 1)
    assert eventually(lambda: not part(store, large))
    assert store.runs("large")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_daemon_goes_in_an_upload(store, large, number):
    host = store.host = Tensock(store.folder, store.config("idle-timeout = 1s\n"), [])
    try:
        guest = begin_upload(store, large)
        assert eventually(lambda: part(store, large) >= 16 * MIB)
        host.fronts()
        store.process()
    finally:
        host.daemon.process.send_signal(number)
        host.daemon.process.wait(TIMEOUT_S)
        host.daemon.stop()
    guest.socket.close()
    assert eventually(host.is_gone)
    store.start()
    with native.Guest(store.host.local) as guest:
        assert guest.push(large, "large")["sent_from"] >= 16 * MIB
    assert store.runs("large")


def test_upload_is_not_kept_for_long(store, large):
    store.start("upload-keep = 200ms\n")
    begin_upload(store, large).socket.close()
    assert store.host.said("unfinished upload", "dropped")
    assert eventually(lambda: not part(store, large))


def test_saved_upload_is_wrong(store, large):
    """What the disk gives back is hashed with the rest: a wrong model is refused, then sent anew."""
    store.start()
    begin_upload(store, large).socket.close()
    assert eventually(lambda: part(store, large) >= SENT)
    store.kill_front()
    path, = (store.path / f"uid-{os.geteuid()}").glob("*.part")
    with open(path, "r+b") as file:
        file.seek(5 * MIB)
        file.write(b"changed")
    with native.Guest(store.host.local) as guest:
        with pytest.raises(native.Refused) as refused:
            guest.push(large)
        assert refused.value.status == native.INVALID_ARGUMENT
        assert guest.push(large)["sent_from"] == 0


def test_removed(store, small, padded):
    store.start()
    store.push(small, "small")
    store.push(padded, "padded")
    assert eventually(lambda: store.file(small).exists() and store.file(padded).exists())
    store.run("rm", "small")
    assert eventually(lambda: not store.file(small).exists())
    store.kill_front()
    assert store.names() == ["padded"]
    # Also one that this front has never had in its memory.
    store.run("rm", "padded")
    assert eventually(lambda: not store.file(padded).exists())
    assert not store.models()


def test_damaged(store, padded):
    """The disk lies: the guest is asked for the model again, and then it is right."""
    store.start()
    store.push(padded, "padded")
    assert eventually(lambda: store.file(padded).exists())
    store.await_labels("padded")
    store.kill_front()
    with open(store.file(padded), "r+b") as file:
        file.seek(1 << 19)
        byte = file.read(1)
        file.seek(1 << 19)
        file.write(bytes([byte[0] ^ 4]))
    store.push(padded, "padded")
    assert uploads(store) == 1
    assert store.host.said("tensock-store", "its bytes have changed")
    assert eventually(lambda: store.file(padded).exists() and
                      store.file(padded).read_bytes() == padded.read_bytes())
    assert store.runs("padded")


def test_damaged_and_run(store, padded):
    """Whoever names it is told that it is not there, and nothing wrong runs."""
    store.start()
    store.push(padded, "padded")
    assert eventually(lambda: store.file(padded).exists())
    store.await_labels("padded")
    store.kill_front()
    os.truncate(store.file(padded), 1000)
    process = store.run("run", "padded", check=False)
    assert process.returncode != 0 and b"no model" in process.stderr, process.stderr
    assert not store.models()
    assert not store.file(padded).exists()


def test_guests_have_nothing_in_common(store, small):
    """The same bytes of two guests are two files, and neither knows of the other's."""
    store.start()
    store.push(small, "mine")
    assert eventually(lambda: store.file(small).exists())
    assert not store.models(OTHER)
    assert not store.runs("mine", OTHER)
    store.push(small, "theirs", OTHER)
    assert eventually(lambda: store.file(small, OTHER).exists())
    assert store.file(small).stat().st_ino != store.file(small, OTHER).stat().st_ino
    assert uploads(store, OTHER) == 1
    store.run("rm", "mine")
    assert eventually(lambda: not store.file(small).exists())
    assert store.names(OTHER) == ["theirs"] and store.file(small, OTHER).exists()


def test_two_guests_at_once(store, padded):
    """The same bytes by two guests, both right; two files, for one would tell of the other."""
    store.start()
    pushes = [subprocess.Popen([BUILD / "tensock", "--host", store.address(guest), "push", padded,
                                "--name", "same"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
              for guest in ("", OTHER)]
    for push in pushes:
        _, err = push.communicate(timeout=TIMEOUT_S)
        assert push.returncode == 0, err
    for guest in ("", OTHER):
        assert eventually(lambda one=guest: store.file(padded, one).exists())
        assert store.file(padded, guest).read_bytes() == padded.read_bytes()
        assert store.runs("same", guest) and uploads(store, guest) == 1


def test_store_is_killed_while_it_stores(store, folder):
    """Whenever it dies: what is on the disk is whole, and all of it is there in the end."""
    paths = [folder / f"{i}.onnx" for i in range(8)]
    for i, path in enumerate(paths):
        path.write_bytes(writer.identity(4, padding=(4 << 20) + i * 64))
    host = store.host = Tensock(store.folder, store.config(), [])
    try:
        for i, path in enumerate(paths):
            pid = store.process()
            store.push(path, path.stem)
            if i % 3 == 1 and pid:
                os.kill(pid, signal.SIGKILL)
            for file in store.path.glob("*/" + "[0-9a-f]" * 64):
                assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name
        store.host.fronts()
        assert eventually(lambda: all(store.file(path).exists() for path in paths), 60)
        store.await_labels(*(f"\1\0{path.stem}" for path in paths))
    finally:
        host.daemon.process.kill()
        host.daemon.stop()
    assert eventually(host.is_gone)
    store.start()
    assert store.names() == [path.stem for path in paths]
    assert all(store.runs(path.stem) for path in paths)
    assert not list(store.path.glob("*/.new*"))


def test_store_is_killed(store, small, padded):
    """Fronts go on without, and what came meanwhile is stored by the next one."""
    store.start()
    store.push(small, "small")
    assert eventually(lambda: store.file(small).exists())
    for _ in range(3):
        first = store.process()
        os.kill(first, signal.SIGKILL)
        assert store.runs("small")
        assert eventually(lambda: store.process() not in (None, first))
    store.push(padded, "padded")
    store.run("rm", "small")
    assert eventually(lambda: store.file(padded).exists() and not store.file(small).exists())
    assert store.names() == ["padded"]


def test_full(store, small, padded):
    """More than the store may take is kept in memory, as without a store; the oldest makes room."""
    store.start("store-size = 64KiB\n")
    store.push(padded, "padded")
    assert store.host.said("tensock-front", "kept in memory only")
    assert store.runs("padded")
    store.push(small, "small")
    assert eventually(lambda: store.file(small).exists())
    assert not store.file(padded).exists()
    store.await_labels("small")
    store.kill_front()
    assert store.names() == ["small"]


@pytest.mark.parametrize("fault", ["No space left on device", "Read-only file system"])
def test_disk_takes_nothing(store, padded, fault):
    """A file system of its own: the push is well all the same."""
    store.path.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs",
                              store.path], stderr=subprocess.PIPE, check=False)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        store.start()
        if fault.startswith("Read"):
            subprocess.run(["mount", "-o", "remount,ro", store.path], check=True)
        store.push(padded, "padded")
        assert store.host.said("tensock-front", fault)
        assert store.runs("padded")
        assert not list(store.path.glob("*/*"))[1:]  # the labels at most
        assert store.host.daemon.stop() == 0
    finally:
        subprocess.run(["umount", "-l", store.path], check=True)


def test_age(store, small):
    store.start("model-keep = 500ms\nmodel-idle = 0s\n")
    store.push(small, "small")
    assert eventually(lambda: not store.models())
    assert eventually(lambda: not store.file(small).exists())


def test_detached_guest_leaves_nothing(store, small):
    control = store.folder / "control.sock"
    store.start(f"control = {control}\n")
    store.push(small, "theirs", OTHER)
    assert eventually(lambda: store.file(small, OTHER).exists())
    environment = {**os.environ, "TENSOCK_CONTROL": str(control)}
    subprocess.run([BUILD / "tensock", "detach", "--control", control, OTHER], check=True,
                   env=environment, stdout=subprocess.DEVNULL)
    assert eventually(lambda: not (store.path / OTHER).exists())


def test_guests_that_have_none(store, small):
    """Where the operator says so."""
    store.host = store.start_one(f"store = {store.path}\n[guest uid-{os.geteuid()}]\nstore = no\n")
    store.push(small, "small")
    assert store.names() == ["small"]
    assert store.host.fronts() and store.process()
    # A store that ends has written all that it was sent.
    assert store.host.daemon.stop() == 0
    assert eventually(store.host.is_gone)
    assert not list(store.path.iterdir())


@pytest.mark.parametrize("spoil", ["writable", "link", "file"])
def test_folder_of_others(start, folder, spoil):
    path = folder / "store"
    if spoil == "link":
        (folder / "real").mkdir(mode=0o700)
        path.symlink_to(folder / "real")
    elif spoil == "file":
        path.write_text("")
    else:
        path.mkdir()
        path.chmod(0o777)
    with contextlib.suppress(Exception):
        Tensock(folder, f"store = {path}\n", [])
        pytest.fail("it has started")
    process = subprocess.run([BUILD / "tensockd", "--config", folder / "tensockd.conf"],
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=TIMEOUT_S,
                             check=False)
    assert process.returncode != 0 and str(path).encode() in process.stderr
    shutil.rmtree(folder / "real", ignore_errors=True)
