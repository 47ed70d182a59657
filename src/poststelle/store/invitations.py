"""Links by which a person sets a password of their own: tokens that prove themselves, nothing is stored.

The token covers the stored password and the last log-in (django.contrib.auth.tokens), so it ends with the first use.
"""

from __future__ import annotations

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction

from poststelle.errors import NotFound
from poststelle.mail.records import UserRecord
from poststelle.mail.secret import Secret
from poststelle.store import journal, models
from poststelle.store.ids import is_id
from poststelle.store.people import user_record


def token_of(user: str) -> str:
    """A token for this person (id)."""
    row = models.User.objects.get(pk=user)
    return f"{row.pk.hex}.{default_token_generator.make_token(row)}"


def user_of(token: str) -> UserRecord:
    """Whose it is. Raises NotFound once it has ended."""
    return user_record(_row(token))


def set_password(token: str, password: Secret) -> None:
    """The person's password; the token has ended. Raises NotFound."""
    row = _row(token)
    # A good hash takes its time; nobody else should have to wait for it.
    row.set_password(password.reveal())
    with transaction.atomic():
        _row(token)
        models.User.objects.filter(pk=row.pk).update(password=row.password)
        journal.write(row.pool_id, row.email, "password-changed", f"user:{row.pk}", facts={"own": True})


def _row(token: str) -> models.User:
    number, _, proof = token.partition(".")
    row = models.User.objects.filter(pk=number, is_active=True, is_service=False).first() if is_id(number) else None
    if row is None or not default_token_generator.check_token(row, proof):
        raise NotFound("invitation-unknown")
    return row
