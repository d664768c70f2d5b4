import os
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, SupportsIndex, TypedDict

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

_Float32 = npt.NDArray[np.float32]
_Picture = npt.NDArray[np.uint8]  # BGR (H, W, 3), pixels of a row contiguous
_Bytes = bytes | bytearray | memoryview | npt.NDArray[np.uint8]
_Precision = Literal["fp32", "bf16", "fp16"]
_Resize = Literal["area", "bilinear"]
_Shape = tuple[int, int, int, int]  # n, c, h, w
_Level = tuple[int, int, int, float, float]  # frame, height, width, scale_y, scale_x
_Tile = tuple[int, int, int, int, int, int, int]  # level, cell_y, cell_x, cells_y, cells_x, canvas_y, canvas_x
_Profile = tuple[_Shape, _Shape, _Shape]  # min, opt, max
_Dims = Sequence[SupportsIndex]  # c, h, w

@disjoint_base
class Device:
    """Where networks run. Make one of its subclasses."""

    @property
    def flavour(self) -> str:
        """Of the engine files that it loads: "cpu", "tensorrt", "tensorrt-rtx" or "cuda"."""

    @property
    def on_gpu(self) -> bool:
        """Whether networks run in a GPU's memory."""
    @property
    def ordinal(self) -> int:
        """The GPU in whose memory pictures may lie, 0 being the first; -1 where they lie in the host's."""
    @property
    def threads(self) -> int:
        """Threads of the CPU that one call may use."""
    @property
    def runtime(self) -> str:
        """Name and version of the library that runs the networks."""
    def load_engine(self, model: _Bytes, precision: _Precision | str = "fp32") -> Engine:
        """Loads an engine file's bytes: ONNX for a CPU and for a GPU's own kernels, else a TensorRT plan (which knows
        its precision)."""

class CpuDevice(Device):
    """The CPU."""

    def __init__(self, openvino_library: str, threads: int = 0, *, native: bool = True) -> None:
        """openvino_library: path of libopenvino_c, "" where there is none; threads: 0 for one a usable core;
        native: whether MTCNN's three networks run on kernels of our own rather than OpenVINO's."""

@disjoint_base
class EmulatedGpu(CpuDevice):
    """The GPU backend's code run on the CPU, its kernels as loops: slow, for tests."""

    def __init__(
        self,
        openvino_library: str,
        threads: int = 0,
        *,
        asynchronous: bool = False,
        seed: int = 0,
        memory: int = 1073741824,
        late_pageable: bool = True,
        kernels: bool = False,
    ) -> None:
        """asynchronous: as a GPU and its streams would, else all is done at once in the CPU's memory; seed: of the
        order of threads; memory: bytes that the GPU has; late_pageable: whether copies from memory that is not pinned
        read it when they run."""
    def counts(self) -> dict[str, int]:
        """How often each kind of call was made."""
    def fail(self, call: str, after: int = 0, times: int = 1, *, for_good: bool = False) -> None:
        """Of a kind, the calls that come after `after` others fail, `times` of them; with for_good all later ones."""
    def mend(self) -> bool:
        """No call fails any more. Returns whether one did that fail() named."""
    def live_graphs(self) -> int:
        """CUDA graphs that exist."""
    def misuses(self) -> list[str]:
        """What CUDA forbids or leaves open, and was done all the same."""
    def live_memory(self) -> tuple[int, int]:
        """Bytes allocated: (GPU memory, pinned memory)."""
    def synchronize(self) -> None:
        """What cudaDeviceSynchronize() is to captures: an error to both while there is one."""
    def start_trace(self) -> None:
        """From now on calls are noted."""
    def trace(self) -> list[tuple[str, str, int]]:
        """Ends the trace: (kind, name of the kernel or shape of the network's input, threads, bytes or items) each."""
    def resize(self, img: _Picture, height: int, width: int, mode: str = "area") -> _Float32:
        """As pytrt.resize, with the GPU's kernels, to even sizes of 12 and more."""
    def halve(self, img: _Picture) -> _Picture:
        """As pytrt.testing.halve."""
    def crop_resize(self, img: _Picture, windows: npt.ArrayLike, side: int, mode: str = "area") -> _Float32:
        """As pytrt.crop_resize, of windows less than a million pixels from the picture."""
    def propose(
        self, prob: npt.ArrayLike, boxes: npt.ArrayLike, scale_y: float, scale_x: float, threshold: float
    ) -> _Float32:
        """As pytrt.propose."""

def start_launch_trace() -> None:
    """From now on what GPUs are given in this process is noted and timed, and CUDA graphs are not used."""

