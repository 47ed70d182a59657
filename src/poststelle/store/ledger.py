"""The ledger's arithmetic: what a server has in a folder against what is held here, set aside, expected and under way.

Law: a comparison is a snapshot whose numbers add up, kept with the folder (`Folder.ledger`); ids the server never gave
(``pending.``, ``local.``) take no part. What is missing is owed: the next sync fetches it. This module does not know
connections, or who may see the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Replace
from django.utils import timezone

from poststelle.mail.ports import Arrival, RemoteFolderId, RemoteId, Role
from poststelle.mail.records import LedgerRecord
from poststelle.mail.settings import Right
from poststelle.store import cache, journal, models
from poststelle.store.access import Reach, granted
from poststelle.store.rows import chunks, flags_text, many, stored

MISSED = "missed"
"""The code of what a comparison found missing, until the sync has fetched it."""
_NAMED = 100
_AT_ONCE = 50
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Comparable:
    """A folder whose comparison is due. `settled`: reported whole and swept, so that every id of the server's should be known."""

    id: UUID
    remote: RemoteFolderId
    settled: bool


@dataclass(slots=True)
class Difference:
    """A census against the rows. `missing`: ids nobody here knows; `extra`: held, but not in the census."""

    server: int
    held: int = 0
    local: int = 0
    under_way: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    missing: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)


def is_due(account: str) -> bool:
    """Whether a folder of the account waits for its daily comparison, or for one somebody asked for."""
    return _due(account).exists()


def due(account: str) -> list[Comparable]:
    """Those folders, the longest waiting first; of very many the first."""
    rows = _due(account).order_by(F("ledger_at").asc(nulls_first=True))[:_AT_ONCE]
    return [
        Comparable(row.pk, RemoteFolderId(row.remote_id), row.whole and row.swept == row.generation) for row in rows
    ]


def want(account: str) -> None:
    """Every folder of the account is due now."""
    _compared(account).update(ledger_at=None)


def compared_since(account: str, at: datetime) -> bool:
    """Every folder has been compared since then."""
    return not _compared(account).filter(Q(ledger_at=None) | Q(ledger_at__lt=at)).exists()


def difference(folder: UUID, census: frozenset[RemoteId]) -> Difference:
    """Hold the rows against the census, row by row."""
    unknown: set[str] = set(census)
    found = Difference(len(census))
    for (remote,) in _stream("SELECT remote_id FROM store_placement WHERE folder_id = %s", folder):
        if remote in unknown:
            unknown.discard(remote)
            found.held += 1
        elif remote.startswith(("local.", "pending.")):
            found.local += remote.startswith("local.")
        else:
            found.extra.add(remote)
    for remote, code, attempts in _stream(
        "SELECT remote_id, code, attempts FROM store_setaside WHERE folder_id = %s", folder
    ):
        if remote in unknown and (code != MISSED or attempts):
            unknown.discard(remote)
            found.set_aside[code] += 1
    for (remote,) in _stream("SELECT remote_id FROM store_errand WHERE folder_id = %s AND closed_at IS NULL", folder):
        if remote in unknown:
            unknown.discard(remote)
            found.under_way += 1
    found.missing = unknown
    return found


def owe(folder: UUID, arrivals: Collection[Arrival]) -> None:
    """The sync is to fetch these: they count as set aside and not tried yet."""
    now = stored(timezone.now())
    many(
        "INSERT INTO store_setaside (folder_id, remote_id, code, flags, received_at, ordinal, size, generation, created_at, attempts)"
        " SELECT id, %s, %s, %s, %s, %s, %s, generation, %s, 0 FROM store_folder WHERE id = %s ON CONFLICT DO NOTHING",
        [
            (one.id, MISSED, flags_text(one.told), stored(one.received_at), one.ordinal, one.size, now, folder.hex)
            for one in arrivals
        ],
    )


def record(
    folder: UUID, found: Difference, *, to_come: int, missing: Collection[str], extra: Collection[str], recovered: int
) -> LedgerRecord | None:
    """Keep the snapshot; a difference is a journal entry. None when the folder is gone meanwhile.

    What has been too much twice in a row makes the next sync read the folder afresh.
    """
    with transaction.atomic():
        row = models.Folder.objects.select_related("account").filter(pk=folder).first()
        if row is None:
            return None
        before = set((row.ledger or {}).get("extra_ids", ()))
        row.ledger = {
            "server": found.server, "held": found.held, "set_aside": found.set_aside.total(), "to_come": to_come,
            "under_way": found.under_way, "missing": len(missing), "extra": len(extra), "recovered": recovered,
            "local": found.local, "reasons": dict(found.set_aside), "missing_ids": sorted(missing)[:_NAMED],
            "extra_ids": sorted(extra)[:_NAMED], "at": timezone.now().isoformat(),
        }  # fmt: skip
        row.ledger_at = timezone.now()
        row.save(update_fields=["ledger", "ledger_at"])
        if missing or recovered:
            facts = {"count": len(missing) + recovered, "recovered": recovered}
            _write_journal(row, "ledger-missing", facts)
        if lasting := before & set(extra):
            _write_journal(row, "ledger-extra", {"count": len(lasting)})
            models.Folder.objects.filter(pk=folder, cursor__isnull=False).update(
                generation=F("generation") + 1, cursor=None, whole=False
            )
    return _record(row, {}, 0)


