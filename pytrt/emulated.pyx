cdef class EmulatedGpu(CpuDevice):
    """The GPU backend's code run on the CPU, its kernels as loops: slow, for tests. Takes what CpuDevice takes.

    Plainly, its GPU memory is the CPU's and all is done at once.

    asynchronous: as a GPU would: work runs when it is waited for or when it pleases, a kernel's threads in any order;
        GPU memory cannot be read from the CPU, and memory that was freed by no one: who tries ends the process.
    seed: of the orders.
    memory: bytes that the GPU has.
    late_pageable: whether copies from memory that is not pinned read it when they run, as CUDA may.
    kernels: whether the networks, too, run in the GPU's kernels, as of flavour "cuda"; else the CPU's engines take the
        place of TensorRT's.
    """

    cdef shared_ptr[GpuModel] gpu

    def __init__(self, str openvino_library not None, threads=0, *, bint asynchronous=False, seed=0,
                 memory=1 << 30, bint late_pageable=True, bint kernels=False):
        cdef int count = _whole(threads, "threads", 0, 1024)
        cdef int random = _whole(seed, "seed", 0, INT_MAX)
        cdef int64_t most = index(memory)
        cdef string path = openvino_library.encode()
        if most < 0:
            raise ValueError(f"memory must be at least 0 bytes, got {memory}")
        cdef shared_ptr[GpuModel] gpu
        cdef shared_ptr[Device_] made
        if asynchronous:
            gpu = make_shared[GpuModel](<uint32_t>random, <size_t>most, <cbool>late_pageable)
        with nogil:
            made = shared_ptr[Device_](<Device_*>new EmulatedDevice(path, count, gpu, kernels))
        self.keep(made)
        self.gpu = gpu

    cdef GpuModel* model(self) except NULL:
        if not self.gpu:
            raise ValueError("this EmulatedGpu is not asynchronous: it neither counts nor fails")
        return self.gpu.get()

    def counts(self):
        """How often each kind of call was made: {"kernel": 42, ...}."""
        cdef GpuModel* gpu = self.model()
        return {CALL_NAMES[i].decode(): gpu.count(<Call>i) for i in range(CALLS)}

    def fail(self, str call not None, after=0, times=1, *, bint for_good=False):
        """Of a kind, a key of counts(), the calls that come after `after` others fail, `times` of them.

        for_good: all later ones of any kind, too, until mend().
        """
        cdef GpuModel* gpu = self.model()
        kinds = [CALL_NAMES[i].decode() for i in range(CALLS)]
        if call not in kinds:
            raise ValueError(f"call must be one of {', '.join(kinds)}, got {call!r}")
        gpu.fail(<Call><int>kinds.index(call), _whole(after, "after", 0, INT_MAX),
                 _whole(times, "times", 1, INT_MAX), for_good)

    def mend(self):
        """No call fails any more. Returns whether one did that fail() named."""
        return self.model().mend()

    def live_graphs(self):
        """CUDA graphs that exist."""
        return self.model().live_graphs()

    def misuses(self):
        """What CUDA forbids or leaves open, and was done all the same."""
        return [what.decode() for what in self.model().misuses()]

    def live_memory(self):
        """Bytes allocated: (GPU memory, pinned memory)."""
        cdef GpuModel* gpu = self.model()
        return gpu.memory().live_bytes(GpuMemoryKind.kDevice), gpu.memory().live_bytes(GpuMemoryKind.kPinned)

    def synchronize(self):
        """What cudaDeviceSynchronize() is to captures: an error to both while there is one."""
        cdef GpuModel* gpu = self.model()
        with nogil:
            gpu.forbid_while_capturing("wait for the GPU")

    def start_trace(self):
        """From now on calls are noted."""
        self.model().start_trace()

    def trace(self):
        """Ends the trace: (kind, name of the kernel or shape of the network's input, threads, bytes or items) each."""
        return [
            (CALL_NAMES[<int>traced.call].decode(), traced.what.decode(), traced.amount)
            for traced in self.model().take_trace()
        ]

    cdef unique_ptr[Operations] operations(self):
        self.get()
        return move((<EmulatedDevice*>self.device.get()).operations())

    def resize(self, img, height, width, mode="area"):
        """As pytrt.resize, with the GPU's kernels, to sizes that P-Net's cells cover: even ones of 12 and more."""
        cdef _View view = _View(img)
        cdef Resize m = _resize_mode(mode)
        cdef Size size
        size.height = _whole(height, "height", 12, MOST_PIXELS_A_SIDE)
        size.width = _whole(width, "width", 12, MOST_PIXELS_A_SIDE)
        out = np.empty((3, size.height, size.width), np.float32)
        cdef float[:, :, ::1] o = out
        self.operations().get().resize(view.image, size, m, &o[0, 0, 0])
        return out

    def halve(self, img):
        """As pytrt.testing.halve."""
        cdef _View view = _View(img)
        out = np.empty(((view.image.height + 1) // 2, (view.image.width + 1) // 2, 3), np.uint8)
        cdef uint8_t[:, :, ::1] o = out
        self.operations().get().halve(view.image, &o[0, 0, 0])
        return out

    def crop_resize(self, img, windows, side, mode="area"):
        """As pytrt.crop_resize, of windows less than a million pixels from the picture."""
        cdef _View view = _View(img)
        cdef Resize m = _resize_mode(mode)
        cdef int pixels = _whole(side, "side", 1, 1000)
        windows = _in_fours(_whole_numbers(windows, "windows", 10**6), "windows")
        out = np.empty((len(windows), 3, pixels, pixels), np.float32)
        if not len(windows):
            return out
        cdef const int[:, ::1] w = windows
        cdef float[:, :, :, ::1] o = out
        self.operations().get().crop_resize(view.image, const_int_span(&w[0, 0], 4 * w.shape[0]), pixels, m,
                                            &o[0, 0, 0, 0])
        return out

    def propose(self, prob, boxes, scale_y, scale_x, threshold):
        """As pytrt.propose."""
        cdef const float[:, :, ::1] p = np.ascontiguousarray(prob, np.float32)
        cdef const float[:, :, ::1] b = np.ascontiguousarray(boxes, np.float32)
        rows = self.operations().get().propose(&p[0, 0, 0], &b[0, 0, 0], <int>p.shape[1], <int>p.shape[2], scale_y,
                                               scale_x, threshold)
        return np.array(rows, dtype=np.float32).reshape(-1, 9)


cdef class BoxSet:
    """A device's set of boxes, and the operations on it (csrc/boxes.h), one by one: for tests.

    device: a CpuDevice or an EmulatedGpu. rows: a structured array of boxes, see BoxSet.DTYPE. sizes: (height, width)
    of each frame.
    """

    DTYPE = np.dtype([("corners", "f4", 4), ("score", "f4"), ("regression", "f4", 4), ("frame", "i4"), ("level", "i4"),
                      ("order", "i4"), ("neighbours", "i4")], align=True)

    cdef unique_ptr[FilledBoxes] filled
    cdef Device device

    def __init__(self, CpuDevice device not None, rows, sizes):
        cdef vector[Size] frames
        cdef Size size
        self.device = device
        if isinstance(device, EmulatedGpu):
            self.filled = (<EmulatedGpu>device).operations().get().boxes()
        else:
            self.filled = cpu_boxes()
        for height, width in sizes:
            size.height, size.width = height, width
            frames.push_back(size)
        rows = np.ascontiguousarray(rows, self.DTYPE)
        assert rows.itemsize == sizeof(Box) and (rows["frame"] < len(sizes)).all()
        cdef const unsigned char[::1] data = rows.view(np.uint8).reshape(-1)
        cdef const Box* boxes = <const Box*>&data[0] if len(rows) else NULL
        self.filled.get().assign(const_box_span(boxes, len(rows)), const_size_span(frames.data(), frames.size()))

    def accept(self, prob, regression, landmarks, float threshold, *, bint inclusive=True, bint flip=False,
               bint mirrored=False):
        """prob (n, 2), regression (n, 4), landmarks (n, 10) or None of the set's first n boxes, or with flip of these
        and of their mirror images, or with mirrored of their mirror images alone."""
        cdef const float[:, ::1] p = np.ascontiguousarray(prob, np.float32)
        cdef const float[:, ::1] r = np.ascontiguousarray(regression, np.float32)
        marks = np.zeros((0, 10)) if landmarks is None else landmarks
        cdef const float[:, ::1] m = np.ascontiguousarray(marks, np.float32)
        cdef HeadOutputs outputs
        cdef int n = <int>p.shape[0] // (2 if flip else 1)
        outputs.prob = &p[0, 0] if p.shape[0] else NULL
        outputs.regression = &r[0, 0] if r.shape[0] else NULL
        outputs.landmarks = &m[0, 0] if m.shape[0] else NULL
        outputs.flipped = n if flip else 0
        outputs.mirrored = mirrored
        self.filled.get().accept(outputs, n, threshold, inclusive)

    def nms(self, float threshold, overlap="union", scope="frame", keep=0x7FFFFFFF):
        cdef SuppressionRule rule
        rule.threshold = threshold
        rule.kind = {"union": Overlap.kIoU, "min": Overlap.kIoMin}[overlap]
        rule.scope = {"level": Scope.kLevel, "frame": Scope.kFrame}[scope]
        self.filled.get().boxes().nms(rule, keep)

    def nms_average(self, float threshold, float above):
        self.filled.get().boxes().nms_average(threshold, above)

    def regress(self):
        self.filled.get().boxes().regress()

    def square(self, bint truncating):
        self.filled.get().boxes().square(truncating)

    def truncate_and_clip(self):
        self.filled.get().boxes().truncate_and_clip()

    def save_and_square(self, bint truncating, scales):
        cdef const float[::1] s = np.ascontiguousarray(scales, np.float32)
        self.filled.get().boxes().save_and_square(truncating, const_float_span(&s[0], s.shape[0]))

    def save_and_keep_between(self, float low, float high):
        self.filled.get().boxes().save_and_keep_between(low, high)

    def average_outputs_with_saved(self):
        self.filled.get().boxes().average_outputs_with_saved()

    def average_with_saved(self, bint scores, int landmark_square=-1):
        self.filled.get().boxes().average_with_saved(scores, landmark_square)

    def drop_below(self, float score):
        self.filled.get().boxes().drop_below(score)

    def __len__(self):
        return self.filled.get().boxes().count()

    def read(self):
        """dets (n, 5), landmarks (n, 10), frames (n,) int32."""
        cdef int n = self.filled.get().boxes().count()
        cdef float[:, ::1] d
        cdef float[:, ::1] m
        cdef int[::1] f
        d = dets = np.empty((n, 5), np.float32)
        m = landmarks = np.zeros((n, 10), np.float32)
        f = frames = np.empty(n, np.int32)
        if n:
            self.filled.get().boxes().read(&d[0, 0], &m[0, 0], &f[0])
        return dets, landmarks, frames
