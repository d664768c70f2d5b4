from pytrt.exceptions import BuildCancelled

cdef class BuildProgress:
    """How far a running build is; any thread may read it, or cancel the build."""

    cdef shared_ptr[Progress] progress

    def __cinit__(self):
        self.progress = make_shared[Progress]()

    def phases(self):
        """[(name, steps done, steps)], the outermost phase first."""
        cdef vector[Phase] phases = self.progress.get().phases()
        return [(p.name.decode("utf-8", "replace"), p.done, p.steps) for p in phases]

    def cancel(self):
        """Stop the build; it then raises BuildCancelled."""
        self.progress.get().cancel()


cdef class TensorRt:
    """A TensorRT library: 10, 11, or TensorRT-RTX.

    runtime, parser: paths of libnvinfer and libnvonnxparser (or of their TensorRT-RTX kin).
    """

    cdef shared_ptr[TensorRt_] library

    def __init__(self, str runtime not None, str parser not None):
        cdef Libraries paths
        paths.runtime = runtime.encode()
        paths.parser = parser.encode()
        cdef shared_ptr[TensorRt_] library
        with nogil:
            library = load_tensorrt(paths)
        with cython.critical_section(self):  # set once: calls of other threads may hold the pointer of get()
            if self.library:
                raise RuntimeError("this TensorRt is made: make another")
            self.library = library

    cdef TensorRt_* get(self) except NULL:
        if not self.library:
            raise TypeError("this TensorRt was never made: call TensorRt(runtime, parser)")
        return self.library.get()

    @property
    def version(self):
        """The library's version, "10.15.1"."""
        return self.get().version().decode()

    @property
    def is_rtx(self):
        return self.get().is_rtx()

    def build(self, model, profiles, *, workspace=0, optimization_level=-1, bytes timing_cache not None=b"",
              gpu=-1, BuildProgress progress=None):
        """Builds a plan from ONNX.

        profiles: [(min, opt, max)], each (n, c, h, w); workspace: bytes, 0 for TensorRT's default;
        optimization_level: 0 to 5, -1 for TensorRT's default; timing_cache: what an earlier build returned;
        gpu: which to build on, 0 being the first, -1 the calling thread's.
        Returns (plan, timing cache), bytes both.
        """
        cdef const unsigned char[::1] data = _bytes(model, "model")
        cdef BuildOptions options
        cdef BuildResult result
        cdef Profile profile
        cdef size_t i
        cdef cbool cancelled = False
        cdef TensorRt_* library = self.get()
        for number, shapes in enumerate(_rows(profiles, "profiles", "(min, opt, max)", 3)):
            shapes = _rows(shapes, f"profiles[{number}]", "(n, c, h, w)", 4)
            for i in range(4):
                profile.min[i] = _whole(shapes[0][i], "sizes in profiles", 1, INT_MAX)
                profile.opt[i] = _whole(shapes[1][i], "sizes in profiles", 1, INT_MAX)
                profile.max[i] = _whole(shapes[2][i], "sizes in profiles", 1, INT_MAX)
                if not shapes[0][i] <= shapes[1][i] <= shapes[2][i]:
                    raise ValueError(f"profiles must have min <= opt <= max, got {shapes}")
            options.profiles.push_back(profile)
        options.workspace = _whole(workspace, "workspace", 0, 1 << 62)
        options.optimization_level = _whole(optimization_level, "optimization_level", -1, 5)
        options.gpu = _whole(gpu, "gpu", -1, 1023)
        options.timing_cache.assign(<const char*>timing_cache, <const char*>timing_cache + len(timing_cache))
        if progress is None:
            progress = BuildProgress()
        cdef const char* start = <const char*>&data[0] if data.shape[0] else NULL
        cdef size_t size = data.shape[0]
        with nogil:
            result = build_or_cancel(library[0], const_char_span(start, size), options,
                                     progress.progress.get()[0], cancelled)
        if cancelled:
            raise BuildCancelled("the build was cancelled")
        return (result.plan.data()[:result.plan.size()] if result.plan.size() else b"",
                result.timing_cache.data()[:result.timing_cache.size()] if result.timing_cache.size() else b"")

    def describe(self, plan):
        """What a plan is for: needs its GPU.

        Returns {"input": (name, shape), "outputs": [(name, shape)], "profiles": [(min, opt, max)], "device_memory"}.
        """
        cdef const unsigned char[::1] data = _bytes(plan, "plan")
        cdef const char* start = <const char*>&data[0] if data.shape[0] else NULL
        cdef size_t size = data.shape[0]
        cdef shared_ptr[Plan] loaded
        cdef TensorRt_* library = self.get()
        with nogil:
            loaded = library.load_plan(const_char_span(start, size), -1)
        cdef const TensorInfo* info = &loaded.get().input()
        cdef const vector[TensorInfo]* outputs = &loaded.get().outputs()
        cdef vector[Profile] profiles = loaded.get().profiles()
        description = {
            "input": (info.name.decode(), _shape_tuple(info.shape)),
            "outputs": [(outputs[0][i].name.decode(), _shape_tuple(outputs[0][i].shape))
                        for i in range(outputs.size())],
            "profiles": [(_shape_tuple(p.min), _shape_tuple(p.opt), _shape_tuple(p.max)) for p in profiles],
            "device_memory": loaded.get().device_memory(),
        }
        with nogil:  # waits for the GPU, and for a capture
            loaded.reset()
        return description


def tensorrt_versions():
    """Versions of the TensorRT headers that this build was compiled against; empty for a CPU build."""
    return [v.decode() for v in compiled_versions()]


def cuda_driver():
    """The NVIDIA driver and its GPUs.

    Returns (problem, version, gpus): problem is "" where a GPU can be used, version the newest CUDA that the
    driver runs (13000 is 13.0), gpus a list of (name, compute capability as (major, minor), bytes of memory).
    """
    cdef DriverReport report
    with nogil:
        report = ask_driver()
    return (report.problem.decode(), report.version,
            [(g.name.decode("utf-8", "replace"), (g.major, g.minor), g.memory) for g in report.gpus])


def has_cuda():
    """Whether this build has the CUDA kernels."""
    return CUDA_BUILT


def kernel_network(model):
    """Which of MTCNN's networks an ONNX model is, "pnet" say, layer by layer: the CUDA kernels run no others.

    Raises EngineError where it is none.
    """
    cdef const unsigned char[::1] data = _bytes(model, "model")
    cdef const char* bytes = <const char*>&data[0] if data.shape[0] else NULL
    cdef size_t size = data.shape[0]
    cdef Net net
    with nogil:
        net = net_for_kernels(const_char_span(bytes, size))
    return facts(net).name.decode()
