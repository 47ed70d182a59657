"""Which servers inside the own network the office allows connections to, beside the setting `egress_allow`: who allowed each, and when.

Law: the journal keeps every one that was allowed or taken back. This module does not know what an address is; that is `office.egress`.
"""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction
from django.utils import timezone

from poststelle.mail.records import AllowedServer
from poststelle.store import journal, models, rounds
from poststelle.store.access import Reach

_KEY = "egress"


def allowed() -> tuple[AllowedServer, ...]:
    """What the office allows now, oldest first."""
    preferences = models.Office.objects.values_list("preferences", flat=True).first() or {}
    return tuple(AllowedServer(**one) for one in preferences.get(_KEY, ()))


def allow(reach: Reach, server: str, *, actor: str) -> None:
    """One more, unless it is there; mailboxes that stood still because something was not allowed are tried again."""
    at = timezone.now().isoformat(timespec="seconds")
    with transaction.atomic():
        now = allowed()
        if all(one.server != server for one in now):
            _put(reach, (*now, AllowedServer(server, actor, at)), "egress-allowed", server, actor)
            waiting = models.Account.objects.filter(pool=reach.pool, trouble__code="host-forbidden")
            for number in waiting.values_list("pk", flat=True):
                rounds.want(Reach(reach.pool, None), str(number), actor=actor)


def revoke(reach: Reach, server: str, *, actor: str) -> bool:
    """Take one back; whether it was there."""
    with transaction.atomic():
        now = allowed()
        rest = tuple(one for one in now if one.server != server)
        if rest != now:
            _put(reach, rest, "egress-revoked", server, actor)
    return rest != now


def _put(reach: Reach, servers: tuple[AllowedServer, ...], kind: str, server: str, actor: str) -> None:
    office = models.Office.objects.get()
    office.preferences = office.preferences | {_KEY: [asdict(one) for one in servers]}
    office.save(update_fields=["preferences"])
    journal.write(reach.pool, actor, kind, "office:1", facts={"server": server})
