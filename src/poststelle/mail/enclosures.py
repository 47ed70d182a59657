"""What came with a message, a winmail.dat replaced by what lies in it: the files as people mean them.

Law: never raises; the order is that of `ParsedMessage.attachments`, whose places keep their numbers: the files of an unpacked
winmail.dat follow after all of them. This module does not know which files are dangerous (`mail.files`).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from poststelle.mail import tnef
from poststelle.mail.message import ParsedMessage, Raw, is_envelope, part_bytes
from poststelle.mail.mime import Part

_MAX_ENVELOPES = 5
_LARGE = 1 << 16


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file with a message. `name` is as sent (hostile); `is_envelope`: a winmail.dat whose contents are listed too."""

    name: str
    content_type: str
    is_inline: bool
    is_envelope: bool
    _data: Callable[[], bytes] = field(repr=False, compare=False)
    _estimate: Callable[[], int | None] = field(repr=False, compare=False, default=lambda: None)

    @property
    def data(self) -> bytes:
        """The decoded bytes."""
        return self._data()

    @property
    def size(self) -> int:
        """How many bytes they are; of large files counted without decoding them, which a broken encoding may belie a little."""
        estimate = self._estimate()
        return len(self.data) if estimate is None else estimate


def enclosures(raw: Raw, parsed: ParsedMessage) -> Sequence[Enclosure]:
    """Every file with the message."""
    envelopes = {id(part): unpacked for part, unpacked in _envelopes(raw, parsed)}
    listed = [
        Enclosure(
            part.name, part.content_type, part.is_inline, id(part) in envelopes, partial(part_bytes, raw, part),
            partial(_counted, raw, part),
        )
        for part in parsed.attachments
    ]  # fmt: skip
    for unpacked in envelopes.values():
        for file in unpacked.files:
            kind = file.content_type or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            listed.append(Enclosure(file.name, kind, False, False, partial(_same, file.data)))
    return listed


def _envelopes(raw: Raw, parsed: ParsedMessage) -> list[tuple[Part, tnef.Unpacked]]:
    found: list[tuple[Part, tnef.Unpacked]] = []
    for part in parsed.attachments:
        if is_envelope(part):
            unpacked = tnef.unpack(part_bytes(raw, part))
            if unpacked.files or unpacked.text:
                found.append((part, unpacked))
        if len(found) == _MAX_ENVELOPES:
            break
    return found


def _counted(raw: Raw, part: Part) -> int | None:
    if part.encoding != "base64" or part.end - part.start < _LARGE or not isinstance(raw, bytes):
        return None
    breaks = raw.count(b"\n", part.start, part.end) + raw.count(b"\r", part.start, part.end)
    padding = raw.count(b"=", max(part.end - 8, part.start), part.end)
    return (part.end - part.start - breaks) * 3 // 4 - padding


def _same(data: bytes) -> bytes:
    return data
