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
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.conf import settings as django_settings
from django.db import connection

from poststelle.errors import Conflict, NotFound, PoststelleError, Trouble, TryAgain
from poststelle.mail.digest import Digest
from poststelle.office import incoming, sending
from poststelle.office.accounts import egress
from poststelle.office.doors import Doors, NetworkDoors
from poststelle.run.readers import Readers
from poststelle.store.messages import segments
from poststelle.store.search import Writer
from poststelle.store.shelf import Orphans, Tools

log = logging.getLogger(__name__)
T = TypeVar("T")

COMMIT_POLL_SECONDS = 0.2
LISTEN_SECONDS = 20 * 60.0
STOP_SECONDS = 4.0
_REMEMBERED_BYTES = 32 << 20


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
                self._digests[content] = one
                self._bytes += len(one.text)
            while self._bytes > _REMEMBERED_BYTES:
                _, dropped = self._digests.popitem(last=False)
                self._bytes -= len(dropped.text)
        self.fresh.set()

    def take(self, content: bytes) -> Digest | None:
        """Give it away."""
        with self._lock:
            one = self._digests.pop(content, None)
            if one is not None:
                self._bytes -= len(one.text)
            return one


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
        await asyncio.to_thread(self._indexer.join, STOP_SECONDS)
        self._writer.shutdown(wait=True)

    def _index(self) -> None:
        writer = Writer()
        try:
            while not self._stopping.is_set():
                self._remembered.fresh.clear()
                try:
                    some = writer.index_some(self._remembered.take)
                except (PoststelleError, sqlite3.Error):
                    log.exception("index: set back, trying again")
                    some = 0
                    self._stopping.wait(5)
                if not some:
                    self._remembered.fresh.wait(1.0)
        finally:
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
        self._post = asyncio.Event()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Until `stop` is set."""
        sender = asyncio.create_task(self._send())
        try:
            async for _ in self._commits():
                await self._arrange()
        finally:
            tasks = [sender, *(task for _, task in self._watched.values())]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    async def _commits(self) -> AsyncIterator[None]:
        """Once at the start, then after every commit anywhere, and at least every few seconds."""
        seen, quiet = -1, 0.0
        while not self.stop.is_set():
            version = await self._shop.write(_data_version)
            quiet += COMMIT_POLL_SECONDS
            if version != seen or quiet > 5:
                seen, quiet = version, 0.0
                yield
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), COMMIT_POLL_SECONDS)

    async def _arrange(self) -> None:
        wanted = await self._shop.write(incoming.to_watch)
        for account, (version, task) in [*self._watched.items()]:
            if wanted.get(account) != version or task.done():
                task.cancel()
                del self._watched[account]
        for account, version in wanted.items():
            if account not in self._watched:
                self._nudges[account] = asyncio.Event()
                self._watched[account] = (version, asyncio.create_task(self._watch(account)))
        for account in await self._shop.write(_nudged):
            if account in self._nudges:
                self._nudges[account].set()
        self._post.set()

    async def _watch(self, account: str) -> None:
        """Keep one account in step until it is suspended, changed or removed."""
        while True:
            try:
                await self._stay_with(account)
            except Trouble as error:
                log.info("account %s: %s", account, error)
                seconds = await incoming.failed(account, error, self._shop.tools)
            except (NotFound, Conflict) as error:
                log.warning("account %s: %s", account, error)
                return
            except Exception as error:  # one account's bug must not stop the others
                log.exception("account %s: unexpected", account)
                seconds = await incoming.failed(
                    account, TryAgain("internal-error", kind=type(error).__name__), self._shop.tools
                )
            if seconds is None:
                return
            await self._nudge_or(account, seconds)

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
        listening = asyncio.ensure_future(opened.listen(seconds))
        nudged = asyncio.ensure_future(nudge.wait())
        try:
            await asyncio.wait({listening, nudged}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                return listening.result()
            nudge.clear()
            return frozenset()
        finally:
            nudged.cancel()
            if not listening.done():
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening

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

    async def _send(self) -> None:
        while True:
            self._post.clear()
            try:
                await sending.send_due(self._doors, self._shop.write)
            except Exception:  # the outbox goes on whatever one message did
                log.exception("outbox: unexpected")
                await asyncio.sleep(5)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._post.wait(), 5)


def _nudged() -> set[str]:
    return incoming.asked_for() | incoming.with_errands()


def _data_version() -> int:
    """Changes with every commit of another connection; and with our own, because a second one asks."""
    probe: sqlite3.Connection | None = getattr(_local, "probe", None)
    if probe is None:
        probe = _local.probe = sqlite3.connect(str(django_settings.DATABASES["default"]["NAME"]))
    (version,) = probe.execute("PRAGMA data_version").fetchone()
    return int(version)


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
