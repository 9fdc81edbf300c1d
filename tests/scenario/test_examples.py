# SPDX-License-Identifier: Apache-2.0
"""The examples on libtensock, with the trained models they are for."""

import gzip
import importlib.util
import os
import random
import re
import select
import socket
import subprocess
import threading
from pathlib import Path

import line_image
import onnx_writer
import pytest
from conftest import BUILD, eventually
from onnx_writer import FLOAT, field

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("TENSOCK_MODELS", ROOT / ".deps/models"))
MAGIKA = MODELS / "magika_standard_v3_3.onnx"
READING = MODELS / "ch_PP-OCRv4_rec_infer.onnx"
INT32 = 6  # of onnx.proto


def program(name, *arguments):
    """Runs an example: (exit status, standard output, standard error)."""
    done = subprocess.run([BUILD / "examples" / name, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL, check=False,
                          env={**os.environ, "TENSOCK_HOST": "unix:/nowhere"})
    return done.returncode, done.stdout, done.stderr


class Example:
    """An example that asks a daemon with its model."""

    def __init__(self, tensock, name, model):
        if not model.is_file():
            pytest.skip(f"no model at {model}: set TENSOCK_MODELS (tools/deps demo fetches it)")
        self.tensock = tensock
        self.name = name
        self.model = model

    def run(self, *arguments):
        return program(self.name, "--host", f"unix:{self.tensock.local}", self.model, *arguments)

    def lines(self, *arguments):
        """Its lines when all goes well."""
        status, output, errors = self.run(*arguments)
        assert (status, errors) == (0, "")
        return output.splitlines()


class Counter(threading.Thread):
    """A socket at path that passes one connection on to another socket, and counts what goes there."""

    def __init__(self, path, to):
        super().__init__(daemon=True)
        self.path = path
        self.sent = 0
        self._to = str(to)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(20)
        self._listener.close()
        self.path.unlink()

    def run(self):
        guest, _ = self._listener.accept()
        with guest, socket.socket(socket.AF_UNIX) as host:
            host.connect(self._to)
            while True:
                for end in select.select([guest, host], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is guest:
                        self.sent += len(data)
                    (host if end is guest else guest).sendall(data)


@pytest.fixture
def filetype(onnx):
    return Example(onnx, "filetype", MAGIKA)


@pytest.fixture
def readline(onnx):
    if importlib.util.find_spec("freetype") is None or not line_image.FONT.is_file():
        pytest.skip("no FreeType for Python, or no font: tools/deps demo installs them")
    return Example(onnx, "readline", READING)


def picture(width, height, seed=1):
    noise = random.Random(seed).randbytes(width * height)
    return line_image.png(width, height, noise)


def test_files_are_named(filetype, folder):
    made = {"picture.png": picture(40, 30), "packed": gzip.compress(b"what is in it " * 99),
            "empty": b"", "few": b"1234567", "few-bytes": b"\xff\xfe\xfd",
            "spaces": b" " * 5000 + b"what comes after a block of spaces is not seen"}
    for name, content in made.items():
        (folder / name).write_bytes(content)
    expected = {
        ROOT / "README.md": "markdown", ROOT / "examples/filetype.c": "c",
        ROOT / "tests/scenario/test_examples.py": "python", ROOT / "run": "shell",
        BUILD / "examples/filetype": "elf", MAGIKA: "onnx",
        folder / "picture.png": "png", folder / "packed": "gzip", folder / "empty": "empty",
        folder / "few": "txt", folder / "few-bytes": "unknown", folder / "spaces": "txt",
        folder: "directory", Path("/dev/null"): "unknown"}
    lines = filetype.lines(*expected)
    assert len(lines) == len(expected)
    for line, (path, kind) in zip(lines, expected.items()):
        found = re.fullmatch(r"(.*): (\S+) ([01]\.\d\d)", line)
        assert found and found.group(1, 2) == (str(path), kind), line
        assert float(found.group(3)) > 0.8


def test_what_is_not_certain_says_so(filetype, folder):
    path = folder / "notes"
    path.write_text("a = 1\nb = 2\n")
    line, = filetype.lines(path)
    assert re.fullmatch(r".*/notes: txt 0\.3\d \(perhaps ini\)", line), line


def test_second_start_does_not_send_the_model_again(filetype, folder):
    first = filetype.lines(ROOT / "README.md")
    workers = filetype.tensock.workers()
    assert len(workers) == 1
    with Counter(folder / "counted.sock", filetype.tensock.local) as counter:
        status, output, _ = program("filetype", "--host", f"unix:{counter.path}", MAGIKA, ROOT / "README.md")
    assert (status, output.splitlines()) == (0, first)
    # The input is 8 KiB; the model is 3 MB.
    assert 8192 < counter.sent < 16384
    assert filetype.tensock.workers() == workers


def test_files_that_cannot_be_read(filetype, folder):
    status, output, errors = filetype.run(folder / "none", ROOT / "README.md")
    assert status == 1
    assert errors == f"filetype: cannot read {folder}/none: No such file or directory\n"
    assert output.startswith(f"{ROOT}/README.md: markdown ")


def test_host_that_is_not_there(folder):
    (folder / "model.types").write_text("c\t0.5\tc\ttxt\n")
    (folder / "model.onnx").write_bytes(b"x")
    status, output, errors = program("filetype", "--host", f"unix:{folder}/none", folder / "model.onnx",
                                     folder)
    assert (status, output) == (1, "")
    assert errors.startswith(f"filetype: {folder}/model.onnx: ")
    assert errors.count("\n") == 2  # what is wrong, and what can be done


@pytest.mark.parametrize("name", ["filetype", "readline"])
def test_model_that_is_another(onnx, folder, real_model, name):
    model = folder / "other.onnx"
    model.write_bytes(real_model)
    (folder / "other.types").write_text("c\t0.5\tc\ttxt\n")
    (folder / "other.characters").write_text("a\n")
    status, output, errors = program(name, "--host", f"unix:{onnx.local}", model, folder)
    assert (status, output) == (1, "")
    assert errors == f"{name}: {model} is another model than the one that this program knows\n"
    model.write_bytes(b"not a model")
    status, output, errors = program(name, "--host", f"unix:{onnx.local}", model, folder)
    assert (status, output) == (1, "")
    assert errors.startswith(f"{name}: {model}: ")


def test_answer_that_says_no_types(onnx, folder):
    """A model of the right kind, whose answers are the tokens: as many as types, but above 1."""
    model = folder / "tokens.onnx"
    to_float = field(1, "to") + field(3, FLOAT) + field(20, 2)
    model.write_bytes(onnx_writer.model(
        onnx_writer.node("Cast", ["x"], ["y"], to_float), onnx_writer.graph_input("x", ["n", 2048], INT32),
        onnx_writer.graph_output("y", ["n", 2048])))
    (folder / "tokens.types").write_text("c\t0.5\tc\ttxt\n" * 2048)
    status, output, errors = program("filetype", "--host", f"unix:{onnx.local}", model, ROOT / "README.md")
    assert (status, output) == (1, "")
    assert errors == "filetype: the host's answer is none of this model\n"


def test_answer_that_says_no_text(onnx, folder):
    """A model of the right kind, whose answers are the picture's pixels."""
    model = folder / "pixels.onnx"
    model.write_bytes(onnx_writer.model(
        onnx_writer.node("Squeeze", ["x"], ["y"]), onnx_writer.graph_input("x", ["n", 3, 48, "w"]),
        onnx_writer.graph_output("y", ["a", "b", "c"])))
    (folder / "pixels.characters").write_text("a\n")
    (folder / "grey.png").write_bytes(picture(90, 30))
    status, output, errors = program("readline", "--host", f"unix:{onnx.local}", model, folder / "grey.png")
    assert (status, output) == (1, "")
    assert errors == "readline: the host's answer is none of this model\n"


@pytest.mark.parametrize("name, suffix", [("filetype", "types"), ("readline", "characters")])
def test_table_that_is_none(folder, name, suffix):
    model = folder / "model.onnx"
    status, _, errors = program(name, "--host", f"unix:{folder}/none", model, folder)
    assert status == 1
    assert errors == f"{name}: cannot read {folder}/model.{suffix}: No such file or directory\n"
    table = folder / "table"
    table.write_text("# nothing\n\n" if name == "filetype" else "a\n\n")
    status, _, errors = program(name, f"--{suffix}", table, model, folder)
    assert (status, errors) == (1, f"{name}: line 2 of {table} is not as such a file has it\n")


@pytest.mark.parametrize("name", ["filetype", "readline"])
def test_usage(name):
    status, output, errors = program(name, "--help")
    assert (status, errors) == (0, "")
    assert output.startswith(f"usage: {name} ") and output.count("\n") <= 24
    for wrong in ([], ["model.onnx"], ["--what", "model.onnx", "file"]):
        status, output, errors = program(name, *wrong)
        assert (status, output) == (2, "")
        assert "usage: " in errors


def test_lines_are_read(readline, folder):
    texts = ["Hello, guest 42!", "Total: 17.50 EUR", "3141592653",
             "The quick brown fox jumps over the lazy dog"]
    paths = [folder / f"{i}.png" for i in range(len(texts))]
    for path, text in zip(paths, texts):
        path.write_bytes(line_image.rendered(text))
    assert readline.lines(*paths) == texts
    for line, text in zip(readline.lines("--certainty", *paths), texts):
        certainty, _, read = line.partition(" ")
        assert read == text and 0.9 < float(certainty) <= 1


def test_pictures_that_cannot_be_read(readline, folder):
    contents = {"none.png": None, "text.png": b"not a picture",
                "wide.png": line_image.png(9000, 10, b"\0" * 90000),
                "good.png": line_image.rendered("still read")}
    cut = line_image.rendered("cut off")
    contents["cut.png"] = cut[:len(cut) // 2]
    for name, content in contents.items():
        if content is not None:
            (folder / name).write_bytes(content)
    status, output, errors = readline.run(*(folder / name for name in contents))
    assert (status, output) == (1, "still read\n")
    sentences = errors.splitlines()
    assert len(sentences) == 4
    assert all(sentence.startswith("readline: ") for sentence in sentences)
    assert "too wide for its height" in sentences[2]


def test_both_at_once_have_a_worker_each(filetype, readline, folder):
    (folder / "line.png").write_bytes(line_image.rendered("two models"))
    assert readline.lines(folder / "line.png") == ["two models"]
    assert filetype.lines(folder / "line.png") == [f"{folder}/line.png: png 1.00"]
    assert eventually(lambda: len(filetype.tensock.workers()) == 2)
