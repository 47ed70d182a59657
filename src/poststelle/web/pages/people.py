"""People: who can log in. Administrators only."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from poststelle.errors import Invalid, NotFound
from poststelle.mail.secret import Secret
from poststelle.office import departures, invitations, wording
from poststelle.office import people as office
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field


@sensitive_post_parameters("password")
def people(request: Visit) -> HttpResponse:
    """Everybody who can log in, and a form to add somebody. Administrators only."""
    users = office.users(request.actor)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
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
        "base": base_of(request), "users": users, "fields": fields, "blocked": office.blocked(request.actor),
        "administrator": typed.get("administrator") == "1", "wrong": wrong,
    }  # fmt: skip
    return render(request, "people.html", context, status=422 if wrong else 200)


@require_POST
def invite(request: Visit) -> HttpResponse:
    """Somebody new, who sets a password by a link: mailed, or shown to be handed over where no mail can be sent."""
    post = request.POST
    try:
        invited = invitations.invite(
            request.actor, email=post.get("email", ""), name=post.get("name", ""),
            administrator=post.get("administrator") == "1",
        )  # fmt: skip
    except Invalid as error:
        told = [f"{post.get('email', '')}: {sentence}" for sentence in wording.field_sentences(error).values()]
        messages.error(request, " ".join(told))
        return redirect("people")
    link = request.build_absolute_uri(reverse("welcome", args=[invited.token]))
    return render(request, "invited.html", {"base": base_of(request), "invited": invited, "link": link})


def person(request: Visit, user: str) -> HttpResponse:
    """One person: blocked and let in again, or leaving, with everything of theirs going to somebody else."""
    users = office.users(request.actor)
    gone = office.blocked(request.actor)
    record = next((one for one in [*users, *gone] if one.id == user), None)
    if record is None:
        raise NotFound("user-unknown", user=user)
    if request.method == "POST":
        deed, told = request.POST.get("deed", ""), ""
        if deed == "block":
            departures.block(request.actor, record.id)
            told = _("%(name)s can no longer log in.") % {"name": record.name}
        elif deed == "unblock":
            departures.unblock(request.actor, record.id)
            told = _("%(name)s can log in now.") % {"name": record.name}
        elif deed == "depart":
            handed = departures.depart(request.actor, record.id, request.POST.get("heir", ""))
            told = _(
                "%(name)s has left. Handed over: %(mailboxes)s mailboxes, %(logins)s log-ins, %(waiting)s messages still to be sent."
            ) % {
                "name": record.name,
                "mailboxes": handed.mailboxes,
                "logins": handed.logins,
                "waiting": handed.waiting_mail,
            }
        if told:
            messages.success(request, told)
        return redirect("people")
    context = {
        "base": base_of(request), "person": record, "is_blocked": record in gone,
        "heirs": [one for one in users if one.id != record.id],
        "is_oneself": request.actor.user is not None and request.actor.user.id == record.id,
    }  # fmt: skip
    return render(request, "person.html", context)
