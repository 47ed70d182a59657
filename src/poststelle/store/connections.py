"""What the engine learns of an account's servers while it talks to them: certificates, TLS, how full it is, how news arrives; and whether what is
said is to be written down.

As with events, learning only remembers; `flush` writes, and only what differs from what is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import F

from poststelle.store import events, journal, models

_waiting: dict[tuple[str, str], tuple[Mapping[str, str], Mapping[str, object]]] = {}
_modes: dict[str, str] = {}
_new_modes: dict[str, str] = {}
_quotas: dict[str, tuple[int, int]] = {}


def learned(account: str, direction: str, certificate: Mapping[str, str], server: Mapping[str, object]) -> None:
    """A connection was made. `direction`: ``incoming`` or ``outgoing``. From any thread; never waits."""
    _waiting[account, direction] = (certificate, server)


def learned_mode(account: str, mode: str) -> bool:
    """How news of the account reaches us now; whether that is new."""
    if _modes.get(account) == mode:
        return False
    _modes[account] = _new_modes[account] = mode
    return True


def learned_quota(account: str, used: int, limit: int) -> None:
    """How full the mailbox on the server is, in bytes."""
    _quotas[account] = (used, limit)


def waiting() -> bool:
    """Something has been learned and not written."""
    return bool(_waiting or _new_modes or _quotas)


def flush() -> None:
    """Write it. Blocking."""
    facts, modes, quotas = dict(_waiting), dict(_new_modes), dict(_quotas)
    _waiting.clear()
    _new_modes.clear()
    _quotas.clear()
    with transaction.atomic():
        for account, (used, limit) in quotas.items():
            models.Account.objects.filter(pk=account).update(quota={"used": used, "limit": limit})
        for account, mode in modes.items():
            models.Account.objects.filter(pk=account).exclude(watching=mode).update(watching=mode)
        for (account, direction), (certificate, server) in facts.items():
            row = models.Account.objects.filter(pk=account).only("certificates", "server").first()
            if row is None:
                continue
            certificates = row.certificates | {direction: dict(certificate)}
            servers = row.server | {direction: dict(server)}
            if (certificates, servers) != (row.certificates, row.server):
                models.Account.objects.filter(pk=account).update(certificates=certificates, server=servers)


def transcribe(pool: int, account: str, until: datetime | None, *, actor: str) -> None:
    """Write down what is said with the account's servers until then (None: no longer); its sessions are opened anew."""
    with transaction.atomic():
        changed = models.Account.objects.filter(pk=account, pool=pool).update(
            transcript_until=until, settings_version=F("settings_version") + 1
        )
        if changed:
            kind = "transcript-started" if until else "transcript-stopped"
            facts = {"until": until.isoformat()} if until else {}
            journal.write(pool, actor, kind, f"account:{account}", account=account, facts=facts)
    if changed:
        # Here is no engine that would write it down.
        events.note(account, "transcript-on" if until else "transcript-off", until=until)
        events.flush()
