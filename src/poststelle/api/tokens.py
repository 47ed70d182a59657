"""Who asks: the bearer token of a request (RFC 6750) becomes the actor. Sessions and cookies count for nothing here.

Law: every operation needs one scope of the token: *read* to look and *write* to change, unless its route says *send* or *admin*. A token
without it is refused before the operation knows of the request.
"""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security import HttpBearer

from poststelle.errors import NotFound, NotPermitted
from poststelle.office import tokens
from poststelle.office.actor import Actor
from poststelle.office.tokens import Scope


class BearerToken(HttpBearer):
    """Takes a token with `scope`; without one named, *read* for requests that only look and *write* for the others."""

    def __init__(self, scope: Scope | None = None) -> None:
        super().__init__()
        self._scope = scope

    def scope_of(self, method: str) -> Scope:
        """What a request with that method takes."""
        return self._scope or (Scope.READ if method.upper() in {"GET", "HEAD"} else Scope.WRITE)

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        """The person behind the token, None when nobody is. Raises NotPermitted("scope-missing"), TooOften."""
        try:
            caller = tokens.caller(token)
        except NotFound:
            return None
        scope = self.scope_of(request.method or "GET")
        if scope not in caller.scopes:
            raise NotPermitted("scope-missing", scope=scope.value)
        request.scopes = caller.scopes  # type: ignore[attr-defined]  # see scopes_of
        return caller.actor


ADMIN = BearerToken(Scope.ADMIN)
SEND = BearerToken(Scope.SEND)
OWN = BearerToken()
"""What to say of an operation that differs from the rest of its router."""


def actor_of(request: HttpRequest) -> Actor:
    """The person who asks. Only for operations behind `BearerToken`."""
    actor = getattr(request, "auth", None)
    if not isinstance(actor, Actor):
        raise TypeError("operation without authentication")
    return actor


def scopes_of(request: HttpRequest) -> frozenset[Scope]:
    """What the token of the request may be used for. Only for operations behind `BearerToken`."""
    scopes: frozenset[Scope] = request.scopes  # type: ignore[attr-defined]  # `BearerToken` has put it there
    return scopes
