"""The settings of one mailbox, as values. How they are read from JSON is `mail.account_document`.

This module does not know the store, users or whether a label is taken; the office checks those.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from poststelle.mail.ports import Role
from poststelle.mail.secret import Secret


class Kind(enum.StrEnum):
    """How much of a mailbox it is (glossary: account)."""

    SYNCHRONISED = "synchronised"
    FETCH_ONLY = "fetch-only"
    SEND_ONLY = "send-only"
    ARCHIVE = "archive"


class Scope(enum.StrEnum):
    """Whose it is: one owner's, the office's, or the office-wide sender's."""

    PERSONAL = "personal"
    SHARED = "shared"
    SYSTEM = "system"


class Encryption(enum.StrEnum):
    """TLS from the first byte, after STARTTLS, or not at all. There is no "if possible" (RFC 8314)."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Mechanism(enum.StrEnum):
    """SASL mechanism (RFC 4422 registry); AUTO takes the best one offered."""

    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    CRAM_MD5 = "cram-md5"
    SCRAM_SHA_1 = "scram-sha-1"
    SCRAM_SHA_256 = "scram-sha-256"
    EXTERNAL = "external"


class Authentication(enum.StrEnum):
    """How the way out logs in: not at all, as the way in does, with a login of its own, or with that of the outgoing server."""

    NONE = "none"
    SAME = "same"
    OWN = "own"
    SERVER = "server"


class Right(enum.StrEnum):
    """What a grant allows. The meanings are in docs/glossary.md."""

    SEE = "see"
    PROCESS = "process"
    SEND_AS = "send-as"
    SEND_ON_BEHALF = "send-on-behalf"
    ADMINISTER = "administer"


DEFAULT_PORTS: Mapping[tuple[str, Encryption], int] = {
    ("imap", Encryption.TLS): 993,
    ("imap", Encryption.STARTTLS): 143,
    ("imap", Encryption.NONE): 143,
    ("pop3", Encryption.TLS): 995,
    ("pop3", Encryption.STARTTLS): 110,
    ("pop3", Encryption.NONE): 110,
    ("smtp", Encryption.TLS): 465,
    ("smtp", Encryption.STARTTLS): 587,
    ("smtp", Encryption.NONE): 25,
}
"""Ports follow the encryption until somebody types one (RFC 8314, RFC 6409)."""


class CertificateMode(enum.StrEnum):
    """How a server's certificate is checked (RELIABILITY Q40). Nothing but a person's choice leaves STRICT."""

    STRICT = "strict"
    PINNED = "pinned"
    OTHER_NAME = "other-name"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What to accept as the server's certificate.

    `fingerprint` (PINNED): SHA-256 of the certificate, colon-free lower-case hex; `key`: SHA-256 of its public key (SPKI), likewise,
    filled when the pin was made from a shown certificate. `name` (OTHER_NAME): the name to find in it. `until` (UNCHECKED): when the
    exception ends (ISO date).
    """

    mode: CertificateMode = CertificateMode.STRICT
    fingerprint: str = ""
    key: str = ""
    name: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to talk to. `minimum_tls` is ``1.0`` to ``1.3``; less than 1.2 only for servers that know nothing better.

    `plain_text_allowed`: the password may go over an unencrypted line (RELIABILITY Q43; loopback needs no permission).
    `exception_reason`: why it has `exceptions`, in somebody's words; no part of how one connects, so that it is not compared.
    """

    protocol: str
    host: str
    port: int
    encryption: Encryption
    certificate: Certificate = Certificate()
    minimum_tls: str = "1.2"
    plain_text_allowed: bool = False
    exception_reason: str = field(default="", compare=False)

    @property
    def place(self) -> tuple[str, int, Encryption]:
        """Where it is: a stored secret was confirmed for this host, port and encryption and for no other."""
        return self.host, self.port, self.encryption

    @property
    def exceptions(self) -> tuple[str, ...]:
        """In what it is less safe than usual (RELIABILITY Q44), as stable words."""
        found = {
            f"certificate-{self.certificate.mode.value}": self.certificate.mode is not CertificateMode.STRICT,
            "old-tls": self.minimum_tls < "1.2",
            "plain-text": self.plain_text_allowed,
            "no-encryption": self.encryption is Encryption.NONE,
        }
        return tuple(word for word, holds in found.items() if holds)


@dataclass(frozen=True, slots=True)
class Login:
    """User name and secret. `password` is None in a document that does not carry it (it is write-only).

    `domain`: the Windows domain where one is used (``DOMAIN\\user``). `client_certificate`: PEM, certificate and key (EXTERNAL).
    `by_owner`: the secret comes later, from its owner through a hand-over link; a stored one is forgotten.
    """

    username: str
    password: Secret | None
    mechanism: Mechanism = Mechanism.AUTO
    domain: str = ""
    client_certificate: Secret | None = None
    by_owner: bool = False

    @property
    def name(self) -> str:
        """What the server is told as user name."""
        return f"{self.domain}\\{self.username}" if self.domain else self.username


class AfterImport(enum.StrEnum):
    """What happens on the server once a message is stored, verified and committed here."""

    LEAVE = "leave"
    DELETE = "delete"
    DELETE_LATER = "delete-later"
    TRASH = "trash"


class SentCopy(enum.StrEnum):
    """Where a copy of sent mail goes: where it belongs unless the provider has put one there, a chosen folder, here only, nowhere."""

    AUTOMATIC = "automatic"
    FOLDER = "folder"
    LOCAL = "local"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Receiving:
    """How mail comes in (glossary: account). `interval_minutes`: between rounds; with `push` also as soon as the server says so.

    `included` false: never fetched, still readable. `automatic` false: only by Send/Receive. `background` false: live view, nothing
    kept beyond a cache. `since` (ISO date): older mail is kept and searchable, never routed. `after_days`: for DELETE_LATER.
    `subscribed_only`: of the folder tree only the inbox and what is subscribed. `all_folders`: fetch every folder, else the inbox and the
    subscribed ones. `inbox_is_root`: the tree hangs below INBOX. `files_for`: the group (name or id) that may have the files of what
    came in; empty: everybody who may see it.
    """

    included: bool = True
    automatic: bool = True
    push: bool = True
    interval_minutes: int = 1
    background: bool = True
    since: str = ""
    after_import: AfterImport = AfterImport.LEAVE
    after_days: int = 14
    subscribed_only: bool = False
    all_folders: bool = True
    inbox_is_root: bool = False
    files_for: str = ""

    def shows(self, *, subscribed: bool) -> bool:
        """Whether a folder, not the inbox, stands in the tree where nobody has chosen."""
        return subscribed or not self.subscribed_only

    def fetches(self, *, subscribed: bool) -> bool:
        """Whether such a folder is fetched: none that is not even shown."""
        return subscribed or (self.all_folders and not self.subscribed_only)


@dataclass(frozen=True, slots=True)
class Sending:
    """How mail goes out. `included` false: not offered as sender. `sent_folder`: a folder's id, possibly of another account.

    `files_for`: the group (name or id) that may have the files of what was sent; empty: everybody who may see it.
    """

    included: bool = True
    sent_copy: SentCopy = SentCopy.AUTOMATIC
    sent_folder: str = ""
    files_for: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a letter begins with: either a signature below (`text`; `html` its HTML form) or a frame for all of it (`template`).

    `not_on_replies` leaves the signature out of answers and forwards; a template stays.
    """

    text: str = ""
    html: str = ""
    template: str = ""
    not_on_replies: bool = False


