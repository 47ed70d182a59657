"""Single sign-on by OpenID Connect: django-allauth speaks with the identity provider, the office says whom it means.

Law: the provider is named in the installation's configuration and nowhere else; its answers come over verified TLS. Nothing of what it
says about a person is kept but its own name for them.
"""

from __future__ import annotations

from typing import Any

import requests
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.shortcuts import render

from poststelle.errors import NotPermitted
from poststelle.office import people, single_sign_on, wording
from poststelle.office.single_sign_on import Claim
from poststelle.web.login import confirm

PROVIDER = "office"
"""What the one provider is called in addresses."""

# As an app it would be loaded by every command and by the engine, with all it takes to ask other machines.
registry.register(OpenIDConnectProvider)

ASKED = "asked_provider_at"
"""In the session: when the person was sent to the provider to prove again who they are, in seconds since 1970."""

_SECONDS = 5
_LARGEST = 1_000_000


def sign_on_name() -> str:
    """What the office's identity provider is called, "" where there is none."""
    providers: Any = settings.SOCIALACCOUNT_PROVIDERS
    apps = providers["openid_connect"]["APPS"]
    return str(apps[0]["name"]) if apps else ""


class SignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Existing people only, as the office finds them."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: object) -> bool:  # noqa: ARG002  (allauth's signature)
        """Never by itself: the office has added whom it lets in."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Who comes in, or a page that says why nobody does."""
        said = sociallogin.account.extra_data
        info, proof = said.get("userinfo") or {}, said.get("id_token") or {}
        if info and proof and info.get("sub") != proof.get("sub"):
            # OpenID Connect Core 1.0, 5.3.2: such an answer is about somebody else.
            raise ImmediateHttpResponse(_refusal(request, NotPermitted("sign-on-failed")))
        told = info or proof
        claim = Claim(
            provider=PROVIDER, subject=str(sociallogin.account.uid or ""), email=str(told.get("email") or ""),
            verified=told.get("email_verified") is True, name=str(told.get("name") or ""),
        )  # fmt: skip
        if sociallogin.state.get("process") == AuthProcess.REDIRECT:
            _confirmed(request, claim, proof.get("auth_time"))
            return
        try:
            user = single_sign_on.admit(claim)
        except NotPermitted as error:
            raise ImmediateHttpResponse(_refusal(request, error)) from error
        sociallogin.user = get_user_model().objects.get(pk=user.id)
        if sociallogin.account.pk:
            # The library keeps what was said; nobody here needs it.
            sociallogin.account.extra_data = {}
            sociallogin.account.save(update_fields=["extra_data"])

    def on_authentication_error(self, request: HttpRequest, *_args: object, **_told: object) -> None:
        """The provider refused, or could not be understood."""
        raise ImmediateHttpResponse(_refusal(request, NotPermitted("sign-on-failed")))

    def get_requests_session(self) -> requests.Session:
        """Impatient, trusting whom the configuration trusts, reading no more than it can use."""
        session = _Bounded()
        if settings.POSTSTELLE.ca_file is not None:
            session.verify = str(settings.POSTSTELLE.ca_file)
        session.max_redirects = 3
        return session


def _confirmed(request: HttpRequest, claim: Claim, proved_at: object) -> None:
    """The person was asked by the provider who they are, and stays logged in."""
    asked_at = request.session.pop(ASKED, 0.0)
    actor = people.actor_of_session(str(request.user.pk)) if request.user.is_authenticated else None
    try:
        if actor is None:
            raise NotPermitted("sign-on-failed")
        single_sign_on.confirm(actor, claim, proved_at=proved_at, asked_at=asked_at)
    except NotPermitted as error:
        raise ImmediateHttpResponse(_refusal(request, error)) from error
    confirm(request)


class _Bounded(requests.Session):
    """Neither waits for ever nor swallows anything."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """A whole answer of at most a megabyte."""
        response = super().request(*args, **kwargs | {"timeout": _SECONDS, "stream": True})
        body = response.raw.read(_LARGEST + 1, decode_content=True)
        if len(body) > _LARGEST:
            raise requests.RequestException("answer too large")
        response._content = body
        return response


def _refusal(request: HttpRequest, error: NotPermitted) -> Any:
    return render(request, "refusal.html", {"told": wording.sentence(error)}, status=403)
