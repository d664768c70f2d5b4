"""`mtcnn triton`: what it writes, and what it refuses to overwrite. No server is needed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtcnn.cli.main import main
from mtcnn.engines import NETWORKS, models_folder
from mtcnn.engines.libraries import tensorrt_libraries
from mtcnn.engines.onnx_layouts import INPUT_NAMES, LAYOUTS
from mtcnn.errors import DeviceError, EngineError, MtcnnError
from mtcnn.serving import repository, write_repository
from tests.conftest import ROOT
from tests.support.lnet import lnet_model

MODELS = repository.MODELS
SIDES = {"pnet": 37, "rnet": 24, "onet": 48}


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def parsed(config: Path) -> Any:
    """config.pbtxt as Triton reads it: a ModelConfig, whose fields are checked by name and type."""
    reason = "reading config.pbtxt needs tritonclient"
    proto = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason=reason)
    from google.protobuf import text_format

    return text_format.Parse(config.read_text(), proto.ModelConfig())


def shapes(tensors: Any) -> dict[str, list[int]]:
    return {tensor.name: list(tensor.dims) for tensor in tensors}


class TestConfigs:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("backend", ["onnxruntime", "python"])
    def test_networks(self, backend: str, layout: str, tmp_path: Path) -> None:
        pytest.importorskip("onnx")
        write_repository(tmp_path, backend=backend, layout=layout, max_batch={"pnet": 3}, instances={"rnet": 2})
        for network in NETWORKS:
            config = parsed(tmp_path / network / "config.pbtxt")
            assert config.name == network and config.backend == backend and config.platform == ""
            assert config.max_batch_size == {"pnet": 3, "rnet": 256, "onet": 64}[network]
            assert [group.count for group in config.instance_group] == [2 if network == "rnet" else 1]
            assert config.HasField("dynamic_batching")
            assert ("1/model.py" in files(tmp_path / network)) == (backend == "python")

    def test_lnet_where_there_is_one(self, tmp_path: Path) -> None:
        models, root = tmp_path / "models", tmp_path / "root"
        models.mkdir()
        for network in NETWORKS:
            shutil.copy(models_folder() / f"{network}.onnx", models)
        (models / "lnet.onnx").write_bytes(lnet_model())
        made = write_repository(root, models=models, backend="python", max_batch={"lnet": 5})
        assert [path.name for path in made] == [*NETWORKS, "lnet", "mtcnn"]
        config = parsed(root / "lnet" / "config.pbtxt")
        assert config.max_batch_size == 5 and shapes(config.input) == {"data": [15, 24, 24]}
        assert shapes(config.output) == {"landmarks": [10, 1, 1]}
        assert (root / "lnet" / "1" / "model.onnx").read_bytes() == lnet_model()
        (models / "lnet.onnx").write_bytes(b"\x08\x08")
        with pytest.raises(EngineError, match=r"lnet\.onnx is no ONNX model"):
            write_repository(tmp_path / "other", models=models, backend="python")
        assert [path.name for path in write_repository(tmp_path / "three", backend="python")] == [*NETWORKS, "mtcnn"]

    def test_plans(self, tmp_path: Path) -> None:
        for layout in LAYOUTS:
            config = repository.network_config("onet", "tensorrt", layout, 64, 2, {})
            path = tmp_path / f"{layout}.pbtxt"
            path.write_text(config.text())
            read = parsed(path)
            assert read.platform == "tensorrt_plan" and read.backend == ""
            assert [(group.count, group.kind) for group in read.instance_group] == [(2, 1)]  # KIND_GPU
            assert shapes(read.input) == ({"data": [3, 48, 48]} if layout == "nchw" else {"input_1": [48, 48, 3]})

    def test_cascade(self, tmp_path: Path) -> None:
        write_repository(
            tmp_path, backend="python", preset="fast", minsize=20.5, max_pixels=123, max_work=70, threads=3
        )
        config = parsed(tmp_path / "mtcnn" / "config.pbtxt")
        assert config.backend == "python" and config.max_batch_size == 16
        assert shapes(config.input) == {"image": [1], "pixels": [-1, -1, -1]}
        assert all(tensor.optional for tensor in config.input) and config.input[1].allow_ragged_batch
        assert shapes(config.output) == {"dets": [-1, 5], "landmarks": [-1, 10], "count": [1]}
        given = {key: value.string_value for key, value in config.parameters.items()}
        assert given == {"preset": "fast", "minsize": "20.5", "max_pixels": "123", "max_work": "70", "threads": "3"}

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_onnx_models_are_as_their_configs_say(self, layout: str, tmp_path: Path) -> None:
        """What Triton's onnxruntime backend checks when it loads a model: names, types, shapes; and a batch of two."""
        ort = pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
        write_repository(tmp_path, backend="onnxruntime", layout=layout)
        rng = np.random.default_rng(0)
        for network, side in SIDES.items():
            config = repository.network_config(network, "onnxruntime", layout, 8, 1, {})
            session = ort.InferenceSession(str(tmp_path / network / "1" / "model.onnx"))
            for said, found in ((config.inputs, session.get_inputs()), (config.outputs, session.get_outputs())):
                assert [tensor.name for tensor in said] == [tensor.name for tensor in found]
                for tensor, real in zip(said, found):
                    assert (tensor.data_type, real.type) == ("TYPE_FP32", "tensor(float)")
                    assert [-1 if isinstance(dim, str) else dim for dim in real.shape] == [-1, *tensor.dims]
            data = rng.uniform(-1, 1, (2, 3, side, side + (5 if network == "pnet" else 0))).astype(np.float32)
            original = ort.InferenceSession(str(models_folder() / f"{network}.onnx"))
            want = original.run(None, {"data": data})
            given = data if layout == "nchw" else data.transpose(0, 2, 3, 1)
            found = session.run(None, {INPUT_NAMES[layout]: np.ascontiguousarray(given)})
            for a, b, tensor in zip(want, found, config.outputs):
                if layout == "nhwc":
                    a = a.transpose(0, 2, 3, 1) if network == "pnet" else a[:, :, 0, 0]
                np.testing.assert_array_equal(a, b)
                assert all(dim in (-1, size) for dim, size in zip(tensor.dims, b.shape[1:], strict=True))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plans_are_built_for_the_layout(layout: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By TensorRT-RTX, which needs no GPU; Triton itself takes those of the whole TensorRT."""
    pytest.importorskip("onnx")
    import pytrt

    try:
        tensorrt_libraries("tensorrt-rtx")
    except DeviceError as error:
        pytest.skip(str(error))
    if not pytrt.tensorrt_versions():
        pytest.skip("this build was made without TensorRT's headers")
    monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path))
    model = (models_folder() / "rnet.onnx").read_bytes()
    if layout == "nhwc":
        model = repository.to_channels_last(model)
    plan = repository.build_plan("rnet", model, layout, 16, "tensorrt-rtx")
    assert len(plan) > 100_000


class TestWriting:
    @pytest.fixture
    def written(self, tmp_path: Path) -> Path:
        (tmp_path / "theirs" / "1").mkdir(parents=True)
        (tmp_path / "theirs" / "config.pbtxt").write_text("name: 'theirs'")
        assert write_repository(tmp_path, backend="python") == [tmp_path / name for name in MODELS]
        return tmp_path

    def test_again_with_other_settings(self, written: Path) -> None:
        before = files(written)
        (written / "mtcnn" / "1" / "__pycache__").mkdir()
        (written / "mtcnn" / "1" / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"x")  # as the server leaves it
        write_repository(written, backend="python", max_batch={"mtcnn": 4})
        after = files(written)
        assert after.keys() == before.keys()
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"mtcnn/config.pbtxt", "mtcnn/.mtcnn-triton.json"}
        assert sorted(p.name for p in written.iterdir()) == sorted([*MODELS, "theirs", ".lock"])

    @pytest.mark.parametrize("what", ["edited", "added", "deleted", "theirs", "record", "file", "link"])
    def test_what_is_not_ours_is_kept_unless_forced(self, what: str, written: Path) -> None:
        model = written / "rnet"
        if what == "edited":
            (model / "config.pbtxt").write_text((model / "config.pbtxt").read_text() + "# tuned\n")
        elif what == "added":
            (model / "2").mkdir()
            (model / "2" / "model.onnx").write_bytes(b"newer")
        elif what == "deleted":
            (model / "config.pbtxt").unlink()
        elif what == "record":
            (model / ".mtcnn-triton.json").write_text("[1]")
        else:
            model.rename(written.parent / f"{written.name}-moved")
            if what == "theirs":
                (model / "1").mkdir(parents=True)
                (model / "1" / "model.plan").write_bytes(b"theirs")
            elif what == "file":
                model.write_text("a file")
            else:
                model.symlink_to("nowhere")
        before = files(written)
        with pytest.raises(MtcnnError, match="rnet"):
            write_repository(written, backend="python", max_batch={"pnet": 2})
        assert files(written) == before
        write_repository(written, backend="python", max_batch={"pnet": 2}, force=True)
        write_repository(written, backend="python")
        assert (written / "theirs" / "config.pbtxt").read_text() == "name: 'theirs'"

    def test_models_that_are_read_are_not_replaced(self, tmp_path: Path) -> None:
        """Not even where all of a folder may be."""
        place, link = tmp_path / "pnet" / "1", tmp_path / "link"
        shutil.copytree(models_folder(), place)
        link.symlink_to(place)
        before = files(tmp_path)
        for models in (place, link, tmp_path / "pnet" / ".." / "pnet" / "1"):
            with pytest.raises(MtcnnError, match="pnet.onnx would be overwritten with what is made of it"):
                write_repository(tmp_path, models=models, backend="python", force=True)
        assert files(tmp_path) == before
        (tmp_path / "rnet").symlink_to(place)  # a link is replaced, not what it leads to
        write_repository(tmp_path / "new", models=place, backend="python", force=True)
        assert files(place) == files(models_folder())

    def test_only_what_it_left_itself_is_removed(self, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = (".mtcnn-new-mine", ".mtcnn-new-abcd1234", ".new.mtcnn-0123456789abcdef01234567")
        mine = [written / name for name in names]
        for folder in mine:
            folder.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr("mtcnn.serving.repository.shutil.rmtree", lambda *arguments, **options: None)  # as if killed
            write_repository(written, backend="python")
        assert len(list(written.glob(".new.*"))) == 2
        write_repository(written, backend="python")
        assert list(written.glob(".new.*")) == mine[2:] and all(folder.is_dir() for folder in mine)

    @pytest.mark.parametrize("failing", range(1, 9))
    def test_a_failure_midway_leaves_what_was_there(
        self, failing: int, written: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, rename, calls = files(written), Path.rename, []

        def fail_once(path: Path, target: Path) -> Path:
            calls.append(path)
            if len(calls) == failing:
                raise OSError(28, "No space left on device")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fail_once)
        with pytest.raises(MtcnnError, match="No space left on device"):
            write_repository(written, backend="python", max_batch=dict.fromkeys(MODELS, 2))
        assert files(written) == before
        assert sorted(p.name for p in written.iterdir()) == sorted([*MODELS, "theirs", ".lock"])

    @pytest.mark.slow
    def test_killed_at_any_moment_each_model_is_whole(self, tmp_path: Path) -> None:
        code = """
import sys
from mtcnn.serving import write_repository
for i in range(1, 100000):
    write_repository(sys.argv[1], backend="python", max_batch=dict.fromkeys(("pnet", "rnet", "onet", "mtcnn"), i))
    print(i, flush=True)
"""
        for delay in (0.0, 0.003, 0.007, 0.013, 0.02):
            with subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, env=dict(os.environ)
            ) as writer:
                assert writer.stdout is not None and writer.stdout.readline()
                time.sleep(delay)
                writer.send_signal(signal.SIGKILL)
            for name in MODELS:
                if (tmp_path / name).exists():
                    repository._check_model(tmp_path / name)
            write_repository(tmp_path, backend="python")
            assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*MODELS, ".lock"])

    def test_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(MtcnnError, match="choose another folder"):
            write_repository(tmp_path / "file" / "repository", backend="python")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("backend", "caffe"),
        ("device", "cuda:x"),
        ("layout", "chwn"),
        ("preset", "best"),
        ("minsize", 3),
        ("max_pixels", 0),
        ("max_work", 0),
        ("threads", -1),
        ("max_batch", {"pnet": 0}),
        ("max_batch", {"qnet": 1}),
        ("instances", {"mtcnn": 1.5}),
    ],
)
def test_wrong_arguments_are_named(argument: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError), match=argument):
        write_repository(tmp_path / "repository", **{"backend": "python", argument: value})
    assert not (tmp_path / "repository").exists()


def test_plans_need_a_gpu(tmp_path: Path) -> None:
    import pytrt

    if not pytrt.cuda_driver()[0]:
        pytest.skip("this machine has a GPU")
    for settings in ({"backend": "tensorrt"}, {"backend": "python", "device": "cuda"}):
        with pytest.raises(DeviceError, match="NVIDIA driver"):
            write_repository(tmp_path / "repository", **settings)
    assert not (tmp_path / "repository").exists()


class TestCommand:
    def test_writes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        options = ["--backend", "python", "--max-batch", "4", "--max-batch", "rnet=32", "--instances", "mtcnn=2"]
        assert main(["triton", str(tmp_path), *options, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == [str(tmp_path / name) for name in MODELS]
        configs = {name: (tmp_path / name / "config.pbtxt").read_text() for name in MODELS}
        assert "max_batch_size: 4\n" in configs["pnet"] and "max_batch_size: 32\n" in configs["rnet"]
        assert "count: 2," in configs["mtcnn"] and "count: 1," in configs["pnet"]

    def test_refuses(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["triton", str(tmp_path), "--max-batch", "qnet=3"]) == 2
        assert "pnet, rnet, onet, lnet, mtcnn" in capsys.readouterr().err
        (tmp_path / "pnet").mkdir()
        assert main(["triton", str(tmp_path), "--backend", "python"]) == 1
        assert "--force" in capsys.readouterr().err
        assert main(["triton", str(tmp_path), "--backend", "python", "--force"]) == 0
