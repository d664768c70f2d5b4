"""The plain cascade that runtimes of the networks are compared in: it gives what the reference gives."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn.backends.networks import load
from mtcnn.backends.plain_cascade import Networks, detect
from mtcnn.params import make_params
from tests.conftest import DATA, ROOT, read_picture
from tests.reference import cascade as reference
from tests.support.pictures import noise

pytestmark = pytest.mark.slow

PICTURES = ["docs/images/astronaut.jpg", "docs/images/astronaut-detected.jpg"]


@pytest.fixture(scope="module", params=["native", "openvino", "onnxruntime"])
def networks(request: pytest.FixtureRequest) -> Networks:
    return load(request.param, 1)


@pytest.mark.parametrize("minsize", [20, 47.5])
@pytest.mark.parametrize("picture", [*PICTURES, "photos/detection1.jpg", "photos/2008_001322.jpg"])
def test_agrees_with_the_reference(picture: str, minsize: float, networks: Networks) -> None:
    img = read_picture(ROOT / picture if picture in PICTURES else DATA / picture)
    dets, landmarks = detect(networks, img, make_params("fast", {"minsize": minsize}))
    expected = reference.detect(img, minsize, "fast")
    assert len(dets) == len(expected[0]) > 0
    np.testing.assert_allclose(dets[:, :4], expected[0][:, :4], atol=1)
    np.testing.assert_allclose(dets[:, 4], expected[0][:, 4], atol=1e-3)
    np.testing.assert_allclose(landmarks, expected[1], atol=1)


@pytest.mark.parametrize("size", [(1, 1), (12, 12), (11, 300), (90, 130)])
def test_no_faces(size: tuple[int, int], networks: Networks) -> None:
    dets, landmarks = detect(networks, noise(*size), make_params("fast", {"minsize": 12}))
    assert dets.shape == (0, 5) and landmarks.shape == (0, 10)
