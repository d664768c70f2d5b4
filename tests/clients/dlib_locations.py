"""The package face_recognition itself and `mtcnn.compat.face_recognition` beside it: `make compat` runs it."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mtcnn.compat import face_recognition as ours

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its models ask pkg_resources where they are
    import face_recognition as original

BLANK = np.zeros((90, 120, 3), np.uint8)


def check_face_recognition(paths: list[Path]) -> None:
    check_calls(paths[0])
    theirs, own, shared = 0, 0, 0
    for path in paths:
        img = original.load_image_file(path)
        assert ours.load_image_file(path).shape == img.shape
        found = [package.face_locations(img) for package in (original, ours)]
        for location in found[1]:
            check_location(location, img.shape)
        theirs, own = theirs + len(found[0]), own + len(found[1])
        shared += sum(max((overlap(a, b) for b in found[1]), default=0) > 0.4 for a in found[0])
    versions = [importlib.metadata.version(name) for name in ("face_recognition", "dlib-bin")]
    print(
        f"face_recognition {versions[0]} (dlib {versions[1]})"
        f" finds {theirs} faces in {len(paths)} pictures, ours {own}; {shared} of its are among ours (IoU > 0.4)"
    )
    assert shared > 0.7 * theirs


def check_calls(path: Path) -> None:
    img = original.load_image_file(path)
    for package in (original, ours):
        answers = [
            package.face_locations(img),
            package.face_locations(BLANK),
            package.face_locations(img[:, :, 0].copy()),
        ]
        answers += [package.face_locations(np.ascontiguousarray(img[90:])), package.face_locations(img, 0)]
        assert [type(answer) for answer in answers] == [list] * 5 and answers[1] == []
        for answer, shape in zip(answers, (img.shape, BLANK.shape, img.shape, img[90:].shape, img.shape), strict=True):
            for location in answer:
                check_location(location, shape)
        assert overlap(answers[0][0], (62, 267, 172, 180)) > 0.4, answers[0]
        assert answers[3][0][0] == 0  # the face is cut, and the box is not
        gray = package.load_image_file(path, "L")
        with open(path, "rb") as file:
            again = package.load_image_file(file)
        assert gray.shape == img.shape[:2] and gray.dtype == again.dtype == np.uint8
        assert (
            np.abs(again.astype(int) - img).max() <= 3
            and np.abs(gray.astype(int) - np.asarray(gray_of(path))).max() <= 3
        )
        small = [img[:120, 150:290].copy()] * 2
        batch = package.batch_face_locations(small, 0)
        assert isinstance(batch, list) and len(batch) == 2 and all(isinstance(one, list) for one in batch)
        assert raised(lambda package=package: package.load_image_file("nowhere.jpg")) is not None
        assert isinstance(raised(lambda package=package: package.load_image_file("nowhere.jpg")), FileNotFoundError)
        assert isinstance(raised(lambda package=package: package.load_image_file(__file__)), OSError)
        for wrong in (str(path), None, 5, []):
            assert isinstance(raised(lambda package=package, wrong=wrong: package.face_locations(wrong)), TypeError), (
                wrong
            )
        for wrong in (img / 255, img[:, :, :2]):
            error = raised(lambda package=package, wrong=wrong: package.face_locations(wrong))
            assert isinstance(error, RuntimeError if package is original else ValueError)
    # its other functions take our boxes, under our name
    location = ours.face_locations(img)
    known, seen = ours.face_encodings(img, original.face_locations(img)[:1])[0], ours.face_encodings(img, location)[0]
    assert ours.compare_faces([known], seen) == [True] and ours.face_distance([known], seen)[0] < 0.3
    eyes = ours.face_landmarks(img, location, model="small")[0]
    assert eyes["left_eye"][0][0] < eyes["right_eye"][0][0]
    for picture in (Image.open(path), np.dstack([img, img[:, :, :1]])):  # which the original refuses
        assert raised(lambda picture=picture: original.face_locations(picture)) is not None
        assert ours.face_locations(picture) == location


def gray_of(path: Path) -> Image.Image:
    return Image.open(path).convert("L")


def check_location(location: Any, shape: tuple[int, ...]) -> None:
    """(top, right, bottom, left), plain ints within the picture."""
    top, right, bottom, left = location
    assert type(location) is tuple and all(type(side) is int for side in location)
    assert 0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1], location


def overlap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[1], b[1]) - max(a[3], b[3])
    if height <= 0 or width <= 0:
        return 0.0
    areas = [(one[2] - one[0]) * (one[1] - one[3]) for one in (a, b)]
    return height * width / (sum(areas) - height * width)


def raised(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None
