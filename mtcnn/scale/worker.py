"""What an actor does with a part: read its pictures, find their faces, write its rows as one Parquet file."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.pipeline.pictures import detect_pictures
from mtcnn.runtime.opencv import one_thread
from mtcnn.scale.parquet_rows import count_outcomes, make_row, make_schema
from mtcnn.scale.plan import COUNTS, part_name, read_counts, read_part
from mtcnn.scale.storage import open_place

__all__ = ["Task", "Worker"]


@dataclass(frozen=True)
class Task:
    """What all parts have in common.

    Attributes:
        settings: of the command; see `mtcnn.scale.parquet_rows.make_row`.
        detector: of each actor.
        sources, output: paths or URIs.
        jobs: threads that work on a part, each on a group of pictures.
    """

    settings: dict[str, Any]
    detector: DetectorOptions
    sources: tuple[str, ...]
    output: str
    jobs: int


class Worker:
    """A detector and what it writes; one in each actor."""

    def __init__(self, task: Task) -> None:
        one_thread()  # the threads are the jobs'
        self._task = task
        self._sources = [open_place(source) for source in task.sources]
        self._output = open_place(task.output)
        self._row = make_row(task.settings)
        self._detector = task.detector.make(threads=1)

    def __call__(self, batch: dict[str, Iterable[Any]]) -> dict[str, list[str]]:
        """Do the parts of a batch; what comes back is as JSON the part and its counts, or its problem."""
        return {"done": [json.dumps(self._try(int(part))) for part in batch["part"]]}

    def _try(self, part: int) -> dict[str, Any]:
        try:
            return {"part": part, "counts": read_counts(self._output, part) or self.do(part)}
        except (MtcnnError, OSError, pa.ArrowException) as error:
            return {"part": part, "problem": str(error)}

    def do(self, part: int) -> Counter[str]:
        """Write the part's file.

        Raises:
            MtcnnError: storage fails.
        """
        pictures = read_part(self._output, self._sources, part)
        rows = list(detect_pictures(self._detector, pictures, self._row, self._task.jobs))
        command = self._task.settings["command"]
        counts = count_outcomes(command, rows)
        schema = make_schema(self._task.settings).with_metadata({COUNTS: json.dumps(counts)})
        data = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema), data, compression="zstd")
        self._output.write(part_name(part), data.getvalue())
        return counts
