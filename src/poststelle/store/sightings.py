"""What open errands wait to see in a folder: a message where they put it, or the one they are about under another number.

Law: what nobody has seen after two whole looks is not there. How far an errand has got on the way there stands in its `outcome`
(`store.places`). This module does not know who looks, or when.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone

from poststelle.mail.ports import RemoteId
from poststelle.store import places
from poststelle.store.rows import all_rows, change, chunks, column, many, marks, one_row, stored

_WITHOUT_A_LOOK = ((places.DOUBTED, places.LOOKED), (places.BEGUN, places.DOUBTED))
_AFTER_A_LOOK = {places.BEGUN: places.DOUBTED, places.DOUBTED: places.LOOKED, places.TOLD: places.AWAITED}


_SURELY_TOLD = (
    f"CASE WHEN e.outcome IN ('{places.TOLD}', '{places.AWAITED}') THEN 3"
    f" WHEN e.kind = 'move' AND e.outcome IN ('{places.MISSED}', '{places.SOUGHT}') THEN 2"
    f" WHEN e.outcome IN ('{places.BEGUN}', '{places.DOUBTED}', '{places.LOOKED}') THEN 1 ELSE 0 END"
)
"""How sure it is that the server has done an errand: a move whose message has left its old folder more likely than a copy in doubt."""


def awaiting(folder: UUID, messages: Sequence[int]) -> dict[int, list[int]]:
    """Errands whose name in the folder waits for one of these messages to arrive; by message, those most surely told last."""
    found: dict[int, list[int]] = {}
    for some in chunks(messages):
        for errand, message in all_rows(
            "SELECT e.id, p.message_id FROM store_placement p JOIN store_errand e ON e.placement_id = p.id"  # noqa: S608
            " WHERE e.closed_at IS NULL AND e.target_id = %s AND e.kind IN ('move', 'copy', 'append')"
            f" AND p.message_id IN ({marks(some)}) ORDER BY {_SURELY_TOLD}, e.id DESC",
            [folder.hex, *some],
        ):
            if places.named(errand, folder.hex):
                found.setdefault(message, []).append(errand)
    return found


def adopted(errand: int) -> None:
    """The server's copy has arrived under an id: an errand that may have been done already is done."""
    change(
        "UPDATE store_errand SET closed_at = %s, outcome = %s WHERE id = %s AND closed_at IS NULL AND outcome <> ''",
        [stored(timezone.now()), places.DONE, errand],
    )


def doubt_all() -> None:
    """What must not be done twice and seems still to do may have been done: it is looked for first."""
    change(
        "UPDATE store_errand SET outcome = %s WHERE closed_at IS NULL AND outcome = '' AND kind IN ('copy', 'append')"
        " AND placement_id IS NOT NULL",
        [places.BEGUN],
    )


def missed(errands: Sequence[int]) -> None:
    """The server knows no such messages (any more). What becomes of the errands, the next looks at their old folder will show."""
    many(
        "UPDATE store_errand SET outcome = %s WHERE id = %s AND closed_at IS NULL",
        [(places.MISSED, number) for number in errands],
    )


def strayed(folder: UUID, generation: int, messages: Sequence[int]) -> dict[int, list[int]]:
    """What is to leave this folder and has not been seen there since it was renumbered: errands by message, the newest last."""
    found: dict[int, list[int]] = {}
    for some in chunks(messages if generation > 1 else ()):
        for errand, message in all_rows(
            "SELECT e.id, p.message_id FROM store_errand e JOIN store_placement p ON p.id = e.placement_id"  # noqa: S608
            f" WHERE e.closed_at IS NULL AND e.folder_id = %s AND e.kind IN ('move', 'delete', '{places.KEPT}')"
            f" AND e.outcome IN ('', '{places.MISSED}', '{places.SOUGHT}') AND e.remote_id NOT LIKE 'pending.%%' AND p.generation < %s"
            f" AND p.message_id IN ({marks(some)}) ORDER BY e.id",
            [folder.hex, generation, *some],
        ):
            found.setdefault(message, []).append(errand)
    return found


def found_again(errand: int, remote: RemoteId, generation: int) -> None:
    """The message this errand is about has another id in its old folder: the server is told under that one."""
    change("UPDATE store_errand SET remote_id = %s, outcome = '' WHERE id = %s", [remote, errand])
    change(
        "UPDATE store_placement SET generation = %s WHERE id = (SELECT placement_id FROM store_errand WHERE id = %s)",
        [generation, errand],
    )


def renumbered(folder: UUID, placement: str, old: str, new: RemoteId) -> None:
    """The server calls this placement's message otherwise now: what it has still to be told about it, it is told under that id."""
    change(
        f"UPDATE store_errand SET remote_id = %s, outcome = CASE WHEN outcome IN ('{places.MISSED}', '{places.SOUGHT}') THEN ''"  # noqa: S608
        " ELSE outcome END WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s AND kind = 'copy'",
        [new, folder.hex, old],
    )
    change(
        "UPDATE store_errand SET remote_id = %s, outcome = CASE kind WHEN 'change-flags' THEN '' ELSE outcome END,"
        " target_id = CASE kind WHEN 'change-flags' THEN NULL ELSE target_id END"
        " WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s AND placement_id = %s",
        [new, folder.hex, old, placement],
    )


