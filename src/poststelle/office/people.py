"""People at the counter: set-up, users, tokens, language."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from poststelle.errors import Conflict, Invalid, NotPermitted
from poststelle.mail.address import is_addr_spec
from poststelle.mail.records import UserRecord
from poststelle.mail.secret import Secret
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import people

LANGUAGES = ("de", "en")
TOKEN_LIFETIME = timedelta(days=365)


def office_name() -> str | None:
    """The office this installation serves; None before set-up. Open to everybody: the log-in page shows it."""
    return people.office_name()


def office_language() -> str:
    """The office's language, ``de`` before set-up. Open to everybody."""
    return people.office_language()


def set_up(actor: Actor, *, office: str, language: str, email: str, name: str, password: Secret) -> UserRecord:
    """Create office and first administrator. Only the system may (command line, or the page behind the one-time link).

    Raises Invalid (fields office, language, email, name, password), Conflict("already-set-up").
    """
    if actor.user is not None:
        raise NotPermitted("system-only")
    if people.office_name() is not None:
        raise Conflict("already-set-up")
    wrong = {} if office.strip() else {"office": "missing"}
    if language not in LANGUAGES:
        wrong["language"] = "unknown-value"
    wrong |= _wrong(email, name, password)
    if wrong:
        raise Invalid(wrong)
    return people.create_office(
        office.strip(), language, email=email.strip(), person=name.strip(), password=password.reveal()
    )


def add_user(actor: Actor, *, email: str, name: str, password: Secret, administrator: bool = False) -> UserRecord:
    """A new person. Administrators only. Raises Invalid (fields email, name, password)."""
    require_administrator(actor)
    wrong = _wrong(email, name, password)
    if wrong:
        raise Invalid(wrong)
    return people.add_user(
        email.strip(), name.strip(), password.reveal(), actor=actor.name, administrator=administrator
    )


def users(actor: Actor) -> list[UserRecord]:
    """Everybody who can log in. Administrators only."""
    require_administrator(actor)
    return people.users(actor.reach.pool)


def add_token(actor: Actor, user: str, name: str) -> str:
    """An API token with all of that person's rights, valid a year; returned once. Oneself, or the system for anybody."""
    person = people.find_user(user)
    if actor.user is not None and actor.user.id != person.id:
        raise NotPermitted("own-tokens-only")
    if not name.strip():
        raise Invalid({"name": "missing"})
    token, _ = people.add_token(person.id, name.strip(), actor=actor.name, lifetime=TOKEN_LIFETIME)
    return token


def set_language(actor: Actor, language: str) -> None:
    """The language the acting person reads. Raises Invalid."""
    if language not in LANGUAGES:
        raise Invalid({"language": "unknown-value"})
    if actor.user is None:
        raise NotPermitted("people-only")
    people.set_language(actor.user.id, language)


def actor_of_token(token: str) -> Actor:
    """Who stands behind an API token. Raises NotFound."""
    return Actor(people.user_of_token(token))


def actor_named(name: str) -> Actor:
    """The person with this e-mail address or id, for the command line. Raises NotFound."""
    return Actor(people.find_user(name))


def actor_of_session(user_id: str) -> Actor:
    """The logged-in person. Raises NotFound once they are blocked."""
    return Actor(people.find_user(user_id))


def _wrong(email: str, name: str, password: Secret) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not email.strip():
        wrong["email"] = "missing"
    elif not is_addr_spec(email.strip()):
        wrong["email"] = "not-an-address"
    if not name.strip():
        wrong["name"] = "missing"
    try:
        validate_password(password.reveal())
    except ValidationError as error:
        codes = {item.code for item in error.error_list}
        wrong["password"] = "too-short" if "password_too_short" in codes else "too-common"
    return wrong
