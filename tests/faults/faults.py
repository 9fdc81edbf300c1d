#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the failure modes of docs/faults.md: the tests of this folder, and those of other suites that show one.

    faults.py [--only 19,37] [--fast] [--mutate N] [--soak MINUTES]

Prints a table at the end and writes docs/faults.md, but for --fast.  Fails when a mode fails.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections import namedtuple
from pathlib import Path

import modes
import suite

ROOT = suite.HERE.parents[1]
BUILD = Path(os.environ.setdefault("TENSOCK_BUILD", str(ROOT / "build")))
os.environ.setdefault("TENSOCK_MODELS", str(ROOT / ".deps" / "models"))
TIME_S = 30 * 60
PROGRAM_S = 300
CASE = re.compile(r"^\[ +(OK|FAILED|ERROR|SKIPPED) +\] (?:\w+: )?(\S+)", re.MULTILINE)

Ran = namedtuple("Ran", "result seconds reason repeats figures")
NOT_RUN = Ran(suite.FAILED, 0, "it did not run", 0, [])
SKIPPED = "skipped"


def worst(runs):
    """The outcome of a test from those of its parameters, of a mode from those of its tests."""
    for result in (suite.FAILED, suite.OK, SKIPPED):
        some = [run for run in runs if run.result == result]
        if some:
            return Ran(result, sum(run.seconds for run in runs), some[0].reason,
                       max(run.repeats for run in runs), [f for run in runs for f in run.figures])
    return NOT_RUN


# ---- pytest ----

def read_case(case):
    """(the name without its parameters, what became of it) of a <testcase>."""
    name = f"{case.get('classname').rpartition('.')[2]}.py::{case.get('name').partition('[')[0]}"
    properties = [(p.get("name"), p.get("value")) for p in case.iter("property")]
    repeats = max([int(value) for key, value in properties if key == "repeats"], default=0)
    figures = [value for key, value in properties if key == "figure"]
    result, reason = suite.OK, ""
    for kind in ("failure", "error"):
        for found in case.iter(kind):
            result, reason = suite.FAILED, (found.get("message") or kind).splitlines()[0]
    if result == suite.OK and (skipped := case.find("skipped")) is not None:
        result, reason = SKIPPED, skipped.get("message") or ""
    return name, Ran(result, float(case.get("time")), reason, repeats, figures)


