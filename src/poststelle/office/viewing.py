"""Files of a message looked at without opening them: pictures, pages of a PDF, words, and messages that came as files.

Law: seeing takes the right *see*. Nothing a stranger made reaches the one who looks: what is shown was drawn anew or is plain text,
made by a confined process (`office.cells`); what it cannot read is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from poststelle.errors import NotFound
from poststelle.mail.files import IMAGE_TYPES
from poststelle.mail.opened import Opened
from poststelle.office import cells, reading
from poststelle.office.actor import Actor

LONGEST_TEXT = 200_000
LONGEST_SIDE = 1_600
_TEXT_TYPES = frozenset({"text/plain", "text/csv", "text/markdown", "text/calendar", "application/json"})
_TEXT_ENDINGS = frozenset({
    "doc", "docx", "docm", "dotx", "odt", "ott", "rtf", "xls", "xlsx", "xlsm", "ods", "ots", "pptx", "pptm", "odp", "htm", "html",
    "csv", "tsv", "txt", "md", "log", "json", "xml", "ics",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A file looked at. `kind` is ``image``, ``pdf``, ``message``, ``text`` or "" (cannot be looked at at all).

    `picture` is PNG or JPEG, empty when none can be drawn; `page` of `pages` counts from 0; `words` is None when there are none to be
    had; `message` is there for a message, with its own files, which are to be had only within the whole.
    """

    name: str
    kind: str
    picture: bytes = b""
    page: int = 0
    pages: int = 0
    words: str | None = None
    message: Opened | None = None


def kind_of(name: str, content_type: str) -> str:
    """How a file of this name (as sent) and claimed type can be looked at; see `Look`."""
    ending = name.rpartition(".")[2].lower()
    if content_type in IMAGE_TYPES:
        return "image"
    if content_type == "message/rfc822" or ending == "eml":
        return "message"
    if content_type == "application/pdf" or ending == "pdf":
        return "pdf"
    return "text" if content_type in _TEXT_TYPES or ending in _TEXT_ENDINGS else ""


def look(actor: Actor, placement: str, number: int, page: int = 0) -> Look:
    """A file of a message looked at; of a PDF the page (from 0). Raises NotFound, Conflict("message-unreadable")."""
    file = reading.attachment(actor, placement, number)
    kind = kind_of(file.name, file.content_type)
    if kind == "image":
        return Look(file.name, kind, picture=cells.picture(file.data, LONGEST_SIDE))
    if kind == "message":
        return Look(file.name, kind, message=cells.opened(file.data))
    if kind == "pdf":
        drawn, pages = cells.page(file.data, page)
        if drawn:
            return Look(file.name, kind, picture=drawn, page=page, pages=pages)
        if page:
            raise NotFound("attachment-unknown", message=placement, attachment=number)
    if not kind:
        return Look(file.name, kind)
    words = cells.words(file.name, file.content_type, file.data)
    return Look(file.name, "text", words=None if words is None else words[:LONGEST_TEXT].strip())
