"""How django-allauth behaves here: people are added by administrators, nobody signs up; after log-in the mail is shown.

What it tells about log-ins (its signals, and Django's) is written down here: sessions know where they began, and the journal which second
factors came and went. Nobody logs in without this module: the entrance loads it.
"""

from __future__ import annotations

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from poststelle.office import second_factors, sessions

CONFIRMED = "confirmed_at"
"""In the session: when the person last proved who they are, in seconds since 1970."""


class LoginAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Log-in and log-out only."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("E-mail address or password is wrong."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  (allauth's signature)
        """Never."""
        return False

    def add_message(self, request: HttpRequest, level: int, *_args: object, **kwargs: object) -> None:
        """Only what went wrong is announced: being logged in is visible."""
        told = kwargs.get("message")
        if level == messages.ERROR and told:
            messages.error(request, str(told))

    def is_reauthentication_required(self, *, app: str) -> bool:  # noqa: ARG002  (allauth's signature)
        """The entrance sees to it (`web.confirming`)."""
        return False

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse | None:
        """Programs have tokens and do not log in."""
        if user.is_service:
            refused: HttpResponse = self.respond_user_inactive(request, user)
            return refused
        answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return answer

    def get_client_ip(self, request: HttpRequest) -> str:
        """From where somebody comes: what the last of our own proxies saw, where there are some."""
        return address_of(request)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # Per person and address, so that nobody is locked out by somebody else's guessing.
        return f"{address_of(request)}:{credentials.get('email', '').casefold()}"


def address_of(request: HttpRequest) -> str:
    """The address a request comes from. Only as many forwarding headers are believed as the setting `trusted_proxies` says."""
    own = str(request.META.get("REMOTE_ADDR") or "")
    trusted = settings.POSTSTELLE.trusted_proxies
    passed = [one.strip() for one in request.headers.get("X-Forwarded-For", "").split(",") if one.strip()]
    return (passed[-trusted] if trusted and len(passed) >= trusted else own)[:60]


def confirm(request: HttpRequest) -> None:
    """The person has just proved who they are."""
    request.session[CONFIRMED] = time.time()


@receiver(user_logged_in, dispatch_uid="poststelle")
def _logged_in(request: HttpRequest, **_told: object) -> None:
    confirm(request)
    sessions.begin(request.session, agent=request.headers.get("User-Agent", ""), address=address_of(request))


@receiver(authenticator_added, dispatch_uid="poststelle")
def _added(user: Any, authenticator: Authenticator, **_told: object) -> None:
    tell = (
        second_factors.codes_made if authenticator.type == Authenticator.Type.RECOVERY_CODES else second_factors.added
    )
    tell(str(user.pk))


@receiver(authenticator_removed, dispatch_uid="poststelle")
def _removed(user: Any, authenticator: Authenticator, **_told: object) -> None:
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        second_factors.removed(str(user.pk))


@receiver(authenticator_reset, dispatch_uid="poststelle")
def _codes_made(user: Any, **_told: object) -> None:
    second_factors.codes_made(str(user.pk))
