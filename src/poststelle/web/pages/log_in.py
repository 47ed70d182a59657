"""Logging in: by password, by passkey, through the office's identity provider; a second step; a forgotten password.

django-allauth does the work. These views give it the house's answers: 429 with a time to whoever tries too often, and a page in words where
an identity provider cannot be understood.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import requests
from allauth.account.views import LoginView
from allauth.mfa.webauthn.views import LoginWebAuthnView
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from poststelle.errors import NotFound, NotPermitted
from poststelle.office import invitations, limits, wording
from poststelle.web import confirming
from poststelle.web.fields import Field
from poststelle.web.login import address_of
from poststelle.web.single_sign_on import ASKED, PROVIDER, sign_on_name

log = logging.getLogger(__name__)

ANSWER_SECONDS = 0.6
"""Asking for a new password takes this long whether or not there is somebody, so that the time says nothing."""

_TOO_MANY_WAIT = 300


class LogIn(LoginView):  # type: ignore[misc]  # allauth has no types
    """The log-in page."""

    def form_invalid(self, form: Any) -> HttpResponse:
        """Too many tries are 429 with a time to wait."""
        answer: HttpResponse = super().form_invalid(form)
        if any(error.code == "too_many_login_attempts" for error in form.non_field_errors().as_data()):
            answer.status_code = 429
            answer["Retry-After"] = str(_TOO_MANY_WAIT)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the identity provider's name, where there is one."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"sign_on": sign_on_name()}


@method_decorator(login_not_required, name="dispatch")
class EnterByPasskey(LoginWebAuthnView):  # type: ignore[misc]  # allauth has no types
    """A passkey instead of password and second step."""


@login_not_required
def sign_on(request: HttpRequest) -> HttpResponse:
    """To the identity provider."""
    limits.sign_on.spend(address_of(request))
    # Where to go afterwards is the browser's to say, and nothing else.
    only = QueryDict(mutable=True)
    only.setlist("next", request.GET.getlist("next")[:1])
    request.GET = only  # type: ignore[assignment]  # the stubs know frozen ones only
    return _spoken(request, openid_connect.login)


def prove(request: HttpRequest) -> HttpResponse:
    """To the identity provider, to prove there again who one is; the log-in here goes on meanwhile."""
    limits.sign_on.spend(address_of(request))
    request.session[ASKED] = time.time()
    asked = QueryDict(mutable=True)
    asked.update(
        {"process": AuthProcess.REDIRECT, "next": reverse("confirmed"), "auth_params": "prompt=login&max_age=0"}
    )
    request.GET = asked  # type: ignore[assignment]  # the stubs know frozen ones only
    return _spoken(request, openid_connect.login)


def confirmed(request: HttpRequest) -> HttpResponse:
    """Back from there: on with what was being done."""
    waiting = confirming.waiting(request)
    if waiting is None:
        return redirect("home")
    path, has_form = waiting
    if not has_form:
        return redirect(path)
    return render(request, "confirmed.html", {"address": path})


@login_not_required
def signed_on(request: HttpRequest, **_named: object) -> HttpResponse:
    """Back from the identity provider."""
    return _spoken(request, openid_connect.callback)


@login_not_required
def forgotten(request: HttpRequest) -> HttpResponse:
    """Asks where to send a link for a new password; says the same to everybody, after the same time."""
    if request.method != "POST":
        return render(request, "forgotten.html", {"field": _address_field()})
    limits.new_password_by_place.spend(address_of(request))
    began = time.monotonic()
    email = request.POST.get("email", "").strip()[:320]
    invitations.ask_for_a_new_password(email, request.build_absolute_uri("/"))
    time.sleep(max(0.0, ANSWER_SECONDS - (time.monotonic() - began)))
    return render(request, "forgotten.html", {"asked": True})


def _address_field() -> Field:
    return Field("email", _("E-mail address"), "email", required=True, autocomplete="username")


def _spoken(request: HttpRequest, view: Callable[..., HttpResponse]) -> HttpResponse:
    """What the library answers; a page in words where the provider is silent or says what cannot be understood."""
    if not settings.POSTSTELLE.oidc_issuer:
        raise NotFound("address-unknown")
    try:
        return view(request, PROVIDER)
    except SocialApp.DoesNotExist as error:
        raise NotFound("address-unknown") from error
    except (requests.RequestException, OAuth2Error, AttributeError, KeyError, TypeError, ValueError) as error:
        # Answers of another program in a shape nobody has promised: whatever they run into is the provider's failure.
        log.warning("single sign-on failed: %s", type(error).__name__)
        told = wording.sentence(NotPermitted("sign-on-failed"))
        return render(request, "refusal.html", {"told": told}, status=502)
