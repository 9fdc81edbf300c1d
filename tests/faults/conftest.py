# SPDX-License-Identifier: Apache-2.0
"""The failure modes of docs/faults.md.  The daemon, its guests and its VMM are those of tests/scenario and
tests/device; what is here is the common rule, which each mode is held to beside its own."""

import importlib.util
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "device"))


def load(name, path):
    """A module whose own name another one has, too."""
    spec = importlib.util.spec_from_file_location(name, TESTS / path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scenario = load("scenario", "scenario/conftest.py")
# Of the tests that are imported from there.
SANITIZED, engine_config, eventually = scenario.SANITIZED, scenario.engine_config, scenario.eventually
folder, start = scenario.folder, scenario.start
real_model, mindspore_model = scenario.real_model, scenario.mindspore_model

from plan import Plan  # these need the paths of the above
import rule
from rule import Ruled

load("device_native", "device/test_native.py")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="all repeats")
    parser.addoption("--mutate", type=int, default=0, help="so many mutated models")
    parser.addoption("--soak", type=int, default=0, help="so many minutes")


def pytest_configure(config):
    scenario.pytest_configure()
    if config.getoption("--full"):
        rule.BACK_S = 5
    config.addinivalue_line("markers", "mode(number...): the failure modes that this shows")
    config.addinivalue_line("markers", "slow: not in ./run test")


@pytest.fixture
def repeat(request, record_property):
    """repeat(1000): the numbers up to it, or in ./run test to a small part of it.  each: so many at once.
    at_most: the test ends by itself before that, and how often it does so is no figure."""
    is_full = request.config.getoption("--full")

    def up_to(n, fast=None, each=1, at_most=False):
        n = n if is_full else fast or max(n // 50, 1)
        if not at_most:
            record_property("repeats", n * each)
        return range(n)

    return up_to


@pytest.fixture
def figure(record_property):
    """figure(text): stands in the run's table."""
    return lambda text: (print(text), record_property("figure", text))


@pytest.fixture
def ruled(start, folder):
    """ruled(config, arguments..., engines=): a daemon that is held to the common rule until the test's end."""
    daemons = []

    def start_ruled(config="", *arguments, **options):
        daemons.append(Ruled(start, folder, config, arguments, **options))
        return daemons[-1]

    yield start_ruled
    for daemon in daemons:
        daemon.check()


@pytest.fixture
def daemon(ruled):
    """One with the engines of the tests."""
    return ruled()


@pytest.fixture
def plan(folder, monkeypatch):
    """Daemons that are started have fronts whose calls fail by it."""
    made = Plan(folder / "programs")
    monkeypatch.setattr("daemon.BUILD", folder / "programs")
    return made
