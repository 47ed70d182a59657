"""Folders, placements and bytes, as somebody's reach shows them; and what may be changed about them.

Every query carries the reach; a placement outside it is not found. Lists are windows over the index (folder, newest first).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.ports import Role
from poststelle.mail.records import AddressRecord, FolderRecord, Page, PlacementRecord, SetAsideRecord
from poststelle.mail.settings import Right
from poststelle.store import folder_rows, models
from poststelle.store.access import Reach, granted_sql, reachable
from poststelle.store.blobs import Segments
from poststelle.store.cache import is_live
from poststelle.store.folder_rows import FolderRow
from poststelle.store.places import REMOTE_PLACE
from poststelle.store.rows import all_rows, chunks, flags_from, id_text, marks, moment, one_row, stored
from poststelle.store.settings_columns import receiving_of

_COLUMNS = (
    "p.id, p.folder_id, f.account_id, m.sha256, m.subject, m.from_name, m.from_address, m.recipients, p.received_at,"
    " m.sent_at, m.size, p.flags, m.has_attachments, m.preview, m.message_id, p.ordinal"
)
_TABLES = "store_placement p JOIN store_folder f ON f.id = p.folder_id AND f.place <> 'limbo' JOIN store_message m ON m.id = p.message_id"


def segments() -> Segments:
    """The segments of this installation."""
    return Segments(django_settings.POSTSTELLE.home / "segments")


def folders(reach: Reach, account: str | None = None) -> list[FolderRecord]:
    """The folders within reach, of one account or of all, as the server lists them (unselectable and empty ones too)."""
    condition, bound = granted_sql(reach, Right.SEE, "f.account_id", folder="f.id")
    if account is not None:
        number = _number(account, "account-unknown")
        if not models.Account.objects.filter(reachable(reach, Right.SEE), pk=number).exists():
            raise NotFound("account-unknown", account=account)
        condition, bound = f"f.account_id = %s AND {condition}", [number.hex, *bound]
    rows = folder_rows.where(f"f.place <> 'limbo' AND (f.vanished_at IS NULL OR f.total > 0) AND {condition}", bound)
    return [_folder(row) for row in rows]


def folder(reach: Reach, number: str) -> FolderRecord:
    """One folder. Raises NotFound."""
    chosen = _number(number, "folder-unknown")
    may, bound = granted_sql(reach, Right.SEE, "f.account_id", folder="f.id", of_few=True)
    rows = folder_rows.where(f"f.id = %s AND f.place <> 'limbo' AND {may}", [chosen.hex, *bound])
    if not rows:
        raise NotFound("folder-unknown", folder=number)
    return _folder(rows[0])


def set_aside(reach: Reach, number: str) -> list[SetAsideRecord]:
    """What the server has in this folder and we could not take."""
    record = folder(reach, number)
    rows = models.SetAside.objects.filter(folder_id=record.id).order_by("-received_at")
    return [SetAsideRecord(row.remote_id, row.code, row.size, row.created_at) for row in rows]


def page(reach: Reach, number: str, limit: int, after: str | None) -> Page[PlacementRecord]:
    """A window of a folder, newest first. Raises NotFound, Invalid({"cursor": "unknown-value"})."""
    record = folder(reach, number)
    condition, parameters = "p.folder_id = %s", [UUID(record.id).hex]
    if after is not None:
        condition += " AND (p.received_at, p.ordinal, p.id) < (%s, %s, %s)"
        parameters += _read_cursor(after)
    rows = all_rows(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE {condition}"  # noqa: S608 - our own columns, parameters bound
        " ORDER BY p.received_at DESC, p.ordinal DESC, p.id DESC LIMIT %s",
        [*parameters, limit + 1],
    )
    following = _cursor(rows[limit - 1][8], rows[limit - 1][15], rows[limit - 1][0]) if len(rows) > limit else None
    return Page([_placement(row) for row in rows[:limit]], following)


def placement(reach: Reach, number: str, right: Right = Right.SEE) -> PlacementRecord:
    """One placement within reach by `right`. Raises NotFound."""
    condition, parameters = granted_sql(reach, right, "f.account_id", folder="f.id", of_few=True)
    row = one_row(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE p.id = %s AND {condition}",  # noqa: S608
        [_number(number, "message-unknown").hex, *parameters],
    )
    if row is None:
        raise NotFound("message-unknown", message=number)
    return _placement(row)


def arrived(reach: Reach, number: str, ids: tuple[str, str], since: datetime, limit: int) -> list[PlacementRecord]:
    """The unread placements of a folder with an id from the first to the last, received `since`, newest first.

    None of a folder out of reach.
    """
    condition, bound = granted_sql(reach, Right.SEE, "f.account_id", folder="f.id", of_few=True)
    first, last = (_number(one, "message-unknown").hex for one in ids)
    rows = all_rows(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE p.folder_id = %s AND p.id BETWEEN %s AND %s AND NOT p.seen"  # noqa: S608
        f" AND p.received_at >= %s AND {condition} ORDER BY p.received_at DESC LIMIT %s",
        [_number(number, "folder-unknown").hex, first, last, stored(since), *bound, limit],
    )
    return [_placement(row) for row in rows]


def by_ids(numbers: Sequence[str]) -> dict[str, PlacementRecord]:
    """These placements (ids as text or hex), by id. For callers that have checked reach."""
    found: dict[str, PlacementRecord] = {}
    for some in chunks(numbers):
        for row in all_rows(
            f"SELECT {_COLUMNS} FROM {_TABLES} WHERE p.id IN ({marks(some)})",  # noqa: S608
            [UUID(number).hex for number in some],
        ):
            record = _placement(row)
            found[record.id] = record
    return found


def placements_of(
    reach: Reach, messages: Sequence[int], limit: int, only: tuple[str, Sequence[object]] = ("", ())
) -> list[tuple[int, PlacementRecord]]:
    """One visible placement for each of these message rows that has one, in the order given, at most `limit`.

    `only`: a further SQL condition on the placement (p), with its parameters.
    """
    if not messages:
        return []
    further, bound = (f" AND {only[0]}", only[1]) if only[0] else ("", ())
    condition, parameters = granted_sql(reach, Right.SEE, "f.account_id", folder="f.id", of_few=True)
    found: dict[int, PlacementRecord] = {}
    marks = ", ".join(["%s"] * len(messages))
    for number, *row in all_rows(
        f"SELECT p.message_id, {_COLUMNS} FROM {_TABLES} WHERE p.message_id IN ({marks}) AND {condition}{further}",  # noqa: S608
        [*messages, *parameters, *bound],
    ):
        found.setdefault(number, _placement(tuple(row)))
    return [(number, found[number]) for number in messages if number in found][:limit]


def received_by(account: str) -> str:
    """The host an account fetches from; "" for none. For callers that have checked reach."""
    row = one_row("SELECT incoming_host FROM store_account WHERE id = %s", [UUID(account).hex])
    return str(row[0]) if row else ""


def raw(reach: Reach, number: str) -> bytes:
    """The exact bytes of a placement's message. Raises NotFound, Conflict("bytes-damaged")."""
    record = placement(reach, number)
    return content(reach.pool, bytes.fromhex(record.content))


