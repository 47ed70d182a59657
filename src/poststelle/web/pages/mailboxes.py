"""Mailboxes: the table of all, add, change, test, remove.

The form makes the account document (`mailbox_form`); the office says which fields are wrong. Nothing typed is lost on an error
but the password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Conflict, Invalid, PoststelleError
from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord
from poststelle.mail.settings import DEFAULT_PORTS, Kind, Right, Scope
from poststelle.office import (
    accounts,
    discovery,
    groups,
    invitations,
    kinds,
    logins,
    notice,
    outgoing_servers,
    people,
    probing,
    reading,
    templates,
    wording,
)
from poststelle.office.actor import require_administrator
from poststelle.web import typed_secrets
from poststelle.web.downloads import download
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field
from poststelle.web.names import EXCEPTIONS, KINDS, OWNERSHIPS, RIGHTS
from poststelle.web.pages import mailbox_form as forms
from poststelle.web.pages import mailbox_sections as shown
from poststelle.web.pages import probe_lines
from poststelle.web.returning import back

_FORM_NAMES = {"recipient": "test.recipient"}
_WINDOW = 50
_STATES = {
    "trouble": gettext_lazy("in trouble"),
    "suspended": gettext_lazy("stopped"),
    "inactive": gettext_lazy("switched off"),
}
_FOUND = frozenset(
    {
        "address", "label", "display_name", "scope", "owner", "kind", "login.username", "outgoing.login.username",
        "outgoing.authentication", *(f"{way}.{part}" for way in ("incoming", "outgoing") for part in ("host", "port", "encryption")),
    }
)  # fmt: skip
"""What the query of a new form may fill in (`discovery`)."""
_SECRETS = ("login.password", "login.client_certificate", "outgoing.login.password")


@dataclass(frozen=True, slots=True)
class Line:
    """One mailbox in the table. `open` and `change`: whether the reader may see its page, or change it.

    `offers_office`: whether it can be made the office account, or be it no longer.
    """

    account: AccountRecord
    kind: Any
    open: bool
    change: bool
    offers_office: bool


@require_safe
def mailboxes(request: Visit) -> HttpResponse:
    """Every mailbox one has any right on, for administrators every one of the office, with its state; changed in place."""
    words, only = request.GET.get("q", "").strip()[:200], request.GET.get("only", "")
    only = only if only in {*_STATES, *KINDS, *OWNERSHIPS} else ""
    look = accounts.overview if request.actor.is_administrator else accounts.page
    page = look(request.actor, _WINDOW, request.GET.get("after") or None, words=words, only=only)
    mine = accounts.rights_on_all(request.actor, [one.id for one in page.items])
    lines = [
        Line(
            one, KINDS[one.kind], one.id in mine, Right.ADMINISTER in mine.get(one.id, ()),
            one.is_office_account or (request.actor.is_administrator and _can_be_the_offices(one)),
        )
        for one in page.items
    ]  # fmt: skip
    context = {
        "lines": lines, "q": words, "only": only, "filters": [*KINDS.items(), *OWNERSHIPS.items(), *_STATES.items()], "filtered": words or only,
        "more": urlencode({"after": page.next, "q": words, "only": only}) if page.next else "",
    }  # fmt: skip
    return render(request, "mailboxes.html", _frame(request) | context)


def _can_be_the_offices(account: AccountRecord) -> bool:
    return account.scope is not Scope.PERSONAL and account.kind is not Kind.ARCHIVE


@require_POST
def change_line(request: Visit, account: str) -> HttpResponse:
    """What was changed in the table: name, label, address, active, office account. Says what is wrong as a note."""
    record = accounts.show(request.actor, account)
    changes: dict[str, object] = {
        name: request.POST[name].strip() for name in ("label", "address", "display_name") if name in request.POST
    }
    changes |= {name: request.POST[name] == "1" for name in ("active", "office_account") if name in request.POST}
    try:
        accounts.change(request.actor, record.id, changes)
    except Invalid as error:
        told = " ".join(dict.fromkeys(wording.field_sentences(error).values()))
        messages.error(request, f"{record.label}: {told}")
    else:
        messages.success(request, _("Saved."))
        if why := _links(request, accounts.show(request.actor, record.id)):
            messages.warning(request, f"{why.title} {why.advice}")
    return redirect(back(request, reverse("mailboxes")))


@sensitive_post_parameters(*_SECRETS)
def add(request: Visit) -> HttpResponse:
    """The form for a new mailbox, empty, from a template or like another one; saved, the mail view shows it coming in."""
    require_administrator(request.actor)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        typed_secrets.restore(request, _SECRETS)
        document = forms.document(request.POST)
        try:
            forms.check_grants(request.POST)
            if _asks_first(request, document):
                return _form(request, forms.typed(request.POST), {}, None, untested=True)
            made = accounts.add(request.actor, document | {"notice": request.POST.get("notice", "")})
        except Invalid as error:
            wrong = shown.by_row(wording.field_sentences(error))
        else:
            typed_secrets.forget(request)
            return _saved(request, made)
    values = forms.typed(request.POST) if request.method == "POST" else _begun(request)
    return _form(request, values, wrong, None)


def _begun(request: Visit) -> dict[str, str]:
    """The new form as it begins: empty, filled from a template, or like another mailbox."""
    values, document = forms.fresh(request.actor), {}
    if template := request.GET.get("template"):
        document = templates.fill(request.actor, template, {})
    elif like := request.GET.get("like"):
        document = kinds.duplicate(request.actor, like)
    if document:
        values |= forms.shown(document)
        named = [group.name for group in groups.within(request.actor)]
        if ticks := forms.granted(document, people.users(request.actor), named):
            values = {name: value for name, value in values.items() if not name.startswith("grant.")} | ticks
    elif provider := request.GET.get("provider"):
        found = discovery.settings_of(provider, request.GET.get("address", ""))
        values |= forms.shown(found.document) if found is not None else {}
    # What was found for an address comes in the query; a secret has no place there.
    values |= {name: value for name, value in request.GET.items() if name in _FOUND and isinstance(value, str)}
    if values.get("address"):
        values.setdefault("label", values["address"])
        values.setdefault("login.username", values["address"])
    return values


@sensitive_post_parameters(*_SECRETS)
def change(request: Visit, account: str) -> HttpResponse:
    """The same form for an existing mailbox, with its state above."""
    record = accounts.show(request.actor, account)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        accounts.administered(request.actor, record.id)
        typed_secrets.restore(request, _SECRETS)
        changes = forms.kept(record, forms.document(request.POST))
        try:
            if _asks_first(request, changes, record.id):
                return _form(request, forms.typed(request.POST), {}, record, untested=True)
            changed = accounts.change(request.actor, record.id, changes)
        except Invalid as error:
            wrong = shown.by_row(wording.field_sentences(error))
        except Conflict as error:
            wrong = {"": str(wording.sentence(error))}
        else:
            typed_secrets.forget(request)
            messages.success(request, _("Saved."))
            if request.POST.get("then") == "close":
                return redirect("mailboxes")
            told = "?changed=1" if _other_folders(record, changed) else ""
            return redirect(reverse("mailbox", args=[record.id]) + told)
    values = (
        forms.typed(request.POST) if request.method == "POST" else forms.stored(record) | shown.identity_values(record)
    )
    return _form(request, values, wrong, record)


def _asks_first(request: Visit, document: Mapping[str, object], account: str | None = None) -> bool:
    """Whether it is asked before untested settings are saved; once declined (``untested``), or where they are wrong, it is not."""
    if request.POST.get("untested") == "1":
        return False
    try:
        return accounts.is_untested(request.actor, document, account)
    except PoststelleError:
        return False


def _other_folders(before: AccountRecord, now: AccountRecord) -> bool:
    """Whether other folders are to be expected of the server than before."""
    ways = [
        (one.incoming, one.receiving.all_folders, one.receiving.subscribed_only, one.receiving.inbox_is_root)
        for one in (before, now)
    ]
    return now.incoming is not None and ways[0] != ways[1]


def remove(request: Visit, account: str) -> HttpResponse:
    """Asks first and names what will be lost; there is no way back."""
    record = accounts.administered(request.actor, account)
    if request.method == "POST":
        accounts.remove(request.actor, record.id)
        messages.success(request, _("The mailbox “%(label)s” has been removed.") % {"label": record.label})
        return redirect("mailboxes")
    context = {"account": record, "lost": kinds.consequences(request.actor, record.id)}
    return render(request, "mailbox_remove.html", _frame(request) | context)


@require_POST
def retry(request: Visit, account: str) -> HttpResponse:
    """Try a stopped mailbox again."""
    accounts.send_receive(request.actor, account)
    messages.success(request, _("It is being tried again now."))
    return redirect(back(request, reverse("mailbox", args=[account])))


@require_POST
def accept_loss(request: Visit, account: str) -> HttpResponse:
    """What is missing on the server may go here too."""
    accounts.accept_loss(request.actor, account)
    messages.success(request, _("Accepted. The folders are being compared again."))
    return redirect("mailbox", account)


@sensitive_post_parameters(*_SECRETS)
async def probe(request: Visit, account: str | None = None) -> HttpResponseBase:
    """Test what the form says, line by line; saves nothing. A page of its own, or (for the script) the lines alone."""
    if request.method != "POST":
        return redirect("mailbox", account) if account else redirect("mailbox-new")
    recipient = request.POST.get("test.recipient", "").strip() if request.POST.get("test.send") == "1" else ""
    await sync_to_async(typed_secrets.restore)(request, _SECRETS)
    steps = accounts.probe(request.actor, await sync_to_async(_to_probe)(request, account), account, recipient)
    try:
        first = await anext(steps, None)
    except Invalid as error:
        wrong = shown.by_row(
            {_FORM_NAMES.get(name, name): told for name, told in wording.field_sentences(error).items()}
        )
        record = await sync_to_async(accounts.show)(request.actor, account) if account else None
        response: HttpResponse = await sync_to_async(_form)(request, forms.typed(request.POST), wrong, record)
        return response
    page = "" if probe_lines.wants_lines(request) else await sync_to_async(_probe_page)(request)
    return probe_lines.streamed(first, steps, page, probe_lines.verdict, shown.fix_fields)


@require_safe
def report(request: Visit) -> HttpResponse:
    """One's last test as a file: every step, without secrets."""
    last = probing.last_report(request.actor)
    if last is None:
        messages.error(request, _("There is no test yet. Test a mailbox first."))
        return redirect("mailboxes")
    return download("mailbox-test.txt", "text/plain; charset=utf-8", last.as_text().encode())


