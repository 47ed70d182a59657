"""What could not be taken or read as it should be: messages a server does not hand out, and messages too broken to be shown whole.

Their bytes are kept as they came. Every query carries the reach. This module reads only, but for trying again.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from poststelle.errors import NotFound
from poststelle.mail.records import Page, PlacementRecord, SetAsideRecord
from poststelle.mail.settings import Right
from poststelle.store import journal, models
from poststelle.store.access import Reach, granted_folders
from poststelle.store.messages import placements_of
from poststelle.store.rows import all_rows

SEVERE = ("unterminated-header", "header-too-big", "too-deep", "too-many-parts", "no-boundary", "no-blank-line")
"""Defects after which part of a message may not be shown. The rest are blemishes."""
_AT_ONCE, _MOST = 200, 500


def broken(reach: Reach, limit: int, before: int | None) -> Page[tuple[PlacementRecord, Sequence[str]]]:
    """Messages with severe defects within reach, newest first, each with its defects."""
    found: list[tuple[PlacementRecord, Sequence[str]]] = []
    last = before
    severe = " OR ".join(["' ' || defects || ' ' LIKE %s"] * len(SEVERE))
    while True:
        rows = all_rows(
            "SELECT id, defects FROM store_message WHERE pool_id = %s AND defects <> '' AND (%s IS NULL OR id < %s)"  # noqa: S608
            f" AND ({severe}) ORDER BY id DESC LIMIT %s",
            [reach.pool, last, last, *(f"% {code} %" for code in SEVERE), _AT_ONCE],
        )
        defects = dict(rows)
        for number, placement in placements_of(reach, [*defects], _AT_ONCE):
            if len(found) == limit:
                return Page(found, str(last))
            found.append((placement, defects[number].split()))
            last = number
        if len(rows) < _AT_ONCE:
            return Page(found, None)
        last = rows[-1][0]


def set_aside(reach: Reach) -> list[tuple[str, SetAsideRecord]]:
    """What the servers have and we could not take, in folders within reach, newest first: the folder's id with each."""
    folders = models.Folder.objects.filter(granted_folders(reach, Right.SEE))
    rows = models.SetAside.objects.filter(folder__in=folders).order_by("-received_at")[:_MOST]
    return [(str(row.folder_id), SetAsideRecord(row.remote_id, row.code, row.size, row.created_at)) for row in rows]


def retry(reach: Reach, folder: str, *, actor: str) -> str:
    """What is set aside in the folder is due again, as if never tried; the account's id. Raises NotFound without *process*."""
    folders = models.Folder.objects.filter(granted_folders(reach, Right.PROCESS))
    try:
        row = folders.filter(pk=UUID(folder)).first()
    except ValueError as error:
        raise NotFound("folder-unknown") from error
    if row is None:
        raise NotFound("folder-unknown", folder=folder)
    with transaction.atomic():
        count = models.SetAside.objects.filter(folder=row).update(attempts=0, generation=row.generation)
        if count:
            journal.write(
                reach.pool, actor, "set-aside-retried", f"folder:{row.pk}", account=row.account_id, folder=row.pk,
                facts={"count": count},
            )  # fmt: skip
    return str(row.account_id)