def take_launch_trace() -> list[tuple[str, str, int, float]]:
    """Ends the trace: (kind, name of the kernel, threads, warps or bytes, microseconds on the GPU) each."""

@disjoint_base
class BoxSet:
    """A device's set of boxes, and the operations on it (csrc/boxes.h), one by one: for tests."""

    DTYPE: ClassVar[np.dtype[np.void]]
    def __init__(self, device: CpuDevice, rows: npt.NDArray[np.void], sizes: Sequence[tuple[int, int]]) -> None:
        """rows: boxes of DTYPE; sizes: (height, width) of each frame."""
    def accept(
        self,
        prob: npt.ArrayLike,
        regression: npt.ArrayLike,
        landmarks: npt.ArrayLike | None,
        threshold: float,
        *,
        inclusive: bool = True,
        flip: bool = False,
        mirrored: bool = False,
    ) -> None:
        """prob (n, 2), regression (n, 4), landmarks (n, 10) or None of the set's first n boxes, or with flip of these
        and of their mirror images, or with mirrored of their mirror images alone."""
    def nms(self, threshold: float, overlap: str = "union", scope: str = "frame", keep: int = 0x7FFFFFFF) -> None: ...
    def nms_average(self, threshold: float, above: float) -> None: ...
    def regress(self) -> None: ...
    def square(self, truncating: bool) -> None: ...
    def truncate_and_clip(self) -> None: ...
    def save_and_square(self, truncating: bool, scales: npt.ArrayLike) -> None: ...
    def save_and_keep_between(self, low: float, high: float) -> None: ...
    def average_outputs_with_saved(self) -> None: ...
    def average_with_saved(self, scores: bool, landmark_square: int = -1) -> None: ...
    def drop_below(self, score: float) -> None: ...
    def __len__(self) -> int: ...
    def read(self) -> tuple[_Float32, _Float32, npt.NDArray[np.int32]]:
        """dets (n, 5), landmarks (n, 10), frames (n,)."""

class CudaDevice(Device):
    """An NVIDIA GPU."""

    def __init__(self, runtime: str = "", parser: str = "", ordinal: int = 0) -> None:
        """runtime, parser: as TensorRt takes them; "": without TensorRT. ordinal: 0 is the first GPU."""

@disjoint_base
class Engine:
    """One network on one device. Made by Device.load_engine; any thread may call it."""

    @property
    def input(self) -> tuple[str, _Shape]:
        """(name, shape) of the input; -1 stands for any size."""
    @property
    def outputs(self) -> list[tuple[str, _Shape]]:
        """(name, shape) of each output."""
    def infer(self, data: npt.ArrayLike) -> dict[str, _Float32]:
        """Runs the network on (n, c, h, w) numbers; C-contiguous float32 arrays are read in place."""

