# SPDX-License-Identifier: Apache-2.0
"""ONNX models of an exact number of bytes whose answer depends on nearly every one of them.

X [1] → Relu → Y [1], and a constant W [ROWS, n] → ReduceSum → S [ROWS].  W holds small whole numbers, so
that the sums are exact however they are added up.  The rest is filled by the model's doc_string.
"""

import array
import random
import struct

ROWS = 51  # as many values as the daemon prints of an output
SMALLEST = 1024


def _varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number, value):
    """A protobuf field: an integer, a string or bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, str):
        value = value.encode()
    return _varint(number << 3 | 2) + _varint(len(value)) + value


FLOAT, INT64, BOOL = 1, 7, 9  # TensorProto.DataType


def _value_info(name, dims, dtype=FLOAT):
    shape = b"".join(_field(1, _field(1, dim)) for dim in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, dtype) + _field(2, shape)))


def _node(operator, inputs, outputs, *attributes):
    return _field(1, b"".join([
        *(_field(1, name) for name in inputs), *(_field(2, name) for name in outputs),
        _field(4, operator), *(_field(5, attribute) for attribute in attributes)]))


def _whole(graph, doc=b""):
    opset = _field(1, "") + _field(2, 11)
    return _field(1, 6) + _field(8, opset) + _field(7, graph) + (_field(6, doc) if doc else b"")


def _model(weights, columns, doc):
    axes = _field(1, "axes") + _field(8, 1) + _field(20, 7)
    keep = _field(1, "keepdims") + _field(3, 0) + _field(20, 2)
    graph = b"".join([
        _node("Relu", ["X"], ["Y"]),
        _node("ReduceSum", ["W"], ["S"], axes, keep),
        _field(2, "sums"),
        _field(5, _field(1, ROWS) + _field(1, columns) + _field(2, FLOAT) + _field(8, "W") +
               _field(9, weights)),
        _field(11, _value_info("X", [1])),
        _field(12, _value_info("Y", [1])),
        _field(12, _value_info("S", [ROWS])),
    ])
    return _whole(graph, doc)


def make(size, seed=1):
    """The model's bytes, exactly `size`, and the line that the daemon prints for its sums."""
    if size < SMALLEST:
        raise ValueError("too small for a model")
    columns = max(1, (size - SMALLEST) // (4 * ROWS))
    numbers = [byte - 128 for byte in random.Random(seed).randbytes(columns * ROWS)]
    weights = array.array("f", numbers).tobytes()
    room = size - len(_model(weights, columns, b""))
    doc_bytes = room
    while doc_bytes > 0 and len(_field(6, b" " * doc_bytes)) > room:
        doc_bytes -= 1
    data = _model(weights, columns, b"d" * doc_bytes)
    if len(data) != size:
        # One byte less than a longer length prefix takes: a field more, unknown to ONNX.
        raise ValueError(f"cannot make a model of {size} bytes, only of {len(data)}")
    sums = [sum(numbers[row * columns:(row + 1) * columns]) for row in range(ROWS)]
    return data, "output data is:" + "".join(f"{_as_float(total):g} " for total in sums)


def make_head(size):
    """A large model in two parts: its first bytes, and how many bytes of zero are to follow them."""
    small = _model(bytes(4 * ROWS), 1, b"")
    padding = size - len(small) - 1
    while len(small) + 1 + len(_varint(padding)) + padding > size:
        padding -= 1
    return small + _varint(6 << 3 | 2) + _varint(padding), padding


def make_endless():
    """A model that loads, and whose run never ends."""
    body = b"".join([
        _node("Identity", ["cond"], ["cond_out"]), _node("Neg", ["x"], ["x_out"]),
        _field(2, "body"),
        _field(11, _value_info("i", [], INT64)), _field(11, _value_info("cond", [], BOOL)),
        _field(11, _value_info("x", [1])),
        _field(12, _value_info("cond_out", [], BOOL)), _field(12, _value_info("x_out", [1])),
    ])
    attribute = _field(1, "body") + _field(6, body) + _field(20, 5)
    return _whole(b"".join([
        _node("Loop", ["", "true", "X"], ["Y"], attribute),
        _field(2, "endless"),
        _field(5, _field(2, BOOL) + _field(8, "true") + _field(9, b"\1")),
        _field(11, _value_info("X", [1])), _field(12, _value_info("Y", [1])),
    ]))


def _as_float(value):
    return struct.unpack("f", struct.pack("f", value))[0]
