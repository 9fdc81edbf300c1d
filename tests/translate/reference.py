# SPDX-License-Identifier: Apache-2.0
"""What MindSpore Lite's operators compute, in NumPy: NHWC, as its CPU kernels define them.

Written from what the kernels do, and not from the translator.  Computed in float64; the tests round.
"""

import math

import numpy as np

RELU, SIGMOID, RELU6, ELU, LEAKY_RELU, ABS, RELU1, SOFTSIGN, SOFTPLUS, TANH = range(1, 11)
SELU, HSWISH, HSIGMOID, THRESHOLDRELU, LINEAR, HARD_TANH, SIGN, SWISH, GELU, FAST_GELU = range(11, 21)

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def activation(x, kind, alpha=0.0, low=0.0, high=0.0, approximate=False):
    x = np.asarray(x, np.float64)
    return {
        0: lambda: x, RELU: lambda: np.maximum(x, 0), SIGMOID: lambda: sigmoid(x),
        RELU6: lambda: np.clip(x, 0, 6), ELU: lambda: np.where(x > 0, x, alpha * np.expm1(x)),
        LEAKY_RELU: lambda: np.where(x > 0, x, alpha * x), ABS: lambda: np.abs(x),
        RELU1: lambda: np.clip(x, 0, 1), SOFTSIGN: lambda: x / (1 + np.abs(x)),
        SOFTPLUS: lambda: np.log1p(np.exp(x)), TANH: lambda: np.tanh(x),
        SELU: lambda: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        HSWISH: lambda: x * np.clip(x + 3, 0, 6) / 6, HSIGMOID: lambda: np.clip(x + 3, 0, 6) / 6,
        THRESHOLDRELU: lambda: np.where(x > alpha, x, 0),
        HARD_TANH: lambda: np.clip(x, low, high), SIGN: lambda: np.sign(x),
        SWISH: lambda: x * sigmoid(x),
        GELU: lambda: gelu_tanh(x) if approximate else 0.5 * x * (1 + erf(x / math.sqrt(2))),
        FAST_GELU: lambda: gelu_tanh(x),
    }[kind]()


def same_pads(size, kernel, stride, dilation=1):
    """Before and after: what is odd comes after."""
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def all_pads(x, kernel, stride, dilation, pads):
    """pads: "same", "valid", or up, down, left, right."""
    if pads == "same":
        return [same_pads(x.shape[1 + i], kernel[i], stride[i], dilation[i]) for i in range(2)]
    up, down, left, right = (0, 0, 0, 0) if pads == "valid" else pads
    return [(up, down), (left, right)]


