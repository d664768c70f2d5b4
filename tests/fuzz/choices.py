"""Choices made from the bytes of a fuzzer: the same bytes, the same choices. Once they are used up, all are 0."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

T = TypeVar("T")

FLOATS = (
    0.0,
    -0.0,
    0.5,
    0.7,
    1.0,
    12.0,
    -1.0,
    5e-324,
    1e-7,
    0.999999999,
    1e9,
    3e38,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
)
WHOLES = (0, 1, -1, 2, 3, 4, 12, 24, 48, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63, 2**64, 10**400, -(10**400))
RANGES = ((1, 0), (1 / 255, 0), (1 / 127.5, -1), (1 / 57, -2.1), (1, -127.5), (257, 0), (16, 0), (0, 0.5), (1e-4, 0))
DTYPES = (
    "u1", "u1", "u1", "i1", "<u2", ">u2", "<i4", ">i8", "<u8", "<f2", ">f4", "<f8", ">f8", "g", "?", "c8", "O", "S3",
    "U2", "M8[s]", "m8[us]", "V3", "u1,u1,u1", "(3,)u1",
)  # fmt: skip


class Choices:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, n: int) -> bytes:
        taken = self._data[self._at : self._at + n]
        self._at += n
        return taken + bytes(n - len(taken))

    def rest(self) -> bytes:
        taken = self._data[self._at :]
        self._at = len(self._data)
        return taken

    def whole(self, low: int, high: int) -> int:
        """In low..high; one byte where that is enough."""
        span = high - low + 1
        return low + int.from_bytes(self.take(1 if span <= 256 else 4), "little") % span

    def yes(self) -> bool:
        return self.whole(0, 1) == 1

    def pick(self, values: Sequence[T]) -> T:
        return values[self.whole(0, len(values) - 1)]

    def real(self) -> float:
        if self.yes():
            return self.pick(FLOATS)
        return float(struct.unpack("<f", self.take(4))[0])

    def value(self, usual: Callable[[], Any]) -> Any:
        """Mostly what an argument usually is, else anything."""
        return usual() if self.whole(0, 3) else self.anything()

    def anything(self, depth: int = 0) -> Any:
        kinds: list[Callable[[], Any]] = [
            lambda: self.pick(WHOLES),
            self.real,
            lambda: self.whole(0, 2**32 - 1) - 2**31,
            lambda: self.pick(("", "area", "fast", "cuda:9999", "cpu", "\0", "\udcff", "a" * 300)),
            lambda: self.pick((None, True, False, b"", b"\0x", 1j, object(), ..., int, Fraction(1, 3), np.bool_(True))),
            lambda: self.pick((np.float32(np.nan), np.float64(0.5), np.int8(-1), np.uint64(2**64 - 1), np.array(5))),
            self.array,
            lambda: memoryview(self.take(self.whole(0, 9))),
            lambda: bytearray(self.take(self.whole(0, 9))),
        ]
        if depth < 2:
            items = lambda: (self.anything(depth + 1) for _ in range(self.whole(0, 5)))  # noqa: E731
            kinds += [lambda: tuple(items()), lambda: list(items()), items, lambda: {"a": self.anything(depth + 1)}]
        return self.pick(kinds)()

    def reals(self, *shape: int) -> NDArray[np.float32]:
        """float32, most of them as in pictures, some extreme."""
        size = math.prod(shape)
        seed = np.frombuffer(self.take(min(size, 64)), np.uint8)
        values = np.resize(seed, size).astype(np.float32)
        if self.yes():
            with np.errstate(over="ignore"):
                values = np.float32([self.real() for _ in range(8)])[values.astype(int) % 8]
        return values.reshape(shape)

    def array(self) -> NDArray[Any]:
        """Any shape, dtype, byte order and strides."""
        shape = tuple(self.whole(0, 5) for _ in range(self.whole(0, 5)))
        return self._view(self._filled(shape, np.dtype(self.pick(DTYPES))))

    def picture(self) -> NDArray[np.uint8]:
        """One that is right: uint8 (h, w, 3), of 1..80 pixels a side."""
        return self._filled((self.whole(1, 80), self.whole(1, 80), 3), np.dtype(np.uint8))

    def picture_in_another_range(self) -> NDArray[Any]:
        """Levels, and what takes the place of levels: 0..1, -1..1, normalised, deep; with noise or without."""
        scale, shift = self.pick(RANGES)
        levels = self.picture().astype(self.pick(("f2", "f4", "f8", "g"))) * scale + shift
        noise = self.pick((0.0, 0.0, 1e-3, 0.3, 30.0))
        return levels + noise * np.sin(np.arange(levels.size)).reshape(levels.shape)

    def image(self) -> Any:
        """A picture, or nearly."""
        kind = self.whole(0, 10)
        if kind == 10:
            return self.picture_in_another_range()
        if kind < 4:
            return self.picture()
        if kind == 4:
            return self.anything()
        if kind == 5:  # claims to be larger than memory
            sides = [self.pick((1, 3, 12, 2**17, 2**20, 2**31, 2**40)) for _ in range(2)]
            if math.prod(sides) > 2**62 or 2**22 < math.prod(sides) < 2**33:
                sides = [2**17, 2**17]
            pixel = self._filled((1, 1, 3), np.dtype(self.pick(("u1", "u1", "f4"))))
            return np.broadcast_to(pixel, (*sides, 3))
        shape = [self.whole(0, 80), self.whole(0, 80)]
        shape += self.pick(([3], [3], [3], [1], [4], [2], [], [3, 1], [0]))
        dtype = np.dtype(self.pick(DTYPES)) if kind > 7 else np.dtype(np.uint8)
        return self._view(self._filled(tuple(shape), dtype))

    def _filled(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        if dtype.kind == "O":
            made = np.empty(shape, dtype)
            made[...] = self.pick((None, 7, "x"))
            return made
        if dtype.kind == "U":
            return np.full(shape, self.pick(("", "7", "\ud800")), dtype)  # NumPy itself fails on other code points
        full = (*shape, *dtype.shape)
        size = math.prod(full) * dtype.base.itemsize
        seed = self.take(min(size, 48)) or b"\0"
        flat = np.frombuffer((seed * (size // len(seed) + 1))[:size], np.uint8)
        return flat.copy().view(dtype.base).reshape(full) if size else np.zeros(full, dtype.base)

    def _view(self, array: NDArray[Any]) -> NDArray[Any]:
        kind = self.whole(0, 9)
        if kind == 1:
            array = array[tuple(slice(None, None, self.pick((-1, 1, 2, -2, 3))) for _ in array.shape)]
        elif kind == 2:
            array = array.T
        elif kind == 3:
            array = np.asfortranarray(array)
        elif kind == 4:
            array.flags.writeable = False
        elif kind == 5:
            array = array.view(type("Subclass", (np.ndarray,), {}))
        elif kind == 6 and array.dtype.kind in "uif":
            array = np.ma.masked_array(array, mask=False)
        elif kind == 7 and array.size:
            array = as_strided(array, array.shape, tuple(self.pick((0, s)) for s in array.strides))
        elif kind == 8 and array.dtype.itemsize == 1 and array.dtype.kind == "u":  # rows that overlap
            array = as_strided(array, array.shape, tuple(min(s, 3) for s in array.strides))
        elif kind == 9 and array.size and array.dtype.kind == "u":
            return memoryview(array)  # type: ignore[return-value]
        return array
