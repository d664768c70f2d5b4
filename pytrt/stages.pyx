cdef int64_t MOST_WORK = 1 << 62, MOST_BOX_COST = 1 << 40  # whose product with all boxes of a set is less

cdef str _LEVEL = "(frame, height, width, scale_y, scale_x)"


cdef int _read_levels(levels, vector[Level]& plan) except -1:
    cdef Level level
    for frame, height, width, scale_y, scale_x in _rows(levels, "levels", _LEVEL, 5):
        level.frame = _whole(frame, "frame of a level", 0, INT_MAX)
        level.size.height = _whole(height, "height of a level", 1, MOST_PIXELS_A_SIDE)
        level.size.width = _whole(width, "width of a level", 1, MOST_PIXELS_A_SIDE)
        level.scale_y, level.scale_x = _real(scale_y, "scale_y"), _real(scale_x, "scale_x")
        if not (level.scale_y > 0 and level.scale_x > 0):
            raise ValueError(f"scales of levels must be positive, got {scale_y} and {scale_x}")
        plan.push_back(level)
    return 0


cdef int _read_boxes(boxes, frames, vector[Box]& taken) except -1:
    cdef Box box
    cdef int i
    cdef float[:, ::1] sides = _in_fours(_numbers(boxes, np.float32, "boxes"), "boxes")
    cdef int[::1] numbers = _whole_numbers(frames, "frames", INT_MAX).reshape(-1)
    if sides.shape[0] != numbers.shape[0]:
        raise ValueError(f"got {sides.shape[0]} boxes but {numbers.shape[0]} frames")
    if not (np.abs(np.asarray(sides)) <= FARTHEST_PIXEL).all():
        raise ValueError(f"boxes must be within {FARTHEST_PIXEL} pixels of 0")
    for i in range(sides.shape[0]):
        box.x1, box.y1, box.x2, box.y2 = sides[i, 0], sides[i, 1], sides[i, 2], sides[i, 3]
        box.frame = numbers[i]
        box.order = i
        taken.push_back(box)
    return 0


cdef int _read_onet_options(OnetOptions& options, bint flip, bint flip_first, flip_range, tta_scales,
                            bint average_scores, bint tight_landmarks, average_above, vote) except -1:
    options.flip = flip
    options.flip_first = flip_first
    scores = _items(flip_range, "flip_range", "2 scores")
    if len(scores) != 2:
        raise ValueError(f"flip_range must be 2 scores, got {len(scores)}")
    options.flip_low, options.flip_high = _real(scores[0], "flip_range"), _real(scores[1], "flip_range")
    for scale in _items(tta_scales, "tta_scales", "scales"):
        options.tta_scales.push_back(_real(scale, "tta_scales"))
        if not options.tta_scales.back() > 0:
            raise ValueError(f"tta_scales must be positive, got {scale}")
    options.average_scores = average_scores
    options.tight_landmarks = tight_landmarks
    options.average_above = _real(average_above, "average_above")
    options.vote = _real(vote, "vote")
    if not 0 <= options.vote < 1:
        raise ValueError(f"vote must be at least 0 and less than 1, got {vote}")
    return 0


