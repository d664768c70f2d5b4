"""Text of others, made fit for a terminal."""

from __future__ import annotations

import json
import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn.runtime.text import as_json, as_utf8, fit, from_utf8, is_whole, printable, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),  # the same order in one character
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("a\u2066b\u200bc\u2028d\x7f", r"a\u2066b\u200bc\u2028d\x7f"),
        (os.fsdecode(b"caf\xe9\x9b.jpg"), r"caf\xe9\x9b.jpg"),
        ("\ud83d", r"\ud83d"),
        ("写真　é 👨\u200d👩 क\u200cष", "写真　é 👨\u200d👩 क\u200cष"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_the_name(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    shown.encode()  # no stray byte is left
    assert width(fit(text, 20)) == 20
    made = as_json({"name": text})
    assert made.isascii() and made.isprintable() and json.loads(made)["name"] == json.loads(json.dumps(text))


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abc", 5, "abc  "),
        ("abcdef", 5, "…cdef"),
        ("写真.jpg", 9, "写真.jpg "),
        ("家族写真", 6, "…写真 "),  # half a character is none
        ("e\u0301e\u0301", 3, "e\u0301e\u0301 "),
        ("\x1b[31m", 9, r"\x1b[31m "),
    ],
)
def test_fit(text: str, columns: int, shown: str) -> None:
    assert fit(text, columns) == shown and width(shown) == columns


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a\\b é.jpg", "a\\b é.jpg"),
        ("\udcff.jpg", r"\udcff.jpg"),
        (r"\udcff.jpg", r"\\udcff.jpg"),
        ("a\\\udc80", r"a\\\udc80"),
        (r"\udc", r"\\udc"),
    ],
)
def test_names_in_utf8(name: str, text: str) -> None:
    assert as_utf8(name) == text and from_utf8(text) == name


@given(st.text(st.sampled_from("\\udcf80\udc80\udcff")), st.text(st.sampled_from("\\udcf80\udc80\udcff")))
def test_no_two_names_are_the_same_in_utf8(name: str, other: str) -> None:
    as_utf8(name).encode()
    assert from_utf8(as_utf8(name)) == name and (as_utf8(name) == as_utf8(other)) == (name == other)


def test_whole_numbers() -> None:
    assert is_whole("0") and is_whole("012345678")
    for text in ("", "²", "٣", "-1", "+1", " 1", "1_0", "1.0", "9" * 5000):
        assert not is_whole(text), text
