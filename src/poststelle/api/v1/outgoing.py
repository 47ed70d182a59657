"""Outgoing mail over HTTP: submit a message, see what became of it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Body, Header, Path, Router
from ninja.responses import Status
from pydantic import BeforeValidator, Field

from poststelle.api.shapes import Cursor, Given, Limit, Listed, Moment, Shape, Trouble, listed
from poststelle.api.tokens import SEND, actor_of
from poststelle.errors import Invalid
from poststelle.mail.records import OutgoingRecord, RecipientRecord
from poststelle.office import outbox

router = Router(tags=["outgoing"], by_alias=True)


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else [] if value is None else value


Addresses = Annotated[list[str], BeforeValidator(_several)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="A name of your choice for this message: sent again with the same content, nothing is sent twice.",
    ),
]


class File(Given):
    """A file to send along."""

    name: str = Field(description="File name the recipient sees.")
    type: Text = Field("", description="Media type; `application/octet-stream` when absent.")
    content_base64: str = Field(description="The bytes in base64 (RFC 4648 section 4).")


class Letter(Given):
    """A message to be sent. Addresses as `a@b` or `Name <a@b>`."""

    account: str = Field(description="Id or label of the account it leaves by.")
    from_: Text = Field("", alias="from", description="Sender; the account's own address when absent.")
    to: Addresses = Field([], description="Recipients.")
    cc: Addresses = Field([], description="Recipients of a copy.")
    bcc: Addresses = Field([], description="Recipients nobody else sees.")
    subject: Text = Field("", description="Subject.")
    text: Text = Field("", description="The text.")
    html: str | None = Field(None, description="The same as HTML.")
    in_reply_to: Text = Field(
        "", description="The Message-ID it answers, or the id of a message here, which then counts as answered."
    )
    attachments: list[File] = Field([], description="Files to send along.")

    def draft(self) -> outbox.Draft:
        """The draft for the counter. Raises Invalid."""
        wrong: dict[str, str] = {}
        files = []
        for number, file in enumerate(self.attachments):
            try:
                data = base64.b64decode(re.sub(r"\s", "", file.content_base64), validate=True)
            except (binascii.Error, ValueError):
                wrong[f"attachments.{number}.content_base64"] = "not-base64"
                continue
            files.append(outbox.Attachment(file.name, file.type or "application/octet-stream", data))
        if wrong:
            raise Invalid(wrong)
        answers = _placement(self.in_reply_to)
        return outbox.Draft(
            account=self.account, to=self.to, cc=self.cc, bcc=self.bcc, subject=self.subject, text=self.text,
            html=self.html, sender=self.from_, in_reply_to="" if answers else self.in_reply_to, answers=answers,
            attachments=files,
        )  # fmt: skip


def _placement(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


class Recipient(Shape):
    """What became of one recipient."""

    address: str = Field(description="The address.")
    kind: Literal["to", "cc", "bcc"] = Field(description="In which list it stood.")
    state: Literal["waiting", "accepted", "deferred", "rejected", "uncertain"] = Field(
        description="What the server said; `deferred` is tried again, `uncertain` is not."
    )
    answer: str = Field(description="The server's own words, may be empty.")

    @classmethod
    def of(cls, record: RecipientRecord) -> Recipient:
        """The recipient of a record."""
        return cls.model_validate(
            {"address": record.address, "kind": record.kind, "state": record.state, "answer": record.answer}
        )


class Outgoing(Shape):
    """A message on its way out."""

    id: str = Field(description="Identifies it for good.")
    account: str | None = Field(description="Id of the account it leaves by; null once that has been removed.")
    author: str | None = Field(description="E-mail address of who submitted it.")
    from_: str = Field(alias="from", description="The sender's address.")
    subject: str = Field(description="Subject.")
    message_id: str = Field(description="Its Message-ID without angle brackets, fixed from the start.")
    content: str = Field(description="SHA-256 of its bytes in hex.")
    state: Literal[
        "queued", "sending", "sent", "partly-sent", "rejected", "deferred", "held", "uncertain", "discarded"
    ] = Field(
        description="Derived from the recipients' states. `held` and `uncertain` wait for a person's word: they may have left already."
    )
    recipients: list[Recipient] = Field(description="Every recipient with a state of its own.")
    created_at: Moment = Field(description="When it was submitted.")
    due_at: Moment | None = Field(description="When it is tried next; null when it is not.")
    sent_at: Moment | None = Field(description="When a server first took it.")
    attempts: int = Field(description="How often it was tried.")
    trouble: Trouble | None = Field(description="Why it could not be sent just now.")

    @classmethod
    def of(cls, record: OutgoingRecord) -> Outgoing:
        """The outgoing message of a record."""
        return cls.model_validate(
            {
                "id": record.id, "account": record.account_id or None, "author": record.author.email if record.author else None,
                "from": record.sender, "subject": record.subject, "message_id": record.message_id, "content": record.content,
                "state": record.state, "recipients": [Recipient.of(one) for one in record.recipients],
                "created_at": record.created_at, "due_at": record.due_at, "sent_at": record.sent_at,
                "attempts": record.attempts, "trouble": Trouble.of(record.trouble),
            }
        )  # fmt: skip


class Held(Shape):
    """What is held since the data was restored or copied."""

    count: int = Field(description="How many messages you may decide about.")
    as_of: Moment | None = Field(description="How old the data was; null when nothing is held.")


class Decision(Given):
    """What is to become of messages that may have left already."""

    action: Literal["send", "discard"] = Field(description="Send them, or never.")


class Decided(Shape):
    """How many messages that was done to."""

    count: int = Field(description="Their number.")


@router.post("", auth=SEND, response={201: Outgoing})
def submit(
    request: HttpRequest,
    response: HttpResponse,
    letter: Annotated[Letter, Body()],
    idempotency_key: IdempotencyKey = None,
) -> Status[Outgoing]:
    """Queue a message; the engine sends it. Takes the right *send-as* on the account."""
    record = outbox.submit(actor_of(request), letter.draft(), idempotency_key=idempotency_key)
    response["Location"] = f"{request.path}/{record.id}"
    return Status(201, Outgoing.of(record))


@router.get("", response=Listed[Outgoing])
def list_outgoing(request: HttpRequest, limit: Limit = 50, cursor: Cursor = None) -> Listed[Outgoing]:
    """What you submitted, and what leaves by accounts you may send as, newest first."""
    return listed(outbox.page(actor_of(request), limit, cursor), Outgoing.of)


@router.get("/held", response=Held)
def show_held(request: HttpRequest) -> Held:
    """Whether mail is held back because the data was restored or copied, and how old the data was."""
    found = outbox.held(actor_of(request))
    return Held(count=found.count, as_of=found.as_of) if found else Held(count=0, as_of=None)


@router.post("/held", auth=SEND, response=Decided)
def decide_held(request: HttpRequest, decision: Annotated[Decision, Body()]) -> Decided:
    """Send or discard all that is held and that you may send. Takes the right *send-as*."""
    decide = outbox.send_again if decision.action == "send" else outbox.discard
    return Decided(count=decide(actor_of(request)))


@router.get("/{outgoing}", response=Outgoing)
def show_outgoing(
    request: HttpRequest, outgoing: Annotated[str, Path(description="The `id` given when it was submitted.")]
) -> Outgoing:
    """One outgoing message with the state of every recipient."""
    return Outgoing.of(outbox.show(actor_of(request), outgoing))


@router.post("/{outgoing}/decision", auth=SEND, response=Outgoing)
def decide_outgoing(
    request: HttpRequest,
    outgoing: Annotated[str, Path(description="The `id` given when it was submitted.")],
    decision: Annotated[Decision, Body()],
) -> Outgoing:
    """Send again, or discard, one message that is `held`, `uncertain` or `deferred`; one that was discarded can be sent. Takes the right *send-as*."""
    decide = outbox.send_again if decision.action == "send" else outbox.discard
    decide(actor_of(request), outgoing)
    return Outgoing.of(outbox.show(actor_of(request), outgoing))
