"""Placements that move here before the server has been told, and what becomes of them when it has.

Law: a placement keeps its id wherever it goes. While its errand is open, what it was called in the folder it left (*departed*)
is known and ignored there, and where it went it has a *name* instead of the server's id: ``pending.<errand>``. Later errands
about it carry that name until it is resolved: by the server's word, or by the same content arriving in that folder. What no
server holds (any more) is called ``local.<hex>``. Counts of folders are exact after every call.

How far an open errand has got stands in its `outcome`: "" (to be told), BEGUN (handed out once; only what must not be done
twice is marked so), then DOUBTED and LOOKED (the folder it goes into has been looked at once, twice since: it may be handed out
again), TOLD (done, but nobody has said under which id), AWAITED (told, and looked for once; the second look gives it up); MISSED
(the server knows no such message: it is gone, or its folder was renumbered), then SOUGHT (its old folder has been looked at once
since; the second look believes it). Two looks, because what was asked before the errand was told cannot know about it, and one
batch may be asked ahead.

This module does not know rights, verbs or batches of the sync.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from poststelle.mail.ports import SEEN, RemoteId
from poststelle.store import keywords, models
from poststelle.store.rows import all_rows, change, chunks, column, flags_from, flags_text, many, marks, one_row, stored

PENDING, LOCAL, MOVED = "pending.", "local.", "moved."
"""``moved.<hex>``: its mailbox has moved to another provider; recognised there by content, or ``local.`` once that has been read."""
REMOTE_PLACE, LOCAL_PLACE, LIMBO_PLACE = "remote", "local", "limbo"
BEGUN, DOUBTED, LOOKED, TOLD, AWAITED = "begun", "doubted", "looked", "told", "awaited"
MISSED, SOUGHT = "missed", "sought"
DONE, GONE, UNDONE = "done", "gone", "undone"
KEPT = "kept"
"""Kind of an errand that is none: a message left its folder here and stays on the server, which is never told (fetch-only)."""

TIME_TO_REGRET = timedelta(seconds=12)
"""How long the server is not told of a deletion. Undoing is offered for ten of them."""

OURS = "remote_id NOT LIKE 'pending.%%' AND remote_id NOT LIKE 'local.%%'"
"""Condition: the server knows the placement under its remote id."""


@dataclass(frozen=True, slots=True)
class Departed:
    """A message that has left its folder here although the server may not know yet. `placement` None: it was deleted here."""

    errand: int
    kind: str
    remote: RemoteId
    placement: str | None
    outcome: str = ""

    @property
    def is_told(self) -> bool:
        """The server knows."""
        return self.outcome in {TOLD, AWAITED}


def pending(errand: int) -> RemoteId:
    """What a placement is called while this errand is open."""
    return RemoteId(f"{PENDING}{errand}")


def is_name(remote: str) -> bool:
    """Whether this is one of our names and no id of a server's."""
    return remote.startswith((PENDING, LOCAL))


def local() -> RemoteId:
    """A name for what no server holds."""
    return RemoteId(f"{LOCAL}{uuid4().hex}")


def limbo_of(account: UUID | str) -> UUID:
    """The account's folder for what is being deleted."""
    row, _ = models.Folder.objects.get_or_create(
        account_id=account,
        remote_id=LIMBO_PLACE,
        defaults={"path": [LIMBO_PLACE], "place": LIMBO_PLACE, "selectable": False, "subscribed": False},
    )
    return row.pk


