"""What the mailbox form shows: its sections and fields.

What the fields mean for the account document is `mailbox_form`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord, LoginRecord, OutgoingServerRecord, UserRecord
from poststelle.mail.settings import AfterImport, Kind
from poststelle.web.fields import Field, choices
from poststelle.web.names import (
    AFTER_IMPORT,
    AUTHENTICATIONS,
    CERTIFICATES,
    ENCRYPTIONS,
    KINDS,
    MECHANISMS,
    OWNERSHIPS,
    RIGHTS,
    ROLES,
    SENT_COPIES,
    path_name,
)
from poststelle.web.pages.mailbox_form import GROUP, RECEIVES, SENDS, USUAL, WITH_FOLDERS, flat, grant_name, when

TLS_VERSIONS = [("1.2", "TLS 1.2"), ("1.3", "TLS 1.3"), ("1.1", "TLS 1.1"), ("1.0", "TLS 1.0")]
_NEW_SENDERS = 2
_CHOSEN_ROLES = (Role.SENT, Role.DRAFTS, Role.TRASH, Role.SPAM, Role.ARCHIVE)


@dataclass(frozen=True, slots=True)
class Section:
    """A group of fields; `name` is its element's class, `when` as for a field. `folded`: shown as details, open after a mistake."""

    name: str
    title: str
    help: str
    fields: Sequence[Field]
    when: str = ""
    folded: bool = False

    @property
    def opened(self) -> bool:
        """Something in it needs a look."""
        return any(field.error for field in self.fields)


@dataclass(frozen=True, slots=True)
class GrantRow:
    """The row of a person or a group in the table of rights."""

    name: str
    address: str
    cells: Sequence[tuple[str, Any, bool]]
    """Name of the checkbox, what the right is called, whether it is ticked."""


@dataclass(frozen=True, slots=True)
class Known:
    """What can be chosen in the form: people, log-ins and servers of their own, folders for what is sent (id, mailbox, path, role)."""

    users: Sequence[UserRecord] = ()
    logins: Sequence[LoginRecord] = ()
    servers: Sequence[OutgoingServerRecord] = ()
    groups: Sequence[str] = ()
    sent_folders: Sequence[tuple[str, str, Sequence[str], Role]] = ()
    typed: frozenset[str] = frozenset()
    """Names of secrets that were typed and wait (`web.typed_secrets`)."""
    administers: bool = False
    """Whether whoever fills it in is an administrator."""
    filed_by: str = ""
    """The provider that files all this mailbox sends, so that the office's links to log in cannot go through it."""


class MakeField(Protocol):
    """Makes a field with its value, error and condition filled in."""

    def __call__(self, name: str, label: str, kind: str = "text", **more: Any) -> Field: ...


def grants_table(values: Mapping[str, str], known: Known) -> list[GrantRow]:
    """Who may: one row per group and person."""
    everybody = [(_("Group: %(name)s") % {"name": one}, "", f"{GROUP}{one}") for one in known.groups]
    everybody += [(user.name, user.email, user.id) for user in known.users]
    return [
        GrantRow(
            name, address,
            [(tick := grant_name(who, right.value), RIGHTS[right], tick in values) for right in RIGHTS],
        )
        for name, address, who in everybody
    ]  # fmt: skip


def sections(
    values: Mapping[str, str], wrong: Mapping[str, str], known: Known, record: AccountRecord | None
) -> list[Section]:
    """The form, section by section."""

    def field(name: str, label: str, kind: str = "text", **more: Any) -> Field:
        if name in known.typed:
            more["help"] = _("Typed already. Leave it empty to keep that.")
        return Field(name, label, kind, values.get(name, ""), error=wrong.get(name, ""), when=when(name), **more)

    kept = _("Leave empty to keep the stored one.") if record else ""
    return [
        _identity(field, known, record),
        _login(field, known, kept),
        Section("incoming", _("Receiving"), "", [
            *_server(field, "incoming", "imap.example.org"),
        ], RECEIVES),
        Section("outgoing", _("Sending"), "", [
            field("outgoing.server", _("Outgoing server"), "select", choices=_servers(known)),
            *_server(field, "outgoing", "smtp.example.org"),
            field("outgoing.authentication", _("Log-in for sending"), "select", choices=choices(AUTHENTICATIONS)),
            field("outgoing.login.login", _("Stored log-in for sending"), "select", choices=_logins(known, _("Own, for this mailbox only"))),
            field("outgoing.login.username", _("User name for sending")),
            field("outgoing.login.password", _("Password for sending"), "password", help=kept, autocomplete="new-password"),
        ], SENDS),
        _receiving(field, known, record),
        _folders(field, values, record),
        _sending(field, known, record),
        _senders(field, values),
        _certificates(field),
    ]  # fmt: skip


