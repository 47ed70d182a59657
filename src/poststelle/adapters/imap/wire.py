"""What an IMAP server says: answers from bytes to typed values (RFC 9051).

Law: pure functions, no I/O, linear in their input. An answer arrives as its parts: line, literal, line, literal, … line;
a literal part is bytes or a memory map. Names of commands, capabilities and items are upper case. Anything a server must not send raises ProtocolViolation.
This module does not know connections, cursors or what the answers are for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from poststelle.adapters.connection import CONNECT_SECONDS
from poststelle.adapters.imap.numbers import Numbers
from poststelle.adapters.imap.reader import Body, Reader, Value, internal_date, malformed, number, texts
from poststelle.errors import ProtocolViolation

LONGEST_NAME = 1024
_USUAL_CAPABILITIES = 2048
"""Bytes of a folder name; the rest of a longer one is not read (Q5)."""

MOST_FLAGS = 1000
"""Of one message."""


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
    names: int = 16 * 1024 * 1024
    depth: int = 50
    read_seconds: float = 60.0
    command_seconds: float = 1800.0
    greeting_seconds: float = 30.0
    connect_seconds: float = CONNECT_SECONDS


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
    """What a FETCH answer says. None: not said. `has_body` with `body` None: the server answered NIL.

    `header`: the header fields that were asked for.
    """

    uid: int | None = None
    flags: tuple[str, ...] | None = None
    received_at: datetime | None = None
    size: int | None = None
    has_body: bool = False
    body: Body | None = None
    header: Body | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder. `attributes` lower case, `delimiter` empty for a flat namespace, `name` as the server spells it."""

    attributes: frozenset[str]
    delimiter: bytes
    name: bytes


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """STATUS of one folder: item (upper case) → number. `mailbox_id`: its OBJECTID (RFC 8474), "" where not told."""

    name: bytes
    items: Mapping[str, int]
    mailbox_id: str = ""


