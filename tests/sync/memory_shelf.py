"""Our side of an account in memory: the reference implementation of `Desk` and `Shelf`, as the store must behave.

Law: only `Keeping` survives a kill. Bytes are kept before anything refers to them; `apply`, `reconcile` and what a person does
here are each one transaction (no await within, so nothing can come between).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from poststelle.errors import MessageTrouble
from poststelle.mail.ports import (
    Append,
    Arrival,
    ChangeFlags,
    Cursor,
    Errand,
    Outcome,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Role,
)
from poststelle.mail.shelf import Observation, Shelf, Tally

Path = tuple[str, ...]


@dataclass(slots=True)
class Placement:
    """Where a message lies: its bytes by hash, its flags here, and the generation that last saw it on the server."""

    content: str
    flags: frozenset[str]
    generation: int


@dataclass(slots=True)
class FolderRow:
    path: Path
    role: Role
    cursor: Cursor | None = None
    generation: int = 1
    swept: int = 1
    placements: dict[RemoteId, Placement] = field(default_factory=dict)
    set_aside: dict[RemoteId, Arrival] = field(default_factory=dict)
    remaining: int = 0
    loss_accepted: bool = False


@dataclass(slots=True)
class Keeping:
    """Everything durable of one account."""

    contents: dict[str, bytes] = field(default_factory=dict)
    folders: dict[RemoteFolderId, FolderRow] = field(default_factory=dict)
    errands: dict[str, Errand] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    next_errand: int = 1

    wishes: dict[tuple[RemoteFolderId, RemoteId], dict[str, bool]] = field(default_factory=dict)
    """What people here last wanted of a message's flags; a wish ends with the folder it was uttered in."""

    def folder_at(self, path: Path) -> tuple[RemoteFolderId, FolderRow] | None:
        return next(((number, row) for number, row in self.folders.items() if row.path == path), None)

    def messages(self, row: FolderRow) -> list[tuple[bytes, frozenset[str]]]:
        return [(self.contents[placement.content], placement.flags) for placement in row.placements.values()]

    def change_flags_here(
        self, folder: RemoteFolderId, remote: RemoteId, add: frozenset[str], remove: frozenset[str]
    ) -> None:
        """A person flags a message: the change shows at once, and the server is to be told."""
        placement = self.folders[folder].placements[remote]
        placement.flags = (placement.flags | add) - remove
        self._open(ChangeFlags(folder, (remote,), add, remove))
        wish = self.wishes.setdefault((folder, remote), {})
        wish |= dict.fromkeys(add, True) | dict.fromkeys(remove, False)

    def append_here(self, folder: RemoteFolderId, raw: bytes, flags: frozenset[str], message_id: str) -> None:
        """A copy of what was sent is to be filed on the server."""
        self._open(Append(folder, raw, flags, message_id))

    def _open(self, errand: Errand) -> None:
        self.errands[str(self.next_errand)] = errand
        self.next_errand += 1


class MemoryShelf:
    """One folder of a `Keeping`."""

    def __init__(self, keeping: Keeping, folder: RemoteFolderId) -> None:
        self._keeping = keeping
        self._folder = folder
        self._row = keeping.folders[folder]

    @property
    def folder(self) -> RemoteFolderId:
        return self._folder

    @property
    def role(self) -> Role:
        return self._row.role

    async def cursor(self) -> Cursor | None:
        return self._row.cursor

    async def held(self) -> int:
        return len(self._row.placements)

    async def missing(self, arrivals: Sequence[Arrival]) -> Sequence[RemoteId]:
        return list(dict.fromkeys(arrival.id for arrival in arrivals if arrival.id not in self._row.placements))

    async def owed(self) -> Sequence[Arrival]:
        return list(self._row.set_aside.values())

    async def holding(self, ids: Collection[RemoteId]) -> Sequence[RemoteId]:
        return [remote for remote in ids if remote in self._row.placements]

    async def beyond(self, census: frozenset[RemoteId]) -> Sequence[RemoteId]:
        row = self._row
        return [
            remote
            for remote, placement in row.placements.items()
            if placement.generation == row.generation and remote not in census
        ]

    async def unconfirmed(self) -> Sequence[RemoteId] | None:
        row = self._row
        if row.swept == row.generation:
            return None
        return [remote for remote, placement in row.placements.items() if 0 < placement.generation < row.generation]

    async def placed_ahead(self) -> Sequence[RemoteId]:
        return [remote for remote, placement in self._row.placements.items() if placement.generation == 0]

    async def is_settled(self) -> bool:
        row = self._row
        return row.generation == row.swept and not row.loss_accepted and not await self.placed_ahead()

    async def sweep(self, gone: Collection[RemoteId]) -> Tally:
        row = self._row
        removed = [row.placements.pop(remote) for remote in gone if remote in row.placements]
        row.swept = row.generation
        return Tally(removed=len(removed))

    async def loss_accepted(self) -> bool:
        return self._row.loss_accepted

    async def keep(self, raws: Sequence[RawMessage]) -> Mapping[RemoteId, str]:
        kept = {}
        for raw in raws:
            content = hashlib.sha256(raw.raw).hexdigest()
            self._keeping.contents[content] = bytes(raw.raw)
            kept[raw.id] = content
        return kept

    async def apply(self, seen: Observation) -> Tally:
        row, new, changed, set_aside = self._row, 0, 0, 0
        generation = 0 if seen.cursor is None else row.generation
        arrivals = {arrival.id: arrival for arrival in seen.arrivals}
        for failed in seen.unfetchable:
            if failed.gone:
                row.set_aside.pop(failed.id, None)
            else:
                set_aside += failed.id not in row.set_aside
                row.set_aside[failed.id] = arrivals[failed.id]
        for arrival in arrivals.values():
            if held := row.placements.get(arrival.id):
                held.generation = held.generation if seen.cursor is None else row.generation
            elif arrival.id in seen.kept:
                new += 1
                row.placements[arrival.id] = Placement(seen.kept[arrival.id], arrival.told, generation)
                row.set_aside.pop(arrival.id, None)
        for remote, told in seen.flags.items():
            if (flags := told) is None:
                continue
            if held := row.placements.get(remote):
                settled = self._settled(remote, held.flags, flags)
                changed += settled != held.flags
                held.flags = settled
            elif owed := row.set_aside.get(remote):
                row.set_aside[remote] = Arrival(owed.id, flags, owed.received_at, owed.size, owed.ordinal)
        for remote in seen.gone:
            row.placements.pop(remote, None)
        if seen.cursor is not None:
            row.cursor, row.remaining = seen.cursor, seen.remaining
        if seen.whole:
            row.loss_accepted = False
        return Tally(new, changed, len(seen.gone), set_aside)

    async def start_generation(self) -> int:
        self._row.generation += 1
        self._row.cursor = None
        return 0

    def _settled(self, remote: RemoteId, ours: frozenset[str], theirs: frozenset[str]) -> frozenset[str]:
        """The server's word, except for flags an open errand is about."""
        disputed: frozenset[str] = frozenset()
        for errand in self._keeping.errands.values():
            if isinstance(errand, ChangeFlags) and (errand.folder, errand.ids) == (self._folder, (remote,)):
                disputed |= errand.add | errand.remove
        return (theirs - disputed) | (ours & disputed)


