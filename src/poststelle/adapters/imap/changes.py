"""What changed in one folder since a cursor: the IMAP half of the port's first promise.

Law: report in rounds. A round looks at the folder once, then answers batch by batch: what is unreported, newest first; flag
changes once everything newer is reported; and what left: named by the server (RFC 7162 VANISHED) if that accounts for all
that is missing, else by a census with the last batch, if the number of messages shows that some left.
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
from itertools import islice

from poststelle.adapters.imap import command, wire
from poststelle.adapters.imap.lookup import ARRIVAL, arrival_of, metadata, remote_id, search
from poststelle.adapters.imap.numbers import Numbers
from poststelle.adapters.imap.session import Session
from poststelle.adapters.imap.verdict import Selection
from poststelle.errors import CursorLost, ProtocolViolation
from poststelle.mail.ports import Arrival, Batch, Cursor, FlagChange, RemoteId, flags_of

FIRST_BATCH = 50
BATCH = 400
BATCH_BYTES = 8 * 1024 * 1024
UNTOLD_SIZE = 256 * 1024
"""What a message is taken for whose size the server keeps to itself."""

FLAGS_PER_BATCH = 4000
MOST_VANISHED = 50_000
"""More than this is better told by a census: a server that forgot its past names every UID it does not hold."""
MOST_FLAGS = 200_000
"""In all combinations of flags there are in one folder."""
_MOST_RANGES = 16

Ranges = tuple[tuple[int, int], ...]


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
        self._left = 0
        self._census_due = False
        self._gone: list[RemoteId] = []
        # The newest first, soon; but what has come to a known folder since is mostly one batch.
        self._batch_limit = BATCH if self._before.complete else FIRST_BATCH

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
        made._left = before.count - held
        made._census_due = made._left != 0
        return made

    async def batch(self) -> Batch:
        """The next answer. The folder must be selected."""
        arrivals = await self._take_arrivals()
        newest_left = self._ahead[0][0] if self._ahead else self._unreported[-1] if self._unreported else 0
        if self._flags is None and newest_left <= self._before.top:
            self._flags = await self._list_flags()
        flags = self._take_flags()
        gone, self._gone = self._gone, []
        remaining = len(self._ahead) + len(self._unreported)
        more = remaining > 0 or bool(self._flags)
        census = None if more or not self._census_due else await self._take_census()
        if more:
            self._mark = replace(self._mark, uid_next=0, turn=secrets.token_urlsafe(6))
        else:
            self._mark = replace(self._mark, uid_next=self._uid_next, turn="")
        self.cursor = self._mark.cursor
        return Batch(self.cursor, tuple(arrivals), tuple(flags), tuple(gone), census, remaining, more)

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
                if taken and size + (arrival.size or UNTOLD_SIZE) > BATCH_BYTES:
                    break
                size += arrival.size or UNTOLD_SIZE
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
        known = await metadata(self._session, asked, ARRIVAL)
        silent = [uid for uid in asked if uid not in known]
        there = set(await search(self._session, b"UID " + command.uid_set(silent))) if silent else set()
        for uid in reversed(asked):
            told = known.get(uid) or (wire.Fetched() if uid in there else None)
            self._ahead.append((uid, arrival_of(self.uid_validity, uid, told) if told else None))

    async def _list_flags(self) -> deque[tuple[int, frozenset[str]]]:
        """Flag changes of what had been reported before this round, by mod-sequence or by listing."""
        before = self._before
        if not before.count or (self._modseq and self._modseq == before.modseq):
            return deque()
        whole = before.complete
        scope = b"1:*" if whole else b",".join(b"%d:%d" % reported for reported in before.reported)
        listed = await self._ask_flags(scope, before.modseq if self._modseq else 0)
        listed.sort(key=lambda entry: entry[0])
        listed = [entry for entry in listed if entry[0] <= self._mark.top]
        if self._modseq:
            return deque(listed)
        if whole:
            self._digest = _digest(listed)
            if _digest(entry for entry in listed if entry[0] <= before.top) == before.digest:
                return deque(entry for entry in listed if entry[0] > before.top)
        return deque(listed)

    async def _ask_flags(self, scope: bytes, since: int) -> list[tuple[int, frozenset[str]]]:
        """UIDs and flags: those that changed since a mod-sequence and, by the way, what vanished; all with 0."""
        session = self._session
        seen: dict[tuple[str, ...], frozenset[str]] = {}
        room = [MOST_FLAGS]
        listed: list[tuple[int, frozenset[str]]] = []
        vanished: list[tuple[int, int]] = []

        def keep(response: wire.Response) -> None:
            if isinstance(response, wire.Fetched) and response.uid and response.flags is not None:
                flags = seen.get(response.flags)
                if flags is None:
                    flags = seen[response.flags] = flags_of(response.flags)
                    room[0] -= len(flags)
                    if room[0] < 0:
                        raise ProtocolViolation("too-much-data", limit=MOST_FLAGS)
                listed.append((response.uid, flags))
            elif isinstance(response, Numbers) and response.name == "VANISHED" and response.earlier:
                vanished.extend(islice(response.spans, MOST_VANISHED + 1 - len(vanished)))

        asked = (b"UID FETCH", scope, b"(UID FLAGS)")
        if since and "QRESYNC" in session.enabled:
            answer = await session.attempt(*asked, b"(CHANGEDSINCE %d VANISHED)" % since, each=keep)
            if answer.condition.status == "OK":
                self._note_vanished(vanished)
                return listed
            session.distrust("QRESYNC")
        if since:
            answer = await session.attempt(*asked, b"(CHANGEDSINCE %d)" % since, each=keep)
            if answer.condition.status == "OK":
                return listed
            session.distrust("CONDSTORE")
            self._modseq = 0
        await session.command(*asked, each=keep)
        return listed

    def _note_vanished(self, spans: Sequence[tuple[int, int]]) -> None:
        """Take the server's word for what left if it accounts for all that is missing; else the census stays due."""
        known = [
            (max(low, start), min(high, end))
            for low, high in spans
            for start, end in self._before.reported
            if max(low, start) <= min(high, end)
        ]
        if len(spans) > MOST_VANISHED or sum(high - low + 1 for low, high in known) > MOST_VANISHED:
            return
        uids = {uid for low, high in known for uid in range(low, high + 1)}
        if 0 < self._left <= len(uids):
            self._gone = [remote_id(self.uid_validity, uid) for uid in sorted(uids)]
            self._census_due = False
            self._mark = replace(self._mark, count=self._mark.count - self._left)

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
