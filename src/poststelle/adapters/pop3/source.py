"""A POP3 maildrop as a `Source`: one folder, no flags, and a session that sees only what was there when it began.

Law: nothing is deleted unless its id was checked again in the same session, and a deletion counts only when QUIT was answered
or a new session confirms it (Q8). The maildrop is not kept locked longer than a round needs it. A message ends with the line end POP3 puts
there, and where its server turns bare LF into CR LF, that is what is kept: the bytes are those that were sent.
This module does not know what is done with what it reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.pop3 import listing
from poststelle.adapters.pop3.listing import Entry, Listing
from poststelle.adapters.pop3.session import Limits, Session, open_session
from poststelle.errors import FolderMissing, MessageTrouble, NeedsAttention, ProtocolViolation, Trouble, TryAgain
from poststelle.mail import headers
from poststelle.mail.ports import (
    Arrival,
    Batch,
    ChangeFlags,
    Cursor,
    Delete,
    Errand,
    Outcome,
    Quota,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Role,
    Unfetchable,
)
from poststelle.mail.settings import Endpoint, Login

INBOX = RemoteFolderId("INBOX")
BATCH_BYTES = 4 * 1024 * 1024
BATCH_COUNT = 400
_PORTION = 50
_HEADER = 64 * 1024


class Pop3Source:
    """`Source` over POP3 sessions, one after the other. Made by `open_source`."""

    def __init__(self, session: Session, enter: Callable[[], Awaitable[Session]]) -> None:
        """`enter` opens another session of the same maildrop."""
        self._session: Session | None = session
        self._enter = enter
        self._entered = asyncio.get_running_loop().time()
        self._delay = session.login_delay
        self._listing: Listing | None = None
        self._reported = False
        self._ahead: dict[RemoteId, RawMessage | Unfetchable] = {}

    # -- sessions ----------------------------------------------------------------------------------------------------

    async def _look(self, *, anew: bool = False) -> tuple[Session, Listing]:
        """A session and what it sees; `anew`: what is there now."""
        if anew and self._listing is not None:
            await self._leave()
        if self._session is None:
            if (early := self._too_early()) > 0:
                raise TryAgain("server-busy", after=early, answer="LOGIN-DELAY")
            self._session = await self._enter()
            self._entered = asyncio.get_running_loop().time()
            self._delay = self._session.login_delay
        if self._listing is None:
            self._listing = await listing.take(self._session)
        return self._session, self._listing

    async def _leave(self) -> None:
        session, self._session, self._listing = self._session, None, None
        if session is not None:
            await session.close()

    def _too_early(self) -> float:
        """Seconds until the server wants to see us again."""
        return self._entered + self._delay - asyncio.get_running_loop().time()

    def _only_inbox(self, folder: RemoteFolderId) -> None:
        if folder != INBOX:
            raise FolderMissing("folder-missing", folder=folder)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def folders(self) -> Sequence[RemoteFolder]:
        """See `Source.folders`: the one there is."""
        return [RemoteFolder(INBOX, ("INBOX",), Role.INBOX, identity="pop3")]

    async def changes(self, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        """See `Source.changes`. A finished round makes the next one look in a new session, as soon as the server allows one."""
        self._only_inbox(folder)
        seen = listing.read(since)
        if (self._reported or self._session is None) and since is not None and self._too_early() > 0:
            return Batch(cursor=since)
        session, now = await self._look(anew=self._reported)
        self._reported = False
        new = [entry for entry in reversed(now.entries) if entry.digest not in seen]
        taken = await self._read_ahead(_within(new, session.limits))
        more = len(taken) < len(new)
        self._reported = not more
        if not more and self._too_early() <= 0:
            # The bytes are here already; a second session may be wanted now, to confirm a loss. Where the next log-in has to
            # wait, this session is the one there is for what follows.
            await self._leave()
        return Batch(
            cursor=listing.written(seen | {entry.digest for entry in taken} if more else now.digests),
            arrivals=[_arrival(entry, self._ahead.get(entry.id)) for entry in taken],
            census=None if more or seen <= now.digests else frozenset(now.by_id),
            remaining=len(new) - len(taken),
            more=more,
        )

    def is_current(self, folder: RemoteFolderId, since: Cursor) -> bool:
        """See `Source.is_current`; it is not known before the mailbox is locked anew."""
        del folder, since
        return False

    async def _read_ahead(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Fetch what is to be reported, as far as it fits into a batch: when a message came is written in it only."""
        self._ahead = {}
        size = 0
        for start in range(0, len(entries), _PORTION):
            portion = entries[start : start + _PORTION]
            async for answer in self._retrieve([entry.id for entry in portion]):
                self._ahead[answer.id] = answer
                size += len(answer.raw) if isinstance(answer, RawMessage) else 0
            if size > BATCH_BYTES:
                return entries[: start + _PORTION]
        return entries

    async def fetch(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        """See `Source.fetch`."""
        self._only_inbox(folder)
        still_wanted = []
        for remote in dict.fromkeys(ids):
            if (held := self._ahead.pop(remote, None)) is not None:
                yield held
            else:
                still_wanted.append(remote)
        async for answer in self._retrieve(still_wanted):
            yield answer

    async def _retrieve(self, wanted: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        while wanted:
            session, now = await self._look()
            entries: list[Entry] = []
            for remote in wanted:
                entry = now.by_id.get(remote)
                if entry is None:
                    yield Unfetchable(remote, "gone", gone=True)
                elif entry.size > session.limits.message:
                    yield Unfetchable(remote, "too-large")
                else:
                    entries.append(entry)
            done = 0
            try:
                async for body in session.bodies([entry.number for entry in entries]):
                    remote = entries[done].id
                    done += 1
                    if isinstance(body, MessageTrouble):
                        yield Unfetchable(remote, "not-delivered")
                    elif isinstance(body, Trouble):
                        raise body
                    else:
                        yield RawMessage(remote, body)
            except MessageTrouble as endless:
                # Larger than announced, and the rest of it is still on the line: only this session is lost by it.
                await self._leave()
                yield Unfetchable(entries[done].id, endless.code)
                done += 1
            wanted = [entry.id for entry in entries[done:]]

    async def census(self, folder: RemoteFolderId) -> frozenset[RemoteId]:
        """See `Source.census`."""
        self._only_inbox(folder)
        # A session keeps others out of the maildrop: what it sees is what there is.
        _, now = await self._look(anew=self._too_early() <= 0)
        return frozenset(now.by_id)

    async def describe(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> Sequence[Arrival]:
        """See `Source.describe`."""
        self._only_inbox(folder)
        session, now = await self._look()
        return await _announced(session, [now.by_id[one] for one in ids if one in now.by_id])

    async def window(self, folder: RemoteFolderId, before: Arrival | None, limit: int) -> Sequence[Arrival]:
        """See `Source.window`. Newest is what the server numbers highest."""
        self._only_inbox(folder)
        session, now = await self._look(anew=before is None)
        below = len(now.entries)
        if before is not None:
            known = now.by_id.get(before.id)
            end = known.number if known is not None else before.ordinal
            below = sum(entry.number < end for entry in now.entries)
        return await _announced(session, now.entries[max(0, below - limit) : below][::-1])

    async def search(self, folder: RemoteFolderId, words: Sequence[str], limit: int) -> Sequence[Arrival]:
        """See `Source.search`: POP3 has none."""
        del words, limit
        self._only_inbox(folder)
        raise MessageTrouble("search-unsupported")

    async def quota(self) -> Quota | None:
        """See `Source.quota`: POP3 does not say."""
        return None

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        """See `Source.wait`. POP3 reports nothing by itself, and its lock would keep others out meanwhile: this only sleeps."""
        del watched
        await self._leave()
        await asyncio.sleep(timeout)
        return None

    # -- errands -----------------------------------------------------------------------------------------------------

    async def perform(self, errand: Errand) -> Outcome:
        """See `Source.perform`. Flags are nobody's business but ours, so changing them is done by doing nothing."""
        if not isinstance(errand, (ChangeFlags, Delete)):
            raise MessageTrouble("unsupported-by-protocol", errand=type(errand).__name__)
        self._only_inbox(errand.folder)
        return await self._delete(errand.ids) if isinstance(errand, Delete) else Outcome()

    async def _delete(self, ids: Sequence[RemoteId]) -> Outcome:
        session, now = await self._look()
        entries = [now.by_id[remote] for remote in dict.fromkeys(ids) if remote in now.by_id]
        gone = frozenset(ids) - listing.ids_of(entries)
        if not entries:
            return Outcome(gone=gone)
        try:
            await self._confirm(session, entries)
            answers = await session.delete([entry.number for entry in entries])
            refused = [answer for answer in answers if isinstance(answer, Trouble)]
            doomed = [
                entry.id for entry, answer in zip(entries, answers, strict=True) if not isinstance(answer, Trouble)
            ]
            passing = next((trouble for trouble in refused if not isinstance(trouble, MessageTrouble)), None)
            if passing is not None:
                raise passing
            if doomed:
                await self._commit(session, frozenset(doomed))
        finally:
            await self._leave()
        if refused:
            raise refused[0]
        return Outcome(gone=gone)

    async def _confirm(self, session: Session, entries: Sequence[Entry]) -> None:
        """Ask the server once more, right before, what these numbers stand for. Raises ProtocolViolation("uidl-changed")."""
        named = [entry for entry in entries if listing.is_unique_id(entry.id)]
        position = 0
        async for answer in session.ask_each([b"UIDL %d" % entry.number for entry in named]):
            entry = named[position]
            position += 1
            said = "" if isinstance(answer, Trouble) else answer.decode("latin-1")
            number, _, uid = said.partition(" ")
            if number != str(entry.number) or listing.lasting(uid.strip()) != entry.id:
                raise ProtocolViolation("uidl-changed", host=session.connection.host, port=session.connection.port)

    async def _commit(self, session: Session, doomed: frozenset[RemoteId]) -> None:
        """QUIT, and where its answer is no clear yes, look whether it was done. Raises what stood in the way if it was not."""
        try:
            await session.quit()
        except Trouble as unclear:
            await self._leave()
            _, now = await self._look()
            if doomed & now.by_id.keys():
                if isinstance(unclear, MessageTrouble):
                    raise TryAgain("server-busy", answer=str(unclear.facts.get("answer", ""))) from unclear
                raise

    async def close(self) -> None:
        """See `Source.close`."""
        await self._leave()


def _within(entries: Sequence[Entry], limits: Limits) -> Sequence[Entry]:
    """As many as fit into a batch; those that will not be fetched take no room."""
    size = 0
    for position, entry in enumerate(entries):
        size += entry.size if entry.size <= limits.message else 0
        if position and (size > BATCH_BYTES or position >= BATCH_COUNT):
            return entries[:position]
    return entries


def _arrival(entry: Entry, answer: RawMessage | Unfetchable | None) -> Arrival:
    header = bytes(answer.raw[:_HEADER]) if isinstance(answer, RawMessage) else b""
    received = received_at(header.partition(b"\r\n\r\n")[0], datetime.now(UTC))
    return Arrival(entry.id, None, received, entry.size, entry.number)


async def _announced(session: Session, entries: Sequence[Entry]) -> list[Arrival]:
    """The same of messages that are not fetched, by TOP."""
    position, dates, now = 0, {}, datetime.now(UTC)
    if "TOP" in session.capable or not session.capable:
        async for header in session.headers([entry.number for entry in entries]):
            if isinstance(header, bytes):
                dates[entries[position].number] = received_at(header, now)
            elif not isinstance(header, MessageTrouble):
                raise header
            position += 1
    return [Arrival(entry.id, None, dates.get(entry.number, now), entry.size, entry.number) for entry in entries]


def received_at(header: bytes, now: datetime) -> datetime:
    """When a message with this header came: as the last server wrote on top (Received), else by its Date, else now."""
    fields, _, _ = headers.split(header)
    written = [fields.raw("received").rpartition(";")[2], fields.raw("date")]
    dates = [date for date in map(headers.date, written) if date is not None and date < now + timedelta(days=1)]
    return min(dates[0], now) if dates else now


async def open_source(
    endpoint: Endpoint, login: Login, *, egress: EgressPolicy, tls: Trust, limits: Limits | None = None
) -> Pop3Source:
    """Connect and log in. Raises `Trouble`; a way in that is no POP3 is a mistake of the caller (NeedsAttention)."""
    if endpoint.protocol != "pop3":
        raise NeedsAttention(
            "wrong-protocol", host=endpoint.host, port=endpoint.port, expected="pop3", got=endpoint.protocol
        )

    async def enter() -> Session:
        return await open_session(endpoint, login, egress=egress, tls=tls, limits=limits)

    return Pop3Source(await enter(), enter)
