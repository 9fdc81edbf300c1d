# SPDX-License-Identifier: Apache-2.0
"""The examples on libtensock inside a guest, over the built-in device."""

import importlib.util
import tempfile

import pytest
from machine import BUILD, Machine, guest

import line_image

MODELS = guest.ROOT / ".deps/models"
FILETYPE = "magika_standard_v3_3"
READING = "ch_PP-OCRv4_rec_infer"
LINE = "Read on the host"


@pytest.fixture(scope="module")
def examples():
    """A guest with both programs, their models, and a picture of LINE."""
    names = [FILETYPE + ".onnx", FILETYPE + ".types", READING + ".onnx", READING + ".characters"]
    if not all((MODELS / name).is_file() for name in names):
        pytest.skip("no models: tools/deps demo fetches them")
    if importlib.util.find_spec("freetype") is None or not line_image.FONT.is_file():
        pytest.skip("no FreeType for Python, or no font: tools/deps demo installs them")
    files = {f"bin/{name}": BUILD / "examples" / name for name in ("filetype", "readline")}
    files |= {name: MODELS / name for name in names}
    files["line.png"] = line_image.rendered(LINE)
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path, Machine(path, files=files) as machine:
        yield machine.vms[0]


def test_files_of_the_guest_are_named(examples):
    """By the host that a guest finds when none is named."""
    output = examples.check(f"filetype /{FILETYPE}.onnx /init /bin/busybox /line.png /proc/cmdline /")
    assert [line.rpartition(" ")[0] for line in output.splitlines()] == [
        "/init: shell", "/bin/busybox: elf", "/line.png: png", "/proc/cmdline: empty", "/: directory"]


def test_line_is_read(examples):
    assert examples.check(f"readline --host vsock:2:9999 /{READING}.onnx /line.png") == LINE + "\n"


def test_nobody_listens(examples):
    status, output = examples.run(f"readline --host vsock:2:9998 /{READING}.onnx /line.png")
    assert status == 1
    assert output.startswith(f"readline: /{READING}.onnx: ") and output.count("\n") == 2
