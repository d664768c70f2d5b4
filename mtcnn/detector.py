"""TrtMtcnn: the detector."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn import cascade, checks, profiling
from mtcnn.call_params import call_params
from mtcnn.double_buffer import detect_batches, detects_ahead
from mtcnn.engines import (
    NETWORKS,
    current_engines,
    engine_problem,
    engines_folder,
    load_engine,
    package_models,
    read_engine,
)
from mtcnn.engines.devices import cpu_device, cuda_device, gpu_flavour, machine_flavour
from mtcnn.engines.networks import LNET
from mtcnn.engines.precision import check_precision, choose_precision
from mtcnn.engines.settings import CPU, TENSORRT_FLAVOURS
from mtcnn.errors import ClosedError, DeviceError, EngineError
from mtcnn.faces import Face, make_faces
from mtcnn.files import FolderError
from mtcnn.images import Color, Picture, as_bgr, check_gpu_picture, check_not_dark, is_on_gpu
from mtcnn.params import DEFAULT_PRESET, PRESETS, Params, Preset, make_params
from mtcnn.profiling import Profile
from mtcnn.refine import known_boxes, refine
from mtcnn.runtime import variables
from mtcnn.runtime.fixed import Fixed
from mtcnn.runtime.once import Said
from mtcnn.runtime.unused import is_untold, untold, warn_unused
from mtcnn.without_effect import warn_of_unused
from mtcnn.work import OverLimitError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from mtcnn.engines.settings import Precision
    from mtcnn.params import CallParams, DetectorParams

__all__ = ["TrtMtcnn"]

Array = npt.NDArray[np.float32]
Frame: TypeAlias = npt.NDArray[np.uint8]
Found: TypeAlias = tuple[Array, Array] | ValueError  # the faces of a picture, or why it is refused

log = logging.getLogger("mtcnn")

# Pixels of pictures that detect_batch works on at once; bounds its memory. What is more than a core's cache holds costs
# a single thread 4%; several share the work better the more of it there is. A GPU's stages should take as long to start
# for eight 1080p pictures as for one (not measured).
ONE_THREAD_BATCH_PIXELS = 150_000
BATCH_PIXELS = 2_000_000
GPU_BATCH_PIXELS = 17_000_000
# The same of pictures that are copied to a GPU while it works on others: two 1080p pictures, as many as a launch of
# P-Net's kernels is for. The smaller the batches, the less the GPU waits for the first, and the host for the last.
COPIED_BATCH_PIXELS = 4_200_000
BATCH_LEVELS = 50_000  # of their pyramids: small pictures with a factor near 1 have thousands each, of 300 bytes

_PATHS = "three paths (P-Net, R-Net, O-Net), or four with L-Net's"
_CLOSED = "the detector is closed: make a new TrtMtcnn"


class TrtMtcnn(Fixed):
    """The MTCNN face detector.

    Any number of threads may share one detector; the GIL is released while it works.

    Args:
        engines: the paths of the engines of P-Net, R-Net and O-Net, and of L-Net where landmarks are to be refined;
            default those of ``create_engines``, built on first use, with L-Net's where it is there.
        device: "auto" (a GPU where it can be used, else the CPU), "cpu", "cuda" or "cuda:N", or an object that
            such a text stands for, as ``torch.device("cuda:0")``. On a GPU the networks run in TensorRT where that is
            installed, else in CUDA kernels.
        preset: "accurate", "fast" or "port".
        threads: CPU threads that one call may use; 0 for one a usable core: see pytrt.usable_cores.
        precision: what the networks compute in: "fp32"; "bf16" (on a CPU) or "fp16" (on a GPU) where that is faster,
            for a little accuracy; "auto": "bf16" where it makes this CPU at least 1.5 times faster, else "fp32".
            Default "fp32", or that of the ``engines``.
        **params: any parameter of :class:`mtcnn.params.Params`, for all calls; ``max_work`` for those
            with a preset of their own, too.

    Raises:
        EngineError: an engine is missing, damaged or does not fit.
        DeviceError: the device or its runtime is missing.
        TypeError, ValueError: a wrong argument.

    Warns:
        UnusedParameterWarning: a parameter was given that changes nothing, as ``vote`` does in preset "fast", where no
            boxes are averaged. Calls do so, too.

    Example:
        >>> import cv2
        >>> from mtcnn import TrtMtcnn
        >>> detector = TrtMtcnn()
        >>> dets, landmarks = detector.detect(cv2.imread("docs/images/astronaut.jpg"))
        >>> dets.shape, landmarks.shape
        ((1, 5), (1, 10))
    """

    _ARGUMENTS = frozenset(field.name for field in fields(Params)) | {"engines", "preset", "threads"}

    def __init__(
        self,
        engines: Sequence[str | os.PathLike[str]] | None = None,
        device: str = "auto",
        preset: Preset | Params = DEFAULT_PRESET,
        *,
        threads: int = 0,
        precision: Precision | None = None,
        **params: Unpack[DetectorParams],
    ) -> None:
        if precision is not None:
            check_precision(precision)
        if engines is not None:
            engines = _engine_paths(engines)
        device = checks.device(device, "device")
        self._configuration = {"engines": engines, "device": device, "preset": preset, "threads": threads, **params}
        if precision is not None:
            self._configuration["precision"] = precision
        self._params = make_params(preset, params)
        warn_of_unused(self._params, preset, params)
        if device.startswith("cuda") and threads not in (0, 1):
            warn_unused(f"threads={checks.shown(threads)} has no effect: they are the CPU's, and device is {device!r}")
        flavour, self._device, gpu = _choose_device(device, engines, checks.whole(threads, "threads", 0, 1024))
        if engines is None:
            self._precision = choose_precision(precision or "fp32", flavour)
            engines = _default_engines(flavour, gpu, self._precision, params.get("landmark_net"))
        else:
            self._precision = _precision_of(engines, precision)
        if self._params.landmark_net and len(engines) <= len(NETWORKS):
            raise EngineError(cascade.NO_LANDMARK_NET)
        if engines:
            networks = (*NETWORKS, LNET.name)[: len(engines)]
            self._engines = [
                load_engine(path, self._device, name) for path, name in zip(engines, networks, strict=True)
            ]
        else:
            self._engines = [self._device.load_engine(model, self._precision) for model in package_models()]
        self._idle: list[pytrt.Stages] = [self._make_stages()]
        self._closed = False
        if device == "auto" and flavour == CPU:
            _say_once(f"no NVIDIA GPU is used: detecting on the CPU with {self.runtime}")

    @property
    def runtime(self) -> str:
        """Name and version of the library that runs the networks."""
        return str(self._device.runtime)

    @property
    def precision(self) -> str:
        """What the networks compute in: "fp32", "bf16" or "fp16"; "fp32, bf16, bf16" where the engines differ."""
        return self._precision

    @property
    def device(self) -> pytrt.Device:
        """What the networks run on."""
        return self._device

    @property
    def params(self) -> Params:
        """The parameters of a call that sets none."""
        return self._params

    def detect(
        self,
        img: Picture,
        minsize: float | None = None,
        *,
        color: Color = "bgr",
        preset: Preset | Params | None = None,
        **params: Unpack[CallParams],
    ) -> tuple[Array, Array]:
        """Find the faces in a picture.

        Args:
            img: BGR (H, W, 3) uint8, as ``cv2.imread`` gives it; gray, BGRA, float and PIL pictures are
                converted as :func:`mtcnn.images.as_bgr` says, PIL's turned by EXIF first. On a GPU also a
                uint8 array (H, W, 3) in its memory (torch, CuPy; DLPack or the CUDA array interface), used in
                place once the work of its stream is done.
            minsize: side of the smallest face looked for, pixels, >= 4; default 40.
            color: "bgr", or "rgb" where the channels of ``img`` come in that order. A PIL picture knows its own.
            preset, **params: for this call, over the constructor's.

        Returns:
            ``dets`` (n, 5) float32 [x1, y1, x2, y2, score] and ``landmarks`` (n, 10) float32
            [x1..x5, y1..y5] (left eye, right eye as the viewer sees them, nose, left and right mouth
            corner), in pixels of ``img`` (of a PIL picture once it is turned), best score first.

        Raises:
            TypeError, ValueError: a wrong argument; DarkPictureError, a ValueError, where ``img`` holds levels 0 and 1
                alone.
            ClosedError: after :meth:`close`.
        """
        p = self._call_params(minsize, preset, params)
        frame = self._frame(img, color=color, p=p)
        (faces,) = self._run([frame], p)
        if not len(faces[0]):
            _tell_why_none(frame, "img", p)
        return faces

    def faces(
        self,
        img: Picture,
        minsize: float | None = None,
        *,
        color: Color = "bgr",
        preset: Preset | Params | None = None,
        **params: Unpack[CallParams],
    ) -> list[Face]:
        """Find the faces in a picture, as objects with ``box``, ``score``, ``points``, ``crop()`` and ``align()``.

        Takes what :meth:`detect` takes, in the CPU's memory; best score first. The faces keep the picture.

        Example:
            >>> detector.faces(img)  # doctest: +SKIP
            [Face(box=(180.5, 62.6, 266.5, 172.4), score=1.000)]
        """
        picture = as_bgr(img, color=color)
        return make_faces(picture, *self.detect(picture, minsize, preset=preset, **params))

    def detect_batch(
        self,
        images: Iterable[Picture],
        minsize: float | None = None,
        *,
        color: Color = "bgr",
        preset: Preset | Params | None = None,
        **params: Unpack[CallParams],
    ) -> list[tuple[Array, Array]]:
        """Find the faces in pictures of any sizes, with network calls shared between them.

        Takes what :meth:`detect` takes, and returns what it returns for each picture, in order. Pictures are
        worked on a few at a time, and those of an iterator are not kept: memory does not grow with their number.
        An error names the picture it is about, ``images[3]``; those before it are lost with it.
        """
        return self._detect_batch(images, self._call_params(minsize, preset, params), color)

    def _detect_batch(
        self, images: Iterable[Picture], p: Params, color: Color, name: Callable[[int], str] = "images[{}]".format
    ) -> list[tuple[Array, Array]]:
        """name: what errors call each picture, by its number."""
        results: list[tuple[Array, Array]] = []
        with closing(self._run_chunks(images, p, color, name)) as chunks:
            for frames, found in chunks:
                for i, (frame, faces) in enumerate(zip(frames, found, strict=True), len(results)):
                    if isinstance(faces, ValueError):
                        raise ValueError(f"{name(i)}: {faces}")
                    if not len(faces[0]):
                        _tell_why_none(frame, name(i), p)
                    results.append(faces)
        return results

    def _detect_each(self, images: Iterable[Picture], p: Params) -> list[tuple[Array, Array] | ValueError]:
        """As detect_batch(), but of a picture that is refused the error, in its place, and the faces of the others."""
        with closing(self._run_chunks(images, p, "bgr")) as chunks:
            return [faces for _, found in chunks for faces in found]

    def _run_chunks(
        self, images: Iterable[Picture], p: Params, color: Color, name: Callable[[int], str] = "images[{}]".format
    ) -> Generator[tuple[list[Frame], Iterable[Found]], None, None]:
        """Pictures that are worked on at once, and what is found in each, or why it is refused."""
        with self._lend_stages() as stages:
            ahead = detects_ahead(stages, p)
        chunks = self._chunks(images, p, color, name, ahead)
        if not ahead:
            for frames in chunks:
                yield frames, self._try_each(frames, p)
                frames.clear()  # before the next are read, whoever holds the list
            return
        begun: deque[list[Frame]] = deque()

        def remembered() -> Iterator[list[Frame]]:
            for frames in chunks:
                begun.append(frames)
                yield frames

        with closing(detect_batches(self._lend_stages, remembered(), p)) as batches:
            for found in batches:
                frames = begun.popleft()
                yield frames, self._try_alone(frames, p) if isinstance(found, ValueError) else found

    def _chunks(
        self, images: Iterable[Picture], p: Params, color: Color, name: Callable[[int], str], ahead: bool
    ) -> Iterator[list[Frame]]:
        """The pictures, as many at once as are worked on together. ahead: while others are copied."""
        if isinstance(images, memoryview):  # its parts cannot be asked for
            images = np.asarray(images)
        if isinstance(images, np.ndarray) and images.ndim < 4:
            raise TypeError("images must be a list of pictures; for a single one call detect(img)")
        if not isinstance(images, Iterable):
            kind = type(images).__name__
            raise TypeError(f"images must be a list of pictures, got {kind}; for a single one call detect(img)")
        chunk: list[Frame] = []
        most = pixels = levels = 0
        for i, img in enumerate(images):
            frame = self._frame(img, name(i), color, p)
            height, width = frame.shape[:2]
            own = self._batch_pixels()
            if ahead and not is_on_gpu(frame):
                own = min(own, COPIED_BATCH_PIXELS)
            most = min(most, own) if chunk else own
            pixels += height * width
            levels += cascade.count_levels(height, width, p)
            if chunk and (pixels > most or levels > BATCH_LEVELS):
                yield chunk
                chunk, most, pixels, levels = [], own, height * width, cascade.count_levels(height, width, p)
            chunk.append(frame)
        if chunk:
            yield chunk

    def refine(
        self,
        img: Picture,
        boxes: npt.ArrayLike,
        *,
        color: Color = "bgr",
        preset: Preset | Params | None = None,
        **params: Unpack[CallParams],
    ) -> tuple[Array, Array]:
        """Find the faces near boxes that are known, as from the frame before of a film: R-Net and O-Net alone.

        That takes a small part of a detection's time, which is mostly spent on looking everywhere.

        Args:
            img, color, preset, **params: as for :meth:`detect`; ``rotations="auto"`` is all four turns, of each face
                the best. What P-Net's part alone depends on, and ``vote``, is without effect.
            boxes: (n, 4) [x1, y1, x2, y2] or (n, 5), as from :meth:`detect`, within a million pixels of the picture's
                corner; 10,000 at most.

        Returns:
            ``dets`` (m, 5) and ``landmarks`` (m, 10), m <= n, as :meth:`detect` returns them, best score first. They
            do not stand in the order of ``boxes``.

        Raises:
            TypeError, ValueError, ClosedError: as :meth:`detect`.
        """
        p = self._call_params(None, preset, params, refining=True)
        frame = self._frame(img, color=color, p=p)
        rows = known_boxes(boxes)
        with self._lend_stages() as stages:
            faces = refine(stages, frame, rows, p)
        if not len(faces[0]) and len(rows):
            check_not_dark(frame, "img")
        return faces

    def _try_each(self, frames: list[Frame], p: Params) -> Iterator[Found]:
        """The faces of each, or why it is refused; one by one where that is not known of them together."""
        try:
            yield from self._run(frames, p)
            return
        except OverLimitError as error:
            if error.faces is not None:
                refused = {i: ValueError(said) for i, said in error.refused.items()}
                yield from (refused.get(i, faces) for i, faces in enumerate(error.faces))
                return
        except ValueError:  # of the parameters, with one of these pictures
            pass
        yield from self._try_alone(frames, p)

    def _try_alone(self, frames: list[Frame], p: Params) -> Iterator[Found]:
        for frame in frames:
            try:
                (faces,) = self._run([frame], p)
            except ValueError as error:
                yield error
            else:
                yield faces

    def _batch_pixels(self) -> int:
        if self._device.on_gpu:
            return GPU_BATCH_PIXELS
        return ONE_THREAD_BATCH_PIXELS if self._device.threads == 1 else BATCH_PIXELS

    def profile(
        self,
        img: Picture,
        minsize: float | None = None,
        *,
        repeats: int = 20,
        color: Color = "bgr",
        preset: Preset | Params | None = None,
        **params: Unpack[CallParams],
    ) -> Profile:
        """Time the stages of a detection: ``print(detector.profile(img))``.

        Args:
            img, minsize, color, preset, **params: as for :meth:`detect`.
            repeats: detections that are timed, 1 to 1,000,000, after one that is not.

        Raises:
            TypeError, ValueError, ClosedError: as :meth:`detect`.
        """
        p = self._call_params(minsize, preset, params)
        repeats = checks.whole(repeats, "repeats", 1, 1_000_000)
        with self._lend_stages() as stages:
            return profiling.measure(stages, lambda: self._frame(img, color=color, p=p), p, repeats, self.runtime)

    def close(self) -> None:
        """Let go of the engines. Calls under way end as usual; later ones raise ClosedError."""
        self._closed = True
        self._idle.clear()
        self._engines = []

    def __enter__(self) -> TrtMtcnn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._configuration,)

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self._configuration.items() if v is not None)
        return f"TrtMtcnn({settings})"

    def _frame(
        self, img: Any, name: str = "img", color: Color = "bgr", p: Params | None = None
    ) -> npt.NDArray[np.uint8]:
        if not self._device.on_gpu or not is_on_gpu(img):
            return as_bgr(img, name, color)
        if p is not None and p.rotations != (0,):
            raise ValueError(
                f"rotations={p.rotations!r} turns pictures in the CPU's memory only, and {name} is in a GPU's: "
                f"pass {name} as a NumPy array, or turn it yourself"
            )
        check_gpu_picture(img, name, color)
        frame: npt.NDArray[np.uint8] = img  # which the native core reads where it lies
        return frame

    def _call_params(
        self, minsize: float | None, preset: Preset | Params | None, params: CallParams, *, refining: bool = False
    ) -> Params:
        """refining: for R-Net and O-Net alone."""
        changes: dict[str, Any] = {**params}
        if minsize is not None:
            changes["minsize"] = minsize
        return call_params(self._params, preset, changes, refining=refining)

    def _make_stages(self) -> pytrt.Stages:
        engines = self._engines
        if not engines:  # closed by another thread since this call began
            raise ClosedError(_CLOSED)
        return pytrt.Stages(self._device, *engines)

    def _run(self, frames: list[npt.NDArray[np.uint8]], p: Params) -> list[tuple[Array, Array]]:
        with self._lend_stages() as stages:
            return cascade.detect(stages, frames, p)

    @contextmanager
    def _lend_stages(self) -> Iterator[pytrt.Stages]:
        if self._closed:
            raise ClosedError(_CLOSED)
        try:
            stages = self._idle.pop()  # one for each thread that is detecting at this moment
        except IndexError:
            stages = self._make_stages()
        try:
            yield stages
        finally:
            self._idle.append(stages)
            if self._closed:  # looked at after that: close() may have come in between
                self._idle.clear()


def _restore(configuration: dict[str, Any]) -> TrtMtcnn:
    with untold():  # it was told where the one that is copied was made
        return TrtMtcnn(**configuration)


def _engine_paths(engines: Sequence[str | os.PathLike[str]]) -> list[str]:
    if isinstance(engines, (str, bytes, os.PathLike, memoryview)) or not isinstance(engines, Sequence):
        mend = ""
        if isinstance(engines, str):  # the first argument, where another was meant
            meant = "preset" if engines in PRESETS else "device" if engines in ("auto", "cpu", "cuda") else None
            mend = f"; pass {meant}={engines!r}" if meant else ""
        if not mend and isinstance(engines, (str, os.PathLike)) and os.path.isdir(engines):
            mend = '; of a folder pass its files: [f"{folder}/{name}.engine" for name in ("pnet", "rnet", "onet")]'
        raise TypeError(f"engines must be {_PATHS}, got {engines!r}{mend}")
    if len(engines) not in (3, 4):
        raise ValueError(f"engines must be {_PATHS}, got {len(engines)}")
    return [str(checks.path(path, f"engines[{i}]")) for i, path in enumerate(engines)]


def _default_engines(flavour: str, gpu: int, precision: str, landmark_net: bool | None) -> list[str]:
    """The engines in the default folder, made where they are missing. None of them where the user's cache cannot be
    written and what is to run them takes the package's models as they are: all but TensorRT.
    """
    folder = engines_folder(flavour, gpu, precision)
    try:
        engines = [str(path) for path in current_engines(folder, flavour, gpu=gpu, precision=precision)]
    except FolderError as error:
        if flavour in TENSORRT_FLAVOURS or variables.value_of(variables.ENGINES) is not None:
            raise FolderError(f"{error} with {variables.ENGINES}") from error
        _say_once(f"{error}: the package's models are read each time")
        return []
    return engines if landmark_net is False else engines + _landmark_engine(folder, flavour, gpu, precision)


def _landmark_engine(folder: Path, flavour: str, gpu: int, precision: str) -> list[str]:
    """L-Net's engine in the folder, where there is one; one that cannot be used is told once."""
    path = folder / f"{LNET.name}.engine"
    if not path.exists():
        return []
    if problem := engine_problem(path, flavour, LNET.name, gpu, precision):
        _say_once(f"landmarks are not refined: {problem}: create_engines --models DIR makes it", logging.WARNING)
        return []
    return [str(path)]


