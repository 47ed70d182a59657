"""The journal: every change writes its entry in its own transaction, here and nowhere else.

Audit trail, live view and API change feed are three readers of this one table. Arrivals are one entry per batch and folder.
Ids follow commit order, because every writer holds the write lock when it takes one (SQLite: BEGIN IMMEDIATE).
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db.models import Max, Q
from django.utils import timezone

from poststelle.mail.records import JournalRecord, Page
from poststelle.mail.settings import Right
from poststelle.store.access import Reach, granted
from poststelle.store.models import Account, Journal

SYSTEM = "system"

KINDS = frozenset(
    {
        "office-created", "user-added", "token-added", "account-added", "account-changed", "account-removed",
        "account-suspended", "account-resumed", "account-troubled", "folders-listed", "messages-arrived", "messages-changed",
        "messages-removed", "message-set-aside", "loss-suspected", "loss-accepted", "flags-changed", "errand-refused",
        "outgoing-submitted", "outgoing-changed", "sync-requested",
    }
)  # fmt: skip


def write(
    pool: int,
    actor: str,
    kind: str,
    subject: str,
    *,
    account: UUID | str | None = None,
    folder: UUID | str | None = None,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Add one entry to the transaction that makes the change. `subject` is ``noun:id``."""
    if kind not in KINDS:
        raise ValueError(kind)
    Journal.objects.create(
        pool_id=pool, at=timezone.now(), actor=actor, kind=kind, subject=subject,
        account_id=account, folder_id=folder, facts=dict(facts or {}),
    )  # fmt: skip


def latest() -> int:
    """The id of the newest entry, 0 when there is none."""
    return Journal.objects.aggregate(newest=Max("id"))["newest"] or 0


def since(reach: Reach, after: int, limit: int, *, administrator: bool = False) -> Page[JournalRecord]:
    """Entries after that id within reach: those of visible accounts; without an account, an administrator's or one's own."""
    visible = Account.objects.filter(granted(reach, Right.SEE, Right.ADMINISTER)).values("id")
    entries = Journal.objects.filter(pool=reach.pool, id__gt=after)
    if reach.user is not None:
        own = Q(account_id=None) if administrator else Q(account_id=None, subject=f"user:{reach.user}")
        entries = entries.filter(Q(account_id__in=visible) | own)
    rows = list(entries.order_by("id")[: limit + 1])
    following = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page([_record(row) for row in rows[:limit]], following)


def _record(row: Journal) -> JournalRecord:
    return JournalRecord(
        row.id, row.at, row.actor, row.kind, row.subject,
        str(row.account_id) if row.account_id else None, str(row.folder_id) if row.folder_id else None, row.facts,
    )  # fmt: skip
