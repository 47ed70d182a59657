"""Who comes in: set-up first, then a log-in; and what a refusal looks like.

Law: every view needs a log-in unless it is marked otherwise (Django's ``login_not_required``); the API looks at its tokens
itself. What the office refuses becomes a page in words: not found and not allowed to know are the same 404 (Q70).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from allauth.account.authentication import get_authentication_records
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from poststelle.errors import Conflict, NotFound, NotPermitted, PoststelleError, TooOften
from poststelle.mail.preferences import Preferences
from poststelle.office import feed, health, people, preferences, second_factors, sessions, wording
from poststelle.office.actor import Actor
from poststelle.web import confirming

_STATUS: Mapping[type[PoststelleError], int] = {NotFound: 404, NotPermitted: 403, Conflict: 409, TooOften: 429}


class Visit(HttpRequest):
    """A request of a logged-in person, as views behind the entrance get it. `chosen`: what the person had chosen when it came."""

    actor: Actor
    chosen: Preferences


class EntranceMiddleware(LoginRequiredMiddleware):
    """Lets nobody past who is not logged in, and gives the view the acting person as ``request.actor``."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> HttpResponseBase | None:
        if request.path.startswith("/api/") or getattr(view, "ignores_cookies", False):
            return None
        if people.office_name() is None and not getattr(view, "before_set_up", False):
            return render(request, "setup_needed.html", status=503)
        if not request.user.is_authenticated and is_part(request):
            shown = urlencode({"next": request.headers.get("HX-Current-URL", "/")})
            return HttpResponse(headers={"HX-Redirect": f"/login?{shown}"})
        refused: HttpResponseBase | None = super().process_view(request, view, args, kwargs)
        if refused is None and request.user.is_authenticated:
            actor = people.actor_of_session(str(request.user.pk))
            request.actor = actor  # type: ignore[attr-defined]  # see Visit
            request.chosen = preferences.mine(actor)  # type: ignore[attr-defined]
            # Before the view reads anything: what happens in between is told twice then, and never not at all.
            request.live_after = feed.latest()  # type: ignore[attr-defined]
            if _by_hand(request):
                sessions.used(request.session)
            return _not_yet(request, actor)
        return refused

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A refusal as a page in words. Whatever else is wrong stays an exception."""
        if not isinstance(exception, PoststelleError) or request.path.startswith("/api/"):
            return None
        status = next((number for kind, number in _STATUS.items() if isinstance(exception, kind)), 400)
        told = wording.sentence(exception)
        page = "parts/refusal.html" if is_part(request) else "refusal.html"
        answer = render(request, page, {"told": told}, status=status)
        if isinstance(exception, TooOften) and exception.after is not None:
            answer["Retry-After"] = str(math.ceil(exception.after))
        return answer


_WITHOUT_SECOND_FACTOR = frozenset(
    {
        "second-factor-needed", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes", "account_logout", "account_login",
        "account_inactive", "language",
    }
)  # fmt: skip
"""Names of routes for somebody who must set up a second factor first."""


def _not_yet(request: HttpRequest, actor: Actor) -> HttpResponse | None:
    """What has to be done first: a second factor set up, or proved again who one is."""
    name = request.resolver_match.url_name if request.resolver_match else ""
    if name not in _WITHOUT_SECOND_FACTOR and not by_single_sign_on(request) and second_factors.must_set_up(actor):
        if is_part(request):
            return HttpResponse(headers={"HX-Redirect": "/"})
        return redirect("second-factor-needed")
    return confirming.ask(request, actor, name or "")


def _by_hand(request: HttpRequest) -> bool:
    """Whether somebody is there: what an open page asks for by itself keeps no log-in alive."""
    name = request.resolver_match.url_name if request.resolver_match else ""
    if request.method == "POST":
        return name != "here"
    return name != "live" and (not is_part(request) or is_part(request, "main") or is_part(request, "reader"))


def by_single_sign_on(request: HttpRequest) -> bool:
    """Whether this log-in came from the identity provider, who asks for its own second factor."""
    return any(one.get("method") == "socialaccount" for one in get_authentication_records(request, request.user))


def is_part(request: HttpRequest, target: str = "") -> bool:
    """Whether htmx asks for a part of a page, to be put into the element with the id `target`."""
    if request.headers.get("HX-Request-Type") != "partial":
        return False
    return not target or request.headers.get("HX-Target", "").endswith(f"#{target}")


def base_of(request: HttpRequest) -> str:
    """The template a page extends: the whole shell, or only what goes into its main part."""
    return "fragment.html" if is_part(request, "main") else "shell.html"


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  (Django's)
    """The page for an address that leads nowhere."""
    told = wording.Wording(_("There is nothing here."), _("Check the address, or go back to your mail."))
    return render(request, "refusal.html", {"told": told}, status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """The page for a mistake of our own, or for what the machine lacks. It can always be drawn: it asks nobody, not even the database."""
    code = health.lacking(sys.exc_info()[1])
    told = wording.sentence(code) if code else None
    return HttpResponse(render_to_string("500.html", {"request": request, "told": told}), status=503 if code else 500)


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  (Django's)
    """The page for a form whose token does not fit (any more)."""
    told = wording.Wording(
        _("This form is out of date."), _("Go back, reload the page and send it again. Nothing has been changed.")
    )
    return render(request, "refusal.html", {"told": told}, status=403)
