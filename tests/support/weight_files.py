"""Files of weights as other packages write them, made of the weights that come with this one."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import lz4.frame
import numpy as np
from numpy.typing import NDArray

from mtcnn.engines.networks import ARCHITECTURES
from mtcnn.export.network_weights import NetworkWeights

Array = NDArray[np.float32]
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def keras_2(weights: NetworkWeights, permute: bool = True, model: bool = False) -> bytes:
    """As mtcnn-keras: weights alone; dense rows (channels, x, y) with a Permute layer, else (y, x, channels)."""
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        top = h5.create_group("model_weights") if model else h5
        names = ["input_1"]
        top.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for name, kernel, bias, slope in _flat(weights):
            if kernel.shape[0] == 3 and name.startswith("fc"):
                rows = kernel.transpose(2, 1, 0, 3) if permute else kernel
                kernel = rows.reshape(-1, kernel.shape[3])
                if permute:
                    names.append("permute_1")
                    top.create_group("permute_1").attrs["weight_names"] = np.array([], "S1")
            elif name.startswith("fc"):
                kernel = kernel.reshape(kernel.shape[2:])
            layer = name.replace("fc", "conv")
            names.append(layer)
            _keras_layer(top, layer, {"kernel:0": kernel, "bias:0": bias})
            if slope is not None:
                activation = layer.replace("conv", "prelu")
                names.append(activation)
                _keras_layer(top, activation, {"alpha:0": slope.reshape(1, 1, -1) if kernel.ndim == 4 else slope})
        top.attrs["layer_names"] = np.array([name.encode() for name in names])
    return file.getvalue()


def caffe(weights: NetworkWeights, prelu: str = "prelu") -> bytes:
    """As the authors' .caffemodel: first axis x, dense rows (channels, x, y); R-Net with the landmarks nobody uses.

    prelu: how their PReLUs are called: P-Net's "PReLU".
    """
    layers: list[tuple[str, list[Array]]] = []
    if weights.network == "lnet":
        layers = _caffe_lnet(weights)
    else:
        for name, kernel, bias, slope in _flat(weights):
            blob = kernel.transpose(3, 2, 1, 0)
            if name.startswith("fc"):
                blob = blob.reshape(blob.shape[0], -1)
            layers.append((name.replace("fc", "conv"), [blob, bias]))
            if slope is not None:
                layers.append((name.replace("conv", prelu).replace("fc", prelu), [slope]))
        if weights.network == "rnet":
            layers.append(("conv5-3", [np.ones((10, 128), np.float32), np.ones(10, np.float32)]))
    out = _field(1, b"Net") + _field(100, _field(1, b"data") + _field(2, b"HDF5Data"))
    for name, blobs in layers:
        out += _field(100, _field(1, name.encode()) + b"".join(_field(7, _caffe_blob(blob)) for blob in blobs))
    return out


def _caffe_lnet(weights: NetworkWeights) -> list[tuple[str, list[Array]]]:
    layers: list[tuple[str, list[Array]]] = []
    for tower in range(5):
        for i in (1, 2, 3):
            layer = weights.layers[f"conv{i}"]
            share = slice(len(layer.bias) // 5 * tower, len(layer.bias) // 5 * (tower + 1))
            assert layer.slope is not None
            layers.append((f"conv{i}_{tower + 1}", [layer.kernel[..., share].transpose(3, 2, 1, 0), layer.bias[share]]))
            layers.append((f"prelu{i}_{tower + 1}", [layer.slope[share]]))
    dense, branches, heads = (weights.layers[name] for name in ("fc4", "fc5", "fc6"))
    assert dense.slope is not None and branches.slope is not None
    layers += [("fc4", [dense.kernel.transpose(3, 2, 1, 0).reshape(256, -1), dense.bias]), ("prelu4", [dense.slope])]
    for i in range(5):
        share = slice(64 * i, 64 * i + 64)
        layers.append((f"fc4_{i + 1}", [branches.kernel[0, 0, :, share].T, branches.bias[share]]))
        layers.append((f"prelu4_{i + 1}", [branches.slope[share]]))
        layers.append((f"fc5_{i + 1}", [heads.kernel[0, 0, share, i::5].T, heads.bias[i::5]]))
    return layers


def _caffe_blob(array: Array) -> bytes:
    dims = b"".join(_varint(side) for side in array.shape)
    return _field(5, np.ascontiguousarray(array, "<f4").tobytes()) + _field(7, _field(1, dims))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def facenet(weights: NetworkWeights, python_2: bool = True) -> bytes:
    """As facenet's align/det1.npy: dictionaries by layer, in no order; x, y, in, out; dense rows (x, y, channels).

    python_2: whether the pickle holds an array's numbers as text, as Python 2 wrote them.
    """
    layers: dict[str, dict[str, Array]] = {}
    for name, kernel, bias, slope in _flat(weights):
        array = kernel.transpose(1, 0, 2, 3)
        if name.startswith("fc"):
            array = array.reshape(-1, array.shape[3])
        layers[name.replace("fc", "conv")] = {"weights": np.ascontiguousarray(array), "biases": bias}
        if slope is not None:
            activation = "PReLU" if weights.network == "pnet" else "prelu"
            layers[name.replace("conv", activation).replace("fc", activation)] = {"alpha": slope}
    layers = dict(sorted(layers.items(), key=lambda item: hash(item[0][::-1]) % 7 + len(item[0])))
    file = io.BytesIO()
    np.save(file, np.array(layers, dtype=object), allow_pickle=True)
    if not python_2:
        return file.getvalue()
    content = file.getvalue()
    start = content.index(b"\n", 64) + 1
    return content[:start] + _as_python_2(layers)


def _as_python_2(layers: Mapping[str, Mapping[str, Array]]) -> bytes:
    """The pickle of a 0-d object array around a dictionary, by opcodes of protocol 2 alone."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    def array(value: Array) -> bytes:
        shape = b"(" + b"".join(b"M" + struct.pack("<H", side) for side in value.shape) + b"t"
        dtype = b"cnumpy\ndtype\n(" + text("f4") + b"K\x00K\x01tR(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xff"
        dtype += b"J\xff\xff\xff\xffK\x00tb"
        data = np.ascontiguousarray(value, "<f4").tobytes()
        new = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text("b") + b"tR"
        return new + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"

    inner = b"}(" + b"".join(
        text(name) + b"}(" + b"".join(text(part) + array(value) for part, value in parts.items()) + b"u"
        for name, parts in layers.items()
    )
    outer = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text("b") + b"tR"
    dtype = b"cnumpy\ndtype\n(" + text("O8") + b"K\x00K\x01tR(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xff"
    dtype += b"J\xff\xff\xff\xffK?tb"
    return outer + b"(K\x01)" + dtype + b"\x89](" + inner + b"uetb."


