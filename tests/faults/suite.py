# SPDX-License-Identifier: Apache-2.0
"""What the suite holds, read without running it: the tests of this folder, and the document."""

import ast
import re
from pathlib import Path

import modes

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs/faults.md"

OK, PARTLY, PENDING, CANNOT, FAILED = "ok", "partly", "pending", "cannot run here", "failed"

INTRODUCTION = """\
# Failure modes

What Tensock is to survive, and the tests that show that it does. Written by `./run faults`, which runs all of them; a test
compares this page with the suite.

A mode is passed when its own line holds, and the **common rule**: the daemon goes on with the same process, another guest
is answered meanwhile and afterwards, descriptors, memory, threads and processes of the supervisor and of that other guest's
front are what they were within 5 seconds, every accepted request has had exactly one end
(accepted = ok + error + cancelled + reset), and the log has grown by no more than its bound.

Results: *ok*; *partly*: what ran went well, and something is lacking, as said; *pending*: nothing shows it yet;
*cannot run here*: with the reason; *failed*. Repeats are those of a test's own loop; 1 where it has none.
"""


def marked_modes(function):
    """The numbers of @pytest.mark.mode(...)."""
    numbers = []
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.mode":
            numbers += [ast.literal_eval(argument) for argument in decorator.args]
    return numbers


def own_tests():
    """{test: its modes} of this folder."""
    tests = {}
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                tests[f"faults/{path.name}::{node.name}"] = marked_modes(node)
    return tests


def shown_by():
    """{mode: the tests that show it}, this folder's first."""
    shown = {mode.number: [] for mode in modes.MODES}
    for test, numbers in own_tests().items():
        for number in numbers:
            shown[number].append(test)
    for number, tests in modes.SHOWN.items():
        shown[number] += tests
    return shown


def row(mode, result, repeats):
    return f"| {mode.number} | {mode.name} | {mode.passes} | {repeats or ''} | {result} |"


def tests_of(mode, tests):
    return f"{mode.number}. " + (" · ".join(f"`{test}`" for test in tests) or "none")


def document(results):
    """The page, where results is {number: (result, repeats)}."""
    shown = shown_by()
    lines = [INTRODUCTION, "| | mode | passed when | repeats | result |", "|---|---|---|---|---|"]
    lines += [row(mode, *results[mode.number]) for mode in modes.MODES]
    lines += ["", "## The tests", "", "`FILE.py::TEST` stands below tests/; `NAME::CASE` is a case of the C test that "
              "`meson test` knows by that name.", ""]
    lines += [tests_of(mode, shown[mode.number]) for mode in modes.MODES]
    return "\n".join(lines) + "\n"


def read_results(text):
    """What document() was given."""
    results = {}
    for line in text.splitlines():
        cells = re.fullmatch(r"\| (\d+) \|.*\| (\d*) \| ([^|]*) \|", line)
        if cells:
            results[int(cells[1])] = (cells[3], int(cells[2] or 0))
    return results
