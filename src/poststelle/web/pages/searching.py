"""Searching: the page of what was found, grouped or not, and what the box may complete.

What somebody may find is the office's word; here it is grouped, and what was looked for is marked (`web.readable`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from poststelle.mail.address import typed_address
from poststelle.mail.query import OPERATORS, being_typed, completions, meaning
from poststelle.mail.records import SearchHit
from poststelle.office import correspondents, limits, reading
from poststelle.office import lists as office_lists
from poststelle.web import lists
from poststelle.web.entrance import Visit, base_of, is_part
from poststelle.web.names import GROUPS, OPERATOR_HELP, role_name
from poststelle.web.readable import looked_for

WINDOW, GROUPED_WINDOW, LONGEST = 50, 200, 500
_MOST_OFFERED = 8


@require_safe
def search(request: Visit) -> HttpResponse:
    """What was found: newest first, the best first (``order=best``), or in groups (``group``: date, account, sender)."""
    context = found(request)
    if is_part(request, "rows") or is_part(request, "more"):
        return render(request, "parts/rows.html", context)
    return render(request, "mail.html", {"base": base_of(request)} | context)


@require_safe
def complete(request: Visit) -> HttpResponse:
    """What the last word in the box may become: operators, their values, folders by name, and people behind `from:` and `to:`."""
    typed = request.GET.get("q", "")[:LONGEST]
    last = being_typed(typed)
    if last is not None and last.meaning in {"sender", "recipient"}:
        offered = [
            (f"{last.before}{last.operator}:{one.address}", one.name or one.address, one.address if one.name else "")
            for one in correspondents.find(request.actor, last.value, _MOST_OFFERED)
        ]
    elif last is not None and last.meaning == "folder":
        offered = [
            (f"{last.before}{last.operator}:{name}", f"{last.operator}:{name}", where)
            for name, where in _folders(request, last.value)[:_MOST_OFFERED]
        ]
    else:
        before = typed[: len(typed) - len(typed.split(" ")[-1])]
        before += "-" if typed[len(before) :].startswith("-") else ""
        words = completions(typed, (translation.get_language() or "de")[:2])[:_MOST_OFFERED]
        offered = [(before + word, word, OPERATOR_HELP.get(meaning(word), "")) for word in words]
    return render(request, "parts/completions.html", {"offered": offered})


@require_safe
def people(request: Visit) -> HttpResponse:
    """Whom an address being typed (``q``) may be, as one writes them: name and address."""
    offered = [
        (typed_address(one.name, one.address), one.name or one.address, one.address if one.name else "")
        for one in correspondents.find(request.actor, request.GET.get("q", ""), _MOST_OFFERED)
    ]
    return render(request, "parts/completions.html", {"offered": offered, "people": True})


def found(request: Visit) -> dict[str, Any]:
    """What the templates of a list need to show what the address asks for."""
    query = request.GET.get("q", "").strip()[:LONGEST]
    after, best = request.GET.get("after") or None, request.GET.get("order") == "best"
    group = request.GET.get("group", "")
    group = group if group in _HEADINGS and not best else ""
    limit = GROUPED_WINDOW if group else WINDOW
    if query:
        limits.searches.spend(request.actor.name)
    page = reading.search(request.actor, query, limit, after, ranked=best) if query else None
    hits: Sequence[SearchHit] = page.items if page else ()
    headings = [""] * len(hits)
    if group:
        hits, headings = _grouped(request, hits, group)
    said = {"q": query} | ({"order": "best"} if best else {}) | ({"group": group} if group else {})
    asked = urlencode(said)
    urls = [f"{reverse('found', args=[hit.placement.id])}?{asked}" for hit in hits]
    here = reverse("search")
    return {
        "query": query,
        "searching": True,
        "title": _("Search"),
        "rows": lists.found(hits, urls, headings),
        "looked_for": looked_for(query),
        "rows_url": f"{here}?{asked}" if query else "",
        "more": f"{here}?{asked}&{urlencode({'after': page.next})}" if page and page.next else "",
        "columns": request.chosen.columns,
        "groups": [
            (
                name,
                f"{here}?{urlencode({'q': query} | more)}",
                more == {name: value for name, value in said.items() if name != "q"},
            )
            for name, more in GROUPS
        ],
        "operators": OPERATORS,
    }


def _grouped(request: Visit, hits: Sequence[SearchHit], group: str) -> tuple[list[SearchHit], list[str]]:
    """The hits with those of a group together, and the heading over the first of each."""
    name, labels = _HEADINGS[group], office_lists.labels(request.actor, {hit.placement.account_id for hit in hits})
    together: dict[str, list[SearchHit]] = {}
    for hit in hits:
        together.setdefault(name(hit, labels), []).append(hit)
    headings = [heading if at == 0 else "" for heading, some in together.items() for at in range(len(some))]
    return [hit for some in together.values() for hit in some], headings


def _day(hit: SearchHit, _labels: Mapping[str, str]) -> str:
    today, day = timezone.localdate(), timezone.localtime(hit.placement.received_at).date()
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=7):
        return _("Last seven days")
    return date_format(day, "F Y")


def _account(hit: SearchHit, labels: Mapping[str, str]) -> str:
    return labels.get(hit.placement.account_id, "")


def _sender(hit: SearchHit, _labels: Mapping[str, str]) -> str:
    return lists.name_of(hit.placement.sender)


_HEADINGS: Mapping[str, Callable[[SearchHit, Mapping[str, str]], str]] = {
    "date": _day, "account": _account, "sender": _sender,
}  # fmt: skip


def _folders(request: Visit, beginning: str) -> list[tuple[str, str]]:
    """Names of folders that begin so, quoted where they have to be, and in which mailbox or how many they are."""
    labels: dict[str, set[str]] = {}
    for branch in reading.tree(request.actor):
        for one in branch.folders:
            labels.setdefault(str(role_name(one)), set()).add(branch.account.label)
    fitting = sorted(name for name in labels if name.casefold().startswith(beginning.casefold()))
    return [(f'"{name}"' if " " in name else name, _mailboxes(labels[name])) for name in fitting]


def _mailboxes(labels: Collection[str]) -> str:
    if len(labels) == 1:
        return next(iter(labels))
    return ngettext("%(n)s mailbox", "%(n)s mailboxes", len(labels)) % {"n": len(labels)}
