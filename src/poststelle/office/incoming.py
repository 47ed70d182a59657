"""Mail coming in, as the engine sees it: open an account, bring it up to date, listen, tell the server.

One session watches; what takes long (a first sync, a big catch-up) goes to a second one (`Bulk`), so that the first stays free for
what arrives and for what is done here. The office introduces the adapters, the sync pages and the store to each other; when to
come back is the engine's, guided by `policy.retry`. Only the system acts here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from django.utils import timezone

from poststelle.errors import Conflict, FolderMissing, NeedsAttention, Trouble
from poststelle.mail.ports import RemoteFolderId, Role, Source
from poststelle.mail.settings import AfterImport
from poststelle.mail.shelf import Shelf, Tally
from poststelle.office import events, handling, ledger
from poststelle.office.actor import SYSTEM
from poststelle.office.doors import Doors
from poststelle.office.live import look_for_doubtful
from poststelle.office.second_session import Bulk, Turn
from poststelle.policy import retry
from poststelle.policy.scheduling import Limits, bulk_may_go_on
from poststelle.store import doubts, live, mark, outbox, removal, rounds, sightings, undecided, ways
from poststelle.store.desk import AccountDesk, accounts_with_errands
from poststelle.store.rounds import News
from poststelle.store.shelf import FolderShelf, Tools, by_and_by
from poststelle.store.ways import Access
from poststelle.sync.account import Turns, restless, work_off
from poststelle.sync.errands import carry_out_errands
from poststelle.sync.folder import LONGEST_SILENCE, Alive, glance, nobody
from poststelle.sync.watch import State

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
"""After so much work in one go the watching session hands the rest to the second one."""

LOOKING_SECONDS = 10.0
"""As long as it finds nothing to fetch it looks on by itself: one more session would cost everybody more."""

LONGEST_COMPARISON = 600.0

LOOKS_FOR_DOUBTFUL = 5
"""Enough to look twice, to do what was not found, and to look for that twice."""


@dataclass(slots=True)
class OpenAccount:
    """An account with its session. Made by `open_account`; `close` it.

    `woken`: called when the second session has ended, so that whoever listens looks again. `alive`: see `sync.folder.Alive`.
    """

    access: Access
    source: Source
    desk: AccountDesk
    doors: Doors
    tools: Tools
    limits: Limits = field(default_factory=Limits)
    turn: Turn | None = None
    woken: Callable[[], None] = lambda: None
    alive: Alive = nobody
    _bulk: Bulk | None = None
    _alone: bool = False
    _left_out: frozenset[str] | None = None
    """Folders that are not fetched; None before the first round."""
    _again: frozenset[RemoteFolderId] = frozenset()
    """Folders that have changed, or were asked for, while the second session was in the middle of them."""
    _closed: frozenset[RemoteFolderId] = frozenset()
    """Folders the server lists and does not open; each is told of once in a session."""
    _report: dict[str, Tally] = field(default_factory=dict)
    _began: tuple[datetime, datetime | None] | None = None

    @property
    def is_catching_up(self) -> bool:
        """The second session is at work."""
        return self._bulk is not None

    async def round(self, *, routine: bool = False) -> Sequence[dict[str, object]] | None:
        """Errands and all folders; its report, one entry per folder that can hold messages. Raises Trouble.

        `routine`: nobody waits for it, so that nothing need be noted where nothing has happened. None: a second session goes on
        with it, and the round ends when that has ended (`settle`).
        """
        wish = None if routine else await self.tools.write(rounds.started, self.access.account, State.CATCHING_UP)
        if self._began is None:
            self._began, self._report = (timezone.now(), wish), {}
        elif wish is not None:
            # Whoever asked while the second session was at work is answered when all folders have been looked at after it.
            self._began = (self._began[0], wish)
        await self._carry_out()
        self.alive(LONGEST_SILENCE)
        await self.desk.reconcile(await self.source.folders())
        await self._choose()
        wanted = self._wanted()
        await live.settle_in(self.tools, [shelf.id for shelf in wanted], lambda: self.alive(LONGEST_SILENCE))
        if not routine:
            # Whoever asks now wants to know what is there now, not what was when the second session looked.
            self._again |= frozenset(self._fetching())
        await self._bring_up(await restless(self.source, self.desk, wanted))
        return None if self._bulk is not None else await self._whole(noted=not routine)

    @property
    def is_told_everything(self) -> bool:
        """The server reports changes in every folder by itself, so that rounds are for safety only."""
        return bool(getattr(self.source, "tells_everything", False))

    async def listen(self, timeout: float) -> frozenset[RemoteFolderId] | None:
        """Sleep until the server reports something (see `Source.wait`); the inbox is watched. May be cancelled."""
        inbox = next((shelf for shelf in self.desk.shelves if shelf.role is Role.INBOX), None)
        if inbox is None:
            await asyncio.sleep(timeout)
            return None
        return await self.source.wait(inbox.folder, timeout)

    async def look(self, folders: Collection[RemoteFolderId]) -> bool:
        """Bring these folders up to date; all, where one of them is no longer there. Whether there was new mail. Raises Trouble."""
        if self._left_out is not None:
            await self._choose()  # somebody may have decided otherwise since the last round
        mine, busy = [shelf for shelf in self._wanted() if shelf.folder in folders], self._fetching()
        found = False
        try:
            for shelf in mine:
                if shelf.folder in busy:
                    self._again |= {shelf.folder}
                    done = await glance(self.source, shelf, alive=self.alive)
                    await self._count(done.bytes)
                    found |= done.new > 0
            found |= await self._bring_up(mine)
        except FolderMissing:
            await self.round()
        return found

    async def tell(self) -> None:
        """Carry out what was changed here, and fetch at once what that put into folders. Raises Trouble."""
        if filled := await self._carry_out():
            await self.look(filled)

    async def _carry_out(self) -> frozenset[RemoteFolderId]:
        """What was changed here, and a look for what nobody else would see; the folders that got messages by it."""
        filled = await carry_out_errands(self.source, self.desk)
        for _ in range(LOOKS_FOR_DOUBTFUL):
            if not await look_for_doubtful(self):
                break
            filled |= await carry_out_errands(self.source, self.desk)
        return filled

    def is_fetching(self, folder: RemoteFolderId) -> bool:
        """The second session is in the middle of that folder."""
        return folder in self._fetching()

    async def settle(self) -> bool:
        """Where the second session has ended, the round it was part of ends too; whether all is in step. Raises its Trouble."""
        bulk = self._bulk
        if bulk is None or not bulk.task.done():
            return bulk is None
        self._bulk = None
        for folder, tally in bulk.tallies.items():
            self._report[folder] = self._report.get(folder, Tally()) + tally
        self._tell_closed(bulk.closed)
        again, self._again = self._again, frozenset()
        if bulk.refused is None:
            bulk.task.result()
        else:
            # The server lets us have this one session: what is left goes over it, with looks at the inbox between.
            self._alone = True
            again |= {shelf.folder for shelf in bulk.left}
        await self._bring_up([shelf for shelf in self._wanted() if shelf.folder in again])
        return self._bulk is None and await self._whole(noted=self._began is not None) is not None

    async def close(self) -> None:
        """Hang up. Never raises."""
        if self._bulk is not None:
            self._bulk.task.cancel()
            await asyncio.gather(self._bulk.task, return_exceptions=True)
            self._bulk = None
        await self.source.close()

    async def _tidy_server(self) -> None:
        """Take off the server what the settings want off it, now that it is kept here."""
        if self.access.receiving.after_import is AfterImport.LEAVE:
            return
        ordered = 0
        while some := await self.tools.write(handling.tidy_server, SYSTEM, self.access.account):
            ordered += some
            self.alive(LONGEST_SILENCE)
        if ordered:
            await carry_out_errands(self.source, self.desk)

    async def _choose(self) -> None:
        """See which folders are fetched."""
        left_out = partial(rounds.left_out, receiving=self.access.receiving)
        self._left_out = frozenset(await self.tools.write(left_out, self.access.account))

    def _fetching(self) -> Collection[RemoteFolderId]:
        """The folders the second session is to bring up to date."""
        return {shelf.folder for shelf in self._bulk.left} if self._bulk is not None else ()

    def _wanted(self) -> list[FolderShelf]:
        """The folders that are fetched; of an account that is only looked at, those somebody wants fetched once."""
        left_out = self._left_out
        return [shelf for shelf in self.desk.shelves if shelf.folder not in left_out] if left_out is not None else []

    async def _bring_up(self, shelves: Sequence[Shelf]) -> bool:
        """Whether that brought new mail."""
        busy = self._fetching()
        mine = [shelf for shelf in shelves if shelf.folder not in busy]
        alone = self.turn is None or self._alone
        patience = PATIENCE_SECONDS if not alone or self.bytes_a_day is not None else float("inf")
        async with Turns(self.another_session, self.source, mine, alive=self.alive) as turns:
            try:
                looks_until = asyncio.get_running_loop().time() + LOOKING_SECONDS
                while not await work_off(turns, self.desk, patience=patience):
                    only_looks = not turns.fetched and asyncio.get_running_loop().time() < looks_until
                    if not only_looks and not (alone and await self._may_go_on(turns)):
                        break
            finally:
                for folder, tally in turns.tallies.items():
                    self._report[folder] = self._report.get(folder, Tally()) + tally
                self._tell_closed(turns.closed)
                await self._count(turns.fetched)
            if turns.left and not alone:
                self._hand_over(turns.left)
            return any(tally.new for tally in turns.tallies.values())

    def _tell_closed(self, closed: Collection[RemoteFolderId]) -> None:
        """What is not fetched because the server will not have it is not to be missing without a word."""
        for shelf in self.desk.shelves:
            if shelf.folder in closed and shelf.folder not in self._closed:
                events.closed(self.access.account, shelf.path)
        self._closed |= frozenset(closed)

    async def _may_go_on(self, turns: Turns) -> bool:
        """Whether there are bytes left for today; what is left undone without them is the next round's."""
        today = await self.tools.write(rounds.fetched_today, self.access.account)
        return bulk_may_go_on(today + turns.fetched, self.bytes_a_day)

    def _hand_over(self, shelves: Sequence[Shelf]) -> None:
        if self._bulk is None:
            self._bulk = Bulk(self, shelves)
            self._bulk.task.add_done_callback(lambda _: self.woken())
        else:
            self._bulk.add(shelves)

    async def _whole(self, *, noted: bool) -> Sequence[dict[str, object]]:
        """All folders have been looked at."""
        if self.access.receiving.background and await self.tools.write(ledger.due, self.access.account):
            self.alive(LONGEST_COMPARISON)
            await ledger.compare(self)
        await self._choose()  # what was to be fetched once has been
        await self._tidy_server()
        began, wish = self._began or (timezone.now(), None)
        report = [_entry(shelf, self._report.get(shelf.folder, Tally())) for shelf in self.desk.shelves]
        if noted or any(tally.new or tally.changed or tally.removed for tally in self._report.values()):
            state = State.WATCHING if self.access.receiving.background else State.LIVE
            finish = partial(rounds.finished, state=state, answers=wish)
            await self.tools.write(finish, self.access.account, report, began)
            events.round_done(self.access.account, report)
        self._began, self._report = None, {}
        return report

    async def _count(self, fetched: int) -> None:
        if fetched:
            await self.tools.write(rounds.note_traffic, self.access.account, fetched)

    async def another_session(self) -> Source:
        """One more session of the same account, to fetch much or to look again. Raises Trouble."""
        async with events.watching(self.access.account, "incoming", self.tools.write):
            return await self.doors.source(self.access, bulk=True)

    @property
    def bytes_a_day(self) -> int | None:
        """How much may be fetched for this account in a day."""
        way_in = self.access.incoming
        return self.limits.bytes_a_day(way_in.host, way_in.protocol) if way_in else None


