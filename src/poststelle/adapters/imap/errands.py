"""What was changed here is done on the server: flags, moves, copies, removals, appended messages.

Law: whatever an errand names is looked for first, and nothing else is touched. Doing an errand twice is harmless, also when the
first time was cut off half-way. A plain EXPUNGE, which removes whatever anybody has marked \\Deleted, is sent only when nothing
but our messages is marked; where UID EXPUNGE is missing and others are, ours stay marked, and the mail program that marked the
others (or the server's own tidying) removes them all.
This module does not know cursors, batches or the folder tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from poststelle.adapters.imap import command, wire
from poststelle.adapters.imap.lookup import MESSAGE_ID, metadata, present, remote_id, search, split_id, with_message_id
from poststelle.adapters.imap.naming import server_name
from poststelle.adapters.imap.quirks import Quirks
from poststelle.adapters.imap.session import Session
from poststelle.adapters.imap.verdict import Selection
from poststelle.errors import FolderMissing, ProtocolViolation
from poststelle.mail.ports import Append, ChangeFlags, Copy, Delete, Move, Outcome, RemoteFolderId, RemoteId

_PER_MOVE = 1000
"""Messages per MOVE or COPY: what COPYUID answers fits into a line."""

_HALF_MOVED = 200
"""Without MOVE: per step, and so many at most can have been copied but not removed when we were cut off."""

_DELETED = b"(\\Deleted)"


async def change(
    session: Session, errand: ChangeFlags | Move | Copy | Delete, quirks: Quirks, trash: RemoteFolderId | None
) -> Outcome:
    """Carry out an errand about messages. Raises FolderMissing (`folder` says which), MessageTrouble.

    `trash`: where messages are removed from for good on servers that only take a label off elsewhere.
    """
    writable = not isinstance(errand, Copy)
    selection = await session.hold(errand.folder, writable=writable)
    uids = sorted(uid for uid_validity, uid in map(split_id, errand.ids) if uid_validity == selection.uid_validity)
    if isinstance(errand, ChangeFlags):
        lasting = _lasting(errand, selection)
        here = await _change_flags(session, uids, lasting)
        return Outcome(_missing(errand.ids, selection, here), unkept=errand.add - lasting.add)
    here = await present(session, uids)
    gone = _missing(errand.ids, selection, here)
    made: dict[RemoteId, RemoteId] = {}
    if isinstance(errand, Delete) and quirks.delete_in_trash and trash not in {None, errand.folder}:
        assert trash is not None
        moved = await _move(session, errand.folder, sorted(here), trash)
        if moved:
            await change(session, Delete(trash, tuple(moved.values())), quirks, trash)
    elif isinstance(errand, Delete):
        await _remove(session, sorted(here))
    elif errand.target == errand.folder:
        made = {} if isinstance(errand, Copy) else {message: message for message in errand.ids if message not in gone}
    elif isinstance(errand, Copy):
        for part, named in command.uid_sets(sorted(here), most=_PER_MOVE):
            made |= await _transfer(session, b"UID COPY", part, named, errand.target, selection.uid_validity)
    else:
        made = await _move(session, errand.folder, sorted(here), errand.target)
    return Outcome(gone, made)


def _missing(ids: Iterable[RemoteId], selection: Selection, here: frozenset[int]) -> frozenset[RemoteId]:
    held = {remote_id(selection.uid_validity, uid) for uid in here}
    return frozenset(message for message in ids if message not in held)


# -- flags -----------------------------------------------------------------------------------------------------------


def _lasting(errand: ChangeFlags, selection: Selection) -> ChangeFlags:
    return replace(errand, add=_kept(errand.add, selection), remove=_kept(errand.remove, selection))


def _kept(flags: frozenset[str], selection: Selection) -> frozenset[str]:
    """Without the keywords that the server would forget at the end of the session, or refuse. Of a folder opened for writing."""
    permanent = selection.permanent
    if permanent is None:
        return flags
    return frozenset(flag for flag in flags if flag.startswith("\\") or flag.lower() in permanent)


async def _change_flags(session: Session, uids: Sequence[int], errand: ChangeFlags) -> frozenset[int]:
    """Which of the messages are there to be changed."""
    answered: set[int] = set()

    def keep(response: wire.Response) -> None:
        if isinstance(response, wire.Fetched) and response.uid:
            answered.add(response.uid)

    for sign, flags in ((b"+FLAGS", errand.add), (b"-FLAGS", errand.remove)):
        if not flags:
            continue
        answered.clear()
        for part, named in command.uid_sets(uids):
            answer = await session.attempt(b"UID STORE", part, sign, command.flag_list(flags), each=keep)
            if answer.condition.status != "OK" and await present(session, named):
                raise session.refusal(answer.condition, b"UID STORE")
    silent = [uid for uid in uids if uid not in answered]
    return frozenset(uid for uid in uids if uid in answered) | await present(session, silent)


# -- into another folder ---------------------------------------------------------------------------------------------


async def _move(
    session: Session, folder: RemoteFolderId, uids: Sequence[int], target: RemoteFolderId
) -> dict[RemoteId, RemoteId]:
    """Take messages that are there into another folder; where they lie now, as far as the server says."""
    made: dict[RemoteId, RemoteId] = {}
    if "MOVE" in session.capable or "IMAP4REV2" in session.capable:
        selection = await session.hold(folder, writable=True)
        try:
            for part, named in command.uid_sets(uids, most=_PER_MOVE):
                made |= await _transfer(session, b"UID MOVE", part, named, target, selection.uid_validity)
            return made
        except ProtocolViolation as refused:
            if refused.code != "command-rejected" or made:
                raise
            session.distrust("MOVE", "IMAP4REV2")
    known = await _copied_already(session, uids[: 2 * _HALF_MOVED], target)
    selection = await session.hold(folder, writable=True)
    made |= {remote_id(selection.uid_validity, uid): there for uid, there in known.items()}
    for start in range(0, len(uids), _HALF_MOVED):
        step = uids[start : start + _HALF_MOVED]
        if wanted := [uid for uid in step if uid not in known]:
            for part, named in command.uid_sets(wanted):
                made |= await _transfer(session, b"UID COPY", part, named, target, selection.uid_validity)
        await _remove(session, step)
    return made


async def _transfer(
    session: Session, verb: bytes, part: bytes, uids: Sequence[int], target: RemoteFolderId, uid_validity: int
) -> dict[RemoteId, RemoteId]:
    told: list[wire.Condition] = []

    def keep(response: wire.Response) -> None:
        if isinstance(response, wire.Condition):
            told.append(response)

    name = command.string(server_name(target, utf8=session.utf8))
    answer = await session.attempt(verb, part, name, each=keep)
    if answer.condition.status != "OK":
        trouble = session.refusal(answer.condition, verb)
        if isinstance(trouble, FolderMissing):
            trouble.facts["folder"] = target
        raise trouble
    made: dict[RemoteId, RemoteId] = {}
    for condition in (*told, answer.condition):
        made |= _copy_uids(condition, uid_validity, frozenset(uids))
    return made


_COPYUID = re.compile(rb"(\d{1,10}) ([\d:,]+) ([\d:,]+)$")


def _copy_uids(condition: wire.Condition, uid_validity: int, asked: frozenset[int]) -> Mapping[RemoteId, RemoteId]:
    """Old id → new id of a COPYUID code (RFC 4315), of what was asked for; nothing where it is missing or cannot be read."""
    match = _COPYUID.match(condition.argument) if condition.code == "COPYUID" else None
    if match is None:
        return {}
    old, new = _numbers(match[2]), _numbers(match[3])
    there = int(match[1])
    if len(old) != len(new):
        return {}
    pairs = zip(old, new, strict=True)
    return {remote_id(uid_validity, a): remote_id(there, b) for a, b in pairs if a in asked and 0 < b <= 0xFFFFFFFF}


def _numbers(text: bytes) -> list[int]:
    """A sequence set in the order it is written; empty if it is none of a size we asked for."""
    found: list[int] = []
    for word in text.split(b","):
        first, colon, last = word.partition(b":")
        if not first.isdigit() or (colon and not last.isdigit()):
            return []
        low, high = int(first), int(last or first)
        if high - low > _PER_MOVE or len(found) > _PER_MOVE:
            return []
        found.extend(range(low, high + 1) if low <= high else range(low, high - 1, -1))
    return found


async def _copied_already(session: Session, uids: Sequence[int], target: RemoteFolderId) -> dict[int, RemoteId]:
    """Which of these in the folder in hand a move that was cut off has left in the target already: by Message-ID and size.

    Only the first ones can be: a move without MOVE goes step by step, and what a finished step moved is not here any more.
    """
    if not uids:
        return {}
    ours = await metadata(session, uids, MESSAGE_ID)
    selection = await session.hold(target, anew=True)
    if not selection.exists:
        return {}
    found: dict[int, RemoteId] = {}
    for uid, told in ours.items():
        named = re.search(rb"<[^<>\r\n]+>", bytes(told.header or b""))
        if named is None:
            continue
        there = await with_message_id(session, named[0].decode("latin-1"))
        sizes = await metadata(session, there[-10:], b"(UID RFC822.SIZE)") if there else {}
        same = [other for other, size in sizes.items() if size.size == told.size]
        if same:
            found[uid] = remote_id(selection.uid_validity, same[-1])
    return found


# -- removing --------------------------------------------------------------------------------------------------------


async def _remove(session: Session, uids: Sequence[int]) -> None:
    """Remove these messages of the selected folder, and no others."""
    exactly = bool(session.capable & {"UIDPLUS", "IMAP4REV2"})
    for part, _ in command.uid_sets(uids):
        await session.command(b"UID STORE", part, b"+FLAGS.SILENT", _DELETED)
        if exactly and (await session.attempt(b"UID EXPUNGE", part)).condition.status == "BAD":
            session.distrust("UIDPLUS", "IMAP4REV2")
            exactly = False
    if uids and not exactly and set(await search(session, b"DELETED")) <= set(uids):
        await session.command(b"EXPUNGE")


# -- appending -------------------------------------------------------------------------------------------------------


async def append(session: Session, errand: Append) -> Outcome:
    """Put a message into a folder unless one with its Message-ID is there. Raises FolderMissing, MessageTrouble, NeedsAttention."""
    # Which keywords it keeps, a server says only of a folder that is opened for writing.
    keywords = any(not flag.startswith("\\") for flag in errand.flags)
    selection = await session.hold(errand.folder, writable=keywords, anew=True)
    flags = _kept(errand.flags, selection) if keywords else errand.flags
    if errand.message_id and (held := await with_message_id(session, errand.message_id)):
        return Outcome(id=remote_id(selection.uid_validity, held[-1]))
    date = [_date_time(errand.received_at)] if errand.received_at else []
    header = errand.raw.partition(b"\r\n\r\n")[0]
    answer = await session.attempt(
        b"APPEND",
        command.string(server_name(errand.folder, utf8=session.utf8)),
        command.flag_list(flags),
        *date,
        command.Literal(errand.raw, utf8="UTF8=ACCEPT" in session.enabled and not header.isascii()),
    )
    if answer.condition.status != "OK":
        trouble = session.refusal(answer.condition, b"APPEND")
        if isinstance(trouble, FolderMissing):
            trouble.facts["folder"] = errand.folder
        raise trouble
    told = re.fullmatch(rb"(\d{1,10}) (\d{1,10})", answer.condition.argument)
    appended = answer.condition.code == "APPENDUID" and told
    made = remote_id(int(told[1]), int(told[2])) if appended and told else None
    return Outcome(id=made, unkept=errand.flags - flags)


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def _date_time(moment: datetime) -> bytes:
    """A date-time (RFC 9051), in UTC because offsets may have seconds in Python."""
    there = moment.astimezone(UTC)
    return f'"{there:%d}-{_MONTHS[there.month - 1]}-{there.year:04} {there:%H:%M:%S} +0000"'.encode()
