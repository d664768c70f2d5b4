cdef class Stages:
    """The cascade's three stages on one device, with the set of boxes that goes from one to the next.

    For one thread at a time: a second one gets a RuntimeError.
    """

    cdef unique_ptr[TrtMtcnn] net
    cdef list views
    cdef cbool busy
    cdef _Gpu gpu  # None on a CPU

    def __init__(self, Device device not None, Engine pnet not None, Engine rnet not None, Engine onet not None):
        self.views = []
        cdef unique_ptr[Backend] backend = device.device.get().backend()
        if isinstance(device, (CudaDevice, EmulatedGpu)):
            self.gpu = _Gpu.__new__(_Gpu)
            self.gpu.ordinal = device.ordinal
            # The default stream, which is null, is 1 to DLPack.
            self.gpu.stream = <size_t>backend.get().stream() or 1
        self.net.reset(new TrtMtcnn(move(backend), pnet.engine, rnet.engine, onet.engine))

    cdef int enter(self) except -1:
        if self.busy:
            raise RuntimeError("these stages are in use by another thread: make one for each")
        if not self.net:
            raise RuntimeError("these stages were never made: call Stages(device, pnet, rnet, onet)")
        self.busy = True
        return 0

    def load(self, images, sizes, *, resize="area", bint nms_on_windows=True, bint whole_pixels=False,
             bint mirror=False, bint second_pass=False, float average_above=1):
        """Takes the frames of a call.

        images: BGR uint8 arrays (H, W, 3) with contiguous rows, viewed until unload(). On a GPU device also
            arrays in its memory (torch, CuPy), by DLPack or the CUDA array interface: used in place.
        sizes: (height, width) that each is worked on at; resized where it differs.
        """
        cdef vector[Image] frames
        cdef vector[Size] working
        cdef Size size
        cdef CascadeOptions options
        cdef _View view
        options.resize = _resize_mode(resize)
        options.nms_on_windows = nms_on_windows
        options.whole_pixels = whole_pixels
        options.mirror = mirror
        options.second_pass = second_pass
        options.average_above = average_above
        views = [_View(img, self.gpu) for img in images]
        for view in views:
            frames.push_back(view.image)
        for height, width in sizes:
            size.height, size.width = height, width
            if size.height < 1 or size.width < 1:
                raise ValueError(f"sizes must be at least 1 x 1, got {height} x {width}")
            working.push_back(size)
        if frames.size() != working.size():
            raise ValueError(f"got {frames.size()} images but {working.size()} sizes")
        self.enter()
        try:
            self.views = []
            with nogil:
                self.net.get().load(frames, working, options)
            self.views = views
        except BaseException:
            self.net.get().unload()
            raise
        finally:
            self.busy = False

    def unload(self):
        """Lets go of the frames."""
        self.enter()
        self.net.get().unload()
        self.views = []
        self.busy = False

    def pnet(self, levels, float threshold, float nms_level, float nms_frame, int keep):
        """P-Net over the image pyramids.

        levels: (frame, height, width, scale_y, scale_x) each; keep: boxes a frame, at most.
        Returns the number of boxes proposed.
        """
        cdef vector[Level] plan
        cdef Level level
        cdef int left
        self.enter()
        try:
            for frame, height, width, scale_y, scale_x in levels:
                level.frame, level.size.height, level.size.width = frame, height, width
                level.scale_y, level.scale_x = scale_y, scale_x
                if not (level.scale_y > 0 and level.scale_x > 0 and level.size.height > 0 and level.size.width > 0):
                    got = (frame, height, width, scale_y, scale_x)
                    raise ValueError(f"levels must have positive sizes and scales, got {got}")
                if level.frame < 0 or level.frame >= <int>len(self.views):
                    raise ValueError(f"levels name frame {frame}, but {len(self.views)} are loaded")
                plan.push_back(level)
            with nogil:
                left = self.net.get().pnet(plan, threshold, nms_level, nms_frame, keep)
        finally:
            self.busy = False
        return left

    def rnet(self, float threshold, float nms_threshold, int keep):
        """R-Net over the boxes. Returns the number left."""
        cdef int left
        self.enter()
        try:
            with nogil:
                left = self.net.get().rnet(threshold, nms_threshold, keep)
        finally:
            self.busy = False
        return left

    def onet(self, float threshold, float nms_threshold):
        """O-Net over the boxes, with landmarks. Returns the number of faces."""
        cdef int left
        self.enter()
        try:
            with nogil:
                left = self.net.get().onet(threshold, nms_threshold)
        finally:
            self.busy = False
        return left

    def boxes(self):
        """The set as it stands: dets (n, 5), landmarks (n, 10; zeros before onet), frames (n,) int32."""
        cdef int n
        cdef float[:, ::1] d
        cdef float[:, ::1] m
        cdef int[::1] f
        self.enter()
        try:
            n = self.net.get().backend().count()
            d = dets = np.empty((n, 5), np.float32)
            m = landmarks = np.zeros((n, 10), np.float32)
            f = frames = np.empty(n, np.int32)
            if n:
                self.net.get().backend().read(&d[0, 0], &m[0, 0], &f[0])
        finally:
            self.busy = False
        return dets, landmarks, frames
