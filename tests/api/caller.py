"""A program that speaks to the API for a person."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from poststelle.office.actor import Actor
from tests.builders import a_token


class Caller:
    """JSON in, responses out, with a token of that person."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.headers = {"authorization": f"Bearer {a_token(actor)}"}
        self._client = Client()

    def get(self, path: str, **headers: str) -> Any:
        """Headers by name, ``accept_language="de"``."""
        return self._send("GET", path, None, headers)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        """The body is sent as JSON."""
        return self._send("POST", path, body, headers)

    def patch(self, path: str, body: object) -> Any:
        """The body is sent as JSON."""
        return self._send("PATCH", path, body, {})

    def put(self, path: str, body: object) -> Any:
        """The body is sent as JSON."""
        return self._send("PUT", path, body, {})

    def delete(self, path: str) -> Any:
        """Without a body."""
        return self._send("DELETE", path, None, {})

    def _send(self, method: str, path: str, body: object, headers: dict[str, str]) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = b"" if body is None else json.dumps(body).encode()
        return self._client.generic(
            method, f"/api/v1/{path}", data, content_type="application/json", headers=self.headers | named
        )
