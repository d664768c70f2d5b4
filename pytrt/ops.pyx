# Each native operation alone: what tests compare with NumPy, and what tools can use.

def isa():
    """The instruction set that the CPU kernels use on this machine."""
    return kernels().isa.decode()


def bf16_kernels():
    """The CPU kernels of engines of precision "bf16", and why they are those of "fp32"; "" where they are not."""
    cdef Bfloat16Kernels found = bfloat16_kernels()
    return found.kernels.name.decode(), found.reason.decode()


def usable_cores(str proc not None="/proc/self"):
    """How many cores this process may keep busy, which is how many threads a call uses by default.

    Those of its CPU set, but no more than the processor time that its cgroups grant it, rounded up.
    proc: the folder that tells its cgroups and mounts.
    """
    return core_usable_cores(proc.encode())


def resize(img, height, width, mode="area"):
    """BGR uint8 (H, W, 3) resized to (3, height, width) float32 RGB, normalised to (x - 127.5) / 128."""
    cdef _View view = _View(img)
    cdef Resize m = _resize_mode(mode)
    cdef Size size
    size.height = _whole(height, "height", 1, MOST_PIXELS_A_SIDE)
    size.width = _whole(width, "width", 1, MOST_PIXELS_A_SIDE)
    out = np.empty((3, size.height, size.width), np.float32)
    cdef float[:, :, ::1] o = out
    with nogil:
        cpu_resize(view.image, size, m, &o[0, 0, 0])
    return out


