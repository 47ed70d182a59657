"""What the office keeps for its mailboxes, for administrators: groups, templates, exceptions, the checklist, import and export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid
from poststelle.mail.records import AccountRecord, ExceptionRecord
from poststelle.mail.settings import Kind
from poststelle.office import accounts, bulk, egress, groups, notice, outgoing_servers, people, templates, wording
from poststelle.office.account_documents import document_of
from poststelle.web.downloads import download
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field
from poststelle.web.names import EXCEPTIONS
from poststelle.web.pages.area import form_page

_WINDOW = 500
_OF_ONE = ("label", "address", "owner", "identities", "office_account", "grants", "version", "login", "display_name")
"""What a template made from a mailbox leaves out: it belongs to that one mailbox."""


def all_groups(request: Visit) -> HttpResponse:
    """Every group with its members, and a form for a new one."""
    found = groups.within(request.actor)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            groups.add(request.actor, request.POST.get("name", ""), request.POST.getlist("member"))
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("groups")
    context = _group_form(request, "", [], wrong) | {"groups": found}
    return render(request, "groups.html", context, status=422 if wrong else 200)


def group(request: Visit, group: str) -> HttpResponse:
    """Name and members of one."""
    record = groups.show(request.actor, group)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        if request.POST.get("remove") == "1":
            groups.remove(request.actor, record.id)
            messages.success(request, _("Removed."))
            return redirect("groups")
        try:
            groups.change(
                request.actor, record.id, name=request.POST.get("name", ""), members=request.POST.getlist("member")
            )
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("groups")
    context = _group_form(request, record.name, [user.id for user in record.members], wrong) | {"group": record}
    return render(request, "group.html", context, status=422 if wrong else 200)


def _group_form(request: Visit, name: str, members: list[str], wrong: dict[str, str]) -> dict[str, Any]:
    posted = request.method == "POST"
    chosen = request.POST.getlist("member") if posted else members
    value = request.POST.get("name", "") if posted else name
    return {
        "base": base_of(request), "area": "groups", "members": [(user, user.id in chosen) for user in people.users(request.actor)],
        "name": Field("name", _("Name"), value=value, error=wrong.get("name", ""), required=True),
        "wrong": [told for field, told in wrong.items() if field != "name"],
    }  # fmt: skip


def all_templates(request: Visit) -> HttpResponse:
    """The office's templates; a new one is made from a mailbox that is set up well."""
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            record = accounts.administered(request.actor, request.POST.get("account", ""))
            document = {name: value for name, value in document_of(record).items() if name not in _OF_ONE}
            templates.put(request.actor, request.POST.get("label", ""), document)
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("templates")
    context = {
        "base": base_of(request), "area": "templates", "templates": templates.within(request.actor),
        "accounts": [(one.id, one.label) for one in accounts.page(request.actor, _WINDOW).items],
        "account": request.POST.get("account", ""), "wrong": [told for name, told in wrong.items() if name != "label"],
        "label": Field("label", _("Label"), value=request.POST.get("label", ""), error=wrong.get("label", ""), required=True),
    }  # fmt: skip
    return render(request, "templates.html", context, status=422 if wrong else 200)


def template(request: Visit, template: str) -> HttpResponse:
    """One template as it is written, what it would change in a mailbox, and applying it there."""
    record = templates.show(request.actor, template)
    chosen = request.POST.get("account") or request.GET.get("account", "")
    wrong: dict[str, str] = {}
    if request.method == "POST":
        deed = request.POST.get("deed", "")
        try:
            if deed == "remove":
                templates.remove(request.actor, record.id)
            elif deed == "apply":
                templates.apply(request.actor, record.id, chosen)
            else:
                templates.put(
                    request.actor, request.POST.get("label", ""), _json(request.POST.get("document", "")), record.id
                )
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Removed.") if deed == "remove" else _("Saved."))
            return redirect("templates")
    typed = request.POST.get("document") if request.method == "POST" else None
    text = typed or json.dumps(record.document, indent=2, ensure_ascii=False)
    at_document = " ".join(
        f"{name.removeprefix('document.')}: {told}" for name, told in wrong.items() if name.startswith("document")
    )
    context = {
        "base": base_of(request), "area": "templates", "template": record, "applied_to": chosen,
        "label": Field("label", _("Label"), value=request.POST.get("label", record.label), error=wrong.get("label", ""), required=True),
        "document": Field("document", _("Settings (part of the account document, JSON)"), "textarea", text, error=at_document),
        "accounts": [(one.id, one.label) for one in accounts.page(request.actor, _WINDOW).items],
        "differences": templates.preview(request.actor, record.id, account=chosen) if chosen else None,
        "wrong": [f"{name}: {told}" for name, told in wrong.items() if name != "label" and not name.startswith("document")],
    }  # fmt: skip
    return render(request, "template.html", context, status=422 if wrong else 200)


def _json(text: str) -> dict[str, object]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid({"document": "not-json"}) from error
    if not isinstance(read, dict):
        raise Invalid({"document": "not-an-object"})
    return read