def count(changes: Iterable[tuple[str, int, int]]) -> None:
    """Add (folder, messages, unread) to the folders' counts. Limbo is not counted."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for folder, total, unread in changes:
        sums[folder][0] += total
        sums[folder][1] += unread
    many(
        "UPDATE store_folder SET total = total + %s, unread = unread + %s WHERE id = %s AND place <> 'limbo'",
        [(total, unread, folder) for folder, (total, unread) in sums.items() if total or unread],
    )


def departed(folder: UUID, ids: Sequence[RemoteId] | None = None) -> dict[RemoteId, Departed]:
    """What has left the folder here and is on its way on the server: of these ids, or all."""
    base = (
        "SELECT id, kind, remote_id, placement_id, outcome FROM store_errand WHERE closed_at IS NULL AND folder_id = %s"
        " AND kind IN ('move', 'delete', 'kept')"
    )
    if ids is None:
        rows = all_rows(base, [folder.hex])
    else:
        rows = []
        for some in chunks(ids):
            rows += all_rows(f"{base} AND remote_id IN ({marks(some)})", [folder.hex, *some])
    found = (
        Departed(number, kind, RemoteId(remote), placed, outcome) for number, kind, remote, placed, outcome in rows
    )
    return {one.remote: one for one in found}


def close(errands: Iterable[int], outcome: str) -> None:
    """Close these errands, unless they are closed already."""
    now = stored(timezone.now())
    many(
        "UPDATE store_errand SET closed_at = %s, outcome = %s WHERE id = %s AND closed_at IS NULL",
        [(now, outcome, number) for number in errands],
    )


def wishes(placements: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """What was changed here and the server does not know yet, oldest first: (added, removed) flags by placement."""
    found: dict[str, list[tuple[str, str]]] = {}
    for some in chunks(placements):
        for placement, add, remove in all_rows(
            'SELECT placement_id, "add", remove FROM store_errand'  # noqa: S608 - placeholders only
            f" WHERE closed_at IS NULL AND kind = 'change-flags' AND placement_id IN ({marks(some)}) ORDER BY id",
            some,
        ):
            found.setdefault(placement, []).append((add, remove))
    return found


def with_wishes(flags: frozenset[str], wanted: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The server's flags, with what people here have changed since."""
    for add, remove in wanted:
        flags = (flags - flags_from(remove)) | flags_from(add)
    return flags


def named(errand: int, folder: str) -> bool:
    """Whether anything still goes by the errand's name in the folder."""
    name = pending(errand)
    return (
        one_row("SELECT 1 FROM store_placement WHERE folder_id = %s AND remote_id = %s", [folder, name]) is not None
        or one_row(
            "SELECT 1 FROM store_errand WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s", [folder, name]
        )
        is not None
    )


def resolve(errand: int, folder: str, remote: RemoteId, generation: int) -> bool:
    """What goes by the errand's name in the folder has this id on the server. False where the id is taken already."""
    if remote != pending(errand) and (
        one_row("SELECT 1 FROM store_placement WHERE folder_id = %s AND remote_id = %s", [folder, remote])
        or one_row(
            "SELECT 1 FROM store_errand WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s"
            " AND kind IN ('move', 'delete')",
            [folder, remote],
        )
    ):
        return False
    change(
        "UPDATE store_placement SET generation = %s WHERE id IN (SELECT placement_id FROM store_errand"
        " WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s AND kind IN ('move', 'delete'))",
        [generation, folder, pending(errand)],
    )
    change(
        "UPDATE store_placement SET remote_id = %s, generation = %s WHERE folder_id = %s AND remote_id = %s",
        [remote, generation, folder, pending(errand)],
    )
    change(
        "UPDATE store_errand SET remote_id = %s WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s",
        [remote, folder, pending(errand)],
    )
    return True


def remove(placements: Sequence[str]) -> None:
    """These placements are no more, and what the server had still to be told about them is moot. Counts follow."""
    for some in chunks(placements):
        found = all_rows(
            f"SELECT folder_id, seen FROM store_placement WHERE id IN ({marks(some)})",  # noqa: S608
            some,
        )
        count((folder, -1, -(not seen)) for folder, seen in found)
        # What the server has still to do elsewhere with a message of its own stays to be done; what was deleted, to be known.
        change(
            "UPDATE store_errand SET placement_id = NULL WHERE (kind = 'delete' AND closed_at IS NOT NULL OR closed_at IS NULL"  # noqa: S608
            f" AND kind IN ('move', 'delete', '{KEPT}') AND remote_id NOT LIKE 'pending.%%') AND placement_id IN ({marks(some)})",
            some,
        )
        change(
            "UPDATE store_errand SET after_id = NULL WHERE after_id IN"  # noqa: S608
            f" (SELECT id FROM store_errand WHERE placement_id IN ({marks(some)}))",
            some,
        )
        change(f"DELETE FROM store_errand WHERE placement_id IN ({marks(some)})", some)  # noqa: S608
        change(f"UPDATE store_outgoing SET answers_id = NULL WHERE answers_id IN ({marks(some)})", some)  # noqa: S608
        change(f"DELETE FROM store_placement WHERE id IN ({marks(some)})", some)  # noqa: S608


