"""Which placements a list is about: a place and a filter, as SQL conditions with the reach already in them.

Law: a scope never holds what its reach may not see, and never what is being deleted (limbo). Folders are named one by one, so
that an index ordered by folder answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from poststelle.errors import NotFound
from poststelle.mail.listing import Filter, Place, Where
from poststelle.mail.ports import FLAGGED, Role
from poststelle.mail.settings import Right
from poststelle.store import threads
from poststelle.store.access import Reach, granted_sql
from poststelle.store.branches import folders_below
from poststelle.store.rows import all_rows, column, marks, moment, one_row, stored

NEW_FOR_DAYS = 30
"""What has been there longer is not new for anybody."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Placements (alias ``{p}`` in `condition`) of these folders, hex ids; None: of all within reach.

    `total` and `unread` count them where the folders' counts tell; `most` bounds how many there can be. `is_unread`: the condition
    has unread ones only. `is_few`: the condition names few messages, which are looked up one by one.
    """

    folders: tuple[str, ...] | None
    condition: str = ""
    parameters: tuple[Any, ...] = ()
    total: int | None = None
    unread: int | None = None
    most: int | None = None
    is_unread: bool = False
    is_few: bool = False

    def where(self, alias: str = "p") -> tuple[str, list[Any]]:
        """The whole condition with its parameters."""
        pieces, bound = [], [*self.parameters]
        if self.folders is not None:
            # The plus keeps SQLite from reading whole folders for the sake of a few messages.
            plus = "+" if self.is_few and connection.vendor == "sqlite" else ""
            pieces.append(f"{plus}{alias}.folder_id IN ({marks(self.folders)})" if self.folders else "1 = 0")
            bound = [*self.folders, *bound]
        if self.condition:
            pieces.append(self.condition.format(p=alias))
        return " AND ".join(pieces), bound


def visible(reach: Reach, right: Right = Right.SEE, *, of_few: bool = False) -> tuple[str, list[Any]]:
    """A condition on a folder ``f``: within reach and shown at all. `of_few`: the question names few placements or threads."""
    condition, parameters = granted_sql(reach, right, "f.account_id", folder="f.id", of_few=of_few)
    return f"{condition} AND f.place <> 'limbo'", [*parameters]


def scope_of(reach: Reach, where: Where) -> Scope:
    """The placements of a place. Raises NotFound for a folder, account or branch out of reach."""
    if where.place in _BY_WORK:
        return _by_work(reach, where.place)
    if where.place is Place.FOLDER:
        return _of(_folders(reach, "f.id = %s", [_key(where.id, "folder-unknown")]), "folder-unknown")
    if where.place is Place.ACCOUNT:
        account = _key(where.id, "account-unknown")
        if not _folders(reach, "f.account_id = %s", [account]):
            raise NotFound("account-unknown", account=where.id)
        return _of(_folders(reach, "f.account_id = %s AND f.role = %s", [account, Role.INBOX.value]))
    if where.place is Place.BRANCH:
        below = folders_below(reach, where.id)
        found: list[tuple[str, int, int]] = []
        for some in (below[at : at + 500] for at in range(0, len(below), 500)):
            found += _folders(reach, f"f.id IN ({marks(some)})", some)
        return _of(found)
    role = where.role if where.place is Place.ROLE else Role.INBOX
    scope = _of(_folders(reach, "f.role = %s", [role.value]))
    return _new(reach, scope) if where.place is Place.NEW else scope


def narrowed(reach: Reach, scope: Scope, chosen: Filter, *, whole: bool = False) -> Scope:
    """The scope's placements that pass the filter. `whole`: all of them will be looked at, and not just the first."""
    pieces, bound = [scope.condition] if scope.condition else [], [*scope.parameters]
    for condition, parameters in _conditions(reach, chosen, whole=whole):
        pieces.append(condition)
        bound += parameters
    if not chosen:
        return scope
    total = scope.unread if chosen == Filter(unread=True) else None
    unread = scope.unread if total is not None else None
    return replace(
        scope,
        condition=" AND ".join(pieces),
        parameters=tuple(bound),
        total=total,
        unread=unread,
        most=scope.unread if chosen.unread and scope.unread is not None else scope.most,
        is_unread=chosen.unread,
        is_few=chosen.mine,
    )


def members(reach: Reach, where: Where, chosen: Filter, limit: int) -> list[str]:
    """The ids of all placements of a list, at most `limit`, newest first."""
    condition, bound = narrowed(reach, scope_of(reach, where), chosen).where()
    return [
        str(UUID(str(number)))
        for number in column(
            f"SELECT p.id FROM store_placement p WHERE {condition}"  # noqa: S608 - our own conditions, parameters bound
            " ORDER BY p.received_at DESC, p.ordinal DESC, p.id DESC LIMIT %s",
            [*bound, limit],
        )
    ]


def _folders(reach: Reach, condition: str, parameters: Sequence[Any]) -> list[tuple[str, int, int]]:
    may, bound = visible(reach)
    return [
        (_hex(number), total, unread)
        for number, total, unread in all_rows(
            f"SELECT f.id, f.total, f.unread FROM store_folder f WHERE {condition} AND {may}",  # noqa: S608
            [*parameters, *bound],
        )
    ]


def _of(folders: Sequence[tuple[str, int, int]], unknown: str = "") -> Scope:
    if unknown and not folders:
        raise NotFound(unknown)
    total, unread = sum(row[1] for row in folders), sum(row[2] for row in folders)
    return Scope(tuple(row[0] for row in folders), total=total, unread=unread, most=total)


