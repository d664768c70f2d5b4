"""Engines: made, described, checked, replaced. Those of the CPU; TensorRT's have tests of their own."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import EngineError, TrtMtcnn
from mtcnn.cli.create_engines import main
from mtcnn.engines import (
    NETWORKS,
    create_engines,
    current_engines,
    engine_problem,
    engines_folder,
    load_engine,
    models_folder,
    read_engine,
)
from mtcnn.engines.devices import cpu_device
from mtcnn.engines.settings import BuildSettings, Precision
from mtcnn.engines.timing_cache import check_timing_cache, read_timing_cache, write_timing_cache
from tests.conftest import ROOT

CPU = "cpu"


def create(folder: Path, **arguments: Any) -> list[Path]:
    return create_engines(folder, flavour=CPU, **arguments)


def names(folder: Path) -> list[str]:
    """The files of a folder but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


ALL_NAMES = sorted(f"{network}.engine{suffix}" for network in NETWORKS for suffix in ("", ".json"))


def description(path: Path) -> dict[str, Any]:
    fields = json.loads(path.with_name(path.name + ".json").read_text())
    assert isinstance(fields, dict)
    return fields


def describe(path: Path, **changes: Any) -> None:
    """Change the description of an engine; None takes a field out."""
    fields = {**description(path), **changes}
    kept = {name: value for name, value in fields.items() if value is not None}
    path.with_name(path.name + ".json").write_text(json.dumps(kept))


