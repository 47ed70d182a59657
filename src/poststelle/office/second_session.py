"""The second session of an account: what takes long (a first sync, a big catch-up) is fetched here, so that the first stays free.

It has a bounded number of places, and each day so many bytes as its provider grants. This module does not know what the first
session does meanwhile, or when to come back after trouble that lasts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from django.utils import timezone

from poststelle.errors import NeedsAttention, Trouble, TryAgain
from poststelle.mail.ports import RemoteFolderId, Source
from poststelle.mail.shelf import Shelf, Tally
from poststelle.policy import retry
from poststelle.policy.scheduling import bulk_may_go_on
from poststelle.store import rounds
from poststelle.store.shelf import Tools
from poststelle.store.ways import Access
from poststelle.sync.account import Turns
from poststelle.sync.folder import LONGEST_SILENCE

TRAFFIC_SECONDS = 5.0
ATTEMPTS_AT_A_SECOND_SESSION = 3

Turn = Callable[[str], AbstractAsyncContextManager[None]]
"""Waits until a bulk session with this server may be opened, and holds the place."""


class Opened(Protocol):
    """The account it belongs to."""

    @property
    def access(self) -> Access: ...

    @property
    def tools(self) -> Tools: ...

    @property
    def turn(self) -> Turn | None: ...

    @property
    def bytes_a_day(self) -> int | None: ...

    async def another_session(self) -> Source:
        """One more session of the same account. Raises Trouble."""
        ...


class Bulk:
    """What a second session of an account fetches, in turns, until nothing is left.

    `refused`: why the server would not have a second session; then `left` is still to be done. `tallies`: what was done. `closed`: see `Turns`.
    """

    def __init__(self, account: Opened, shelves: Sequence[Shelf]) -> None:
        self._account = account
        self._waiting = [*shelves]
        self._turns: Turns | None = None
        self.tallies: dict[str, Tally] = {}
        self.closed: set[RemoteFolderId] = set()
        self.refused: Trouble | None = None
        self.resting = False
        self._silence: asyncio.Timeout | None = None
        self.task = asyncio.create_task(self._run())

    @property
    def left(self) -> Sequence[Shelf]:
        """The folders with work left."""
        return [*self._waiting, *(self._turns.left if self._turns is not None else ())]

    def add(self, shelves: Sequence[Shelf]) -> None:
        """More folders."""
        if self._turns is not None:
            for shelf in shelves:
                self._turns.add(shelf)
        else:
            known = {shelf.folder for shelf in self._waiting}
            self._waiting += [shelf for shelf in shelves if shelf.folder not in known]

    async def _run(self) -> None:
        failures = 0
        while self._waiting:
            await self._until_tomorrow()
            before = sum(tally.bytes for tally in self.tallies.values())
            try:
                await self._some()
            except NeedsAttention:
                raise
            except Trouble as error:
                progress = sum(tally.bytes for tally in self.tallies.values()) > before
                failures = 1 if progress else failures + 1
                verdict = retry.verdict(error, failures)
                if not isinstance(verdict, retry.Wait):
                    raise
                if failures >= ATTEMPTS_AT_A_SECOND_SESSION:
                    self.refused = error
                    return
                await asyncio.sleep(verdict.seconds)

    async def _until_tomorrow(self) -> None:
        """While today's share of the provider's bytes is used up."""
        account = self._account
        while not bulk_may_go_on(
            await account.tools.write(rounds.fetched_today, account.access.account), account.bytes_a_day
        ):
            self.resting = True
            await account.tools.write(rounds.stands, account.access.account, "daily-limit")
            await asyncio.sleep(_seconds_to_midnight())
        self.resting = False

    async def _some(self) -> None:
        """Fetch until nothing is left, or today's bytes are used up."""
        account = self._account
        assert account.turn is not None  # without it nothing is handed over
        host = account.access.incoming.host if account.access.incoming else ""
        async with account.turn(host):
            source = await account.another_session()
            try:
                await source.folders()
                async with Turns(account.another_session, source, self._waiting, alive=self._heard) as turns:
                    self._turns, self._waiting = turns, []
                    try:
                        async with asyncio.timeout(LONGEST_SILENCE) as self._silence:
                            await self._take_turns(turns)
                    except TimeoutError as error:
                        raise TryAgain("no-progress") from error
                    finally:
                        self._silence = None
                        self._turns, self._waiting = None, [*turns.left]
                        self.closed |= turns.closed
                        for folder, tally in turns.tallies.items():
                            self.tallies[folder] = self.tallies.get(folder, Tally()) + tally
            finally:
                await source.close()

    def _heard(self, seconds: float) -> None:
        """It is at work; nothing need be heard of it for so long."""
        if self._silence is not None and not self._silence.expired():
            self._silence.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _take_turns(self, turns: Turns) -> None:
        account, counted, at = self._account, 0, time.monotonic()
        today = await account.tools.write(rounds.fetched_today, account.access.account)
        more = enough = True
        try:
            while more and enough:
                more = await turns.step()
                fetched = turns.fetched
                enough = bulk_may_go_on(today + fetched - counted, account.bytes_a_day)
                if time.monotonic() - at > TRAFFIC_SECONDS:
                    today = await account.tools.write(rounds.note_traffic, account.access.account, fetched - counted)
                    counted, at = fetched, time.monotonic()
            await turns.settle()
        finally:
            if turns.fetched > counted:
                # Whatever ended it: the provider has counted what it sent, also what was asked ahead.
                await account.tools.write(rounds.note_traffic, account.access.account, turns.fetched - counted)


def _seconds_to_midnight() -> float:
    now = timezone.now()
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    # Looked at again in between: clocks are set.
    return min((midnight - now).total_seconds() + 1.0, 3600.0)
