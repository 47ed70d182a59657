"""Groups: people who get rights together."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.records import GroupRecord, UserRecord
from poststelle.store import journal, models
from poststelle.store.access import Reach
from poststelle.store.ids import is_id
from poststelle.store.people import named, person, person_columns, user_record
from poststelle.store.rows import all_rows, id_text


def within(reach: Reach) -> list[GroupRecord]:
    """Every group of the pool with its members, by name."""
    members: dict[str, list[UserRecord]] = {}
    for group, *columns in all_rows(
        f"SELECT m.group_id, {person_columns('u')} FROM store_group_members m JOIN store_group g ON g.id = m.group_id"  # noqa: S608
        " JOIN store_user u ON u.id = m.user_id WHERE g.pool_id = %s ORDER BY u.name, u.email",
        [reach.pool],
    ):
        member = person(columns)
        if member is not None:
            members.setdefault(group, []).append(member)
    rows = all_rows("SELECT id, name FROM store_group WHERE pool_id = %s ORDER BY name", [reach.pool])
    return [GroupRecord(id_text(number), name, members.get(number, [])) for number, name in rows]


def find(reach: Reach, name: str) -> GroupRecord:
    """One, by name or id. Raises NotFound."""
    return _record(_row(reach, name))


def put(reach: Reach, group: str | None, name: str, members: Sequence[str], *, actor: str) -> str:
    """A new group, or (`group`) another name and other members of one; its id. `members`: e-mail addresses or ids.

    Raises Invalid: name ``taken``, members.N ``unknown-user``; NotFound.
    """
    people, wrong = [], {}
    for number, member in enumerate(members):
        user = named(member)
        if user is None:
            wrong[f"members.{number}"] = "unknown-user"
        else:
            people.append(user)
    if wrong:
        raise Invalid(wrong)
    with transaction.atomic():
        row = _row(reach, group) if group is not None else models.Group(pool_id=reach.pool)
        was, row.name = row.name, name
        if models.Group.objects.filter(pool=reach.pool, name__iexact=name).exclude(pk=row.pk).exists():
            raise Invalid({"name": "taken"})
        row.save()
        before = {one.email for one in row.members.all()}
        row.members.set(models.User.objects.filter(pk__in=[user.id for user in people]))
        after = {user.email for user in people}
        kind = "group-changed" if group is not None else "group-added"
        facts: dict[str, object] = {"name": name, "joined": sorted(after - before), "left": sorted(before - after)}
        if group is not None and was != name:
            facts |= journal.difference({"name": (was, name)})
        journal.write(reach.pool, actor, kind, f"group:{row.pk}", facts=facts)
    return str(row.pk)


def remove(reach: Reach, group: str, *, actor: str) -> None:
    """Forget one, with every grant it has. Raises NotFound, Conflict: "group-in-use" while it alone administers a mailbox,
    "group-guards-files" while a mailbox's files are for it only."""
    with transaction.atomic():
        row = _row(reach, group)
        administered = models.Account.objects.filter(grants__group=row, grants__administer=True)
        others = models.Grant.objects.filter(administer=True, ends_at=None).exclude(group=row)
        if administered.exclude(grants__in=others).exists():
            raise Conflict("group-in-use", group=row.name)
        if models.Account.objects.filter(Q(incoming_files=row) | Q(outgoing_files=row)).exists():
            raise Conflict("group-guards-files", group=row.name)
        accounts = [str(number) for number in row.grants.values_list("account", flat=True).distinct()]
        facts = {"name": row.name, "accounts": len(accounts)}
        journal.write(reach.pool, actor, "group-removed", f"group:{row.pk}", facts=facts)
        row.delete()


def _row(reach: Reach, name: str) -> models.Group:
    rows = models.Group.objects.filter(pool=reach.pool)
    row = rows.filter(pk=name).first() if is_id(name) else rows.filter(name__iexact=name).first()
    if row is None:
        raise NotFound("group-unknown", group=name)
    return row


def _record(row: models.Group) -> GroupRecord:
    members = sorted(row.members.all(), key=lambda user: (user.name, user.email))
    return GroupRecord(str(row.pk), row.name, [user_record(user) for user in members])