def keep_here(placements: Sequence[str]) -> None:
    """The server has these no more, and the account keeps what left: they stay, and no errand about them makes sense."""
    many("UPDATE store_placement SET remote_id = %s WHERE id = %s", [(local(), number) for number in placements])
    now = stored(timezone.now())
    many(
        "UPDATE store_errand SET closed_at = %s, outcome = 'gone' WHERE closed_at IS NULL AND placement_id = %s",
        [(now, number) for number in placements],
    )


def put_back(errand: int, outcome: str) -> str | None:
    """Undo here what the errand was to tell: the placement returns to where it came from. The placement's id, if one did.

    A copy is removed; what was appended and lies nowhere else stays here. Later errands about it go with it or are moot. Where the
    placement stands for another message by now, its old folder is listed anew, because the message still lies there.
    """
    row = one_row(
        "SELECT kind, folder_id, target_id, placement_id, remote_id FROM store_errand WHERE id = %s", [errand]
    )
    close([errand], outcome)
    if row is None:
        return None
    kind, folder, target, placement, remote = row
    _moot_followers(errand, outcome)
    if kind == "copy" or (kind == "append" and folder is None):
        if placement is not None and named(errand, target):
            (remove if kind == "copy" or _lies_elsewhere(placement) else keep_here)([placement])
        return None
    if placement is None or not _still_ours(errand, kind, target, placement):
        relist(folder)
        return None
    here, _, seen, _ = _lies(placement)
    _moot(errand, target, folder, remote, outcome)
    change(
        "UPDATE store_placement SET folder_id = %s, remote_id = %s WHERE id = %s",
        [folder, remote, placement],
    )
    count([(here, -1, -(not seen)), (folder, 1, int(not seen))])
    return str(placement)


def _lies_elsewhere(placement: str) -> bool:
    sql = "SELECT 1 FROM store_placement p JOIN store_placement o ON o.message_id = p.message_id AND o.id <> p.id WHERE p.id = %s"
    return one_row(sql, [placement]) is not None


def relist(folder: str) -> None:
    """What the server has in the folder is to be reported anew; nothing held is fetched again."""
    change(
        "UPDATE store_folder SET generation = generation + 1, cursor = NULL, whole = %s WHERE id = %s AND cursor IS NOT NULL",
        [False, folder],
    )


def _still_ours(errand: int, kind: str, target: str | None, placement: str) -> bool:
    """Whether the placement is still where the errand put it, or went on from there."""
    _, called, _, place = _lies(placement)
    if called.startswith(LOCAL) or kind in {"delete", KEPT}:
        return called.startswith(LOCAL) or place == LIMBO_PLACE
    while called != pending(errand):
        further = one_row(
            "SELECT id, target_id FROM store_errand WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s"
            " AND placement_id = %s AND kind IN ('move', 'delete', 'append') ORDER BY kind LIMIT 1",
            [target, pending(errand), placement],
        )
        if further is None:
            return False
        errand, target = further
    return True


def _lies(placement: str) -> tuple[str, str, bool, str]:
    row = one_row(
        "SELECT p.folder_id, p.remote_id, p.seen, f.place FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"
        " WHERE p.id = %s",
        [placement],
    )
    assert row is not None  # a foreign key names it
    return row[0], row[1], bool(row[2]), row[3]


def _moot(errand: int, target: str | None, folder: str, remote: str, outcome: str) -> None:
    """What people did with it since: flags are told where it is again, moves and removals are moot, copies are gone."""
    later = all_rows(
        "SELECT id, kind, placement_id, target_id FROM store_errand WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s"
        " AND id <> %s",
        [target, pending(errand), errand],
    )
    for number, kind, placement, further in later:
        if kind == "change-flags":
            change("UPDATE store_errand SET folder_id = %s, remote_id = %s WHERE id = %s", [folder, remote, number])
            continue
        _moot_followers(number, outcome)
        close([number], outcome)
        if kind == "copy":
            remove([placement])
        elif further is not None:
            _moot(number, further, folder, remote, outcome)


