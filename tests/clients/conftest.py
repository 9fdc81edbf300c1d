# SPDX-License-Identifier: Apache-2.0
"""A daemon that listens on TCP and on a Unix socket, for the clients that people use.  These tests run with the Python
of .deps/clients (tools/deps clients); all tests share one daemon, and thus the models of guest "tcp"."""

import importlib.util
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
DEPS = TESTS.parent / ".deps"
sys.path.insert(0, str(TESTS / "scenario"))
sys.path.insert(0, str(Path(__file__).resolve().parent))


def load(name, path):
    """A module whose own name another one has, too."""
    spec = importlib.util.spec_from_file_location(name, TESTS / path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scenario = load("scenario", "scenario/conftest.py")
folder, pytest_configure = scenario.folder, scenario.pytest_configure

import models  # this needs the path of the above


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A daemon, and where it is to be found."""

    def __init__(self, at, config=""):
        self.port = free_port()
        self.tcp = f"127.0.0.1:{self.port}"
        self.http = f"http://{self.tcp}"
        self.tensock = scenario.Tensock(at, f"listen = tcp:{self.tcp}\n{config}", ())
        self.socket = self.tensock.local
        self.unix = f"unix:{self.socket}"
        self.loaded = set()

    def need(self, face, *names):
        """Has models of models.MODELS loaded, by whichever client comes first."""
        for name in names:
            if name not in self.loaded:
                face.load(name, models.MODELS[name])
                self.loaded.add(name)

    def end(self):
        self.tensock.end()


@pytest.fixture(scope="session")
def server():
    with tempfile.TemporaryDirectory(prefix="tensock.") as path:
        one = Server(path, f"[guest tcp]\nshared-memory = {os.getuid()}\n")
        yield one
        one.end()


@pytest.fixture
def own_server(folder):
    """Starts a daemon of a test's own: own_server(config text)."""
    started = []

    def start_one(config):
        started.append(Server(folder, config))
        return started[-1]

    yield start_one
    for one in started:
        one.end()


@pytest.fixture
def connect(server):
    """A client of a kind of faces.py: connect(kind, options of its own)."""
    clients = []

    def connect_one(kind, at=None, **options):
        clients.append(kind((at or server).tcp, **options))
        return clients[-1]

    yield connect_one
    for client in clients:
        client.end()


@pytest.fixture
def need(server):
    return server.need
