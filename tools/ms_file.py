# SPDX-License-Identifier: Apache-2.0
"""Writes and reads MindSpore Lite's files (.ms), of all three generations.

Nobody has the converter here: what the tests need is written by this.  `ms_file.py FILE...` prints what
is in files.
"""

import re
import sys

import flatbuffer
import ms_tables
import numpy
from flatbuffer import Table, Vector

MSL2, MSL1, V1_0 = "MSL2", "MSL1", "1.0"  # the last has no identifier
VERSIONS = {MSL2: "MindSpore Lite 1.5.0", MSL1: "MindSpore Lite 1.1.0", V1_0: "MindSpore Lite 1.0.0"}

# Tensor.format
NCHW, NHWC, KCHW, CKHW, KHWC, CHWK = 0, 1, 5, 6, 7, 8
# Tensor.dataType, where NumPy has the type
DATA_TYPES = {"bool": 30, "int8": 32, "int16": 33, "int32": 34, "int64": 35, "uint8": 37, "uint16": 38,
              "uint32": 39, "uint64": 40, "float16": 42, "float32": 43, "float64": 44}
NUMPY_TYPES = {number: name for name, number in DATA_TYPES.items()}

VECTORS = {"longs": "long", "ints": "int", "floats": "float", "bools": "bool"}
QUANT_FIELDS = {
    "scale": (0, "double", 1), "zeroPoint": (1, "int", 0), "min": (2, "double", 0), "max": (3, "double", 0),
    "narrowRange": (4, "bool", True), "numBits": (5, "int", 8), "inited": (6, "bool", False),
    "varCorr": (7, "float", 1), "meanCorr": (8, "float", 0), "dstDtype": (9, "int", 32)}


class Operator:
    """A line of ms_tables."""

    def __init__(self, line):
        number, self.name, *fields = line.split()
        self.number = int(number)
        self.fields = {}
        for field, text in enumerate(fields):
            name, kind, default = re.fullmatch(r"(\w+):(\w+)(?:=(\S+))?", text).groups()
            self.fields[name] = (field, kind, float(default or 0))

    def table(self, settings):
        table = Table()
        for name, value in settings.items():
            put(table, *self.fields[name], value)
        return table

    def settings(self, view):
        return {name: get(view, *field) for name, field in self.fields.items()}


def operators(text):
    lines = text.replace("\n  ", " ").strip().split("\n")
    return {operator.name: operator for operator in map(Operator, lines)}


UNIFIED, OLD = operators(ms_tables.UNIFIED), operators(ms_tables.OLD)
# Where 1.0 differs from MSL1.
OLDEST = {**OLD, **operators("""\
2 SoftMax axis:int
39 Range dType:int start:int limit:int delta:int
107 ConstantOfShape value:float
""")}
SETS = {MSL2: UNIFIED, MSL1: OLD, V1_0: OLDEST}


def set_of(generation):
    return SETS[generation]


def put(table, field, kind, default, value):
    if kind in VECTORS:
        table.ref(field, Vector(VECTORS[kind], value))
    elif kind == "vec2d":
        rows = [Table().ref(0, Vector("long", row)) for row in value]
        table.ref(field, Table().ref(0, Vector("ref", rows)))
    elif kind == "attributes":
        rows = [Table().ref(0, name).ref(1, data) for name, data in value.items()]
        table.ref(field, Vector("ref", rows))
    elif kind in ("text", "bytes"):
        table.ref(field, value)
    elif kind == "float":  # where the default is no float32, neither is the value
        table.scalar(field, kind, value, numpy.float32(default))
    else:
        table.scalar(field, kind, value, default)


def get(view, field, kind, default):
    if kind in VECTORS:
        return view.vector(field, VECTORS[kind])
    if kind == "vec2d":
        table = view.table(field)
        return table and [row.vector(0, "long") for row in table.vector(0, "ref")]
    if kind == "attributes":
        return {row.text(0): row.raw(1) for row in view.vector(field, "ref") or []}
    if kind == "text":
        return view.text(field)
    if kind == "bytes":
        return view.raw(field)
    return view.scalar(field, kind, default if kind == "float" else int(default))