class MemoryDesk:
    """One account, over what it keeps."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    async def errands(self) -> Sequence[tuple[str, Errand]]:
        return list(self._keeping.errands.items())

    async def performed(self, errand: str, outcome: Outcome) -> None:
        del self._keeping.errands[errand]

    async def refused(self, errand: str, trouble: MessageTrouble) -> None:
        del self._keeping.errands[errand]
        self._keeping.refused[errand] = trouble.code

    async def reconcile(self, folders: Sequence[RemoteFolder]) -> Sequence[Shelf]:
        rows = self._keeping.folders
        listed = {folder.id: folder for folder in folders if folder.selectable}
        for gone in rows.keys() - listed.keys():
            del rows[gone]
        for number, folder in listed.items():
            row = rows.setdefault(number, FolderRow(folder.path, folder.role))
            row.path, row.role = folder.path, folder.role
        return [MemoryShelf(self._keeping, number) for number in listed]

    async def resting(self) -> Mapping[RemoteFolderId, Cursor]:
        found = {}
        for number, row in self._keeping.folders.items():
            if row.cursor is not None and not row.set_aside and await MemoryShelf(self._keeping, number).is_settled():
                found[number] = row.cursor
        return found


class MemorySide:
    """Our side as the model plays with it (tests.sync.model_history.OurSide). People mark and file here, and do nothing else."""

    def __init__(self) -> None:
        self.keeping = Keeping()

    def desk(self) -> MemoryDesk:
        return MemoryDesk(self.keeping)

    def flag(self, path: Path, raw: bytes, add: frozenset[str], remove: frozenset[str]) -> None:
        if found := self.keeping.folder_at(path):
            folder, row = found
            for remote, placement in row.placements.items():
                if self.keeping.contents[placement.content] == raw:
                    self.keeping.change_flags_here(folder, remote, add, remove)

    def append(self, path: Path, raw: bytes, flags: frozenset[str], message_id: str) -> None:
        if found := self.keeping.folder_at(path):
            self.keeping.append_here(found[0], raw, flags, message_id)

    def time_passes(self) -> None:
        """Nothing here waits."""

    def forget_cursor(self, path: Path) -> None:
        if (found := self.keeping.folder_at(path)) and found[1].cursor:
            found[1].cursor = Cursor("written by an older release")

    def accept_loss(self) -> None:
        for row in self.keeping.folders.values():
            row.loss_accepted = True

    def contents(self) -> dict[Path, Counter[tuple[bytes, frozenset[str]]]]:
        return {row.path: Counter(self.keeping.messages(row)) for row in self.keeping.folders.values()}

    def complaints(self) -> list[str]:
        wrong = [f"open: {errand}" for errand in self.keeping.errands.values()]
        for folder, row in self.keeping.folders.items():
            if row.set_aside or row.remaining:
                wrong.append(f"{row.path} is not whole")
            for remote, placement in row.placements.items():
                for flag, wanted in self.keeping.wishes.get((folder, remote), {}).items():
                    if (flag in placement.flags) is not wanted:
                        wrong.append(f"{row.path} {remote}: {flag} was to be {wanted}")
        return wrong

    def disputes(self, folder: RemoteFolderId) -> list[str]:
        """Flags that show the server's word here although people here want it otherwise and the server has not been told."""
        row = self.keeping.folders.get(folder)
        if row is None:  # an errand has found out meanwhile that it is gone
            return []
        return [
            f"{remote} {flag}"
            for errand in self.keeping.errands.values()
            if isinstance(errand, ChangeFlags) and errand.folder == folder
            for remote, placement in row.placements.items()
            if remote in errand.ids
            for flag in errand.add | errand.remove
            if (flag in placement.flags) is not self.keeping.wishes[folder, remote][flag]
        ]
