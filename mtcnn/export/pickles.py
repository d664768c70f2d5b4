"""Pickles read as inert data.

Loading a pickle may run any code. Here its opcodes are only read: a global stays a name, a call stays a function's
name with its arguments, and an opcode that weights have no use for is an error.

Nothing that comes out can be made to cost much: keys are text, nothing holds itself, and nothing is nested deeply.
"""

from __future__ import annotations

import io
import pickletools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from mtcnn.export.budget import Budget
from mtcnn.export.errors import WeightsError, printable

__all__ = ["Call", "Global", "Persistent", "PickleFile", "read_pickle"]

MOST_DEPTH = 32  # torch's and NumPy's pickles of weights reach 11
MOST_BITS = 64  # of a whole number


@dataclass(frozen=True)
class Global:
    """A name that the pickle refers to, "module name"; never imported."""

    name: str


@dataclass(eq=False)
class Call:
    """A call that the pickle asks for; never made. `state` is what the result would be given."""

    function: Global
    arguments: tuple[Any, ...]
    state: Any = None

    @property
    def name(self) -> str:
        return self.function.name


@dataclass(eq=False)
class Persistent:
    """Something that the pickle's owner keeps elsewhere."""

    key: Any


class PickleFile(io.BytesIO):
    """Bytes of which pickles are read; what is read is spent."""

    def __init__(self, content: bytes, budget: Budget) -> None:
        super().__init__(content)
        self.budget = budget
        self.size = len(content)

    def read(self, count: int | None = -1, /) -> bytes:
        left = max(0, self.size - self.tell())
        count = left if count is None or count < 0 else min(count, left)
        self.budget.spend_bytes(count)
        return super().read(count)

    def readline(self, count: int | None = -1, /) -> bytes:
        line = super().readline(count)
        self.budget.spend_bytes(len(line))
        return line


class _Item:
    """A value on the stack or in the memo.

    Attributes:
        depth: how deeply it is nested.
        shared: whether the memo gave it out. It takes no more values then: it may lie in another one already, whose
            depth is known, or in itself.
    """

    __slots__ = ("depth", "shared", "value")

    def __init__(self, value: Any, depth: int = 0) -> None:
        if depth > MOST_DEPTH:
            raise WeightsError("its pickle nests values far deeper than weights are")
        self.value = value
        self.depth = depth
        self.shared = False

    def put(self, items: list[_Item]) -> None:
        """Remembers that these are in it now."""
        if self.shared:
            raise WeightsError("its pickle changes a value that others may hold")
        self.depth = max(self.depth, _around(items))
        if self.depth > MOST_DEPTH:
            raise WeightsError("its pickle nests values far deeper than weights are")


def _around(items: list[_Item]) -> int:
    """The depth of what holds these."""
    return 1 + max((item.depth for item in items), default=0)


_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINSTRING", "SHORT_BINSTRING"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OTHERS = {
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "MARK", "TUPLE", "EMPTY_LIST", "EMPTY_DICT"),
    *("GLOBAL", "STACK_GLOBAL", "BINPERSID", "PROTO", "FRAME", "STOP"),
    *("APPEND", "APPENDS", "SETITEM", "SETITEMS", "REDUCE", "NEWOBJ", "BUILD"),
}
_KNOWN = _VALUES | _CONSTANTS.keys() | _TUPLES.keys() | _OTHERS


def read_pickle(file: PickleFile, built: Callable[[Call, BinaryIO], object] = lambda call, file: call) -> object:
    """The next pickle of a file as inert data; the file stands behind it then.

    Args:
        built: what takes the place of a Call once its state is known. It may read what follows in the file, where
            a format puts an array's numbers into the midst of its pickle.

    Raises:
        WeightsError: the pickle is truncated, damaged, not one of plain data, or costs more than the file's budget.
    """
    try:
        return _Machine(file, built).run()
    # What a damaged stack, memo or opcode leads to.
    except (ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"its pickle is truncated or damaged: {printable(str(error))}") from None


