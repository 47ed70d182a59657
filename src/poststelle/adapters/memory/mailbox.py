"""What a mail server keeps of one mailbox: folders, messages, and the numbers IMAP gives them (RFC 9051 section 2.3.1).

Law: UIDs only grow, a UIDVALIDITY belongs to one folder for ever and stays with it when it is renamed; every change raises the
folder's modification sequence. This module does not know the ports' algorithms, log-ins or connections.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from poststelle.mail.ports import Arrival, Quota, RemoteId, Role

Path = tuple[str, ...]


@dataclass(slots=True)
class Stored:
    """A message as the server holds it."""

    uid: int
    raw: bytes
    flags: frozenset[str]
    received_at: datetime
    modseq: int


@dataclass(slots=True)
class Folder:
    """One folder. `uidvalidity` is its identity."""

    path: Path
    role: Role
    selectable: bool
    uidvalidity: int
    uidnext: int = 1
    modseq: int = 0
    subscribed: bool = True
    messages: dict[int, Stored] = field(default_factory=dict)
    """By UID, in ascending order."""
    vanished: list[tuple[int, int]] = field(default_factory=list)
    """(modseq, UID) of what left, in that order."""

    def add(self, raw: bytes, flags: frozenset[str], received_at: datetime) -> int:
        """Put a message in; its UID."""
        uid = self.uidnext
        self.uidnext += 1
        self.modseq += 1
        self.messages[uid] = Stored(uid, raw, flags, received_at, self.modseq)
        return uid

    def remove(self, uid: int) -> None:
        """Take a message out for good."""
        self.modseq += 1
        del self.messages[uid]
        self.vanished.append((self.modseq, uid))

    def remote_id(self, uid: int) -> RemoteId:
        """A message's id at the port."""
        return RemoteId(f"{self.uidvalidity}.{uid}")

    def find(self, remote_id: RemoteId) -> Stored | None:
        """The message with this id, unless it left or the folder was renumbered."""
        uidvalidity, _, uid = remote_id.partition(".")
        return self.messages.get(int(uid)) if int(uidvalidity) == self.uidvalidity else None

    def arrival(self, message: Stored) -> Arrival:
        """A message as the port reports it."""
        return Arrival(self.remote_id(message.uid), message.flags, message.received_at, len(message.raw), message.uid)


@dataclass(slots=True)
class Mailbox:
    """All folders of one log-in, and who listens for changes."""

    addresses: frozenset[str]
    folders: dict[Path, Folder] = field(default_factory=dict)
    shape: int = 0
    """Grows whenever folders come, go or change their names."""
    limit: int | None = None
    listeners: set[asyncio.Event] = field(default_factory=set)

    def announce(self) -> None:
        """Wake whoever waits."""
        for listener in self.listeners:
            listener.set()

    def quota(self) -> Quota | None:
        """How full it is, where a limit is set."""
        if self.limit is None:
            return None
        used = sum(len(message.raw) for folder in self.folders.values() for message in folder.messages.values())
        return Quota(used, self.limit)
