# SPDX-License-Identifier: Apache-2.0
"""What tensockd prints in the seed's conversation (docs/seed.md), beside what it should print."""

import math
from pathlib import Path

HEAD = "output data is:"
TOLERANCE = 1e-5


def read_values(path):
    """A number a line; lines that begin with # say what they are."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [float(line) for line in lines if not line.startswith("#")]


def half_a_digit(value):
    """What "%g" may take off a value: it keeps six digits."""
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - 5) if value else 0.0


def difference(line, expected):
    """The largest difference beyond what the printing has rounded, by the largest value of expected; infinite
    where the line has something else than so many numbers."""
    try:
        values = [float(word) for word in line.removeprefix(HEAD).split()]
    except ValueError:
        return math.inf
    if not line.startswith(HEAD) or len(values) != len(expected) or not all(map(math.isfinite, values)):
        return math.inf
    beyond = [abs(value - wanted) - half_a_digit(value) for value, wanted in zip(values, expected)]
    return max(0.0, *beyond) / max(map(abs, expected))
