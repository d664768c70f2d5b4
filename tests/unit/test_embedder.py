"""FaceEmbedder against the same arithmetic in NumPy, for each kind of model it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mtcnn import EngineError, FaceEmbedder
from tests.conftest import ROOT
from tests.support.embedders import LENGTH, SIDE, expected, make_embedder
from tests.support.pictures import noise

CROPS = np.stack([noise(SIDE, SIDE, grain=8, seed=i) for i in range(5)])


def embed(path: Path, crops: np.ndarray = CROPS, **options: object) -> np.ndarray:
    return FaceEmbedder(path, mirror=False, **options).embed(crops)  # type: ignore[arg-type]


@pytest.mark.parametrize("output_rank", [2, 4])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("batch", ["n", 1, 2])
def test_layouts_ranks_and_fixed_batches(tmp_path: Path, output_rank: int, layout: str, batch: int | str) -> None:
    path = make_embedder(tmp_path / "m.onnx", layout=layout, output_rank=output_rank, batch=batch)
    found = embed(path)
    assert found.shape == (5, LENGTH) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected(CROPS), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 3, 32])
def test_batches_change_nothing(tmp_path: Path, batch: int) -> None:
    path = make_embedder(tmp_path / "m.onnx")
    np.testing.assert_allclose(embed(path, batch=batch), expected(CROPS), atol=1e-5)


@pytest.mark.parametrize(
    ("said", "mean", "scale"),
    [("NominalRange_0_255", 0, 1), ("Normalized_0_1", 0, 1 / 255), ("Normalized_1_1", 127.5, 1 / 127.5)],
)
def test_metadata_is_read(tmp_path: Path, said: str, mean: float, scale: float) -> None:
    metadata = {"Image.NominalPixelRange": said, "Image.BitmapPixelFormat": "Bgr8"}
    path = make_embedder(tmp_path / "m.onnx", metadata=metadata)
    np.testing.assert_allclose(embed(path), expected(CROPS, mean, scale, bgr=True), atol=1e-5)
    assert "colours='bgr'" in repr(FaceEmbedder(path))
    # what is given wins
    mine = embed(path, colours="rgb", mean=10, scale=0.5)
    np.testing.assert_allclose(mine, expected(CROPS, 10, 0.5), atol=1e-5)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_model_that_normalises_gets_levels(tmp_path: Path, layout: str) -> None:
    path = make_embedder(tmp_path / "m.onnx", first=(100, 0.01), layout=layout)
    np.testing.assert_allclose(embed(path), expected(CROPS, 100, 0.01), atol=1e-5)


def test_mirror_adds_the_mirror_image(tmp_path: Path) -> None:
    path = make_embedder(tmp_path / "m.onnx")
    both = expected(CROPS) + expected(CROPS[:, :, ::-1])
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    found = FaceEmbedder(path).embed(CROPS)
    np.testing.assert_allclose(found, both, atol=1e-5)
    np.testing.assert_allclose(found, FaceEmbedder(path).embed(CROPS[:, :, ::-1]), atol=1e-5)


def test_any_size_must_be_given(tmp_path: Path) -> None:
    path = make_embedder(tmp_path / "m.onnx", side="s")
    with pytest.raises(ValueError, match=r"any size.*size=\(112, 112\)"):
        FaceEmbedder(path)
    np.testing.assert_allclose(embed(path, size=(SIDE, SIDE)), expected(CROPS), atol=1e-5)
    assert FaceEmbedder(path, size=(128, 96)).size == (128, 96)
    with pytest.raises(ValueError, match="size must be 12 to 4096"):
        FaceEmbedder(path, size=(8, 8))


def test_no_crops(tmp_path: Path) -> None:
    assert embed(make_embedder(tmp_path / "m.onnx"), CROPS[:0]).shape[0] == 0


def test_a_list_without_crops(tmp_path: Path) -> None:
    assert embed(make_embedder(tmp_path / "m.onnx"), []).shape == (0, LENGTH)  # type: ignore[arg-type]


class Device:
    """As torch.device("cpu") is shown."""

    def __str__(self) -> str:
        return "cpu"


@pytest.mark.parametrize("device", ["cpu", Device(), None])
def test_devices_by_their_names(tmp_path: Path, device: object) -> None:
    found = embed(make_embedder(tmp_path / "m.onnx"), device=device)
    np.testing.assert_allclose(found, expected(CROPS), atol=1e-5)


def test_what_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='device must be "auto", "cpu", "cuda" or "cuda:N", got \'tpu\''):
        embed(make_embedder(tmp_path / "m.onnx"), device="tpu")


def test_a_missing_model_is_told_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="No such file or directory; none comes with this package.*curl -LO https://"):
        embed(tmp_path / "gone.onnx")


def test_several_outputs_need_a_name(tmp_path: Path) -> None:
    path = make_embedder(tmp_path / "m.onnx", extra_output=True)
    with pytest.raises(ValueError, match='several outputs.*output="flat", of flat, other'):
        FaceEmbedder(path)
    with pytest.raises(ValueError, match="no output 'nonsense'"):
        FaceEmbedder(path, output="nonsense")
    np.testing.assert_allclose(embed(path, output="flat"), expected(CROPS), atol=1e-5)


def test_wrong_models(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EngineError, match="cannot read the embedder .*nothing.onnx"):
        FaceEmbedder(tmp_path / "nothing.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    for content in (
        b"not a model",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"node { name: 'a' }",
        b"<net/>",
        b"\x08\x08" * 200_000,
    ):
        broken.write_bytes(content)
        with pytest.raises(EngineError, match="broken.onnx is no model that OpenVINO can read: it is no ONNX"):
            FaceEmbedder(broken)
    assert capfd.readouterr() == ("", "")
    whole = bytearray(make_embedder(tmp_path / "whole.onnx").read_bytes())
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EngineError, match="broken.onnx is no model that OpenVINO can read"):
        FaceEmbedder(broken)
    with pytest.raises(EngineError, match="neither four"):
        FaceEmbedder(make_embedder(tmp_path / "rank.onnx", output_rank=3))
    pnet = Path(__file__).parents[2] / "mtcnn" / "models" / "pnet.onnx"
    with pytest.raises(ValueError, match="several outputs"):
        FaceEmbedder(pnet, size=(112, 112))
    with pytest.raises(EngineError, match="asks for pixels in Strange"):
        FaceEmbedder(make_embedder(tmp_path / "range.onnx", metadata={"Image.NominalPixelRange": "Strange"}))


def test_weights_in_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read from nowhere, and the message says how to make one file of it."""
    import onnx

    model = onnx.load(make_embedder(tmp_path / "m.onnx"))
    monkeypatch.chdir(tmp_path)
    for location in ("weights", "../secret", str(tmp_path / "weights")):
        del model.graph.initializer[:]
        tensor = model.graph.initializer.add(name="weights", data_type=1, dims=[4])
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(
            EngineError, match=r"lies in other files: onnx\.save\(onnx\.load\('m\.onnx'\), 'm-whole\.onnx'\)"
        ):
            FaceEmbedder("m.onnx")


