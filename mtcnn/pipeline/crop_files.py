"""The files of crops: one for each picture, one for each of its faces, or one for each person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mtcnn.files import NoMoreOutputError, OutputError
from mtcnn.params import ALL_FACES
from mtcnn.pipeline.crops import Cutter
from mtcnn.pipeline.output_folder import OutputFolder
from mtcnn.pipeline.pictures import Detected
from mtcnn.pipeline.read import Found
from mtcnn.pipeline.write import encode_picture

__all__ = ["BestShots", "CropFiles", "Decision", "crops_in"]

Line = dict[str, Any]
Decision = tuple[Line, str | None]
"""A line of the manifest, and why what it tells of could not be written."""


class CropFiles:
    """Writes crops. Each picture's has its name, those of all its faces that name with _1, _2, ...

    Args:
        folder: where they go.
        cutter: makes them.
        suffix: of their format, without the dot.
    """

    def __init__(self, folder: OutputFolder, cutter: Cutter, suffix: str) -> None:
        self._folder, self._cutter, self._suffix = folder, cutter, suffix

    def named(self, pictures: Iterable[Found]) -> Iterator[Found]:
        """The pictures; each one's first crop has a name then: those of a.jpg and a.png get two."""
        for found in pictures:
            stem, whole = found.name.with_suffix(""), found.name
            if self._cutter.face == ALL_FACES:
                others = [whole, *(Path(f"{stem}-{n}") for n in range(2, 10))]
                names = [self._of_face(path, 1) for path in others]
                self._folder.name_for(_face_key(str(whole), 1), self._of_face(stem, 1), *names)
            else:
                self._folder.name_for(str(whole), self._name(stem), self._name(whole))
            yield found

    def decide(self, result: Detected[Found]) -> Decision:
        """Write the crops of a picture. In any thread."""
        file = str(result.found.name)
        line, crops = self._cutter(file, result)
        names: list[str] = []
        try:
            for i, crop in enumerate(crops, 1):
                names.append(self._name_of(file, i))
                self._folder.write(names[-1], encode_picture(self._folder.folder / names[-1], crop))
        except NoMoreOutputError:
            raise
        except OutputError as error:
            return line, f"{file}: {error}"
        if names:
            line |= {"crops": names} if self._cutter.face == ALL_FACES else {"crop": names[0]}
        return line, None

    def encode(self, result: Detected[Found]) -> tuple[Line, bytes | None, str | None]:
        """The crop of a picture, which is not written, or why there is none. In any thread."""
        line, crops = self._cutter(str(result.found.name), result)
        try:
            crop = next(crops, None)
            return line, None if crop is None else encode_picture(Path(f"crop.{self._suffix}"), crop), None
        except OutputError as error:
            return line, None, f"{line['file']}: {error}"

    def write_encoded(self, name: str, data: bytes) -> str | None:
        """Why a crop could not be written."""
        try:
            self._folder.write(name, data)
        except NoMoreOutputError:
            raise
        except OutputError as error:
            return str(error)
        return None

    def name_for_person(self, person: str, wanted: str) -> str:
        """The name of the one crop of a person's folder. From the thread that calls `named`, or after it has ended."""
        return self._folder.name_for(_person_key(person), self._name(Path(wanted)))

    def _name_of(self, file: str, face: int) -> str:
        if self._cutter.face != ALL_FACES:
            return self._folder.name_of(file)
        first = self._folder.name_of(_face_key(file, 1))
        if face == 1:
            return first
        base = Path(first.removesuffix(f".{self._suffix}").removesuffix("_1"))
        return self._folder.name_for(_face_key(file, face), self._of_face(base, face))

    def _name(self, path: Path) -> Path:
        return Path(f"{path}.{self._suffix}")

    def _of_face(self, path: Path, face: int) -> Path:
        return self._name(Path(f"{path}_{face}"))


class BestShots:
    """Of each person, whose pictures come one after the other in a folder of their own, the crop of the best quality.

    Args:
        files: writes it.
        source: the folder of the pictures, whose name the crop of those right in it has.
        known: the quality of the crops of earlier runs, by their names.
    """

    def __init__(self, files: CropFiles, source: Path, known: dict[str, float]) -> None:
        self._files, self._source, self._known = files, source, known
        self._person: str | None = None
        self._lines: list[Line] = []
        self._best: tuple[float, Line, bytes] | None = None

    def add(self, line: Line, data: bytes | None, problem: str | None = None) -> list[Decision]:
        """Take note of a picture; what is known then of the pictures of the person before."""
        if problem is not None:
            return [(line, problem)]
        person = str(Path(line["file"]).parent)
        done = self.finish() if person != self._person else []
        self._person = person
        self._lines.append(line)
        if data is not None:
            line["quality"] = line["faces"][line["chosen"]]["quality"]["value"]
            if self._best is None or line["quality"] > self._best[0]:
                self._best = line["quality"], line, data
        return done

    def finish(self) -> list[Decision]:
        """Write the crop of the person; what is known then of the pictures."""
        person, lines, best = self._person, self._lines, self._best
        self._person, self._lines, self._best = None, [], None
        if person is None:
            return []
        problem = name = None
        if best is not None:
            name = self._files.name_for_person(person, self._source.resolve().name if person == "." else person)
            if best[0] <= self._known.get(name, 0.0):
                best = None  # an earlier run found a better one
            else:
                problem = self._files.write_encoded(name, best[2])
        decisions: list[Decision] = []
        for line in lines:
            is_best = best is not None and line is best[1]
            if is_best:
                line["crop"] = name
            elif "quality" in line:
                line["status"] = "not best"
            decisions.append((line, problem if is_best else None))
        return decisions


def crops_in(line: Line, *, of_persons: bool) -> dict[str, str]:
    """The crops that a line of the manifest tells of, by what they are made of as the folder's record has it."""
    file, crop, crops = line["file"], line.get("crop"), line.get("crops")
    if isinstance(crop, str):
        return {_person_key(str(Path(file).parent)) if of_persons else file: crop}
    if isinstance(crops, list):
        return {_face_key(file, i): name for i, name in enumerate(crops, 1) if isinstance(name, str)}
    return {}


def _person_key(person: str) -> str:
    return f"{person}/"  # no picture's name


def _face_key(file: str, face: int) -> str:
    return f"{file}#{face}"
