"""Templates over HTTP: the office's settings for new mailboxes. Administrators only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Body, Path, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.account_shapes import AccountChanges
from poststelle.api.shapes import CheckedByTheOffice, Given, Listed, Moment, Shape
from poststelle.api.tokens import actor_of
from poststelle.api.v1.accounts import Account
from poststelle.mail.records import TemplateRecord
from poststelle.office import templates as office

router = Router(tags=["templates"], by_alias=True)

TemplateId = Annotated[str, Path(description="Id or label of the template.")]
Document = Annotated[dict[str, Any], CheckedByTheOffice(AccountChanges)]


class TemplateDocument(Given):
    """A template: part of an account document, without address, secrets and persons."""

    label: str = Field(description="What people call it; unique.")
    document: Document = Field(description="What it fills in.")


class Template(Shape):
    """A template."""

    id: str = Field(description="Identifies the template for good.")
    label: str = Field(description="What people call it.")
    document: dict[str, Any] = Field(description="What it fills in: part of an account document.")
    created_at: Moment = Field(description="When it was made.")

    @classmethod
    def of(cls, record: TemplateRecord) -> Template:
        """The template of a record."""
        return cls(id=record.id, label=record.label, document=dict(record.document), created_at=record.created_at)


class Difference(Shape):
    """One field a template would change."""

    path: str = Field(description="Its dotted path.")
    before: Any = Field(description="What is there; null: nothing.")
    after: Any = Field(description="What would be.")


class Preview(Shape):
    """What a template would change."""

    differences: list[Difference] = Field(description="Field by field; empty: nothing.")
    document: dict[str, Any] = Field(
        description="The given document with the template filled in where it says nothing."
    )


Partial = Annotated[dict[str, Any], CheckedByTheOffice(AccountChanges), Body()]


@router.get("", response=Listed[Template])
def list_templates(request: HttpRequest) -> Listed[Template]:
    """Every template, by label."""
    return Listed(items=[Template.of(record) for record in office.within(actor_of(request))], next=None)


@router.post("", response={201: Template})
def add_template(request: HttpRequest, response: HttpResponse, given: TemplateDocument) -> Status[Template]:
    """Make a template."""
    record = office.put(actor_of(request), given.label, given.document)
    response["Location"] = f"{request.path}/{record.id}"
    return Status(201, Template.of(record))


@router.get("/{template}", response=Template)
def show_template(request: HttpRequest, template: TemplateId) -> Template:
    """One template, by id or label."""
    return Template.of(office.show(actor_of(request), template))


@router.put("/{template}", response=Template)
def replace_template(request: HttpRequest, template: TemplateId, given: TemplateDocument) -> Template:
    """Another label and content."""
    return Template.of(office.put(actor_of(request), given.label, given.document, template))


@router.delete("/{template}", response={204: None})
def remove_template(request: HttpRequest, template: TemplateId) -> Status[None]:
    """Forget a template; mailboxes filled from it stay as they are."""
    office.remove(actor_of(request), template)
    return Status(204, None)


@router.post("/{template}/preview", response=Preview)
def preview_template(
    request: HttpRequest,
    template: TemplateId,
    document: Partial,
    account: Annotated[str | None, Query(description="What it would change in this account.")] = None,
) -> Preview:
    """What the template would change in a document, or in an account. Saves nothing."""
    actor = actor_of(request)
    found = office.preview(actor, template, document, account)
    filled = office.fill(actor, template, document)
    return Preview(differences=[Difference(**asdict(one)) for one in found], document=filled)


@router.post("/{template}/apply", response=Account)
def apply_template(
    request: HttpRequest,
    template: TemplateId,
    changes: Partial,
    account: Annotated[str, Query(description="Id or label of the account.")],
) -> Account:
    """Give an account what the template says, and these changes, such as a password asked for again. Takes *administer* on it."""
    return Account.of(office.apply(actor_of(request), template, account, changes))
