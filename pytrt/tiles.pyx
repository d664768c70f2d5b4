def load_amx(CpuDevice device not None, model):
    """An engine on the kernels of AMX's instructions, for tests that play them where the processor has none.

    model: bytes of P-, R- or O-Net's ONNX file. Raises EngineError for others, and where there are no such kernels.
    """
    cdef const unsigned char[::1] data = _bytes(model, "model")
    cdef Engine engine = Engine.__new__(Engine)
    cdef const char* bytes = <const char*>&data[0] if data.shape[0] else NULL
    engine.engine = load_amx_engine(device.get()[0], const_char_span(bytes, data.shape[0]))
    engine.device = device.share()
    return engine


def tile_layer(Engine engine not None, layer, maps):
    """One layer of an engine of "bf16" whose kernels multiply tiles, with its PReLU and pooling, for tests.

    maps: float32 (n, height, width, channels), of values that bfloat16 has; P-Net's layers take one map of any size,
    those of R- and O-Net maps of their own, the dense ones (n, 3, 3, channels). Returns the flat result.
    """
    cdef const float[:, :, :, ::1] values = np.ascontiguousarray(maps, np.float32)
    cdef int n = values.shape[0], height = values.shape[1], width = values.shape[2]
    cdef vector[float] found = run_tile_layer(
        engine.get()[0], _whole(layer, "layer", 0, 5),
        const_float_span(&values[0, 0, 0, 0], values.size), n, height, width,
    )
    return np.array(found, np.float32)


def emulate_tiles(shapes, c, a, b):
    """The sums of the emulated tile registers, c + a b, for tests.

    shapes: rows and bytes in a row of c, a and b. c: (16, 16) float32; a, b: (16, 32) uint16, the bits of bfloat16.
    """
    cdef int[::1] sizes = np.ascontiguousarray(shapes, np.int32).ravel()
    cdef float[:, ::1] sums = np.array(c, np.float32)
    cdef const uint16_t[:, ::1] left = np.ascontiguousarray(a, np.uint16), right = np.ascontiguousarray(b, np.uint16)
    if sizes.shape[0] != 6 or min(sizes) < 1 or max(sizes[::2]) > 16 or max(sizes[1::2]) > 64:
        raise ValueError("shapes must be three pairs of rows, 1 to 16, and bytes, 1 to 64")
    if sums.size != 256 or left.size != 512 or right.size != 512:
        raise ValueError("c must be (16, 16), a and b (16, 32)")
    core_emulate_tiles(const_int_span(&sizes[0], 6), &sums[0, 0], &left[0, 0], &right[0, 0])
    return np.asarray(sums)
