"""People: who can log in (administrators), and what everybody chooses for themselves."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from poststelle.errors import Invalid
from poststelle.mail.secret import Secret
from poststelle.office import people as office
from poststelle.office import wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field
from poststelle.web.names import LANGUAGES
from poststelle.web.returning import back
from poststelle.web.shell import THEMES


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
        "base": base_of(request), "users": users, "fields": fields,
        "administrator": typed.get("administrator") == "1", "wrong": wrong,
    }  # fmt: skip
    return render(request, "people.html", context, status=422 if wrong else 200)


def personal(request: Visit, token: str = "") -> HttpResponse:
    """Language, theme, access tokens. `token` is shown once, right after it was made."""
    context = {
        "base": base_of(request), "languages": LANGUAGES, "token": token,
        "themes": [("auto", _("As the system")), ("light", _("Light")), ("dark", _("Dark"))],
    }  # fmt: skip
    return render(request, "personal.html", context)


@require_POST
def language(request: Visit) -> HttpResponse:
    """The language the person reads."""
    office.set_language(request.actor, request.POST.get("language", ""))
    return redirect(back(request, "/me/"))


@require_POST
def theme(request: Visit) -> HttpResponse:
    """Light, dark, or as the system has it; kept in a cookie of this browser."""
    response = redirect(back(request, "/me/"))
    wanted = request.POST.get("theme", "")
    response.set_cookie(
        "theme", wanted if wanted in THEMES else "auto", max_age=365 * 24 * 3600, httponly=True, samesite="Lax",
        secure=request.is_secure(),
    )  # fmt: skip
    return response


@require_POST
def token(request: Visit) -> HttpResponse:
    """A new access token for the API, shown once."""
    assert request.actor.user is not None  # a session is always a person's
    made = office.add_token(request.actor, request.actor.user.id, request.POST.get("name", "").strip() or _("Access"))
    return personal(request, token=made)
