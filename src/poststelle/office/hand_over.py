"""Handing a mailbox over to its owner at the counter: a one-time link by which they enter the password themselves.

Creating one takes the right *administer*. Whoever holds the link needs no log-in here, sees office, address and who asks, and
nothing else; the passed test uses it up, looking does not (RELIABILITY Q32).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from asgiref.sync import sync_to_async

from poststelle.errors import Conflict, Invalid
from poststelle.mail.document import Fields
from poststelle.mail.document_parts import Parts
from poststelle.mail.records import Step
from poststelle.mail.secret import Secret
from poststelle.mail.settings import AccountSettings, Authentication
from poststelle.office import accounts, egress, probing
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import hand_over, people

_OF_INTERNAL = ("host", "port", "addresses", "openable")


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the page behind the link shows."""

    office: str
    address: str
    asked_by: str
    expires_at: datetime


def create(actor: Actor, account: str) -> tuple[str, datetime]:
    """The token of a new link (shown once) and when it expires; earlier links of the account are void.

    Raises NotFound, NotPermitted, Conflict("no-own-login") for an account without a log-in of its own.
    """
    record = accounts.administered(actor, account)
    if record.login is None or record.login.label:
        raise Conflict("no-own-login")
    return hand_over.create(actor.reach, record.id, asked_by=accounts.caretaker(actor), actor=actor.name)


def look(token: str) -> Invitation:
    """What the link is for; as often as one likes. Raises NotFound("hand-over-unknown")."""
    waiting = hand_over.look(token)
    return Invitation(people.office_name() or "", waiting.address, waiting.asked_by, waiting.expires_at)


async def submit(
    token: str, password: Secret, client_certificate: Secret | None = None, visitor: Actor | None = None
) -> AsyncIterator[Step]:
    """Try the secret at the account's servers, step by step; a passed test keeps it and uses the link up.

    The last step is ``kept``: ok, or skipped when something failed. Steps tell no server words; of an internal server that could be
    allowed only a `visitor` who is logged in and may allow it gets to know. Raises NotFound, Invalid first.
    """
    settings = await sync_to_async(_to_probe)(token, password, client_certificate)
    rule = await sync_to_async(egress.rule)()
    inside = visitor is not None and visitor.is_administrator
    failed = False
    async with aclosing(probing.tried(settings, rule, inside=inside)) as steps:
        async for step in steps:
            failed = failed or step.state == "failed"
            # Whoever holds a link is nobody here: they get to know what to do, not how the servers answer.
            known = _OF_INTERNAL if step.error == "host-internal" else ("host", "port")
            yield replace(step, detail={name: step.detail[name] for name in known if name in step.detail}, fixes=())
    if failed or settings.login is None:
        yield Step("", "kept", "skipped")
        return
    await sync_to_async(hand_over.keep)(token, settings.login)
    yield Step("", "kept", "ok")


def _to_probe(token: str, password: Secret, client_certificate: Secret | None) -> AccountSettings:
    waiting = hand_over.look(token)
    fields = Fields()
    given = Parts(fields).password("password", password.reveal() or None)
    if given is None and client_certificate is None:
        fields.wrong.setdefault("password", "missing")
    if fields.wrong:
        raise Invalid(fields.wrong)
    settings = accounts.to_probe(SYSTEM, {}, waiting.account)
    if settings.login is None:
        raise Conflict("no-own-login")
    login = replace(settings.login, password=given, client_certificate=client_certificate, by_owner=False)
    outgoing = settings.outgoing if settings.authentication is Authentication.SAME else None
    return replace(settings, login=login, outgoing=outgoing)
