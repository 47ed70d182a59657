"""The values in an answer: atoms, strings, lists, numbers and dates, from bytes (RFC 9051 section 9).

Law: pure and linear. Strings are bytes, NIL is None, lists are tuples. Anything a server must not send raises ProtocolViolation.
This module does not know what the values mean.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from poststelle.adapters.answer import told
from poststelle.errors import ProtocolViolation

Body = bytes | mmap.mmap
Value = bytes | mmap.mmap | None | tuple["Value", ...]

_LITERAL = re.compile(rb"~?\{(\d{1,19})\+?\}$")
_TOKEN = re.compile(rb' *(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|([^ ()"]+))', re.S)
_ITEM = re.compile(rb" *([A-Za-z0-9.\-]+(?:\[[^\]]*\])?(?:<\d+>)?)")


def malformed(text: bytes) -> ProtocolViolation:
    """The verdict on an answer nobody can read."""
    return ProtocolViolation("malformed-response", text=told(text))


class Reader:
    """Walks the parts of one answer."""

    def __init__(self, parts: Sequence[Body], depth: int) -> None:
        self._parts = parts
        self._part = 0
        self._line = bytes(parts[0])
        self._at = 0
        self._depth = depth

    def rest(self) -> bytes:
        """What is left of the current line."""
        return self._line[self._at :].strip(b" ")

    def item(self) -> str | None:
        """The name of the next FETCH item, upper case; None before a closing bracket."""
        match = _ITEM.match(self._line, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[1].decode("ascii", "replace").upper()

    def open(self) -> None:
        """Step into a list."""
        match = _TOKEN.match(self._line, self._at)
        if match is None or match[1] is None:
            raise malformed(self._line)
        self._at = match.end()

    def value(self) -> Value:
        """The next value: string, atom, NIL or a whole list."""
        stack: list[list[Value]] = []
        while True:
            match = _TOKEN.match(self._line, self._at)
            if match is None:
                raise malformed(self._line)
            self._at = match.end()
            made: Value
            if match[1] is not None:
                stack.append([])
                if len(stack) > self._depth:
                    raise ProtocolViolation("nesting-too-deep", limit=self._depth)
                continue
            if match[2] is not None:
                if not stack:
                    raise malformed(self._line)
                made = tuple(stack.pop())
            elif match[3] is not None:
                made = match[3] if b"\\" not in match[3] else re.sub(rb"\\(.)", rb"\1", match[3], flags=re.S)
            else:
                made = self._atom(match[4])
            if not stack:
                return made
            stack[-1].append(made)

    def _atom(self, word: bytes) -> Value:
        if word[-1:] == b"}" and self._at == len(self._line) and _LITERAL.fullmatch(word):
            literal, self._line = self._parts[self._part + 1], bytes(self._parts[self._part + 2])
            self._part += 2
            self._at = 0
            return literal
        return None if word.upper() == b"NIL" else word


def uid(word: bytes) -> int:
    """Digits as a UID: 32 bits."""
    number = int(word) if len(word) <= 10 else 1 << 32
    if number > 0xFFFFFFFF:
        raise malformed(word)
    return number


def number(value: Value) -> int:
    """A value that must be a number of at most 20 digits."""
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 20:
        return int(value)
    raise malformed(value if isinstance(value, bytes) else b"number expected")


def texts(value: Value) -> tuple[str, ...]:
    """A value that must be a list, its strings decoded."""
    if not isinstance(value, tuple):
        raise malformed(b"list expected")
    return tuple(word.decode("utf-8", "replace") for word in value if isinstance(word, bytes))


_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$")


def internal_date(value: Value) -> datetime | None:
    """An INTERNALDATE (RFC 9051 date-time), aware; None if it is none."""
    match = _DATE.match(value) if isinstance(value, bytes) else None
    if match is None:
        return None
    offset = timedelta(hours=int(match[8]), minutes=int(match[9])) * (-1 if match[7] == b"-" else 1)
    day, year, hour, minute, second = (int(match[part]) for part in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS[match[2].capitalize()], day, hour, minute, second, tzinfo=timezone(offset))
    except (ValueError, KeyError):
        return None