def _to_probe(request: Visit, account: str | None) -> dict[str, object]:
    made = forms.document(request.POST)
    return forms.kept(accounts.show(request.actor, account), made) if account else made


def _probe_page(request: Visit) -> str:
    return render_to_string("probe.html", _frame(request) | {"nothing_saved": True}, request)


def _saved(request: Visit, made: AccountRecord) -> HttpResponse:
    messages.success(request, _("The mailbox has been added."))
    if made.login is not None and not (made.login.has_password or made.login.has_certificate):
        return redirect("mailbox", made.id) if Right.ADMINISTER in made.rights else redirect("mailboxes")
    if made.incoming is None or Right.SEE not in made.rights:
        return redirect("mailboxes")
    inbox = next((one for one in reading.folders(request.actor, made.id) if one.role is Role.INBOX), None)
    return redirect("folder", inbox.id) if inbox else redirect("mail")


def _known(request: Visit, record: AccountRecord | None) -> shown.Known:
    administers = request.actor.is_administrator
    users = list(people.users(request.actor)) if administers else []
    if record is not None and not users:
        users = [grant.user for grant in record.grants if grant.user is not None and not grant.folder]
        users += [record.owner] if record.owner is not None and record.owner not in users else []
    copies = accounts.sent_folders(request.actor, record.id if record is not None else None)
    servers = outgoing_servers.within(request.actor)
    named = [one.name for one in groups.within(request.actor)] if administers else _named_groups(record)
    filed_by = _filed_by(request, record)
    return shown.Known(
        users,
        logins.within(request.actor, shared=True),
        servers,
        named,
        copies,
        administers=administers,
        filed_by=filed_by,
    )


