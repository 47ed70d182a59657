"""Keywords seen in a folder, remembered there so that people can be offered them without reading every message.

Law: what marks messages remembers their keywords in the same transaction. What programs write for each other (``$Forwarded``,
``NonJunk``) is not remembered. A folder remembers a bounded number. What its server does not keep is known of it as well
(`Folder.unkept`): the server's word says nothing about those.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from uuid import UUID

from poststelle.store import events, models
from poststelle.store.rows import all_rows, change, marks

MOST_PER_FOLDER = 200
_LONGEST = 120
_OF_PROGRAMS = frozenset({"nonjunk", "notjunk", "junk", "junkrecorded", "forwarded", "redirected", "mdnsent", "old"})
_LABELS = frozenset(f"$label{number}" for number in range(1, 6))


def is_for_people(flag: str) -> bool:
    """Whether a flag is a keyword people gave, and no system flag nor a note of some program to itself."""
    if flag.startswith("\\") or len(flag) > _LONGEST:
        return False
    return flag.lower() in _LABELS or not (flag.startswith("$") or flag.lower() in _OF_PROGRAMS)


def unkept(folder: UUID, wanted: frozenset[str], refused: frozenset[str]) -> None:
    """Of these keywords the server was to keep in the folder it will not keep some: those stay here only, and that is said once."""
    wanted = frozenset(flag for flag in wanted if not flag.startswith("\\"))
    row = models.Folder.objects.filter(pk=folder).first() if wanted else None
    if row is None:
        return
    known = frozenset(row.unkept)
    now = known - wanted | refused
    if now != known:
        row.unkept = sorted(now)[:MOST_PER_FOLDER]
        row.save(update_fields=["unkept"])
    if fresh := refused - known:
        events.note(
            str(row.account_id), "keywords-unkept", level="warning", folder="/".join(row.path), keywords=", ".join(sorted(fresh))
        )  # fmt: skip


def remember(seen: Iterable[tuple[str, Iterable[str]]]) -> None:
    """These flags occur in these folders (their ids in hex)."""
    found: dict[str, set[str]] = {}
    for folder, flags in seen:
        for flag in flags:
            if is_for_people(flag):
                found.setdefault(folder, set()).add(flag)
    if not found:
        return
    for folder, known in all_rows(
        f"SELECT id, keywords FROM store_folder WHERE id IN ({marks([*found])})",  # noqa: S608 - placeholders only
        [*found],
    ):
        before = known if isinstance(known, list) else json.loads(known)
        added = sorted(found[folder].difference(before))[: MOST_PER_FOLDER - len(before)]
        if added:
            change("UPDATE store_folder SET keywords = %s WHERE id = %s", [json.dumps([*before, *added]), folder])
