"""Second factors at the counter: who has what, who must have one, and what happens when somebody has lost theirs.

Law: administrators say who must have one and take a colleague's away after a loss; they never set one up for somebody. Setting up and
using one is the log-in pages' (django-allauth), which tell here what was done.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from poststelle.errors import NotFound
from poststelle.mail.records import FactorsRecord, GroupRecord
from poststelle.office import people as office
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import groups, people, second_factors


@dataclass(frozen=True, slots=True)
class Rule:
    """Who must have a second factor."""

    everybody: bool
    groups: tuple[GroupRecord, ...]


def of(actor: Actor, user: str) -> FactorsRecord:
    """What that person (id or e-mail address) has: oneself, or anybody for administrators. Raises NotFound, NotPermitted."""
    return second_factors.of(office.administered(actor, user).id)


def must_set_up(actor: Actor) -> bool:
    """The acting person must have a second factor and has none."""
    return actor.user is not None and second_factors.is_lacking(actor.user.id)


def rule(actor: Actor) -> Rule:
    """Who must have one. Administrators only."""
    require_administrator(actor)
    everybody, wanted = second_factors.required(actor.reach)
    return Rule(everybody, tuple(group for group in groups.within(actor.reach) if group.id in wanted))


def require(actor: Actor, *, everybody: bool, groups_named: Collection[str] = ()) -> Rule:
    """From now on everybody, or the members of these groups (names or ids) must have one; whoever has none sets one up before
    anything else. Administrators only. Raises NotFound.
    """
    require_administrator(actor)
    wanted = frozenset(groups.find(actor.reach, name).id for name in groups_named)
    second_factors.require(actor.reach, everybody=everybody, groups=wanted, actor=actor.name)
    return rule(actor)


def reset(actor: Actor, user: str) -> int:
    """Take away all a person has, and the link to the identity provider: they log in with the password alone and begin anew.

    Administrators only. Raises NotFound.
    """
    require_administrator(actor)
    return second_factors.reset(people.find_user(user).id, actor=actor.name)


def added(user: str) -> None:
    """The log-in pages say: this person (id) has set one up."""
    _tell(user, "second-factor-added")


def removed(user: str) -> None:
    """The log-in pages say: this person (id) has taken one away."""
    _tell(user, "second-factor-removed")


def codes_made(user: str) -> None:
    """The log-in pages say: this person (id) has new recovery codes."""
    _tell(user, "recovery-codes-made")


def seal(text: str) -> str:
    """A secret of the log-in library, to be kept."""
    return second_factors.seal_text(text)


def unseal(text: str) -> str:
    """The secret again. Raises Conflict("secret-unreadable")."""
    return second_factors.unseal_text(text)


def _tell(user: str, kind: str) -> None:
    try:
        people.tell(user, kind, actor=people.find_user(user).email)
    except NotFound:
        return
