"""winmail.dat: the envelope Outlook puts around a message when it thinks the other side is Outlook too (MS-OXTNEF).

Law: any bytes give an `Unpacked`, linear in their size; every length is checked against what is there, so nothing loops and
nothing grows (RELIABILITY "TNEF"). What is broken ends the reading; what was read before it stays.

This module does not know the message it came with, nor whether its files are dangerous.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from poststelle.mail import charset, headers, html, rtf

TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})

MAX_DEPTH = 5
MAX_FILES = 1_000
MAX_TEXTS = 20
_MAX_ITEMS = 10_000
_SIGNATURE = 0x223E9F78

_SUBJECT, _BODY, _CODE_PAGE, _PROPERTIES = 0x8004, 0x800C, 0x9007, 0x9003
_FILE_BEGINS, _FILE_TITLE, _FILE_DATA, _FILE_PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005

_TEXT, _RTF, _HTML, _INTERNET_CODE_PAGE, _PROPERTY_SUBJECT = 0x1000, 0x1009, 0x1013, 0x3FDE, 0x0037
_DATA, _SHORT_NAME, _LONG_NAME, _SHOWN_NAME, _TYPE, _CONTENT_ID = 0x3701, 0x3704, 0x3707, 0x3001, 0x370E, 0x3712

_WIDTHS = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_STRING, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102


@dataclass(frozen=True, slots=True)
class File:
    """A file from within. `name` is as sent (hostile); `content_type` may be ""."""

    name: str
    content_type: str
    content_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What lay within: the text to be read ("" where there is none) and the files, those of nested messages too."""

    subject: str
    text: str
    files: tuple[File, ...]


def unpack(data: bytes) -> Unpacked:
    """The contents of a winmail.dat; empty for bytes that are none."""
    return _Envelope(0, [MAX_TEXTS]).read(data)


