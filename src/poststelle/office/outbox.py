"""Writing at the counter: submit a message, look at what became of it, begin a reply or a forward.

Submitting takes the right *send as* on the account, or *send on behalf*: then the message names the person as its Sender. Bytes and
Message-ID are fixed at once; the engine sends. Where it may have left already, whoever may send from the account decides whether it is
sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail import compose
from poststelle.mail.address import Address, is_addr_spec
from poststelle.mail.answer import lineage
from poststelle.mail.records import AccountRecord, HeldRecord, OutgoingRecord, Page
from poststelle.mail.settings import Right
from poststelle.office import accounts, cells, reading
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import messages, outbox, undecided


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to send along."""

    name: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person or program wants sent. Addresses as typed: ``a@b`` or ``Name <a@b>``.

    `account`: id or label. `sender`: empty for the account's own address, else one of its identities. `answers`: the placement replied to (it becomes
    \\Answered and gives References). `forwards`: the placement whose attachments go along.
    """

    account: str
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    subject: str = ""
    text: str = ""
    html: str | None = None
    sender: str = ""
    in_reply_to: str = ""
    answers: str | None = None
    forwards: str | None = None
    attachments: Sequence[Attachment] = ()


def submit(actor: Actor, draft: Draft, *, idempotency_key: str | None = None) -> OutgoingRecord:
    """Queue the message; under a key already used with the same content, the earlier one.

    Raises Invalid (fields account, from, to.0 …, subject), NotPermitted, NotFound, Conflict("idempotency-key-reused").
    """
    record = accounts.show(actor, draft.account)
    if not record.rights & accounts.SENDING:
        raise NotPermitted("send-as-needed")
    author = actor.user.id if actor.user else None
    request = hashlib.sha256(repr((draft, [file.data for file in draft.attachments])).encode()).hexdigest()
    if idempotency_key and (earlier := outbox.submitted_before(author, idempotency_key, request)):
        return outbox.find(actor.reach, earlier)
    head = _head(actor, record, draft)
    composed = compose.compose(_letter(actor, draft, head))
    recipients = [
        (address, kind)
        for kind, typed in (("to", draft.to), ("cc", draft.cc), ("bcc", draft.bcc))
        for address in dict.fromkeys(_typed(one).address for one in typed)
    ]
    once: dict[str, str] = {}
    for address, kind in recipients:
        once.setdefault(address, kind)
    number = outbox.submit(
        actor.reach,
        outbox.Submission(
            account=record.id, sender=head.sender.address, recipients=[*once.items()], raw=composed.raw,
            message_id=composed.message_id, answers=draft.answers, idempotency_key=idempotency_key, request_digest=request,
        ),
        author=author,
        actor=actor.name,
    )  # fmt: skip
    return outbox.find(actor.reach, number)


def page(actor: Actor, limit: int = 50, after: str | None = None) -> Page[OutgoingRecord]:
    """One's own outgoing mail and that of accounts one may send as, newest first."""
    return outbox.page(actor.reach, limit, after)


def show(actor: Actor, number: str) -> OutgoingRecord:
    """One outgoing message with the state of every recipient. Raises NotFound."""
    return outbox.find(actor.reach, number)


def held(actor: Actor) -> HeldRecord | None:
    """What waits for the actor's word since the data was restored or copied; None where nothing does."""
    return undecided.held(actor.reach)


def open_to_decision(actor: Actor, shown: Sequence[OutgoingRecord]) -> set[str]:
    """Those of these messages (ids) that the actor may send again or discard."""
    return undecided.among(actor.reach, [one.id for one in shown])


def send_again(actor: Actor, number: str | None = None) -> int:
    """Send what is held, uncertain, postponed or discarded; without a number all that is held. How many.

    Raises NotFound, NotPermitted, Conflict("outgoing-settled") for what is none of these.
    """
    return undecided.send_again(actor.reach, number, actor=actor.name)


def discard(actor: Actor, number: str | None = None) -> int:
    """Send it no more, until somebody says otherwise; without a number all that is held. How many. Raises as `send_again` does."""
    return undecided.discard(actor.reach, number, actor=actor.name)


def hold(actor: Actor) -> int:
    """Hold all that waits, for where nobody can see that the data is older than it seems. How many. Raises NotPermitted."""
    require_administrator(actor)
    return undecided.hold(actor.name, undecided.latest_change())


@dataclass(frozen=True, slots=True)
class _Head:
    """Who a message says it is from. `agent`: the person who sends on behalf of the account."""

    sender: Address
    agent: Address | None
    organisation: str
    reply_to: str


def _head(actor: Actor, record: AccountRecord, draft: Draft) -> _Head:
    if not record.way_out or not record.active or not record.sending.included:
        raise Invalid({"account": "cannot-send"})
    agent = None
    if Right.SEND_AS not in record.rights and actor.user is not None:
        agent = Address(actor.user.name, actor.user.email)
    typed = _typed(draft.sender) if draft.sender else Address("", record.address)
    if typed.address.lower() == record.address.lower():
        name = typed.name or record.display_name
        return _Head(Address(name, record.address), agent, record.organisation, record.reply_to)
    identity = next((one for one in record.identities if one.address.lower() == typed.address.lower()), None)
    if identity is None:
        raise Invalid({"from": "not-an-identity"})
    name = typed.name or identity.display_name or record.display_name
    organisation = identity.organisation or record.organisation
    return _Head(Address(name, identity.address), agent, organisation, identity.reply_to or record.reply_to)


def _letter(actor: Actor, draft: Draft, head: _Head) -> compose.Draft:
    references: tuple[str, ...] = ()
    in_reply_to = draft.in_reply_to.strip().strip("<>")
    if draft.answers is not None:
        answered, references = lineage(cells.opened(messages.raw(actor.reach, draft.answers)))
        in_reply_to = in_reply_to or answered
    elif in_reply_to:
        references = (in_reply_to,)
    files = [compose.Attachment(file.name, file.content_type, file.data) for file in draft.attachments]
    if draft.forwards is not None:
        passed_on = cells.files(reading.raw(actor, draft.forwards), as_sent=True)
        files = [*(compose.Attachment(*file) for file in passed_on), *files]
    return compose.Draft(
        sender=head.sender,
        to=tuple(_typed(one) for one in draft.to),
        cc=tuple(_typed(one) for one in draft.cc),
        bcc=tuple(_typed(one) for one in draft.bcc),
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        attachments=tuple(files),
        in_reply_to=in_reply_to,
        references=references,
        reply_to=(Address("", head.reply_to),) if head.reply_to else (),
        agent=head.agent,
        organisation=head.organisation,
    )


def _typed(text: str) -> Address:
    """``Name <a@b>`` or ``a@b`` as typed; what cannot be read stays in the address for the composer to refuse by field."""
    text = text.strip()
    if text.endswith(">") and "<" in text:
        name, _, address = text[:-1].rpartition("<")
        if is_addr_spec(address.strip()):
            return Address(name.strip().strip('"'), address.strip())
    return Address("", text)
