"""Search over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from poststelle.api.shapes import Cursor, Limit, Listed, listed
from poststelle.api.tokens import actor_of
from poststelle.api.v1.messages import Message
from poststelle.mail.records import SearchHit
from poststelle.office import reading

router = Router(tags=["search"], by_alias=True)


class Hit(Message):
    """A message found."""

    snippet: str = Field(description="A piece of its text around the first word found.")

    @classmethod
    def found(cls, hit: SearchHit) -> Hit:
        """The hit of a record."""
        return cls.model_validate({**cls.row(hit.placement), "snippet": hit.snippet})


@router.get("", response=Listed[Hit])
def search(
    request: HttpRequest,
    q: Annotated[
        str, Query(description="Words that must all occur; the last may be a beginning; quotes make a phrase.")
    ],
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Annotated[
        Literal["newest", "best"], Query(description="`best`: by how well they fit, among the newest that do.")
    ] = "newest",
) -> Listed[Hit]:
    """Messages you may see that hold all these words, newest first or the best first."""
    return listed(reading.search(actor_of(request), q, limit, cursor, ranked=order == "best"), Hit.found)
