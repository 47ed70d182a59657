"""What everybody chooses for themselves: language, appearance, how lists and messages behave, whom they trust."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from poststelle.errors import Invalid
from poststelle.mail.preferences import LAST, Preferences
from poststelle.office import accounts, reading, wording, work
from poststelle.office import people as office
from poststelle.office import preferences as chosen
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field
from poststelle.web.names import DENSITIES, LANGUAGES, PLACES, PREVIEWS
from poststelle.web.returning import back
from poststelle.web.shell import THEMES

_DELAYS = (0, 1, 2, 5, 10, 30)
_REFRESHES = (0, 30, 60, 300)
_NEVER = "never"


def personal(request: Visit, wrong: Mapping[str, str] | None = None) -> HttpResponse:
    """Everything one can choose. `wrong` are sentences by field."""
    context = {
        "base": base_of(request), "languages": LANGUAGES,
        "themes": [("auto", _("As the system")), ("light", _("Light")), ("dark", _("Dark"))],
        "fields": _fields(request, chosen.mine(request.actor), wrong or {}), "trusted": work.trusted_senders(request.actor),
    }  # fmt: skip
    return render(request, "personal.html", context, status=422 if wrong else 200)


@require_http_methods(["POST"])
def preferences(request: Visit) -> HttpResponse:
    """How lists and messages look and behave."""
    try:
        chosen.change(request.actor, _changes(request))
        if "default_sender" in request.POST:
            office.set_default_sender(request.actor, request.POST["default_sender"] or None)
    except Invalid as error:
        return personal(request, wrong=wording.field_sentences(error))
    messages.success(request, _("Saved."))
    return redirect(back(request, "/me/"))


@require_POST
def language(request: Visit) -> HttpResponse:
    """The language the person reads."""
    office.set_language(request.actor, request.POST.get("language", ""))
    return redirect(back(request, "/me/"))


@require_POST
def theme(request: Visit) -> HttpResponse:
    """Light, dark, or as the system has it; kept for the person, and in a cookie for the log-in page of this browser."""
    response = redirect(back(request, "/me/"))
    given = request.POST.get("theme", "")
    wanted = given if given in THEMES else "auto"
    chosen.change(request.actor, {"theme": "system" if wanted == "auto" else wanted})
    response.set_cookie(
        "theme", wanted, max_age=365 * 24 * 3600, httponly=True, samesite="Lax", secure=request.is_secure()
    )
    return response


def _changes(request: Visit) -> dict[str, object]:
    """What the form says, as `mail.preferences` reads it; what it does not name stays."""
    given = request.POST
    changes: dict[str, object] = {
        name: given[name] for name in ("density", "preview", "signature", "start", "notifications") if name in given
    }
    if "mark_read_after" in given:
        changes["mark_read_after"] = None if given["mark_read_after"] == _NEVER else _number(given["mark_read_after"])
    if "refresh" in given:
        changes["refresh"] = _number(given["refresh"])
    for name in ("threads", "totals"):
        if name in given:
            changes[name] = given.getlist(name)[-1] == "1"
    return changes


def _number(text: str) -> object:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else text


def _fields(request: Visit, now: Preferences, wrong: Mapping[str, str]) -> list[Field]:
    delays = [
        (str(one), _("At once") if not one else _("After %(time)s") % {"time": _seconds(one)}) for one in _DELAYS
    ] + [(_NEVER, _("Never by itself"))]
    refreshes = [
        (str(one), _("As it happens") if not one else _("Every %(time)s") % {"time": _seconds(one)})
        for one in _REFRESHES
    ]
    starts = [
        ("inbox", _("My first inbox")),
        (LAST, _("Where I was last")),
        *((place.value, name) for place, name in PLACES.items() if place.value != "inbox"),
    ]
    starts += [(f"account:{branch.account.id}", branch.account.label) for branch in reading.tree(request.actor)]
    delay = _NEVER if now.mark_read_after is None else str(now.mark_read_after)
    signatures = [("always", _("Always")), ("new", _("Only in new letters")), ("never", _("Never"))]
    usual = office.default_sender(request.actor)
    senders = [
        ("", _("My first mailbox")),
        *((one.id, f"{one.label} ({one.address})") for one in accounts.senders(request.actor)),
    ]
    tellings = [("off", _("Nothing")), ("mine", _("What concerns me")), ("all", _("Every new message"))]

    def select(name: str, label: str, value: str, choices: list[tuple[str, str]], help_: str = "") -> Field:
        known = choices if value in dict(choices) else [*choices, (value, value)]
        return Field(name, label, "select", value, choices=known, help=help_, error=wrong.get(name, ""))

    return [
        select("density", _("Density of lists"), now.density, [*DENSITIES.items()]),
        select("preview", _("Message beside the list"), now.preview, [*PREVIEWS.items()]),
        select("mark_read_after", _("A message counts as read"), delay, delays),
        select("default_sender", _("Usual sender"), usual.id if usual else "", senders),
        select("signature", _("Signature below my letters"), now.signature, signatures),
        select("start", _("First page"), now.start, starts),
        select(
            "notifications",
            _("The desktop tells me of"),
            now.notifications,
            tellings,
            _("Your browser asks for permission once."),
        ),
        select("refresh", _("Look for news"), str(now.refresh), refreshes),
        Field("threads", _("Show conversations"), "check", "1" if now.threads else "0", error=wrong.get("threads", "")),
        Field(
            "totals",
            _("Folders tell how much they hold"),
            "check",
            "1" if now.totals else "0",
            error=wrong.get("totals", ""),
        ),
    ]


def _seconds(number: int) -> str:
    if number % 60 == 0:
        return ngettext("%(n)s minute", "%(n)s minutes", number // 60) % {"n": number // 60}
    return ngettext("%(n)s second", "%(n)s seconds", number) % {"n": number}
