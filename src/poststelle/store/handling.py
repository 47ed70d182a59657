"""What people do to messages: flags, moves, copies, deletions, undoing; seen here at once, told to the server by errands.

Law: a verb works in portions of five hundred messages, one transaction each with a breath between them, so that a move of
ten thousand delays nobody. Every row it changes is within reach by the right *process*. One journal entry per portion and folder.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import Conflict, NotFound
from poststelle.mail.ports import Role
from poststelle.mail.settings import Kind, Right
from poststelle.store import cache, folders, journal, keywords, messages, models, places, repeated
from poststelle.store.access import Reach, granted_sql
from poststelle.store.ids import uuid7
from poststelle.store.rows import all_rows, change, chunks, column, flags_from, flags_text, many, marks, stored

PORTION = 500
BREATH_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Chosen:
    """A placement as it lies; ids as the tables hold them. `keeps`: its server is never told what happens to it here."""

    id: str
    folder: str
    account: str
    place: str
    role: str
    remote: str
    flags: str
    seen: bool
    message: int
    keeps: bool

    @property
    def on_server(self) -> bool:
        return self.place == places.REMOTE_PLACE and not self.remote.startswith(places.LOCAL)


def chosen(reach: Reach, numbers: Sequence[str], right: Right = Right.PROCESS) -> list[Chosen]:
    """Those of these placements that are within reach and not on their way out, ordered by folder."""
    condition, parameters = granted_sql(reach, right, "f.account_id", folder="f.id", of_few=True)
    rows: list[Chosen] = []
    for some in chunks(UUID(number).hex for number in numbers):
        rows += [
            Chosen(
                number, folder, account, place, role, remote, flags, bool(seen), message, kind == Kind.FETCH_ONLY.value
            )
            for number, folder, account, place, role, remote, flags, seen, message, kind in all_rows(
                "SELECT p.id, p.folder_id, f.account_id, f.place, f.role, p.remote_id, p.flags, p.seen, p.message_id, a.kind"  # noqa: S608
                " FROM store_placement p JOIN store_folder f ON f.id = p.folder_id JOIN store_account a ON a.id = f.account_id"
                f" WHERE p.id IN ({marks(some)}) AND f.place <> 'limbo' AND {condition}",
                [*some, *parameters],
            )
        ]
    return sorted(rows, key=lambda row: row.folder)


def everything(
    reach: Reach,
    folder: str,
    *,
    seen: bool | None = None,
    flagged: bool | None = None,
    before: datetime | None = None,
) -> list[str]:
    """Every placement of a folder within reach, also those no page has shown: all, or the (un)read, (un)flagged, or older ones."""
    condition, parameters = granted_sql(reach, Right.SEE, "f.account_id", folder="f.id")
    if seen is not None:
        condition += " AND p.seen = %s"
        parameters = [*parameters, seen]
    if flagged is not None:
        condition += f" AND (' ' || p.flags || ' ') {'' if flagged else 'NOT '}LIKE %s"
        parameters = [*parameters, "% \\Flagged %"]
    if before is not None:
        condition += " AND p.received_at < %s"
        parameters = [*parameters, stored(before)]
    return [
        str(UUID(number))
        for number in column(
            "SELECT p.id FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"  # noqa: S608
            f" WHERE p.folder_id = %s AND f.place <> 'limbo' AND {condition} ORDER BY p.received_at DESC",
            [UUID(folder).hex, *parameters],
        )
    ]


# -- the verbs -------------------------------------------------------------------------------------------------------


def mark(
    reach: Reach,
    numbers: Sequence[str],
    add: frozenset[str],
    remove: frozenset[str],
    *,
    actor: str,
    batch: UUID | None = None,
) -> int:
    """Add and remove flags here at once; errands tell the server. How many placements changed."""
    changed = 0
    for rows in _portions(reach, numbers):
        flags = {row.id: flags_from(row.flags) for row in rows}
        differing = {
            row.id: (flags[row.id] - remove) | add for row in rows if (flags[row.id] - remove) | add != flags[row.id]
        }
        concerned = [row for row in rows if row.id in differing]
        places.flag(differing)
        _open(
            [
                _errand(
                    row, "change-flags", actor, batch,
                    add=flags_text(differing[row.id] - flags[row.id]), remove=flags_text(flags[row.id] - differing[row.id]),
                )
                for row in concerned if row.on_server and not row.keeps
            ]
            + [
                _errand(
                    row, "change-flags", actor, batch, done=True,
                    add=flags_text(differing[row.id] - flags[row.id]), remove=flags_text(flags[row.id] - differing[row.id]),
                )
                for row in concerned if not row.on_server or row.keeps
            ]
        )  # fmt: skip
        changed += len(concerned)
        facts = {"added": sorted(add), "removed": sorted(remove)}
        if len(concerned) == 1:
            (row,) = concerned
            facts = {
                "added": sorted(differing[row.id] - flags[row.id]), "removed": sorted(flags[row.id] - differing[row.id])
            }  # fmt: skip
        _tell(reach, actor, "flags-changed", concerned, facts)
    return changed


def move(reach: Reach, numbers: Sequence[str], target: models.Folder, *, actor: str, batch: UUID) -> int:
    """Into another folder, of the same account or not. How many. Raises Conflict("folder-cannot-take")."""
    takes(target)
    _keep_what_leaves_the_cache(reach, numbers, target)
    return sum(_move(reach, rows, target, actor, batch) for rows in _portions(reach, numbers))


def copy(reach: Reach, numbers: Sequence[str], target: models.Folder, *, actor: str, batch: UUID) -> int:
    """Into another folder as well. How many. Raises Conflict("folder-cannot-take")."""
    takes(target)
    _keep_what_leaves_the_cache(reach, numbers, target)
    return sum(_copy(reach, rows, target, actor, batch) for rows in _portions(reach, numbers))


def delete(reach: Reach, numbers: Sequence[str], *, permanently: bool, actor: str, batch: UUID) -> int:
    """Into the trash; what lies there already, or where there is none, or `permanently`: off the server for good, soon."""
    deleted = 0
    if not permanently:
        _keep_what_leaves_the_cache(reach, numbers)
    for rows in _portions(reach, numbers):
        by_account: dict[str, list[Chosen]] = defaultdict(list)
        for row in rows:
            by_account[row.account].append(row)
        for account, its in by_account.items():
            trash = None if permanently else folders.with_role(UUID(account), Role.TRASH)
            doomed = [row for row in its if trash is None or row.folder == trash.pk.hex]
            saved = [row for row in its if trash is not None and row.folder != trash.pk.hex]
            deleted += _expunge(reach, doomed, actor, batch)
            if trash is not None:
                deleted += _move(reach, saved, trash, actor, batch)
    return deleted


def undo(reach: Reach, batch: UUID, *, actor: str) -> int:
    """Take back what this actor did with one gesture, as far as it can be. How many. Raises NotFound, Conflict("too-late-to-undo")."""
    condition, parameters = granted_sql(reach, Right.PROCESS, "e.account_id", folder="e.folder_id")
    with transaction.atomic():
        rows = all_rows(
            'SELECT e.id, e.kind, e.folder_id, e.placement_id, e."add", e.remove FROM store_errand e'  # noqa: S608
            f" WHERE e.batch = %s AND e.actor = %s AND {condition} ORDER BY e.id DESC",
            [batch.hex, actor, *parameters],
        )
        if not rows:
            raise NotFound("nothing-to-undo")
        change("UPDATE store_errand SET batch = NULL WHERE batch = %s", [batch.hex])
        undone = sum(_take_back(number, kind, placement) for number, kind, _, placement, _, _ in rows)
    back: dict[str, list[str]] = defaultdict(list)
    flags: dict[tuple[str, str], list[str]] = defaultdict(list)
    copies: list[str] = []
    for number, kind, folder, placement, add, remove in rows:
        if placement is None or not _is_done(number):
            continue
        if kind == "change-flags":
            flags[add, remove].append(str(UUID(placement)))
        elif kind in {"copy", "append"} and (kind == "copy" or folder is None):
            copies.append(str(UUID(placement)))
        elif kind in {"move", "append"}:
            back[folder].append(str(UUID(placement)))
    for (add, remove), numbers in flags.items():
        undone += mark(reach, numbers, flags_from(remove), flags_from(add), actor=actor)
    for folder, numbers in back.items():
        home = models.Folder.objects.filter(pk=folder).exclude(place=places.LIMBO_PLACE).first()
        if home is not None:
            undone += sum(_move(reach, some, home, actor, None) for some in _portions(reach, numbers))
    for some in _portions(reach, copies):
        undone += _expunge(reach, some, actor, None)
    if not undone:
        raise Conflict("too-late-to-undo")
    return undone


def takes(target: models.Folder) -> None:
    """Raises Conflict unless messages can be put into the folder."""
    on_server = target.place == places.REMOTE_PLACE
    if not target.selectable or target.vanished_at is not None or target.place == places.LIMBO_PLACE:
        raise Conflict("folder-cannot-take")
    if on_server and not folders.has_server_folders(target.account):
        raise Conflict("folder-cannot-take")


def _keep_what_leaves_the_cache(reach: Reach, numbers: Sequence[str], target: models.Folder | None = None) -> None:
    """Bytes first: what goes from a folder that is only looked at into one that is kept, or into another mailbox, is kept for good.

    Without a target they go into the trash.
    """
    staying: dict[str, bool] = {}

    def stays(row: Chosen) -> bool:
        if target is not None and target.account_id.hex != row.account:
            return False
        if row.account not in staying:
            into = target or folders.with_role(UUID(row.account), Role.TRASH)
            staying[row.account] = into is None or cache.is_live(into)
        return staying[row.account]

    for some in chunks(numbers):
        if leaving := [row.id for row in chosen(reach, some) if not stays(row)]:
            cache.keep_for_good(messages.segments(), leaving)


# -- how they work ---------------------------------------------------------------------------------------------------


def _portions(reach: Reach, numbers: Sequence[str]) -> Iterator[list[Chosen]]:
    """The placements a portion at a time, inside its transaction."""
    wanted = list(dict.fromkeys(numbers))
    for start in range(0, len(wanted), PORTION):
        if start:
            time.sleep(BREATH_SECONDS)
        with transaction.atomic():
            yield chosen(reach, wanted[start : start + PORTION])


def _move(reach: Reach, rows: Sequence[Chosen], target: models.Folder, actor: str, batch: UUID | None) -> int:
    rows = [row for row in rows if row.folder != target.pk.hex]
    if not rows:
        return 0
    known = [row for row in rows if row.on_server]
    loose = [row for row in rows if not row.on_server]
    if target.place != places.REMOTE_PLACE:
        _leave(known, actor, batch)
        _open([_errand(row, "move", actor, batch, target=target, done=True) for row in loose])
        many(
            "UPDATE store_placement SET folder_id = %s, remote_id = %s WHERE id = %s",
            [(target.pk.hex, places.local(), row.id) for row in rows],
        )
    else:
        along = [row for row in known if row.account == target.account_id.hex and not row.keeps]
        across = [row for row in rows if row not in along] if len(along) < len(rows) else []
        _open([_errand(row, "move", actor, batch, target=target) for row in along])
        _open([_errand(row, "append", actor, batch, target=target, add=row.flags) for row in across])
        _leave([row for row in across if row.on_server], actor, batch, after="append")
        _name([row.id for row in rows], target)
    places.count(
        one for row in rows for one in ((row.folder, -1, -(not row.seen)), (target.pk.hex, 1, int(not row.seen)))
    )
    keywords.remember((target.pk.hex, row.flags.split()) for row in rows)
    _tell(reach, actor, "messages-moved", rows, {"to": str(target.pk)})
    _tell_target(reach, actor, "messages-moved", rows, target)
    return len(rows)


def _leave(rows: Sequence[Chosen], actor: str, batch: UUID | None, *, after: str = "") -> None:
    """Off their server soon (once the errand of the kind `after` is done), or, where it is never told, known and ignored there."""
    due = timezone.now() + places.TIME_TO_REGRET
    first: dict[str, int] = {}
    if after:
        for some in chunks(row.id for row in rows):
            first |= dict(
                all_rows(
                    "SELECT placement_id, max(id) FROM store_errand WHERE closed_at IS NULL AND kind = %s"  # noqa: S608
                    f" AND placement_id IN ({marks(some)}) GROUP BY placement_id",
                    [after, *some],
                )
            )
    _open(
        [
            _errand(row, places.KEPT if row.keeps else "delete", actor, batch, due=due, after=first.get(row.id))
            for row in rows
        ]
    )


def _name(numbers: Sequence[str], target: models.Folder) -> None:
    """These placements lie in the folder now, called after the newest errand that puts them there."""
    for some in chunks(numbers):
        change(
            "UPDATE store_placement SET folder_id = %s, remote_id = 'pending.' || (SELECT max(e.id) FROM store_errand e"  # noqa: S608
            " WHERE e.placement_id = store_placement.id AND e.closed_at IS NULL AND e.kind IN ('move', 'copy', 'append'))"
            f" WHERE id IN ({marks(some)})",
            [target.pk.hex, *some],
        )


def _copy(reach: Reach, rows: Sequence[Chosen], target: models.Folder, actor: str, batch: UUID | None) -> int:
    if not rows:
        return 0
    fresh = {row.id: uuid7().hex for row in rows}
    many(
        "INSERT INTO store_placement (id, folder_id, message_id, remote_id, flags, seen, received_at, ordinal, generation,"  # noqa: S608
        f" cached_at, {repeated.COLUMNS}) SELECT %s, %s, message_id, %s, flags, seen, received_at, ordinal, %s, cached_at, {repeated.COLUMNS}"
        " FROM store_placement WHERE id = %s",
        [(number, target.pk.hex, places.local(), target.generation, row) for row, number in fresh.items()],
    )
    if target.place == places.REMOTE_PLACE:
        along = {row.id for row in rows if row.on_server and row.account == target.account_id.hex and not row.keeps}
        _open(
            [
                _errand(row, "copy", actor, batch, target=target, placement=fresh[row.id])
                if row.id in along
                else _errand(row, "append", actor, batch, target=target, placement=fresh[row.id], add=row.flags, origin=False)
                for row in rows
            ]
        )  # fmt: skip
        _name([*fresh.values()], target)
    else:
        _open([_errand(row, "copy", actor, batch, target=target, placement=fresh[row.id], done=True) for row in rows])
    keywords.remember((target.pk.hex, row.flags.split()) for row in rows)
    places.count((target.pk.hex, 1, int(not row.seen)) for row in rows)
    _tell_target(reach, actor, "messages-copied", rows, target, numbers=[*fresh.values()])
    return len(rows)


def _expunge(reach: Reach, rows: Sequence[Chosen], actor: str, batch: UUID | None) -> int:
    """Out of sight at once, off the server when the time to regret it is over."""
    if not rows:
        return 0
    due = timezone.now() + places.TIME_TO_REGRET
    # Without a batch nobody can take it back; a row of its own keeps it apart from what the system deletes after an import.
    _open([_errand(row, "delete", actor, batch or uuid7(), due=due) for row in rows])
    limbos = {account: places.limbo_of(UUID(account)).hex for account in {row.account for row in rows}}
    many(
        "UPDATE store_placement SET folder_id = %s, remote_id = 'pending.' || (SELECT max(e.id) FROM store_errand e"
        " WHERE e.placement_id = store_placement.id AND e.closed_at IS NULL AND e.kind = 'delete') WHERE id = %s",
        [(limbos[row.account], row.id) for row in rows],
    )
    places.count((row.folder, -1, -(not row.seen)) for row in rows)
    _tell(reach, actor, "messages-deleted", rows, {})
    return len(rows)


def _take_back(number: int, kind: str, placement: str | None) -> int:
    """Undo an errand nobody has been told of yet, in the transaction at hand; whether that could be done (0 or 1)."""
    now = stored(timezone.now())
    untold = {
        "delete": "due_at > %s AND after_id IS NULL",
        "delete-folder": "due_at > %s",
        places.KEPT: "created_at <= %s AND placement_id IS NOT NULL AND after_id IS NULL",
        "append": "created_at <= %s AND outcome = '' AND folder_id IS NOT NULL",
    }.get(kind)
    if untold is None or not change(
        f"UPDATE store_errand SET closed_at = %s, outcome = 'undone' WHERE id = %s AND closed_at IS NULL AND {untold}",  # noqa: S608
        [now, number, now],
    ):
        return 0
    if kind == "delete-folder":
        row = models.Errand.objects.select_related("folder").get(pk=number)
        if row.folder is not None:
            folders.restore(row.folder, row.remove)
        _say_undone(row)
        return 1
    if placement is None or places.put_back(number, places.UNDONE) is None:
        return 0
    _say_undone(models.Errand.objects.get(pk=number))
    return 1


def _say_undone(row: models.Errand) -> None:
    journal.write(
        row.account.pool_id, row.actor, "errand-undone",
        f"message:{row.placement_id}" if row.placement_id else f"folder:{row.folder_id}",
        account=row.account_id, folder=row.folder_id,
    )  # fmt: skip


def _is_done(number: int) -> bool:
    """Whether undoing this takes doing the opposite: it was not just taken back."""
    return bool(
        column("SELECT 1 FROM store_errand WHERE id = %s AND outcome <> 'undone' AND kind <> 'delete'", [number])
    )


_COLUMNS = (
    "account_id", "folder_id", "target_id", "placement_id", "remote_id", "kind", '"add"', "remove", "message_id", "after_id",
    "actor", "batch", "due_at", "created_at", "closed_at", "outcome",
)  # fmt: skip


def _errand(
    row: Chosen, kind: str, actor: str, batch: UUID | None, *, target: models.Folder | None = None,
    placement: str | None = None, add: str = "", remove: str = "", due: datetime | None = None, after: int | None = None,
    origin: bool = True, done: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """The columns of an errand about this placement. `done`: nobody has to be told; it is kept to be undone."""
    now = stored(timezone.now())
    account = target.account_id.hex if target is not None and kind == "append" else row.account
    return (
        account, row.folder if origin else None, target.pk.hex if target is not None else None, placement or row.id,
        row.remote if origin else "", kind, add, remove, row.message if kind == "append" else None, after, actor,
        batch.hex if batch is not None else None, stored(due) if due is not None else None, now,
        now if done else None, places.DONE if done else "",
    )  # fmt: skip


def _open(errands: Sequence[tuple[Any, ...]]) -> None:
    many(
        f"INSERT INTO store_errand ({', '.join(_COLUMNS)}) VALUES ({marks(_COLUMNS)})",  # noqa: S608
        errands,
    )


def _tell(reach: Reach, actor: str, kind: str, rows: Iterable[Chosen], facts: dict[str, Any]) -> None:
    """One entry for each folder they were in."""
    by_folder: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        by_folder[row.account, row.folder].append(row.id)
    for (account, folder), numbers in by_folder.items():
        _write(reach, actor, kind, UUID(account), UUID(folder), numbers, facts)


def _tell_target(
    reach: Reach, actor: str, kind: str, rows: Sequence[Chosen], target: models.Folder, numbers: Sequence[str] = ()
) -> None:
    sources = sorted({str(UUID(row.folder)) for row in rows})
    facts = {"from": sources[0] if len(sources) == 1 else sources}
    _write(reach, actor, kind, target.account_id, target.pk, numbers or [row.id for row in rows], facts)


def _write(
    reach: Reach, actor: str, kind: str, account: UUID, folder: UUID, numbers: Sequence[str], facts: dict[str, Any]
) -> None:
    many_facts = {"count": len(numbers), "first": str(UUID(min(numbers))), "last": str(UUID(max(numbers)))}
    subject = f"message:{UUID(numbers[0])}" if len(numbers) == 1 else f"folder:{folder}"
    journal.write(reach.pool, actor, kind, subject, account=account, folder=folder, facts=many_facts | facts)
