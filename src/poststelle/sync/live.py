"""A look at a folder that is not fetched: what the server shows of it now, placed a few messages at a time.

What is seen first is what is newest. What lies here and was not shown where it should have been is counted on the server before it
goes. This module does not know protocols, the store, or who wants to see it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from poststelle.errors import SuspiciousLoss
from poststelle.mail.ports import Arrival, RemoteId, Source, Unfetchable
from poststelle.mail.shelf import Observation, Shelf, Tally
from poststelle.sync.folder import LONGEST_SILENCE, Alive, DoubtfulLoss, believed, fetched, nobody

WINDOW = 50
_AT_ONCE, _BYTES_AT_ONCE = 20, 2 << 20


class Cache(Shelf, Protocol):
    """A shelf for what is looked at only."""

    async def beside(self, shown: Sequence[Arrival], *, below: int | None, whole: bool) -> Sequence[RemoteId]:
        """What lies here and was not shown in that part of the folder: below an ordinal (None: from the newest on), down to the last
        one shown, or (`whole`) to the folder's end."""
        ...

    async def lasting(self, ids: Collection[RemoteId]) -> Sequence[RemoteId]:
        """Those of these that are kept for good."""
        ...


async def window(
    source: Source, shelf: Cache, before: Arrival | None, *, largest: int, alive: Alive = nobody
) -> tuple[Sequence[Arrival], Tally]:
    """The newest messages, or those behind `before`; what left the server meanwhile goes. Raises what the source raises.

    `largest`: bytes; bigger messages are set aside.
    """
    alive(LONGEST_SILENCE)
    shown = await source.window(shelf.folder, before, WINDOW)
    below = before.ordinal if before is not None else None
    gone = frozenset(await shelf.beside(shown, below=below, whole=len(shown) < WINDOW))
    if gone:
        gone -= await source.census(shelf.folder)
    lasting = frozenset(await shelf.lasting(gone))
    try:
        gone = gone - lasting | await believed(lasting, shelf, frozenset())
    except (DoubtfulLoss, SuspiciousLoss):
        # Whether so much is really gone is found out when the folder is fetched.
        gone -= lasting
    return shown, await _place(source, shelf, shown, gone, largest, alive)


async def newest(source: Source, shelf: Cache, sizes: Collection[int], *, largest: int, alive: Alive = nobody) -> None:
    """Place those of the newest messages that have one of these sizes. Raises what the source raises."""
    alive(LONGEST_SILENCE)
    shown = [one for one in await source.window(shelf.folder, None, WINDOW) if one.size in sizes]
    await _place(source, shelf, shown, frozenset(), largest, alive)


async def search(
    source: Source, shelf: Cache, words: Sequence[str], *, largest: int, alive: Alive = nobody
) -> tuple[Sequence[Arrival], Tally]:
    """What the server finds. Raises what the source raises."""
    alive(LONGEST_SILENCE)
    shown = await source.search(shelf.folder, words, WINDOW)
    return shown, await _place(source, shelf, shown, frozenset(), largest, alive)


async def _place(
    source: Source, shelf: Cache, shown: Sequence[Arrival], gone: frozenset[RemoteId], largest: int, alive: Alive
) -> Tally:
    flags = {arrival.id: arrival.flags for arrival in shown}
    # What is here already is brought up to date at once, whatever there is to fetch.
    done = await shelf.apply(Observation(None, shown, None, (), flags, gone, 0, False))
    missing = set(await shelf.missing(shown))
    too_large = [one for one in shown if one.id in missing and one.size > largest]
    wanted = [one for one in shown if one.id in missing and one.size <= largest]
    for some in _portions(wanted):
        raws, unfetchable = await fetched(source, shelf, some, alive)
        kept = await shelf.keep(raws)
        tally = await shelf.apply(Observation(None, some, kept, unfetchable, {}, (), 0, False))
        done += replace(tally, bytes=sum(len(raw.raw) for raw in raws))
    if too_large:
        aside = [Unfetchable(one.id, "too-large") for one in too_large]
        done += await shelf.apply(Observation(None, too_large, None, aside, {}, (), 0, False))
    return done


def _portions(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    some: list[Arrival] = []
    for arrival in arrivals:
        if some and (len(some) >= _AT_ONCE or sum(one.size for one in some) + arrival.size > _BYTES_AT_ONCE):
            yield some
            some = []
        some.append(arrival)
    if some:
        yield some
