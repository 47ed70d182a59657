"""Mail on its way that waits for a person's word: held because the data was restored or copied, or uncertain after a crash.

Law: nothing here is sent by itself. What waited in data that may be older than it seems (`store.mark`) may have left since; whoever
may send from its account sends it on or gives it up, one by one or all that is held. Where a copy lies among the sent mail, it has
left, and nobody need decide (RELIABILITY G7, G19, Q24). This module does not know when data counts as restored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from poststelle.errors import Conflict, NotPermitted
from poststelle.mail.ports import Role
from poststelle.mail.records import HeldRecord
from poststelle.mail.settings import Right
from poststelle.store import journal, models, outbox
from poststelle.store.access import Reach, granted
from poststelle.store.trouble import trouble_column

_ON_THEIR_WAY = ("queued", "deferred")
_UNDECIDED = ("held", "uncertain")
_OPEN_TO_DECISION = ("held", "uncertain", "deferred")
_SENDABLE = (*_OPEN_TO_DECISION, "discarded")
_MOST_LOOKED_FOR = 500


def latest_change() -> datetime:
    """How old the data is: when anything was last written into its journal."""
    newest = models.Journal.objects.order_by("-pk").first()
    return newest.at if newest is not None else timezone.now()


def hold(actor: str, as_of: datetime) -> int:
    """Hold all that waits: it may have left already. `as_of`: how old the data was (`latest_change`). How many."""
    told = trouble_column(Conflict("data-restored", as_of=as_of.isoformat()))
    with transaction.atomic():
        rows = list(models.Outgoing.objects.filter(state__in=_ON_THEIR_WAY).select_related("message"))
        for row in rows:
            row.state, row.due_at, row.trouble, row.trouble_since = "held", None, told, timezone.now()
            row.save(update_fields=["state", "due_at", "trouble", "trouble_since"])
            outbox.tell(row)
        for pool, count in Counter(row.message.pool_id for row in rows).items():
            journal.write(pool, actor, "outbox-held", f"pool:{pool}", facts={"count": count})
    return len(rows)


def held(reach: Reach) -> HeldRecord | None:
    """How many messages are held that the reach may decide about, and how old the data was; None where there are none."""
    rows = _decidable(reach).filter(state="held").values_list("trouble", flat=True)
    ages = [datetime.fromisoformat(told["facts"]["as_of"]) for told in rows if told is not None]
    return HeldRecord(len(ages), min(ages)) if ages else None


def among(reach: Reach, numbers: Sequence[str]) -> set[str]:
    """Those of these the reach may decide about now."""
    rows = _decidable(reach).filter(pk__in=numbers, state__in=_SENDABLE)
    return {str(number) for number in rows.values_list("pk", flat=True)}


def send_again(reach: Reach, number: str | None, *, actor: str) -> int:
    """Queue what is held, uncertain, postponed or discarded; without a number all that is held. How many.

    Raises NotFound, NotPermitted, Conflict("outgoing-settled") for what is none of these.
    """
    with transaction.atomic():
        rows = _chosen(reach, number, _SENDABLE)
        for row in rows:
            row.state, row.due_at, row.attempts = "queued", timezone.now(), 0
            row.trouble = row.trouble_since = None
            row.save(update_fields=["state", "due_at", "attempts", "trouble", "trouble_since"])
            row.recipients.filter(state="uncertain").update(state="waiting")
            _decided(row, "outgoing-released", actor)
    return len(rows)


def discard(reach: Reach, number: str | None, *, actor: str) -> int:
    """Send it no more, until somebody says otherwise; without a number all that is held. How many. Raises as `send_again` does."""
    with transaction.atomic():
        rows = _chosen(reach, number, _OPEN_TO_DECISION)
        for row in rows:
            row.state = "discarded"
            row.due_at = row.trouble = row.trouble_since = None
            row.save(update_fields=["state", "due_at", "trouble", "trouble_since"])
            _decided(row, "outgoing-discarded", actor)
    return len(rows)


def settle_by_copies() -> int:
    """What has a copy among the sent mail has left. How many were settled so.

    Not where that could be true of some recipients only: a held message to several, or one a server had answered for some before.
    """
    rows = models.Outgoing.objects.filter(state__in=_UNDECIDED, sent_at=None).select_related("message")
    settled = 0
    for row in rows.order_by("-id")[:_MOST_LOOKED_FOR]:
        states = list(row.recipients.values_list("state", flat=True))
        if "rejected" in states or (row.state == "held" and len(states) > 1) or (left_at := _copied_at(row)) is None:
            continue
        with transaction.atomic():
            row.state, row.sent_at, row.trouble, row.trouble_since = "sent", left_at, None, None
            row.save(update_fields=["state", "sent_at", "trouble", "trouble_since"])
            row.recipients.update(state="accepted")
            outbox.mark_answered(row)
            outbox.tell(row)
        settled += 1
    return settled


def _copied_at(row: models.Outgoing) -> datetime | None:
    if not row.message.message_id:
        return None
    copies = models.Placement.objects.filter(
        message__pool=row.message.pool_id, message__message_id=row.message.message_id, folder__role=Role.SENT.value
    )
    return copies.order_by("received_at").values_list("received_at", flat=True).first()


def _decidable(reach: Reach) -> QuerySet[models.Outgoing]:
    """What leaves by accounts that exist and that the reach may send from."""
    rows = models.Outgoing.objects.filter(message__pool=reach.pool, account__isnull=False)
    if reach.user is None:
        return rows
    return rows.filter(
        account__in=models.Account.objects.filter(granted(reach, Right.SEND_AS, Right.SEND_ON_BEHALF)).values("pk")
    )


def _chosen(reach: Reach, number: str | None, states: Sequence[str]) -> list[models.Outgoing]:
    rows = _decidable(reach).select_related("message").order_by("pk")
    if number is None:
        return list(rows.filter(state="held"))
    if outbox.find(reach, number).state not in states:
        raise Conflict("outgoing-settled")
    mine = list(rows.filter(pk=number, state__in=states))
    if not mine:
        raise NotPermitted("send-as-needed")
    return mine


def _decided(row: models.Outgoing, kind: str, actor: str) -> None:
    journal.write(
        row.message.pool_id, actor, kind, f"outgoing:{row.pk}", account=row.account_id, facts={"state": row.state}
    )
