"""The bodies of requests, of so many bytes together at most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request

__all__ = ["RETRY", "Uploads", "check_length"]

RETRY = {"Retry-After": "1"}


def check_length(request: Request, most: int) -> None:
    """Refuse what says that it is too large, before any of it is sent or kept.

    Raises:
        HTTPException: 413.
    """
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and (len(said) > 15 or int(said) > most):
        raise HTTPException(413, f"the picture is larger than {most / 1e6:g} MB")


class Uploads:
    """The bodies of all requests under way.

    Args:
        most: bytes that they may have together.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    @asynccontextmanager
    async def body(self, request: Request, most: int) -> AsyncIterator[bytes]:
        """The request's body; no more of it is read than it may have. It counts until the block is left.

        Raises:
            HTTPException: 413, it has more bytes than `most`; 503, too many bodies are under way.
        """
        check_length(request, most)
        held = 0
        try:
            body = bytearray()
            async for part in request.stream():
                if len(body) + len(part) > most:
                    raise HTTPException(413, f"the picture is larger than {most / 1e6:g} MB")
                if len(part) > self._left:
                    raise HTTPException(503, "too many pictures are sent at once: try again", RETRY)
                self._left -= len(part)
                held += len(part)
                body += part
            yield bytes(body)
        finally:
            self._left += held
