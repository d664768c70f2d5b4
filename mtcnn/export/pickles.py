"""Pickles read as inert data.

Loading a pickle may run any code. Here its opcodes are only read: a global stays a name, a call stays a function's
name with its arguments, and an opcode that weights have no use for is an error.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from mtcnn.export.errors import WeightsError

__all__ = ["Call", "Global", "Persistent", "read_pickle"]


@dataclass(frozen=True)
class Global:
    """A name that the pickle refers to, "module name"; never imported."""

    name: str


@dataclass(eq=False)
class Call:
    """A call that the pickle asks for; never made. `state` is what the result would be given."""

    function: object
    arguments: Any
    state: Any = None

    @property
    def name(self) -> str:
        return self.function.name if isinstance(self.function, Global) else ""


@dataclass(frozen=True)
class Persistent:
    """Something that the pickle's owner keeps elsewhere."""

    key: Any


class _Mark:
    pass


_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINSTRING", "SHORT_BINSTRING"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(file: BinaryIO, built: Callable[[Call, BinaryIO], object] = lambda call, file: call) -> object:
    """The next pickle of a file as inert data; the file stands behind it then.

    Args:
        built: what takes the place of a Call once its state is known. It may read what follows in the file, where
            a format puts an array's numbers into the midst of its pickle.

    Raises:
        WeightsError: the pickle is truncated, damaged or not one of plain data.
    """
    try:
        return _Machine(file, built).run()
    except WeightsError:
        raise
    # What a damaged stack, memo or opcode leads to.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError) as error:
        raise WeightsError(f"its pickle is truncated or damaged: {error}") from None


class _Machine:
    """The stack and the memo of https://docs.python.org/3/library/pickletools.html"""

    def __init__(self, file: BinaryIO, built: Callable[[Call, BinaryIO], object]) -> None:
        self.file = file
        self.built = built
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> object:
        for opcode, argument, _ in pickletools.genops(self.file):
            if opcode.name == "STOP":
                (result,) = self.stack
                return result
            self.step(opcode.name, argument)
        raise WeightsError("its pickle is truncated")

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in _TUPLES:
            count = _TUPLES[name]
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "MARK":
            stack.append(_Mark())
        elif name == "TUPLE":
            stack.append(tuple(self.to_mark()))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "GLOBAL":
            stack.append(Global(argument))
        elif name == "STACK_GLOBAL":
            module, attribute = stack[-2:]
            stack[-2:] = [Global(f"{module} {attribute}")]
        elif name == "BINPERSID":
            stack.append(Persistent(stack.pop()))
        elif name in ("PROTO", "FRAME"):
            pass
        else:
            self.change(name)

    def change(self, name: str) -> None:
        """The opcodes that change what lies on the stack."""
        stack = self.stack
        if name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif name == "APPENDS":
            items = self.to_mark()
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            flat = self.to_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            pairs = dict(zip(flat[::2], flat[1::2], strict=True))
            if isinstance(stack[-1], Call):  # an OrderedDict
                stack[-1].state = {**(stack[-1].state or {}), **pairs}
            else:
                stack[-1].update(pairs)
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack[-1] = Call(stack[-1], arguments)
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1].state, dict) and isinstance(state, dict):  # an OrderedDict's own attributes
                return
            stack[-1].state = state
            stack[-1] = self.built(stack[-1], self.file)
        else:
            raise WeightsError(f"its pickle does more than hold data: opcode {name}")

    def to_mark(self) -> list[Any]:
        at = max(i for i, item in enumerate(self.stack) if isinstance(item, _Mark))
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items
