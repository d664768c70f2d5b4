cdef class Device:
    """Where networks run. Make one of its subclasses."""

    cdef shared_ptr[Device_] device

    def __init__(self):
        raise TypeError("Device is abstract: make a CpuDevice")

    cdef Device_* get(self) except NULL:
        if not self.device:
            raise TypeError("this device was never made: call its class")
        return self.device.get()

    cdef shared_ptr[Device_] share(self) except *:
        """What get() points at, to be kept: it is copied while no thread sets it."""
        self.get()
        with cython.critical_section(self):
            return self.device

    cdef int keep(self, shared_ptr[Device_] made) except -1:
        """Calls of other threads may hold the pointer of get(): it is set once."""
        with cython.critical_section(self):  # of a Python without the GIL
            if self.device:
                raise RuntimeError("this device is made: make another")
            self.device = made
        return 0

    def __repr__(self):
        if not self.device:
            return f"{type(self).__name__}()"
        where = f", ordinal={self.ordinal}" if isinstance(self, CudaDevice) else f", threads={self.threads}"
        return f"{type(self).__name__}({self.runtime!r}{where})"

    @property
    def flavour(self):
        """Of the engine files that it loads: "cpu", "tensorrt", "tensorrt-rtx" or "cuda"."""
        return self.get().flavour().decode()

    @property
    def on_gpu(self):
        """Whether networks run in a GPU's memory."""
        return self.get().on_gpu()

    @property
    def ordinal(self):
        """The GPU in whose memory pictures may lie, 0 being the first; -1 where they lie in the host's."""
        return self.get().ordinal()

    @property
    def threads(self):
        """Threads of the CPU that one call may use."""
        return self.get().threads()

    @property
    def runtime(self):
        """Name and version of the library that runs the networks."""
        return self.get().runtime().decode()

    def load_engine(self, model, precision="fp32"):
        """Loads an engine file's bytes: ONNX for a CPU and for a GPU's own kernels, else a TensorRT plan (which knows
        its precision).

        precision: what a CPU computes in, "fp32", "bf16" or "fp16", and a GPU's own kernels, "fp32" or "fp16".
        """
        cdef const unsigned char[::1] data = _bytes(model, "model")
        if precision not in ("fp32", "bf16", "fp16"):
            raise ValueError(f'precision must be "fp32", "bf16" or "fp16", got {precision!r}')
        cdef string wanted = {"fp32": b"f32", "bf16": b"bf16", "fp16": b"f16"}[precision]
        cdef Engine engine = Engine.__new__(Engine)
        cdef const char* bytes = <const char*>&data[0] if data.shape[0] else NULL
        cdef size_t size = data.shape[0]
        cdef Device_* device = self.get()
        with nogil:
            engine.engine = device.load_engine(const_char_span(bytes, size), wanted)
        engine.device = self.share()
        return engine


cdef _bytes(data, name):
    """A flat view of a file's bytes."""
    try:
        return memoryview(data).cast("B")
    except TypeError as error:
        raise TypeError(f"{name} must be a file's bytes, got {type(data).__name__} ({error})") from None


cdef class CpuDevice(Device):
    """The CPU.

    openvino_library: path of libopenvino_c, which is loaded when a network needs it; "" where there is none.
    threads: 0 for one a usable core.
    native: whether MTCNN's three networks run on kernels of our own; else OpenVINO runs them, as it does all others.
    """

    def __init__(self, str openvino_library not None, threads=0, *, bint native=True):
        cdef int count = _whole(threads, "threads", 0, 1024)
        cdef string path = openvino_library.encode()
        cdef shared_ptr[Device_] made
        with nogil:
            made = shared_ptr[Device_](<Device_*>new CpuDevice_(path, count, native))
        self.keep(made)


cdef class CudaDevice(Device):
    """An NVIDIA GPU.

    runtime, parser: as TensorRt takes them; "": without TensorRT, for MTCNN's networks alone, which run in kernels of
        our own. ordinal: 0 is the first GPU.
    """

    def __init__(self, str runtime not None="", str parser not None="", ordinal=0):
        cdef Libraries paths
        cdef int gpu = _whole(ordinal, "ordinal", 0, 1023)
        paths.runtime = runtime.encode()
        paths.parser = parser.encode()
        cdef shared_ptr[Device_] made
        with nogil:
            made = make_cuda_device(paths, gpu)
        self.keep(made)
