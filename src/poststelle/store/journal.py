"""The journal: every change writes its entry in its own transaction, here and nowhere else.

Audit trail, live view and API change feed are three readers of this one table. Arrivals are one entry per batch and folder.
Ids follow commit order, because every writer holds the write lock when it takes one (SQLite: BEGIN IMMEDIATE). Each entry
carries a digest over itself and the digest before it in its pool (RELIABILITY Q74): `store.chain` says whether it still fits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from poststelle.mail.records import JournalRecord, Page
from poststelle.mail.settings import Right
from poststelle.store.access import Reach, granted, granted_folders
from poststelle.store.models import Account, Folder, Journal
from poststelle.store.rows import change, one_row, stored

SYSTEM = "system"

KINDS = frozenset(
    {
        "office-created", "user-added", "token-added", "account-added", "account-changed", "account-removed",
        "account-suspended", "account-resumed", "account-troubled", "folders-listed", "messages-arrived", "messages-changed",
        "messages-removed", "message-set-aside", "loss-suspected", "loss-accepted", "flags-changed", "errand-refused",
        "outgoing-submitted", "outgoing-changed", "outgoing-released", "outgoing-discarded", "outbox-held", "sync-requested",
        "grants-changed", "exception-made", "exception-ended", "account-converted", "account-moved", "login-added",
        "login-changed", "login-removed", "password-changed", "outgoing-server-added", "outgoing-server-changed",
        "outgoing-server-removed", "template-added", "template-changed", "template-removed", "group-added", "group-changed",
        "group-removed", "hand-over-created", "hand-over-used", "user-invited", "user-blocked", "user-unblocked",
        "mailboxes-handed-over", "accounts-imported", "accounts-exported",
        "ledger-missing", "ledger-extra", "set-aside-retried", "transcript-started", "transcript-stopped",
        "messages-moved", "messages-copied", "messages-deleted", "message-appended", "errand-undone", "folder-created",
        "folder-renamed", "folder-deleted", "folder-changed",
        "assigned", "status-changed", "follow-up-set", "follow-up-due", "note-added", "note-changed", "note-removed",
        "answering-changed", "tag-changed", "tag-removed", "tree-arranged", "shared-tree-arranged", "messages-looked-up",
        "messages-kept", "token-revoked", "sessions-ended", "second-factor-added", "second-factor-removed", "second-factor-reset", "user-changed",
        "recovery-codes-made", "second-factor-required", "sign-on-linked", "alarm-sent", "notice-changed", "egress-allowed", "egress-revoked",
    }
)  # fmt: skip

FOR_EVERYBODY = frozenset({"shared-tree-arranged", "tag-changed", "tag-removed"})
"""What concerns everybody in the office and tells nothing of anybody's mail."""


LONGEST_VALUE = 300


def difference(changed: Mapping[str, tuple[object, object]]) -> dict[str, object]:
    """Facts that say what was and what is, by name: ``before`` and ``after``. Callers leave secrets out; long texts are cut."""
    if not changed:
        return {}
    sides = [{name: _short(pair[side]) for name, pair in changed.items()} for side in (0, 1)]
    return dict(zip(("before", "after"), sides, strict=True))


def _short(value: object) -> object:
    return f"{value[:LONGEST_VALUE]}…" if isinstance(value, str) and len(value) > LONGEST_VALUE else value


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
    at, told = timezone.now(), dict(facts or {})
    places = [UUID(str(place)) if place else None for place in (account, folder)]
    # By plain SQL: this is on every writer's way, and an object would cost more than the chain does.
    with transaction.atomic(savepoint=False):
        newest = one_row("SELECT digest FROM store_journal WHERE pool_id = %s ORDER BY id DESC LIMIT 1", [pool])
        previous = newest[0] if newest else ""
        digest = digest_of(previous, pool, at, actor, kind, subject, places, told)
        change(
            "INSERT INTO store_journal (pool_id, at, actor, kind, subject, account_id, folder_id, facts, previous, digest)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                pool, stored(at), actor, kind, subject, *(place.hex if place else None for place in places),
                json.dumps(told), previous, digest,
            ],
        )  # fmt: skip


def digest_of(
    previous: str,
    pool: int,
    at: datetime,
    actor: str,
    kind: str,
    subject: str,
    places: Sequence[UUID | None],
    facts: Mapping[str, object],
) -> str:
    """SHA-256 (hex) over the digest before and the entry as canonical JSON: sorted names, no blanks, ASCII. `places`: account, folder."""
    entry = {
        "account": str(places[0]) if places[0] else None, "actor": actor,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"), "facts": facts,
        "folder": str(places[1]) if places[1] else None, "kind": kind, "pool": pool, "subject": subject,
    }  # fmt: skip
    canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{canonical}".encode()).hexdigest()


def latest() -> int:
    """The id of the newest entry, 0 when there is none."""
    row = one_row("SELECT max(id) FROM store_journal", [])
    return int(row[0] or 0) if row else 0


def since(reach: Reach, after: int, limit: int, *, administrator: bool = False) -> Page[JournalRecord]:
    """Entries after that id within reach: those of visible accounts; without an account, an administrator's or one's own."""
    visible = Account.objects.filter(granted(reach, Right.SEE, Right.ADMINISTER)).values("id")
    entries = Journal.objects.filter(pool=reach.pool, id__gt=after)
    if reach.user is not None:
        own = Q(account_id=None) if administrator else Q(account_id=None, subject=f"user:{reach.user}")
        own |= Q(account_id=None, kind__in=FOR_EVERYBODY)
        folders = Folder.objects.filter(granted_folders(reach, Right.SEE)).values("id")
        entries = entries.filter(Q(account_id__in=visible) | Q(folder_id__in=folders) | own)
    rows = list(entries.order_by("id")[: limit + 1])
    following = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page([_record(row) for row in rows[:limit]], following)


def page(
    reach: Reach, limit: int, before: int | None, *, kind: str = "", actor: str = "", account: str = ""
) -> Page[JournalRecord]:
    """Newest first, older than entry `before`, of the whole pool. For callers that have checked who asks. `account` is an id."""
    entries = Journal.objects.filter(pool=reach.pool)
    if before is not None:
        entries = entries.filter(id__lt=before)
    if kind:
        entries = entries.filter(kind=kind)
    if actor:
        entries = entries.filter(actor__iexact=actor)
    if account:
        entries = entries.filter(account_id=account)
    rows = list(entries.order_by("-id")[: limit + 1])
    return Page([_record(row) for row in rows[:limit]], str(rows[limit - 1].id) if len(rows) > limit else None)


def _record(row: Journal) -> JournalRecord:
    return JournalRecord(
        row.id, row.at, row.actor, row.kind, row.subject,
        str(row.account_id) if row.account_id else None, str(row.folder_id) if row.folder_id else None, row.facts,
    )  # fmt: skip
