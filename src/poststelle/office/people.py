"""People at the counter: set-up, users, language."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from poststelle.errors import Conflict, Invalid, NotFound, NotPermitted
from poststelle.mail.address import is_addr_spec
from poststelle.mail.narrowing import passes
from poststelle.mail.records import AccountRecord, UserRecord
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Right
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import accounts, people

LANGUAGES = ("de", "en")


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


def add_service(actor: Actor, *, email: str, name: str) -> UserRecord:
    """A program: it has tokens and rights like a person, and never logs in. Administrators only. Raises Invalid (fields email, name)."""
    require_administrator(actor)
    wrong = wrong_person(email, name)
    if wrong:
        raise Invalid(wrong)
    return people.add_user(email.strip(), name.strip(), None, actor=actor.name, service=True)


def change(
    actor: Actor,
    user: str,
    *,
    name: str | None = None,
    administrator: bool | None = None,
    email: str | None = None,
) -> UserRecord:
    """Another name, another role; None leaves it. Administrators only; `email`, which opens their mail, only the system.

    Raises Invalid (fields name, email, administrator), NotFound, NotPermitted("system-only"), Conflict("last-administrator").
    """
    require_administrator(actor)
    if email is not None and actor.user is not None:
        raise NotPermitted("system-only")
    person = people.find_user(user)
    wrong = wrong_person(person.email if email is None else email, person.name if name is None else name)
    if administrator and person.is_service:
        wrong["administrator"] = "unknown-value"
    if wrong:
        raise Invalid(wrong)
    return people.change(
        person.id, actor=actor.name, administrator=administrator,
        name=None if name is None else name.strip(), email=None if email is None else email.strip(),
    )  # fmt: skip


def users(actor: Actor, words: str = "", only: str = "") -> list[UserRecord]:
    """Everybody who can log in, by name. Administrators only.

    `words` must occur in name or address; `only`: ``administrator``, ``program``, or ``blocked`` for those who have been.
    """
    require_administrator(actor)
    found = people.users(actor.reach.pool, active=only != "blocked")
    if only in {"administrator", "program"}:
        found = [one for one in found if (one.is_administrator if only == "administrator" else one.is_service)]
    return [one for one in found if passes(words, one.name, one.email)] if words else found


def blocked(actor: Actor) -> list[UserRecord]:
    """Everybody who has been blocked. Administrators only."""
    return users(actor, only="blocked")


def set_language(actor: Actor, language: str) -> None:
    """The language the acting person reads. Raises Invalid."""
    if language not in LANGUAGES:
        raise Invalid({"language": "unknown-value"})
    if actor.user is None:
        raise NotPermitted("people-only")
    people.set_language(actor.user.id, language)


def actor_named(name: str) -> Actor:
    """The person with this e-mail address or id, for the command line. Raises NotFound."""
    return Actor(people.find_user(name))


def actor_of_session(user_id: str) -> Actor:
    """The logged-in person. Raises NotFound once they are blocked."""
    return Actor(people.find_user(user_id))


def administered(actor: Actor, user: str) -> UserRecord:
    """Somebody (id or e-mail address) whose log-in the actor may look after: oneself, or anybody for administrators.

    Raises NotFound, NotPermitted.
    """
    if actor.user is not None and user.casefold() in {actor.user.id, actor.user.email.casefold()}:
        return actor.user
    require_administrator(actor)
    return people.find_user(user)


def wrong_person(email: str, name: str) -> dict[str, str]:
    """What is wrong with e-mail address and name, by field."""
    wrong: dict[str, str] = {}
    if not email.strip():
        wrong["email"] = "missing"
    elif not is_addr_spec(email.strip()):
        wrong["email"] = "not-an-address"
    if not name.strip():
        wrong["name"] = "missing"
    return wrong


def wrong_password(password: Secret) -> str:
    """Why a new password cannot be taken, empty when it can."""
    try:
        validate_password(password.reveal())
    except ValidationError as error:
        codes = {item.code for item in error.error_list}
        return "too-short" if "password_too_short" in codes else "too-common"
    return ""


def change_password(actor: Actor, password: Secret) -> None:
    """Another password of the acting person's; every log-in made with the old one ends. Raises Invalid({"password": …}), NotPermitted."""
    if actor.user is None:
        raise NotPermitted("people-only")
    wrong = wrong_password(password)
    if wrong:
        raise Invalid({"password": wrong})
    people.set_password(actor.user.id, password, actor=actor.name)


def set_default_sender(actor: Actor, account: str | None) -> None:
    """The account new mail of the acting person begins with; None forgets it. Raises NotFound, NotPermitted, Invalid."""
    if actor.user is None:
        raise NotPermitted("people-only")
    if account is None:
        people.set_preference(actor.user.id, "default_sender", None)
        return
    record = accounts.find(actor.reach, account)
    if not record.rights & {Right.SEND_AS, Right.SEND_ON_BEHALF}:
        raise NotPermitted("send-as-needed")
    if not record.way_out:
        raise Invalid({"account": "cannot-send"})
    people.set_preference(actor.user.id, "default_sender", record.id)


def default_sender(actor: Actor) -> AccountRecord | None:
    """The account new mail of the acting person begins with, while they may still send from it."""
    chosen = people.preference(actor.user.id, "default_sender") if actor.user else None
    try:
        record = accounts.find(actor.reach, chosen) if isinstance(chosen, str) else None
    except NotFound:
        return None
    if record is None or not record.rights & {Right.SEND_AS, Right.SEND_ON_BEHALF} or not record.way_out:
        return None
    return record


def _wrong(email: str, name: str, password: Secret) -> dict[str, str]:
    wrong = wrong_person(email, name)
    if reason := wrong_password(password):
        wrong["password"] = reason
    return wrong
