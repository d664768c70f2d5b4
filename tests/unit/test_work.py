"""max_work: what a detection costs, counted before it is done."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import onnx
import pytest

from mtcnn import TrtMtcnn
from mtcnn.cascade import pyramid
from mtcnn.engines import models_folder
from mtcnn.params import DEFAULT_MAX_WORK, PRESETS, make_params
from mtcnn.work import ONET_CROP, PNET_PIXEL, RNET_BOX, SUPPRESSED_BOX
from tests.support.pictures import Image, noise, paste, scaled

ENDLESS: dict[str, Any] = {
    "minsize": 12,
    "factor": 0.95,
    "thresholds": (0, 0, 0),
    "second_pass": True,
    "second_pass_scales": (4.0,) * 16,
}


def multiply_adds(network: str, side: int) -> int:
    """Of the ONNX model's convolutions (and what are matrix products) for a square input."""
    model = onnx.shape_inference.infer_shapes(onnx.load(models_folder() / f"{network}.onnx"))
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    shapes = {"data": (3, side)}
    total = 0
    for node in model.graph.node:
        channels, size = shapes.get(node.input[0], (0, 0))
        fields = {field.name: list(field.ints) for field in node.attribute}
        if node.op_type == "Conv":
            out, into, height, width = weights[node.input[1]]
            size = size - height + 1
            total += out * into * height * width * size * size
            channels = out
        elif node.op_type == "MaxPool":
            kernel, step = fields["kernel_shape"][0], fields["strides"][0]
            size = math.ceil((size - kernel) / step) + 1
        for name in node.output:
            shapes[name] = channels, size
    return total


@pytest.mark.parametrize(
    ("network", "side", "counted"),
    [("pnet", 1000, PNET_PIXEL * 1000**2), ("rnet", 24, RNET_BOX), ("onet", 48, ONET_CROP)],
)
def test_counted_as_the_networks_are(network: str, side: int, counted: int) -> None:
    assert multiply_adds(network, side) == pytest.approx(counted, rel=0.02)


@pytest.fixture(scope="module")
def limited(engines: dict[str, Any]) -> TrtMtcnn:
    return TrtMtcnn(device="cpu", max_work=DEFAULT_MAX_WORK)


def test_parameters_without_end_are_refused_at_once(limited: TrtMtcnn) -> None:
    began = time.monotonic()
    with pytest.raises(
        ValueError, match=r"max_work is 900 .* O-Net's [0-9,]+ boxes, up to 34 crops each: .*second_pass_scales"
    ):
        limited.detect(noise(128, 128), **ENDLESS)
    assert time.monotonic() - began < 20


def test_proposals_are_counted_before_they_are_suppressed(limited: TrtMtcnn, astronaut: Image) -> None:
    """Comparing a million of them with their neighbours takes minutes, P-Net does not."""
    began = time.monotonic()
    with pytest.raises(
        ValueError, match=r"proposes more than 89\d+ boxes of a picture, .* max_work .*: raise thresholds"
    ):
        limited.detect(noise(1500, 1500), minsize=12, thresholds=(0, 0, 0), nms_thresholds=(1, 1, 1, 1))
    assert time.monotonic() - began < 20
    params = {"thresholds": (0, 0.7, 0.7), "max_work": 0.5}
    pictures = [astronaut[:40, :40], astronaut[:60, :60], astronaut, astronaut[:40, :40]]
    with pytest.raises(ValueError, match=r"^images\[2\]: P-Net proposes more than"):
        limited.detect_batch(pictures, **params)
    assert len(limited.detect_batch(pictures[:2], **params)) == 2


@pytest.mark.parametrize(
    ("limit", "params", "match"),
    [
        (0.0001, {}, r"0\.0001 billion multiply-adds, .* P-Net's [0-9,]+ pixels of 8 levels: raise minsize"),
        (0.6, {"thresholds": (0.3, 0.7, 0.7), "nms_thresholds": (1, 1, 0.7, 0.7)}, "R-Net's [0-9,]+ boxes: raise"),
        (2.0, {"thresholds": (0.3, 0, 0.7)}, r"O-Net's [0-9,]+ boxes, up to 6 crops each: raise thresholds\[1\]"),
    ],
)
def test_what_costs_and_what_to_change(
    limit: float, params: dict[str, Any], match: str, limited: TrtMtcnn, astronaut: Image
) -> None:
    with pytest.raises(ValueError, match=match):
        limited.detect(astronaut, max_work=limit, **params)


def test_usual_pictures_pass(limited: TrtMtcnn, astronaut: Image) -> None:
    """A 4K picture with faces from 20 pixels, whatever it shows."""
    p = PRESETS["accurate"]
    pixels = sum(height * width for height, width, _, _ in pyramid(2160, 3840, 20, p.factor, p.level_size))
    most = PNET_PIXEL * pixels + RNET_BOX * p.max_rnet + SUPPRESSED_BOX * p.max_rnet + 6 * ONET_CROP * p.max_onet
    assert most / 1e9 < DEFAULT_MAX_WORK
    for a, b in zip(limited.detect(astronaut, 20), limited.detect(astronaut, 20, max_work=None)):
        np.testing.assert_array_equal(a, b)


def test_a_detectors_limit_is_no_presets(limited: TrtMtcnn, astronaut: Image) -> None:
    with TrtMtcnn(device="cpu", max_work=0.001) as detector:
        for preset in PRESETS:
            with pytest.raises(ValueError, match="max_work is 0.001"):
                detector.detect(astronaut, preset=preset)
        assert len(detector.detect(astronaut, preset="fast", max_work=10)[0]) == 1
        assert len(detector.detect(astronaut, preset=make_params("fast", {"max_work": 10}))[0]) == 1
        with pytest.raises(ValueError, match="max_work is 0.001"):
            detector.detect(astronaut, preset=PRESETS["fast"])


def test_of_a_batch_the_picture_is_named_and_counted_alone(limited: TrtMtcnn, astronaut: Image, face: Image) -> None:
    small = scaled(face, 60)
    crowd = np.zeros((400, 400, 3), np.uint8)
    for x in range(0, 340, 80):
        for y in range(0, 340, 80):
            paste(crowd, small, x, y)
    limit = 1.5
    alone = [limited.detect(img, max_work=limit) for img in (astronaut[:200], small)]
    together = limited.detect_batch([astronaut[:200], small], max_work=limit)
    assert [len(dets) for dets, _ in together] == [len(dets) for dets, _ in alone]
    with pytest.raises(ValueError, match=r"O-Net's"):
        limited.detect(crowd, max_work=limit)
    with pytest.raises(ValueError, match=r"^images\[2\]: max_work is 1.5 .* O-Net's"):
        limited.detect_batch([astronaut[:200], small, crowd, small], max_work=limit)


@pytest.mark.parametrize("value", ["many", True, [1]])
def test_wrong_types(value: Any, limited: TrtMtcnn, astronaut: Image) -> None:
    with pytest.raises(TypeError, match="max_work must be a number"):
        limited.detect(astronaut, max_work=value)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 1e13])
def test_wrong_values(value: float, limited: TrtMtcnn, astronaut: Image) -> None:
    with pytest.raises(ValueError, match="max_work must be (at least 0|0 to 1e)"):
        limited.detect(astronaut, max_work=value)
