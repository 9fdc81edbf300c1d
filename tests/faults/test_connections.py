# SPDX-License-Identifier: Apache-2.0
"""Modes 6 to 9: many connections, slow ones, and floods of them."""

import contextlib
import re
import resource
import socket
import subprocess
import time

import native
import pytest
import seed
from daemon import BUILD
from rule import ECHO, resources
from scenario import SANITIZED, eventually

MIB = 1 << 20
BEGINNINGS = [seed.header(MIB), native.hello(), seed.header(MIB) + b"x" * 40,
              native.hello() + native.frame(native.OFFER, 1, bytes(60))[:30]]


@pytest.fixture
def many_files():
    """As many files as this process may have."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield limits[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def connect(path):
    """Waits where the backlog is full."""
    guest = seed.Guest.__new__(seed.Guest)
    guest.socket = socket.socket(socket.AF_UNIX)
    guest.socket.connect(str(path))
    guest.socket.settimeout(seed.TIMEOUT_S)
    return guest


def connect_all(stack, path, n):
    """n connections that are served, whatever the guest has had just before."""
    guests = []
    while len(guests) < n:
        guest = stack.enter_context(connect(path))
        if guest.ask(ECHO) == b"OK":
            guests.append(guest)
    return guests


def drip(peers):
    """Each sends its next byte; those that cannot are done."""
    left = []
    for peer, data in peers:
        try:
            peer.socket.send(data[:1] or b"x")
            left.append((peer, data[1:]))
        except OSError:
            peer.socket.close()
    return left


@pytest.mark.mode(6)
def test_a_byte_now_and_then(ruled, repeat, many_files):
    """In a header, a message, a body: 1,000 peers that never stop sending, and never come to an end."""
    daemon = ruled("idle-timeout = 1s\n")
    n = len(repeat(1000))
    peers = [(connect(daemon.local), BEGINNINGS[i % len(BEGINNINGS)]) for i in range(n)]
    began = time.monotonic()
    with daemon.good.asking():
        while peers and time.monotonic() - began < 60:
            peers = drip(peers)
            time.sleep(0.2)
    assert not peers
    assert daemon.said("given up")


@pytest.mark.mode(9)
def test_more_connections_than_a_guest_may_have(ruled, many_files):
    """Those above the limit are closed, those below it work, and so do other guests'."""
    daemon = ruled()
    n = 1024
    with contextlib.ExitStack() as stack:
        guests = connect_all(stack, daemon.local, n)
        with daemon.good.asking():
            for _ in range(100):
                with seed.Guest(daemon.local) as one_more:
                    assert one_more.ask(ECHO) in (b"ER", b"")
                with pytest.raises((native.Refused, native.Closed, ConnectionError)):
                    native.Guest(daemon.local)
        assert guests[0].ask(ECHO) == b"OK" == guests[-1].ask(ECHO)
    assert daemon.said("refused")


@pytest.mark.mode(9)
@pytest.mark.slow
def test_ten_thousand_connections(ruled, folder, figure, many_files):
    """4,096 of one guest, 10,000 in all, each of which works: what an idle one takes."""
    daemon = ruled("max-connections = 4096\nmax-guests = 10\n", "--listen", f"unix:{folder}/local.sock",
                   *(f"--listen=hybrid:g{i}={folder}/g{i}" for i in range(2)))
    counts = {daemon.local: 4096, f"{folder}/g0_9999": 4096, f"{folder}/g1_9999": 1808}
    n = sum(counts.values())
    if many_files < n + 100:
        pytest.skip(f"a process may have {many_files} files here")
    for path in counts:
        assert seed.ask(path, ECHO) == b"OK"
    before = sum(resources(pid)["kib"] for pid in [daemon.pid, *daemon.fronts()])
    with contextlib.ExitStack() as stack:
        guests = [guest for path in counts for guest in connect_all(stack, path, counts[path])]
        after = sum(resources(pid)["kib"] for pid in [daemon.pid, *daemon.fronts()])
        with daemon.good.asking():
            for guest in guests[::100] + guests[-1:]:
                assert guest.ask(ECHO) == b"OK"
    per_connection = (after - before) / n
    figure(f"{n} connections held: {per_connection:.1f} KiB each")
    assert SANITIZED or per_connection <= 20


def storm(path, rate, seconds):
    """(connects, failed ones, seconds)"""
    done = subprocess.run([BUILD / "tests/faults/storm", path, str(rate), str(seconds)], capture_output=True,
                          text=True, check=True, timeout=seconds * 20 + 60)
    connected, failed, took = done.stdout.split()
    return int(connected), int(failed), float(took)


@pytest.mark.mode(8)
def test_a_storm_of_connects(daemon, request, repeat, figure):
    """10,000 a second, each closed at once."""
    seconds = 60 if request.config.getoption("--full") else 1
    repeat(seconds * 10_000, fast=10_000)
    with daemon.good.asking():
        time.sleep(min(seconds, 5))
    alone_ms = daemon.good.p99_ms()
    with daemon.good.asking():
        connected, failed, took_s = storm(daemon.local, 10_000, seconds)
    beside_ms = daemon.good.p99_ms()
    figure(f"{connected / took_s:.0f} connects a second, {failed} failed; a good guest's p99 "
           f"{beside_ms:.1f} ms, {alone_ms:.1f} ms alone")
    closed = [int(found[1]) for line in daemon.log if (found := re.search(r"(\d+) closed so far", line))]
    if closed:
        figure(f"{closed[-1]} of them were closed because the front did not keep up")
    assert failed == 0
    assert connected == seconds * 10_000
    # A machine that is busy with something else is slow without us.
    assert beside_ms < (50 if request.config.getoption("--full") else 1000) + 5 * alone_ms
    assert eventually(lambda: seed.ask(daemon.local, ECHO) == b"OK")
