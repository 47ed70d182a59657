"""What the sync page sees of one account: `mail.shelf.Desk` on the tables.

Errands are handed out oldest first, those that follow each other and differ only in their message as one. How they end is noted
by `store.settling`, the folder tree by `store.listing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from poststelle.errors import Conflict, MessageTrouble
from poststelle.mail.ports import (
    Append,
    ChangeFlags,
    Copy,
    CreateFolder,
    Cursor,
    Delete,
    DeleteFolder,
    Errand,
    Move,
    Outcome,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    RenameFolder,
    Subscribe,
)
from poststelle.store import events, listing, models, places, settling, sightings
from poststelle.store.rows import change, chunks, flags_from, many, one_row, stored
from poststelle.store.shelf import FolderShelf, Tools, by_and_by, resting

_AT_ONCE, _BYTES_AT_ONCE = 1000, 16 << 20
_NOT_TWICE = frozenset({"copy", "append"})
_ALIKE_BEFORE_ALL_ARE = 3
_TAKING_AWAY = frozenset({"move", "delete"})
_NOT_IN_DOUBT = frozenset({places.TOLD, places.AWAITED, places.MISSED, places.SOUGHT})
LONGEST_DOUBT = timedelta(hours=1)
"""How long a message stays where it is until it is known whether it has been copied; then the copy is made of the bytes held here."""

REMEMBERED = timedelta(days=7)
_ABOUT_A_FOLDER = ("rename-folder", "delete-folder", "subscribe", "move", "copy", "delete", "change-flags")


@dataclass(slots=True)
class _Handed:
    """Rows handed out as one errand."""

    rows: list[models.Errand]
    errand: Errand


class AccountDesk:
    """One account."""

    def __init__(self, tools: Tools, pool: int, account: UUID) -> None:
        self._tools = tools
        self._pool = pool
        self._account = account
        self._handed: dict[str, _Handed] = {}
        self._one_by_one: dict[int, int] = {}
        self._alike: dict[int, list[str]] = {}
        self._tidied = False
        self.shelves: Sequence[FolderShelf] = ()
        """The folders of the latest listing that can hold messages."""

    async def errands(self) -> Sequence[tuple[str, Errand]]:
        return await self._tools.write(self._errands)

    async def performed(self, errand: str, outcome: Outcome) -> None:
        rows = {row.pk: RemoteId(row.remote_id) for row in self._handed.pop(errand).rows}
        await self._tools.write(settling.performed, rows, outcome)
        events.note(str(self._account), "errands", count=len(rows))

    async def refused(self, errand: str, trouble: MessageTrouble) -> None:
        rows = [row.pk for row in self._handed.pop(errand).rows]
        await self._tools.write(self._refuse, rows, trouble)

    async def reconcile(self, folders: Sequence[RemoteFolder]) -> Sequence[FolderShelf]:
        if not self._tidied:
            self._tidied = True
            await self._tools.write(self._tidy)
        # What is still in hand met a folder that was not there: that is no doubt whether it has been done.
        await self._tools.write(self._take_back)
        rows = await by_and_by(self._tools.write, listing.reconcile(self._pool, self._account, folders))
        await self._tools.write(sightings.listed, self._account)
        self.shelves = [FolderShelf(self._tools, self._pool, self._account, number, folder) for number, folder in rows]
        return self.shelves

    async def resting(self) -> Mapping[RemoteFolderId, Cursor]:
        found: dict[RemoteFolderId, Cursor] = {}
        for some in chunks(shelf.id for shelf in self.shelves):
            found |= await self._tools.write(resting, some)
        return found

    def _tidy(self) -> None:
        change(
            "DELETE FROM store_errand WHERE account_id = %s AND closed_at < %s",
            [self._account.hex, stored(timezone.now() - REMEMBERED)],
        )

    def _errands(self) -> list[tuple[str, Errand]]:
        self._take_back()
        if (
            one_row("SELECT 1 FROM store_errand WHERE account_id = %s AND closed_at IS NULL", [self._account.hex])
            is None
        ):
            return []
        settling.forget_what_is_due()
        size = 0
        latest: _Handed | None = None
        for row in executable(self._account)[:_AT_ONCE]:
            size += row.message.size if row.message is not None else 0
            if latest is not None and size > _BYTES_AT_ONCE:
                break
            try:
                value = self._value(row)
            except Conflict as damage:
                # The bytes will not come back by waiting, and the errands behind it must not wait for them.
                settling.refused(self._pool, [row.pk], MessageTrouble(damage.code))
                continue
            joined = self._joined(latest, row, value)
            if latest is not None and joined is not None:
                latest.rows.append(row)
                latest.errand = joined
            else:
                latest = self._handed[str(row.pk)] = _Handed([row], value)
        self._begin()
        return [(number, handed.errand) for number, handed in self._handed.items()]

    def _take_back(self) -> None:
        """What was handed out and came to nothing, because a folder was not to be found, has not been begun."""
        left = [row.pk for handed in self._handed.values() for row in handed.rows]
        self._handed = {}
        many(
            "UPDATE store_errand SET outcome = '' WHERE id = %s AND outcome = %s",
            [(number, places.BEGUN) for number in left],
        )

    def _begin(self) -> None:
        """What must not be done twice is marked before it is handed out: after a crash it is looked for first."""
        numbers = [row.pk for handed in self._handed.values() for row in handed.rows if row.kind in _NOT_TWICE]
        many(
            "UPDATE store_errand SET outcome = %s WHERE id = %s AND placement_id IS NOT NULL",
            [(places.BEGUN, number) for number in numbers],
        )

    def _joined(self, latest: _Handed | None, row: models.Errand, value: Errand) -> Errand | None:
        """The errand before, with this one's message added, if the two can be told as one."""
        if latest is None or row.pk in self._one_by_one or latest.rows[-1].pk in self._one_by_one:
            return None
        match latest.errand, value:
            case ChangeFlags(folder, ids, add, remove), ChangeFlags(f, (new,), a, r) if (folder, add, remove) == (
                f,
                a,
                r,
            ) and new not in ids:
                return ChangeFlags(folder, (*ids, new), add, remove)
            case Move(folder, ids, target), Move(f, (new,), t) if (folder, target) == (f, t) and new not in ids:
                return Move(folder, (*ids, new), target)
            case Copy(folder, ids, target), Copy(f, (new,), t) if (folder, target) == (f, t) and new not in ids:
                return Copy(folder, (*ids, new), target)
            case Delete(folder, ids), Delete(f, (new,)) if folder == f and new not in ids:
                return Delete(folder, (*ids, new))
            case _:
                return None

    def _refuse(self, rows: Sequence[int], trouble: MessageTrouble) -> None:
        """Which of several messages it is about is found out by telling them one by one; when it seems to be all, it is all."""
        if len(rows) > 1 and trouble.code != settling.MISSING:
            first = rows[0]
            self._one_by_one |= dict.fromkeys(rows, first)
            return
        group = self._one_by_one.pop(rows[0], None)
        settling.refused(self._pool, rows, trouble)
        if group is None:
            return
        alike = self._alike.setdefault(group, [])
        alike.append(trouble.code)
        if len(alike) == _ALIKE_BEFORE_ALL_ARE and len(set(alike)) == 1:
            rest = [other for other, of in self._one_by_one.items() if of == group]
            for other in rest:
                del self._one_by_one[other]
            settling.refused(self._pool, rest, trouble)

    def _value(self, row: models.Errand) -> Errand:
        path = tuple(row.path or ())
        if row.kind == "create-folder":
            return CreateFolder(path)
        assert row.folder is not None or row.target is not None  # every other errand is about a folder
        folder = RemoteFolderId(row.folder.remote_id if row.folder is not None else "")
        ids = (RemoteId(row.remote_id),)
        target = RemoteFolderId(row.target.remote_id) if row.target is not None else folder
        match row.kind:
            case "change-flags":
                return ChangeFlags(folder, ids, flags_from(row.add), flags_from(row.remove))
            case "move":
                return Move(folder, ids, target)
            case "copy":
                return Copy(folder, ids, target)
            case "delete":
                return Delete(folder, ids)
            case "rename-folder":
                return RenameFolder(folder, path)
            case "delete-folder":
                return DeleteFolder(folder)
            case "subscribe":
                return Subscribe(folder, bool(row.add))
        return self._append(row, target)

    def _append(self, row: models.Errand, target: RemoteFolderId) -> Append:
        message = row.message
        assert message is not None  # what is appended has bytes
        raw = self._tools.segments.read(
            message.segment.name, message.offset, message.length, sha256=bytes(message.sha256), size=message.size
        )
        # One that shows here already must get there even if the folder holds another version with its Message-ID.
        named = message.message_id if row.placement is None else ""
        received_at = row.placement.received_at if row.placement is not None else None
        return Append(target, raw, flags_from(row.add), named, received_at)