@pytest.fixture
def made(engines: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Engines that a test may spoil."""
    copied = {}
    for network, path in engines.items():
        copied[network] = tmp_path / "made" / path.name
        copied[network].parent.mkdir(exist_ok=True)
        shutil.copy(path, copied[network])
        shutil.copy(path.with_name(path.name + ".json"), copied[network].with_name(path.name + ".json"))
    return copied


class TestCreate:
    def test_files(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b"
        paths = create(folder)
        assert paths == [folder / f"{network}.engine" for network in NETWORKS]
        assert names(folder) == ALL_NAMES
        for path in folder.iterdir():
            assert path.stat().st_mode & 0o777 == 0o644

    def test_description(self, tmp_path: Path) -> None:
        for network, path in zip(NETWORKS, create(tmp_path), strict=True):
            model = (models_folder() / f"{network}.onnx").read_bytes()
            assert description(path) == {
                "network": network,
                "model_sha256": hashlib.sha256(model).hexdigest(),
                "engine_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "flavour": CPU,
                "flavour_version": cpu_device().runtime,
                "precision": "fp32",
                "details": {},
                "format": 2,
            }
            data, read = read_engine(path)
            assert data == path.read_bytes() and vars(read) == description(path)

    @pytest.mark.parametrize("kind", [str, Path])
    def test_again_replaces(self, kind: Callable[[Path], Any], tmp_path: Path) -> None:
        for path in create(kind(tmp_path)):
            path.write_bytes(b"spoilt")
        for path in create(kind(tmp_path)):
            read_engine(path)
        assert names(tmp_path) == ALL_NAMES

    def test_the_default_folder_is_in_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path / "here"))
        assert create_engines(flavour=CPU)[0] == tmp_path / "here" / CPU / "pnet.engine"
        monkeypatch.delenv("TRT_MTCNN_ENGINES")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert engines_folder(CPU) == tmp_path / "cache" / "trt-mtcnn" / "engines" / CPU

    def test_progress(self, tmp_path: Path) -> None:
        told: list[tuple[str, int, int]] = []
        create(tmp_path, progress=lambda *report: told.append(report))
        assert [what for what, _, _ in told if "building" in what] == [f"{network}: building" for network in NETWORKS]
        assert told[-1] == ("done", told[-1][2], told[-1][2])
        assert all(0 <= done <= due for _, done, due in told)
        assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
    @pytest.mark.parametrize("network", NETWORKS)
    def test_stopped_half_way_nothing_is_spoilt(
        self, network: str, stop: type[BaseException], made: dict[str, Path]
    ) -> None:
        folder = made["pnet"].parent
        before = {path.name: path.read_bytes() for path in folder.iterdir()}

        def interrupt(what: str, done: int, due: int) -> None:
            if what.startswith(network):
                raise stop

        with pytest.raises(stop):
            create(folder, precision="bf16", progress=interrupt)
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"} == before
        create(folder)  # the lock was let go

    @pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
    def test_precision(self, precision: str, tmp_path: Path, astronaut: NDArray[np.uint8], detector: TrtMtcnn) -> None:
        paths = create(tmp_path, precision=precision)
        assert {description(path)["precision"] for path in paths} == {precision}
        exact_dets, exact_landmarks = detector.detect(astronaut)
        with TrtMtcnn(paths, device="cpu") as other:
            dets, landmarks = other.detect(astronaut)
        if precision == "fp32":
            np.testing.assert_array_equal(dets, exact_dets)
            np.testing.assert_array_equal(landmarks, exact_landmarks)
        assert len(dets) == len(exact_dets) == 1
        np.testing.assert_allclose(dets[:, :4], exact_dets[:, :4], atol=4)
        np.testing.assert_allclose(dets[:, 4], exact_dets[:, 4], atol=0.02)
        np.testing.assert_allclose(landmarks, exact_landmarks, atol=2)

    @pytest.mark.parametrize("precision", ["f32", "int8", "", None])
    def test_unknown_precision(self, precision: Any, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="precision must be one of 'fp32', 'fp16', 'bf16'"):
            create(tmp_path, precision=precision)
        assert names(tmp_path) == []

    def test_unknown_flavour(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="flavour must be 'auto' or one of 'cpu'"):
            create_engines(tmp_path, flavour="onnx")

    def test_a_file_where_the_folder_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(EngineError, match=r"cannot write .*choose another folder"):
                create(folder)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_no_permission(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(EngineError, match=r"cannot write .*Permission denied; choose another folder"):
            create(tmp_path)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_nowhere_to_write(self) -> None:
        with pytest.raises(EngineError, match=r"cannot write .*choose another folder"):
            create(Path("/proc/engines"))

    @pytest.mark.slow
    def test_processes_at_once(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
        """Some build, some detect with what is there, all in one folder that is empty at first."""
        build = "import mtcnn, sys; mtcnn.create_engines(sys.argv[1], flavour='cpu')"
        detect = """
import sys, cv2, mtcnn
from mtcnn.engines import current_engines
from pathlib import Path
paths = current_engines(Path(sys.argv[1]), "cpu")
dets, _ = mtcnn.TrtMtcnn(paths, "cpu", threads=1).detect(cv2.imread("docs/images/astronaut.jpg"))
assert len(dets) == 1
"""
        running = [
            subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
            for code in (build, detect) * 3
        ]
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        assert names(tmp_path) == ALL_NAMES


class TestModels:
    """create_engines --models with what is no such model."""

    @pytest.fixture
    def models(self, tmp_path: Path) -> Path:
        folder = tmp_path / "models"
        shutil.copytree(models_folder(), folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        return folder

    def refuse(self, models: Path, match: str) -> None:
        output = models.parent / "output"
        create(output)
        before = {path.name: path.read_bytes() for path in output.iterdir()}
        with pytest.raises(EngineError, match=match):
            create(output, models=models)
        assert {path.name: path.read_bytes() for path in output.iterdir()} == before

    def test_ones_own(self, models: Path, tmp_path: Path) -> None:
        paths = create(tmp_path / "output", models=models)
        assert [description(path)["network"] for path in paths] == list(NETWORKS)

    @pytest.mark.parametrize("network", NETWORKS)
    def test_missing(self, network: str, models: Path) -> None:
        (models / f"{network}.onnx").unlink()
        self.refuse(models, rf"there is no model .*{network}\.onnx: check the folder of models")

    @pytest.mark.parametrize("network", NETWORKS)
    @pytest.mark.parametrize("content", [b"", b"garbage", b"\x08" * 5000])
    def test_garbage(self, content: bytes, network: str, models: Path) -> None:
        (models / f"{network}.onnx").write_bytes(content)
        self.refuse(models, rf"{network}\.onnx is no ONNX model, or damaged")

    def test_truncated(self, models: Path) -> None:
        path = models / "onet.onnx"
        path.write_bytes(path.read_bytes()[:-1000])
        self.refuse(models, "not a model|could not|onet")

    @pytest.mark.parametrize(
        ("network", "by"),
        [("pnet", "rnet"), ("pnet", "onet"), ("rnet", "pnet"), ("rnet", "onet"), ("onet", "pnet"), ("onet", "rnet")],
    )
    def test_another_network(self, network: str, by: str, models: Path) -> None:
        shutil.copy(models_folder() / f"{by}.onnx", models / f"{network}.onnx")
        self.refuse(models, f"it is not a {network}")

    def test_a_folder_for_a_model(self, models: Path) -> None:
        (models / "pnet.onnx").unlink()
        (models / "pnet.onnx").mkdir()
        self.refuse(models, "cannot read the model")

    def test_no_folder(self, models: Path) -> None:
        shutil.rmtree(models)
        self.refuse(models, "there is no model")


class TestRead:
    """What is wrong with an engine is said, with what to do about it."""

    def refused(self, path: Path, match: str) -> None:
        for read in (read_engine, load_engine, pytrt.PyTrtMtcnn):
            with pytest.raises(EngineError, match=match):
                read(path)

    def test_missing(self, made: dict[str, Path]) -> None:
        made["pnet"].unlink()
        self.refused(made["pnet"], r"there is no engine .*pnet\.engine: run create_engines")

    def test_missing_description(self, made: dict[str, Path]) -> None:
        made["rnet"].with_name("rnet.engine.json").unlink()
        self.refused(made["rnet"], r"there is no description .*rnet\.engine\.json: run create_engines")

    @pytest.mark.parametrize("content", [b"", b"garbage"])
    def test_garbage(self, content: bytes, made: dict[str, Path]) -> None:
        made["onet"].write_bytes(content)
        self.refused(made["onet"], "is damaged or not the one that .* describes: run create_engines again")

    def test_truncated_and_flipped(self, made: dict[str, Path]) -> None:
        whole = made["onet"].read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for content in (whole[:-1], whole[:100], bytes(flipped), whole + b"\0"):
            made["onet"].write_bytes(content)
            self.refused(made["onet"], "is damaged .*: run create_engines again")

    @pytest.mark.parametrize(
        "content",
        ["", "{", "null", "[]", "7", '"text"', "{}", "\xff\xfe", '{"format": 1}', '{"format": 99}', "[" * 100_000],
        ids=lambda text: repr(text[:20]),
    )
    def test_garbage_for_a_description(self, content: str, made: dict[str, Path]) -> None:
        made["pnet"].with_name("pnet.engine.json").write_bytes(content.encode("latin-1"))
        self.refused(made["pnet"], r"pnet\.engine\.json is (damaged|of another version).*: run create_engines again")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"format": 1}, "of another version"),
            ({"format": None}, "of another version"),
            ({"precision": "int8"}, "is damaged"),
            ({"precision": ["fp32"]}, "is damaged"),
            ({"network": "qnet"}, "is damaged"),
            ({"network": None}, "is damaged"),
            ({"engine_sha256": 5}, "is damaged"),
            ({"engine_sha256": None}, "is damaged"),
            ({"flavour": "abacus"}, "is damaged"),
            ({"details": 5}, "is damaged"),
            ({"surplus": 1}, "is damaged"),
        ],
    )
    def test_wrong_fields(self, changes: dict[str, Any], match: str, made: dict[str, Path]) -> None:
        describe(made["pnet"], **changes)
        self.refused(made["pnet"], f"{match}.*: run create_engines again")

    def test_a_folder(self, made: dict[str, Path]) -> None:
        made["pnet"].unlink()
        made["pnet"].mkdir()
        self.refused(made["pnet"], "cannot read the engine .*Is a directory")

    def test_not_a_model_after_all(self, made: dict[str, Path]) -> None:
        made["pnet"].write_bytes(b"garbage")
        describe(made["pnet"], engine_sha256=hashlib.sha256(b"garbage").hexdigest())
        for load in (load_engine, pytrt.PyTrtMtcnn):
            with pytest.raises(EngineError, match=r"pnet\.engine: not a model"):
                load(made["pnet"])

    def test_of_a_gpu(self, made: dict[str, Path]) -> None:
        describe(made["pnet"], flavour="tensorrt")
        with pytest.raises(EngineError, match="is for tensorrt, not for native kernels.*run create_engines"):
            load_engine(made["pnet"], cpu_device())

    def test_which_network(self, engines: dict[str, Path]) -> None:
        for network, path in engines.items():
            load_engine(path, network=network)
            with pytest.raises(EngineError, match=f"is an engine of {network}, not of"):
                load_engine(path, network=NETWORKS[NETWORKS.index(network) - 1])

    @pytest.mark.parametrize("path", [None, 5, ["pnet.engine"]])
    def test_no_path(self, path: Any) -> None:
        for name, call in self.takers(path).items():
            with pytest.raises(TypeError, match=rf"^{re.escape(name)} must be a path \(str or pathlib.Path\), got "):
                call()

    def test_null_character(self) -> None:
        for name, call in self.takers("a\0b").items():
            with pytest.raises(ValueError, match=f"^{re.escape(name)} must be a path, .*null"):
                call()

    def takers(self, path: Any) -> dict[str, Callable[[], Any]]:
        """What takes paths, by the argument that is wrong."""
        some = Path("pnet.engine")
        calls: dict[str, Callable[[], Any]] = {
            "path": lambda: read_engine(path),
            "engine_path": lambda: pytrt.PyTrtMtcnn(path),
            "engines[1]": lambda: TrtMtcnn([some, path, some]),
        }
        if path is not None:  # which leaves it to create_engines
            calls["output"] = lambda: create_engines(path, flavour="cpu")
            calls["models"] = lambda: create_engines(models=path, flavour="cpu")
        return calls

    @pytest.mark.parametrize("data", [None, 5, "text", memoryview(b"abcd")[::2]])
    def test_no_bytes(self, data: Any) -> None:
        with pytest.raises(TypeError, match="^model must be a file's bytes, got "):
            cpu_device().load_engine(data)


# What may be wrong with an engine, and what is said of it.
SPOILERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: path.unlink(), "there is no "),
    "damaged": (lambda path: path.write_bytes(b"garbage"), "is damaged"),
    "undescribed": (lambda path: path.with_name(path.name + ".json").unlink(), "there is no description"),
    "another version": (lambda path: describe(path, format=0), "is of another version"),
    "stale": (lambda path: describe(path, model_sha256="0" * 64), "was made from another model"),
    "of another runtime": (lambda path: describe(path, flavour="tensorrt"), "is for tensorrt, not cpu"),
    "of another network": (lambda path: describe(path, network="pnet"), "is an engine of pnet"),
}


class TestCurrent:
    """The engines that a detector finds, made where they are missing, damaged or stale."""

    def test_empty_folder(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "mtcnn"):
            paths = current_engines(tmp_path / "new", CPU)
        assert paths == [tmp_path / "new" / f"{network}.engine" for network in NETWORKS]
        assert names(tmp_path / "new") == ALL_NAMES
        assert "building engines" in caplog.text and "there is no " in caplog.text

    def test_as_they_are(self, made: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
        before = {path: path.stat().st_mtime_ns for path in made["pnet"].parent.iterdir()}
        with caplog.at_level(logging.INFO, "mtcnn"):
            assert current_engines(made["pnet"].parent, CPU) == list(made.values())
            assert current_engines(made["pnet"].parent, CPU, build=False) == list(made.values())
        assert {path: path.stat().st_mtime_ns for path in made["pnet"].parent.iterdir()} == before
        assert "building" not in caplog.text

    @pytest.mark.parametrize("spoiler", SPOILERS)
    def test_rebuilt(self, spoiler: str, made: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
        spoil, reason = SPOILERS[spoiler]
        folder = made["rnet"].parent
        spoil(made["rnet"])
        assert reason in str(engine_problem(made["rnet"], CPU, "rnet"))
        with pytest.raises(EngineError, match=reason):
            current_engines(folder, CPU, build=False)
        with caplog.at_level(logging.INFO, "mtcnn"):
            assert current_engines(folder, CPU) == list(made.values())
        assert reason in caplog.text
        for network, path in made.items():
            assert engine_problem(path, CPU, network) is None
        assert names(folder) == ALL_NAMES

    def test_a_detector_rebuilds_only_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: NDArray[np.uint8], made: dict[str, Path]
    ) -> None:
        monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path / "default"))
        for spoil, _ in SPOILERS.values():
            with TrtMtcnn(device="cpu") as detector:
                assert len(detector.detect(astronaut)[0]) == 1
            spoil(tmp_path / "default" / CPU / "onet.engine")
        # Those that are named are the caller's: said to be wrong, and left alone.
        made["onet"].write_bytes(b"garbage")
        with pytest.raises(EngineError, match="is damaged"):
            TrtMtcnn(list(made.values()), device="cpu")
        assert made["onet"].read_bytes() == b"garbage"

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path / "file"))
        with pytest.raises(EngineError, match="cannot write .*choose another folder with TRT_MTCNN_ENGINES"):
            TrtMtcnn(device="cpu")

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_a_cache_that_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: NDArray[np.uint8], precision: Precision
    ) -> None:
        """As in a container whose file system is read-only: a CPU needs no file."""
        with TrtMtcnn(device="cpu", precision=precision) as detector:
            expected = detector.detect(astronaut)
        (tmp_path / "file").write_text("")
        monkeypatch.delenv("TRT_MTCNN_ENGINES", raising=False)
        for cache in (tmp_path / "file", Path("/proc/nowhere")):
            monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
            with TrtMtcnn(device="cpu", precision=precision) as detector:
                assert detector.precision == precision
                for found, wanted in zip(detector.detect(astronaut), expected, strict=True):
                    np.testing.assert_array_equal(found, wanted)
            with pickle.loads(pickle.dumps(detector)) as again:
                assert len(again.detect(astronaut)[0]) == 1
            with pytest.raises(EngineError, match="choose another folder with --output or TRT_MTCNN_ENGINES"):
                create_engines(flavour="cpu")
            with pytest.raises(EngineError, match="landmark_net=True needs L-Net's engine"):
                TrtMtcnn(device="cpu", precision=precision, landmark_net=True)

    def test_precision_of_engines_there_is_kept(self, tmp_path: Path) -> None:
        create(tmp_path, precision="bf16")
        for path in current_engines(tmp_path, CPU):
            assert description(path)["precision"] == "bf16"


class TestCommandLine:
    def test_output(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--output", str(tmp_path), "--flavour", CPU, "--precision", "bf16"]) == 0
        paths = [tmp_path / f"{network}.engine" for network in NETWORKS]
        assert capsys.readouterr().out.split("\n") == [*map(str, paths), ""]
        assert all(description(path)["precision"] == "bf16" for path in paths)

    def test_no_build(self, made: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--output", str(made["pnet"].parent), "--flavour", CPU, "--no-build"]
        assert main(arguments) == 0
        assert capsys.readouterr().out.split() == [str(path) for path in made.values()]
        made["onet"].unlink()
        assert main(arguments) == 1
        captured = capsys.readouterr()
        assert "there is no " in captured.err and captured.out == ""
        assert not made["onet"].exists()

    def test_errors_are_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--models", str(tmp_path), "--output", str(tmp_path / "output"), "--flavour", CPU]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        last = captured.err.rstrip("\n").split("\n")[-1]
        missing = tmp_path / "pnet.onnx"
        assert last == f"create_engines: there is no model {missing}: check the folder of models"
        assert "Traceback" not in captured.err

    @pytest.mark.parametrize("arguments", [["--precision", "int8"], ["--flavour", "onnx"], ["--nonsense"], ["file"]])
    def test_wrong_arguments(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        assert arguments[0] in capsys.readouterr().err

    @pytest.mark.slow
    def test_as_a_module(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "mtcnn.cli.create_engines", "--flavour", CPU, "--output", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(tmp_path / f"{network}.engine") for network in NETWORKS]

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--help"]) == 0
        assert "--precision" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "precision"), [({"model_sha256": "0" * 64}, "bf16"), ({"flavour": "tensorrt"}, "fp32")]
)
def test_a_rebuild_keeps_the_precision_of_the_flavour(tmp_path: Path, change: dict[str, str], precision: str) -> None:
    for path in create_engines(tmp_path, precision="bf16", flavour="cpu"):
        beside = path.with_name(path.name + ".json")
        beside.write_text(json.dumps(json.loads(beside.read_text()) | change))
    for path in current_engines(tmp_path, "cpu"):
        assert read_engine(path)[1].precision == precision


def broken(folder: Path, value: float, name: str = "conv2.bias", network: str = "rnet") -> Path:
    """The package's own models, one number of one of which is another."""
    import onnx

    folder.mkdir()
    for path in models_folder().glob("*.onnx"):
        shutil.copy(path, folder)
    model = onnx.load(folder / f"{network}.onnx")
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    numbers = onnx.numpy_helper.to_array(tensor).copy()
    numbers.flat[3 % numbers.size] = value
    tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, name))
    onnx.save(model, folder / f"{network}.onnx")
    return folder