def _named_groups(record: AccountRecord | None) -> list[str]:
    """The groups somebody who is no administrator knows of: those this mailbox names."""
    if record is None:
        return []
    named = {record.receiving.files_for, record.sending.files_for}
    named |= {grant.group.name for grant in record.grants if grant.group is not None}
    return sorted(named - {""})


def _form(
    request: Visit,
    values: Mapping[str, str],
    wrong: Mapping[str, str],
    record: AccountRecord | None,
    *,
    untested: bool = False,
) -> HttpResponse:
    """The form's page. `untested`: it asks whether these settings are to be tested before they are saved."""
    may_change = record is None or Right.ADMINISTER in record.rights
    known = _known(request, record) if may_change else shown.Known()
    typed = typed_secrets.keep(request, _SECRETS) if request.method == "POST" else ""
    if typed:
        known = replace(known, typed=frozenset(name for name in _SECRETS if request.POST.get(name)))
    sections = shown.sections(values, wrong, known, record) if may_change else []
    named = {field.name for section in sections for field in section.fields} | {"test.recipient", "notice"}
    recipient = values.get("test.recipient", "") or (record.address if record else "")
    context = {
        "recipient": Field(
            "test.recipient", _("Test recipient"), "email", recipient, error=wrong.get("test.recipient", ""), offers_people=True
        ),
        "untested": untested, "typed": typed, "then": request.POST.get("then", ""),
        "sends_test": values.get("test.send") == "1",
        "account": record, "may_change": may_change, "wrong": wrong, "sections": sections, "here": "settings",
        "grants": shown.grants_table(values, known) if record is None else (), "rights": RIGHTS.items(),
        "general": list(dict.fromkeys(told for name, told in wrong.items() if name not in named)),
        "exceptions": [(EXCEPTIONS.get(one.what, one.what), one) for one in record.exceptions] if record else (),
        "notice": notice.show(request.actor) if record is None else None,
        "has_changed": record is not None and may_change and not wrong and request.GET.get("changed") == "1",
        "has_read": request.POST.get("notice", ""), "unread": wrong.get("notice", ""),
        "templates": templates.within(request.actor) if record is None and request.actor.is_administrator else (),
        "needs_password": _needs_password(record), "is_archive": record is not None and record.kind is Kind.ARCHIVE,
        "ports": {f"{protocol}-{encryption.value}": port for (protocol, encryption), port in DEFAULT_PORTS.items()},
    }  # fmt: skip
    if record is not None:
        context["links"] = _links(request, record)
    if record is not None and may_change and record.kind is not Kind.ARCHIVE:
        context |= _way_out(request, record)
    return render(request, "mailbox.html", _frame(request) | context, status=422 if wrong else 200)


