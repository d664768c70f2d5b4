"""What a file is that is no picture, by how it begins: https://en.wikipedia.org/wiki/List_of_file_signatures."""

from __future__ import annotations

import re

__all__ = ["what_it_is"]

_CONVERT = "save it as JPEG or PNG"
_FILM = "a film, which mtcnn video and mtcnn blur read"
_ARCHIVE = "an archive: unpack it"
_DAMAGED = "damaged, or cut off"
_LEAST_TEXT = 512  # bytes that are looked at

# The first that fits the beginning of the file tells.
_KINDS: tuple[tuple[bytes, str], ...] = (
    (rb".{4}ftypcr[x3]", f"a camera's raw picture: {_CONVERT}"),
    (rb".{4}ftypavi[fs]", f"AVIF that is {_DAMAGED}, or that this {{library}} was built without"),
    (rb".{4}(ftyp|moov|mdat|wide)", _FILM),
    (rb"RIFF.{4}AVI ", _FILM),
    (rb"\x1aE\xdf\xa3|FLV\x01|\x30\x26\xb2\x75|\0\0\x01[\xba\xb3]|OggS", _FILM),
    (rb"G.{187}G.{187}G", _FILM),
    (rb"RIFF.{4}WAVE|ID3|fLaC", "sound"),
    (rb"RIFF.{4}WEBP", f"a WebP that is {_DAMAGED}"),
    (rb"\x89PNG", f"a PNG that is {_DAMAGED}"),
    (rb"GIF8", f"a GIF that is {_DAMAGED}, or that this {{library}} was built without"),
    (rb"\xff\xd8\xff[^\0\r\n]{1000}", "a JPEG without its zeros and line ends: sent as text; curl needs --data-binary"),
    (rb"\xff\xd8\xff", f"a JPEG that is {_DAMAGED}"),
    (rb"BM", f"a BMP that is {_DAMAGED}"),
    (rb"II[*+]\0.{4}CR|IIR[OS]|IIU\0|FUJIFILMCCD-RAW", f"a camera's raw picture: {_CONVERT}"),
    (
        rb"II[*+]\0|MM\0[*+]",
        f"a TIFF of a kind that it does not know, as a camera's raw picture, or damaged: {_CONVERT}",
    ),
    (rb"#\?R", f"a Radiance picture that is {_DAMAGED}; OpenCV alone reads them"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", f"JPEG XL: {_CONVERT}"),
    (rb"\x76\x2f\x31\x01", f"OpenEXR: {_CONVERT}"),
    (rb"8BPS|gimp xcf|\0\0[\x01\x02]\0", f"a picture of another program: {_CONVERT}"),
    (rb".{128}DICM|SIMPLE  =", f"a picture of an instrument: {_CONVERT}"),
    (rb"\x93NUMPY", "an array of NumPy: numpy.load reads it, and a call takes it"),
    (rb"%PDF|%!PS", f"a document: {_CONVERT}"),
    (rb"PK[\x03\x05]|\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|.{257}ustar", _ARCHIVE),
    (rb"version https://git-lfs", "a pointer of Git LFS: git lfs pull brings the picture"),
    (rb"data:|/9j/|iVBORw0KGgo|UklGR|R0lGOD", "base64: decode it first"),
    (rb"--[^\r\n]{1,200}\r?\n(?i:content-)", "a form of several parts: its Content-Type must be multipart/form-data"),
    (rb"[\w.%\[\]-]{1,100}=", "the fields of a form: send the file itself"),
    (rb"\s*<(\?xml[^>]*>\s*<)?(!--[^>]*-->\s*<)?(?i:svg)", f"a drawing of lines: {_CONVERT}"),
    (rb"\s*<", "a page of HTML or XML, not the picture that it may show"),
    (rb"\0{64}", "zeros: it was not written or copied to its end"),
)


def what_it_is(data: bytes, library: str) -> str | None:
    """A film, an archive, a form ...; and what to do, where something can be done. None: not known.

    library: what reads pictures here.
    """
    head = data[:2048]
    for start, text in _KINDS:
        if re.match(start, head, re.S):
            return text.replace("{library}", library)
    try:
        is_text = head[:_LEAST_TEXT].decode("ascii").replace("\n", "").replace("\r", "").replace("\t", "").isprintable()
    except UnicodeDecodeError:
        return None
    return "text" if is_text else None