class Tensor:
    """fields: what overrides what is written of it (`data`, `dtype` by number, `dims`, `nodeType` ...)."""

    def __init__(self, graph, index, name, array=None, dims=(), dtype="float32", **fields):
        self.graph, self.index, self.name, self.array = graph, index, name, array
        self.dims, self.dtype = dims, dtype
        self.fields = fields

    def table(self):
        is_const = self.array is not None or "data" in self.fields
        unified = self.graph.generation == MSL2
        node_type = self.fields.get("nodeType", 0 if is_const or not unified else 2)
        table = Table().scalar(0, "int", node_type)
        table.scalar(1, "int", self.fields.get("dtype", DATA_TYPES.get(str(self.dtype))))
        if len(self.dims):
            table.ref(2, Vector("int", self.dims))
        table.scalar(3, "int", self.fields.get("format", NHWC))
        data = self.fields.get("data")
        if data is None and self.array is not None:
            data = numpy.ascontiguousarray(self.array).tobytes()
        table.ref(6, data)
        if "quant" in self.fields:
            table.ref(7, Vector("ref", map(quant_table, self.fields["quant"])))
        if "clusters" in self.fields:
            table.ref(8, Vector("float", self.fields["clusters"]))
        if self.graph.generation != V1_0:
            table.ref(9, self.name)
        table.scalar(10, "bool", self.fields.get("huffman", False))
        table.scalar(11, "int", self.fields.get("compression", 0))
        if "external" in self.fields:
            location = Table().ref(1, self.fields["external"]).scalar(3, "long", len(self.dims), -1)
            table.ref(12, Vector("ref", [location]))
        return table


def quant_table(settings):
    table = Table()
    for name, value in settings.items():
        field, kind, default = QUANT_FIELDS[name]
        table.scalar(field, kind, value, default)
    return table


class Graph:
    """A model under construction.

        g = Graph(MSL2)
        x = g.input([1, 8, 8, 3])
        g.output(g.node("Activation", [x], activation_type=1))
        g.bytes()
    """

    def __init__(self, generation=MSL2, name="net", stale_dims=()):
        """stale_dims: what the tensors between are said to be; real files are wrong there."""
        self.generation, self.name, self.stale_dims = generation, name, stale_dims
        self.tensors, self.nodes, self.inputs, self.outputs = [], [], [], []
        self.sub_graphs = 1 if generation == MSL2 else 0

    def tensor(self, name, *arguments, **options):
        self.tensors.append(Tensor(self, len(self.tensors), name, *arguments, **options))
        return self.tensors[-1]

    def input(self, dims, dtype="float32", name=None, **fields):
        self.inputs.append(self.tensor(name or f"input{len(self.inputs)}", dims=list(dims), dtype=dtype,
                                       **fields))
        return self.inputs[-1]

    def const(self, array, dtype=None, name=None, **fields):
        array = numpy.asarray(array, dtype=dtype)
        if dtype is None and array.dtype == numpy.float64:
            array = array.astype(numpy.float32)
        elif dtype is None and array.dtype == numpy.int64:
            array = array.astype(numpy.int32)
        fields = {"dims": list(array.shape), **fields}
        return self.tensor(name or f"const{len(self.tensors)}", array, dtype=array.dtype, **fields)

    def node(self, operator, inputs, n_outputs=1, name=None, quant_type=0, **settings):
        """Its outputs: one, or a list where n_outputs is not 1.  operator: a name, or a number that has
        none."""
        name = name or f"{operator}-{len(self.nodes)}"
        inputs = [one if isinstance(one, Tensor) else self.const(one) for one in inputs]
        outputs = [self.tensor(f"{name}:{i}", dims=list(self.stale_dims)) for i in range(n_outputs)]
        self.nodes.append((operator, name, inputs, outputs, quant_type, settings))
        return outputs[0] if n_outputs == 1 else outputs

    def output(self, *tensors):
        self.outputs.extend(tensors)
        return self

    def node_table(self, node):
        operator, name, inputs, outputs, quant_type, settings = node
        primitive = Table()
        if isinstance(operator, int):
            primitive.scalar(0, "ubyte", operator).ref(1, Table())
        else:
            row = set_of(self.generation)[operator]
            primitive.scalar(0, "ubyte", row.number).ref(1, row.table(settings))
        table = Table().ref(0, name).ref(2, primitive)
        table.ref(3, Vector("uint", [one.index for one in inputs]))
        table.ref(4, Vector("uint", [one.index for one in outputs]))
        return table.scalar(5, "int", quant_type)

    def sub_graph_table(self):
        return (Table().ref(0, self.name).ref(1, Vector("uint", [one.index for one in self.inputs]))
                .ref(2, Vector("uint", [one.index for one in self.outputs]))
                .ref(3, Vector("uint", range(len(self.nodes))))
                .ref(4, Vector("uint", range(len(self.tensors)))))

    def bytes(self):
        root = Table().ref(0, self.name).ref(1, VERSIONS[self.generation]).scalar(2, "int", 1)
        root.ref(3, Vector("uint", [one.index for one in self.inputs]))
        root.ref(4, Vector("uint", [one.index for one in self.outputs]))
        root.ref(6, Vector("ref", [self.node_table(node) for node in self.nodes]))
        root.ref(7, Vector("ref", [one.table() for one in self.tensors]))
        if self.sub_graphs:
            root.ref(8, Vector("ref", [self.sub_graph_table() for _ in range(self.sub_graphs)]))
        return flatbuffer.write(root, b"" if self.generation == V1_0 else self.generation.encode())


