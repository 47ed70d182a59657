"""A connection to a mailbox of a `MemoryServer`, as a `Source`.

Law: it keeps the three promises of `mail.ports` in the plainest way that is correct. With a server whose `modseq` is off it is that of a
poor one, which cannot say what left and reports a census instead.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from poststelle.adapters.memory.mailbox import Folder, Path, Stored
from poststelle.adapters.memory.server import INBOX, MemoryServer, folder_id, path_of
from poststelle.errors import CursorLost, FolderMissing, MessageTrouble, TryAgain
from poststelle.mail.ports import (
    Append,
    Arrival,
    Batch,
    ChangeFlags,
    Copy,
    CreateFolder,
    Cursor,
    Delete,
    DeleteFolder,
    Errand,
    FlagChange,
    FolderErrand,
    MessageErrand,
    Move,
    Outcome,
    Quota,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    RenameFolder,
    Subscribe,
    Unfetchable,
)

BeforeStep = Callable[[str], None]
"""Called with the step's name (``"changes"``, ``"fetch"`` …) before the step takes effect; what it raises breaks the connection."""


@dataclass(frozen=True, slots=True)
class _Progress:
    """The cursor: everything below UID `floor` is reported up to `modseq`; of `floor` … `top` - 1, those from `low` upwards."""

    uidvalidity: int
    modseq: int
    floor: int
    top: int
    low: int

    @classmethod
    def read(cls, cursor: Cursor) -> _Progress:
        try:
            return cls(*map(int, json.loads(cursor)))
        except (ValueError, TypeError) as error:
            raise CursorLost("cursor-lost", reason="unreadable") from error

    def write(self) -> Cursor:
        return Cursor(json.dumps([self.uidvalidity, self.modseq, self.floor, self.top, self.low]))


