"""Messages over HTTP: a row of a list, a message opened, its original bytes, its attachments, its flags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Body, Path, Query, Router
from pydantic import Field

from poststelle.api.shapes import Address, Given, Moment, Shape
from poststelle.api.tokens import actor_of
from poststelle.errors import Conflict, Invalid
from poststelle.mail.address import Address as ReadAddress
from poststelle.mail.authentication import Verdict
from poststelle.mail.files import safe_name, safe_type
from poststelle.mail.listing import read_filter, read_where
from poststelle.mail.ports import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from poststelle.mail.records import PlacementRecord
from poststelle.office import choosing, handling, reading
from poststelle.office.actor import Actor

router = Router(tags=["messages"], by_alias=True)

MessageId = Annotated[str, Path(description="The message's `id`, which is its placement's.")]

_SYSTEM_FLAGS = {"seen": SEEN, "answered": ANSWERED, "flagged": FLAGGED, "deleted": DELETED, "draft": DRAFT}
# An atom (RFC 9051 section 9, flag-keyword): ASCII without blanks, controls and what has a meaning on the wire.
_MOST_FLAGS = 50
"""In one request: all of them go to the server in one line, and lines have an end (RFC 7162 section 4)."""
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]{1,100}")


class Message(Shape):
    """A message where a server keeps it: one row of a list."""

    id: str = Field(description="Identifies the placement: this message in this folder.")
    folder: str = Field(description="Id of the folder.")
    account: str = Field(description="Id of the account.")
    content: str = Field(description="SHA-256 of the message's bytes in hex; the same wherever the same message lies.")
    subject: str = Field(description="Subject, decoded, one line.")
    from_: Address = Field(alias="from", description="Who wrote it.")
    recipients: list[Address] = Field(description="To and Cc, the first 20.")
    received_at: Moment = Field(description="When the server received it.")
    sent_at: Moment | None = Field(description="What its Date says; null where that is missing or nonsense.")
    size: int = Field(description="Bytes.")
    flags: list[str] = Field(description="Flags in IMAP spelling, sorted.")
    seen: bool = Field(description="Whether it has been read.")
    flagged: bool = Field(description="Whether it is flagged.")
    has_attachments: bool = Field(description="Whether files came along.")
    preview: str = Field(description="How its text begins, one line.")
    message_id: str = Field(description="Its Message-ID without angle brackets, may be empty.")

    @classmethod
    def of(cls, record: PlacementRecord) -> Message:
        """The row of a record."""
        return cls.model_validate(cls.row(record))

    @classmethod
    def row(cls, record: PlacementRecord) -> dict[str, object]:
        """What a record gives for every field."""
        return {
            "id": record.id, "folder": record.folder_id, "account": record.account_id, "content": record.content,
            "subject": record.subject, "from": Address.of(record.sender), "recipients": Address.all_of(record.recipients),
            "received_at": record.received_at, "sent_at": record.sent_at, "size": record.size,
            "flags": sorted(record.flags), "seen": SEEN in record.flags, "flagged": FLAGGED in record.flags,
            "has_attachments": record.has_attachments, "preview": record.preview, "message_id": record.message_id,
        }  # fmt: skip


class Attachment(Shape):
    """A file that came along."""

    n: int = Field(description="Its number, from 0: `messages/{id}/attachments/{n}`.")
    name: str = Field(description="Its name as sent. Not safe as a file name.")
    type: str = Field(description="The media type it claims to have.")
    size: int = Field(description="Bytes when decoded.")
    safe_name: str = Field(description="A name any system takes.")
    dangers: list[str] = Field(
        description="What to beware of: `program`, `macros`, `page`, `container`, `disguised`; mostly empty."
    )


class Authentication(Shape):
    """What the account's own server found out about the sender (RFC 8601)."""

    server: str = Field(description="The server that says so.")
    spf: str = Field(description="`pass`, `fail`, …; empty where it does not say.")
    dkim: str = Field(description="Likewise.")
    dmarc: str = Field(description="Likewise.")
    domain: str = Field(description="The domain that was confirmed, may be empty.")

    @classmethod
    def of(cls, verdict: Verdict | None) -> Authentication | None:
        """The finding, if there is one."""
        if verdict is None:
            return None
        return cls(
            server=verdict.server, spf=verdict.spf, dkim=verdict.dkim, dmarc=verdict.dmarc, domain=verdict.domain
        )


