"""Accounts at the counter: add, change, remove, list, test, send/receive.

Creating an account takes an administrator; changing it the right *administer*; asking for a round the right *see* or
*administer*. The document language is `mail.account_document`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime

from asgiref.sync import sync_to_async

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.account_document import read
from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord, Page, SenderRecord, Step
from poststelle.mail.settings import AccountSettings, Authentication, Endpoint, Kind, Login, Right, Scope
from poststelle.office import egress, notice, probing
from poststelle.office.account_documents import document_of, merged, permitted
from poststelle.office.actor import SYSTEM, Actor, require_administrator
from poststelle.store import accounts, logins, outgoing_servers, people, rounds, sent_copies, ways
from poststelle.store import senders as writing

SENDING = frozenset({Right.SEND_AS, Right.SEND_ON_BEHALF})


def add(actor: Actor, document: Mapping[str, object]) -> AccountRecord:
    """Save a new account, untested; a personal one without an owner is the actor's. Administrators only.

    `notice` in the document: the version of the office's notice that has been read. Raises Invalid naming the fields.
    """
    require_administrator(actor)
    told = document if isinstance(document, Mapping) else {}
    version = told.get("notice")
    wrong = notice.unread(actor, version)
    try:
        settings = new(actor, {name: value for name, value in told.items() if name != "notice"})
    except Invalid as error:
        raise Invalid({**wrong, **error.fields}) from error
    if wrong:
        raise Invalid(dict(wrong))
    number = accounts.add(
        actor.reach.pool, settings, actor=actor.name, caretaker=caretaker(actor), notice=notice.show(actor).version
    )
    accounts.keep_probe(number, probing.report_of(actor, _with_objects(actor, settings)))
    return _shown(actor, number)


def new(actor: Actor, document: Mapping[str, object]) -> AccountSettings:
    """The settings of a new account as they would be saved. Administrators only. Raises Invalid naming the fields."""
    require_administrator(actor)
    settings = permitted(actor, read(document), None)
    if settings.scope is Scope.PERSONAL and settings.owner is None:
        settings = replace(settings, owner=caretaker(actor))
    return settings


def change(actor: Actor, account: str, changes: Mapping[str, object]) -> AccountRecord:
    """Change what the document names and leave the rest. Raises NotFound, NotPermitted, Invalid, Conflict("changed-meanwhile").

    A part given as an object is merged into what is stored, null removes it. A new host, port, encryption or user name asks
    for the password again (``login.password``: ``needed-again``). With `version` the change counts only if that is still the
    settings' version.
    """
    record = administered(actor, account)
    settings = permitted(actor, read(_changed(record, changes)), record)
    if record.kind is Kind.ARCHIVE and settings.kind is not Kind.ARCHIVE:
        raise Invalid({"kind": "one-way"})
    if record.kind is not Kind.ARCHIVE and settings.kind is Kind.ARCHIVE:
        # Turning one into an archive is a step of its own, confirmed: kinds.to_archive.
        raise Invalid({"kind": "contradiction"})
    accounts.change(actor.reach, record.id, settings, actor=actor.name, caretaker=caretaker(actor))
    accounts.keep_probe(record.id, probing.report_of(actor, _with_objects(actor, settings)))
    return _shown(actor, record.id)


def remove(actor: Actor, account: str) -> None:
    """Forget the account here; the server is not touched. Raises NotFound, NotPermitted."""
    accounts.remove(actor.reach, administered(actor, account).id, actor=actor.name)


def show(actor: Actor, account: str) -> AccountRecord:
    """One account by id or label. Raises NotFound."""
    return accounts.find(actor.reach, account)


def page(
    actor: Actor, limit: int = 50, after: str | None = None, *, words: str = "", only: str = ""
) -> Page[AccountRecord]:
    """The accounts the actor has any right on, by label.

    `words` must occur in label or address; `only`: of that kind or scope, or ``inactive``, ``suspended`` or ``trouble``.
    """
    return accounts.page(actor.reach, limit, after, words=words, only=only)


def overview(
    actor: Actor, limit: int = 50, after: str | None = None, *, words: str = "", only: str = ""
) -> Page[AccountRecord]:
    """Every account of the office, by label, whoever may read it. Administrators only; says nothing of what is in them."""
    require_administrator(actor)
    return accounts.page(SYSTEM.reach, limit, after, words=words, only=only)


def rights_on_all(actor: Actor, numbers: Sequence[str]) -> Mapping[str, frozenset[Right]]:
    """What the actor may do with each of these accounts (ids) as a whole; nothing where one is missing."""
    return accounts.rights_on_all(actor.reach, numbers)


def senders(actor: Actor) -> list[SenderRecord]:
    """The accounts the actor may send from, in their own name or on behalf, by label."""
    return writing.within(actor.reach, *SENDING)


def send_receive(actor: Actor, account: str | None = None) -> list[tuple[AccountRecord, datetime]]:
    """Ask the engine for a round now, for one account (a suspended one is tried again) or all active ones within reach.

    With the moment it was asked.

    Takes the right *see* or *administer*. Raises NotFound, NotPermitted.
    """
    if account is None:
        within = accounts.within(actor.reach, Right.SEE, Right.ADMINISTER)
        # A refused password is not tried again because somebody wants to see new mail.
        records = [record for record in within if record.state == accounts.ACTIVE and record.receiving.included]
    else:
        record = show(actor, account)
        if not record.rights & {Right.SEE, Right.ADMINISTER}:
            raise NotPermitted("see-needed")
        records = [record]
    return [
        (record, rounds.want(actor.reach, record.id, actor=actor.name))
        for record in records
        if record.incoming is not None and record.active
    ]


def accept_loss(actor: Actor, account: str) -> None:
    """What vanished on the server may go here too (after SuspiciousLoss). Raises NotFound, NotPermitted."""
    rounds.accept_loss(actor.reach, administered(actor, account).id, actor=actor.name)


def exceptions(actor: Actor, limit: int = 200, after: str | None = None) -> Page[AccountRecord]:
    """Every account with an exception from safe connections (RELIABILITY Q44), by label. Administrators only.

    What they are, who made them, when and why is in their `exceptions`; those of outgoing servers they use are listed with the servers.
    """
    require_administrator(actor)
    page = accounts.with_exceptions(actor.reach.pool, limit, after)
    own = [replace(one, exceptions=[each for each in one.exceptions if not each.server]) for one in page.items]
    return Page(own, page.next)


def sent_folders(actor: Actor, account: str | None = None) -> list[tuple[str, str, Sequence[str], Role]]:
    """Where copies of sent mail may go (id, label of the mailbox, path, role): an administered account's own folders first, and of others those
    for sent mail or kept here that the actor may process. Raises NotFound, NotPermitted."""
    return sent_copies.choosable(actor.reach, administered(actor, account).id if account is not None else None)


async def probe(
    actor: Actor, document: Mapping[str, object], account: str | None = None, recipient: str = ""
) -> AsyncIterator[Step]:
    """Test the settings step by step, as they happen; saves nothing. For those who may set up or change accounts.

    `account`: test that account, with the document's changes merged in; its stored password is used only while host, port,
    encryption and user name are unchanged. `recipient`: send a test message there; the account's own address is looked into, and the
    message removed again. Raises Invalid, NotFound, NotPermitted, and what `probing.run` raises, before the first step.
    """
    settings = await sync_to_async(to_probe)(actor, document, account)
    async with aclosing(probing.run(actor, settings, await sync_to_async(egress.rule)(), recipient)) as steps:
        async for step in steps:
            yield step


def is_untested(actor: Actor, document: Mapping[str, object], account: str | None = None) -> bool:
    """Whether servers or log-in in the document have not been tested as they are there; for whoever wants to ask before saving.

    What is stored already, has no server or waits for its owner's password counts as tested. Raises what `probe` raises at once, and
    Invalid for what could not be saved anyway.
    """
    settings = to_probe(actor, document, account)
    record = administered(actor, account) if account is not None else None
    wanted = permitted(actor, read(_changed(record, document)), record) if record is not None else new(actor, document)
    accounts.check(actor.reach.pool, wanted, account, caretaker=caretaker(actor))
    if settings.incoming is None and settings.outgoing is None:
        return False
    if settings.login is not None and not (settings.login.password or settings.login.client_certificate):
        return False
    if account is not None and not _says_a_secret(document):
        before = to_probe(actor, {}, account)
        places = (before.incoming, before.outgoing, before.login and before.login.name)
        if places == (settings.incoming, settings.outgoing, settings.login and settings.login.name):
            return False
    report = probing.report_of(actor, settings)
    return report is None or not report["complete"]


def _says_a_secret(document: Mapping[str, object]) -> bool:
    way_out = document.get("outgoing")
    given = [document.get("login"), way_out.get("login") if isinstance(way_out, Mapping) else None]
    return any(isinstance(one, Mapping) and bool(one.get("password")) for one in given)


def last_probe(actor: Actor, account: str) -> Mapping[str, object] | None:
    """The test an account's settings were saved with, as plain data; None where there was none. Raises NotFound, NotPermitted."""
    return accounts.kept_probe(administered(actor, account).id)


