"""precision=: what engines compute in, how it is asked for, and what "auto" takes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mtcnn.engines.precision as precision_module
import pytrt
from mtcnn import DeviceError, EngineError, TrtMtcnn, __version__, create_engines
from mtcnn.cli.main import main
from mtcnn.engines import current_engines, engine_problem, engines_folder, read_engine
from mtcnn.engines.devices import cpu_model
from mtcnn.engines.environment import collect_environment
from mtcnn.engines.precision import choose_precision
from mtcnn.engines.settings import CPU
from mtcnn.pipeline.options import DetectorOptions

FLOAT32_KERNELS = bool(pytrt.bf16_kernels()[1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where engines are made and found."""
    monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path / "engines"))
    return tmp_path / "engines"


def precisions(paths: list[Path]) -> set[str]:
    return {read_engine(path)[1].precision for path in paths}


class TestFound:
    def test_each_precision_has_a_folder(self, folder: Path, astronaut: NDArray[np.uint8]) -> None:
        for precision, name in (("bf16", "cpu-bf16"), ("fp32", "cpu"), (None, "cpu")):
            with TrtMtcnn(device="cpu", precision=precision) as detector:  # type: ignore[arg-type]
                assert detector.precision == (precision or "fp32")
                assert len(detector.detect(astronaut)[0]) == 1
            assert precisions(sorted((folder / name).glob("*.engine"))) == {precision or "fp32"}
        assert engines_folder("tensorrt", precision="fp16") == folder / "tensorrt-fp16"

    def test_made_by_create_engines(self, folder: Path) -> None:
        paths = create_engines(precision="bf16", flavour=CPU)
        before = [path.stat().st_mtime_ns for path in paths]
        with TrtMtcnn(device="cpu", precision="bf16"):
            assert [path.stat().st_mtime_ns for path in paths] == before
        assert not (folder / "cpu" / "pnet.engine").exists()

    def test_another_precision_there_is_made_again(self, folder: Path) -> None:
        paths = create_engines(folder / "cpu", precision="bf16", flavour=CPU)
        assert engine_problem(paths[0], CPU, "pnet", precision="fp32") == "pnet.engine is bf16, not fp32"
        with pytest.raises(EngineError, match=r"pnet.engine is bf16, not fp32; run create_engines"):
            current_engines(folder / "cpu", CPU, build=False, precision="fp32")
        assert current_engines(folder / "cpu", CPU, build=False) == paths
        TrtMtcnn(device="cpu").close()
        assert precisions(paths) == {"fp32"}

    def test_a_pickle_keeps_it(self, folder: Path) -> None:
        with TrtMtcnn(device="cpu", precision="bf16") as detector:
            assert "precision='bf16'" in repr(detector)
            with pickle.loads(pickle.dumps(detector)) as other:
                assert other.precision == "bf16"


class TestOwnEngines:
    def test_theirs_is_taken(self, tmp_path: Path) -> None:
        rounded = create_engines(tmp_path / "bf16", precision="bf16", flavour=CPU)
        exact = create_engines(tmp_path / "fp32", flavour=CPU)
        for precision in (None, "bf16", "auto"):
            with TrtMtcnn(rounded, precision=precision) as detector:  # type: ignore[arg-type]
                assert detector.precision == "bf16"
        with TrtMtcnn([exact[0], *rounded[1:]]) as detector:
            assert detector.precision == "fp32, bf16, bf16"

    def test_another_one_is_refused(self, tmp_path: Path) -> None:
        rounded = create_engines(tmp_path / "bf16", precision="bf16", flavour=CPU)
        exact = create_engines(tmp_path / "fp32", flavour=CPU)
        with pytest.raises(ValueError, match=r"'fp32' is not that of engines\[0\].*'bf16': leave precision out"):
            TrtMtcnn(rounded, precision="fp32")
        with pytest.raises(ValueError, match=r"'bf16' is not that of engines\[2\].*create_engines --precision bf16"):
            TrtMtcnn([*rounded[:2], exact[2]], precision="bf16")