class OpenMessage(Message):
    """A message opened: the row, and what its bytes say."""

    to: list[Address] = Field(description="To, all of it.")
    cc: list[Address] = Field(description="Cc, all of it.")
    bcc: list[Address] = Field(description="Bcc, in drafts and copies.")
    reply_to: list[Address] = Field(description="Reply-To.")
    in_reply_to: list[str] = Field(description="Message-IDs it answers, without angle brackets.")
    references: list[str] = Field(description="Message-IDs of the thread, oldest first.")
    text: str = Field(description="The text to be read; made from the HTML where there is no plain text.")
    html: str | None = Field(
        description="The HTML form as a whole document, without scripts and with remote content held back."
    )
    headers: list[tuple[str, str]] = Field(description="Every header field in order: name as written, value decoded.")
    attachments: list[Attachment] = Field(description="Files that came along.")
    defects: list[str] = Field(description="What is wrong with the message's form, as stable words.")
    protection: Literal["", "encrypted", "signed", "sealed"] = Field(
        description="How the message says it is protected; nothing is opened or verified. `sealed`: its text is inside its signature."
    )
    marks: list[str] = Field(
        description="What to notice about the sender: `no-sender`, `several-senders`, `name-is-another-address`,"
        " `hidden-characters`, `looks-like-another`, `replies-go-elsewhere`; mostly empty."
    )
    authentication: Authentication | None = Field(
        description="What the account's own server found out about the sender."
    )

    @classmethod
    def opened(cls, message: reading.OpenMessage, html: str | None) -> OpenMessage:
        """The message as opened at the counter."""
        parsed = message.parsed
        return cls.model_validate(
            {
                **cls.row(message.placement),
                "to": _addresses(parsed.to), "cc": _addresses(parsed.cc), "bcc": _addresses(parsed.bcc),
                "reply_to": _addresses(parsed.reply_to), "in_reply_to": parsed.in_reply_to, "references": parsed.references,
                "text": message.text, "html": html, "defects": parsed.defects, "protection": parsed.protection,
                "headers": parsed.headers,
                "attachments": [
                    Attachment(
                        n=file.number, name=file.name, type=file.content_type, size=file.size, safe_name=file.safe_name,
                        dangers=list(file.dangers),
                    )
                    for file in message.attachments
                ],
                "marks": list(message.marks), "authentication": Authentication.of(message.authentication),
            }
        )  # fmt: skip


def _addresses(read: Iterable[ReadAddress]) -> list[Address]:
    return [Address(name=one.name, address=one.address) for one in read]


