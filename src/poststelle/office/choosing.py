"""Choosing at the counter: everything a list holds, or whole threads, to be handled at once (`office.handling`, `office.work`).

Seeing takes the right *see*; what is done with the chosen asks for its own right.
"""

from __future__ import annotations

from collections.abc import Sequence

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.listing import Filter, Place, Where
from poststelle.office.actor import Actor
from poststelle.store import choosing, search

MOST_AT_ONCE = 10_000
_OF_PEOPLE = frozenset({Place.MINE, Place.FOLLOW_UP, Place.MENTIONS, Place.NEW})
_EVERYTHING = Filter()


def everything(actor: Actor, where: Where, filter: Filter = _EVERYTHING) -> list[str]:  # noqa: A002 - as in `office.lists`
    """The ids of all messages of a list, newest first, the newest `MOST_AT_ONCE`. Raises NotFound, NotPermitted("people-only")."""
    _may(actor, where, filter)
    return choosing.everything(actor.reach, where, filter, MOST_AT_ONCE)


def found(actor: Actor, query: str) -> list[str]:
    """The ids of all messages a search (`mail.query`) finds for the actor, newest first, the newest `MOST_AT_ONCE`."""
    return search.everything(actor.reach, query, MOST_AT_ONCE)


def with_threads(
    actor: Actor,
    where: Where,
    placements: Sequence[str],
    filter: Filter = _EVERYTHING,  # noqa: A002
) -> list[str]:
    """These messages and what else of their threads the list holds. Raises NotFound, NotPermitted("people-only"), Invalid (messages)."""
    if len(placements) > MOST_AT_ONCE:
        raise Invalid({"messages": "too-many"})
    _may(actor, where, filter)
    return choosing.with_threads(actor.reach, where, filter, placements)


def _may(actor: Actor, where: Where, chosen: Filter) -> None:
    if actor.user is None and (where.place in _OF_PEOPLE or chosen.mine):
        raise NotPermitted("people-only")
