"""Which pictures belong to which part: decided once, kept beside the parts, so that no run can double a picture."""

from __future__ import annotations

import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mtcnn.errors import MtcnnError
from mtcnn.scale.storage import Place

__all__ = [
    "COUNTS",
    "Plan",
    "Planned",
    "Stored",
    "make_plan",
    "part_name",
    "parts_done",
    "read_counts",
    "read_part",
    "read_plan",
    "remove_plan",
]

PARTS_A_FILE = 100
COUNTS = b"mtcnn"  # in the metadata of a part

_FOLDER = "_plan"  # readers of Parquet folders leave out what begins with _ or .
_SETTINGS = f"{_FOLDER}/plan.json"
_PART = re.compile(r"part-(\d{8})\.parquet")
_LEFT_OVER = re.compile(r"\.part-\d{8}\.parquet\..*")
_SCHEMA = pa.schema({"file": pa.string(), "source": pa.int32(), "path": pa.string(), "size": pa.int64()})


@dataclass(frozen=True)
class Plan:
    """The settings of a run, and its number of pictures; each part but the last has `part_size` of them."""

    settings: dict[str, Any]
    sources: list[str]
    part_size: int
    pictures: int

    @property
    def parts(self) -> int:
        return -(-self.pictures // self.part_size)

    def count(self, part: int) -> int:
        """Pictures in a part."""
        return min(self.part_size, self.pictures - part * self.part_size)


class Planned(NamedTuple):
    """A picture: what results call it, the number of its source, its path there, its bytes where they are known."""

    file: str
    source: int
    path: str
    size: int | None


class Stored(NamedTuple):
    """A picture of a part, to be read."""

    file: str
    place: Place
    path: str
    known_size: int | None

    def read_bytes(self) -> bytes:
        return self.place.read(self.path)

    def size(self) -> int:
        return os.path.getsize(self.path) if self.known_size is None else self.known_size


def make_plan(
    output: Place, settings: dict[str, Any], sources: Sequence[Place], pictures: Iterable[Planned], part_size: int
) -> Plan:
    """Write the plan below `output`; it counts once all of it is there."""
    total = 0
    rows = iter(pictures)
    for number, chunk in enumerate(iter(partial(_take, rows, PARTS_A_FILE * part_size), [])):
        columns = [list(column) for column in zip(*chunk, strict=True)]
        data = io.BytesIO()
        pq.write_table(pa.table(columns, schema=_SCHEMA), data, row_group_size=part_size, compression="zstd")
        output.write(_pictures_name(number), data.getvalue())
        total += len(chunk)
    plan = Plan(settings, [place.lasting for place in sources], part_size, total)
    if total:
        output.write(_SETTINGS, json.dumps(asdict(plan), indent=1).encode())
    return plan


def read_plan(output: Place) -> Plan | None:
    """The plan that is there.

    Raises:
        MtcnnError: it is none.
    """
    if _SETTINGS.rpartition("/")[2] not in output.files(_FOLDER):
        return None
    try:
        with output.open(_SETTINGS) as file:
            return Plan(**json.loads(file.read()))
    except (ValueError, TypeError):
        raise MtcnnError(f"{output.name}/{_SETTINGS} is no plan of mtcnn: choose another folder") from None


def read_part(output: Place, sources: Sequence[Place], part: int) -> list[Stored]:
    """The pictures of a part."""
    with output.open(_pictures_name(part // PARTS_A_FILE)) as file:
        table = pq.ParquetFile(file).read_row_group(part % PARTS_A_FILE)
    return [Stored(row["file"], sources[row["source"]], row["path"], row["size"]) for row in table.to_pylist()]


def part_name(part: int) -> str:
    return f"part-{part:08}.parquet"


def parts_done(output: Place) -> set[int]:
    """The parts that are there; what killed processes left half written is removed."""
    done = set()
    for name, size in output.files("").items():
        if _LEFT_OVER.fullmatch(name):
            output.remove(name)
        elif (match := _PART.fullmatch(name)) and size:  # a power cut leaves empty files
            done.add(int(match[1]))
    return done


def read_counts(output: Place, part: int) -> Counter[str] | None:
    """What was counted in a part; None where it is not there, or not whole."""
    try:
        with output.open(part_name(part)) as file:
            return Counter(json.loads(pq.read_schema(file).metadata[COUNTS]))
    except (OSError, pa.ArrowException):
        return None


def remove_plan(output: Place) -> None:
    """Remove the parts that are there, then their plan: a run that is killed meanwhile can be resumed."""
    parts = [name for name in output.files("") if _PART.fullmatch(name)]
    lists = [f"{_FOLDER}/{name}" for name in output.files(_FOLDER) if name.endswith(".parquet")]
    for name in (*parts, *lists, _SETTINGS):
        output.remove(name)


def _pictures_name(number: int) -> str:
    return f"{_FOLDER}/pictures-{number:06}.parquet"


def _take(rows: Iterator[Planned], most: int) -> list[Planned]:
    return list(islice(rows, most))
