"""Reading: the three panes, their lists and parts, marks, and send/receive.

One address, two answers: the whole page, or the part htmx puts into it. The parts are the same templates.
"""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from poststelle.errors import Invalid, NotFound
from poststelle.mail.listing import Place, Where, read_where
from poststelle.mail.listing import folder as folder_place
from poststelle.mail.ports import FLAGGED, SEEN
from poststelle.mail.settings import Right
from poststelle.office import accounts, handling, reading
from poststelle.web import lists, pane
from poststelle.web.entrance import Visit, base_of, is_part
from poststelle.web.pages.searching import found
from poststelle.web.resuming import remember
from poststelle.web.returning import back

_MARKS = {"seen": SEEN, "flagged": FLAGGED}


@require_safe
def start(request: Visit) -> HttpResponse:
    """Nothing chosen yet; on a phone the screen with the tree."""
    return render(request, "mail.html", {"base": base_of(request), "nothing_chosen": True})


@require_safe
def tree(request: Visit) -> HttpResponse:
    """The tree alone, when something changed."""
    return render(request, "parts/tree.html")


@require_safe
def folder(request: Visit, folder: str) -> HttpResponse:
    """A folder's list. ``after``: the window behind that cursor; ``rows``: as many rows from the top, to be merged."""
    return _place(request, folder_place(folder))


@require_safe
def place(request: Visit, where: str) -> HttpResponse:
    """The list of any other place (`mail.listing`). Raises NotFound for none."""
    return _place(request, _read(where))


@require_safe
def message(request: Visit, placement: str, folder: str | None = None, where: str | None = None) -> HttpResponse:
    """A message beside the list of its folder or place, or beside what was found."""
    context = pane.context(request, placement)
    if where is not None:
        around: lists.Asked | None = lists.asked(request, _read(where))
    else:
        opened: reading.OpenMessage = context["opened"]
        around = lists.asked(request, folder_place(opened.folder.id)) if folder is not None else None
    context |= pane.beside(request, placement, around)
    if around is None:
        context |= {"searching": True, "query": request.GET.get("q", "")[: pane.LONGEST_QUERY]}
    if is_part(request, "reader"):
        response = render(request, "parts/message.html", context | {"asked": around})
    else:
        beside = found(request) if around is None else lists.shown(request, around.where, placement)
        response = render(request, "mail.html", {"base": base_of(request)} | beside | context)
    return remember(request, response, around.message_url(placement)) if around is not None else response


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


def _place(request: Visit, where: Where) -> HttpResponse:
    context = lists.shown(request, where)
    for part, without in (("rows", {}), ("more", {"earlier": ""}), ("above", {"more": ""})):
        if is_part(request, part):
            return render(request, "parts/rows.html", context | without)
    asked: lists.Asked = context["asked"]
    response = render(request, "mail.html", {"base": base_of(request)} | context)
    return remember(request, response, asked.with_query(asked.address))


def _read(where: str) -> Where:
    """The place an address names. A folder has an address of its own."""
    try:
        chosen = read_where(where)
    except Invalid as error:
        raise Http404 from error
    if chosen.place is Place.FOLDER:
        raise NotFound("folder-unknown", folder=chosen.id)
    return chosen