@dataclass(frozen=True, slots=True)
class Enabled:
    """What ENABLE has switched on, upper case (RFC 5161)."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Space:
    """A part of the folder tree: what its names begin with, and what separates their pieces (empty: flat)."""

    prefix: bytes
    delimiter: bytes


@dataclass(frozen=True, slots=True)
class Spaces:
    """NAMESPACE (RFC 2342): our own folders, those of other users, and those nobody owns."""

    personal: tuple[Space, ...] = ()
    others: tuple[Space, ...] = ()
    shared: tuple[Space, ...] = ()


@dataclass(frozen=True, slots=True)
class Rights:
    """What we may do with a folder (RFC 4314 MYRIGHTS)."""

    name: bytes
    letters: str


@dataclass(frozen=True, slots=True)
class QuotaRoot:
    """How full a quota root is: resource (upper case) → used and limit, as the server counts (RFC 9208)."""

    resources: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Other:
    """An answer we do not use."""

    name: str


Response = (
    Condition
    | Continuation
    | Capabilities
    | Enabled
    | Exists
    | Expunged
    | Fetched
    | FolderStatus
    | Listed
    | Numbers
    | QuotaRoot
    | Rights
    | Spaces
    | Other
)

_LITERAL = re.compile(rb"~?\{(\d{1,19})\+?\}$")
_CONDITION = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: +(?:\[([^\] ]+)(?: ([^\]]*))?\] ?)?(.*))?$", re.I | re.S)


def literal_size(line: bytes) -> int | None:
    """The size of the literal that follows this line, or None. Free text of conditions and continuations announces none."""
    if not line.endswith(b"}") or line.startswith(b"+"):
        return None
    if _CONDITION.match(line.partition(b" ")[2]):
        return None
    announced = _LITERAL.search(line)
    return int(announced[1]) if announced else None


def parse(parts: Sequence[Body], depth: int = 50) -> Response:
    """One answer that is not a list of numbers (see `numbers.numbers_of`)."""
    line = bytes(parts[0])
    if line.startswith(b"+"):
        return Continuation(line[1:].lstrip(b" "))
    # Exchange 2013 leaves the beginning out of the COPYUID of a MOVE (ruby/net-imap#250).
    line = b"* OK " + line if line.startswith(b"[COPYUID ") else line
    tag, space, rest = line.partition(b" ")
    if not space or not tag:
        raise malformed(line)
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
        raise malformed(line)
    first, _, after = rest.lstrip(b" ").partition(b" ")
    reader = Reader([after, *parts[1:]], depth)
    if first.isdigit():
        return _numbered(number(first), reader)
    return _named(first.decode("ascii", "replace").upper(), reader)


def _numbered(number: int, reader: Reader) -> Response:
    name = reader.item()
    if name == "EXISTS":
        return Exists(number)
    if name == "EXPUNGE":
        return Expunged()
    return _fetched(reader) if name == "FETCH" else Other(name or "")


def _fetched(reader: Reader) -> Fetched:
    uid = size = flags = received_at = body = header = None
    has_body = False
    reader.open()
    while (item := reader.item()) is not None:
        value = reader.value()
        if item == "UID":
            uid = number(value)
        elif item == "FLAGS":
            flags = texts(value)
            if len(flags) > MOST_FLAGS:
                raise ProtocolViolation("too-much-data", limit=MOST_FLAGS)
        elif item == "INTERNALDATE":
            received_at = internal_date(value)
        elif item == "RFC822.SIZE":
            size = number(value)
        elif item == "BODY[]":
            has_body = True
            if isinstance(value, tuple):
                raise malformed(b"BODY[] (")
            body = value
        elif item.startswith("BODY[HEADER.FIELDS") and not isinstance(value, tuple):
            header = value
    if not reader.rest().startswith(b")"):
        raise malformed(reader.rest())
    return Fetched(uid, flags, received_at, size, has_body, body, header)


def _named(name: str, reader: Reader) -> Response:
    if name == "CAPABILITY":
        return Capabilities(capabilities(reader.rest()))
    if name in {"LIST", "LSUB", "XLIST"}:
        attributes, delimiter, mailbox = reader.value(), reader.value(), reader.value()
        return Listed(
            frozenset(text.lower() for text in texts(attributes)),
            delimiter if isinstance(delimiter, bytes) else b"",
            _mailbox(mailbox),
        )
    if name == "STATUS":
        return _status(reader.value(), reader.value())
    if name == "ENABLED":
        return Enabled(capabilities(reader.rest()))
    if name == "NAMESPACE":
        return Spaces(_spaces(reader.value()), _spaces(reader.value()), _spaces(reader.value()))
    if name == "MYRIGHTS":
        return Rights(_mailbox(reader.value()), _text(reader.value()))
    if name == "QUOTA":
        return _quota(reader.value(), reader.value())
    return Other(name)


def _status(mailbox: Value, items: Value) -> FolderStatus:
    if not isinstance(items, tuple):
        raise malformed(b"STATUS without items")
    found: dict[str, int] = {}
    mailbox_id = ""
    for key, value in zip(items[::2], items[1::2], strict=False):
        item = _text(key).upper()
        if item == "MAILBOXID" and isinstance(value, tuple) and value:
            mailbox_id = _text(value[0])
        elif isinstance(value, bytes) and value.isdigit() and len(value) <= 20:
            found[item] = int(value)
    return FolderStatus(_mailbox(mailbox), found, mailbox_id)


def _spaces(value: Value) -> tuple[Space, ...]:
    """One of NAMESPACE's three lists; what follows the delimiter is an extension nobody here knows."""
    listed = value if isinstance(value, tuple) else ()
    pairs = [entry[:2] for entry in listed if isinstance(entry, tuple) and len(entry) > 1]
    return tuple(
        Space(_mailbox(prefix or b""), delimiter if isinstance(delimiter, bytes) else b"")
        for prefix, delimiter in pairs
    )


def _quota(_root: Value, resources: Value) -> QuotaRoot:
    triples = resources if isinstance(resources, tuple) else ()
    found = {}
    for name, used, limit in zip(triples[::3], triples[1::3], triples[2::3], strict=False):
        if isinstance(used, bytes) and isinstance(limit, bytes) and used.isdigit() and limit.isdigit():
            found[_text(name).upper()] = (number(used), number(limit))
    return QuotaRoot(found)


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace")[:LONGEST_NAME] if isinstance(value, bytes) else ""


def _mailbox(value: Value) -> bytes:
    if value is None:
        return b"NIL"
    if isinstance(value, tuple):
        raise malformed(b"mailbox name expected")
    return bytes(value[:LONGEST_NAME])


def capabilities(text: bytes) -> frozenset[str]:
    """The names in a CAPABILITY answer or response code. All sessions with a server share them."""
    return _usual_capabilities(bytes(text)) if len(text) < _USUAL_CAPABILITIES else _capabilities(text)


@functools.lru_cache(maxsize=64)
def _usual_capabilities(text: bytes) -> frozenset[str]:
    return _capabilities(text)


def _capabilities(text: bytes) -> frozenset[str]:
    return frozenset(text.decode("ascii", "replace").upper().split())