def to_probe(actor: Actor, document: Mapping[str, object], account: str | None = None) -> AccountSettings:
    """The settings a test tries, with the secrets it may use: stored ones only at the servers they were confirmed for.

    Raises Invalid, NotFound, NotPermitted.
    """
    if account is None:
        require_administrator(actor)
        return _with_objects(actor, permitted(actor, read(document), None))
    record = administered(actor, account)
    settings = permitted(actor, read(_changed(record, document)), record)
    access = ways.stored_logins(record.id)
    way_out = settings.outgoing if settings.authentication is Authentication.SAME else None
    settings = replace(
        settings,
        login=_with_stored(settings.login, access[0], settings.incoming, way_out),
        outgoing_login=_with_stored(settings.outgoing_login, access[1], settings.outgoing),
    )
    return _with_objects(actor, settings)


def administered(actor: Actor, account: str) -> AccountRecord:
    """One account the actor administers. Raises NotFound, NotPermitted."""
    record = show(actor, account)
    if Right.ADMINISTER not in record.rights:
        raise NotPermitted("administer-needed")
    return record


def caretaker(actor: Actor) -> str:
    """Whoever acts; by command line the first administrator."""
    return (actor.user or people.first_administrator()).id


def labels(actor: Actor, numbers: Collection[str]) -> dict[str, str]:
    """What these accounts are called, as far as the actor may know of them: administrators of all, others of those they have a right on."""
    return accounts.labels(Actor(None).reach if actor.is_administrator else actor.reach, numbers)


