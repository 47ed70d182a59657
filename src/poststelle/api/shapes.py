"""What requests and answers of the API have in common: lists, moments, addresses, bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from ninja import Query
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from poststelle.mail.records import AddressRecord, Hindrance, Page, TroubleRecord
from poststelle.office.wording import sentence

T = TypeVar("T")
R = TypeVar("R")


def moment(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime, PlainSerializer(moment, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]

Limit = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]
Cursor = Annotated[
    str | None, Query(description="`next` of the window before; without it the list starts at its beginning.")
]


class Shape(BaseModel):
    """Base of every answer: made by field name, spoken by alias."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class Given(BaseModel):
    """Base of every body: what is not known is refused, never ignored."""

    model_config = ConfigDict(extra="forbid", validate_by_name=False, validate_by_alias=True)


class Listed(Shape, Generic[T]):
    """One window of a list."""

    items: list[T] = Field(description="The items of this window.")
    next: str | None = Field(
        description="Give it as `cursor` to the same address for the following window; null: there is nothing more."
    )


def listed(page: Page[R], shape: Callable[[R], T]) -> Listed[T]:
    """A window of records as the API shows it."""
    return Listed(items=[shape(item) for item in page.items], next=page.next)


class Address(Shape):
    """A mailbox as a header names it."""

    name: str = Field(description="Display name, may be empty.")
    address: str = Field(description="The address itself; empty where only a name stands.")

    @classmethod
    def of(cls, record: AddressRecord) -> Address:
        """The address of a record."""
        return cls(name=record.name, address=record.address)

    @classmethod
    def all_of(cls, records: Sequence[AddressRecord]) -> list[Address]:
        """The addresses of a header."""
        return [cls.of(record) for record in records]


class Trouble(Shape):
    """Why something does not work just now."""

    code: str = Field(description="Stable word for the reason, such as `login-rejected`.")
    facts: dict[str, Any] = Field(description="What is known about it, for people who look after the mailbox.")
    since: Moment = Field(description="Since when.")

    @classmethod
    def of(cls, record: TroubleRecord | None) -> Trouble | None:
        """The trouble of a record, if there is any."""
        return cls(code=record.code, facts=dict(record.facts), since=record.since) if record else None


class HindranceShape(Shape):
    """Why something the whole office uses does not work as things are set up."""

    code: str = Field(description="Stable word for the reason.")
    facts: dict[str, Any] = Field(description="What is known about it.")
    text: str = Field(description="The same, and what to do, in the language of the request.")

    @classmethod
    def of(cls, record: Hindrance) -> HindranceShape:
        """A hindrance, in the language now active."""
        return cls(code=record.code, facts=dict(record.facts), text=str(sentence(record.code, record.facts)))


class CheckedByTheOffice:
    """Marks a body that is documented by `model` and handed on as it came: the office names what is wrong with each field."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(self._model.__pydantic_core_schema__)
