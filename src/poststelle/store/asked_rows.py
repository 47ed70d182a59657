"""What a query asks of rows and not of the index: flags and folders, which change, and days.

Within reach, as everything. This module does not know what stands in the index.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date, datetime, time
from functools import lru_cache
from uuid import UUID

from django.utils import timezone

from poststelle.mail.ports import Role
from poststelle.mail.query import Query
from poststelle.store.access import Reach
from poststelle.store.index_file import rowid_of
from poststelle.store.rows import all_rows, marks
from poststelle.store.scopes import visible

_ROLES = {
    "posteingang": Role.INBOX, "eingang": Role.INBOX, "inbox": Role.INBOX,
    "gesendet": Role.SENT, "sent": Role.SENT, "entwürfe": Role.DRAFTS, "drafts": Role.DRAFTS,
    "papierkorb": Role.TRASH, "trash": Role.TRASH, "spam": Role.SPAM, "junk": Role.SPAM,
    "archiv": Role.ARCHIVE, "archive": Role.ARCHIVE,
}  # fmt: skip


def rowids(query: Query) -> tuple[int, int]:
    """The first rowid of the index that the query's days allow, and the first they no longer allow."""
    return _received(query.after, 0), _received(query.before, sys.maxsize)


def condition(query: Query, folders: Sequence[str] | None) -> tuple[str, list[object]]:
    """What a placement (p) must be for flags and, unless None, folders."""
    conditions: list[str] = []
    parameters: list[object] = []
    if query.unread is not None:
        # The sign: what is looked up are a few messages, not everything unread.
        conditions.append("+p.seen = %s")
        parameters.append(not query.unread)
    for flag, wanted in (("\\Flagged", query.flagged), ("\\Answered", query.answered)):
        if wanted is not None:
            conditions.append(("" if wanted else "NOT ") + "(' ' || p.flags || ' ' LIKE %s)")
            parameters.append(f"% {flag} %")
    if folders is not None:
        conditions.append(f"+p.folder_id IN ({marks(folders) or 'NULL'})")
        parameters += folders
    return " AND ".join(conditions), parameters


def folders_named(reach: Reach, name: str) -> list[str]:
    """The folders within reach that are called so, or have that role."""
    may, bound = visible(reach)
    rows = all_rows(f"SELECT f.id, f.path, f.role FROM store_folder f WHERE {may}", bound)  # noqa: S608 - our own condition
    return [
        UUID(str(number)).hex
        for number, path, role in rows
        if _is_named(_path(path) if isinstance(path, str) else path, Role(role), name)
    ]


def _is_named(path: Sequence[str], role: Role, name: str) -> bool:
    wanted = name.strip().casefold()
    if wanted in _ROLES:
        return role is _ROLES[wanted] or (bool(path) and path[-1].casefold() == wanted)
    return bool(path) and wanted in {path[-1].casefold(), "/".join(path).casefold()}


_path = lru_cache(20_000)(json.loads)


def _received(day: date | None, otherwise: int) -> int:
    """The first rowid of a day, by the clock of this office."""
    if day is None:
        return otherwise
    try:
        begins = datetime.combine(day, time(), timezone.get_default_timezone()).timestamp()
    except (ValueError, OverflowError):
        return otherwise
    return rowid_of(max(0, int(begins)))
