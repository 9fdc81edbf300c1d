# SPDX-License-Identifier: Apache-2.0
"""Several engines: which one runs a model, and what becomes of it where one is missing or refuses."""

import json
import shutil
import subprocess

import ms_file
import native
import numpy
import onnx_writer
import pytest
import seed
import seeded_nets
from conftest import BUILD, engine_config

STANDIN = BUILD / "tests/engines/libmindspore-lite-standin-ms.so"
STANDIN_OH = BUILD / "tests/engines/libmindspore-lite-standin-oh.so"
PROGRAMS = ["tensockd", "tensock-front", "tensock-worker", "tensock-engine-onnxruntime.so",
            "tensock-engine-mindspore_lite.so", "libonnxruntime.so.1"]


def lite(library=STANDIN, settings=""):
    return f"[engine mindspore_lite]\nlibrary = {library}\n{settings}"


def bare_model(name="bare", generation=ms_file.MSL2):
    """Without a single operator, which is all that the stand-in runs: output k is 2 x + 1 + k."""
    graph = ms_file.Graph(generation, name)
    graph.input([1, 4], name="x")
    graph.output(*[graph.tensor(name, dims=[1, 4]) for name in ("Stack-12", "Stack-8", "Stack-10")])
    return graph.bytes()


def unknown_operator():
    graph = ms_file.Graph(ms_file.MSL2)
    return graph.output(graph.node("AddGrad", [graph.input([1, 4])], name="backwards")).bytes()


@pytest.fixture(scope="module")
def lenet():
    return seeded_nets.lenet()


def image(model_info):
    (_, _, dims), = model_info["inputs"]
    return numpy.random.default_rng(7).standard_normal(dims).astype(numpy.float32)


def run(guest, model):
    """What the host says of it, and its outputs for the same input each time."""
    info = guest.push(model)
    return info, guest.infer(native.digest(model), [(0, image(info))])


def refused(tensock, model):
    with native.Guest(tensock.local) as guest, pytest.raises(native.Refused) as refusal:
        guest.push(model)
    return refusal.value


@pytest.mark.parametrize("library, version", [(STANDIN, "2.0.0-standin"),
                                              (STANDIN_OH, "of unknown version")])
def test_mindspore_lite(start, library, version):
    tensock = start("log-level = debug\n" + lite(library, "threads = 3\nfp16 = true\n"))
    model = bare_model()
    x = numpy.array([[1, -2, 3.5, 0]], numpy.float32)
    with native.Guest(tensock.local) as guest:
        info = guest.push(model)
        assert (info["engine"], info["format"]) == (f"mindspore_lite {version}", "ms")
        assert [name for name, _, _ in info["outputs"]] == ["Stack-12", "Stack-8", "Stack-10"]
        for _ in range(3):
            outputs = guest.infer(native.digest(model), [("x", x)])
            for k, name in enumerate(["Stack-12", "Stack-8", "Stack-10"]):
                assert (outputs[name] == 2 * x + 1 + k).all()
        # The other engine is there as well.
        assert guest.push(onnx_writer.identity(1))["engine"].startswith("onnxruntime ")
    assert tensock.said("debug", "mindspore_lite: [INFO] standin: builds", "with 3 threads, fp16 on")
    assert tensock.said("mindspore_lite: [INFO] standin: predicts")
    assert seed.ask(tensock.local, model) == b"OK"


def test_without_the_library(start, lenet):
    """Nothing is configured and nothing is there: nobody hears of it, and the model runs."""
    tensock = start()
    with native.Guest(tensock.local) as guest:
        info, outputs = run(guest, lenet)
    assert info["engine"].startswith("onnxruntime ")
    assert info["format"] == "ms, translated to onnx"
    assert all(numpy.isfinite(array).all() for array in outputs.values())
    assert not [line for line in tensock.log if "mindspore" in line]


def test_native_engine_that_refuses(start, folder, lenet):
    """The stand-in has no operators: the model runs translated, as if there were no other engine."""
    tensock = start(lite())
    with native.Guest(tensock.local) as guest:
        info, outputs = run(guest, lenet)
    assert info["format"] == "ms, translated to onnx"
    assert tensock.said("mindspore_lite does not take the model", "lacks an operator", "error -300")
    plain = start("[engine mindspore_lite]\nenabled = no\n", at=folder / "plain")
    with native.Guest(plain.local) as guest:
        _, expected = run(guest, lenet)
    assert outputs.keys() == expected.keys()
    for name, array in expected.items():
        assert (outputs[name] == array).all()


def test_older_files_go_to_the_translation(start):
    """What the library does not read is not offered to it."""
    tensock = start(lite())
    graph = ms_file.Graph(ms_file.V1_0)
    model = graph.output(graph.node("Activation", [graph.input([1, 4, 4, 3])], type=1)).bytes()
    with native.Guest(tensock.local) as guest:
        info, outputs = run(guest, model)
        (array,) = outputs.values()
        assert (array == numpy.maximum(image(info), 0)).all()
    assert info["format"] == "ms, translated to onnx"
    assert not [line for line in tensock.log if "does not take" in line]


