"""How the engine's connections are spread, bounded and watched: a pace per server, places for bulk sessions, the weather.

The rules are in `policy.scheduling`; here they meet the loop. This module does not know accounts' states or the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from poststelle.errors import PoststelleError
from poststelle.mail.ports import Sender, Source
from poststelle.mail.settings import Endpoint
from poststelle.office.doors import Doors
from poststelle.policy.scheduling import NETWORK, Limits, Pace, Weather, group_of
from poststelle.store.ways import Access


class BulkPlaces:
    """Places for bulk sessions: so many in all, and so many per provider. Whoever has waited longest and fits goes first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()
        self._waiting: list[tuple[str, str, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def place(self, host: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        group = group_of(host)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (group, host, turn)
        self._waiting.append(entry)
        self._admit()
        try:
            await turn
            yield
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif not turn.cancelled():
                self._taken[group] -= 1
            self._admit()

    def _admit(self) -> None:
        for entry in [*self._waiting]:
            group, host, turn = entry
            if turn.done():
                self._waiting.remove(entry)
            elif self._taken.total() < self._limits.bulk and self._taken[group] < self._limits.bulk_at(host):
                self._waiting.remove(entry)
                self._taken[group] += 1
                turn.set_result(None)


@dataclass(slots=True)
class PacedDoors:
    """Doors that open at the pace each server bears, and that notice whether anybody answers."""

    doors: Doors
    pace: Pace
    weather: Weather = field(default_factory=Weather)

    async def source(self, access: Access, *, bulk: bool = False) -> Source:
        """See `Doors.source`."""
        if access.incoming is None:
            return await self.doors.source(access)
        host = access.incoming.host
        await asyncio.sleep(self.pace.wait(host, asyncio.get_running_loop().time()))
        try:
            opened = await self.doors.source(access, bulk=bulk)
        except PoststelleError as error:
            self.noticed(host, error)
            raise
        self.weather.answered()
        return opened

    async def sender(self, access: Access) -> Sender:
        """See `Doors.sender`."""
        return await self.doors.sender(access)

    async def reach(self, endpoint: Endpoint) -> None:
        """See `Doors.reach`."""
        await self.doors.reach(endpoint)
        self.weather.answered()

    def noticed(self, host: str, error: PoststelleError) -> None:
        """Trouble with a server: either nobody answered, or it did, if not as we wished."""
        if error.code in NETWORK:
            self.weather.failed(host)
        else:
            self.weather.answered()
