"""What is said on a mail connection, as lines fit to be read by a person: no secret and no word of any message.

Law: what cannot be recognised as harmless is counted, not quoted. Log-ins are cut after their command and everything the
client says until the server has answered them; literals (RFC 9051 section 4.3), the data of SMTP and POP3, and quoted text in
answers to FETCH and in SEARCH appear as their size. Memory is bounded whatever is fed. This module does not know connections
or files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

Direction = Literal["C", "S"]
Keep = Callable[[str], object]

LONGEST_LINE, _TAIL = 1_000, 32
_LOG_IN = re.compile(rb"(?i)^(?:(?:AUTH|PASS|USER|APOP)|\S+ +(?:AUTHENTICATE|LOGIN))\b")
_MECHANISM = re.compile(rb"(?i)^(?:AUTH|\S+ +AUTHENTICATE) +([A-Z0-9-]{1,20})(?= |$)")
_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}$|^(?i:BDAT) +(\d{1,10})\b")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|$)')
_CONTENT = re.compile(rb"(?i)^(\* \d+ FETCH|\S+ (UID )?SEARCH|\S+ APPEND)\b")
_BULK_POP3 = re.compile(rb"(?i)^(RETR|TOP)\b")
_ANSWERS_LOG_IN = re.compile(rb"^(\+OK|-ERR|[245]\d\d[ -]|(?![*+])\S+ (OK|NO|BAD)\b)")


class Transcript:
    """One connection. Feed it the bytes of both directions as they go; it hands finished lines to `keep`."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._sides: dict[Direction, _Side] = {"C": _Side(), "S": _Side()}
        self._logging_in = False
        self._bulk: Direction | None = None
        self._bulk_bytes = 0
        self._retrievals = 0

    def __call__(self, direction: Direction, data: bytes) -> None:
        side = self._sides[direction]
        at = 0
        while at < len(data):
            if side.literal:
                taken = min(side.literal, len(data) - at)
                side.literal -= taken
                at += taken
                continue
            end = data.find(b"\n", at) + 1
            side.add(data, at, end or len(data))
            if not end:
                return
            at = end
            self._line(direction, side, *side.take())

    def _line(self, direction: Direction, side: _Side, line: bytes, length: int) -> None:
        if self._bulk == direction:
            self._in_bulk(direction, line, length)
            return
        size = _LITERAL.search(line)
        side.literal = int(size[1] or size[2]) if size else 0
        if direction == "C":
            self._said(side, line, length)
        else:
            self._answered(side, line, length)
        side.continued = bool(size and size[1])

    def _said(self, side: _Side, line: bytes, length: int) -> None:
        if self._logging_in:
            self._keep("C: (log-in)")
        elif not side.continued and (command := _LOG_IN.match(line)):
            self._logging_in = True
            mechanism = _MECHANISM.match(line)
            told = command[0] + (b" " + mechanism[1] if mechanism else b"")
            self._keep(f"C: {_shown(told)} (rest left out)")
        else:
            self._quote("C", side, line, length)
            # Answers to commands sent together cannot be told apart here: too much is left out rather than too little.
            self._retrievals += _BULK_POP3.match(line) is not None and not side.continued

    def _answered(self, side: _Side, line: bytes, length: int) -> None:
        if self._logging_in and not side.continued:
            if not _ANSWERS_LOG_IN.match(line):
                self._keep("S: (log-in)")
                return
            self._logging_in = False
        self._quote("S", side, line, length)
        if line.startswith(b"354"):
            self._bulk, self._bulk_bytes = "C", 0
        elif self._retrievals and line.startswith((b"+OK", b"-ERR")):
            self._retrievals -= 1
            self._bulk, self._bulk_bytes = ("S" if line.startswith(b"+OK") else None), 0

    def _in_bulk(self, direction: Direction, line: bytes, length: int) -> None:
        if line == b".":
            self._keep(f"{direction}: ({self._bulk_bytes} bytes of message)")
            self._bulk = None
        else:
            self._bulk_bytes += length

    def _quote(self, direction: Direction, side: _Side, line: bytes, length: int) -> None:
        if not side.continued:
            side.content = _CONTENT.match(line) is not None
        if side.content:
            line = _QUOTED.sub(lambda text: b'"(%d)"' % max(len(text[0]) - 2, 0), line)
        cut = f" … ({length} bytes)" if length > LONGEST_LINE else ""
        self._keep(f"{direction}: {_shown(line)}{cut}")


class _Side:
    """What one side is in the middle of saying: of a long line its beginning and its end, where a literal is announced."""

    def __init__(self) -> None:
        self._head, self._tail = bytearray(), bytearray()
        self._length = 0
        self.literal = 0
        self.continued = False
        self.content = False

    def add(self, data: bytes, start: int, end: int) -> None:
        """The next piece of the line."""
        self._length += end - start
        middle = min(end, start + max(LONGEST_LINE - len(self._head), 0))
        self._head += data[start:middle]
        self._tail = (self._tail + data[max(middle, end - _TAIL) : end])[-_TAIL:]

    def take(self) -> tuple[bytes, int]:
        """The line, its middle left out where it is long, and its real length."""
        line, length = bytes(self._head + self._tail).rstrip(b"\r\n"), self._length
        self._head.clear()
        self._tail.clear()
        self._length = 0
        return line, length


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
