"""The words of Rich Text, as Outlook packs it into winmail.dat and offices attach it (RTF 1.9; MS-OXRTFCP; MS-OXRTFEX).

Law: any bytes give text, linear in their size; what is unpacked is at most `MAX_UNPACKED` bytes. Only words come out: fonts,
pictures and fields' instructions are passed over.

This module does not know where the bytes lay.
"""

from __future__ import annotations

import re
import struct

from poststelle.mail import charset

MAX_UNPACKED = 1 << 20

# The first contents of the dictionary every packed text starts with (MS-OXRTFCP section 2.1.2.1).
_START = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par "
    rb"\pard\plain\f0\fs20\b\i\u\tab\tx"
)
_RING = 4096
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.S
)
_SILENT = frozenset(
    b"fonttbl colortbl stylesheet info pict object themedata datastore listtable listoverridetable generator"
    b" latentstyles rsidtbl filetbl revtbl xmlnstbl fldinst header footer headerf footerf htmltag mhtmltag bkmkstart bkmkend".split()
)
_BREAKS = {b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"row": "\n", b"tab": "\t", b"cell": "\t"}
_SIGNS = {
    b"emdash": "—",
    b"endash": "–",
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
    b"bullet": "•",
}
_ESCAPES = {b"\\": "\\", b"{": "{", b"}": "}", b"~": "\u00a0", b"_": "\u2011", b"\n": "\n", b"\r": "\n"}
_MAX_DEPTH = 1_000


def unpacked(data: bytes) -> bytes:
    """The Rich Text of a compressed body (``LZFu`` or ``MELA``); what could be read of a broken one, b"" for anything else."""
    if len(data) < 16:
        return b""
    _, size, kind, _ = struct.unpack_from("<IIII", data)
    size = min(size, MAX_UNPACKED)
    if kind == 0x414C454D:
        return data[16 : 16 + size]
    return _inflated(data, size) if kind == 0x75465A4C else b""


def _inflated(data: bytes, size: int) -> bytes:
    out = bytearray(_START)
    limit, end, position = len(_START) + size, len(data), 16
    while position < end and len(out) < limit:
        control = data[position]
        position += 1
        for bit in range(8):
            if not control >> bit & 1:
                if position >= end:
                    break
                out.append(data[position])
                position += 1
                continue
            if position + 1 >= end:
                return bytes(out[len(_START) : limit])
            token = data[position] << 8 | data[position + 1]
            position += 2
            at = token >> 4
            # The dictionary is a ring: how far back its cell was written last.
            back = (len(out) - at - 1) % _RING + 1
            if at == len(out) % _RING or back > len(out):
                return bytes(out[len(_START) : limit])
            for _ in range((token & 15) + 2):
                out.append(out[-back])
    return bytes(out[len(_START) : limit])


def text_of(data: bytes) -> str:
    """The words of a Rich Text, paragraphs as lines."""
    return _Reader().read(data)


class _Reader:
    """`state` of the group being read: whether it is silent, and how many bytes follow a Unicode sign as its poor replacement."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._bytes = bytearray()
        self._label = "windows-1252"
        self._silent, self._replacements = False, 1
        self._hidden = False
        self._skip = 0
        self._groups: list[tuple[bool, int]] = []

    def read(self, data: bytes) -> str:
        for match in _TOKEN.finditer(data):
            word, number, octet, sign, brace, text = match.groups()
            if text is not None:
                self._take(text)
            elif word is not None:
                self._control(word, int(number) if number else None)
            elif octet is not None:
                self._take(bytes([int(octet, 16)]))
            elif sign is not None:
                self._sign(sign)
            elif brace == b"{":
                if len(self._groups) >= _MAX_DEPTH:
                    break
                self._groups.append((self._silent, self._replacements))
                self._skip = 0
            elif brace == b"}" and self._groups:
                self._silent, self._replacements = self._groups.pop()
                self._skip = 0
        self._flush()
        return "".join(self._pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _take(self, text: bytes) -> None:
        skipped = min(self._skip, len(text))
        self._skip -= skipped
        if not self._silent and not self._hidden:
            self._bytes += text[skipped:]

    def _say(self, text: str) -> None:
        self._flush()
        if not self._silent and not self._hidden:
            self._pieces.append(text)

    def _flush(self) -> None:
        if self._bytes:
            self._pieces.append(charset.decode(bytes(self._bytes), self._label))
            self._bytes.clear()

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            # What a reader does not know it may pass over: nothing in there is meant to be read.
            self._silent = True
        elif sign in _ESCAPES:
            self._say(_ESCAPES[sign])

    def _control(self, word: bytes, number: int | None) -> None:
        if word in _BREAKS:
            self._say(_BREAKS[word])
        elif word in _SIGNS:
            self._say(_SIGNS[word])
        elif word == b"u" and number is not None:
            self._say(chr(number % 0x10000))
            self._skip = self._replacements
        elif word == b"uc":
            self._replacements = min(max(number or 0, 0), 100)
        elif word == b"htmlrtf":
            # Between these lies what only readers of Rich Text should see; the HTML the text was made from had no such thing.
            self._hidden = number != 0
        elif word == b"ansicpg" and number:
            self._label = f"windows-{number}"
        elif word in _SILENT:
            self._silent = True