def _identity(field: MakeField, known: Known, record: AccountRecord | None) -> Section:
    owners = [(user.id, f"{user.name} ({user.email})") for user in known.users]
    kind = record.kind if record else None
    kinds = {
        one: shown for one, shown in KINDS.items() if not record or (one is Kind.ARCHIVE) == (kind is Kind.ARCHIVE)
    }
    return Section("identity", _("Who it is"), "", [
        field("address", _("E-mail address"), "email", placeholder="kanzlei@example.org", required=kind is not Kind.ARCHIVE),
        field("label", _("Label"), help=_("What everybody sees in the folder tree."), required=True),
        field("display_name", _("Sender name"), help=_("The name recipients read beside the address.")),
        field("kind", _("What it does"), "select", choices=choices(kinds)),
        field("scope", _("Whose it is"), "select", choices=choices(OWNERSHIPS)),
        field("owner", _("Owner"), "select", choices=owners),
        *([] if kind is Kind.ARCHIVE else [
            field("active", _("Active: mail is fetched and sent"), "check"),
            *_office(field, known, record),
        ]),
        field("version", "", "hidden"),
    ])  # fmt: skip


def _office(field: MakeField, known: Known, record: AccountRecord | None) -> list[Field]:
    """Whether it is the office account: for administrators, and for others as long as it is."""
    if not (known.administers or (record is not None and record.is_office_account)):
        return []
    told = _("%(provider)s files everything sent here: links to choose a password would not be mailed from it.")
    caution = told % {"provider": known.filed_by} if known.filed_by else ""
    return [field("office_account", _("Office account: sends for the office itself"), "check", help=caution)]


def _login(field: MakeField, known: Known, kept: str) -> Section:
    told = _("Used for receiving and, unless you choose otherwise below, for sending.")
    return Section("login", _("Log-in"), told, [
        *([field("login.login", _("Stored log-in"), "select", choices=_logins(known, _("Own, for this mailbox only")),
                 help=_("One password for several mailboxes, changed in one place."))] if known.logins else []),
        field("login.username", _("User name"), help=_("Often the whole e-mail address.")),
        field("login.password", _("Password"), "password", help=kept, autocomplete="new-password"),
        field("login.by_owner", _("The owner enters the password by a link"), "check",
              help=_("Save without a password, then create the link on the mailbox's page. Nobody here sees the password.")),
        field("login.mechanism", _("Log-in method"), "select", choices=choices(MECHANISMS)),
        field("login.domain", _("Windows domain"), help=_("Only where the user name is written DOMAIN\\name.")),
        field("login.client_certificate", _("Client certificate with key (PEM)"), "textarea", help=kept),
    ], SENDS)  # fmt: skip


def _files_for(field: MakeField, known: Known, name: str, label: str) -> list[Field]:
    """Who may have files: everybody who may see the mail, or one of the groups the office has."""
    if not known.groups:
        return []
    everybody = ("", _("everybody who may see it"))
    return [
        field(
            name,
            label,
            "select",
            choices=[everybody, *((one, _("Group: %(name)s") % {"name": one}) for one in known.groups)],
        )
    ]


def _after_import_help(known: Known, record: AccountRecord | None) -> str:
    """What to mind: a trash that is not there, or the space that what is left on the server takes."""
    roles = {role for _number, of, _path, role in known.sent_folders if record is not None and of == record.label}
    wants_trash = record is not None and record.receiving.after_import is AfterImport.TRASH
    if wants_trash and roles and Role.TRASH not in roles:
        return _(
            "This mailbox has no folder for trash, so messages stay on the server. Create one on its page “Folders”."
        )
    return _space(record)


