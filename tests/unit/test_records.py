"""Files of results: written, cut anywhere, continued."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn.pipeline.pictures import Detected
from mtcnn.pipeline.read import Found
from mtcnn.pipeline.records import format_of, picture_as_text, read_done, table_header

# As file names are: no "/" and no NUL, but bytes that are no UTF-8, which Python has as surrogates.
NAMES = st.lists(
    st.one_of(
        st.text(st.sampled_from("a\"\r\n,;= \t'\u2028\x85é\udce9\udcff\x1b"), min_size=1, max_size=6),
        st.binary(min_size=1, max_size=6)
        .filter(lambda b: not {0, 47} & set(b))
        .map(lambda b: b.decode("utf-8", "surrogateescape")),
    ).filter(lambda name: name not in (".", "..")),
    min_size=1,
    max_size=5,
    unique=True,
)


def detected(name: str, faces: int) -> Detected[Found]:
    """faces: -1 where it cannot be read."""
    found = Found(Path(name), Path(name))
    dets, landmarks = np.full((max(faces, 0), 5), 1.5, np.float32), np.full((max(faces, 0), 10), 2.5, np.float32)
    if faces < 0:
        return Detected(found, None, dets, landmarks, 'it\'s no picture,\r\nbut "text"')
    return Detected(found, np.zeros((4, 4, 3), np.uint8), dets, landmarks)


@pytest.mark.parametrize("layout", ["csv", "jsonl"])
@given(names=NAMES, data=st.data())
def test_each_picture_once_after_any_cut(layout: str, names: list[str], data: st.DataObject) -> None:
    texts = {name: picture_as_text(layout, detected(name, data.draw(st.integers(-1, 2)))) for name in names}
    whole = (table_header(layout) + "".join(texts.values())).encode("utf-8", "surrogateescape")
    cut = data.draw(st.integers(0, len(whole)))
    with TemporaryDirectory() as folder:
        path = Path(folder, "results")
        path.write_bytes(whole[:cut])
        done = read_done(path, layout)
    kept = whole[: done.length] if done.length else table_header(layout).encode()
    rest = "".join(text for name, text in texts.items() if str(Path(name)) not in done.names)
    assert kept + rest.encode("utf-8", "surrogateescape") == whole
    assert done.unreadable <= sum("it's no" in text for text in texts.values())
    if cut == len(whole):
        assert len(done.names) >= len(names) - (layout == "csv")


@given(names=NAMES)
def test_csv_is_what_csv_readers_read(names: list[str]) -> None:
    text = table_header("csv") + "".join(picture_as_text("csv", detected(name, 1)) for name in names)
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert [str(Path(row[0])) for row in rows[1:]] == [str(Path(name)) for name in names]


@pytest.mark.parametrize("layout", ["csv", "jsonl", "table"])
@pytest.mark.parametrize(
    "content", ["thesis", "thesis\n", '{"a": 1}\n', '{"file": 3', "file,width\n1,2\n", "[" * 90000 + "\n"]
)
def test_other_files_are_no_results(tmp_path: Path, layout: str, content: str) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match="holds no results"):
        read_done(path, layout)


def test_what_earlier_runs_could_not_read_is_counted(tmp_path: Path) -> None:
    for layout in ("csv", "jsonl"):
        path = tmp_path / layout
        lines = [picture_as_text(layout, detected(name, faces)) for name, faces in (("a", -1), ("b", 2), ("c", -1))]
        path.write_text(table_header(layout) + "".join(lines))
        assert read_done(path, layout).unreadable == (1 if layout == "csv" else 2)  # the last of a CSV is done again


def test_the_ending_says_the_format() -> None:
    assert [format_of(Path(name), None) for name in ("a.csv", "a.CSV", "a.jsonl", "a.json", "a.txt", "a")] == [
        "csv",
        "csv",
        "jsonl",
        "json",
        "table",
        "table",
    ]
    assert format_of(Path("a.PARQUET"), None) == "parquet" and format_of(Path("a.json"), "coco") == "coco"
    assert format_of(None, None) == "table" and format_of(Path("a.txt"), "csv") == "csv"
    for name, wanted in (
        ("a.csv", "jsonl"),
        ("a.jsonl", "csv"),
        ("a.csv", "table"),
        ("a.json", "jsonl"),
        ("a.pq", "json"),
    ):
        with pytest.raises(ValueError, match="contradicts"):
            format_of(Path(name), wanted)
    for name, wanted, mend in (
        ("a.csv.gz", None, "a.csv"),
        ("a.jsonl.zst", "jsonl", "a.jsonl"),
        ("a.XLSX", None, "--format"),
        (None, "coco", "--output"),
        ("a.JPG", None, "--draw"),
    ):
        with pytest.raises(ValueError, match=mend):
            format_of(name and Path(name), wanted)


def test_json_lines_are_json() -> None:
    line = picture_as_text("jsonl", detected("a\r\n\udce9", 1))
    assert json.loads(line)["file"] == "a\r\n\udce9" and line.count("\n") == 1
