"""What errands wait to see in folders that are not fetched, where no round looks: found out by a look of their own.

Law: as in folders that are fetched, what nobody has seen after two whole looks is not there (`store.sightings`); a look that cannot be
had, because the server does not open the folder, is one. This module does not know servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from poststelle.mail.ports import RemoteFolder, RemoteFolderId, Role
from poststelle.store import cache, models, places, sightings
from poststelle.store.application import keeps_what_left, write_journal
from poststelle.store.live import Wish
from poststelle.store.rows import all_rows, column

_MOST_SOUGHT = 20
_WAITING = (
    f"closed_at IS NULL AND outcome IN ('{places.BEGUN}', '{places.DOUBTED}', '{places.TOLD}', '{places.AWAITED}')"
)
_MISSING = f"closed_at IS NULL AND outcome IN ('{places.MISSED}', '{places.SOUGHT}')"


@dataclass(frozen=True, slots=True)
class Sought:
    """What is waited for in a folder: sizes in bytes of all, Message-IDs of the first ones."""

    sizes: frozenset[int]
    message_ids: tuple[str, ...]


def accounts() -> set[str]:
    """Accounts in whose folders something is to be looked for."""
    return {str(folder.account_id) for folder in _folders(None)}


def folders(account: UUID) -> list[Wish]:
    """The account's folders in which something is to be looked for."""
    return [
        Wish(0, row.pk, RemoteFolder(RemoteFolderId(row.remote_id), tuple(row.path), Role(row.role)), None, ())
        for row in _folders(account)
    ]


def sought(folder: UUID) -> Sought:
    """What is waited for there, and what was not found there any more and may have another number."""
    rows = all_rows(
        "SELECT DISTINCT m.size, m.message_id FROM store_errand e JOIN store_placement p ON p.id = e.placement_id"  # noqa: S608
        " JOIN store_message m ON m.id = p.message_id WHERE"
        f" e.target_id = %s AND {_WAITING} OR e.folder_id = %s AND {_MISSING}",
        [folder.hex, folder.hex],
    )
    return Sought(frozenset(size for size, _ in rows), tuple({name: None for _, name in rows if name})[:_MOST_SOUGHT])


def looked(pool: int, account: UUID, folder: UUID) -> None:
    """The folder has been looked at for all that."""
    with transaction.atomic():
        gone = sightings.looked(folder, keeps=keeps_what_left(account))
        write_journal(pool, account, folder, "messages-removed", gone)


def _folders(account: UUID | None) -> list[models.Folder]:
    of, bound = ("", []) if account is None else (" AND account_id = %s", [account.hex])
    numbers = column(
        f"SELECT target_id FROM store_errand WHERE {_WAITING}{of} AND target_id IS NOT NULL"  # noqa: S608
        f" UNION SELECT folder_id FROM store_errand WHERE {_MISSING}{of} AND folder_id IS NOT NULL",
        [*bound, *bound],
    )
    if not numbers:
        return []
    rows = models.Folder.objects.filter(pk__in=numbers).select_related("account").order_by("pk")
    return [row for row in rows if cache.is_live(row)]
