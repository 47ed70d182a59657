"""The account document: the settings of one mailbox as values, and how they are read from JSON.

The same document is spoken by form, API and command line. `read` accepts what this release can do and refuses everything
else by name: an unknown field or a value a later release will bring is `Invalid`, never ignored.

This module does not know the store, users or whether a label is taken; the office checks those.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from poststelle.errors import Invalid
from poststelle.mail.address import is_addr_spec
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
    """

    protocol: str
    host: str
    port: int
    encryption: Encryption
    certificate: Certificate = Certificate()
    minimum_tls: str = "1.2"
    plain_text_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """User name and secret. `password` is None in a document that does not carry it (it is write-only).

    `domain`: the Windows domain where one is used (``DOMAIN\\user``). `client_certificate`: PEM, certificate and key (EXTERNAL).
    """

    username: str
    password: Secret | None
    mechanism: Mechanism = Mechanism.AUTO
    domain: str = ""
    client_certificate: Secret | None = None

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
    `subscribed_only`: of the folder tree only what is subscribed. `all_folders`: fetch every folder, else the inbox and the
    subscribed ones. `inbox_is_root`: the tree hangs below INBOX.
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


@dataclass(frozen=True, slots=True)
class Sending:
    """How mail goes out. `included` false: not offered as sender. `sent_folder`: a folder's id, possibly of another account."""

    included: bool = True
    sent_copy: SentCopy = SentCopy.AUTOMATIC
    sent_folder: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What is put below a mail. Either `text` (a signature; `html` its HTML form) or `template` (an account's text template)."""

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
    """A grant as asked for: the user by e-mail address or id, or the group by name or id; `folder` by id; dates as ISO texts."""

    user: str
    rights: frozenset[Right]
    group: str = ""
    folder: str = ""
    starts_at: str = ""
    ends_at: str = ""


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One account document, checked. `owner` is an e-mail address or id of a user; `grants` None: the default rule.

    `login_of`, `outgoing_server`: label or id of a login or outgoing server that is an object of its own.
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
    outgoing_server: str = ""


_LATER = {
    "incoming.protocol": {"pop3", "ews", "graph"},
    "outgoing.protocol": {"ews", "graph"},
    "certificate.mode": {"pinned", "other-name", "unchecked"},
    "mechanism": {"cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", "ntlm", "external"},
}
"""Values that are part of the document's language but that this release cannot serve yet, per field."""

_FIELDS = {
    "label", "kind", "scope", "owner", "address", "display_name", "incoming", "outgoing", "login", "grants",
}  # fmt: skip

_E = TypeVar("_E", bound=enum.StrEnum)

_HOST = re.compile(r"(?=.{1,253}$)(?!-)[\w-]{1,63}(?:\.(?!-)[\w-]{1,63})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What no setting may hold. JSON can spell half a surrogate pair; no server, file or database takes it."""


def _refused(value: object, field: str) -> str:
    """Why a value that cannot be served is refused: it comes later, or nobody knows it."""
    return "not-available" if isinstance(value, str) and value in _LATER.get(field, ()) else "unknown-value"


class _Reader:
    """Walks a document, collecting what is wrong with each field instead of stopping at the first."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}

    def known(self, where: str, document: Mapping[str, object], names: set[str]) -> None:
        for name in document.keys() - names:
            self.wrong[f"{where}{name}"] = "unknown-field"

    def section(self, where: str, value: object) -> Mapping[str, object] | None:
        if value is None:
            return None
        if isinstance(value, Mapping):
            return value
        self.wrong[where] = "not-an-object"
        return None

    def text(self, where: str, value: object, *, required: bool = True, limit: int = 255) -> str:
        if value is None or value == "":
            if required:
                self.wrong[where] = "missing"
        elif not isinstance(value, str):
            self.wrong[where] = "not-text"
        elif _CONTROL.search(value):
            self.wrong[where] = "control-character"
        elif len(value) > limit:
            self.wrong[where] = "too-long"
        elif not value.strip():
            self.wrong[where] = "missing"
        else:
            return value.strip()
        return ""

    def choice(self, where: str, value: object, kinds: type[_E], default: _E, later: str) -> _E:
        if value is None:
            return default
        if isinstance(value, str) and value in {kind.value for kind in kinds}:
            return kinds(value)
        self.wrong[where] = _refused(value, later)
        return default

    def endpoint(self, where: str, value: object, protocol: str, more: set[str]) -> Endpoint | None:
        document = self.section(where, value)
        if document is None:
            return None
        self.known(f"{where}.", document, {"protocol", "host", "port", "encryption", "certificate"} | more)
        spoken = document.get("protocol", protocol)
        if spoken != protocol:
            self.wrong[f"{where}.protocol"] = _refused(spoken, f"{where}.protocol")
        host = self.text(f"{where}.host", document.get("host"), limit=253)
        if host and not _HOST.fullmatch(host):
            self.wrong[f"{where}.host"] = "not-a-host"
        encryption = self.choice(
            f"{where}.encryption", document.get("encryption"), Encryption, Encryption.TLS, "encryption"
        )
        port = document.get("port")
        if port is None:
            port = DEFAULT_PORTS[protocol, encryption]
        elif not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            self.wrong[f"{where}.port"] = "not-a-port"
            port = 0
        self._certificate(f"{where}.certificate", document.get("certificate"))
        return Endpoint(protocol, host, port, encryption)

    def _certificate(self, where: str, value: object) -> None:
        document = self.section(where, value)
        if document is None:
            return
        self.known(f"{where}.", document, {"mode", "fingerprint", "name"})
        mode = document.get("mode", "strict")
        if mode != "strict":
            self.wrong[f"{where}.mode"] = _refused(mode, "certificate.mode")
        for name in ("fingerprint", "name"):
            if document.get(name):
                self.wrong[f"{where}.{name}"] = "contradiction" if mode == "strict" else "not-available"

    def login(self, where: str, value: object) -> Login | None:
        document = self.section(where, value)
        if document is None:
            return None
        self.known(f"{where}.", document, {"username", "password", "mechanism"})
        username = self.text(f"{where}.username", document.get("username"))
        password = document.get("password")
        if password is not None and (not isinstance(password, str) or not password):
            self.wrong[f"{where}.password"] = "missing" if password == "" else "not-text"
        elif isinstance(password, str) and re.search(r"[\r\n\x00\ud800-\udfff]", password):
            self.wrong[f"{where}.password"] = "control-character"
        mechanism = self.choice(f"{where}.mechanism", document.get("mechanism"), Mechanism, Mechanism.AUTO, "mechanism")
        return Login(username, Secret(password) if isinstance(password, str) else None, mechanism)

    def grants(self, value: object) -> tuple[GrantWish, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list):
            self.wrong["grants"] = "not-a-list"
            return None
        wishes = []
        for number, item in enumerate(value):
            where = f"grants.{number}"
            document = self.section(where, item)
            if document is None:
                self.wrong.setdefault(where, "not-an-object")
                continue
            self.known(f"{where}.", document, {"user", "group", "rights"})
            if document.get("group"):
                self.wrong[f"{where}.group"] = "not-available"
                continue
            user = self.text(f"{where}.user", document.get("user"))
            rights = document.get("rights")
            if not isinstance(rights, list) or not all(right in [*Right] for right in rights):
                self.wrong[f"{where}.rights"] = "unknown-value"
                continue
            wishes.append(GrantWish(user, frozenset(Right(right) for right in rights)))
        return tuple(wishes)


def read(document: Mapping[str, object]) -> AccountSettings:
    """The settings a document describes, ports and defaults filled in. Raises Invalid naming every field that is wrong."""
    if not isinstance(document, Mapping):
        raise Invalid({"": "not-an-object"})
    reader = _Reader()
    reader.known("", document, _FIELDS)
    label = reader.text("label", document.get("label"), limit=120)
    address = reader.text("address", document.get("address"), limit=254)
    if address and not is_addr_spec(address):
        reader.wrong["address"] = "not-an-address"
    display_name = reader.text("display_name", document.get("display_name"), required=False)
    owner = reader.text("owner", document.get("owner"), required=False) or None
    scope = reader.choice("scope", document.get("scope"), Scope, Scope.PERSONAL if owner else Scope.SHARED, "scope")
    incoming = reader.endpoint("incoming", document.get("incoming"), "imap", set())
    outgoing = reader.endpoint("outgoing", document.get("outgoing"), "smtp", {"authentication", "login"})
    way_out = reader.section("outgoing", document.get("outgoing")) or {}
    login = reader.login("login", document.get("login"))
    outgoing_login = reader.login("outgoing.login", way_out.get("login"))
    authentication = reader.choice(
        "outgoing.authentication",
        way_out.get("authentication"),
        Authentication,
        Authentication.OWN if outgoing_login else Authentication.SAME if login else Authentication.NONE,
        "authentication",
    )
    kind = reader.choice(
        "kind",
        document.get("kind"),
        Kind,
        Kind.SYNCHRONISED if document.get("incoming") or not document.get("outgoing") else Kind.SEND_ONLY,
        "kind",
    )
    wrong = reader.wrong
    if kind is Kind.SYNCHRONISED and "kind" not in wrong and document.get("incoming") is None:
        wrong.setdefault("incoming", "missing")
    if kind is Kind.SEND_ONLY and document.get("incoming") is not None:
        wrong.setdefault("incoming", "contradiction")
    if kind is Kind.SEND_ONLY and document.get("outgoing") is None:
        wrong.setdefault("outgoing", "missing")
    if login is None and (incoming or (outgoing and authentication is Authentication.SAME)):
        wrong.setdefault("login", "missing")
    if outgoing and authentication is Authentication.OWN and outgoing_login is None:
        wrong.setdefault("outgoing.login", "missing")
    if outgoing_login and authentication is not Authentication.OWN:
        wrong.setdefault("outgoing.login", "contradiction")
    grants = reader.grants(document.get("grants"))
    if wrong:
        raise Invalid(wrong)
    return AccountSettings(
        label,
        kind,
        scope,
        address,
        display_name,
        owner,
        incoming,
        outgoing,
        authentication,
        login,
        outgoing_login,
        grants,
    )
