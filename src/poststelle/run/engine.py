"""The engine: one process that watches every account, sends what is due and keeps the search index behind the rows.

The only place that starts loops and threads. All of its state is in the store: it finds its work there (accounts to watch,
rounds asked for, errands, due mail), learns of commits by polling SQLite's data_version, and can be killed at any moment. Its
standard input is a pipe from its parent; when that ends, so does the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import sys
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.conf import settings as django_settings
from django.db import connection

from poststelle.errors import NotFound, PoststelleError, Trouble, TryAgain
from poststelle.mail.digest import Digest
from poststelle.office import incoming, sending
from poststelle.office.accounts import egress
from poststelle.office.doors import Doors, NetworkDoors
from poststelle.run.readers import Readers
from poststelle.store import search
from poststelle.store.messages import segments
from poststelle.store.shelf import Orphans, Tools

log = logging.getLogger(__name__)
T = TypeVar("T")

COMMIT_POLL_SECONDS = 0.2
LOOK_ANYWAY_SECONDS = 5.0
SET_BACK_SECONDS = 5.0
LISTEN_SECONDS = 20 * 60.0
STOP_SECONDS = 3.0
_INDEX_STOP_SECONDS = 1.0
SMALL_INDEX_BATCH, GATHER_SECONDS = 300, 0.25
_REMEMBERED_BYTES = 8 << 20
_SMALLEST_DIGEST = 1024


class Remembered:
    """Digests just read, for the index to come: spares it reading them again. Bounded; what falls out is read again."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, Digest] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self.fresh = threading.Event()

    def put(self, digests: Mapping[bytes, Digest]) -> None:
        """Called after the rows were committed."""
        with self._lock:
            for content, one in digests.items():
                # Two accounts may have got the same message at the same time.
                self._drop(content)
                self._digests[content] = one
                self._bytes += _weight(one)
            while self._bytes > _REMEMBERED_BYTES:
                self._drop(next(iter(self._digests)))
        self.fresh.set()

    def take(self, content: bytes) -> Digest | None:
        """Give it away."""
        with self._lock:
            return self._drop(content)

    def _drop(self, content: bytes) -> Digest | None:
        one = self._digests.pop(content, None)
        if one is not None:
            self._bytes -= _weight(one)
        return one


def _weight(one: Digest) -> int:
    return _SMALLEST_DIGEST + len(one.text)


class Workshop:
    """What an engine works with: the writer thread, reader processes, the index thread. An async context manager."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._readers = Readers()
        self._remembered = Remembered()
        self._stopping = threading.Event()
        self._indexer = threading.Thread(target=self._index, name="index", daemon=True)
        store = segments()
        self.tools = Tools(store, Orphans(store), self.write, self._readers.read, self._remembered.put)

    def write(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        """Run in the writer thread: the engine's one connection that writes."""
        return asyncio.get_running_loop().run_in_executor(self._writer, function, *args)

    async def __aenter__(self) -> Workshop:
        await self.write(self.tools.orphans.look)
        await self.write(incoming.engine_started)
        self._indexer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        self._remembered.fresh.set()
        await self._readers.close()
        await asyncio.to_thread(self._indexer.join, _INDEX_STOP_SECONDS)
        await self.write(_let_go)
        self._writer.shutdown(wait=True)

    def _index(self) -> None:
        writer: search.Writer | None = None
        try:
            while not self._stopping.is_set():
                self._remembered.fresh.clear()
                try:
                    writer = writer or search.Writer()
                    some = writer.index_some(self._remembered.take)
                except Exception as error:  # mail is sent and received without it; it goes on where it stopped
                    log.exception("index: set back, trying again")
                    if writer is not None:
                        writer.close()
                        writer = None
                    if search.is_damaged(error):
                        search.start_over()
                    self._stopping.wait(SET_BACK_SECONDS)
                    continue
                if not some:
                    self._remembered.fresh.wait(1.0)
                elif some < SMALL_INDEX_BATCH:
                    # A commit costs much the same for one message as for hundreds: while mail pours in, let some gather.
                    self._stopping.wait(GATHER_SECONDS)
        finally:
            if writer is not None:
                writer.close()
            connection.close()


