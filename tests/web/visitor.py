"""A person at a browser: logged in, reading pages and sending forms."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client

from poststelle.office.actor import Actor
from poststelle.web import login  # noqa: F401 - no page is answered without it, and no log-in goes unnoticed

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class Visitor:
    """The person's browser. `strict`: forms without a token are refused, as in operation."""

    def __init__(self, actor: Actor, *, strict: bool = False) -> None:
        assert actor.user is not None
        self.actor, self.user = actor, actor.user
        self.client = Client(enforce_csrf_checks=strict, raise_request_exception=True)
        self.client.force_login(get_user_model().objects.get(pk=actor.user.id), backend=BACKEND)

    def get(self, path: str, **headers: str) -> Any:
        """The response."""
        return self.client.get(path, headers=headers or None)

    def part(self, path: str, target: str) -> Any:
        """What htmx gets for the element with that id."""
        return self.client.get(
            path, headers={"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": f"x#{target}"}
        )

    def page(self, path: str, status: int = 200) -> str:
        """The page's HTML."""
        response = self.get(path)
        assert response.status_code == status, response.content[:300]
        text: str = response.content.decode()
        return text

    def post(self, path: str, **fields: Any) -> Any:
        """A form; fields whose name has a dot come as ``incoming__host``."""
        return self.client.post(path, {name.replace("__", "."): value for name, value in fields.items()})


def text_of(html: str) -> str:
    """What one reads on a page, blanks folded."""
    body = re.sub(r"<(svg|script|style)\b.*?</\1>", " ", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())
