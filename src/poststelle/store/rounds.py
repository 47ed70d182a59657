"""Rounds: which accounts are to be watched, who waits for a round, and how the latest one went.

An account is active; or suspended, until a person acts or (with `retry_at`) until it is looked at again. The office asks for
rounds, the engine notes how they end. This module does not know when to try again: that comes in from `policy.retry`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from poststelle.errors import NotFound, PoststelleError
from poststelle.mail.ports import Role
from poststelle.mail.settings import Kind, Receiving
from poststelle.store import events, journal, models
from poststelle.store.access import Reach
from poststelle.store.accounts import ACTIVE, account_row, activate, resume
from poststelle.store.rows import change, column, many, one_row, stored
from poststelle.store.trouble import trouble_column

SUSPENDED = "suspended"
MOST_TOLD = 1000
"""Folders a round's report names."""

_OWN_KINDS = (
    "messages-arrived", "messages-changed", "messages-removed", "message-set-aside", "folders-listed", "account-troubled",
    "account-suspended", "errand-refused", "messages-looked-up", "messages-kept", "alarm-sent",
)  # fmt: skip
"""Journal entries that tell of the engine's own work, after which there is nothing to be done."""


_CHANGED_BY_A_ROUND = (
    "state", "trouble", "trouble_since", "failures", "retry_at", "failing_since", "syncing", "standing", "synced_at",
    "sync_wanted_at", "last_round_at", "last_round",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class News:
    """What was committed since a position of the journal. `accounts` None: something that may concern any of them."""

    position: int
    accounts: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Failures:
    """How often an account has failed in a row, and for how many seconds."""

    count: int
    seconds: float


def news(since: int) -> News:
    """Whose accounts were changed, or have something to do, by commits after that position."""
    marks = ", ".join(["%s"] * len(_OWN_KINDS))
    newest = one_row("SELECT MAX(id) FROM store_journal", [])
    position = int(newest[0] or 0) if newest else 0
    found = column(
        f"SELECT DISTINCT account_id FROM store_journal WHERE id > %s AND id <= %s AND kind NOT IN ({marks})",  # noqa: S608
        [since, position, *_OWN_KINDS],
    )
    known = frozenset(
        str(number if isinstance(number, UUID) else UUID(number)) for number in found if number is not None
    )
    return News(position, None if None in found else known)


def to_watch(only: Collection[str] | None = None) -> dict[str, int]:
    """Accounts the engine should look after: id and settings version. Suspended ones only where they are looked at by the clock."""
    rows = _among(only).filter(Q(state=ACTIVE) | Q(state=SUSPENDED, retry_at__isnull=False), active=True)
    rows = rows.filter(kind__in=[Kind.SYNCHRONISED.value, Kind.FETCH_ONLY.value]).exclude(incoming_protocol="")
    return {str(number): version for number, version in rows.values_list("id", "settings_version")}


def waiting(only: Collection[str] | None = None) -> set[str]:
    """Active accounts for which somebody asked for a round not yet finished."""
    rows = _among(only).filter(state=ACTIVE, sync_wanted_at__isnull=False)
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


def stands(account: str, state: str) -> None:
    """Where the account stands in its watched life (`sync.watch.State`), for whoever looks."""
    change("UPDATE store_account SET standing = %s WHERE id = %s AND standing <> %s", [state, _hex(account), state])


def started(account: str, state: str) -> datetime | None:
    """The engine is at it: shown as activity. The wish that this round answers, if there is one."""
    row = models.Account.objects.filter(pk=account).values_list("syncing", "standing", "sync_wanted_at").first()
    if row is None:
        return None
    if row[:2] != (True, state):
        models.Account.objects.filter(pk=account).update(syncing=True, standing=state)
    wanted: datetime | None = row[2]
    return wanted


def finished(
    account: str,
    report: Sequence[Mapping[str, object]],
    started_at: datetime,
    *,
    state: str = "",
    answers: datetime | None = None,
) -> None:
    """A round ended well: `report` is kept for whoever asked; earlier trouble is over. `answers`: the wish it was made for."""
    with transaction.atomic():
        row = models.Account.objects.filter(pk=account).first()
        if row is None:
            return
        if row.trouble is not None:
            journal.write(row.pool_id, journal.SYSTEM, "account-resumed", f"account:{row.pk}", account=row.pk)
            events.note(account, "resumed")
        activate(row)
        row.failing_since = None
        row.syncing = False
        row.standing = state
        row.synced_at = timezone.now()
        if row.sync_wanted_at == answers:
            # A wish made while the round was running is answered by the next one.
            row.sync_wanted_at = None
        row.last_round_at, row.last_round = started_at, _shortened(report)
        row.save(update_fields=_CHANGED_BY_A_ROUND)


def confirmed(moments: Mapping[str, datetime]) -> None:
    """These accounts were in step at these moments, and nothing had happened."""
    with transaction.atomic():
        many(
            "UPDATE store_account SET synced_at = %s WHERE id = %s",
            [(stored(at), _hex(account)) for account, at in moments.items()],
        )


def failed(
    account: str,
    error: PoststelleError,
    retry_after: float | None,
    *,
    version: int | None = None,
    suspended: bool = False,
    counts: bool = True,
) -> None:
    """A round failed: try again after so many seconds (`suspended`: only to look whether it is over), or (None) when a person has acted.

    `version`: the settings it failed with; nothing is noted of a failure with settings that have been changed since. `counts`:
    whether it is one of the failures that suspend.
    """
    with transaction.atomic():
        row = models.Account.objects.filter(pk=account).first()
        if row is None or version not in {None, row.settings_version}:
            return
        now = timezone.now()
        first, was = row.trouble is None, row.state
        if row.trouble is None or row.trouble.get("code") != error.code:
            row.trouble_since = now
        row.trouble = trouble_column(error)
        if counts:
            row.failing_since = row.failing_since if row.failures and row.failing_since else now
            row.failures += 1
        row.syncing = False
        # Whoever asked for this round has their answer; otherwise the wish would be tried again without a pause.
        row.sync_wanted_at = None
        row.state = SUSPENDED if suspended or retry_after is None else ACTIVE
        row.standing = SUSPENDED if row.state == SUSPENDED else "backing-off"
        row.retry_at = now + timedelta(seconds=retry_after) if retry_after is not None else None
        row.save()
        if (row.state == SUSPENDED and was != SUSPENDED) or first:
            kind = "account-suspended" if row.state == SUSPENDED else "account-troubled"
            journal.write(row.pool_id, journal.SYSTEM, kind, f"account:{row.pk}", account=row.pk, facts=row.trouble)


def failures_of(account: str) -> Failures:
    """How many rounds in a row have failed, and since when."""
    row = models.Account.objects.filter(pk=account).values_list("failures", "failing_since").first()
    if row is None or not row[0]:
        return Failures(0, 0.0)
    return Failures(row[0], (timezone.now() - row[1]).total_seconds() if row[1] else 0.0)


def rest_of(account: str) -> float:
    """Seconds a suspended account is still to be left alone; 0 for others."""
    row = models.Account.objects.filter(pk=account).values_list("state", "retry_at").first()
    if row is None or row[0] != SUSPENDED or row[1] is None:
        return 0.0
    return float(max((row[1] - timezone.now()).total_seconds(), 0.0))


def fetched_today(account: str) -> int:
    """Bytes fetched for the account since midnight (UTC)."""
    row = models.Account.objects.filter(pk=account).values_list("traffic", flat=True).first() or {}
    return int(row.get("bytes", 0)) if row.get("day") == _today() else 0


def note_traffic(account: str, fetched: int) -> int:
    """So many bytes more were fetched; how many it is today."""
    with transaction.atomic():
        total = fetched_today(account) + fetched
        models.Account.objects.filter(pk=account).update(traffic={"day": _today(), "bytes": total})
    return total


def latest(account: str) -> tuple[bool, list[dict[str, object]]]:
    """Whether no wish for a round is open, and the report of the latest one. Raises NotFound."""
    row = models.Account.objects.filter(pk=account).values_list("sync_wanted_at", "last_round").first()
    if row is None:
        raise NotFound("account-unknown", account=account)
    return row[0] is None, row[1] or []


def left_out(account: str, receiving: Receiving) -> set[str]:
    """Folders of the account, by remote id, that are not fetched: by the account's settings, by choice, and not once just now."""
    rows = models.Folder.objects.filter(account_id=account, vanished_at=None, fetch_wanted_at=None)
    if receiving.background:
        if receiving.fetches(subscribed=False):
            # As Django writes the choice into its JSON: reading that of a hundred thousand folders takes everybody's time.
            return set(
                column(
                    "SELECT remote_id FROM store_folder WHERE account_id = %s AND vanished_at IS NULL"
                    " AND fetch_wanted_at IS NULL AND choices LIKE %s",
                    [_hex(account), '%"fetch": false%'],
                )
            )
        rows = rows.filter(subscribed=False).exclude(role=Role.INBOX.value)
    told = rows.values_list("remote_id", "choices")
    return {remote for remote, choices in told if not (receiving.background and choices.get("fetch"))}


def fetch_now(reach: Reach, folder: models.Folder, *, actor: str) -> None:
    """Have the folder fetched once, as soon as can be, whether it is fetched otherwise or not."""
    with transaction.atomic():
        models.Folder.objects.filter(pk=folder.pk).update(fetch_wanted_at=timezone.now())
        want(reach, str(folder.account_id), actor=actor)


def engine_started() -> None:
    """Nothing is running when the engine starts: clear what a killed one left."""
    models.Account.objects.filter(syncing=True).update(syncing=False)
    models.Account.objects.exclude(standing="").update(standing="")


def clock_was_set_back(seconds: float) -> None:
    """The clock stands so many seconds earlier than it did: what was due by the old clock is due, machine-made waits end in time."""
    back, now = timedelta(seconds=seconds), timezone.now()
    with transaction.atomic():
        ahead = models.Outgoing.objects.filter(due_at__gt=now)
        ahead.filter(state="queued", due_at__lte=now + back).update(due_at=now)
        ahead.filter(state="deferred").update(due_at=F("due_at") - back)
        models.Errand.objects.filter(closed_at=None, due_at__gt=now).update(due_at=F("due_at") - back)
        models.Account.objects.filter(retry_at__gt=now).update(retry_at=F("retry_at") - back)


def accept_loss(reach: Reach, account: str, *, actor: str) -> None:
    """A person says: what is missing on the server may go here too. Tried again at once."""
    with transaction.atomic():
        row = account_row(reach, account)
        models.Folder.objects.filter(account=row).update(loss_accepted=True)
        row.sync_wanted_at = timezone.now()
        resume(row)
        row.save()
        journal.write(reach.pool, actor, "loss-accepted", f"account:{row.pk}", account=row.pk)


def _shortened(report: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Of very many folders only those in which something happened, and of those the first."""
    if len(report) <= MOST_TOLD:
        return list(report)
    return [entry for entry in report if any(entry.get(name) for name in ("new", "changed", "removed", "set_aside"))][
        :MOST_TOLD
    ]


def _among(only: Collection[str] | None) -> QuerySet[models.Account]:
    return models.Account.objects.all() if only is None else models.Account.objects.filter(pk__in=[*only])


def _today() -> str:
    return timezone.now().date().isoformat()


def _hex(account: str) -> str:
    return account.replace("-", "")
