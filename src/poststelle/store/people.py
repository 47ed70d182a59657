"""People and the office row: verbs that return records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.records import UserRecord
from poststelle.mail.secret import Secret
from poststelle.store import journal
from poststelle.store.models import Office, Pool, User
from poststelle.store.rows import all_rows, id_text, one_row


def office_name() -> str | None:
    """The office this installation was set up for; None before that."""
    row = one_row("SELECT name FROM store_office ORDER BY id LIMIT 1", [])
    return str(row[0]) if row else None


def office_language() -> str:
    """The office's language, ``de`` before it has been set up."""
    return Office.objects.values_list("language", flat=True).first() or "de"


def create_office(name: str, language: str, *, email: str, person: str, password: str) -> UserRecord:
    """Set up: the office, its pool and its first administrator. Raises Conflict("already-set-up")."""
    with transaction.atomic():
        if Office.objects.exists():
            raise Conflict("already-set-up")
        Office.objects.create(name=name, language=language)
        pool, _ = Pool.objects.get_or_create(name=name)
        journal.write(pool.pk, journal.SYSTEM, "office-created", "office:1", facts={"name": name})
        return add_user(email, person, password, language=language, administrator=True, actor=journal.SYSTEM)


def add_user(
    email: str,
    name: str,
    password: str | None,
    *,
    actor: str,
    language: str | None = None,
    administrator: bool = False,
    service: bool = False,
) -> UserRecord:
    """A new person; without a password they cannot log in before they have set one, and a `service` never.

    Raises Invalid({"email": "taken"}).
    """
    pool = Pool.objects.order_by("pk").first()
    if pool is None:
        raise Conflict("not-set-up")
    user = User(
        email=email, name=name, pool=pool, language=language or office_language(), is_administrator=administrator,
        is_service=service,
    )  # fmt: skip
    # A good hash takes its time; nobody else should have to wait for it.
    user.set_password(password)
    try:
        with transaction.atomic():
            if User.objects.filter(email__iexact=email).exists():
                raise Invalid({"email": "taken"})
            user.save()
            facts: dict[str, object] = {"email": user.email, "administrator": administrator}
            if service:
                facts["service"] = True
            journal.write(pool.pk, actor, "user-added", f"user:{user.pk}", facts=facts)
    except IntegrityError as error:
        raise Invalid({"email": "taken"}) from error
    return user_record(user)


def change(
    user_id: str, *, actor: str, name: str | None = None, email: str | None = None, administrator: bool | None = None
) -> UserRecord:
    """Another name, address or role; None leaves it. Raises Invalid({"email": "taken"}), Conflict("last-administrator")."""
    wanted = {"name": name, "email": email, "is_administrator": administrator}
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        before = {key: getattr(user, key) for key in wanted}
        changed = {key: value for key, value in wanted.items() if value is not None and value != before[key]}
        if not changed:
            return user_record(user)
        others = User.objects.filter(pool=user.pool_id).exclude(pk=user.pk)
        if email is not None and others.filter(email__iexact=email).exists():
            raise Invalid({"email": "taken"})
        is_last = not others.filter(is_administrator=True, is_active=True).exists()
        if changed.get("is_administrator") is False and is_last:
            raise Conflict("last-administrator")
        for key, value in changed.items():
            setattr(user, key, value)
        user.save(update_fields=[*changed])
        told = {key.removeprefix("is_"): (before[key], value) for key, value in changed.items()}
        facts = {"email": user.email} | journal.difference(told)
        journal.write(user.pool_id, actor, "user-changed", f"user:{user.pk}", facts=facts)
    return user_record(user)


def tell(user_id: str, kind: str, *, actor: str) -> None:
    """Journal something about a person that changes no row."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        journal.write(user.pool_id, actor, kind, f"user:{user.pk}", facts={"email": user.email})


def set_password(user_id: str, password: Secret, *, actor: str) -> None:
    """Another password; every log-in made with the old one ends."""
    user = User.objects.get(pk=user_id)
    # A good hash takes its time; nobody else should have to wait for it.
    user.set_password(password.reveal())
    with transaction.atomic():
        User.objects.filter(pk=user_id).update(password=user.password)
        journal.write(user.pool_id, actor, "password-changed", f"user:{user.pk}", facts={"own": True})


def preference(user_id: str, name: str) -> object:
    """What a person has chosen, None where nothing."""
    row = one_row("SELECT preferences FROM store_user WHERE id = %s", [UUID(user_id).hex])
    kept = json.loads(row[0]) if row and isinstance(row[0], str) else row[0] if row else {}
    return kept.get(name)


def set_preference(user_id: str, name: str, value: object) -> None:
    """What a person chooses; None forgets it."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        rest = {key: kept for key, kept in user.preferences.items() if key != name}
        user.preferences = rest if value is None else rest | {name: value}
        user.save(update_fields=["preferences"])


def set_language(user_id: str, language: str) -> None:
    """The language a person reads."""
    User.objects.filter(pk=user_id).update(language=language)


def user_record(user: User) -> UserRecord:
    """The record of a user row."""
    return UserRecord(str(user.pk), user.email, user.name, user.language, user.is_administrator, user.is_service)


_PERSON = ("id", "email", "name", "language", "is_administrator", "is_service")


def person_columns(alias: str) -> str:
    """What `person` needs of a user's row, for plain SQL."""
    return ", ".join(f"{alias}.{name}" for name in _PERSON)


def person(row: Sequence[Any]) -> UserRecord | None:
    """The record of those columns; None where a join found nobody."""
    number, email, name, language, is_administrator, is_service = row
    if number is None:
        return None
    return UserRecord(id_text(number), email, name, language, bool(is_administrator), bool(is_service))


def find_user(name: str) -> UserRecord:
    """An active person by e-mail address (any case) or id. Raises NotFound."""
    try:
        condition, bound = "u.id = %s", UUID(name).hex
    except ValueError:
        condition, bound = "lower(u.email) = lower(%s)", name
    row = one_row(f"SELECT {person_columns('u')} FROM store_user u WHERE u.is_active AND {condition}", [bound])  # noqa: S608
    found = person(row) if row else None
    if found is None:
        raise NotFound("user-unknown", user=name)
    return found


def named(name: str) -> UserRecord | None:
    """The same, None where there is nobody."""
    try:
        return find_user(name)
    except NotFound:
        return None


def is_known(email: str) -> bool:
    """Whether somebody has this address (any case), blocked or not."""
    return User.objects.filter(email__iexact=email).exists()


@lru_cache(maxsize=10_000)
def pool_of(user_id: str) -> int:
    """The data pool a person belongs to, for good."""
    return User.objects.values_list("pool_id", flat=True).get(pk=user_id)


def the_pool() -> int:
    """The one pool of this installation. Raises Conflict("not-set-up")."""
    pool = Pool.objects.order_by("pk").values_list("pk", flat=True).first()
    if pool is None:
        raise Conflict("not-set-up")
    return pool


def users(pool: int, *, active: bool = True) -> list[UserRecord]:
    """Everybody who can log in, by name; or (`active` false) who has been blocked."""
    rows = all_rows(
        f"SELECT {person_columns('u')} FROM store_user u WHERE u.pool_id = %s AND u.is_active = %s ORDER BY u.name, u.email",  # noqa: S608
        [pool, active],
    )
    return [found for row in rows if (found := person(row)) is not None]


def first_administrator() -> UserRecord:
    """Whoever was first made administrator. Raises Conflict("not-set-up")."""
    user = User.objects.filter(is_administrator=True, is_active=True).order_by("created_at", "pk").first()
    if user is None:
        raise Conflict("not-set-up")
    return user_record(user)
