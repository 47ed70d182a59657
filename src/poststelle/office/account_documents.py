"""The account document at the counter: written from a record, changed by a partial one, and checked against who asks.

`mail.account_document` reads it; here is what needs a person or the configuration: exceptions from safe connections are an
administrator's, and certificates are left unchecked only where the installation allows it, for 90 days (RELIABILITY Q40, Q43).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.conf import settings as django_settings
from django.utils import timezone

from poststelle.errors import Invalid
from poststelle.mail.html import sanitise
from poststelle.mail.records import AccountRecord, GrantRecord, IdentityRecord, LoginRecord
from poststelle.mail.settings import AccountSettings, CertificateMode, Endpoint, Right, SentCopy, Signature
from poststelle.office.actor import Actor
from poststelle.store import logins, outgoing_servers, sent_copies

UNCHECKED_DAYS = 90
_EXCEPTING = {"certificate", "minimum_tls", "plain_text_allowed", "encryption"}
_FOLDER_CHOICES = ("subscribed_only", "all_folders", "inbox_is_root")


def document_of(record: AccountRecord) -> dict[str, object]:
    """The account as its document, without secrets: what API and command line print, and what a change is merged into."""
    return {
        "label": record.label, "kind": record.kind.value, "scope": record.scope.value,
        "owner": record.owner.email if record.owner else None, "address": record.address,
        "display_name": record.display_name, "organisation": record.organisation, "reply_to": record.reply_to,
        "signature": asdict(record.signature), "identities": [_identity(one) for one in record.identities],
        "office_account": record.is_office_account, "active": record.active,
        "incoming": endpoint_document(record.incoming), "outgoing": _way_out(record),
        "login": login_document(record.login) if record.login else None,
        "receiving": plain(record.receiving), "sending": plain(record.sending),
        "grants": [grant_document(one) for one in record.grants],
    }  # fmt: skip


def plain(value: Any) -> dict[str, object]:
    """A value of `mail.settings` as JSON speaks it."""
    return {name: one.value if isinstance(one, Enum) else one for name, one in asdict(value).items()}


def endpoint_document(one: Endpoint | None) -> dict[str, object] | None:
    """A server as its document."""
    if one is None:
        return None
    certificate = {name: value for name, value in plain(one.certificate).items() if value}
    return {
        "protocol": one.protocol, "host": one.host, "port": one.port, "encryption": one.encryption.value,
        "certificate": certificate, "minimum_tls": one.minimum_tls, "plain_text_allowed": one.plain_text_allowed,
    } | ({"exception_reason": one.exception_reason} if one.exception_reason else {})  # fmt: skip


def login_document(login: LoginRecord) -> dict[str, object]:
    """A login as its document: a reference where it is an object of its own, never its secret."""
    if login.label:
        return {"login": login.label}
    return {"username": login.username, "mechanism": login.mechanism.value, "domain": login.domain}


def grant_document(grant: GrantRecord) -> dict[str, object]:
    """A grant as its document."""
    who: dict[str, object] = {"user": grant.user.email} if grant.user else {}
    if grant.group:
        who["group"] = grant.group.name
    return who | {
        "rights": [right.value for right in Right if right in grant.rights], "folder": grant.folder or None,
        "from": _moment(grant.starts_at), "until": _moment(grant.ends_at),
    }  # fmt: skip


def merged(document: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """A document with a partial one merged into it (RFC 7396): null removes, lists are replaced.

    What belongs to a choice goes with it: another certificate mode forgets the pin, another exception from safe connections the
    reason of the one before, another login the user name, and the choice of POP3 what only IMAP knows.
    """
    made = dict(document)
    if any(name in made and changes[name] != made[name] for name in _EXCEPTING & changes.keys()):
        made.pop("exception_reason", None)
    for name, value in changes.items():
        present = made.get(name)
        if name == "signature" and isinstance(present, Mapping) and isinstance(value, Mapping) and value.get("html"):
            # Another HTML form without words of its own: the old ones were those of the old form.
            present = made[name] = {part: said for part, said in present.items() if part != "text"}
        if isinstance(value, Mapping) and isinstance(present, Mapping) and not _replaces(name, present, value):
            made[name] = merged(present, value)
        elif value is None:
            made.pop(name, None)
        else:
            made[name] = value
    incoming, receiving = made.get("incoming"), made.get("receiving")
    if isinstance(incoming, Mapping) and incoming.get("protocol") == "pop3" and isinstance(receiving, Mapping):
        told = changes.get("receiving")
        asked = told if isinstance(told, Mapping) else {}
        made["receiving"] = {
            name: value for name, value in receiving.items() if name not in _FOLDER_CHOICES or name in asked
        }
    return made


def _replaces(name: str, present: Mapping[str, object], value: Mapping[str, object]) -> bool:
    if name == "certificate":
        return "mode" in value
    if name == "login":
        return ("login" in value) != ("login" in present)
    if name == "outgoing":
        return bool(value.get("server")) != bool(present.get("server")) and ("server" in value or "host" in value)
    return False


def permitted(actor: Actor, settings: AccountSettings, before: AccountRecord | None) -> AccountSettings:
    """The settings, exceptions dated. Raises Invalid for what only administrators may choose, or what is switched off here."""
    wrong: dict[str, str] = {}
    ways: dict[str, Endpoint | None] = {}
    for way in ("incoming", "outgoing"):
        one, was = getattr(settings, way), getattr(before, way, None)
        if one is not None:
            wrong |= _refused(actor, way, one, was)
            one = dated(one)
        ways[way] = one
    for where, name, kept in (
        ("login.login", settings.login_of, before and before.login),
        ("outgoing.login.login", settings.outgoing_login_of, before and before.outgoing_login),
    ):
        known = kept and name.casefold() in {kept.label.casefold(), kept.id}
        if name and not known and not logins.usable(actor.reach, name, administrator=actor.is_administrator):
            wrong[where] = "unknown-login"
    server = settings.outgoing_server
    same = before is not None and server.casefold() == before.outgoing_server.casefold()
    if server and not same and not outgoing_servers.usable(actor.reach, server):
        wrong["outgoing.server"] = "unknown-server"
    sending, told = settings.sending, before is not None and before.sending == settings.sending
    if sending.sent_copy is SentCopy.FOLDER and not told:
        own = before.id if before is not None else None
        if not sent_copies.may_choose(actor.reach, sending.sent_folder, own):
            wrong["sending.sent_folder"] = "unknown-folder"
    if settings.is_office_account and not actor.is_administrator and not (before and before.is_office_account):
        wrong["office_account"] = "only-administrators"
    if wrong:
        raise Invalid(wrong)
    identities = tuple(
        replace(one, signature=_harmless(one.signature) if one.signature is not None else None)
        for one in settings.identities
    )
    return replace(
        settings, incoming=ways["incoming"], outgoing=ways["outgoing"], signature=_harmless(settings.signature),
        identities=identities,
    )  # fmt: skip


def _harmless(signature: Signature) -> Signature:
    """A signature is shown to colleagues and sent to strangers: what runs is left out, images from elsewhere may stay."""
    if not signature.html:
        return signature
    return replace(signature, html=sanitise(signature.html, images=None, remote=True).html)


def check_endpoint(actor: Actor, where: str, one: Endpoint, was: Endpoint | None = None) -> None:
    """Raises Invalid for exceptions the actor may not make. `where`: the server's path in its document, may be empty."""
    wrong = _refused(actor, where, one, was)
    if wrong:
        raise Invalid(wrong)