def generation_of(data):
    identifier = data[4:8].decode("latin-1")
    return identifier if identifier in (MSL1, MSL2) else V1_0


def read_tensor(view):
    tensor = {"nodeType": view.scalar(0, "int"), "dataType": view.scalar(1, "int"),
              "dims": view.vector(2, "int") or [], "format": view.scalar(3, "int"), "data": view.raw(6),
              "quant": [{name: one.scalar(*field) for name, field in QUANT_FIELDS.items()}
                        for one in view.vector(7, "ref") or []],
              "name": view.text(9), "huffman": view.scalar(10, "bool", False),
              "compression": view.scalar(11, "int")}
    if tensor["data"] and tensor["dataType"] in NUMPY_TYPES:
        array = numpy.frombuffer(tensor["data"], dtype=NUMPY_TYPES[tensor["dataType"]])
        dense = array.size == numpy.prod(tensor["dims"], dtype=numpy.int64)
        tensor["array"] = array.reshape(tensor["dims"]) if dense else None
    return tensor


def read_node(view, rows):
    primitive = view.table(2)
    row = rows[primitive.scalar(0, "ubyte")]
    return {"name": view.text(0), "operator": row.name, "settings": row.settings(primitive.table(1)),
            "inputs": view.vector(3, "uint") or [], "outputs": view.vector(4, "uint") or [],
            "quantType": view.scalar(5, "int")}


def read(data):
    """A whole file, as dictionaries and lists."""
    root = flatbuffer.read(data)
    generation = generation_of(data)
    rows = {row.number: row for row in set_of(generation).values()}
    return {"generation": generation, "name": root.text(0), "version": root.text(1),
            "inputs": root.vector(3, "uint"), "outputs": root.vector(4, "uint"),
            "nodes": [read_node(one, rows) for one in root.vector(6, "ref")],
            "tensors": [read_tensor(one) for one in root.vector(7, "ref")],
            "sub_graphs": len(root.vector(8, "ref") or [])}


def dump(path):
    with open(path, "rb") as file:
        model = read(file.read())
    print(f"{path}: {model['generation']}, {model['version']}, {len(model['nodes'])} nodes, "
          f"{model['sub_graphs']} subgraphs, inputs {model['inputs']}, outputs {model['outputs']}")
    for number, tensor in enumerate(model["tensors"]):
        data = "" if tensor["data"] is None else f", {len(tensor['data'])} bytes"
        print(f"  tensor {number} {tensor['name']!r}: {NUMPY_TYPES.get(tensor['dataType'])} {tensor['dims']}"
              f", format {tensor['format']}, node type {tensor['nodeType']}{data}")
    for node in model["nodes"]:
        settings = " ".join(f"{name}={value}" for name, value in node["settings"].items() if value)
        print(f"  {node['operator']} {node['name']!r}: {node['inputs']} → {node['outputs']} {settings}")


if __name__ == "__main__":
    for one in sys.argv[1:]:
        dump(one)
