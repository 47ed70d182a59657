"""Who acts: a person or the system. First argument of every public office function; the reach follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.records import UserRecord
from poststelle.store import journal, people
from poststelle.store.access import Reach


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (`user`), or the system (None), which reaches everything of the pool."""

    user: UserRecord | None

    @property
    def name(self) -> str:
        """What the journal says."""
        return self.user.email if self.user else journal.SYSTEM

    @property
    def reach(self) -> Reach:
        """What the store applies in every query."""
        if self.user is None:
            return Reach(people.the_pool(), None)
        return Reach(people.pool_of(self.user.id), self.user.id)

    @property
    def is_administrator(self) -> bool:
        """May set up mailboxes and people; says nothing about reading mail."""
        return self.user is None or self.user.is_administrator


SYSTEM = Actor(None)


def require_administrator(actor: Actor) -> None:
    """Raises NotPermitted for everybody else."""
    if not actor.is_administrator:
        raise NotPermitted("administrators-only")


def owner_of(actor: Actor, name: str) -> str | None:
    """Whose a new thing is: of the person named (id), or without a name the office's (None).

    Administrators make things for others and for the office. Raises NotPermitted, Invalid({"owner": "unknown-user"}).
    """
    if not name:
        require_administrator(actor)
        return None
    wanted = people.named(name)
    if wanted is None:
        raise Invalid({"owner": "unknown-user"})
    if actor.user is not None and actor.user.id != wanted.id:
        require_administrator(actor)
    return wanted.id
