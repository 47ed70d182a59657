"""Groups at the counter: people who get rights together. Administrators only."""

from __future__ import annotations

from collections.abc import Sequence

from poststelle.errors import Invalid
from poststelle.mail.document import Fields
from poststelle.mail.records import GroupRecord
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import groups


def within(actor: Actor) -> list[GroupRecord]:
    """Every group with its members, by name."""
    require_administrator(actor)
    return groups.within(actor.reach)


def show(actor: Actor, group: str) -> GroupRecord:
    """One, by name or id. Raises NotFound."""
    require_administrator(actor)
    return groups.find(actor.reach, group)


def add(actor: Actor, name: str, members: Sequence[str] = ()) -> GroupRecord:
    """A new group of these people (e-mail addresses or ids). Raises Invalid: name, members.N."""
    require_administrator(actor)
    return groups.find(actor.reach, groups.put(actor.reach, None, _name(name), members, actor=actor.name))


def change(actor: Actor, group: str, *, name: str | None = None, members: Sequence[str] | None = None) -> GroupRecord:
    """Another name, other members; None leaves them. Rights by the group change at once. Raises Invalid, NotFound."""
    record = show(actor, group)
    kept = [user.id for user in record.members] if members is None else members
    wanted = record.name if name is None else _name(name)
    return groups.find(actor.reach, groups.put(actor.reach, record.id, wanted, kept, actor=actor.name))


def remove(actor: Actor, group: str) -> None:
    """Forget a group with every grant it has. Raises NotFound, Conflict: group-in-use, group-guards-files."""
    groups.remove(actor.reach, show(actor, group).id, actor=actor.name)


def _name(name: str) -> str:
    fields = Fields()
    wanted = fields.text("name", name, limit=120)
    if fields.wrong:
        raise Invalid(fields.wrong)
    return wanted
