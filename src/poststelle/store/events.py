"""The event log of each account: what was done for it, as codes and facts (wording: `office.happenings`).

Law: noting costs nobody anything: `note` puts the event into memory, and whoever runs the engine writes everything noted down
in one transaction every second or so (`flush`). A crash may lose that last second; nothing depends on events. The log is
bounded: the newest 2,000 of an account, none older than 90 days.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.mail.records import EventRecord, Page
from poststelle.store import models
from poststelle.store.rows import change, many, stored

EventCode = Literal[
    "connected", "logged-in", "folders-listed", "round", "push", "trouble", "retry", "suspended", "resumed", "errands", "errand-missed",
    "quota", "sent", "refused", "ledger-compared", "ledger-missing", "ledger-extra", "transcript-on", "transcript-off",
    "sent-folder-gone", "folder-closed", "keywords-unkept",
]  # fmt: skip
Level = Literal["info", "warning", "error"]
LEVELS: Sequence[Level] = get_args(Level)
CODES: frozenset[str] = frozenset(get_args(EventCode))

NEWEST, DAYS = 2_000, 90
_WAITING = 20_000
_TRIM_EVERY, _OLD_AT_ONCE = 200, 500
_LONGEST = 300

_waiting: deque[tuple[str, datetime, str, str, dict[str, object]]] = deque()
_since_trim: Counter[str] = Counter()


def note(account: str, code: EventCode, *, level: Level = "info", **facts: object) -> None:
    """Remember an event. From any thread; never waits and never fails.

    Facts are plain values without secrets; texts are cut and control characters shown.
    """
    if len(_waiting) >= _WAITING:
        return  # nobody writes them down just now, because the disk is full perhaps: what is there says enough
    _waiting.append((account, timezone.now(), level, code, {name: _plain(value) for name, value in facts.items()}))


def waiting() -> bool:
    """Something has been noted and not written down."""
    return bool(_waiting)


def flush() -> int:
    """Write down what has been noted; how many events. Blocking: for the writer thread."""
    noted = [_waiting.popleft() for _ in range(len(_waiting))]
    if not noted:
        return 0
    with transaction.atomic():
        # An account that has been removed meanwhile has no log any more.
        many(
            "INSERT INTO store_event (account_id, at, level, code, facts)"
            " SELECT id, %s, %s, %s, %s FROM store_account WHERE id = %s",
            [
                (stored(at), level, code, json.dumps(facts), UUID(account).hex)
                for account, at, level, code, facts in noted
            ],
        )
        _since_trim.update(account for account, *_ in noted)
        _trim()
    return len(noted)


def page(account: str, limit: int, before: int | None, levels: Sequence[str] = ()) -> Page[EventRecord]:
    """Newest first, older than event `before`."""
    rows = models.Event.objects.filter(account=UUID(account))
    if before is not None:
        rows = rows.filter(id__lt=before)
    if levels:
        rows = rows.filter(level__in=levels)
    found = list(rows.order_by("-id")[: limit + 1])
    return Page([_record(row) for row in found[:limit]], str(found[limit - 1].id) if len(found) > limit else None)


def since(account: str, after: int, limit: int) -> list[EventRecord]:
    """Oldest first, newer than event `after`."""
    return [
        _record(row) for row in models.Event.objects.filter(account=UUID(account), id__gt=after).order_by("id")[:limit]
    ]


def _trim() -> None:
    for account, count in [*_since_trim.items()]:
        if count >= _TRIM_EVERY:
            del _since_trim[account]
            change(
                "DELETE FROM store_event WHERE account_id = %s AND id <= (SELECT id FROM store_event WHERE account_id = %s"
                " ORDER BY id DESC LIMIT 1 OFFSET %s)",
                [UUID(account).hex, UUID(account).hex, NEWEST],
            )
    # Ids follow time: the oldest stand first, so this looks at a few rows only.
    change(
        "DELETE FROM store_event WHERE id IN (SELECT id FROM store_event ORDER BY id LIMIT %s) AND at < %s",
        [_OLD_AT_ONCE, stored(timezone.now() - timedelta(days=DAYS))],
    )


def _plain(value: object) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value[:50]]
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text[:_LONGEST])


def _record(row: Any) -> EventRecord:
    return EventRecord(row.id, row.at, row.level, row.code, row.facts)
