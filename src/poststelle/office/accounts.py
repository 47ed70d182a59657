"""Accounts at the counter: add, change, remove, list, test, send/receive.

Creating an account takes an administrator; changing it the right *administer*; asking for a round the right *see* or
*administer*. The document language is `mail.settings`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings

from poststelle.adapters import probe as probing
from poststelle.adapters.connection import EgressPolicy, tls_context
from poststelle.errors import NotPermitted
from poststelle.mail import settings as documents
from poststelle.mail.records import AccountRecord, Page, Step
from poststelle.mail.settings import AccountSettings, Login, Right, Scope
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import accounts, people, rounds


def add(actor: Actor, document: Mapping[str, object]) -> AccountRecord:
    """Save a new account, untested; a personal one without an owner is the actor's. Administrators only.

    Raises Invalid naming the fields.
    """
    require_administrator(actor)
    settings, caretaker = documents.read(document), _caretaker(actor)
    if settings.scope is Scope.PERSONAL and settings.owner is None:
        settings = replace(settings, owner=caretaker)
    number = accounts.add(actor.reach.pool, settings, actor=actor.name, caretaker=caretaker)
    return _shown(actor, number)


def change(actor: Actor, account: str, changes: Mapping[str, object]) -> AccountRecord:
    """Change what the document names and leave the rest. Raises NotFound, NotPermitted, Invalid.

    A part given as an object is merged into what is stored, null removes it. A new host, port, encryption or user name asks
    for the password again (``login.password``: ``needed-again``).
    """
    record = _administered(actor, account)
    settings = documents.read(_merged(document_of(record), changes))
    accounts.change(actor.reach, record.id, settings, actor=actor.name, caretaker=_caretaker(actor))
    return _shown(actor, record.id)


def remove(actor: Actor, account: str) -> None:
    """Forget the account here; the server is not touched. Raises NotFound, NotPermitted."""
    accounts.remove(actor.reach, _administered(actor, account).id, actor=actor.name)


def show(actor: Actor, account: str) -> AccountRecord:
    """One account by id or label. Raises NotFound."""
    return accounts.find(actor.reach, account)


def page(actor: Actor, limit: int = 50, after: str | None = None) -> Page[AccountRecord]:
    """The accounts the actor has any right on, by label."""
    return accounts.page(actor.reach, limit, after)


def senders(actor: Actor) -> list[AccountRecord]:
    """The accounts the actor may send from, by label."""
    return [record for record in accounts.within(actor.reach, Right.SEND_AS) if record.outgoing is not None]


def send_receive(actor: Actor, account: str | None = None) -> list[tuple[AccountRecord, datetime]]:
    """Ask the engine for a round now, for one account (a suspended one is tried again) or all active ones within reach.

    With the moment it was asked.

    Takes the right *see* or *administer*. Raises NotFound, NotPermitted.
    """
    if account is None:
        within = accounts.within(actor.reach, Right.SEE, Right.ADMINISTER)
        # A refused password is not tried again because somebody wants to see new mail.
        records = [record for record in within if record.state == accounts.ACTIVE]
    else:
        record = show(actor, account)
        if not record.rights & {Right.SEE, Right.ADMINISTER}:
            raise NotPermitted("see-needed")
        records = [record]
    return [
        (record, rounds.want(actor.reach, record.id, actor=actor.name))
        for record in records
        if record.incoming is not None
    ]


def accept_loss(actor: Actor, account: str) -> None:
    """What vanished on the server may go here too (after SuspiciousLoss). Raises NotFound, NotPermitted."""
    rounds.accept_loss(actor.reach, _administered(actor, account).id, actor=actor.name)


def egress() -> EgressPolicy:
    """Where this installation may connect to: never to itself."""
    configuration = django_settings.POSTSTELLE
    own = frozenset({(configuration.host, configuration.port)})
    return EgressPolicy.of(",".join(configuration.egress_allow), own)


async def probe(actor: Actor, document: Mapping[str, object], account: str | None = None) -> AsyncIterator[Step]:
    """Test the settings step by step, as they happen; saves nothing. For those who may set up or change accounts.

    `account`: test that account, with the document's changes merged in; its stored password is used only while host, port,
    encryption and user name are unchanged. Raises Invalid, NotFound, NotPermitted before the first step.
    """
    settings = await sync_to_async(_to_probe)(actor, document, account)
    tls = tls_context(django_settings.POSTSTELLE.ca_file)
    async for step in probing.probe(settings, egress=egress(), tls=tls):
        yield step


def document_of(record: AccountRecord) -> dict[str, object]:
    """The account as its document, without secrets: what API and command line print, and what a change is merged into."""

    def endpoint(one: documents.Endpoint | None) -> dict[str, object] | None:
        if one is None:
            return None
        return {
            "protocol": one.protocol, "host": one.host, "port": one.port, "encryption": one.encryption.value,
            "certificate": {"mode": "strict"},
        }  # fmt: skip

    outgoing = endpoint(record.outgoing)
    if outgoing is not None:
        outgoing["authentication"] = record.authentication.value
        if record.outgoing_login:
            outgoing["login"] = _login_document(record.outgoing_login.username, record.outgoing_login.mechanism)
    login = _login_document(record.login.username, record.login.mechanism) if record.login else None
    return {
        "label": record.label, "kind": record.kind.value, "scope": record.scope.value,
        "owner": record.owner.email if record.owner else None, "address": record.address,
        "display_name": record.display_name, "incoming": endpoint(record.incoming), "outgoing": outgoing, "login": login,
        "grants": [
            {"user": grant.user.email, "rights": [right.value for right in Right if right in grant.rights]}
            for grant in record.grants
        ],
    }  # fmt: skip


def _caretaker(actor: Actor) -> str:
    """Whoever acts; by command line the first administrator."""
    return (actor.user or people.first_administrator()).id


def _login_document(username: str, mechanism: documents.Mechanism) -> dict[str, object]:
    return {"username": username, "mechanism": mechanism.value}


def _administered(actor: Actor, account: str) -> AccountRecord:
    record = show(actor, account)
    if Right.ADMINISTER not in record.rights:
        raise NotPermitted("administer-needed")
    return record


def _shown(actor: Actor, account: str) -> AccountRecord:
    # Whoever added an account for somebody else still gets to see what was saved.
    return accounts.find(Actor(None).reach if actor.is_administrator else actor.reach, account)


def _merged(document: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(document)
    for name, value in changes.items():
        present = merged.get(name)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            merged[name] = _merged(present, value)
        elif value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged


def _to_probe(actor: Actor, document: Mapping[str, object], account: str | None) -> AccountSettings:
    if account is None:
        require_administrator(actor)
        return documents.read(document)
    record = _administered(actor, account)
    settings = documents.read(_merged(document_of(record), document))
    access = accounts.access_of(record.id)
    return replace(
        settings,
        login=_with_stored(
            settings.login, access.login, unmoved=_servers_of_login(settings) <= _servers_of_login(record)
        ),
        outgoing_login=_with_stored(
            settings.outgoing_login, access.outgoing_login, unmoved=settings.outgoing == record.outgoing
        ),
    )


def _servers_of_login(one: AccountSettings | AccountRecord) -> set[documents.Endpoint]:
    way_out = one.outgoing if one.authentication is documents.Authentication.SAME else None
    return {server for server in (one.incoming, way_out) if server is not None}


def _with_stored(login: Login | None, stored: Login | None, *, unmoved: bool) -> Login | None:
    if login is None or login.password is not None or stored is None:
        return login
    if unmoved and login.username == stored.username:
        return replace(login, password=stored.password)
    return login
