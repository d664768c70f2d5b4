# NumPy pictures as the core's views.

cdef class _View:
    """Holds a picture's buffer for as long as the core reads it."""

    cdef const uint8_t[:, :, :] pixels
    cdef Image image
    cdef object owner  # of a picture in a GPU's memory

    def __cinit__(self, img, _Gpu gpu=None):
        if img is None:
            raise TypeError("img must be a uint8 array (height, width, 3), got None")
        if gpu is not None and not isinstance(img, np.ndarray):
            # DLPack first: torch's CUDA array interface does not say what must be waited for.
            device = _dlpack_device(img)
            if device is not None and device[0] in (DLPACK_CUDA, DLPACK_CUDA_MANAGED):
                if device[1] != gpu.ordinal:
                    raise ValueError(f"img is in the memory of GPU {device[1]}, this detector is on GPU {gpu.ordinal}")
                self.owner = _DlPack(img, gpu.stream)
                self.view_dlpack(self.owner, gpu)
                return
            interface = getattr(img, "__cuda_array_interface__", None)
            if interface is not None:
                self.owner = img
                self.view_interface(interface)
                return
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

    cdef int view_dlpack(self, _DlPack lent, _Gpu gpu) except -1:
        cdef const Tensor* tensor = lent.tensor()
        if tensor.device_type not in (DLPACK_CUDA, DLPACK_CUDA_MANAGED) or tensor.device_id != gpu.ordinal:
            raise ValueError(f"img.__dlpack__() lends memory of the device ({tensor.device_type}, {tensor.device_id}), "
                             "which img.__dlpack_device__() does not name")
        shape, strides = _shape_and_strides(tensor)
        is_uint8 = (tensor.type_code, tensor.type_bits, tensor.type_lanes) == (DLPACK_UINT, 8, 1)
        # Strides count bytes, too, for an item is one. The producer has made our stream wait.
        self.view_gpu(<size_t>tensor.data, tensor.byte_offset, shape, strides,
                      "uint8" if is_uint8 else "another type")
        return 0

    cdef int view_interface(self, interface) except -1:
        """Views what the CUDA array interface, version 2 or 3, describes."""
        try:
            typestr, shape, (address, _) = interface["typestr"], tuple(interface["shape"]), interface["data"]
            strides, stream, mask = interface.get("strides"), interface.get("stream"), interface.get("mask")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError("img.__cuda_array_interface__ must hold typestr, shape and data (address, read-only): "
                             f"{type(error).__name__}: {error}") from None
        if mask is not None:
            raise ValueError("img has a mask, which pictures cannot have")
        is_uint8 = typestr in ("|u1", "<u1", ">u1")
        self.view_gpu(address, 0, shape, strides, "uint8" if is_uint8 else typestr)
        if stream is not None:
            # 1 and 2 are CUDA's own handles of the legacy and the per-thread default stream; 0 would be either.
            self.image.ready_stream = <void*><size_t>_address(stream, "the stream of img.__cuda_array_interface__")
            self.image.must_wait = True
        return 0

    cdef int view_gpu(self, address, byte_offset, shape, strides, dtype) except -1:
        """Views memory that another library describes; here every number of the description is checked."""
        shape = _indices(shape, "the shape of img")
        if dtype != "uint8" or len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
            raise ValueError(f"img must be uint8 of shape (height, width, 3), got {dtype} of shape {shape}")
        height, width = shape[:2]
        if height > 0x3FFFFFFF or width > 0x3FFFFFFF // 3:
            raise ValueError(f"img is too large: shape {shape}")
        strides = _indices(strides or (3 * width, 3, 1), "the strides of img")
        if len(strides) != 3:
            raise ValueError(f"img has {len(strides)} strides but three dimensions")
        row, pixel, channel = strides
        if channel != 1 or (width > 1 and pixel != 3) or (height > 1 and row < 3 * width):
            raise ValueError("img must have contiguous rows of BGR pixels; make a contiguous copy of it")
        self.image.data = <const uint8_t*><size_t>_first_item(address, byte_offset, shape, strides, 1)
        self.image.height, self.image.width, self.image.row_stride = height, width, row
        self.image.on_device = True
        return 0


cdef tuple _indices(values, str name):
    try:
        numbers = tuple([index(value) for value in values])
    except TypeError:
        raise TypeError(f"{name} must hold whole numbers, got {values!r}") from None
    return numbers


cdef class _Gpu:
    """The GPU that pictures may lie on, and the stream they are to be ready on, as DLPack names it."""

    cdef readonly int ordinal
    cdef readonly size_t stream


cdef Resize _resize_mode(mode) except *:
    if mode == "area":
        return Resize.kArea
    if mode == "bilinear":
        return Resize.kBilinear
    raise ValueError(f'resize must be "area" or "bilinear", got {mode!r}')