def conv2d(x, w, b=None, stride=(1, 1), dilation=(1, 1), pads="valid", group=1, act=0):
    """w: [out, h, w, in/group]"""
    kernel = w.shape[1:3]
    padding = all_pads(x, kernel, stride, dilation, pads)
    x = np.pad(np.asarray(x, np.float64), [(0, 0), *padding, (0, 0)])
    size = [(x.shape[1 + i] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in range(2)]
    out = np.zeros((x.shape[0], *size, w.shape[0]))
    n_in, n_out = w.shape[3], w.shape[0] // group
    for h in range(kernel[0]):
        for v in range(kernel[1]):
            top, left = h * dilation[0], v * dilation[1]
            part = x[:, top:top + size[0] * stride[0]:stride[0], left:left + size[1] * stride[1]:stride[1]]
            part = part[:, :size[0], :size[1]]
            for g in range(group):
                of, to = slice(g * n_in, (g + 1) * n_in), slice(g * n_out, (g + 1) * n_out)
                out[..., to] += part[..., of] @ np.asarray(w[to, h, v], np.float64).T
    return activation(out if b is None else out + b, act)


def deconv2d(x, w, b=None, stride=(1, 1), dilation=(1, 1), pads="valid", out_pads=(0, 0), group=1, act=0):
    """w: [in, h, w, out/group]"""
    kernel, n_out = w.shape[1:3], w.shape[3]
    span = [(kernel[i] - 1) * dilation[i] + 1 for i in range(2)]
    full = [(x.shape[1 + i] - 1) * stride[i] + span[i] for i in range(2)]
    if pads == "same":
        size = [x.shape[1 + i] * stride[i] + out_pads[i] for i in range(2)]
        begin = [int((full[i] - size[i]) / 2) for i in range(2)]
    else:
        up, down, left, right = (0, 0, 0, 0) if pads == "valid" else pads
        size = [full[0] - up - down + out_pads[0], full[1] - left - right + out_pads[1]]
        begin = [up, left]
    out = np.zeros((x.shape[0], full[0] + 16, full[1] + 16, n_out * group))
    n_in = x.shape[3] // group
    for h in range(kernel[0]):
        for v in range(kernel[1]):
            for g in range(group):
                of, to = slice(g * n_in, (g + 1) * n_in), slice(g * n_out, (g + 1) * n_out)
                top, left = h * dilation[0], v * dilation[1]
                out[:, top:top + x.shape[1] * stride[0]:stride[0], left:left + x.shape[2] * stride[1]:stride[1],
                    to] += np.asarray(x[..., of], np.float64) @ np.asarray(w[of, h, v], np.float64)
    out = out[:, begin[0]:begin[0] + size[0], begin[1]:begin[1] + size[1]]
    return activation(out if b is None else out + b, act)


def pool(x, kind, kernel=None, stride=(1, 1), pads="valid", ceil=False, act=0):
    """kind: "max" or "mean", which does not count padding; kernel None: over all of height and width."""
    x = np.asarray(x, np.float64)
    if kernel is None:
        kernel, stride, pads = x.shape[1:3], (1, 1), "valid"
    padding = all_pads(x, kernel, stride, (1, 1), pads)
    size = []
    for i in range(2):
        room = x.shape[1 + i] + sum(padding[i]) - kernel[i]
        size.append((-(-room // stride[i]) if ceil and pads != "same" else room // stride[i]) + 1)
    out = np.zeros((x.shape[0], *size, x.shape[3]))
    for h in range(size[0]):
        for v in range(size[1]):
            top, left = h * stride[0] - padding[0][0], v * stride[1] - padding[1][0]
            part = x[:, max(top, 0):top + kernel[0], max(left, 0):left + kernel[1]]
            out[:, h, v] = part.max((1, 2)) if kind == "max" else part.mean((1, 2))
    return activation(out, act)


ASYMMETRIC, ALIGN_CORNERS, HALF_PIXEL = range(3)


def coordinate(i, size, new, mode):
    if mode == ALIGN_CORNERS:
        return i * (size - 1) / (new - 1)
    if mode == HALF_PIXEL:
        return max((i + 0.5) * size / new - 0.5, 0)
    return i * size / new


def cubic(x, a):
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return a * x ** 3 - 5 * a * x * x + 8 * a * x - 4 * a if x <= 2 else 0


def resize_matrix(size, new, method, mode, coefficient):
    """What each old row gives to each new one."""
    matrix = np.zeros((new, size))
    for i in range(new):
        at = coordinate(i, size, new, mode)
        floor = math.floor(at)
        if method == "nearest":
            matrix[i, min(math.floor(at + 0.5) if mode == ALIGN_CORNERS else floor, size - 1)] = 1
        elif method == "linear":
            matrix[i, floor] += 1 - (at - floor)
            matrix[i, min(floor + 1, size - 1)] += at - floor
        else:
            for k in range(-1, 3):
                matrix[i, min(max(floor + k, 0), size - 1)] += cubic(k - (at - floor), coefficient)
    return matrix


def resize(x, height, width, method, mode, coefficient=-0.75):
    rows = resize_matrix(x.shape[1], height, method, mode, coefficient)
    columns = resize_matrix(x.shape[2], width, method, mode, coefficient)
    return np.einsum("ah,bw,nhwc->nabc", rows, columns, np.asarray(x, np.float64))


def softmax(x, axis=-1):
    e = np.exp(np.asarray(x, np.float64) - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def scale(x, factor, offset=0.0, axis=-1, act=0):
    """factor and offset stand at the dimensions from axis on."""
    axis %= x.ndim
    shape = [1] * axis + list(factor.shape) + [1] * (x.ndim - axis - factor.ndim)
    offset = np.reshape(offset, shape) if np.ndim(offset) else offset
    return activation(x * np.reshape(factor, shape) + offset, act)


def batch_norm(x, mean, variance, epsilon, gamma=1.0, beta=0.0):
    return (x - mean) / np.sqrt(np.asarray(variance, np.float64) + epsilon) * gamma + beta


def layer_norm(x, gamma, beta, begin, epsilon):
    x = np.asarray(x, np.float64)
    axes = tuple(range(begin % x.ndim, x.ndim))
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def instance_norm(x, gamma, beta, epsilon):
    """x: [N, C, ...]"""
    axes = tuple(range(2, x.ndim))
    shape = [-1] + [1] * (x.ndim - 2)
    x = np.asarray(x, np.float64)
    normal = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)
    return normal * gamma.reshape(shape) + beta.reshape(shape)


def group_norm(x, groups, gamma, beta, epsilon):
    """x: [N, C, ...]"""
    parts = np.asarray(x, np.float64).reshape(x.shape[0], groups, -1)
    normal = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + epsilon)
    shape = [-1] + [1] * (x.ndim - 2)
    return normal.reshape(x.shape) * gamma.reshape(shape) + beta.reshape(shape)


def l2_normalize(x, axes, epsilon, act=0):
    x = np.asarray(x, np.float64)
    total = (x * x).sum(tuple(axes), keepdims=True)
    return activation(x / np.sqrt(np.maximum(total, max(epsilon, 1e-6))), act)


def lrn(x, radius, bias, alpha, beta):
    x = np.asarray(x, np.float64)
    total = np.zeros_like(x)
    for c in range(x.shape[-1]):
        total[..., c] = (x[..., max(c - radius, 0):c + radius + 1] ** 2).sum(-1)
    return x * (bias + alpha * total) ** -beta


REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_SUM, SUM_SQUARE, ASUM, ALL, L2 = range(9)


def reduce(x, mode, axes=None, keep=False):
    x = x if mode == ALL or x.dtype.kind == "i" else np.asarray(x, np.float64)
    axes = None if axes is None or len(axes) == 0 else tuple(axes)
    return {REDUCE_MEAN: np.mean, REDUCE_MAX: np.max, REDUCE_MIN: np.min, REDUCE_PROD: np.prod,
            REDUCE_SUM: np.sum, ALL: np.all,
            SUM_SQUARE: lambda v, *a, **k: np.sum(v * v, *a, **k),
            ASUM: lambda v, *a, **k: np.sum(np.abs(v), *a, **k),
            L2: lambda v, *a, **k: np.sqrt(np.sum(v * v, *a, **k))}[mode](x, axis=axes, keepdims=keep)


def exp(x, base=-1.0, factor=1.0, shift=0.0):
    x = np.asarray(x, np.float64) * factor + shift
    return np.exp(x) if base == -1 else base ** x


def power(x, exponent, factor=1.0, shift=0.0):
    return (np.asarray(x, np.float64) * factor + shift) ** np.asarray(exponent, np.float64)


def prelu(x, slope):
    return np.where(x > 0, x, np.asarray(x, np.float64) * slope)


def arg_top(x, axis, k=1, largest=True):
    """Indices and values of the k first, in order, kept at the axis."""
    x = np.asarray(x)
    order = np.argsort(-x if largest else x, axis, kind="stable").take(range(k), axis)
    return order.astype(np.int32), np.take_along_axis(x, order, axis)


def strided_slice(x, begin, end, stride, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0,
                  shrink_mask=0):
    index = []
    for i, (first, last, step) in enumerate(zip(begin, end, stride)):
        if ellipsis_mask >> i & 1:
            index.append(Ellipsis)
        elif new_axis_mask >> i & 1:
            index.append(None)
        elif shrink_mask >> i & 1:
            index.append(first)
        else:
            index.append(slice(None if begin_mask >> i & 1 else first, None if end_mask >> i & 1 else last,
                               step))
    return x[tuple(index)]


def space_to_depth(x, block):
    n, h, w, c = x.shape
    x = x.reshape(n, h // block, block, w // block, block, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // block, w // block, -1)


def depth_to_space(x, block, mode="DCR"):
    n, h, w, c = x.shape
    if mode == "DCR":
        x = x.reshape(n, h, w, block, block, -1).transpose(0, 1, 3, 2, 4, 5)
    else:
        x = x.reshape(n, h, w, -1, block, block).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, h * block, w * block, -1)


def space_to_batch(x, block, pads):
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    n, h, w, c = x.shape
    x = x.reshape(n, h // block[0], block[0], w // block[1], block[1], c).transpose(2, 4, 0, 1, 3, 5)
    return x.reshape(-1, h // block[0], w // block[1], c)


def batch_to_space(x, block, crops):
    n, h, w, c = x.shape
    x = x.reshape(block[0], block[1], -1, h, w, c).transpose(2, 3, 0, 4, 1, 5)
    x = x.reshape(-1, h * block[0], w * block[1], c)
    return x[:, crops[0][0]:x.shape[1] - crops[0][1], crops[1][0]:x.shape[2] - crops[1][1]]


def run_steps(step, x, states, reverse):
    """A cell over the first dimension: outputs in x's order, and the last states."""
    out = [None] * len(x)
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        states = step(x[t], *states)
        out[t] = states[0]
    return np.stack(out), states


def lstm(x, w, r, b, hidden, cell):
    """Gates stand in the order input, output, forget, cell; b: [directions, 8 * hidden].  Outputs
    [steps, directions, batch, hidden], then the last hidden and cell state."""
    outputs, hiddens, cells = [], [], []
    for d, _ in enumerate(w):
        bias = b[d][:len(b[d]) // 2] + b[d][len(b[d]) // 2:]

        def step(now, h, c, d=d, bias=bias):
            gates = np.split(now @ w[d].T + h @ r[d].T + bias, 4, -1)
            c = sigmoid(gates[2]) * c + sigmoid(gates[0]) * np.tanh(gates[3])
            return sigmoid(gates[1]) * np.tanh(c), c

        out, (h, c) = run_steps(step, np.asarray(x, np.float64), (hidden[d], cell[d]), d == 1)
        outputs.append(out)
        hiddens.append(h)
        cells.append(c)
    return np.stack(outputs, 1), np.stack(hiddens), np.stack(cells)


def gru(x, w, r, b, hidden):
    """Gates stand in the order update, reset, hidden; b: [directions, 6 * hidden].  The state is reset
    before it is multiplied."""
    outputs, hiddens = [], []
    for d, _ in enumerate(w):
        n = w[d].shape[0] // 3
        of_input, of_state = b[d][:3 * n], b[d][3 * n:]

        def step(now, h, d=d, n=n, of_input=of_input, of_state=of_state):
            from_input = now @ w[d].T + of_input
            from_state = h @ r[d][:2 * n].T + of_state[:2 * n]
            update = sigmoid(from_input[..., :n] + from_state[..., :n])
            reset = sigmoid(from_input[..., n:2 * n] + from_state[..., n:])
            new = np.tanh(from_input[..., 2 * n:] + (reset * h) @ r[d][2 * n:].T + of_state[2 * n:])
            return (update * h + (1 - update) * new,)

        out, (h,) = run_steps(step, np.asarray(x, np.float64), (hidden[d],), d == 1)
        outputs.append(out)
        hiddens.append(h)
    return np.stack(outputs, 1), np.stack(hiddens)


def dequantize(q, params):
    """q: quantised weights; one parameter, or one for each of the first dimension."""
    q = np.asarray(q, np.float64)
    if len(params) == 1:
        return (q - params[0].get("zeroPoint", 0)) * params[0]["scale"]
    parts = [(part - p.get("zeroPoint", 0)) * p["scale"] * p.get("varCorr", 1) + p.get("meanCorr", 0)
             for part, p in zip(q, params)]
    return np.stack(parts)


def pack_bits(q, bits):
    """How weights of other widths than 8 and 16 are stored: from bit 0 of the first byte on."""
    width = 8 if bits < 8 else 16
    stream = [(int(v) + (1 << bits - 1)) >> k & 1 for v in np.ravel(q) for k in range(bits)]
    stream += [0] * (-len(stream) % width)
    return np.packbits(np.array(stream, np.uint8), bitorder="little").tobytes()


def scatter_nd(indices, updates, shape):
    out = np.zeros(shape, updates.dtype)
    for at in np.ndindex(indices.shape[:-1]):
        out[tuple(indices[at])] += updates[at]
    return out


def gather_nd(x, indices):
    return x[tuple(np.moveaxis(indices, -1, 0))]


def reverse_sequence(x, lengths, seq_axis, batch_axis):
    out = np.array(x)
    for b, n in enumerate(lengths):
        at = [slice(None)] * x.ndim
        at[batch_axis] = b
        part = np.moveaxis(np.array(x[tuple(at)]), seq_axis - (seq_axis > batch_axis), 0)
        part[:n] = part[:n][::-1].copy()
        out[tuple(at)] = np.moveaxis(part, 0, seq_axis - (seq_axis > batch_axis))
    return out


def cumsum(x, axis, exclusive=False, reverse=False):
    x = np.asarray(x, np.float64 if x.dtype.kind == "f" else x.dtype)
    x = np.flip(x, axis) if reverse else x
    total = np.cumsum(x, axis)
    total = total - x if exclusive else total
    return np.flip(total, axis) if reverse else total
