"""People who leave, at the counter: blocked at once, and everything of theirs handed over in one step. Administrators only."""

from __future__ import annotations

from poststelle.errors import Conflict
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import departures, people
from poststelle.store.departures import HandedOver


def block(actor: Actor, user: str) -> int:
    """The person is out: no log-in, no session, no token (how many there were). Raises NotFound, Conflict("last-administrator")."""
    require_administrator(actor)
    _not_oneself(actor, user)
    return departures.block(user, actor=actor.name)


def unblock(actor: Actor, user: str) -> None:
    """They may log in again. Raises NotFound."""
    require_administrator(actor)
    departures.unblock(user, actor=actor.name)


def depart(actor: Actor, user: str, heir: str) -> HandedOver:
    """A colleague leaves: blocked, tokens revoked, mailboxes, log-ins, servers and mail not yet sent go to `heir`.

    Raises NotFound, Conflict("last-administrator", "own-heir").
    """
    require_administrator(actor)
    _not_oneself(actor, user)
    return departures.depart(user, people.find_user(heir).id, actor=actor.name)


def _not_oneself(actor: Actor, user: str) -> None:
    if actor.user is not None and user.casefold() in {actor.user.id, actor.user.email.casefold()}:
        raise Conflict("not-oneself")
