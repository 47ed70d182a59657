"""People over HTTP: invite, block, and what happens when a colleague leaves. Administrators only, but for one's own choices."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from django.http import HttpRequest
from django.utils import translation
from ninja import Path, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.problems import language_of
from poststelle.api.shapes import Given, HindranceShape, Listed, Shape
from poststelle.api.tokens import OWN, actor_of
from poststelle.mail.records import UserRecord
from poststelle.mail.secret import Secret
from poststelle.office import departures, invitations
from poststelle.office import people as office

router = Router(tags=["people"], by_alias=True)

UserId = Annotated[str, Path(description="E-mail address or id of the person.")]


class Person(Shape):
    """Somebody who can log in."""

    id: str = Field(description="Identifies the person for good.")
    email: str = Field(description="The name they log in with.")
    name: str = Field(description="What other people read.")
    language: str = Field(description="`de` or `en`.")
    is_administrator: bool = Field(description="May set up mailboxes and people; says nothing about reading mail.")
    is_service: bool = Field(description="A program: it has tokens and never logs in.")

    @classmethod
    def of(cls, record: UserRecord) -> Person:
        """The person of a record."""
        return cls.model_validate(asdict(record))


class Invitation(Given):
    """Somebody new."""

    email: str = Field(description="Where the link goes, and the name they log in with.")
    name: str = Field(description="What other people read.")
    administrator: bool = Field(False, description="May set up mailboxes and people.")


class NewPerson(Invitation):
    """Somebody new with a first password."""

    password: str = Field(
        description="12 characters at least; tell it to the person yourself.", json_schema_extra={"writeOnly": True}
    )


class PersonChanges(Given):
    """What is to be different; what is left out stays."""

    name: str | None = Field(None, description="What other people read.")
    administrator: bool | None = Field(None, description="May set up mailboxes and people.")


class Program(Given):
    """A new program."""

    email: str = Field(description="Identifies it; mail for whoever looks after it.")
    name: str = Field(description="What other people read.")


class Invited(Shape):
    """An invitation."""

    person: Person = Field(description="Who was invited.")
    link: str = Field(
        description="Where they choose their password, for three days; hand it over where it was not mailed."
    )
    mailed: bool = Field(description="The office account has sent it.")
    hindrance: HindranceShape | None = Field(description="Why it is not mailed, where that is known.")


class Heir(Given):
    """Who takes over."""

    heir: str = Field(description="E-mail address or id of another person.")


class HandedOver(Shape):
    """How much went to the heir."""

    mailboxes: int = Field(description="Personal mailboxes, now the heir's.")
    logins: int = Field(description="Log-ins.")
    outgoing_servers: int = Field(description="Outgoing servers.")
    waiting_mail: int = Field(description="Messages not yet sent, now the heir's.")
    open_work: int = Field(
        description="Messages assigned to them and not done, now the heir's where the heir may see them."
    )
    grants_ended: int = Field(description="Grants that have ended.")
    tokens_revoked: int = Field(description="Access tokens that no longer work.")


class DefaultSender(Given):
    """With what new mail begins."""

    account: str | None = Field(description="Id or label of an account one may send from; null: none in particular.")


class Sender(Shape):
    """With what new mail begins."""

    account: str | None = Field(description="Id of the account; null: none in particular.")


@router.get("", response=Listed[Person])
def list_people(
    request: HttpRequest,
    blocked: Annotated[bool, Query(deprecated=True, description="The same as `only=blocked`.")] = False,  # noqa: FBT002
    words: Annotated[str, Query(max_length=200, description="Must occur in name or address.")] = "",
    only: Annotated[
        Literal["administrator", "program", "blocked"] | None,
        Query(description="Of that kind, or those who have been blocked."),
    ] = None,
) -> Listed[Person]:
    """Everybody who can log in, by name."""
    records = office.users(actor_of(request), words, "blocked" if blocked else only or "")
    return Listed(items=[Person.of(record) for record in records], next=None)


@router.post("", response={201: Person})
def add_person(request: HttpRequest, given: NewPerson) -> Status[Person]:
    """Add somebody with a first password; an invitation lets them choose their own."""
    added = office.add_user(
        actor_of(request), email=given.email, name=given.name, password=Secret(given.password),
        administrator=given.administrator,
    )  # fmt: skip
    return Status(201, Person.of(added))


@router.post("/invitations", response={201: Invited})
def invite_person(request: HttpRequest, given: Invitation) -> Status[Invited]:
    """Add somebody, who chooses a password by a link that the office account mails."""
    invited = invitations.invite(
        actor_of(request), email=given.email, name=given.name, administrator=given.administrator,
        place=request.build_absolute_uri("/"),
    )  # fmt: skip
    link = invitations.link(invited.token, request.build_absolute_uri("/"))
    found = invitations.hindrance(actor_of(request))
    with translation.override(language_of(request)):
        why = HindranceShape.of(found) if found else None
    return Status(201, Invited(person=Person.of(invited.user), link=link, mailed=invited.mailed, hindrance=why))


@router.post("/programs", response={201: Person})
def add_program(request: HttpRequest, given: Program) -> Status[Person]:
    """Add a program: it has rights and tokens like a person, and never logs in."""
    return Status(201, Person.of(office.add_service(actor_of(request), email=given.email, name=given.name)))


@router.get("/me/default-sender", auth=OWN, response=Sender)
def show_default_sender(request: HttpRequest) -> Sender:
    """The account new mail of yours begins with."""
    record = office.default_sender(actor_of(request))
    return Sender(account=record.id if record else None)


@router.put("/me/default-sender", auth=OWN, response=Sender)
def set_default_sender(request: HttpRequest, given: DefaultSender) -> Sender:
    """The account new mail of yours is to begin with."""
    office.set_default_sender(actor_of(request), given.account)
    return show_default_sender(request)


@router.patch("/{user}", response=Person)
def change_person(request: HttpRequest, user: UserId, changes: PersonChanges) -> Person:
    """Give them another name or role. The address, by which passwords are renewed, is changed on the command line."""
    return Person.of(office.change(actor_of(request), user, name=changes.name, administrator=changes.administrator))


@router.post("/{user}/block", response={204: None})
def block_person(request: HttpRequest, user: UserId) -> Status[None]:
    """They are out at once: no log-in, no session, no token."""
    departures.block(actor_of(request), user)
    return Status(204, None)


@router.post("/{user}/unblock", response={204: None})
def unblock_person(request: HttpRequest, user: UserId) -> Status[None]:
    """They may log in again."""
    departures.unblock(actor_of(request), user)
    return Status(204, None)


@router.post("/{user}/depart", response=HandedOver)
def person_departs(request: HttpRequest, user: UserId, given: Heir) -> HandedOver:
    """A colleague leaves: blocked, tokens revoked, and mailboxes, log-ins and mail not yet sent go to somebody else."""
    return HandedOver.model_validate(asdict(departures.depart(actor_of(request), user, given.heir)))
