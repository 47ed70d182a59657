"""Questions about messages of the folder in hand: which there are, and what the server says of them.

Law: answers are about what was asked for, whatever else the server sends; a capability that fails is not used again. A question
about many messages goes in as many commands as it takes. This module does not know cursors or what the answers are for.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from poststelle.adapters.imap import command, wire
from poststelle.adapters.imap.numbers import Numbers
from poststelle.adapters.imap.session import REFUSED, Session
from poststelle.errors import MessageTrouble, ProtocolViolation
from poststelle.mail.ports import Arrival, RemoteId, flags_of

ARRIVAL = b"(UID FLAGS INTERNALDATE RFC822.SIZE)"
MESSAGE_ID = b"(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
_PER_FETCH = 400
_READ_FOR_ID = 300
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


def remote_id(uid_validity: int, uid: int) -> RemoteId:
    """A message's id at the port."""
    return RemoteId(f"{uid_validity}.{uid}")


def split_id(message: RemoteId) -> tuple[int, int]:
    """UIDVALIDITY and UID of an id made by `remote_id`."""
    uid_validity, _, uid = message.partition(".")
    return int(uid_validity), int(uid)


def arrival_of(uid_validity: int, uid: int, told: wire.Fetched) -> Arrival:
    """A message as the port reports it; where the server keeps a date to itself, it is from 1970."""
    return Arrival(
        remote_id(uid_validity, uid), flags_of(told.flags or ()), told.received_at or _NO_DATE, told.size or 0, uid
    )


async def search_text(session: Session, words: Sequence[str]) -> Sequence[int]:
    """The UIDs of the messages in which the server finds all words. Raises MessageTrouble("search-unsupported"), ValueError."""
    criteria: list[bytes | command.Literal] = []
    for word in words:
        criteria += (b"TEXT", command.string(word.encode()))
    # After UTF8=ACCEPT a server refuses CHARSET, because all it hears is UTF-8 (RFC 6855 section 3).
    charset = () if all(map(str.isascii, words)) or session.utf8 else (b"CHARSET UTF-8",)
    try:
        return await search(session, *charset, *(criteria or [b"ALL"]))
    except (MessageTrouble, ProtocolViolation) as refused:
        if refused.code not in REFUSED:
            raise
        raise MessageTrouble("search-unsupported", answer=refused.facts.get("answer", "")) from refused


async def with_message_id(session: Session, message_id: str) -> Sequence[int]:
    """The UIDs of the messages with this Message-ID; from a server that does not search headers, of those among the newest."""
    wanted = message_id.encode()
    try:
        return await search(session, b"HEADER Message-ID", command.string(wanted))
    except (MessageTrouble, ProtocolViolation) as refused:
        if refused.code not in REFUSED:
            raise
    newest = (await search(session, b"ALL"))[-_READ_FOR_ID:]
    told = await metadata(session, newest, MESSAGE_ID) if newest else {}
    return [uid for uid in newest if uid in told and wanted in bytes(told[uid].header or b"")]


async def described(session: Session, uid_validity: int, uids: Sequence[int]) -> Sequence[Arrival]:
    """These messages (ascending) as arrivals, newest first; those that left meanwhile are missing."""
    found: list[Arrival] = []
    for start in range(0, len(uids), _PER_FETCH):
        told = await metadata(session, uids[start : start + _PER_FETCH], ARRIVAL)
        found += (arrival_of(uid_validity, uid, fetched) for uid, fetched in told.items())
    return sorted(found, key=lambda arrival: arrival.ordinal, reverse=True)


async def present(session: Session, uids: Sequence[int]) -> frozenset[int]:
    """Which of these (ascending) the selected folder holds now; NOOP first, because a server may answer from an old view."""
    if not uids:
        return frozenset()
    await session.command(b"NOOP")
    found: set[int] = set()
    for part, named in command.uid_sets(uids):
        found.update(frozenset(named).intersection(await search(session, b"UID " + part)))
    return frozenset(found)


async def search(session: Session, *criteria: bytes | command.Literal) -> Sequence[int]:
    """The UIDs that match, ascending, each once (4 bytes a number)."""
    found: array[int] = array("I")

    def keep(response: wire.Response) -> None:
        if isinstance(response, Numbers) and response.name in {"SEARCH", "ESEARCH"}:
            found.extend(response.found)
            if len(found) > session.limits.numbers:
                raise ProtocolViolation("too-many-numbers", limit=session.limits.numbers)

    if "ESEARCH" in session.capable:
        answer = await session.attempt(b"UID SEARCH", b"RETURN (ALL)", *criteria, each=keep)
        if answer.condition.status == "BAD":
            session.distrust("ESEARCH")
        elif answer.condition.status != "OK":
            raise session.refusal(answer.condition, b"UID SEARCH")
    if "ESEARCH" not in session.capable:
        await session.command(b"UID SEARCH", *criteria, each=keep)
    if any(first >= second for first, second in pairwise(found)):
        return array("I", sorted(set(found)))
    return found


async def metadata(
    session: Session, uids: Sequence[int], items: bytes, most: int | None = None
) -> dict[int, wire.Fetched]:
    """What the server says of these messages; those it is silent about are missing. Answers nobody asked for are dropped.

    `most`: bytes that may come.
    """
    asked = frozenset(uids)
    known: dict[int, wire.Fetched] = {}

    def keep(response: wire.Response) -> None:
        if isinstance(response, wire.Fetched) and response.uid in asked:
            known[response.uid] = _joined(known.get(response.uid), response)

    try:
        await session.command(b"UID FETCH", command.uid_set(uids), items, each=keep, most=most)
    except MessageTrouble:
        # A server that cannot read one message refuses the whole command: ask one by one, keep what it tells.
        if len(uids) > 1:
            for uid in uids:
                if uid not in known:
                    known.update(await metadata(session, (uid,), items, most))
    return known


def _joined(old: wire.Fetched | None, new: wire.Fetched) -> wire.Fetched:
    """Two answers about one message: the later word counts, silence does not."""
    if old is None:
        return new
    return wire.Fetched(
        new.uid,
        old.flags if new.flags is None else new.flags,
        new.received_at or old.received_at,
        old.size if new.size is None else new.size,
        old.has_body or new.has_body,
        new.body if new.has_body else old.body,
        new.header or old.header,
    )
