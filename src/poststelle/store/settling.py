"""How errands end: done, gone, refused; and what that means for the placements and folders they are about.

Law: one errand handed out, one transaction. A refusal is undone here and written into the journal, so that what is shown is what
the server has. This module does not know how errands are handed out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import MessageTrouble
from poststelle.mail.ports import Outcome, RemoteId
from poststelle.store import events, folders, journal, keywords, models, places, sightings
from poststelle.store.rows import all_rows, change, chunks, column, flags_from, marks, one_row, stored
from poststelle.store.trouble import trouble_column

_RESOLVED = frozenset({"move", "copy", "append"})
_FROM_A_FOLDER = frozenset({"move", "copy", "delete"})
FULL, MISSING = "mailbox-full", "folder-missing"
UNTIL_ROOM = timedelta(hours=1)


def performed(errands: Mapping[int, RemoteId], outcome: Outcome) -> None:
    """The server has been told: these errands (with the ids they were told under), all of one kind, are done."""
    with transaction.atomic():
        rows = [row for row in _rows([*errands]) if row.closed_at is None]
        if not rows:
            return
        kind = rows[0].kind
        if kind in _FROM_A_FOLDER and (lost := [row for row in rows if errands[row.pk] in outcome.gone]):
            sightings.missed([row.pk for row in lost])
            events.note(str(lost[0].account_id), "errand-missed", count=len(lost))
            rows = [row for row in rows if errands[row.pk] not in outcome.gone]
        if not rows:
            return
        if kind == "delete":
            _deleted([row.pk for row in rows])
        elif kind in _RESOLVED:
            if kind == "append" and (target := rows[0].target_id or rows[0].folder_id) is not None:
                keywords.unkept(target, flags_from(rows[0].add), outcome.unkept)
            for row in rows:
                _found(row, outcome.id if kind == "append" else outcome.ids.get(errands[row.pk]))
        elif kind in folders.KINDS:
            folders.performed(rows[0], outcome)
            places.close([rows[0].pk], places.DONE)
        else:
            if rows[0].folder_id is not None:
                keywords.unkept(rows[0].folder_id, flags_from(rows[0].add), outcome.unkept)
            places.close([row.pk for row in rows if errands[row.pk] not in outcome.gone], places.DONE)
            sightings.wait_for_a_new_id([row.pk for row in rows if errands[row.pk] in outcome.gone])


def refused(pool: int, errands: Sequence[int], trouble: MessageTrouble) -> None:
    """The server will never do these: undone here, closed with the reason, told in the journal (once per folder).

    Of what a full mailbox refuses, that is tried again later which lies nowhere else.
    """
    with transaction.atomic():
        rows = [row for row in _rows(errands) if row.closed_at is None]
        if trouble.code == FULL:
            rows = _postponed(rows)
        if trouble.code == MISSING:
            rows = _moot(rows)
        told: dict[UUID | None, list[str]] = {}
        for row in rows:
            told.setdefault(row.folder_id or row.target_id, []).append(_undone(row, trouble.code))
        account = rows[0].account_id if rows else None
        for folder, subjects in told.items():
            journal.write(
                pool, journal.SYSTEM, "errand-refused", subjects[0] if len(subjects) == 1 else f"folder:{folder}",
                account=account, folder=folder, facts={**trouble_column(trouble), "count": len(subjects)},
            )  # fmt: skip


def _postponed(rows: Sequence[models.Errand]) -> list[models.Errand]:
    """What no other folder holds (copies of what was sent, what people appended) waits until there is room. The errands that do not."""
    waiting = [row for row in rows if row.kind == "append" and None in {row.placement_id, row.folder_id}]
    models.Errand.objects.filter(pk__in=[row.pk for row in waiting]).update(
        due_at=timezone.now() + UNTIL_ROOM, outcome=""
    )
    if waiting:
        events.note(str(waiting[0].account_id), "trouble", level="warning", trouble=FULL)
    return [row for row in rows if row not in waiting]


def _moot(rows: Sequence[models.Errand]) -> list[models.Errand]:
    """What was to be done in a folder that is no more has nothing to be done to, or is done with the bytes held here. The errands whose
    folder is there, or was to be filled."""
    gone = set(
        models.Folder.objects.filter(
            pk__in={number for row in rows for number in (row.folder_id, row.target_id)}, vanished_at__isnull=False
        ).values_list("pk", flat=True)
    )
    moot = [row for row in rows if row.folder_id in gone and row.target_id not in gone]
    for row in moot:
        if row.kind == "delete":
            _deleted([row.pk])
        elif row.kind == "copy":
            places.brought([row.pk])
        elif row.kind in _RESOLVED:
            places.told([row.pk])
        else:
            places.close([row.pk], places.GONE)
    return [row for row in rows if row not in moot]


def forget_what_is_due() -> None:
    """Deletions whose time to change one's mind is over, of messages and folders no server is to be told about."""
    now = stored(timezone.now())
    if one_row("SELECT 1 FROM store_errand WHERE closed_at IS NULL AND due_at <= %s", [now]) is None:
        return
    with transaction.atomic():
        due = all_rows(
            "SELECT e.id, e.placement_id, e.remote_id FROM store_errand e JOIN store_account a ON a.id = e.account_id"
            " WHERE e.closed_at IS NULL AND e.kind = 'delete' AND e.due_at <= %s AND e.placement_id IS NOT NULL"
            " AND (e.remote_id LIKE 'local.%%' OR (a.kind = 'fetch-only' AND e.batch IS NOT NULL))",
            [now],
        )
        for number, _, remote in due:
            if remote.startswith(places.LOCAL):
                places.close([number], places.DONE)
            else:
                # The server keeps it, and it must not come back from there.
                change("UPDATE store_errand SET kind = %s, placement_id = NULL WHERE id = %s", [places.KEPT, number])
        places.remove([placement for _, placement, _ in due])
        for row in models.Errand.objects.filter(
            kind="delete-folder", closed_at=None, due_at__lte=timezone.now(), remove=places.LOCAL_PLACE
        ).select_related("folder"):
            if row.folder is not None:
                folders.forget(row.folder)