def _moot_followers(errand: int, outcome: str) -> None:
    close(column("SELECT id FROM store_errand WHERE after_id = %s AND closed_at IS NULL", [errand]), outcome)


def left(gone: Iterable[Departed]) -> None:
    """The server says that these have left their folder: by our doing, told or not, or by somebody else's."""
    gone = list(gone)
    close([one.errand for one in gone if one.kind in {"delete", KEPT}], GONE)
    limbo = [one.placement for one in gone if one.kind == "delete" and one.placement is not None]
    for some in chunks(limbo):
        remove(
            column(
                "SELECT p.id FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"  # noqa: S608
                f" WHERE f.place = 'limbo' AND p.id IN ({marks(some)})",
                some,
            )
        )
    told([one.errand for one in gone if one.kind == "move"])


def told(errands: Sequence[int]) -> None:
    """Done, and nobody has said under which id; what nobody waits for any more is closed."""
    many(
        "UPDATE store_errand SET outcome = %s WHERE id = %s AND closed_at IS NULL AND outcome NOT IN ('told', 'awaited')",
        [(TOLD, number) for number in errands],
    )
    close(_unnamed(errands), DONE)


def _unnamed(errands: Sequence[int]) -> list[int]:
    """Those of these errands by whose name nothing goes any more."""
    found: list[int] = []
    for some in chunks(errands):
        found += [
            number
            for number, target in all_rows(
                f"SELECT id, target_id FROM store_errand WHERE closed_at IS NULL AND id IN ({marks(some)})",  # noqa: S608
                some,
            )
            if not named(number, target)
        ]
    return found


def brought(errands: Sequence[int]) -> None:
    """Their server no longer has what they were to take from there, but its bytes are here: they are appended. What is in doubt stays so.

    What nobody waits for any more is closed.
    """
    many(
        "UPDATE store_errand SET kind = 'append', folder_id = NULL, remote_id = '', batch = CASE kind WHEN 'copy' THEN batch END,"
        " message_id = (SELECT p.message_id FROM store_placement p WHERE p.id = placement_id),"
        ' "add" = (SELECT p.flags FROM store_placement p WHERE p.id = placement_id),'
        " outcome = CASE WHEN outcome IN ('begun', 'doubted') THEN outcome ELSE '' END"
        " WHERE id = %s AND closed_at IS NULL AND placement_id IS NOT NULL",
        [(number,) for number in errands],
    )
    close(_unnamed(errands), GONE)


def let_out(folder: UUID) -> None:
    """The folder is about to be forgotten: what was to leave it and has not surely left is brought from here."""
    leaving = all_rows(
        "SELECT id, kind, outcome FROM store_errand WHERE closed_at IS NULL AND folder_id = %s AND target_id <> %s"
        " AND kind IN ('move', 'copy', 'append') AND placement_id IS NOT NULL",
        [folder.hex] * 2,
    )
    surely = [
        number
        for number, kind, outcome in leaving
        if outcome in {TOLD, AWAITED} or (kind == "move" and outcome in {MISSED, SOUGHT})
    ]
    many("UPDATE store_errand SET folder_id = NULL, batch = NULL WHERE id = %s", [(number,) for number in surely])
    told(surely)
    brought([number for number, *_ in leaving if number not in surely])


def flag(changes: Mapping[str, frozenset[str]]) -> None:
    """These placements carry these flags now; the unread counts follow."""
    found: list[tuple[str, str, bool]] = []
    for some in chunks(changes):
        found += all_rows(f"SELECT id, folder_id, seen FROM store_placement WHERE id IN ({marks(some)})", some)  # noqa: S608
    many(
        "UPDATE store_placement SET flags = %s, seen = %s WHERE id = %s",
        [(flags_text(changes[number]), SEEN in changes[number], number) for number, _, _ in found],
    )
    count((folder, 0, seen - (SEEN in changes[number])) for number, folder, seen in found)
    keywords.remember((folder, changes[number]) for number, folder, _ in found)
