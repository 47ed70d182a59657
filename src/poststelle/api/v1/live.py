"""Live view over HTTP: folders that are not fetched are looked at on their server, and say when that was."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Body, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.shapes import Given, Moment, Shape, Trouble
from poststelle.api.tokens import actor_of
from poststelle.api.v1.folders import FolderId
from poststelle.api.v1.messages import Message
from poststelle.errors import Invalid
from poststelle.mail.records import LookRecord
from poststelle.office import live as office
from poststelle.office.actor import Actor

router = Router(tags=["folders"], by_alias=True)


class LookWanted(Given):
    """What to look at: the newest messages, those behind one, or those the server finds."""

    before: str | None = Field(None, description="Id of a message: what the server has behind it.")
    words: list[str] | None = Field(None, description="The server searches the folder for all of these itself.")


class Look(Shape):
    """A look at a folder on its server. What it showed lies in the folder's list, for a while."""

    id: str = Field(description="Give it as `look` to ask how it went.")
    folder: str = Field(description="Id of the folder.")
    asked_at: Moment = Field(description="When it was asked for.")
    answered_at: Moment | None = Field(description="When the server had answered; null while it is being asked.")
    trouble: Trouble | None = Field(description="Why it could not be looked at; the list shows what was seen last.")
    words: list[str] = Field(description="What the server was to find; empty: everything.")
    more: bool = Field(description="The server may have more: ask with the last message as `before`.")
    messages: list[Message] = Field(description="What it showed, newest first.")

    @classmethod
    def of(cls, actor: Actor, record: LookRecord) -> Look:
        """The look of a record."""
        return cls(
            id=record.id, folder=record.folder_id, asked_at=record.asked_at, answered_at=record.answered_at,
            trouble=Trouble.of(record.trouble), words=list(record.words), more=record.more,
            messages=[Message.of(one) for one in office.found(actor, record)],
        )  # fmt: skip


class LiveState(Shape):
    """Whether a folder is looked at on its server, and the latest look."""

    live: bool = Field(description="Not fetched: looked at on its server.")
    look: Look | None = Field(description="Null where nobody has looked lately.")


@router.post("/folders/{folder}/live", response={202: Look})
def look_live(request: HttpRequest, folder: FolderId, wanted: Annotated[LookWanted, Body()]) -> Status[Look]:
    """Look at the folder on its server; answered within a second or so. Takes the right *see*."""
    actor = actor_of(request)
    if wanted.words is not None and wanted.before is not None:
        raise Invalid({"before": "contradiction"})
    if wanted.words is not None:
        look = office.search(actor, folder, wanted.words)
    else:
        look = office.want(actor, folder, wanted.before)
    return Status(202, Look.of(actor, look))


@router.get("/folders/{folder}/live", response=LiveState)
def show_live(
    request: HttpRequest,
    folder: FolderId,
    look: Annotated[str | None, Query(description="Id of a look; without it the latest at the folder itself.")] = None,
) -> LiveState:
    """How a look went."""
    actor = actor_of(request)
    found = office.state(actor, folder, look)
    return LiveState(live=office.is_live(actor, folder), look=Look.of(actor, found) if found is not None else None)