def wait_for_a_new_id(errands: Sequence[int]) -> None:
    """The server knows no such messages (any more): it may have renumbered the folder, which the next looks at it will show."""
    many(
        "UPDATE store_errand SET outcome = %s, target_id = folder_id WHERE id = %s AND closed_at IS NULL",
        [(places.TOLD, number) for number in errands],
    )


def waited_for(folder: UUID) -> bool:
    """Whether errands wait for a look at this folder."""
    row = one_row(
        "SELECT 1 FROM store_errand WHERE closed_at IS NULL AND (target_id = %s AND outcome NOT IN ('', 'looked')"
        " OR folder_id = %s AND outcome IN ('missed', 'sought'))",
        [folder.hex, folder.hex],
    )
    return row is not None


def looked(folder: UUID, *, keeps: bool) -> list[str]:
    """The folder has been looked at whole. The placements nobody has seen where an errand put them: removed, or kept here."""
    _sought(folder)
    open_ones = all_rows(
        "SELECT id, outcome FROM store_errand WHERE closed_at IS NULL AND target_id = %s AND outcome <> ''",
        [folder.hex],
    )
    gone = give_up([number for number, outcome in open_ones if outcome == places.AWAITED], keeps=keeps)
    many(
        "UPDATE store_errand SET outcome = %s WHERE id = %s",
        [(_AFTER_A_LOOK[outcome], number) for number, outcome in open_ones if outcome in _AFTER_A_LOOK],
    )
    return gone


def listed(account: UUID) -> None:
    """The folders have been listed. Those the list lacks nobody looks at: for what may have been put there, the list is a look; what
    was not found there is asked for once more, and then either the folder is not found or it was the list that was short."""
    lacking = "(SELECT id FROM store_folder WHERE account_id = %s AND vanished_at IS NOT NULL)"
    many(
        f"UPDATE store_errand SET outcome = %s WHERE account_id = %s AND closed_at IS NULL AND outcome = %s AND target_id IN {lacking}",  # noqa: S608
        [(after, account.hex, outcome, account.hex) for outcome, after in _WITHOUT_A_LOOK],
    )
    change(
        "UPDATE store_errand SET outcome = '' WHERE account_id = %s AND closed_at IS NULL"  # noqa: S608
        f" AND outcome IN ('{places.MISSED}', '{places.SOUGHT}') AND folder_id IN {lacking}",
        [account.hex] * 2,
    )


def _sought(folder: UUID) -> None:
    """The folder has been looked at whole: what errands did not find there, and did not come under another id, is gone from it."""
    rows = all_rows(
        "SELECT id, kind, remote_id, placement_id, outcome FROM store_errand WHERE closed_at IS NULL AND folder_id = %s"
        " AND outcome IN ('missed', 'sought')",
        [folder.hex],
    )
    many(
        "UPDATE store_errand SET outcome = %s WHERE id = %s",
        [(places.SOUGHT, number) for number, *_, outcome in rows if outcome == places.MISSED],
    )
    believed = [row for row in rows if row[4] == places.SOUGHT]
    places.left(
        places.Departed(number, kind, RemoteId(remote), placed)
        for number, kind, remote, placed, _ in believed
        if kind != "copy"
    )
    places.brought([number for number, kind, *_ in believed if kind == "copy"])


def give_up(errands: Sequence[int], *, keeps: bool) -> list[str]:
    """Nobody has seen what these errands put somewhere: it is no longer on the server. The placements removed (or kept here)."""
    gone: list[str] = []
    for errand in errands:
        row = one_row("SELECT target_id, placement_id FROM store_errand WHERE id = %s AND closed_at IS NULL", [errand])
        if row is not None:
            gone += _dissolve(errand, row[0], row[1])
    if keeps:
        places.keep_here(gone)
    else:
        places.remove(gone)
    return gone


def _dissolve(errand: int, target: str | None, placement: str | None) -> list[str]:
    """What goes by the errand's name is nowhere: close it and what builds on it. The placements that still stand for it.

    A message on its way to another mailbox gets there all the same: its bytes are here.
    """
    places.close([errand], places.GONE)
    doomed = column(
        "SELECT id FROM store_placement WHERE id = %s AND remote_id = %s", [placement, places.pending(errand)]
    )
    if target is None:
        return doomed
    for number, kind, further, its in all_rows(
        "SELECT id, kind, target_id, placement_id FROM store_errand WHERE closed_at IS NULL AND folder_id = %s AND remote_id = %s",
        [target, places.pending(errand)],
    ):
        if kind == "append":
            change("UPDATE store_errand SET folder_id = NULL, remote_id = '' WHERE id = %s", [number])
        else:
            doomed += _dissolve(number, further, its)
    return doomed
