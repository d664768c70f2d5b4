"""An array of no library: lends memory by DLPack, written from the C API, and counts what is given back."""

from __future__ import annotations

import ctypes
from typing import Any

CPU, CUDA, MANAGED = 1, 2, 13
UINT, FLOAT, BFLOAT = 1, 2, 4

_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Plain(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _DELETER))


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _DELETER),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class Lender:
    """Lends `address`; keep it and what it lends alive."""

    def __init__(
        self,
        address: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...] | None = None,  # in elements
        *,
        device: tuple[int, int] = (CUDA, 0),
        dtype: tuple[int, int] = (UINT, 8),
        byte_offset: int = 0,
        version: tuple[int, int] | None = (1, 1),  # None: unversioned, and no such argument is known
    ) -> None:
        self.shape = shape
        self.device = device
        self.version = version
        self.given_back = 0
        self.streams: list[Any] = []
        self._shape = (ctypes.c_int64 * len(shape))(*shape)
        self._strides = (ctypes.c_int64 * len(shape))(*strides) if strides else None
        tensor = _Tensor(
            address,
            *device,
            len(shape),
            *dtype,
            1,
            ctypes.cast(self._shape, ctypes.POINTER(ctypes.c_int64)),
            ctypes.cast(self._strides, ctypes.POINTER(ctypes.c_int64)) if self._strides else None,
            byte_offset,
        )
        self._deleter = _DELETER(self._take_back)
        self._plain = _Plain(tensor, None, self._deleter)
        self._versioned = _Versioned(*(version or (0, 0)), None, self._deleter, 0, tensor)

    def _take_back(self, lent: int) -> None:
        assert lent in (ctypes.addressof(self._plain), ctypes.addressof(self._versioned))
        self.given_back += 1

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, *, stream: Any = None, **more: Any) -> Any:
        if self.version is None and more:
            raise TypeError(f"__dlpack__() got an unexpected keyword argument {next(iter(more))!r}")
        self.streams.append(stream)
        if more.get("max_version") is None:  # a consumer that knows none but unversioned ones
            return _new_capsule(ctypes.addressof(self._plain), b"dltensor", None)
        return _new_capsule(ctypes.addressof(self._versioned), b"dltensor_versioned", None)
