"""Outgoing servers at the counter: the office's (administrators) and everybody's own, their test, and which one applies.

A mailbox without a server of its own sends through the one it refers to, else its sender's default, the office's default, the
installation's relay (setting `relay`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from asgiref.sync import sync_to_async

from poststelle.errors import Invalid
from poststelle.mail.document import Fields
from poststelle.mail.document_parts import SERVER, Parts
from poststelle.mail.narrowing import passes
from poststelle.mail.records import OutgoingServerRecord, Step
from poststelle.mail.settings import AccountSettings, Authentication, Endpoint, Kind, Login, Scope
from poststelle.office import egress, probing
from poststelle.office.account_documents import check_endpoint, dated, endpoint_document, login_document, merged
from poststelle.office.actor import SYSTEM, Actor, owner_of, require_administrator
from poststelle.store import logins, outgoing_servers

_FIELDS = {*SERVER, "label", "owner", "default", "login"}


@dataclass(frozen=True, slots=True)
class Choice:
    """The server that sends, and why: `reason` is account, server, user, office, instance, or empty where nothing can be sent.

    `server` is filled where it is an object of its own.
    """

    reason: str
    endpoint: Endpoint | None
    server: OutgoingServerRecord | None

    @property
    def facts(self) -> dict[str, object]:
        """What a sentence about it needs."""
        told: dict[str, object] = {"host": self.endpoint.host, "port": self.endpoint.port} if self.endpoint else {}
        return told | ({"label": self.server.label} if self.server else {})


@dataclass(frozen=True, slots=True)
class _Wish:
    label: str
    owner: str
    default: bool
    endpoint: Endpoint
    login: Login | None
    login_of: str


def which(actor: Actor, account: str, user: str | None = None) -> Choice:
    """Which server sends for the account, for mail of the actor (or of `user`, an id), and why. Raises NotFound."""
    sender = user or (actor.user.id if actor.user else None)
    return Choice(*outgoing_servers.which(actor.reach, account, sender))


def within(actor: Actor, words: str = "") -> list[OutgoingServerRecord]:
    """The office's servers and one's own, by label. `words` must occur in label or host name."""
    found = outgoing_servers.within(actor.reach)
    return [one for one in found if passes(words, one.label, one.endpoint.host)] if words else found


def exceptions(actor: Actor) -> list[OutgoingServerRecord]:
    """Every server with an exception from safe connections (RELIABILITY Q44), everybody's, by label. Administrators only."""
    require_administrator(actor)
    return [one for one in outgoing_servers.within(SYSTEM.reach) if one.exceptions]


def show(actor: Actor, server: str) -> OutgoingServerRecord:
    """One of them, by label or id. Raises NotFound."""
    return outgoing_servers.find(actor.reach, server)


def may_change(actor: Actor, server: OutgoingServerRecord) -> bool:
    """Whether the actor may change the server: one's own, the office's as administrator."""
    if server.owner is None:
        return actor.is_administrator
    return actor.user is None or server.owner.id == actor.user.id


def add(actor: Actor, document: Mapping[str, object]) -> OutgoingServerRecord:
    """A new server: the office's (administrators), or with `owner` that person's. Raises Invalid, NotPermitted.

    Fields: label, owner, default, host, port, encryption, certificate, minimum_tls, plain_text_allowed, exception_reason, login.
    """
    wish = _read(document)
    owner = owner_of(actor, wish.owner)
    _check(actor, wish, None)
    number = outgoing_servers.add(
        actor.reach,
        wish.label,
        dated(wish.endpoint),
        wish.login,
        wish.login_of,
        owner,
        default=wish.default,
        actor=actor.name,
    )
    return outgoing_servers.find(Actor(None).reach, number)


def change(actor: Actor, server: str, changes: Mapping[str, object]) -> OutgoingServerRecord:
    """Change what the document names. A new host, port, encryption or user name asks for the password again."""
    record = _own(actor, server)
    if "owner" in changes and changes["owner"] not in {record.owner.email if record.owner else None}:
        raise Invalid({"owner": "contradiction"})
    wish = _read(merged(document_of(record), changes))
    _check(actor, wish, record)
    outgoing_servers.change(
        actor.reach, record.id, wish.label, dated(wish.endpoint), wish.login, wish.login_of, default=wish.default,
        actor=actor.name,
    )  # fmt: skip
    return show(actor, record.id)


def remove(actor: Actor, server: str) -> None:
    """Forget a server no mailbox refers to. Raises NotFound, NotPermitted, Conflict("outgoing-server-in-use")."""
    outgoing_servers.remove(actor.reach, _own(actor, server).id, actor=actor.name)


def document_of(record: OutgoingServerRecord) -> dict[str, object]:
    """The server as its document, without secrets."""
    return (endpoint_document(record.endpoint) or {}) | {
        "label": record.label, "owner": record.owner.email if record.owner else None, "default": record.is_default,
        "login": login_document(record.login) if record.login else None,
    }  # fmt: skip


