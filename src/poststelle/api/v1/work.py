"""Working on messages over HTTP: whose they are, notes, follow-ups, who is at them; tags; trusted senders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Body, Path, Router
from ninja.responses import Status as Answered
from pydantic import AwareDatetime, Field

from poststelle.api.shapes import Given, Listed, Moment, Shape
from poststelle.api.tokens import actor_of
from poststelle.api.v1.lists import Answer, Tag, Task
from poststelle.api.v1.messages import MessageId
from poststelle.api.v1.people import Person
from poststelle.mail.listing import Status
from poststelle.mail.work import NoteRecord, PresenceRecord
from poststelle.office import work
from poststelle.office.actor import Actor

router = Router(tags=["work"], by_alias=True)

NoteId = Annotated[str, Path(description="The note's `id`.")]
Keyword = Annotated[str, Path(description="The tag's `keyword`.")]


class Note(Shape):
    """An internal note."""

    id: str = Field(description="Identifies the note.")
    author: Person = Field(description="Who wrote it.")
    text: str = Field(description="What it says.")
    mentions: list[Person] = Field(description="Whose attention it wants.")
    created_at: Moment = Field(description="When it was written.")
    changed_at: Moment | None = Field(description="When it was changed last.")
    is_own: bool = Field(description="Whether it is yours: only then you can change it.")

    @classmethod
    def of(cls, record: NoteRecord) -> Note:
        """The note of a record."""
        return cls(
            id=record.id, author=Person.of(record.author), text=record.text,
            mentions=[Person.of(one) for one in record.mentions], created_at=record.created_at,
            changed_at=record.changed_at, is_own=record.is_own,
        )  # fmt: skip


class Present(Shape):
    """Somebody else is at the message right now."""

    person: Person = Field(description="Who.")
    doing: Literal["reading", "answering"] = Field(description="What they do.")
    at: Moment = Field(description="When that was last heard of; after a minute it is forgotten.")

    @classmethod
    def of(cls, record: PresenceRecord) -> Present:
        """The presence of a record."""
        return cls.model_validate({"person": Person.of(record.user), "doing": record.doing, "at": record.at})


class Work(Shape):
    """What people added to a message, and who is at it."""

    task: Task = Field(description="Where the work stands.")
    notes: list[Note] = Field(description="Internal notes, oldest first.")
    present: list[Present] = Field(description="Who else is at it, those who answer first.")
    answer: Answer | None = Field(description="Who answered it, as far as a Sent folder tells.")
    colleagues: list[Person] = Field(description="Who may see it: whom it can be assigned to and notes can mention.")
    may_process: bool = Field(description="Whether you may assign it, set its status or a follow-up date.")

    @classmethod
    def of(cls, found: work.Work) -> Work:
        """The work of a record."""
        return cls(
            task=Task.of(found.task), notes=[Note.of(one) for one in found.notes],
            present=[Present.of(one) for one in found.present], answer=Answer.of(found.answer),
            colleagues=[Person.of(one) for one in found.colleagues], may_process=found.may_process,
        )  # fmt: skip


class FollowUp(Given):
    """When a message comes back."""

    at: AwareDatetime | None = Field(description="The moment, with its offset from UTC; null: not at all.")
    everybody: bool = Field(False, description="For everybody who sees the message, not only for you.")


class Changes(Given):
    """What to change about the work; what is left out stays."""

    assignee: str | None = Field(None, description="E-mail address or id of a colleague who may see it; empty: nobody.")
    status: Literal["open", "waiting", "done"] | None = Field(None, description="Where the work stands now.")
    follow_up: FollowUp | None = Field(None, description="When it comes back.")

    def apply_to(self, actor: Actor, messages: list[str]) -> int:
        """Make the changes; how many messages they touched."""
        touched = [0]
        if self.assignee is not None:
            touched.append(work.assign(actor, messages, self.assignee or None))
        if self.status is not None:
            touched.append(work.set_status(actor, messages, Status(self.status)))
        if self.follow_up is not None:
            at: datetime | None = self.follow_up.at
            touched.append(work.follow_up(actor, messages, at, everybody=self.follow_up.everybody))
        return max(touched)


class BulkChanges(Changes):
    """The same for several messages."""

    ids: list[str] = Field(max_length=work.MOST_AT_ONCE, description="These messages.")


class Changed(Shape):
    """What was done."""

    count: int = Field(description="How many messages it changed.")


class NoteText(Given):
    """A note as written."""

    text: str = Field(description="What it says; `@` and a colleague's name or e-mail address wants their attention.")


class Doing(Given):
    """What you do at the message."""

    doing: Literal["reading", "answering"] = Field("reading", description="`reading` or `answering`.")


class NewTag(Given):
    """A tag of the office's."""

    name: str = Field(description="What people read; the keyword is made from it.")
    colour: str = Field("", description="One of a fixed list of colour words, may be empty.")


class Looked(Shape):
    """Whether it was new."""

    was_new: bool = Field(description="Whether you had not had it open before.")


class Trusted(Shape):
    """A sender whose remote pictures you always see."""

    address: str = Field(description="The address in lower case.")


