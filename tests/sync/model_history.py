"""The model of the sync pages: histories on both sides, a clock that ticks at every await, and interruptions.

A *history* is a list of events, fixed by its seed alone. *Clockwork* wraps source, shelf and desk so that before and after each
of their steps it ticks; at a tick events happen, and the session may be interrupted: the connection breaks, or the process is
killed. `play` runs account rounds, again and again as an engine would, until the history is over and all is quiet.

This module does not know how our side keeps things (`OurSide`): `tests.sync.memory_shelf` is the reference for what the sync
pages need, `tests.store.store_side` is the real one, with everything people can do.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from poststelle.adapters.memory.server import INBOX, MemoryServer, folder_id
from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import FolderMissing, MessageTrouble, SuspiciousLoss, TryAgain
from poststelle.mail.ports import (
    ANSWERED,
    FLAGGED,
    SEEN,
    Arrival,
    Batch,
    Cursor,
    Delete,
    DeleteFolder,
    Errand,
    Outcome,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Role,
    Source,
    Unfetchable,
)
from poststelle.mail.shelf import Desk, Observation, Shelf, Tally
from poststelle.sync.account import sync_account
from tests.sync.memory_shelf import Path

LOGIN = "kanzlei@model.example"
THEIR_FLAGS = (SEEN, ANSWERED, "$Forwarded")
OUR_FLAGS = (FLAGGED, "Erledigt")
PLACES: tuple[Path, ...] = (INBOX, ("Gesendet",), ("Akten",), ("Akten", "Müller"), ("Papierkorb",))
ROLES = {INBOX: Role.INBOX, ("Gesendet",): Role.SENT, ("Papierkorb",): Role.TRASH}


class Killed(BaseException):
    """The process dies here; only what is durable remains."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happens: `kind` to the message called `name`, in the folder at `path`."""

    kind: str
    path: Path
    name: str = ""
    flags: tuple[str, ...] = ()
    to: Path = ()

    def __str__(self) -> str:
        words = [self.kind, "/".join(self.path), self.name, " ".join(self.flags), "/".join(self.to)]
        return " ".join(word for word in words if word)


MARKING = {"flag here": 12, "unflag here": 5, "append here": 4}
HANDLING = {
    "move here": 14, "copy here": 5, "delete here": 8, "undo here": 5, "create here": 3, "rename here": 2, "remove here": 1,
    "time passes": 5,
}  # fmt: skip


