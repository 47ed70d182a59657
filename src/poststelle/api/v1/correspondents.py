"""Whom one may be about to write to, over HTTP."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from poststelle.api.shapes import Shape
from poststelle.api.tokens import actor_of
from poststelle.mail.records import CorrespondentRecord
from poststelle.office import correspondents

router = Router(tags=["search"], by_alias=True)


class Correspondent(Shape):
    """Somebody from the mail you may see."""

    name: str = Field(description="As the latest letter spells it; may be empty.")
    address: str = Field(description="The address, in lower case.")
    heard: int = Field(description="How many messages came from this address, at least.")
    written: int = Field(description="How many messages went to it, at least.")

    @classmethod
    def of(cls, record: CorrespondentRecord) -> Correspondent:
        """The correspondent of a record."""
        return cls(name=record.name, address=record.address, heard=record.heard, written=record.written)


class Correspondents(Shape):
    """Whom an address being typed may be."""

    items: list[Correspondent] = Field(description="Whom one wrote to first, then by how often and how lately.")


@router.get("", response=Correspondents)
def correspondents_like(
    request: HttpRequest,
    q: Annotated[
        str, Query(max_length=200, description="Beginnings of words of the name or address, all of which must occur.")
    ],
    limit: Annotated[int, Query(ge=1, le=correspondents.MOST, description="How many at most.")] = 8,
) -> Correspondents:
    """People from messages you may see, for completing an address; those in spam or trash count for nobody."""
    return Correspondents(items=[Correspondent.of(one) for one in correspondents.find(actor_of(request), q, limit)])