class _Machine:
    """The stack and the memo of https://docs.python.org/3/library/pickletools.html"""

    def __init__(self, file: PickleFile, built: Callable[[Call, BinaryIO], object]) -> None:
        self.file = file
        self.built = built
        self.stack: list[_Item] = []
        self.outer: list[list[_Item]] = []  # the stacks below each mark
        self.memo: dict[int, _Item] = {}

    def run(self) -> object:
        while True:
            self.file.budget.spend_steps()
            code = self.file.read(1)
            if not code:
                raise WeightsError("its pickle is truncated")
            opcode = _OPCODES.get(code)
            if opcode is None or opcode.name not in _KNOWN:
                name = opcode.name if opcode else f"0x{code.hex()}"
                raise WeightsError(f"its pickle does more than hold data: opcode {name}")
            argument = opcode.arg.reader(self.file) if opcode.arg else None
            if opcode.name == "STOP":
                (result,) = self.stack
                return result.value
            self.step(opcode.name, argument)

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(_Item(self.plain(argument)))
        elif name in _CONSTANTS:
            stack.append(_Item(_CONSTANTS[name]))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            item = self.memo[argument]
            item.shared = True
            stack.append(item)
        elif name in _TUPLES:
            self.push_tuple(self.top(_TUPLES[name]))
        elif name == "MARK":
            self.outer.append(stack)
            self.stack = []
        elif name == "TUPLE":
            items = self.to_mark()
            self.push_tuple(items)
        elif name == "EMPTY_LIST":
            stack.append(_Item([], 1))
        elif name == "EMPTY_DICT":
            stack.append(_Item({}, 1))
        elif name == "GLOBAL":
            stack.append(_Item(Global(self.plain(argument))))
        elif name == "STACK_GLOBAL":
            module, attribute = (_text(item) for item in self.top(2))
            stack.append(_Item(Global(self.plain(f"{module} {attribute}"))))
        elif name == "BINPERSID":
            (key,) = self.top(1)
            stack.append(_Item(Persistent(key.value), key.depth + 1))
        elif name not in ("PROTO", "FRAME"):
            self.change(name)

    def change(self, name: str) -> None:
        """The opcodes that change what lies on the stack."""
        if name in ("APPEND", "APPENDS"):
            items = self.top(1) if name == "APPEND" else self.to_mark()
            self.expect(list).put(items)
            self.stack[-1].value.extend(item.value for item in items)
        elif name in ("SETITEM", "SETITEMS"):
            self.set_items(self.top(2) if name == "SETITEM" else self.to_mark())
        elif name in ("REDUCE", "NEWOBJ"):
            function, arguments = self.top(2)
            if not isinstance(function.value, Global) or not isinstance(arguments.value, tuple):
                raise WeightsError("its pickle is damaged: a call of what is no function")
            self.stack.append(_Item(Call(function.value, arguments.value), arguments.depth + 1))
        else:  # BUILD
            (state,) = self.top(1)
            target = self.expect(Call)
            call = target.value
            if isinstance(call.state, dict) and isinstance(state.value, dict):  # an OrderedDict's own attributes
                return
            target.put([state])
            call.state = state.value
            target.value = self.built(call, self.file)

    def set_items(self, items: list[_Item]) -> None:
        """Of a dictionary, or of a Call, which is an OrderedDict's then."""
        target = self.expect(dict, Call)
        target.put(items)
        to = target.value
        if isinstance(to, Call):
            if to.state is None:
                to.state = {}
            to = to.state
        if not isinstance(to, dict):
            raise WeightsError("its pickle is damaged: it sets items of what has none")
        keys, values = items[::2], items[1::2]
        to.update((_text(key), value.value) for key, value in zip(keys, values, strict=True))

    def expect(self, *types: type) -> _Item:
        """The topmost item, which is to be of one of these types."""
        if not isinstance(self.stack[-1].value, types):
            raise WeightsError(f"its pickle is damaged: it changes a {type(self.stack[-1].value).__name__}")
        return self.stack[-1]

    def plain(self, value: Any) -> Any:
        """Text, bytes or a number, as an opcode holds it."""
        if type(value) is int and value.bit_length() > MOST_BITS:
            raise WeightsError(f"its pickle has a number of {value.bit_length():,} bits")
        self.file.budget.spend_bytes(sys.getsizeof(value))
        return value

    def push_tuple(self, items: list[_Item]) -> None:
        self.stack.append(_Item(tuple(item.value for item in items), _around(items)))

    def top(self, count: int) -> list[_Item]:
        """Takes the topmost items off the stack."""
        if len(self.stack) < count:
            raise WeightsError("its pickle is damaged: its stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def to_mark(self) -> list[_Item]:
        """Takes off the stack what lies above the last mark."""
        items = self.stack
        self.stack = self.outer.pop()
        return items


def _text(item: _Item) -> str:
    if type(item.value) is not str:
        raise WeightsError(f"its pickle has a {type(item.value).__name__} for a name")
    return item.value
