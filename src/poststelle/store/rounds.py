"""Rounds: which accounts are to be watched, who waits for a round, and how the latest one went.

An account is active, or suspended until a person acts; the office asks for rounds, the engine notes how they end. This module
does not know when to try again: that comes in from `policy.retry`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from poststelle.errors import NotFound, PoststelleError
from poststelle.mail.settings import Kind
from poststelle.store import journal, models
from poststelle.store.access import Reach
from poststelle.store.accounts import ACTIVE, account_row, activate, resume
from poststelle.store.trouble import trouble_column

SUSPENDED = "suspended"


def to_watch() -> dict[str, int]:
    """Accounts the engine should hold a session for: id and settings version."""
    rows = models.Account.objects.filter(state=ACTIVE, kind=Kind.SYNCHRONISED.value)
    return {str(number): version for number, version in rows.values_list("id", "settings_version")}


def waiting() -> set[str]:
    """Active accounts for which somebody asked for a round not yet finished."""
    rows = models.Account.objects.filter(state=ACTIVE, sync_wanted_at__isnull=False)
    rows = rows.filter(Q(last_round_at=None) | Q(last_round_at__lt=F("sync_wanted_at")))
    return {str(number) for number in rows.values_list("id", flat=True)}


def want(reach: Reach, account: str, *, actor: str) -> datetime:
    """Ask for a round now; a suspended account is tried again. When it was asked."""
    with transaction.atomic():
        row = account_row(reach, account)
        row.sync_wanted_at = timezone.now()
        resume(row)
        row.save()
        journal.write(reach.pool, actor, "sync-requested", f"account:{row.pk}", account=row.pk)
    return row.sync_wanted_at


def started(account: str) -> None:
    """The engine is at it: shown as activity."""
    models.Account.objects.filter(pk=account, syncing=False).update(syncing=True)


def finished(account: str, report: Sequence[Mapping[str, object]], started_at: datetime) -> None:
    """A round ended well: `report` is kept for whoever asked; earlier trouble is over."""
    with transaction.atomic():
        row = models.Account.objects.filter(pk=account).first()
        if row is None:
            return
        if row.trouble is not None:
            journal.write(row.pool_id, journal.SYSTEM, "account-resumed", f"account:{row.pk}", account=row.pk)
        activate(row)
        row.syncing = False
        row.synced_at = timezone.now()
        # A wish made while the round was running is answered by the next one.
        row.last_round_at, row.last_round = started_at, list(report)
        row.save()


def failed(account: str, error: PoststelleError, retry_after: float | None, *, version: int | None = None) -> None:
    """A round failed: try again after so many seconds, or (None) suspend until a person acts.

    `version`: the settings it failed with; nothing is noted of a failure with settings that have been changed since.
    """
    with transaction.atomic():
        row = models.Account.objects.filter(pk=account).first()
        if row is None or version not in {None, row.settings_version}:
            return
        now = timezone.now()
        first = row.trouble is None
        if row.trouble is None or row.trouble.get("code") != error.code:
            row.trouble_since = now
        row.trouble = trouble_column(error)
        row.failures += 1
        row.syncing = False
        # Whoever asked for this round has their answer; otherwise the wish would be tried again without a pause.
        row.sync_wanted_at = None
        row.state = ACTIVE if retry_after is not None else SUSPENDED
        row.retry_at = now + timedelta(seconds=retry_after) if retry_after is not None else None
        row.save()
        if row.state == SUSPENDED or first:
            kind = "account-suspended" if row.state == SUSPENDED else "account-troubled"
            journal.write(
                row.pool_id, journal.SYSTEM, kind, f"account:{row.pk}", account=row.pk, facts={"code": error.code}
            )


def failures_of(account: str) -> int:
    """How many rounds in a row have failed."""
    return models.Account.objects.filter(pk=account).values_list("failures", flat=True).first() or 0


def latest(account: str) -> tuple[datetime | None, list[dict[str, object]]]:
    """When the last finished round began, and its report. Raises NotFound."""
    row = models.Account.objects.filter(pk=account).values_list("last_round_at", "last_round").first()
    if row is None:
        raise NotFound("account-unknown", account=account)
    return row[0], row[1] or []


def engine_started() -> None:
    """Nothing is running when the engine starts: clear what a killed one left."""
    models.Account.objects.filter(syncing=True).update(syncing=False)


def accept_loss(reach: Reach, account: str, *, actor: str) -> None:
    """A person says: what is missing on the server may go here too. Tried again at once."""
    with transaction.atomic():
        row = account_row(reach, account)
        models.Folder.objects.filter(account=row).update(loss_accepted=True)
        row.sync_wanted_at = timezone.now()
        resume(row)
        row.save()
        journal.write(reach.pool, actor, "loss-accepted", f"account:{row.pk}", account=row.pk)
