"""What a message is, in the reader's language: marks of its sender, what servers found, dangers of files, invitations, reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

from poststelle.mail import spoofing
from poststelle.mail.authentication import Verdict
from poststelle.mail.calendar import Event
from poststelle.mail.listing import Status

Text = Any  # a lazily translated string: django-stubs calls it _StrPromise

STATUSES: Mapping[str, Text] = {
    Status.OPEN.value: pgettext_lazy("status", "Open"),
    Status.WAITING.value: pgettext_lazy("status", "Waiting"),
    Status.DONE.value: pgettext_lazy("status", "Done"),
}
COLOURS: Mapping[str, Text] = {
    "red": pgettext_lazy("colour", "red"),
    "orange": pgettext_lazy("colour", "orange"),
    "yellow": pgettext_lazy("colour", "yellow"),
    "green": pgettext_lazy("colour", "green"),
    "teal": pgettext_lazy("colour", "teal"),
    "blue": pgettext_lazy("colour", "blue"),
    "purple": pgettext_lazy("colour", "purple"),
    "pink": pgettext_lazy("colour", "pink"),
    "brown": pgettext_lazy("colour", "brown"),
    "grey": pgettext_lazy("colour", "grey"),
}
SENDER_MARKS: Mapping[str, Text] = {
    spoofing.NO_SENDER: _("The message names no sender."),
    spoofing.SEVERAL_SENDERS: _("The message names several senders."),
    spoofing.NAME_IS_ANOTHER_ADDRESS: _("The name shows another address than the message is from."),
    spoofing.HIDDEN_CHARACTERS: _("The sender contains characters that cannot be seen."),
    spoofing.LOOKS_LIKE_ANOTHER: _("The sender's domain looks like another one but is not."),
    spoofing.REPLIES_GO_ELSEWHERE: _("Replies go to another domain than the message is from."),
}
DANGERS: Mapping[str, Text] = {
    "program": _("can run a program"),
    "macros": _("can contain macros"),
    "page": _("a page with contents of its own"),
    "container": _("hides other files"),
    "disguised": _("its name is misleading"),
}
ACTIONS: Mapping[str, Text] = {
    "failed": _("could not be delivered"),
    "delayed": _("has not been delivered yet; the server keeps trying"),
    "delivered": _("was delivered"),
    "relayed": _("was passed on to a server that does not confirm"),
    "expanded": _("was passed on to several people"),
}
DISPOSITIONS: Mapping[str, Text] = {
    "displayed": _("has been displayed"),
    "deleted": _("was deleted without having been displayed"),
    "dispatched": _("was forwarded"),
    "processed": _("was processed by a program"),
    "denied": _("no receipt is given"),
    "failed": _("no receipt could be given"),
}
INVITATIONS: Mapping[str, Text] = {
    "REQUEST": _("Invitation"),
    "CANCEL": _("Cancelled appointment"),
    "REPLY": _("Answer to an invitation"),
    "COUNTER": _("Proposal for another time"),
    "PUBLISH": _("Appointment"),
}


def found_by_server(verdict: Verdict) -> str:
    """What the receiving server found out about the sender."""
    known = {"server": verdict.server or verdict.domain, "domain": verdict.domain}
    if verdict.failed:
        return translated("This message is not from the domain it names: its sender may be forged.")
    if verdict.passed:
        return translated("Sender confirmed: %(domain)s answers for this message.") % known
    return translated("Whether the sender is genuine could not be confirmed.")


def when(event: Event) -> str:
    """From when to when, in the reader's time zone; the zone's name where it is not known."""
    start, end = event.start, event.end
    if start is None:
        return translated("no time given")
    if not isinstance(start, datetime):
        last = (
            end - timedelta(days=1)
            if isinstance(end, date) and not isinstance(end, datetime) and end > start
            else start
        )
        return _day(start) if last == start else f"{_day(start)} – {_day(last)}"
    begins = _local(start)
    told = f"{_day(begins)}, {date_format(begins, 'H:i')}"
    if isinstance(end, datetime):
        ends = _local(end)
        told += " – " + (
            date_format(ends, "H:i") if ends.date() == begins.date() else f"{_day(ends)}, {date_format(ends, 'H:i')}"
        )
    return f"{told} ({event.zone})" if start.tzinfo is None and event.zone else told


def _local(moment: datetime) -> datetime:
    return timezone.localtime(moment) if moment.tzinfo else moment


def _day(day: date) -> str:
    return date_format(day, pgettext("date format: weekday and date", "l, j F Y"))


def plain_day(moment: datetime) -> str:
    """Day, month and year."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return date_format(local, pgettext("date format: date", "j M Y"))


def told_day(text: str) -> str:
    """The day of a moment written in ISO; what is none as it is."""
    try:
        return plain_day(datetime.fromisoformat(text))
    except ValueError:
        return text


def plain_moment(moment: datetime) -> str:
    """With the time, to the minute."""
    return f"{plain_day(moment)} {date_format(timezone.localtime(moment), 'H:i')}"
