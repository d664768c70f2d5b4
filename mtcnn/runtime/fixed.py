"""Arguments that count once, when an object is made."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["Fixed"]


class Fixed:
    """An object whose arguments are not attributes: setting one later would change nothing, and is refused."""

    _ARGUMENTS: ClassVar[frozenset[str]] = frozenset()

    def __setattr__(self, name: str, value: object) -> None:
        kind = type(self).__name__
        # a class that is derived elsewhere has attributes of its own
        if name in self._ARGUMENTS and type(self).__module__.partition(".")[0] == "mtcnn":
            raise AttributeError(f"{name} of a {kind} is set when it is made, {kind}(..., {name}=...): make a new one")
        super().__setattr__(name, value)
