"""The account document: how the settings of a mailbox (`mail.settings`) are read from JSON.

The same document is spoken by form, API and command line. `read` accepts what this release can do and refuses everything
else by name: an unknown field or a value a later release will bring is `Invalid`, never ignored. What contradicts itself is
refused at the field that would have to change.

This module does not know the store, users or whether a label is taken; the office checks those.
"""

from __future__ import annotations

from collections.abc import Mapping

from poststelle.errors import Invalid
from poststelle.mail.document import Fields
from poststelle.mail.document_parts import Parts
from poststelle.mail.ports import Role
from poststelle.mail.settings import (
    AccountSettings,
    AfterImport,
    Authentication,
    Endpoint,
    Kind,
    Mechanism,
    Receiving,
    Scope,
    Sending,
    SentCopy,
)

_FIELDS = {
    "label", "kind", "scope", "owner", "address", "display_name", "organisation", "reply_to", "signature", "identities",
    "office_account", "active", "incoming", "outgoing", "login", "receiving", "sending", "grants", "version", "roles",
}  # fmt: skip
_GIVEN = (Role.SENT, Role.DRAFTS, Role.TRASH, Role.SPAM, Role.ARCHIVE)
_FOLDER_CHOICES = ("subscribed_only", "all_folders", "inbox_is_root")


def read(document: Mapping[str, object]) -> AccountSettings:
    """The settings a document describes, ports and defaults filled in. Raises Invalid naming every field that is wrong."""
    if not isinstance(document, Mapping):
        raise Invalid({"": "not-an-object"})
    fields = Fields()
    fields.known("", document, _FIELDS)
    settings = _read(Parts(fields), document)
    _check(fields, document, settings)
    if fields.wrong:
        raise Invalid(fields.wrong)
    return settings


def _read(parts: Parts, document: Mapping[str, object]) -> AccountSettings:
    fields = parts.fields
    incoming = parts.endpoint("incoming", document.get("incoming"), ("imap", "pop3"))
    outgoing, outgoing_server = parts.way_out(document.get("outgoing"))
    login, login_of = parts.login("login", document.get("login"))
    way_out = fields.section("outgoing", document.get("outgoing")) or {}
    own, own_of = parts.login("outgoing.login", way_out.get("login"))
    kind = fields.choice("kind", document.get("kind"), Kind, _usual_kind(document, incoming))
    owner = fields.text("owner", document.get("owner"), required=False) or None
    return AccountSettings(
        label=fields.text("label", document.get("label"), limit=120),
        kind=kind,
        scope=fields.choice("scope", document.get("scope"), Scope, Scope.PERSONAL if owner else Scope.SHARED),
        address=fields.address("address", document.get("address"), required=kind is not Kind.ARCHIVE),
        display_name=fields.text("display_name", document.get("display_name"), required=False),
        owner=owner,
        incoming=incoming,
        outgoing=outgoing,
        authentication=fields.choice(
            "outgoing.authentication",
            way_out.get("authentication"),
            Authentication,
            _usual_authentication(shared=bool(outgoing_server), own=bool(own or own_of), same=bool(login or login_of)),
        ),
        login=login,
        outgoing_login=own,
        grants=parts.grants(document.get("grants")),
        organisation=fields.text("organisation", document.get("organisation"), required=False),
        reply_to=fields.address("reply_to", document.get("reply_to"), required=False),
        signature=parts.signature("signature", document.get("signature")),
        active=fields.boolean("active", document.get("active"), default=True),
        is_office_account=fields.boolean("office_account", document.get("office_account"), default=False),
        receiving=_receiving(fields, document.get("receiving"), incoming),
        sending=_sending(fields, document.get("sending")),
        identities=parts.identities(document.get("identities")),
        login_of=login_of,
        outgoing_login_of=own_of,
        outgoing_server=outgoing_server,
        version=fields.number("version", document.get("version"), None, 1, 2**31),
        roles=_roles(fields, document.get("roles")),
    )


def _usual_kind(document: Mapping[str, object], incoming: Endpoint | None) -> Kind:
    if incoming is not None and incoming.protocol == "pop3":
        return Kind.FETCH_ONLY
    return Kind.SYNCHRONISED if document.get("incoming") or not document.get("outgoing") else Kind.SEND_ONLY


def _usual_authentication(*, shared: bool, own: bool, same: bool) -> Authentication:
    if own:
        return Authentication.OWN
    if shared:
        return Authentication.SERVER
    return Authentication.SAME if same else Authentication.NONE