def _keras_layer(top: Any, layer: str, arrays: Mapping[str, Array]) -> None:
    group = top.create_group(layer)
    for name, array in arrays.items():
        group.create_dataset(f"{layer}_1/{name}", data=array)
    group.attrs["weight_names"] = np.array([f"{layer}_1/{name}".encode() for name in arrays])


def mtcnn_0(networks: Mapping[str, NetworkWeights]) -> bytes:
    """As mtcnn 0.1.1: a dictionary in a NumPy file; x is the first axis of everything."""
    lists: dict[str, list[Array]] = {}
    for network, weights in networks.items():
        for name, kernel, bias, slope in _flat(weights):
            turned = kernel.transpose(1, 0, 2, 3)
            dense = name.startswith("fc")
            arrays = [turned.reshape(-1, kernel.shape[3]) if dense else turned, bias]
            if slope is not None:
                arrays.append(slope if dense else slope.reshape(1, 1, -1))
            lists.setdefault(network, []).extend(np.ascontiguousarray(array) for array in arrays)
    file = io.BytesIO()
    np.save(file, np.array(lists, dtype=object), allow_pickle=True)
    return file.getvalue()


class NumpyArrayWrapper:
    """joblib's."""


class _JoblibPickler(pickle._Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=4)
        self._file = file

    def save(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(obj, np.ndarray):
            return super().save(obj, *args, **kwargs)
        wrapper = NumpyArrayWrapper()
        wrapper.__dict__.update(
            subclass=np.ndarray, shape=obj.shape, order="C", dtype=obj.dtype, numpy_array_alignment_bytes=16
        )
        super().save(wrapper)
        self.framer.commit_frame(force=True)  # type: ignore[attr-defined]
        padding = 16 - (self._file.tell() + 1) % 16
        self._file.write(bytes([padding]) + b"\xff" * padding + obj.tobytes())
        return None


def mtcnn_1(weights: NetworkWeights) -> bytes:
    """As mtcnn 1.0.0: joblib, lz4; kernels upright, dense rows with x first, heads in another order."""
    arrays: list[Array] = []
    heads: list[list[Array]] = []
    for name, kernel, bias, slope in _flat(weights):
        dense = name.startswith("fc")
        plain = kernel.transpose(1, 0, 2, 3).reshape(-1, kernel.shape[3]) if dense else kernel
        if slope is None:
            heads.append([plain, bias])
        else:
            arrays += [plain, bias, slope if dense else slope.reshape(1, 1, -1)]
    for head in [*heads[1:], heads[0]]:
        arrays += head
    file = io.BytesIO()
    with _as_module("joblib.numpy_pickle", NumpyArrayWrapper):
        _JoblibPickler(file).dump([np.ascontiguousarray(array) for array in arrays])
    return lz4.frame.compress(file.getvalue())


def _rebuild_tensor_v2(*arguments: Any) -> None:
    """torch's."""


class FloatStorage:
    """torch's."""


class HalfStorage:
    """torch's."""


class _Tensor:
    def __init__(self, key: str, array: Array, storage: type = FloatStorage) -> None:
        self.key, self.array, self.storage = key, array, storage

    def __reduce__(self) -> tuple[Any, ...]:
        strides = tuple(step // 4 for step in self.array.strides)
        return _rebuild_tensor_v2, (_Storage(self), 0, self.array.shape, strides, False, OrderedDict())


class _Storage:
    def __init__(self, tensor: _Tensor) -> None:
        self.tensor = tensor


class _TorchPickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, _Storage):
            return None
        tensor = obj.tensor
        return ("storage", tensor.storage, tensor.key, "cpu", tensor.array.size)


def torch_tensors(weights: NetworkWeights, prefix: str = "") -> dict[str, Array]:
    """As facenet-pytorch: names of its layers; x is the first axis of dense rows."""
    tensors = {}
    for name, kernel, bias, slope in _flat(weights):
        layer = name.replace("fc", "dense").replace("-", "_")
        dense = name.startswith("fc")
        plain = kernel.transpose(1, 0, 2, 3).reshape(-1, kernel.shape[3]).T if dense else kernel.transpose(3, 2, 0, 1)
        tensors[f"{prefix}{layer}.weight"] = np.ascontiguousarray(plain)
        tensors[f"{prefix}{layer}.bias"] = bias
        if slope is not None:
            activation = name.replace("conv", "prelu").replace("fc", "prelu")
            tensors[f"{prefix}{activation}.weight"] = slope
    return tensors


def torch_zip(tensors: Mapping[str, Array], storage: type = FloatStorage) -> bytes:
    """As torch.save() since 1.6."""
    numbered = {name: _Tensor(str(i), array, storage) for i, (name, array) in enumerate(tensors.items())}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", _torch_pickle(OrderedDict(numbered)))
        for tensor in numbered.values():
            archive.writestr(f"archive/data/{tensor.key}", tensor.array.tobytes())
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def torch_legacy(tensors: Mapping[str, Array]) -> bytes:
    """As torch.save() before 1.6."""
    numbered = {name: _Tensor(str(1000 + i), array) for i, (name, array) in enumerate(tensors.items())}
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [_torch_pickle(x) for x in (LEGACY_MAGIC, 1001, machine, OrderedDict(numbered))]
    storages = sorted(numbered.values(), key=lambda tensor: tensor.key)
    parts.append(_torch_pickle([tensor.key for tensor in storages]))
    parts += [struct.pack("<q", tensor.array.size) + tensor.array.tobytes() for tensor in storages]
    return b"".join(parts)


def _torch_pickle(obj: object) -> bytes:
    file = io.BytesIO()
    with (
        _as_module("torch._utils", _rebuild_tensor_v2),
        _as_module("torch", FloatStorage),
        _as_module("torch", HalfStorage),
    ):
        _TorchPickler(file, protocol=2).dump(obj)
    return file.getvalue()


@contextmanager
def _as_module(module: str, thing: Any) -> Iterator[None]:
    """`thing` as one of another module's, for as long as it is pickled by its name."""
    parts = module.split(".")
    names = [".".join(parts[: i + 1]) for i in range(len(parts))]
    before = {name: sys.modules.get(name) for name in names}
    own = thing.__module__
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    setattr(sys.modules[module], thing.__name__, thing)
    for old in before.values():  # what another _as_module() put there
        for name, value in vars(old).items() if old is not None and not hasattr(old, "__file__") else ():
            if not name.startswith("__"):
                setattr(sys.modules[module], name, value)
    thing.__module__ = module
    try:
        yield
    finally:
        thing.__module__ = own
        for name, old in before.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old


def _flat(weights: NetworkWeights) -> Iterator[tuple[str, Array, Array, Array | None]]:
    network = ARCHITECTURES[weights.network]
    for name in [*(layer.name for layer in network.layers), *network.heads.values()]:
        layer = weights.layers[name]
        yield name, layer.kernel, layer.bias, layer.slope
