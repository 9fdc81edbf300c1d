# SPDX-License-Identifier: Apache-2.0
"""ONNX models of an exact number of bytes whose answer depends on nearly every one of them.

X [1] → Relu → Y [1], and a constant W [ROWS, n] → ReduceSum → S [ROWS].  W holds small whole numbers, so
that the sums are exact however they are added up.  The rest is filled by the model's doc_string.
"""

import array
import random
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from onnx_writer import FLOAT, field, graph_input, graph_output, node, tensor, varint

ROWS = 51  # as many values as the daemon prints of an output
SMALLEST = 1024


def _model(weights, columns, doc):
    axes = field(1, "axes") + field(8, 1) + field(20, 7)
    keep = field(1, "keepdims") + field(3, 0) + field(20, 2)
    graph = b"".join([
        node("Relu", ["X"], ["Y"]),
        node("ReduceSum", ["W"], ["S"], axes, keep),
        field(2, "sums"),
        field(5, tensor("W", [ROWS, columns], FLOAT, weights)),
        graph_input("X", [1]),
        graph_output("Y", [1]),
        graph_output("S", [ROWS]),
    ])
    opset = field(1, "") + field(2, 11)
    return field(1, 6) + field(8, opset) + field(7, graph) + (field(6, doc) if doc else b"")


def make(size, seed=1):
    """The model's bytes, exactly `size`, and the line that the daemon prints for its sums."""
    if size < SMALLEST:
        raise ValueError("too small for a model")
    columns = max(1, (size - SMALLEST) // (4 * ROWS))
    numbers = [byte - 128 for byte in random.Random(seed).randbytes(columns * ROWS)]
    weights = array.array("f", numbers).tobytes()
    room = size - len(_model(weights, columns, b""))
    doc_bytes = room
    while doc_bytes > 0 and len(field(6, b" " * doc_bytes)) > room:
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
    while len(small) + 1 + len(varint(padding)) + padding > size:
        padding -= 1
    return small + varint(6 << 3 | 2) + varint(padding), padding


def _as_float(value):
    return struct.unpack("f", struct.pack("f", value))[0]
