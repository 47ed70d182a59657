"""Grants: who may do what with an account or one folder of it, kept as the settings name them.

Somebody always administers an account. What changed is journalled person by person, and a grant to oneself says so.
This module does not know whether whoever changes them may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import GrantRecord, GroupRecord, UserRecord
from poststelle.mail.settings import AccountSettings, GrantWish, Right
from poststelle.store import journal, models
from poststelle.store.access import Reach, column_of, grants_sql
from poststelle.store.ids import is_id
from poststelle.store.people import find_user, user_record
from poststelle.store.rows import all_rows, chunks, marks

ALL_RIGHTS = frozenset(Right)
_RIGHTS = ", ".join(f"g.{column_of(right)}" for right in Right)


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes a grant one of its own."""

    user: UUID | None
    group: UUID | None
    folder: UUID | None
    starts_at: datetime | None
    ends_at: datetime | None


def put(row: models.Account, settings: AccountSettings, *, caretaker: str, actor: str) -> bool:
    """The account's grants are what the settings name; where they name none, all rights to the owner, else to `caretaker`.

    Where nobody would administer for good, the caretaker gets that right (and no other). Whether any grant differs.
    Raises Invalid for grants.N.user, .group, .folder.
    """
    if settings.grants is not None:
        wanted = _wanted(row, settings.grants)
    else:
        wanted = {_Key(row.owner_id or UUID(caretaker), None, None, None, None): ALL_RIGHTS}
    _somebody_administers(wanted, caretaker)
    return _keep(row, wanted, actor)


def set_one(account: str, caretaker: str, wish: GrantWish, *, actor: str) -> bool:
    """One grantee's rights on an account, or on one folder of it, are these from now on; without rights there is no grant.

    Somebody goes on administering: else `caretaker` does. Raises Invalid for grants.0.user, .group, .folder.
    """
    with transaction.atomic():
        row = models.Account.objects.get(pk=account)
        named = _wanted(row, [wish])
        about = next((key.user, key.group, key.folder) for key in named)
        wanted = {
            _key_of(one): rights_of(one)
            for one in row.grants.all()
            if (one.user_id, one.group_id, one.folder_id) != about
        }
        wanted |= {key: rights for key, rights in named.items() if rights}
        _somebody_administers(wanted, caretaker)
        return _keep(row, wanted, actor)


def _somebody_administers(wanted: dict[_Key, frozenset[Right]], caretaker: str) -> None:
    if not any(Right.ADMINISTER in rights and key.ends_at is None for key, rights in wanted.items()):
        mine = _Key(UUID(caretaker), None, None, None, None)
        wanted[mine] = wanted.get(mine, frozenset()) | {Right.ADMINISTER}


def _keep(row: models.Account, wanted: Mapping[_Key, frozenset[Right]], actor: str) -> bool:
    before = {_key_of(grant): (grant, rights_of(grant)) for grant in row.grants.select_related("user", "group")}
    if {key: rights for key, (_, rights) in before.items()} == wanted:
        return False
    for key, (grant, _) in before.items():
        if key not in wanted:
            grant.delete()
    for key, rights in wanted.items():
        columns = {column_of(right): right in rights for right in Right}
        if key in before:
            models.Grant.objects.filter(pk=before[key][0].pk).update(**columns)
        else:
            models.Grant.objects.create(
                account=row, user_id=key.user, group_id=key.group, folder_id=key.folder, starts_at=key.starts_at,
                ends_at=key.ends_at, **columns,
            )  # fmt: skip
    _tell(row, {key: rights for key, (_, rights) in before.items()}, wanted, actor)
    return True


def rights(reach: Reach, accounts: Sequence[str]) -> dict[str, frozenset[Right]]:
    """What the reach may do with each of these accounts as a whole."""
    if reach.user is None:
        return dict.fromkeys(accounts, ALL_RIGHTS)
    held, bound = grants_sql(reach)
    found: dict[str, frozenset[Right]] = {}
    for some in chunks(accounts):
        for account, *holds in all_rows(
            f"SELECT g.account_id, {_RIGHTS} {held} AND g.folder_id IS NULL AND g.account_id IN ({marks(some)})",
            [*bound, *(UUID(one).hex for one in some)],
        ):
            number = str(UUID(str(account)))
            found[number] = found.get(number, frozenset()) | _held(holds)
    return found


def rights_in(reach: Reach, folder: str) -> frozenset[Right]:
    """What the reach may do with one folder by grants on that folder alone."""
    if reach.user is None:
        return ALL_RIGHTS
    held, bound = grants_sql(reach)
    rows = all_rows(f"SELECT {_RIGHTS} {held} AND g.folder_id = %s", [*bound, UUID(folder).hex])
    return frozenset(right for holds in rows for right in _held(holds))


def _held(holds: Sequence[Any]) -> frozenset[Right]:
    return frozenset(right for right, held in zip(Right, holds, strict=True) if held)