async def open_account(
    account: str, doors: Doors, tools: Tools, *, access: Access | None = None, limits: Limits | None = None,
    turn: Turn | None = None, woken: Callable[[], None] | None = None, alive: Alive = nobody,
) -> OpenAccount:  # fmt: skip
    """Connect and log in. Without `turn` everything goes over one session. Raises Trouble, NotFound."""
    access = access or await access_of(account, tools)
    async with events.watching(account, "incoming", tools.write):
        source = await doors.source(access)
    desk = AccountDesk(tools, access.pool, UUID(account))
    return OpenAccount(access, source, desk, doors, tools, limits or Limits(), turn, woken or (lambda: None), alive)


async def access_of(account: str, tools: Tools) -> Access:
    """How to get into the mailbox. Raises NotFound, NeedsAttention."""
    try:
        return await tools.write(ways.way_in_of, account)
    except Conflict as error:
        raise NeedsAttention(error.code) from error


async def failed(
    account: str,
    error: Trouble,
    tools: Tools,
    *,
    version: int | None = None,
    everywhere: bool = False,
    limit: int = retry.FAILURES_TO_SUSPEND,
) -> retry.Verdict:
    """Note the failure; what follows from it.

    `version`: of the settings it failed with, where they may have been changed since. `everywhere`: all servers fail just now.
    `limit`: failures that suspend.
    """
    past = await tools.write(rounds.failures_of, account)
    verdict = retry.verdict(error, past.count + 1, failing_for=past.seconds, everywhere=everywhere, limit=limit)
    suspended = isinstance(verdict, retry.Suspend)
    seconds = verdict.again_after if isinstance(verdict, retry.Suspend) else verdict.seconds
    note = partial(rounds.failed, version=version, suspended=suspended, counts=not everywhere)
    await tools.write(note, account, error, seconds)
    events.troubled(account, error, seconds=seconds, suspended=suspended)
    return verdict


