"""The pages and answers of `mtcnn demo`. Pictures are worked on in memory and forgotten."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from mtcnn.align import FaceAligner
from mtcnn.central import choose_face
from mtcnn.detector import TrtMtcnn
from mtcnn.errors import MtcnnError
from mtcnn.images.decode import UnreadableError, decode
from mtcnn.params import PRESETS, Params, Preset
from mtcnn.pipeline.picture_size import picture_size
from mtcnn.pipeline.records import faces_as_json
from mtcnn.recognition.verify import FaceVerifier
from mtcnn.runtime.opencv import opencv

__all__ = ["make_app"]

Picture = npt.NDArray[np.uint8]

MOST_PIXELS = 50_000_000  # a file of a few kilobytes can say it has billions of them
PREVIEW_SIDE = 2000
_PAGES = {"/": "page.html", "/demo.js": "demo.js", "/demo.css": "demo.css"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def make_app(
    detector: TrtMtcnn,
    verifier: FaceVerifier | None = None,
    *,
    most_bytes: int = 10_000_000,
    most_pixels: int = MOST_PIXELS,
    most_held: int | None = None,
    hosts: tuple[str, ...] = ("*",),
) -> Starlette:
    """The demo as an ASGI application.

    Args:
        detector: what it shows.
        verifier: compares two pictures; None: the page does not offer that.
        most_bytes: the largest picture that it takes, as a file,
        most_pixels: and decoded.
        most_held: bytes of all uploads under way together; default 12 of the largest pictures.
        hosts: names that it answers to, against other sites' pages; "*": any.
    """

    own, changes = _preset_and_changes(detector.params)
    turn = asyncio.Semaphore(2)  # a picture of 50 million pixels takes 150 MB
    uploads = _Uploads(12 * most_bytes if most_held is None else most_held)

    async def page(request: Request) -> Response:
        return FileResponse(Path(__file__).parent / _PAGES[request.url.path], headers=_HEADERS)

    async def settings(request: Request) -> Response:
        return _answer(
            {
                "verify": verifier is not None,
                "runtime": detector.runtime.partition("-")[0],
                "presets": list(PRESETS),
                "preset": own,
                "minsize": detector.params.minsize,
                "most_bytes": most_bytes,
            }
        )

    async def detect(request: Request) -> Response:
        preset, minsize = request.query_params.get("preset"), _number(request.query_params.get("minsize"))
        params = {"preset": preset, **changes} if preset else {}
        if minsize is not None:
            params["minsize"] = minsize
        preview = "preview" in request.query_params
        _check_type(request, "image/*", "application/octet-stream")
        async with uploads.body(request, most_bytes) as data, turn:
            return _answer(await run_in_threadpool(_detect, detector, data, most_pixels, params, preview))

    async def verify(request: Request) -> Response:
        if verifier is None:
            raise HTTPException(404, "start the demo with --embedder MODEL.onnx to compare faces")
        _check_type(request, "application/json")
        async with uploads.body(request, 3 * most_bytes) as data, turn:  # two pictures in base64
            return _answer(await run_in_threadpool(_verify, verifier, data, most_bytes, most_pixels))

    async def failed(request: Request, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 400
        text = error.detail if isinstance(error, HTTPException) else str(error)
        return JSONResponse({"problem": text}, code, headers=_HEADERS)

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # which nobody reads

    routes = [Route(path, page) for path in _PAGES]
    routes += [
        Route("/settings", settings),
        Route("/detect", detect, methods=["POST"]),
        Route("/verify", verify, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(_HostCheck, names=hosts)],
        exception_handlers={
            HTTPException: failed,
            ValueError: failed,
            MtcnnError: failed,
            MemoryError: failed,
            ClientDisconnect: gone,
        },
    )


class _HostCheck:
    """Answers only requests that name this server: a page of another site, whose name leads here, is refused."""

    def __init__(self, app: Any, names: tuple[str, ...]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and "*" not in self._names:
            given = [value for name, value in scope["headers"] if name == b"host"]
            if len(given) != 1 or _host_of(given[0].decode("latin-1")) not in self._names:
                text = f"this server answers to {' and '.join(self._names)} alone"
                await JSONResponse({"problem": text}, 400, headers=_HEADERS)(scope, receive, send)
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


class _Uploads:
    """The bodies of all requests under way, of so many bytes together at most."""

    def __init__(self, most: int) -> None:
        self._left = most

    @asynccontextmanager
    async def body(self, request: Request, most: int) -> AsyncIterator[bytes]:
        """The request's body; no more of it is read than it may have. It counts until the block is left."""
        held = 0
        try:
            body = bytearray()
            async for part in request.stream():
                if len(body) + len(part) > most:
                    raise HTTPException(413, _too_large(most))
                if len(part) > self._left:
                    raise HTTPException(503, "too many pictures are sent at once: try again")
                self._left -= len(part)
                held += len(part)
                body += part
            yield bytes(body)
        finally:
            self._left += held


