"""The event log of an account over HTTP, and its protocol transcript."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.problems import language_of
from poststelle.api.shapes import Cursor, Limit, Listed, Moment, Shape, listed
from poststelle.api.tokens import actor_of
from poststelle.api.v1.accounts import AccountId
from poststelle.mail.records import EventRecord
from poststelle.office import events as office
from poststelle.office.happenings import event_sentence

router = Router(tags=["events"], by_alias=True)


class Event(Shape):
    """Something that was done for an account."""

    id: int = Field(description="Grows with time.")
    at: Moment = Field(description="When.")
    level: Literal["info", "warning", "error"] = Field(description="How much it matters.")
    code: str = Field(description="What happened: a stable word such as `connected`.")
    text: str = Field(description="The same as a sentence, in the language of the request.")
    facts: dict[str, Any] = Field(description="What else is known about it.")

    @classmethod
    def of(cls, record: EventRecord) -> Event:
        """The event as it is told, in the language now active."""
        return cls.model_validate(
            {
                "id": record.id, "at": record.at, "level": record.level, "code": record.code,
                "text": event_sentence(record), "facts": dict(record.facts),
            }
        )  # fmt: skip


class TranscriptStarted(Shape):
    """A transcript is being written."""

    until: Moment = Field(description="When it ends by itself.")


@router.get("/accounts/{account}/events", response=Listed[Event])
def list_events(
    request: HttpRequest,
    account: AccountId,
    limit: Limit = 50,
    cursor: Cursor = None,
    level: Annotated[str, Query(description="Only this level and worse: `info`, `warning` or `error`.")] = "",
) -> Listed[Event]:
    """What was done for the account, newest first. For those who administer it, and administrators."""
    page = office.page(actor_of(request), account, limit, cursor, level=level)
    with translation.override(language_of(request)):
        return listed(page, Event.of)


@router.get(
    "/accounts/{account}/transcript",
    response={200: str},
    openapi_extra={
        "responses": {200: {"description": "The lines.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    },
)
def show_transcript(request: HttpRequest, account: AccountId) -> HttpResponse:
    """What was said with the account's servers while a transcript was wanted; without secrets and without any message."""
    lines, _ = office.transcript(actor_of(request), account)
    return HttpResponse(lines, content_type="text/plain; charset=utf-8")


@router.post("/accounts/{account}/transcript", response={202: TranscriptStarted})
def start_transcript(
    request: HttpRequest,
    account: AccountId,
    minutes: Annotated[int, Query(ge=1, le=1440, description="For how long; at most a day.")] = 30,
) -> Status[TranscriptStarted]:
    """Write down what is said from now on; the engine connects anew for it."""
    until = office.start_transcript(actor_of(request), account, timedelta(minutes=minutes))
    return Status(202, TranscriptStarted(until=until))


@router.delete("/accounts/{account}/transcript", response={204: None})
def stop_transcript(request: HttpRequest, account: AccountId) -> Status[None]:
    """No more of it; what was written stays for a week."""
    office.stop_transcript(actor_of(request), account)
    return Status(204, None)