def halve(img):
    """BGR uint8 (H, W, 3) averaged over 2 x 2 blocks, rounded half up; sizes are rounded up."""
    cdef _View view = _View(img)
    out = np.empty(((view.image.height + 1) // 2, (view.image.width + 1) // 2, 3), np.uint8)
    cdef uint8_t[:, :, ::1] o = out
    with nogil:
        cpu_halve(view.image, &o[0, 0, 0])
    return out


def crop_resize(img, windows, side, mode="area"):
    """Crops with zeros outside the picture, as a network's input.

    windows: (n, 4) int32 [x1, y1, x2, y2], inclusive. Returns (n, 3, side, side) float32 RGB, normalised.
    """
    cdef _View view = _View(img)
    cdef Resize m = _resize_mode(mode)
    cdef int pixels = _whole(side, "side", 1, MOST_PIXELS_A_SIDE)
    windows = _in_fours(_whole_numbers(windows, "windows", 10**8), "windows")
    if (windows[:, 2:] < windows[:, :2]).any():
        raise ValueError("windows must have x2 >= x1 and y2 >= y1")
    out = np.empty((len(windows), 3, pixels, pixels), np.float32)
    if not len(windows):
        return out
    cdef const int[:, ::1] w = windows
    cdef float[:, :, :, ::1] o = out
    with nogil:
        cpu_crop_resize(view.image, const_int_span(&w[0, 0], 4 * w.shape[0]), pixels, m, &o[0, 0, 0, 0])
    return out


def nms(boxes, scores, threshold, overlap="union", groups=None, keep=0x7FFFFFFF):
    """Greedy non-maximum suppression.

    boxes: (n, 4) float32 [x1, y1, x2, y2], inclusive; scores: (n,); overlap: "union" (IoU) or "min"
    (intersection over the smaller area); groups: (n,) int32, boxes suppress only within their own.
    Returns the indices kept, best first, equal scores by index.
    """
    boxes = _in_fours(_numbers(boxes, np.float32, "boxes"), "boxes")
    scores = _numbers(scores, np.float32, "scores").reshape(-1)
    if len(boxes) != len(scores):
        raise ValueError(f"got {len(boxes)} boxes but {len(scores)} scores")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError("boxes and scores must be finite")
    if overlap not in ("union", "min"):
        raise ValueError(f'overlap must be "union" or "min", got {overlap!r}')
    cdef int most = _whole(keep, "keep", 0, INT_MAX)
    cdef float t = _real(threshold, "threshold")
    cdef size_t n = len(boxes)
    if n == 0:
        return np.empty(0, np.int64)
    cdef const float[:, ::1] b = boxes
    cdef const float[::1] s = scores
    cdef const int[::1] g = None
    if groups is not None:
        groups = _whole_numbers(groups, "groups", INT_MAX).reshape(-1)
        if len(groups) != len(boxes):
            raise ValueError(f"got {len(boxes)} boxes but {len(groups)} groups")
        g = groups
    cdef const int* group_data = &g[0] if g is not None else NULL
    cdef size_t group_count = n if g is not None else 0
    cdef Overlap o = Overlap.kIoU if overlap == "union" else Overlap.kIoMin
    cdef vector[int] kept
    with nogil:
        kept = cpu_nms(const_float_span(&b[0, 0], 4 * n), const_float_span(&s[0], n),
                       const_int_span(group_data, group_count), t, o, most)
    return np.array(kept, dtype=np.int64)


def propose(prob, boxes, scale_y, scale_x, threshold):
    """P-Net's outputs for one level to windows.

    prob: (2, h, w) float32; boxes: (4, h, w) float32; scales: level pixels per image pixel.
    Returns (n, 9) float32 [x1, y1, x2, y2, score, dx1, dy1, dx2, dy2] in image pixels, row by row.
    """
    prob = _numbers(prob, np.float32, "prob")
    boxes = _numbers(boxes, np.float32, "boxes")
    if prob.ndim != 3 or prob.shape[0] != 2 or boxes.shape != (4, *prob.shape[1:]) or not prob.size:
        raise ValueError(f"prob and boxes must be (2, h, w) and (4, h, w), got {prob.shape} and {boxes.shape}")
    cdef double sy = _real(scale_y, "scale_y"), sx = _real(scale_x, "scale_x")
    cdef float t = _real(threshold, "threshold")
    if not (sy > 0 and sx > 0):
        raise ValueError("scale_y and scale_x must be positive")
    cdef const float[:, :, ::1] p = prob
    cdef const float[:, :, ::1] b = boxes
    cdef vector[float] rows
    with nogil:
        rows = cpu_propose(&p[0, 0, 0], &b[0, 0, 0], <int>p.shape[1], <int>p.shape[2], sy, sx, t)
    return np.array(rows, dtype=np.float32).reshape(-1, 9)


def pack_levels(levels, widths=(128, 256, 384, 512), max_height=512):
    """How levels of (height, width) are packed into canvases for P-Net; the defaults are those of the CPU.

    Returns [(canvas_height, canvas_width, [(level, cell_y, cell_x, cells_y, cells_x, canvas_y, canvas_x)])].
    """
    cdef vector[Level] plan
    cdef Level level
    level.frame, level.scale_y, level.scale_x = 0, 1, 1
    for height, width in _rows(levels, "levels", "(height, width)", 2):
        level.size.height = _whole(height, "height of a level", 1, MOST_PIXELS_A_SIDE)
        level.size.width = _whole(width, "width of a level", 1, MOST_PIXELS_A_SIDE)
        plan.push_back(level)
    cdef PackLimits limits
    for width in _items(widths, "widths", "whole numbers"):
        limits.widths.push_back(_whole(width, "widths", 12, MOST_PIXELS_A_SIDE))
    limits.max_height = _whole(max_height, "max_height", 12, MOST_PIXELS_A_SIDE)
    cdef vector[Canvas] canvases
    with nogil:
        canvases = pack(plan, limits)
    return [
        (c.size.height, c.size.width,
         [(t.level, t.cell_y, t.cell_x, t.cells_y, t.cells_x, t.canvas_y, t.canvas_x) for t in c.tiles])
        for c in canvases
    ]


def warp_affine(img, matrix, height, width):
    """BGR uint8 (H, W, 3) warped to (height, width, 3), bilinear, zeros outside.

    matrix: (2, 3) float64 from input to output pixel coordinates (pixel centres are whole numbers).
    """
    cdef _View view = _View(img)
    cdef int h = _whole(height, "height", 1, MOST_PIXELS_A_SIDE), w = _whole(width, "width", 1, MOST_PIXELS_A_SIDE)
    matrix = _numbers(matrix, np.float64, "matrix")
    if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
        raise ValueError(f"matrix must be a finite (2, 3) array, got shape {matrix.shape}")
    cdef const double[:, ::1] m = matrix
    out = np.empty((h, w, 3), np.uint8)
    cdef uint8_t[:, :, ::1] o = out
    with nogil:
        cpu_warp_affine(view.image, &m[0, 0], h, w, &o[0, 0, 0])
    return out
