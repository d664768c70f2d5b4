"""O-Net's second pass where it loses boxes: no face is lost, and none gets another's result.

The O-Net of these tests shrinks each box to next to nothing, so that many of the next squares have no pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mtcnn import TrtMtcnn, create_engines
from mtcnn.engines import models_folder
from tests.reference import cascade, nets
from tests.support.emulated import emulated_detector

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

KEEP = [0.01, 0.02]  # of a box's sides
Detectors = tuple[TrtMtcnn, TrtMtcnn]


def shrinking_onet(keep: float) -> bytes:
    """O-Net with the regression (a, a, -a, -a), by which about `keep` of a box is left; the rest as it is."""
    model = onnx.load(models_folder() / "onet.onnx")
    head = next(node for node in model.graph.node if "boxes" in node.output)
    weights = {w.name: w for w in model.graph.initializer}
    by = (1 - keep) / 2
    for name, value in zip(head.input[1:], (0, np.array([by, by, -by, -by])), strict=True):
        changed = np.zeros(weights[name].dims, np.float32) + np.asarray(value, np.float32)
        weights[name].CopyFrom(onnx.numpy_helper.from_array(changed, name))
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module", params=KEEP)
def detectors(request: Any, engines: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detectors]:
    """On the CPU and on the GPU's code, with that O-Net; the reference runs it, too."""
    models: Path = tmp_path_factory.mktemp("models")
    onet = shrinking_onet(request.param)
    for network in ("pnet", "rnet"):
        (models / f"{network}.onnx").write_bytes((models_folder() / f"{network}.onnx").read_bytes())
    (models / "onet.onnx").write_bytes(onet)
    session = ort.InferenceSession(onet, providers=["CPUExecutionProvider"])
    plain = nets._session
    paths = create_engines(models / "engines", models, flavour="cpu")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(nets, "_session", lambda net: session if net == "onet" else plain(net))
        cpu = stack.enter_context(TrtMtcnn(paths, device="cpu"))
        yield cpu, stack.enter_context(emulated_detector(engines=paths))


def detect_all(detectors: Detectors, img: NDArray[np.uint8], **params: Any) -> list[tuple[Any, Any]]:
    """By the reference, on the CPU, on the GPU's code."""
    return [
        cascade.detect(img, 20, "fast", **params),
        *(detector.detect(img, 20, preset="fast", **params) for detector in detectors),
    ]


@pytest.mark.filterwarnings("ignore::mtcnn.UnusedParameterWarning")
@given(data=st.data())
@settings(max_examples=12)
def test_no_face_is_lost(data: st.DataObject, detectors: Detectors, astronaut: NDArray[np.uint8]) -> None:
    params: dict[str, Any] = {
        "whole_pixels": data.draw(st.booleans()),
        "mirror": data.draw(st.booleans()),
        "mirror_first": True,  # or the first pass would be another
        "average_above": data.draw(st.sampled_from([0.3, 1.0])),
        "vote": data.draw(st.sampled_from([0.0, 0.4])),
        "thresholds": (0.3, data.draw(st.sampled_from([0.05, 0.2])), 0.01),
        "nms_thresholds": (0.5, 0.7, 0.9, 0.9),
        "max_rnet": 150,
        "max_onet": 60,
    }
    left, top = data.draw(st.integers(100, 200)), data.draw(st.integers(0, 60))
    img = astronaut[top : top + data.draw(st.integers(120, 200)), left : left + data.draw(st.integers(90, 200))]
    once = detect_all(detectors, img, **params)
    twice = detect_all(detectors, img, second_pass=True, **params)
    for (dets, _), (again, _) in zip(once, twice, strict=True):
        np.testing.assert_array_equal(dets[:, 4], again[:, 4])
    reference, *ours = twice
    for dets, landmarks in ours:
        # Half a pixel may become a whole one where the average is truncated.
        np.testing.assert_allclose(dets, reference[0], rtol=0, atol=1)
        np.testing.assert_allclose(landmarks, reference[1], rtol=0, atol=1.01)


def test_some_boxes_lose_their_second_pass(detectors: Detectors, astronaut: NDArray[np.uint8]) -> None:
    """What the test above is for does happen: some boxes have no second pass and others after them do."""
    params: dict[str, Any] = {"whole_pixels": True, "thresholds": (0.3, 0.05, 0.01), "nms_thresholds": (0.5, 0.7, 1, 1)}
    seen = []
    onet_pass = cascade.onet_pass

    def watched(mips: Any, boxes: Any, *others: Any, **named: Any) -> cascade.Look:
        found = onet_pass(mips, boxes, *others, **named)
        seen.append((len(boxes), found.index))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cascade, "onet_pass", watched)
        cascade.detect(astronaut, 30, "fast", second_pass=True, **params)
    boxes, index = seen[1]
    assert 0 < len(index) < boxes
    assert (index != np.arange(len(index))).any()
