# SPDX-License-Identifier: Apache-2.0
"""tensock proxy: clients on its sockets, and a host behind it, tensockd or one of our own."""

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import native
import numpy
import pytest
import seed
from conftest import cpu_s, engine_config, eventually
from test_cli import FAILED, OK, TENSOCK, TIMEOUT_S, UNREACHABLE, USAGE, tensock
from unix_server import Server, exchange, read_all
from unix_server import echo as send_back

MIB = 1 << 20
ECHO = b"TSKECHO1 shape=-1"
RETRY_S = 2      # of a host that cannot be reached
CONNECT_S = 5    # of one that does not answer
STOP_S = 10      # for answers that are due when it is to end
PIPE = 256 << 10  # what the proxy holds of one direction
SOCKETS = 8 * MIB  # more than the kernel's buffers of the sockets before and behind it


class Proxy:
    """A running `tensock proxy`.  at: the address of each --listen, for socket.connect()."""

    def __init__(self, host, *arguments, listens=("tcp:127.0.0.1:0",), shell=None, **options):
        command = [TENSOCK, "--json", *(["--host", host] if host else []), "proxy"]
        for listen in listens:
            command += ["--listen", listen]
        command = [*(["bash", "-c", shell, "bash"] if shell else []), *command, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        **options)
        self.log = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.ready = json.loads(self.process.stdout.readline())
        self.at = [self._address(one["address"]) for one in self.ready["listen"]]

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    @staticmethod
    def _address(text):
        kind, _, rest = text.partition(":")
        host, _, port = rest.rpartition(":")
        return rest if kind == "unix" else (host, int(port))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        self.process.stdout.close()
        self.process.stderr.close()
        if kind is None:
            assert status == OK, self.log
            assert not any("runtime error" in line for line in self.log), self.log

    def connect(self, i=0):
        address = self.at[i]
        connection = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        connection.settimeout(TIMEOUT_S)
        connection.connect(address)
        return connection

    def said(self, *words):
        return eventually(lambda: any(all(word in line for word in words) for line in self.log))

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").split("\n"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        return 0


class Host(Server):
    """A host of our own.  How its connections end is the proxy's to say: an error is none of the host's."""

    def __init__(self, path, handle):
        def serve(connection):
            with contextlib.suppress(OSError):
                handle(connection)

        super().__init__(path, serve)
        self.address = f"unix:{path}"


