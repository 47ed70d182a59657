"""Accounts over HTTP: list, add, show, change, remove, test, send/receive."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import translation
from ninja import Body, Path, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.problems import language_of
from poststelle.api.shapes import CheckedByTheOffice, Cursor, Limit, Listed, Moment, Shape, Trouble, listed
from poststelle.api.tokens import actor_of
from poststelle.errors import Conflict
from poststelle.mail.records import AccountRecord, Step
from poststelle.office import accounts as office
from poststelle.office.wording import sentence

router = Router(tags=["accounts"], by_alias=True)

AccountId = Annotated[str, Path(description="Id or label of the account.")]

Protocol = Literal["imap", "pop3", "smtp", "ews", "graph"]
EncryptionName = Literal["none", "starttls", "tls"]
RightName = Literal["see", "process", "send-as", "send-on-behalf", "administer"]


class Certificate(Shape):
    """How the server's certificate is checked."""

    mode: Literal["strict", "pinned", "other-name", "unchecked"] = Field("strict", description="Only `strict` so far.")
    fingerprint: str | None = Field(None, description="For `pinned`.")
    name: str | None = Field(None, description="For `other-name`.")


class Login(Shape):
    """User name and password for a server."""

    username: str = Field(description="User name.")
    password: str | None = Field(
        None, description="Goes in and never comes out.", json_schema_extra={"writeOnly": True}
    )
    mechanism: str = Field("auto", description="`auto`, `plain` or `login` so far; `auto` takes the best one offered.")


class Server(Shape):
    """Where mail comes from."""

    protocol: Protocol = Field(description="`imap` for the way in, `smtp` for the way out so far.")
    host: str = Field(description="Host name or address.")
    port: int | None = Field(None, description="1–65535; without it the usual one for protocol and encryption.")
    encryption: EncryptionName = Field("tls", description="TLS from the first byte, after STARTTLS, or none at all.")
    certificate: Certificate | None = Field(None, description="Strict when absent.")


class OutgoingServer(Server):
    """Where mail leaves."""

    authentication: Literal["none", "same", "own"] | None = Field(
        None, description="Whether and how the way out logs in: not at all, as the way in does, or with `login` below."
    )
    login: Login | None = Field(None, description="Only with `own`.")


class Grant(Shape):
    """Who may do what with the account."""

    user: str = Field(description="E-mail address or id of a user.")
    rights: list[RightName] = Field(description="What they may do.")


class AccountChanges(Shape):
    """The account document; in a change, what is absent stays and null removes."""

    label: str | None = Field(None, description="What people call it; unique.")
    kind: Literal["synchronised", "fetch-only", "send-only", "archive"] | None = Field(
        None, description="`synchronised` or `send-only` so far."
    )
    scope: Literal["personal", "shared", "system"] | None = Field(None, description="Whose it is.")
    owner: str | None = Field(None, description="E-mail address or id of the user it belongs to.")
    address: str | None = Field(None, description="The mailbox's own address.")
    display_name: str | None = Field(None, description="The name recipients read.")
    incoming: Server | None = Field(None, description="Where mail comes from.")
    outgoing: OutgoingServer | None = Field(None, description="Where mail leaves.")
    login: Login | None = Field(
        None, description="In answers only for those who administer the account, and without the password."
    )
    grants: list[Grant] | None = Field(
        None, description="Absent when adding: all rights to the owner, else to whoever adds it."
    )


class AccountDocument(AccountChanges):
    """The account document, the same in API and command line."""

    label: str = Field(description="What people call it; unique.")
    address: str = Field(description="The mailbox's own address.")


class Account(AccountDocument):
    """An account: its document without secrets, and its state."""

    id: str = Field(description="Identifies the account for good.")
    rights: list[RightName] = Field(description="What whoever asks may do with it.")
    state: Literal["active", "suspended"] = Field(description="`suspended`: a person must act, see `trouble`.")
    trouble: Trouble | None = Field(
        description="What does not work just now; on an active account it passes by itself."
    )
    retry_at: Moment | None = Field(description="When it is tried again.")
    synced_at: Moment | None = Field(description="When the last round ended well.")
    syncing: bool = Field(description="Whether a round is running.")
    expected: int = Field(description="Messages the server holds, as far as known.")
    held: int = Field(description="Messages held here; less than `expected` while mail is coming in.")
    created_at: Moment = Field(description="When it was added.")

    @classmethod
    def of(cls, record: AccountRecord) -> Account:
        """The account of a record."""
        return cls.model_validate(
            {
                **office.document_of(record), "id": record.id, "rights": sorted(right.value for right in record.rights),
                "state": record.state, "trouble": Trouble.of(record.trouble), "retry_at": record.retry_at,
                "synced_at": record.synced_at, "syncing": record.syncing, "expected": record.expected, "held": record.held,
                "created_at": record.created_at,
            }
        )  # fmt: skip


