"""The notice over HTTP: what has to be read before a mailbox is added. Administrators only."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from poststelle.api.shapes import Given, Shape
from poststelle.api.tokens import actor_of
from poststelle.office import notice as office

router = Router(tags=["accounts"], by_alias=True)


class Notice(Shape):
    """What has to be read before a mailbox is added."""

    text: str = Field(description="The text; empty: there is no notice.")
    version: str = Field(description="Names this text; `notice` in the document of a new account.")
    by: str = Field(description="Who wrote it.")
    at: str = Field(description="When (ISO).")


class NoticeText(Given):
    """Another text."""

    text: str = Field(description="The text, at most 20,000 characters; empty switches the notice off.")


@router.get("/notice", response=Notice)
def show_notice(request: HttpRequest) -> Notice:
    """The notice to be acknowledged before an account is added."""
    return Notice.model_validate(asdict(office.show(actor_of(request))))


@router.put("/notice", response=Notice)
def put_notice(request: HttpRequest, given: NoticeText) -> Notice:
    """Another text: whoever adds an account from now on has to have read it."""
    return Notice.model_validate(asdict(office.put(actor_of(request), given.text)))
