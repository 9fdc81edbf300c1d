# SPDX-License-Identifier: Apache-2.0
"""The models that the clients load, and tensors of each type for them."""

import ml_dtypes
import numpy
import onnx_writer as onnx

# Of the protocol: ONNX's number, NumPy's type.
TYPES = {
    "BOOL": (onnx.BOOL, numpy.bool_),
    "UINT8": (onnx.UINT8, numpy.uint8), "UINT16": (onnx.UINT16, numpy.uint16),
    "UINT32": (onnx.UINT32, numpy.uint32), "UINT64": (onnx.UINT64, numpy.uint64),
    "INT8": (onnx.INT8, numpy.int8), "INT16": (onnx.INT16, numpy.int16),
    "INT32": (onnx.INT32, numpy.int32), "INT64": (onnx.INT64, numpy.int64),
    "FP16": (onnx.FLOAT16, numpy.float16), "BF16": (onnx.BFLOAT16, ml_dtypes.bfloat16),
    "FP32": (onnx.FLOAT, numpy.float32), "FP64": (onnx.DOUBLE, numpy.float64),
    "BYTES": (onnx.STRING, numpy.object_),
}


def identity(datatype, dims=("n",), doc=""):
    """x → y, unchanged.  doc: makes another model of it, since one is known by its bytes."""
    number = TYPES[datatype][0]
    return onnx.model(onnx.node("Identity", ["x"], ["y"]), onnx.graph_input("x", dims, number),
                      onnx.graph_output("y", dims, number), doc=doc, opset=13)


def sums(doc=""):
    """a, b → sum, difference: of any number of rows of four."""
    dims = ["rows", 4]
    return onnx.model(
        onnx.node("Add", ["a", "b"], ["sum"]), onnx.node("Sub", ["a", "b"], ["difference"]),
        onnx.graph_input("a", dims), onnx.graph_input("b", dims),
        onnx.graph_output("sum", dims), onnx.graph_output("difference", dims), doc=doc)


MIXED = ["FP32", "INT64", "BYTES", "BOOL", "FP16", "UINT8"]


def mixed():
    """An input and an output of each of MIXED, called in_T and out_T."""
    return onnx.model(
        *(onnx.node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in MIXED),
        *(onnx.graph_input(f"in_{name}", [f"n_{name}"], TYPES[name][0]) for name in MIXED),
        *(onnx.graph_output(f"out_{name}", [f"n_{name}"], TYPES[name][0]) for name in MIXED), opset=13)


def values(datatype, n=7):
    """n of a type, its least and its greatest among them."""
    dtype = TYPES[datatype][1]
    if datatype == "BYTES":
        words = [b"", b"tensor", b"\x00\xff\xfe", "höher".encode(), b"x" * 300, b'"\\\n', b"7"]
        return numpy.array([words[i % 7] for i in range(n)], dtype=object)
    if datatype == "BOOL":
        return numpy.arange(n) % 3 == 0
    if numpy.issubdtype(dtype, numpy.integer):
        limits = numpy.iinfo(dtype)
        return numpy.resize(numpy.array([limits.min, limits.max, 0, 1, 2, 3, 101], dtype), n)
    limits = ml_dtypes.finfo(dtype)
    return numpy.resize(numpy.array([limits.min, limits.max, 0, -1.5, limits.tiny, 0.25, 3], dtype), n)


# What the tests have loaded, by name.
MODELS = {
    **{f"identity_{name.lower()}": identity(name) for name in TYPES},
    "big": identity("FP32", doc="of its own"),
    "rows": identity("FP32", ("rows", 5)),
    "table": identity("FP32", ("rows", "columns")),
    "sums": sums(),
    "mixed": mixed(),
    "endless": onnx.endless(),
}
