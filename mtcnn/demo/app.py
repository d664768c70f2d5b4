"""The pages and answers of `mtcnn demo`. Pictures are worked on in memory and forgotten."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
from mtcnn.errors import DarkPictureError, MtcnnError
from mtcnn.images import dark_pictures
from mtcnn.images.codec import codec
from mtcnn.images.decode import FLAWS
from mtcnn.images.resize import resize_area
from mtcnn.params import PRESETS, Params, Preset
from mtcnn.pipeline.records import faces_as_json
from mtcnn.recognition.verify import FaceVerifier
from mtcnn.web.hosts import HostCheck
from mtcnn.web.pictures import MOST_PIXELS, Picture, decode_within
from mtcnn.web.uploads import Uploads

__all__ = ["make_app"]

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
    uploads = Uploads(12 * most_bytes if most_held is None else most_held)

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
        more = (error.headers or {}) if isinstance(error, HTTPException) else {}
        return JSONResponse({"problem": text}, code, headers={**_HEADERS, **more})

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
        middleware=[Middleware(HostCheck, names=hosts, headers=_HEADERS)],
        exception_handlers={
            HTTPException: failed,
            ValueError: failed,
            MtcnnError: failed,
            MemoryError: failed,
            ClientDisconnect: gone,
        },
    )


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


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise HTTPException(400, f"minsize must be a number, got {text[:100]!r}") from None


def _detect(detector: TrtMtcnn, data: bytes, most_pixels: int, params: dict[str, Any], preview: bool) -> dict[str, Any]:
    img, flaw = decode_within(data, most_pixels)
    began = time.perf_counter()
    with dark_pictures():  # their flaw says so
        dets, landmarks = detector.detect(img, **params)
    milliseconds = 1000 * (time.perf_counter() - began)
    height, width = img.shape[:2]
    index = choose_face((height, width), dets)
    found = {
        "width": width,
        "height": height,
        "ms": round(milliseconds, 2),
        "faces": faces_as_json(dets, landmarks),
        "aligned": None if index is None else _data_url(FaceAligner(template="arcface").align(img, landmarks[index])),
    }
    if flaw and not (flaw == "dark" and len(dets)):
        found["flaw"] = FLAWS[flaw]
    return found | {"picture": _data_url(_shrunk(img))} if preview else found


def _shrunk(img: Picture) -> Picture:
    """For a browser that cannot read the file itself."""
    scale = PREVIEW_SIDE / max(img.shape[:2])
    if scale >= 1:
        return img
    size = tuple(max(1, round(side * scale)) for side in img.shape[1::-1])
    return resize_area(img, size[1], size[0])


def _verify(verifier: FaceVerifier, data: bytes, most_bytes: int, most_pixels: int) -> dict[str, Any]:
    files = _two_files(data)
    if max(map(len, files)) > most_bytes:
        raise HTTPException(413, f"the picture is larger than {most_bytes / 1e6:g} MB")
    pictures = [decode_within(file, most_pixels).img for file in files]
    began = time.perf_counter()
    try:
        result = verifier.verify(*pictures)
    except DarkPictureError:
        raise HTTPException(400, "a picture holds levels 0 and 1 alone: scale them to 0..255") from None
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
    data = codec().encode(".png", img)
    assert data is not None
    return "data:image/png;base64," + base64.b64encode(data).decode()