def _links(request: Visit, record: AccountRecord) -> wording.Wording | None:
    """Why the office account mails no links to log in, in words; for administrators."""
    if not (record.is_office_account and request.actor.is_administrator):
        return None
    found = invitations.hindrance(request.actor)
    return wording.sentence(found.code, found.facts) if found else None


def _filed_by(request: Visit, record: AccountRecord | None) -> str:
    """The provider that would keep the links to log in, were this mailbox the office account."""
    if record is None or record.is_office_account or not request.actor.is_administrator:
        return ""
    return invitations.filed_by(request.actor, record.id)


def _needs_password(record: AccountRecord | None) -> bool:
    login = record.login if record is not None else None
    return login is not None and not login.label and not (login.has_password or login.has_certificate)


def _way_out(request: Visit, record: AccountRecord) -> dict[str, str]:
    """Which server sends, and why, in a sentence; and its page for whoever may change it."""
    try:
        choice = outgoing_servers.which(request.actor, record.id)
    except PoststelleError:
        return {}
    told = {
        "account": _("Sends through %(host)s, the server named in this mailbox."),
        "server": _("Sends through “%(label)s” (%(host)s), the outgoing server chosen for this mailbox."),
        "user": _("Sends through “%(label)s” (%(host)s), your own outgoing server."),
        "office": _("Sends through “%(label)s” (%(host)s), the office's outgoing server."),
        "instance": _("Sends through %(host)s, the relay of this installation."),
    }.get(choice.reason, _("Nothing can be sent from this mailbox: no outgoing server applies."))
    made = {"way_out": told % choice.facts if choice.facts else told}
    if choice.server is not None and outgoing_servers.may_change(request.actor, choice.server):
        made["server_page"] = reverse("server-edit", args=[choice.server.id])
    return made


def _frame(request: Visit) -> dict[str, Any]:
    return {"base": base_of(request), "area": "mailboxes"}