def is_closed(connection):
    """Waits until the other side has closed; False if it says anything."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def both(folder):
    return ("tcp:127.0.0.1:0", f"unix:{folder}/proxy.sock")


# ---- Bytes


@pytest.mark.parametrize("way", [0, 1], ids=["tcp", "unix"])
def test_native_through_it(echo, folder, way):
    """64 MiB both ways, and what is small between, on one connection."""
    large = numpy.arange(16 * MIB, dtype="float32")
    with Proxy(f"unix:{echo.local}", listens=both(folder)) as proxy, \
            native.Guest(proxy.at[way]) as guest:
        guest.push(ECHO)
        for tensor in (large[:3], large, large[:1], large[::-1].copy()):
            result, = guest.infer(native.digest(ECHO), [(0, tensor)]).values()
            assert result.tobytes() == tensor.tobytes()


def test_command_line_through_it(onnx, folder):
    import onnx_writer as writer
    (folder / "m.onnx").write_bytes(writer.identity(1000))
    values = numpy.arange(1000, dtype="float32")
    numpy.save(folder / "x.npy", values)
    with Proxy(f"unix:{onnx.local}") as proxy:
        result = tensock(f"tcp:127.0.0.1:{proxy.at[0][1]}", "run", folder / "m.onnx", "--input",
                         f"0={folder}/x.npy", "--expect", f"0={folder}/x.npy", "--tolerance", "0")
        assert result.status == OK, result.err


def test_library_shares_no_memory_through_it(echo, folder):
    """It passes bytes, not descriptors: the host says so, and large tensors go through the socket."""
    (folder / "model").write_bytes(ECHO)
    numpy.save(folder / "x.npy", numpy.arange(100_000, dtype="float32"))
    with Proxy(f"unix:{echo.local}", listens=both(folder)):
        result = tensock(f"unix:{folder}/proxy.sock", "run", folder / "model", "--input", f"0={folder}/x.npy",
                         "--expect", f"0={folder}/x.npy", "--tolerance", "0", "--repeat", "5")
        assert result.status == OK, result.err


def test_bytes_both_ways_at_once(folder):
    data = os.urandom(48 * MIB)
    with Host(folder / "host", send_back) as host, Proxy(host.address, listens=both(folder)) as proxy:
        for way in (0, 1):
            with proxy.connect(way) as connection:
                assert exchange(connection, data) == data
            with proxy.connect(way) as connection:
                assert exchange(connection, b"x") == b"x"
            with proxy.connect(way) as connection:
                assert exchange(connection, b"") == b""


def test_each_listen_has_its_host(folder):
    def answer(word):
        return lambda connection: connection.sendall(word)

    with Host(folder / "a", answer(b"a")) as a, Host(folder / "b=c", answer(b"b")) as b, \
            Proxy(None, listens=(f"tcp:127.0.0.1:0={a.address}",
                                 f"unix:{folder}/p=q={b.address}")) as proxy:
        assert [one["host"] for one in proxy.ready["listen"]] == [a.address, b.address]
        for way, word in enumerate((b"a", b"b")):
            with proxy.connect(way) as connection:
                assert read_all(connection) == word
        assert proxy.at[1] == f"{folder}/p=q"
    assert not (folder / "p=q").exists()


# ---- Ends


@pytest.mark.parametrize("way", [0, 1], ids=["tcp", "unix"])
def test_half_closed_by_the_client(folder, way):
    """The host still answers, a long time after."""
    def handle(connection):
        received = read_all(connection)
        time.sleep(0.5)
        connection.sendall(b"%d" % len(received))

    with Host(folder / "host", handle) as host, \
            Proxy(host.address, listens=both(folder)) as proxy, proxy.connect(way) as connection:
        connection.sendall(bytes(100_000))
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"100000"


@pytest.mark.parametrize("way", [0, 1], ids=["tcp", "unix"])
def test_half_closed_by_the_host(folder, way):
    """The client still speaks, and is heard."""
    received = []

    def handle(connection):
        connection.sendall(b"first")
        connection.shutdown(socket.SHUT_WR)
        received.append(read_all(connection))

    with Host(folder / "host", handle) as host, \
            Proxy(host.address, listens=both(folder)) as proxy, proxy.connect(way) as connection:
        assert read_all(connection) == b"first"
        connection.sendall(bytes(MIB))
        connection.shutdown(socket.SHUT_WR)
        assert eventually(lambda: received) and received[0] == bytes(MIB)
        assert eventually(lambda: proxy.fds() < 10 + 2 * 32)  # only the pipes that it keeps


def test_host_reads_no_more(folder):
    """A client that sends on is told by EPIPE, and what the host has said before reaches it."""
    def handle(connection):
        connection.recv(1)
        connection.sendall(b"no")  # and closes, all else unread

    with Host(folder / "host", handle) as host, \
            Proxy(host.address, listens=both(folder)) as proxy, proxy.connect(1) as connection:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                connection.sendall(bytes(MIB))
        assert connection.recv(3) == b"no"


def test_client_that_goes_is_told_to_the_host(folder):
    """A client on a Unix socket is gone when it closes: the host's write fails, though it never reads."""
    ended = []

    def handle(connection):
        try:
            while True:
                connection.sendall(bytes(MIB))
        except (BrokenPipeError, ConnectionResetError):
            ended.append(True)

    with Host(folder / "host", handle) as host, Proxy(host.address, listens=both(folder)) as proxy:
        before = proxy.fds()
        for way in (0, 1):
            with proxy.connect(way) as connection:
                connection.recv(100)
        assert eventually(lambda: len(ended) == 2)
        assert eventually(lambda: proxy.fds() <= before + 2 * 4)


