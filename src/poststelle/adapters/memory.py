"""A mail server that lives in memory: reference implementation of the ports, test double, and the heart of the demo office.

Law: it keeps the three promises of `mail.ports` in the plainest way that is correct, and it is deterministic: the same calls
give the same answers. It behaves like an IMAP server (UIDs, UIDVALIDITY, a modification sequence per folder); with
`modseq=False` it behaves like a poor one, which cannot say what left and reports a census instead.

The methods of `MemoryServer` play what happens on the server: deliveries, other people's clients, administrators. Everything
runs in one event loop. This module does not know sockets, the sync algorithm, the store or Django.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from poststelle.adapters.memory_mailbox import Folder, Mailbox, Path, Stored
from poststelle.errors import CursorLost, FolderMissing, LoginRejected, MessageTrouble, TryAgain
from poststelle.mail.ports import (
    Append,
    Arrival,
    Batch,
    ChangeFlags,
    Copy,
    CreateFolder,
    Cursor,
    DataStarted,
    Delete,
    DeleteFolder,
    Envelope,
    Errand,
    FlagChange,
    FolderErrand,
    MessageErrand,
    Move,
    Outcome,
    Quota,
    RawMessage,
    Receipt,
    RecipientResult,
    RecipientState,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    RenameFolder,
    Role,
    Subscribe,
    Unfetchable,
    flags_of,
)

INBOX: Path = ("INBOX",)

BeforeStep = Callable[[str], None]
"""Called with the step's name (``"changes"``, ``"fetch"`` …) before the step takes effect; what it raises breaks the connection."""


def folder_id(path: Path) -> RemoteFolderId:
    """The id under which sources of this module report the folder at `path`."""
    return RemoteFolderId(json.dumps(path, ensure_ascii=False))


def _path(folder: RemoteFolderId) -> Path:
    try:
        return tuple(json.loads(folder))
    except ValueError as error:
        raise FolderMissing("folder-missing", folder=folder) from error


def _counting_clock() -> Callable[[], datetime]:
    now = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

    def tick() -> datetime:
        nonlocal now
        now += timedelta(minutes=1)
        return now

    return tick


