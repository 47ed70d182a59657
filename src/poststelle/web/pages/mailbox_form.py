"""The mailbox form: its fields, what they hold, and the account document they make (`mail.settings`).

Names of fields are the dotted paths of the document, so that what the office finds wrong stands beside the right field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from poststelle.errors import Invalid
from poststelle.mail.records import AccountRecord, UserRecord
from poststelle.mail.settings import DEFAULT_PORTS, Authentication, Encryption, Kind, Right, Scope
from poststelle.office.account_documents import grant_document
from poststelle.office.actor import Actor
from poststelle.web.fields import Field, choices
from poststelle.web.names import AUTHENTICATIONS, ENCRYPTIONS, KINDS, RIGHTS, SCOPES

_PLAIN = (
    "label", "address", "display_name", "kind", "scope", "owner", "login.username", "incoming.host", "incoming.port",
    "incoming.encryption", "outgoing.host", "outgoing.port", "outgoing.encryption", "outgoing.authentication",
    "outgoing.login.username",
)  # fmt: skip

STEPS: Mapping[str, Any] = {
    "resolve": gettext_lazy("Find the server"),
    "connect": gettext_lazy("Connect"),
    "tls": gettext_lazy("Encryption and certificate"),
    "greeting": gettext_lazy("Greeting"),
    "login": gettext_lazy("Log in"),
    "folders": gettext_lazy("List the folders"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A group of fields; `name` is its element's class."""

    name: str
    title: str
    help: str
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One person's row in the table of rights."""

    user: UserRecord
    cells: Sequence[tuple[str, Any, bool]]
    """Name of the checkbox, what the right is called, whether it is ticked."""


def fresh(actor: Actor) -> dict[str, str]:
    """A new form: everything encrypted, all rights for whoever adds the mailbox."""
    values = {
        "kind": Kind.SYNCHRONISED.value, "scope": Scope.SHARED.value, "incoming.encryption": Encryption.TLS.value,
        "outgoing.encryption": Encryption.TLS.value, "outgoing.authentication": Authentication.SAME.value,
    }  # fmt: skip
    if actor.user is not None:
        values |= {_grant_name(actor.user.id, right): "1" for right in Right} | {"owner": actor.user.id}
    return values


def typed(post: QueryDict) -> dict[str, str]:
    """What was typed, passwords left out."""
    return {name: value for name, value in post.items() if isinstance(value, str) and not name.endswith("password")}


def stored(record: AccountRecord) -> dict[str, str]:
    """What is stored, without secrets."""
    values = {
        "label": record.label, "address": record.address, "display_name": record.display_name, "kind": record.kind.value,
        "scope": record.scope.value, "owner": record.owner.id if record.owner else "",
        "outgoing.authentication": record.authentication.value,
    }  # fmt: skip
    for way, endpoint in (("incoming", record.incoming), ("outgoing", record.outgoing)):
        values[f"{way}.encryption"] = endpoint.encryption.value if endpoint else Encryption.TLS.value
        if endpoint:
            values |= {f"{way}.host": endpoint.host, f"{way}.port": str(endpoint.port)}
    if record.login:
        values["login.username"] = record.login.username
    if record.outgoing_login:
        values["outgoing.login.username"] = record.outgoing_login.username
    for grant in record.grants:
        if grant.user is not None and not grant.folder:
            values |= {_grant_name(grant.user.id, right): "1" for right in grant.rights}
    return values


def document(post: QueryDict) -> dict[str, object]:
    """The account document the form describes. Empty ports follow the encryption; an empty password is not named."""
    values = {name: post.get(name, "").strip() for name in _PLAIN}
    kind, authentication = values["kind"], values["outgoing.authentication"]
    scope = values["scope"]
    made: dict[str, object] = {
        "label": values["label"], "address": values["address"], "display_name": values["display_name"] or None,
        "kind": kind, "scope": scope, "owner": values["owner"] if scope == Scope.PERSONAL.value else None,
        "incoming": _endpoint(values, "incoming", "imap") if kind != Kind.SEND_ONLY.value else None,
        "outgoing": None,
    }  # fmt: skip
    if values["outgoing.host"] or kind == Kind.SEND_ONLY.value:
        own = authentication == Authentication.OWN.value
        login = _login(post, "outgoing.login") if own else None
        made["outgoing"] = _endpoint(values, "outgoing", "smtp") | {"authentication": authentication, "login": login}
    needed = made["incoming"] is not None or authentication == Authentication.SAME.value
    made["login"] = _login(post, "login") if needed or values["login.username"] else None
    made["grants"] = _grants(post)
    return made


def _endpoint(values: Mapping[str, str], way: str, protocol: str) -> dict[str, object]:
    encryption, port = values[f"{way}.encryption"], values[f"{way}.port"]
    known = encryption in {one.value for one in Encryption}
    number: object = int(port) if port.isascii() and port.isdecimal() and len(port) < 10 else port
    if not port and known:
        number = DEFAULT_PORTS[protocol, Encryption(encryption)]
    return {"protocol": protocol, "host": values[f"{way}.host"], "encryption": encryption, "port": number}


