"""The MTCNN cascade as one model of Triton's Python backend: pictures in, faces out."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

import pytrt
from mtcnn import TrtMtcnn
from mtcnn.images import as_bgr, check_not_dark
from mtcnn.images.decode import UnreadableError, decode
from mtcnn.params import DEFAULT_MAX_WORK, Params, make_params
from mtcnn.runtime.unused import untold, warn_unused
from mtcnn.serving.models.requests import answer_each, read_parameters, refuse
from mtcnn.without_effect import unused


class TritonPythonModel:
    """Runs ``detect_batch`` over the pictures of all requests that dynamic batching has collected.

    A request has one of two inputs. ``image``: files as bytes, JPEG, PNG or what else OpenCV reads; ``pixels``: uint8
    BGR (H, W, 3), or gray (H, W, 1). Its parameters are those of ``TrtMtcnn.detect``; those that are neither
    whole numbers nor words are JSON: ``"thresholds": "[0.5, 0.6, 0.4]"``. ``max_work`` can be lowered, not raised.
    """

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        settings = {key: value["string_value"] for key, value in config["parameters"].items()}
        self._told: set[str] = set()
        self._max_pixels = int(settings["max_pixels"])
        self._max_work = float(settings.get("max_work", DEFAULT_MAX_WORK))
        os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(self._max_pixels)  # read from the file's head, before decoding
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        on_gpu = args["model_instance_kind"] == "GPU"
        instances = max(1, sum(group["count"] for group in config["instance_group"]))
        self._detector = TrtMtcnn(
            device=f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu",
            preset=settings["preset"],
            threads=0 if on_gpu else int(settings["threads"]) or max(1, pytrt.usable_cores() // instances),
            minsize=float(settings["minsize"]),
            max_work=self._max_work,
        )

    def finalize(self) -> None:
        self._detector.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        return answer_each(requests, self._read, self._detect)

    def _read(self, request: Any) -> tuple[str, list[Any]]:
        """The parameters, which requests that share calls have in common, and the pictures."""
        params = read_parameters(request)
        checked = make_params(
            params.get("preset", self._detector.params), {k: v for k, v in params.items() if k != "preset"}
        )
        asked = checked.max_work
        params["max_work"] = self._max_work if asked is None else min(asked, self._max_work)
        return json.dumps(params, sort_keys=True), self._pictures(request)

    def _detect(self, key: str, requests: list[list[Any]]) -> list[Any]:
        pictures = [img for request in requests for img in request]
        params = json.loads(key)
        with untold():
            checked = self._detector._call_params(None, preset := params.pop("preset", None), params)
        self._tell_unused(checked, params, preset)
        found = iter(self._detector._detect_each(pictures, checked))
        return [answer_or_refuse([next(found) for _ in request]) for request in requests]

    def _tell_unused(self, checked: Params, given: dict[str, Any], preset: str | None) -> None:
        """Once for each name: values are the clients', who have millions."""
        base = self._detector.params if preset is None else make_params(preset, {})
        for text in unused(checked, given, base):
            name = text.partition("=")[0]
            if name not in self._told:
                self._told.add(name)
                warn_unused(text)

    def _pictures(self, request: Any) -> list[Any]:
        files = pb_utils.get_input_tensor_by_name(request, "image")
        pixels = pb_utils.get_input_tensor_by_name(request, "pixels")
        if (files is None) == (pixels is None):
            raise ValueError("a request must have one input: image (JPEG or PNG as bytes) or pixels (uint8, H x W x 3)")
        if files is not None:
            pictures = [decode_file(file, self._max_pixels) for file in files.as_numpy().ravel()]
        else:
            pictures = [as_bgr(img, "pixels") for img in pixels.as_numpy()]
            for img in pictures:
                check_not_dark(img, "pixels")
        for img in pictures:
            if img.shape[0] * img.shape[1] > self._max_pixels:
                size = f"{img.shape[1]}x{img.shape[0]}"
                raise ValueError(f"the picture is {size} pixels, of at most {self._max_pixels} (max_pixels)")
        return pictures


def answer_or_refuse(found: list[tuple[Any, Any] | ValueError]) -> Any:
    """The answer to a request; where a picture is refused, that, though others of the batch have their faces."""
    faces: list[tuple[Any, Any]] = []
    for i, one in enumerate(found):
        if isinstance(one, ValueError):
            return refuse(ValueError(f"images[{i}]: {one}"))
        faces.append(one)
    return answer(faces)


def answer(found: list[tuple[Any, Any]]) -> Any:
    """The pictures' faces, each padded with zeros to the most that one of them has."""
    most = max((len(dets) for dets, _ in found), default=0)
    dets = np.zeros((len(found), most, 5), np.float32)
    landmarks = np.zeros((len(found), most, 10), np.float32)
    for i, (boxes, points) in enumerate(found):
        dets[i, : len(boxes)], landmarks[i, : len(points)] = boxes, points
    count = np.array([len(boxes) for boxes, _ in found], np.int32).reshape(-1, 1)
    tensors = [pb_utils.Tensor("dets", dets), pb_utils.Tensor("landmarks", landmarks), pb_utils.Tensor("count", count)]
    return pb_utils.InferenceResponse(tensors)


def decode_file(file: bytes, most: int) -> Any:
    """BGR (H, W, 3), turned as its EXIF orientation says."""
    data = file if isinstance(file, bytes) else bytes(memoryview(file or b""))  # a number is no file
    try:
        img, flaw = decode(data, most=most)
    except UnreadableError as error:
        raise ValueError(f"image cannot be read: {error}") from None
    if flaw == "dark" and img.max() == 1:
        raise ValueError("image holds levels 0 and 1 alone: scale them to 0..255")
    return img
