"""The inner port: what the sync pages see of our side, one folder (`Shelf`) and one account (`Desk`) at a time.

Implemented by the store; the sync pages are written against these and nothing else. Everything a shelf or desk answers is
committed. This module does not know how any of it is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from poststelle.errors import MessageTrouble
from poststelle.mail.ports import (
    Arrival,
    Cursor,
    Errand,
    Outcome,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Role,
    Unfetchable,
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a round did: messages new, changed (flags), removed and set aside, the bytes fetched, and the seconds it took."""

    new: int = 0
    changed: int = 0
    removed: int = 0
    set_aside: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.new + other.new,
            self.changed + other.changed,
            self.removed + other.removed,
            self.set_aside + other.set_aside,
            self.bytes + other.bytes,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Observation:
    """What one batch amounts to, ready to be applied: the server's word, completed by what we hold.

    `kept` is whatever `Shelf.keep` returned; only the shelf reads it. Arrivals not in it are held already, or set aside with
    the reason in `unfetchable`, or left the server meanwhile. `flags` names all that is there, with None where the server keeps no
    flags. `whole`: with this batch the folder has been reported completely.
    Without a `cursor` it says nothing of how far the folder was read: some messages are placed ahead of their turn.
    """

    cursor: Cursor | None
    arrivals: Sequence[Arrival]
    kept: Any
    unfetchable: Sequence[Unfetchable]
    flags: dict[RemoteId, frozenset[str] | None]
    gone: Collection[RemoteId]
    remaining: int
    whole: bool


class Shelf(Protocol):
    """What the page sees of one folder on our side. Everything it says is committed; `apply` is one transaction."""

    @property
    def folder(self) -> RemoteFolderId: ...

    @property
    def role(self) -> Role: ...

    async def cursor(self) -> Cursor | None:
        """How far this folder was applied; None before the first batch of a generation."""
        ...

    async def held(self) -> int:
        """How many messages we hold of it."""
        ...

    async def missing(self, arrivals: Sequence[Arrival]) -> Sequence[RemoteId]:
        """Those whose bytes must be fetched, in the order given."""
        ...

    async def owed(self) -> Sequence[Arrival]:
        """Messages set aside that are due another try."""
        ...

    async def holding(self, ids: Collection[RemoteId]) -> Sequence[RemoteId]:
        """Those of `ids` that we hold in this folder."""
        ...

    async def beyond(self, census: frozenset[RemoteId]) -> Sequence[RemoteId]:
        """What this generation has confirmed and the server, which holds exactly `census`, does not have (any more)."""
        ...

    async def unconfirmed(self) -> Sequence[RemoteId] | None:
        """What we hold from earlier generations and this one, reported whole, has not confirmed. None: swept already."""
        ...

    async def sweep(self, gone: Collection[RemoteId]) -> Tally:
        """Remove what this generation has not confirmed; it is swept with that, even when nothing was left to remove."""
        ...

    async def placed_ahead(self) -> Sequence[RemoteId]:
        """What was placed by an observation without a cursor and has not been reported in the ordinary way since."""
        ...

    async def is_settled(self) -> bool:
        """Nothing waits for the next whole report: no sweep, no loss accepted, nothing placed or moved ahead of it."""
        ...

    async def loss_accepted(self) -> bool:
        """A person said that the messages missing on the server may go here too."""
        ...

    async def keep(self, raws: Sequence[RawMessage]) -> Any:
        """Make these bytes durable and understand them. Nothing refers to them yet."""
        ...

    async def apply(self, seen: Observation) -> Tally:
        """Placements, flags, removals, set-asides, progress, journal and cursor, all or nothing. Twice equals once."""
        ...

    async def start_generation(self) -> int:
        """Forget the cursor, keep everything else; what is applied from now on confirms. How many were lost within a day, with this."""
        ...


class Desk(Protocol):
    """What the page sees of one account on our side."""

    async def errands(self) -> Sequence[tuple[str, Errand]]:
        """Local changes the server has still to be told, oldest first, each with its id; when there are many, the first of them."""
        ...

    async def performed(self, errand: str, outcome: Outcome) -> None:
        """The server has been told: the errand is closed."""
        ...

    async def refused(self, errand: str, trouble: MessageTrouble) -> None:
        """The server will never do it: the errand is closed with this reason and shown."""
        ...

    async def reconcile(self, folders: Sequence[RemoteFolder]) -> Sequence[Shelf]:
        """Remember the folder tree as listed; a shelf for every folder that can hold messages."""
        ...

    async def resting(self) -> Mapping[RemoteFolderId, Cursor]:
        """The folders of the latest listing in which nothing waits (`Shelf.is_settled`, nothing owed), and how far they were read."""
        ...