class MemoryServer:
    """Mailboxes with folders and messages, and mail between them.

    `modseq`: whether the server can say what changed and left since a moment; may be switched while it runs. `uidplus`: whether it
    says where moved, copied and appended messages lie now; `keywords`: those it keeps, None for any. `clock` dates what is
    delivered without a date; by default a clock that moves one minute per look. `first_uidvalidity`: where UIDVALIDITY values start;
    a server that forgets its messages and comes back must start higher than before, or ids would be used twice.
    """

    def __init__(
        self,
        *,
        modseq: bool = True,
        uidplus: bool = True,
        clock: Callable[[], datetime] | None = None,
        first_uidvalidity: int = 1,
    ) -> None:
        self.modseq = modseq
        self.uidplus = uidplus
        self.keywords: frozenset[str] | None = None
        self._clock = clock or _counting_clock()
        self._next_uidvalidity = first_uidvalidity
        self._mailboxes: dict[str, Mailbox] = {}

    def create_mailbox(self, login: str, *addresses: str) -> None:
        """A new mailbox with an inbox, receiving mail for `addresses` (by default for `login` itself)."""
        self._mailboxes[login] = Mailbox(frozenset(address.lower() for address in addresses or (login,)))
        self.create_folder(login, INBOX, role=Role.INBOX)

    def create_folder(self, login: str, path: Path, *, role: Role = Role.NONE, selectable: bool = True) -> None:
        """A new, empty folder; a removed one that comes back has another UIDVALIDITY."""
        mailbox = self.mailbox(login)
        mailbox.folders[path] = Folder(path, role, selectable, self._uidvalidity())
        self._reshaped(mailbox)

    def remove_folder(self, login: str, path: Path) -> None:
        """The folder is gone with all its messages; folders below it stay."""
        mailbox = self.mailbox(login)
        del mailbox.folders[path]
        self._reshaped(mailbox)

    def rename(self, login: str, path: Path, new_path: Path) -> None:
        """The folder and everything below it move to another path; messages, UIDs and UIDVALIDITY stay."""
        mailbox = self.mailbox(login)
        moved = {}
        for old, folder in mailbox.folders.items():
            if old[: len(path)] == path:
                folder.path = new_path + old[len(path) :]
            moved[folder.path] = folder
        mailbox.folders = moved
        self._reshaped(mailbox)

    def renumber(self, login: str, path: Path) -> None:
        """The server forgets its numbering: new UIDVALIDITY, new UIDs, and nothing known about the past (RFC 9051 section 2.3.1.1)."""
        mailbox, old = self.mailbox(login), self.folder(login, path)
        new = Folder(path, old.role, old.selectable, self._uidvalidity())
        for message in old.messages.values():
            new.add(message.raw, message.flags, message.received_at)
        mailbox.folders[path] = new
        self._reshaped(mailbox)

    def deliver(
        self,
        login: str,
        raw: bytes,
        *,
        path: Path = INBOX,
        flags: Sequence[str] = (),
        received_at: datetime | None = None,
    ) -> int:
        """Put a message into a folder; returns its UID."""
        uid = self.folder(login, path).add(raw, flags_of(flags), received_at or self._clock())
        self.mailbox(login).announce()
        return uid

    def kept(self, flags: frozenset[str]) -> frozenset[str]:
        """Those of these flags that can be kept: the system's, and the keywords there is room for."""
        if self.keywords is None:
            return flags
        return frozenset(flag for flag in flags if flag.startswith("\\") or flag in self.keywords)

    def set_quota(self, login: str, limit: int | None) -> None:
        """How many bytes the mailbox may hold; None: the server does not say and does not mind. Deliveries are never refused."""
        self.mailbox(login).limit = limit

    def subscribe(self, login: str, path: Path, *, subscribed: bool) -> None:
        """Another client (un)subscribes a folder."""
        mailbox = self.mailbox(login)
        mailbox.folders[path].subscribed = subscribed
        self._reshaped(mailbox)

    def set_flags(self, login: str, path: Path, uid: int, flags: Sequence[str]) -> None:
        """Another client sets all flags of a message."""
        folder = self.folder(login, path)
        folder.modseq += 1
        message = folder.messages[uid]
        message.flags, message.modseq = flags_of(flags), folder.modseq
        self.mailbox(login).announce()

    def remove(self, login: str, path: Path, uid: int) -> None:
        """Another client deletes a message for good."""
        self.folder(login, path).remove(uid)
        self.mailbox(login).announce()

    def contents(self, login: str, path: Path = INBOX) -> dict[int, tuple[bytes, frozenset[str]]]:
        """What a folder holds now: bytes and flags by UID, oldest first."""
        return {uid: (message.raw, message.flags) for uid, message in self.folder(login, path).messages.items()}

    def route(self, address: str) -> Sequence[str]:
        """The log-ins whose mailboxes receive mail for an address."""
        return [login for login, mailbox in self._mailboxes.items() if address.lower() in mailbox.addresses]

    def serves_domain_of(self, address: str) -> bool:
        """Whether mail for the address's domain ends here, so that an unknown name in it is refused."""
        domain = address.lower().rpartition("@")[2]
        known = (known for mailbox in self._mailboxes.values() for known in mailbox.addresses)
        return any(domain == known_address.rpartition("@")[2] for known_address in known)

    def mailbox(self, login: str) -> Mailbox:
        """For the adapters below. Raises LoginRejected."""
        if login not in self._mailboxes:
            raise LoginRejected("login-rejected", answer="NO [AUTHENTICATIONFAILED] no such mailbox")
        return self._mailboxes[login]

    def folder(self, login: str, path: Path) -> Folder:
        """For the adapters below. Raises FolderMissing, for folders that hold no messages too."""
        folder = self.mailbox(login).folders.get(path)
        if folder is None or not folder.selectable:
            raise FolderMissing("folder-missing", folder=folder_id(path))
        return folder

    def _uidvalidity(self) -> int:
        self._next_uidvalidity += 1
        return self._next_uidvalidity - 1

    def _reshaped(self, mailbox: Mailbox) -> None:
        mailbox.shape += 1
        mailbox.announce()


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
        if uid is None:
            self._make_room(len(errand.raw))
            flags, received_at = tuple(errand.flags), errand.received_at
            uid = self._server.deliver(self._login, errand.raw, path=box.path, flags=flags, received_at=received_at)
        return Outcome(id=box.remote_id(uid) if self._server.uidplus else None)

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
        path = _path(errand.folder)
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
        return self._server.folder(self._login, _path(wanted))

    def _changed(self, folders: Iterable[Folder]) -> frozenset[RemoteFolderId]:
        changed = [folder for folder in folders if folder.modseq > self._noticed.get(folder.uidvalidity, 0)]
        for folder in changed:
            self._noticed[folder.uidvalidity] = folder.modseq
        return frozenset(folder_id(folder.path) for folder in changed)


class MemorySender:
    """A way out through a `MemoryServer`, keeping the `Sender` port: mail for its mailboxes arrives in their inboxes.

    An unknown name in a domain of the server is rejected; mail to any other domain is accepted and goes nowhere.
    """

    def __init__(self, server: MemoryServer, login: str, *, before: BeforeStep | None = None) -> None:
        server.mailbox(login)
        self._server = server
        self._before = before

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        self._step("recipients")
        results, inboxes = [], dict[str, None]()
        for address in envelope.recipients:
            logins = self._server.route(address)
            if logins or not self._server.serves_domain_of(address):
                results.append(RecipientResult(address, RecipientState.ACCEPTED, "250 2.1.5 OK"))
                inboxes.update(dict.fromkeys(logins))
            else:
                results.append(RecipientResult(address, RecipientState.REJECTED, "550 5.1.1 No such mailbox"))
        if any(result.state is RecipientState.ACCEPTED for result in results):
            await data_started()
            self._step("data")
            for login in inboxes:
                self._server.deliver(login, raw)
        return Receipt(tuple(results))

    async def close(self) -> None:
        """Nothing to hang up."""

    def _step(self, name: str) -> None:
        if self._before:
            self._before(name)


_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]*>|[^\s]+)", re.IGNORECASE | re.MULTILINE)


def _message_id(raw: bytes) -> str:
    header = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    found = _MESSAGE_ID.search(header)
    return found[1].decode("utf-8", "replace") if found else ""
