# SPDX-License-Identifier: Apache-2.0
"""The seed conversation, as it is meant to be."""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

import onnx_writer
import pytest
import seed
import seed_print
from conftest import engine_config, eventually

EXPECTED = Path(__file__).resolve().parents[2] / "tools/mobilenetv2.expected"
ECHO = b"TSKECHO1 shape=1,4"
ECHO_LINE = seed.output_line(seed.random_floats(4))


def test_values_are_those_of_the_original_host(onnx):
    assert seed.ask(onnx.local, onnx_writer.identity(3)) == b"OK"
    assert seed.ask(onnx.local, onnx_writer.identity(60)) == b"OK"
    assert onnx.printed(seed.output_line(seed.random_floats(3)))
    assert onnx.printed(seed.output_line(seed.random_floats(60)))  # the first 51
    assert len(onnx.output) == 2


def test_real_model(onnx, real_model):
    assert seed.ask(onnx.local, real_model) == b"OK"
    assert eventually(lambda: onnx.output)
    values = [float(text) for text in re.fullmatch(r"output data is:(\S+) (\S+) ",
                                                   onnx.output[0]).groups()]
    assert abs(sum(values) - 1) < 1e-4  # a softmax over two classes
    assert values == pytest.approx([0.112986, 0.887014], rel=1e-3)


def test_model_of_mindspore(onnx, mindspore_model):
    assert seed.ask(onnx.local, mindspore_model) == b"OK"
    assert eventually(lambda: onnx.output)
    expected = seed_print.read_values(EXPECTED)
    assert seed_print.difference(onnx.output[0], expected) <= seed_print.TOLERANCE
    assert len(onnx.output) == 1


def test_many_frames_on_one_connection(echo):
    with seed.Guest(echo.local) as guest:
        for i in range(200):
            assert guest.ask(ECHO, i) == b"OK"
    assert echo.printed(ECHO_LINE, 200)
    assert len(echo.output) == 200


def test_frames_that_are_sent_before_their_turn(echo):
    with seed.Guest(echo.local) as guest:
        guest.send(b"".join(seed.frame(ECHO, i) for i in range(50)))
        assert guest.receive(100) == b"OK" * 50


def test_different_models_in_turn(onnx):
    with seed.Guest(onnx.local) as guest:
        for n in (1, 2, 3, 1, 2, 3):
            assert guest.ask(onnx_writer.identity(n)) == b"OK"
    lines = [seed.output_line(seed.random_floats(n)) for n in (1, 2, 3, 1, 2, 3)]
    assert eventually(lambda: len(onnx.output) == 6)
    assert onnx.output == lines


def test_single_bytes(echo):
    with seed.Guest(echo.local) as guest:
        for byte in seed.frame(ECHO) * 3:
            guest.send(bytes([byte]))
        assert guest.receive(6) == b"OKOKOK"


@pytest.mark.parametrize("size", [4096, 1 << 20, 16 << 20])
def test_sizes(onnx, size):
    model = onnx_writer.identity(2, size)
    with seed.Guest(onnx.local) as guest:
        assert guest.ask(model) == b"OK"
        assert guest.ask(model) == b"OK"


def test_half_close(echo):
    """A guest that sends no more still gets its answer, then the end."""
    with seed.Guest(echo.local) as guest:
        guest.send(seed.frame(b"TSKECHO1 delay_ms=200"))
        guest.socket.shutdown(1)
        assert guest.receive() == b"OK"
        assert guest.is_closed()


def test_64_connections_at_once(onnx, real_model):
    guests = [seed.Guest(onnx.local) for _ in range(64)]
    for i, guest in enumerate(guests):
        guest.send(seed.frame(real_model, i))
    assert [guest.receive() for guest in guests] == [b"OK"] * 64
    for guest in guests:
        guest.socket.close()
    assert eventually(lambda: len(onnx.output) == 64)
    assert len(set(onnx.output)) == 1


