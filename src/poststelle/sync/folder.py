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

import time
from dataclasses import dataclass, replace

from poststelle.errors import CursorLost, SuspiciousLoss
from poststelle.mail.ports import RawMessage, RemoteId, Role, Source, Unfetchable
from poststelle.mail.shelf import Observation, Shelf, Tally

SECOND_LOOK_COUNT, SECOND_LOOK_SHARE, SECOND_LOOK_FLOOR = 50, 0.2, 5
PERSON_COUNT, PERSON_SHARE = 50, 0.5
EXPECTED_TO_EMPTY = frozenset({Role.TRASH, Role.SPAM})


@dataclass(frozen=True, slots=True)
class DoubtfulLoss(Exception):
    """So many messages are gone that it takes a second look, in a new session, to believe it."""

    gone: frozenset[RemoteId]


async def sync_folder(source: Source, shelf: Shelf, *, doubted: frozenset[RemoteId] = frozenset()) -> Tally:
    """Bring one folder up to date. `doubted`: the messages whose loss an earlier session reported (see DoubtfulLoss)."""
    tally = Tally()
    more = True
    while more:
        done, more = await step(source, shelf, doubted=doubted)
        tally += done
    return tally


async def step(source: Source, shelf: Shelf, *, doubted: frozenset[RemoteId] = frozenset()) -> tuple[Tally, bool]:
    """One batch: what it did, and whether there is more to ask for at once.

    Raises DoubtfulLoss and SuspiciousLoss (the removals they are about are not applied), and what the source raises except CursorLost.
    """
    began = time.monotonic()
    try:
        batch = await source.changes(shelf.folder, await shelf.cursor())
    except CursorLost:
        await shelf.start_generation()
        batch = await source.changes(shelf.folder, None)
    gone = set(await shelf.holding(batch.gone)) if batch.gone else set()
    if batch.census is not None:
        gone.update(await shelf.beyond(batch.census))
    believed = await _believed(frozenset(gone), shelf, doubted)
    arrivals = [*batch.arrivals] if batch.more else [*batch.arrivals, *await shelf.owed()]
    raws: list[RawMessage] = []
    unfetchable: list[Unfetchable] = []
    wanted = await shelf.missing(arrivals)
    if wanted:
        async for answer in source.fetch(shelf.folder, wanted):
            if isinstance(answer, RawMessage):
                raws.append(answer)
            else:
                unfetchable.append(answer)
    kept = await shelf.keep(raws)
    done = await shelf.apply(
        Observation(
            cursor=batch.cursor,
            arrivals=arrivals,
            kept=kept,
            unfetchable=unfetchable,
            flags={arrival.id: arrival.flags for arrival in batch.arrivals}
            | {change.id: change.flags for change in batch.flags},
            gone=believed,
            remaining=batch.remaining,
            whole=not batch.more,
        )
    )
    if not batch.more and (unconfirmed := await shelf.unconfirmed()) is not None:
        done += await shelf.sweep(await _believed(frozenset(unconfirmed), shelf, doubted))
    seconds = time.monotonic() - began
    return replace(done, bytes=sum(len(raw.raw) for raw in raws), seconds=seconds), batch.more


async def _believed(gone: frozenset[RemoteId], shelf: Shelf, doubted: frozenset[RemoteId]) -> frozenset[RemoteId]:
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
