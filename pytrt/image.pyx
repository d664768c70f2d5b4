# NumPy pictures as the core's views.

cdef class _View:
    """Holds a picture's buffer for as long as the core looks at it."""

    cdef const uint8_t[:, :, :] pixels
    cdef Image image

    def __cinit__(self, img):
        if img is None:
            raise TypeError("img must be a uint8 array (height, width, 3), got None")
        self.pixels = img
        if self.pixels.shape[0] < 1 or self.pixels.shape[1] < 1 or self.pixels.shape[2] != 3:
            raise ValueError(f"img must be uint8 of shape (height, width, 3), got shape {tuple(img.shape)}")
        if self.pixels.shape[0] > 0x3FFFFFFF or self.pixels.shape[1] > 0x3FFFFFFF // 3:
            raise ValueError(f"img is too large: shape {tuple(img.shape)}")
        if self.pixels.strides[2] != 1 or (self.pixels.shape[1] > 1 and self.pixels.strides[1] != 3):
            raise ValueError("img must have contiguous rows; numpy.ascontiguousarray(img) makes them so")
        self.image.data = &self.pixels[0, 0, 0]
        self.image.height = <int>self.pixels.shape[0]
        self.image.width = <int>self.pixels.shape[1]
        self.image.row_stride = self.pixels.strides[0]


cdef Resize _resize_mode(mode) except *:
    if mode == "area":
        return Resize.kArea
    if mode == "bilinear":
        return Resize.kBilinear
    raise ValueError(f'resize must be "area" or "bilinear", got {mode!r}')


cdef _positive(name, int value):
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