def history(seed: int, *, length: int, people_here: Mapping[str, int]) -> list[Event]:
    """Random events that make sense one after the other, whenever they happen. `people_here`: what happens on our side, how often."""
    dice = random.Random(seed)
    folders: dict[Path, list[str]] = {INBOX: [], ("Gesendet",): []}
    told = 0
    events: list[Event] = []
    kinds = {"deliver": 30, "flag": 12, "remove": 10, "move": 4, "clear": 2, "renumber": 2, "create": 3, "drop": 1}
    kinds |= {"rename": 1, "impoverish": 1, "enrich": 1, "break": 2, "mend": 2, "forget": 2}
    kinds |= people_here
    while len(events) < length:
        (kind,) = dice.choices(list(kinds), weights=list(kinds.values()))
        path = dice.choice(list(folders))
        names = folders[path]
        name = dice.choice(names) if names else ""
        if kind in ("deliver", "append here"):
            for _ in range(dice.choice((1, 1, 2, 7)) if kind == "deliver" else 1):
                told += 1
                events.append(Event(kind, path, f"brief-{told}", _some(dice, THEIR_FLAGS)))
                if kind == "deliver":
                    names.append(f"brief-{told}")
        elif kind == "create":
            free = [place for place in PLACES if place not in folders]
            if free:
                path = dice.choice(free)
                folders[path] = []
                events.append(Event(kind, path))
        elif kind in ("drop", "rename"):
            if path not in (INBOX, ("Gesendet",)):
                names = folders.pop(path)
                to: Path = (f"Umbenannt-{told}-{len(events)}",) if kind == "rename" else ()
                if to:
                    folders[to] = names
                    folders |= {to + below[len(path) :]: folders.pop(below) for below in _below(path, folders)}
                events.append(Event(kind, path, to=to))
        elif kind in ("move here", "copy here"):
            to = dice.choice(list(folders))
            if name and to != path:
                folders[to].append(name)
                if kind == "move here":
                    names.remove(name)
                events.append(Event(kind, path, name, to=to))
        elif kind == "create here":
            free = [place for place in PLACES if place not in folders]
            if free:
                path = dice.choice(free)
                folders[path] = []
                events.append(Event(kind, path))
        elif kind in ("rename here", "remove here"):
            if path not in (INBOX, ("Gesendet",)):
                names = folders.pop(path)
                told += 1
                to = (f"Hier-{told}-{len(events)}",) if kind == "rename here" else ()
                if to:
                    folders[to] = names
                    folders |= {to + below[len(path) :]: folders.pop(below) for below in _below(path, folders)}
                else:
                    for below in _below(path, folders):
                        del folders[below]
                events.append(Event(kind, path, to=to))
        elif kind in ("renumber", "impoverish", "enrich", "mend", "forget", "undo here", "time passes", "tell", "hide"):
            events.append(Event(kind, path))
        elif kind == "clear" and names:
            names.clear()
            events.append(Event(kind, path))
        elif kind == "move" and name:
            to = dice.choice(list(folders))
            names.remove(name)
            told += 1
            folders[to].append(f"brief-{told}")
            events += [Event("remove", path, name), Event("deliver", to, f"brief-{told}")]
        elif name:
            if kind in ("remove", "delete here"):
                names.remove(name)
            events.append(Event(kind, path, name, _some(dice, OUR_FLAGS if kind.endswith("here") else THEIR_FLAGS)))
    return events


