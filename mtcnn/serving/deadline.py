"""How long the whole of a call may take, whatever it waits for."""

from __future__ import annotations

import time

__all__ = ["Deadline"]


class Deadline:
    """Begins when it is made.

    Args:
        seconds: until it is over.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, more than 0.

        Raises:
            TimeoutError: it is over.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