async def probe(
    actor: Actor, document: Mapping[str, object], server: str | None = None, recipient: str = ""
) -> AsyncIterator[Step]:
    """Test the settings of a server step by step, as they happen; saves nothing.

    `server`: test that one, with the document's changes merged in; its stored password is used only while host, port, encryption and
    user name are unchanged. `recipient`: send a test message there; with a saved server kept and proposed the next time. Raises
    Invalid, NotFound, NotPermitted, and what `probing.run` raises, before the first step.
    """
    settings = await sync_to_async(_to_probe)(actor, document, server)
    if recipient:
        if server is not None:
            await sync_to_async(remember_recipient)(actor, server, recipient)
        settings = replace(settings, address=settings.address or recipient)
    rule = await sync_to_async(egress.rule)()
    async with aclosing(probing.run(actor, settings, rule, recipient, about="server")) as steps:
        async for step in steps:
            yield step


def is_untested(actor: Actor, document: Mapping[str, object], server: str | None = None) -> bool:
    """Whether the settings in the document have not been tested as they are there; for whoever wants to ask before saving.

    What is stored already counts as tested, and a log-in without a secret has nothing to test. Raises what `probe` raises at once.
    """
    settings = _to_probe(actor, document, server)
    given = settings.outgoing_login
    if given is not None and not (given.password or given.client_certificate):
        return False
    login = document.get("login")
    if server is not None and not (isinstance(login, Mapping) and login.get("password")):
        before = _to_probe(actor, {}, server)
        if (before.outgoing, _name(before)) == (settings.outgoing, _name(settings)):
            return False
    report = probing.report_of(actor, settings)
    return report is None or not report["complete"]


def remember_recipient(actor: Actor, server: str, address: str) -> None:
    """Whom the test wrote to: proposed the next time. Raises Invalid, NotFound, NotPermitted."""
    fields = Fields()
    wanted = fields.address("test_recipient", address)
    if fields.wrong:
        raise Invalid(fields.wrong)
    outgoing_servers.remember_recipient(actor.reach, _own(actor, server).id, wanted)


def _to_probe(actor: Actor, document: Mapping[str, object], server: str | None) -> AccountSettings:
    """What a test tries, with the secrets it may use: stored ones only at the server they were confirmed for."""
    record = _own(actor, server) if server is not None else None
    wish = _read(merged(document_of(record), document) if record is not None else document)
    if record is None:
        owner_of(actor, wish.owner)
    _check(actor, wish, record)
    login = _opened(actor, wish, record)
    return AccountSettings(
        wish.label, Kind.SEND_ONLY, Scope.SYSTEM, record.test_recipient if record is not None else "",
        outgoing=wish.endpoint, authentication=Authentication.OWN if login else Authentication.NONE, outgoing_login=login,
    )  # fmt: skip


def _name(settings: AccountSettings) -> str:
    return settings.outgoing_login.name if settings.outgoing_login is not None else ""


def _opened(actor: Actor, wish: _Wish, record: OutgoingServerRecord | None) -> Login | None:
    if wish.login_of:
        shared = logins.opened_shared(actor.reach.pool, wish.login_of, wish.endpoint)
        given = wish.login.password if wish.login is not None else None
        return replace(shared, password=given or shared.password)
    login = wish.login
    if login is None or login.password is not None or record is None or record.endpoint.place != wish.endpoint.place:
        return login
    stored = outgoing_servers.opened_login(actor.reach, record.id)
    if stored is None or stored.name != login.name:
        return login
    return replace(
        login, password=stored.password, client_certificate=login.client_certificate or stored.client_certificate
    )


def _own(actor: Actor, server: str) -> OutgoingServerRecord:
    record = show(actor, server)
    if not may_change(actor, record):
        require_administrator(actor)
    return record


def _read(document: Mapping[str, object]) -> _Wish:
    fields = Fields()
    fields.known("", document, _FIELDS)
    parts = Parts(fields)
    label = fields.text("label", document.get("label"), limit=120)
    server = {name: value for name, value in document.items() if name in SERVER}
    endpoint = parts.endpoint("", server, ("smtp",))
    login, login_of = parts.login("login", document.get("login"))
    owner = fields.text("owner", document.get("owner"), required=False)
    default = fields.boolean("default", document.get("default"), default=False)
    if fields.wrong or endpoint is None:
        raise Invalid(fields.wrong)
    return _Wish(label, owner, default, endpoint, login, login_of)


def _check(actor: Actor, wish: _Wish, before: OutgoingServerRecord | None) -> None:
    check_endpoint(actor, "", wish.endpoint, before.endpoint if before else None)
    known = before and before.login and wish.login_of.casefold() in {before.login.label.casefold(), before.login.id}
    if not wish.login_of or known:
        return
    if not logins.usable(actor.reach, wish.login_of, administrator=actor.is_administrator):
        raise Invalid({"login.login": "unknown-login"})
