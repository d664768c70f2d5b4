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

import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from mtcnn.align import FaceAligner
from mtcnn.central import choose_face
from mtcnn.detector import TrtMtcnn
from mtcnn.errors import MtcnnError
from mtcnn.params import PRESETS, Params, Preset
from mtcnn.pipeline.records import faces_as_json
from mtcnn.recognition.verify import FaceVerifier
from mtcnn.runtime.opencv import opencv

__all__ = ["make_app"]

Picture = npt.NDArray[np.uint8]

PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp")
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
    hosts: tuple[str, ...] = ("*",),
) -> Starlette:
    """The demo as an ASGI application.

    Args:
        detector: what it shows.
        verifier: compares two pictures; None: the page does not offer that.
        most_bytes: the largest picture that it takes.
        hosts: names that it answers to, against other sites' pages; "*": any.
    """

    own, changes = _preset_and_changes(detector.params)
    turn = asyncio.Semaphore(2)  # a picture of 50 million pixels takes 150 MB

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
                "types": PICTURE_TYPES,
            }
        )

    async def detect(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind not in PICTURE_TYPES:
            raise HTTPException(415, f"a picture must be one of {', '.join(PICTURE_TYPES)}")
        preset, minsize = request.query_params.get("preset"), _number(request.query_params.get("minsize"))
        params = {"preset": preset, **changes} if preset else {}
        if minsize is not None:
            params["minsize"] = minsize
        data = await _body(request, most_bytes)
        async with turn:
            return _answer(await run_in_threadpool(_detect, detector, data, params))

    async def verify(request: Request) -> Response:
        if verifier is None:
            raise HTTPException(404, "start the demo with --embedder MODEL.onnx to compare faces")
        data = await _body(request, 3 * most_bytes)  # two pictures in base64
        try:
            fields = json.loads(data)
            pictures = [base64.b64decode(fields[side], validate=True) for side in ("a", "b")]
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise HTTPException(400, 'expected {"a": picture, "b": picture} in base64') from None
        if max(map(len, pictures)) > most_bytes:
            raise HTTPException(413, _too_large(most_bytes))
        async with turn:
            return _answer(await run_in_threadpool(_verify, verifier, pictures))

    async def failed(request: Request, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 400
        text = error.detail if isinstance(error, HTTPException) else str(error)
        return JSONResponse({"problem": text}, code, headers=_HEADERS)

    routes = [Route(path, page) for path in _PAGES]
    routes += [
        Route("/settings", settings),
        Route("/detect", detect, methods=["POST"]),
        Route("/verify", verify, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={HTTPException: failed, ValueError: failed, MtcnnError: failed},
    )


def _preset_and_changes(params: Params) -> tuple[str, dict[str, Any]]:
    """The preset that most of the parameters' values are of, and those that differ from it."""

    def differing(name: Preset) -> dict[str, Any]:
        return {key: value for key, value in asdict(params).items() if value != getattr(PRESETS[name], key)}

    nearest = min(PRESETS, key=lambda name: len(differing(name)))
    return nearest, differing(nearest)


def _answer(content: Any) -> Response:
    return JSONResponse(content, headers=_HEADERS)


async def _body(request: Request, most: int) -> bytes:
    """The request's body; no more of it is read than it may have."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, _too_large(most))
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> str:
    return f"the picture is larger than {most / 1e6:g} MB"


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise HTTPException(400, f"minsize must be a number, got {text!r}") from None


def _decode(data: bytes) -> Picture:
    cv2 = opencv()
    try:
        img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # of more pixels than OPENCV_IO_MAX_IMAGE_PIXELS, too
        img = None
    if img is None:
        raise HTTPException(415, "that is no picture that can be read")
    return np.asarray(img, np.uint8)


def _detect(detector: TrtMtcnn, data: bytes, params: dict[str, Any]) -> dict[str, Any]:
    img = _decode(data)
    began = time.perf_counter()
    dets, landmarks = detector.detect(img, **params)
    milliseconds = 1000 * (time.perf_counter() - began)
    height, width = img.shape[:2]
    index = choose_face((height, width), dets)
    return {
        "width": width,
        "height": height,
        "ms": round(milliseconds, 2),
        "faces": faces_as_json(dets, landmarks),
        "aligned": None if index is None else _data_url(FaceAligner((112, 112)).align(img, landmarks[index])),
    }


def _verify(verifier: FaceVerifier, files: list[bytes]) -> dict[str, Any]:
    pictures = [_decode(data) for data in files]
    began = time.perf_counter()
    result = verifier.verify(*pictures)
    return {
        "same": result.same,
        "distance": result.distance,
        "threshold": result.threshold,
        "ms": round(1000 * (time.perf_counter() - began), 2),
        "faces": [None if face is None else _data_url(face.crop) for face in result.faces],
    }


def _data_url(img: Picture) -> str:
    _, data = opencv().imencode(".png", img)
    return "data:image/png;base64," + base64.b64encode(data).decode()
