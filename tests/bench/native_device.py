#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The native protocol in a guest, over the built-in device: `./run bench native-device [--peer PROGRAM]`.

    native_device.py [--rounds N] [--seconds S] [--only SIZE] [--peer PROGRAM]

Identity models, by a client on libtensock in the guest, beside the plain ping-pong through the same device
to a program of the host, and beside the same ping-pong through the peer's device (vhost-device-vsock).  A
guest has one device and a host one engine, so each has a guest of its own, of one image, all alive at the
same time; one after the other works, in an order that changes from round to round.  Times are taken in
the guest; a ratio is the median of the ratios of each round.  Prints tables in Markdown.
"""

import argparse
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import bench
import device
import guest
import native
import onnx_writer
from daemon import BUILD, Daemon

BENCH = BUILD / "tests/bench"
ECHO_PORT = 5000
CONNECTIONS = 1
TITLES = {"peer": "peer's device, plain echo", "floor": "Tensock's device, plain echo",
          "echo": "Tensock, engine that only copies", "onnx": "Tensock, ONNX Runtime's Identity"}


class GuestCell(native.Cell):
    """As Cell, of a program in a guest."""

    def __init__(self, vm, command):
        super().__init__(command)
        self.vm = vm

    def run(self):
        words = self.vm.check(" ".join(self.command), timeout_s=300).split()
        self.keep(*map(float, words))


def model(name, size):
    shape = size // 4
    return b"TSKECHO1 shape=%d" % shape if name == "echo" else onnx_writer.identity(shape)


def files(sizes):
    """What each guest has."""
    found = {f"bin/{name}": BENCH / f"{name}_of_guest" for name in ("native", "pingpong")}
    return found | {f"{name}{size}": model(name, size) for name in ("echo", "onnx") for size in sizes}


def start_tensock(stack, folder, vhost, uds, engine):
    config = folder / "tensockd.conf"
    config.write_text(engine)
    stack.enter_context(Daemon(["--config", config, "--listen", f"unix:{folder / 'local'}",
                                "--vm", f"bench={vhost},cid=3,uds={uds}"], [vhost, uds]))


def boot(stack, folder, sizes, start):
    """A guest with the device that start(folder, vhost, uds) makes, and a plain echo behind it."""
    vhost, uds = folder / "vhost", folder / "uds"
    folder.mkdir()
    floor = native.serve("pingpong", Path(f"{uds}_{ECHO_PORT}"))
    stack.callback(floor.wait)
    stack.callback(floor.terminate)
    start(folder, vhost, uds)
    return stack.enter_context(guest.Guest(folder / "guest", files(sizes), vhost)).wait_ready()


def boot_all(stack, folder, sizes, peer):
    """{name: guest}"""
    plugin = f"{BUILD}/tests/engines/tensock-engine-echo.so"
    starts = {
        "echo": lambda *paths: start_tensock(stack, *paths, f"[engine echo]\nplugin = {plugin}\n"),
        "onnx": lambda *paths: start_tensock(stack, *paths, ""),
    }
    if peer:
        starts["peer"] = lambda _, vhost, uds: device.peer(peer, None)(stack, vhost, uds)
    return {name: boot(stack, folder / name, sizes, start) for name, start in starts.items()}


def cells_of(guests, size, seconds):
    def plain(vm):
        return GuestCell(vm, ["pingpong", "load", f"vsock:2:{ECHO_PORT}", size, CONNECTIONS, seconds])

    def asked(name):
        return GuestCell(guests[name], ["native", "vsock:2:9999", f"/{name}{size}", size // 4,
                                        CONNECTIONS, seconds, "identity"])

    cells = {"peer": plain(guests["peer"])} if "peer" in guests else {}
    return cells | {"floor": plain(guests["echo"]), "echo": asked("echo"), "onnx": asked("onnx")}


def print_cells(cells):
    bases = [name for name in ("floor", "peer") if name in cells]
    print("| | p50 µs | p99 µs | requests/s | " +
          " | ".join(f"p50, × of {TITLES[base]}" for base in bases) + " |")
    print("|---" * (4 + len(bases)) + "|")
    for name, cell in cells.items():
        row = [TITLES[name], native.spread(cell.p50), native.number(statistics.median(cell.p99)),
               native.spread(cell.rate)]
        row += ["1" if name == base else native.ratio_text(native.ratios(cell.p50, cells[base].p50))
                for base in bases]
        print("| " + " | ".join(row) + " |", flush=True)


def measure(folder, arguments, sizes):
    with ExitStack() as stack:
        guests = boot_all(stack, folder, sizes, arguments.peer)
        for size in sizes:
            cells = cells_of(guests, size, arguments.seconds)
            native.run_rounds(list(cells.values()), arguments.rounds)
            print(f"\n#### {native.SIZES[size]} there and back, in a guest\n")
            print_cells(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--only", choices=[*map(str, native.SIZES)])
    parser.add_argument("--peer", metavar="PROGRAM", help="vhost-device-vsock, to compare with")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("a median needs 2 rounds, a result 9")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, bench.stop)
    print(f"{time.strftime('%Y-%m-%d')}, {bench.machine()}, {arguments.rounds} rounds of "
          f"{arguments.seconds:g} s", flush=True)
    if not arguments.peer:
        print("\nThe peer is not measured: --peer says where vhost-device-vsock is.")
    sizes = [size for size in native.SIZES if arguments.only in (None, str(size))]
    with tempfile.TemporaryDirectory(prefix="tensock-bench.") as folder:
        measure(Path(folder), arguments, sizes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
