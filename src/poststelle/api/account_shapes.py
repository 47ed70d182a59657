"""The account document as the OpenAPI document describes it. What is right and wrong about one the office says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.config import JsonDict

from poststelle.api.shapes import Shape

Protocol = Literal["imap", "pop3", "smtp", "ews", "graph"]
EncryptionName = Literal["none", "starttls", "tls"]
RightName = Literal["see", "process", "send-as", "send-on-behalf", "administer"]
_WRITE_ONLY: JsonDict = {"writeOnly": True}


class Certificate(Shape):
    """How the server's certificate is checked."""

    mode: Literal["strict", "pinned", "other-name", "unchecked"] = Field(
        "strict", description="`unchecked` for administrators only, and only where the installation allows it."
    )
    fingerprint: str | None = Field(None, description="For `pinned`: SHA-256 of the certificate, hexadecimal.")
    key: str | None = Field(None, description="For `pinned`: SHA-256 of its public key (SPKI), hexadecimal.")
    name: str | None = Field(None, description="For `other-name`: the name to find in it.")
    until: str | None = Field(None, description="For `unchecked`: the last day it counts; 90 days when absent.")


class Login(Shape):
    """User name and secret for a server, or a log-in that is an object of its own."""

    login: str | None = Field(None, description="Label or id of a log-in that is an object of its own.")
    username: str | None = Field(None, description="User name.")
    password: str | None = Field(None, description="Goes in and never comes out.", json_schema_extra=_WRITE_ONLY)
    mechanism: Literal["auto", "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "external"] = Field(
        "auto", description="`auto` takes the best one offered; `external` needs `client_certificate`."
    )
    domain: str | None = Field(None, description="Windows domain, where one is used.")
    client_certificate: str | None = Field(
        None,
        description="Certificate and private key, PEM. Goes in and never comes out.",
        json_schema_extra=_WRITE_ONLY,
    )
    by_owner: bool | None = Field(
        None, description="The secret comes later, through a hand-over link; a stored one is forgotten.",
        json_schema_extra=_WRITE_ONLY,
    )  # fmt: skip


class Server(Shape):
    """A server to talk to."""

    protocol: Protocol | None = Field(
        None, description="`imap` or `pop3` for the way in, `smtp` for the way out so far."
    )
    host: str | None = Field(None, description="Host name or address.")
    port: int | None = Field(None, description="1–65535; without it the usual one for protocol and encryption.")
    encryption: EncryptionName | None = Field(
        None, description="TLS from the first byte (the default), after STARTTLS, or none at all (administrators)."
    )
    certificate: Certificate | None = Field(None, description="Strict when absent.")
    minimum_tls: Literal["1.0", "1.1", "1.2", "1.3"] | None = Field(
        None, description="1.2 when absent; less for administrators only."
    )
    plain_text_allowed: bool | None = Field(
        None, description="The password may go over an unencrypted line. Administrators only."
    )
    exception_reason: str | None = Field(
        None,
        max_length=500,
        description="Why it is less safe than usual; in answers only for those who administer it. Forgotten where it is not, and with"
        " another exception unless said again.",
    )


class OutgoingServer(Server):
    """Where mail leaves: a server of the account's own, or (`server`) one that is an object of its own."""

    server: str | None = Field(None, description="Label or id of an outgoing server; then no host, port and so on.")
    authentication: Literal["none", "same", "own", "server"] | None = Field(
        None,
        description="Whether and how the way out logs in: not at all, as the way in does, with `login` below, or with the log-in of"
        " the outgoing server. `server` without a `server`: the user's, the office's or the installation's.",
    )
    login: Login | None = Field(None, description="Only with `own`.")


class Signature(Shape):
    """What a letter begins with: either a signature or a text template.

    In both `{name}` and `{email}` stand for the person who writes, `{address}` and `{organisation}` for the sender's, `{date}` for today.
    """

    text: str | None = Field(None, description="The signature as plain text.")
    html: str | None = Field(
        None,
        description="Its HTML form; without `text` the words are taken from it. Letters written here are plain text and carry `text`.",
    )
    template: str | None = Field(None, description="The text a letter begins with instead; it stays in answers.")
    not_on_replies: bool | None = Field(None, description="The signature is left out of replies and forwards.")


class Identity(Shape):
    """An alternative sender."""

    address: str = Field(description="Its address.")
    display_name: str | None = Field(None, description="The name recipients read; the account's when empty.")
    organisation: str | None = Field(None, description="Sent as Organization; the account's when empty.")
    reply_to: str | None = Field(None, description="Where answers go; the account's when empty.")
    signature: Signature | None = Field(None, description="The account's when absent.")