def _precision_of(engines: Sequence[str], asked: str | None) -> str:
    """The precision of engines, which must be the one asked for."""
    found = [read_engine(path)[1].precision for path in engines]
    for i, own in enumerate(found):
        if asked not in (None, "auto", own):
            raise ValueError(
                f"precision {asked!r} is not that of engines[{i}], {engines[i]}, which is {own!r}: leave precision "
                f"out, or make engines of it: create_engines --precision {asked}"
            )
    return found[0] if len(set(found)) == 1 else ", ".join(found)


def _choose_device(device: str, engines: Sequence[str] | None, threads: int) -> tuple[str, pytrt.Device, int]:
    """The flavour of engine to run, what to run it on, and which GPU that is."""
    ordinal = int(device.partition(":")[2] or 0) if device.startswith("cuda") else None
    if ordinal is None:
        if device == "cpu":
            flavour = CPU
        elif engines is not None:  # they know what they are for
            flavour = read_engine(engines[0])[1].flavour
        else:
            flavour = machine_flavour()
        return flavour, cpu_device(threads) if flavour == CPU else cuda_device(flavour), 0
    try:
        flavour = gpu_flavour()
        if engines is not None and (asked := read_engine(engines[0])[1].flavour) != CPU:
            flavour = asked
        return flavour, cuda_device(flavour, ordinal), ordinal
    except DeviceError as error:
        raise DeviceError(f'device="{device}" cannot be used: {error}; device="cpu" works without') from error


def _tell_why_none(frame: Frame, name: str, p: Params) -> None:
    """Say why a picture shows no face, where its levels or its size do: sizes in the log, once for each `minsize`.

    Raises:
        DarkPictureError: it holds levels 0 and 1 alone.
    """
    check_not_dark(frame, name)
    if is_untold():
        return
    height, width = frame.shape[:2]
    if p.rotations == (0,) or p.rotations == "auto":
        why = cascade.too_small_for(height, width, p)
        if why and _small.is_first(why):
            log.warning("in a picture of %dx%d pixels no face is looked for: %s (said once)", width, height, why)


_small = Said()
_said = Said()


def _say_once(text: str, level: int = logging.INFO) -> None:
    if _said.is_first(text):
        log.log(level, text)
