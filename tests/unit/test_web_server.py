"""A server that answers before all of a request has come: simple clients see the answer, others cannot hold it."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mtcnn.web.hosts import HostCheck
from mtcnn.web.server import ServerLimits, listen, make_server
from mtcnn.web.uploads import Uploads

MOST = 100_000  # bytes of a body
LARGE = bytes(8_000_000)


@contextlib.contextmanager
def serving(limits: ServerLimits | None = None) -> Iterator[tuple[int, set[Any]]]:
    """Its port, and its connections."""
    uploads = Uploads(10 * MOST)

    async def take(request: Request) -> Response:
        async with uploads.body(request, MOST) as body:
            return PlainTextResponse(str(len(body)))

    async def failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return PlainTextResponse(error.detail, error.status_code)

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)

    app = Starlette(
        routes=[Route("/", take, methods=["POST"])],
        middleware=[Middleware(HostCheck, names=("127.0.0.1",))],
        exception_handlers={HTTPException: failed, ClientDisconnect: gone},
    )
    with listen("127.0.0.1", 0) as listening:
        server = make_server(app, limits or ServerLimits())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listening.getsockname()[1], server.server_state.connections
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def by_urllib(port: int, body: bytes, path: str = "/", **headers: str) -> tuple[int, str]:
    """It sends all, and says Connection: close."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def open_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def head(length: int, *lines: str) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}", *lines, "", ""]).encode()


def test_who_sends_first_sees_the_answer() -> None:
    """Wherever it is given: by the route, by another route, by the check of the Host, by HTTP itself."""
    with serving() as (port, _):
        for _ in range(2):
            assert by_urllib(port, LARGE) == (413, "the picture is larger than 0.1 MB")
            assert by_urllib(port, LARGE, "/nothing")[0] == 404
            assert by_urllib(port, LARGE, Host="other")[0] == 400
            assert by_urllib(port, iter([LARGE]))[0] == 413  # type: ignore[arg-type]  # chunked: no length is said
        assert by_urllib(port, bytes(MOST)) == (200, str(MOST))


def test_a_connection_that_is_kept_goes_on() -> None:
    with (
        serving() as (port, _),
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
    ):
        for body, code in ((LARGE, 413), (bytes(10), 200), (LARGE, 413), (bytes(10), 200)):
            connection.request("POST", "/", body)
            answer = connection.getresponse()
            assert answer.status == code and answer.read()


def test_who_is_one_too_many_sees_that() -> None:
    with serving(ServerLimits(connections=1)) as (port, _), open_to(port):
        time.sleep(0.2)
        assert by_urllib(port, LARGE)[0] == 503


@pytest.mark.parametrize("keeps", ["close", "keep-alive"])
def test_what_is_drained_has_an_end(keeps: str) -> None:
    """In bytes; in seconds, for who sends on and on; in seconds without any, for who stops."""
    limits = ServerLimits(drain_bytes=1_000_000, drain_seconds=1.0, drain_idle_seconds=0.3)
    with serving(limits) as (port, connections):
        with open_to(port) as sender, pytest.raises(OSError):
            sender.sendall(head(1 << 40, f"Connection: {keeps}"))
            for _ in range(300):
                sender.sendall(LARGE[:1_000_000])
        for least, sends_on in ((0.3, False), (1.0, True)):
            with open_to(port) as sender:
                sender.sendall(head(1 << 40, f"Connection: {keeps}"))
                assert sender.recv(12) == b"HTTP/1.1 413"
                began = time.monotonic()
                while connections:
                    with contextlib.suppress(OSError):
                        sender.sendall(b"x" if sends_on else b"")
                    time.sleep(0.05)
                    assert time.monotonic() - began < 10
                assert time.monotonic() - began > least - 0.2


def test_the_server_ends_though_clients_send() -> None:
    with serving() as (port, _):
        sender = open_to(port)
        sender.sendall(head(1 << 40, "Connection: close"))
        assert sender.recv(12) == b"HTTP/1.1 413"
    sender.close()


CHUNKED = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n%s\r\n"
NO_HTTP = {
    "at once": (CHUNKED % (b"/", b"") + b"zz\r\n", b""),
    "while the body is read": (CHUNKED % (b"/", b""), b"zz\r\n"),
    "in the place of an answer without the body": (CHUNKED % (b"/nothing", b"") + b"zz\r\n", b""),
    "after the answer": (CHUNKED % (b"/nothing", b""), b"zz\r\n"),
    "after the answer, which is the last": (CHUNKED % (b"/nothing", b"Connection: close\r\n"), b"zz\r\n"),
    "two lengths": (CHUNKED % (b"/nothing", b"Content-Length: 5\r\n") + b"zz\r\n", b""),
    "as a second request": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + b"zz\r\n", b"zz\r\n\r\n"),
}


@pytest.mark.parametrize("when", NO_HTTP)
def test_what_is_no_http_is_answered_once_and_logs_nothing(
    when: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Strangers send it as often as they please."""
    with serving(ServerLimits(drain_idle_seconds=0.2)) as (port, connections):
        with open_to(port) as sender:
            for part in NO_HTTP[when]:
                sender.sendall(part)
                time.sleep(0.2)
            with contextlib.suppress(OSError):  # the server has closed it
                sender.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: sender.recv(65536), b""))
        assert re.match(rb"HTTP/1\.1 (400|404|405) ", answer)
        assert answer.count(b"HTTP/1.1 ") == (2 if when == "as a second request" else 1)
        while connections:
            time.sleep(0.01)
    assert "Traceback" not in capfd.readouterr().err and not caplog.records
