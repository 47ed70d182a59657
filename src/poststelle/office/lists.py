"""Lists at the counter: a window of any place in any order, one row per message or per thread.

Seeing takes the right *see*. Places and filters are `mail.listing`; what is listed is always what the actor may see just now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from poststelle.errors import NotFound, NotPermitted
from poststelle.mail.listing import EVERYTHING, Filter, Place, Sort, Where
from poststelle.mail.records import TroubleRecord
from poststelle.mail.work import ListPage, Neighbours
from poststelle.office import health
from poststelle.office.actor import Actor
from poststelle.store import list_rows, work
from poststelle.store.access import Reach
from poststelle.store.lists import Cursor, Listing, Window, read_cursor
from poststelle.store.scopes import Scope, narrowed, scope_of

MOST_ROWS = 200
_OF_PEOPLE = frozenset({Place.MINE, Place.FOLLOW_UP, Place.MENTIONS, Place.NEW})


def page(
    actor: Actor,
    where: Where,
    *,
    threads: bool = False,
    sort: Sort = Sort.DATE,
    descending: bool = True,
    filter: Filter = EVERYTHING,  # noqa: A002 - the word pages and API use
    limit: int = 50,
    after: str | None = None,
) -> ListPage:
    """A window: at most `limit` rows (200) behind the cursor `after`, which may be a page's `next` or `previous`.

    Raises NotFound for a place out of reach, NotPermitted("people-only") where the system asks for somebody's own,
    Invalid({"cursor": "unknown-value"}).
    """
    reach, scope = _scope(actor, where, filter, sort)
    listing = Listing(scope, sort, descending, threads)
    cursor = read_cursor(after, sort) if after else None
    return _page(reach, scope, listing.window(_bounded(limit), cursor), threads=threads)


def around(
    actor: Actor,
    placement: str,
    where: Where,
    *,
    threads: bool = False,
    sort: Sort = Sort.DATE,
    descending: bool = True,
    filter: Filter = EVERYTHING,  # noqa: A002
    limit: int = 50,
    above: int | None = None,
) -> ListPage:
    """The window in whose middle the message stands, or would stand if it passed the filter; with at most so many rows `above` it.

    Raises NotFound as `page`.
    """
    reach, scope = _scope(actor, where, filter, sort)
    work.find(reach, placement)
    listing = Listing(scope, sort, descending, threads)
    key = listing.place_of(placement)
    if key is None:
        raise NotFound("message-unknown", message=placement)
    return _page(reach, scope, listing.around(key, _bounded(limit), above), threads=threads)


def neighbours(
    actor: Actor,
    placement: str,
    where: Where,
    *,
    threads: bool = False,
    sort: Sort = Sort.DATE,
    descending: bool = True,
    filter: Filter = EVERYTHING,  # noqa: A002
) -> Neighbours:
    """The rows above and below the message (or its thread) in the list. Raises NotFound as `page`."""
    reach, scope = _scope(actor, where, filter, sort)
    work.find(reach, placement)
    listing = Listing(scope, sort, descending, threads)
    key = listing.place_of(placement)
    if key is None:
        raise NotFound("message-unknown", message=placement)
    above = listing.window(1, Cursor(key, upwards=True)).rows
    below = listing.window(1, Cursor(key)).rows
    return Neighbours(_id(above[0].id) if above else None, _id(below[0].id) if below else None)


def labels(actor: Actor, accounts: Collection[str]) -> Mapping[str, str]:
    """What the accounts (ids) rows come from are called, by id; nothing of those out of reach."""
    return list_rows.labels(actor.reach, accounts)


def troubles(actor: Actor, account: str) -> Sequence[TroubleRecord]:
    """Why nothing comes into the mailbox just now; empty where all is well or it is out of reach, never more than one.

    A mailbox that is silent without a reason has the code ``stalled``.
    """
    known = list_rows.troubles(actor.reach, account)
    if known:
        return known
    since = health.silent_since(actor, account)
    return [TroubleRecord("stalled", {}, since)] if since is not None else []


def _scope(actor: Actor, where: Where, chosen: Filter, sort: Sort) -> tuple[Reach, Scope]:
    if actor.user is None and (where.place in _OF_PEOPLE or chosen.mine):
        raise NotPermitted("people-only")
    reach = actor.reach
    return reach, narrowed(reach, scope_of(reach, where), chosen, whole=sort is not Sort.DATE)


def _page(reach: Reach, scope: Scope, window: Window, *, threads: bool) -> ListPage:
    rows = window.rows
    return ListPage(
        items=list_rows.of(reach, rows, threads=threads),
        next=str(Cursor(rows[-1].key)) if rows and window.more_below else None,
        previous=str(Cursor(rows[0].key, upwards=True)) if rows and window.more_above else None,
        total=scope.total,
        unread=scope.unread,
        sorted_among=window.sorted_among,
    )


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST_ROWS))


def _id(stored: object) -> str:
    return str(UUID(str(stored)))
