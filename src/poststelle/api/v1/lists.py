"""Lists over HTTP: a window of any place in any order, one row per message or per thread; and the messages of a thread."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from poststelle.api.shapes import Address, Cursor, Limit, Listed, Moment, Shape
from poststelle.api.tokens import actor_of
from poststelle.api.v1.messages import Message, MessageId
from poststelle.api.v1.people import Person
from poststelle.mail.listing import Sort, read_filter, read_where
from poststelle.mail.work import AnswerRecord, ListPage, ListRow, TagRecord, TaskRecord, ThreadMessage
from poststelle.office import lists, reading

router = Router(tags=["lists"], by_alias=True)

PLACES = (
    "`folder:{id}`, `account:{id}` (its inbox), `inbox` (every inbox you may see), `role:{role}` (every such folder), `branch:{id}`"
    " (an entry of a tree), `mine` (assigned to you), `follow-up` (due), `mentions`, `new` (not yet opened by you)"
)
ONLY = "Words: `unread`, `flagged`, `attachments`, `mine`, `unassigned`, `status:open|waiting|done`, `tag:{keyword}`; all of them together."


class Tag(Shape):
    """How a keyword is shown."""

    keyword: str = Field(description="The flag on the message.")
    name: str = Field(description="What people read.")
    colour: str = Field(description="One of a fixed list of colour words, may be empty.")
    is_defined: bool = Field(description="Whether the office has named it; else it was found on messages.")

    @classmethod
    def of(cls, record: TagRecord) -> Tag:
        """The tag of a record."""
        return cls(keyword=record.keyword, name=record.name, colour=record.colour, is_defined=record.is_defined)


class Task(Shape):
    """Where the work on a message stands."""

    status: Literal["open", "waiting", "done"] = Field(description="`open`, `waiting` or `done`.")
    assignee: Person | None = Field(description="Whose it is.")
    follow_up_at: Moment | None = Field(description="When it comes back.")
    follow_up_for: Person | None = Field(description="For whom; null: for everybody who sees it.")
    is_due: bool = Field(description="Whether that moment has passed.")

    @classmethod
    def of(cls, record: TaskRecord) -> Task:
        """The task of a record."""
        return cls(
            status=record.status.value, assignee=Person.of(record.assignee) if record.assignee else None,
            follow_up_at=record.follow_up_at, is_due=record.is_due,
            follow_up_for=Person.of(record.follow_up_for) if record.follow_up_for else None,
        )  # fmt: skip


class Answer(Shape):
    """A message in a Sent folder that answers this one."""

    sender: Address = Field(description="Who it is from.")
    at: Moment = Field(description="When it was filed.")
    message: str = Field(description="Its `id`.")
    author: Person | None = Field(description="Who wrote it here; null: it was sent from elsewhere.")

    @classmethod
    def of(cls, record: AnswerRecord | None) -> Answer | None:
        """The answer of a record, if there is one."""
        if record is None:
            return None
        author = Person.of(record.author) if record.author else None
        return cls(sender=Address.of(record.sender), at=record.at, message=record.placement_id, author=author)


class Row(Message):
    """One row of a list: a message, or a thread by its newest message there."""

    count: int = Field(description="Messages of the thread, wherever you may see them; 1 for a message alone.")
    unread: int = Field(description="Those of them nobody has read.")
    participants: list[Address] = Field(description="Who wrote in it, the latest last.")
    task: Task | None = Field(description="Where the work on it stands; null: nobody has touched it.")
    notes: int = Field(description="How many internal notes it has.")
    tags: list[Tag] = Field(description="Its keywords as people see them.")
    is_new: bool = Field(description="Whether it came lately and you have not had it open.")
    answer: Answer | None = Field(description="Who answered it, as far as a Sent folder tells.")

    @classmethod
    def made(cls, row: ListRow) -> Row:
        """The row of a record."""
        return cls.model_validate(
            {
                **cls.row(row.placement), "count": row.count, "unread": row.unread,
                "participants": Address.all_of(row.participants), "task": Task.of(row.task) if row.task else None,
                "notes": row.notes, "tags": [Tag.of(tag) for tag in row.tags], "is_new": row.is_new,
                "answer": Answer.of(row.answer),
            }
        )  # fmt: skip


class Rows(Listed[Row]):
    """A window of a list."""

    previous: str | None = Field(description="Like `next`, for the window above; null: this is the first.")
    total: int | None = Field(description="Messages in the whole place; null where only counting would tell.")
    unread: int | None = Field(description="Those of them nobody has read.")
    sorted_among: int | None = Field(
        description="The order holds among so many of the newest messages, because there are more; null: among all."
    )

    @classmethod
    def of(cls, page: ListPage) -> Rows:
        """The window of a record."""
        return cls(
            items=[Row.made(row) for row in page.items], next=page.next, previous=page.previous, total=page.total,
            unread=page.unread, sorted_among=page.sorted_among,
        )  # fmt: skip


class Folded(Message):
    """A message of a thread."""

    also: list[str] = Field(description="Ids of other folders in which you may see it.")
    task: Task | None = Field(description="Where the work on it stands; null: nobody has touched it.")
    notes: int = Field(description="How many internal notes it has.")
    is_new: bool = Field(description="Whether it came lately and you have not had it open.")
    answer: Answer | None = Field(description="Who answered it, as far as a Sent folder tells.")

    @classmethod
    def made(cls, one: ThreadMessage) -> Folded:
        """The message of a record."""
        return cls.model_validate(
            {
                **cls.row(one.placement), "also": list(one.also), "task": Task.of(one.task) if one.task else None,
                "notes": one.notes, "is_new": one.is_new, "answer": Answer.of(one.answer),
            }
        )  # fmt: skip


@router.get("/messages", response=Rows)
def list_rows(
    request: HttpRequest,
    *,
    where: Annotated[str, Query(description=f"The place: {PLACES}.")] = "inbox",
    threads: Annotated[bool, Query(description="One row per thread.")] = False,
    sort: Annotated[
        Literal["date", "sender", "subject", "size"], Query(description="What to sort by; equal ones newest first.")
    ] = "date",
    descending: Annotated[bool, Query(description="The newest, last or largest first.")] = True,
    only: Annotated[str, Query(description=ONLY)] = "",
    around: Annotated[str | None, Query(description="A message's `id`: the window in whose middle it stands.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Rows:
    """A list: what lies at a place, in the order you choose."""
    actor = actor_of(request)
    order: dict[str, Any] = {
        "threads": threads, "sort": Sort(sort), "descending": descending, "filter": read_filter(only), "limit": limit,
    }  # fmt: skip
    if around is not None and cursor is None:
        return Rows.of(lists.around(actor, around, read_where(where), **order))
    return Rows.of(lists.page(actor, read_where(where), **order, after=cursor))


@router.get("/messages/{message}/thread", response=Listed[Folded])
def list_thread(request: HttpRequest, message: MessageId) -> Listed[Folded]:
    """The messages of its thread as far as you may see them, each once, oldest first."""
    return Listed(items=[Folded.made(one) for one in reading.thread(actor_of(request), message)], next=None)
