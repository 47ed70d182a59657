"""Folders as pages need them, with what their account says of fetching, by plain SQL: every list and every opened message asks for one.

Law: what may be seen is the caller's condition. Nothing here decides how a folder is treated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from poststelle.store.rows import all_rows, id_text, moment

_COLUMNS = (
    "f.id, f.account_id, f.remote_id, f.path, f.role, f.selectable, f.place, f.subscribed, f.owner, f.rights, f.choices, f.vanished_at,"
    " f.total, f.unread, f.remaining, f.synced_at, x.incoming_protocol, x.receiving,"
    " (SELECT count(*) FROM store_setaside s WHERE s.folder_id = f.id)"
)


class AccountRow(NamedTuple):
    """What an account says of fetching, as `models.Account` holds it."""

    incoming_protocol: str
    receiving: Mapping[str, Any]


class FolderRow(NamedTuple):
    """A folder as `models.Folder` holds it, ids as text; `aside`: how many of its messages could not be taken."""

    id: str
    account_id: str
    remote_id: str
    path: Sequence[str]
    role: str
    selectable: bool
    place: str
    subscribed: bool
    owner: str
    rights: str | None
    choices: Mapping[str, Any]
    vanished_at: datetime | None
    total: int
    unread: int
    remaining: int
    synced_at: datetime | None
    account: AccountRow
    aside: int


def where(condition: str, parameters: Sequence[object]) -> list[FolderRow]:
    """The folders (alias f) of that condition, in the order they were made."""
    return [
        _row(row)
        for row in all_rows(
            f"SELECT {_COLUMNS} FROM store_folder f JOIN store_account x ON x.id = f.account_id WHERE {condition} ORDER BY f.id",  # noqa: S608
            parameters,
        )
    ]


def _row(row: tuple[Any, ...]) -> FolderRow:
    (
        number, account, remote, path, role, selectable, place, subscribed, owner, rights, choices, vanished_at, total, unread,
        remaining, synced_at, protocol, receiving, aside,
    ) = row  # fmt: skip
    return FolderRow(
        id_text(number), id_text(account), remote, _read(path), role, bool(selectable), place, bool(subscribed), owner, rights,
        _read(choices), _maybe(vanished_at), total, unread, remaining, _maybe(synced_at),
        AccountRow(protocol, _read(receiving)), aside,
    )  # fmt: skip


def _read(value: Any) -> Any:
    """What a JSON column holds; some databases have read it already."""
    return json.loads(value) if isinstance(value, str) else value


def _maybe(value: Any) -> datetime | None:
    return moment(value) if value is not None else None
