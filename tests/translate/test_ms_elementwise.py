# SPDX-License-Identifier: Apache-2.0
"""Operators of .ms files of MSL2 that work on each element."""

import numpy as np
import pytest
import reference as ref

ACTIVATIONS = {
    "relu": (ref.RELU, {}), "sigmoid": (ref.SIGMOID, {}), "relu6": (ref.RELU6, {}), "relu1": (ref.RELU1, {}),
    "elu": (ref.ELU, {"alpha": 0.7}), "leaky-relu": (ref.LEAKY_RELU, {"alpha": 0.2}),
    "tanh": (ref.TANH, {}), "softplus": (ref.SOFTPLUS, {}), "hswish": (ref.HSWISH, {}),
    "hsigmoid": (ref.HSIGMOID, {}), "swish": (ref.SWISH, {}), "abs": (ref.ABS, {}),
    "softsign": (ref.SOFTSIGN, {}), "hard-tanh": (ref.HARD_TANH, {"min_val": -0.5, "max_val": 0.75}),
    "selu": (ref.SELU, {}), "sign": (ref.SIGN, {}), "fast-gelu": (ref.FAST_GELU, {}),
    "thresholded-relu": (ref.THRESHOLDRELU, {"alpha": 1.5}),
    "gelu": (ref.GELU, {}), "gelu-by-tanh": (ref.GELU, {"approximate": True}),
    "none": (0, {}),
}


@pytest.mark.parametrize("kind, settings", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_activation(net, kind, settings):
    x = net.input(v=net.weights(2, 3, 4, 5) * 4)
    value = ref.activation(x.v, kind, settings.get("alpha", 0), settings.get("min_val", 0),
                           settings.get("max_val", 0), settings.get("approximate", False))
    net.check(net.node("Activation", [x], value, activation_type=kind, **settings))


@pytest.mark.parametrize("operator, kind, settings", [
    ("Elu", ref.ELU, {"alpha": 1.5}), ("LeakyRelu", ref.LEAKY_RELU, {"negative_slope": 0.1})])
def test_activations_that_are_operators(net, operator, kind, settings):
    x = net.input(3, 7)
    alpha = next(iter(settings.values()))
    net.check(net.node(operator, [x], ref.activation(x.v, kind, alpha), **settings))


UNARY = {
    "Abs": np.abs, "Neg": np.negative, "Floor": np.floor, "Ceil": np.ceil, "Square": np.square,
    "Cos": np.cos, "Sin": np.sin, "Erf": ref.erf, "Round": np.round,
}
UNARY_OF_POSITIVE = {
    "Log": np.log, "Sqrt": np.sqrt, "Rsqrt": lambda x: 1 / np.sqrt(x), "Reciprocal": lambda x: 1 / x,
    "Log1p": np.log1p,
}


@pytest.mark.parametrize("operator", UNARY)
def test_unary(net, operator):
    x = net.input(v=net.weights(2, 3, 4) * 3)
    net.check(net.node(operator, [x], UNARY[operator](x.v.astype(float))))


@pytest.mark.parametrize("operator", UNARY_OF_POSITIVE)
def test_unary_of_positive(net, operator):
    x = net.positive(2, 3, 4)
    net.check(net.node(operator, [x], UNARY_OF_POSITIVE[operator](x.v.astype(float))))


@pytest.mark.parametrize("operator", ["Abs", "Neg", "Square"])
def test_unary_of_integers(net, operator):
    x = net.input(v=net.integers(3, 5))
    net.check(net.node(operator, [x], UNARY[operator](x.v)))


def test_round_of_halves(net):
    """They go away from 0."""
    x = net.input(v=np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32))
    net.check(net.node("Round", [x], np.array([-3, -2, -1, 1, 2, 3], np.float32)))


EXPONENTIALS = {"plain": {}, "base-2": {"base": 2.0}, "scaled": {"scale": 0.5, "shift": 0.25},
                "base-scaled": {"base": 3.0, "scale": -0.5, "shift": 1.0}}


@pytest.mark.parametrize("settings", EXPONENTIALS.values(), ids=EXPONENTIALS)
def test_exp(net, settings):
    x = net.input(3, 5)
    value = ref.exp(x.v, settings.get("base", -1), settings.get("scale", 1), settings.get("shift", 0))
    net.check(net.node("ExpFusion", [x], value, **settings))


