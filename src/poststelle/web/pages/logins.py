"""Log-ins at the browser: one's own, those of one's mailboxes, the office's; a new password in one place, tried before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid
from poststelle.mail.records import LoginRecord, Step
from poststelle.mail.secret import Secret
from poststelle.office import logins, people, wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field, choices
from poststelle.web.names import MECHANISMS
from poststelle.web.pages import probe_lines
from poststelle.web.pages.area import form_page

_WINDOW = 100


@require_safe
def overview(request: Visit) -> HttpResponse:
    """A window of the log-ins whose password one may change, the shared ones first."""
    words = request.GET.get("q", "").strip()[:200]
    after = request.GET.get("after", "")
    start = int(after) if after.isascii() and after.isdigit() and len(after) < 7 else 0
    found = logins.within(request.actor, words=words, start=start, limit=_WINDOW + 1)
    following: dict[str, str | int] = {"q": words, "after": start + _WINDOW}
    context = {
        "base": base_of(request), "area": "logins", "logins": found[:_WINDOW], "q": words,
        "next": urlencode(following) if len(found) > _WINDOW else "",
    }  # fmt: skip
    return render(request, "logins.html", context)


@sensitive_post_parameters("password", "client_certificate")
def edit(request: Visit, login: str = "") -> HttpResponse:
    """A new log-in that several mailboxes share, or changes to one."""
    record = logins.show(request.actor, login) if login else None

    def keep() -> object:
        if record is None:
            return logins.add(request.actor, _document(request))
        return logins.change(request.actor, record.id, _document(request))

    title = record.label if record else _("New log-in")
    return form_page(request, "logins", title, partial(_fields, request, record), keep)


@require_POST
def remove(request: Visit, login: str) -> HttpResponse:
    """Forget one that nothing uses."""
    logins.remove(request.actor, login)
    messages.success(request, _("Removed."))
    return redirect("logins")


@sensitive_post_parameters("password", "again")
async def password(request: Visit, login: str) -> HttpResponseBase:
    """A new password, typed twice, tried line by line at every mailbox that uses the log-in, and kept if all let it in."""
    record = await sync_to_async(logins.show)(request.actor, login)
    if request.method != "POST":
        return await sync_to_async(_password_page)(request, record, {})
    typed = request.POST.get("password", "")
    if typed != request.POST.get("again", ""):
        return await sync_to_async(_password_page)(request, record, {"again": _("The two are not the same.")})
    steps = logins.test_and_change_password(request.actor, record.id, Secret(typed))
    try:
        first = await anext(steps, None)
    except Invalid as error:
        return await sync_to_async(_password_page)(request, record, wording.field_sentences(error))
    context = {"base": base_of(request), "area": "logins"}
    page = (
        ""
        if probe_lines.wants_lines(request)
        else await sync_to_async(render_to_string)("probe.html", context, request)
    )
    return probe_lines.streamed(first, steps, page, _verdict, None)


def _verdict(steps: list[Step]) -> str:
    kept = steps[-1]
    if len(steps) == 1:
        return probe_lines.verdict(steps, _("The new password is kept. Nothing uses it yet, so it was not tried."))
    if kept.state != "ok":
        return probe_lines.verdict(steps, _("It does not work everywhere, so the old password stays."))
    count = kept.detail.get("accounts", 0)
    assert isinstance(count, int)
    told = ngettext(
        "The new password works and is kept for %(count)s mailbox.",
        "The new password works and is kept for %(count)s mailboxes.", count,
    )  # fmt: skip
    return probe_lines.verdict(steps, told % {"count": count})


def _password_page(request: Visit, record: LoginRecord, wrong: Mapping[str, str]) -> HttpResponse:
    fields = [
        Field("password", _("New password"), "password", error=wrong.get("password", ""), required=True, autocomplete="new-password"),
        Field("again", _("Once more"), "password", error=wrong.get("again", ""), required=True, autocomplete="new-password"),
    ]  # fmt: skip
    context = {"base": base_of(request), "area": "logins", "login": record, "fields": fields}
    return render(request, "login_password.html", context, status=422 if wrong else 200)


def _document(request: Visit) -> dict[str, object]:
    names = ("label", "username", "domain", "mechanism")
    made: dict[str, object] = {name: request.POST.get(name, "").strip() or None for name in names}
    if "owner" in request.POST:
        made["owner"] = request.POST["owner"] or None
    made |= {name: value for name in ("password", "client_certificate") if (value := request.POST.get(name, ""))}
    return made


def _fields(request: Visit, record: LoginRecord | None, wrong: Mapping[str, str]) -> list[Field]:
    posted = request.POST if request.method == "POST" else None
    owner = record.owner.id if record and record.owner else ""
    stored = {
        "label": record.label if record else "", "username": record.username if record else "",
        "domain": record.domain if record else "", "mechanism": record.mechanism.value if record else "auto", "owner": owner,
    }  # fmt: skip
    mine = (request.actor.user.id, _("mine")) if request.actor.user else ("", "")

    def field(name: str, label: str, kind: str = "text", **more: object) -> Field:
        value = posted.get(name, "") if posted is not None else stored.get(name, "")
        return Field(name, label, kind, value, error=wrong.get(name, ""), **more)  # type: ignore[arg-type]

    kept = _("Leave empty to keep the stored one.") if record else ""
    owners = [("", _("the office"))] if request.actor.is_administrator else [mine]
    if request.actor.is_administrator:
        owners += [(user.id, f"{user.name} ({user.email})") for user in people.users(request.actor)]
    return [
        field("label", _("Label"), help=_("What it is called where it can be chosen."), required=True),
        *([] if record else [field("owner", _("Whose it is"), "select", choices=owners)]),
        field("username", _("User name"), required=True),
        field("password", _("Password"), "password", help=kept, autocomplete="new-password"),
        field("mechanism", _("Log-in method"), "select", choices=choices(MECHANISMS)),
        field("domain", _("Windows domain"), help=_("Only where the user name is written DOMAIN\\name.")),
        field(
            "client_certificate",
            _("Client certificate with key (PEM)"),
            "textarea",
            help=kept,
            when="mechanism=external",
        ),
    ]
