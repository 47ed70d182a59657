"""The line above the list of a folder that is not fetched: asks its server, and says how that went."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from poststelle.mail.records import LookRecord
from poststelle.office import live, reading
from poststelle.web.entrance import Visit, is_part
from poststelle.web.returning import back


@require_http_methods(["GET", "HEAD", "POST"])
def look(request: Visit, folder: str) -> HttpResponse:
    """Posted to, have the server looked at (``further``: behind what was shown so far) or (``words``) searched; else how that
    ``look`` went."""
    state: LookRecord | None
    if request.method == "POST":
        state = _wanted(request, folder)
        if not is_part(request):
            return redirect(back(request, reverse("folder", args=[folder])))
    else:
        state = live.state(request.actor, folder, request.GET.get("look"))
        if state is None or not is_part(request):
            return redirect(reverse("folder", args=[folder]))
    context = {
        "look": state,
        "folder": reading.folder(request.actor, folder),
        "found": live.found(request.actor, state) if state.words else (),
    }
    return render(request, "parts/look_live.html", context)


def _wanted(request: Visit, folder: str) -> LookRecord:
    if "further" in request.POST:
        return live.want_further(request.actor, folder)
    if words := request.POST.get("words", "").split():
        return live.search(request.actor, folder, [word[: live.LONGEST_WORD] for word in words[: live.MOST_WORDS]])
    return live.want(request.actor, folder)
