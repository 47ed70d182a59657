"""What a maildrop holds, under ids that outlast the session, and a compact record of what has been reported of it.

POP3 numbers messages anew in every session, so an id is made of what stays (RFC 1939 section 7):

* ``u.<UIDL>``: the server's unique id; ``x.<SHA-256>`` of it where it is not what RFC 1939 allows.
* Where the server has no UIDL for a message, or gives the same one twice, of the content: ``t.<SHA-256>`` of size and header,
  or, where two messages agree even in those or TOP is missing, ``h.<SHA-256>`` of all bytes, and ``h.<SHA-256>.2`` for its
  second copy. Costs one TOP (or RETR) per such message and session.
* ``e.<size>.<n>``: the server does not even show it.

Law: every message listed has an id, and no two have the same one. This module does not know batches or errands.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from poststelle.adapters.pop3.session import Session
from poststelle.errors import CursorLost, MessageTrouble, ProtocolViolation, Trouble
from poststelle.mail.ports import Cursor, RemoteId

_PROPER = re.compile(r"[!-~]{1,70}")
_DIGEST = 6
"""Bytes kept of each id: among 100,000 messages the chance that a new one is taken for a known one is under 1 in a thousand million."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of this session: its number here, its lasting id and that id's digest, the size announced (0: it is not)."""

    number: int
    id: RemoteId
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything the maildrop holds, oldest first."""

    entries: Sequence[Entry]
    by_id: Mapping[RemoteId, Entry] = field(init=False)
    digests: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {entry.id: entry for entry in self.entries})
        object.__setattr__(self, "digests", frozenset(entry.digest for entry in self.entries))


def read(cursor: Cursor | None) -> frozenset[bytes]:
    """The digests of what has been reported. Raises CursorLost("cursor-unreadable")."""
    if cursor is None:
        return frozenset()
    version, _, text = cursor.partition(":")
    try:
        held = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CursorLost("cursor-unreadable") from error
    if version != "1" or len(held) % _DIGEST:
        raise CursorLost("cursor-unreadable")
    return frozenset(held[start : start + _DIGEST] for start in range(0, len(held), _DIGEST))


def written(digests: Collection[bytes]) -> Cursor:
    """The cursor that says so: eight letters a message, 800 kB for 100,000 and 1.6 MB for the most a session may list."""
    return Cursor("1:" + base64.b64encode(b"".join(sorted(digests))).decode())


def digest_of(remote: RemoteId) -> bytes:
    """What a cursor keeps of an id."""
    return hashlib.blake2b(remote.encode(), digest_size=_DIGEST).digest()


async def take(session: Session) -> Listing:
    """List the maildrop. Raises Trouble; the server's own counts (STAT, +OK texts) are not believed."""
    sizes = await _numbered(session, b"LIST")
    try:
        uids = await _numbered(session, b"UIDL")
    except MessageTrouble:
        uids = {}
    how_often = Counter(uids.values())
    numbers = sorted(sizes.keys() | uids.keys())
    size_of = {number: _size(sizes.get(number, "")) for number in numbers}
    ids = {number: lasting(uid) for number, uid in uids.items() if uid and how_often[uid] == 1}
    nameless = [number for number in numbers if number not in ids]
    if nameless:
        ids |= await _by_content(session, nameless, size_of)
    return Listing([Entry(number, ids[number], size_of[number], digest_of(ids[number])) for number in numbers])


async def _numbered(session: Session, command: bytes) -> dict[int, str]:
    """The answer to LIST or UIDL: what it says for each number."""
    found: dict[int, str] = {}
    for line in await session.ask_lines(command, session.limits.messages):
        number, _, said = line.decode("latin-1").strip().partition(" ")
        if not number.isascii() or not number.isdigit() or len(number) > 9 or not int(number) or int(number) in found:
            raise ProtocolViolation("malformed-response", text=session.told(line))
        found[int(number)] = said.strip()
    return found


def _size(said: str) -> int:
    word = said.partition(" ")[0]
    return int(word) if word.isascii() and word.isdigit() and len(word) < 16 else 0


def lasting(uid: str) -> RemoteId:
    """The id of a message with this UIDL, provided no other has it."""
    if _PROPER.fullmatch(uid):
        return RemoteId(f"u.{uid}")
    return RemoteId(f"x.{hashlib.sha256(uid.encode('latin-1')).hexdigest()}")


def is_unique_id(remote: RemoteId) -> bool:
    """Whether the id stands for a UIDL."""
    return remote.startswith(("u.", "x."))


async def _by_content(session: Session, numbers: Sequence[int], sizes: Mapping[int, int]) -> dict[int, RemoteId]:
    """Ids of messages the server has no unique id for."""
    ids: dict[int, RemoteId] = {}
    alike: dict[str, list[int]] = defaultdict(list)
    if "TOP" in session.capable or not session.capable:
        position = 0
        async for header in session.headers(numbers):
            number = numbers[position]
            position += 1
            if isinstance(header, bytes):
                alike[hashlib.sha256(b"%d\n" % sizes[number] + header).hexdigest()].append(number)
            elif not isinstance(header, MessageTrouble):
                raise header
        ids = {group[0]: RemoteId(f"t.{digest}") for digest, group in alike.items() if len(group) == 1}
    return ids | await _by_all_bytes(session, [number for number in numbers if number not in ids], sizes)


async def _by_all_bytes(session: Session, numbers: Sequence[int], sizes: Mapping[int, int]) -> dict[int, RemoteId]:
    ids: dict[int, RemoteId] = {}
    copies: Counter[str] = Counter()
    position = 0
    async for body in session.bodies(numbers):
        number = numbers[position]
        position += 1
        if isinstance(body, MessageTrouble):
            name = f"e.{sizes[number]}"
        elif isinstance(body, Trouble):
            raise body
        else:
            name = f"h.{hashlib.sha256(body).hexdigest()}"
        copies[name] += 1
        first = copies[name] == 1 and name.startswith("h.")
        ids[number] = RemoteId(name if first else f"{name}.{copies[name]}")
    return ids


def ids_of(entries: Collection[Entry]) -> frozenset[RemoteId]:
    """The ids of these messages."""
    return frozenset(entry.id for entry in entries)