def _some(dice: random.Random, flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(flag for flag in flags if dice.random() < 0.4)


def _below(path: Path, folders: Collection[Path]) -> list[Path]:
    return [other for other in folders if other[: len(path)] == path]


def letter(name: str) -> bytes:
    return f"Message-ID: <{name}@model.example>\r\nSubject: {name}\r\n\r\nGuten Tag.\r\n".encode()


class OurSide(Protocol):
    """Our side of an account, and what people do there. Each call is one transaction; a folder or message not there is no matter."""

    def desk(self) -> Desk: ...

    def flag(self, path: Path, raw: bytes, add: frozenset[str], remove: frozenset[str]) -> None: ...

    def append(self, path: Path, raw: bytes, flags: frozenset[str], message_id: str) -> None: ...

    def time_passes(self) -> None: ...

    def forget_cursor(self, path: Path) -> None: ...

    def accept_loss(self) -> None: ...

    def contents(self) -> Contents: ...

    def complaints(self) -> list[str]: ...

    def disputes(self, folder: RemoteFolderId) -> list[str]: ...


Contents = dict[Path, Counter[tuple[bytes, frozenset[str]]]]


@dataclass
class World:
    """Both sides: the server with its people, and what we keep with ours."""

    server: MemoryServer
    side: OurSide
    broken: set[bytes] = field(default_factory=set)
    """Messages the server cannot hand out just now."""
    delivered: Counter[bytes] = field(default_factory=Counter)
    """How often each message was delivered, filed or copied."""
    taken: set[bytes] = field(default_factory=set)
    """Messages of which somebody has deleted one, there or by our word."""

    @classmethod
    def new(cls, side: OurSide) -> World:
        server = MemoryServer()
        server.create_mailbox(LOGIN)
        server.create_folder(LOGIN, ("Gesendet",), role=Role.SENT)
        return cls(server, side)

    def happen(self, event: Event) -> None:
        server, side, path = self.server, self.side, event.path
        raw = letter(event.name)
        try:
            self._happen(event, server, side, path, raw)
        except (FolderMissing, KeyError, StopIteration):
            # Other people, or ours, were there before: whoever comes too late finds nothing to do.
            return

    def _happen(self, event: Event, server: MemoryServer, side: OurSide, path: Path, raw: bytes) -> None:
        match event.kind:
            case "deliver":
                server.folder(LOGIN, path)
                self.delivered[raw] += 1
                server.deliver(LOGIN, letter(event.name), path=path, flags=event.flags)
            case "flag":
                uid, flags = self._find(path, event.name)
                server.set_flags(LOGIN, path, uid, (*(flags - set(THEIR_FLAGS)), *event.flags))
            case "remove":
                uid, _ = self._find(path, event.name)
                self.taken.add(raw)
                server.remove(LOGIN, path, uid)
            case "clear":
                self.take_all(path)
                for uid in server.contents(LOGIN, path):
                    server.remove(LOGIN, path, uid)
            case "renumber":
                server.renumber(LOGIN, path)
            case "create":
                if path not in server.mailbox(LOGIN).folders:
                    server.create_folder(LOGIN, path, role=ROLES.get(path, Role.NONE))
            case "drop":
                self.take_all(path)
                server.remove_folder(LOGIN, path)
            case "rename":
                if path in server.mailbox(LOGIN).folders:
                    server.rename(LOGIN, path, event.to)
            case "impoverish" | "enrich":
                server.modseq = event.kind == "enrich"
            case "break":
                self.broken.add(letter(event.name))
            case "mend":
                self.broken.clear()
            case "tell" | "hide":
                server.uidplus = event.kind == "tell"
            case "forget":
                side.forget_cursor(path)
            case "append here":
                # Where its folder is gone by then, it stays unfiled.
                self.delivered[raw] += 1
                self.taken.add(raw)
                side.append(path, raw, frozenset(event.flags), f"<{event.name}@model.example>")
            case "flag here":
                side.flag(path, raw, frozenset(event.flags), frozenset())
            case "unflag here":
                side.flag(path, raw, frozenset(), frozenset(event.flags))
            case _:
                self.handle(event, raw)

    def handle(self, event: Event, raw: bytes) -> None:
        """People here do more than mark and file."""
        raise AssertionError(event.kind)

    def truth(self) -> Contents:
        """What the server holds, by folder."""
        folders = self.server.mailbox(LOGIN).folders
        return {path: Counter(self.server.contents(LOGIN, path).values()) for path in folders}

    def ours(self) -> Contents:
        """What we hold, by folder."""
        return self.side.contents()

    def take_all(self, path: Path) -> None:
        """Somebody deletes all there is in the folder."""
        self.taken.update(raw for raw, _ in self.server.contents(LOGIN, path).values())

    def has(self, folder: RemoteFolderId, remote: RemoteId) -> bool:
        """Whether the server still has this very message in this very folder."""
        boxes = self.server.mailbox(LOGIN).folders
        return any(folder_id(path) == folder and box.find(remote) is not None for path, box in boxes.items())

    def _find(self, path: Path, name: str) -> tuple[int, frozenset[str]]:
        raw = letter(name)
        contents = self.server.contents(LOGIN, path).items()
        return next((uid, flags) for uid, (there, flags) in contents if there == raw)


Interruption = Callable[[], BaseException]


class Clockwork:
    """Ticks before and after every step. `due` maps a tick to the events that happen then, `breaks` to how it interrupts."""

    def __init__(
        self, world: World, due: Mapping[int, Sequence[Event]], breaks: Mapping[int, Interruption], *, batch_size: int
    ) -> None:
        self.world = world
        self.ticks = 0
        self._due = dict(due)
        self._breaks = dict(breaks)
        self._batch_size = batch_size

    @property
    def wound_down(self) -> bool:
        return not self._due and all(tick <= self.ticks for tick in self._breaks)

    def tick(self) -> None:
        self.ticks += 1
        for event in self._due.pop(self.ticks, ()):
            self.world.happen(event)
        if self.ticks in self._breaks:
            raise self._breaks[self.ticks]()

    def skip(self) -> None:
        """Let happen at once what is due next: no step is left that would wait for it."""
        if self._due:
            for event in self._due.pop(min(self._due)):
                self.world.happen(event)

    async def open_source(self) -> Source:
        self.tick()
        return TickingSource(self, MemorySource(self.world.server, LOGIN, batch_size=self._batch_size))


class TickingSource:
    """A connection on which everything can go wrong."""

    def __init__(self, clock: Clockwork, source: Source) -> None:
        self._clock = clock
        self._source = source

    async def folders(self) -> Sequence[RemoteFolder]:
        self._clock.tick()
        folders = await self._source.folders()
        self._clock.tick()
        return folders

    async def changes(self, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        self._clock.tick()
        batch = await self._source.changes(folder, since)
        self._clock.tick()
        return batch

    def is_current(self, folder: RemoteFolderId, since: Cursor) -> bool:
        return self._source.is_current(folder, since)

    async def fetch(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        self._clock.tick()
        async for answer in self._source.fetch(folder, ids):
            if isinstance(answer, RawMessage) and answer.raw in self._clock.world.broken:
                yield Unfetchable(answer.id, "server-cannot-read-it")
            else:
                yield answer
            self._clock.tick()

    async def perform(self, errand: Errand) -> Outcome:
        self._clock.tick()
        self._note(errand)
        outcome = await self._source.perform(errand)
        self._clock.tick()
        return outcome

    def _note(self, errand: Errand) -> None:
        """What is deleted by our word was deleted by somebody."""
        world = self._clock.world
        boxes = {folder_id(path): box for path, box in world.server.mailbox(LOGIN).folders.items()}
        if isinstance(errand, DeleteFolder) and errand.folder in boxes:
            world.take_all(boxes[errand.folder].path)
        if isinstance(errand, Delete) and errand.folder in boxes:
            found = (boxes[errand.folder].find(remote) for remote in errand.ids)
            world.taken.update(message.raw for message in found if message is not None)

    async def describe(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> Sequence[Arrival]:
        self._clock.tick()
        return await self._source.describe(folder, ids)

    async def window(self, folder: RemoteFolderId, before: Arrival | None, limit: int) -> Sequence[Arrival]:
        self._clock.tick()
        return await self._source.window(folder, before, limit)

    async def census(self, folder: RemoteFolderId) -> frozenset[RemoteId]:
        self._clock.tick()
        return await self._source.census(folder)

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        return await self._source.wait(watched, timeout)

    async def close(self) -> None:
        await self._source.close()


class TickingDesk:
    """Our side of the account, on a machine that may die at any moment."""

    def __init__(self, clock: Clockwork, desk: Desk) -> None:
        self._clock = clock
        self._desk = desk

    async def errands(self) -> Sequence[tuple[str, Errand]]:
        self._clock.tick()
        return await self._desk.errands()

    async def performed(self, errand: str, outcome: Outcome) -> None:
        self._clock.tick()
        await self._desk.performed(errand, outcome)
        self._clock.tick()

    async def refused(self, errand: str, trouble: MessageTrouble) -> None:
        self._clock.tick()
        await self._desk.refused(errand, trouble)
        self._clock.tick()

    async def reconcile(self, folders: Sequence[RemoteFolder]) -> Sequence[Shelf]:
        self._clock.tick()
        shelves = await self._desk.reconcile(folders)
        self._clock.tick()
        return [TickingShelf(self._clock, shelf) for shelf in shelves]

    async def resting(self) -> Mapping[RemoteFolderId, Cursor]:
        self._clock.tick()
        return await self._desk.resting()


class TickingShelf:
    """One folder of ours, on the same machine. Watches that nothing is removed here that the server still has."""

    def __init__(self, clock: Clockwork, shelf: Shelf) -> None:
        self._clock = clock
        self._shelf = shelf

    @property
    def folder(self) -> RemoteFolderId:
        return self._shelf.folder

    @property
    def role(self) -> Role:
        return self._shelf.role

    async def cursor(self) -> Cursor | None:
        self._clock.tick()
        return await self._shelf.cursor()

    async def held(self) -> int:
        self._clock.tick()
        return await self._shelf.held()

    async def missing(self, arrivals: Sequence[Arrival]) -> Sequence[RemoteId]:
        self._clock.tick()
        return await self._shelf.missing(arrivals)

    async def owed(self) -> Sequence[Arrival]:
        self._clock.tick()
        return await self._shelf.owed()

    async def holding(self, ids: Collection[RemoteId]) -> Sequence[RemoteId]:
        self._clock.tick()
        return await self._shelf.holding(ids)

    async def beyond(self, census: frozenset[RemoteId]) -> Sequence[RemoteId]:
        self._clock.tick()
        return await self._shelf.beyond(census)

    async def unconfirmed(self) -> Sequence[RemoteId] | None:
        self._clock.tick()
        return await self._shelf.unconfirmed()

    async def sweep(self, gone: Collection[RemoteId]) -> Tally:
        self._clock.tick()
        for remote in gone:
            assert not self._clock.world.has(self.folder, remote), f"{remote} is removed here but not on the server"
        tally = await self._shelf.sweep(gone)
        self._clock.tick()
        return tally

    async def placed_ahead(self) -> Sequence[RemoteId]:
        self._clock.tick()
        return await self._shelf.placed_ahead()

    async def is_settled(self) -> bool:
        self._clock.tick()
        return await self._shelf.is_settled()

    async def loss_accepted(self) -> bool:
        self._clock.tick()
        return await self._shelf.loss_accepted()

    async def keep(self, raws: Sequence[RawMessage]) -> Any:
        self._clock.tick()
        kept = await self._shelf.keep(raws)
        self._clock.tick()
        return kept

    async def apply(self, seen: Observation) -> Tally:
        self._clock.tick()
        for remote in seen.gone:
            assert not self._clock.world.has(self.folder, remote), f"{remote} is removed here but not on the server"
        tally = await self._shelf.apply(seen)
        assert self._clock.world.side.disputes(self.folder) == []
        self._clock.tick()
        return tally

    async def start_generation(self) -> int:
        self._clock.tick()
        lost = await self._shelf.start_generation()
        self._clock.tick()
        return lost


LONGEST_SETTLING = 6
"""Rounds after which nothing may be open any more: what may have been copied before a break is looked for twice, then copied again
and, where the server does not say where to, looked for."""


async def play(clock: Clockwork) -> None:
    """Rounds, each by a process that remembers nothing of the one before, until the history is over and all is quiet."""
    quiet = 0
    while quiet < 2 or (quiet < LONGEST_SETTLING and clock.world.side.complaints()):
        over = clock.wound_down
        if over:
            clock.world.broken.clear()
            clock.world.side.time_passes()
        elif clock.ticks:
            clock.skip()
        try:
            source = await clock.open_source()
            try:
                await sync_account(clock.open_source, source, TickingDesk(clock, clock.world.side.desk()))
            finally:
                await source.close()
        except SuspiciousLoss:
            clock.world.side.accept_loss()
        except (TryAgain, Killed):
            quiet = 0
        else:
            quiet = quiet + 1 if over else 0


KINDS: tuple[Interruption, ...] = (Killed, lambda: TryAgain("connection-lost"))


def spread(events: Sequence[Event], dice: random.Random, *, over: int) -> dict[int, list[Event]]:
    """When the events happen: in their order, at random ticks."""
    due: dict[int, list[Event]] = {}
    for tick, event in zip(sorted(dice.randrange(1, over) for _ in events), events, strict=True):
        due.setdefault(tick, []).append(event)
    return due


def story(seed: int, events: Sequence[Event], breaks: Sequence[int]) -> str:
    return f"seed {seed}, interrupted at {list(breaks)}:\n" + "\n".join(f"  {event}" for event in events)


def assert_in_step(world: World, told: str) -> None:
    """Both sides are equal, what we keep is in order, nothing is lost, and nothing is there more often than it was made."""
    assert world.ours() == world.truth(), told
    assert world.side.complaints() == [], told
    there = Counter[bytes]()
    for held in world.truth().values():
        for (raw, _), times in held.items():
            there[raw] += times
    for raw, times in there.items():
        assert times <= world.delivered[raw], f"{raw!r} is there {times} times: {told}"
    for raw, times in world.delivered.items():
        assert not times or raw in there or raw in world.taken, f"{raw!r} is lost: {told}"