def _new(reach: Reach, scope: Scope) -> Scope:
    since, person = new_since(reach), _person(reach)
    return replace(
        scope,
        condition="{p}.received_at > %s AND NOT EXISTS (SELECT 1 FROM store_looked k"
        " WHERE k.message_id = {p}.message_id AND k.user_id = %s)",
        parameters=(since, person),
        total=None,
        unread=None,
        most=None,
    )


def new_since(reach: Reach) -> Any:
    """From when on (as stored) mail can be new for the person: its log-in is younger, it has said so, or long ago."""
    row = one_row("SELECT created_at, new_since FROM store_user WHERE id = %s", [_person(reach)])
    since = [moment(at) for at in row or () if at is not None]
    return stored(max([timezone.now() - timedelta(days=NEW_FOR_DAYS), *since]))


_BY_WORK = {
    Place.MINE: "SELECT t.message_id FROM store_task t WHERE t.assignee_id = %s AND t.status <> 'done'",
    Place.FOLLOW_UP: "SELECT t.message_id FROM store_task t WHERE (t.follow_up_for_id = %s OR t.follow_up_for_id IS NULL)"
    " AND t.follow_up_at <= %s AND t.status <> 'done'",
    Place.MENTIONS: "SELECT n.message_id FROM store_mention x JOIN store_note n ON n.id = x.note_id WHERE x.user_id = %s",
}


def waiting(reach: Reach, place: Place) -> int:
    """How many messages stand in a place of somebody's work; of mentions those not looked at."""
    mine, bound = _theirs(reach, place)
    unseen = " AND x.seen_at IS NULL" if place is Place.MENTIONS else ""
    may, more = visible(reach, of_few=True)
    row = one_row(
        f"SELECT count(DISTINCT p.message_id) FROM store_placement p WHERE p.message_id IN ({mine}{unseen})"  # noqa: S608
        f" AND EXISTS (SELECT 1 FROM store_folder f WHERE f.id = p.folder_id AND {may})",
        [*bound, *more],
    )
    return int(row[0]) if row else 0


def _by_work(reach: Reach, place: Place) -> Scope:
    """One placement for each message, the latest made, wherever it lies."""
    mine, own = _theirs(reach, place)
    may, bound = visible(reach)
    seen = f"EXISTS (SELECT 1 FROM store_folder f WHERE f.id = {{}}.folder_id AND {may})"  # noqa: S608 - our own conditions
    latest = (
        "NOT EXISTS (SELECT 1 FROM store_placement o WHERE o.message_id = {p}.message_id AND o.id > {p}.id"  # noqa: S608
        f" AND {seen.format('o')})"
    )
    there = f"{{p}}.message_id IN ({mine}) AND {seen.format('{p}')}"
    return Scope(None, f"{there} AND {latest}", (*own, *bound, *bound))


def _theirs(reach: Reach, place: Place) -> tuple[str, list[Any]]:
    """The messages that are the person's work."""
    return _BY_WORK[place], [_person(reach), *([stored(timezone.now())] if place is Place.FOLLOW_UP else [])]


def _conditions(reach: Reach, chosen: Filter, *, whole: bool) -> list[tuple[str, list[Any]]]:
    task = "SELECT t.message_id FROM store_task t WHERE"
    found: list[tuple[str, list[Any]]] = []
    if chosen.unread:
        found.append(("NOT {p}.seen", []))
    if chosen.flagged:
        found.append(_flagged(FLAGGED))
    if chosen.tag:
        found.append(_flagged(chosen.tag))
    if chosen.attachments:
        of_message = "EXISTS (SELECT 1 FROM store_message m WHERE m.id = {p}.message_id AND m.has_attachments)"
        found.append((of_message if threads.is_behind() else "{p}.has_attachments", []))
    if chosen.mine:
        found.append((f"{{p}}.message_id IN ({task} t.assignee_id = %s AND t.status <> 'done')", [_person(reach)]))
    if chosen.unassigned:
        taken = "(t.assignee_id IS NOT NULL OR t.status = 'done')"
        each = f"NOT EXISTS ({task} t.message_id = {{p}}.message_id AND {taken})"
        found.append((f"{{p}}.message_id NOT IN ({task} {taken})" if whole else each, []))
    if chosen.status is not None:
        rows = f"({task} t.message_id = {{p}}.message_id AND t.status"
        # Without a task a message is open.
        is_open = chosen.status.value == "open"
        found.append(
            (f"NOT EXISTS {rows} <> 'open')", []) if is_open else (f"EXISTS {rows} = %s)", [chosen.status.value])
        )
    return found


def _flagged(flag: str) -> tuple[str, list[Any]]:
    escaped = flag.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    # The first look spares most rows the second, which costs twice as much.
    exact = "{p}.flags LIKE %s ESCAPE '!' AND ' ' || {p}.flags || ' ' LIKE %s ESCAPE '!'"
    return exact, [f"%{escaped}%", f"% {escaped} %"]


def _person(reach: Reach) -> str:
    """Nobody's work is the system's."""
    return UUID(reach.user).hex if reach.user is not None else ""


def _key(text: str, code: str) -> str:
    try:
        return UUID(text).hex
    except ValueError as error:
        raise NotFound(code) from error


def _hex(value: Any) -> str:
    return value.hex if isinstance(value, UUID) else str(value)