def _preset_and_changes(params: Params) -> tuple[str, dict[str, Any]]:
    """The preset that most of the parameters' values are of, and those that differ from it."""

    def differing(name: Preset) -> dict[str, Any]:
        return {key: value for key, value in asdict(params).items() if value != getattr(PRESETS[name], key)}

    nearest = min(PRESETS, key=lambda name: len(differing(name)))
    return nearest, differing(nearest)


def _answer(content: Any) -> Response:
    return JSONResponse(content, headers=_HEADERS)


def _check_type(request: Request, *wanted: str) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not any(kind == one or (one.endswith("/*") and kind.startswith(one[:-1])) for one in wanted):
        raise HTTPException(415, f"Content-Type must be {' or '.join(wanted)}, got {kind[:100]!r}")


def _too_large(most: int) -> str:
    return f"the picture is larger than {most / 1e6:g} MB"


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise HTTPException(400, f"minsize must be a number, got {text[:100]!r}") from None


def _decode(data: bytes, most_pixels: int) -> Picture:
    if (size := picture_size(data)) is not None:
        _check_pixels(size[0] * size[1], most_pixels)
    try:
        img = decode(data).img
    except UnreadableError as error:
        raise HTTPException(415, f"the picture cannot be read: {error}") from None
    _check_pixels(img.shape[0] * img.shape[1], most_pixels)
    return img


def _check_pixels(pixels: int, most: int) -> None:
    if pixels > most:
        raise HTTPException(413, f"the picture has {pixels / 1e6:,.0f} megapixels, of at most {most / 1e6:g}")


def _detect(detector: TrtMtcnn, data: bytes, most_pixels: int, params: dict[str, Any], preview: bool) -> dict[str, Any]:
    img = _decode(data, most_pixels)
    began = time.perf_counter()
    dets, landmarks = detector.detect(img, **params)
    milliseconds = 1000 * (time.perf_counter() - began)
    height, width = img.shape[:2]
    index = choose_face((height, width), dets)
    found = {
        "width": width,
        "height": height,
        "ms": round(milliseconds, 2),
        "faces": faces_as_json(dets, landmarks),
        "aligned": None if index is None else _data_url(FaceAligner((112, 112)).align(img, landmarks[index])),
    }
    return found | {"picture": _data_url(_shrunk(img))} if preview else found


def _shrunk(img: Picture) -> Picture:
    """For a browser that cannot read the file itself."""
    scale = PREVIEW_SIDE / max(img.shape[:2])
    if scale >= 1:
        return img
    size = tuple(max(1, round(side * scale)) for side in img.shape[1::-1])
    return np.asarray(opencv().resize(img, size, interpolation=opencv().INTER_AREA), np.uint8)


def _verify(verifier: FaceVerifier, data: bytes, most_bytes: int, most_pixels: int) -> dict[str, Any]:
    files = _two_files(data)
    if max(map(len, files)) > most_bytes:
        raise HTTPException(413, _too_large(most_bytes))
    pictures = [_decode(file, most_pixels) for file in files]
    began = time.perf_counter()
    result = verifier.verify(*pictures)
    return {
        "same": result.same,
        "distance": result.distance,
        "threshold": result.threshold,
        "ms": round(1000 * (time.perf_counter() - began), 2),
        "faces": [None if face is None else _data_url(face.crop) for face in result.faces],
    }


def _two_files(data: bytes) -> list[bytes]:
    """Of JSON that can hold nothing else: what is deep, or has a million values, is not even read."""
    try:
        if sum(map(data.count, (b"[", b"{", b","))) > 8:
            raise ValueError
        fields = json.loads(data)
        return [base64.b64decode(fields[side], validate=True) for side in ("a", "b")]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise HTTPException(400, 'expected {"a": picture, "b": picture} in base64') from None


def _data_url(img: Picture) -> str:
    _, data = opencv().imencode(".png", img)
    return "data:image/png;base64," + base64.b64encode(data).decode()
