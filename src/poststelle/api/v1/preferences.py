"""Yourself over HTTP: who you are, and what you have chosen."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Body, Router
from pydantic import Field

from poststelle.api.shapes import CheckedByTheOffice, Given, Shape
from poststelle.api.tokens import actor_of
from poststelle.api.v1.people import Person
from poststelle.mail.preferences import Preferences
from poststelle.office import people, preferences
from poststelle.office.actor import Actor

router = Router(tags=["me"], by_alias=True)


class View(Shape):
    """How everything looks and behaves for you."""

    theme: str = Field(description="`system`, `light` or `dark`.")
    density: str = Field(description="`comfortable` or `compact`.")
    preview: str = Field(description="Where the message stands: `right`, `below` or `off`.")
    mark_read_after: int | None = Field(description="Seconds a message must be open to count as read; null: never.")
    signature: str = Field(description="When to put it: `always`, `new` (messages only) or `never`.")
    start: str = Field(description="The place the program opens with; `last`: where you were in that browser.")
    notifications: str = Field(description="The desktop tells: `off`, `mine` (what waits for you) or `all`.")
    columns: list[str] = Field(description="Columns of a list, in order.")
    refresh: int = Field(description="Seconds between looks for news; 0: live.")
    threads: bool = Field(description="Lists show one row per thread.")
    totals: bool = Field(description="Folders tell how much they hold, not only what is unread.")

    @classmethod
    def of(cls, chosen: Preferences) -> View:
        """The view of a record."""
        return cls.model_validate(chosen.document())


class Me(Person):
    """Who you are, and what you have chosen."""

    preferences: View = Field(description="What you have chosen.")

    @classmethod
    def who(cls, actor: Actor) -> Me:
        """The person who acts."""
        view = View.of(preferences.mine(actor))
        assert actor.user is not None  # `mine` lets nobody else pass
        return cls.model_validate({**Person.of(actor.user).model_dump(), "preferences": view})


class Choices(Given):
    """What to change about your preferences; what is left out stays, null gives a default back."""

    language: Literal["de", "en"] = Field("de", description="The language you read.")
    theme: Literal["system", "light", "dark"] = Field("system", description="Light or dark.")
    density: Literal["comfortable", "compact"] = Field("comfortable", description="How close everything stands.")
    preview: Literal["right", "below", "off"] = Field("right", description="Where the message stands.")
    mark_read_after: int | None = Field(2, description="Seconds, 0 to 60; null: never.")
    signature: Literal["always", "new", "never"] = Field("always", description="When to put it.")
    start: str = Field("inbox", description="A place as in `GET /messages`, but no `branch`; or `last`.")
    notifications: Literal["off", "mine", "all"] = Field("off", description="What the desktop tells.")
    columns: list[str] = Field(
        [],
        description="Of `sender`, `subject`, `preview`, `tags`, `assignee`, `attachments`, `account`, `size`, `date`.",
    )
    refresh: int = Field(0, description="Seconds, 15 to 3600; 0: live.")
    threads: bool = Field(True, description="One row per thread.")
    totals: bool = Field(False, description="Folders tell how much they hold.")


@router.get("/me", response=Me)
def show_me(request: HttpRequest) -> Me:
    """Who you are, and what you have chosen."""
    return Me.who(actor_of(request))


@router.patch("/me", response=Me)
def change_me(request: HttpRequest, changes: Annotated[dict[str, object], CheckedByTheOffice(Choices), Body()]) -> Me:
    """Change your preferences."""
    actor = actor_of(request)
    preferences.change(actor, changes)
    assert actor.user is not None  # `change` lets nobody else pass
    return Me.who(people.actor_of_session(actor.user.id))