def _login(post: QueryDict, where: str) -> dict[str, object]:
    login: dict[str, object] = {"username": post.get(f"{where}.username", "").strip()}
    if password := post.get(f"{where}.password", ""):
        login["password"] = password
    return login


def kept(record: AccountRecord, made: dict[str, object]) -> dict[str, object]:
    """The document with what this form does not show left as it is: grants to groups and on folders, a shared way out."""
    grants = made["grants"]
    assert isinstance(grants, list)
    made["grants"] = grants + [grant_document(one) for one in record.grants if one.group is not None or one.folder]
    if made["outgoing"] is None and record.outgoing is None:
        del made["outgoing"]
    return made


def _grant_name(user: str, right: Right) -> str:
    return f"grant.{user}.{right.value}"


def _grants(post: QueryDict) -> list[dict[str, object]]:
    rights: dict[str, list[str]] = {}
    for name in post:
        if name.startswith("grant.") and name.count(".") == 2:
            user, right = name.split(".")[1:]
            rights.setdefault(user, []).append(right)
    return [{"user": user, "rights": given} for user, given in rights.items()]


def check_grants(post: QueryDict) -> None:
    """A mailbox nobody administers could never be changed again. Raises Invalid({"grants": "nobody-administers"})."""
    if not any(name.startswith("grant.") and name.endswith(f".{Right.ADMINISTER.value}") for name in post):
        raise Invalid({"grants": "nobody-administers"})


def grants_table(values: Mapping[str, str], known: Sequence[UserRecord]) -> list[GrantRow]:
    """Who may: one row per person."""
    return [
        GrantRow(
            user,
            [(_grant_name(user.id, right), RIGHTS[right], _grant_name(user.id, right) in values) for right in RIGHTS],
        )
        for user in known
    ]


def sections(
    values: Mapping[str, str], wrong: Mapping[str, str], known: Sequence[UserRecord], *, editing: bool
) -> list[Section]:
    """The form, section by section."""

    def field(name: str, label: str, kind: str = "text", **more: Any) -> Field:
        return Field(name, label, kind, values.get(name, ""), error=wrong.get(name, ""), **more)

    kept = _("Leave empty to keep the stored one.") if editing else ""
    owners = [(user.id, f"{user.name} ({user.email})") for user in known]
    return [
        Section("identity", _("Who it is"), "", [
            field("address", _("E-mail address"), "email", placeholder="kanzlei@example.org", required=True),
            field("label", _("Label"), help=_("What everybody sees in the folder tree."), required=True),
            field("display_name", _("Sender name"), help=_("The name recipients read beside the address.")),
            field("kind", _("What it does"), "select", choices=choices(KINDS)),
            field("scope", _("Whose it is"), "select", choices=choices(SCOPES)),
            field("owner", _("Owner"), "select", choices=owners),
        ]),
        Section("login", _("Log-in"), _("Used for receiving and, unless you choose otherwise below, for sending."), [
            field("login.username", _("User name"), help=_("Often the whole e-mail address.")),
            field("login.password", _("Password"), "password", help=kept, autocomplete="new-password"),
        ]),
        Section("incoming", _("Receiving"), "", _server(field, "incoming", "imap.example.org")),
        Section("outgoing", _("Sending"), _("Leave the server empty if nothing is sent from this mailbox."), [
            *_server(field, "outgoing", "smtp.example.org"),
            field("outgoing.authentication", _("Log-in for sending"), "select", choices=choices(AUTHENTICATIONS)),
            field("outgoing.login.username", _("User name for sending")),
            field("outgoing.login.password", _("Password for sending"), "password", help=kept, autocomplete="new-password"),
        ]),
    ]  # fmt: skip


def _server(field: Any, way: str, example: str) -> list[Field]:
    return [
        field(f"{way}.host", _("Server"), placeholder=example),
        field(f"{way}.encryption", _("Encryption"), "select", choices=choices(ENCRYPTIONS)),
        field(f"{way}.port", _("Port"), "number", help=_("Empty: the usual one for this encryption.")),
    ]


def step_name(direction: str, name: str) -> str:
    """What a step of the test is called."""
    way = _("Receiving") if direction == "incoming" else _("Sending")
    return f"{way}: {STEPS.get(name, name)}"


def step_found(name: str, detail: Mapping[str, object]) -> str:
    """What a step found out, in a few words."""
    if name == "resolve" and isinstance(addresses := detail.get("addresses"), list):
        return ", ".join(addresses[:3])
    if name == "folders" and isinstance(count := detail.get("count"), int):
        return ngettext("%(count)s folder", "%(count)s folders", count) % {"count": count}
    if name == "login":
        return str(detail.get("username", ""))
    if name == "tls":
        return str(detail.get("tls", ""))
    return ""
