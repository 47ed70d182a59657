"""Whether what is stored is whole, and how the accounts are doing: asked by people who look after an installation. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone

from poststelle.errors import Conflict, NotFound
from poststelle.mail.records import HealthRecord
from poststelle.mail.settings import Right
from poststelle.store import models
from poststelle.store.access import Reach, granted, granted_sql
from poststelle.store.blobs import CACHED
from poststelle.store.messages import content
from poststelle.store.rows import all_rows, column, moment, one_row, stored
from poststelle.store.trouble import trouble_record

RATE_SECONDS = 300
_LATEST_ENTRIES = 5_000
_SAMPLE, _BEYOND = 1_000, 2**63 - 1
_KEPT = f"m.segment_id NOT IN (SELECT id FROM store_segment WHERE name LIKE '{CACHED}%%')"  # noqa: S608
"""The cache is no promise: no backup has it, and its server shows it again."""
SAFETY_SECONDS = 1_800.0
"""Between rounds of an account whose server reports every folder by itself."""


def database_faults() -> list[str]:
    """What SQLite finds wrong with its file; empty when nothing."""
    return [line for line in column("PRAGMA quick_check(20)", []) if line != "ok"]


def unreadable(newest: int) -> int:
    """How many of the newest messages that are kept for good do not give back their bytes."""
    rows = all_rows(
        f"SELECT pool_id, sha256 FROM store_message m WHERE {_KEPT} ORDER BY id DESC LIMIT %s",  # noqa: S608 - our own condition
        [newest],
    )
    return sum(not _readable(pool, bytes(sha256)) for pool, sha256 in rows)


def every_message() -> Iterator[bool]:
    """Message by message that is kept for good, the newest first, whether it gives back its bytes; in bounded memory."""
    before = _BEYOND
    while rows := all_rows(
        f"SELECT id, pool_id, sha256 FROM store_message m WHERE id < %s AND {_KEPT} ORDER BY id DESC LIMIT %s",  # noqa: S608
        [before, _SAMPLE],
    ):
        for number, pool, sha256 in rows:
            yield _readable(pool, bytes(sha256))
            before = number


def _readable(pool: int, sha256: bytes) -> bool:
    try:
        content(pool, sha256)
    except (Conflict, NotFound):
        return False
    return True


def account_ids(reach: Reach, right: Right) -> set[str]:
    """The accounts within reach by this right."""
    return {str(number) for number in models.Account.objects.filter(granted(reach, right)).values_list("pk", flat=True)}


class Judge(Protocol):
    """Says in a word how an account is doing (`policy.health`)."""

    def __call__(
        self,
        *,
        active: bool,
        in_step: bool,
        suspended: bool,
        troubled: bool,
        syncing: bool,
        since: datetime,
        synced_at: datetime | None,
        received_at: datetime | None,
        interval: float,
        behind: int,
        missing: int,
    ) -> str: ...


def board(reach: Reach, right: Right, poll_seconds: float, judge: Judge) -> list[HealthRecord]:
    """What is known of every account within reach by `right`, in a handful of queries."""
    condition, parameters = granted_sql(reach, right, "a.id")
    rows = all_rows(
        "SELECT a.id, a.label, a.address, a.state, a.trouble, a.trouble_since, a.retry_at, a.synced_at, a.received_at,"  # noqa: S608 - our own columns
        " a.sent_at, a.incoming_protocol, a.syncing, a.watching, a.active, a.receiving, a.created_at, a.last_round_at,"
        f" a.certificates, a.quota FROM store_account a WHERE {condition}",
        parameters,
    )
    counts, now = _Counts.read(reach.pool), timezone.now()
    return [_health(row, counts, poll_seconds, now, judge) for row in rows]


def heard_of(reach: Reach, account: str, poll_seconds: float, judge: Judge) -> tuple[str, datetime] | None:
    """How an account some of whose mail is within reach is doing, and since when that holds; None out of reach.

    Its folders are not counted, so it is neither behind nor losing.
    """
    may, bound = granted_sql(reach, Right.SEE, "a.id", anywhere=True)
    row = one_row(
        "SELECT a.state, a.trouble IS NOT NULL, a.active, a.incoming_protocol, a.receiving, a.syncing,"  # noqa: S608 - our own columns
        " COALESCE(a.last_round_at, a.created_at), a.synced_at, a.received_at, a.watching"
        f" FROM store_account a WHERE a.id = %s AND {may}",
        [UUID(account).hex, *bound],
    )
    if row is None:
        return None
    state, troubled, active, protocol, receiving, syncing, since, synced_at, received_at, watching = row
    clock = _clock(active, protocol, receiving, syncing, since, synced_at, received_at, watching, poll_seconds)
    word = judge(suspended=state == "suspended", troubled=bool(troubled), **clock, behind=0, missing=0)
    return word, clock["synced_at"] or clock["since"]


@dataclass(frozen=True, slots=True)
class _Counts:
    """What is counted per account (its key as stored)."""

    folders: Mapping[str, tuple[int, int, int]]
    set_aside: Mapping[str, int]
    errands: Mapping[str, int]
    outgoing: Mapping[tuple[str, str], int]
    arrived: Mapping[str, int]

    @classmethod
    def read(cls, pool: int) -> _Counts:
        lately = stored(timezone.now() - timedelta(seconds=RATE_SECONDS))
        return cls(
            {
                account: (held or 0, behind or 0, missing or 0)
                for account, held, behind, missing in all_rows(
                    "SELECT account_id, SUM(total), SUM(remaining), SUM(CASE WHEN ledger IS NULL THEN 0"
                    " ELSE json_extract(ledger, '$.missing') END) FROM store_folder WHERE place <> 'limbo' GROUP BY account_id"
                )
            },
            dict(
                all_rows(
                    "SELECT f.account_id, COUNT(*) FROM store_setaside s JOIN store_folder f ON f.id = s.folder_id"
                    " GROUP BY f.account_id"
                )
            ),
            dict(all_rows("SELECT account_id, COUNT(*) FROM store_errand WHERE closed_at IS NULL GROUP BY account_id")),
            {
                (account, state): count
                for account, state, count in all_rows(
                    "SELECT account_id, state, COUNT(*) FROM store_outgoing"
                    " WHERE state IN ('queued', 'sending', 'deferred', 'held', 'uncertain') GROUP BY account_id, state"
                )
            },
            dict(
                all_rows(
                    "SELECT account_id, SUM(json_extract(facts, '$.count')) FROM (SELECT account_id, kind, at, facts"
                    " FROM store_journal WHERE pool_id = %s ORDER BY id DESC LIMIT %s)"
                    " WHERE kind = 'messages-arrived' AND at >= %s GROUP BY account_id",
                    [pool, _LATEST_ENTRIES, lately],
                )
            ),
        )


def _health(row: tuple[Any, ...], counts: _Counts, poll_seconds: float, now: datetime, judge: Judge) -> HealthRecord:
    (
        number, label, address, state, trouble, since, retry_at, synced_at, received_at, sent_at, protocol, syncing,
        watching, active, receiving, created_at, round_at, certificates, quota,
    ) = row  # fmt: skip
    held, behind, missing = counts.folders.get(number, (0, 0, 0))
    told = json.loads(quota) if quota else None
    clock = _clock(
        active, protocol, receiving, syncing, round_at or created_at, synced_at, received_at, watching, poll_seconds
    )
    known: dict[str, Any] = clock | {"behind": behind, "missing": missing}
    word = judge(suspended=state == "suspended", troubled=trouble is not None, **known)
    return HealthRecord(
        account_id=str(UUID(number)), label=label, address=address, state=word, **known,
        trouble=trouble_record(json.loads(trouble), moment(since)) if trouble and since else None,
        retry_at=_maybe(retry_at), sent_at=_maybe(sent_at), receives=bool(protocol), watching=watching, held=held,
        rate=counts.arrived.get(number, 0) * 60 / RATE_SECONDS, set_aside=counts.set_aside.get(number, 0),
        errands=counts.errands.get(number, 0),
        queued=counts.outgoing.get((number, "queued"), 0) + counts.outgoing.get((number, "sending"), 0),
        deferred=counts.outgoing.get((number, "deferred"), 0), uncertain=sum(counts.outgoing.get((number, state), 0) for state in ("held", "uncertain")),
        certificate_days=_days_left(json.loads(certificates), now),
        quota=(told["used"], told["limit"]) if told else None,
    )  # fmt: skip


def _clock(
    active: Any,
    protocol: str,
    receiving: str,
    syncing: Any,
    since: Any,
    synced_at: Any,
    received_at: Any,
    watching: str,
    poll_seconds: float,
) -> dict[str, Any]:
    """What is expected of an account by the clock, and what came of it: columns in, names of `Judge` out."""
    settings = json.loads(receiving)
    # Switched off, by hand only, or live: nobody expects anything of it by the clock.
    waits = all(settings.get(name, True) for name in ("included", "automatic", "background"))
    return {
        "active": bool(active), "in_step": bool(protocol) and waits, "syncing": bool(syncing), "since": moment(since),
        "synced_at": _maybe(synced_at), "received_at": _maybe(received_at), "interval": _interval(settings, watching, poll_seconds),
    }  # fmt: skip


def _interval(settings: Mapping[str, Any], watching: str, poll_seconds: float) -> float:
    usual = max(poll_seconds, 60.0 * float(settings.get("interval_minutes", 1)))
    return max(usual, SAFETY_SECONDS) if watching == "notify" else usual


def _days_left(certificates: Mapping[str, Mapping[str, str]], now: datetime) -> int | None:
    ends = [datetime.fromisoformat(one["not_after"]) for one in certificates.values() if one.get("not_after")]
    return min((end - now).days for end in ends) if ends else None


def _maybe(value: Any) -> datetime | None:
    return moment(value) if value is not None else None
