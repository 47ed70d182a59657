"""Pages behind a one-time link, for people who are not logged in: the owner of a mailbox enters its password, somebody new sets theirs.

Whoever holds a hand-over link sees office, address and who asks, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import Step
from poststelle.mail.secret import Secret
from poststelle.office import hand_over as office
from poststelle.office import invitations, limits, wording
from poststelle.office.actor import Actor
from poststelle.web import typed_secrets
from poststelle.web.fields import Field
from poststelle.web.login import address_of
from poststelle.web.pages.steps import step_name

_SECRETS = ("password", "client_certificate")


@login_not_required
@sensitive_post_parameters(*_SECRETS)
async def hand_over(request: HttpRequest, token: str) -> HttpResponse:
    """Shows who asks for which mailbox; the password is tried, kept when it works, and seen by nobody."""
    try:
        waiting = await sync_to_async(office.look)(token)
    except NotFound:
        limits.links.spend(address_of(request))
        raise
    steps: list[Step] = []
    wrong: dict[str, str] = {}
    visitor: Actor | None = getattr(request, "actor", None)
    if request.method == "POST":
        limits.hand_over.spend(waiting.address)
        if visitor is not None:
            await sync_to_async(typed_secrets.restore)(request, _SECRETS)
        certificate = request.POST.get("client_certificate", "").strip()
        secret = Secret(request.POST.get("password", ""))
        try:
            given = Secret(certificate) if certificate else None
            steps = [one async for one in office.submit(token, secret, given, visitor)]
        except Invalid as error:
            wrong = wording.field_sentences(error)
    kept = bool(steps) and steps[-1].state == "ok"
    response: HttpResponse = await sync_to_async(_hand_over_page)(request, waiting, steps, wrong, kept)
    return response


def _hand_over_page(
    request: HttpRequest,
    waiting: office.Invitation,
    steps: Sequence[Step],
    wrong: dict[str, str],
    kept: bool,  # noqa: FBT001
) -> HttpResponse:
    typed, servers = "", _openable(steps)
    if kept:
        typed_secrets.forget(request)
    elif servers:
        # Whoever may allow the server is tried again by the same click; nobody types a password twice.
        typed = typed_secrets.keep(request, _SECRETS)
    told = [
        (step, step_name(step.direction, step.name), wording.sentence(step.error, step.detail) if step.error else None)
        for step in steps
        if step.name != "kept"
    ]
    certificate = Field(
        "client_certificate",
        _("Client certificate with key (PEM)"),
        "textarea",
        error=wrong.get("client_certificate", ""),
    )
    context = {
        "waiting": waiting, "steps": told, "kept": kept, "tried": bool(steps), "certificate": certificate, "typed": typed,
        "servers": servers,
        "password": Field("password", _("Password of the mailbox"), "password", error=wrong.get("password", ""),
                          autocomplete="current-password", help=_("Typed already. Leave it empty to keep that.") if typed else ""),
    }  # fmt: skip
    page = render(request, "hand_over.html", context, status=422 if wrong else 200)
    return _unspoken(page)


def _openable(steps: Sequence[Step]) -> list[str]:
    """The internal servers that stand in the way and could be allowed, where the visitor may know of them."""
    found = [one.detail["openable"] for one in steps if one.detail.get("openable")]
    return list(dict.fromkeys(str(server) for servers in found if isinstance(servers, list) for server in servers))


@login_not_required
@sensitive_post_parameters("password", "again")
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """Somebody new, or who forgot theirs, sets a password; the link is used up by it."""
    try:
        user = invitations.look(token)
    except NotFound:
        limits.links.spend(address_of(request))
        raise
    wrong: dict[str, str] = {}
    if request.method == "POST":
        password = request.POST.get("password", "")
        if password != request.POST.get("again", ""):
            wrong = {"again": _("The two are not the same.")}
        else:
            try:
                invitations.accept(token, Secret(password))
            except Invalid as error:
                wrong = wording.field_sentences(error)
            else:
                messages.success(request, _("Your password is set. You can log in with it now."))
                return redirect("account_login")
    fields = [
        Field("password", _("New password"), "password", error=wrong.get("password", ""), required=True,
              help=_("At least 12 characters. A short sentence is good."), autocomplete="new-password"),
        Field("again", _("Once more"), "password", error=wrong.get("again", ""), required=True, autocomplete="new-password"),
    ]  # fmt: skip
    page = render(request, "welcome.html", {"person": user, "fields": fields}, status=422 if wrong else 200)
    return _unspoken(page)


def _unspoken(page: HttpResponse) -> HttpResponse:
    """The address is the secret: it is told to no other host, and kept nowhere."""
    # With "no-referrer" browsers send "Origin: null", and the form would be refused.
    page["Referrer-Policy"] = "same-origin"
    page["Cache-Control"] = "no-store"
    return page
