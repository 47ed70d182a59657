"""A mail server that lives in memory: reference implementation of the ports, test double, and the heart of the demo office.

Law: it behaves like an IMAP server (UIDs, UIDVALIDITY, a modification sequence per folder), and it is deterministic: the same calls give
the same answers. The methods play what happens on the server: deliveries, other people's clients, administrators. Everything runs
in one event loop. This module does not know the ports' algorithms, sockets, the store or Django.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from poststelle.adapters.memory.mailbox import Folder, Mailbox, Path
from poststelle.errors import FolderMissing, LoginRejected
from poststelle.mail.ports import (
    RemoteFolderId,
    Role,
    flags_of,
)

INBOX: Path = ("INBOX",)


def folder_id(path: Path) -> RemoteFolderId:
    """The id under which sources of this module report the folder at `path`."""
    return RemoteFolderId(json.dumps(path, ensure_ascii=False))


def path_of(folder: RemoteFolderId) -> Path:
    """Where that folder is. Raises FolderMissing for what `folder_id` did not make."""
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