def postpone(folder: UUID) -> None:
    """The folder could not be compared (it has just gone, perhaps): not before tomorrow again."""
    models.Folder.objects.filter(pk=folder).update(ledger_at=timezone.now())


def records(pool: int, account: str | None = None) -> list[LedgerRecord]:
    """The ledger of every folder the server has, of one account or of all, by account and path."""
    rows = _compared_folders().filter(account__pool=pool)
    if account is not None:
        rows = rows.filter(account=UUID(account))
    return sorted(_records(list(rows)), key=lambda one: (one.account_id, one.path))


def window(reach: Reach, right: Right, limit: int, start: int) -> list[LedgerRecord]:
    """Those within reach by this right: what differs from its server first, then by the account's label and by path."""
    differs = Case(When(Q(ledger__missing__gt=0) | Q(ledger__extra__gt=0), then=0), default=1)
    rows = _compared_folders().filter(account__in=models.Account.objects.filter(granted(reach, right)))
    # The list of names as it is stored ends with "]", which sorts behind the "," before a folder below: a blank sorts before both.
    path = Replace("path", Value("]"), Value(" "), output_field=TextField())
    return _records(list(rows.order_by(differs, "account__label", path, "pk")[start : start + limit]))


def _compared_folders() -> QuerySet[models.Folder]:
    return models.Folder.objects.filter(place="remote", selectable=True, vanished_at=None)


def _records(rows: Sequence[models.Folder]) -> list[LedgerRecord]:
    aside: dict[UUID, dict[str, int]] = {}
    for some in chunks([row.pk for row in rows]):
        counts = models.SetAside.objects.filter(folder__in=some).values_list("folder_id", "code")
        for number, code, count in counts.annotate(Count("pk")):
            aside.setdefault(number, {})[code] = count
    fleeting = cache.counted([row.pk for row in rows])
    return [_record(row, aside.get(row.pk, {}), row.remaining, fleeting.get(row.pk, 0)) for row in rows]


def _write_journal(row: models.Folder, kind: str, facts: Mapping[str, object]) -> None:
    journal.write(
        row.account.pool_id,
        journal.SYSTEM,
        kind,
        f"folder:{row.pk}",
        account=row.account_id,
        folder=row.pk,
        facts=facts,
    )


def _compared(account: str) -> QuerySet[models.Folder]:
    return models.Folder.objects.filter(
        Q(choices__fetch__isnull=True) | Q(choices__fetch=True), account=UUID(account), place="remote", selectable=True,
        vanished_at=None, synced_at__isnull=False,
    )  # fmt: skip


def _due(account: str) -> QuerySet[models.Folder]:
    return _compared(account).filter(Q(ledger_at=None) | Q(ledger_at__lt=_slot(account)))


def _slot(account: str) -> datetime:
    """The account's latest time of day: every account has another one, so that the servers are not all asked at once."""
    now = timezone.now()
    offset = timedelta(seconds=UUID(account).int % _DAY)
    slot = now.replace(hour=0, minute=0, second=0, microsecond=0) + offset
    return slot if slot <= now else slot - timedelta(days=1)


def _stream(sql: str, folder: UUID) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [folder.hex])
        while rows := cursor.fetchmany(2_000):
            yield from rows


def _record(row: models.Folder, aside: Mapping[str, int], remaining: int, fleeting: int = 0) -> LedgerRecord:
    """The latest snapshot; before the first one what the rows say. What lies in the cache only is not held."""
    kept: Mapping[str, Any] = row.ledger or {
        "held": row.total - fleeting, "set_aside": sum(aside.values()), "to_come": remaining, "reasons": dict(aside)
    }  # fmt: skip
    return LedgerRecord(
        folder_id=str(row.pk), account_id=str(row.account_id), path=tuple(row.path), role=Role(row.role),
        server=kept.get("server"),
        held=kept["held"], set_aside=kept["set_aside"], to_come=kept["to_come"], under_way=kept.get("under_way", 0),
        missing=kept.get("missing", 0), extra=kept.get("extra", 0), recovered=kept.get("recovered", 0),
        local=kept.get("local", 0), reasons=kept["reasons"], missing_ids=_ids(kept, "missing_ids"),
        extra_ids=_ids(kept, "extra_ids"), compared_at=datetime.fromisoformat(kept["at"]) if "at" in kept else None,
    )  # fmt: skip


def _ids(kept: Mapping[str, Any], name: str) -> Sequence[str]:
    return list(kept.get(name, ()))
