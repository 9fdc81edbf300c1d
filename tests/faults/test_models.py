# SPDX-License-Identifier: Apache-2.0
"""Modes 23 to 28 and 31: models that are bombs, thieves or rubbish, and values that are none."""

import os
import resource
import struct
import time

import native
import numpy
import onnx_writer as onnx
import pytest
from scenario import SANITIZED
from test_bad_input import Canary

DEADLINE = "load-deadline = 1s\nrun-deadline = 1s\n"
LATE_S = 20 if SANITIZED else 5
GRAPH, STRING, TENSOR = 5, 3, 4  # AttributeProto.type


def attribute(name, number, type_, value):
    return onnx.field(1, name) + onnx.field(number, value) + onnx.field(20, type_)


def ask(daemon, model, *inputs):
    """(the status that it ends with, seconds): 0 where it went well."""
    with native.Guest(daemon.local) as guest:
        began = time.monotonic()
        try:
            guest.push(model)
            guest.infer(native.digest(model), list(inputs))
            status = 0
        except native.Refused as refused:
            status = refused.status
        seconds = time.monotonic() - began
        guest.ping()
    return status, seconds


ONE = numpy.ones(1, "float32")


@pytest.mark.mode(23)
def test_never_ends(ruled):
    daemon = ruled(DEADLINE)
    with daemon.good.asking():
        status, seconds = ask(daemon, onnx.endless(), ("x", ONE))
    assert status == native.DEADLINE_EXCEEDED
    assert seconds < 2 + LATE_S


def nested_if(depth):
    """Each If holds the next: what looks at both branches twice takes twice as long a level."""
    body = b"".join([onnx.node("Identity", ["x"], ["y0"]), onnx.field(2, "g0"), onnx.graph_output("y0", [1])])
    for level in range(1, depth + 1):
        node = onnx.node("If", ["c"], [f"y{level}"], attribute("then_branch", 6, GRAPH, body),
                         attribute("else_branch", 6, GRAPH, body if level < 3 else
                                   onnx.node("Identity", ["x"], ["e"]) + onnx.field(2, "e") +
                                   onnx.graph_output("e", [1])))
        body = node + onnx.field(2, f"g{level}") + onnx.graph_output(f"y{level}", [1])
    return onnx.model(body, onnx.graph_input("x", [1]), onnx.graph_input("c", [], onnx.BOOL))


@pytest.mark.mode(24)
def test_takes_for_ever_to_load(ruled):
    """It is loaded, takes longer than it may, or is too deep."""
    daemon = ruled(DEADLINE)
    for depth in 1, 8, 12, 16, 20, 30:
        with daemon.good.asking():
            status, seconds = ask(daemon, nested_if(depth), ("x", ONE), ("c", numpy.array(True)))
        print(depth, status, seconds)
        assert status in (0, native.DEADLINE_EXCEEDED, native.INVALID_MODEL, native.TOO_LARGE, native.ENGINE_FAILED)
        assert status == 0 or depth > 1
        assert seconds < 2 + LATE_S


def folded(n):
    """Constants alone: n floats are made where it is loaded."""
    shape = n.to_bytes(8, "little")
    return onnx.model(onnx.node("ConstantOfShape", ["shape"], ["big"]), onnx.node("Exp", ["big"], ["bigger"]),
                      onnx.node("ReduceSum", ["bigger"], ["sum"]), onnx.node("Add", ["sum", "x"], ["y"]),
                      onnx.field(5, onnx.tensor("shape", [1], onnx.INT64, shape)), onnx.graph_input("x", [1]),
                      onnx.graph_output("y", [1]))