@require_safe
def exceptions(request: Visit) -> HttpResponse:
    """Every mailbox and outgoing server whose connections are less safe than usual, and every internal server; by whom, when and why."""
    page = accounts.exceptions(request.actor, _WINDOW, request.GET.get("after") or None)
    mine = accounts.rights_on_all(request.actor, [one.id for one in page.items])
    lines = [(one, one.id in mine, _in_words(one.exceptions)) for one in page.items]
    servers = [
        (one, outgoing_servers.may_change(request.actor, one), _in_words(one.exceptions))
        for one in outgoing_servers.exceptions(request.actor)
    ]
    context = {
        "base": base_of(request), "area": "exceptions", "lines": lines, "next": page.next, "servers": servers,
        "allowed": egress.allowed(request.actor), "set_up": egress.set_up(request.actor),
    }  # fmt: skip
    return render(request, "exceptions.html", context)


def _in_words(found: Sequence[ExceptionRecord]) -> list[tuple[object, ExceptionRecord]]:
    return [(EXCEPTIONS.get(one.what, one.what), one) for one in found]


@require_POST
def allow_server(request: Visit) -> HttpResponse:
    """Mailboxes may use these servers inside the own network (`server`, several) from now on; for the script (``X-Part``) no page."""
    try:
        egress.allow(request.actor, *request.POST.getlist("server"))
    except Invalid as error:
        messages.error(request, wording.field_sentences(error)["server"])
    else:
        if request.headers.get("X-Part") == "1":
            return HttpResponse(status=204)
        messages.success(request, _("Allowed. Mailboxes that stood still because of this are tried again now."))
    return redirect("exceptions")


@require_POST
def revoke_server(request: Visit) -> HttpResponse:
    """No new connections there."""
    egress.revoke(request.actor, request.POST.get("server", ""))
    messages.success(request, _("No longer allowed."))
    return redirect("exceptions")


@require_safe
def checklist(request: Visit) -> HttpResponse:
    """To be printed: what is needed for each mailbox, what is there already, and who can enter the password."""
    page = accounts.overview(request.actor, _WINDOW, request.GET.get("after") or None)
    lines = [(one, _who_enters(one)) for one in page.items if one.kind is not Kind.ARCHIVE]
    return render(
        request, "checklist.html", {"base": base_of(request), "area": "checklist", "lines": lines, "next": page.next}
    )


def _who_enters(record: AccountRecord) -> tuple[bool, str]:
    """Whether the secret is there, and who can enter it."""
    login = record.login
    if login is None:
        return True, _("nobody: no log-in")
    there = login.has_password or login.has_certificate
    if login.label:
        return there, _("log-in “%(label)s”") % {"label": login.label}
    owner = record.owner.name if record.owner else _("the owner, by link")
    return there, _("%(owner)s, or whoever administers it") % {"owner": owner}


def notice_text(request: Visit) -> HttpResponse:
    """What has to be read before a new mailbox; empty where nothing has."""
    present = notice.show(request.actor)

    def fields(wrong: Mapping[str, str]) -> list[Field]:
        told = _("Shown before a mailbox is added, which takes confirming it. Empty: there is no notice.")
        return [
            Field("text", _("Text"), "textarea", request.POST.get("text", present.text), told, wrong.get("text", ""))
        ]

    def keep() -> object:
        return notice.put(request.actor, request.POST.get("text", ""))

    return form_page(request, "notice", _("Notice before a new mailbox"), fields, keep, then="mailboxes")


@sensitive_post_parameters()
def import_mailboxes(request: Visit) -> HttpResponse:
    """Many mailboxes from a table: first what would be done, then done."""
    context: dict[str, Any] = {"base": base_of(request), "area": "bulk", "notice": notice.show(request.actor)}
    if request.method != "POST":
        return render(request, "bulk.html", context)
    given = request.FILES.get("file")
    data = given.read() if given is not None and not isinstance(given, list) else request.POST.get("table", "").encode()
    update, partly, deed = (request.POST.get(name, "") for name in ("update", "partly", "deed"))
    context |= {"update": update, "partly": partly}
    try:
        outcomes = bulk.preview(request.actor, data, update=update == "1")
        failed = bulk.wrong_lines(outcomes)
        if deed == "apply" and (not failed or partly == "1"):
            outcomes = bulk.apply(
                request.actor, data, update=update == "1", partly=partly == "1", notice=request.POST.get("notice", "")
            )
            context["applied"] = sum(bool(one.account) for one in outcomes)
    except Invalid as error:
        context["wrong"] = [
            f"{name}: {told}" if name else told for name, told in wording.field_sentences(error).items()
        ]
    else:
        lines = [
            (one, {name: wording.field_sentence(reason) for name, reason in one.wrong.items()}) for one in outcomes
        ]
        context |= {"outcomes": lines, "failed": bulk.wrong_lines(outcomes)}
    return render(request, "bulk.html", context, status=422 if "wrong" in context else 200)


@require_POST
def export(request: Visit) -> HttpResponse:
    """The table of all mailboxes, without secrets."""
    return download("mailboxes.csv", "text/csv; charset=utf-8", bulk.export(request.actor).encode())
