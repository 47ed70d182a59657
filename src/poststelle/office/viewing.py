"""Files of a message looked at without opening them: their words, and messages that came as files.

Seeing takes the right *see*. Whatever can break or blow up is read by a confined process, which the installation names
(``FILE_READER`` in Django's settings); without it nothing is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from poststelle.errors import NotFound
from poststelle.mail.enclosures import enclosures
from poststelle.mail.message import ParsedMessage, body_text, parse
from poststelle.office import reading
from poststelle.office.actor import Actor
from poststelle.office.reading import AttachmentView

LONGEST_TEXT = 200_000
_TEXT_TYPES = frozenset(
    {"application/pdf", "text/plain", "text/csv", "text/markdown", "text/calendar", "application/json"}
)
_TEXT_ENDINGS = frozenset(
    [
        "pdf",
        "doc",
        "docx",
        "docm",
        "dotx",
        "odt",
        "ott",
        "rtf",
        "xls",
        "xlsx",
        "xlsm",
        "ods",
        "ots",
        "pptx",
        "pptm",
        "odp",
        "htm",
        "html",
        "csv",
        "tsv",
        "txt",
        "md",
        "log",
        "json",
        "xml",
        "ics",
    ]
)


@dataclass(frozen=True, slots=True)
class Nested:
    """A message that came as a file, with its own files (to be had only within the whole). `date` is UTC or None."""

    parsed: ParsedMessage
    text: str
    has_html: bool
    date: datetime | None
    files: Sequence[AttachmentView]


def look(name: str, content_type: str, preview: str) -> str:
    """How a file can be looked at: ``image``, ``message``, ``text`` (its words), or "" not at all. `preview` as `AttachmentView` has it."""
    ending = name.rpartition(".")[2].lower()
    if preview in {"image", "message"}:
        return preview
    if content_type == "message/rfc822" or ending == "eml":
        return "message"
    return "text" if content_type in _TEXT_TYPES or ending in _TEXT_ENDINGS else ""


def words_of_file(actor: Actor, placement: str, number: int) -> str | None:
    """The words of an attachment; None when it cannot be read. Raises NotFound, also for a file without words."""
    file = reading.attachment(actor, placement, number)
    if look(file.name, file.content_type, "") != "text":
        raise NotFound("attachment-unknown", message=placement, attachment=number)
    read = import_string(django_settings.FILE_READER)
    words: str | None = read(file.name, file.content_type, file.data)
    return None if words is None else words[:LONGEST_TEXT].strip()


def nested(actor: Actor, placement: str, number: int) -> Nested:
    """The message that is this attachment. Raises NotFound, also for any other kind of file."""
    file = reading.attachment(actor, placement, number)
    if look(file.name, file.content_type, "") != "message":
        raise NotFound("attachment-unknown", message=placement, attachment=number)
    parsed = parse(file.data)
    files = [
        AttachmentView(position, one.name, one.content_type, len(one.data))
        for position, one in enumerate(enclosures(file.data, parsed))
        if not one.is_inline
    ]
    return Nested(parsed, body_text(file.data, parsed), parsed.html_part is not None, parsed.date, files)
