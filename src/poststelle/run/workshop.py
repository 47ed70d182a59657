"""What an engine works with: the one thread that writes, the processes that read mail, what keeps the search index.

This module does not know accounts or when anything is to be done.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection

from poststelle.mail.digest import Digest
from poststelle.office import incoming
from poststelle.run.attachments import Attachments
from poststelle.run.indexing import Indexing
from poststelle.run.readers import Readers
from poststelle.store import cache, correspondents, disk, index, threads
from poststelle.store.index_file import Document, is_damaged
from poststelle.store.messages import segments
from poststelle.store.shelf import Orphans, Tools

log = logging.getLogger(__name__)
T = TypeVar("T")

SET_BACK_SECONDS = 5.0
LOOK_ANYWAY_SECONDS = 20.0
_INDEX_STOP_SECONDS = 1.0
SMALL_INDEX_BATCH, GATHER_SECONDS, GATHER_FACTOR = 1000, 1.0, 4.0
POLL_SECONDS = 0.05
_YOUNG_OBJECTS = 10_000
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
    return _SMALLEST_DIGEST + len(one.text) + len(one.more)


class Workshop:
    """What an engine works with: the writer thread, reader processes, the index thread. An async context manager."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._readers = Readers()
        self._remembered = Remembered()
        self._stopping = threading.Event()
        self._pressed = threading.Event()
        self._index_seen = time.monotonic()
        self._indexing = Indexing()
        self._indexer = threading.Thread(target=self._index, name="index", daemon=True)
        self._attachments = Attachments()
        store = segments()
        self.tools = Tools(store, Orphans(store), self.write, self._readers.read, self._remembered.put)

    def write(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        """Run in the writer thread: the engine's one connection that writes."""
        return asyncio.get_running_loop().run_in_executor(self._writer, function, *args)

    def committed(self) -> None:
        """Somebody has committed something: there may be messages to index."""
        self._remembered.fresh.set()

    async def indexed(self) -> None:
        """Once everything kept can be found. From now on nothing is gathered any more."""
        self._pressed.set()
        await asyncio.to_thread(_wait_for_the_index)

    @property
    def index_silence(self) -> float:
        """Seconds since the index thread was last seen at work or at rest."""
        return time.monotonic() - self._index_seen

    async def __aenter__(self) -> Workshop:
        _settle_down()
        await self.write(self.tools.orphans.look)
        await self.write(cache.clear_leftovers, self.tools.segments)
        await self.write(incoming.engine_started)
        self._indexer.start()
        self._attachments.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        self._remembered.fresh.set()
        self._pressed.set()
        await self._readers.close()
        await asyncio.to_thread(self._attachments.stop, _INDEX_STOP_SECONDS)
        await asyncio.to_thread(self._indexer.join, _INDEX_STOP_SECONDS)
        self._indexing.stop()
        await self.write(_let_go)
        self._writer.shutdown(wait=True)

    def _index(self) -> None:
        writer: index.Writer | None = None
        try:
            while not self._stopping.is_set():
                self._index_seen = time.monotonic()
                self._remembered.fresh.clear()
                try:
                    writer = writer or index.Writer(put_many=self._put_many)
                    indexed = some = writer.index_some(self._remembered.take)
                    if not some and threads.is_behind():
                        some = self._writer.submit(threads.catch_up).result()
                    if not some and correspondents.is_behind():
                        some = self._writer.submit(correspondents.catch_up).result()
                except Exception as error:  # mail is sent and received without it; it goes on where it stopped
                    if not self._stopping.is_set():
                        disk.set_back(log, "index", error)
                    self._indexing.close()
                    if writer is not None:
                        writer.close()
                        writer = None
                    if is_damaged(error):
                        index.start_over()
                    self._stopping.wait(SET_BACK_SECONDS)
                    continue
                if indexed:
                    self._attachments.look(many=indexed >= index.MANY)
                if not some:
                    self._remembered.fresh.wait(LOOK_ANYWAY_SECONDS)
                elif some < SMALL_INDEX_BATCH:
                    # A commit costs much the same for one message as for hundreds: while mail pours in, let some gather, a few
                    # times as long as these have taken. What is only caught up on does not keep new mail waiting.
                    sooner = self._pressed if indexed else self._remembered.fresh
                    sooner.wait(min(GATHER_FACTOR * (time.monotonic() - self._index_seen), GATHER_SECONDS))
        finally:
            self._indexing.close()
            if writer is not None:
                writer.close()
            connection.close()

    def _put_many(self, documents: Sequence[Document], upto: int) -> None:
        self._indexing.put(index.file(), documents, upto)


def _wait_for_the_index() -> None:
    while index.behind():
        time.sleep(POLL_SECONDS)


def _settle_down() -> None:
    """What was loaded stays, so nobody need search it for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def _let_go() -> None:
    """Close what the writer thread has open."""
    connection.close()