@pytest.mark.mode(25)
@pytest.mark.skipif(SANITIZED, reason="the engine's allocation is the test: no sanitizer's")
def test_constants_fill_the_memory(ruled):
    """16 GiB, where a process may have 6."""
    daemon = ruled(DEADLINE)
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (6 << 30, 6 << 30))  # its children's, too
    with daemon.good.asking():
        status, seconds = ask(daemon, folded(1 << 32), ("x", ONE))
        assert ask(daemon, folded(1 << 10), ("x", ONE))[0] == 0
    assert status in (native.INVALID_MODEL, native.OUT_OF_MEMORY, native.ENGINE_FAILED, native.WORKER_DIED,
                      native.DEADLINE_EXCEEDED)
    assert seconds < 2 + LATE_S


@pytest.mark.mode(26)
def test_one_multiplication_of_minutes(ruled):
    """No engine can be asked to stop in it: the worker is killed."""
    daemon = ruled(DEADLINE)
    model = onnx.model(onnx.node("ConstantOfShape", ["n"], ["a"]), onnx.node("MatMul", ["a", "a"], ["p"]),
                       onnx.node("ReduceMax", ["p"], ["m"]), onnx.node("Add", ["m", "x"], ["y"]),
                       onnx.graph_input("x", [1]), onnx.graph_input("n", [2], onnx.INT64), onnx.graph_output("y", ["k", "l"]))
    small, large = (("n", numpy.array([n, n], "int64")) for n in (8, 12_000))
    assert ask(daemon, model, ("x", ONE), small)[0] == 0
    with daemon.good.asking():
        status, seconds = ask(daemon, model, ("x", ONE), large)
    assert status == native.DEADLINE_EXCEEDED
    assert seconds < 2 + LATE_S


# ---- files ----

def outside(location, name="w"):
    """A TensorProto whose data stands in another file."""
    entry = onnx.field(1, "location") + onnx.field(2, location)
    return b"".join([onnx.field(1, 4), onnx.field(2, onnx.FLOAT), onnx.field(8, name), onnx.field(13, entry),
                     onnx.field(14, 1)])


def thieves(location):
    """{where: a model that names this file there}"""
    x, y = onnx.graph_input("x", [4]), onnx.graph_output("y", [4])
    add = onnx.node("Add", ["x", "w"], ["y"])
    indices = onnx.tensor("", [4], onnx.INT64, struct.pack("<4q", 0, 1, 2, 3))
    sparse = onnx.field(1, outside(location)) + onnx.field(2, indices) + onnx.field(3, 4)
    constant = onnx.node("Constant", [], ["w"], attribute("value", 5, TENSOR, outside(location, "")))
    sparse_constant = onnx.node("Constant", [], ["w"], onnx.field(1, "sparse_value") + onnx.field(22, sparse) +
                                onnx.field(20, 11))
    return {"an initializer": onnx.model(add, onnx.field(5, outside(location)), x, y),
            "a sparse initializer": onnx.model(add, onnx.field(15, sparse), x, y),
            "a constant": onnx.model(constant, add, x, y),
            "a sparse constant": onnx.model(sparse_constant, add, x, y)}


@pytest.mark.mode(27)
def test_files_of_the_host_are_not_read(daemon, folder):
    """By every kind of name, in every place of a model: refused, and the file is never opened."""
    path = folder / "canary"
    canary = Canary(path)
    (folder / "link").symlink_to(path)
    os.link(path, folder / "hard")
    with open(folder / "sparse", "wb") as sparse:
        sparse.truncate(1 << 30)
    locations = [str(path), "canary", "./canary", f"../../../../../../..{path}", f"/proc/self/root{path}",
                 f"a/../../../../../../..{path}", f"/tmp/../{path}", str(folder / "link"), str(folder / "hard"),
                 str(folder / "sparse"), "/dev/zero", "/proc/self/mem", "", "canary\0.bin", "/" * 4000]
    x = ("x", numpy.ones(4, "float32"))
    for location in locations:
        for where, model in thieves(location).items():
            status, _ = ask(daemon, model, x)
            assert status in (native.INVALID_MODEL, native.UNSUPPORTED), (location[:40], where, status)
    assert not canary.was_touched()
    path.read_bytes()
    assert canary.was_touched()  # it would have been seen


# ---- rubbish ----

