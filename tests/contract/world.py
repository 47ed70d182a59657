"""A mailbox as the contract sees it: from the server's side (`World`), and as the least that a reader of batches does (`Follower`).

Law: nothing here knows an adapter.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

from poststelle.errors import CursorLost, TryAgain
from poststelle.mail.ports import (
    ANSWERED,
    FLAGGED,
    SEEN,
    Arrival,
    Batch,
    Cursor,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Source,
    Unfetchable,
)

Path = tuple[str, ...]
INBOX: Path = ("INBOX",)
FILES: Path = ("Akten",)
Held = tuple[bytes, frozenset[str]]
"""A message in a folder: its bytes and flags."""

ODD_NAMES = (
    "Müller & Söhne",
    "Prüfung – Größe",
    "& allein",
    "&-",
    'Der "Fall"',
    "rück\\wärts",
    "eckig [1] (rund) {2}",
    "Stern*chen %prozent",
    "Ein/Aus",
    "Punkt.Komma",
    "Post 📬 hier",
    "日本語",
    "~Tilde",
    "INBOX-Kopie",
    "inbox & co",
)


class World(Protocol):
    """A mailbox seen from the server's side: what other clients and other people do to it."""

    place: Path
    """The folder that histories are played in: one of its own, or the only one there is."""

    keeps_flags: bool
    """Whether the server remembers flags."""

    impossible_names: frozenset[str]
    """Those of ODD_NAMES that this kind of server does not let anybody give to a folder."""

    histories: int
    """How many random histories to play here; more where they are cheap."""

    tells_new_ids: bool
    """Whether it says where moved, copied and appended messages lie."""

    tells_identities: bool
    """Whether a listing says what stays when a folder is renamed."""

    big_batch: int
    """How many messages an errand names at most in these tests."""

    async def deliver(
        self, raw: bytes, *, path: Path = INBOX, flags: Sequence[str] = (), received_at: datetime | None = None
    ) -> None: ...

    async def set_flags(self, path: Path, message_id: str, flags: Sequence[str]) -> None: ...

    async def remove(self, path: Path, message_id: str) -> None: ...

    async def create_folder(self, path: Path) -> None: ...

    async def remove_folder(self, path: Path) -> None: ...

    async def renumber(self, path: Path) -> None:
        """Give the folder a new UIDVALIDITY, or whatever makes this kind of server forget."""
        ...

    async def contents(self, path: Path = INBOX) -> Sequence[Held]:
        """What the folder holds now, oldest first, without marking anything as read."""
        ...

    async def deliver_many(self, count: int, path: Path) -> None:
        """Small messages, the quick way."""
        ...

    async def open_source(self) -> Source: ...

    def kept(self, raw: bytes) -> bytes:
        """What comes back of bytes delivered: they themselves, with the line end a protocol may put behind the last line."""
        ...


def letter(name: str, body: str = "Guten Tag,\r\n\r\nanbei wie besprochen.\r\n") -> bytes:
    """A small message whose Message-ID is `<name@contract.example>`."""
    return (
        f"From: Clara Lindner <clara@contract.example>\r\nTo: kanzlei@contract.example\r\nSubject: Schreiben {name}\r\n"
        f"Date: Mon, 05 Jan 2026 09:00:00 +0100\r\nMessage-ID: {id_of(name)}\r\n\r\n{body}"
    ).encode()


def id_of(name: str) -> str:
    return f"<{name}@contract.example>"


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[Source]:
    source = await world.open_source()
    try:
        yield source
    finally:
        await source.close()


async def folder_at(source: Source, path: Path) -> RemoteFolder:
    return next(folder for folder in await source.folders() if folder.path == path)


async def id_at(source: Source, path: Path) -> RemoteFolderId:
    return (await folder_at(source, path)).id


async def fetched(
    source: Source, folder: RemoteFolderId, ids: Sequence[RemoteId]
) -> dict[RemoteId, RawMessage | Unfetchable]:
    answers = [answer async for answer in source.fetch(folder, ids)]
    assert Counter(answer.id for answer in answers) == Counter(ids), "an id without its one answer"
    return {answer.id: answer for answer in answers}


