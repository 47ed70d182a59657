"""The journal over HTTP, as a feed of changes."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from poststelle.api.shapes import Cursor, Limit, Listed, Moment, Shape, listed
from poststelle.api.tokens import actor_of
from poststelle.errors import Invalid
from poststelle.mail.records import JournalRecord
from poststelle.office import feed

router = Router(tags=["changes"], by_alias=True)

_LARGEST = 2**63 - 1


class Change(Shape):
    """One entry of the journal."""

    id: int = Field(description="Grows in the order in which changes happened.")
    at: Moment = Field(description="When.")
    actor: str = Field(description="Who: a user's e-mail address, or `system`.")
    kind: str = Field(description="What happened: a stable word such as `messages-arrived`.")
    subject: str = Field(description="What it is about: noun and id, such as `folder:…`.")
    account: str | None = Field(description="Id of the account it belongs to.")
    folder: str | None = Field(description="Id of the folder it belongs to.")
    facts: dict[str, Any] = Field(description="What else is known about it.")

    @classmethod
    def of(cls, record: JournalRecord) -> Change:
        """The change of a record."""
        return cls(
            id=record.id, at=record.at, actor=record.actor, kind=record.kind, subject=record.subject,
            account=record.account_id, folder=record.folder_id, facts=dict(record.facts),
        )  # fmt: skip


@router.get("", response=Listed[Change])
def list_changes(
    request: HttpRequest,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="Only what came after this id.")] = 0,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[Change]:
    """What changed, oldest first, as far as you may see it. To follow, ask again with the last id you got as `after`."""
    if cursor is not None:
        if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 19 or int(cursor) > _LARGEST:
            raise Invalid({"cursor": "unknown-value"})
        after = int(cursor)
    return listed(feed.changes(actor_of(request), after, limit), Change.of)
