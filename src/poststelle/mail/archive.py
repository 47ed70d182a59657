"""A ZIP archive made piece by piece, never whole in memory (RELIABILITY Q68).

Law: every name in it is one any system takes (mail.files) and occurs once; nothing is compressed, because what comes by mail mostly
is already. This module does not know messages.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from poststelle.mail.files import safe_name

MOST_FILES = 10_000


class _Sink(io.RawIOBase):
    """Takes what the archive writes until somebody fetches it; it cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def pieces(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The archive of these (name as sent, bytes), at most `MOST_FILES`, a piece per file."""
    sink, taken = _Sink(), set[str]()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for number, (name, data) in enumerate(files):
            if number == MOST_FILES:
                break
            entry = zipfile.ZipInfo(_unique(safe_name(name), taken))
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, data)
            yield sink.taken()
    yield sink.taken()


def _unique(name: str, taken: set[str]) -> str:
    """The name, numbered where another file has it already, whatever the case."""
    stem, dot, ending = name.rpartition(".")
    stem, dot, ending = (stem, dot, ending) if stem else (name, "", "")
    found, number = name, 1
    while found.casefold() in taken:
        number += 1
        found = f"{stem[:200]} ({number}){dot}{ending}"
    taken.add(found.casefold())
    return found
