"""What is made, or said, once in a process, whatever threads ask for it at the same time."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["Said", "made_once"]

P = ParamSpec("P")
R = TypeVar("R")


def made_once(maxsize: int | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """As functools.lru_cache, which lets threads that come while a result is made each make their own."""

    def decorate(make: Callable[P, R]) -> Callable[P, R]:
        cached = functools.lru_cache(maxsize)(make)
        lock = threading.RLock()

        @functools.wraps(make)
        def result(*args: P.args, **kwargs: P.kwargs) -> R:
            with lock:
                return cached(*args, **kwargs)  # type: ignore[arg-type]  # hashable, or a TypeError

        def forget_holder() -> None:
            nonlocal lock
            lock = threading.RLock()

        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=forget_holder)
        return result

    return decorate


_MOST_SAID = 100  # texts: callers' numbers in them have no end


class Said:
    """What has been said, the first hundred texts: others are not."""

    def __init__(self) -> None:
        self._first: dict[str, object] = {}

    def is_first(self, text: str) -> bool:
        """Whether this is the one call, of all threads, that is to say it."""
        if len(self._first) >= _MOST_SAID:
            return False
        own = object()
        return self._first.setdefault(text, own) is own
