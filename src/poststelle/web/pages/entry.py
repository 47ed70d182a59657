"""The way in: the start address and the one-time set-up page."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from poststelle.errors import Invalid, NotFound
from poststelle.mail.listing import Place, read_where
from poststelle.mail.ports import Role
from poststelle.mail.preferences import DEFAULT, LAST
from poststelle.mail.secret import Secret
from poststelle.office import oversight, preferences, reading, setup, wording
from poststelle.web.entrance import Visit
from poststelle.web.fields import Field, choices
from poststelle.web.names import LANGUAGES
from poststelle.web.resuming import remembered
from poststelle.web.tree import address_of

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def home(request: Visit) -> HttpResponse:
    """To the start page one has chosen, or where one was last, else the first inbox; administrators without one to the health board or the mailboxes."""
    tree = reading.tree(request.actor)
    if start := _chosen_start(request, {branch.account.id for branch in tree}):
        return redirect(start)
    inboxes = [folder for branch in tree for folder in branch.folders if folder.role is Role.INBOX]
    if inboxes:
        # An inbox with mail in it rather than one that was never fetched; among those the first.
        return redirect("folder", max(inboxes, key=lambda folder: folder.total > 0).id)
    if not tree and request.actor.is_administrator:
        return redirect("health" if oversight.overseen_accounts(request.actor) else "mailboxes")
    return redirect("mail")


def _chosen_start(request: Visit, accounts: Collection[str]) -> str:
    """The address of the start page, "" for the usual one or where that is out of reach by now."""
    chosen = preferences.mine(request.actor).start
    if chosen == LAST:
        return remembered(request)
    where = read_where(chosen)
    gone = where.place is Place.FOLDER or (where.place is Place.ACCOUNT and where.id not in accounts)
    return "" if chosen == DEFAULT.start or gone else address_of(where)


@login_not_required
def icon(_request: HttpRequest) -> HttpResponse:
    """What browsers ask for by themselves beside a page that names no icon: a print, a source, the API's description."""
    return redirect(static("icon.svg"))


@login_not_required
@sensitive_post_parameters("password")
def set_up(request: HttpRequest, token: str) -> HttpResponse:
    """The set-up form behind the link `serve` printed; afterwards logged in, on the way to the first mailbox."""
    if not setup.check(token):
        raise NotFound("setup-link-unknown")
    wanted = request.POST.get("language") or translation.get_language()
    language = wanted if wanted in LANGUAGES else "de"
    wrong: dict[str, str] = {}
    if request.method == "POST":
        with translation.override(language):
            try:
                user = setup.set_up(
                    token,
                    office=request.POST.get("office", ""),
                    language=language,
                    email=request.POST.get("email", ""),
                    name=request.POST.get("name", ""),
                    password=Secret(request.POST.get("password", "")),
                )
            except Invalid as error:
                wrong = wording.field_sentences(error)
            else:
                login(request, get_user_model().objects.get(pk=user.id), backend=_BACKEND)
                return redirect("mailbox-new")
    translation.activate(language)
    context = {"fields": _set_up_fields(request, language, wrong), "wrong": bool(wrong)}
    return render(request, "setup.html", context, status=422 if wrong else 200)


set_up.before_set_up = True  # type: ignore[attr-defined]  # EntranceMiddleware lets it pass


def _set_up_fields(request: HttpRequest, language: str, wrong: dict[str, str]) -> list[Field]:
    typed = request.POST
    return [
        Field("language", _("Language"), "select", language, error=wrong.get("language", ""), choices=choices(LANGUAGES)),
        Field(
            "office", _("Office"), value=typed.get("office", ""), error=wrong.get("office", ""), required=True,
            help=_("The name everybody here knows, for example “Müller & Partner”."), autocomplete="organization",
        ),
        Field(
            "name", _("Your name"), value=typed.get("name", ""), error=wrong.get("name", ""), required=True,
            autocomplete="name",
        ),
        Field(
            "email", _("Your e-mail address"), "email", typed.get("email", ""), error=wrong.get("email", ""), required=True,
            help=_("You log in with it. You will be the first administrator."), autocomplete="username",
        ),
        Field(
            "password", _("Password"), "password", error=wrong.get("password", ""), required=True,
            help=_("At least 12 characters. A short sentence is good."), autocomplete="new-password",
        ),
    ]  # fmt: skip
