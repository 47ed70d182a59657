"""What a letter begins with at the counter: whom one may write as, and the signature or text template of each.

Law: what is put into a letter is seen before it leaves; nothing is added behind the writer's back. A template is the whole
letter's frame and stays in answers; a signature stands below and can be left out of them, by the mailbox or by the person.
In both ``{name}`` and ``{email}`` are the person who writes, ``{address}`` and ``{organisation}`` the sender's, ``{date}`` is today.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import pgettext

from poststelle.mail.preferences import DEFAULT
from poststelle.mail.records import SenderRecord
from poststelle.mail.settings import Signature
from poststelle.office import accounts, people, preferences
from poststelle.office.actor import Actor

_PLACEHOLDER = re.compile(r"\{(name|email|address|organisation|date)\}")


@dataclass(frozen=True, slots=True)
class Sender:
    """An address one may write as. `fresh` and `answering` are what is put into a new letter and into an answer or forward.

    `frames`: it is a template, into which one writes; a signature stands below what is written.
    """

    account: SenderRecord
    address: str
    name: str
    fresh: str
    answering: str
    frames: bool = False

    @property
    def key(self) -> str:
        """Names it in a form: the account's id, and the address where it is not the account's own."""
        own = self.address.lower() == self.account.address.lower()
        return self.account.id if own else f"{self.account.id} {self.address}"


def senders(actor: Actor) -> list[Sender]:
    """Every address the actor may write as: the one new letters begin with first, then by mailbox, its own address before the others."""
    chosen = people.default_sender(actor)
    records = accounts.senders(actor)
    if chosen is not None:
        records.sort(key=lambda record: record.id != chosen.id)
    when = preferences.mine(actor).signature if actor.user is not None else DEFAULT.signature
    pen = _Pen(actor, when)
    return [sender for record in records for sender in _of(pen, record)]


@dataclass(frozen=True, slots=True)
class _Pen:
    """Who writes, and `when` they want a signature; what stands in for today's date is made once."""

    actor: Actor
    when: str
    today: str = field(
        default_factory=lambda: date_format(timezone.localdate(), pgettext("date format: date", "j M Y"))
    )


def _of(pen: _Pen, record: SenderRecord) -> list[Sender]:
    found = [_sender(pen, record, record.address, record.display_name, record.organisation, record.signature)]
    for one in record.identities:
        signature = one.signature if one.signature is not None else record.signature
        name, organisation = one.display_name or record.display_name, one.organisation or record.organisation
        found.append(_sender(pen, record, one.address, name, organisation, signature))
    return found


def _sender(
    pen: _Pen, record: SenderRecord, address: str, name: str, organisation: str, signature: Signature
) -> Sender:
    user = pen.actor.user
    values = {
        "name": user.name if user else name, "email": user.email if user else address,
        "address": address, "organisation": organisation, "date": pen.today,
    }  # fmt: skip
    if signature.template:
        text = _filled(signature.template.rstrip(), values)
        return Sender(record, address, name, text, text, frames=True)
    text = _filled(signature.text.strip("\n").rstrip(), values)
    fresh = f"-- \n{text}" if text and pen.when != "never" else ""
    # Above a quotation the usual mark would make other programs hide what follows it.
    answering = text if pen.when == "always" and not signature.not_on_replies else ""
    return Sender(record, address, name, fresh, answering)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