def dated(one: Endpoint) -> Endpoint:
    """An unchecked certificate is an exception for 90 days unless it says until when."""
    certificate = one.certificate
    if certificate.mode is not CertificateMode.UNCHECKED or certificate.until:
        return one
    until = timezone.localdate() + timedelta(days=UNCHECKED_DAYS)
    return replace(one, certificate=replace(certificate, until=until.isoformat()))


def _refused(actor: Actor, where: str, one: Endpoint, was: Endpoint | None) -> dict[str, str]:
    prefix = f"{where}." if where else ""
    fields = {
        "certificate-unchecked": "certificate.mode", "old-tls": "minimum_tls", "plain-text": "plain_text_allowed",
        "no-encryption": "encryption",
    }  # fmt: skip
    had = was.exceptions if was is not None and was.place == one.place else ()
    wrong = {
        prefix + fields[word]: "only-administrators"
        for word in one.exceptions
        if word in fields and word not in had and not actor.is_administrator
    }
    latest = (timezone.localdate() + timedelta(days=UNCHECKED_DAYS)).isoformat()
    if one.certificate.mode is CertificateMode.UNCHECKED:
        if not django_settings.POSTSTELLE.allow_unchecked_certificates and "certificate-unchecked" not in had:
            wrong[f"{prefix}certificate.mode"] = "switched-off-here"
        if one.certificate.until > latest:
            wrong[f"{prefix}certificate.until"] = "too-far-ahead"
    return wrong


def _way_out(record: AccountRecord) -> dict[str, object] | None:
    login = login_document(record.outgoing_login) if record.outgoing_login else None
    if record.outgoing_server:
        made: dict[str, object] = {"server": record.outgoing_server}
    elif record.outgoing is not None:
        made = endpoint_document(record.outgoing) or {}
    elif record.authentication.value == "server":
        return {"authentication": "server"}
    else:
        return None
    return made | {"authentication": record.authentication.value} | ({"login": login} if login else {})


def _identity(one: IdentityRecord) -> dict[str, object]:
    return {
        "address": one.address, "display_name": one.display_name, "organisation": one.organisation,
        "reply_to": one.reply_to, "signature": asdict(one.signature) if one.signature else None,
    }  # fmt: skip


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
