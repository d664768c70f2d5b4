"""The picture of a request, and the parameters that came with it."""

from __future__ import annotations

import logging
import re
from typing import Any

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

__all__ = ["check_type", "read_body"]

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # what it warns of is what the answer says

_RAW = ("image/", "application/octet-stream", "application/x-www-form-urlencoded")  # the last is what curl says
_FILE_NAME = re.compile(rb"[^\0-\x1f]{1,300}\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic)\s*", re.IGNORECASE)
_FIELD = re.compile(rb"[\w.%\[\]-]{1,100}=")  # image=..., as no picture begins
_MOST_FIELDS = 64
_MOST_FIELD = 1000  # bytes

Fields = list[tuple[str, str]]


def check_type(content_type: str, encoding: str) -> None:
    """Refuse what is neither a picture's file nor a form, as it is.

    Args:
        content_type, encoding: the heads Content-Type and Content-Encoding.

    Raises:
        HTTPException: 415.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind and kind != "multipart/form-data" and not kind.startswith(_RAW):
        raise HTTPException(
            415, f"Content-Type must be image/*, application/octet-stream or multipart/form-data, got {kind[:100]!r}"
        )
    if encoding.strip().lower() not in ("", "identity"):
        raise HTTPException(
            415,
            f"Content-Encoding must be left out, got {encoding[:100]!r}: send the file as it is",
            {"Accept-Encoding": "identity"},
        )


def read_body(body: bytes, content_type: str) -> tuple[bytes, Fields]:
    """The picture's file, and the fields of the form that it came in.

    Raises:
        HTTPException: 400, there is no picture or more than one, or the form is damaged.
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        if not body:
            raise HTTPException(400, "the request is empty: send the bytes of a picture's file")
        if _FILE_NAME.fullmatch(body):
            raise HTTPException(
                400, "the body is the name of a file: curl needs an @ before it, --data-binary @photo.jpg"
            )
        if _FIELD.match(body):
            raise HTTPException(
                400,
                "the body holds the fields of a form: send the file as it is (curl --data-binary @photo.jpg), or in a "
                "form as multipart/form-data (curl -F image=@photo.jpg)",
            )
        return body, []
    files, fields = _parts(body, content_type)
    if len(files) != 1:
        what = "no picture: add one as a file" if not files else f"{len(files)} pictures: send one a request"
        raise HTTPException(400, f"the form has {what}")
    if not files[0]:
        raise HTTPException(400, "the picture's file is empty")
    return files[0], fields


def _parts(body: bytes, content_type: str) -> tuple[list[bytes], Fields]:
    """What is in a form: parts with a file's name, and the others."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise HTTPException(400, "Content-Type multipart/form-data must say its boundary")
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        parser.write(body)
        parser.finalize()
    except ValueError as error:
        raise HTTPException(400, f"the form is damaged: {str(error)[:200]}") from None
    if not form.ended:
        raise HTTPException(400, "the form is damaged: it has no end")
    return form.files, form.fields


class _Form:
    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.fields: Fields = []
        self.ended = False
        self._name = self._value = b""  # of a header
        self._headers: dict[bytes, bytes] = {}
        self._data = bytearray()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add_to_header(data[start:end], b""),
            "on_header_value": lambda data, start, end: self._add_to_header(b"", data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._data.extend(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._end_all,
        }

    def _begin(self) -> None:
        if len(self.files) + len(self.fields) >= _MOST_FIELDS:
            raise ValueError(f"it has more than {_MOST_FIELDS} parts")
        self._headers, self._data = {}, bytearray()

    def _add_to_header(self, name: bytes, value: bytes) -> None:
        self._name += name
        self._value += value

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        is_picture = self._headers.get(b"content-type", b"").lower().startswith((b"image/", b"application/octet"))
        if b"filename" in options or is_picture:
            self.files.append(bytes(self._data))
        else:
            if len(self._data) > _MOST_FIELD:
                raise ValueError("a field is too long; a picture must be sent as a file (curl -F image=@photo.jpg)")
            name = options.get(b"name", b"").decode("utf-8", "replace")
            self.fields.append((name, self._data.decode("utf-8", "replace")))

    def _end_all(self) -> None:
        self.ended = True
