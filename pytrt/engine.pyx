cdef tuple _shape_tuple(const Shape& shape):
    cdef Shape s = shape
    return (s[0], s[1], s[2], s[3])


cdef class _Run:
    """A context and its scratch, for one thread at a time."""

    cdef unique_ptr[Context] context

    def __dealloc__(self):
        with nogil:  # waits for the stream, and for a capture
            self.context.reset()


cdef class Engine:
    """One network on one device. Made by Device.load_engine; any thread may call it."""

    cdef shared_ptr[Engine_] engine
    cdef shared_ptr[Device_] device
    cdef list idle

    def __cinit__(self):
        self.idle = []

    def __dealloc__(self):
        with nogil:  # a plan waits for the GPU, and for a capture
            self.engine.reset()
            self.device.reset()

    def __init__(self):
        raise TypeError("Engine is made by Device.load_engine")

    cdef Engine_* get(self) except NULL:
        if not self.engine:
            raise TypeError("this Engine was never made: engines are made by Device.load_engine")
        return self.engine.get()

    @property
    def input(self):
        """(name, shape) of the input; -1 stands for any size."""
        cdef const TensorInfo* info = &self.get().input()
        return info.name.decode(), _shape_tuple(info.shape)

    @property
    def outputs(self):
        """(name, shape) of each output."""
        cdef const vector[TensorInfo]* infos = &self.get().outputs()
        cdef size_t i
        return [(infos[0][i].name.decode(), _shape_tuple(infos[0][i].shape)) for i in range(infos.size())]

    def infer(self, data):
        """Runs the network.

        data: (n, c, h, w) float32; C-contiguous arrays are read in place, others are converted once.
        Returns a dict of float32 arrays by output name.
        """
        data = np.asarray(data)
        if data.dtype.kind not in "fiu":
            raise TypeError(f"data must hold numbers, got dtype {data.dtype}")
        data = np.ascontiguousarray(data, np.float32)
        if data.ndim != 4:
            raise ValueError(f"data must have four dimensions (n, c, h, w), got shape {data.shape}")
        if data.size == 0:
            raise ValueError(f"data must not be empty, got shape {data.shape}")
        cdef const float[:, :, :, ::1] view = data
        cdef const float* source = &view[0, 0, 0, 0]
        cdef Shape shape
        cdef size_t i
        for i in range(4):
            shape[i] = view.shape[i]
        cdef _Run run
        cdef Device_* device = self.device.get()
        cdef Engine_* engine = self.get()
        try:
            run = self.idle.pop()
        except IndexError:
            run = _Run()
            with nogil:
                run.context = device.host_context(engine[0])
        cdef const vector[Shape]* shapes
        with nogil:
            shapes = &run.context.get().output_shapes(shape)
        results = {}
        cdef vector[float*] pointers
        cdef float[:, :, :, ::1] out
        cdef const vector[TensorInfo]* infos = &self.get().outputs()
        for i in range(shapes.size()):
            array = np.empty(_shape_tuple(shapes[0][i]), np.float32)
            out = array
            pointers.push_back(&out[0, 0, 0, 0])
            results[infos[0][i].name.decode()] = array
        with nogil:
            run.context.get().infer(shape, source, output_span(pointers.data(), pointers.size()))
        self.idle.append(run)
        return results