@router.get("/messages/{message}/work", response=Work)
def show_work(request: HttpRequest, message: MessageId) -> Work:
    """Everything people added to the message."""
    return Work.of(work.on(actor_of(request), message))


@router.patch("/messages/{message}/work", response=Work)
def change_work(request: HttpRequest, message: MessageId, changes: Annotated[Changes, Body()]) -> Work:
    """Assign it, set its status or a follow-up date. Takes the right *process*."""
    actor = actor_of(request)
    changes.apply_to(actor, [message])
    return Work.of(work.on(actor, message))


@router.post("/work", response=Changed)
def change_work_of_many(request: HttpRequest, changes: Annotated[BulkChanges, Body()]) -> Changed:
    """The same for several messages. Takes the right *process* on all of them."""
    return Changed(count=changes.apply_to(actor_of(request), changes.ids))


@router.post("/messages/{message}/notes", response={201: Note})
def add_note(request: HttpRequest, message: MessageId, note: Annotated[NoteText, Body()]) -> Answered[Note]:
    """Write an internal note. It is seen by everybody who may see the message."""
    return Answered(201, Note.of(work.add_note(actor_of(request), message, note.text)))


@router.patch("/messages/{message}/notes/{note}", response=Note)
def change_note(request: HttpRequest, message: MessageId, note: NoteId, text: Annotated[NoteText, Body()]) -> Note:
    """Another text for a note of yours."""
    return Note.of(work.change_note(actor_of(request), message, note, text.text))


@router.delete("/messages/{message}/notes/{note}", response={204: None})
def remove_note(request: HttpRequest, message: MessageId, note: NoteId) -> Answered[None]:
    """Take a note of yours away."""
    work.remove_note(actor_of(request), message, note)
    return Answered(204, None)


@router.put("/messages/{message}/presence", response=Listed[Present])
def be_present(request: HttpRequest, message: MessageId, doing: Annotated[Doing, Body()]) -> Listed[Present]:
    """Say that you are at the message, every 20 seconds; who else is."""
    found = work.here(actor_of(request), message, doing.doing)
    return Listed(items=[Present.of(one) for one in found], next=None)


@router.delete("/messages/{message}/presence", response={204: None})
def leave(request: HttpRequest, message: MessageId) -> Answered[None]:
    """Say that you have left the message."""
    work.away(actor_of(request), message)
    return Answered(204, None)


@router.post("/messages/{message}/looked", response=Looked)
def look(request: HttpRequest, message: MessageId) -> Looked:
    """It is no longer new for you. The mark "read", which all share, stays as it is."""
    return Looked(was_new=work.looked(actor_of(request), message))


@router.post("/me/looked", response={204: None})
def look_at_everything(request: HttpRequest) -> Answered[None]:
    """Nothing that is here by now is new for you."""
    work.looked_at_everything(actor_of(request))
    return Answered(204, None)


@router.get("/tags", response=Listed[Tag])
def list_tags(request: HttpRequest) -> Listed[Tag]:
    """What messages can be tagged with: the office's tags, then keywords found in folders you may see."""
    return Listed(items=[Tag.of(one) for one in work.offered_tags(actor_of(request))], next=None)


@router.post("/tags", response={201: Tag})
def add_tag(request: HttpRequest, tag: Annotated[NewTag, Body()]) -> Answered[Tag]:
    """A new tag of the office's. Takes *process* on some mailbox. Put it on a message as a flag."""
    return Answered(201, Tag.of(work.add_tag(actor_of(request), tag.name, tag.colour)))


@router.put("/tags/{keyword}", response=Tag)
def change_tag(request: HttpRequest, keyword: Keyword, tag: Annotated[NewTag, Body()]) -> Tag:
    """Name and colour of a keyword, for everybody. Administrators only."""
    return Tag.of(work.change_tag(actor_of(request), keyword, tag.name, tag.colour))


@router.delete("/tags/{keyword}", response={204: None})
def remove_tag(request: HttpRequest, keyword: Keyword) -> Answered[None]:
    """Forget name and colour; messages keep the keyword. Administrators only."""
    work.remove_tag(actor_of(request), keyword)
    return Answered(204, None)


@router.get("/me/trusted-senders", response=Listed[Trusted])
def list_trusted_senders(request: HttpRequest) -> Listed[Trusted]:
    """Whose remote pictures you always see."""
    found = work.trusted_senders(actor_of(request))
    return Listed(items=[Trusted(address=address) for address in found], next=None)


@router.put("/messages/{message}/trust", response=Trusted)
def trust_sender(request: HttpRequest, message: MessageId) -> Trusted:
    """Always show you remote pictures of this message's sender."""
    return Trusted(address=work.trust_sender(actor_of(request), message))


@router.delete("/me/trusted-senders/{address}", response={204: None})
def distrust_sender(
    request: HttpRequest, address: Annotated[str, Path(description="The sender's address.")]
) -> Answered[None]:
    """No longer."""
    work.distrust_sender(actor_of(request), address)
    return Answered(204, None)
