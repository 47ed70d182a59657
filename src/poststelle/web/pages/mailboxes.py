"""Mailboxes: list, add, change, test, remove.

The form makes the account document (`mail.settings`); the office says which fields are wrong. Nothing typed is lost on an error
but the password.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.settings import DEFAULT_PORTS, Right
from poststelle.office import accounts, people, reading, wording
from poststelle.office.actor import require_administrator
from poststelle.web.entrance import Visit, base_of
from poststelle.web.names import RIGHTS
from poststelle.web.pages import mailbox_form as forms

_STEPS_GO_HERE = "<!-- steps -->"


@require_safe
def mailboxes(request: Visit) -> HttpResponse:
    """Every mailbox one has any right on, with its state."""
    page = accounts.page(request.actor, 200, request.GET.get("after") or None)
    return render(request, "mailboxes.html", _frame(request) | {"accounts": page.items, "next": page.next})


@sensitive_post_parameters("login.password", "outgoing.login.password")
def add(request: Visit) -> HttpResponse:
    """The form for a new mailbox; saved, the mail view shows it coming in."""
    require_administrator(request.actor)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            forms.check_grants(request.POST)
            made = accounts.add(request.actor, forms.document(request.POST))
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            return _saved(request, made.id, has_mail=made.incoming is not None and Right.SEE in made.rights)
    values = forms.typed(request.POST) if request.method == "POST" else forms.fresh(request.actor)
    return _form(request, values, wrong, None)


@sensitive_post_parameters("login.password", "outgoing.login.password")
def change(request: Visit, account: str) -> HttpResponse:
    """The same form for an existing mailbox, with its state above."""
    record = accounts.show(request.actor, account)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            forms.check_grants(request.POST)
            accounts.change(request.actor, record.id, forms.kept(record, forms.document(request.POST)))
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("mailbox", record.id)
    values = forms.typed(request.POST) if request.method == "POST" else forms.stored(record)
    return _form(request, values, wrong, account)


def remove(request: Visit, account: str) -> HttpResponse:
    """Asks first and names what will be lost; there is no way back."""
    record = accounts.show(request.actor, account)
    if Right.ADMINISTER not in record.rights:
        raise NotPermitted("administer-needed")
    if request.method == "POST":
        accounts.remove(request.actor, record.id)
        messages.success(request, _("The mailbox “%(label)s” has been removed.") % {"label": record.label})
        return redirect("mailboxes")
    return render(request, "mailbox_remove.html", _frame(request) | {"account": record})


@require_POST
def retry(request: Visit, account: str) -> HttpResponse:
    """Try a stopped mailbox again."""
    accounts.send_receive(request.actor, account)
    messages.success(request, _("It is being tried again now."))
    return redirect("mailbox", account)


@require_POST
def accept_loss(request: Visit, account: str) -> HttpResponse:
    """What is missing on the server may go here too."""
    accounts.accept_loss(request.actor, account)
    messages.success(request, _("Accepted. The folders are being compared again."))
    return redirect("mailbox", account)


async def probe(request: Visit, account: str | None = None) -> HttpResponseBase:
    """Test what the form says, line by line; saves nothing. A page of its own, or (for the script) the lines alone."""
    if request.method != "POST":
        return redirect("mailbox", account) if account else redirect("mailbox-new")
    alone = request.headers.get("X-Lines") == "1"
    steps = accounts.probe(request.actor, forms.document(request.POST), account)
    try:
        first = await anext(steps, None)
    except Invalid as error:
        wrong = wording.field_sentences(error)
        response: HttpResponse = await sync_to_async(_form)(request, forms.typed(request.POST), wrong, account)
        return response
    page = "" if alone else await sync_to_async(_probe_page)(request, account)
    lines = _lines(first, steps, page, translation.get_language() or "de")
    return StreamingHttpResponse(lines, headers={"X-Accel-Buffering": "no"})


async def _lines(first: Any, steps: AsyncIterator[Any], page: str, language: str) -> AsyncIterator[str]:
    before, mark, behind = page.partition(_STEPS_GO_HERE)
    if mark:
        yield before
    step, failed = first, False
    while step is not None:
        failed = failed or step.state == "failed"
        yield _line(step, language)
        step = await anext(steps, None)
    with translation.override(language):
        yield render_to_string("parts/probe_end.html", {"failed": failed})
    if mark:
        yield behind


def _line(step: Any, language: str) -> str:
    with translation.override(language):
        context = {
            "step": step,
            "name": forms.step_name(step.direction, step.name),
            "told": wording.sentence(step.error, step.detail) if step.error else None,
            "said": wording.server_words(step.detail) if step.error else "",
            "found": forms.step_found(step.name, step.detail) if step.state == "ok" else "",
        }
        return render_to_string("parts/probe_step.html", context)


def _probe_page(request: Visit, account: str | None) -> str:
    return render_to_string("probe.html", _frame(request) | {"account_id": account}, request)


def _saved(request: Visit, account: str, *, has_mail: bool) -> HttpResponse:
    messages.success(request, _("The mailbox has been added."))
    if not has_mail:
        return redirect("mailboxes")
    inbox = next((one for one in reading.folders(request.actor, account)), None)
    return redirect("folder", inbox.id) if inbox else redirect("mail")


def _form(request: Visit, values: Mapping[str, str], wrong: Mapping[str, str], account: str | None) -> HttpResponse:
    record = accounts.show(request.actor, account) if account else None
    may_change = record is None or Right.ADMINISTER in record.rights
    known = list(people.users(request.actor)) if request.actor.is_administrator else []
    if record is not None and not known:
        known = [grant.user for grant in record.grants if grant.user is not None and not grant.folder]
    context = {
        "account": record,
        "may_change": may_change,
        "sections": forms.sections(values, wrong, known, editing=record is not None) if may_change else (),
        "grants": forms.grants_table(values, known) if may_change else (),
        "rights": RIGHTS.items(),
        "wrong": wrong,
        "general": [wrong[name] for name in ("", "incoming", "outgoing", "login", "grants") if name in wrong],
        "ports": {f"{protocol}-{encryption.value}": port for (protocol, encryption), port in DEFAULT_PORTS.items()},
    }
    return render(request, "mailbox.html", _frame(request) | context, status=422 if wrong else 200)


def _frame(request: Visit) -> dict[str, Any]:
    return {"base": base_of(request)}
