"""Reach: which accounts and folders somebody may see, applied by the store in every query (RELIABILITY Q70).

A reach is made by the office from the acting person and handed into every reading or writing verb. Outside it nothing exists:
a thing that is there and a thing that is not are the same `NotFound`. A grant is to a person or to a group, for an account or
for one folder of it, optionally between two moments; conditions here are subqueries, so that several grants never double a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from poststelle.mail.settings import Right
from poststelle.store.models import Grant, Group

_COLUMNS = {
    Right.SEE: "see",
    Right.PROCESS: "process",
    Right.SEND_AS: "send_as",
    Right.SEND_ON_BEHALF: "send_on_behalf",
    Right.ADMINISTER: "administer",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """What somebody can get at: the accounts granted to `user` (an id) within `pool`. `user` None is the system: all of the pool."""

    pool: int
    user: str | None


def column_of(right: Right) -> str:
    """The grant column that holds a right."""
    return _COLUMNS[right]


def granted(reach: Reach, *rights: Right) -> Q:
    """Accounts on which the reach holds at least one of these rights now, on the whole of them."""
    if reach.user is None:
        return Q(pool=reach.pool)
    return Q(pool=reach.pool, pk__in=grants_of(reach, *rights).filter(folder=None).values("account"))


def reachable(reach: Reach, *rights: Right) -> Q:
    """Accounts on which, or on one folder of which, the reach holds at least one of these rights now."""
    if reach.user is None:
        return Q(pool=reach.pool)
    return Q(pool=reach.pool, pk__in=grants_of(reach, *rights).values("account"))


def granted_folders(reach: Reach, *rights: Right) -> Q:
    """Folders on which the reach holds at least one of these rights now, by their account or by themselves."""
    if reach.user is None:
        return Q(account__pool=reach.pool)
    grants = grants_of(reach, *rights)
    whole = grants.filter(folder=None).values("account")
    return Q(account__pool=reach.pool) & (
        Q(account__in=whole) | Q(pk__in=grants.filter(folder__isnull=False).values("folder"))
    )


def grants_of(reach: Reach, *rights: Right) -> QuerySet[Grant]:
    """The reach's grants that hold now, with at least one of these rights (default: all its grants). Not for the system."""
    assert reach.user is not None  # the system needs no grants
    now, person = timezone.now(), UUID(reach.user)
    any_right = Q()
    for right in rights:
        any_right |= Q(**{_COLUMNS[right]: True})
    return Grant.objects.filter(
        Q(user=person) | Q(group__in=Group.objects.filter(members=person).values("pk")),
        Q(starts_at=None) | Q(starts_at__lte=now),
        Q(ends_at=None) | Q(ends_at__gt=now),
        any_right,
    )


def grants_sql(reach: Reach, now: datetime | None = None) -> tuple[str, list[object]]:
    """`grants_of` as SQL: what follows a SELECT of columns of ``g`` (a grant) and ``a`` (its account), with its parameters."""
    assert reach.user is not None  # the system needs no grants
    moment = str((now or timezone.now()).replace(tzinfo=None))
    person = reach.user.replace("-", "")
    return (
        "FROM store_grant g JOIN store_account a ON a.id = g.account_id"
        " WHERE (g.user_id = %s OR g.group_id IN (SELECT group_id FROM store_group_members WHERE user_id = %s)) AND a.pool_id = %s"
        " AND (g.starts_at IS NULL OR g.starts_at <= %s) AND (g.ends_at IS NULL OR g.ends_at > %s)",
        [person, person, reach.pool, moment, moment],
    )


def granted_sql(
    reach: Reach,
    right: Right,
    account: str,
    now: datetime | None = None,
    *,
    folder: str | None = None,
    anywhere: bool = False,
    of_few: bool = False,
) -> tuple[str, Sequence[object]]:
    """The same as a SQL condition on the column `account` (an account id) and `folder` (a folder id), with its parameters.

    Without `folder` only grants on the whole account count, unless one of its folders is enough (`anywhere`). `of_few`: the question
    names few rows, each of which is looked up by itself instead of everything within reach.
    """
    if reach.user is None:
        if of_few:
            return f"EXISTS (SELECT 1 FROM store_account a WHERE a.id = {account} AND a.pool_id = %s)", [reach.pool]  # noqa: S608
        return f"{account} IN (SELECT id FROM store_account WHERE pool_id = %s)", [reach.pool]  # noqa: S608 - column names are ours
    held, parameters = grants_sql(reach, now)
    grants = f"{held} AND g.{_COLUMNS[right]}"
    if of_few:
        where = f"{grants} AND g.account_id = {account}"
        if not anywhere:
            where += (
                " AND g.folder_id IS NULL"
                if folder is None
                else f" AND (g.folder_id IS NULL OR g.folder_id = {folder})"
            )
        return f"EXISTS (SELECT 1 {where})", parameters
    if anywhere:
        return f"{account} IN (SELECT g.account_id {grants})", parameters
    whole = f"{account} IN (SELECT g.account_id {grants} AND g.folder_id IS NULL)"
    if folder is None:
        return whole, parameters
    return (
        f"({whole} OR {folder} IN (SELECT g.folder_id {grants} AND g.folder_id IS NOT NULL))",
        [*parameters, *parameters],
    )
