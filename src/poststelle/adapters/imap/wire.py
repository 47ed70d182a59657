"""What an IMAP server says: answers from bytes to typed values (RFC 9051).

Law: pure functions, no I/O, linear in their input. An answer arrives as its parts: line, literal, line, literal, … line;
a literal part is bytes or a memory map. Strings are bytes, NIL is None, lists are tuples; names of commands, capabilities
and items are upper case. Anything a server must not send raises ProtocolViolation.
This module does not know connections, cursors or what the answers are for.
"""

from __future__ import annotations

import mmap
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from poststelle.adapters.answer import told
from poststelle.errors import ProtocolViolation

Body = bytes | mmap.mmap
Value = bytes | mmap.mmap | None | tuple["Value", ...]


LONGEST_NAME = 1024
"""Bytes of a folder name; the rest of a longer one is not read (Q5)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a server may send (RELIABILITY Q5). Sizes in bytes, times in seconds."""

    line: int = 64 * 1024
    greeting: int = 8 * 1024
    literal: int = 256 * 1024 * 1024
    in_memory: int = 8 * 1024 * 1024
    untagged: int = 256 * 1024 * 1024
    numbers: int = 5_000_000
    folders: int = 200_000
    depth: int = 50
    read_seconds: float = 60.0
    command_seconds: float = 1800.0
    greeting_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Condition:
    """OK, NO, BAD, BYE or PREAUTH. `tag` is None when untagged. `code` is the response code's name, `argument` its rest."""

    tag: bytes | None
    status: str
    code: str
    argument: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class Continuation:
    """The server waits for us (``+``)."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the server can do, upper case."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Exists:
    """How many messages the selected folder holds (a hint, Q7)."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunged:
    """A message left the selected folder."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a FETCH answer says. None: not said. `has_body` with `body` None: the server answered NIL."""

    uid: int | None = None
    flags: tuple[str, ...] | None = None
    received_at: datetime | None = None
    size: int | None = None
    has_body: bool = False
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder. `attributes` lower case, `delimiter` empty for a flat namespace, `name` as the server spells it."""

    attributes: frozenset[str]
    delimiter: bytes
    name: bytes


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """STATUS of one folder: item (upper case) → number."""

    name: bytes
    items: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Other:
    """An answer we do not use."""

    name: str


@dataclass(slots=True)
class Numbers:
    """SEARCH, ESEARCH or VANISHED, fed piece by piece because it may be millions of numbers long."""

    name: str
    limit: int
    found: array[int] = field(default_factory=lambda: array("I"))
    _label: str = ""
    _rest: bytes = b""

    def feed(self, piece: bytes, *, last: bool) -> None:
        """Take the next piece of the line, the part after the answer's name first."""
        text = self._rest + piece
        self._rest = b""
        if not last:
            cut = max(text.rfind(b" "), text.rfind(b",")) + 1
            if len(text) - cut > 4096:
                raise ProtocolViolation("malformed-response", text=told(text))
            text, self._rest = text[:cut], text[cut:]
        for word in text.replace(b",", b" ").split():
            self._word(word)

    def _word(self, word: bytes) -> None:
        first, colon, second = word.partition(b":")
        if not first.isdigit() or (colon and not second.isdigit()):
            self._label = word.strip(b"()").decode("ascii", "replace").upper()
            if word.endswith(b")"):
                self._label = ""
        elif self._wanted():
            low = _uid(first)
            high = _uid(second) if colon else low
            low, high = min(low, high), max(low, high)
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


Response = (
    Condition | Continuation | Capabilities | Exists | Expunged | Fetched | Listed | FolderStatus | Numbers | Other
)

_LITERAL = re.compile(rb"~?\{(\d{1,19})\+?\}$")
_NUMBERS = re.compile(rb"\* (SEARCH|ESEARCH|VANISHED)(?= |$)", re.IGNORECASE)
_CONDITION = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: +(?:\[([^\] ]+)(?: ([^\]]*))?\] ?)?(.*))?$", re.I | re.S)
_TOKEN = re.compile(rb' *(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|([^ ()"]+))', re.S)
_ITEM = re.compile(rb" *([A-Za-z0-9.\-]+(?:\[[^\]]*\])?(?:<\d+>)?)")


def _malformed(text: bytes) -> ProtocolViolation:
    return ProtocolViolation("malformed-response", text=told(text))


def literal_size(line: bytes) -> int | None:
    """The size of the literal that follows this line, or None. Free text of conditions and continuations announces none."""
    if not line.endswith(b"}") or line.startswith(b"+"):
        return None
    if _CONDITION.match(line.partition(b" ")[2]):
        return None
    announced = _LITERAL.search(line)
    return int(announced[1]) if announced else None


