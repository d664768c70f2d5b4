"""The one rule by which a picture becomes what the native core reads: BGR uint8 (H, W, 3)."""

from mtcnn.images.bgr import MOST_PIXELS, as_bgr, picture_shape
from mtcnn.images.dark import check_not_dark, dark_pictures
from mtcnn.images.gpu import check_gpu_picture, is_on_gpu
from mtcnn.images.types import Color, Picture

__all__ = [
    "MOST_PIXELS",
    "Color",
    "Picture",
    "as_bgr",
    "check_gpu_picture",
    "check_not_dark",
    "dark_pictures",
    "is_on_gpu",
    "picture_shape",
]
