"""Where the five points of a face lie in an aligned crop: the templates that recognition networks are trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mtcnn.params import TEMPLATES

__all__ = ["ARCFACE", "TEMPLATES", "default_size", "ffhq_matrix", "template_points"]

# Left eye, right eye, nose, left and right mouth corner, [x, y] in a crop 112 high and 96 wide. "seed": this library's
# first, whose eyes and mouth corners are level; "arcface": SphereFace's, which ArcFace (InsightFace) uses in 112x112.
_POINTS = {
    "seed": np.array(
        [[30.2946, 51.6963], [65.5318, 51.6963], [48.0252, 71.7366], [33.5493, 92.3655], [62.7299, 92.3655]]
    ),
    "arcface": np.array(
        [[30.2946, 51.6963], [65.5318, 51.5014], [48.0252, 71.7366], [33.5493, 92.3655], [62.7299, 92.2041]]
    ),
}
_HEIGHT, _WIDTH = 112, 96
_SIZES = {"seed": (112, 96), "arcface": (112, 112), "ffhq": (256, 256)}

ARCFACE = _POINTS["arcface"] + (8, 0)  # in 112x112


def default_size(template: str) -> tuple[int, int]:
    """(height, width) of a template's own crop."""
    return _SIZES[template]


def template_points(template: str, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the (5, 2) points ``[x, y]`` of a template in a crop of ``size`` (height, width).

    The 112x96 points are scaled to the largest that fits, centred. ArcFace's in a square whose side is a multiple of
    128, but not of 112, are those of 112x112, 8 pixels to the right in 128x128, as InsightFace has it. FFHQ's are
    those that its rule gives ArcFace's average face.
    """
    height, width = size
    if template == "ffhq":
        matrix = ffhq_matrix(ARCFACE, size)
        return ARCFACE @ matrix[:, :2].T + matrix[:, 2]
    if template == "arcface" and height == width and height % 112 and height % 128 == 0:
        return (ARCFACE + (8, 0)) * (height / 128)
    scale = min(height / _HEIGHT, width / _WIDTH)
    return _POINTS[template] * scale + ((width - _WIDTH * scale) / 2, (height - _HEIGHT * scale) / 2)


def ffhq_matrix(points: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the (2, 3) matrix from a picture's pixels to a crop aligned as the FFHQ data set's.

    Its square stands upright on the eyes and the mouth: half its side is the greater of twice the distance between
    the eyes and 1.8 times that from eyes to mouth, its centre a tenth of the latter below the eyes. T. Karras,
    S. Laine, T. Aila, "A style-based generator architecture for generative adversarial networks", CVPR 2019,
    appendix C. A crop that is not square shows the largest square that fits.

    Raises:
        ValueError: the eyes and the mouth are one point, or so near that float64 does not tell.
    """
    z = points[:, 0] + 1j * points[:, 1]
    eyes, mouth = (z[0] + z[1]) / 2, (z[3] + z[4]) / 2
    eye_to_eye, eye_to_mouth = z[1] - z[0], mouth - eyes
    across = eye_to_eye - 1j * eye_to_mouth  # along x: the mouth lies below, a quarter turn from it
    half = max(2 * abs(eye_to_eye), 1.8 * abs(eye_to_mouth))
    if not abs(across) > 0 or not half > 0:
        raise ValueError("the eyes and the mouth are one point")
    height, width = size
    with np.errstate(over="ignore", invalid="ignore"):
        a = min(height, width) / (2 * half) * abs(across) / across
        shift = complex(width / 2, height / 2) - a * (eyes + 0.1 * eye_to_mouth)
    matrix = np.array([[a.real, -a.imag, shift.real], [a.imag, a.real, shift.imag]])
    if not np.isfinite(matrix).all():
        raise ValueError("the eyes and the mouth are as good as one point")
    return matrix