def numbers_of(start: bytes, limit: int) -> tuple[Numbers, int] | None:
    """If a line beginning so is a list of numbers: what collects it, and how many bytes of the line its name takes."""
    match = _NUMBERS.match(start)
    return (Numbers(match[1].decode().upper(), limit), match.end()) if match else None


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
        return match[1].decode("ascii").upper()

    def open(self) -> None:
        """Step into a list."""
        match = _TOKEN.match(self._line, self._at)
        if match is None or match[1] is None:
            raise _malformed(self._line)
        self._at = match.end()

    def value(self) -> Value:
        """The next value: string, atom, NIL or a whole list."""
        stack: list[list[Value]] = []
        while True:
            match = _TOKEN.match(self._line, self._at)
            if match is None:
                raise _malformed(self._line)
            self._at = match.end()
            made: Value
            if match[1] is not None:
                stack.append([])
                if len(stack) > self._depth:
                    raise ProtocolViolation("nesting-too-deep", limit=self._depth)
                continue
            if match[2] is not None:
                if not stack:
                    raise _malformed(self._line)
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


def _uid(word: bytes) -> int:
    number = int(word) if len(word) <= 10 else 1 << 32
    if number > 0xFFFFFFFF:
        raise _malformed(word)
    return number


def _number(value: Value) -> int:
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 20:
        return int(value)
    raise _malformed(value if isinstance(value, bytes) else b"number expected")


def parse(parts: Sequence[Body], depth: int = 50) -> Response:
    """One answer that is not a list of numbers (see `numbers_of`)."""
    line = bytes(parts[0])
    if line.startswith(b"+"):
        return Continuation(line[1:].lstrip(b" "))
    tag, space, rest = line.partition(b" ")
    if not space or not tag:
        raise _malformed(line)
    condition = _CONDITION.match(rest)
    if condition is not None:
        return Condition(
            None if tag == b"*" else tag,
            condition[1].decode().upper(),
            (condition[2] or b"").decode("ascii", "replace").upper(),
            condition[3] or b"",
            condition[4] or b"",
        )
    if tag != b"*":
        raise _malformed(line)
    first, _, after = rest.lstrip(b" ").partition(b" ")
    reader = Reader([after, *parts[1:]], depth)
    if first.isdigit():
        return _numbered(_number(first), reader)
    return _named(first.decode("ascii", "replace").upper(), reader)


def _numbered(number: int, reader: Reader) -> Response:
    name = reader.item()
    if name == "EXISTS":
        return Exists(number)
    if name == "EXPUNGE":
        return Expunged()
    return _fetched(reader) if name == "FETCH" else Other(name or "")


def _fetched(reader: Reader) -> Fetched:
    uid = size = flags = received_at = body = None
    has_body = False
    reader.open()
    while (item := reader.item()) is not None:
        value = reader.value()
        if item == "UID":
            uid = _number(value)
        elif item == "FLAGS":
            flags = _texts(value)
        elif item == "INTERNALDATE":
            received_at = internal_date(value)
        elif item == "RFC822.SIZE":
            size = _number(value)
        elif item == "BODY[]":
            has_body = True
            if isinstance(value, tuple):
                raise _malformed(b"BODY[] (")
            body = value
    if not reader.rest().startswith(b")"):
        raise _malformed(reader.rest())
    return Fetched(uid, flags, received_at, size, has_body, body)


def _texts(value: Value) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise _malformed(b"list expected")
    return tuple(word.decode("utf-8", "replace") for word in value if isinstance(word, bytes))


def _named(name: str, reader: Reader) -> Response:
    if name == "CAPABILITY":
        return Capabilities(capabilities(reader.rest()))
    if name in {"LIST", "LSUB", "XLIST"}:
        attributes, delimiter, mailbox = reader.value(), reader.value(), reader.value()
        return Listed(
            frozenset(text.lower() for text in _texts(attributes)),
            delimiter if isinstance(delimiter, bytes) else b"",
            _mailbox(mailbox),
        )
    if name == "STATUS":
        mailbox, items = reader.value(), reader.value()
        if not isinstance(items, tuple):
            raise _malformed(b"STATUS without items")
        pairs = zip(items[::2], items[1::2], strict=False)
        found = {
            key.decode("ascii", "replace").upper(): int(number)
            for key, number in pairs
            if isinstance(key, bytes) and isinstance(number, bytes) and number.isdigit() and len(number) <= 20
        }
        return FolderStatus(_mailbox(mailbox), found)
    return Other(name)


def _mailbox(value: Value) -> bytes:
    if value is None:
        return b"NIL"
    if isinstance(value, tuple):
        raise _malformed(b"mailbox name expected")
    return bytes(value[:LONGEST_NAME])


def capabilities(text: bytes) -> frozenset[str]:
    """The names in a CAPABILITY answer or response code."""
    return frozenset(text.decode("ascii", "replace").upper().split())


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