class TestNumbersThatAreNone:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("flavour", ["cpu", "tensorrt", "tensorrt-rtx"])
    def test_no_engine_is_made_of_them(self, value: float, flavour: str, tmp_path: Path) -> None:
        models = broken(tmp_path / "models", value)
        with pytest.raises(EngineError, match=r"rnet\.onnx has numbers that are NaN or infinite in conv2\.bias"):
            create_engines(tmp_path / "engines", models, flavour=flavour)
        assert not (tmp_path / "engines").exists()

    @pytest.mark.parametrize("name", ["conv1.weight", "prelu1.slope", "fc4.weight", "fc5-2.bias"])
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_no_network_is_loaded_of_them(self, name: str, precision: str, tmp_path: Path) -> None:
        content = (broken(tmp_path / "models", np.nan, name) / "rnet.onnx").read_bytes()
        with pytest.raises(EngineError, match="the model has weights that are NaN or infinite"):
            cpu_device(1).load_engine(content, precision)

    def test_data_in_another_file(self, tmp_path: Path) -> None:
        import onnx

        models = broken(tmp_path / "models", 1.0)
        (tmp_path / "secret").write_bytes(bytes(1 << 20))
        model = onnx.load(models / "onet.onnx")
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret")
        (models / "onet.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(EngineError, match=rf"has {tensor.name} in another file: save the model as one file"):
            create_engines(tmp_path / "engines", models, flavour=CPU)


def takes_itself(model: Any) -> None:
    model.graph.node[3].input[0] = model.graph.node[3].output[0]


def takes_the_last(model: Any) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def many_nodes(model: Any) -> None:
    model.graph.node.extend([model.graph.node[0]] * 1000)


def loops(model: Any) -> None:
    from onnx import TensorProto, helper

    def value(name: str, kind: int) -> Any:
        return helper.make_tensor_value_info(name, kind, [])

    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [value("i", TensorProto.INT64), value("go", TensorProto.BOOL)],
        [value("on", TensorProto.BOOL)],
    )
    model.graph.initializer.append(helper.make_tensor("turns", TensorProto.INT64, [], [1 << 60]))
    model.graph.node.append(helper.make_node("Loop", ["turns", ""], [], body=body))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (takes_itself, "a node takes what none before it makes"),
        (takes_the_last, "a node takes what none before it makes"),
        (many_nodes, "nodes, of at most 1,000"),
        (loops, "it has loops or branches"),
    ],
)
def test_models_that_a_runtime_would_work_on_for_ever(change: Callable[[Any], None], said: str, tmp_path: Path) -> None:
    import onnx

    models = broken(tmp_path / "models", 1.0)
    model = onnx.load(models / "pnet.onnx")
    change(model)
    (models / "pnet.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(EngineError, match=rf"pnet\.onnx is no ONNX model, or damaged: .*{said}"):
        create_engines(tmp_path / "engines", models, flavour=CPU)


class TestTimingCaches:
    """What TensorRT has measured replaces what was written as such, and nothing else; before anything is built."""

    def refused(self, tmp_path: Path, cache: Path, **more: Any) -> str:
        settings = BuildSettings(timing_cache=cache)
        with pytest.raises(EngineError) as caught:
            create_engines(tmp_path / "out", flavour="tensorrt-rtx", settings=settings, **more)
        return str(caught.value)

    def test_other_files(self, tmp_path: Path) -> None:
        photo = tmp_path / "photo.jpg"
        photo.write_bytes(b"a photograph")
        assert self.refused(tmp_path, photo).startswith(f"{photo} is no timing cache that create_engines wrote: ")
        assert "is a folder" in self.refused(tmp_path, tmp_path, overwrite=True)
        (tmp_path / "new.cache.json").write_text("{}")
        assert "new.cache.json is no timing cache" in self.refused(tmp_path, tmp_path / "new.cache")
        check_timing_cache(photo, [], overwrite=True)
        assert photo.read_bytes() == b"a photograph" and not (tmp_path / "out").exists()

    @pytest.mark.parametrize("name", ["out/pnet.engine", "out/rnet.engine.json", "models/onet.onnx", "link"])
    def test_files_of_the_build(self, name: str, tmp_path: Path) -> None:
        shutil.copytree(models_folder(), tmp_path / "models")
        (tmp_path / "link").symlink_to(tmp_path / "models" / "pnet.onnx")
        more = {"models": tmp_path / "models", "overwrite": True}
        assert "is a model or an engine of this build" in self.refused(tmp_path, tmp_path / name, **more)

    def test_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = tmp_path / "sub" / "a.cache"
        check_timing_cache(cache, [], overwrite=False)
        for content in (b"measured", b"measured again"):
            write_timing_cache(cache, content)
            check_timing_cache(cache, [], overwrite=False)
            assert read_timing_cache(cache) == content
        cache.write_bytes(b"something else")
        with pytest.raises(EngineError, match="is no timing cache"):
            check_timing_cache(cache, [], overwrite=False)
        monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path))
        older = tmp_path / "tensorrt" / "timing.cache"  # where it is unless told otherwise
        older.parent.mkdir()
        older.write_bytes(b"of an earlier version, which described none")
        check_timing_cache(older, [], overwrite=False)


def test_who_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither $HOME nor an entry in passwd, as `docker run --user` makes them."""

    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME", "TRT_MTCNN_ENGINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert engines_folder("cpu") == Path("/.cache/trt-mtcnn/engines/cpu")