@pytest.mark.parametrize("exponent", [2.0, 0.5, -1.0, 3.0])
def test_power(net, exponent):
    x = net.positive(3, 5)
    net.check(net.node("PowFusion", [x, net.const(np.float32(exponent))], ref.power(x.v, exponent)))


def test_power_scaled(net):
    x = net.positive(3, 5)
    net.check(net.node("PowFusion", [x, net.const(np.array([1.5], np.float32))],
                       ref.power(x.v, 1.5, 2.0, 0.5), scale=2.0, shift=0.5))


def test_power_of_tensors(net):
    x, y = net.positive(3, 5), net.input(3, 5)
    net.check(net.node("PowFusion", [x, y], ref.power(x.v, y.v)))


BINARY = {
    "AddFusion": np.add, "SubFusion": np.subtract, "MulFusion": np.multiply, "DivFusion": np.divide,
    "RealDiv": np.divide, "Maximum": np.maximum, "Minimum": np.minimum,
    "SquaredDifference": lambda a, b: (a - b) ** 2, "FloorDiv": lambda a, b: np.floor(a / b),
    "FloorMod": lambda a, b: a - np.floor(a / b) * b, "Mod": np.fmod,
}
SHAPES = {
    "same": ((2, 3, 4), (2, 3, 4)), "scalar": ((2, 3, 4), ()), "one": ((2, 3, 4), (1,)),
    "last": ((2, 3, 4, 5), (5,)), "middle": ((2, 3, 4, 5), (1, 1, 4, 1)),
    "both": ((2, 1, 4), (1, 3, 1)), "first-smaller": ((4,), (2, 3, 4)),
}


def away_from_zero(values):
    return np.where(values < 0, values - 0.3, values + 0.3).astype(np.float32)


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("operator", ["AddFusion", "SubFusion", "MulFusion", "DivFusion"])
def test_binary_broadcast(net, operator, shapes):
    a, b = net.input(*shapes[0]), net.input(v=away_from_zero(net.weights(*shapes[1])))
    net.check(net.node(operator, [a, b], BINARY[operator](a.v.astype(float), b.v)))


@pytest.mark.parametrize("operator", BINARY)
def test_binary_with_constant(net, operator):
    a, b = net.input(2, 3, 4), net.const(away_from_zero(net.weights(4)))
    net.check(net.node(operator, [a, b], BINARY[operator](a.v.astype(float), b.v)))


@pytest.mark.parametrize("operator", BINARY)
def test_binary_with_constant_first(net, operator):
    a, b = net.const(net.weights(3, 1)), net.input(v=away_from_zero(net.weights(2, 3, 4)))
    net.check(net.node(operator, [a, b], BINARY[operator](a.v.astype(float), b.v)))


@pytest.mark.parametrize("kind", [ref.RELU, ref.RELU6], ids=["relu", "relu6"])
@pytest.mark.parametrize("operator", ["AddFusion", "SubFusion", "MulFusion", "DivFusion"])
def test_binary_with_activation(net, operator, kind):
    a, b = net.input(v=net.weights(2, 3, 4) * 5), net.input(v=away_from_zero(net.weights(3, 4)))
    value = ref.activation(BINARY[operator](a.v.astype(float), b.v), kind)
    net.check(net.node(operator, [a, b], value, activation_type=kind))


@pytest.mark.parametrize("operator", ["AddFusion", "SubFusion", "MulFusion", "Maximum", "Minimum"])
def test_binary_of_integers(net, operator):
    a, b = net.input(v=net.integers(3, 5)), net.const(net.integers(5))
    net.check(net.node(operator, [a, b], BINARY[operator](a.v, b.v)))


