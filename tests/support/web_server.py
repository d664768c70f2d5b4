"""The HTTP servers of the commands, in a thread of the tests' process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mtcnn.web.server import ServerLimits, host_names, listen, make_server


@contextlib.contextmanager
def serving(
    app: Callable[[tuple[str, ...]], Any], host: str = "127.0.0.1", limits: ServerLimits | None = None
) -> Iterator[tuple[str, int]]:
    """The address and the port. app: makes it, of the names that it answers to."""
    with listen(host, 0) as listening:
        server = make_server(app(host_names(host, listening)), limits or ServerLimits())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        address, port = listening.getsockname()[:2]
        thread.start()
        try:
            yield address, port
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
