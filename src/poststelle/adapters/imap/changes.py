"""What changed in one folder since a cursor: the IMAP half of the port's first promise.

Law: report in rounds. A round looks at the folder once, then answers batch by batch: what is unreported, newest first; flag
changes once everything newer is reported; and, with the last batch, a census if the number of messages shows that some left.
The mod-sequence of a round is the one at its start, so what changes meanwhile is reported again by the next round, never lost.
The cursor says which UID ranges were reported; it does not grow with the folder.
This module does not know folders' roles, bodies or errands.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from poststelle.adapters.imap import command, wire
from poststelle.adapters.imap.session import Selection, Session
from poststelle.errors import CursorLost, MessageTrouble
from poststelle.mail.ports import Arrival, Batch, Cursor, FlagChange, RemoteId, flags_of

FIRST_BATCH = 50
BATCH = 400
BATCH_BYTES = 4 * 1024 * 1024
FLAGS_PER_BATCH = 4000
_MOST_RANGES = 16
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)

Ranges = tuple[tuple[int, int], ...]


def remote_id(uid_validity: int, uid: int) -> RemoteId:
    """A message's id at the port."""
    return RemoteId(f"{uid_validity}.{uid}")


def split_id(message: RemoteId) -> tuple[int, int]:
    """UIDVALIDITY and UID of an id made by `remote_id`."""
    uid_validity, _, uid = message.partition(".")
    return int(uid_validity), int(uid)


@dataclass(frozen=True, slots=True)
class Mark:
    """A cursor, read. `reported`: ascending UID ranges (ends included) in which every message was reported; (1, 0) alone
    stands for a folder that was empty.

    `count`: how many messages these ranges held. `modseq`: up to where their flag changes were reported, 0 without CONDSTORE;
    then `digest` stands for the flags last seen. `uid_next` is known only when the folder had been reported whole.
    `turn` names the batch of an unfinished round, so that no two of them share a cursor; it means nothing to a later round.
    """

    uid_validity: int
    modseq: int = 0
    uid_next: int = 0
    count: int = 0
    reported: Ranges = ()
    digest: str = ""
    turn: str = ""

    @classmethod
    def of(cls, cursor: Cursor) -> Mark:
        """Raises CursorLost for text that is no cursor of ours."""
        try:
            uid_validity, modseq, uid_next, count, reported, digest, turn = json.loads(cursor)
            return cls(
                uid_validity, modseq, uid_next, count, tuple((low, high) for low, high in reported), digest, turn
            )
        except (ValueError, TypeError) as error:
            raise CursorLost("cursor-unreadable") from error

    @property
    def cursor(self) -> Cursor:
        """As the port's text."""
        fields = (self.uid_validity, self.modseq, self.uid_next, self.count, self.reported, self.digest, self.turn)
        return Cursor(json.dumps(fields, separators=(",", ":")))

    @property
    def complete(self) -> bool:
        """Nothing older is left to report."""
        return len(self.reported) == 1 and self.reported[0][0] == 1

    @property
    def top(self) -> int:
        """The highest UID reported."""
        return self.reported[-1][1] if self.reported else 0

    def is_current(self, uid_validity: int, uid_next: int, exists: int, modseq: int) -> bool:
        """Whether a folder in this state has nothing to report; only a mod-sequence can prove it."""
        here = (self.uid_validity, self.uid_next, self.count, self.modseq)
        return self.complete and bool(modseq and uid_next) and here == (uid_validity, uid_next, exists, modseq)


def _covers(ranges: Ranges, uid: int) -> bool:
    at = bisect_right(ranges, (uid, 1 << 33)) - 1
    return at >= 0 and ranges[at][0] <= uid <= ranges[at][1]


