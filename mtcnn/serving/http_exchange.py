"""HTTP/1.1 with a server that may lie: an answer has a deadline and a greatest size, from first byte to last."""

from __future__ import annotations

import http.client
import io
import select
import socket
import sys
from collections.abc import Callable
from typing import Any

from mtcnn.serving.deadline import Deadline

__all__ = ["HttpAnswer", "HttpExchange", "TooLongError"]

Connect = Callable[[str, int, Deadline], socket.socket]

MOST_HEAD_BYTES = 65_536  # of status line, headers, sizes of chunks and trailers together


class TooLongError(Exception):
    """An answer is larger than it may be."""


class HttpAnswer:
    """A whole answer.

    Attributes:
        status: HTTP's code.
        headers: by their names in lower case; the last of equal names counts.
        body: as it came.
    """

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def reason(self) -> str:
        return f"{self.status} {http.client.responses.get(self.status, '')}".strip()


class HttpExchange:
    """A connection that is kept between requests, and made anew where the server has closed it or said too much.

    Args:
        host, port: of the server.
        max_bytes: of a body.
        connect: makes the socket; it may raise OSError.
    """

    def __init__(self, host: str, port: int, max_bytes: int, connect: Connect | None = None) -> None:
        self._host, self._port, self._max_bytes = host, port, max_bytes
        self._connect = connect or _connect
        self._socket: socket.socket | None = None

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str], deadline: Deadline) -> HttpAnswer:
        """Send a request and read all of its answer.

        Raises:
            TimeoutError: the deadline is over.
            TooLongError: the answer has more than ``max_bytes``.
            OSError, http.client.HTTPException, ValueError: there is no answer, or none of HTTP.
        """
        if self._socket is not None and _is_readable(self._socket):  # closed, or more was said than asked for
            self.close()
        keep = False
        try:
            if self._socket is None:
                self._socket = self._connect(self._host, self._port, deadline)
            connection = http.client.HTTPConnection(self._host, self._port)
            connection.sock = _LimitedSocket(self._socket, deadline, self._max_bytes + MOST_HEAD_BYTES)
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                answer = self._read(response)
            keep = connection.sock is not None  # by the server, too
        finally:
            if not keep:
                self.close()
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read(self, response: http.client.HTTPResponse) -> HttpAnswer:
        body = bytearray()
        for length in response.headers.get_all("Content-Length", []):
            if not (length.isascii() and length.isdigit() and len(length) < 20):
                raise ValueError(f"its Content-Length is {length[:20]!r}")
        if (response.length or 0) > self._max_bytes:
            raise TooLongError
        while part := response.read(65_536):  # in parts: room is made for what comes, not for what is announced
            body += part
            if len(body) > self._max_bytes:
                raise TooLongError
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return HttpAnswer(response.status, headers, bytes(body))


class _LimitedSocket:
    """What http.client needs of a socket, for one exchange."""

    def __init__(self, plain: socket.socket, deadline: Deadline, most: int) -> None:
        self._socket, self._deadline, self._most = plain, deadline, most

    def sendall(self, data: Any) -> None:
        self._socket.settimeout(self._deadline.left())
        self._socket.sendall(data)  # its timeout is for all of the data

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_LimitedReader(self._socket, self._deadline, self._most))

    def close(self) -> None:
        """Left to the exchange: http.client closes it when it has read the head of a last answer."""


class _LimitedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, deadline: Deadline, most: int) -> None:
        self._socket, self._deadline, self._left = plain, deadline, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise TooLongError
        self._socket.settimeout(self._deadline.left())
        got = self._socket.recv_into(buffer, min(len(buffer), self._left))
        self._left -= got
        return got


def _connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """To the first of the host's addresses that answers; looking up the name is up to the system."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no name of a host") from None
    problem: OSError | None = None
    for family, kind, protocol, _, address in found:
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(deadline.left())
            plain.connect(address)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            plain.close()
            problem = error
        else:
            return plain
    raise problem or OSError("no address of a host")


def _is_readable(plain: socket.socket) -> bool:
    if sys.platform == "win32":  # whose select() knows no limit on a socket's number
        return bool(select.select([plain], [], [], 0)[0])
    poll = select.poll()
    poll.register(plain, select.POLLIN)
    return bool(poll.poll(0))
