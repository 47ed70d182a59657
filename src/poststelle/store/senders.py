"""Accounts somebody may write as, for whoever writes letters: by plain SQL, because they may be thousands and a letter needs one.

Law: the reach is part of the question. An account without a way out (`store.way_out`) is no sender.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings

from poststelle.mail.records import IdentityRecord, SenderRecord
from poststelle.mail.settings import Kind, Right, Signature
from poststelle.store.access import Reach, granted_sql
from poststelle.store.rows import all_rows, id_text
from poststelle.store.settings_columns import sending_of, signature_of
from poststelle.store.way_out import Defaults

_TEXTS = 1_000


def within(reach: Reach, *rights: Right) -> list[SenderRecord]:
    """The accounts one of these rights holds on, on the whole or on a folder, that are active and can send; by label."""
    may, bound = _held(reach, rights)
    others: dict[str, list[IdentityRecord]] = {}
    for number, account, address, name, organisation, reply_to, signature in all_rows(
        "SELECT i.id, i.account_id, i.address, i.display_name, i.organisation, i.reply_to, i.signature FROM store_identity i"  # noqa: S608
        f" JOIN store_account x ON x.id = i.account_id WHERE {may} ORDER BY i.position, i.address",
        bound,
    ):
        text = _text(signature)
        one = IdentityRecord(
            id_text(number), address, name, organisation, reply_to, _signature(text) if text != "{}" else None
        )
        others.setdefault(id_text(account), []).append(one)
    rows = all_rows(
        "SELECT x.id, x.label, x.address, x.display_name, x.organisation, x.signature, x.sending,"  # noqa: S608
        " x.outgoing_protocol <> '' AND x.outgoing_port IS NOT NULL OR x.outgoing_server_id IS NOT NULL FROM store_account x"
        f" WHERE {may} AND x.active AND x.kind <> %s ORDER BY x.label, x.id",
        [*bound, Kind.ARCHIVE.value],
    )
    usual = Defaults.of(reach.pool, reach.user)
    falls_back = bool(usual.user or usual.office or django_settings.POSTSTELLE.relay)
    return [
        SenderRecord(
            id_text(number), label, address, name, organisation, _signature(_text(signature)), others.get(id_text(number), ())
        )
        for number, label, address, name, organisation, signature, sending, own in rows
        if (own or falls_back) and _sends(_text(sending))
    ]  # fmt: skip


def _held(reach: Reach, rights: Sequence[Right]) -> tuple[str, list[object]]:
    conditions = [granted_sql(reach, right, "x.id", anywhere=True) for right in rights]
    return f"({' OR '.join(condition for condition, _ in conditions)})", [one for _, more in conditions for one in more]


def _text(value: Any) -> str:
    """A JSON column as text: most of thousands say the same, and are read once."""
    return value if isinstance(value, str) else json.dumps(value)


@lru_cache(_TEXTS)
def _signature(text: str) -> Signature:
    return signature_of(json.loads(text))


@lru_cache(_TEXTS)
def _sends(text: str) -> bool:
    return sending_of(json.loads(text)).included