class Engine:
    """Watches and sends until told to stop."""

    def __init__(self, doors: Doors, workshop: Workshop, poll_seconds: float) -> None:
        self._doors = doors
        self._shop = workshop
        self._poll = poll_seconds
        self._watched: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._nudges: dict[str, asyncio.Event] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._seen, self._look_at = -1, 0.0
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Until `stop` is set. Ends within `STOP_SECONDS`; what is still at work then is only asked to end."""
        try:
            while not self.stop.is_set():
                pause = COMMIT_POLL_SECONDS
                try:
                    if await self._has_news():
                        await self._arrange()
                except Exception:  # a database that is locked or a full disk passes; the accounts go on meanwhile
                    log.exception("engine: set back, trying again")
                    pause = SET_BACK_SECONDS
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), pause)
        finally:
            await self._end()

    async def _end(self) -> None:
        watching, senders = [task for _, task in self._watched.values()], [*self._senders.values()]
        for task in watching:
            task.cancel()
        # A message cut off on its way is uncertain: those that are nearly through get the time.
        await _wait(senders, STOP_SECONDS / 2)
        for task in senders:
            task.cancel()
        await _wait([*watching, *senders], STOP_SECONDS / 2)

    async def _has_news(self) -> bool:
        """At the start, after every commit anywhere, and every few seconds, for what is due by the clock alone."""
        version = await self._shop.write(_data_version)
        now = asyncio.get_running_loop().time()
        if version == self._seen and now < self._look_at:
            return False
        self._seen, self._look_at = version, now + LOOK_ANYWAY_SECONDS
        return True

    async def _arrange(self) -> None:
        wanted = await self._shop.write(incoming.to_watch)
        for account, (version, task) in [*self._watched.items()]:
            if wanted.get(account) != version:
                task.cancel()
            if task.done() or account not in wanted:
                del self._watched[account], self._nudges[account]
        for account, version in wanted.items():
            before = self._watched.get(account)
            if before is None or before[0] != version:
                self._nudges[account] = asyncio.Event()
                watching = asyncio.create_task(self._watch(account, version, before[1] if before else None))
                self._watched[account] = (version, watching)
        for account in await self._shop.write(_nudged):
            if account in self._nudges:
                self._nudges[account].set()
        for account, due in (await self._shop.write(sending.due)).items():
            if account not in self._senders or self._senders[account].done():
                self._senders[account] = asyncio.create_task(self._send(account, due))

    async def _send(self, account: str, due: Sequence[str]) -> None:
        """What is due from one account, one after the other: a server that hangs delays nobody else's mail."""
        try:
            for number in due:
                if not self.stop.is_set():
                    await sending.send(number, self._doors, self._shop.write)
            self._look_at = 0.0  # for what has become due meanwhile
        except Exception:
            log.exception("outbox of account %s: set back", account)
            await asyncio.sleep(SET_BACK_SECONDS)

    async def _watch(self, account: str, version: int, before: asyncio.Task[None] | None) -> None:
        """Keep one account in step until it is suspended, changed or removed. `before`: who watched it until now."""
        if before is not None:
            await _wait([before], STOP_SECONDS)
        while True:
            try:
                seconds = await self._until_trouble(account, version)
                if seconds is None:
                    return
                await self._nudge_or(account, seconds)
            except Exception:  # not even the trouble could be noted: the database is locked or the disk is full
                log.exception("account %s: set back", account)
                await asyncio.sleep(SET_BACK_SECONDS)

    async def _until_trouble(self, account: str, version: int) -> float | None:
        """Seconds to leave the account alone; None until a person has acted. One account's bug does not stop the others."""
        try:
            await self._stay_with(account)
        except NotFound:
            return None
        except Trouble as error:
            log.info("account %s: %s", account, error)
            trouble = error
        except PoststelleError as error:
            log.warning("account %s: %s", account, error)
            trouble = TryAgain(error.code)
            trouble.facts.update(error.facts)
        except Exception as error:
            log.exception("account %s: unexpected", account)
            trouble = TryAgain("internal-error", kind=type(error).__name__)
        return await incoming.failed(account, trouble, self._shop.tools, version=version)

    async def _stay_with(self, account: str) -> None:
        opened = await incoming.open_account(account, self._doors, self._shop.tools)
        try:
            await opened.round()
            clock = asyncio.get_running_loop().time
            rounded = clock()
            while True:
                left = rounded + self._poll - clock()
                changed = await self._listen(account, opened, min(max(left, 0.0), LISTEN_SECONDS))
                await opened.tell()
                asked = await self._shop.write(incoming.asked_for)
                if changed is None or account in asked or clock() - rounded >= self._poll:
                    await opened.round()
                    rounded = clock()
                elif changed:
                    await opened.look(changed)
        finally:
            await opened.close()

    async def _listen(self, account: str, opened: incoming.OpenAccount, seconds: float) -> frozenset[Any] | None:
        """What changed on the server, or nothing when somebody here wants something first."""
        nudge = self._nudges[account]
        if nudge.is_set():
            nudge.clear()
            return frozenset()
        listening = asyncio.create_task(opened.listen(seconds))
        nudged = asyncio.create_task(nudge.wait())
        try:
            await asyncio.wait({listening, nudged}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            nudged.cancel()
            listening.cancel()
            # Only then is the session free for something else.
            await asyncio.gather(listening, return_exceptions=True)
        nudge.clear()
        return frozenset() if listening.cancelled() else listening.result()

    async def _nudge_or(self, account: str, seconds: float) -> None:
        nudge = self._nudges[account]
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), left)
                nudge.clear()
                # Only a person's wish shortens the wait; an errand waits with the rest.
                if account in await self._shop.write(incoming.asked_for):
                    return


async def _wait(tasks: Collection[asyncio.Task[None]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


def _nudged() -> set[str]:
    return incoming.asked_for() | incoming.with_errands()


def _data_version() -> int:
    """Changes with every commit of another connection; and with our own, because a second one asks."""
    probe: sqlite3.Connection | None = getattr(_local, "probe", None)
    if probe is None:
        probe = _local.probe = sqlite3.connect(str(django_settings.DATABASES["default"]["NAME"]))
    (version,) = probe.execute("PRAGMA data_version").fetchone()
    return int(version)


def _let_go() -> None:
    """Close what the writer thread has open."""
    connection.close()
    if (probe := getattr(_local, "probe", None)) is not None:
        probe.close()


_local = threading.local()


async def run(doors: Doors | None = None) -> None:
    """Run an engine in this process until SIGTERM, or until standard input ends."""
    configuration = django_settings.POSTSTELLE
    loop = asyncio.get_running_loop()
    async with Workshop() as shop:
        engine = Engine(doors or NetworkDoors(egress()), shop, configuration.poll_seconds)
        loop.add_signal_handler(signal.SIGTERM, engine.stop.set)
        parent = threading.Thread(target=_until_orphaned, args=(loop, engine.stop), daemon=True)
        parent.start()
        print("ready", flush=True)  # noqa: T201 - the parent waits for this line
        await engine.run()


def _until_orphaned(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    loop.call_soon_threadsafe(stop.set)