def _receiving(fields: Fields, value: object, incoming: Endpoint | None) -> Receiving:
    where, usual = "receiving", Receiving()
    document = fields.section(where, value) or {}
    fields.known(f"{where}.", document, set(Receiving.__dataclass_fields__))
    folders = incoming is None or incoming.protocol == "imap"

    def on(name: str, default: bool) -> bool:  # noqa: FBT001 - a field's default
        return fields.boolean(f"{where}.{name}", document.get(name), default=default)

    return Receiving(
        included=on("included", usual.included),
        automatic=on("automatic", usual.automatic),
        push=on("push", folders and usual.push),
        interval_minutes=fields.number(
            f"{where}.interval_minutes", document.get("interval_minutes"), usual.interval_minutes, 1, 10_080
        )
        or usual.interval_minutes,
        background=on("background", usual.background),
        since=fields.date(f"{where}.since", document.get("since")),
        after_import=fields.choice(
            f"{where}.after_import", document.get("after_import"), AfterImport, usual.after_import
        ),
        after_days=fields.number(f"{where}.after_days", document.get("after_days"), usual.after_days, 1, 3650)
        or usual.after_days,
        subscribed_only=on("subscribed_only", usual.subscribed_only),
        all_folders=on("all_folders", folders and usual.all_folders),
        inbox_is_root=on("inbox_is_root", usual.inbox_is_root),
        files_for=fields.text(f"{where}.files_for", document.get("files_for"), required=False, limit=120),
    )


def _sending(fields: Fields, value: object) -> Sending:
    document = fields.section("sending", value) or {}
    fields.known("sending.", document, set(Sending.__dataclass_fields__))
    copy = fields.choice("sending.sent_copy", document.get("sent_copy"), SentCopy, SentCopy.AUTOMATIC)
    folder = fields.text("sending.sent_folder", document.get("sent_folder"), required=copy is SentCopy.FOLDER, limit=64)
    included = fields.boolean("sending.included", document.get("included"), default=True)
    files_for = fields.text("sending.files_for", document.get("files_for"), required=False, limit=120)
    return Sending(included, copy, folder if copy is SentCopy.FOLDER else "", files_for)


def _roles(fields: Fields, value: object) -> dict[Role, tuple[str, ...]]:
    document = fields.section("roles", value) or {}
    fields.known("roles.", document, {role.value for role in _GIVEN})
    found = {role: fields.path(f"roles.{role.value}", document.get(role.value)) for role in _GIVEN}
    return {role: path for role, path in found.items() if path}


def _check(fields: Fields, document: Mapping[str, object], settings: AccountSettings) -> None:
    """What cannot be together, at the field that would have to change."""
    wrong, kind = fields.wrong, settings.kind
    given = {name for name in ("incoming", "outgoing", "login") if document.get(name) is not None}
    if "kind" in wrong:
        return
    if kind is Kind.ARCHIVE:
        for name in given:
            wrong.setdefault(name, "archive-has-no-server")
        if settings.is_office_account:
            wrong.setdefault("office_account", "contradiction")
        return
    _check_ways(wrong, kind, settings, given)
    _check_logins(wrong, settings)
    if settings.incoming is not None and settings.incoming.protocol == "pop3":
        for name in _FOLDER_CHOICES:
            if getattr(settings.receiving, name):
                wrong.setdefault(f"receiving.{name}", "folders-need-imap")
        if settings.receiving.after_import is AfterImport.TRASH:
            wrong.setdefault("receiving.after_import", "trash-needs-imap")
    if settings.roles and (settings.incoming is None or settings.incoming.protocol != "imap"):
        wrong.setdefault("roles", "folders-need-imap")
    if settings.is_office_account and not settings.sending.included:
        wrong.setdefault("sending.included", "contradiction")


def _check_ways(wrong: dict[str, str], kind: Kind, settings: AccountSettings, given: set[str]) -> None:
    incoming = settings.incoming
    if kind is Kind.SEND_ONLY:
        if "incoming" in given:
            wrong.setdefault("incoming", "contradiction")
        if "outgoing" not in given:
            wrong.setdefault("outgoing", "missing")
    elif "incoming" not in given:
        wrong.setdefault("incoming", "missing")
    elif incoming is not None and (incoming.protocol == "pop3") != (kind is Kind.FETCH_ONLY):
        wrong.setdefault("kind", "contradiction")


def _check_logins(wrong: dict[str, str], settings: AccountSettings) -> None:
    authentication = settings.authentication
    has_login = settings.login is not None or settings.login_of
    has_own = settings.outgoing_login is not None or settings.outgoing_login_of
    sends = settings.outgoing is not None or bool(settings.outgoing_server)
    if not has_login and (settings.incoming or (sends and authentication is Authentication.SAME)):
        wrong.setdefault("login", "missing")
    if sends and authentication is Authentication.OWN and not has_own:
        wrong.setdefault("outgoing.login", "missing")
    if has_own and authentication is not Authentication.OWN:
        wrong.setdefault("outgoing.login", "contradiction")
    if authentication is Authentication.SERVER and settings.outgoing is not None:
        wrong.setdefault("outgoing.authentication", "contradiction")
    for way, endpoint in (("incoming", settings.incoming), ("outgoing", settings.outgoing)):
        if endpoint is not None and endpoint.encryption.value == "none" and endpoint.certificate.mode.value != "strict":
            wrong.setdefault(f"{way}.certificate.mode", "contradiction")
    login = settings.login
    if login is not None and login.mechanism is Mechanism.EXTERNAL and login.password is not None:
        wrong.setdefault("login.password", "contradiction")
    if settings.is_office_account and settings.scope is Scope.PERSONAL:
        wrong.setdefault("office_account", "contradiction")
