"""The two ports: `Source`, where mail comes from, and `Sender`, where it leaves; and the values that cross them.

Law: the port lies below the algorithm. A source answers "what changed since this cursor?"; what to do about it is decided
in `sync`, once, for every protocol. Three promises make sources interchangeable (tests/contract checks every adapter):

1. a batch may over-report, but never under-report;
2. applying a batch twice equals applying it once;
3. `fetch` answers for every id it was asked for, with bytes or with a reason.

Nothing foreign crosses a port: adapters translate library and server errors into `poststelle.errors`.
This module does not know protocols, the store, or any algorithm.
"""

from __future__ import annotations

import enum
import mmap
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Protocol

RemoteFolderId = NewType("RemoteFolderId", str)
"""How the adapter finds a folder again. Text any database keeps; only its adapter reads it."""

RemoteId = NewType("RemoteId", str)
"""One message in one folder, never reused for another one (IMAP: ``"<UIDVALIDITY>.<UID>"``). Only its adapter reads it."""

Cursor = NewType("Cursor", str)
"""How far a folder has been reported. Opaque text, small enough to be rewritten with every batch; only its adapter reads it."""

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"
SYSTEM_FLAGS = (SEEN, ANSWERED, FLAGGED, DELETED, DRAFT)
_CANONICAL = {name.lower(): name for name in SYSTEM_FLAGS}


def flags_of(names: Sequence[str]) -> frozenset[str]:
    """Flags in their canonical spelling: system flags as in RFC 9051 section 2.3.2, keywords as they stand; \\Recent is dropped."""
    return frozenset(_CANONICAL.get(name.lower(), name) for name in names if name.lower() != "\\recent")


class Role(enum.StrEnum):
    """What a folder is for (RFC 6154, plus the inbox)."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    TRASH = "trash"
    SPAM = "spam"
    ARCHIVE = "archive"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder as the server lists it. `path` is decoded for people, outermost first, and never empty.

    `identity`: what stays when the folder is renamed and is never given to another one (IMAP: MAILBOXID, else UIDVALIDITY where
    the listing tells it); "" where nothing is known. `rights`: the server's letters for us (RFC 4314), None where it has no word.
    `owner`: whose it is where the server shares it with us ("" is ours).
    """

    id: RemoteFolderId
    path: tuple[str, ...]
    role: Role = Role.NONE
    selectable: bool = True
    identity: str = ""
    subscribed: bool = True
    rights: str | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message the server holds in this folder. `received_at` is the server's own date (aware); `size` in bytes as announced.

    `flags` None: the server keeps none, so that what was set here holds. `ordinal` orders what was received in the same second,
    the greater the newer (IMAP: the UID).
    """

    id: RemoteId
    flags: frozenset[str] | None
    received_at: datetime
    size: int
    ordinal: int = 0

    @property
    def told(self) -> frozenset[str]:
        """The flags the server knows of."""
        return self.flags or frozenset()


@dataclass(frozen=True, slots=True)
class FlagChange:
    """The flags of a message as the server has them now (all of them, not a difference)."""

    id: RemoteId
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer to "what changed?". Sized by the adapter so that its arrivals fit in memory (a few MB, or one big message).

    `arrivals` come newest first. `gone` names messages known to have left. `census`, where the adapter cannot tell what left,
    is everything the folder holds now: what we hold beyond it is gone. `remaining` counts arrivals still to be reported in later
    batches (for progress). `more`: ask again at once with `cursor`; only when it is false has the folder been reported whole.
    """

    cursor: Cursor
    arrivals: Sequence[Arrival] = ()
    flags: Sequence[FlagChange] = ()
    gone: Sequence[RemoteId] = ()
    census: frozenset[RemoteId] | None = None
    remaining: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class RawMessage:
    """The exact bytes of a message. Big ones come as a read-only memory map of a temporary file; both are bytes-like."""

    id: RemoteId
    raw: bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Unfetchable:
    """Why a message could not be fetched. `gone`: it left meanwhile, which is no defect; else `code` is kept in the ledger."""

    id: RemoteId
    code: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class ChangeFlags:
    """Errand: add and remove flags of these messages."""

    folder: RemoteFolderId
    ids: tuple[RemoteId, ...]
    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Move:
    """Errand: take these messages into another folder of the same mailbox."""

    folder: RemoteFolderId
    ids: tuple[RemoteId, ...]
    target: RemoteFolderId


@dataclass(frozen=True, slots=True)
class Copy:
    """Errand: put these messages into another folder of the same mailbox as well. Not harmless twice: `Outcome.ids` says what was made."""

    folder: RemoteFolderId
    ids: tuple[RemoteId, ...]
    target: RemoteFolderId


