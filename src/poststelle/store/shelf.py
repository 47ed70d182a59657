"""What the sync page sees of one folder: `sync.folder.Shelf` on the tables and segments.

Laws: bytes are durable before a row names them; one batch is one transaction, the cursor inside it; twice equals once. Rows are
written by executemany: at this rate the ORM's objects would cost more than the database. Every blocking call goes through
`write` (the one writer thread) or a worker thread; the event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db import connection, transaction

from poststelle.errors import Conflict
from poststelle.mail.digest import Digest
from poststelle.mail.ports import Arrival, Cursor, RawMessage, RemoteFolder, RemoteFolderId, RemoteId, Role
from poststelle.mail.shelf import Observation, Tally
from poststelle.store import disk, places
from poststelle.store.application import Kept, apply, kept_for_good, placed_ahead, placements, sweep, unconfirmed
from poststelle.store.blobs import CACHED, Entry, Origin, Raw, Segments, Written
from poststelle.store.rows import all_rows, change, chunks, column, flags_from, marks, moment, one_row

T = TypeVar("T")
log = logging.getLogger(__name__)

ATTEMPTS_BEFORE_SETTING_ASIDE_FOR_GOOD = 3
DAY_SECONDS = 86400
_SETTLED = (
    "f.generation = f.swept AND NOT f.loss_accepted AND f.fetch_wanted_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM store_placement p WHERE p.folder_id = f.id AND p.generation = 0)"
    " AND NOT EXISTS (SELECT 1 FROM store_errand e WHERE e.target_id = f.id AND e.closed_at IS NULL AND e.outcome <> '')"
    " AND NOT EXISTS (SELECT 1 FROM store_errand e WHERE e.folder_id = f.id AND e.closed_at IS NULL"
    " AND e.outcome IN ('missed', 'sought'))"
)
_IS_SETTLED = f"SELECT {_SETTLED} FROM store_folder f WHERE f.id = %s"  # noqa: S608 - a constant
_RESTING = (
    f"SELECT f.remote_id, f.cursor FROM store_folder f WHERE f.cursor IS NOT NULL AND {_SETTLED} AND NOT EXISTS (SELECT 1"  # noqa: S608
    " FROM store_setaside s WHERE s.folder_id = f.id AND s.generation = f.generation AND s.attempts < %s)"
)


class Write(Protocol):
    """Runs a blocking function in the writer thread and awaits its result."""

    def __call__(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...


async def by_and_by(write: Write, work: Generator[None, None, T]) -> T:
    """Long work in the writer thread, a portion at a time: others get their turn between. Its value at the end."""
    done: list[T] = []

    def go_on() -> bool:
        try:
            next(work)
        except StopIteration as end:
            done.append(end.value)
        return not done

    while await write(go_on):
        pass
    return done[0]


def resting(folders: Sequence[UUID]) -> dict[RemoteFolderId, Cursor]:
    """See `mail.shelf.Desk.resting`; of these folders."""
    rows = all_rows(
        f"{_RESTING} AND f.id IN ({marks(folders)})",
        [ATTEMPTS_BEFORE_SETTING_ASIDE_FOR_GOOD, *(folder.hex for folder in folders)],
    )
    return {RemoteFolderId(remote): Cursor(cursor) for remote, cursor in rows}


Read = Callable[[Sequence[Raw]], Awaitable[Sequence[Digest]]]
"""Digests bytes in a reader process, in order."""


class Orphans:
    """Messages in segments that no row names: kept and not placed yet, or never because of a crash; adopted instead of fetched again."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._found: dict[Origin, tuple[Written, Entry]] = {}

    def look(self) -> None:
        """Find them. Run once, before anything is written, while nobody else writes."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM store_segment")
            known = {name for (name,) in cursor.fetchall()}
        for name in self._segments.names():
            if name not in known:
                try:
                    written = self._segments.index(name)
                except Conflict as error:
                    # Kept where it is: what it held is fetched again, and a person may still look into it.
                    log.warning("a segment no row knows cannot be read: %s", error)
                else:
                    self._found |= {entry.origin: (written, entry) for entry in written.entries}
        self._segments.clear_unfinished()

    def kept(self, written: Written) -> None:
        """These will be orphans if whoever keeps them does not get to placing them. What lies in the cache only never is one."""
        if not written.name.startswith(CACHED):
            self._found |= {entry.origin: (written, entry) for entry in written.entries}

    def placed(self, origins: Iterable[Origin]) -> None:
        """What came from there is named by rows."""
        for origin in origins:
            self._found.pop(origin, None)

    def find(self, origin: Origin) -> tuple[Written, Entry] | None:
        """The orphan that came from there."""
        return self._found.get(origin)

    def bytes_of(self, written: Written, entry: Entry) -> bytes:
        """Its bytes, checked."""
        return self._segments.read(written.name, entry.offset, entry.length, sha256=entry.sha256, size=entry.size)


@dataclass(frozen=True, slots=True)
class Tools:
    """What every shelf of an engine shares. `indexed` is told, after the commit, the digests of messages that are new."""

    segments: Segments
    orphans: Orphans
    write: Write
    read: Read
    indexed: Callable[[Mapping[bytes, Digest]], None]


class FolderShelf:
    """One folder. `pool`, `account` and `folder_id` are its rows' keys."""

    __slots__ = ("_account", "_id", "_pool", "_remote", "_role", "_tools", "path")

    def __init__(self, tools: Tools, pool: int, account: UUID, folder_id: UUID, remote: RemoteFolder) -> None:
        self._tools = tools
        self._pool = pool
        self._account = account
        self._id = folder_id
        self._remote = remote.id
        self._role = remote.role
        self.path = remote.path

    @property
    def id(self) -> UUID:
        return self._id

    @property
    def folder(self) -> RemoteFolderId:
        return self._remote

    @property
    def role(self) -> Role:
        return self._role

    async def cursor(self) -> Cursor | None:
        row = await self._tools.write(one_row, "SELECT cursor FROM store_folder WHERE id = %s", [self._id.hex])
        return Cursor(row[0]) if row and row[0] is not None else None

    async def held(self) -> int:
        row = await self._tools.write(one_row, "SELECT total FROM store_folder WHERE id = %s", [self._id.hex])
        return int(row[0]) if row else 0

    async def loss_accepted(self) -> bool:
        # Nothing is lost where what left the server stays here.
        row = await self._tools.write(
            one_row,
            "SELECT f.loss_accepted OR a.kind = 'fetch-only' FROM store_folder f JOIN store_account a ON a.id = f.account_id"
            " WHERE f.id = %s",
            [self._id.hex],
        )
        return bool(row and row[0])

    async def missing(self, arrivals: Sequence[Arrival]) -> Sequence[RemoteId]:
        wanted = list(dict.fromkeys(arrival.id for arrival in arrivals))
        known = set(await self._tools.write(self._known, wanted))
        return [remote for remote in wanted if remote not in known and self._orphan(remote) is None]

    async def holding(self, ids: Collection[RemoteId]) -> Sequence[RemoteId]:
        return await self._tools.write(self._held_of, list(ids))

    async def owed(self) -> Sequence[Arrival]:
        return await self._tools.write(self._owed)

    async def beyond(self, census: frozenset[RemoteId]) -> Sequence[RemoteId]:
        return await self._tools.write(self._beyond, census)

    async def unconfirmed(self) -> Sequence[RemoteId] | None:
        return await self._tools.write(unconfirmed, self._id)

    async def placed_ahead(self) -> Sequence[RemoteId]:
        return await self._tools.write(placed_ahead, self._id)

    async def is_settled(self) -> bool:
        row = await self._tools.write(one_row, _IS_SETTLED, [self._id.hex])
        return bool(row and row[0])

    async def sweep(self, gone: Collection[RemoteId]) -> Tally:
        return await self._tools.write(sweep, self._pool, self._account, self._id, gone)

    async def start_generation(self) -> int:
        return await self._tools.write(self._start_generation)

    async def keep(self, raws: Sequence[RawMessage]) -> Kept:
        kept = Kept()
        if not raws:
            return kept
        contents = await asyncio.to_thread(lambda: [hashlib.sha256(raw.raw).digest() for raw in raws])
        kept.content = {raw.id: content for raw, content in zip(raws, contents, strict=True)}
        held = await self._tools.write(self._held_contents, list(set(contents)))
        fresh = {content: raw for raw, content in zip(raws, contents, strict=True) if content not in held}
        if fresh:
            parcels = [(self._origin(raw.id), content, raw.raw) for content, raw in fresh.items()]
            written, read = await asyncio.gather(
                asyncio.to_thread(self._write, parcels),
                self._tools.read([raw.raw for raw in fresh.values()]),
            )
            self._tools.orphans.kept(written)
            kept.entries = {entry.sha256: (written, entry) for entry in written.entries}
            kept.digests = dict(zip(fresh, read, strict=True))
        return kept

    async def apply(self, seen: Observation) -> Tally:
        kept: Kept = seen.kept if seen.kept is not None else Kept()
        await self._adopt(seen.arrivals, kept)
        tally = await self._tools.write(apply, self._pool, self._account, self._id, seen, kept)
        self._tools.orphans.placed(map(self._origin, kept.content))
        self._tools.indexed(kept.digests)
        return tally

    def _write(self, parcels: Sequence[tuple[Origin, bytes, Raw]]) -> Written:
        disk.leave_room()
        return self._tools.segments.write(parcels)

    async def _adopt(self, arrivals: Iterable[Arrival], kept: Kept) -> None:
        """Add to `kept` the orphans among the arrivals."""
        found = {}
        for arrival in arrivals:
            if arrival.id not in kept.content and (orphan := self._orphan(arrival.id)):
                found[arrival.id] = orphan
        if not found:
            return
        raws = await asyncio.to_thread(lambda: [self._tools.orphans.bytes_of(*orphan) for orphan in found.values()])
        read = await self._tools.read(raws)
        for (remote, (written, entry)), one in zip(found.items(), read, strict=True):
            kept.content[remote] = entry.sha256
            kept.entries.setdefault(entry.sha256, (written, entry))
            kept.digests.setdefault(entry.sha256, one)

    def _origin(self, remote: RemoteId) -> Origin:
        return Origin(self._account.hex, self._remote, remote)

    def _orphan(self, remote: RemoteId) -> tuple[Written, Entry] | None:
        return self._tools.orphans.find(self._origin(remote))

    def _held_of(self, ids: Sequence[RemoteId]) -> list[RemoteId]:
        """What has left the folder here and not yet on the server counts: only then the server's word settles anything."""
        leaving = places.departed(self._id, ids).values()
        return [placed.remote for placed in placements(self._id, ids)] + [
            one.remote for one in leaving if not one.is_told
        ]

    def _known(self, ids: Sequence[RemoteId]) -> list[RemoteId]:
        known = [placed.remote for placed in placements(self._id, ids)] + [*places.departed(self._id, ids)]
        for some in chunks(ids):
            known += column(
                f"SELECT remote_id FROM store_setaside WHERE folder_id = %s AND attempts >= %s AND remote_id IN ({marks(some)})",  # noqa: S608
                [self._id.hex, ATTEMPTS_BEFORE_SETTING_ASIDE_FOR_GOOD, *some],
            )
        return known

    def _held_contents(self, contents: Sequence[bytes]) -> set[bytes]:
        return kept_for_good(self._pool, contents)

    def _owed(self) -> list[Arrival]:
        rows = all_rows(
            "SELECT s.remote_id, s.flags, s.received_at, s.size, s.ordinal FROM store_folder f JOIN store_setaside s"
            " ON s.folder_id = f.id AND s.generation = f.generation WHERE f.id = %s AND s.attempts < %s",
            [self._id.hex, ATTEMPTS_BEFORE_SETTING_ASIDE_FOR_GOOD],
        )
        return [
            Arrival(RemoteId(remote), flags_from(flags), moment(at), size, ordinal)
            for remote, flags, at, size, ordinal in rows
        ]

    def _beyond(self, census: frozenset[RemoteId]) -> list[RemoteId]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT p.remote_id FROM store_folder f JOIN store_placement p ON p.folder_id = f.id"
                " WHERE f.id = %s AND p.generation = f.generation"
                " AND p.remote_id NOT LIKE 'pending.%%' AND p.remote_id NOT LIKE 'local.%%'",
                [self._id.hex],
            )
            beyond = []
            while rows := cursor.fetchmany(5000):
                beyond += [RemoteId(remote) for (remote,) in rows if remote not in census]
        leaving = [one.remote for one in places.departed(self._id).values() if not one.is_told]
        return beyond + [remote for remote in leaving if remote not in census and not places.is_name(remote)]

    def _start_generation(self) -> int:
        with transaction.atomic():
            row = one_row("SELECT cursors_lost FROM store_folder WHERE id = %s AND cursor IS NOT NULL", [self._id.hex])
            if row is None:
                return 0
            now = time.time()
            # A clock set back leaves moments that lie ahead: they count for nothing.
            lost = [*(at for at in json.loads(row[0]) if now - DAY_SECONDS < at <= now), now]
            change(
                "UPDATE store_folder SET generation = generation + 1, cursor = NULL, whole = %s, cursors_lost = %s WHERE id = %s",
                [False, json.dumps(lost), self._id.hex],
            )
            return len(lost)