def content(pool: int, sha256: bytes) -> bytes:
    """The bytes with this SHA-256. For callers that have checked reach by other means. Raises NotFound, Conflict("bytes-damaged")."""
    place = _place_of(pool, sha256)
    try:
        return _read(sha256, place)
    except Conflict:
        # What was in the cache may have made room, or be kept for good elsewhere, since we looked.
        if (now := _place_of(pool, sha256)) == place:
            raise
        return _read(sha256, now)


def _place_of(pool: int, sha256: bytes) -> tuple[str, int, int, int]:
    row = one_row(
        'SELECT s.name, m."offset", m.length, m.size FROM store_message m JOIN store_segment s ON s.id = m.segment_id'
        " WHERE m.pool_id = %s AND m.sha256 = %s",
        [pool, sha256],
    )
    if row is None:
        raise NotFound("content-unknown")
    name, offset, length, size = row
    return name, offset, length, size


def _read(sha256: bytes, place: tuple[str, int, int, int]) -> bytes:
    name, offset, length, size = place
    return segments().read(name, offset, length, sha256=sha256, size=size)


def _number(text: str, code: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(code) from error


def _folder(row: FolderRow) -> FolderRecord:
    receiving, choices = receiving_of(row.account.receiving), row.choices
    is_inbox = row.role == Role.INBOX.value
    shown = is_inbox or row.place != REMOTE_PLACE or receiving.shows(subscribed=row.subscribed)
    fetched = is_inbox or row.place != REMOTE_PLACE or receiving.fetches(subscribed=row.subscribed)
    return FolderRecord(
        id=row.id, account_id=row.account_id, path=tuple(row.path), role=Role(row.role),
        selectable=row.selectable, total=row.total, unread=row.unread, expected=row.total + row.remaining + row.aside,
        set_aside=row.aside, synced_at=row.synced_at, place=row.place, subscribed=row.subscribed, owner=row.owner,
        rights=row.rights, choices=choices, live=is_live(row),
        shown=bool(choices.get("show", shown)), fetched=bool(choices.get("fetch", fetched)),
    )  # fmt: skip


def _placement(row: tuple[Any, ...]) -> PlacementRecord:
    (
        number, folder_id, account_id, sha256, subject, from_name, from_address, recipients, received_at, sent_at, size,
        flags, has_attachments, preview, message_id, _,
    ) = row  # fmt: skip
    return PlacementRecord(
        id=id_text(number), folder_id=id_text(folder_id), account_id=id_text(account_id),
        content=bytes(sha256).hex(), subject=subject, sender=AddressRecord(from_name, from_address),
        recipients=[AddressRecord(name, address) for name, address in json.loads(recipients)],
        received_at=moment(received_at), sent_at=_maybe(sent_at), size=size, flags=flags_from(flags),
        has_attachments=bool(has_attachments), preview=preview, message_id=message_id,
    )  # fmt: skip


def _maybe(value: Any) -> datetime | None:
    return moment(value) if value is not None else None


def _cursor(received_at: Any, ordinal: int, number: Any) -> str:
    return base64.urlsafe_b64encode(f"{received_at}|{ordinal}|{number}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> list[Any]:
    try:
        padded = text + "=" * (-len(text) % 4)
        received_at, ordinal, number = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii").split("|")
        datetime.fromisoformat(received_at)
        return [received_at, _ordinal(ordinal), UUID(number).hex]
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise Invalid({"cursor": "unknown-value"}) from error


def _ordinal(text: str) -> int:
    if not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError("no number of a database")
    return number
