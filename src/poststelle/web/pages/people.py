"""People: who can log in. Administrators only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import UserRecord
from poststelle.mail.secret import Secret
from poststelle.office import departures, groups, invitations, second_factors, sessions, tokens, wording
from poststelle.office import people as office
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field
from poststelle.web.names import SCOPES
from poststelle.web.pages.security import given_token, token_fields, told_sessions

_KINDS = {
    "administrator": gettext_lazy("Administrators"),
    "program": gettext_lazy("Programs"),
    "blocked": gettext_lazy("Blocked"),
}


@sensitive_post_parameters("password")
def people(request: Visit) -> HttpResponse:
    """Everybody who can log in, or those looked for, and a form to add somebody. Administrators only."""
    words, only = request.GET.get("q", "").strip()[:200], request.GET.get("only", "")
    only = only if only in _KINDS else ""
    users = office.users(request.actor, words, only)
    blocked = [] if only else office.users(request.actor, words, "blocked")
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            if request.POST.get("service") == "1":
                added = office.add_service(
                    request.actor, email=request.POST.get("email", ""), name=request.POST.get("name", "")
                )
                return redirect("person", added.id)
            added = office.add_user(
                request.actor,
                email=request.POST.get("email", ""),
                name=request.POST.get("name", ""),
                password=Secret(request.POST.get("password", "")),
                administrator=request.POST.get("administrator") == "1",
            )
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("%(name)s can log in now.") % {"name": added.name})
            return redirect("people")
    typed = request.POST
    fields = [
        Field("name", _("Name"), value=typed.get("name", ""), error=wrong.get("name", ""), required=True),
        Field("email", _("E-mail address"), "email", typed.get("email", ""), error=wrong.get("email", ""), required=True),
        Field(
            "password", _("First password"), "password", error=wrong.get("password", ""), required=True,
            help=_("At least 12 characters. Tell it to the person yourself."), autocomplete="new-password",
        ),
    ]  # fmt: skip
    context = {
        "base": base_of(request), "users": users, "fields": fields, "blocked": blocked, "q": words, "only": only,
        "filters": _KINDS.items(),
        "administrator": typed.get("administrator") == "1", "wrong": wrong, "is_service": typed.get("service") == "1",
        "links": _links(request),
        "rule": second_factors.rule(request.actor), "groups": groups.within(request.actor),
    }  # fmt: skip
    return render(request, "people.html", context, status=422 if wrong else 200)


@require_POST
def second_factor_rule(request: Visit) -> HttpResponse:
    """Who must have a second factor. Administrators only."""
    second_factors.require(
        request.actor, everybody=request.POST.get("everybody") == "1", groups_named=request.POST.getlist("groups")
    )
    messages.success(request, _("Saved."))
    return redirect("people")


@require_POST
def invite(request: Visit) -> HttpResponse:
    """Somebody new, who sets a password by a link: mailed, or shown to be handed over where no mail can be sent."""
    post = request.POST
    try:
        invited = invitations.invite(
            request.actor, email=post.get("email", ""), name=post.get("name", ""),
            administrator=post.get("administrator") == "1", place=request.build_absolute_uri("/"),
        )  # fmt: skip
    except Invalid as error:
        told = [f"{post.get('email', '')}: {sentence}" for sentence in wording.field_sentences(error).values()]
        messages.error(request, " ".join(told))
        return redirect("people")
    link = request.build_absolute_uri(reverse("welcome", args=[invited.token]))
    context = {"base": base_of(request), "invited": invited, "link": link, "links": _links(request)}
    return render(request, "invited.html", context)


def _links(request: Visit) -> dict[str, object] | None:
    """Why links are not mailed, in words, and whether the office has chosen that by having no office account."""
    found = invitations.hindrance(request.actor)
    if found is None:
        return None
    return {"words": wording.sentence(found.code, found.facts), "is_chosen": found.code == "links-unsent"}


def person(request: Visit, user: str) -> HttpResponse:
    """One person: their name and role; blocked and let in again, or leaving, with everything of theirs going to somebody else."""
    users = office.users(request.actor)
    gone = office.blocked(request.actor)
    record = next((one for one in [*users, *gone] if one.id == user), None)
    if record is None:
        raise NotFound("user-unknown", user=user)
    if request.method == "POST":
        if (deed := request.POST.get("deed", "")) in _LOG_IN_DEEDS:
            return _about_log_in(request, record, deed)
        if deed == "change":
            return _changed(request, record)
        told = ""
        if deed == "block":
            departures.block(request.actor, record.id)
            told = _("%(name)s can no longer log in.") % {"name": record.name}
        elif deed == "unblock":
            departures.unblock(request.actor, record.id)
            told = _("%(name)s can log in now.") % {"name": record.name}
        elif deed == "depart":
            handed = departures.depart(request.actor, record.id, request.POST.get("heir", ""))
            told = _(
                "%(name)s has left. Handed over: mailboxes %(mailboxes)s, log-ins %(logins)s, messages still to be sent %(waiting)s, messages still to be done %(work)s."
            ) % {
                "name": record.name,
                "mailboxes": handed.mailboxes,
                "logins": handed.logins,
                "waiting": handed.waiting_mail,
                "work": handed.open_work,
            }
        if told:
            messages.success(request, told)
        return redirect("people")
    return _person_page(request, record, users)


def _changed(request: Visit, record: UserRecord) -> HttpResponse:
    try:
        changed = office.change(
            request.actor, record.id, name=request.POST.get(_NAME, ""),
            administrator=request.POST.get("administrator") == "1",
        )  # fmt: skip
    except Invalid as error:
        return _person_page(request, record, wrong={_NAME: wording.field_sentences(error)["name"]})
    messages.success(request, _("Saved."))
    is_oneself = request.actor.user is not None and request.actor.user.id == record.id
    # Whoever is no longer an administrator finds nothing here.
    return redirect("personal" if is_oneself and not changed.is_administrator else "people")


_NAME = "person_name"
_LOG_IN_DEEDS = frozenset({"reset-factors", "end-sessions", "new-token", "revoke-token"})


def _about_log_in(request: Visit, record: UserRecord, deed: str) -> HttpResponse:
    """What an administrator does to a colleague's log-in, or to a program's tokens."""
    if deed == "new-token":
        try:
            made, _record = tokens.make(request.actor, record.id, **given_token(request))  # type: ignore[arg-type]
        except Invalid as error:
            return _person_page(request, record, wrong=wording.field_sentences(error))
        return _person_page(request, record, token=made)
    if deed == "revoke-token":
        tokens.revoke(request.actor, record.id, request.POST.get("token", ""))
        messages.success(request, _("The token is revoked."))
    elif deed == "end-sessions":
        sessions.end_all(request.actor, record.id)
        messages.success(request, _("%(name)s is logged out everywhere.") % {"name": record.name})
    else:
        second_factors.reset(request.actor, record.id)
        sessions.end_all(request.actor, record.id)
        told = _("%(name)s logs in with the password alone now, and can set up a second factor again.")
        messages.success(request, told % {"name": record.name})
    return redirect("person", record.id)


def _person_page(
    request: Visit,
    record: UserRecord,
    users: Sequence[UserRecord] | None = None,
    token: str = "",
    wrong: Mapping[str, str] | None = None,
) -> HttpResponse:
    active = office.users(request.actor) if users is None else users
    is_blocked = record.id not in {one.id for one in active}
    context = {
        "base": base_of(request), "person": record, "is_blocked": is_blocked,
        "name_field": Field(
            _NAME, _("Name"), value=request.POST.get(_NAME, record.name), error=(wrong or {}).get(_NAME, ""), required=True,
        ),
        "heirs": [one for one in active if one.id != record.id and not one.is_service],
        "is_oneself": request.actor.user is not None and request.actor.user.id == record.id,
        "token": token, "wrong": wrong or {}, "scopes": SCOPES, "token_fields": token_fields(request, wrong or {}),
        "factors": None if is_blocked else second_factors.of(request.actor, record.id),
        "devices": [] if is_blocked else told_sessions(sessions.of(request.actor, record.id)),
        "tokens": [] if is_blocked else tokens.of(request.actor, record.id),
    }  # fmt: skip
    answer = render(request, "person.html", context, status=422 if wrong else 200)
    answer["Cache-Control"] = "no-store"
    return answer