def records(accounts: Sequence[str]) -> dict[str, list[GrantRecord]]:
    """Every grant on these accounts, people before groups, by name."""
    found: dict[str, list[GrantRecord]] = {}
    rows = models.Grant.objects.filter(account_id__in=accounts)
    order = ("group__name", "user__name", "user__email", "folder", "starts_at")
    people: dict[UUID | None, UserRecord | None] = {None: None}
    for user in models.User.objects.filter(pk__in=rows.exclude(user=None).values("user")):
        people[user.pk] = user_record(user)
    groups: dict[UUID | None, GroupRecord | None] = {None: None}
    for number, name in models.Group.objects.filter(pk__in=rows.exclude(group=None).values("group")).values_list(
        "pk", "name"
    ):
        groups[number] = GroupRecord(str(number), name)
    told = rows.order_by(*order).values_list(
        "account_id", "user_id", "group_id", "folder_id", "starts_at", "ends_at", *map(column_of, Right)
    )
    for account, user_id, group_id, folder, starts_at, ends_at, *holds in told:
        found.setdefault(str(account), []).append(
            GrantRecord(people[user_id], _held(holds), groups[group_id], str(folder or ""), starts_at, ends_at)
        )
    return found


def rights_of(row: models.Grant) -> frozenset[Right]:
    """The rights of a row."""
    return frozenset(right for right in Right if getattr(row, column_of(right)))


def _wanted(row: models.Account, wishes: Sequence[GrantWish]) -> dict[_Key, frozenset[Right]]:
    known = [_key_of(grant) for grant in row.grants.all()] if not row._state.adding else []
    wanted: dict[_Key, frozenset[Right]] = {}
    for number, wish in enumerate(wishes):
        where = f"grants.{number}"
        user, group = _user(where, wish), _group(row.pool_id, where, wish)
        folder = _folder(row, where, wish)
        dates = moment_of(wish.starts_at), moment_of(wish.ends_at, end=True)
        if not wish.dated:
            same = [one for one in known if (one.user, one.group, one.folder) == (user, group, folder)]
            dates = (same[0].starts_at, same[0].ends_at) if same else dates
        key = _Key(user, group, folder, *dates)
        wanted[key] = wanted.get(key, frozenset()) | wish.rights
    return wanted


def moment_of(text: str, *, end: bool = False) -> datetime | None:
    """The moment an ISO text names; of a date its beginning, or its `end`, where the office is."""
    if not text:
        return None
    if len(text) > len("2026-01-01"):
        return datetime.fromisoformat(text)
    day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
    return datetime.combine(day, time(), timezone.get_current_timezone())


def _user(where: str, wish: GrantWish) -> UUID | None:
    if not wish.user:
        return None
    try:
        return UUID(find_user(wish.user).id)
    except NotFound as error:
        raise Invalid({f"{where}.user": "unknown-user"}) from error


def _group(pool: int, where: str, wish: GrantWish) -> UUID | None:
    if not wish.group:
        return None
    rows = models.Group.objects.filter(pool=pool)
    row = rows.filter(pk=wish.group).first() if is_id(wish.group) else rows.filter(name__iexact=wish.group).first()
    if row is None:
        raise Invalid({f"{where}.group": "unknown-group"})
    return row.pk


def _folder(row: models.Account, where: str, wish: GrantWish) -> UUID | None:
    if not wish.folder:
        return None
    if not is_id(wish.folder) or not models.Folder.objects.filter(account=row.pk, pk=wish.folder).exists():
        raise Invalid({f"{where}.folder": "unknown-folder"})
    return UUID(wish.folder)


def _key_of(row: models.Grant) -> _Key:
    return _Key(row.user_id, row.group_id, row.folder_id, row.starts_at, row.ends_at)


def _tell(
    row: models.Account, before: Mapping[_Key, frozenset[Right]], after: Mapping[_Key, frozenset[Right]], actor: str
) -> None:
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    emails = dict(models.User.objects.filter(pk__in=[key.user for key in keys if key.user]).values_list("pk", "email"))
    names = dict(models.Group.objects.filter(pk__in=[key.group for key in keys if key.group]).values_list("pk", "name"))
    changes = []
    for key in keys:
        told: dict[str, object] = (
            {"user": emails[key.user]} if key.user else {"group": names[key.group] if key.group else ""}
        )
        for name, value in (("folder", key.folder), ("from", key.starts_at), ("until", key.ends_at)):
            if value is not None:
                told[name] = str(value)
        told |= {
            "gained": sorted(after.get(key, frozenset()) - before.get(key, frozenset())),
            "lost": sorted(before.get(key, frozenset()) - after.get(key, frozenset())),
        }
        if told.get("user") == actor and told["gained"]:
            told["to_oneself"] = True
        changes.append(told)
    journal.write(
        row.pool_id, actor, "grants-changed", f"account:{row.pk}", account=row.pk, facts={"changes": changes[:100]}
    )
