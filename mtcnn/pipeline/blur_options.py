"""What `mtcnn blur` does to a film, as one value that can be handed on, to other processes too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtcnn.pipeline.hide import Hiding
from mtcnn.pipeline.options import DetectorOptions

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn
    from mtcnn.pipeline.blur import BlurredFilm
    from mtcnn.pipeline.known_people import KnownPeople

__all__ = ["BlurOptions", "try_film"]


@dataclass(frozen=True)
class BlurOptions:
    """How faces are found and hidden, whose are not, and how films are written.

    Attributes:
        keep: pictures of people who are not hidden, told by an embedder.
    """

    detector: DetectorOptions
    hiding: Hiding
    keep: tuple[Path, ...] = ()
    embedder: str | None = None
    embedder_size: tuple[int, int] | None = None
    embedder_output: str | None = None
    threshold: float | None = None
    codec: str | None = None
    crf: int | None = None

    def settings(self) -> dict[str, Any]:
        """What is written depends on: by the options' names, as JSON has it."""
        given = {"how": self.hiding.way, "shape": self.hiding.shape, "margin": self.hiding.margin}
        others: dict[str, Any] = {"threshold": self.threshold, "codec": self.codec, "crf": self.crf}
        others |= {"embedder_size": self.embedder_size and list(self.embedder_size)}
        others |= {"embedder_output": self.embedder_output}
        others |= {"embedder": self.embedder, "keep": [str(path) for path in self.keep] or None}
        return given | {name: value for name, value in others.items() if value is not None} | self.detector.settings()

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read beside the pictures and films."""
        return (*self.keep, Path(self.embedder)) if self.embedder else self.keep

    def people(self, detector: TrtMtcnn) -> KnownPeople | None:
        """Raises as :class:`KnownPeople`."""
        if not self.keep:
            return None
        from mtcnn.pipeline.known_people import KnownPeople
        from mtcnn.recognition.embedder import FaceEmbedder
        from mtcnn.recognition.verify import FaceVerifier

        assert self.embedder is not None
        network = FaceEmbedder(self.embedder, detector.device, size=self.embedder_size, output=self.embedder_output)
        return KnownPeople(self.keep, FaceVerifier(network, detector, threshold=self.threshold))


def try_film(source: Path, output: Path, options: BlurOptions, threads: int) -> BlurredFilm:
    """A film by itself, with a detector of its own; what is wrong with it is its result's problem.

    Raises:
        NoMoreOutputError: nothing more can be written.
    """
    from mtcnn.errors import MtcnnError
    from mtcnn.files import NoMoreOutputError
    from mtcnn.pipeline.blur import BlurredFilm, blur_film

    try:
        with options.detector.make(threads) as detector:
            people = options.people(detector)
            return blur_film(
                source,
                output,
                detector,
                options.hiding,
                people,
                codec=options.codec,
                crf=options.crf,
                keep_part=False,  # another run does it again
            )
    except NoMoreOutputError:
        raise
    except (MtcnnError, ValueError, OSError) as error:
        return BlurredFilm(problem=str(error))