def _rows(numbers: Sequence[int]) -> list[models.Errand]:
    rows: list[models.Errand] = []
    for some in chunks(numbers):
        rows += models.Errand.objects.filter(pk__in=some).order_by("pk")
    return rows


def _deleted(errands: Sequence[int]) -> None:
    """The server has removed them: what waits in limbo goes; what is kept here otherwise stays."""
    places.close(errands, places.DONE)
    for some in chunks(errands):
        places.remove(
            column(
                "SELECT p.id FROM store_errand e JOIN store_placement p ON p.id = e.placement_id"  # noqa: S608
                f" JOIN store_folder f ON f.id = p.folder_id WHERE f.place = 'limbo' AND e.id IN ({marks(some)})",
                some,
            )
        )


def _found(row: models.Errand, remote: RemoteId | None) -> None:
    """Moved, copied or appended, and where it lies now as far as the server says."""
    if row.placement_id is None or row.target_id is None:
        places.close([row.pk], places.DONE)
        return
    target = row.target_id.hex
    # Of no generation: no cursor of that folder has vouched for it yet.
    if remote is not None and places.resolve(row.pk, target, remote, 0):
        places.close([row.pk], places.DONE)
        return
    places.told([row.pk])


def _undone(row: models.Errand, code: str) -> str:
    """Undo one errand here; what the journal calls it."""
    if row.kind in folders.KINDS:
        folders.refused(row, code)
        places.close([row.pk], code)
        return f"folder:{row.folder_id}"
    if row.kind == "change-flags":
        places.close([row.pk], code)
        if row.placement_id is not None:
            _unflag(row)
    elif row.placement_id is None and row.kind == "append":
        places.close([row.pk], code)
    else:
        places.put_back(row.pk, code)
    return f"message:{row.placement_id}" if row.placement_id else f"folder:{row.folder_id}"


def _unflag(row: models.Errand) -> None:
    assert row.placement_id is not None  # asked by the caller
    number = row.placement_id.hex
    held = one_row("SELECT flags FROM store_placement WHERE id = %s", [number])
    if held is not None:
        places.flag({number: (flags_from(held[0]) - flags_from(row.add)) | flags_from(row.remove)})
