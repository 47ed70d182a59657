"""How the mailboxes are doing and whether everything is here: health board, ledger, journal, what could not be read.

Numbers, names and sentences; a message's subject is shown only to who may read the message.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from poststelle.mail.records import FolderRecord
from poststelle.office import accounts, happenings, health, ledger, proof, reading, wording
from poststelle.web import facts
from poststelle.web.entrance import Visit, base_of
from poststelle.web.names import path_name

_WINDOW = 100


@require_safe
def board(request: Visit) -> HttpResponse:
    """Every mailbox one looks after, the worst first."""
    state = request.GET.get("state", "")
    state = state if state in happenings.HEALTH_NAMES else ""
    page, totals = health.board(request.actor, _WINDOW, _cursor(request), state=state)
    context = {
        "accounts": [(one, happenings.health_sentence(one), happenings.WATCHING.get(one.watching, one.watching)) for one in page.items],
        "next": page.next, "totals": totals, "state": state,
        "office": [wording.sentence(one.code, one.facts) for one in health.of_the_office(request.actor)],
        "states": [(name, happenings.HEALTH_NAMES[name], count) for name, count in totals.by_state.items() if count],
    }  # fmt: skip
    return render(request, "health.html", _frame(request) | context)


@require_safe
def ledger_overview(request: Visit) -> HttpResponse:
    """What every server has against what is here; folders with a difference first."""
    start = int(cursor) if (cursor := _cursor(request)) else 0
    found = ledger.window(request.actor, _WINDOW + 1, start)
    names = accounts.labels(request.actor, {one.account_id for one in found})
    context = {
        "rows": [(names.get(one.account_id, ""), one) for one in found[:_WINDOW]], "account": None,
        "next": start + _WINDOW if len(found) > _WINDOW else None,
    }  # fmt: skip
    return render(request, "ledger.html", _frame(request) | context)


@require_safe
def account_ledger(request: Visit, account: str) -> HttpResponse:
    """The same for one mailbox."""
    rows = [("", one) for one in ledger.show(request.actor, account)]
    reasons = [
        (path_name(one.path, one.role), count, wording.sentence(code).title)
        for _label, one in rows
        for code, count in sorted(one.reasons.items())
    ]
    overseen = health.show(request.actor, account)
    label = overseen.label if overseen else _("Ledger")
    context = {"rows": rows, "account": account, "label": label, "reasons": reasons, "next": None}
    return render(request, "ledger.html", _frame(request) | context)


@require_POST
def compare(request: Visit, account: str) -> HttpResponse:
    """Ask the server now."""
    ledger.ask(request.actor, account)
    messages.success(request, _("The comparison is under way; reload this page in a moment."))
    return redirect("mailbox-ledger", account)


@require_safe
def unreadable(request: Visit) -> HttpResponse:
    """What could not be taken from the servers, and messages too broken to be shown whole."""
    page = ledger.unreadable(request.actor, _WINDOW, _cursor(request))
    aside: dict[str, list[Any]] = {}
    for folder, record in ledger.set_aside(request.actor):
        aside.setdefault(folder, []).append(record)
    folders = [reading.folder(request.actor, one) for one in aside]
    labels = accounts.labels(request.actor, {one.account_id for one in folders})
    context = {
        "aside": [(_named(one, labels), one.id, aside[one.id]) for one in folders],
        "broken": page.items, "next": page.next,
    }  # fmt: skip
    return render(request, "unreadable.html", _frame(request) | context)


@require_POST
def try_again(request: Visit, folder: str) -> HttpResponse:
    """Fetch what is set aside in the folder again."""
    ledger.try_again(request.actor, folder)
    messages.success(request, _("It is being tried again now."))
    return redirect("unreadable")


@require_safe
def journal(request: Visit) -> HttpResponse:
    """Who did what when; administrators only."""
    wanted = {name: request.GET.get(name, "").strip() for name in ("kind", "person", "account")}
    if wanted["kind"] not in proof.kinds():
        wanted["kind"] = ""
    page = proof.entries(request.actor, _WINDOW, _cursor(request), **wanted)
    labels = accounts.labels(request.actor, {one.account_id for one in page.items if one.account_id})
    context = {
        "entries": [(one, wording.journal_sentence(one.kind), labels.get(one.account_id or "", ""), facts.told(one.facts)) for one in page.items],
        "kinds": sorted((wording.journal_sentence(kind), kind) for kind in proof.kinds()), "next": page.next, "wanted": wanted,
    }  # fmt: skip
    return render(request, "journal.html", _frame(request) | context)


@require_POST
def verify(request: Visit) -> HttpResponse:
    """Go through the journal's chain, the database and the newest messages."""
    found = proof.verify(request.actor)
    return render(request, "proof.html", _frame(request) | {"proof": found})


def _named(folder: FolderRecord, labels: dict[str, str]) -> str:
    return f"{labels.get(folder.account_id, '')} · {path_name(folder.path, folder.role)}"


def _cursor(request: Visit) -> str | None:
    """Where the window begins; an address somebody has tampered with begins at the beginning."""
    after = request.GET.get("after", "")
    return after if after.isascii() and after.isdigit() and len(after) < 10 else None


def _frame(request: Visit) -> dict[str, Any]:
    return {"base": base_of(request)}
