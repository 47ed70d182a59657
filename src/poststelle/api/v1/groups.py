"""Groups over HTTP: people who get rights together. Administrators only."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.shapes import Given, Listed, Shape
from poststelle.api.tokens import actor_of
from poststelle.mail.records import GroupRecord
from poststelle.office import groups as office

router = Router(tags=["groups"], by_alias=True)

GroupId = Annotated[str, Path(description="Id or name of the group.")]


class GroupDocument(Given):
    """A group."""

    name: str = Field(description="What people call it; unique.")
    members: list[str] = Field([], description="E-mail addresses or ids of its people.")


class GroupChanges(Given):
    """What is to change; what is absent stays."""

    name: str | None = Field(None, description="What people call it; unique.")
    members: list[str] | None = Field(None, description="E-mail addresses or ids of its people, all of them.")


class Group(Shape):
    """A group."""

    id: str = Field(description="Identifies the group for good.")
    name: str = Field(description="What people call it.")
    members: list[str] = Field(description="E-mail addresses of its people.")

    @classmethod
    def of(cls, record: GroupRecord) -> Group:
        """The group of a record."""
        return cls(id=record.id, name=record.name, members=[user.email for user in record.members])


@router.get("", response=Listed[Group])
def list_groups(request: HttpRequest) -> Listed[Group]:
    """Every group with its people, by name."""
    return Listed(items=[Group.of(record) for record in office.within(actor_of(request))], next=None)


@router.post("", response={201: Group})
def add_group(request: HttpRequest, response: HttpResponse, given: GroupDocument) -> Status[Group]:
    """Make a group."""
    record = office.add(actor_of(request), given.name, given.members)
    response["Location"] = f"{request.path}/{record.id}"
    return Status(201, Group.of(record))


@router.get("/{group}", response=Group)
def show_group(request: HttpRequest, group: GroupId) -> Group:
    """One group, by id or name."""
    return Group.of(office.show(actor_of(request), group))


@router.patch("/{group}", response=Group)
def change_group(request: HttpRequest, group: GroupId, given: GroupChanges) -> Group:
    """Another name, other people; their rights by the group change at once."""
    return Group.of(office.change(actor_of(request), group, name=given.name, members=given.members))


@router.delete("/{group}", response={204: None})
def remove_group(request: HttpRequest, group: GroupId) -> Status[None]:
    """Forget a group with every grant it has."""
    office.remove(actor_of(request), group)
    return Status(204, None)
