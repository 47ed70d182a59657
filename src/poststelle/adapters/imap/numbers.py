"""Lists of numbers that may be millions long: SEARCH, ESEARCH (RFC 4731) and VANISHED (RFC 7162), read piece by piece.

Law: memory is bounded by the limit, whatever the line's length; a piece may end anywhere. This module does not know what the numbers are of.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from poststelle.adapters.answer import told
from poststelle.adapters.imap.reader import malformed, uid
from poststelle.errors import ProtocolViolation

_NAME = re.compile(rb"\* (SEARCH|ESEARCH|VANISHED)(?= |$)", re.IGNORECASE)


@dataclass(slots=True)
class Numbers:
    """One such list, by its `name`; `limit`: the most numbers, or ranges of what vanished. Beyond it ProtocolViolation.

    What vanished is kept as ranges in `spans`, because a server that forgot its past may name every number there could be;
    `earlier`: it had left before the folder was opened (RFC 7162 section 3.2.10).
    """

    name: str
    limit: int
    found: array[int] = field(default_factory=lambda: array("I"))
    earlier: bool = False
    _ends: array[int] = field(default_factory=lambda: array("I"))
    _label: str = ""
    _rest: bytes = b""

    @property
    def spans(self) -> Iterator[tuple[int, int]]:
        """What vanished: lowest and highest number of each range, as they were told."""
        return zip(self._ends[::2], self._ends[1::2], strict=True)

    def feed(self, piece: bytes, *, last: bool) -> None:
        """Take the next piece of the line, the part after the answer's name first."""
        text = self._rest + piece
        self._rest = b""
        if not last:
            cut = max(text.rfind(b" "), text.rfind(b",")) + 1
            if len(text) - cut > 4096:
                raise ProtocolViolation("malformed-response", text=told(text))
            text, self._rest = text[:cut], text[cut:]
        if self.name == "SEARCH" and not self._label and not text.translate(None, b" 0123456789"):
            self._plain(text)
            return
        for word in text.replace(b",", b" ").split():
            self._word(word)

    def _plain(self, text: bytes) -> None:
        """Numbers and nothing else, as SEARCH tells them by the million."""
        try:
            self.found.extend(map(int, text.split()))
        except (OverflowError, ValueError) as error:
            raise malformed(text) from error
        if len(self.found) > self.limit:
            raise ProtocolViolation("too-many-numbers", limit=self.limit)

    def _word(self, word: bytes) -> None:
        first, colon, second = word.partition(b":")
        if not first.isdigit() or (colon and not second.isdigit()):
            self._label = word.strip(b"()").decode("ascii", "replace").upper()
            self.earlier |= self._label == "EARLIER"
            if word.endswith(b")"):
                self._label = ""
        elif self._wanted() or self.name == "VANISHED":
            low = uid(first)
            high = uid(second) if colon else low
            low, high = min(low, high), max(low, high)
            if self.name == "VANISHED":
                self._ends.extend((low, high))
                if len(self._ends) > 2 * self.limit:
                    raise ProtocolViolation("too-many-numbers", limit=self.limit)
                return
            if len(self.found) + high - low >= self.limit:
                raise ProtocolViolation("too-many-numbers", limit=self.limit)
            if low == high:
                self.found.append(low)
            else:
                self.found.extend(range(low, high + 1))

    def _wanted(self) -> bool:
        if self.name == "SEARCH":
            return self._label == ""
        return self.name == "ESEARCH" and self._label == "ALL"


def numbers_of(start: bytes, limit: int) -> tuple[Numbers, int] | None:
    """If a line beginning so is a list of numbers: what collects it, and how many bytes of the line its name takes."""
    match = _NAME.match(start)
    return (Numbers(match[1].decode().upper(), limit), match.end()) if match else None