class TestRefused:
    @pytest.mark.parametrize("precision", ["f32", "int8", "", "FP32", 16, b"fp32", ["fp32"], True])
    def test_unknown(self, precision: Any) -> None:
        with pytest.raises(ValueError, match="precision must be 'fp32' or 'bf16' or 'fp16' or 'auto', got"):
            TrtMtcnn(device="cpu", precision=precision)

    def test_float16_on_a_cpu(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="precision 'fp16' is for GPUs.*'fp32' or 'bf16'"):
            TrtMtcnn(device="cpu", precision="fp16")
        assert not folder.exists()

    @pytest.mark.parametrize("flavour", ["tensorrt", "tensorrt-rtx"])
    def test_bfloat16_in_tensorrt(self, flavour: str) -> None:
        with pytest.raises(ValueError, match="precision 'bf16' is for CPUs: a GPU's engines are 'fp32' or 'fp16'"):
            choose_precision("bf16", flavour)
        assert choose_precision("fp16", flavour) == "fp16"
        assert choose_precision("auto", flavour) == "fp32"


class TestOptions:
    @pytest.mark.parametrize("command", ["detect", "video", "align", "verify", "embed", "demo", "serve", "bench"])
    def test_every_command_that_detects_has_it(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--precision", "int8", "x.jpg", "y.jpg"])
        assert stopped.value.code == 2
        assert "'--precision': 'int8' is not one of 'fp32', 'bf16', 'fp16', 'auto'" in capsys.readouterr().err

    def test_detect(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["detect", "docs/images/astronaut.jpg", "--device", "cpu", "--precision"]
        assert main([*arguments, "bf16"]) == 0
        assert (folder / "cpu-bf16" / "onet.engine").exists()
        capsys.readouterr()
        assert main([*arguments, "fp16"]) == 2
        assert capsys.readouterr().err.startswith("mtcnn: --precision 'fp16' is for GPUs")

    def test_no_build(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        create_engines(folder / "cpu-bf16", precision="bf16", flavour=CPU)
        check = ["engines", "--flavour", CPU, "--no-build"]
        assert main([*check, "--precision", "bf16"]) == 0
        assert main([*check, "--output", str(folder / "cpu-bf16")]) == 0
        assert main(check) == 1
        assert main([*check, "--output", str(folder / "cpu-bf16"), "--precision", "fp32"]) == 1
        assert "pnet.engine is bf16, not fp32" in capsys.readouterr().err

    def test_records_name_it_where_it_matters(self) -> None:
        exact, rounded = (DetectorOptions("fast", 40, precision=precision) for precision in ("fp32", "bf16"))
        assert exact.settings() == {"preset": "fast", "minsize": 40}  # as records have it that know no precision
        assert rounded.settings() == {"preset": "fast", "minsize": 40, "precision": "bf16"}
        assert exact.params() == rounded.params()


class TestInfo:
    def test_engines_by_precision(self, folder: Path) -> None:
        assert list(collect_environment()["engines"]) == ["cpu", "tensorrt", "tensorrt-rtx", "cuda"]
        create_engines(precision="bf16", flavour=CPU)
        engines = collect_environment()["engines"]
        assert engines["cpu-bf16"] == f"ready in {folder / 'cpu-bf16'}, without L-Net, which is optional"
        (folder / "cpu-bf16" / "rnet.engine").write_bytes(b"")
        assert "mtcnn engines --flavour cpu --precision bf16" in collect_environment()["engines"]["cpu-bf16"]["missing"]

    def test_kernels(self) -> None:
        kernels, reason = pytrt.bf16_kernels()
        told = collect_environment()["CPU"]["bf16 kernels"]
        assert kernels in told and reason in told


@pytest.mark.skipif(not FLOAT32_KERNELS, reason="bf16 has kernels of its own here")
class TestWithoutKernels:
    """Where no kernels in bfloat16 are faster, engines of bf16 run on those of float32."""

    def test_results_are_those_of_float32(self, folder: Path, astronaut: NDArray[np.uint8]) -> None:
        found = [TrtMtcnn(device="cpu", precision=precision).detect(astronaut) for precision in ("fp32", "bf16")]  # type: ignore[arg-type]
        for exact, rounded in zip(*found, strict=True):
            np.testing.assert_array_equal(exact, rounded)

    def test_auto_is_float32_and_times_nothing(self, folder: Path) -> None:
        with TrtMtcnn(device="cpu", precision="auto") as detector:
            assert detector.precision == "fp32"
        assert [path.name for path in folder.iterdir()] == ["cpu"]


class TestMeasured:
    """What "auto" takes where bf16 has kernels of its own: here the emulated ones, which are slow."""

    @pytest.fixture(autouse=True)
    def kernels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_AMX", "emulated")

    def test_once_for_all_processes(self, folder: Path) -> None:
        with TrtMtcnn(device="cpu", precision="auto") as detector:
            assert detector.precision == "fp32"
        kept = json.loads((folder / "precision.json").read_text())
        assert kept.keys() == {"format", "version", "CPU", "kernels", "times_faster"}
        assert kept["kernels"] == "emulated_amx" and 0 < kept["times_faster"] < 0.5
        told = collect_environment()["CPU"]["bf16 kernels"]
        assert told == f"emulated_amx, {kept['times_faster']:.2f} times as fast as fp32; WARNING: fp32 is faster"
        for ratio, taken in ((1.49, "fp32"), (1.5, "bf16"), (4.0, "bf16")):
            (folder / "precision.json").write_text(json.dumps(kept | {"times_faster": ratio}))
            forget()
            with TrtMtcnn(device="cpu", precision="auto") as detector:
                assert detector.precision == taken
        assert "WARNING" not in collect_environment()["CPU"]["bf16 kernels"]

    @pytest.mark.parametrize(
        "change", [{"CPU": "another"}, {"kernels": "amx"}, {"version": "0"}, {"times_faster": "9"}, None]
    )
    def test_another_machine_s_is_not_taken(self, change: dict[str, Any] | None, folder: Path) -> None:
        kept = {"format": 1, "version": __version__, "CPU": cpu_model(), "kernels": "emulated_amx"}
        file = folder / "precision.json"
        folder.mkdir()
        file.write_text("[" if change is None else json.dumps(kept | {"times_faster": 9.0} | change))
        assert choose_precision("auto", CPU) == "fp32"
        assert json.loads(file.read_text())["times_faster"] < 0.5

    @pytest.mark.parametrize("ratio", ["Infinity", "1e400", "NaN", "0.0", "-2.0", "true", "2", "null", "[2.0]"])
    def test_what_no_timing_gives_is_not_taken(self, ratio: str, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(f'{{"times_faster": {ratio}}}')
        assert precision_module._read(tmp_path / "a.json", {}) is None

    def test_where_nothing_can_be_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path / "file"))
        assert choose_precision("auto", CPU) == "fp32"

    def test_a_variable_that_says_nothing_known(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_AMX", "yes")
        assert "it can be off or emulated" in collect_environment()["CPU"]["bf16 kernels"]
        for precision in ("auto", "bf16"):
            with pytest.raises(DeviceError, match="TRT_MTCNN_AMX"):
                TrtMtcnn(device="cpu", precision=precision)  # type: ignore[arg-type]
        TrtMtcnn(device="cpu").close()


def forget() -> None:
    """As in a new process."""
    precision_module._kept_ratio.cache_clear()


@pytest.fixture(autouse=True)
def new_process() -> None:
    forget()


def test_no_folder_for_what_no_detector_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path))
    with pytest.raises(ValueError, match="precision 'fp16' is for GPUs"):
        create_engines(precision="fp16", flavour="cpu")
    assert list(tmp_path.iterdir()) == []