def test_both_refuse(start):
    refusal = refused(start(lite()), unknown_operator())
    assert refusal.status == native.UNSUPPORTED
    assert "mindspore_lite: the model cannot be built" in refusal.message
    assert "AddGrad" in refusal.message and "backwards" in refusal.message


def test_formats_that_nobody_takes(start):
    refusal = refused(start(), b"nothing at all")
    assert refusal.status == native.INVALID_MODEL
    assert "ONNX, MindSpore's .mindir, MindSpore's .ms" in refusal.message


def test_engine_on_the_command_line(start, folder, lenet):
    config = "log-level = debug\n" + lite()
    tensock = start(config, "--engine", "onnxruntime")
    with native.Guest(tensock.local) as guest:
        info, _ = run(guest, lenet)
    assert info["engine"].startswith("onnxruntime ")
    assert not [line for line in tensock.log if "standin" in line]
    only = start(config, "--engine", "mindspore_lite", at=folder / "only")
    with native.Guest(only.local) as guest:
        assert guest.push(bare_model())["engine"].startswith("mindspore_lite ")
    assert "no engine of this host takes ONNX" in refused(only, lenet).message
    assert "MindSpore's .ms" in refused(only, onnx_writer.identity(1)).message


def tensockd(*arguments):
    return subprocess.run([BUILD / "tensockd", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def test_bad_engines(folder):
    done = tensockd("--engine", "tensorflow", "--listen", f"unix:{folder}/s")
    assert done.returncode == 2
    assert "no engine tensorflow; there are onnxruntime, mindspore_lite" in done.stderr
    config = folder / "c"
    config.write_text(lite("/nonexistent/lib.so"))
    done = tensockd("--config", config, "--listen", f"unix:{folder}/s")
    assert done.returncode == 1
    assert "the library of engine mindspore_lite, /nonexistent/lib.so: No such file" in done.stderr


def test_engine_of_ones_own(start, folder, lenet):
    """Beside it a built-in engine is there when it has a section, and only then."""
    alone = start(engine_config("echo"))
    assert seed.ask(alone.local, lenet) == b"ER"
    both = start(engine_config("echo") + "[engine onnxruntime]\n", at=folder / "both")
    assert seed.ask(both.local, lenet) == b"OK"
    assert seed.ask(both.local, b"TSKECHO1") == b"OK"


@pytest.fixture
def programs(folder, monkeypatch):
    """A folder of what is installed, which start() runs from."""
    copies = folder / "programs"
    copies.mkdir()
    for name in PROGRAMS:
        if (BUILD / name).exists():
            shutil.copy(BUILD / name, copies / name)
    monkeypatch.setattr("daemon.BUILD", copies)
    return copies


def test_library_beside_the_plugin(start, programs):
    """As it is installed: nothing is configured, and it is found."""
    shutil.copy(STANDIN, programs / "libmindspore-lite.so")
    tensock = start()
    with native.Guest(tensock.local) as guest:
        assert guest.push(bare_model())["engine"] == "mindspore_lite 2.0.0-standin"
        assert guest.push(onnx_writer.identity(1))["engine"].startswith("onnxruntime ")


def test_plugin_that_was_left_out(start, programs):
    """Who packages Tensock may do without it."""
    (programs / "tensock-engine-mindspore_lite.so").unlink()
    tensock = start()
    with native.Guest(tensock.local) as guest:
        assert guest.push(onnx_writer.identity(1))["engine"].startswith("onnxruntime ")


@pytest.mark.parametrize("how, words", [
    ("crash-run", "[CRITICAL] standin: asked to crash in a run"), ("segv-run", "standin: predicts")])
def test_crash_in_the_library(start, how, words):
    """One request has an error, the log has the library's last words, and the next a new worker."""
    tensock = start(lite())
    with native.Guest(tensock.local) as guest:
        info = guest.push(bare_model(how))
        with pytest.raises(native.Refused) as refusal:
            guest.infer(info["hash"], [("x", image(info))])
        assert refusal.value.status == native.WORKER_DIED
        assert tensock.said("mindspore_lite: ", words)
        run(guest, bare_model())


def test_show(start, folder, lenet):
    tensock = start(lite())
    for name, model, engine, form in (
            ("lenet.ms", lenet, "onnxruntime ", "ms, translated to onnx"),
            ("bare.ms", bare_model(), "mindspore_lite 2.0.0-standin", "ms")):
        (folder / name).write_bytes(model)
        done = subprocess.run([BUILD / "tensock", "show", "--json", "--host", f"unix:{tensock.local}",
                               folder / name], capture_output=True, text=True, timeout=60)
        shown = json.loads(done.stdout)
        assert shown["engine"].startswith(engine)
        assert shown["format"] == form