class _Envelope:
    """`texts`: how many texts may still be unpacked, in this envelope and those within it together."""

    def __init__(self, depth: int, texts: list[int]) -> None:
        self._depth, self._texts = depth, texts
        self._label = "windows-1252"
        self._subject = self._plain = self._rich = self._page = ""
        self._within: list[str] = []
        self._files: list[File] = []
        self._open: dict[str, str | bytes] | None = None

    def read(self, data: bytes) -> Unpacked:
        for kind, value in _attributes(data):
            self._attribute(kind, value)
            if len(self._files) >= MAX_FILES:
                break
        self._close()
        texts = [self._plain or self._page or self._rich, *self._within]
        return Unpacked(self._subject, "\n".join(filter(None, texts)), tuple(self._files[:MAX_FILES]))

    def _attribute(self, kind: int, value: bytes) -> None:
        if kind == _CODE_PAGE and len(value) >= 4:
            self._label = f"windows-{struct.unpack_from('<I', value)[0]}"
        elif kind == _SUBJECT:
            self._subject = self._subject or headers.clean(self._string(value))
        elif kind == _BODY:
            self._plain = self._plain or self._string(value)
        elif kind == _PROPERTIES:
            self._message(value)
        elif kind == _FILE_BEGINS:
            self._close()
            self._open = {}
        elif self._open is not None and kind == _FILE_TITLE:
            self._open.setdefault("title", headers.clean(self._string(value)))
        elif self._open is not None and kind == _FILE_DATA:
            self._open["data"] = value
        elif self._open is not None and kind == _FILE_PROPERTIES:
            self._file(self._open, value)

    def _message(self, value: bytes) -> None:
        label = ""
        page = b""
        for number, kind, data in _properties(value):
            if number == _TEXT:
                self._plain = self._text(kind, data) or self._plain
            elif number == _PROPERTY_SUBJECT:
                self._subject = headers.clean(self._text(kind, data)) or self._subject
            elif number == _INTERNET_CODE_PAGE and len(data) >= 4:
                code = struct.unpack_from("<I", data)[0]
                label = "utf-8" if code == 65001 else f"windows-{code}"
            elif number == _HTML:
                page = data
            elif number == _RTF and self._may_unpack():
                self._rich = rtf.text_of(rtf.unpacked(data)).strip()
        if page and self._may_unpack():
            self._page = html.text_of(charset.decode(page[:4_000_000], label)).strip()

    def _may_unpack(self) -> bool:
        self._texts[0] -= 1
        return self._texts[0] >= 0

    def _file(self, file: dict[str, str | bytes], value: bytes) -> None:
        names = {_LONG_NAME: "long", _SHOWN_NAME: "shown", _SHORT_NAME: "short", _TYPE: "type", _CONTENT_ID: "id"}
        for number, kind, data in _properties(value):
            if number in names and kind in {_STRING, _UNICODE}:
                file[names[number]] = headers.clean(self._text(kind, data))
            elif number == _DATA and kind == _BINARY:
                file["data"] = data
            elif number == _DATA and kind == _OBJECT:
                self._object(file, data)

    def _object(self, file: dict[str, str | bytes], data: bytes) -> None:
        # An object begins with what kind it is (16 bytes); a message in a message is an envelope again.
        inner = data[16:]
        if not inner.startswith(struct.pack("<I", _SIGNATURE)):
            file["data"] = inner
        elif self._depth < MAX_DEPTH:
            nested = _Envelope(self._depth + 1, self._texts).read(inner)
            self._within += filter(None, (nested.subject, nested.text))
            self._files += nested.files
            file["message"] = b""

    def _close(self) -> None:
        file, self._open = self._open, None
        if not file or "message" in file:
            return
        name = next((str(file[key]) for key in ("long", "title", "short", "shown") if file.get(key)), "")
        self._files.append(
            File(
                name,
                str(file.get("type", "")).lower(),
                str(file.get("id", "")).strip("<> "),
                bytes(file.get("data", b"")),  # type: ignore[arg-type]
            )
        )

    def _string(self, value: bytes) -> str:
        return charset.decode(value.split(b"\0", 1)[0], self._label).replace("\r\n", "\n")

    def _text(self, kind: int, data: bytes) -> str:
        if kind == _UNICODE:
            return data.decode("utf-16-le", "replace").partition("\0")[0].replace("\r\n", "\n")
        return self._string(data)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != _SIGNATURE:
        return
    position = 6
    for _ in range(_MAX_ITEMS):
        if position + 9 > len(data):
            return
        kind, length = struct.unpack_from("<II", data, position + 1)
        start = position + 9
        # A length that lies: what is there still counts (the last file of a mail that was cut).
        yield kind & 0xFFFF, data[start : start + length]
        position = start + length + 2


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, type, first value) of each property, until the block ends or contradicts itself."""
    try:
        yield from _read_properties(data)
    except (struct.error, KeyError):
        return


def _read_properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    (count,) = struct.unpack_from("<I", data)
    position = 4
    for _ in range(min(count, _MAX_ITEMS)):
        kind, number = struct.unpack_from("<HH", data, position)
        position += 4
        if number >= 0x8000:
            (named,) = struct.unpack_from("<I", data, position + 16)
            (length,) = struct.unpack_from("<I", data, position + 20)
            position += 24 + (_padded(length) if named == 1 else 0)
        plain, many = kind & 0xFFF, kind & 0x1000
        if plain in {_STRING, _UNICODE, _OBJECT, _BINARY}:
            (values,) = struct.unpack_from("<I", data, position)
            position += 4
            first = b""
            for place in range(min(values, _MAX_ITEMS)):
                (length,) = struct.unpack_from("<I", data, position)
                if not place:
                    first = data[position + 4 : position + 4 + length]
                position += 4 + _padded(length)
            yield number, plain, first
            continue
        width, values = _WIDTHS[plain], 1
        if many:
            (values,) = struct.unpack_from("<I", data, position)
            position += 4
        yield number, plain, data[position : position + width]
        position += width * values


def _padded(length: int) -> int:
    return (length + 3) & ~3