def accounts_with_errands() -> set[str]:
    """Accounts whose server can be told something now. What no server has to be told is settled at once."""
    if one_row("SELECT 1 FROM store_errand WHERE closed_at IS NULL", []) is None:
        return set()
    settling.forget_what_is_due()
    return {str(number) for number in executable().order_by().values_list("account_id", flat=True).distinct()}


def _copies_in_doubt() -> QuerySet[models.Errand]:
    """Copies ordered before the errand at hand of the very message it takes away, and not surely made."""
    rows = models.Errand.objects.filter(
        folder=OuterRef("folder"), remote_id=OuterRef("remote_id"), kind="copy", closed_at=None, id__lt=OuterRef("id")
    )
    return rows.filter(created_at__gt=timezone.now() - LONGEST_DOUBT).exclude(outcome__in=_NOT_IN_DOUBT)


def executable(account: UUID | None = None) -> QuerySet[models.Errand]:
    """Open errands whose time has come and that name nothing the server has still to name, oldest first; of one account or all."""
    rows = models.Errand.objects.filter(
        Q(outcome="") | Q(outcome=places.LOOKED),
        Q(due_at=None) | Q(due_at__lte=timezone.now()),
        Q(after=None) | Q(after__closed_at__isnull=False) | Q(after__outcome__in=[places.TOLD, places.AWAITED]),
        closed_at=None,
    ).exclude(kind=places.KEPT)
    rows = rows.exclude(remote_id__startswith=places.PENDING)
    rows = rows.exclude(target__remote_id__startswith=places.PENDING)
    rows = rows.exclude(folder__remote_id__startswith=places.PENDING, kind__in=_ABOUT_A_FOLDER)
    rows = rows.filter(~Q(kind__in=_TAKING_AWAY) | ~Exists(_copies_in_doubt()))
    if account is not None:
        rows = rows.filter(account=account)
    return rows.select_related("folder", "target", "placement", "message__segment").order_by("id")
