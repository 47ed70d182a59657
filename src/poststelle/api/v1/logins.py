"""Log-ins over HTTP: one secret for several mailboxes. Secrets go in and never come out."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Body, Path, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.account_shapes import Login
from poststelle.api.problems import language_of
from poststelle.api.shapes import CheckedByTheOffice, Given, Listed, Moment, Shape
from poststelle.api.steps import LINES, streamed
from poststelle.api.tokens import actor_of
from poststelle.mail.records import LoginRecord
from poststelle.mail.secret import Secret
from poststelle.office import logins as office

router = Router(tags=["log-ins"], by_alias=True)

LoginId = Annotated[str, Path(description="Id or label of the log-in.")]


class LoginChanges(Login):
    """A log-in that several mailboxes may share."""

    label: str | None = Field(None, description="What people call it; unique.")
    owner: str | None = Field(
        None, description="E-mail address or id of its user; absent: the office's (administrators)."
    )


class LoginDocument(LoginChanges):
    """A new log-in."""

    label: str = Field(description="What people call it; unique.")
    username: str = Field(description="User name.")


class Place(Shape):
    """A server."""

    host: str = Field(description="Host name.")
    port: int = Field(description="Port.")
    encryption: str = Field(description="`tls`, `starttls` or `none`.")


class SharedLogin(Shape):
    """A log-in without its secrets."""

    id: str = Field(description="Identifies the log-in for good.")
    label: str = Field(description="What people call it; empty: it belongs to one mailbox.")
    owner: str | None = Field(description="E-mail address of its user; null: the office's.")
    username: str = Field(description="User name.")
    domain: str = Field(description="Windows domain.")
    mechanism: str = Field(description="How it proves itself.")
    has_password: bool = Field(description="A password is stored.")
    has_certificate: bool = Field(description="A client certificate is stored.")
    servers: list[Place] = Field(description="The servers the secret was confirmed for; others ask for it again.")
    accounts: int = Field(description="How many mailboxes use it.")
    changed_at: Moment | None = Field(description="When the secret was last changed.")

    @classmethod
    def of(cls, record: LoginRecord) -> SharedLogin:
        """The log-in of a record."""
        places = [
            Place(host=host, port=port, encryption=encryption.value) for host, port, encryption in sorted(record.hosts)
        ]
        return cls(
            id=record.id, label=record.label, owner=record.owner.email if record.owner else None, username=record.username,
            domain=record.domain, mechanism=record.mechanism.value, has_password=record.has_password,
            has_certificate=record.has_certificate, servers=places, accounts=record.accounts, changed_at=record.changed_at,
        )  # fmt: skip


class NewPassword(Given):
    """A password, for every mailbox that uses the log-in."""

    password: str = Field(description="Goes in and never comes out.", json_schema_extra={"writeOnly": True})


class Changed(Shape):
    """A password was kept."""

    accounts: int = Field(description="How many mailboxes use it.")


New = Annotated[dict[str, Any], CheckedByTheOffice(LoginDocument), Body()]
Changes = Annotated[dict[str, Any], CheckedByTheOffice(LoginChanges), Body()]


@router.get("", response=Listed[SharedLogin])
def list_logins(
    request: HttpRequest,
    words: Annotated[str, Query(max_length=200, description="Must occur in label or user name.")] = "",
) -> Listed[SharedLogin]:
    """The log-ins whose secret you may change: your own, those of mailboxes you own or administer, the office's."""
    found = office.within(actor_of(request), words=words)
    return Listed(items=[SharedLogin.of(record) for record in found], next=None)


@router.post("", response={201: SharedLogin})
def add_login(request: HttpRequest, response: HttpResponse, document: New) -> Status[SharedLogin]:
    """Add a log-in that mailboxes can refer to. The office's take an administrator."""
    record = office.add(actor_of(request), document)
    response["Location"] = f"{request.path}/{record.id}"
    return Status(201, SharedLogin.of(record))


@router.get("/{login}", response=SharedLogin)
def show_login(request: HttpRequest, login: LoginId) -> SharedLogin:
    """One log-in, by id or label."""
    return SharedLogin.of(office.show(actor_of(request), login))


@router.patch("/{login}", response=SharedLogin)
def change_login(request: HttpRequest, login: LoginId, changes: Changes) -> SharedLogin:
    """Change what the document names; another user name asks for the password again."""
    return SharedLogin.of(office.change(actor_of(request), login, changes))


@router.delete("/{login}", response={204: None})
def remove_login(request: HttpRequest, login: LoginId) -> Status[None]:
    """Forget a log-in nothing uses."""
    office.remove(actor_of(request), login)
    return Status(204, None)


@router.post("/{login}/password", response=Changed)
def change_password(request: HttpRequest, login: LoginId, given: NewPassword) -> Changed:
    """Keep a new password, untested, for every mailbox that uses the log-in. One's own takes no right on any mailbox."""
    return Changed(accounts=office.change_password(actor_of(request), login, Secret(given.password)))


@router.post("/{login}/password/test", openapi_extra=LINES)
async def test_and_change_password(request: HttpRequest, login: LoginId, given: NewPassword) -> StreamingHttpResponse:
    """Try a new password at every server of every mailbox that uses the log-in; keep it (step `kept`) only if all let it in."""
    steps = office.test_and_change_password(actor_of(request), login, Secret(given.password))
    return await streamed(steps, language_of(request))