class Receiving(Shape):
    """How mail comes in."""

    included: bool | None = Field(None, description="False: never fetched, still readable.")
    automatic: bool | None = Field(None, description="False: only by Send/Receive.")
    push: bool | None = Field(None, description="Also as soon as the server says so.")
    interval_minutes: int | None = Field(None, description="Minutes between rounds, 1–10080.")
    background: bool | None = Field(None, description="False: live view, nothing kept beyond a cache.")
    since: str | None = Field(None, description="ISO date; older mail is kept and searchable, never routed.")
    after_import: Literal["leave", "delete", "delete-later", "trash"] | None = Field(
        None,
        description="What happens on the server once a message is safe here. `trash` needs IMAP; `delete-later` is after `after_days`.",
    )
    after_days: int | None = Field(None, description="For `delete-later`.")
    subscribed_only: bool | None = Field(None, description="Of the folder tree only what is subscribed.")
    all_folders: bool | None = Field(None, description="Fetch every folder, else the inbox and the subscribed ones.")
    inbox_is_root: bool | None = Field(None, description="The tree hangs below INBOX.")
    files_for: str | None = Field(
        None,
        description="Name or id of the group that may have the files of mail that came in; empty: whoever may see it.",
    )


class Sending(Shape):
    """How mail goes out."""

    included: bool | None = Field(None, description="False: not offered as sender.")
    sent_copy: Literal["automatic", "folder", "local", "none"] | None = Field(
        None, description="Where a copy of sent mail goes."
    )
    sent_folder: str | None = Field(None, description="For `folder`: id of a folder, possibly of another account.")
    files_for: str | None = Field(
        None,
        description="Name or id of the group that may have the files of mail that went out; empty: whoever may see it.",
    )


class Roles(Shape):
    """Which folder is for what, by its path, outermost name first (the step `folders` of a test lists them)."""

    sent: list[str] | None = Field(None, description="For copies of sent mail.")
    drafts: list[str] | None = Field(None, description="For drafts.")
    trash: list[str] | None = Field(None, description="For deleted mail.")
    spam: list[str] | None = Field(None, description="For spam.")
    archive: list[str] | None = Field(None, description="For what is done with.")


class Grant(Shape):
    """Who may do what with the account, or one folder of it."""

    user: str | None = Field(None, description="E-mail address or id of a user; either this or `group`.")
    group: str | None = Field(None, description="Name or id of a group.")
    rights: list[RightName] = Field(description="What they may do.")
    folder: str | None = Field(None, description="Id of the folder, if it is for one only (`see`, `process`).")
    from_: str | None = Field(None, alias="from", description="ISO date or moment it begins.")
    until: str | None = Field(None, description="ISO date (included) or moment it ends.")


class ExceptionShape(Shape):
    """An exception from safe connections."""

    way: Literal["incoming", "outgoing"] = Field(description="Which way.")
    what: str = Field(
        description="Stable word, such as `certificate-pinned`, `old-tls`, `plain-text`, `no-encryption`."
    )
    by: str = Field(description="Who made it.")
    at: str = Field(description="When (ISO).")
    reason: str = Field(description="Why, in their words; may be empty.")
    server: str = Field(
        description="Label of the outgoing server that brings it along; empty: it is the mailbox's or the server's own."
    )


class AccountChanges(Shape):
    """The account document; in a change, what is absent stays and null removes."""

    label: str | None = Field(None, description="What people call it; unique.")
    kind: Literal["synchronised", "fetch-only", "send-only", "archive"] | None = Field(
        None, description="`fetch-only` is POP3; an `archive` has no servers."
    )
    scope: Literal["personal", "shared", "system"] | None = Field(None, description="Whose it is.")
    owner: str | None = Field(None, description="E-mail address or id of the user it belongs to.")
    address: str | None = Field(None, description="The mailbox's own address.")
    display_name: str | None = Field(None, description="The name recipients read.")
    organisation: str | None = Field(None, description="Sent as Organization.")
    reply_to: str | None = Field(None, description="Where answers go.")
    signature: Signature | None = Field(None, description="Signature or text template.")
    identities: list[Identity] | None = Field(None, description="Alternative senders.")
    office_account: bool | None = Field(None, description="The one account the office itself sends from.")
    active: bool | None = Field(None, description="False: nothing is fetched or sent; its outbox waits.")
    incoming: Server | None = Field(None, description="Where mail comes from.")
    outgoing: OutgoingServer | None = Field(
        None,
        description="Where mail leaves. Absent: the user's, the office's or the installation's server, if there is one.",
    )
    login: Login | None = Field(
        None, description="In answers only for those who administer the account, and without the secret."
    )
    receiving: Receiving | None = Field(None, description="How mail comes in.")
    sending: Sending | None = Field(None, description="How mail goes out.")
    grants: list[Grant] | None = Field(
        None, description="Absent when adding: all rights to the owner, else to whoever adds it."
    )
    roles: Roles | None = Field(
        None, description="Folders for these purposes, whatever the server says. Never in answers."
    )
    version: int | None = Field(
        None, description="The version a change was made from; refused (409) when there is a newer one."
    )


class AccountDocument(AccountChanges):
    """The account document, the same in API and command line."""

    label: str = Field(description="What people call it; unique.")
    address: str = Field(description="The mailbox's own address; may be empty for an archive.")
    notice: str | None = Field(
        None,
        description="Version of the office's notice that has been read; needed where there is one. Never in answers.",
    )