def engine_started() -> None:
    """Clear what a killed engine left: running rounds, messages caught while being sent.

    In data that was restored or copied, what seems still to do may have been done: mail is held for a person, copies are looked for.
    """
    as_of = undecided.latest_change()
    rounds.engine_started()
    outbox.engine_started()
    if not mark.fits():
        if count := undecided.hold(SYSTEM.name, as_of):
            log.warning(
                "this data was restored or copied: %d messages of the outbox are held (poststelle outbox list)", count
            )
        sightings.doubt_all()
        mark.renew()


async def forget_removed(tools: Tools) -> None:
    """Go on with what is left of removed accounts."""
    await by_and_by(tools.write, removal.forgotten())


def to_watch(only: Collection[str] | None = None) -> Mapping[str, int]:
    """Active accounts that receive: id and settings version."""
    return rounds.to_watch(only)


def news(since: int) -> News:
    """Whose accounts have been changed, or have something to do, since that position of the journal."""
    return rounds.news(since)


def asked_for(only: Collection[str] | None = None) -> set[str]:
    """Accounts somebody wants a round of now."""
    return rounds.waiting(only)


def with_errands() -> set[str]:
    """Accounts whose server has still to be told something, or asked what became of it where no round looks."""
    return accounts_with_errands() | doubts.accounts()


def stands(account: str, state: State) -> None:
    """Note where the account stands."""
    rounds.stands(account, state)


def rest_of(account: str) -> float:
    """Seconds a suspended account is still to be left alone."""
    return rounds.rest_of(account)


def confirmed(moments: Mapping[str, datetime]) -> None:
    """These accounts were in step at these moments."""
    rounds.confirmed(moments)


def clock_was_set_back(seconds: float) -> None:
    """The clock stands so many seconds earlier than it did."""
    rounds.clock_was_set_back(seconds)


def _entry(shelf: FolderShelf, tally: Tally) -> dict[str, object]:
    return {
        "folder": "/".join(shelf.path), "new": tally.new, "changed": tally.changed, "removed": tally.removed,
        "set_aside": tally.set_aside, "bytes": tally.bytes, "seconds": round(tally.seconds, 3),
    }  # fmt: skip
