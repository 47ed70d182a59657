"""API tokens: made, listed, revoked, and looked up by whoever brings one. Kept only as a digest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from poststelle.errors import NotFound
from poststelle.mail.records import TokenRecord, UserRecord
from poststelle.store import journal
from poststelle.store.ids import is_id
from poststelle.store.models import Token, User
from poststelle.store.people import user_record

_NOTED_EVERY = timedelta(hours=1)


def add(
    user_id: str, name: str, scopes: Collection[str], *, actor: str, lifetime: timedelta
) -> tuple[str, TokenRecord]:
    """A new token. The token itself is returned once."""
    token = f"ps_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        row = Token.objects.create(
            user=user, name=name, scopes=" ".join(scopes), digest=_digest(token), expires_at=timezone.now() + lifetime
        )
        facts = {"name": name, "scopes": row.scopes, "email": user.email}
        journal.write(user.pool_id, actor, "token-added", f"user:{user.pk}", facts=facts)
    return token, _record(row)


def of(user_id: str) -> list[TokenRecord]:
    """A person's tokens, the newest first; ended ones too, until somebody revokes them."""
    return [_record(row) for row in Token.objects.filter(user_id=user_id).order_by("-created_at", "-pk")]


def revoke(user_id: str, token_id: str, *, actor: str) -> None:
    """It is no longer valid. Raises NotFound."""
    with transaction.atomic():
        row = (
            Token.objects.filter(user_id=user_id, pk=token_id).select_related("user").first()
            if is_id(token_id)
            else None
        )
        if row is None:
            raise NotFound("token-unknown")
        row.delete()
        facts = {"name": row.name, "email": row.user.email}
        journal.write(row.user.pool_id, actor, "token-revoked", f"user:{user_id}", facts=facts)


def find(token: str) -> tuple[UserRecord, TokenRecord]:
    """Whose token this is, if it is valid now; that it was used is noted once an hour. Raises NotFound."""
    now = timezone.now()
    rows = Token.objects.select_related("user")
    row = rows.filter(digest=_digest(token), expires_at__gt=now, user__is_active=True).first()
    if row is None:
        raise NotFound("token-unknown")
    if row.used_at is None or now - row.used_at > _NOTED_EVERY:
        Token.objects.filter(pk=row.pk).update(used_at=now)
    return user_record(row.user), _record(row)


def _record(row: Token) -> TokenRecord:
    return TokenRecord(str(row.pk), row.name, tuple(row.scopes.split()), row.created_at, row.expires_at, row.used_at)


def _digest(token: str) -> str:
    # A token has 256 random bits: nothing to gain from a slow hash.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
