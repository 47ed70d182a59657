"""How one folder is kept in step with its server: the whole algorithm, for every protocol.

Ask what changed since the cursor, fetch what we do not hold, keep the bytes, then apply placements, flags, removals, journal
and the new cursor in one transaction; until there is no more. First sync, daily sync and recovery after a lost cursor are
these same lines. Every await may be the last one: whatever is repeated after it is harmless, because bytes are kept before
rows name them and the cursor moves only together with the rows it vouches for.

A lost cursor starts a new *generation*: what the server still has is confirmed (by its id, or by its content under a new id),
and only a finished round sweeps the rest.
A round that would remove much of a folder is believed only after a second look in a new session, and a folder that lost most
of its mail waits for a person (RELIABILITY Q4, G5).

This module does not know protocols, the store or accounts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poststelle.errors import CursorLost, NeedsAttention, SuspiciousLoss
from poststelle.mail.ports import Arrival, Batch, Cursor, RawMessage, RemoteId, Role, Source, Unfetchable
from poststelle.mail.shelf import Observation, Shelf, Tally

SECOND_LOOK_COUNT, SECOND_LOOK_SHARE, SECOND_LOOK_FLOOR = 50, 0.2, 5
PERSON_COUNT, PERSON_SHARE = 50, 0.5
RENUMBERINGS_A_DAY = 3
EXPECTED_TO_EMPTY = frozenset({Role.TRASH, Role.SPAM})
GLANCE_MESSAGES = 50
SLOWEST_LINE = 32 << 10

Alive = Callable[[float], None]
"""Told that work goes on, and for how many seconds nothing may be heard of it before it counts as stuck."""

LONGEST_SILENCE = 100.0

Got = Callable[[int], None]
"""Told how many bytes have come, as soon as they have: also of what is asked ahead and never applied."""


def nobody(_: float) -> None:
    """An `Alive` without anybody who listens."""


def uncounted(_: int) -> None:
    """A `Got` without anybody who counts."""


def nothing() -> None:
    """What follows a step where nothing does."""


class DoubtfulLoss(Exception):
    """So many messages (`gone`) have left that it takes a second look, in a new session, to believe it."""

    def __init__(self, gone: frozenset[RemoteId]) -> None:
        super().__init__(f"{len(gone)} messages gone")
        self.gone = gone


@dataclass(frozen=True, slots=True)
class _Answer:
    """One batch; what was asked for is what came after `since`. The `bytes` that came for it are being kept, and let go then."""

    since: Cursor | None
    batch: Batch
    arrivals: Sequence[Arrival]
    kept: asyncio.Task[Any] | None
    bytes: int
    unfetchable: Sequence[Unfetchable]


class FolderRound:
    """One folder brought up to date, a batch at a time.

    While a batch is applied here, the next one is already asked for, fetched and kept: the server, our disk and the rows work side
    by side. `doubted`: the messages whose loss an earlier session reported (see DoubtfulLoss). `session`: held by whichever of several
    rounds over the same source asks it something.
    """

    def __init__(
        self,
        source: Source,
        shelf: Shelf,
        *,
        doubted: frozenset[RemoteId] = frozenset(),
        alive: Alive = nobody,
        got: Got = uncounted,
        session: asyncio.Lock | None = None,
    ) -> None:
        self._source = source
        self._session = session or asyncio.Lock()
        self._shelf = shelf
        self._doubted = doubted
        self._alive, self._got = alive, got
        self._patience = 0.0
        self._ahead: asyncio.Task[_Answer] | None = None
        self._keeping: set[asyncio.Task[Any]] = set()

    def begin(self) -> None:
        """Ask for the first batch now, for a step that comes later."""
        if self._ahead is None:
            self._ahead = asyncio.create_task(self._first())

    async def step(self, *, ahead: bool = True, freed: Callable[[], None] = nothing) -> tuple[Tally, bool]:
        """One batch: what it did, and whether there is more to ask for at once. `ahead`: the next step will be this folder's too.

        `freed`: called when this folder asks for no more while the batch is applied: another may.

        Raises DoubtfulLoss and SuspiciousLoss (the removals they are about are not applied), NeedsAttention for a folder that is
        renumbered again and again, and what the source raises.
        """
        began = time.monotonic()
        self._alive(LONGEST_SILENCE + self._patience)
        try:
            answer = await self._next()
            if answer.batch.more and ahead:
                self._ahead = asyncio.create_task(self._ask(answer.batch.cursor))
            else:
                freed()
                await asyncio.sleep(0)  # its first question to the store goes before all that is applied now
            done = await self._apply(answer)
        except BaseException:
            await self.abandon()
            raise
        seconds = time.monotonic() - began
        return replace(done, bytes=answer.bytes, seconds=seconds), answer.batch.more

    async def settle(self) -> None:
        """Wait until the session is free for something else; what was asked ahead is kept for the next step, its bytes for good."""
        if self._ahead is not None:
            await asyncio.wait([self._ahead])
        if self._keeping:
            await asyncio.wait([*self._keeping])

    async def abandon(self) -> None:
        """Forget what was asked ahead. The session may be left in the middle of an answer."""
        ahead, self._ahead = self._ahead, None
        await _cancelled([ahead] if ahead is not None else [])
        # After that: what was asked may have begun to be kept just before it ended.
        await _cancelled([*self._keeping])

    async def _next(self) -> _Answer:
        ahead, self._ahead = self._ahead, None
        try:
            return await (ahead if ahead is not None else self._first())
        except CursorLost as error:
            if (times := await self._shelf.start_generation()) >= RENUMBERINGS_A_DAY:
                raise NeedsAttention("renumbered-again", folder=self._shelf.folder, times=times) from error
            return await self._ask(None)

    async def _first(self) -> _Answer:
        return await self._ask(await self._shelf.cursor())

    async def _ask(self, since: Cursor | None) -> _Answer:
        async with self._session:
            return await self._asked(since)

    async def _asked(self, since: Cursor | None) -> _Answer:
        shelf = self._shelf
        batch = await self._source.changes(shelf.folder, since)
        arrivals = [*batch.arrivals] if batch.more else [*batch.arrivals, *await shelf.owed()]
        # What is asked ahead may take its time while the batch before it is applied.
        self._patience = sum(arrival.size for arrival in arrivals) / SLOWEST_LINE
        raws, unfetchable = await fetched(self._source, shelf, arrivals, self._alive)
        self._patience, size = 0.0, sum(len(raw.raw) for raw in raws)
        self._got(size)
        return _Answer(since, batch, arrivals, self._keep(raws), size, unfetchable)

    def _keep(self, raws: Sequence[RawMessage]) -> asyncio.Task[Any] | None:
        if not raws:
            return None
        keeping = asyncio.create_task(self._shelf.keep(raws))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._done_keeping)
        return keeping

    def _done_keeping(self, keeping: asyncio.Task[Any]) -> None:
        self._keeping.discard(keeping)
        if not keeping.cancelled():
            keeping.exception()  # seen, also where the round ends before anybody asks

    async def _apply(self, answer: _Answer) -> Tally:
        batch, shelf = answer.batch, self._shelf
        self._alive(LONGEST_SILENCE + self._patience)
        if _is_nothing(answer) and await shelf.is_settled():
            return Tally()
        gone = set(await shelf.holding(batch.gone)) if batch.gone else set()
        if batch.census is not None:
            gone.update(await shelf.beyond(batch.census))
        accepted = await believed(frozenset(gone), shelf, self._doubted)
        done = await shelf.apply(
            Observation(
                cursor=batch.cursor,
                arrivals=answer.arrivals,
                kept=await (answer.kept or shelf.keep(())),
                unfetchable=answer.unfetchable,
                flags={arrival.id: arrival.flags for arrival in batch.arrivals}
                | {change.id: change.flags for change in batch.flags},
                gone=accepted,
                remaining=batch.remaining,
                whole=not batch.more,
            )
        )
        if not batch.more and (unconfirmed := await shelf.unconfirmed()) is not None:
            done += await shelf.sweep(await believed(frozenset(unconfirmed), shelf, self._doubted))
        if not batch.more and (ahead := await shelf.placed_ahead()):
            # No cursor vouches for them yet: one that left before it was reported would never be heard of again.
            async with self._session:
                there = await self._source.census(shelf.folder)
            if left := [remote for remote in ahead if remote not in there]:
                done += await shelf.apply(_aside(gone=left))
        return done


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_nothing(answer: _Answer) -> bool:
    """The folder is as it was when it was last reported whole: a cursor that says so is there already."""
    batch = answer.batch
    told = answer.arrivals or batch.flags or batch.gone or batch.census is not None
    return not told and not batch.more and batch.cursor == answer.since


async def fetched(
    source: Source, shelf: Shelf, arrivals: Sequence[Arrival], alive: Alive = nobody
) -> tuple[list[RawMessage], list[Unfetchable]]:
    """The bytes of what is not held yet, and why some did not come."""
    raws: list[RawMessage] = []
    unfetchable: list[Unfetchable] = []
    if wanted := await shelf.missing(arrivals):
        size = sum(arrival.size for arrival in arrivals)
        alive(LONGEST_SILENCE + size / SLOWEST_LINE)
        async for answer in source.fetch(shelf.folder, wanted):
            if isinstance(answer, RawMessage):
                raws.append(answer)
            else:
                unfetchable.append(answer)
    return raws, unfetchable


async def glance(source: Source, shelf: Shelf, *, alive: Alive = nobody) -> Tally:
    """Place the newest messages of a folder that some session is in the middle of, without a word about how far it was read.

    What was placed is reported in the ordinary way as well, later, and only then confirmed.
    """
    alive(LONGEST_SILENCE)
    arrivals = await source.window(shelf.folder, None, GLANCE_MESSAGES)
    raws, _ = await fetched(source, shelf, arrivals, alive)
    if not raws:
        return Tally()
    done = await shelf.apply(_aside(arrivals, await shelf.keep(raws)))
    return replace(done, bytes=sum(len(raw.raw) for raw in raws))


def _aside(arrivals: Sequence[Arrival] = (), kept: Any = None, *, gone: Collection[RemoteId] = ()) -> Observation:
    return Observation(None, arrivals, kept, (), {}, gone, 0, False)


async def sync_folder(
    source: Source,
    shelf: Shelf,
    *,
    doubted: frozenset[RemoteId] = frozenset(),
    alive: Alive = nobody,
    got: Got = uncounted,
) -> Tally:
    """Bring one folder up to date. Raises as `FolderRound.step` does."""
    round_ = FolderRound(source, shelf, doubted=doubted, alive=alive, got=got)
    tally, more = await round_.step()
    while more:
        done, more = await round_.step()
        tally += done
    return tally


async def believed(gone: frozenset[RemoteId], shelf: Shelf, doubted: frozenset[RemoteId]) -> frozenset[RemoteId]:
    """`gone`, once the loss is small, expected, seen twice, or accepted by a person."""
    if not gone or shelf.role in EXPECTED_TO_EMPTY:
        return gone
    held = await shelf.held()
    much = len(gone) > SECOND_LOOK_COUNT or SECOND_LOOK_FLOOR <= len(gone) > held * SECOND_LOOK_SHARE
    if much and not gone <= doubted:
        raise DoubtfulLoss(gone)
    if len(gone) > PERSON_COUNT and len(gone) > held * PERSON_SHARE and not await shelf.loss_accepted():
        raise SuspiciousLoss("many-messages-gone", gone=len(gone), held=held)
    return gone