class FlagChanges(Given):
    """What to change about the flags: exactly these, or some more and some fewer, or single ones by name."""

    flags: list[str] | None = Field(
        None, max_length=_MOST_FLAGS, description="Exactly these flags from now on; not together with anything else."
    )
    add: list[str] = Field(
        [],
        max_length=_MOST_FLAGS,
        description="Flags to add. System flags with or without backslash: `seen` is `\\Seen`.",
    )
    remove: list[str] = Field([], max_length=_MOST_FLAGS, description="Flags to remove.")
    seen: bool | None = Field(None, description="Read or unread.")
    flagged: bool | None = Field(None, description="Flagged or not.")
    answered: bool | None = Field(None, description="Answered or not.")
    deleted: bool | None = Field(None, description="Marked as deleted or not.")
    draft: bool | None = Field(None, description="A draft or not.")

    def apply_to(self, present: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Which flags to add and to remove. Raises Invalid."""
        wrong: dict[str, str] = {}
        named = {flag: getattr(self, name) for name, flag in _SYSTEM_FLAGS.items() if getattr(self, name) is not None}
        add = _flags("add", self.add, wrong) | {flag for flag, wanted in named.items() if wanted}
        remove = _flags("remove", self.remove, wrong) | {flag for flag, wanted in named.items() if not wanted}
        if add & remove or (self.flags is not None and add | remove):
            wrong["flags" if self.flags is not None else "remove"] = "contradiction"
        if self.flags is not None:
            exact = _flags("flags", self.flags, wrong)
            add, remove = exact - present, present - exact
        if wrong:
            raise Invalid(wrong)
        return add, remove


def _flags(where: str, names: list[str], wrong: dict[str, str]) -> frozenset[str]:
    flags = set()
    for number, name in enumerate(names):
        system = _SYSTEM_FLAGS.get(name.removeprefix("\\").lower())
        if system is None and not _KEYWORD.fullmatch(name):
            wrong[f"{where}.{number}"] = "not-a-flag"
        flags.add(system or name)
    return frozenset(flags)


class Filter(Given):
    """Which messages of a folder are meant; without any of it, all."""

    seen: bool | None = Field(None, description="Only those that have been read, or only those that have not.")
    flagged: bool | None = Field(None, description="Only those flagged, or only those not.")
    before: datetime | None = Field(None, description="Only those received before this moment.")


class Bulk(Given):
    """One action on many messages."""

    ids: list[str] = Field(
        [], max_length=handling.MOST_AT_ONCE, description="These messages; or name a `folder` or a `where`."
    )
    folder: str | None = Field(None, description="Everything in this folder, also what no list has shown.")
    filter: Filter | None = Field(None, description="Of the folder, only these.")
    where: str | None = Field(None, description="Everything in this list (`GET /messages`), the newest 10,000.")
    only: str = Field("", description="Of the list, only these: words as in `GET /messages`.")
    action: Literal["move", "copy", "delete", "archive", "spam", "not-spam", "flags"] = Field(
        description="What to do. `flags` takes `add` and `remove`."
    )
    target: str | None = Field(None, description="Id of the folder to move or copy to.")
    permanently: bool = Field(False, description="Delete for good instead of moving to the trash.")
    add: list[str] = Field([], max_length=_MOST_FLAGS, description="Flags to add.")
    remove: list[str] = Field([], max_length=_MOST_FLAGS, description="Flags to remove.")

    def selection(self, actor: Actor) -> handling.Selection:
        """The messages meant. Raises Invalid, NotFound."""
        named = [bool(self.ids), self.folder is not None, self.where is not None]
        if sum(named) != 1:
            raise Invalid({"ids": "contradiction" if any(named) else "missing"})
        if self.filter is not None and self.folder is None:
            raise Invalid({"filter": "contradiction"})
        if self.only and self.where is None:
            raise Invalid({"only": "contradiction"})
        if self.where is not None:
            return handling.Selection(choosing.everything(actor, read_where(self.where), read_filter(self.only)))
        wanted = self.filter
        if wanted is None:
            return handling.Selection(self.ids, self.folder)
        if wanted.before is not None and wanted.before.tzinfo is None:
            raise Invalid({"filter.before": "unknown-value"})
        return handling.Selection(self.ids, self.folder, wanted.seen, wanted.flagged, wanted.before)

    def flags(self) -> tuple[frozenset[str], frozenset[str]]:
        """Flags to add and to remove. Raises Invalid."""
        wrong: dict[str, str] = {}
        add, remove = _flags("add", self.add, wrong), _flags("remove", self.remove, wrong)
        if add & remove:
            wrong["remove"] = "contradiction"
        if not add | remove:
            wrong["add"] = "missing"
        if wrong:
            raise Invalid(wrong)
        return add, remove

    def destination(self) -> str:
        """Where to. Raises Invalid."""
        if self.target is None:
            raise Invalid({"target": "missing"})
        return self.target


class Destination(Given):
    """Where a message is to go."""

    folder: str = Field(description="Id of the folder, of the same account or of another one.")


class Handled(Shape):
    """What was done."""

    count: int = Field(description="How many messages it was.")
    undo: str | None = Field(
        description="Give it to `POST /undo/{token}` to take it back, within ten seconds where messages go for good."
    )

    @classmethod
    def of(cls, handled: handling.Handled) -> Handled:
        """What the counter said."""
        return cls(count=handled.count, undo=handled.token)


def _download(name: str, content_type: str, data: bytes) -> HttpResponse:
    response = HttpResponse(data, content_type=safe_type(content_type))
    response["Content-Disposition"] = content_disposition_header(True, safe_name(name)) or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _binary(description: str, content_type: str) -> dict[str, object]:
    content = {content_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"responses": {200: {"description": description, "content": content}}}


@router.post("/bulk", response=Handled)
def handle_messages(request: HttpRequest, bulk: Annotated[Bulk, Body()]) -> Handled:
    """One action on many messages: by their ids, everything in a folder, or everything in a list."""
    actor = actor_of(request)
    chosen = bulk.selection(actor)
    match bulk.action:
        case "move":
            handled = handling.move(actor, chosen, bulk.destination())
        case "copy":
            handled = handling.copy(actor, chosen, bulk.destination())
        case "delete":
            handled = handling.delete(actor, chosen, permanently=bulk.permanently)
        case "archive":
            handled = handling.archive(actor, chosen)
        case "spam":
            handled = handling.mark_as_spam(actor, chosen)
        case "not-spam":
            handled = handling.mark_as_wanted(actor, chosen)
        case "flags":
            add, remove = bulk.flags()
            handled = handling.mark(actor, chosen, add=add, remove=remove)
    return Handled.of(handled)


@router.get("/{message}", response=OpenMessage)
def show_message(request: HttpRequest, message: MessageId) -> OpenMessage:
    """A message opened. Marks nothing as read."""
    actor = actor_of(request)
    opened = reading.open_message(actor, message)
    html = None
    if opened.has_html:
        with suppress(Conflict):
            html = reading.html_document(actor, message, remote=False).document
    return OpenMessage.opened(opened, html)


@router.patch("/{message}", response=Message)
def change_flags(request: HttpRequest, message: MessageId, changes: Annotated[FlagChanges, Body()]) -> Message:
    """Change flags, here at once and on the server soon. Takes the right *process*."""
    actor = actor_of(request)
    add, remove = changes.apply_to(reading.placement(actor, message).flags)
    handling.mark(actor, handling.Selection([message]), add=add, remove=remove)
    return Message.of(reading.placement(actor, message))


@router.delete("/{message}", response=Handled)
def delete_message(
    request: HttpRequest,
    message: MessageId,
    *,
    permanently: Annotated[
        bool, Query(description="Off the server for good, soon, instead of into the trash.")
    ] = False,
) -> Handled:
    """Into the trash; what lies there already goes for good. Takes the right *process*."""
    return Handled.of(handling.delete(actor_of(request), handling.Selection([message]), permanently=permanently))


@router.post("/{message}/move", response=Handled)
def move_message(request: HttpRequest, message: MessageId, to: Annotated[Destination, Body()]) -> Handled:
    """Into another folder, here at once and on the server soon. The message keeps its `id`."""
    return Handled.of(handling.move(actor_of(request), handling.Selection([message]), to.folder))


@router.post("/{message}/copy", response=Handled)
def copy_message(request: HttpRequest, message: MessageId, to: Annotated[Destination, Body()]) -> Handled:
    """Into another folder as well."""
    return Handled.of(handling.copy(actor_of(request), handling.Selection([message]), to.folder))


@router.get(
    "/{message}/raw", openapi_extra=_binary("The message's bytes, identical to the server's.", "message/rfc822")
)
def original(request: HttpRequest, message: MessageId) -> HttpResponse:
    """The message as the server holds it, byte by byte."""
    return _download(f"{message}.eml", "message/rfc822", reading.raw(actor_of(request), message))


@router.get("/{message}/attachments.zip", openapi_extra=_binary("All attachments in one archive.", "application/zip"))
def all_attachments(request: HttpRequest, message: MessageId) -> StreamingHttpResponse:
    """All attachments as a ZIP archive, under names any system takes."""
    response = StreamingHttpResponse(reading.zipped(actor_of(request), message), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{safe_name(message)}.zip"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


@router.get(
    "/{message}/attachments/{n}", openapi_extra=_binary("The attachment's bytes, decoded.", "application/octet-stream")
)
def attachment(
    request: HttpRequest, message: MessageId, n: Annotated[int, Path(description="The attachment's `n`.")]
) -> HttpResponse:
    """One attachment. Its type is told only where it is on a short list of harmless ones."""
    file = reading.attachment(actor_of(request), message, n)
    return _download(file.name, file.content_type, file.data)
