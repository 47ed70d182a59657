"""Our side of an account on the real tables, as the model of the sync plays with it (tests/sync/model_history).

Everything runs in one writer thread, as in an engine; what people do goes through the verbs of the store.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from poststelle.errors import Conflict, NotFound
from poststelle.mail.ports import SEEN, RemoteFolderId
from poststelle.store import appending, folders, handling, models, places
from poststelle.store.access import Reach
from poststelle.store.desk import AccountDesk
from poststelle.store.rows import all_rows, flags_from
from poststelle.store.shelf import Tools
from tests.sync.model_history import Event, World

Path = tuple[str, ...]


class StoreSide:
    """One account."""

    def __init__(self, tools: Tools, pool: int, account: UUID, writer: ThreadPoolExecutor) -> None:
        self._tools = tools
        self._pool = pool
        self._account = account
        self._writer = writer
        self._reach = Reach(pool, None)
        self._batches: list[UUID] = []
        self.wishes: dict[str, dict[str, bool]] = {}
        """What people here last wanted of a placement's flags."""

    def desk(self) -> AccountDesk:
        return AccountDesk(self._tools, self._pool, self._account)

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._writer.submit(function, *args).result()

    # -- what people do --------------------------------------------------------------------------------------------

    def flag(self, path: Path, raw: bytes, add: frozenset[str], remove: frozenset[str]) -> None:
        def act() -> None:
            numbers = self._lying(path, raw)
            handling.mark(self._reach, numbers, add, remove, actor="ada")
            for number in numbers:
                wish = self.wishes.setdefault(UUID(number).hex, {})
                wish |= dict.fromkeys(add, True) | dict.fromkeys(remove, False)

        self.do(act)

    def append(self, path: Path, raw: bytes, flags: frozenset[str], message_id: str) -> None:
        def act() -> None:
            if (folder := self._folder(path)) is not None:
                appending.append(self._reach, folder, raw, flags, received_at=None, actor="ada", batch=uuid4())

        self.do(act)

    def move(self, path: Path, raw: bytes, to: Path) -> None:
        self._handle(path, raw, to, handling.move)

    def copy(self, path: Path, raw: bytes, to: Path) -> int:
        return self._handle(path, raw, to, handling.copy)

    def delete(self, path: Path, raw: bytes) -> None:
        def act() -> None:
            self._batches.append(uuid4())
            handling.delete(
                self._reach, self._lying(path, raw), permanently=False, actor="ada", batch=self._batches[-1]
            )

        self.do(act)

    def undo(self) -> None:
        def act() -> None:
            with contextlib.suppress(Conflict, NotFound):
                if self._batches:
                    handling.undo(self._reach, self._batches.pop(), actor="ada")

        self.do(act)

    def create(self, path: Path) -> None:
        def act() -> None:
            with contextlib.suppress(Conflict):
                folders.create(self._row, path, pool=self._pool, actor="ada")

        self.do(act)

    def rename(self, path: Path, to: Path) -> None:
        def act() -> None:
            folder = self._folder(path)
            try:
                if folder is not None:
                    folders.rename(folder, to, pool=self._pool, actor="ada")
            except Conflict:
                pass

        self.do(act)

    def remove_folder(self, path: Path) -> None:
        def act() -> None:
            if (folder := self._folder(path)) is not None:
                self._batches.append(uuid4())
                folders.delete(folder, pool=self._pool, actor="ada", batch=self._batches[-1])

        self.do(act)

    def time_passes(self) -> None:
        """The time to change one's mind is over."""
        self.do(lambda: models.Errand.objects.filter(due_at__isnull=False).update(due_at=timezone.now()))

    def forget_cursor(self, path: Path) -> None:
        self.do(
            lambda: models.Folder.objects.filter(account=self._account, path=list(path), cursor__isnull=False).update(
                cursor="written by an older release"
            )
        )

    def accept_loss(self) -> None:
        self.do(lambda: models.Folder.objects.filter(account=self._account).update(loss_accepted=True))

    # -- what there is ---------------------------------------------------------------------------------------------

    def contents(self) -> dict[Path, Counter[tuple[bytes, frozenset[str]]]]:
        """What we hold, by folder."""

        def read() -> dict[Path, Counter[tuple[bytes, frozenset[str]]]]:
            found: dict[Path, Counter[tuple[bytes, frozenset[str]]]] = {}
            for folder in self._folders():
                found[tuple(folder.path)] = Counter(
                    (self._raw(message), flags_from(flags))
                    for message, flags in all_rows(
                        "SELECT message_id, flags FROM store_placement WHERE folder_id = %s", [folder.pk.hex]
                    )
                )
            return found

        return self.do(read)

    def complaints(self) -> list[str]:
        """What is not as it should be once all is quiet."""

        def look() -> list[str]:
            wrong = [
                f"open: {row.kind} {row.remote_id} {row.outcome}"
                for row in models.Errand.objects.filter(account=self._account, closed_at=None)
            ]
            for folder in models.Folder.objects.filter(account=self._account):
                placed = all_rows(
                    "SELECT id, remote_id, flags, seen FROM store_placement WHERE folder_id = %s", [folder.pk.hex]
                )
                if folder.place == places.LIMBO_PLACE:
                    wrong += [f"in limbo: {row}" for row in placed]
                    continue
                counted = (len(placed), sum(not seen for *_, seen in placed))
                if (folder.total, folder.unread) != counted:
                    wrong.append(f"{folder.path} counts {folder.total}, {folder.unread}, holds {counted}")
                if folder.vanished_at is not None:
                    continue
                if folder.remaining or models.SetAside.objects.filter(folder=folder).exists():
                    wrong.append(f"{folder.path} is not whole")
                for number, remote, flags, seen in placed:
                    if remote.startswith((places.PENDING, places.LOCAL)):
                        wrong.append(f"{folder.path} holds {remote}")
                    if (SEEN in flags_from(flags)) is not bool(seen):
                        wrong.append(f"{folder.path} {remote}: seen {seen}, {flags}")
                    for flag, wanted in self.wishes.get(number, {}).items():
                        if (flag in flags_from(flags)) is not wanted:
                            wrong.append(f"{folder.path} {remote}: {flag} was to be {wanted}")
            return wrong

        return self.do(look)

    def disputes(self, folder: RemoteFolderId) -> list[str]:
        """Flags that show the server's word here although people here want it otherwise and the server has not been told."""

        def look() -> list[str]:
            rows = models.Errand.objects.filter(
                account=self._account, kind="change-flags", closed_at=None, folder__remote_id=folder
            )
            return [
                f"{row.remote_id} {flag}"
                for row in rows.select_related("placement")
                if row.placement is not None
                for flag in flags_from(f"{row.add} {row.remove}")
                if (flag in flags_from(row.placement.flags)) is not self.wishes[row.placement.pk.hex][flag]
            ]

        return self.do(look)

    @property
    def _row(self) -> models.Account:
        return models.Account.objects.get(pk=self._account)

    def _folders(self) -> list[models.Folder]:
        rows = models.Folder.objects.filter(account=self._account, vanished_at=None)
        return [row for row in rows if row.place == places.REMOTE_PLACE and row.selectable]

    def _folder(self, path: Path) -> models.Folder | None:
        return next((row for row in self._folders() if tuple(row.path) == path), None)

    def _lying(self, path: Path, raw: bytes) -> list[str]:
        folder = self._folder(path)
        if folder is None:
            return []
        rows = all_rows("SELECT id, message_id FROM store_placement WHERE folder_id = %s", [folder.pk.hex])
        return [str(UUID(number)) for number, message in rows if self._raw(message) == raw]

    def _handle(self, path: Path, raw: bytes, to: Path, verb: Callable[..., int]) -> int:
        def act() -> int:
            target = self._folder(to)
            if target is None:
                return 0
            self._batches.append(uuid4())
            return verb(self._reach, self._lying(path, raw), target, actor="ada", batch=self._batches[-1])

        count: int = self.do(act)
        return count

    def _raw(self, message: int) -> bytes:
        row = models.Message.objects.select_related("segment").get(pk=message)
        return self._tools.segments.read(
            row.segment.name, row.offset, row.length, sha256=bytes(row.sha256), size=row.size
        )


class HandlingWorld(World):
    """A world in which people here move, copy, delete and undo, and make, rename and remove folders."""

    side: StoreSide

    def handle(self, event: Event, raw: bytes) -> None:
        match event.kind:
            case "move here":
                self.side.move(event.path, raw, event.to)
            case "copy here":
                self.delivered[raw] += self.side.copy(event.path, raw, event.to)
            case "delete here":
                self.side.delete(event.path, raw)
            case "undo here":
                self.side.undo()
            case "create here":
                self.side.create(event.path)
            case "rename here":
                self.side.rename(event.path, event.to)
            case "remove here":
                self.side.remove_folder(event.path)
            case "time passes":
                self.side.time_passes()
            case kind:
                raise AssertionError(kind)
