"""What lies here only for a while: messages of folders that are not fetched, as looks at their server showed them (live view).

Laws: a placement with `cached_at` lies in a folder that is not fetched, and only such placements and messages that nothing else
names are ever removed; whatever anything lasting hangs on is kept for good first, bytes before rows. Files go after the commit
that forgets them. This module does not know servers, or who looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from poststelle.errors import Conflict
from poststelle.mail.ports import Role
from poststelle.store import journal, models, places
from poststelle.store.blobs import CACHED, Origin, Segments, Written
from poststelle.store.folder_rows import FolderRow
from poststelle.store.rows import all_rows, change, chunks, column, many, marks
from poststelle.store.settings_columns import receiving_of

MOST_IN_A_FOLDER = 2000
_AT_ONCE, _BYTES_AT_ONCE = 100, 8 << 20
_NAMES_A_MESSAGE = ("store_task", "store_note", "store_outgoing", "store_errand")
_GO_WITH_IT = ("store_threadtopic", "store_looked", "store_presence")
_IS_CACHED = f"name LIKE '{CACHED}%%'"


def is_live(row: models.Folder | FolderRow) -> bool:
    """Whether the folder is on a server and its messages are not fetched."""
    account = row.account
    if row.place != places.REMOTE_PLACE or not row.selectable or row.vanished_at is not None:
        return False
    if not account.incoming_protocol or row.remote_id.startswith(places.PENDING):
        return False
    receiving, chosen = receiving_of(account.receiving), row.choices.get("fetch")
    usual = row.role == Role.INBOX.value or receiving.fetches(subscribed=row.subscribed)
    return not receiving.background or not (usual if chosen is None else chosen)


def cached_in(folders: Iterable[UUID]) -> list[str]:
    """The placements in these folders that lie in the cache."""
    found: list[str] = []
    for some in chunks(folder.hex for folder in folders):
        found += column(
            f"SELECT id FROM store_placement WHERE cached_at IS NOT NULL AND folder_id IN ({marks(some)})",  # noqa: S608
            some,
        )
    return found


def keep_for_good(segments: Segments, placements: Sequence[str]) -> list[str]:
    """These placements are no longer only in the cache; those whose bytes cannot be read any more, which stay as they are.

    `placements`: ids in any form. In portions of a few MB; called outside a transaction. What is kept already stays as it is.
    """
    lost: list[str] = []
    for start in range(0, len(placements), _AT_ONCE):
        some = [UUID(number).hex for number in placements[start : start + _AT_ONCE]]
        rows = all_rows(
            'SELECT p.id, m.id, m.sha256, m.size, s.name, m."offset", m.length, f.account_id, f.remote_id, p.remote_id'  # noqa: S608
            " FROM store_placement p JOIN store_message m ON m.id = p.message_id JOIN store_segment s ON s.id = m.segment_id"
            f" JOIN store_folder f ON f.id = p.folder_id WHERE p.cached_at IS NOT NULL AND p.id IN ({marks(some)})",
            some,
        )
        while rows:
            taken, size = [rows.pop()], 0
            while rows and size < _BYTES_AT_ONCE:
                taken.append(rows.pop())
                size += taken[-1][3]
            lost += _keep(segments, taken)
    return lost


def _keep(segments: Segments, rows: Sequence[tuple[Any, ...]]) -> list[str]:
    lost: list[str] = []
    parcels: dict[int, tuple[Origin, bytes, bytes]] = {}
    for placement, message, sha256, size, name, offset, length, account, folder, remote in rows:
        if not name.startswith(CACHED) or message in parcels:
            continue
        try:
            raw = segments.read(name, offset, length, sha256=bytes(sha256), size=size)
        except Conflict:
            lost.append(placement)
        else:
            parcels[message] = (Origin(account, folder, remote), bytes(sha256), raw)
    written = segments.write(parcels.values()) if parcels else None
    with transaction.atomic():
        if written is not None:
            _point(parcels, written)
        kept = [row[0] for row in rows if row[0] not in lost]
        many("UPDATE store_placement SET cached_at = NULL WHERE id = %s", [(number,) for number in kept])
        _tell(kept)
    return lost


def _point(parcels: Iterable[int], written: Written) -> None:
    """The messages, in the order of the segment's entries, lie there now."""
    row = models.Segment.objects.create(name=written.name, bytes=written.bytes)
    many(
        'UPDATE store_message SET segment_id = %s, "offset" = %s, length = %s WHERE id = %s'  # noqa: S608
        f" AND segment_id IN (SELECT id FROM store_segment WHERE {_IS_CACHED})",
        [
            (row.pk, entry.offset, entry.length, message)
            for message, entry in zip(parcels, written.entries, strict=True)
        ],
    )


