"""Outgoing servers over HTTP: the office's and everybody's own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Body, Path, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.account_shapes import ExceptionShape, Login, Server
from poststelle.api.problems import language_of
from poststelle.api.shapes import CheckedByTheOffice, Listed
from poststelle.api.steps import LINES, Recipient, streamed
from poststelle.api.tokens import actor_of
from poststelle.mail.records import OutgoingServerRecord
from poststelle.office import outgoing_servers as office

router = Router(tags=["outgoing servers"], by_alias=True)

ServerId = Annotated[str, Path(description="Id or label of the outgoing server.")]


class ServerChanges(Server):
    """A server that sends for several mailboxes."""

    label: str | None = Field(None, description="What people call it; unique.")
    owner: str | None = Field(
        None, description="E-mail address or id of its user; absent: the office's (administrators)."
    )
    default: bool | None = Field(
        None, description="Its owner's mail goes through it unless the mailbox says otherwise."
    )
    login: Login | None = Field(None, description="How to log in there; absent: not at all.")


class ServerDocument(ServerChanges):
    """A new outgoing server."""

    label: str = Field(description="What people call it; unique.")
    host: str = Field(description="Host name or address.")


class SharedServer(ServerDocument):
    """An outgoing server without its secrets."""

    id: str = Field(description="Identifies the server for good.")
    accounts: int = Field(description="How many mailboxes refer to it.")
    test_recipient: str = Field(description="Whom its last test wrote to.")
    exceptions: list[ExceptionShape] = Field(description="Exceptions from safe connections.")

    @classmethod
    def of(cls, record: OutgoingServerRecord) -> SharedServer:
        """The server of a record."""
        told = {"id": record.id, "accounts": record.accounts, "test_recipient": record.test_recipient}
        told |= {"exceptions": [asdict(one) for one in record.exceptions]}
        return cls.model_validate(office.document_of(record) | told)


New = Annotated[dict[str, Any], CheckedByTheOffice(ServerDocument), Body()]
Changes = Annotated[dict[str, Any], CheckedByTheOffice(ServerChanges), Body()]


@router.get("", response=Listed[SharedServer])
def list_outgoing_servers(
    request: HttpRequest,
    words: Annotated[str, Query(max_length=200, description="Must occur in label or host name.")] = "",
) -> Listed[SharedServer]:
    """The office's servers and your own, by label."""
    return Listed(items=[SharedServer.of(record) for record in office.within(actor_of(request), words)], next=None)


@router.get("/exceptions", response=Listed[SharedServer])
def list_server_exceptions(request: HttpRequest) -> Listed[SharedServer]:
    """Every server with an exception from safe connections, everybody's, by label. Administrators only."""
    return Listed(items=[SharedServer.of(record) for record in office.exceptions(actor_of(request))], next=None)


@router.post("", response={201: SharedServer})
def add_outgoing_server(request: HttpRequest, response: HttpResponse, document: New) -> Status[SharedServer]:
    """Add a server. The office's take an administrator."""
    record = office.add(actor_of(request), document)
    response["Location"] = f"{request.path}/{record.id}"
    return Status(201, SharedServer.of(record))


@router.post("/probe", openapi_extra=LINES)
async def probe_server_settings(
    request: HttpRequest,
    document: Changes,
    server: Annotated[
        str | None,
        Query(description="Id or label of a saved server: the document changes it, its password stays valid."),
    ] = None,
    recipient: Recipient = "",
) -> StreamingHttpResponse:
    """Test settings before they are saved, step by step, as it happens; saves nothing."""
    return await streamed(office.probe(actor_of(request), document, server, recipient), language_of(request))


@router.get("/{server}", response=SharedServer)
def show_outgoing_server(request: HttpRequest, server: ServerId) -> SharedServer:
    """One server, by id or label."""
    return SharedServer.of(office.show(actor_of(request), server))


@router.patch("/{server}", response=SharedServer)
def change_outgoing_server(request: HttpRequest, server: ServerId, changes: Changes) -> SharedServer:
    """Change what the document names; a new host, port, encryption or user name asks for the password again."""
    return SharedServer.of(office.change(actor_of(request), server, changes))


@router.delete("/{server}", response={204: None})
def remove_outgoing_server(request: HttpRequest, server: ServerId) -> Status[None]:
    """Forget a server no mailbox refers to."""
    office.remove(actor_of(request), server)
    return Status(204, None)


@router.post("/{server}/probe", openapi_extra=LINES)
async def probe_outgoing_server(
    request: HttpRequest, server: ServerId, recipient: Recipient = ""
) -> StreamingHttpResponse:
    """Test a saved server step by step, as it happens; changes nothing."""
    return await streamed(office.probe(actor_of(request), {}, server, recipient), language_of(request))
