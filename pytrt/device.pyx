cdef class Device:
    """Where networks run. Make one of its subclasses."""

    cdef shared_ptr[Device_] device

    def __init__(self):
        raise TypeError("Device is abstract: make a CpuDevice")

    @property
    def runtime(self):
        """Name and version of the library that runs the networks."""
        return self.device.get().runtime().decode()

    def load_engine(self, model, precision="f32"):
        """Loads an engine file's bytes; see Engine."""
        cdef const unsigned char[::1] data = model
        cdef string wanted = precision.encode()
        if precision not in ("f32", "bf16", "f16"):
            raise ValueError(f'precision must be "f32", "bf16" or "f16", got {precision!r}')
        cdef Engine engine = Engine.__new__(Engine)
        cdef const char* bytes = <const char*>&data[0] if data.shape[0] else NULL
        cdef size_t size = data.shape[0]
        with nogil:
            engine.engine = self.device.get().load_engine(const_char_span(bytes, size), wanted)
        return engine


cdef class CpuDevice(Device):
    """The CPU. `openvino_library`: path of libopenvino_c. `threads`: 0 for one a usable core."""

    def __init__(self, str openvino_library not None, int threads=0):
        if threads < 0 or threads > 1024:
            raise ValueError(f"threads must be 0 (one a core) to 1024, got {threads}")
        cdef string path = openvino_library.encode()
        with nogil:
            self.device = shared_ptr[Device_](<Device_*>new CpuDevice_(path, threads))

    @property
    def threads(self):
        """Threads that one call may use."""
        return (<CpuDevice_*>self.device.get()).threads()


cdef class EmulatedGpu(CpuDevice):
    """The GPU backend's code run on the CPU, its kernels as loops: slow, for tests. Takes what CpuDevice takes."""

    def __init__(self, str openvino_library not None, int threads=0):
        cdef string path = openvino_library.encode()
        with nogil:
            self.device = shared_ptr[Device_](<Device_*>new EmulatedDevice(path, threads))
