"""Face crops in the pose that recognition networks are trained on: a five-point similarity transform."""

from __future__ import annotations

import operator

import numpy as np
import numpy.typing as npt

from . import checks
from .images import Color, Picture, as_bgr, check_not_dark
from .landmarks import FivePoints, as_numbers, as_points
from .params import Template
from .runtime.fixed import Fixed
from .templates import TEMPLATES, default_size, ffhq_matrix, template_points

__all__ = ["FaceAligner", "as_points", "height_width", "similarity_transform"]

_MOST_PIXELS = 1 << 30  # of a crop
_SHARES = 4  # pixels of a crop's side above which points in 0..1 are no pixels
_FLAT = 1e-3  # how far a template's points lie from a line, as a share of its length, at least


class FaceAligner(Fixed):
    """Cuts a face out of a picture, turned, scaled and shifted so that its five points lie on a template.

    ``(112, 96)`` and ``(112, 112)`` are the sizes that face recognition commonly uses; the square template is
    the other with x + 8. For any other size the 112x96 template is scaled to the largest that fits, centred:
    for a square size, this is the 112x112 template scaled.

    Args:
        size: (height, width) of the crops, in pixels, or one number for a square; default the template's own: (112, 96)
            of "seed", (112, 112) of "arcface", (256, 256) of "ffhq".
        margin: how much more of the picture they show, as a share of their height and width added on each side:
            0.5 shows the face at half its size, 0 as recognition networks expect it.
        template: "seed", this library's, whose eyes are level; "arcface", what ArcFace's networks and InsightFace's
            ``norm_crop`` take (also at 128x128, which has more margin); "ffhq", the square of the FFHQ data set,
            which stands upright on eyes and mouth; or (5, 2) points ``[x, y]`` in a crop of ``size``.

    Raises:
        TypeError, ValueError: ``size`` is not one or two whole numbers from 1 up, ``margin`` not 0 to 4, or
            ``template`` none of these, or points without a ``size``.

    Example:
        >>> dets, landmarks = detector.detect(img)      # doctest: +SKIP
        >>> FaceAligner().align(img, landmarks[0]).shape    # doctest: +SKIP
        (112, 96, 3)
    """

    _ARGUMENTS = frozenset({"margin"})

    def __init__(
        self,
        size: tuple[int, int] | int | None = None,
        margin: float = 0,
        template: Template | FivePoints = "seed",
    ) -> None:
        self._margin = checks.number(margin, "margin", 0, 4)
        if isinstance(template, str):
            self._name: str = checks.choice(template, "template", TEMPLATES)
            self._size = default_size(self._name) if size is None else height_width(size)
            points = template_points(self._name, self._size)
        else:
            self._name = ""
            if size is None:
                raise ValueError("size must be given with a template of points: the (height, width) they lie in")
            self._size = height_width(size)
            points = _check_template(template, self._size)
        # a margin shrinks what is seen towards the centre
        self._shrink = 1 / (1 + 2 * self._margin)
        self._centre = np.array(self._size[::-1]) / 2
        self._template = self._centre + (points - self._centre) * self._shrink

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the crops."""
        return self._size

    @property
    def template(self) -> npt.NDArray[np.float64]:
        """Where the five points go in a crop: (5, 2) ``[x, y]``, a copy."""
        return self._template.copy()

    def __repr__(self) -> str:
        margin = f", margin={self._margin:g}" if self._margin else ""
        template = "" if self._name == "seed" else f", template={self._name!r}" if self._name else ", template=points"
        return f"FaceAligner(size={self._size}{margin}{template})"

    def transform(self, landmarks: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the (2, 3) matrix that maps the picture's pixels ``[x, y, 1]`` to the crop's.

        Args:
            landmarks: (10,) ``[x1..x5, y1..y5]`` as from ``detect``, or (5, 2) ``[x, y]``.

        Raises:
            ValueError: another shape, NaN or infinity, or points that fit no face (all equal).
        """
        return self._fit(as_points(landmarks), "landmarks")

    def align(self, img: Picture, landmarks: npt.ArrayLike, *, color: Color = "bgr") -> npt.NDArray[np.uint8]:
        """Return the face as BGR uint8 (height, width, 3), bilinear, black where the picture ends.

        Args:
            img: any picture that ``detect`` takes; color: the order of its channels. The crop is BGR.
            landmarks: as in `transform`.
        """
        bgr = as_bgr(img, color=color)
        crop = _warp(bgr, self.transform(landmarks), self._size)
        _check_crop(crop, bgr)
        return crop

    def align_all(self, img: Picture, landmarks: npt.ArrayLike, *, color: Color = "bgr") -> npt.NDArray[np.uint8]:
        """Return all faces of one picture, (n, height, width, 3) uint8 BGR, in the order of ``landmarks``.

        Args:
            img: any picture that ``detect`` takes; color: the order of its channels. The crops are BGR.
            landmarks: (n, 10) as from ``detect``, or (n, 5, 2). No faces give an empty array.
        """
        bgr = as_bgr(img, color=color)
        faces = as_numbers(landmarks, "landmarks")
        if faces.shape == (0,):  # a list without faces
            faces = faces.reshape(0, 10)
        if faces.ndim not in (2, 3) or faces.shape[1:] not in ((10,), (5, 2)):
            raise ValueError(f"landmarks must have the shape (n, 10) or (n, 5, 2), got {faces.shape}")
        names = [f"landmarks[{i}]" for i in range(len(faces))]
        matrices = [self._fit(as_points(f, name), name) for f, name in zip(faces, names, strict=True)]
        crops = np.empty((len(faces), *self._size, 3), np.uint8)
        for crop, matrix in zip(crops, matrices, strict=True):
            crop[...] = _warp(bgr, matrix, self._size)
        if len(crops):
            _check_crop(crops[0], bgr)
        return crops

    def _fit(self, points: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
        try:
            if self._name != "ffhq":
                return similarity_transform(points, self._template)
            matrix = ffhq_matrix(points, self._size) * self._shrink
            matrix[:, 2] += self._centre * (1 - self._shrink)
            return matrix
        except ValueError:
            why = "the points are all equal, or nothing like one"
            if not points.any():
                why = "they are zeros, as a detector's without O-Net: networks=3 runs it"
            raise ValueError(f"{name} fit no face: {why}") from None


def _check_template(template: npt.ArrayLike, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    points = as_numbers(template, "template")
    if points.shape != (5, 2):
        names = ", ".join(map(repr, TEMPLATES))
        raise ValueError(f"template must be {names} or five points [x, y], (5, 2), got the shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("template holds NaN or infinity")
    if not np.ptp(points, axis=0).any():
        raise ValueError("template holds five equal points")
    across, along = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[::-1]
    if across < _FLAT * along:
        raise ValueError("template holds five points on a line, which no face has")
    points = as_points(points, "template")
    if min(size) > _SHARES and ((points >= 0) & (points <= 1)).all():
        raise ValueError("template holds shares of the crop: points are its pixels, so multiply by (width, height)")
    if not ((points >= 0) & (points <= size[::-1])).all(axis=1).any():
        height, width = size
        raise ValueError(f"template has no point within the crop, which is {height} pixels high and {width} wide")
    return points


def similarity_transform(src: npt.ArrayLike, dst: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the (2, 3) matrix of the rotation, scale and shift that brings ``src`` nearest to ``dst``.

    Nearest by least squares: no other ``[[a, -b, tx], [b, a, ty]]`` has a smaller sum of squared distances.
    There is no shear, and never a reflection. S. Umeyama, "Least-squares estimation of transformation
    parameters between two point patterns", IEEE TPAMI 13(4), 1991. In the plane this has a closed form:
    with the points as complex numbers z and w about their means, a + ib = sum(conj(z) w) / sum(|z|^2).

    Args:
        src: (n, 2) points ``[x, y]``, n >= 2.
        dst: (n, 2) points, in the same order.

    Raises:
        ValueError: unequal or other shapes, NaN or infinity, or no answer: all points of one set are equal,
            or ``dst`` is such a mirror image of ``src`` that the best scale is 0.
    """
    source, target = as_numbers(src, "src"), as_numbers(dst, "dst")
    for points, name in ((source, "src"), (target, "dst")):
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
            raise ValueError(f"{name} must have the shape (n, 2), n >= 2, got {points.shape}")
        if not np.isfinite(points).all():
            raise ValueError(f"{name} holds NaN or infinity")
    if source.shape != target.shape:
        raise ValueError(f"src and dst must pair up, got {len(source)} and {len(target)} points")

    z, z_mean, z_norm = _about_mean(source, "src")
    w, w_mean, w_norm = _about_mean(target, "dst")
    turn = np.vdot(z, w)  # of unit vectors: 1 where dst is a similarity of src, 0 where none fits
    if abs(turn) < 1e-9:
        raise ValueError("src and dst are no similarity of each other: the best scale is 0")
    with np.errstate(over="ignore", invalid="ignore"):
        a = turn * (w_norm / z_norm)
        shift = w_mean - a * z_mean
    matrix = np.array([[a.real, -a.imag, shift.real], [a.imag, a.real, shift.imag]], dtype=np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError("src and dst are too far apart for float64")
    return matrix


def _about_mean(points: npt.NDArray[np.float64], name: str) -> tuple[npt.NDArray[np.complex128], complex, float]:
    """The points as complex numbers about their mean, scaled to norm 1; the mean; the norm."""
    # the largest coordinate comes out first, so that no square over- or underflows
    largest = float(np.abs(points).max())
    scaled = points / largest if largest > 0 else points
    z = scaled[:, 0] + 1j * scaled[:, 1]
    mean = z.mean()
    z = z - mean
    norm = float(np.linalg.norm(z))
    if norm < 1e-10:
        raise ValueError(f"{name} holds {len(points)} equal points; at least two must differ")
    return z / norm, complex(mean) * largest, norm * largest


def _warp(img: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    import pytrt

    crop: npt.NDArray[np.uint8] = pytrt.warp_affine(img, matrix, *size)
    return crop


def _check_crop(crop: npt.NDArray[np.uint8], img: npt.NDArray[np.uint8]) -> None:
    """Raise DarkPictureError where the crop is dark because all of its picture holds 0 and 1 alone."""
    if crop[crop.shape[0] // 2, crop.shape[1] // 2, 1] <= 1:  # of most crops one level tells
        check_not_dark(img, "img")


def height_width(size: object) -> tuple[int, int]:
    """Return (height, width) as whole numbers from 1 up; one number is a square's."""
    expected = "size must be (height, width) in whole pixels, or one number for a square"
    sides = checks.pair(size, expected, one_is_both=True)
    try:
        if any(isinstance(side, bool) for side in sides):
            raise TypeError
        height, width = map(operator.index, sides)
    except TypeError:
        raise TypeError(f"{expected}, got {checks.shown(size)}") from None
    if height < 1 or width < 1:
        raise ValueError(f"size must be at least 1x1 pixels, got {checks.shown(size)}")
    if max(height, width) > 1 << 24:
        raise ValueError("size must be at most 16777216 pixels a side")
    if height * width > _MOST_PIXELS:
        raise ValueError(f"size must be at most {_MOST_PIXELS} pixels, got {height} x {width}")
    return height, width
