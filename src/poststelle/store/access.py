"""Reach: which accounts somebody may see, applied by the store in every query (RELIABILITY Q70).

A reach is made by the office from the acting person and handed into every reading or writing verb. Outside it nothing exists:
a thing that is there and a thing that is not are the same `NotFound`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from poststelle.mail.settings import Right

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
    """Accounts on which the reach holds at least one of these rights now. Combine with ``.distinct()``-free lookups: one grant each."""
    if reach.user is None:
        return Q(pool=reach.pool)
    now = timezone.now()
    any_right = Q()
    for right in rights:
        any_right |= Q(**{f"grants__{_COLUMNS[right]}": True})
    # One Q, so that Django puts all conditions on the same grant row.
    return Q(
        Q(grants__starts_at=None) | Q(grants__starts_at__lte=now),
        Q(grants__ends_at=None) | Q(grants__ends_at__gt=now),
        any_right,
        pool=reach.pool,
        grants__user=reach.user,
    )


def granted_sql(reach: Reach, right: Right, account: str, now: datetime | None = None) -> tuple[str, Sequence[object]]:
    """The same as a SQL condition on the column `account` (an account id), with its parameters."""
    if reach.user is None:
        return f"{account} IN (SELECT id FROM store_account WHERE pool_id = %s)", [reach.pool]  # noqa: S608 - column names are ours
    moment = str((now or timezone.now()).replace(tzinfo=None))
    return (
        f"{account} IN (SELECT g.account_id FROM store_grant g JOIN store_account a ON a.id = g.account_id"  # noqa: S608
        f" WHERE g.user_id = %s AND g.{_COLUMNS[right]} AND a.pool_id = %s"
        " AND (g.starts_at IS NULL OR g.starts_at <= %s) AND (g.ends_at IS NULL OR g.ends_at > %s))",
        [reach.user.replace("-", ""), reach.pool, moment, moment],
    )
