"""The MTCNN cascade as one model of Triton's Python backend: pictures in, faces out."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

import pytrt
from mtcnn import TrtMtcnn
from mtcnn.images import as_bgr
from mtcnn.params import make_params


class TritonPythonModel:
    """Runs ``detect_batch`` over the pictures of all requests that dynamic batching has collected.

    A request has one of two inputs. ``image``: files as bytes, JPEG, PNG or what else OpenCV reads; ``pixels``: uint8
    BGR (H, W, 3), or gray (H, W, 1). Its parameters are those of ``TrtMtcnn.detect``; those that are neither
    whole numbers nor words are JSON: ``"thresholds": "[0.5, 0.6, 0.4]"``.
    """

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        settings = {key: value["string_value"] for key, value in config["parameters"].items()}
        self._max_pixels = int(settings["max_pixels"])
        os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(self._max_pixels)  # read from the file's head, before decoding
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        on_gpu = args["model_instance_kind"] == "GPU"
        instances = max(1, sum(group["count"] for group in config["instance_group"]))
        self._detector = TrtMtcnn(
            device=f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu",
            preset=settings["preset"],
            threads=int(settings["threads"]) or max(1, pytrt.usable_cores() // instances),
            minsize=float(settings["minsize"]),
        )

    def finalize(self) -> None:
        self._detector.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        answers: list[Any] = [None] * len(requests)
        alike: dict[str, list[tuple[int, list[Any]]]] = {}  # requests that can share calls, by their parameters
        for i, request in enumerate(requests):
            try:
                params = self._params(request)
                pictures = self._pictures(request)
            except (TypeError, ValueError, MemoryError) as error:
                answers[i] = refuse(error)
            else:
                alike.setdefault(json.dumps(params, sort_keys=True), []).append((i, pictures))
        for text, members in alike.items():
            for i, response in self._detect(members, json.loads(text)):
                answers[i] = response
        return answers

    def _detect(self, members: list[tuple[int, list[Any]]], params: dict[str, Any]) -> list[tuple[int, Any]]:
        try:
            found = iter(self._detector.detect_batch([img for _, pictures in members for img in pictures], **params))
        except Exception as error:
            if len(members) == 1:
                return [(members[0][0], refuse(error))]
            # Some are to blame, the others are not.
            return [pair for member in members for pair in self._detect([member], params)]
        return [(i, answer([next(found) for _ in pictures])) for i, pictures in members]

    def _params(self, request: Any) -> dict[str, Any]:
        params = {name: plain(value) for name, value in json.loads(request.parameters() or "{}").items()}
        make_params(params.get("preset", self._detector.params), {k: v for k, v in params.items() if k != "preset"})
        return params

    def _pictures(self, request: Any) -> list[Any]:
        files = pb_utils.get_input_tensor_by_name(request, "image")
        pixels = pb_utils.get_input_tensor_by_name(request, "pixels")
        if (files is None) == (pixels is None):
            raise ValueError("a request must have one input: image (JPEG or PNG as bytes) or pixels (uint8, H x W x 3)")
        if files is not None:
            return [decode(file) for file in files.as_numpy().ravel()]
        pictures = [as_bgr(img, "pixels") for img in pixels.as_numpy()]
        for img in pictures:
            if img.shape[0] * img.shape[1] > self._max_pixels:
                size = f"{img.shape[1]}x{img.shape[0]}"
                raise ValueError(f"the picture is {size} pixels, of at most {self._max_pixels} (max_pixels)")
        return pictures


def answer(found: list[tuple[Any, Any]]) -> Any:
    """The pictures' faces, each padded with zeros to the most that one of them has."""
    most = max(len(dets) for dets, _ in found)
    dets = np.zeros((len(found), most, 5), np.float32)
    landmarks = np.zeros((len(found), most, 10), np.float32)
    for i, (boxes, points) in enumerate(found):
        dets[i, : len(boxes)], landmarks[i, : len(points)] = boxes, points
    count = np.array([[len(boxes)] for boxes, _ in found], np.int32)
    tensors = [pb_utils.Tensor("dets", dets), pb_utils.Tensor("landmarks", landmarks), pb_utils.Tensor("count", count)]
    return pb_utils.InferenceResponse(tensors)


def refuse(error: BaseException) -> Any:
    mistaken = isinstance(error, (TypeError, ValueError))
    code = pb_utils.TritonError.INVALID_ARG if mistaken else pb_utils.TritonError.INTERNAL
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error) or type(error).__name__, code))


def plain(value: Any) -> Any:
    """A request's parameter: JSON where it is some, else the word itself."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def decode(file: bytes) -> Any:
    """BGR (H, W, 3), turned as its EXIF orientation says."""
    import cv2

    try:
        img = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) if file else None
    except cv2.error as error:
        if "MAX_IMAGE_PIXELS" in str(error):
            most = os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"]
            raise ValueError(f"the picture has more than {most} pixels (max_pixels)") from None
        img = None
    if img is None:
        raise ValueError("image is no picture that OpenCV can read")
    return img
