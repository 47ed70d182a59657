"""Messages put into folders from here, and messages taken off their server once they are safe here.

Law: bytes are durable before a row names them; nothing is ordered off a server before the bytes kept here have been read back and
their SHA-256 compared.
"""

from __future__ import annotations

import hashlib
import logging
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import Conflict
from poststelle.mail.digest import digest
from poststelle.mail.ports import SEEN, Role
from poststelle.mail.settings import AfterImport, Kind
from poststelle.store import folders, handling, journal, messages, models, places, repeated
from poststelle.store.access import Reach
from poststelle.store.application import keep_messages, kept_for_good, message_ids
from poststelle.store.blobs import Origin
from poststelle.store.ids import uuid7
from poststelle.store.rows import all_rows, flags_text, many, stored

log = logging.getLogger(__name__)

_AT_ONCE = 200


def append(
    reach: Reach,
    target: models.Folder,
    raw: bytes,
    flags: frozenset[str],
    *,
    received_at: datetime | None,
    actor: str,
    batch: UUID,
) -> str:
    """Put this message into the folder, here at once and on its server soon; its placement's id. Raises Conflict."""
    handling.takes(target)
    sha256 = hashlib.sha256(raw).digest()
    number = uuid7()
    entries, read = {}, {}
    if not kept_for_good(reach.pool, [sha256]):
        written = messages.segments().write([(Origin(target.account_id.hex, "", number.hex), sha256, raw)])
        entries, read = {sha256: (written, written.entries[0])}, {sha256: digest(raw)}
    with transaction.atomic():
        keep_messages(reach.pool, entries, read)
        message = message_ids(reach.pool, [sha256])[sha256]
        many(
            "INSERT INTO store_placement (id, folder_id, message_id, remote_id, flags, seen, received_at, ordinal, generation,"  # noqa: S608
            f" {repeated.COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    number.hex, target.pk.hex, message, places.local(), flags_text(flags), SEEN in flags,
                    stored(received_at or timezone.now()), 0, target.generation, *repeated.of([message])[message],
                )
            ],
        )  # fmt: skip
        if target.place == places.REMOTE_PLACE:
            errand = models.Errand.objects.create(
                account=target.account, target=target, placement_id=number, kind="append", add=flags_text(flags),
                message_id=message, actor=actor, batch=batch,
            )  # fmt: skip
            models.Placement.objects.filter(pk=number).update(remote_id=places.pending(errand.pk))
        places.count([(target.pk.hex, 1, int(SEEN not in flags))])
        journal.write(
            reach.pool, actor, "message-appended", f"message:{number}", account=target.account_id, folder=target.pk
        )
    return str(number)


def after_import_due(account: UUID) -> int:
    """Order off the server what the settings want off it, of what is stored and verified here. How many; ask again until none.

    The placement stays, kept here only. Of a fetch-only account that is every folder, else those people have chosen to process.
    """
    row = models.Account.objects.filter(pk=account).first()
    wish = AfterImport(row.receiving.get("after_import", "leave")) if row is not None else AfterImport.LEAVE
    if row is None or wish is AfterImport.LEAVE:
        return 0
    trash = folders.with_role(account, Role.TRASH) if wish is AfterImport.TRASH else None
    chosen = [
        folder.pk.hex
        for folder in models.Folder.objects.filter(account=account, place=places.REMOTE_PLACE, vanished_at=None)
        if (row.kind == Kind.FETCH_ONLY.value or folder.choices.get("process")) and folder.role != Role.TRASH.value
    ]
    if not chosen or (wish is AfterImport.TRASH and trash is None):
        return 0
    days = int(row.receiving.get("after_days", 14)) if wish is AfterImport.DELETE_LATER else 0
    due = [one for one in _candidates(chosen, days) if _is_safe(one[3:])]
    with transaction.atomic():
        now = stored(timezone.now())
        many(
            'INSERT INTO store_errand (account_id, folder_id, target_id, placement_id, remote_id, kind, "add", remove, actor,'
            " created_at, outcome) SELECT %s, folder_id, %s, id, remote_id, %s, '', '', 'system', %s, '' FROM store_placement"
            " WHERE id = %s AND folder_id = %s AND remote_id NOT LIKE 'local.%%' AND remote_id NOT LIKE 'pending.%%'",
            [
                (account.hex, trash.pk.hex if trash else None, "move" if trash else "delete", now, number, folder)
                for number, folder, *_ in due
            ],
        )
        many(
            f"UPDATE store_placement SET remote_id = %s WHERE id = %s AND folder_id = %s AND {places.OURS}",  # noqa: S608
            [(places.local(), number, folder) for number, folder, *_ in due],
        )
    return len(due)


def _candidates(chosen: list[str], days: int) -> list[tuple[str, str, str, bytes, str, int, int, int]]:
    """Placements old enough: id, folder, remote id, and where the bytes are."""
    # The id of a placement begins with the millisecond it was made in.
    before = f"{int((time.time() - timedelta(days=days).total_seconds()) * 1000):012x}" + "f" * 20
    found: list[tuple[str, str, str, bytes, str, int, int, int]] = []
    for folder in chosen:
        found += all_rows(
            'SELECT p.id, p.folder_id, p.remote_id, m.sha256, s.name, m."offset", m.length, m.size FROM store_placement p'
            " JOIN store_message m ON m.id = p.message_id JOIN store_segment s ON s.id = m.segment_id"
            " WHERE p.folder_id = %s AND p.id <= %s AND p.remote_id NOT LIKE 'pending.%%' AND p.remote_id NOT LIKE 'local.%%'"
            " AND p.cached_at IS NULL"
            " ORDER BY p.id LIMIT %s",
            [folder, before, _AT_ONCE],
        )
    return found[:_AT_ONCE]


def _is_safe(place: tuple[bytes, str, int, int, int]) -> bool:
    sha256, name, offset, length, size = place
    try:
        messages.segments().read(name, offset, length, sha256=bytes(sha256), size=size)
    except Conflict as damage:
        log.error("a message is left on its server, because the bytes kept here are damaged: %s", damage)
        return False
    return True
