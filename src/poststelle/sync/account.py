"""How one account is kept in step: errands first, then the folders, newest first across all of them.

The newest batch of every folder comes first, the inbox's before the others'; then the inbox to its end; then the others in turns,
so that one huge folder starves none. Between two batches errands are carried out and the inbox is looked at again. What takes
long can be handed to a second session (`Turns.left`). A loss that is hard to believe is looked at once more in a session of its
own before it is applied.

This module does not know protocols, the store, or when to come back: that is the caller's, guided by `policy.retry`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from poststelle.errors import FolderMissing, TryAgain
from poststelle.mail.ports import RemoteFolderId, RemoteId, Role, Source
from poststelle.mail.shelf import Desk, Shelf, Tally
from poststelle.sync.errands import carry_out_errands
from poststelle.sync.folder import (
    Alive,
    DoubtfulLoss,
    FolderRound,
    Got,
    glance,
    nobody,
    nothing,
    sync_folder,
    uncounted,
)

S = TypeVar("S", bound=Shelf)
OpenSource = Callable[[], Awaitable[Source]]

INBOX_GLANCE_SECONDS = 1.0
TURN_SECONDS = 10.0
LOOKS_AT_A_LOSS = 3
_ORDER = {Role.INBOX: 0, Role.SENT: 1, Role.DRAFTS: 2, Role.NONE: 3, Role.ARCHIVE: 4, Role.TRASH: 5, Role.SPAM: 6}


async def sync_account(
    open_source: OpenSource, source: Source, desk: Desk, *, alive: Alive = nobody
) -> Mapping[str, Tally]:
    """One full round over `source`, which stays open. Tallies by remote folder id.

    `open_source` opens a second session where a large loss has to be confirmed.
    """
    await carry_out_errands(source, desk)
    shelves = await desk.reconcile(await source.folders())
    async with Turns(open_source, source, await restless(source, desk, shelves), alive=alive) as turns:
        await work_off(turns, desk)
        return turns.tallies


async def restless(source: Source, desk: Desk, shelves: Iterable[S]) -> list[S]:
    """Those with something to do: here or, as the server has just listed them, there."""
    resting = await desk.resting()
    return [
        shelf
        for shelf in shelves
        if (since := resting.get(shelf.folder)) is None or not source.is_current(shelf.folder, since)
    ]


async def sync_one(open_source: OpenSource, source: Source, shelf: Shelf) -> Tally:
    """Bring one folder up to date. Raises FolderMissing."""
    async with CarefulRound(open_source, source, shelf) as folder:
        tally, more = await folder.step()
        while more:
            done, more = await folder.step()
            tally += done
        return tally


async def work_off(turns: Turns, desk: Desk, *, patience: float = math.inf) -> bool:
    """Take turns until nothing is left, or patience (seconds) ends; whether nothing is left.

    The session of `turns` is the only one: between the steps it carries out errands and looks at the inbox.
    """
    began = glanced = time.monotonic()
    while await turns.step():
        now = time.monotonic()
        if now - began > patience:
            await turns.settle()
            return not turns.left
        if now - glanced > INBOX_GLANCE_SECONDS:
            await turns.settle()
            await carry_out_errands(turns.source, desk)
            await turns.look_at_the_inbox()
            glanced = time.monotonic()
    return True


class Turns:
    """Folders brought up to date over one session, a batch at a time. A context manager.

    `tallies`: what was done, by remote folder id; `fetched`: all bytes that have come, also what was asked ahead. `closed`: the
    folders the server would not open.
    `alive`: see `sync.folder.Alive`.
    """

    def __init__(
        self, open_source: OpenSource, source: Source, shelves: Iterable[Shelf] = (), *, alive: Alive = nobody
    ) -> None:
        self.source = source
        self.tallies: dict[str, Tally] = {}
        self.fetched = 0
        self.closed: set[RemoteFolderId] = set()
        self._open_source = open_source
        self._alive = alive
        self._fresh = deque(sorted(shelves, key=lambda shelf: _ORDER[shelf.role]))
        self._first: CarefulRound | None = None
        """The one whose first batch is under way: it is neither fresh nor open yet."""
        self._open: deque[CarefulRound] = deque()
        self._coming: CarefulRound | None = None
        self._session = asyncio.Lock()
        self._names = {shelf.folder for shelf in self._fresh}
        self._inbox = next((shelf for shelf in self._fresh if shelf.role is Role.INBOX), None)
        self._latest: Shelf | None = None
        self._turn_ends = 0.0

    async def __aenter__(self) -> Turns:
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._begun:
            await one.abandon()

    @property
    def left(self) -> Sequence[Shelf]:
        """The folders with work left, the next one first; also while one of them is at its first batch."""
        return [
            *([self._first.shelf] if self._first is not None else ()),
            *self._fresh,
            *(one.shelf for one in self._open),
        ]

    def __contains__(self, folder: RemoteFolderId) -> bool:
        return folder in self._names

    def add(self, shelf: Shelf) -> None:
        """One more folder, unless its turn is to come anyway."""
        if shelf.folder not in self:
            self._fresh.append(shelf)
            self._names.add(shelf.folder)

    async def step(self) -> bool:
        """One batch of the folder whose turn it is; whether anything is left. Raises what `CarefulRound.step` does."""
        if self._fresh:
            for waiting in self._open:
                await waiting.settle()
            self._first = one = self._round_of(self._fresh.popleft())
            more = await self._step(one, ahead=False, freed=self._begin_fresh)
            self._first = None
            if more:
                # The inbox goes before all others until it is whole.
                (self._open.appendleft if one.shelf.role is Role.INBOX else self._open.append)(one)
            else:
                self._names.discard(one.shelf.folder)
        elif self._open:
            await self._take_turn()
        return bool(self._fresh or self._open)

    async def _take_turn(self) -> None:
        one = self._open[0]
        if one.shelf is not self._latest:
            self._turn_ends = time.monotonic() + TURN_SECONDS
        over = time.monotonic() >= self._turn_ends and len(self._open) > 1 and one.shelf.role is not Role.INBOX
        if not await self._step(one, ahead=not over, freed=self._begin_another):
            self._open.remove(one)
            self._names.discard(one.shelf.folder)
        elif over:
            self._open.rotate(-1)

    def _round_of(self, shelf: Shelf) -> CarefulRound:
        if self._coming is not None and self._coming.shelf is shelf:
            coming, self._coming = self._coming, None
            return coming
        return CarefulRound(
            self._open_source, self.source, shelf, alive=self._alive, got=self._got, session=self._session
        )

    def _got(self, size: int) -> None:
        self.fetched += size

    def _begin_fresh(self) -> None:
        """The next folder is asked while the one before it is applied."""
        if self._fresh and self._coming is None:
            self._coming = self._round_of(self._fresh[0])
            self._coming.begin()

    def _begin_another(self) -> None:
        """The same where all have had a turn."""
        if len(self._open) > 1:
            self._open[1].begin()

    @property
    def _begun(self) -> Sequence[CarefulRound]:
        return [*self._open, *([self._coming] if self._coming is not None else ())]

    async def _step(self, one: CarefulRound, *, ahead: bool, freed: Callable[[], None]) -> bool:
        self._latest = shelf = one.shelf
        try:
            done, more = await one.step(ahead=ahead, freed=freed)
        except FolderMissing:
            self.closed.add(shelf.folder)
            await one.abandon()
            return False
        except BaseException:
            await one.abandon()
            raise
        self._count(shelf, done)
        return more

    def _count(self, shelf: Shelf, done: Tally) -> None:
        self.tallies[shelf.folder] = self.tallies.get(shelf.folder, Tally()) + done

    async def look_at_the_inbox(self) -> None:
        """What has arrived there is not to wait for the rest. The session must be settled."""
        inbox = self._inbox
        if inbox is None:
            return
        if any(one.shelf is inbox for one in self._open):
            done = await glance(self.source, inbox, alive=self._alive)
            self._got(done.bytes)
            self._count(inbox, done)
        elif inbox is not self._latest and inbox.folder not in self:
            self._fresh.appendleft(inbox)
            self._names.add(inbox.folder)

    async def settle(self) -> None:
        """Wait until the session is free for something else."""
        for one in self._begun:
            await one.settle()


class CarefulRound:
    """A `FolderRound` that looks again, in a session of its own, where a large loss has to be believed. A context manager."""

    def __init__(
        self,
        open_source: OpenSource,
        source: Source,
        shelf: Shelf,
        *,
        alive: Alive = nobody,
        got: Got = uncounted,
        session: asyncio.Lock | None = None,
    ) -> None:
        self.shelf = shelf
        self._open_source = open_source
        self._alive, self._got = alive, got
        self._round = FolderRound(source, shelf, alive=alive, got=got, session=session)

    async def __aenter__(self) -> CarefulRound:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.abandon()

    def begin(self) -> None:
        """As `FolderRound.begin`."""
        self._round.begin()

    async def step(self, *, ahead: bool = True, freed: Callable[[], None] = nothing) -> tuple[Tally, bool]:
        """As `FolderRound.step`, without DoubtfulLoss."""
        try:
            return await self._round.step(ahead=ahead, freed=freed)
        except DoubtfulLoss as loss:
            # That session brought the whole folder up to date; this one is not believed in this folder any more.
            return await self._look_again(loss.gone), False

    async def settle(self) -> None:
        """As `FolderRound.settle`."""
        await self._round.settle()

    async def abandon(self) -> None:
        """As `FolderRound.abandon`."""
        await self._round.abandon()

    async def _look_again(self, doubted: frozenset[RemoteId]) -> Tally:
        for _ in range(LOOKS_AT_A_LOSS):
            fresh = await self._open_source()
            try:
                await fresh.folders()
                return await sync_folder(fresh, self.shelf, doubted=doubted, alive=self._alive, got=self._got)
            except DoubtfulLoss as loss:
                doubted = loss.gone
            finally:
                await fresh.close()
        raise TryAgain("loss-keeps-changing")
