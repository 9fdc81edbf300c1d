#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/faults.md is what `./run faults` would write of this suite: the same modes, the same tests."""

import json
import sys
from pathlib import Path

import modes
import suite


def faults(build):
    text = suite.DOCUMENT.read_text(encoding="utf-8")
    results = suite.read_results(text)
    numbers = [mode.number for mode in modes.MODES]
    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) < 70:
        yield "modes.py does not number the modes from 1 on, or some are gone"
    for test, marked in suite.own_tests().items():
        if not marked or not set(marked) <= set(numbers):
            yield f"{test} is of no mode"
    for number, (result, _) in results.items():
        if result.partition(":")[0] not in (suite.OK, suite.PARTLY, suite.PENDING, suite.CANNOT):
            yield f"docs/faults.md: mode {number} is \"{result}\""
    if sorted(results) != numbers:
        yield "docs/faults.md has other modes"
    elif suite.document(results) != text:
        yield "docs/faults.md is not what this suite shows: run ./run faults"
    with open(build / "meson-info" / "intro-tests.json", encoding="utf-8") as records:
        known = {record["name"] for record in json.load(records)}
    for test in {test for tests in modes.SHOWN.values() for test in tests}:
        file, _, name = test.partition("::")
        path = suite.HERE.parent / file
        if file.endswith(".py") and not (path.is_file() and f"def {name}(" in path.read_text(encoding="utf-8")):
            yield f"there is no {test}"
        if not file.endswith(".py") and file not in known:
            yield f"there is no C test {file}"


def main():
    found = list(faults(Path(sys.argv[1])))
    print("\n".join(found) or "docs/faults.md is right")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
