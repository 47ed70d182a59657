"""How an open message is told on its page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import pgettext

from poststelle.mail import spoofing
from poststelle.mail.address import format_address
from poststelle.mail.authentication import Verdict
from poststelle.mail.calendar import Event
from poststelle.mail.records import AddressRecord
from poststelle.web import telling

register = template.Library()


@register.filter
def sender_mark(mark: str) -> str:
    """Why to look twice at the sender."""
    return str(telling.SENDER_MARKS.get(mark, mark))


@register.filter
def found_by_server(verdict: Verdict) -> str:
    """What the receiving server found out."""
    return telling.found_by_server(verdict)


@register.filter
def colour_name(colour: str) -> str:
    """What a colour of tags is called."""
    return str(telling.COLOURS.get(colour, colour))


@register.filter
def danger_words(dangers: Sequence[str]) -> str:
    """What to beware of in a file."""
    return ", ".join(str(telling.DANGERS.get(one, one)) for one in dangers)


@register.filter
def delivery_action(action: str) -> str:
    """What became of a recipient, as a report says."""
    return str(telling.ACTIONS.get(action, action))


@register.filter
def disposition_words(disposition: str) -> str:
    """What a read receipt says."""
    return str(telling.DISPOSITIONS.get(disposition, disposition))


@register.filter
def invitation_kind(method: str) -> str:
    """What an appointment in a mail is."""
    return str(telling.INVITATIONS.get(method, telling.INVITATIONS["PUBLISH"]))


@register.filter
def event_when(event: Event) -> str:
    """From when to when."""
    return telling.when(event)


@register.filter
def short_day(moment: datetime) -> str:
    """Weekday, day and month."""
    return date_format(timezone.localtime(moment), pgettext("date format: weekday, day and month", "D, j M"))


@register.filter
def person_of(pair: tuple[str, str]) -> str:
    """Name and address of somebody in a calendar."""
    return format_address(*pair)


@register.filter
def plain_sender(person: AddressRecord) -> str:
    """The address with its domain as nobody can be deceived by it."""
    local, at, domain = person.address.rpartition("@")
    return f"{local}{at}{spoofing.shown_domain(domain)}"