def _tell(placements: Sequence[str]) -> None:
    """One entry per folder: from now on they are searched here."""
    by_folder: dict[tuple[int, str, str], list[str]] = {}
    for some in chunks(placements):
        for pool, account, folder, number in all_rows(
            "SELECT a.pool_id, a.id, f.id, p.id FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"  # noqa: S608
            f" JOIN store_account a ON a.id = f.account_id WHERE p.id IN ({marks(some)})",
            some,
        ):
            by_folder.setdefault((pool, account, folder), []).append(number)
    for (pool, account, folder), numbers in by_folder.items():
        facts = {"count": len(numbers), "first": str(UUID(min(numbers))), "last": str(UUID(max(numbers)))}
        journal.write(
            pool, journal.SYSTEM, "messages-kept", f"folder:{UUID(folder)}",
            account=UUID(account), folder=UUID(folder), facts=facts,
        )  # fmt: skip


def let_go(placements: Sequence[str]) -> None:
    """Placements in folders that are fetched whose cached bytes are lost: what their folders hold is reported and fetched anew."""
    with transaction.atomic():
        folders: set[str] = set()
        for some in chunks(placements):
            folders |= set(column(f"SELECT folder_id FROM store_placement WHERE id IN ({marks(some)})", some))  # noqa: S608
        places.remove(placements)
        for folder in folders:
            places.relist(folder)


# -- making room -----------------------------------------------------------------------------------------------------


def make_room(segments: Segments, most_bytes: int) -> None:
    """Keep the cache within its bounds: what was shown least lately goes, whole segments at a time."""
    keep_for_good(segments, _in_use())
    with transaction.atomic():
        _forget(_too_many())
        _forget_messages()
        total, oldest = _oldest_segments()
        for number, size in oldest:
            if total <= most_bytes:
                break
            _forget(
                column(
                    "SELECT p.id FROM store_placement p JOIN store_message m ON m.id = p.message_id WHERE m.segment_id = %s",
                    [number],
                )
            )
            total -= size
        _forget_messages()
        names = _forget_segments()
    for name in names:
        segments.remove(name)


def clear_leftovers(segments: Segments) -> None:
    """Files of the cache that no row names (written just before a crash, or forgotten just before one) go, and what rows name of
    files that are not there: a backup leaves the cache out. Run while nobody writes."""
    known = set(column(f"SELECT name FROM store_segment WHERE {_IS_CACHED}", []))  # noqa: S608
    there = set(segments.cached_names())
    for name in there - known:
        segments.remove(name)
    if lost := known - there:
        with transaction.atomic():
            for some in chunks(lost):
                _forget(
                    column(
                        "SELECT p.id FROM store_placement p JOIN store_message m ON m.id = p.message_id"  # noqa: S608
                        f" JOIN store_segment s ON s.id = m.segment_id WHERE s.name IN ({marks(some)})",
                        some,
                    )
                )
            _forget_messages()
            _forget_segments()


def _in_use() -> list[str]:
    """Cached placements of messages that people have done something lasting with."""
    named = " UNION ".join(f"SELECT message_id FROM {table} WHERE message_id IS NOT NULL" for table in _NAMES_A_MESSAGE)  # noqa: S608
    return column(
        f"SELECT id FROM store_placement WHERE cached_at IS NOT NULL AND message_id IN ({named})",  # noqa: S608
        [],
    )


