"""What the store hands out: frozen values, never querysets. The office passes them on; pages and API render them.

Times are aware (UTC). Ids of accounts, folders, placements, users and outgoing mail are UUIDv7 in their canonical text form.
This module does not know how any of it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from poststelle.mail.ports import Role
from poststelle.mail.settings import Authentication, Endpoint, Kind, Mechanism, Right, Scope

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One window of a list. `next` is an opaque, URL-safe cursor for the following window, None at the end."""

    items: Sequence[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A person with a log-in. `language` is ``de`` or ``en``."""

    id: str
    email: str
    name: str
    language: str
    is_administrator: bool


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """Who may do what with an account."""

    user: UserRecord
    rights: frozenset[Right]


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """A login without its secret. `has_password`: one is stored."""

    username: str
    mechanism: Mechanism
    has_password: bool


@dataclass(frozen=True, slots=True)
class TroubleRecord:
    """Why something does not work just now: an error's code and facts, and since when."""

    code: str
    facts: Mapping[str, object]
    since: datetime


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """One account with its state. `rights` are the asking person's own; `login`/`grants` are filled for those who administer it.

    `state`: ``active``, or ``suspended`` (a person must act; see `trouble`). `trouble` on an active account passes by itself;
    `retry_at` says when. `expected` and `held` count messages over all folders: while `expected` > `held`, mail is coming in.
    """

    id: str
    label: str
    kind: Kind
    scope: Scope
    owner: UserRecord | None
    address: str
    display_name: str
    incoming: Endpoint | None
    outgoing: Endpoint | None
    authentication: Authentication
    login: LoginRecord | None
    outgoing_login: LoginRecord | None
    grants: Sequence[GrantRecord]
    rights: frozenset[Right]
    state: str
    trouble: TroubleRecord | None
    retry_at: datetime | None
    synced_at: datetime | None
    syncing: bool
    expected: int
    held: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """A folder of an account. `path` is decoded, outermost first. `expected`: what the server said it holds, once known."""

    id: str
    account_id: str
    path: tuple[str, ...]
    role: Role
    selectable: bool
    total: int
    unread: int
    expected: int
    set_aside: int
    synced_at: datetime | None

    @property
    def name(self) -> str:
        """The last component: what a tree shows."""
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """A mailbox as a header names it: display name (may be empty) and address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class PlacementRecord:
    """One row of a message list: a placement with what a list shows of its message. `content` is the SHA-256 in hex."""

    id: str
    folder_id: str
    account_id: str
    content: str
    subject: str
    sender: AddressRecord
    recipients: Sequence[AddressRecord]
    received_at: datetime
    sent_at: datetime | None
    size: int
    flags: frozenset[str]
    has_attachments: bool
    preview: str
    message_id: str


@dataclass(frozen=True, slots=True)
class SetAsideRecord:
    """A message the server has and we could not take, with the reason (the ledger counts it)."""

    remote_id: str
    code: str
    size: int
    since: datetime


@dataclass(frozen=True, slots=True)
class RecipientRecord:
    """What became of one recipient: ``waiting``, ``accepted``, ``deferred``, ``rejected``, ``uncertain``; `answer` is the server's."""

    address: str
    kind: str
    state: str
    answer: str


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A message on its way out. `state`: queued, sending, sent, partly-sent, rejected, deferred or uncertain (policy.sending)."""

    id: str
    account_id: str
    author: UserRecord | None
    sender: str
    subject: str
    message_id: str
    content: str
    state: str
    recipients: Sequence[RecipientRecord]
    created_at: datetime
    due_at: datetime | None
    sent_at: datetime | None
    attempts: int
    trouble: TroubleRecord | None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A placement found, and a piece of its text around the first word found (plain text)."""

    placement: PlacementRecord
    snippet: str


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One journal entry. `id` grows in commit order. `actor` is a user's e-mail address or ``system``."""

    id: int
    at: datetime
    actor: str
    kind: str
    subject: str
    account_id: str | None
    folder_id: str | None
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an account's test. `direction`: ``incoming`` or ``outgoing``; `name`: resolve, connect, tls, greeting, login or
    folders; `state`: ``ok``, ``failed`` or ``skipped``. `detail` holds what was found out, or the facts of `error` (a code);
    `needs_person`: trying again makes no sense before somebody has acted.
    """

    direction: str
    name: str
    state: str
    seconds: float = 0.0
    detail: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None
    needs_person: bool = False