@dataclass(frozen=True, slots=True)
class IdentityWish:
    """An alternative sender."""

    address: str
    display_name: str = ""
    organisation: str = ""
    reply_to: str = ""
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class GrantWish:
    """A grant as asked for: the user by e-mail address or id, or the group by name or id; `folder` by id; dates as ISO texts.

    `dated`: the document speaks of dates; otherwise a grant that is there already keeps its own.
    """

    user: str
    rights: frozenset[Right]
    group: str = ""
    folder: str = ""
    starts_at: str = ""
    ends_at: str = ""
    dated: bool = False


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One account document, checked. `owner` is an e-mail address or id of a user; `grants` None: the default rule.

    `login_of`, `outgoing_login_of`, `outgoing_server`: label or id of a login or outgoing server that is an object of its own.
    Without `outgoing` and `outgoing_server` the account sends through the chain (its user's server, the office's, the
    installation's). With a reference `login` holds no more than the secret, given to confirm it for other servers. `version`: the
    settings_version a change was made from. `roles`: folders (by path) that are for these purposes, whatever their server says.
    """

    label: str
    kind: Kind
    scope: Scope
    address: str
    display_name: str = ""
    owner: str | None = None
    incoming: Endpoint | None = None
    outgoing: Endpoint | None = None
    authentication: Authentication = Authentication.SAME
    login: Login | None = None
    outgoing_login: Login | None = None
    grants: tuple[GrantWish, ...] | None = None
    organisation: str = ""
    reply_to: str = ""
    signature: Signature = Signature()
    active: bool = True
    is_office_account: bool = False
    receiving: Receiving = Receiving()
    sending: Sending = Sending()
    identities: tuple[IdentityWish, ...] = ()
    login_of: str = ""
    outgoing_login_of: str = ""
    outgoing_server: str = ""
    version: int | None = None
    roles: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)