def test_wrong_arguments(tmp_path: Path) -> None:
    path = make_embedder(tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"size is \(96, 96\), but the embedder takes \(112, 112\)"):
        FaceEmbedder(path, size=(96, 96))
    for name, value in [("colours", "gray"), ("batch", 0), ("mirror", 2), ("mean", "x"), ("scale", float("nan"))]:
        with pytest.raises((ValueError, TypeError), match=f"^{name} must be"):
            FaceEmbedder(path, **{name: value})  # type: ignore[arg-type]
    embedder = FaceEmbedder(path)
    for crops in (CROPS[0], CROPS.astype(np.float32), CROPS[:, :50], [1]):
        with pytest.raises(ValueError, match=r"crops must be uint8 \(n, 112, 112, 3\)"):
            embedder.embed(crops)  # type: ignore[arg-type]


def test_vectors_of_zeros_are_an_error(tmp_path: Path) -> None:
    path = make_embedder(tmp_path / "m.onnx")
    with pytest.raises(EngineError, match="zeros, NaN or infinity"):
        embed(path, np.zeros((1, SIDE, SIDE, 3), np.uint8), mean=0)


def test_threads_share_one(tmp_path: Path) -> None:
    embedder = FaceEmbedder(make_embedder(tmp_path / "m.onnx"), mirror=False, batch=2)
    found: dict[int, np.ndarray] = {}

    def work(i: int) -> None:
        for _ in range(20):
            found[i] = embedder.embed(CROPS[: i + 1])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, vectors in found.items():
        np.testing.assert_allclose(vectors, expected(CROPS[: i + 1]), atol=1e-5)
    assert len(found) == 4


def test_a_plan_is_built_once(tmp_path: Path) -> None:
    """On the CPU, by TensorRT-RTX where it is installed."""
    from mtcnn.engines import engines_folder
    from mtcnn.errors import DeviceError
    from mtcnn.recognition.embedder_plan import embedder_plan

    model = make_embedder(tmp_path / "m.onnx").read_bytes()
    try:
        plan = embedder_plan(model, (1, 3, SIDE, SIDE), 8, flavour="tensorrt-rtx")
    except DeviceError as error:
        pytest.skip(str(error))
    kept = list((engines_folder("tensorrt-rtx") / "embedders").glob("*.plan"))
    assert [path.read_bytes() for path in kept] == [plan]
    assert embedder_plan(model, (1, 3, SIDE, SIDE), 8, flavour="tensorrt-rtx") == plan
    embedder_plan(model, (1, 3, SIDE, SIDE), 4, flavour="tensorrt-rtx")
    assert len(list(kept[0].parent.glob("*.plan"))) == 2


def test_nobody_is_told(tmp_path: Path) -> None:
    """OpenVINO's telemetry begins with a file in the user's home."""
    pytest.importorskip("openvino_telemetry")
    model = make_embedder(tmp_path / "m.onnx")
    home = tmp_path / "home"
    home.mkdir()
    code = "import sys; from mtcnn import FaceEmbedder; FaceEmbedder(sys.argv[1]); import openvino_telemetry"
    environment = os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code, model], cwd=ROOT, env=environment, check=True, timeout=60)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "computed"])
def test_a_small_file_that_asks_for_terabytes_is_refused(tmp_path: Path, kind: str) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    path = make_embedder(tmp_path / "m.onnx")
    model = onnx.load(path)
    side = 1 << (10 if kind == "computed" else 20)
    model.graph.initializer.append(helper.make_tensor("sides", TensorProto.INT64, [2], [side, side]))
    model.graph.initializer.append(helper.make_tensor("one", TensorProto.FLOAT, [1, 1], [1]))
    nodes = {
        "ConstantOfShape": [("ConstantOfShape", ["sides"], "huge")],
        "Expand": [("Expand", ["one", "sides"], "huge")],
        "Tile": [("Tile", ["one", "sides"], "huge")],
        "computed": [("Mul", ["sides", "sides"], "product"), ("ConstantOfShape", ["product"], "huge")],
    }[kind]
    nodes += [("ReduceSum", ["huge"], "sum"), ("Add", ["flat", "sum"], "vector")]
    model.graph.node.extend(helper.make_node(op, takes, [makes]) for op, takes, makes in nodes)
    model.graph.output[0].name = "vector"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(EngineError, match="makes an array of 1048576 x 1048576"):
        FaceEmbedder(path)
