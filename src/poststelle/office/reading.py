"""Reading at the counter: folders, messages, threads, attachments, search.

Seeing takes the right *see*, which never changes anything on the server; `office.handling` changes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape, unescape
from typing import NamedTuple

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from poststelle.errors import NotFound, NotPermitted
from poststelle.mail import archive, spoofing
from poststelle.mail.authentication import Verdict, own_servers
from poststelle.mail.calendar import Event
from poststelle.mail.files import IMAGE_TYPES, dangers, named, safe_name
from poststelle.mail.folding import Labels
from poststelle.mail.html import Sanitised, document, has_colours
from poststelle.mail.opened import File, Opened, Shown
from poststelle.mail.records import AccountRecord, FolderRecord, Page, PlacementRecord, SearchHit, SetAsideRecord
from poststelle.mail.report import DeliveryReport, DispositionReport
from poststelle.mail.settings import Right
from poststelle.mail.work import ThreadMessage
from poststelle.office import cells
from poststelle.office.actor import Actor
from poststelle.store import accounts, guards, list_rows, messages, tags, work
from poststelle.store import search as search_index

MOST_SOURCE, MOST_HEADERS = 1 << 20, 500
_SHORT = ("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Date", "Subject")
_MOST_OF_A_KIND = 5
_recent = cells.Recent()
# As `mail.html.sanitise` writes them.
_IMAGE = re.compile(r'<img(?: [\w-]+="[^"]*")*')
_ALTERNATIVE = re.compile(r' alt="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Branch:
    """An account in the tree with its folders."""

    account: AccountRecord
    folders: Sequence[FolderRecord]


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """An attachment as it may be shown: `number` counts from 0; `name` as sent (hostile), `size` in bytes when decoded.

    `safe_name` is fit for any system; `dangers` (mail.files.DANGERS) is what to beware of; `is_inline`: an image the HTML form shows;
    `preview`: how it can be shown in place (``image``, ``pdf``, ``text``, ``message`` or not at all).
    """

    number: int
    name: str
    content_type: str
    size: int
    safe_name: str = ""
    dangers: Sequence[str] = ()
    is_inline: bool = False
    preview: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a message is besides words: appointments, a delivery report, a read receipt."""

    invitations: Sequence[Event] = ()
    delivery: DeliveryReport | None = None
    disposition: DispositionReport | None = None


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """A message opened: its row, what its bytes say (`parsed`; `UNREADABLE` when they were too much), and who may do what with it.

    `marks` (mail.spoofing.MARKS) is what to notice about the sender, `shown_domain` the sender's domain as it may be shown;
    `authentication` what the account's own server found out about the sender, None where it does not say. `remote_allowed`: the
    actor trusts this sender's remote pictures. `also`: other folders (ids) in which the actor may see the same message.
    """

    placement: PlacementRecord
    folder: FolderRecord
    parsed: Opened
    attachments: Sequence[AttachmentView]
    may_process: bool
    marks: Sequence[str]
    shown_domain: str
    authentication: Verdict | None
    said: Said
    remote_allowed: bool
    also: Sequence[str]
    files_for: str = ""

    @property
    def text(self) -> str:
        """The text to be read."""
        return self.parsed.text

    @property
    def has_html(self) -> bool:
        """Whether there is an HTML form."""
        return self.parsed.has_html

    @property
    def short_headers(self) -> list[tuple[str, str]]:
        """The fields people read, in their usual order, as far as they are there."""
        found: dict[str, list[str]] = {}
        for name, value in self.parsed.headers:
            found.setdefault(name.lower(), []).append(value)
        return [(name, value) for name in _SHORT for value in found.get(name.lower(), [])[:_MOST_OF_A_KIND]]

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Every field in its order, decoded, the first `MOST_HEADERS`."""
        return self.parsed.headers[:MOST_HEADERS]


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a message as text, as far as a page can show them."""

    text: str
    is_cut: bool


class ShownHtml(NamedTuple):
    """The HTML form as a page (`document`), how many remote contents are `held_back`, and whether it has colours of its own."""

    document: str
    held_back: int
    has_colours: bool


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


def arrived(actor: Actor, number: str, ids: tuple[str, str], since: datetime, limit: int) -> list[PlacementRecord]:
    """What a journal entry "messages-arrived" tells of (`ids`: its ``first`` and ``last``): unread, received `since`, newest first.

    Nothing of a folder out of reach. Raises NotFound for what are no ids.
    """
    return messages.arrived(actor.reach, number, ids, since, limit)


def set_aside(actor: Actor, number: str) -> list[SetAsideRecord]:
    """What the server has in this folder and we could not take."""
    return messages.set_aside(actor.reach, number)


def placement(actor: Actor, number: str) -> PlacementRecord:
    """One row. Raises NotFound."""
    return messages.placement(actor.reach, number)


def raw(actor: Actor, number: str) -> bytes:
    """The exact bytes the server gave. Raises NotFound, NotPermitted("files-for-a-group"), Conflict("bytes-damaged")."""
    content = messages.raw(actor.reach, number)
    if group := guards.needed(actor.reach, [number]):
        raise NotPermitted("files-for-a-group", group=group)
    return content


