"""Ctrl-C and SIGTERM put off for a moment, in which something is done and counted, or neither."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

__all__ = ["uninterrupted"]

if sys.platform == "win32":
    _NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGBREAK)
else:
    _NUMBERS = (signal.SIGTERM, signal.SIGINT)


class uninterrupted:
    """The block runs to its end before KeyboardInterrupt is raised; a second signal is obeyed at once.

    Python raises it in the main thread alone: in others nothing is to be done.
    """

    def __enter__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._came: int | None = None
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _NUMBERS:
            handler = signal.getsignal(number)
            if callable(handler):  # else the signal is ignored, or ends the process
                self._handlers[number] = handler
                signal.signal(number, self._put_off)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        if self._came is not None and error is None:
            self._obey(self._came, None)

    def _put_off(self, number: int, frame: FrameType | None) -> None:
        if self._came is not None:
            self._restore()
            self._obey(number, frame)
        self._came = number

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _obey(self, number: int, frame: FrameType | None) -> None:
        self._handlers[number](number, frame)
