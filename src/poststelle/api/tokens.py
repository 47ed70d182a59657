"""Who asks: the bearer token of a request (RFC 6750) becomes the actor. Sessions and cookies count for nothing here."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security import HttpBearer

from poststelle.errors import NotFound
from poststelle.office import people
from poststelle.office.actor import Actor


class BearerToken(HttpBearer):
    """A token made by ``poststelle token add``; it carries all rights of its user."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:  # noqa: ARG002 - the framework's signature
        """The person behind the token, None when nobody is."""
        try:
            return people.actor_of_token(token)
        except NotFound:
            return None


def actor_of(request: HttpRequest) -> Actor:
    """The person who asks. Only for operations behind `BearerToken`."""
    actor = getattr(request, "auth", None)
    if not isinstance(actor, Actor):
        raise TypeError("operation without authentication")
    return actor
