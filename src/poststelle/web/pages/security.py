"""One's own log-in: second factors, where one is logged in, access tokens for programs; and what is shown to somebody who must set up first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.contrib.auth import get_user_model, update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid
from poststelle.mail.records import SessionRecord, UserRecord
from poststelle.mail.secret import Secret
from poststelle.office import people, second_factors, sessions, tokens, wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field
from poststelle.web.names import SCOPES

DAYS = (30, 90, 365, 730)


def security(request: Visit, token: str = "", wrong: Mapping[str, str] | None = None) -> HttpResponse:
    """Everything about one's own log-in. `token` is shown once, right after it was made; `wrong` are sentences by field."""
    person = _oneself(request)
    context = {
        "base": base_of(request), "factors": second_factors.of(request.actor, person.id), "token": token,
        "devices": told_sessions(sessions.of(request.actor, person.id)),
        "current": sessions.name_of(request.session.session_key or ""), "tokens": tokens.of(request.actor, person.id),
        "token_fields": token_fields(request, wrong or {}), "scopes": SCOPES, "wrong": wrong or {},
        "password_fields": _password_fields(wrong or {}),
    }  # fmt: skip
    answer = render(request, "security.html", context, status=422 if wrong else 200)
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def needed(request: Visit) -> HttpResponse:
    """For somebody who must set up a second factor before anything else."""
    if not second_factors.must_set_up(request.actor):
        return redirect("home")
    return render(request, "second_factor_needed.html")


@require_POST
def end_sessions(request: Visit) -> HttpResponse:
    """One of one's own sessions (`session`), or all others."""
    person = _oneself(request)
    if wanted := request.POST.get("session"):
        sessions.end(request.actor, person.id, wanted)
    else:
        sessions.end_all(request.actor, person.id, keep=sessions.name_of(request.session.session_key or ""))
    messages.success(request, _("Logged out there."))
    return redirect("mfa_index")


@require_POST
@sensitive_post_parameters("password", "again")
def password(request: Visit) -> HttpResponse:
    """Another password; all other log-ins end with the old one."""
    given = request.POST.get("password", "")
    if given != request.POST.get("again", ""):
        return security(request, wrong={"again": _("The two are not the same.")})
    try:
        people.change_password(request.actor, Secret(given))
    except Invalid as error:
        return security(request, wrong=wording.field_sentences(error))
    update_session_auth_hash(request, get_user_model().objects.get(pk=_oneself(request).id))
    messages.success(request, _("Your password is changed; you are logged out everywhere else."))
    return redirect("mfa_index")


@require_POST
def new_token(request: Visit) -> HttpResponse:
    """A new access token of one's own, shown once."""
    try:
        made, _record = tokens.make(request.actor, _oneself(request).id, **given_token(request))  # type: ignore[arg-type]
    except Invalid as error:
        return security(request, wrong=wording.field_sentences(error))
    return security(request, token=made)


@require_POST
def revoke_token(request: Visit) -> HttpResponse:
    """One of one's own tokens is no longer valid."""
    tokens.revoke(request.actor, _oneself(request).id, request.POST.get("token", ""))
    messages.success(request, _("The token is revoked."))
    return redirect("mfa_index")


def given_token(request: Visit) -> dict[str, object]:
    """What the form for a token says: name, scopes, days."""
    days = request.POST.get("days", "365")
    return {
        "name": request.POST.get("name", ""),
        "scopes": request.POST.getlist("scopes"),
        "days": int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0,
    }


def token_fields(request: Visit, wrong: Mapping[str, str]) -> list[Field]:
    """The fields of a new token, less its scopes."""
    lengths = [(str(days), _("%(days)s days") % {"days": days}) for days in DAYS]
    typed = request.POST if wrong else {}
    return [
        Field("name", _("What it is for"), value=typed.get("name", ""), error=wrong.get("name", ""), required=True),
        Field(
            "days", _("Valid for"), "select", typed.get("days", "365"), choices=lengths,
            error=wrong.get("days", ""),
        ),
    ]  # fmt: skip


def _password_fields(wrong: Mapping[str, str]) -> list[Field]:
    return [
        Field("password", _("New password"), "password", error=wrong.get("password", ""), required=True,
              help=_("At least 12 characters. A short sentence is good."), autocomplete="new-password"),
        Field("again", _("Once more"), "password", error=wrong.get("again", ""), required=True, autocomplete="new-password"),
    ]  # fmt: skip


def told_sessions(records: Sequence[SessionRecord]) -> list[tuple[SessionRecord, str]]:
    """Sessions, each with its browser and system in words."""
    told = []
    for record in records:
        program, system = sessions.device(record.agent)
        if program and system:
            words = _("%(browser)s on %(system)s") % {"browser": program, "system": system}
        else:
            words = program or system or _("Unknown device")
        told.append((record, words))
    return told


def _oneself(request: Visit) -> UserRecord:
    assert request.actor.user is not None  # a session is always a person's
    return request.actor.user
