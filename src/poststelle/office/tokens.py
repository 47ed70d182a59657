"""API tokens at the counter: who may make, see and revoke them, and what one with a scope may be used for.

Law: a token carries the rights of its user and no more, and of those only what its scopes say. People make their own; for a program
(service user) administrators do, because it cannot. Nobody makes a token for another person: it would open their mail.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from django.conf import settings as django_settings

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.records import TokenRecord, UserRecord
from poststelle.office import people as office
from poststelle.office.actor import Actor
from poststelle.office.limits import Limit
from poststelle.store import api_tokens, people


class Scope(Enum):
    """What a token may be used for."""

    READ = "read"
    WRITE = "write"
    SEND = "send"
    ADMIN = "admin"


EVERYTHING = frozenset(Scope)
LONGEST_DAYS = 5 * 365


@dataclass(frozen=True, slots=True)
class Caller:
    """Who stands behind a token, and what it may be used for."""

    actor: Actor
    scopes: frozenset[Scope]


def make(
    actor: Actor, user: str, name: str, *, scopes: Collection[str] | None = None, days: int = 365
) -> tuple[str, TokenRecord]:
    """A new token of that person's (id or e-mail address), returned once; without `scopes` for everything.

    Raises Invalid (name, scopes, days), NotFound, NotPermitted("own-tokens-only").
    """
    person = _owner(actor, user)
    wanted = [scope.value for scope in Scope] if scopes is None else list(dict.fromkeys(scopes))
    wrong: dict[str, str] = {}
    if not name.strip():
        wrong["name"] = "missing"
    elif len(name.strip()) > 120:
        wrong["name"] = "too-long"
    if not wanted:
        wrong["scopes"] = "missing"
    elif not set(wanted) <= {scope.value for scope in Scope}:
        wrong["scopes"] = "unknown-value"
    if not 1 <= days <= LONGEST_DAYS:
        wrong["days"] = "out-of-range"
    if wrong:
        raise Invalid(wrong)
    return api_tokens.add(person.id, name.strip(), wanted, actor=actor.name, lifetime=timedelta(days=days))


def of(actor: Actor, user: str) -> list[TokenRecord]:
    """The tokens of that person, the newest first. Raises NotFound, NotPermitted."""
    return api_tokens.of(office.administered(actor, user).id)


def revoke(actor: Actor, user: str, token: str) -> None:
    """The token with that id is no longer valid: one's own, or as an administrator anybody's. Raises NotFound, NotPermitted."""
    api_tokens.revoke(office.administered(actor, user).id, token, actor=actor.name)


def caller(token: str) -> Caller:
    """Who stands behind a token, counted as one request. Raises NotFound, TooOften("too-many-requests")."""
    user, record = api_tokens.find(token)
    _requests.spend(record.id)
    return Caller(Actor(user), frozenset(map(Scope, record.scopes)))


def _owner(actor: Actor, user: str) -> UserRecord:
    person = people.find_user(user)
    own = actor.user is None or actor.user.id == person.id
    if not own and not (person.is_service and actor.is_administrator):
        raise NotPermitted("own-tokens-only")
    return person


_requests = Limit("too-many-requests", django_settings.POSTSTELLE.api_requests_per_minute, 60)