def _space(record: AccountRecord | None) -> str:
    if record is None or record.quota is None or not record.quota[1]:
        return _("What stays on the server fills the space there; the test and the health board say how full it is.")
    used, limit = record.quota
    told = _("What stays on the server fills the space there: %(used)s of %(limit)s are taken (%(percent)s %%).")
    return told % {
        "used": filesizeformat(used),
        "limit": filesizeformat(limit),
        "percent": round(100 * used / limit),
    }


def _receiving(field: MakeField, known: Known, record: AccountRecord | None) -> Section:
    return Section("choices", _("How mail comes in"), "", [
        field("receiving.included", _("Receive: new mail is fetched"), "check"),
        field("receiving.automatic", _("By itself; otherwise only by Send/receive"), "check"),
        field("receiving.push", _("At once, when the server tells of it"), "check"),
        field("receiving.background", _("Keep everything here; otherwise only look at it live"), "check"),
        field("receiving.interval_minutes", _("Look every … minutes"), "number"),
        field("receiving.since", _("Treat as new only since"), "date", help=_("Older mail is kept and can be searched, nothing more.")),
        field("receiving.after_import", _("A message that has been fetched"), "select", choices=choices(AFTER_IMPORT),
              offered={AfterImport.TRASH.value: WITH_FOLDERS}, help=_after_import_help(known, record)),
        field("receiving.after_days", _("Deleted on the server after … days"), "number"),
        *_files_for(field, known, "receiving.files_for", _("Files of what comes in are for")),
    ], RECEIVES, folded=True)  # fmt: skip


def _folders(field: MakeField, values: Mapping[str, str], record: AccountRecord | None) -> Section:
    fields = [
        field("receiving.all_folders", _("Fetch all folders; otherwise the inbox and the subscribed ones"), "check"),
        field("receiving.subscribed_only", _("Show subscribed folders only"), "check"),
        field("receiving.inbox_is_root", _("All folders hang below INBOX"), "check"),
    ]
    if record is not None:
        return Section("choices", _("Folders"), "", fields, WITH_FOLDERS, folded=True)
    told = _("The test shows the folders there are; then you can choose which is for what.")
    for role in _CHOSEN_ROLES:
        name = f"roles.{role.value}"
        chosen = values.get(name, "")
        usual = [("", _("as the server says"))]
        fields.append(
            field(name, str(ROLES[role]), "select", choices=[*usual, *([(chosen, _path(chosen))] if chosen else [])])
        )
    return Section("choices folders", _("Folders"), told, fields, WITH_FOLDERS, folded=True)


def _as_text(path: object) -> str:
    """As the script writes it, so that the two are the same choice."""
    return json.dumps(path, separators=(",", ":"), ensure_ascii=False)


def _path(text: str) -> str:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return path_name([str(name) for name in names]) if isinstance(names, list) else text


def _sending(field: MakeField, known: Known, record: AccountRecord | None) -> Section:
    own = record.label if record is not None else ""
    folders = [
        (number, path_name(path, role) if of == own else f"{of} / {path_name(path, role)}")
        for number, of, path, role in known.sent_folders
    ]
    return Section("choices", _("How mail goes out"), "", [
        field("sending.included", _("Send: is offered as sender"), "check"),
        field("sending.sent_copy", _("Copy of sent mail"), "select", choices=choices(SENT_COPIES)),
        field("sending.sent_folder", _("Folder for sent mail"), "select", choices=[("", "–"), *folders]),
        *_files_for(field, known, "sending.files_for", _("Files of what goes out are for")),
    ], SENDS, folded=True)  # fmt: skip


