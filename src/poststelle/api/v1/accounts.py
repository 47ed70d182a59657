"""Accounts over HTTP: list, add, show, change, remove, test, send/receive."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Body, Path, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.account_shapes import AccountChanges, AccountDocument, ExceptionShape, RightName
from poststelle.api.problems import language_of
from poststelle.api.shapes import CheckedByTheOffice, Cursor, Given, Limit, Listed, Moment, Shape, Trouble, listed
from poststelle.api.steps import LINES, Recipient, streamed
from poststelle.api.tokens import ADMIN, actor_of
from poststelle.errors import Conflict
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts as office
from poststelle.office import bulk, egress, hand_over, kinds, outgoing_servers
from poststelle.office.account_documents import document_of
from poststelle.office.doors import NetworkDoors

router = Router(tags=["accounts"], by_alias=True)

AccountId = Annotated[str, Path(description="Id or label of the account.")]


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
    version: int = Field(
        description="Grows with every change of the settings; give it back with a change (or as If-Match)."
    )
    way_out: str = Field(
        description="Why it sends through the server it does: `account`, `server`, `user`, `office`, `instance`; empty: it cannot."
    )
    exceptions: list[ExceptionShape] = Field(
        description="Where it is less safe than usual, for those who administer it."
    )

    @classmethod
    def of(cls, record: AccountRecord) -> Account:
        """The account of a record."""
        return cls.model_validate(
            {
                **document_of(record), "id": record.id, "rights": sorted(right.value for right in record.rights),
                "state": record.state, "trouble": Trouble.of(record.trouble), "retry_at": record.retry_at,
                "synced_at": record.synced_at, "syncing": record.syncing, "expected": record.expected, "held": record.held,
                "created_at": record.created_at, "version": record.version, "way_out": record.way_out,
                "exceptions": [asdict(one) for one in record.exceptions],
            }
        )  # fmt: skip


class RoundAsked(Shape):
    """A round was asked for."""

    account: str = Field(description="Id of the account.")
    asked_at: Moment = Field(description="The round has been done once the account's `synced_at` is later than this.")


class Consequences(Shape):
    """What removing an account would take along."""

    folders: int = Field(description="Folders.")
    messages: int = Field(description="Messages shown in them.")
    only_here: int = Field(description="Of these, messages no server holds any more and no other mailbox shows.")
    waiting_to_send: int = Field(description="Messages that wait to be sent from it.")
    open_errands: int = Field(description="Changes its server has still to be told.")
    grants: int = Field(description="Grants on it.")
    hand_overs: int = Field(description="Hand-over links that are still valid.")
    is_office_account: bool = Field(description="The office itself sends from it.")


class WayOut(Shape):
    """Which server sends, and why."""

    reason: Literal["account", "server", "user", "office", "instance", ""] = Field(
        description="Its own, the one it refers to, the user's, the office's, the installation's; empty: it cannot send."
    )
    facts: dict[str, Any] = Field(description="Host, port and, where it is an object of its own, label of the server.")


class HandOver(Shape):
    """A link by which the owner enters the password."""

    token: str = Field(description="The last part of the link, shown this once.")
    expires_at: Moment = Field(description="When it ends; the passed test ends it earlier.")


class Copy(Given):
    """What the second account is to be called."""

    label: str = Field("", description="Its label.")


class Moved(Shape):
    """What became of the folders of an account that has moved."""

    matched: int = Field(description="Found again at the new provider.")
    new: int = Field(description="Only there.")
    left: int = Field(description="Only here: they stay as they are.")


class ImportedLine(Shape):
    """What one line of a table does or did."""

    number: int = Field(description="Line in the file; the header is 1.")
    label: str = Field(description="Label of the account.")
    action: Literal["add", "change", "none"] = Field(description="`none`: see `wrong`.")
    wrong: dict[str, str] = Field(description="Stable reason for each wrong column.")
    account: str = Field(description="Id of the account, once applied.")


class Imported(Shape):
    """What a table does or did."""

    lines: list[ImportedLine] = Field(description="Line by line.")
    wrong: int = Field(description="How many lines do nothing.")


_TABLE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
}
_AS_TABLE: dict[str, Any] = {
    "responses": {200: {"description": "The table.", "content": {"text/csv": {"schema": {"type": "string"}}}}}
}
Update = Annotated[bool, Query(description="A label that is there already is changed, else it is taken.")]


New = Annotated[dict[str, Any], CheckedByTheOffice(AccountDocument), Body()]
Changes = Annotated[dict[str, Any], CheckedByTheOffice(AccountChanges), Body()]
Only = Literal[
    "synchronised",
    "fetch-only",
    "send-only",
    "archive",
    "personal",
    "shared",
    "system",
    "inactive",
    "suspended",
    "trouble",
]
"""What the list of accounts can be narrowed to."""


@router.get("", response=Listed[Account])
def list_accounts(
    request: HttpRequest,
    limit: Limit = 50,
    cursor: Cursor = None,
    all: Annotated[bool, Query(description="Every account of the office, for administrators.")] = False,  # noqa: A002, FBT002
    words: Annotated[str, Query(max_length=200, description="Must occur in label or address.")] = "",
    only: Annotated[Only | None, Query(description="Of that kind or scope, or in that state.")] = None,
) -> Listed[Account]:
    """The accounts you have any right on, by label."""
    actor = actor_of(request)
    look = office.overview if all else office.page
    return listed(look(actor, limit, cursor, words=words, only=only or ""), Account.of)


@router.get("/exceptions", auth=ADMIN, response=Listed[Account])
def list_exceptions(request: HttpRequest, limit: Limit = 50, cursor: Cursor = None) -> Listed[Account]:
    """Every account with an exception from safe connections, by label. Administrators only."""
    return listed(office.exceptions(actor_of(request), limit, cursor), Account.of)


@router.post("", auth=ADMIN, response={201: Account})
def add_account(request: HttpRequest, response: HttpResponse, document: New) -> Status[Account]:
    """Add an account, untested. Administrators only."""
    record = office.add(actor_of(request), document)
    response["Location"] = f"{request.path}/{record.id}"
    return Status(201, Account.of(record))


@router.post("/probe", auth=ADMIN, openapi_extra=LINES)
async def probe(
    request: HttpRequest,
    document: Changes,
    account: Annotated[str | None, Query(description="Test this account, with the document merged into it.")] = None,
    recipient: Recipient = "",
) -> StreamingHttpResponse:
    """Test settings step by step, as it happens; saves nothing. With `account` its stored password may be used.

    Hanging up ends the test at once. Twenty an hour for each person, more for administrators.
    """
    steps = office.probe(actor_of(request), document, account, recipient)
    return await streamed(steps, language_of(request))


@router.post("/import", auth=ADMIN, response=Imported, openapi_extra=_TABLE)
def import_accounts(
    request: HttpRequest,
    apply: Annotated[bool, Query(description="Save; else only say what would happen.")] = False,  # noqa: FBT002
    update: Update = False,  # noqa: FBT002
    partly: Annotated[bool, Query(description="With `apply`: leave out wrong lines instead of saving none.")] = False,  # noqa: FBT002
    notice: Annotated[str, Query(description="Version of the office's notice that has been read, with `apply`.")] = "",
) -> Imported:
    """Many accounts from a table (CSV); its columns are the document's dotted paths. Administrators only."""
    actor = actor_of(request)
    if apply:
        done = bulk.apply(actor, request.body, update=update, partly=partly, notice=notice)
    else:
        done = bulk.preview(actor, request.body, update=update)
    return Imported(lines=[ImportedLine.model_validate(asdict(one)) for one in done], wrong=bulk.wrong_lines(done))


