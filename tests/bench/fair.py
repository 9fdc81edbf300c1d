#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long a packet takes to its answer while other connections of the same guest push all they can.

Pings go from the guest through the built-in device to a program of the host and back; beside them
nothing, a push to the host, a push to the guest, or both, round by round in turns.  Prints a table.
"""

import multiprocessing
import socket
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/vm")]
from machine import Machine, eventually

ROUNDS = 5
PINGS = 2000
PING_PORT, SINK_PORT, SOURCE_PORT = 5000, 5001, 5002


def echo(connection):
    while byte := connection.recv(1):
        connection.sendall(byte)


def sink(connection):
    buffer = bytearray(1 << 20)
    while connection.recv_into(buffer):
        pass


def source(connection):
    zeros = bytes(1 << 20)
    while True:
        connection.sendall(zeros)


def serve(path, handle):
    """One connection after the other, in a process of its own: nothing here waits for another."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection:
                try:
                    handle(connection)
                except OSError:
                    pass


LOADS = {
    "nothing": [],
    "a push to the host": [f"/tmp/bulk flood 2 {SINK_PORT}"],
    "a push to the guest": [f"/tmp/bulk pipe 2 {SOURCE_PORT}"],
    "both": [f"/tmp/bulk flood 2 {SINK_PORT}", f"/tmp/bulk pipe 2 {SOURCE_PORT}"],
}


def measure(vm, commands):
    """The median and the 99th percentile, in microseconds."""
    for command in commands:
        vm.check(f"{command} >/dev/null 2>&1 &")
    vm.check("sleep 0.3")
    try:
        return [float(text) for text in vm.check(f"vsock_probe ping 2 {PING_PORT} {PINGS}",
                                                 timeout_s=300).split()]
    finally:
        vm.run("killall -KILL bulk; while pidof bulk; do sleep 0.05; done")


def main():
    results = {name: [] for name in LOADS}
    with tempfile.TemporaryDirectory(prefix="tensock-fair.") as folder:
        servers = [multiprocessing.Process(target=serve, args=[f"{folder}/uds1_{port}", handle],
                                           daemon=True)
                   for port, handle in ((PING_PORT, echo), (SINK_PORT, sink),
                                        (SOURCE_PORT, source))]
        for server in servers:
            server.start()
        with Machine(folder) as machine:
            vm = machine.vms[0]
            vm.check("cp /bin/vsock_probe /tmp/bulk")
            eventually(lambda: len(list(Path(folder).glob("uds1_*"))) == len(servers))
            for _ in range(ROUNDS):
                for name, commands in LOADS.items():
                    results[name].append(measure(vm, commands))
        for server in servers:
            server.terminate()
    print("| beside the pings | median, µs | 99 of 100, µs | ratio to nothing |\n|---|---|---|---|")
    idle = [p99 for _, p99 in results["nothing"]]
    for name, values in results.items():
        p50s, p99s = zip(*values)
        ratio = statistics.median(value / base for value, base in zip(p99s, idle))
        print(f"| {name} | {statistics.median(p50s):.0f} | {statistics.median(p99s):.0f} "
              f"({min(p99s):.0f} to {max(p99s):.0f}) | {ratio:.1f} |")


if __name__ == "__main__":
    main()
