# SPDX-License-Identifier: Apache-2.0
"""Guests, VMMs, drivers and workers that go and come back."""

import contextlib
import os
import select
import signal
import socket
import threading

import onnx_writer
import pytest
from machine import Machine, eventually
from unix_server import Server, echo, exchange, read_all

DRIVER = "/sys/bus/virtio/drivers/vmw_vsock_virtio_transport"


@pytest.fixture
def small(models):
    return {"models/4k": models["4k"][0], "models/1m": models["1m"][0]}


def assert_serves(vm):
    """All three ways through the device work."""
    assert ": OK (" in vm.check("seed_guest /models/4k")
    with Server(f"{vm.uds}_5900", echo):
        assert vm.check("echo hello | vsock_probe pipe 2 5900") == "hello\n"
    vm.serve("echo", 6900)
    with vm.connect(6900) as connection:
        assert exchange(connection, b"hello") == b"hello"
    vm.run("killall vsock_probe; while pidof vsock_probe; do sleep 0.05; done")


def test_guest_reboots(vm):
    """With a connection of each kind open."""
    ended = []
    with Server(f"{vm.uds}_5901", lambda connection: ended.append(read_all(connection))):
        vm.serve("mute", 6901)
        from_host = vm.connect(6901)
        vm.check("(echo hello; sleep 60) | vsock_probe pipe 2 5901 >/dev/null 2>&1 &")
        vm.check("sleep 60 | vsock_probe pipe 2 9999 >/dev/null 2>&1 &")
        vm.check("sleep 0.5")
        vm.guest.reboot()
        assert eventually(lambda: ended) == [b"hello\n"]
        with from_host:
            assert read_end(from_host)
    assert_serves(vm)


def read_end(connection):
    """True once the connection has ended, in whatever way."""
    try:
        return read_all(connection) == b""
    except ConnectionError:
        return True


def test_guest_is_reset_in_the_middle_of_an_upload(vm):
    vm.guest.start("while :; do seed_guest /models/16m; done")
    vm.guest.reset()
    assert_serves(vm)


def test_guest_is_reset_amid_the_data_of_100_connections(vm):
    """Half of them the guest's, half the host's; the next boot hears of none."""
    flowing, ended = set(), []

    def flow(connection):
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(1 << 16):
                flowing.add(connection)
                connection.sendall(data)
        ended.append(connection)

    vm.serve("crowd", 6902)
    with Server(f"{vm.uds}_5903", flow):
        vm.check("vsock_probe fill 2 5903 50 >/dev/null 2>&1 &")
        connections = [vm.connect(6902) for _ in range(50)]
        for connection in connections:
            connection.sendall(bytes(1 << 16))
            threading.Thread(target=flow, args=[connection], daemon=True).start()
        assert eventually(lambda: len(flowing) == 100)
        vm.guest.reset()
        assert eventually(lambda: len(ended) == 100)
    for connection in connections:
        connection.close()
    assert_serves(vm)


def test_driver_is_unbound_and_bound(vm):
    device = vm.check(f"basename {DRIVER}/virtio*").strip()
    for _ in range(3):
        vm.check("(echo hello; sleep 60) | vsock_probe pipe 2 9999 >/dev/null 2>&1 &")
        vm.check(f"echo {device} >{DRIVER}/unbind")
        assert vm.run("vsock_probe connect 2 9999")[0] == 1
        vm.check(f"echo {device} >{DRIVER}/bind")
        assert_serves(vm)


def test_qemu_is_killed_and_a_new_one_comes(vm):
    vm.guest.start("while :; do seed_guest /models/16m; done")
    vm.guest.kill()
    vm.boot()
    assert_serves(vm)