@router.get("/export", auth=ADMIN, openapi_extra=_AS_TABLE)
def export_accounts(request: HttpRequest) -> HttpResponse:
    """Every account as a table (CSV), without secrets; it can be imported again. Administrators only."""
    return HttpResponse(bulk.export(actor_of(request)), content_type="text/csv; charset=utf-8")


@router.get("/{account}", response=Account)
def show_account(request: HttpRequest, account: AccountId) -> Account:
    """One account, by id or label."""
    return Account.of(office.show(actor_of(request), account))


@router.patch("/{account}", auth=ADMIN, response=Account)
def change_account(request: HttpRequest, account: AccountId, changes: Changes) -> Account:
    """Change what the document names and leave the rest (RFC 7396).

    A new host, port, encryption or user name asks for the password again. Takes the right *administer*. With `version` (or
    `If-Match: "<version>"`) the change is refused (409) when somebody else has changed the settings since.
    """
    given = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    if given and given != "*":
        changes = {"version": int(given) if given.isascii() and given.isdecimal() else given, **changes}
    return Account.of(office.change(actor_of(request), account, changes))


@router.delete("/{account}", auth=ADMIN, response={204: None})
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


@router.post("/{account}/accept-loss", auth=ADMIN, response={204: None})
def accept_loss(request: HttpRequest, account: AccountId) -> Status[None]:
    """What is missing on the server may go here too (after `many-messages-gone`). Takes the right *administer*."""
    office.accept_loss(actor_of(request), account)
    return Status(204, None)


@router.get("/{account}/consequences", auth=ADMIN, response=Consequences)
def consequences_of_removal(request: HttpRequest, account: AccountId) -> Consequences:
    """What removing the account would take along. Takes the right *administer*."""
    return Consequences.model_validate(asdict(kinds.consequences(actor_of(request), account)))


@router.get("/{account}/way-out", response=WayOut)
def way_out_of_account(request: HttpRequest, account: AccountId) -> WayOut:
    """Which server sends your mail for this account, and why."""
    choice = outgoing_servers.which(actor_of(request), account)
    return WayOut.model_validate({"reason": choice.reason, "facts": choice.facts})


@router.post("/{account}/archive", auth=ADMIN, response=Account)
def archive_account(request: HttpRequest, account: AccountId) -> Account:
    """Turn the account into an archive: messages and folders stay, servers and log-in go. There is no way back."""
    return Account.of(kinds.to_archive(actor_of(request), account))


@router.post("/{account}/move", auth=ADMIN, response=Moved)
async def move_account(request: HttpRequest, account: AccountId, changes: Changes) -> Moved:
    """The same mailbox at another provider: new servers and log-in, tried before anything is kept; nothing comes twice.

    Takes the right *administer*.
    """
    counts = await kinds.move(actor_of(request), account, changes, NetworkDoors(egress.rule))
    return Moved.model_validate(counts)


@router.post("/{account}/copy", auth=ADMIN, response=dict[str, Any])
def copy_account(request: HttpRequest, account: AccountId, given: Copy) -> dict[str, Any]:
    """The document of a second account like this one, without secrets: complete and add it."""
    return kinds.duplicate(actor_of(request), account, given.label)


@router.post("/{account}/hand-over", auth=ADMIN, response={201: HandOver})
def hand_over_account(request: HttpRequest, account: AccountId) -> Status[HandOver]:
    """A one-time link by which the owner enters the password; earlier ones are void."""
    token, expires_at = hand_over.create(actor_of(request), account)
    return Status(201, HandOver(token=token, expires_at=expires_at))
