"""An HTTP server that waits for nobody for ever."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mtcnn.errors import MtcnnError

__all__ = ["ServerLimits", "host_names", "is_loopback", "listen", "make_server", "url_of"]

DEFAULT_HOST = "127.0.0.1"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class ServerLimits:
    """Of an HTTP server.

    Attributes:
        connections: at once; a further one is answered 503.
        head_seconds: that a client may take to send a request's head,
        body_seconds: and then its body.
        drain_bytes, drain_seconds, drain_idle_seconds: of a body that is answered before all of it has come; what a
            client that sends first and then reads may go on sending before it is cut, in all, and without any byte;
            never longer than `body_seconds`.
        end_seconds: that answers under way may take once the server is told to end; None: as long as they need.
    """

    connections: int = 100
    head_seconds: float = 10
    body_seconds: float = 60
    drain_bytes: int = 128_000_000
    drain_seconds: float = 30
    drain_idle_seconds: float = 5
    end_seconds: int | None = None


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; "" is 127.0.0.1.

    Raises:
        MtcnnError: the port is in use, or the host is no address of this machine.
    """
    host = host or DEFAULT_HOST
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise MtcnnError(f"there is no host {host!r}: {getattr(error, 'strerror', None) or error}") from None
    try:
        if sys.platform == "win32":  # where SO_REUSEADDR would let a second server take the port from the first
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} is in use: choose another with --port, 0 for any that is free"
        elif error.errno == errno.EACCES and sys.platform == "win32":
            why = f"port {port} is in use, or Windows reserves it: choose another with --port, 0 for any that is free"
        elif error.errno == errno.EACCES:
            why = f"this user may not listen at port {port}: choose one from 1024 on with --port"
        else:
            why = f"cannot listen at {host!r}, port {port}: {error.strerror or error}"
        raise MtcnnError(why) from None
    return listening


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return _address(listening).is_loopback


def host_names(host: str, listening: socket.socket) -> tuple[str, ...]:
    """What the Host header of a request may be; ("*",): anything.

    A page of another site cannot send a request with these names: its own name that is made to lead here is none.
    """
    address = _address(listening)
    if address.is_unspecified:  # all of the machine's addresses, whatever names they have
        return ("*",)
    names = [host, str(address)]
    if address.is_loopback:
        names += ["localhost", "127.0.0.1", "::1"]
    else:
        names += [socket.gethostname(), f"{socket.gethostname()}.local"]
    return tuple(dict.fromkeys(name.lower() for name in names if name))


def url_of(host: str, listening: socket.socket) -> str:
    """What to type to reach it, without a path."""
    address, port = listening.getsockname()[:2]
    shown = host or address
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def make_server(app: Any, limits: ServerLimits = ServerLimits()) -> uvicorn.Server:
    """A server for ``run(sockets=[...])``."""

    class Protocol(_LimitedProtocol):
        pass

    Protocol.limits = limits
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_level="error",  # its warnings are of what strangers send, as often as they please
            server_header=False,
            timeout_graceful_shutdown=limits.end_seconds,
        )
    )


class _LingeringTransport:
    """A connection's transport. Where its client is still sending, closing it would reset the connection, and the
    client might never see the answer: its end is sent, and what comes is read and forgotten until the client closes it.
    """

    def __init__(self, transport: Any, protocol: _LimitedProtocol) -> None:
        self._transport, self._protocol = transport, protocol
        self.lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self.lingers or bool(self._transport.is_closing())

    def close(self) -> None:
        if self.lingers or self._transport.is_closing() or not self._protocol.may_linger():
            self._transport.close()
            return
        self.lingers = True
        try:
            self._transport.write_eof()
        except (OSError, RuntimeError):  # the client has gone
            self._transport.close()
            return
        self._protocol.linger()


class _LimitedProtocol(H11Protocol):
    """A connection that is cut where its client takes too long to send a request, or to read the answer."""

    limits: ServerLimits
    _alarm: asyncio.TimerHandle | None = None
    _waits_for = ""
    _idle: asyncio.TimerHandle | None = None
    _drained = 0
    _is_refused = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_LingeringTransport(transport, self))
        if len(self.connections) > self.limits.connections:
            self._is_refused = True
            self.transport.write(_FULL)
            self.transport.close()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self.transport.lingers:
            self._drain(data)
            return
        if self.transport.is_closing():
            return
        if self._is_answered and self.conn.their_state is h11.SEND_BODY:
            self._drain(data)
            if self.transport.is_closing():
                return
        super().data_received(data)
        self._watch()

    def may_linger(self) -> bool:
        """Whether the client may be sending."""
        if self._is_refused:  # there is room for as many that are told so
            return len(self.connections) <= 2 * self.limits.connections
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def linger(self) -> None:
        """Read on, for so long."""
        self.flow.resume_reading()
        self._wait_for("drain")

    @property
    def _is_answered(self) -> bool:
        return self.cycle is not None and bool(self.cycle.response_complete)

    def _drain(self, data: bytes) -> None:
        """Of a body that is answered: so many bytes at most, and the next of them soon."""
        self._drained += len(data)
        if self._idle is not None:
            self._idle.cancel()
        if self._drained > self.limits.drain_bytes:
            self.transport.abort()
            return
        self._idle = self.loop.call_later(self.limits.drain_idle_seconds, self._stop_draining)

    def _stop_draining(self) -> None:
        if self.transport.lingers or (self._is_answered and self.conn.their_state is h11.SEND_BODY):
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP: in the place of the request's own answer, or as its end where that has begun."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # what it still sends is dropped
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        if not self.transport.lingers:
            self._wait_for("")
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for("")
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Set or clear the alarm, by what the client has still to do."""
        if self.transport.lingers:
            return
        if self.conn.their_state is h11.SEND_BODY:
            self._wait_for("drain" if self._is_answered else "body")
        elif self.cycle is not None and not self.cycle.response_complete:
            self._wait_for("")  # it has done its part
        else:
            self._wait_for("head")

    def _wait_for(self, what: str) -> None:
        if what == self._waits_for:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._waits_for = what
        self._drained = 0
        if self._idle is not None:
            self._idle.cancel()
        seconds = {
            "": 0.0,
            "head": self.limits.head_seconds,
            "body": self.limits.body_seconds,
            "drain": min(self.limits.drain_seconds, self.limits.body_seconds),
        }[what]
        self._alarm = self.loop.call_later(seconds, self.transport.abort) if what else None
        if what == "drain":
            self._drain(b"")


def _address(listening: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(listening.getsockname()[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
