"""Reading at the counter: trees, lists, messages, attachments, search.

Seeing takes the right *see*, which never changes anything on the server; `office.handling` changes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from poststelle.errors import NotFound
from poststelle.mail import html as html_mail
from poststelle.mail.enclosures import enclosures
from poststelle.mail.files import IMAGE_TYPES
from poststelle.mail.folding import Labels, prepared
from poststelle.mail.message import ParsedMessage, body_text, parse, part_bytes, part_text
from poststelle.mail.mime import Part
from poststelle.mail.records import AccountRecord, FolderRecord, Page, PlacementRecord, SearchHit, SetAsideRecord
from poststelle.mail.settings import Right
from poststelle.office.actor import Actor
from poststelle.store import accounts, list_rows, messages
from poststelle.store import search as search_index

_INLINE_LIMIT = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Branch:
    """An account in the tree with its folders."""

    account: AccountRecord
    folders: Sequence[FolderRecord]


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """An attachment as it may be shown: `number` counts from 0; `name` as sent (hostile), `size` in bytes when decoded."""

    number: int
    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """A message opened: its row, its parsed headers, its plain text, and whether there is an HTML form of it."""

    placement: PlacementRecord
    folder: FolderRecord
    parsed: ParsedMessage
    text: str
    has_html: bool
    attachments: Sequence[AttachmentView]
    may_process: bool
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Download:
    """An attachment's bytes with what it claims to be. The mouth decides how safely to hand it out (RELIABILITY Q65)."""

    name: str
    content_type: str
    data: bytes = field(repr=False)


def tree(actor: Actor) -> list[Branch]:
    """Every account the actor may read, by label, with its folders in the server's order."""
    by_account: dict[str, list[FolderRecord]] = {}
    for folder in messages.folders(actor.reach):
        by_account.setdefault(folder.account_id, []).append(folder)
    readable = accounts.within(actor.reach, Right.SEE)
    return [Branch(record, by_account.get(record.id, [])) for record in readable if record.incoming is not None]


def folders(actor: Actor, account: str) -> list[FolderRecord]:
    """The folders of one account (id). Raises NotFound."""
    return messages.folders(actor.reach, account)


def folder(actor: Actor, number: str) -> FolderRecord:
    """One folder. Raises NotFound."""
    return messages.folder(actor.reach, number)


def page(actor: Actor, number: str, limit: int = 50, after: str | None = None) -> Page[PlacementRecord]:
    """A window of a folder, newest first. Raises NotFound, Invalid for a foreign cursor."""
    return messages.page(actor.reach, number, limit, after)


def set_aside(actor: Actor, number: str) -> list[SetAsideRecord]:
    """What the server has in this folder and we could not take."""
    return messages.set_aside(actor.reach, number)


def placement(actor: Actor, number: str) -> PlacementRecord:
    """One row. Raises NotFound."""
    return messages.placement(actor.reach, number)


def raw(actor: Actor, number: str) -> bytes:
    """The exact bytes the server gave. Raises NotFound, Conflict("bytes-damaged")."""
    return messages.raw(actor.reach, number)


def open_message(actor: Actor, number: str) -> OpenMessage:
    """A message to read. Marks nothing; the reader's page decides when it counts as read. Raises NotFound."""
    record = messages.placement(actor.reach, number)
    content = messages.content(actor.reach.pool, bytes.fromhex(record.content))
    parsed = parse(content)
    return OpenMessage(
        placement=record,
        folder=messages.folder(actor.reach, record.folder_id),
        parsed=parsed,
        text=body_text(content, parsed),
        has_html=parsed.html_part is not None,
        attachments=[
            AttachmentView(position, file.name, file.content_type, len(file.data))
            for position, file in enumerate(enclosures(content, parsed))
        ],
        may_process=Right.PROCESS in accounts.rights_on(actor.reach, record.account_id, record.folder_id),
        raw=content,
    )


def elsewhere(actor: Actor, number: str) -> list[FolderRecord]:
    """The other folders in which the actor may see the same message. Raises NotFound."""
    messages.placement(actor.reach, number)
    return [messages.folder(actor.reach, one) for one in list_rows.elsewhere(actor.reach, number)]


def html_document(
    actor: Actor,
    number: str,
    *,
    remote: bool,
    within: int | None = None,
    through: Callable[[str], str] = str,
    heading: Sequence[tuple[str, str]] = (),
) -> tuple[str, int]:
    """The HTML form, sanitised, as a whole document for the sandboxed frame; and how many remote contents are held back.

    Inline images are embedded, quoted letters folded, deceiving links marked. `remote`: show https images, because the reader
    asked, under the address `through` makes of theirs. `within`: the form of the message that is this attachment. Raises NotFound.
    """
    content = messages.raw(actor.reach, number) if within is None else attachment(actor, number, within).data
    parsed = parse(content)
    if parsed.html_part is None:
        raise NotFound("message-has-no-html", message=number)
    images = {
        part.content_id: _data_url(content, part)
        for part in _parts(parsed.root)
        if part.content_id and part.content_type in IMAGE_TYPES and part.end - part.start < _INLINE_LIMIT
    }
    labels = Labels(_("Quoted text"), _("leads to:"))
    readable = prepared(part_text(content, parsed.html_part), labels)
    clean = html_mail.sanitise(readable, images=images, remote=remote, through=through)
    return html_mail.document(clean, title=parsed.subject, heading=heading), clean.blocked_remote


def attachment(actor: Actor, number: str, position: int) -> Download:
    """One attachment, decoded. Raises NotFound."""
    content = messages.raw(actor.reach, number)
    attachments = enclosures(content, parse(content))
    if not 0 <= position < len(attachments):
        raise NotFound("attachment-unknown", message=number, attachment=position)
    file = attachments[position]
    return Download(file.name, file.content_type, file.data)


def search(
    actor: Actor, query: str, limit: int = 50, after: str | None = None, *, ranked: bool = False
) -> Page[SearchHit]:
    """Messages the query (`mail.query`) describes, newest first or the best first. Raises Invalid for a foreign cursor."""
    return search_index.find(actor.reach, query, limit, after, ranked=ranked)


def _parts(part: Part) -> Iterable[Part]:
    yield part
    for child in part.children:
        yield from _parts(child)


def _data_url(content: bytes, part: Part) -> str:
    data = base64.b64encode(part_bytes(content, part)).decode("ascii")
    return f"data:{part.content_type};base64,{data}"