def _senders(field: MakeField, values: Mapping[str, str]) -> Section:
    numbers = sorted(
        {int(name.split(".")[1]) for name in values if name.startswith("identity.") and name.split(".")[1].isdecimal()}
    )
    last = numbers[-1] + 1 if numbers else 0
    rows = [*numbers, *range(last, last + _NEW_SENDERS)]
    fields = [
        field("organisation", _("Organisation")),
        field("reply_to", _("Answers go to"), "email"),
        field(
            "signature.text",
            _("Signature"),
            "textarea",
            help=_(
                "The text form of this mailbox's HTML signature: letters written here are plain text and carry it. Changed here, the HTML form goes."
            )
            if values.get("signature.html")
            else _("{name} and {email} stand for the person who writes, {date} for today."),
        ),
        field(
            "signature.template",
            _("Text template instead of a signature"),
            "textarea",
            help=_("What every letter begins with, answers too."),
        ),
        field("signature.not_on_replies", _("No signature below answers and forwarded mail"), "check"),
    ]
    for number in rows:
        more = (
            {"help": _("An alias this mailbox may send from; empty the line to take it away.")}
            if number == rows[0]
            else {}
        )
        fields += [
            field(f"identity.{number}.address", _("Further sender: address"), "email", **more),
            field(f"identity.{number}.display_name", _("Sender name")),
            field(f"identity.{number}.organisation", _("Organisation")),
            field(f"identity.{number}.reply_to", _("Answers go to"), "email"),
            field(f"identity.{number}.signature", _("Signature"), "textarea", help=_("Empty: that of the mailbox.")),
        ]
    shown = [one if one.when else replace(one, when=SENDS) for one in fields]
    return Section("senders", _("Senders and signature"), "", shown, SENDS, folded=True)


def _certificates(field: MakeField) -> Section:
    fields = []
    for way, name in (("incoming", _("Receiving")), ("outgoing", _("Sending"))):
        fields += [
            field(f"{way}.certificate.mode", _("Certificate: %(way)s") % {"way": name}, "select", choices=choices(CERTIFICATES)),
            field(f"{way}.certificate.fingerprint", _("Fingerprint (SHA-256)")),
            field(f"{way}.certificate.key", _("Fingerprint of its key (SHA-256)")),
            field(f"{way}.certificate.name", _("Name in the certificate")),
            field(f"{way}.certificate.until", _("Until"), "date"),
            field(f"{way}.minimum_tls", _("Oldest TLS allowed: %(way)s") % {"way": name}, "select", choices=TLS_VERSIONS),
            field(f"{way}.plain_text_allowed", _("The password may go unencrypted: %(way)s") % {"way": name}, "check"),
            field(f"{way}.exception_reason", _("Why this exception: %(way)s") % {"way": name}, help=why_help()),
        ]  # fmt: skip
    told = _("Every exception is shown as a warning, stands in the journal and in the list of exceptions.")
    return Section("certificates", _("Certificate and security"), told, fields, SENDS, folded=True)


def why_help() -> str:
    """What to write as reason of an exception."""
    return _("For whoever asks later, for example: own certificate of our server, fingerprint compared by telephone.")


def _server(field: MakeField, way: str, example: str) -> list[Field]:
    return [
        field(f"{way}.host", _("Server"), placeholder=example),
        field(f"{way}.encryption", _("Encryption"), "select", choices=choices(ENCRYPTIONS)),
        field(f"{way}.port", _("Port"), "number", help=_("Empty: the usual one for this encryption.")),
    ]


def _servers(known: Known) -> list[tuple[str, str]]:
    return [
        ("", _("Own, named below")),
        (USUAL, _("The usual one of person, office or installation")),
        *((one.label, f"{one.label} ({one.endpoint.host})") for one in known.servers),
    ]


def _logins(known: Known, none: str) -> list[tuple[str, str]]:
    return [("", none), *((one.label, f"{one.label} ({one.username})") for one in known.logins if one.label)]


def identity_values(record: AccountRecord) -> dict[str, str]:
    """The senders of a mailbox as the form's rows."""
    return {
        f"identity.{number}.{name}": getattr(one, name)
        for number, one in enumerate(record.identities)
        for name in ("address", "display_name", "organisation", "reply_to")
    } | {
        f"identity.{number}.signature": one.signature.text
        for number, one in enumerate(record.identities)
        if one.signature is not None
    }


def by_row(wrong: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, senders by their row in the form."""
    return {f"identity.{name.removeprefix('identities.')}" if name.startswith("identities.") else name: told
            for name, told in wrong.items()}  # fmt: skip


def fix_fields(change: Mapping[str, object]) -> str:
    """What a remedy would change in the form, as JSON: names of fields and their values."""
    roles = change.get("roles")
    paths = {f"roles.{role}": _as_text(path) for role, path in roles.items()} if isinstance(roles, Mapping) else {}
    return json.dumps(dict(flat("", change)) | paths)
