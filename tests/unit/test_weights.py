"""Weights out of the files that MTCNN is published in: conventions, damaged files, and pickles that mean harm."""

from __future__ import annotations

import importlib.util
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import lz4.frame
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtcnn import MtcnnError
from mtcnn.cli.main import main
from mtcnn.engines.networks import ARCHITECTURES
from mtcnn.export.errors import WeightsError
from mtcnn.export.network_weights import NetworkWeights
from mtcnn.export.weights import read_content, read_weights
from mtcnn.runtime.install import install_command
from tests.conftest import DATA, ROOT, need
from tests.support import weight_files as files
from tests.support.lnet import lnet_model, lnet_weights

MODELS = ROOT / "mtcnn" / "models"
NETS = tuple(ARCHITECTURES)
ORIGINALS = read_weights([MODELS])

# Files of one network each.
FORMATS: dict[str, Callable[[NetworkWeights], bytes]] = {
    "keras_2": files.keras_2,
    "keras_2_no_permute": lambda w: files.keras_2(w, permute=False),
    "keras_2_model": lambda w: files.keras_2(w, model=True),
    "mtcnn_1": files.mtcnn_1,
    "torch_zip": lambda w: files.torch_zip(files.torch_tensors(w)),
    "torch_legacy": lambda w: files.torch_legacy(files.torch_tensors(w)),
    "mtcnn_0": lambda w: files.mtcnn_0({w.network: w}),
    "caffe": files.caffe,
    "facenet_python_2": files.facenet,
    "facenet": lambda w: files.facenet(w, python_2=False),
    "onnx": lambda w: (MODELS / f"{w.network}.onnx").read_bytes(),
}
PNETS = {name: make(ORIGINALS["pnet"]) for name, make in FORMATS.items()}


