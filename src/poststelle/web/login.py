"""How django-allauth behaves here: people are added by administrators, nobody signs up; after log-in the mail is shown."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class LoginAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Log-in and log-out only."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  (allauth's signature)
        """Never."""
        return False

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Nothing is announced: being logged in is visible."""