@dataclass(frozen=True, slots=True)
class Delete:
    """Errand: remove these messages, and no others, from the server for good (IMAP: UID EXPUNGE)."""

    folder: RemoteFolderId
    ids: tuple[RemoteId, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """Errand: put this message into the folder unless one with its Message-ID is there already (RELIABILITY Q21)."""

    folder: RemoteFolderId
    raw: bytes = field(repr=False)
    flags: frozenset[str]
    message_id: str
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreateFolder:
    """Errand: make (and subscribe) a folder unless it is there. `path` as in RemoteFolder."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenameFolder:
    """Errand: give a folder, and what lies below it, another path."""

    folder: RemoteFolderId
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """Errand: remove a folder with what it holds."""

    folder: RemoteFolderId


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Errand: (un)subscribe a folder."""

    folder: RemoteFolderId
    subscribed: bool


MessageErrand = ChangeFlags | Move | Copy | Delete
FolderErrand = CreateFolder | RenameFolder | DeleteFolder | Subscribe
Errand = MessageErrand | Append | FolderErrand


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an errand ended. Passing trouble is raised instead, and the errand stays open.

    `gone`: those of its messages that are no longer there: nothing left to do about them. `ids`: where the others lie now, as
    far as the server says (RFC 4315 COPYUID); `id`: the same for what was appended; `folder`: what was made or renamed. `unkept`:
    keywords that were to be added and that the server does not keep in this folder; everything else was done.
    """

    gone: frozenset[RemoteId] = frozenset()
    ids: Mapping[RemoteId, RemoteId] = field(default_factory=dict)
    id: RemoteId | None = None
    folder: RemoteFolderId | None = None
    unkept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Quota:
    """How full the mailbox is, in bytes."""

    used: int
    limit: int


class Source(Protocol):
    """A connected, logged-in mailbox. Made by its adapter's ``connect``; not shared between tasks.

    Raises `Trouble` only. After anything but CursorLost, FolderMissing or MessageTrouble it is useless and must be closed.
    """

    async def folders(self) -> Sequence[RemoteFolder]:
        """Every folder of the log-in, unselectable and empty ones included."""
        ...

    async def changes(self, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        """What changed since the cursor; with None everything, newest first. Raises CursorLost, FolderMissing."""
        ...

    def is_current(self, folder: RemoteFolderId, since: Cursor) -> bool:
        """Whether the latest `folders` said that nothing has changed since the cursor. False where that is not known; True once."""
        ...

    def fetch(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        """Bytes or a reason for every id, in any order. Never marks anything as read."""
        ...

    async def perform(self, errand: Errand) -> Outcome:
        """Carry out one local change on the server. Doing it twice is harmless, `Copy` excepted.

        Raises FolderMissing for a folder that is not there, MessageTrouble for what the server (or its protocol) will never do,
        or has no room for (``mailbox-full``).
        """
        ...

    async def census(self, folder: RemoteFolderId) -> frozenset[RemoteId]:
        """Everything the folder holds now, counted afresh. Raises FolderMissing."""
        ...

    async def describe(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> Sequence[Arrival]:
        """These messages as the server lists them, in any order; what is not there (any more) is missing. Raises FolderMissing."""
        ...

    async def window(self, folder: RemoteFolderId, before: Arrival | None, limit: int) -> Sequence[Arrival]:
        """At most `limit` messages, newest first, older than `before` (None: the newest). Raises FolderMissing."""
        ...

    async def search(self, folder: RemoteFolderId, words: Sequence[str], limit: int) -> Sequence[Arrival]:
        """At most `limit` messages, newest first, in which the server itself finds all words, in headers or text.

        Raises FolderMissing, and MessageTrouble("search-unsupported") where the protocol has none.
        """
        ...

    async def quota(self) -> Quota | None:
        """How full the mailbox is; None where the server does not say."""
        ...

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        """Sleep until the server reports something, at most `timeout` seconds. Folders that may have changed; None: any may have.

        May be cancelled at any time: the source stays usable.
        """
        ...

    async def close(self) -> None:
        """Hang up. Never raises."""
        ...


class RecipientState(enum.StrEnum):
    """What the server said about one recipient."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """`answer` is the server's reply, code first, redacted and cut to 300 characters."""

    address: str
    state: RecipientState
    answer: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who it is from and for, on the wire. Addresses without CR, LF, blanks or angle brackets."""

    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One result per recipient. `filed_copy`: the server keeps a copy in Sent by itself."""

    results: tuple[RecipientResult, ...]
    filed_copy: bool = False


class DataStarted(Protocol):
    """Called after the recipients were answered and before the first byte of the message; returns when that is durable (Q20)."""

    async def __call__(self) -> None: ...


class Sender(Protocol):
    """A connected, logged-in way out. Raises `Trouble`; if `data_started` had been called by then, the outcome is unknown."""

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        """Hand over one message. `raw` is final: CRLF line ends, no Bcc."""
        ...

    async def close(self) -> None:
        """Hang up. Never raises."""
        ...
