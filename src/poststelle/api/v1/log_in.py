"""Log-ins over HTTP: where people are logged in, their second factors, their API tokens. One's own; for administrators anybody's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import translation
from ninja import Path, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.shapes import Given, Listed, Moment, Shape
from poststelle.api.steps import LINES, streamed
from poststelle.api.tokens import actor_of, scopes_of
from poststelle.errors import NotPermitted
from poststelle.mail.records import TokenRecord
from poststelle.office import identity_provider, second_factors, sessions, tokens

router = Router(tags=["log-in"], by_alias=True)

UserId = Annotated[
    str, Path(description="E-mail address or id of the person; one's own, or anybody's for administrators.")
]
SessionId = Annotated[str, Path(description="Id of the session.")]
TokenId = Annotated[str, Path(description="Id of the token.")]
_SCOPES = "Of `read`, `write`, `send`, `admin`: what it may be used for."


class Session(Shape):
    """A log-in at one browser."""

    id: str = Field(description="Identifies the session.")
    agent: str = Field(description="What the browser calls itself.")
    address: str = Field(description="From where it was made.")
    began_at: Moment = Field(description="When it was made.")
    seen_at: Moment = Field(description="When it was last used, right to five minutes.")


class Ended(Shape):
    """How many sessions ended."""

    sessions: int = Field(description="Sessions that ended.")


class Token(Shape):
    """An API token without its secret."""

    id: str = Field(description="Identifies the token.")
    name: str = Field(description="What it is for.")
    scopes: list[str] = Field(description=_SCOPES)
    created_at: Moment = Field(description="When it was made.")
    expires_at: Moment = Field(description="Until when it is valid.")
    used_at: Moment | None = Field(description="When it was last used, right to an hour; null: never.")


class NewToken(Given):
    """A token to be made."""

    name: str = Field(description="What it is for.")
    scopes: list[str] = Field(description=f"{_SCOPES} Never more than the token this request is made with.")
    days: int = Field(365, description="For how many days it is valid, at most 1825.")


class MadeToken(Shape):
    """A token with its secret: this once."""

    secret: str = Field(description="What goes behind `Bearer`; it is not told again.")
    token: Token = Field(description="The token.")


class Passkey(Shape):
    """A passkey."""

    name: str = Field(description="What its person calls it.")
    created_at: Moment = Field(description="When it was set up.")
    used_at: Moment | None = Field(description="When it was last used; null: never.")


class Factors(Shape):
    """What a person has beside the password."""

    authenticator: bool = Field(description="An authenticator app is set up.")
    passkeys: list[Passkey] = Field(description="Passkeys.")
    recovery_codes: int = Field(description="Recovery codes that are left.")
    single_sign_on: bool = Field(description="Known to the office's identity provider.")


class Rule(Shape):
    """Who must have a second factor."""

    everybody: bool = Field(description="Everybody must.")
    groups: list[str] = Field(description="Names of the groups whose members must.")


class NewRule(Given):
    """Who must have a second factor from now on."""

    everybody: bool = Field(False, description="Everybody must.")
    groups: list[str] = Field(default=[], description="Names or ids of the groups whose members must.")


@router.get("/second-factor-rule", response=Rule)
def show_second_factor_rule(request: HttpRequest) -> Rule:
    """Who must have a second factor."""
    rule = second_factors.rule(actor_of(request))
    return Rule(everybody=rule.everybody, groups=[group.name for group in rule.groups])


@router.put("/second-factor-rule", response=Rule)
def set_second_factor_rule(request: HttpRequest, given: NewRule) -> Rule:
    """Who must have a second factor; whoever has none sets one up before anything else."""
    second_factors.require(actor_of(request), everybody=given.everybody, groups_named=given.groups)
    return show_second_factor_rule(request)


@router.get("/people/{user}/second-factors", response=Factors)
def show_second_factors(request: HttpRequest, user: UserId) -> Factors:
    """What a person has beside the password."""
    return Factors.model_validate(asdict(second_factors.of(actor_of(request), user)))


@router.delete("/people/{user}/second-factors", response={204: None})
def reset_second_factors(request: HttpRequest, user: UserId) -> Status[None]:
    """Take everything away after a loss, and log the person out everywhere. Administrators only."""
    second_factors.reset(actor_of(request), user)
    sessions.end_all(actor_of(request), user)
    return Status(204, None)


@router.get("/people/{user}/sessions", response=Listed[Session])
def list_sessions(request: HttpRequest, user: UserId) -> Listed[Session]:
    """Where a person is logged in, most recently used first."""
    found = [Session.model_validate(asdict(one)) for one in sessions.of(actor_of(request), user)]
    return Listed(items=found, next=None)


@router.delete("/people/{user}/sessions", response=Ended)
def end_sessions(request: HttpRequest, user: UserId) -> Ended:
    """Log a person out everywhere."""
    return Ended(sessions=sessions.end_all(actor_of(request), user))


@router.delete("/people/{user}/sessions/{session}", response={204: None})
def end_session(request: HttpRequest, user: UserId, session: SessionId) -> Status[None]:
    """Log a person out at one browser."""
    sessions.end(actor_of(request), user, session)
    return Status(204, None)


class SignOn(Shape):
    """How single sign-on is set up."""

    name: str = Field(description="What the identity provider is called on the log-in page.")
    issuer: str = Field(description="Its address; empty: there is none.")
    client_id: str = Field(description="What Poststelle is called there.")
    sign_up: bool = Field(description="Whether people it vouches for are added at their first log-in.")
    linked: int = Field(description="How many people have come in by it.")


@router.get("/single-sign-on", response=SignOn)
def show_single_sign_on(request: HttpRequest) -> SignOn:
    """How single sign-on is set up by the settings of the installation. Administrators only."""
    found = identity_provider.set_up(actor_of(request)) or identity_provider.NONE
    return SignOn.model_validate(asdict(found))


@router.post("/single-sign-on/test", openapi_extra=LINES)
async def test_single_sign_on(request: HttpRequest) -> StreamingHttpResponse:
    """Ask the identity provider what it says of itself: `document`, `endpoints`, `keys`, `asking-again`. Nobody logs in by this."""
    return await streamed(identity_provider.test(actor_of(request)), translation.get_language() or "en")


@router.get("/people/{user}/tokens", response=Listed[Token])
def list_tokens(request: HttpRequest, user: UserId) -> Listed[Token]:
    """A person's API tokens, the newest first."""
    return Listed(items=[_token(one) for one in tokens.of(actor_of(request), user)], next=None)


@router.post("/people/{user}/tokens", response={201: MadeToken})
def make_token(request: HttpRequest, user: UserId, given: NewToken) -> Status[MadeToken]:
    """A new API token: one's own, or as an administrator a program's."""
    if not set(given.scopes) <= {scope.value for scope in scopes_of(request)}:
        raise NotPermitted("scope-missing", scope=" ".join(sorted(set(given.scopes))))
    secret, made = tokens.make(actor_of(request), user, given.name, scopes=given.scopes, days=given.days)
    return Status(201, MadeToken(secret=secret, token=_token(made)))


@router.delete("/people/{user}/tokens/{token}", response={204: None})
def revoke_token(request: HttpRequest, user: UserId, token: TokenId) -> Status[None]:
    """The token is no longer valid."""
    tokens.revoke(actor_of(request), user, token)
    return Status(204, None)


def _token(record: TokenRecord) -> Token:
    return Token.model_validate(asdict(record) | {"scopes": list(record.scopes)})
