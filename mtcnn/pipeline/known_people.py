"""People who are not to be hidden, told by their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.read import Picture, read_picture
from mtcnn.recognition.verify import FaceVerifier

__all__ = ["KnownPeople"]

Array = npt.NDArray[np.float32]


class KnownPeople:
    """Those whom pictures show.

    Raises:
        MtcnnError: a picture cannot be read, or shows no face.
    """

    def __init__(self, pictures: Sequence[Path], verifier: FaceVerifier) -> None:
        self._verifier = verifier
        self._faces = []
        for path in pictures:
            (face,) = verifier.embed([read_picture(path)])
            if face is None:
                raise MtcnnError(f"{path} shows no face: --keep needs a picture of the person")
            self._faces.append(face.embedding)

    def among(self, img: Picture, dets: Array, landmarks: Array) -> npt.NDArray[np.bool_]:
        """Which faces of a picture, (n, 5) and (n, 10), are theirs."""
        if not len(dets):
            return np.zeros(0, bool)
        (faces,) = self._verifier.embed_all_detected([(img, dets, landmarks)])
        cosines = np.array([face.embedding for face in faces]) @ np.array(self._faces).T
        distances = np.sqrt(np.clip(2 - 2 * cosines, 0, None))
        return np.asarray((distances <= self._verifier.threshold).any(axis=1))
