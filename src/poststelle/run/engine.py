"""The engine: one process that watches every account, sends what is due and keeps the search index behind the rows.

The only place that starts loops and threads. All of its state is in the store: it learns of commits from the kernel and SQLite's
data_version (`store.commits`), of what they mean from the journal, and can be killed at any moment. While nothing happens it does next to nothing,
however many accounts there are. Its standard input is a pipe from its parent; when that ends, so does the engine. Its standard
output says ``alive`` while none of its parts has frozen; when that ends, the parent ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial

from django.conf import settings as django_settings

from poststelle.office import alarms, events, incoming, live, sending, work
from poststelle.office.actor import SYSTEM
from poststelle.office.doors import Doors, NetworkDoors
from poststelle.office.egress import rule
from poststelle.policy.scheduling import Limits, Pace
from poststelle.run.configuration import Configuration
from poststelle.run.network import BulkPlaces, PacedDoors
from poststelle.run.watcher import Town, Watcher
from poststelle.run.workshop import Workshop
from poststelle.store import disk, waiting
from poststelle.store.commits import Commits
from poststelle.store.waiting import Waiting

log = logging.getLogger(__name__)

COMMIT_REST_SECONDS, COMMITS_AT_ONCE = 0.2, 6
LOOK_ANYWAY_SECONDS = 5.0
LOOK_AT_ALL_SECONDS, LOOK_AT_HEALTH_SECONDS = 60.0, 300.0
WRITE_DOWN_SECONDS = 30.0
SET_BACK_SECONDS = 5.0
STOP_SECONDS = 3.0
FROZEN_SECONDS = 90.0
SIGN_OF_LIFE_SECONDS = 15.0
PROBE_SECONDS, WAKING_SECONDS = 5.0, 5.0
CLOCK_JUMP_SECONDS = 30.0


class Engine:
    """Watches and sends until told to stop. `heard`: called again and again while all of its parts are at work."""

    def __init__(
        self,
        doors: Doors,
        workshop: Workshop,
        poll_seconds: float,
        *,
        limits: Limits | None = None,
        suspend_after: int = 5,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        limits = limits or Limits()
        self._doors = doors
        self._shop = workshop
        self._heard = heard
        self.town = Town(
            workshop, PacedDoors(doors, Pace(limits)), limits, BulkPlaces(limits), poll_seconds, suspend_after
        )
        self._watched: dict[str, Watcher] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._forgetting: asyncio.Task[None] | None = None
        self._commits = Commits(COMMIT_REST_SECONDS, at_once=COMMITS_AT_ONCE)
        self._news = asyncio.Event()
        self._position = -1
        self._changed = self._index_is_frozen = False
        self._look_at = self._all_at = self._health_at = self._write_at = self._probe_at = 0.0
        self._drift = time.time() - time.monotonic()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Until `stop` is set. Ends within `STOP_SECONDS`; what is still at work then is only asked to end."""
        notes = asyncio.create_task(events.write_down(self._shop.write))
        watching = asyncio.create_task(self._watch())
        try:
            await self.stop.wait()
        finally:
            notes.cancel()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._end()
            if self._commits.handle is not None:
                asyncio.get_running_loop().remove_reader(self._commits.handle)
            self._commits.close()

    async def _watch(self) -> None:
        while True:
            try:
                await self._tick()
            except Exception as error:  # a database that is locked or a full disk passes; the accounts go on meanwhile
                disk.set_back(log, "engine", error)
                await asyncio.sleep(SET_BACK_SECONDS)
            # Whatever came of it, the loop and the writer have answered.
            if self._shop.index_silence < FROZEN_SECONDS:
                self._index_is_frozen = False
                self._heard()
            elif not self._index_is_frozen:
                self._index_is_frozen = True
                log.error("the index has frozen: nothing was heard of it for %.0f s", FROZEN_SECONDS)
            await self._until_something_is_to_be_done()

    async def _until_something_is_to_be_done(self) -> None:
        """Almost all of an engine's time is spent here: the kernel says when somebody writes, and nothing else is woken."""
        loop, commits = asyncio.get_running_loop(), self._commits
        while (left := min(self._look_at, self._all_at, self._write_at) - loop.time()) > 0 and not self._changed:
            if (pause := commits.due - time.monotonic()) > 0:
                await self._until_told(min(left, pause))
            else:
                self._look_for_commits()
        self._look_for_commits()

    def _look_for_commits(self) -> None:
        knew = self._commits.handle
        self._changed |= self._commits.happened()
        if (handle := self._commits.handle) is not None and handle != knew:
            asyncio.get_running_loop().add_reader(handle, self._told)

    async def _until_told(self, seconds: float) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    def _told(self) -> None:
        self._commits.heard()
        self._news.set()

    async def _end(self) -> None:
        watching, senders = [watcher.task for watcher in self._watched.values()], [*self._senders.values()]
        for task in (*watching, *self._tasks):
            task.cancel()
        # A message cut off on its way is uncertain: those that are nearly through get the time.
        await _wait(senders, STOP_SECONDS / 2)
        for task in senders:
            task.cancel()
        await _wait([*watching, *senders, *self._tasks], STOP_SECONDS / 2)
        with contextlib.suppress(Exception):
            await self._write_down()
            await self._shop.write(events.flush)

    # -- what is to be done ------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """At the start, after every commit, and every few seconds, for what is due by the clock alone."""
        now, committed = asyncio.get_running_loop().time(), False
        if now >= self._all_at:
            position = (await self._shop.write(incoming.news, max(self._position, 0))).position
            await self._arrange(None)
            self._position, self._all_at = position, now + LOOK_AT_ALL_SECONDS
            await self._shop.write(sending.settle_by_copies)
            await self._shop.write(partial(alarms.sound, SYSTEM, only_trouble=now < self._health_at))
            self._health_at = now + LOOK_AT_HEALTH_SECONDS if now >= self._health_at else self._health_at
        elif self._changed:
            self._changed = False
            self._shop.committed()
            news = await self._shop.write(incoming.news, self._position)
            if news.accounts is None or news.accounts:
                await self._arrange(news.accounts)
                self._look_at = 0.0
            self._position, committed = news.position, True
        if everything := now >= self._look_at:
            self._look_at = now + LOOK_ANYWAY_SECONDS
        if everything or committed:
            there_may_be = await self._shop.write(waiting.look)
            if there_may_be.looks:
                await self._show_what_is_wanted()
            if everything:
                await self._look_at_what_is_due(there_may_be)
                self._look_after(now)
        if now >= self._write_at:
            self._write_at = now + WRITE_DOWN_SECONDS
            await self._write_down()

    async def _arrange(self, only: Collection[str] | None) -> None:
        """Start, restart and stop watching as the settings say now: for all accounts, or only for some."""
        wanted = await self._shop.write(incoming.to_watch, only)
        for account in [*self._watched] if only is None else only:
            watcher = self._watched.get(account)
            if watcher is not None and wanted.get(account) != watcher.version:
                watcher.task.cancel()
                if account not in wanted:
                    del self._watched[account]
        for account, version in wanted.items():
            before = self._watched.get(account)
            if before is None or before.version != version or before.task.done():
                self._watched[account] = Watcher(self.town, account, version, before.task if before else None)
        for account in await self._shop.write(incoming.asked_for, only):
            if account in self._watched:
                self._watched[account].ask()

    async def _show_what_is_wanted(self) -> None:
        """Whoever wants to see a folder on its server is waiting at the screen."""
        for account in await self._shop.write(live.waiting):
            if account in self._watched:
                self._watched[account].show()
            else:
                await self._shop.write(live.failed, account)

    async def _look_at_what_is_due(self, there_may_be: Waiting) -> None:
        if there_may_be.follow_ups:
            await self._shop.write(work.remind, SYSTEM)
        for account in await self._shop.write(incoming.with_errands) if there_may_be.errands else ():
            if account in self._watched:
                self._watched[account].tell()
        for account, due in (await self._shop.write(sending.due)).items() if there_may_be.outgoing else ():
            if account not in self._senders or self._senders[account].done():
                self._senders[account] = asyncio.create_task(self._send(account, due))
        if there_may_be.removed and (self._forgetting is None or self._forgetting.done()):
            self._forgetting = self._start(incoming.forget_removed(self._shop.tools))
        back = self._drift - (time.time() - time.monotonic())
        if abs(back) > CLOCK_JUMP_SECONDS:
            log.warning("the clock was set %s by %.0f s", "back" if back > 0 else "forward", abs(back))
            if back > 0:
                await self._shop.write(incoming.clock_was_set_back, back)
            self._drift -= back

    async def _write_down(self) -> None:
        if self.town.confirmed:
            moments = dict(self.town.confirmed)
            await self._shop.write(incoming.confirmed, moments)
            self.town.confirmed.clear()

    async def _send(self, account: str, due: Sequence[str]) -> None:
        """What is due from one account, one after the other: a server that hangs delays nobody else's mail."""
        try:
            async with sending.Line(self._doors, self._shop.write) as line:
                for number in due:
                    if not self.stop.is_set():
                        await sending.send(number, line, self._shop.write)
            self._look_at = 0.0  # for what has become due meanwhile
        except Exception as error:
            disk.set_back(log, f"outbox of account {account}", error)
            await asyncio.sleep(SET_BACK_SECONDS)

    # -- who is stuck, who is becalmed -------------------------------------------------------------------------------

    def _look_after(self, now: float) -> None:
        for account, watcher in [*self._watched.items()]:
            if now <= watcher.deadline or watcher.task.done():
                continue
            log.error("account %s: nothing was heard of it while %s", account, watcher.state)
            if watcher.stuck:
                # It does not even end when told to: whoever replaces it does not wait for it.
                watcher.forgotten = True
                watcher.task.cancel()
                self._watched[account] = Watcher(self.town, account, watcher.version)
            else:
                watcher.stuck = True
                watcher.task.cancel()
                watcher.alive(2 * LOOK_ANYWAY_SECONDS)
        if self.town.becalmed and now >= self._probe_at and self.town.doors.weather.is_silent():
            self._probe_at = now + PROBE_SECONDS
            self._start(self._probe())

    async def _probe(self) -> None:
        """See whether one of the servers nobody has heard of lately can be reached; then the others can, too."""
        endpoint = random.choice([*self.town.becalmed.values()]).endpoint  # noqa: S311 - any will do
        if endpoint is None:
            return
        with contextlib.suppress(Exception):
            await self.town.doors.reach(endpoint)
            becalmed = [*self.town.becalmed.values()]
            self.town.becalmed.clear()
            loop = asyncio.get_running_loop()
            for watcher in becalmed:
                loop.call_later(random.uniform(0.0, min(WAKING_SECONDS, 0.02 * len(becalmed))), watcher.clear_up)  # noqa: S311

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _wait(tasks: Collection[asyncio.Task[None]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


async def run(doors: Doors | None = None) -> None:
    """Run an engine in this process until SIGTERM, or until standard input ends."""
    configuration: Configuration = django_settings.POSTSTELLE
    loop = asyncio.get_running_loop()
    async with Workshop() as shop:
        engine = Engine(
            doors or NetworkDoors(rule), shop, configuration.poll_seconds, limits=limits_of(configuration),
            suspend_after=configuration.suspend_after, heard=_now_and_then(lambda: _say("alive")),
        )  # fmt: skip
        loop.add_signal_handler(signal.SIGTERM, engine.stop.set)
        parent = threading.Thread(target=_until_orphaned, args=(loop, engine.stop), daemon=True)
        parent.start()
        _say("ready")
        await engine.run()


def limits_of(configuration: Configuration) -> Limits:
    """What the installation allows itself."""
    return Limits(
        configuration.bulk_connections, configuration.bulk_connections_per_host, configuration.connects_per_second,
        configuration.daily_megabytes * 10**6, cache_bytes=configuration.live_cache_megabytes * 10**6,
    )  # fmt: skip


def _now_and_then(do: Callable[[], None]) -> Callable[[], None]:
    """The same, but not more often than every `SIGN_OF_LIFE_SECONDS`."""
    latest = float("-inf")

    def perhaps() -> None:
        nonlocal latest
        if time.monotonic() - latest >= SIGN_OF_LIFE_SECONDS:
            latest = time.monotonic()
            do()

    return perhaps


def _say(word: str) -> None:
    # The parent waits for these lines.
    with contextlib.suppress(OSError):
        print(word, flush=True)  # noqa: T201


def _until_orphaned(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    loop.call_soon_threadsafe(stop.set)
