# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models, written without the onnx package: just enough of protobuf."""

# TensorProto.DataType
FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32, UINT64 = range(1, 14)
BFLOAT16 = 16


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, value):
    """An integer, a string or bytes (a message)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def value_info(name, dims, dtype=FLOAT):
    """dims: numbers, or texts for dimensions that are left open."""
    shape = b"".join(field(1, field(1 if isinstance(dim, int) else 2, dim)) for dim in dims)
    return field(1, name) + field(2, field(1, field(1, dtype) + field(2, shape)))


def node(operator, inputs, outputs, *attributes):
    return field(1, b"".join([*(field(1, name) for name in inputs),
                              *(field(2, name) for name in outputs), field(4, operator),
                              *(field(5, attribute) for attribute in attributes)]))


def tensor(name, dims, dtype, raw):
    return b"".join([*(field(1, dim) for dim in dims), field(2, dtype), field(8, name),
                     field(9, raw)])


def model(*graph, doc="", opset=11):
    """The ModelProto of a graph that is given by its fields."""
    return (field(1, 6) + field(6, doc) + field(8, field(1, "") + field(2, opset)) +
            field(7, b"".join(graph) + field(2, "g")))


def graph_input(name, dims, dtype=FLOAT):
    return field(11, value_info(name, dims, dtype))


def graph_output(name, dims, dtype=FLOAT):
    return field(12, value_info(name, dims, dtype))


def identity(n, padding=0):
    """x [n] → y [n]; padding: so many bytes more."""
    return model(node("Identity", ["x"], ["y"]), graph_input("x", [n]), graph_output("y", [n]),
                 doc="d" * padding)


def endless():
    """Loads at once, and its run never ends."""
    body = b"".join([
        node("Identity", ["cond"], ["cond_out"]), node("Neg", ["v"], ["v_out"]), field(2, "body"),
        graph_input("i", [], INT64), graph_input("cond", [], BOOL), graph_input("v", [1]),
        graph_output("cond_out", [], BOOL), graph_output("v_out", [1])])
    attribute = field(1, "body") + field(6, body) + field(20, 5)
    return model(node("Loop", ["", "true", "x"], ["y"], attribute),
                 field(5, tensor("true", [], BOOL, b"\1")), graph_input("x", [1]),
                 graph_output("y", [1]))


def squares():
    """n [2], x [1] → y = x, over a matrix of n zeros, which is multiplied by itself."""
    return model(
        node("ConstantOfShape", ["n"], ["a"]), node("MatMul", ["a", "a"], ["p"]), node("ReduceMax", ["p"], ["m"]),
        node("Add", ["m", "x"], ["y"]), graph_input("x", [1]), graph_input("n", [2], INT64),
        graph_output("y", ["k", "l"]))


def terabyte():
    """Its output has 2^38 floats."""
    shape = (1 << 38).to_bytes(8, "little")
    return model(node("ConstantOfShape", ["shape"], ["big"]), node("Add", ["big", "x"], ["y"]),
                 field(5, tensor("shape", [1], INT64, shape)), graph_input("x", [1]),
                 graph_output("y", ["n"]))


def external(location):
    """y = x + w, where w stands in another file."""
    entry = field(1, "location") + field(2, location)
    weights = b"".join([field(1, 4), field(2, FLOAT), field(8, "w"), field(13, entry),
                        field(14, 1)])
    return model(node("Add", ["x", "w"], ["y"]), field(5, weights), graph_input("x", [4]),
                 graph_output("y", [4]))
