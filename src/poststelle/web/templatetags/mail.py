"""How values of the mail vocabulary are written on a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from poststelle.mail.address import format_address
from poststelle.mail.ports import FLAGGED, SEEN
from poststelle.mail.preferences import Preferences
from poststelle.mail.records import AddressRecord, FolderRecord, LedgerRecord, PlacementRecord, TroubleRecord
from poststelle.mail.work import NoteRecord
from poststelle.office import wording
from poststelle.web import readable as readable_text
from poststelle.web.names import (
    COLUMNS,
    DENSITIES,
    ICONS,
    OPERATOR_HELP,
    PREVIEWS,
    RECIPIENT_STATES,
    Text,
    path_name,
    role_name,
    scope_name,
)
from poststelle.web.telling import plain_day, plain_moment, told_day

register = template.Library()
register.filter("plain_day", plain_day)
register.filter("plain_moment", plain_moment)
register.filter("told_day", told_day)


@register.filter
def readable(text: str, looked_for: Sequence[str] = ()) -> str:
    """Plain text of a mail as HTML, with the words looked for marked (see `web.readable`)."""
    return readable_text.text_as_html(text, looked_for)


@register.filter
def with_mentions(note: NoteRecord) -> str:
    """The text of a note as HTML, with those it calls marked."""
    return readable_text.note_as_html(note.text, note.mentions)


@register.filter
def short_moment(moment: datetime | None) -> str:
    """As a list shows it: the time today, the weekday this week, day and month this year, else the date."""
    if moment is None:
        return ""
    local, now = timezone.localtime(moment), timezone.localtime()
    if local.date() == now.date():
        return date_format(local, "H:i")
    if timedelta(0) < now.date() - local.date() < timedelta(days=6):
        return date_format(local, pgettext("date format: weekday and time", "D H:i"))
    if local.year == now.year:
        return date_format(local, pgettext("date format: day and month", "j M"))
    return date_format(local, pgettext("date format: date", "j M Y"))


@register.filter
def long_moment(moment: datetime | None) -> str:
    """Weekday, date and time."""
    if moment is None:
        return ""
    return date_format(timezone.localtime(moment), pgettext("date format: full", "D, j F Y, H:i"))


@register.filter
def exact_moment(moment: datetime) -> str:
    """As a log shows it, to the second."""
    return f"{plain_day(moment)} {date_format(timezone.localtime(moment), 'H:i:s')}"


@register.filter
def unread(placement: PlacementRecord) -> bool:
    """Nobody has read it yet."""
    return SEEN not in placement.flags


@register.filter
def flagged(placement: PlacementRecord) -> bool:
    """It carries the star."""
    return FLAGGED in placement.flags


@register.filter
def shown_name(person: AddressRecord) -> str:
    """What a list calls somebody."""
    return person.name or person.address or _("(no sender)")


@register.filter
def full_address(person: AddressRecord) -> str:
    """Name and address; the address is always visible."""
    return format_address(person.name, person.address)


@register.filter
def role_icon(folder: FolderRecord) -> str:
    """The Lucide icon of a folder's role."""
    return ICONS[folder.role]


@register.filter
def folder_name(folder: FolderRecord) -> str:
    """A special folder by its role in the reader's language, any other by its own name."""
    return role_name(folder)


@register.filter
def folder_path(folder: FolderRecord | LedgerRecord) -> str:
    """A folder from the top of its mailbox, special ones by their role."""
    return path_name(folder.path, folder.role)


@register.filter
def scope_names(scopes: Sequence[str]) -> str:
    """What a token may be used for, in one word each."""
    return ", ".join(map(scope_name, scopes))


@register.filter
def told(trouble: TroubleRecord) -> wording.Wording:
    """Trouble in words."""
    return wording.of_trouble(trouble)


@register.filter
def defect(code: str) -> str:
    """A defect of a message in words."""
    return wording.defect_sentence(code)


@register.filter
def after_path(path: str, prefix: str) -> bool:
    """Whether the address being shown lies below another."""
    return path.startswith(prefix)


@register.filter
def initial(person: AddressRecord) -> str:
    """The letter in somebody's circle."""
    return next((letter for letter in person.name or person.address if letter.isalnum()), "?").upper()


@register.filter
def said(trouble: TroubleRecord) -> str:
    """What the server said word for word, to be quoted."""
    return wording.server_words(trouble.facts)


@register.filter
def set_aside_words(code: str) -> str:
    """Why a message could not be taken over."""
    return wording.sentence(code).title


@register.filter
def recipient_state(state: str) -> str:
    """What became of a recipient."""
    return str(RECIPIENT_STATES.get(state, state))


@register.filter
def number(value: int) -> str:
    """With the thousands separator of the language."""
    return number_format(value, force_grouping=True)


@register.filter
def density_choices(chosen: Preferences) -> list[tuple[str, Text, bool]]:
    """The densities: word, name, and whether it is the one chosen."""
    return [(word, name, word == chosen.density) for word, name in DENSITIES.items()]


@register.filter
def preview_choices(chosen: Preferences) -> list[tuple[str, Text, bool]]:
    """Where a message is shown: word, name, and whether it is the one chosen."""
    return [(word, name, word == chosen.preview) for word, name in PREVIEWS.items()]


@register.filter
def column_choices(chosen: Preferences) -> list[tuple[str, Text, bool]]:
    """What a row shows: word, name, and whether it is chosen; the chosen first, in their order."""
    rest = [word for word in COLUMNS if word not in chosen.columns]
    return [(word, COLUMNS[word], word in chosen.columns) for word in (*chosen.columns, *rest)]


@register.filter
def operator_help(meaning: str) -> Text:
    """What an operator of the search is for."""
    return OPERATOR_HELP.get(meaning, "")


@register.filter
def undo_tokens(tags: str) -> list[str]:
    """The tokens a note carries with which what it says can be taken back."""
    word, *rest = tags.split() or [""]
    return [one for one in rest if one != "success"] if word == "undo" else []