def _too_many() -> list[str]:
    """What is more than a folder may have, the least lately shown."""
    found: list[str] = []
    for (folder,) in all_rows(
        "SELECT folder_id FROM store_placement WHERE cached_at IS NOT NULL GROUP BY folder_id HAVING count(*) > %s",
        [MOST_IN_A_FOLDER],
    ):
        found += column(
            "SELECT id FROM store_placement WHERE folder_id = %s AND cached_at IS NOT NULL"
            " ORDER BY cached_at DESC, ordinal DESC LIMIT -1 OFFSET %s",
            [folder, MOST_IN_A_FOLDER],
        )
    return found


def _oldest_segments() -> tuple[int, list[tuple[int, int]]]:
    """How many bytes the cache has, and its segments (row, bytes), least lately shown first."""
    rows = all_rows(
        "SELECT s.id, s.bytes FROM store_segment s LEFT JOIN store_message m ON m.segment_id = s.id"  # noqa: S608
        f" LEFT JOIN store_placement p ON p.message_id = m.id WHERE s.{_IS_CACHED} GROUP BY s.id ORDER BY max(p.cached_at), s.id"
    )
    return sum(size for _, size in rows), rows


def _forget(placements: Sequence[str]) -> None:
    """Those of these that are cached, and that no errand is under way with, are no more."""
    idle: list[str] = []
    for some in chunks(placements):
        idle += column(
            "SELECT id FROM store_placement p WHERE cached_at IS NOT NULL AND NOT EXISTS"  # noqa: S608
            " (SELECT 1 FROM store_errand e WHERE e.placement_id = p.id AND e.closed_at IS NULL)"
            f" AND id IN ({marks(some)})",
            some,
        )
    places.remove(idle)


def _forget_segments() -> list[str]:
    """Segments of the cache no message lies in any more; their names."""
    names = column(
        f"SELECT name FROM store_segment s WHERE {_IS_CACHED} AND NOT EXISTS"  # noqa: S608
        " (SELECT 1 FROM store_message m WHERE m.segment_id = s.id)",
        [],
    )
    for some in chunks(names):
        change(f"DELETE FROM store_segment WHERE name IN ({marks(some)})", some)  # noqa: S608
    return names


def _forget_messages() -> None:
    """Messages in the cache that lie nowhere any more, with their places in threads."""
    doomed = all_rows(
        "SELECT m.id, m.thread FROM store_segment s JOIN store_message m ON m.segment_id = s.id"  # noqa: S608
        f" WHERE s.{_IS_CACHED} AND NOT EXISTS (SELECT 1 FROM store_placement p WHERE p.message_id = m.id)"
        + "".join(
            f" AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.message_id = m.id)"  # noqa: S608
            for table in _NAMES_A_MESSAGE
        )
    )
    for table in _GO_WITH_IT:
        many(f"DELETE FROM {table} WHERE message_id = %s", [(number,) for number, _ in doomed])  # noqa: S608
    many("DELETE FROM store_message WHERE id = %s", [(number,) for number, _ in doomed])
    many(
        "DELETE FROM store_threadlink WHERE thread = %s AND NOT EXISTS (SELECT 1 FROM store_message m WHERE m.thread = %s)",
        [(thread, thread) for thread in {thread for _, thread in doomed} if thread],
    )


def counted(folders: Sequence[UUID]) -> dict[UUID, int]:
    """How many of these folders' messages lie in the cache only."""
    found: dict[UUID, int] = {}
    for some in chunks(folder.hex for folder in folders):
        for folder, number in all_rows(
            "SELECT folder_id, count(*) FROM store_placement WHERE cached_at IS NOT NULL"  # noqa: S608
            f" AND folder_id IN ({marks(some)}) GROUP BY folder_id",
            some,
        ):
            found[UUID(folder)] = number
    return found