def is_refused(vm):
    """Whether a host program is turned away, as it is while the device's queues are stopped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(vm.uds))
        # It says nothing: one that comes right before the stop would wait for its answer.
        return not is_quiet(connection, 0.2)


def is_quiet(connection, seconds):
    """Nothing comes for so long, not even the end."""
    return not select.select([connection], [], [], seconds)[0]


def test_qemu_is_stopped_for_a_while(vm, payloads):
    """The connections of a paused VM wait, and go on: in the middle of an upload, a transfer both ways
    and a dialogue, and one whose host program has sent its last."""
    data = payloads["16m"]
    half_way, stopped, received = threading.Event(), threading.Event(), []

    def slow_echo(connection):
        """Stands still at 1 MiB until QEMU has stopped: far more is left than any buffer holds."""
        got = b""
        while piece := connection.recv(1 << 16):
            got += piece
            connection.sendall(piece)
            if len(got) >= 1 << 20 and not half_way.is_set():
                half_way.set()
                stopped.wait(60)
        received.append(got)
        connection.shutdown(socket.SHUT_WR)

    vm.serve("crowd", 6904)
    vm.serve("late", 6905)
    with Server(f"{vm.uds}_5905", slow_echo), vm.connect(6904) as talk, vm.connect(6905) as last:
        for text in b"before", b"once more":
            talk.sendall(text)
            assert talk.recv(100) == text
        vm.guest.start("vsock_probe pipe 2 5905 </data/16m >/tmp/back & "
                       "seed_guest /models/16m /models/16m /models/16m; s=$?; wait %1; "
                       "cmp /data/16m /tmp/back && rm /tmp/back && (exit $s)")
        assert half_way.wait(60)
        last.sendall(b"some bytes")
        vm.guest.monitor("stop")
        assert eventually(lambda: is_refused(vm))
        stopped.set()
        last.sendall(b" and some")
        last.shutdown(socket.SHUT_WR)
        talk.sendall(b"meanwhile")
        assert is_quiet(talk, 3) and is_quiet(last, 0)
        assert not received
        vm.guest.monitor("cont")
        assert talk.recv(100) == b"meanwhile"
        assert read_all(last) == b"19 bytes\n"
        status, output = vm.guest.finish()
        assert (status, output.count(": OK (")) == (0, 3)
        assert received == [data]
        talk.sendall(b"after")
        assert talk.recv(100) == b"after"
        talk.shutdown(socket.SHUT_WR)
        assert read_all(talk) == b""
    vm.run("killall vsock_probe; while pidof vsock_probe; do sleep 0.05; done")
    assert_serves(vm)


def test_memory_is_plugged_while_it_is_in_use(folder, small):
    """QEMU sends a new memory table for each, while the queues run."""
    with Machine(folder, files=small) as machine:
        vm = machine.vms[0]
        vm.boot(["-m", "slots=2,maxmem=2G"])
        front = next(pid for pid in machine.daemon.children("tensock-front")
                     if holds_guest_memory(pid))
        before = mapped_regions(front)
        vm.guest.start("for i in 1 2 3 4 5 6 7 8; do seed_guest /models/1m || exit 1; done")
        for i in (1, 2):
            vm.guest.monitor(f"object_add memory-backend-memfd,id=more{i},size=128M,share=on")
            vm.guest.monitor(f"device_add pc-dimm,id=dimm{i},memdev=more{i}")
            assert eventually(lambda: mapped_regions(front) >= before + i)
        status, output = vm.guest.finish()
        assert (status, output.count(": OK (")) == (0, 8)
        assert_serves(vm)


def mapped_regions(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return sum("memory-backend" in line for line in maps)


def test_worker_is_killed_while_it_runs(folder, small):
    """One request fails; the next one gets a new worker."""
    files = {**small, "models/endless": onnx_writer.endless()}
    with Machine(folder, files=files) as machine:
        vm = machine.vms[0]
        vm.guest.start("seed_guest /models/endless")
        busy = eventually(lambda: [pid for pid in machine.workers() if cpu_ticks(pid) > 20])
        assert busy
        os.kill(busy[0], signal.SIGKILL)
        status, output = vm.guest.finish()
        assert status == 1
        assert "/models/endless: ER" in output
        assert any("vm1" in line for line in machine.daemon.log)
        assert_serves(vm)
        assert busy[0] not in machine.workers()


def say(connection, name):
    with contextlib.suppress(BrokenPipeError):  # of a guest that has given up meanwhile
        connection.sendall(name)


def test_stopped_front_holds_up_only_its_own_guest(folder, small):
    """And each guest reaches its own sockets, though their numbers are the same."""

    def answers():
        """What each guest hears at port 5904; nothing, where its front does not run."""
        return [vm.run("timeout 5 vsock_probe pipe 2 5904 2>/dev/null")[1] for vm in machine.vms]

    def work(vm):
        vm.check("for i in 1 2 3 4; do seed_guest /models/1m || exit 1; done")
        with vm.connect(6903) as connection:
            assert exchange(connection, b"hello") == b"hello"

    with Machine(folder, count=2, files=small) as machine, contextlib.ExitStack() as stack:
        for vm, name in zip(machine.vms, (b"first", b"second")):
            stack.enter_context(Server(f"{vm.uds}_5904", lambda to, name=name: say(to, name)))
            vm.serve("echo", 6903)
        assert answers() == ["first", "second"]
        stopped = [pid for pid in machine.daemon.children("tensock-front")
                   if holds_guest_memory(pid)][0]
        os.kill(stopped, signal.SIGSTOP)
        heard = answers()
        assert heard in (["first", ""], ["", "second"])
        work(machine.vms[1 - heard.index("")])
        os.kill(stopped, signal.SIGCONT)
        for vm in machine.vms:
            vm.run("killall vsock_probe")
            assert_serves(vm)


def holds_guest_memory(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return "memory-backend" in maps.read()


def test_endless_run_ends_at_its_deadline(folder, small):
    config = folder / "tensockd.conf"
    config.write_text("[daemon]\nrun-deadline = 2s\n", encoding="ascii")
    files = {**small, "models/endless": onnx_writer.endless()}
    with Machine(folder, files=files, options=["--config", config]) as machine:
        status, output = machine.vms[0].run("seed_guest /models/endless", timeout_s=15)
        assert status == 1
        assert "/models/endless: ER" in output
        assert_serves(machine.vms[0])


def cpu_ticks(pid):
    """The CPU time that a process has used, in clock ticks; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def test_two_vms(folder, small, models):
    """Each has its own CID, front and ports; one that dies does not disturb the other."""
    with Machine(folder, count=2, files=small) as machine:
        first, second = machine.vms
        assert len(machine.daemon.children("tensock-front")) >= 2
        with Server(f"{first.uds}_5902", echo):
            assert first.run("vsock_probe connect 2 5902")[0] == 0
            assert second.run("vsock_probe connect 2 5902")[0] == 1
        for vm in machine.vms:
            vm.guest.start("for i in 1 2 3 4; do seed_guest /models/4k /models/1m; done")
        for vm in machine.vms:
            status, output = vm.guest.finish()
            assert (status, output.count(": OK (")) == (0, 8)
        first.guest.start("while :; do seed_guest /models/1m; done")
        second.guest.start("for i in 1 2 3 4; do seed_guest /models/1m; sleep 0.1; done")
        first.guest.kill()
        status, output = second.guest.finish()
        assert (status, output.count(": OK (")) == (0, 4)
        first.boot()
        assert_serves(first)
        assert_serves(second)
