"""Which names in a Host header a server answers to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

__all__ = ["HostCheck"]


class HostCheck:
    """Answers only requests that name this server: a page of another site, whose name leads here, is refused.

    Args:
        app: an ASGI application.
        names: in lower case, addresses as Python writes them; "*": any.
        headers: of a refusal.
    """

    def __init__(self, app: Any, names: tuple[str, ...], headers: Mapping[str, str] | None = None) -> None:
        self._app, self._names, self._headers = app, names, headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and "*" not in self._names:
            given = [value for name, value in scope["headers"] if name == b"host"]
            if len(given) != 1 or _host_of(given[0].decode("latin-1")) not in self._names:
                text = f"this server answers to {' and '.join(self._names)} alone"
                await JSONResponse({"problem": text}, 400, headers=self._headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host_of(header: str) -> str:
    """The name in a Host header, without port and brackets; addresses as Python writes them."""
    if header.startswith("["):
        name = header[1:].partition("]")[0]
    else:
        name = header.rpartition(":")[0] if ":" in header else header
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().removesuffix(".")