class MemorySource:
    """A connection to one mailbox of a `MemoryServer`, keeping the `Source` port. Raises LoginRejected at once if there is none.

    `batch_size`: most arrivals per batch. `before`: see `BeforeStep`; also called before every single message of a fetch.
    """

    def __init__(
        self, server: MemoryServer, login: str, *, batch_size: int = 50, before: BeforeStep | None = None
    ) -> None:
        self._server = server
        self._login = login
        self._batch_size = batch_size
        self._before = before
        self._open = True
        mailbox = server.mailbox(login)
        self._wake = asyncio.Event()
        mailbox.listeners.add(self._wake)
        self._shape = mailbox.shape
        self._noticed = {folder.uidvalidity: folder.modseq for folder in mailbox.folders.values()}
        self._listed: dict[RemoteFolderId, tuple[int, int, int]] = {}

    async def folders(self) -> Sequence[RemoteFolder]:
        self._step("folders")
        mailbox = self._server.mailbox(self._login)
        self._shape = mailbox.shape
        if self._server.modseq:
            self._listed = {
                folder_id(folder.path): (folder.uidvalidity, folder.modseq, folder.uidnext)
                for folder in mailbox.folders.values()
            }
        return [
            RemoteFolder(
                folder_id(folder.path),
                folder.path,
                folder.role,
                folder.selectable,
                identity=str(folder.uidvalidity),
                subscribed=folder.subscribed,
            )
            for folder in mailbox.folders.values()
        ]

    def is_current(self, folder: RemoteFolderId, since: Cursor) -> bool:
        try:
            done = _Progress.read(since)
        except CursorLost:
            return False
        if done.low != done.floor or self._listed.get(folder) != (done.uidvalidity, done.modseq, done.top):
            return False
        self._noticed[done.uidvalidity] = done.modseq
        del self._listed[folder]
        return True

    async def changes(self, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        self._listed.pop(folder, None)
        self._step("changes")
        box = self._folder(folder)
        flags: list[FlagChange] = []
        gone: list[RemoteId] = []
        census: frozenset[RemoteId] | None = None
        done = None if since is None else _Progress.read(since)
        if done is None:
            done = _Progress(box.uidvalidity, box.modseq, 1, box.uidnext, box.uidnext)
            self._noticed[box.uidvalidity] = box.modseq
        elif done.uidvalidity != box.uidvalidity:
            raise CursorLost("cursor-lost", reason="uidvalidity")
        elif done.low == done.floor:  # reported whole: a new round, beginning with what happened to the known messages
            known = [message for uid, message in box.messages.items() if uid < done.top]
            if self._server.modseq:
                known = [message for message in known if message.modseq > done.modseq]
                gone = [box.remote_id(uid) for modseq, uid in box.vanished if modseq > done.modseq and uid < done.top]
            else:
                census = frozenset(box.remote_id(uid) for uid in box.messages)
            flags = [FlagChange(box.remote_id(message.uid), message.flags) for message in known]
            done = _Progress(box.uidvalidity, box.modseq, done.top, box.uidnext, box.uidnext)
            self._noticed[box.uidvalidity] = box.modseq
        waiting = [message for uid, message in reversed(box.messages.items()) if done.floor <= uid < done.low]
        arrivals = waiting[: self._batch_size]
        remaining = len(waiting) - len(arrivals)
        low = arrivals[-1].uid if remaining else done.floor
        return Batch(
            cursor=_Progress(done.uidvalidity, done.modseq, done.floor, done.top, low).write(),
            arrivals=[box.arrival(message) for message in arrivals],
            flags=flags,
            gone=gone,
            census=census,
            remaining=remaining,
            more=remaining > 0,
        )

    async def fetch(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        for remote_id in ids:
            self._step("fetch")
            message = self._folder(folder).find(remote_id)
            if message is None:
                yield Unfetchable(remote_id, "vanished", gone=True)
            else:
                yield RawMessage(remote_id, message.raw)

    async def perform(self, errand: Errand) -> Outcome:
        self._step("perform")
        if isinstance(errand, Append):
            return self._append(errand)
        if isinstance(errand, (ChangeFlags, Move, Copy, Delete)):
            return self._change(errand)
        return self._reshape(errand)

    def _append(self, errand: Append) -> Outcome:
        box = self._folder(errand.folder)
        held = (uid for uid, message in box.messages.items() if _message_id(message.raw) == errand.message_id)
        uid = next(held, None) if errand.message_id else None
        flags = self._server.kept(errand.flags)
        if uid is None:
            self._make_room(len(errand.raw))
            uid = self._server.deliver(
                self._login, errand.raw, path=box.path, flags=tuple(flags), received_at=errand.received_at
            )
        return Outcome(id=box.remote_id(uid) if self._server.uidplus else None, unkept=errand.flags - flags)

    def _change(self, errand: MessageErrand) -> Outcome:
        box = self._folder(errand.folder)
        found = {remote_id: box.find(remote_id) for remote_id in errand.ids}
        here = {remote_id: message for remote_id, message in found.items() if message is not None}
        gone = frozenset(found.keys() - here.keys())
        if isinstance(errand, ChangeFlags):
            add = self._server.kept(errand.add)
            for message in here.values():
                flags = (message.flags | add) - errand.remove
                if flags != message.flags:
                    self._server.set_flags(self._login, box.path, message.uid, tuple(flags))
            return Outcome(gone, unkept=errand.add - add)
        if isinstance(errand, Delete):
            for message in here.values():
                self._server.remove(self._login, box.path, message.uid)
            return Outcome(gone)
        target = self._folder(errand.target)
        if isinstance(errand, Move) and target is box:
            return Outcome(gone, {remote_id: remote_id for remote_id in here})
        if isinstance(errand, Copy):
            self._make_room(sum(len(message.raw) for message in here.values()))
        made = {}
        for remote_id, message in here.items():
            made[remote_id] = target.remote_id(target.add(message.raw, message.flags, message.received_at))
            if isinstance(errand, Move):
                box.remove(message.uid)
        self._server.mailbox(self._login).announce()
        return Outcome(gone, made if self._server.uidplus else {})

    def _reshape(self, errand: FolderErrand) -> Outcome:
        folders = self._server.mailbox(self._login).folders
        if isinstance(errand, CreateFolder):
            if errand.path not in folders or not folders[errand.path].selectable:
                self._server.create_folder(self._login, errand.path)
            return Outcome(folder=folder_id(errand.path))
        path = path_of(errand.folder)
        if isinstance(errand, DeleteFolder):
            if path == INBOX:
                raise MessageTrouble("inbox-stays")
            if path in folders:
                self._server.remove_folder(self._login, path)
            return Outcome()
        if isinstance(errand, Subscribe):
            if path not in folders:
                raise FolderMissing("folder-missing", folder=errand.folder)
            self._server.subscribe(self._login, path, subscribed=errand.subscribed)
            return Outcome()
        return self._rename(path, errand)

    def _rename(self, path: Path, errand: RenameFolder) -> Outcome:
        folders = self._server.mailbox(self._login).folders
        if path == INBOX:
            raise MessageTrouble("inbox-stays")
        if path != errand.path:
            if path not in folders and errand.path not in folders:
                raise FolderMissing("folder-missing", folder=errand.folder)
            if path in folders and (errand.path in folders or errand.path[: len(path)] == path):
                raise MessageTrouble("folder-exists")
            if path in folders:
                self._server.rename(self._login, path, errand.path)
        return Outcome(folder=folder_id(errand.path))

    def _make_room(self, size: int) -> None:
        quota = self._server.mailbox(self._login).quota()
        if quota is not None and quota.used + size > quota.limit:
            raise MessageTrouble("mailbox-full")

    async def census(self, folder: RemoteFolderId) -> frozenset[RemoteId]:
        self._step("census")
        box = self._folder(folder)
        return frozenset(box.remote_id(uid) for uid in box.messages)

    async def describe(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> Sequence[Arrival]:
        self._step("describe")
        box = self._folder(folder)
        return [box.arrival(message) for one in ids if (message := box.find(one)) is not None]

    async def window(self, folder: RemoteFolderId, before: Arrival | None, limit: int) -> Sequence[Arrival]:
        self._step("window")
        top = None if before is None else before.ordinal
        return self._newest(folder, lambda message: top is None or message.uid < top, limit)

    async def search(self, folder: RemoteFolderId, words: Sequence[str], limit: int) -> Sequence[Arrival]:
        self._step("search")
        wanted = [word.casefold() for word in words]

        def matches(message: Stored) -> bool:
            text = message.raw.decode("utf-8", "replace").casefold()
            return all(word in text for word in wanted)

        return self._newest(folder, matches, limit)

    def _newest(self, folder: RemoteFolderId, wanted: Callable[[Stored], bool], limit: int) -> Sequence[Arrival]:
        box = self._folder(folder)
        found = (box.arrival(message) for message in reversed(box.messages.values()) if wanted(message))
        return list(itertools.islice(found, limit))

    async def quota(self) -> Quota | None:
        self._step("quota")
        return self._server.mailbox(self._login).quota()

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        self._step("wait")
        self._folder(watched)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._wake.clear()
                    mailbox = self._server.mailbox(self._login)
                    if mailbox.shape != self._shape:
                        self._shape = mailbox.shape
                        return None
                    if changed := self._changed(mailbox.folders.values()):
                        return changed
                    await self._wake.wait()
        except TimeoutError:
            return frozenset()

    async def close(self) -> None:
        self._open = False
        self._server.mailbox(self._login).listeners.discard(self._wake)

    def _step(self, name: str) -> None:
        if not self._open:
            raise TryAgain("connection-lost", step=name)
        if self._before:
            try:
                self._before(name)
            except BaseException:
                self._open = False
                raise

    def _folder(self, wanted: RemoteFolderId) -> Folder:
        return self._server.folder(self._login, path_of(wanted))

    def _changed(self, folders: Iterable[Folder]) -> frozenset[RemoteFolderId]:
        changed = [folder for folder in folders if folder.modseq > self._noticed.get(folder.uidvalidity, 0)]
        for folder in changed:
            self._noticed[folder.uidvalidity] = folder.modseq
        return frozenset(folder_id(folder.path) for folder in changed)


_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]*>|[^\s]+)", re.IGNORECASE | re.MULTILINE)


def _message_id(raw: bytes) -> str:
    header = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    found = _MESSAGE_ID.search(header)
    return found[1].decode("utf-8", "replace") if found else ""
