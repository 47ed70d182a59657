"""Internal servers over HTTP: where connections inside the own network are allowed. Administrators only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.shapes import Given, Listed, Shape
from poststelle.api.tokens import actor_of
from poststelle.mail.records import AllowedServer
from poststelle.office import egress as office

router = Router(tags=["accounts"], by_alias=True)

SERVER = "An address (`192.168.1.10`), a network (`10.0.0.0/8`) or a server name."


class InternalServer(Shape):
    """A server inside the own network that mailboxes may use."""

    server: str = Field(description=SERVER)
    by: str = Field(description="Who allowed it.")
    at: str = Field(description="When (ISO); empty for the setting.")


class ServerToAllow(Given):
    """Another one."""

    server: str = Field(description=SERVER)


@router.get("/internal-servers", response=Listed[InternalServer])
def list_internal_servers(request: HttpRequest) -> Listed[InternalServer]:
    """What the office allows, oldest first, and behind it what the setting `egress_allow` does (`by` says so; it is not taken back here)."""
    listed = _all(office.allowed(actor_of(request)))
    set_up = [InternalServer(server=one, by="egress_allow", at="") for one in office.set_up(actor_of(request))]
    return Listed(items=[*listed.items, *set_up], next=None)


@router.post("/internal-servers", response={201: Listed[InternalServer]})
def allow_internal_server(request: HttpRequest, given: ServerToAllow) -> Status[Listed[InternalServer]]:
    """Open connections to it, on every port, from now on; the test of a mailbox says `host-internal` where that would help.

    Mailboxes that stood still because of such a refusal are tried again. Answers with all of them.
    """
    return Status(201, _all(office.allow(actor_of(request), given.server)))


@router.delete("/internal-servers", response={204: None})
def revoke_internal_server(
    request: HttpRequest, server: Annotated[str, Query(description="As it is listed.")]
) -> Status[None]:
    """No new connections there."""
    office.revoke(actor_of(request), server)
    return Status(204, None)


def _all(servers: Sequence[AllowedServer]) -> Listed[InternalServer]:
    return Listed(items=[InternalServer.model_validate(asdict(one)) for one in servers], next=None)