def assert_same(found: NetworkWeights, expected: NetworkWeights) -> None:
    assert found.network == expected.network and list(found.layers) == list(expected.layers)
    for a, b in zip(found.arrays(), expected.arrays(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("net", NETS)
def test_the_own_models_are_read_upright(net: str) -> None:
    layers = ORIGINALS[net].layers
    initializers = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(MODELS / f"{net}.onnx").graph.initializer}
    for name, layer in layers.items():
        np.testing.assert_array_equal(layer.kernel, initializers[f"{name}.weight"].transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(layer.bias, initializers[f"{name}.bias"])
    assert sum(a.size for a in ORIGINALS[net].arrays()) == sum(a.size for a in initializers.values())


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("kind", FORMATS)
def test_each_convention(kind: str, net: str) -> None:
    (found,) = read_content(FORMATS[kind](ORIGINALS[net]), "file")
    assert_same(found, ORIGINALS[net])


def test_a_file_with_all_three(tmp_path: Path) -> None:
    together: dict[str, np.ndarray] = {}
    for net, weights in ORIGINALS.items():
        together |= files.torch_tensors(weights, f"{net}.")
    for name, content in {"a.npy": files.mtcnn_0(ORIGINALS), "b.pt": files.torch_zip(together)}.items():
        (tmp_path / name).write_bytes(content)
        found = read_weights([tmp_path / name])
        assert list(found) == list(NETS)
        for net in NETS:
            assert_same(found[net], ORIGINALS[net])


def test_folders_wheels_and_any_names(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "README.md").write_text("left alone")
    with zipfile.ZipFile(folder / "package.whl", "w") as wheel:
        wheel.writestr("package/data/rnet.lz4", files.mtcnn_1(ORIGINALS["rnet"]))
        wheel.writestr("package/__init__.py", "")
    (folder / "p.h5").write_bytes(PNETS["keras_2"])
    other = tmp_path / "no-ending"
    other.write_bytes(files.torch_legacy(files.torch_tensors(ORIGINALS["onet"])))
    found = read_weights([folder, str(other)])
    assert list(found) == list(NETS)
    assert found["rnet"].source == f"{folder / 'package.whl'}/package/data/rnet.lz4"
    assert list(read_weights(folder)) == ["pnet", "rnet"]


def test_lnet() -> None:
    for content in (files.caffe(lnet_weights()), lnet_model()):
        (found,) = read_content(content, "file")
        assert_same(found, lnet_weights())


def test_the_authors_caffe_files() -> None:
    folder = need(DATA / "caffe")
    found = read_weights([folder])
    assert list(found) == [*NETS, "lnet"]
    for net in NETS:
        assert_same(found[net], ORIGINALS[net])
    assert found["lnet"].layers["fc6"].kernel.shape == (1, 1, 320, 10)
    with pytest.raises(WeightsError, match=r"det4\.prototxt: it tells a network's layers, not its weights"):
        read_weights([folder / "det4.prototxt"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x0a\x03Net", "it has no weights"),
        (b"\x0a\x03Net\x12\x02\x0a\x00", "in Caffe's old format"),
        (b"\x0a\x03Net\xa2\x06\xff\xff\xff\xff\x0f", "it is truncated"),
        (b"\x0a\x03Net\xa2\x06\x02:\x00", "a shape that is none|truncated or damaged|the first arrays"),
        (files.caffe(lnet_weights())[:-60], "truncated"),
        (files.caffe(lnet_weights()).replace(b"fc4_3", b"fc4_9"), "it has no fc4_3"),
        (files.caffe(ORIGINALS["pnet"]) * 2, "more than one layer conv1"),
    ],
)
def test_no_caffe_models(content: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        read_content(content, "file")


def test_no_facenet_layers() -> None:
    for content, message in (
        (
            files.facenet(ORIGINALS["pnet"]).replace(b"biases", b"biaxes"),
            "a layer has biaxes, weights; in facenet's MTCNN it has weights and biases",
        ),
        (files.facenet(ORIGINALS["pnet"]).replace(b"conv2", b"conx2"), "none of facenet's MTCNN: conx2"),
    ):
        with pytest.raises(WeightsError, match=message):
            read_content(content, "file")


@pytest.mark.parametrize("net", NETS)
def test_the_weights_of_mtcnn_keras(net: str) -> None:
    found = read_weights([need(DATA / "keras_weights" / f"{net}.h5")])
    assert_same(found[net], ORIGINALS[net])


def test_a_network_twice(tmp_path: Path) -> None:
    for name in ("a.h5", "b.pt"):
        (tmp_path / name).write_bytes(PNETS["keras_2" if name == "a.h5" else "torch_zip"])
    with pytest.raises(WeightsError, match=r"b\.pt holds a pnet, and so does .*a\.h5"):
        read_weights([tmp_path])


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no file .*gone\.h5"):
        read_weights([tmp_path / "gone.h5"])
    with pytest.raises(WeightsError, match="holds no weights"):
        read_weights([tmp_path])
    with pytest.raises(WeightsError, match="cannot read .*: File name too long"):
        read_weights(["a" * 5000])
    with pytest.raises(TypeError, match=r"paths\[0\]"):
        read_weights([3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"weights", "none of the files"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "git lfs pull"),
        (b"\x08\x08rubbish", "no ONNX model"),
        (b"PK\x03\x04rubbish", "damaged zip"),
        (lz4.frame.compress(pickle.dumps("text")), "something else than a list"),
        (b"\x93NUMPY\x01\x00\x05\x00{}   ", "truncated"),
    ],
)
def test_files_of_something_else(content: bytes, said: str) -> None:
    with pytest.raises(WeightsError, match=said) as raised:
        read_content(content, "the/file.x")
    assert str(raised.value).startswith("the/file.x: ")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.05, 0.3, 0.7, 0.95])
def test_truncated(kind: str, part: float) -> None:
    content = PNETS[kind]
    with pytest.raises(WeightsError, match=r"^the/file: "):
        read_content(content[: int(part * len(content))], "the/file")


@settings(max_examples=150)
@given(st.sampled_from(sorted(FORMATS)), st.integers(0, 1 << 30), st.integers(1, 255))
def test_any_changed_byte_is_an_error_or_changes_numbers(kind: str, where: int, change: int) -> None:
    content = bytearray(PNETS[kind])
    content[where % len(content)] ^= change
    try:
        (found,) = read_content(bytes(content), "file")
    except WeightsError:
        return
    assert [a.shape for a in found.arrays()] == [a.shape for a in ORIGINALS["pnet"].arrays()]


