"""Which alarm of an account was the latest, whom to tell, and through which other mailbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from poststelle.mail.records import UserRecord
from poststelle.mail.settings import Kind, Scope
from poststelle.store import journal, models
from poststelle.store.people import user_record
from poststelle.store.way_out import Defaults, choose

_NOBODYS = (Scope.SYSTEM.value, Scope.SHARED.value)


def latest() -> Mapping[str, tuple[str, datetime, bool]]:
    """The latest alarm of every account that has had one: code, when, whether it is over."""
    rows = models.Account.objects.exclude(alarm={}).values_list("pk", "alarm")
    return {
        str(number): (str(told["code"]), datetime.fromisoformat(told["at"]), bool(told["over"]))
        for number, told in rows
    }


def is_trouble() -> bool:
    """Whether any account has trouble now."""
    return models.Account.objects.filter(active=True, trouble__isnull=False).exists()


def note(account: str, code: str, *, people: int) -> None:
    """So many people are told of this trouble (none: it is one they were told of lately)."""
    with transaction.atomic():
        row = models.Account.objects.get(pk=account)
        at = row.alarm["at"] if not people and row.alarm else timezone.now().isoformat()
        row.alarm = {"code": code, "at": at, "over": False}
        row.save(update_fields=["alarm"])
        if people:
            journal.write(
                row.pool_id, journal.SYSTEM, "alarm-sent", f"account:{row.pk}", account=row.pk,
                facts={**(row.trouble if row.trouble and row.trouble["code"] == code else {"code": code}), "people": people},
            )  # fmt: skip


def over(account: str) -> None:
    """The account works again."""
    row = models.Account.objects.get(pk=account)
    row.alarm = {**row.alarm, "over": True}
    row.save(update_fields=["alarm"])


def who_can_act(account: str) -> list[UserRecord]:
    """Those who administer the account now, themselves or by a group.

    The office's administrators as well, where that is nobody, or nobody who could read it: mail to the very mailbox does not arrive here.
    """
    now = timezone.now()
    grants = models.Grant.objects.filter(
        Q(starts_at=None) | Q(starts_at__lte=now), Q(ends_at=None) | Q(ends_at__gt=now),
        account_id=account, folder=None, administer=True,
    )  # fmt: skip
    people = models.User.objects.filter(is_active=True)
    holding = Q(pk__in=grants.exclude(user=None).values("user")) | Q(
        member_of__in=grants.exclude(group=None).values("group")
    )
    ailing = models.Account.objects.values_list("address", flat=True).get(pk=account)
    if not people.filter(holding).exclude(email__iexact=ailing).exists():
        holding |= Q(is_administrator=True)
    found = people.filter(holding).distinct()
    return [user_record(row) for row in found.order_by("email")]


def carrier(account: str) -> str | None:
    """The mailbox of the office's that carries news of another one's trouble: the office account, else one that works and is nobody's own."""
    ailing = models.Account.objects.get(pk=account)
    rows = models.Account.objects.filter(
        pool=ailing.pool_id, active=True, state="active", trouble__isnull=True, scope__in=_NOBODYS
    ).exclude(Q(pk=ailing.pk) | Q(kind=Kind.ARCHIVE.value))
    if ailing.login_id is not None:
        # Whatever has befallen that log-in has befallen them as well.
        rows = rows.exclude(Q(login=ailing.login_id) | Q(outgoing_login=ailing.login_id))
    defaults = Defaults.of(ailing.pool_id, None)
    ordered = rows.select_related("outgoing_server").order_by("-is_office_account", "-scope", "label")
    return next((str(row.pk) for row in ordered if choose(row, defaults) is not None), None)