@pytest.mark.parametrize("operator", ["FloorDiv", "FloorMod"])
def test_floor_of_integers(net, operator):
    a, b = net.input(v=net.integers(3, 5)), net.const(np.array([3, -3, 2, 7, -5], np.int32))
    net.check(net.node(operator, [a, b], {"FloorDiv": a.v // b.v, "FloorMod": a.v % b.v}[operator]))


COMPARE = {"Equal": np.equal, "NotEqual": np.not_equal, "Less": np.less, "LessEqual": np.less_equal,
           "Greater": np.greater, "GreaterEqual": np.greater_equal}


@pytest.mark.parametrize("operator", COMPARE)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_compare(net, operator, dtype):
    a = net.input(v=net.integers(4, 5, low=-2, high=3).astype(dtype))
    b = net.input(v=net.integers(5, low=-2, high=3).astype(dtype))
    net.check(net.node(operator, [a, b], COMPARE[operator](a.v, b.v)))


LOGICAL = {"LogicalAnd": np.logical_and, "LogicalOr": np.logical_or}


@pytest.mark.parametrize("operator", LOGICAL)
def test_logical(net, operator):
    a, b = net.input(v=net.integers(3, 4) > 0), net.input(v=net.integers(3, 4) > 0)
    net.check(net.node(operator, [a, b], LOGICAL[operator](a.v, b.v)))


def test_logical_not(net):
    a = net.input(v=net.integers(3, 4) > 0)
    net.check(net.node("LogicalNot", [a], ~a.v))


ELTWISE = {"prod": (0, lambda a, b: a * b), "sum": (1, lambda a, b: a + b), "max": (2, np.maximum)}


@pytest.mark.parametrize("mode, function", ELTWISE.values(), ids=ELTWISE)
def test_eltwise(net, mode, function):
    a, b = net.input(2, 3, 4, 5), net.input(2, 3, 4, 5)
    net.check(net.node("Eltwise", [a, b], function(a.v, b.v), mode=mode))


def test_add_n(net):
    inputs = [net.input(2, 3) for _ in range(4)]
    net.check(net.node("AddN", inputs, sum(one.v for one in inputs)))


@pytest.mark.parametrize("dims", [(2, 3, 4, 5), (3, 5)])
def test_bias_add(net, dims):
    x, b = net.input(*dims), net.const(net.weights(5))
    net.check(net.node("BiasAdd", [x, b], x.v + b.v, format=1))


@pytest.mark.parametrize("n", [1, 5])
def test_prelu(net, n):
    x, slope = net.input(2, 3, 4, 5), net.const(net.weights(n))
    net.check(net.node("PReLUFusion", [x, slope], ref.prelu(x.v, slope.v), channel_shared=n == 1))


@pytest.mark.parametrize("given", ["attributes", "inputs"])
def test_clip(net, given):
    x = net.input(3, 5)
    value = np.clip(x.v, -0.5, 0.75)
    if given == "attributes":
        net.check(net.node("Clip", [x], value, min=-0.5, max=0.75))
    else:
        net.check(net.node("Clip", [x, np.float32(-0.5), np.float32(0.75)], value))


CASTS = [("float32", "int32", 34), ("int32", "float32", 43), ("float32", "bool", 30),
         ("bool", "float32", 43), ("uint8", "float32", 43), ("int32", "int64", 35),
         ("float32", "float16", 42), ("int64", "int32", 34)]


@pytest.mark.parametrize("of, to, number", CASTS, ids=[f"{of}-{to}" for of, to, _ in CASTS])
def test_cast(net, of, to, number):
    v = net.integers(3, 5, low=0, high=4) / (2 if of == "float32" else 1)
    x = net.input(v=v.astype(of))
    out = net.node("Cast", [x, net.const(np.int32(number))], x.v)
    out.v = x.v.astype(to)
    out.tensor.dtype = to
    net.check(out)


def test_float16_input(net):
    x = net.input(v=net.weights(2, 3).astype(np.float16))
    y = net.node("Cast", [x, net.const(np.int32(43))], x.v.astype(np.float32))
    net.check(net.node("Activation", [y], ref.activation(y.v, ref.SIGMOID), activation_type=ref.SIGMOID))


def test_dropout_is_nothing(net):
    x = net.input(3, 5)
    net.check(net.node("Dropout", [x], x.v, keep_prob=0.5))


@pytest.mark.parametrize("operator, function", [("ZerosLike", np.zeros_like), ("OnesLike", np.ones_like)])
def test_like(net, operator, function):
    x = net.input(3, 5)
    y = net.node(operator, [x], function(x.v))
    net.check(net.node("AddFusion", [x, y], x.v + y.v))


def test_select(net):
    c, a, b = net.input(v=net.integers(3, 4) > 0), net.input(3, 4), net.input(3, 4)
    net.check(net.node("Select", [c, a, b], np.where(c.v, a.v, b.v)))


def test_where(net):
    c, a, b = net.input(v=net.integers(3, 4) > 0), net.input(3, 4), net.input(3, 4)
    net.check(net.node("Where", [c, a, b], np.where(c.v, a.v, b.v)))


def test_is_finite(net):
    x = net.input(v=np.array([1, np.inf, -np.inf, np.nan, 0], np.float32))
    net.check(net.node("IsFinite", [x], np.isfinite(x.v)))
