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
from poststelle.mail.settings import (
    Authentication,
    Encryption,
    Endpoint,
    Kind,
    Mechanism,
    Receiving,
    Right,
    Scope,
    Sending,
    Signature,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One window of a list. `next` is an opaque, URL-safe cursor for the following window, None at the end."""

    items: Sequence[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A person with a log-in. `language` is ``de`` or ``en``; `is_service`: a program that has tokens and never logs in."""

    id: str
    email: str
    name: str
    language: str
    is_administrator: bool
    is_service: bool = False


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An API token without its secret. `scopes`: what it may be used for, of ``read``, ``write``, ``send``, ``admin``."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """Somebody's log-in at one browser. `agent` is what the browser calls itself; `seen_at` is right to five minutes."""

    id: str
    agent: str
    address: str
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class PasskeyRecord:
    """A passkey of a person. The name is their own."""

    id: int
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class FactorsRecord:
    """What a person has beside the password. `single_sign_on`: the name they are known by at the office's identity provider is linked."""

    authenticator: bool
    passkeys: tuple[PasskeyRecord, ...]
    recovery_codes: int
    password: bool
    single_sign_on: bool

    @property
    def any(self) -> bool:
        """Something that stands as a second factor."""
        return self.authenticator or bool(self.passkeys)


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """People who get rights together. `members` is filled where one group is looked at."""

    id: str
    name: str
    members: Sequence[UserRecord] = ()


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """Who may do what with an account, or (`folder`: its id) one folder of it. Either `user` or `group`; dates may bound it."""

    user: UserRecord | None
    rights: frozenset[Right]
    group: GroupRecord | None = None
    folder: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """A login without its secrets. `has_password`, `has_certificate`: one is stored.

    `label` names a login that is an object of its own; without one it belongs to its account. `hosts`: the servers the secret
    was confirmed for. `owner` None: the office's. `accounts`: how many mailboxes use it.
    """

    username: str
    mechanism: Mechanism
    has_password: bool
    id: str = ""
    label: str = ""
    domain: str = ""
    has_certificate: bool = False
    hosts: frozenset[tuple[str, int, Encryption]] = frozenset()
    owner: UserRecord | None = None
    changed_at: datetime | None = None
    accounts: int = 0


@dataclass(frozen=True, slots=True)
class LookRecord:
    """A look at a folder on its server: asked for, and once `answered_at` answered, with `trouble` or with what was `found`.

    `found`: placements, newest first. `more`: the server may have more of it. `words`: what it was to find; () is everything.
    """

    id: str
    folder_id: str
    asked_at: datetime
    answered_at: datetime | None
    trouble: TroubleRecord | None
    words: Sequence[str]
    found: Sequence[str]
    more: bool


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """An alternative sender of an account. `signature` None: the account's."""

    id: str
    address: str
    display_name: str
    organisation: str
    reply_to: str
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class SenderRecord:
    """An account as whoever writes a letter needs it. `identities`: its alternative senders."""

    id: str
    label: str
    address: str
    display_name: str
    organisation: str
    signature: Signature
    identities: Sequence[IdentityRecord] = ()


@dataclass(frozen=True, slots=True)
class ExceptionRecord:
    """One exception from safe connections: which way, what (`Endpoint.exceptions`), who made it, when (ISO) and why (may be empty).

    `server`: label of the outgoing server that brings it along; empty: it is the mailbox's or the server's own.
    """

    way: str
    what: str
    by: str
    at: str
    reason: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingServerRecord:
    """A server that sends for several accounts. `owner` None: the office's. `test_recipient`: whom its last test wrote to."""

    id: str
    label: str
    owner: UserRecord | None
    is_default: bool
    endpoint: Endpoint
    login: LoginRecord | None
    test_recipient: str
    accounts: int
    exceptions: Sequence[ExceptionRecord] = ()


@dataclass(frozen=True, slots=True)
class TroubleRecord:
    """Why something does not work just now: an error's code and facts, and since when."""

    code: str
    facts: Mapping[str, object]
    since: datetime


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why something the whole office uses does not work as things are set up: a code with a sentence, and its facts."""

    code: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """One account with its state. `rights` are the asking person's own; `login`/`grants` are filled for those who administer it.

    `state`: ``active``, or ``suspended`` (a person must act; see `trouble`). `trouble` on an active account passes by itself;
    `retry_at` says when. `expected` and `held` count messages over all folders: while `expected` > `held`, mail is coming in.
    `outgoing_server`: label of the one it refers to. `quota`: used and limit in bytes on its server, where known. `way_out`: why it sends through the server it does (store.outgoing_servers:
    account, server, user, office, instance), empty where it cannot send. `version` grows with every change of the settings.
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
    organisation: str = ""
    reply_to: str = ""
    signature: Signature = field(default_factory=Signature)
    active: bool = True
    is_office_account: bool = False
    receiving: Receiving = field(default_factory=Receiving)
    sending: Sending = field(default_factory=Sending)
    identities: Sequence[IdentityRecord] = ()
    outgoing_server: str = ""
    way_out: str = ""
    version: int = 1
    exceptions: Sequence[ExceptionRecord] = ()
    quota: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """A folder of an account. `path` is decoded, outermost first. `expected`: what the server said it holds, once known.

    `place`: ``remote`` (the server's) or ``local`` (kept here only). `owner`: whose it is where it is shared with us. `choices`:
    what people set (``show``, ``fetch``, ``process``, ``role``). `rights`: the server's letters for us, None where it has no word.
    `live`: not fetched, but looked at on its server. `shown`, `fetched`: what holds, chosen or not.
    """

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
    place: str = "remote"
    subscribed: bool = True
    owner: str = ""
    rights: str | None = None
    choices: Mapping[str, object] = field(default_factory=dict)
    live: bool = False
    shown: bool = True
    fetched: bool = True

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
    """A message on its way out. `state`: one of `policy.sending`."""

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
class HeldRecord:
    """How many messages wait for a person's word since the data was restored or copied. `as_of`: how old the data was."""

    count: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A placement found, and a piece of its text around the first word found (plain text)."""

    placement: PlacementRecord
    snippet: str


@dataclass(frozen=True, slots=True)
class CorrespondentRecord:
    """Somebody one has had to do with: wrote `heard` times, was written to `written` times.

    `address` in lower case; `name` as the latest letter spells it, "" where none does.
    """

    name: str
    address: str
    heard: int
    written: int


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
class Fix:
    """A setting that would help. `code` names it; `change` is what to merge into the account document (RFC 7396)."""

    code: str
    change: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AllowedServer:
    """A server inside the own network that mailboxes may use: an address, a network (CIDR) or a host name. `at`: ISO."""

    server: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an account's test. `direction`: ``incoming`` or ``outgoing``; `name`: resolve, connect, tls, greeting, login,
    folders, what was noticed of them (prefix, push, sent-folder, quota, numbering), send, arrival, sent-copy or clean-up; `state`:
    ``ok``, ``warned``, ``failed`` or ``skipped``. `detail` holds what was found out, or the facts of `error` (a code);
    `needs_person`: trying again makes no sense before somebody has acted. `fixes`: settings that would help, best first.
    """

    direction: str
    name: str
    state: str
    seconds: float = 0.0
    detail: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None
    needs_person: bool = False
    fixes: Sequence[Fix] = ()


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """The office's own settings to fill a new account with: part of an account document, without secrets."""

    id: str
    label: str
    document: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One line of an account's event log. `level`: info, warning or error."""

    id: int
    at: datetime
    level: str
    code: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """One folder's account of what its server has: the latest comparison, or before the first one what the rows say.

    All counts were taken at `compared_at` and add up: ``server == held + set_aside + to_come + under_way + missing``.
    `under_way`: moved or deleted here, which the server has still to be told. `missing`: neither held nor set aside nor
    expected; `recovered`: missed at first and fetched then. `extra`: held here and not on the server (any more); `local`:
    kept here only. `reasons` counts what is set aside by code. Ids are the server's own, at most 100 of a kind.
    """

    folder_id: str
    account_id: str
    path: tuple[str, ...]
    role: Role
    server: int | None
    held: int
    set_aside: int
    to_come: int
    under_way: int
    missing: int
    extra: int
    recovered: int
    local: int
    reasons: Mapping[str, int]
    missing_ids: Sequence[str]
    extra_ids: Sequence[str]
    compared_at: datetime | None

    @property
    def balanced(self) -> bool:
        """Nothing is missing and nothing too much; only a comparison can tell."""
        return self.compared_at is not None and not self.missing and not self.extra


@dataclass(frozen=True, slots=True)
class HealthRecord:
    """How one account is doing, in a word (`state`: `policy.health`) and in figures.

    `in_step`: it is expected to be kept in step every `interval` seconds; `since`: its latest round began, or it was added.
    `behind`: messages the server has and we have not yet; `rate` those that came per minute lately. `certificate_days` until
    the first certificate of its servers ends. `quota` (used, limit) in bytes. `watching`: idle, notify, poll or "".
    `queued`, `deferred`, `uncertain` (a person has to decide): mail on its way out.
    """

    account_id: str
    label: str
    address: str
    state: str
    active: bool
    trouble: TroubleRecord | None
    retry_at: datetime | None
    since: datetime
    synced_at: datetime | None
    received_at: datetime | None
    sent_at: datetime | None
    receives: bool
    in_step: bool
    interval: float
    syncing: bool
    watching: str
    held: int
    behind: int
    rate: float
    set_aside: int
    missing: int
    errands: int
    queued: int
    deferred: int
    uncertain: int
    certificate_days: int | None
    quota: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Cell:
    """What one person may do with one account now. `groups`: names by which they may; `folders`: on how many folders only;
    `until`: the earliest end of a grant that counts now.
    """

    rights: frozenset[Right]
    groups: tuple[str, ...] = ()
    folders: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Matrix:
    """`accounts`: (id, label); `cells` by account id and user id, absent where somebody may do nothing. `next`: cursor."""

    accounts: Sequence[tuple[str, str]]
    people: Sequence[UserRecord]
    groups: Sequence[GroupRecord]
    cells: Mapping[tuple[str, str], Cell]
    next: str | None
