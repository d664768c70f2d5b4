"""The routes of `mtcnn serve`. Pictures are worked on in memory and forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import mtcnn
from mtcnn.cascade import too_small_for
from mtcnn.detector import TrtMtcnn
from mtcnn.errors import MtcnnError
from mtcnn.pipeline.records import faces_as_json
from mtcnn.runtime.text import printable
from mtcnn.serve.batches import Batches, Found, FullError
from mtcnn.serve.metrics import Metrics
from mtcnn.serve.parameters import read_parameters, unused_parameters
from mtcnn.serve.uploaded import check_type, read_body
from mtcnn.web.hosts import HostCheck
from mtcnn.web.pictures import MOST_PIXELS, check_size
from mtcnn.web.uploads import RETRY, Uploads, check_length

__all__ = ["Limits", "make_app"]

Result = TypeVar("Result")

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_ROUTES = {"POST /detect": "a picture's file, as it is or in a form", "GET /healthz": "", "GET /metrics": ""}
_MOST_MESSAGE = 500  # characters


@dataclass(frozen=True)
class Limits:
    """Of what a server takes.

    Attributes:
        picture_bytes, picture_pixels: of a picture's file, and decoded.
        held_bytes: of all requests' bodies together.
        waiting: requests that wait for a thread.
        seconds: from a request's last byte to its answer.
    """

    picture_bytes: int = 10_000_000
    picture_pixels: int = MOST_PIXELS
    held_bytes: int = 256_000_000
    waiting: int = 128
    seconds: float = 30


def make_app(
    detector: TrtMtcnn, threads: int, limits: Limits = Limits(), hosts: tuple[str, ...] = ("*",)
) -> tuple[Starlette, Batches]:
    """The server as an ASGI application; and its threads, to be closed after it.

    Args:
        detector: whose parameters requests change for themselves.
        threads: that detect at the same time.
        hosts: names that it answers to, against other sites' pages; "*": any.
    """
    metrics = Metrics()
    uploads = Uploads(limits.held_bytes)
    batches = Batches(detector, threads, limits.waiting, limits.picture_pixels, metrics.batch.observe)
    metrics.watch("mtcnn_waiting_requests", "Requests that wait for a thread.", lambda: batches.waiting)
    metrics.watch("mtcnn_working_threads", "Threads that detect.", lambda: batches.working)

    async def detect(request: Request) -> Response:
        began = time.monotonic()
        try:
            found, notes = await _answer(request)
        except ClientDisconnect:
            metrics.requests.labels("499").inc()  # as nginx writes it
            return Response(status_code=400)  # which nobody reads
        except Exception as error:
            answer = _failed(error)
            metrics.requests.labels(str(answer.status_code)).inc()
            if not isinstance(error, (HTTPException, ValueError, TypeError, MtcnnError, MemoryError)):
                raise
            return answer
        metrics.requests.labels("200").inc()
        metrics.faces.inc(len(found.dets))
        metrics.waited.observe(found.waited)
        metrics.seconds.observe(time.monotonic() - began)
        timing = f"wait;dur={1000 * found.waited:.2f}, detect;dur={1000 * found.worked:.2f}"
        return JSONResponse(_as_json(found, notes), headers={**_HEADERS, "Server-Timing": timing})

    async def _answer(request: Request) -> tuple[Found, list[str]]:
        """The faces; which of the request's parameters change nothing, and which leave nothing to look for."""
        content_type = request.headers.get("content-type", "")
        check_type(content_type, request.headers.get("content-encoding", ""))
        query = request.query_params.multi_items()
        read_parameters(query, detector.params)  # what is wrong is said before the picture is sent
        check_length(request, limits.picture_bytes)
        if batches.is_full:
            raise FullError
        async with uploads.body(request, limits.picture_bytes) as body:
            data, fields = read_body(body, content_type)
            given = [*query, *fields]
            params = read_parameters(given, detector.params)
            notes = unused_parameters(given, detector.params, params)
            pixels = check_size(data, limits.picture_pixels)
            if pixels is None:  # of a format that does not say: it is taken alone
                pixels = limits.picture_pixels
            found = await _unless_gone(request, batches.find(data, pixels, params), limits)
            height, width = found.img.shape[:2]
            if not len(found.dets) and (why := too_small_for(height, width, params)):
                notes.append(f"no face is looked for: {why}")
            return found, notes

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_HEADERS)

    async def measured(request: Request) -> Response:
        return Response(metrics.text(), media_type=metrics.content_type, headers=_HEADERS)

    async def about(request: Request) -> Response:
        return JSONResponse(
            {"mtcnn": mtcnn.__version__, "runtime": detector.runtime, "routes": _ROUTES}, headers=_HEADERS
        )

    async def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code in (404, 405):
            text = f"{error.detail}: there are {', '.join(_ROUTES)}"
            error = HTTPException(error.status_code, text, error.headers)
        return _failed(error)

    routes = [
        Route("/", about),
        Route("/detect", detect, methods=["POST"]),
        Route("/healthz", health),
        Route("/metrics", measured),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(HostCheck, names=hosts, headers=_HEADERS)],
        exception_handlers={HTTPException: failed, Exception: failed},
    )
    return app, batches


def _as_json(found: Found, notes: list[str]) -> dict[str, Any]:
    height, width = found.img.shape[:2]
    answer = {"width": width, "height": height, "faces": faces_as_json(found.dets, found.landmarks)}
    if found.flaw:
        answer[found.flaw] = True
    return answer | {"warnings": notes} if notes else answer


def _failed(error: Exception) -> Response:
    headers: dict[str, str] = dict(_HEADERS)
    if isinstance(error, HTTPException):
        code, text = error.status_code, str(error.detail)
        headers |= error.headers or {}
    elif isinstance(error, (ValueError, TypeError)):
        code, text = 400, str(error)
    elif isinstance(error, MemoryError):
        code, text = 503, "there is no memory for it now: try again"
        headers |= RETRY
    else:
        code, text = 500, str(error) if isinstance(error, MtcnnError) else "the server failed"
    text = printable(text)
    if len(text) > _MOST_MESSAGE:
        text = text[: _MOST_MESSAGE - 1] + "…"
    return JSONResponse({"problem": text}, code, headers=headers)


async def _unless_gone(request: Request, work: Awaitable[Result], limits: Limits) -> Result:
    """The result of the work, which is given up where the client goes or the time is over."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())  # after the body there is only the end of the connection
    try:
        await asyncio.wait({task, gone}, timeout=limits.seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise ClientDisconnect
        raise HTTPException(503, f"the picture was not worked on within {limits.seconds:g} seconds: try again", RETRY)
    finally:
        gone.cancel()
        task.cancel()
