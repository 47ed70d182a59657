"""People, their tokens, and the office row: verbs that return records."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.records import UserRecord
from poststelle.store import journal
from poststelle.store.models import Office, Pool, Token, User


def office_name() -> str | None:
    """The office this installation was set up for; None before that."""
    return Office.objects.values_list("name", flat=True).first()


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
    email: str, name: str, password: str | None, *, actor: str, language: str | None = None, administrator: bool = False
) -> UserRecord:
    """A new person; without a password they cannot log in before they have set one. Raises Invalid({"email": "taken"})."""
    pool = Pool.objects.order_by("pk").first()
    if pool is None:
        raise Conflict("not-set-up")
    user = User(
        email=email, name=name, pool=pool, language=language or office_language(), is_administrator=administrator
    )
    # A good hash takes its time; nobody else should have to wait for it.
    user.set_password(password)
    try:
        with transaction.atomic():
            if User.objects.filter(email__iexact=email).exists():
                raise Invalid({"email": "taken"})
            user.save()
            journal.write(pool.pk, actor, "user-added", f"user:{user.pk}", facts={"administrator": administrator})
    except IntegrityError as error:
        raise Invalid({"email": "taken"}) from error
    return user_record(user)


def tell(user_id: str, kind: str, *, actor: str) -> None:
    """Journal something about a person that changes no row."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        journal.write(user.pool_id, actor, kind, f"user:{user.pk}", facts={"email": user.email})


def preference(user_id: str, name: str) -> object:
    """What a person has chosen, None where nothing."""
    found: dict[str, object] = User.objects.values_list("preferences", flat=True).get(pk=user_id)
    return found.get(name)


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
    return UserRecord(str(user.pk), user.email, user.name, user.language, user.is_administrator)


def person_columns(alias: str) -> str:
    """What `person` needs of a user's row, for plain SQL."""
    return ", ".join(f"{alias}.{name}" for name in ("id", "email", "name", "language", "is_administrator"))


def person(row: Sequence[Any]) -> UserRecord | None:
    """The record of those columns; None where a join found nobody."""
    number, email, name, language, is_administrator = row
    return (
        UserRecord(str(UUID(str(number))), email, name, language, bool(is_administrator))
        if number is not None
        else None
    )


def find_user(name: str) -> UserRecord:
    """An active person by e-mail address (any case) or id. Raises NotFound."""
    return user_record(_user(name))


def named(name: str) -> UserRecord | None:
    """The same, None where there is nobody."""
    try:
        return find_user(name)
    except NotFound:
        return None


def pool_of(user_id: str) -> int:
    """The data pool a person belongs to."""
    return User.objects.values_list("pool_id", flat=True).get(pk=user_id)


def the_pool() -> int:
    """The one pool of this installation. Raises Conflict("not-set-up")."""
    pool = Pool.objects.order_by("pk").values_list("pk", flat=True).first()
    if pool is None:
        raise Conflict("not-set-up")
    return pool


def users(pool: int, *, active: bool = True) -> list[UserRecord]:
    """Everybody who can log in, by name; or (`active` false) who has been blocked."""
    return [user_record(user) for user in User.objects.filter(pool=pool, is_active=active).order_by("name", "email")]


def first_administrator() -> UserRecord:
    """Whoever was first made administrator. Raises Conflict("not-set-up")."""
    user = User.objects.filter(is_administrator=True, is_active=True).order_by("created_at", "pk").first()
    if user is None:
        raise Conflict("not-set-up")
    return user_record(user)


def add_token(user_id: str, name: str, *, actor: str, lifetime: timedelta) -> tuple[str, datetime]:
    """A new API token and when it expires. The token itself is returned once and kept only as a digest."""
    token = f"ps_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        row = Token.objects.create(user=user, name=name, digest=_digest(token), expires_at=timezone.now() + lifetime)
        journal.write(user.pool_id, actor, "token-added", f"user:{user.pk}", facts={"name": name})
    return token, row.expires_at


def user_of_token(token: str) -> UserRecord:
    """Whose token this is, if it is valid now. Raises NotFound."""
    now = timezone.now()
    row = (
        Token.objects.select_related("user")
        .filter(digest=_digest(token), expires_at__gt=now, user__is_active=True)
        .first()
    )
    if row is None:
        raise NotFound("token-unknown")
    if row.used_at is None or now - row.used_at > timedelta(hours=1):
        Token.objects.filter(pk=row.pk).update(used_at=now)
    return user_record(row.user)


def _digest(token: str) -> str:
    # A token has 256 random bits: nothing to gain from a slow hash.
    return hashlib.sha256(token.encode()).hexdigest()


def _user(name: str) -> User:
    active = User.objects.filter(is_active=True)
    try:
        user = active.filter(pk=UUID(name)).first()
    except ValueError:
        user = active.filter(email__iexact=name).first()
    if user is None:
        raise NotFound("user-unknown", user=name)
    return user