@disjoint_base
class Stages:
    """C++'s TrtMtcnn: the stages on one device, with the set of boxes that goes from one to the next."""

    @property
    def has_lnet(self) -> bool:
        """Whether there is an L-Net to refine landmarks with."""
    def __init__(
        self, device: Device, pnet: Engine, rnet: Engine, onet: Engine, lnet: Engine | None = None
    ) -> None: ...
    def load(
        self,
        images: Iterable[_Picture],
        sizes: Iterable[tuple[int, int]],
        *,
        resize: _Resize | str = "area",
        nms_on_windows: bool = True,
        whole_pixels: bool = False,
    ) -> None:
        """Takes the frames of a call, viewed until unload(); sizes: (height, width) each is worked on at."""
    def unload(self) -> None:
        """Lets go of the frames."""
    def pnet(
        self,
        levels: Iterable[_Level],
        threshold: float,
        nms_level: float,
        nms_frame: float,
        keep: int,
        max_proposals: int | None = None,
    ) -> int:
        """P-Net over the image pyramids; keep: boxes a frame, at most. Returns the number of boxes."""
    def set_boxes(self, boxes: Iterable[Iterable[float]], frames: Iterable[int]) -> int:
        """In the place of pnet(): boxes (n, 4) that are known already, each of the frame of its number."""
    def rnet(self, threshold: float, nms_threshold: float, keep: int) -> int:
        """R-Net over the boxes. Returns the number left."""
    def onet(
        self,
        threshold: float,
        nms_threshold: float,
        *,
        flip: bool = False,
        flip_first: bool = False,
        flip_range: Sequence[float] = (0, 1),
        tta_scales: Sequence[float] = (),
        average_scores: bool = False,
        tight_landmarks: bool = False,
        average_above: float = 1.0,
        vote: float = 0.0,
    ) -> int:
        """O-Net over the boxes, with landmarks. Returns the number of faces."""
    def lnet(self, *, flip: bool = False) -> None:
        """L-Net over the faces that onet() left: their landmarks are refined."""
    @property
    def runs_ahead(self) -> bool:
        """Whether detect() and refine() wait for the device once: all stages are enqueued before a box is counted."""
    def detect(
        self,
        levels: Iterable[_Level],
        *,
        thresholds: Sequence[float],
        nms_thresholds: Sequence[float],
        max_rnet: int,
        max_onet: int,
        networks: int = 3,
        max_proposals: int | None = None,
        refine_landmarks: bool = False,
        flip: bool = False,
        flip_first: bool = False,
        flip_range: Sequence[float] = (0, 1),
        tta_scales: Sequence[float] = (),
        average_scores: bool = False,
        tight_landmarks: bool = False,
        average_above: float = 1.0,
        vote: float = 0.0,
        budgets: Iterable[int] = (),
        box_costs: Sequence[int] = (0, 0, 0),
    ) -> int:
        """All stages at once: the set that pnet(), rnet(), onet() and lnet(flip=True) leave one after the other.
        Returns the number of faces."""
    def begin_detect(
        self,
        levels: Iterable[_Level],
        *,
        thresholds: Sequence[float],
        nms_thresholds: Sequence[float],
        max_rnet: int,
        max_onet: int,
        networks: int = 3,
        max_proposals: int | None = None,
        refine_landmarks: bool = False,
        flip: bool = False,
        flip_first: bool = False,
        flip_range: Sequence[float] = (0, 1),
        tta_scales: Sequence[float] = (),
        average_scores: bool = False,
        tight_landmarks: bool = False,
        average_above: float = 1.0,
        vote: float = 0.0,
        budgets: Iterable[int] = (),
        box_costs: Sequence[int] = (0, 0, 0),
    ) -> None:
        """detect() as far as the wait for the device; finish_detect(), or load() or unload(), follows."""
    def finish_detect(self) -> int:
        """Waits for what begin_detect() began. Returns the number of faces."""
    def refine(
        self,
        boxes: Iterable[Iterable[float]],
        frames: Iterable[int],
        *,
        thresholds: Sequence[float],
        nms_thresholds: Sequence[float],
        max_rnet: int,
        max_onet: int,
        networks: int = 3,
        refine_landmarks: bool = False,
        flip: bool = False,
        flip_first: bool = False,
        flip_range: Sequence[float] = (0, 1),
        tta_scales: Sequence[float] = (),
        average_scores: bool = False,
        tight_landmarks: bool = False,
        average_above: float = 1.0,
        vote: float = 0.0,
    ) -> int:
        """As detect(), from boxes that are known: what set_boxes(), rnet(), onet() and lnet(flip=True) leave."""
    def work(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Of detect() with budgets: what each frame has left, (n,), and its boxes for R-Net, O-Net, L-Net, (n, 3)."""
    def boxes(self) -> tuple[_Float32, _Float32, npt.NDArray[np.int32]]:
        """The set as it stands: dets (n, 5), landmarks (n, 10; zeros before onet), frames (n,)."""

class PyTrtMtcnn:
    """One network of the cascade, by its engine file: zero copy in and out of NumPy. It wraps one Engine."""

    def __init__(
        self, engine_path: str | os.PathLike[str], input_dims: _Dims | None = None, *output_dims: _Dims | None
    ) -> None: ...
    def set_batchsize(self, batch_size: SupportsIndex) -> None:
        """States how many pictures forward() will be given; 0 for any number."""
    def forward(self, imgs: npt.NDArray[Any]) -> dict[str, _Float32]:
        """Runs the network on (n, c, h, w) float32: {"prob1", "boxes"[, "landmarks"]}."""
    def destroy(self) -> None:
        """Lets go of the engine. May be called again."""

@disjoint_base
class BuildProgress:
    """How far a running build is; any thread may read it, or cancel the build."""

    def phases(self) -> list[tuple[str, int, int]]:
        """[(name, steps done, steps)], the outermost phase first."""
    def cancel(self) -> None:
        """Stop the build; it then raises BuildCancelled."""

class _PlanDescription(TypedDict):
    input: tuple[str, _Shape]
    outputs: list[tuple[str, _Shape]]
    profiles: list[_Profile]
    device_memory: int

@disjoint_base
class TensorRt:
    """A TensorRT library: 10, 11, or TensorRT-RTX."""

    def __init__(self, runtime: str, parser: str) -> None:
        """Paths of libnvinfer and libnvonnxparser (or of their TensorRT-RTX kin)."""
    @property
    def version(self) -> str:
        """The library's version, "10.15.1"."""
    @property
    def is_rtx(self) -> bool: ...
    def build(
        self,
        model: _Bytes,
        profiles: Iterable[_Profile],
        *,
        workspace: int = 0,
        optimization_level: int = -1,
        timing_cache: bytes = b"",
        gpu: int = -1,
        progress: BuildProgress | None = None,
    ) -> tuple[bytes, bytes]:
        """Builds a plan from ONNX. Returns (plan, timing cache)."""
    def describe(self, plan: _Bytes) -> _PlanDescription:
        """What a plan is for: needs its GPU."""

def tensorrt_versions() -> list[str]:
    """Versions of the TensorRT headers that this build was compiled against; empty for a CPU build."""

def cuda_driver() -> tuple[str, int, list[tuple[str, tuple[int, int], int]]]:
    """The NVIDIA driver and its GPUs: (problem, version, [(name, compute capability, bytes of memory)])."""

def has_cuda() -> bool:
    """Whether this build has the CUDA kernels."""

def kernel_network(model: _Bytes) -> str:
    """Which of MTCNN's networks an ONNX model is, "pnet" say: the CUDA kernels run no others."""

def isa() -> str:
    """The instruction set that the CPU kernels use on this machine."""

def bf16_kernels() -> tuple[str, str]:
    """The CPU kernels of engines of precision "bf16", and why they are those of "fp32"; "" where they are not."""

def usable_cores(proc: str = "/proc/self") -> int:
    """How many cores this process may keep busy, which is how many threads a call uses by default.

    Those of its CPU set, but no more than the processor time that its cgroups grant it, rounded up.
    proc: the folder that tells its cgroups and mounts.
    """

def resize(img: _Picture, height: int, width: int, mode: _Resize | str = "area") -> _Float32:
    """Resized to (3, height, width) float32 RGB, normalised to (x - 127.5) / 128."""

def halve(img: _Picture) -> _Picture:
    """Averaged over 2 x 2 blocks, rounded half up; sizes are rounded up."""

def crop_resize(img: _Picture, windows: npt.ArrayLike, side: int, mode: _Resize | str = "area") -> _Float32:
    """Crops (n, 4) int32 [x1, y1, x2, y2], inclusive, as (n, 3, side, side) float32 RGB; zeros outside."""

def nms(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    threshold: float,
    overlap: Literal["union", "min"] | str = "union",
    groups: npt.ArrayLike | None = None,
    keep: int = 0x7FFFFFFF,
) -> npt.NDArray[np.int64]:
    """Greedy non-maximum suppression: the indices kept, best first, equal scores by index."""

def propose(prob: npt.ArrayLike, boxes: npt.ArrayLike, scale_y: float, scale_x: float, threshold: float) -> _Float32:
    """P-Net's outputs for one level to windows (n, 9) [x1, y1, x2, y2, score, dx1, dy1, dx2, dy2]."""

def from_dlpack(img: Any) -> npt.NDArray[Any]:
    """A read-only NumPy view of an array in the CPU's memory that another library lends by DLPack.

    Raises TypeError for a dtype that NumPy lacks, ValueError for a description of no memory.
    """

def networks() -> dict[str, Any]:
    """What the C++ core knows of the networks."""

def load_amx(device: CpuDevice, model: bytes) -> Engine:
    """An engine on the kernels of AMX's instructions, whether the processor has them or a test plays them."""

def tile_layer(engine: Engine, layer: int, maps: _Float32) -> _Float32:
    """One layer of an engine of "bf16" whose kernels multiply tiles, of n maps (n, h, w, c); flat."""

def emulate_tiles(shapes: Iterable[tuple[int, int]], c: _Float32, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> _Float32:
    """The sums of the emulated tile registers, c + a b."""

def pack_levels(
    levels: Iterable[tuple[int, int]], widths: Iterable[int] = (128, 256, 384, 512), max_height: int = 512
) -> list[tuple[int, int, list[_Tile]]]:
    """How levels of (height, width) are packed for P-Net: [(canvas_height, canvas_width, tiles)]."""

def warp_affine(img: _Picture, matrix: npt.ArrayLike, height: int, width: int) -> _Picture:
    """Warped by the (2, 3) matrix from input to output pixels to (height, width, 3), zeros outside."""
