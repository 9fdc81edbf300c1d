# SPDX-License-Identifier: Apache-2.0
"""Metrics: what operators' programs are told, that it is right, and that no guest gets at it."""

import collections
import os
import re
import signal
import socket

import native
import onnx_writer as writer
import pytest
from conftest import alive, eventually

GUEST = f"uid-{os.geteuid()}"
LINE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\d+(?:\.\d+)?)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    return connection


def read_all(connection):
    data = b""
    while piece := connection.recv(1 << 20):
        data += piece
    return data


def ask(path, request=b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"):
    """(status, head, body)"""
    with connect(path) as connection:
        connection.sendall(request)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode("ascii"), body.decode("utf-8")


def parse(text):
    """{(name, frozenset of labels): number}; fails where Prometheus would."""
    samples, kinds, family = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split()
            assert family not in kinds, f"{family} is there twice"
            kinds[family] = kind
            continue
        name, labels, value = LINE.fullmatch(line).groups()
        assert name.startswith(family), line
        pairs = LABEL.findall(labels or "")
        assert len(dict(pairs)) == len(pairs)
        key = (name, frozenset(pairs))
        assert key not in samples, f"{line} is there twice"
        samples[key] = float(value)
    return samples


class Metrics:
    """A daemon that tells metrics at a path."""

    def __init__(self, start, folder, config=""):
        self.path = folder / "metrics.sock"
        self.host = start(f"metrics = unix:{self.path}\n{config}")

    def read(self):
        status, head, body = ask(self.path)
        assert status == 200 and "Content-Type: text/plain; version=0.0.4" in head
        return parse(body)

    def value(self, name, **labels):
        return self.read().get((name, frozenset(labels.items())))

    def becomes(self, expected, name, **labels):
        assert eventually(lambda: self.value(name, **labels) == expected), self.value(name, **labels)

    def of_guest(self, expected, name, **labels):
        self.becomes(expected, name, guest=GUEST, **labels)

    def process(self):
        return self.host.processes("tensock-metrics")[0]


@pytest.fixture
def metrics(start, folder):
    return Metrics(start, folder)
