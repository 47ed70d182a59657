"""Reading: the three panes, their parts, marks, and send/receive.

One address, two answers: the whole page, or the part htmx puts into it. The parts are the same templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from poststelle.errors import NotFound
from poststelle.mail.headers import unfold
from poststelle.mail.ports import FLAGGED, SEEN
from poststelle.mail.records import FolderRecord
from poststelle.mail.settings import Right
from poststelle.office import accounts, handling, reading
from poststelle.web.entrance import Visit, base_of, is_part
from poststelle.web.frame import FrameWish, frame_url
from poststelle.web.tree import arranged

WINDOW, LARGEST_WINDOW = 50, 200
_MOST_HEADERS = 500
_MARKS = {"seen": SEEN, "flagged": FLAGGED}


@require_safe
def start(request: Visit) -> HttpResponse:
    """Nothing chosen yet; on a phone the screen with the tree."""
    return render(request, "mail.html", _frame(request) | {"nothing_chosen": True})


@require_safe
def tree(request: Visit) -> HttpResponse:
    """The tree alone, when something changed."""
    return render(request, "parts/tree.html", {"tree": arranged(reading.tree(request.actor))})


@require_safe
def folder(request: Visit, folder: str) -> HttpResponse:
    """A folder's list. ``after``: the window behind that cursor; ``rows``: as many rows from the top, to be merged."""
    context = _list(request, reading.folder(request.actor, folder))
    if is_part(request, "rows") or is_part(request, "more"):
        return render(request, "parts/rows.html", context)
    return render(request, "mail.html", _frame(request) | context)


@require_safe
def search(request: Visit) -> HttpResponse:
    """What was found, newest first."""
    context = _found(request)
    if is_part(request, "rows") or is_part(request, "more"):
        return render(request, "parts/rows.html", context)
    return render(request, "mail.html", _frame(request) | context)


@require_safe
def message(request: Visit, placement: str, folder: str | None = None) -> HttpResponse:
    """A message beside its folder's list, or beside what was found (`folder` None)."""
    context = _message(request, placement)
    if is_part(request, "reader"):
        return render(request, "parts/message.html", context)
    opened: reading.OpenMessage = context["opened"]
    around = _found(request) if folder is None else _list(request, opened.folder)
    return render(request, "mail.html", _frame(request) | around | context)


@require_http_methods(["GET", "HEAD", "POST"])
def marks(request: Visit, placement: str) -> HttpResponse:
    """The buttons that show a message's marks; posted to, they ``add`` or ``remove`` ``seen`` or ``flagged``."""
    if request.method == "POST":
        add = [_MARKS[name] for name in request.POST.getlist("add") if name in _MARKS]
        remove = [_MARKS[name] for name in request.POST.getlist("remove") if name in _MARKS]
        handling.mark(request.actor, handling.Selection([placement]), add=add, remove=remove)
        if not is_part(request):
            return redirect(back(request, reverse("mail")))
    try:
        record = reading.placement(request.actor, placement)
    except NotFound:
        if request.method == "POST" or not is_part(request, "marks"):
            raise
        # Gone while one is reading it: what is shown stays.
        return HttpResponse(status=204)
    may_process = Right.PROCESS in accounts.show(request.actor, record.account_id).rights
    return render(request, "parts/marks.html", {"opened": {"placement": record, "may_process": may_process}})


@require_POST
def send_receive(request: Visit) -> HttpResponse:
    """Ask for a round now, for one mailbox or all."""
    accounts.send_receive(request.actor, request.POST.get("account") or None)
    if is_part(request):
        return HttpResponse(status=204)
    return redirect(back(request, reverse("mail")))


def back(request: Visit, otherwise: str) -> str:
    """Where the form wants to return to, if that is an address of ours."""
    wanted = request.POST.get("back") or request.GET.get("back") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else otherwise


def _frame(request: Visit) -> dict[str, Any]:
    if is_part(request, "main"):
        return {"base": base_of(request)}
    return {"base": base_of(request), "tree": arranged(reading.tree(request.actor))}


def _list(request: Visit, folder: FolderRecord) -> dict[str, Any]:
    limit = request.GET.get("rows", "")
    rows = min(max(int(limit), WINDOW), LARGEST_WINDOW) if limit.isdecimal() and len(limit) < 10 else WINDOW
    page = reading.page(request.actor, folder.id, rows, request.GET.get("after") or None)
    here = reverse("folder", args=[folder.id])
    return {
        "folder": folder,
        "account": accounts.show(request.actor, folder.account_id),
        "rows": [(row, reverse("message", args=[folder.id, row.id]), row.preview) for row in page.items],
        "more": f"{here}?{urlencode({'after': page.next})}" if page.next else "",
        "first_window": not request.GET.get("after"),
        "set_aside": reading.set_aside(request.actor, folder.id) if folder.set_aside else (),
    }


def _found(request: Visit) -> dict[str, Any]:
    query = request.GET.get("q", "").strip()[:200]
    after = request.GET.get("after") or None
    page = reading.search(request.actor, query, WINDOW, after) if query else None
    hits: Sequence[Any] = page.items if page else ()
    asked = urlencode({"q": query})
    return {
        "query": query,
        "searching": True,
        "rows": [
            (
                hit.placement,
                f"{reverse('found', args=[hit.placement.id])}?{asked}",
                hit.snippet or hit.placement.preview,
            )
            for hit in hits
        ],
        "more": f"{reverse('search')}?{asked}&{urlencode({'after': page.next})}" if page and page.next else "",
        "first_window": after is None,
    }


def _message(request: Visit, placement: str) -> dict[str, Any]:
    opened = reading.open_message(request.actor, placement)
    assert request.actor.user is not None  # a session is always a person's
    as_text = not opened.has_html or request.GET.get("as") == "text"
    remote = request.GET.get("remote") == "1"
    held_back = 0
    if not as_text and not remote:
        _, held_back = reading.html_document(request.actor, placement, remote=False)
    hidden = {number for number, part in enumerate(opened.parsed.attachments) if part.is_inline and not as_text}
    return {
        "opened": opened,
        "as_text": as_text,
        "remote": remote,
        "held_back": held_back,
        "frame": "" if as_text else frame_url(FrameWish(request.actor.user.id, placement, remote)),
        "attachments": [file for file in opened.attachments if file.number not in hidden],
        "here": request.path,
        "headers": [(name, unfold(value)) for name, value in islice(opened.parsed.headers, _MOST_HEADERS)],
        "fresh": True,
    }