def test_64_connections_with_other_models(echo):
    """More models than workers: each waits for its turn, and gets it."""
    guests = [seed.Guest(echo.local) for _ in range(64)]
    for i, guest in enumerate(guests):
        guest.send(seed.frame(b"TSKECHO1 shape=1,%d" % (i + 1)))
    assert [guest.receive() for guest in guests] == [b"OK"] * 64
    for guest in guests:
        guest.socket.close()
    lines = {seed.output_line(seed.random_floats(i + 1)) for i in range(64)}
    assert eventually(lambda: len(echo.output) == 64)
    assert set(echo.output) == lines


def test_several_guests(start, folder):
    """Each way in is another guest, with a front of its own."""
    tensock = start(f"listen = tcp:127.0.0.1:0\n"
                    f"[guest web]\nhybrid = {folder}/web.vsock\n"
                    f"[guest db]\nhybrid = {folder}/db.vsock\n" + engine_config("echo"))
    assert tensock.said("ready", "tcp:127.0.0.1:")
    ready = next(line for line in tensock.log if "ready" in line)
    port = int(re.search(r"tcp:127\.0\.0\.1:(\d+)", ready).group(1))
    addresses = [tensock.local, folder / "web.vsock_9999", folder / "db.vsock_9999",
                 ("127.0.0.1", port)]
    assert not tensock.fronts()  # they start with the first connection
    guests = [seed.Guest(address) for address in addresses]
    for guest in guests:
        guest.send(seed.frame(b"TSKECHO1 delay_ms=300"))
    began = time.monotonic()
    assert [guest.receive() for guest in guests] == [b"OK"] * 4
    assert time.monotonic() - began < 4 * 0.3 + 1
    assert len(tensock.fronts()) == 4
    for guest in guests:
        guest.socket.close()
    # The same guest again: no other front.
    for address in addresses:
        assert seed.ask(address, ECHO) == b"OK"
    assert len(tensock.fronts()) == 4


def test_both_ways_of_a_guest_lead_to_one_front(start, folder):
    """--vm NAME, and hybrid: of the same NAME."""
    tensock = start(engine_config("echo"), "--vm", f"web={folder}/vhost,uds={folder}/web.vsock",
                    "--listen", f"hybrid:web={folder}/web.vsock",
                    "--listen", f"unix:{folder}/local.sock")
    assert seed.ask(folder / "web.vsock_9999", ECHO) == b"OK"
    assert len(tensock.fronts()) == 1


def test_guests_run_side_by_side(start, folder):
    """A guest's long run delays no other guest."""
    tensock = start(f"[guest slow]\nhybrid = {folder}/slow\n" + engine_config("echo"))
    with seed.Guest(folder / "slow_9999") as slow:
        slow.send(seed.frame(b"TSKECHO1 delay_ms=3000"))
        began = time.monotonic()
        for _ in range(5):
            assert seed.ask(tensock.local, ECHO) == b"OK"
        assert time.monotonic() - began < 2.5
        assert slow.receive() == b"OK"


def test_integers_get_zeros(onnx):
    model = onnx_writer.model(
        onnx_writer.node("Identity", ["x"], ["y"]),
        onnx_writer.graph_input("x", [3], onnx_writer.INT64),
        onnx_writer.graph_output("y", [3], onnx_writer.INT64))
    assert seed.ask(onnx.local, model) == b"OK"
    assert onnx.printed("output data is:0 0 0 ")


def test_many_at_once_from_threads(echo):
    """32 guests' programs, each with ten frames on ten connections."""
    wrong = []

    def talk():
        for i in range(10):
            answer = seed.ask(echo.local, ECHO, i)
            if answer != b"OK":
                wrong.append(answer)

    threads = [threading.Thread(target=talk) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert echo.printed(ECHO_LINE, 320)


def test_users_are_guests_of_their_own(echo, folder):
    """By SO_PEERCRED: another user of the host has another front."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder.chmod(0o755)
    assert seed.ask(echo.local, ECHO) == b"OK"
    program = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
               "s.sendall(bytes.fromhex(sys.argv[2])); print(s.recv(2).decode())")
    for uid in (65534, 12345):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", program, echo.local, seed.frame(b"no model", uid).hex()],
            user=uid, group=65534, cwd="/", capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "ER\n"
        assert echo.said(f"guest uid-{uid}: frame {uid}")
    assert len(echo.fronts()) == 3