def open_message(actor: Actor, number: str) -> OpenMessage:
    """A message to read. Marks nothing; the reader's page decides when it counts as read. Raises NotFound."""
    reach = actor.reach
    record = messages.placement(reach, number)
    content = messages.content(reach.pool, bytes.fromhex(record.content))
    parsed = cells.opened(content, [*own_servers(messages.received_by(record.account_id))])
    trusted = actor.user is not None and tags.is_trusted(actor.user.id, record.sender.address)
    return OpenMessage(
        placement=record,
        folder=messages.folder(reach, record.folder_id),
        parsed=parsed,
        attachments=[described(file) for file in parsed.files],
        may_process=work.find(reach, number).may_process,
        marks=parsed.marks,
        shown_domain=spoofing.shown_domain(record.sender.address.rpartition("@")[2]),
        authentication=parsed.authentication,
        said=Said(parsed.invitations, parsed.delivery, parsed.disposition),
        # Whoever imitates a trusted sender is not that sender.
        remote_allowed=trusted and not set(parsed.marks) - spoofing.NOTICES,
        also=list_rows.elsewhere(reach, number),
        files_for=guards.needed(reach, [number]) if parsed.files else "",
    )


def thread(actor: Actor, number: str, *, others: bool = False) -> list[ThreadMessage]:
    """The messages of the thread as far as the actor may see them, each once, oldest first; this one alone where it has none.

    `others`: without this one. Raises NotFound.
    """
    reach = actor.reach
    spot = work.find(reach, number)
    if others and not spot.thread:
        return []
    found = list_rows.thread(reach, spot.thread, spot.message, spot.placement)
    if others:
        found = [one for one in found if one[0] != spot.message]
    if not found:
        return []
    records = messages.by_ids([placement for _, placement, _ in found])
    extras = list_rows.Extras(reach, [message for message, _, _ in found], {spot.message: spot.thread})
    return [extras.folded(records[placed], message, also) for message, placed, also in found if placed in records]


def source(actor: Actor, number: str) -> Source:
    """The message's bytes as text. Raises NotFound."""
    content = raw(actor, number)
    return Source(content[:MOST_SOURCE].decode("utf-8", "replace").replace("\0", "\ufffd"), len(content) > MOST_SOURCE)


def zipped(actor: Actor, number: str) -> Iterator[bytes]:
    """All files of the message as one ZIP archive, piece by piece, under names any system takes.

    Raises NotFound and Conflict("message-unreadable"), before the first piece.
    """
    files = cells.files(raw(actor, number))
    if not files:
        raise NotFound("attachment-unknown", message=number)
    return archive.pieces((named(name, kind), data) for name, kind, data in files)


def html_document(
    actor: Actor,
    number: str,
    *,
    remote: bool,
    within: int | None = None,
    through: Callable[[str, str], str] = lambda url, _words: url,
    heading: Sequence[tuple[str, str]] = (),
    paper: bool = False,
) -> ShownHtml:
    """The HTML form, sanitised, as a whole document for the sandboxed frame.

    Inline images are embedded, quoted letters folded, deceiving links marked. `remote`: show remote images, because the reader
    asked, under the address `through` makes of theirs and of the words that stand for them. `within`: the form of the message that is this attachment. `heading` and
    `paper`: as `mail.html.document` takes them. Raises NotFound, Conflict("message-unreadable").
    """
    found = _shown(actor, number, within, remote=remote)
    if found is None:
        raise NotFound("message-has-no-html", message=number)
    mark, shown = found
    html = _with_pictures(shown, mark, through) if remote else shown.html
    page = document(Sanitised(html, shown.blocked_remote, remote), title=shown.subject, heading=heading, paper=paper)
    return ShownHtml(page, shown.blocked_remote, has_colours(html))


def attachment(actor: Actor, number: str, position: int) -> Download:
    """One attachment, decoded. Raises NotFound, Conflict("message-unreadable")."""
    name, content_type, data = cells.file(raw(actor, number), position)
    return Download(named(name, content_type), content_type, data)


def search(
    actor: Actor, query: str, limit: int = 50, after: str | None = None, *, ranked: bool = False
) -> Page[SearchHit]:
    """Messages the query (`mail.query`) describes, newest first or the best first. Raises Invalid for a foreign cursor."""
    return search_index.find(actor.reach, query, limit, after, ranked=ranked)


def described(file: File) -> AttachmentView:
    """A file of a message as it may be shown."""
    return AttachmentView(
        file.number, file.name, file.content_type, file.size, safe_name(named(file.name, file.content_type)),
        dangers(file.name, file.content_type), file.is_inline, _preview(file.name, file.content_type),
    )  # fmt: skip


def _preview(name: str, content_type: str) -> str:
    if content_type in IMAGE_TYPES:
        return "image"
    if dangers(name, content_type):
        return ""
    return {"application/pdf": "pdf", "text/plain": "text", "message/rfc822": "message"}.get(content_type, "")


def _shown(actor: Actor, number: str, within: int | None, *, remote: bool) -> tuple[str, Shown] | None:
    """The sanitised form, with the mark that stands in it for remote pictures."""
    record = messages.placement(actor.reach, number)
    key = (actor.reach.pool, record.content, within, remote, get_language())
    # A file may be for a group only, which is looked at where it is read.
    if within is None and (kept := _recent.get(key)):
        return kept
    content = messages.content(actor.reach.pool, bytes.fromhex(record.content))
    if within is not None:
        content = cells.file(raw(actor, number), within)[2]
    mark = f"{secrets.token_hex(16)}." if remote else ""
    shown = cells.shown(content, Labels(_("Quoted text"), _("leads to:")), mark)
    if shown is None:
        return None
    _recent.put(key, (mark, shown))
    return mark, shown


def _with_pictures(shown: Shown, mark: str, through: Callable[[str, str], str]) -> str:
    def let_in(tag: re.Match[str]) -> str:
        words = _ALTERNATIVE.search(tag[0])

        def address(match: re.Match[str]) -> str:
            place = int(match[1])
            said = unescape(words[1]) if words else ""
            return escape(through(shown.pictures[place], said)) if place < len(shown.pictures) else ""

        return re.sub(rf"{mark}(\d{{1,6}})\.", address, tag[0])

    return _IMAGE.sub(let_in, shown.html)