def raw_of(answer: RawMessage | Unfetchable) -> bytes:
    assert isinstance(answer, RawMessage), answer
    return bytes(answer.raw)


async def listing(source: Source, folder: RemoteFolderId) -> list[Arrival]:
    """Everything, as a first synchronisation sees it."""
    arrivals: list[Arrival] = []
    cursor: Cursor | None = None
    more = True
    while more:
        batch = await source.changes(folder, cursor)
        arrivals += batch.arrivals
        cursor, more = batch.cursor, batch.more
    return arrivals


class Follower:
    """The least that a reader of batches does: flags by id, and a cursor. Starts over when the cursor is lost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cursor: Cursor | None = None
        self.held: dict[RemoteId, frozenset[str]] = {}
        self.confirmed: set[RemoteId] = set()
        self.starting_over = False

    async def step(self, source: Source) -> bool:
        """Ask once and apply; whether there is more."""
        folder = await id_at(source, self.path)
        try:
            batch = await source.changes(folder, self.cursor)
        except CursorLost:
            self.cursor, self.confirmed, self.starting_over = None, set(), True
            batch = await source.changes(folder, None)
        self.apply(batch)
        return batch.more

    def apply(self, batch: Batch) -> None:
        for arrival in batch.arrivals:
            self.held[arrival.id] = arrival.told
            self.confirmed.add(arrival.id)
        for change in batch.flags:
            if change.id in self.held:
                self.held[change.id] = change.flags
        for remote_id in batch.gone:
            self.held.pop(remote_id, None)
        if batch.census is not None:
            self.held = {remote_id: flags for remote_id, flags in self.held.items() if remote_id in batch.census}
        if self.starting_over and not batch.more:
            self.held = {remote_id: flags for remote_id, flags in self.held.items() if remote_id in self.confirmed}
            self.starting_over = False
        self.cursor = batch.cursor

    async def catch_up(self, source: Source) -> None:
        while await self.step(source):
            pass

    async def sees(self, source: Source) -> Counter[Held]:
        answers = await fetched(source, await id_at(source, self.path), list(self.held))
        return Counter((raw_of(answer), self.held[answer.id]) for answer in answers.values())


async def patient_step(world: World, source: Source, follower: Follower) -> tuple[Source, bool]:
    """A step, or a new connection: a server may hang up when a folder is renumbered under a session that has it open."""
    try:
        return source, await follower.step(source)
    except TryAgain:
        await source.close()
        return await world.open_source(), True


class History:
    """Random events on the server, from a seed. The names of the messages there are known, nothing else."""

    FLAGS = (SEEN, ANSWERED, FLAGGED, "$Forwarded", "Fristsache")

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.here: list[str] = []
        self.told: list[str] = []

    async def event(self) -> None:
        kind = self.random.choices(("deliver", "flag", "remove", "renumber"), weights=(10, 8, 5, 1))[0]
        if kind == "deliver" or not self.here:
            name = f"brief-{len(self.told)}"
            flags = self.some_flags()
            self.told.append(f"deliver {name} {flags}")
            await self.world.deliver(letter(name), path=self.world.place, flags=flags)
            self.here.append(name)
        elif kind == "flag":
            name, flags = self.random.choice(self.here), self.some_flags()
            self.told.append(f"flag {name} {flags}")
            await self.world.set_flags(self.world.place, id_of(name), flags)
        elif kind == "remove":
            name = self.here.pop(self.random.randrange(len(self.here)))
            self.told.append(f"remove {name}")
            await self.world.remove(self.world.place, id_of(name))
        else:
            self.told.append("renumber")
            await self.world.renumber(self.world.place)

    def some_flags(self) -> list[str]:
        return [flag for flag in self.FLAGS if self.random.random() < 0.3 and self.world.keeps_flags]