def deep(levels):
    body = b""
    for _ in range(levels):
        body = onnx.field(7, body)
    return onnx.field(1, 6) + body


def rubbish():
    """{what: a model that is none}"""
    good = onnx.identity(4)
    return {
        "3,000 levels": deep(3000),
        "100,000 levels": deep(100_000),
        "a million fields": onnx.model(onnx.field(2, "g") * 1_000_000),
        "a million nodes without an end": onnx.model(onnx.node("Identity", ["x"], ["x"]) * 100_000),
        "no graph": onnx.field(1, 6) + onnx.field(8, onnx.field(1, "") + onnx.field(2, 11)),
        "a graph that is a number": onnx.field(1, 6) + onnx.field(7, 1),
        "a node that is a number": onnx.model(onnx.field(1, 7)),
        "lengths beyond the end": good[:-1] + onnx.varint(1 << 60),
        "a varint without an end": good + b"\xff" * 20,
        "groups": good + onnx.varint(9 << 3 | 3) * 1000,
        "a tensor shorter than its dims": onnx.model(
            onnx.node("Add", ["x", "w"], ["y"]), onnx.field(5, onnx.tensor("w", [1 << 40], onnx.FLOAT, b"\0" * 16)),
            onnx.graph_input("x", [4]), onnx.graph_output("y", [4])),
        "negative dims": onnx.model(
            onnx.node("Add", ["x", "w"], ["y"]), onnx.field(5, onnx.tensor("w", [(1 << 64) - 4], onnx.FLOAT, b"\0" * 16)),
            onnx.graph_input("x", [4]), onnx.graph_output("y", [4])),
        "a .ms of 8 bytes": b"\x08\0\0\0MSL2",
        "a .ms whose root is far away": b"\xff\xff\xff\x7fMSL2" + b"\0" * 100,
        "a .ms whose table is before it": b"\x0c\0\0\0MSL2" + b"\0\0\0\0" + b"\xff\xff\xff\x7f" + b"\0" * 64,
        "nothing but zeros": b"\0" * 65536,
    }


@pytest.mark.mode(28)
def test_rubbish_is_refused(daemon):
    for what, model in rubbish().items():
        status, _ = ask(daemon, model)
        assert status in (native.INVALID_MODEL, native.UNSUPPORTED), what


# ---- values that are none ----

BITS = [0x7FC00000, 0x7FC12345, 0xFFC00001, 0x7F800000, 0xFF800000, 1, 0x80000001, 0x007FFFFF, 0x00800000, 0,
        0x80000000, 0x7F7FFFFF, 0x3F800000, 0xBF800000, 0x34000000]
VALUES = numpy.array(BITS, "uint32").view("float32")


def bits(array):
    return numpy.asarray(array, "float32").view("uint32").tolist()


def unary(operator):
    return onnx.model(onnx.node(operator, ["x"], ["y"]), onnx.graph_input("x", [len(BITS)]),
                      onnx.graph_output("y", [len(BITS)]))


@pytest.mark.mode(31)
def test_values_that_are_none(daemon):
    """What IEEE 754 says, whose answers here have no freedom: so denormals are not flushed, either."""
    half = onnx.model(onnx.node("Mul", ["x", "h"], ["y"]),
                      onnx.field(5, onnx.tensor("h", [], onnx.FLOAT, struct.pack("<f", 0.5))),
                      onnx.graph_input("x", [len(BITS)]), onnx.graph_output("y", [len(BITS)]))
    expected = {unary("Identity"): VALUES, unary("Neg"): -VALUES, unary("Abs"): numpy.abs(VALUES),
                half: VALUES * numpy.float32(0.5)}
    echo = b"TSKECHO1 shape=-1"
    with native.Guest(daemon.local) as guest:
        guest.push(echo)
        assert bits(guest.infer(native.digest(echo), [("x0", VALUES)])["x0"]) == BITS
        for model, values in expected.items():
            guest.push(model)
            assert bits(guest.infer(native.digest(model), [("x", VALUES)])["y"]) == bits(values)