def _with_range(ranges: Ranges, low: int, high: int) -> Ranges:
    """The ranges and one more, merged where they touch; the lowest are forgotten (and reported again) when they become many."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((*ranges, (low, high))):
        if start > end:
            continue
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged[-_MOST_RANGES:])


class Round:
    """One look at one folder. `cursor` is that of the last batch it answered."""

    def __init__(self, session: Session, selection: Selection, since: Mark | None) -> None:
        self._session = session
        self.uid_validity = selection.uid_validity
        self._modseq = selection.highest_modseq
        self._uid_next = selection.uid_next
        self._before = since or Mark(selection.uid_validity, selection.highest_modseq)
        self._mark = self._before
        self.cursor = self._mark.cursor
        self._unreported: array[int] = array("I")
        self._ahead: deque[tuple[int, Arrival | None]] = deque()
        self._flags: deque[tuple[int, frozenset[str]]] | None = None if since and since.reported else deque()
        self._digest = ""
        self._census_due = False
        self._batch_limit = FIRST_BATCH

    @classmethod
    async def begin(cls, session: Session, selection: Selection, since: Mark | None) -> Round:
        """Look at the selected folder. Raises CursorLost if it is not the folder the cursor was about."""
        if since is not None and since.uid_validity != selection.uid_validity:
            raise CursorLost("uidvalidity-changed")
        made = cls(session, selection, since)
        before = made._before
        if before.complete:
            found = await search(session, b"UID %d:*" % (before.top + 1))
            made._unreported = array("I", (uid for uid in found if uid > before.top))
            held = selection.exists - len(made._unreported)
        else:
            found = await search(session, b"ALL")
            made._unreported = array("I", (uid for uid in found if not _covers(before.reported, uid)))
            held = len(found) - len(made._unreported)
        made._census_due = held != before.count
        return made

    async def batch(self) -> Batch:
        """The next answer. The folder must be selected."""
        arrivals = await self._take_arrivals()
        newest_left = self._ahead[0][0] if self._ahead else self._unreported[-1] if self._unreported else 0
        if self._flags is None and newest_left <= self._before.top:
            self._flags = await self._list_flags()
        flags = self._take_flags()
        remaining = len(self._ahead) + len(self._unreported)
        more = remaining > 0 or bool(self._flags)
        census = None if more or not self._census_due else await self._take_census()
        if more:
            self._mark = replace(self._mark, uid_next=0, turn=secrets.token_urlsafe(6))
        else:
            self._mark = replace(self._mark, uid_next=self._uid_next, turn="")
        self.cursor = self._mark.cursor
        return Batch(self.cursor, tuple(arrivals), tuple(flags), (), census, remaining, more)

    async def _take_arrivals(self) -> list[Arrival]:
        taken: list[Arrival] = []
        covered, size = 0, 0
        highest = lowest = 0
        while covered < self._batch_limit:
            if not self._ahead:
                await self._look_ahead(self._batch_limit - covered)
                if not self._ahead:
                    break
            uid, arrival = self._ahead[0]
            if arrival is not None:
                if taken and size + arrival.size > BATCH_BYTES:
                    break
                size += arrival.size
                taken.append(arrival)
            self._ahead.popleft()
            covered += 1
            highest, lowest = highest or uid, uid
        self._batch_limit = BATCH
        self._cover(highest, lowest, len(taken))
        return taken

    def _cover(self, highest: int, lowest: int, count: int) -> None:
        """Note as reported what lies between these UIDs, and what is known to be empty below them."""
        below = self._ahead[0][0] if self._ahead else self._unreported[-1] if self._unreported else 0
        reported = self._mark.reported
        if not below:
            reported = ((1, max(highest, self._mark.top)),)
        elif lowest:
            reported = _with_range(reported, below + 1, highest)
        self._mark = replace(self._mark, reported=reported, count=self._mark.count + count)

    async def _look_ahead(self, wanted: int) -> None:
        """Ask for the metadata of the newest unreported messages."""
        if not self._unreported:
            return
        asked = self._unreported[-wanted:]
        del self._unreported[-len(asked) :]
        known = await metadata(self._session, asked, b"(UID FLAGS INTERNALDATE RFC822.SIZE)")
        silent = [uid for uid in asked if uid not in known]
        there = set(await search(self._session, b"UID " + command.uid_set(silent))) if silent else set()
        for uid in reversed(asked):
            told = known.get(uid) or (wire.Fetched() if uid in there else None)
            self._ahead.append((uid, self._arrival(uid, told) if told else None))

    def _arrival(self, uid: int, told: wire.Fetched) -> Arrival:
        return Arrival(
            remote_id(self.uid_validity, uid),
            flags_of(told.flags or ()),
            told.received_at or _NO_DATE,
            told.size or 0,
            uid,
        )

    async def _list_flags(self) -> deque[tuple[int, frozenset[str]]]:
        """Flag changes of what had been reported before this round, by mod-sequence or by listing."""
        before = self._before
        if not before.count or (self._modseq and self._modseq == before.modseq):
            return deque()
        whole = before.complete
        scope = b"1:*" if whole else b",".join(b"%d:%d" % reported for reported in before.reported)
        seen: dict[tuple[str, ...], frozenset[str]] = {}
        listed: list[tuple[int, frozenset[str]]] = []

        def keep(response: wire.Response) -> None:
            if isinstance(response, wire.Fetched) and response.uid and response.flags is not None:
                flags = seen.get(response.flags)
                if flags is None:
                    flags = seen.setdefault(response.flags, flags_of(response.flags))
                listed.append((response.uid, flags))

        since = (b"(CHANGEDSINCE %d)" % before.modseq,) if self._modseq and before.modseq else ()
        await self._session.command(b"UID FETCH", scope, b"(UID FLAGS)", *since, each=keep)
        listed.sort(key=lambda entry: entry[0])
        listed = [entry for entry in listed if entry[0] <= self._mark.top]
        if self._modseq:
            return deque(listed)
        if whole:
            self._digest = _digest(listed)
            if _digest(entry for entry in listed if entry[0] <= before.top) == before.digest:
                return deque(entry for entry in listed if entry[0] > before.top)
        return deque(listed)

    def _take_flags(self) -> list[FlagChange]:
        if self._flags is None:
            return []
        taken = [
            FlagChange(remote_id(self.uid_validity, uid), flags)
            for uid, flags in (self._flags.popleft() for _ in range(min(len(self._flags), FLAGS_PER_BATCH)))
        ]
        if not self._flags:
            self._mark = replace(self._mark, modseq=self._modseq, digest=self._digest)
        return taken

    async def _take_census(self) -> frozenset[RemoteId]:
        found = await search(self._session, b"ALL")
        self._mark = replace(self._mark, count=sum(uid <= self._mark.top for uid in found))
        return frozenset(remote_id(self.uid_validity, uid) for uid in found)


def _digest(listed: Iterable[tuple[int, frozenset[str]]]) -> str:
    told: dict[frozenset[str], bytes] = {}
    whole = hashlib.blake2b(digest_size=9)
    for uid, flags in listed:
        if flags not in told:
            told[flags] = " ".join(sorted(flags)).encode()
        whole.update(b"%d %s\n" % (uid, told[flags]))
    return whole.hexdigest()


async def search(session: Session, criteria: bytes, *more: bytes | command.Literal) -> Sequence[int]:
    """The UIDs that match, ascending, each once (4 bytes a number)."""
    found: array[int] = array("I")

    def keep(response: wire.Response) -> None:
        if isinstance(response, wire.Numbers) and response.name in {"SEARCH", "ESEARCH"}:
            found.extend(response.found)

    extended = (b"RETURN (ALL)",) if "ESEARCH" in session.capable else ()
    await session.command(b"UID SEARCH", *extended, criteria, *more, each=keep)
    if any(first >= second for first, second in pairwise(found)):
        return array("I", sorted(set(found)))
    return found


async def metadata(session: Session, uids: Sequence[int], items: bytes) -> dict[int, wire.Fetched]:
    """What the server says of these messages; those it is silent about are missing. Answers nobody asked for are dropped."""
    asked = frozenset(uids)
    known: dict[int, wire.Fetched] = {}

    def keep(response: wire.Response) -> None:
        if isinstance(response, wire.Fetched) and response.uid in asked:
            known[response.uid] = _joined(known.get(response.uid), response)

    try:
        await session.command(b"UID FETCH", command.uid_set(uids), items, each=keep)
    except MessageTrouble:
        # A server that cannot read one message refuses the whole command: ask one by one, keep what it tells.
        if len(uids) > 1:
            for uid in uids:
                if uid not in known:
                    known.update(await metadata(session, (uid,), items))
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
    )