class RoundAsked(Shape):
    """A round was asked for."""

    account: str = Field(description="Id of the account.")
    asked_at: Moment = Field(description="The round has been done once the account's `synced_at` is later than this.")


class ProbeStep(Shape):
    """One step of a test: one line of the stream."""

    direction: Literal["incoming", "outgoing"] = Field(description="Which way is tested.")
    name: str = Field(description="What was tried: `resolve`, `connect`, `tls`, `greeting`, `login`, `folders`.")
    state: Literal["ok", "failed", "skipped"] = Field(description="How it went; after a failure the rest is skipped.")
    seconds: float = Field(description="How long it took.")
    detail: dict[str, Any] = Field(description="What was found out, or what is known about the failure.")
    error: str | None = Field(description="Stable word for what went wrong.")
    title: str | None = Field(description="The same as a sentence, in the language of the request.")
    advice: str | None = Field(description="What to do about it.")

    @classmethod
    def of(cls, step: Step) -> ProbeStep:
        """The step as it is told, in the language now active."""
        wording = sentence(step.error, step.detail) if step.error else None
        return cls.model_validate(
            {
                "direction": step.direction, "name": step.name, "state": step.state, "seconds": round(step.seconds, 3),
                "detail": json.loads(json.dumps(dict(step.detail), default=str)), "error": step.error,
                "title": wording.title if wording else None, "advice": wording.advice if wording else None,
            }
        )  # fmt: skip


New = Annotated[dict[str, Any], CheckedByTheOffice(AccountDocument), Body()]
Changes = Annotated[dict[str, Any], CheckedByTheOffice(AccountChanges), Body()]

_LINES = {
    "responses": {
        200: {
            "description": "One step per line, each as it ends.",
            "content": {"application/x-ndjson": {"schema": ProbeStep.model_json_schema(mode="serialization")}},
        }
    }
}


@router.get("", response=Listed[Account])
def list_accounts(request: HttpRequest, limit: Limit = 50, cursor: Cursor = None) -> Listed[Account]:
    """The accounts you have any right on, by label."""
    return listed(office.page(actor_of(request), limit, cursor), Account.of)


@router.post("", response={201: Account})
def add_account(request: HttpRequest, response: HttpResponse, document: New) -> Status[Account]:
    """Add an account, untested. Administrators only."""
    record = office.add(actor_of(request), document)
    response["Location"] = f"{request.path}/{record.id}"
    return Status(201, Account.of(record))


@router.post("/probe", openapi_extra=_LINES)
async def probe(
    request: HttpRequest,
    document: Changes,
    account: Annotated[str | None, Query(description="Test this account, with the document merged into it.")] = None,
) -> StreamingHttpResponse:
    """Test settings step by step, as it happens; saves nothing. With `account` its stored password may be used."""
    steps = office.probe(actor_of(request), document, account)
    # Refusals come before the first step: they still make an answer of their own.
    first = await anext(steps, None)
    return StreamingHttpResponse(_lines(first, steps, language_of(request)), content_type="application/x-ndjson")


async def _lines(first: Step | None, more: AsyncIterator[Step], language: str) -> AsyncIterator[str]:
    if first is not None:
        yield _line(first, language)
    async for step in more:
        yield _line(step, language)


def _line(step: Step, language: str) -> str:
    with translation.override(language):
        return json.dumps(ProbeStep.of(step).model_dump(), ensure_ascii=False) + "\n"


@router.get("/{account}", response=Account)
def show_account(request: HttpRequest, account: AccountId) -> Account:
    """One account, by id or label."""
    return Account.of(office.show(actor_of(request), account))


@router.patch("/{account}", response=Account)
def change_account(request: HttpRequest, account: AccountId, changes: Changes) -> Account:
    """Change what the document names and leave the rest (RFC 7396).

    A new host, port, encryption or user name asks for the password again. Takes the right *administer*.
    """
    return Account.of(office.change(actor_of(request), account, changes))


@router.delete("/{account}", response={204: None})
def remove_account(request: HttpRequest, account: AccountId) -> Status[None]:
    """Forget the account here; the server is not touched. Takes the right *administer*."""
    office.remove(actor_of(request), account)
    return Status(204, None)


@router.post("/{account}/sync", response={202: RoundAsked})
def ask_for_a_round(request: HttpRequest, account: AccountId) -> Status[RoundAsked]:
    """Send and receive now: the engine does it as soon as it can."""
    asked = office.send_receive(actor_of(request), account)
    if not asked:
        raise Conflict("no-way-in")
    record, at = asked[0]
    return Status(202, RoundAsked(account=record.id, asked_at=at))
