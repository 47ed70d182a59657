"""Logins at the counter: one secret for several mailboxes, changed in one place and tested before it is kept.

One's own logins are one's own to change, without administering any account; the office's are the administrators'. A secret goes
in and never comes out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace

from asgiref.sync import sync_to_async

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.document import Fields
from poststelle.mail.document_parts import Parts
from poststelle.mail.records import LoginRecord, Step
from poststelle.mail.secret import Secret
from poststelle.mail.settings import AccountSettings, Authentication, Kind, Login, Mechanism, Scope
from poststelle.office import egress, probing
from poststelle.office.account_documents import merged
from poststelle.office.accounts import to_probe
from poststelle.office.actor import SYSTEM, Actor, owner_of, require_administrator
from poststelle.store import accounts, logins


def within(
    actor: Actor, *, shared: bool = False, words: str = "", start: int = 0, limit: int | None = None
) -> list[LoginRecord]:
    """The logins whose secret the actor may change: one's own, those of mailboxes one owns or administers, the office's.

    Those with a label, which several mailboxes may share, first (`shared`: only those); `limit` of them from `start` on. `words` must
    occur in label or user name.
    """
    return logins.within(
        actor.reach, administrator=actor.is_administrator, shared=shared, words=words, start=start, limit=limit
    )


def show(actor: Actor, login: str) -> LoginRecord:
    """One of them, by label or id. Raises NotFound."""
    return logins.find(actor.reach, login, administrator=actor.is_administrator)


def add(actor: Actor, document: Mapping[str, object]) -> LoginRecord:
    """A login that several mailboxes may share. Without `owner` it is the office's (administrators), else that person's.

    Fields: label, owner, username, password, mechanism, domain, client_certificate. Raises Invalid, NotPermitted.
    """
    label, owner, login = _read(document)
    wanted = owner_of(actor, owner)
    if login.password is None and login.client_certificate is None:
        raise Invalid({"client_certificate" if login.mechanism is Mechanism.EXTERNAL else "password": "missing"})
    number = logins.add(actor.reach, label, login, wanted, actor=actor.name)
    return show(actor, number)


def change(actor: Actor, login: str, changes: Mapping[str, object]) -> LoginRecord:
    """Change what the document names; another user name asks for the password again. Raises Invalid, NotFound, NotPermitted."""
    record = show(actor, login)
    _own_or_office(actor, record)
    stored: dict[str, object] = {
        "label": record.label, "username": record.username, "mechanism": record.mechanism.value, "domain": record.domain,
        "owner": record.owner.email if record.owner else None,
    }  # fmt: skip
    if changes.get("owner", stored["owner"]) != stored["owner"]:
        raise Invalid({"owner": "contradiction"})
    label, _, wanted = _read(merged(stored, changes))
    logins.change(actor.reach, record.id, label, wanted, administrator=actor.is_administrator, actor=actor.name)
    return show(actor, record.id)


def remove(actor: Actor, login: str) -> None:
    """Forget a login nothing uses. Raises NotFound, NotPermitted, Conflict("login-in-use")."""
    record = show(actor, login)
    _own_or_office(actor, record)
    logins.remove(actor.reach, record.id, administrator=actor.is_administrator, actor=actor.name)


def change_password(actor: Actor, login: str, password: Secret) -> int:
    """Keep a new password, untested; every mailbox that uses it is tried again at once. How many there are.

    Raises Invalid({"password": …}), NotFound.
    """
    record = show(actor, login)
    _check(password)
    return logins.change_password(
        actor.reach, record.id, password, administrator=actor.is_administrator, actor=actor.name
    )


async def test_and_change_password(actor: Actor, login: str, password: Secret) -> AsyncIterator[tuple[str, Step]]:
    """Try the new password at every server of every mailbox, and every outgoing server, that uses the login; keep it only if all let it in.

    Yields the label of mailbox or server with each step, at last the pair ("", Step) whose name is ``kept`` and whose state is ok, or skipped
    when a log-in failed. Counted as one test; what it found is the actor's `probing.last_report`. Raises Invalid, NotFound, TooOften before the first step.
    """
    record = await sync_to_async(show)(actor, login)
    _check(password)
    tries = await sync_to_async(_tries)(actor, record, password)
    told: list[tuple[str, Step]] = []
    complete = False
    probing.spend(actor)
    rule = await sync_to_async(egress.rule)()
    try:
        for label, settings in tries:
            async with aclosing(probing.tried(settings, rule, inside=actor.is_administrator)) as steps:
                async for step in steps:
                    told.append((label, step))
                    yield label, step
        complete = True
    finally:
        name = record.label or record.username
        probing.remember(actor, "log-in", name, told, {"login": record.id}, complete=complete)
    if any(step.state == "failed" for _, step in told):
        yield "", Step("", "kept", "skipped")
        return
    count = await sync_to_async(change_password)(actor, record.id, password)
    yield "", Step("", "kept", "ok", detail={"accounts": count})


def _tries(actor: Actor, record: LoginRecord, password: Secret) -> list[tuple[str, AccountSettings]]:
    numbers = logins.accounts_of(actor.reach, record.id, administrator=actor.is_administrator)
    tried = Login(record.username, password, record.mechanism, record.domain)
    tries = []
    for number in numbers:
        # Whoever may change the secret may have it tried, also at mailboxes they do not administer.
        account = accounts.find(SYSTEM.reach, number)
        settings = to_probe(SYSTEM, {}, number)
        incoming = settings.incoming if account.login is not None and account.login.id == record.id else None
        outgoing = settings.outgoing
        if settings.authentication is Authentication.SAME:
            outgoing = outgoing if incoming is not None or settings.incoming is None else None
        elif account.outgoing_login is None or account.outgoing_login.id != record.id:
            outgoing = None
        same = settings.authentication is Authentication.SAME
        settings = replace(
            settings, incoming=incoming, outgoing=outgoing, login=tried if incoming or same else settings.login,
            outgoing_login=settings.outgoing_login if same else tried,
        )  # fmt: skip
        tries.append((account.label, settings))
    for label, endpoint in logins.servers_of(actor.reach, record.id, administrator=actor.is_administrator):
        tries.append((label, AccountSettings(
            label, Kind.SEND_ONLY, Scope.SYSTEM, "", outgoing=endpoint, authentication=Authentication.OWN,
            outgoing_login=tried,
        )))  # fmt: skip
    return tries


def _read(document: Mapping[str, object]) -> tuple[str, str, Login]:
    fields = Fields()
    told = {name: value for name, value in document.items() if name not in {"label", "owner"}}
    label = fields.text("label", document.get("label"), limit=120)
    owner = fields.text("owner", document.get("owner"), required=False)
    inner = Fields()
    if "login" in told or "by_owner" in told:
        fields.wrong |= {name: "unknown-field" for name in ("login", "by_owner") if name in told}
        told = {name: value for name, value in told.items() if name not in {"login", "by_owner"}}
    login, _ = Parts(inner).login("login", told)
    fields.wrong |= {path.removeprefix("login."): reason for path, reason in inner.wrong.items()}
    if login is not None and login.mechanism is Mechanism.EXTERNAL and login.password is not None:
        fields.wrong |= {"password": "contradiction"}
    if fields.wrong or login is None:
        raise Invalid(fields.wrong or {"": "not-an-object"})
    return label, owner, login


def _own_or_office(actor: Actor, record: LoginRecord) -> None:
    if not record.label:
        raise NotPermitted("login-of-an-account")
    if record.owner is None:
        require_administrator(actor)


def _check(password: Secret) -> None:
    fields = Fields()
    Parts(fields).password("password", password.reveal())
    if fields.wrong:
        raise Invalid(fields.wrong)