def test_client_that_goes_is_not_waited_for(folder):
    """Nor where the host says nothing, and does not end either."""
    has_come, is_over = threading.Event(), threading.Event()

    def handle(connection):
        connection.recv(1)
        has_come.set()
        is_over.wait(TIMEOUT_S)

    with Host(folder / "host", handle) as host, Proxy(host.address, listens=both(folder)) as proxy:
        before = proxy.fds()
        with proxy.connect(1) as connection:
            connection.sendall(b"x")
            assert has_come.wait(TIMEOUT_S)
        try:
            assert eventually(lambda: proxy.fds() <= before + 2)  # of the pipe that it keeps
        finally:
            is_over.set()


def test_seed_through_it(echo, folder):
    with Proxy(f"unix:{echo.local}") as proxy, seed.Guest(proxy.at[0]) as guest:
        assert guest.ask(b"TSKECHO1 shape=1,4") == b"OK"
        guest.socket.shutdown(socket.SHUT_WR)
        assert guest.is_closed()


# ---- Many, slow and none


def allow_files(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        pytest.skip(f"{n} open files are needed, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n), hard))


class EchoLoop:
    """A host that sends back, with one thread for thousands of connections."""

    def __init__(self, path):
        self.address = f"unix:{path}"
        self.n = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(4096)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        poll = select.epoll()
        poll.register(self._listener, select.EPOLLIN)
        connections = {}
        while not self._stop.is_set():
            for fd, _ in poll.poll(0.1):
                if fd == self._listener.fileno():
                    connection, _ = self._listener.accept()
                    connections[connection.fileno()] = connection
                    poll.register(connection, select.EPOLLIN)
                    self.n += 1
                elif data := connections[fd].recv(4096):
                    connections[fd].sendall(data)
                else:
                    connections.pop(fd).close()
        for connection in connections.values():
            connection.close()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def test_thousands_of_connections(folder):
    """Idle ones cost two files each, and no pipe; each of them works."""
    n = 3000
    allow_files(3 * n)
    with EchoLoop(folder / "host") as host, \
            Proxy(host.address, "--max-connections", n) as proxy, contextlib.ExitStack() as stack:
        memory = proxy.memory()
        connections = [stack.enter_context(proxy.connect()) for _ in range(n)]
        assert eventually(lambda: host.n == n)
        for turn in range(2):
            for i, connection in enumerate(connections):
                connection.sendall(b"%d %d" % (turn, i))
            for i, connection in enumerate(connections):
                assert connection.recv(100) == b"%d %d" % (turn, i)
        assert proxy.fds() < 2 * n + 100
        assert proxy.memory() < memory + 4 * MIB


def test_many_at_the_daemon(echo):
    """All at once, each with its own tensors."""
    with Proxy(f"unix:{echo.local}") as proxy:
        failures = []

        def work(i):
            try:
                with native.Guest(proxy.at[0]) as guest:
                    tensor = numpy.full(50_000, i, "float32")
                    for _ in range(5):
                        result, = guest.infer(native.digest(ECHO), [(0, tensor)]).values()
                        assert (result == tensor).all()
            except Exception as error:  # told below
                failures.append(error)

        with native.Guest(proxy.at[0]) as guest:
            guest.push(ECHO)
        threads = [threading.Thread(target=work, args=[i]) for i in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT_S)
        assert not failures, failures[0]


def test_one_too_many(folder):
    with Host(folder / "host", send_back) as host, \
            Proxy(host.address, "--max-connections", 2) as proxy:
        assert proxy.ready["max_connections"] == 2
        with proxy.connect() as first, proxy.connect() as second:
            for connection in (first, second):
                connection.sendall(b"x")
                assert connection.recv(1) == b"x"
            with proxy.connect() as third:
                assert is_closed(third)
            assert proxy.said("refused", "--max-connections", "2 are open")
            first.sendall(b"y")
            assert first.recv(1) == b"y"
        assert eventually(lambda: is_served(proxy))


def is_served(proxy):
    with proxy.connect() as connection:
        try:
            return exchange(connection, b"z") == b"z"
        except ConnectionResetError:
            return False


def test_slow_reader(folder):
    """Holds up its own sender, and nobody else; the proxy's memory does not grow."""
    sent = [0]

    def handle(connection):
        if connection.recv(1) == b"e":
            send_back(connection)
            return
        while sent[0] < 512 * MIB:
            sent[0] += connection.send(bytes(MIB))

    with Host(folder / "host", handle) as host, Proxy(host.address, listens=both(folder)) as proxy:
        with proxy.connect(1) as slow, proxy.connect(0) as other:
            memory = proxy.memory()
            slow.sendall(b"s")
            assert eventually(lambda: sent[0] > 0)
            still = -1
            while still != sent[0]:  # until nothing moves any more
                still = sent[0]
                time.sleep(0.5)
            assert still < SOCKETS + PIPE
            assert proxy.memory() < memory + MIB
            other.sendall(b"e" + b"abc")
            assert other.recv(3) == b"abc"
            received = 0
            while received < 512 * MIB:
                received += len(slow.recv(MIB))
            assert proxy.memory() < memory + MIB


# ---- Hosts that come and go


def test_daemon_is_restarted_under_it(start, folder):
    """What is open is closed, the next one goes to the next daemon, and so does who comes in between."""
    tensock_daemon = start(engine_config("echo"))
    with Proxy(f"unix:{tensock_daemon.local}") as proxy:
        guest = native.Guest(proxy.at[0])
        guest.push(ECHO)
        tensock_daemon.end()
        with guest, pytest.raises(native.Closed):
            guest.ping()
        early = proxy.connect()
        started = time.monotonic()
        again = start(engine_config("echo"))
        took_s = time.monotonic() - started
        with early:
            if took_s < RETRY_S / 2:
                early.sendall(native.hello())
                assert early.recv(4) == (native.WELCOME).to_bytes(4, "little")
        with native.Guest(proxy.at[0]) as guest:
            guest.push(ECHO)
            tensor = numpy.arange(5, dtype="float32")
            result, = guest.infer(native.digest(ECHO), [(0, tensor)]).values()
            assert (result == tensor).all()
        assert again.daemon.process.poll() is None


def test_no_host(folder):
    """The client is closed after a while, the proxy stays, tells it once, and tells when it is back."""
    with Proxy(f"unix:{folder}/host") as proxy:
        for _ in range(2):
            began = time.monotonic()
            with proxy.connect() as connection:
                connection.sendall(b"hello")
                assert is_closed(connection)
            assert RETRY_S * 0.9 < time.monotonic() - began < RETRY_S + 5
        assert proxy.said("there is no such socket", "are closed until")
        with Host(folder / "host", send_back), proxy.connect() as connection:
            assert exchange(connection, b"hello") == b"hello"
        assert proxy.said("is there again")
        assert sum("cannot connect to" in line for line in proxy.log) == 1


def test_host_by_tcp(folder):
    """To connect takes its time there, and whether it worked is known later: once a proxy, once nobody."""
    data = os.urandom(MIB)
    with Host(folder / "host", send_back) as host:
        with Proxy(host.address) as nearer:
            port = nearer.at[0][1]
            with Proxy(f"tcp:127.0.0.1:{port}") as proxy, proxy.connect() as connection:
                assert exchange(connection, data) == data
        with Proxy(f"tcp:127.0.0.1:{port}") as proxy, proxy.connect() as connection:
            assert is_closed(connection)
            assert proxy.said("cannot connect to", "are closed until")


def test_host_that_does_not_answer(folder):
    """A machine that is switched off, say: it is waited for, but not for ever, and others go on meanwhile."""
    with Host(folder / "host", send_back) as host, socket.socket() as silent, socket.socket() as first:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        first.connect(silent.getsockname())  # and fills its queue
        address = f"tcp:127.0.0.1:{silent.getsockname()[1]}"
        with Proxy(None, listens=(f"tcp:127.0.0.1:0={address}", f"tcp:127.0.0.1:0={host.address}")) as proxy, \
                proxy.connect(0) as connection:
            began = time.monotonic()
            with proxy.connect(1) as other:
                assert exchange(other, b"x") == b"x"
            assert is_closed(connection)
            assert time.monotonic() - began > CONNECT_S * 0.9
            assert proxy.said(address, "it does not answer")


def test_no_files_for_now(folder):
    """Who comes waits until there are some again; it is told, and costs no processor time meanwhile."""
    with Host(folder / "host", send_back) as host, Proxy(host.address) as proxy:
        pid = proxy.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (proxy.fds(), before[1]))
        with proxy.connect() as connection:
            assert proxy.said("no connection can be accepted for now", "Too many open files")
            used = cpu_s(pid)
            time.sleep(1)
            assert cpu_s(pid) - used < 0.2
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            assert exchange(connection, b"x") == b"x"


def test_client_gives_up_before_the_host_is_there(folder):
    with Proxy(f"unix:{folder}/host", listens=both(folder)) as proxy:
        before = proxy.fds()
        proxy.connect(1).close()
        assert eventually(lambda: proxy.fds() == before, timeout_s=RETRY_S / 2)


# ---- Its own end


def test_answer_that_is_due_at_its_end(echo, folder):
    """It is waited for; nobody else gets in, and who has had an answer is not waited for."""
    slow = b"TSKECHO1 delay_ms=2000 shape=1,4"
    tensor = numpy.ones((1, 4), "float32")
    with Proxy(f"unix:{echo.local}", listens=both(folder)) as proxy, \
            native.Guest(proxy.at[0]) as guest, native.Guest(proxy.at[1]) as idle:
        guest.push(slow)
        idle.ping()
        id_ = guest.start(native.digest(slow), [(0, tensor)])
        time.sleep(0.3)
        proxy.process.terminate()
        assert idle.is_closed()
        with pytest.raises(ConnectionRefusedError):
            proxy.connect(0)
        assert not (folder / "proxy.sock").exists()
        result, = guest.wait(id_).outputs().values()
        assert (result == tensor).all()
        assert proxy.process.wait(STOP_S / 2) == OK
        assert guest.is_closed()


def test_second_signal(folder):
    with Host(folder / "host", read_all) as host, Proxy(host.address) as proxy, \
            proxy.connect() as connection:
        connection.sendall(b"x")
        time.sleep(0.2)
        proxy.process.terminate()
        assert proxy.said("it is to end")
        time.sleep(1)
        assert proxy.process.poll() is None
        proxy.process.terminate()
        assert proxy.process.wait(2) == OK
        assert is_closed(connection)


def test_service_manager_is_told(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(TIMEOUT_S)
        with Proxy(f"unix:{folder}/host",
                   env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}) as proxy:
            assert manager.recv(100) == b"READY=1"
            proxy.connect().close()


def handed(*listeners):
    """What Popen needs so that a program is handed these, as systemd does it: fd 3 and on, and its number."""
    moves = "".join(f" {3 + i}<&{one.fileno()}" for i, one in enumerate(listeners))
    return {"shell": f'LISTEN_PID=$$ LISTEN_FDS={len(listeners)} exec "$@"{moves}',
            "pass_fds": [one.fileno() for one in listeners]}


def listener(address):
    one = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
    one.bind(address)
    one.listen()
    # Above all that it is handed over as.
    high = fcntl.fcntl(one.fileno(), fcntl.F_DUPFD_CLOEXEC, 100)
    one.close()
    return socket.socket(fileno=high)


def test_sockets_of_a_service_manager(folder):
    """They are taken, whoever opened them keeps their file; one that is not asked for is a mistake."""
    path = f"{folder}/handed"
    with listener(("127.0.0.1", 0)) as tcp, listener(path) as local, \
            Host(folder / "host", send_back) as host:
        listens = (f"unix:{path}", f"unix:{folder}/mine", f"tcp:127.0.0.1:{tcp.getsockname()[1]}")
        with Proxy(host.address, listens=listens, **handed(tcp, local)) as proxy:
            for way in range(3):
                with proxy.connect(way) as connection:
                    assert exchange(connection, b"x") == b"x"
        assert Path(path).exists() and not (folder / "mine").exists()
        options = handed(tcp, local)
        script = options.pop("shell")
        done = subprocess.run(["bash", "-c", script, "bash", TENSOCK, "--host", host.address, "proxy",
                               "--listen", listens[0]], capture_output=True, text=True, check=False,
                              timeout=TIMEOUT_S, **options)
        assert done.returncode == FAILED and "at none of the addresses" in done.stderr
        assert Path(path).exists()


# ---- The command line


def test_wrong_lines(folder):
    for words in (["word"], ["--listen"], ["--listen", ""], ["--listen", "8000"],
                  ["--listen", "tcp:localhost:8000"], ["--listen", "tcp:127.0.0.1"],
                  ["--listen", "tcp:127.0.0.1:65536"], ["--listen", "vsock:2:9999"],
                  ["--listen", "unix:"], ["--listen", "unix:" + "x" * 108],
                  ["--listen", "tcp:127.0.0.1:0=vsock:2"], ["--listen", "tcp:127.0.0.1:0=host"],
                  ["--listen", "x" * 1000], ["--max-connections", "0"], ["--max-connections", "-1"],
                  ["--max-connections", "1000000"], ["--max-connections", "many"],
                  ["--listen=tcp:127.0.0.1:0"] * 65):
        result = tensock(folder / "host", "proxy", *words)
        assert result.status == USAGE and result.err.startswith("tensock proxy: "), words
    assert tensock("nonsense", "proxy").status == USAGE
    for address in ("0.0.0.0", "10.0.0.1", "[::]", "[::ffff:127.0.0.1]"):
        result = tensock(folder / "host", "proxy", "--listen", f"tcp:{address}:0")
        assert result.status == USAGE and "--allow-remote" in result.err, address
    result = tensock("tcp:127.0.0.1:8001", "proxy")
    assert result.status == USAGE and "tcp:127.0.0.1:8001 would lead to itself" in result.err


def test_addresses_that_are_taken(folder):
    (folder / "file").write_bytes(b"")
    with Host(folder / "host", send_back) as host, Proxy(host.address, listens=both(folder)) as proxy:
        for listen, word in ((f"tcp:127.0.0.1:{proxy.at[0][1]}", "another program listens there"),
                             (f"unix:{proxy.at[1]}", "another program serves"),
                             (f"unix:{folder}/file", "is no socket"),
                             (f"unix:{folder}/none/x", "no socket can be made")):
            # One that could be had is given back.
            result = tensock(host.address, "proxy", "--listen", f"unix:{folder}/mine", "--listen", listen)
            assert result.status == FAILED and word in result.err, result.err
            assert not (folder / "mine").exists()
        with proxy.connect(1) as connection:
            assert exchange(connection, b"x") == b"x"


def test_nobody_says_where_the_host_is(folder):
    if Path("/run/tensock/tensock.sock").exists() or "vsguest=1" in Path("/proc/cmdline").read_text():
        pytest.skip("this machine has a host")
    result = tensock(None, "proxy", environment={"XDG_RUNTIME_DIR": str(folder)})
    assert result.status == UNREACHABLE
    with Host(folder / "host", send_back) as host, \
            Proxy(None, env={**os.environ, "TENSOCK_HOST": host.address}) as proxy, \
            proxy.connect() as connection:
        assert exchange(connection, b"x") == b"x"


def test_default_ports(folder):
    """HTTP, gRPC and metrics, where clients look for them."""
    taken = []
    for port in (8000, 8001, 8002):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    if taken:
        pytest.skip(f"ports {taken} are in use here")
    with Host(folder / "host", send_back) as host, Proxy(host.address, listens=()) as proxy:
        assert proxy.at == [("127.0.0.1", port) for port in (8000, 8001, 8002)]
        for way in range(3):
            with proxy.connect(way) as connection:
                assert exchange(connection, b"x") == b"x"


def limit_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (700, 700))


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed, whose limit holds")
def test_fewer_files_than_connections(folder):
    """Asked for, it is refused; by default there are as many as there can be."""
    folder.chmod(0o777)
    program = folder / "tensock"
    program.write_bytes(TENSOCK.read_bytes())
    program.chmod(0o755)
    command = [program, "--host", f"unix:{folder}/host", "--json", "proxy", "--listen",
               f"unix:{folder}/proxy"]
    result = subprocess.run([*command, "--max-connections", "1000"], capture_output=True, text=True,
                            user=65534, preexec_fn=limit_files, timeout=TIMEOUT_S, check=False)
    assert result.returncode == FAILED and "--max-connections 1000 needs" in result.stderr
    assert "LimitNOFILE" in result.stderr
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=65534,
                          preexec_fn=limit_files) as process:
        ready = json.loads(process.stdout.readline())
        process.terminate()
    assert ready["max_connections"] == (700 - 256) // 6
    assert process.returncode == OK
