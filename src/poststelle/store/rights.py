"""Who may do what, seen from both sides: accounts × people in one window, and whose grants end when.

The window is built from a handful of queries, however many accounts and people there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from poststelle.mail.records import Cell, GroupRecord, Matrix
from poststelle.mail.settings import Right
from poststelle.store import models
from poststelle.store.access import Reach, column_of, granted
from poststelle.store.narrowing import holding
from poststelle.store.people import user_record


def matrix(
    reach: Reach, limit: int, after: str | None, *, everything: bool, words: str = "", person: str | None = None
) -> Matrix:
    """A window of accounts by label: `everything` of the pool, or what the reach administers. `words`: in label or address."""
    rows = models.Account.objects.filter(Q(pool=reach.pool) if everything else granted(reach, Right.ADMINISTER))
    rows = rows.filter(holding(words, "label", "address"))
    if after is not None:
        rows = rows.filter(label__gt=after)
    found = list(rows.order_by("label", "pk").values_list("pk", "label")[: limit + 1])
    shown = found[:limit]
    grants = _current([number for number, _ in shown])
    users = models.User.objects.filter(pool=reach.pool, is_active=True)
    groups = dict(models.Group.objects.filter(pool=reach.pool).values_list("pk", "name"))
    members = _members(groups)
    if not everything:
        seen = {grant.user for grant in grants} | {one for grant in grants for one in members.get(grant.group, ())}
        users = users.filter(pk__in=[one for one in seen if one is not None])
    if person is not None:
        users = users.filter(pk=person)
    people = [user_record(user) for user in users.order_by("name", "email")]
    cells = _cells(grants, groups, members, {UUID(one.id): one.id for one in people})
    return Matrix(
        [(str(number), label) for number, label in shown], people,
        [GroupRecord(str(number), name) for number, name in sorted(groups.items(), key=lambda one: one[1])],
        cells, shown[-1][1] if len(found) > limit else None,
    )  # fmt: skip


class _Held(NamedTuple):
    """A grant that counts now."""

    account: UUID
    user: UUID | None
    group: UUID | None
    folder: UUID | None
    until: datetime | None
    rights: tuple[bool, ...]


def _current(accounts: Sequence[UUID]) -> list[_Held]:
    now = timezone.now()
    rows = models.Grant.objects.filter(
        Q(starts_at=None) | Q(starts_at__lte=now), Q(ends_at=None) | Q(ends_at__gt=now), account__in=accounts
    )
    columns = [column_of(right) for right in Right]
    found = rows.values_list("account_id", "user_id", "group_id", "folder_id", "ends_at", *columns)
    return [_Held(row[0], row[1], row[2], row[3], row[4], row[5:]) for row in found]


def _members(groups: Mapping[UUID, str]) -> dict[UUID | None, list[UUID]]:
    found: dict[UUID | None, list[UUID]] = {}
    if groups:
        through = models.Group.members.through.objects.filter(group_id__in=list(groups), user__is_active=True)
        for group, user in through.values_list("group_id", "user_id"):
            found.setdefault(group, []).append(user)
    return found


def _cells(
    grants: Sequence[_Held],
    groups: Mapping[UUID, str],
    members: Mapping[UUID | None, Sequence[UUID]],
    wanted: Mapping[UUID, str],
) -> dict[tuple[str, str], Cell]:
    held: dict[UUID, dict[UUID, list[_Held]]] = {}
    for grant in grants:
        people = (grant.user,) if grant.user is not None else members.get(grant.group, ())
        row = held.setdefault(grant.account, {})
        for user in people:
            if user in wanted:
                row.setdefault(user, []).append(grant)
    # Most people hold their rights by the same few grants as others: equal cells are made once.
    made: dict[tuple[int, ...], Cell] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for account, row in held.items():
        number = str(account)
        for user, parts in row.items():
            key = tuple(map(id, parts))
            cell = made.get(key)
            if cell is None:
                cell = made[key] = _cell(parts, groups)
            cells[number, wanted[user]] = cell
    return cells


def _cell(held: Sequence[_Held], groups: Mapping[UUID, str]) -> Cell:
    whole = [grant for grant in held if grant.folder is None]
    return Cell(
        frozenset(right for grant in whole for right, holds in zip(Right, grant.rights, strict=True) if holds),
        tuple(sorted({groups[grant.group] for grant in held if grant.group is not None})),
        len({grant.folder for grant in held if grant.folder is not None}),
        min((grant.until for grant in held if grant.until is not None), default=None),
    )