def run_pytest(folder, tests, options, time_s):
    """{test: Ran} of tests in a folder below tests/."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short",
                   f"--junitxml={report.name}", "-o", "junit_family=xunit1", *options, *(str(ROOT / "tests" / test) for test in tests)]
        with subprocess.Popen(command, cwd=ROOT) as process:
            try:
                process.wait(time_s)
            except subprocess.TimeoutExpired:
                process.terminate()  # its fixtures end what they have started
                process.wait()
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
                raise
        try:
            cases = list(xml.parse(report.name).iter("testcase"))
        except xml.ParseError:
            return {}
    found = {}
    for name, ran in map(read_case, cases):
        found.setdefault(f"{folder}/{name}", []).append(ran)
    return {name: worst(runs) for name, runs in found.items()}


# ---- C tests ----

def programs():
    """{name: meson's record} of the tests that are no cases of pytest."""
    with open(BUILD / "meson-info" / "intro-tests.json", encoding="utf-8") as records:
        return {record["name"]: record for record in json.load(records) if "pytest" not in record["cmd"]}


def run_program(name, cases, record):
    """{test: Ran} of a program and its cases (none: it is one case)."""
    began = time.monotonic()
    try:
        done = subprocess.run(record["cmd"], cwd=BUILD, env={**os.environ, **record["env"]}, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=PROGRAM_S, check=False)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        status, output = -1, ""
    seconds = time.monotonic() - began
    if status != 0:
        print(f"faults: {name}: exit status {status}\n{output[-2000:]}", flush=True)
    results = {case: result for result, case in CASE.findall(output)}
    found = {}
    for case in cases:
        result = results.get(case) if case else ("OK" if status == 0 else "FAILED")
        if status != 0 and result == "OK" and not {"FAILED", "ERROR"} & set(results.values()):
            result = "FAILED"  # it died, or leaked
        outcome = {"OK": suite.OK, "SKIPPED": SKIPPED}.get(result, suite.FAILED)
        found[f"{name}::{case}" if case else name] = Ran(
            outcome, seconds / len(cases), "" if outcome == suite.OK else f"exit status {status}", 0, [])
    return found


# ---- all ----

def grouped(tests):
    """({folder: pytest tests}, {program: its cases})"""
    folders, c_tests = {}, {}
    for test in tests:
        if ".py::" in test:
            folders.setdefault(test.partition("/")[0], []).append(test)
        else:
            name, _, case = test.partition("::")
            c_tests.setdefault(name, []).append(case)
    return folders, c_tests


def run_all(tests, options):
    """{test: Ran}"""
    deadline = time.monotonic() + TIME_S + 60 * options.soak
    folders, c_tests = grouped(tests)
    known, outcomes = programs(), {}
    for name, cases in sorted(c_tests.items()):
        if name in known and time.monotonic() < deadline:
            outcomes.update(run_program(name, cases, known[name]))
    for folder, ids in sorted(folders.items(), key=lambda pair: pair[0] == "vm"):
        print(f"faults: {folder}: {len(ids)} tests", flush=True)
        more = [] if folder != "faults" else [
            f"--mutate={options.mutate}", f"--soak={options.soak}", *(["-m", "not slow"] if options.fast else ["--full"])]
        outcomes.update(run_pytest(folder, ids, more, max(deadline - time.monotonic(), 1)))
    return outcomes


def judge(number, tests, outcomes):
    """(result with its reason, what ran) of a mode."""
    runs = {test: outcomes.get(test, NOT_RUN) for test in tests}
    ran = worst(list(runs.values()))
    if any(run.result == suite.FAILED for run in runs.values()):
        test, run = next((test, run) for test, run in runs.items() if run.result == suite.FAILED)
        return f"{suite.FAILED}: {test}: {run.reason}".replace("|", "/"), ran
    if number in modes.CANNOT:
        return f"{suite.CANNOT}: {modes.CANNOT[number]}", ran
    if not tests or number in modes.PENDING:
        return f"{suite.PENDING}: {modes.PENDING.get(number, 'no test')}", ran
    if ran.result == SKIPPED:
        return f"{suite.CANNOT}: {ran.reason}", ran
    lacking = [f"{test} cannot run here: {run.reason}" for test, run in runs.items() if run.result == SKIPPED]
    if lacking:
        return f"{suite.PARTLY}: {lacking[0]}".replace("|", "/"), ran
    if number in modes.PARTLY:
        return f"{suite.PARTLY}: {modes.PARTLY[number]}", ran
    return suite.OK, ran


def show(judged):
    """The table; whether no mode has failed."""
    counts = {}
    for mode in modes.MODES:
        if mode.number not in judged:
            continue
        result, ran = judged[mode.number]
        kind = result.partition(":")[0]
        counts[kind] = counts.get(kind, 0) + 1
        print(f"{mode.number:3} {mode.name:52.52} {ran.seconds:7.1f} s {ran.repeats or '':>7} {result}")
        for figure in ran.figures:
            print(f"{'':4}{figure}")
    print(f"{len(judged)} modes: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    return suite.FAILED not in counts


def write_document(judged):
    """The rows of what has not run stay as they are."""
    results = {mode.number: (f"{suite.PENDING}: it has not run", 0) for mode in modes.MODES}
    if suite.DOCUMENT.exists():
        results |= suite.read_results(suite.DOCUMENT.read_text(encoding="utf-8"))
    results |= {number: (result, ran.repeats) for number, (result, ran) in judged.items()}
    suite.DOCUMENT.write_text(suite.document(results), encoding="utf-8")


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="./run faults", description="Runs the failure modes of docs/faults.md.")
    parser.add_argument("--only", metavar="N,N", help="these modes, and their lines of docs/faults.md")
    parser.add_argument("--fast", action="store_true", help="without what is slow, and fewer repeats")
    parser.add_argument("--mutate", type=int, default=0, metavar="N", help="so many mutated models")
    parser.add_argument("--soak", type=int, default=0, metavar="MINUTES", help="all of it at random, for so long")
    options = parser.parse_args(arguments)
    options.only = {int(number) for number in options.only.split(",")} if options.only else None
    return options


def main():
    def stop(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    options = options_of(sys.argv[1:])
    shown = {number: tests for number, tests in suite.shown_by().items()
             if options.only is None or number in options.only}
    tests = list(dict.fromkeys(test for tests in shown.values() for test in tests))
    outcomes = run_all(tests, options)
    judged = {number: judge(number, tests, outcomes) for number, tests in shown.items()}
    went_well = show(judged)
    if not options.fast:
        write_document(judged)
    sys.exit(0 if went_well else 1)


if __name__ == "__main__":
    main()