@cython.no_gc_clear  # the pictures must stay until __dealloc__() has waited for the stream
cdef class Stages:
    """The cascade's stages on one device, with the set of boxes that goes from one to the next.

    Wraps the C++ class TrtMtcnn (csrc/mtcnn.h), which holds all networks; PyTrtMtcnn is one network. For one
    thread at a time: a second one gets a RuntimeError.
    """

    cdef unique_ptr[TrtMtcnn] net
    cdef list views
    cdef atomic_bool busy  # a call is under way; threads meet here without a GIL, too
    cdef cbool begun  # begin_detect() was, and finish_detect() was not yet
    cdef _Gpu gpu  # None on a CPU
    cdef readonly cbool has_lnet

    def __init__(self, Device device not None, Engine pnet not None, Engine rnet not None, Engine onet not None,
                 Engine lnet=None):
        self.take()
        try:
            self.make(device, pnet, rnet, onet, lnet)
        finally:
            self.busy.store(False)

    cdef int make(self, Device device, Engine pnet, Engine rnet, Engine onet, Engine lnet) except -1:
        if self.net:
            raise RuntimeError("these stages are made: make others")
        self.views = []
        cdef Engines engines
        self.has_lnet = lnet is not None
        cdef Device_* native = device.get()
        cdef Device_* other
        for i, engine in enumerate((pnet, rnet, onet, lnet) if self.has_lnet else (pnet, rnet, onet)):
            (<Engine>engine).get()  # raises where it was never made
            other = (<Engine>engine).device.get()
            # CPUs share engines; a GPU's are memory that no other device can read.
            if other != native and (other.ordinal() >= 0 or native.ordinal() >= 0):
                raise EngineError("this engine was loaded on another device: load engines with the device that is to "
                                  "run them")
            engines[<size_t>i] = (<Engine>engine).engine
        cdef unique_ptr[Backend] backend
        with nogil:
            backend = native.backend(engines)
        if device.ordinal >= 0:
            self.gpu = _Gpu.__new__(_Gpu)
            self.gpu.ordinal = device.ordinal
            # The default stream, which is null, is 1 to DLPack.
            self.gpu.stream = <size_t>backend.get().stream() or 1
        self.net.reset(new TrtMtcnn(move(backend)))
        return 0

    def __dealloc__(self):
        with nogil:
            self.net.reset()

    cdef int enter(self) except -1:
        self.enter_begun()
        if self.begun:
            self.busy.store(False)
            raise RuntimeError("a detection has begun on these stages: call finish_detect() or unload() first")
        return 0

    cdef int enter_begun(self) except -1:
        """The same where a detection may have begun."""
        self.take()
        if not self.net:
            self.busy.store(False)
            raise RuntimeError("these stages were never made: call Stages(device, pnet, rnet, onet)")
        return 0

    cdef int take(self) except -1:
        if self.busy.exchange(True):
            raise RuntimeError("these stages are in use by another thread: make one for each")
        return 0

    def load(self, images, sizes, *, resize="area", bint nms_on_windows=True, bint whole_pixels=False):
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
        views = [_View(img, self.gpu) for img in _items(images, "images", "pictures")]
        for view in views:
            frames.push_back(view.image)
        for height, width in _rows(sizes, "sizes", "(height, width)", 2):
            size.height = _whole(height, "height in sizes", 1, 1 << 30)
            size.width = _whole(width, "width in sizes", 1, 1 << 30)
            working.push_back(size)
        if frames.size() != working.size():
            raise ValueError(f"got {frames.size()} images but {working.size()} sizes")
        self.enter_begun()
        self.begun = False
        before = self.views  # which the stream may be reading until the core has waited for it
        try:
            self.views = []
            with nogil:
                self.net.get().load(frames, working, options)
            self.views = views
            del before
        except BaseException:
            try:
                with nogil:
                    self.net.get().unload()
            except (MtcnnError, MemoryError):  # of the device that has failed: the first error tells why
                pass
            raise
        finally:
            self.busy.store(False)

    def unload(self):
        """Lets go of the frames."""
        self.enter_begun()
        self.begun = False
        try:
            with nogil:
                self.net.get().unload()
        finally:
            self.views = []
            self.busy.store(False)

    def pnet(self, levels, threshold, nms_level, nms_frame, keep, max_proposals=None):
        """P-Net over the image pyramids.

        levels: (frame, height, width, scale_y, scale_x) each; keep: boxes a frame, at most.
        max_proposals: boxes a frame before their suppression, where more are a ValueError; a GPU does not count them.
        Returns the number of boxes proposed.
        """
        cdef vector[Level] plan
        cdef int left
        cdef float t = _real(threshold, "threshold")
        cdef float nms[2]
        cdef int most = _whole(keep, "keep", 0, INT_MAX)
        cdef int proposals = INT_MAX if max_proposals is None else _whole(max_proposals, "max_proposals", 0, INT_MAX)
        nms[0], nms[1] = _real(nms_level, "nms_level"), _real(nms_frame, "nms_frame")
        _read_levels(levels, plan)
        self.enter()
        try:
            self.check_levels(plan)
            with nogil:
                left = self.net.get().pnet(plan, t, nms[0], nms[1], most, proposals)
        finally:
            self.busy.store(False)
        return left

    def set_boxes(self, boxes, frames):
        """Makes these the set, in the place of pnet(): boxes that are known already, as from a frame before.

        boxes: (n, 4) x1, y1, x2, y2 in pixels of the frames' working sizes; frames: (n,) the index of each one's frame.
        Returns their number.
        """
        cdef vector[Box] taken
        cdef int left
        _read_boxes(boxes, frames, taken)
        self.enter()
        try:
            self.check_boxes(taken)
            with nogil:
                left = self.net.get().set_boxes(taken)
        finally:
            self.busy.store(False)
        return left

    def rnet(self, threshold, nms_threshold, keep):
        """R-Net over the boxes. Returns the number left."""
        cdef int left
        cdef float t = _real(threshold, "threshold"), nms = _real(nms_threshold, "nms_threshold")
        cdef int most = _whole(keep, "keep", 0, INT_MAX)
        self.enter()
        try:
            with nogil:
                left = self.net.get().rnet(t, nms, most)
        finally:
            self.busy.store(False)
        return left

    def onet(self, threshold, nms_threshold, *, bint flip=False, bint flip_first=False, flip_range=(0, 1),
             tta_scales=(), bint average_scores=False, bint tight_landmarks=False, average_above=1.0, vote=0.0):
        """O-Net over the boxes, with landmarks. Returns the number of faces.

        flip: average the outputs for each crop and for its mirror image; in the first of two passes only with
            flip_first.
        flip_range: where the first pass flips, the scores of the boxes that it does so for.
        tta_scales: a second pass over the faces found, in squares of each of these scales; boxes and landmarks become
            the mean over both passes, and scores, too, with average_scores; with tight_landmarks landmarks become that
            over the first pass and the smallest square.
        average_above: IoU above which the final suppression averages boxes with those they suppress; 1: never.
        vote: share of what a score lacks of 1 that each box so averaged, three at most, takes from it, in [0, 1).
        """
        cdef int left
        cdef OnetOptions options
        cdef float t = _real(threshold, "threshold"), nms = _real(nms_threshold, "nms_threshold")
        _read_onet_options(options, flip, flip_first, flip_range, tta_scales, average_scores, tight_landmarks,
                           average_above, vote)
        self.enter()
        try:
            with nogil:
                left = self.net.get().onet(t, nms, options)
        finally:
            self.busy.store(False)
        return left

    def lnet(self, *, bint flip=False):
        """L-Net over the faces that onet() left: their landmarks are refined.

        flip: average the outputs for each face and for its mirror image.
        """
        self.enter()
        try:
            if not self.has_lnet:
                raise ValueError("lnet was not given: Stages(device, pnet, rnet, onet, lnet)")
            with nogil:
                self.net.get().lnet(flip)
        finally:
            self.busy.store(False)

    @property
    def runs_ahead(self):
        """Whether detect() and refine() wait for the device once: all stages are enqueued before a box is counted."""
        self.enter()
        try:
            return self.net.get().runs_ahead()
        finally:
            self.busy.store(False)

    def detect(self, levels, *, thresholds, nms_thresholds, max_rnet, max_onet, networks=3, max_proposals=None,
               bint refine_landmarks=False, bint flip=False, bint flip_first=False, flip_range=(0, 1),
               tta_scales=(), bint average_scores=False, bint tight_landmarks=False, average_above=1.0, vote=0.0,
               budgets=(), box_costs=(0, 0, 0)):
        """All stages at once: the set that pnet(), rnet(), onet() and lnet(flip=True) leave one after the other.

        levels, max_proposals: as pnet() takes them.
        thresholds: of P-Net, R-Net and O-Net. nms_thresholds: within a level, within a frame, of R-Net and O-Net.
        max_rnet, max_onet: boxes a frame that pnet() and rnet() keep, at most.
        networks: how many of P-Net, R-Net and O-Net run. refine_landmarks: whether L-Net does, too, after O-Net.
        flip to vote: as onet() takes them.
        budgets: where runs_ahead, what each frame may cost, a whole number; box_costs: of a box that R-Net, O-Net and
            L-Net are shown. Before each network the boxes of frames that cost more are dropped; work() tells of it.
        Returns the number of faces.
        """
        self.begin_detect(
            levels, thresholds=thresholds, nms_thresholds=nms_thresholds, max_rnet=max_rnet, max_onet=max_onet,
            networks=networks, max_proposals=max_proposals, refine_landmarks=refine_landmarks, flip=flip,
            flip_first=flip_first, flip_range=flip_range, tta_scales=tta_scales, average_scores=average_scores,
            tight_landmarks=tight_landmarks, average_above=average_above, vote=vote, budgets=budgets,
            box_costs=box_costs,
        )
        return self.finish_detect()

    def begin_detect(self, levels, *, thresholds, nms_thresholds, max_rnet, max_onet, networks=3, max_proposals=None,
                     bint refine_landmarks=False, bint flip=False, bint flip_first=False, flip_range=(0, 1),
                     tta_scales=(), bint average_scores=False, bint tight_landmarks=False, average_above=1.0, vote=0.0,
                     budgets=(), box_costs=(0, 0, 0)):
        """detect() as far as the wait, where the stages run ahead: the device works on, and the host does other things.

        finish_detect() follows, or load() or unload(), which drop what was begun.
        """
        cdef vector[Level] plan
        cdef vector[int64_t] most
        cdef CascadeSettings settings
        self.read_settings(settings, thresholds, nms_thresholds, max_rnet, max_onet, networks, refine_landmarks)
        settings.pnet.max_proposals = (
            INT_MAX if max_proposals is None else _whole(max_proposals, "max_proposals", 0, INT_MAX)
        )
        _read_onet_options(
            settings.onet.options, flip, flip_first, flip_range, tta_scales, average_scores, tight_landmarks,
            average_above, vote
        )
        for budget in _items(budgets, "budgets", "whole numbers, one a frame"):
            most.push_back(_whole(budget, "budgets", 0, MOST_WORK))
        costs = _items(box_costs, "box_costs", "3 whole numbers: R-Net, O-Net, L-Net")
        if len(costs) != 3:
            raise ValueError(f"box_costs must be 3 numbers, got {len(costs)}")
        for i, cost in enumerate(costs):
            settings.box_costs[<size_t>i + 1] = _whole(cost, "box_costs", 0, MOST_BOX_COST)
        _read_levels(levels, plan)
        self.enter()
        try:
            self.check_levels(plan)
            if most.size() and most.size() != <size_t>len(self.views):
                raise ValueError(f"got {most.size()} budgets for {len(self.views)} frames")
            if most.size() and not self.net.get().runs_ahead():
                raise ValueError("budgets are for stages that run ahead, and these do not: run them one by one")
            with nogil:
                self.net.get().begin_detect(plan, settings, most)
            self.begun = True
        finally:
            self.busy.store(False)

    def finish_detect(self):
        """Waits for what begin_detect() began. Returns the number of faces."""
        cdef int left
        self.enter_begun()
        try:
            if not self.begun:
                raise RuntimeError("no detection has begun on these stages: call begin_detect() first")
            self.begun = False
            with nogil:
                left = self.net.get().finish_detect()
        finally:
            self.busy.store(False)
        return left

    def refine(self, boxes, frames, *, thresholds, nms_thresholds, max_rnet, max_onet, networks=3,
               bint refine_landmarks=False, bint flip=False, bint flip_first=False, flip_range=(0, 1),
               tta_scales=(), bint average_scores=False, bint tight_landmarks=False, average_above=1.0, vote=0.0):
        """As detect(), from boxes that are known: what set_boxes(), rnet(), onet() and lnet(flip=True) leave.

        boxes, frames: as set_boxes() takes them; all else as detect() does.
        """
        cdef vector[Box] taken
        cdef CascadeSettings settings
        cdef int left
        self.read_settings(settings, thresholds, nms_thresholds, max_rnet, max_onet, networks, refine_landmarks)
        _read_onet_options(
            settings.onet.options, flip, flip_first, flip_range, tta_scales, average_scores, tight_landmarks,
            average_above, vote
        )
        _read_boxes(boxes, frames, taken)
        self.enter()
        try:
            self.check_boxes(taken)
            with nogil:
                left = self.net.get().refine(taken, settings)
        finally:
            self.busy.store(False)
        return left

    cdef int read_settings(self, CascadeSettings& settings, thresholds, nms_thresholds, max_rnet, max_onet, networks,
                           bint refine_landmarks) except -1:
        least = _items(thresholds, "thresholds", "3 numbers: P-Net, R-Net, O-Net")
        overlaps = _items(nms_thresholds, "nms_thresholds", "4 numbers: level, frame, R-Net, O-Net")
        if len(least) != 3 or len(overlaps) != 4:
            raise ValueError(
                f"thresholds must be 3 numbers and nms_thresholds 4, got {len(least)} and {len(overlaps)}"
            )
        settings.pnet.threshold = _real(least[0], "thresholds[0]")
        settings.rnet.threshold = _real(least[1], "thresholds[1]")
        settings.onet.threshold = _real(least[2], "thresholds[2]")
        settings.pnet.nms_level = _real(overlaps[0], "nms_thresholds[0]")
        settings.pnet.nms_frame = _real(overlaps[1], "nms_thresholds[1]")
        settings.rnet.nms = _real(overlaps[2], "nms_thresholds[2]")
        settings.onet.nms = _real(overlaps[3], "nms_thresholds[3]")
        settings.pnet.keep = _whole(max_rnet, "max_rnet", 0, INT_MAX)
        settings.rnet.keep = _whole(max_onet, "max_onet", 0, INT_MAX)
        settings.networks = _whole(networks, "networks", 1, 3)
        settings.refine_landmarks = refine_landmarks
        if refine_landmarks and not self.has_lnet:
            raise ValueError("refine_landmarks needs lnet: Stages(device, pnet, rnet, onet, lnet)")
        return 0

    cdef int check_levels(self, const vector[Level]& levels) except -1:
        cdef size_t i
        for i in range(levels.size()):
            if levels[i].frame >= <int>len(self.views):
                raise ValueError(f"levels name frame {levels[i].frame}, but {len(self.views)} are loaded")
        return 0

    cdef int check_boxes(self, const vector[Box]& boxes) except -1:
        cdef size_t i
        for i in range(boxes.size()):
            if not 0 <= boxes[i].frame < <int>len(self.views):
                raise ValueError(f"frames name frame {boxes[i].frame}, but {len(self.views)} are loaded")
        return 0

    def work(self):
        """Of detect() with budgets, until unload(): what is left of each, int64, less than 0 where a frame would have
        cost more; and how many of its boxes R-Net, O-Net and L-Net were to be shown, (n, 3) int32, up to there."""
        cdef FrameWorks found
        cdef size_t i, k
        cdef int64_t[::1] rest
        cdef int[:, ::1] counts
        self.enter()
        try:
            found = self.net.get().work()
            rest = left = np.empty(found.size(), np.int64)
            counts = boxes = np.empty((found.size(), 3), np.int32)
            for i in range(found.size()):
                rest[i] = found[i].left
                for k in range(3):
                    counts[i, k] = found[i].boxes[k + 1]
        finally:
            self.busy.store(False)
        return left, boxes

    def boxes(self):
        """The set as it stands: dets (n, 5), landmarks (n, 10; zeros before onet), frames (n,) int32."""
        cdef int n
        cdef float[:, ::1] d
        cdef float[:, ::1] m
        cdef int[::1] f
        self.enter()
        try:
            with nogil:
                n = self.net.get().boxes().count()
            d = dets = np.empty((n, 5), np.float32)
            m = landmarks = np.zeros((n, 10), np.float32)
            f = frames = np.empty(n, np.int32)
            if n:
                with nogil:
                    self.net.get().boxes().read(&d[0, 0], &m[0, 0], &f[0])
        finally:
            self.busy.store(False)
        return dets, landmarks, frames
