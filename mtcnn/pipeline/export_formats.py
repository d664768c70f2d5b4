"""Files that other tools read, made of lines of JSON, one a picture: JSON, COCO, Parquet; and read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any, BinaryIO, Protocol

from mtcnn.engines.networks import LANDMARK_NAMES
from mtcnn.errors import MtcnnError
from mtcnn.images.decode import FLAWS
from mtcnn.pipeline.records import BOX, COLUMNS
from mtcnn.runtime.install import install_command
from mtcnn.runtime.text import as_json, as_utf8, from_utf8
from pytrt.versions import __version__

__all__ = ["Format", "Line", "make_format"]

Line = dict[str, Any]

_ROWS = 4096  # of a Parquet row group


class Format(Protocol):
    def write(self, file: BinaryIO, lines: Iterable[Line]) -> None: ...

    def read(self, file: BinaryIO) -> Iterable[Line]:
        """The lines of a file that was written.

        Raises:
            ValueError, KeyError, TypeError, IndexError: it is another file.
        """
        ...


def make_format(layout: str) -> Format:
    """ "json", "coco" or "parquet".

    Raises:
        MtcnnError: pyarrow is missing.
    """
    formats: dict[str, type[Format]] = {"json": _Json, "coco": _Coco, "parquet": _Parquet}
    return formats[layout]()


class _Json:
    """An array, an item a picture."""

    def write(self, file: BinaryIO, lines: Iterable[Line]) -> None:
        before = "["
        for line in lines:
            file.write(f"{before}\n{as_json(line)}".encode())
            before = ","
        file.write(b"[]\n" if before == "[" else b"\n]\n")

    def read(self, file: BinaryIO) -> list[Line]:
        lines = json.load(file)
        if not isinstance(lines, list):
            raise TypeError
        for line in lines:
            if not isinstance(line["file"], str) or ("problem" not in line and not isinstance(line["faces"], list)):
                raise TypeError
        return lines


class _Coco:
    """https://cocodataset.org/#format-data: object detection with keypoints; scores as in results.

    Pictures that cannot be read are left out: such a file has no place for them.
    """

    def write(self, file: BinaryIO, lines: Iterable[Line]) -> None:
        images: list[Line] = []
        annotations: list[Line] = []
        for line in lines:
            if "problem" in line:
                continue
            image = {"id": len(images) + 1, "file_name": line["file"]}
            images.append(image | {"width": line["width"], "height": line["height"]})
            for face in line["faces"]:
                annotations.append(_annotation(len(annotations) + 1, image["id"], face))
        category = {"id": 1, "name": "face", "supercategory": "person"}
        category |= {"keypoints": list(LANDMARK_NAMES), "skeleton": []}
        whole: Line = {"info": {"description": f"faces found by mtcnn {__version__}"}, "licenses": []}
        whole |= {"images": images, "annotations": annotations, "categories": [category]}
        file.write(as_json(whole).encode() + b"\n")

    def read(self, file: BinaryIO) -> list[Line]:
        whole = json.load(file)
        if not whole["info"]["description"].startswith("faces found by mtcnn"):
            raise ValueError
        lines: dict[int, Line] = {}
        for image in whole["images"]:
            line = {"file": image["file_name"], "width": image["width"], "height": image["height"], "faces": []}
            lines[image["id"]] = line
        for one in whole["annotations"]:
            x, y, width, height = one["bbox"]
            points = one["keypoints"]
            face: Line = {"box": [x, y, round(x + width, 2), round(y + height, 2)], "score": one["score"]}
            face["landmarks"] = {name: points[3 * i : 3 * i + 2] for i, name in enumerate(LANDMARK_NAMES)}
            if "quality" in one:
                face["quality"] = one["quality"]
            lines[one["image_id"]]["faces"].append(face)
        return list(lines.values())


def _annotation(number: int, image: object, face: Line) -> Line:
    x1, y1, x2, y2 = face["box"]
    box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
    points = [n for name in LANDMARK_NAMES for n in (*face["landmarks"][name], 2)]  # 2: labelled and visible
    annotation = {"id": number, "image_id": image, "category_id": 1, "bbox": box, "area": round(box[2] * box[3], 2)}
    annotation |= {"iscrowd": 0, "score": face["score"], "keypoints": points, "num_keypoints": len(LANDMARK_NAMES)}
    return annotation | ({"quality": face["quality"]} if "quality" in face else {})


class _Parquet:
    """The columns of CSV: a row a face, and one for each picture without. Its strings are UTF-8."""

    def __init__(self) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MtcnnError(f"writing Parquet needs pyarrow: {install_command('parquet')}") from None
        kinds = {"file": pa.string(), "problem": pa.string()}
        kinds |= dict.fromkeys(("width", "height", "face"), pa.int32())
        self._pa, self._pq = pa, pq
        self._schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])

    def write(self, file: BinaryIO, lines: Iterable[Line]) -> None:
        rows = (row for line in lines for row in self._rows(line))
        with self._pq.ParquetWriter(file, self._schema) as writer:
            for group in iter(lambda: list(islice(rows, _ROWS)), []):
                writer.write_table(self._pa.Table.from_pylist(group, self._schema))

    def read(self, file: BinaryIO) -> list[Line]:
        try:
            table = self._pq.read_table(file)
        except self._pa.ArrowException:
            raise ValueError from None
        if table.schema.names != list(COLUMNS):
            raise ValueError
        pictures = groupby(table.to_pylist(), key=lambda row: row["file"])
        return [_line(from_utf8(file), list(rows)) for file, rows in pictures]

    def _rows(self, line: Line) -> Iterator[Line]:
        problem = next((flaw for flaw in FLAWS if line.get(flaw)), line.get("problem"))
        picture = {"file": as_utf8(line["file"]), "width": line.get("width"), "height": line.get("height")}
        picture["problem"] = problem
        for i, face in enumerate(line.get("faces", ())):
            row = picture | {"face": i} | dict(zip(BOX, (*face["box"], face["score"]), strict=True))
            for name, (x, y) in face["landmarks"].items():
                row |= {f"{name}_x": x, f"{name}_y": y}
            yield row
        if not line.get("faces"):
            yield picture


def _line(file: str, rows: list[Line]) -> Line:
    first = rows[0]
    if first["problem"] is not None and first["width"] is None:
        return {"file": file, "problem": first["problem"]}
    faces = [
        {
            "box": [row[name] for name in BOX[:4]],
            "score": row["score"],
            "landmarks": {name: [row[f"{name}_x"], row[f"{name}_y"]] for name in LANDMARK_NAMES},
        }
        for row in rows
        if row["face"] is not None
    ]
    line = {"file": file, "width": first["width"], "height": first["height"], "faces": faces}
    return line | ({first["problem"]: True} if first["problem"] in FLAWS else {})
