"""Hand-over links: the owner of a mailbox enters the password, nobody else sees it (RELIABILITY Q32).

A token has 256 random bits and is kept as a digest. It belongs to one account, ends after a day, and is used up by a passed test
only, in the transaction that keeps the secret.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from poststelle.errors import NotFound
from poststelle.mail.settings import Login
from poststelle.store import journal, models
from poststelle.store.access import Reach
from poststelle.store.account_rows import endpoint
from poststelle.store.accounts import account_row, resume_all
from poststelle.store.login_rows import confirm, places, seal_into

LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An account that waits for its owner's secret. `address` and who asked are all a page may show."""

    account: str
    label: str
    address: str
    asked_by: str
    expires_at: datetime


def create(reach: Reach, account: str, *, asked_by: str, actor: str) -> tuple[str, datetime]:
    """A new token for the account, and when it expires; earlier ones are void. Raises NotFound."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        row = account_row(reach, account)
        row.hand_overs.filter(used_at=None).delete()
        expires_at = timezone.now() + LIFETIME
        models.HandOver.objects.create(account=row, asked_by_id=asked_by, digest=_digest(token), expires_at=expires_at)
        facts = {"expires_at": expires_at.isoformat()}
        journal.write(reach.pool, actor, "hand-over-created", f"account:{row.pk}", account=row.pk, facts=facts)
    return token, expires_at


def look(token: str) -> Waiting:
    """What the token is for. Raises NotFound once it is used, has expired, or never was."""
    row = _row(token)
    return Waiting(
        str(row.account_id), row.account.label, row.account.address,
        f"{row.asked_by.name} ({row.asked_by.email})", row.expires_at,
    )  # fmt: skip


def keep(token: str, login: Login) -> None:
    """The test has passed: keep the secret for the account's own login and use the token up. Raises NotFound."""
    with transaction.atomic():
        row = _row(token)
        account = row.account
        if account.login is None:
            raise NotFound("hand-over-unknown")
        seal_into(account.login, login)
        way_out = endpoint(account, "outgoing") if account.authentication == "same" else None
        confirm(account.login, places(endpoint(account, "incoming"), way_out))
        account.login.save()
        models.HandOver.objects.filter(account=account, used_at=None).update(used_at=timezone.now())
        resume_all(models.Account.objects.filter(pk=account.pk))
        journal.write(
            account.pool_id, journal.SYSTEM, "hand-over-used", f"account:{account.pk}", account=account.pk,
            facts={"asked_by": row.asked_by.email},
        )  # fmt: skip


def _row(token: str) -> models.HandOver:
    rows = models.HandOver.objects.select_related("account__login", "asked_by")
    # Whoever asked must still be somebody here.
    row = rows.filter(
        digest=_digest(token), used_at=None, expires_at__gt=timezone.now(), asked_by__is_active=True
    ).first()
    if row is None:
        raise NotFound("hand-over-unknown")
    return row


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
