"""Rights over HTTP: accounts × people, and one grant at a time."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Path, Query, Router
from pydantic import Field

from poststelle.api.account_shapes import Grant, RightName
from poststelle.api.shapes import CheckedByTheOffice, Cursor, Limit, Moment, Shape
from poststelle.api.tokens import actor_of
from poststelle.api.v1.accounts import Account
from poststelle.mail.records import Matrix as Record
from poststelle.office import rights as office

router = Router(tags=["rights"], by_alias=True)


class Cell(Shape):
    """What one person may do with one account now."""

    account: str = Field(description="Id of the account.")
    user: str = Field(description="Id of the person.")
    rights: list[RightName] = Field(description="On the whole account, by own grants and those of groups.")
    groups: list[str] = Field(description="Groups by which they may.")
    folders: int = Field(description="On how many single folders there are grants beside that.")
    until: Moment | None = Field(description="When the first of these grants ends.")


class Named(Shape):
    """An account or a person of the window."""

    id: str = Field(description="Its id.")
    name: str = Field(description="Label of the account, or the person's name.")


class Matrix(Shape):
    """A window of accounts with everybody's rights; who may do nothing with an account has no cell there."""

    accounts: list[Named] = Field(description="By label.")
    people: list[Named] = Field(description="By name.")
    cells: list[Cell] = Field(description="What people may do.")
    next: str | None = Field(description="Give it as `cursor` for the following window.")

    @classmethod
    def of(cls, record: Record) -> Matrix:
        """The matrix of a record."""
        return cls(
            accounts=[Named(id=number, name=label) for number, label in record.accounts],
            people=[Named(id=user.id, name=user.name) for user in record.people],
            cells=[
                Cell.model_construct(
                    account=account, user=user, rights=sorted(right.value for right in cell.rights), groups=list(cell.groups),
                    folders=cell.folders, until=cell.until,
                )
                for (account, user), cell in record.cells.items()
            ],
            next=record.next,
        )  # fmt: skip


AccountId = Annotated[str, Path(description="Id or label of the account.")]
One = Annotated[dict[str, Any], CheckedByTheOffice(Grant), Body()]


@router.get("/rights", response=Matrix)
def rights_matrix(
    request: HttpRequest,
    limit: Limit = 50,
    cursor: Cursor = None,
    words: Annotated[str, Query(description="Words that occur in the account's label or address.")] = "",
    person: Annotated[str | None, Query(description="Only this person: e-mail address or id.")] = None,
) -> Matrix:
    """Accounts × people: for administrators all of the office, for others what they administer."""
    return Matrix.of(office.matrix(actor_of(request), limit, cursor, words=words, person=person))


@router.put("/accounts/{account}/grants", response=Account)
def set_grant(request: HttpRequest, account: AccountId, grant: One) -> Account:
    """Set what a user or a group may do with an account or one folder of it; empty `rights` take it away."""
    return Account.of(office.grant(actor_of(request), account, grant))