def _shown(actor: Actor, account: str) -> AccountRecord:
    if not actor.is_administrator:
        return accounts.find(actor.reach, account)
    # Whoever added an account for somebody else still gets to see what was saved; its mail is another matter.
    record = accounts.find(Actor(None).reach, account)
    return record if actor.user is None else replace(record, rights=accounts.rights_on(actor.reach, record.id))


def _changed(record: AccountRecord, changes: Mapping[str, object]) -> dict[str, object]:
    """What is stored with the changes merged in. The user name of a shared log-in, said again without a secret, changes nothing."""
    login = changes.get("login")
    if isinstance(login, Mapping) and record.login is not None and record.login.label:
        told = {name: value for name, value in login.items() if value not in {None, ""}}
        if told.get("username") == record.login.username and "password" not in told:
            changes = {name: value for name, value in changes.items() if name != "login"}
    return merged(document_of(record), changes)


def _with_objects(actor: Actor, settings: AccountSettings) -> AccountSettings:
    """With the log-ins and the server it refers to in their places."""
    if settings.login_of:
        shared = logins.opened_shared(actor.reach.pool, settings.login_of, settings.incoming, settings.outgoing)
        given = settings.login.password if settings.login is not None else shared.password
        settings = replace(settings, login=replace(shared, password=given))
    if settings.outgoing_login_of:
        own = logins.opened_shared(actor.reach.pool, settings.outgoing_login_of, settings.outgoing)
        settings = replace(settings, outgoing_login=own)
    if settings.outgoing_server:
        server = outgoing_servers.find(actor.reach, settings.outgoing_server)
        settings = replace(settings, outgoing=server.endpoint)
        if settings.authentication is Authentication.SERVER:
            login = outgoing_servers.opened_login(actor.reach, server.id)
            kind = Authentication.OWN if login is not None else Authentication.NONE
            settings = replace(settings, authentication=kind, outgoing_login=login)
    elif settings.authentication is Authentication.SERVER:
        settings = replace(settings, authentication=Authentication.NONE)
    return settings


def _with_stored(login: Login | None, stored: ways.StoredLogin | None, *servers: Endpoint | None) -> Login | None:
    if login is None or login.password is not None or stored is None or not stored.serves(*servers):
        return login
    if login.name == stored.login.name:
        return replace(login, password=stored.login.password, client_certificate=stored.login.client_certificate)
    return login