def changed(**arrays: Any) -> NetworkWeights:
    """P-Net with another kernel, bias or slope in conv2."""
    from dataclasses import replace

    layers = dict(ORIGINALS["pnet"].layers)
    layers["conv2"] = replace(layers["conv2"], **arrays)
    return NetworkWeights("pnet", layers)


@pytest.mark.parametrize("kind", ["keras_2", "mtcnn_0", "mtcnn_1", "torch_zip"])
def test_arrays_of_other_shapes_and_numbers(kind: str) -> None:
    layer = ORIGINALS["pnet"].layers["conv2"]
    nan = layer.bias.copy()
    nan[3] = np.nan
    for weights, said in (
        (changed(kernel=layer.kernel[:, :, :, :15]), r"conv2 has the shape"),
        (changed(bias=np.zeros(17, np.float32)), r"conv2's bias has the shape \(17,\); it should have \(16,\)"),
        (changed(slope=np.zeros(4, np.float32)), "prelu2 has 4 slopes; it should have 16"),
        (changed(bias=nan), "conv2 has numbers that are not finite"),
    ):
        with pytest.raises(WeightsError, match=said):
            read_content(FORMATS[kind](weights), "file")


def test_other_models(tmp_path: Path) -> None:
    tensors = files.torch_tensors(ORIGINALS["rnet"])
    with pytest.raises(WeightsError, match="its layers are none of facenet-pytorch's MTCNN"):
        read_content(files.torch_zip({k: v for k, v in tensors.items() if not k.startswith("prelu4")}), "file")
    del tensors["dense4.bias"]
    with pytest.raises(WeightsError, match=r"has no dense4\.bias"):
        read_content(files.torch_zip(tensors), "file")
    with pytest.raises(WeightsError, match="not float32"):
        read_content(files.torch_zip(files.torch_tensors(ORIGINALS["pnet"]), files.HalfStorage), "file")
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        h5.create_dataset("x", data=np.zeros(3))
    with pytest.raises(WeightsError, match="none of Keras's"):
        read_weights([tmp_path / "x.h5"])
    missing = {net: ORIGINALS[net] for net in NETS if net != "rnet"}
    (tmp_path / "two.npy").write_bytes(files.mtcnn_0(missing))
    assert list(read_weights([tmp_path / "two.npy"])) == ["pnet", "onet"]


class Harm:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_no_pickle_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    harm = pickle.dumps([Harm(mark)], protocol=4)
    pickle.loads(harm)
    assert mark.exists()
    mark.unlink()

    npy = b"\x93NUMPY\x01\x00\x02\x00{}" + harm
    legacy = PNETS["torch_legacy"][:15] + harm
    archive = tmp_path / "x.pt"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("archive/data.pkl", harm)
    for content in (npy, legacy, archive.read_bytes(), lz4.frame.compress(harm)):
        with pytest.raises(WeightsError):
            read_content(content, "file")
    assert not mark.exists()


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("h5py", "onnx", "lz4.frame"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    for kind, content in PNETS.items():
        if kind != "mtcnn_1":
            assert_same(*read_content(content, "file"), ORIGINALS["pnet"])
    with pytest.raises(MtcnnError, match="needs lz4: " + re.escape(install_command("export"))):
        read_content(PNETS["mtcnn_1"], "file")


@pytest.mark.parametrize("array, kind", [(np.zeros((3, 2), np.float32), "<f4"), (np.zeros(3, [("a", "<f8")]), "a")])
def test_plain_arrays_are_no_weights(array: np.ndarray, kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", layer=array)
    for path, name in ((tmp_path / "a.npy", "a.npy"), (tmp_path / "b.npz", "b.npz/layer.npy")):
        with pytest.raises(
            WeightsError, match=rf"{name}: it is a NumPy file of one plain array \(.*{kind}.*pickled dict"
        ):
            read_weights([path])


def test_without_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The three networks go through Keras unless the user says otherwise: what fails says that they need not."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find(name))
    (tmp_path / "det1.caffemodel").write_bytes(files.caffe(ORIGINALS["pnet"]))
    export = ["export", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main(export) == 1 and "; --direct does without" in capfd.readouterr().err
    assert main([*export, "--direct"]) == 0 and (tmp_path / "out" / "pnet.onnx").exists()
