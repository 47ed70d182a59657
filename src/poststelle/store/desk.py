"""What the sync page sees of one account: `mail.shelf.Desk` on the tables."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import Conflict, MessageTrouble
from poststelle.mail.ports import Append, ChangeFlags, Errand, Outcome, RemoteFolder, RemoteFolderId, RemoteId
from poststelle.store import journal, models
from poststelle.store.rows import flags_from
from poststelle.store.shelf import FolderShelf, Tools

_AT_ONCE, _BYTES_AT_ONCE = 200, 16 << 20


class AccountDesk:
    """One account."""

    def __init__(self, tools: Tools, pool: int, account: UUID) -> None:
        self._tools = tools
        self._pool = pool
        self._account = account
        self.shelves: Sequence[FolderShelf] = ()
        """The folders of the latest listing that can hold messages."""

    async def errands(self) -> Sequence[tuple[str, Errand]]:
        return await self._tools.write(self._errands)

    async def performed(self, errand: str, outcome: Outcome) -> None:
        await self._tools.write(self._close, errand, "gone" if outcome.gone else "done")

    async def refused(self, errand: str, trouble: MessageTrouble) -> None:
        await self._tools.write(self._refuse, errand, trouble)

    async def reconcile(self, folders: Sequence[RemoteFolder]) -> Sequence[FolderShelf]:
        rows = await self._tools.write(self._reconcile, folders)
        self.shelves = [FolderShelf(self._tools, self._pool, self._account, number, folder) for number, folder in rows]
        return self.shelves

    def _errands(self) -> list[tuple[str, Errand]]:
        open_ones = (
            models.Errand.objects.filter(account=self._account, closed_at=None)
            .select_related("folder", "placement", "message__segment")
            .order_by("id")[:_AT_ONCE]
        )
        errands: list[tuple[str, Errand]] = []
        size = 0
        for row in open_ones:
            size += row.message.size if row.message is not None else 0
            if errands and size > _BYTES_AT_ONCE:
                break
            try:
                errands.append((str(row.pk), self._value(row)))
            except Conflict as damage:
                # The bytes will not come back by waiting, and the errands behind it must not wait for them.
                self._refuse(str(row.pk), MessageTrouble(damage.code))
        return errands

    def _value(self, row: models.Errand) -> Errand:
        folder = RemoteFolderId(row.folder.remote_id)
        if row.placement is not None:
            return ChangeFlags(
                folder, (RemoteId(row.placement.remote_id),), flags_from(row.add), flags_from(row.remove)
            )
        message = row.message
        assert message is not None  # an errand is about a placement or a message
        raw = self._tools.segments.read(
            message.segment.name, message.offset, message.length, sha256=bytes(message.sha256), size=message.size
        )
        return Append(folder, raw, flags_from(row.add), message.message_id)

    def _close(self, errand: str, outcome: str) -> None:
        models.Errand.objects.filter(pk=errand, closed_at=None).update(closed_at=timezone.now(), outcome=outcome)

    def _refuse(self, errand: str, trouble: MessageTrouble) -> None:
        with transaction.atomic():
            self._close(errand, trouble.code)
            row = models.Errand.objects.select_related("folder").get(pk=errand)
            subject = f"message:{row.placement_id}" if row.placement_id else f"folder:{row.folder_id}"
            journal.write(
                self._pool, journal.SYSTEM, "errand-refused", subject,
                account=self._account, folder=row.folder_id, facts={"code": trouble.code},
            )  # fmt: skip

    def _reconcile(self, folders: Sequence[RemoteFolder]) -> list[tuple[UUID, RemoteFolder]]:
        with transaction.atomic():
            known = {row.remote_id: row for row in models.Folder.objects.filter(account=self._account)}
            changed = False
            for folder in folders:
                row = known.pop(folder.id, None)
                told = (list(folder.path), folder.role.value, folder.selectable, None)
                if row is None:
                    row = models.Folder(account_id=self._account, remote_id=folder.id)
                elif (row.path, row.role, row.selectable, row.vanished_at) == told:
                    continue
                row.path, row.role, row.selectable, row.vanished_at = told
                row.save()
                changed = True
            for row in known.values():
                if row.vanished_at is None:
                    # What was in it stays readable here; the server has nothing more to say about it.
                    row.vanished_at = timezone.now()
                    row.save(update_fields=["vanished_at"])
                    changed = True
            if changed:
                journal.write(
                    self._pool, journal.SYSTEM, "folders-listed", f"account:{self._account}",
                    account=self._account, facts={"count": len(folders)},
                )  # fmt: skip
            numbers = dict(models.Folder.objects.filter(account=self._account).values_list("remote_id", "id"))
            return [(numbers[folder.id], folder) for folder in folders if folder.selectable]
