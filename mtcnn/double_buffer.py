"""Batches of pictures on two Stages in turn: while a GPU works on one batch, the next one's pixels are copied to it.

Each Stages has a stream, pinned memory and room for pictures of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from mtcnn import cascade
from mtcnn.params import Params

if TYPE_CHECKING:
    from pytrt import Stages

__all__ = ["detect_batches", "detects_ahead"]

Faces: TypeAlias = list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]  # dets and landmarks of each picture


def detects_ahead(stages: Stages, p: Params) -> bool:
    """Whether a batch can be begun before the one before it has ended."""
    return bool(stages.runs_ahead) and p.rotations == (0,) and p.max_work is None


def detect_batches(
    lend: Callable[[], AbstractContextManager[Stages]],
    batches: Iterable[Sequence[npt.NDArray[np.uint8]]],
    p: Params,
) -> Generator[Faces | ValueError, None, None]:
    """The faces of each batch, in order, or the error that p is with one of its pictures.

    lend: lends Stages for which :func:`detects_ahead` holds; a second time only where there is a second batch.
    """
    with ExitStack() as lent:
        idle: list[Stages] = []
        begun: list[tuple[Stages, list[float] | ValueError]] = []  # one at most, but while another begins
        for images in batches:
            if not idle:
                idle.append(lent.enter_context(lend()))
                lent.callback(idle[-1].unload)  # whatever ends this, nothing reads the pictures any more
            stages = idle.pop()
            begun.append((stages, _begin(stages, images, p)))
            if len(begun) > 1:
                idle.append(begun[0][0])
                yield _finish(*begun.pop(0), p)
        for stages, shrinks in begun:
            yield _finish(stages, shrinks, p)


def _begin(stages: Stages, images: Sequence[npt.NDArray[np.uint8]], p: Params) -> list[float] | ValueError:
    try:
        return cascade.begin(stages, images, p)
    except ValueError as error:
        return error


def _finish(stages: Stages, shrinks: list[float] | ValueError, p: Params) -> Faces | ValueError:
    if isinstance(shrinks, ValueError):
        return shrinks
    try:
        return cascade.finish(stages, shrinks, p)
    except ValueError as error:
        return error
    finally:
        stages.unload()
