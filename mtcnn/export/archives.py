"""Zips, of which members are read one by one."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter

from mtcnn.export.budget import Budget
from mtcnn.export.errors import WeightsError, printable

__all__ = ["ZIP_MAGIC", "Archive"]

ZIP_MAGIC = b"PK\x03\x04"
_ENTRY_MAGIC = b"PK\x01\x02"  # of a member in the list at the end of a zip
_EXTRA_LENGTH = 30  # where an entry has the number of its extra bytes
_EXTRA_BYTES_A_STEP = 64
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError)


class Archive:
    """A zip.

    Attributes:
        names: of its members, in their order.
    """

    def __init__(self, content: bytes, budget: Budget) -> None:
        _spend_list(content, budget)
        self._budget = budget
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except _DAMAGE as error:
            raise _damaged(error) from None
        self.names = self._zip.namelist()
        self._members = {member.filename: member for member in self._zip.infolist()}
        self._ambiguous = {name for name, count in Counter(self.names).items() if count > 1}

    def read(self, name: str) -> bytes:
        """A member, whole.

        Raises:
            WeightsError: there is none, or it is damaged, encrypted, compressed in a way that nobody uses for weights,
                or larger than what is left of the budget.
        """
        member = self._members.get(name)
        if member is None:
            raise WeightsError(f"it is a damaged zip: it has no member {printable(name)}")
        if name in self._ambiguous:
            raise WeightsError(f"it has more than one member {printable(name)}")
        if member.flag_bits & _ENCRYPTED:
            raise WeightsError(f"its member {printable(name)} is encrypted: unpack it")
        if member.compress_type not in _METHODS:
            raise WeightsError(
                f"its member {printable(name)} is compressed by method {member.compress_type}: unpack it"
            )
        self._budget.spend_bytes(member.file_size)
        try:
            with self._zip.open(member) as file:
                data = file.read(member.file_size)
        except _DAMAGE as error:
            raise _damaged(error) from None
        if len(data) != member.file_size:
            raise WeightsError(f"it is a damaged zip: its member {printable(name)} is truncated")
        return data


def _spend_list(content: bytes, budget: Budget) -> None:
    """For the list of members, which zipfile reads to its end before it can be asked for anything.

    It makes an object of each, and goes through the fields in each one's extra bytes.
    """
    budget.spend_members(content.count(_ENTRY_MAGIC))
    at = content.find(_ENTRY_MAGIC)
    while at >= 0:
        extra = int.from_bytes(content[at + _EXTRA_LENGTH : at + _EXTRA_LENGTH + 2], "little")
        budget.spend_steps(extra // _EXTRA_BYTES_A_STEP)
        at = content.find(_ENTRY_MAGIC, at + 1)


def _damaged(error: Exception) -> WeightsError:
    return WeightsError(f"it is a damaged zip: {printable(str(error))}")
