"""The line above the list of a folder that is not fetched: asks its server, and says how that went."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from poststelle.office import live, reading
from poststelle.web.entrance import Visit, is_part
from poststelle.web.returning import back


@require_http_methods(["GET", "HEAD", "POST"])
def look(request: Visit, folder: str) -> HttpResponse:
    """Posted to, have the server looked at (``further``: behind what was shown so far); else how that ``look`` went."""
    if request.method == "POST":
        found = (
            live.want_further(request.actor, folder) if "further" in request.POST else live.want(request.actor, folder)
        )
        if not is_part(request):
            return redirect(back(request, reverse("folder", args=[folder])))
    else:
        number = request.GET.get("look")
        state = live.state(request.actor, folder, number)
        if state is None or not is_part(request):
            return redirect(reverse("folder", args=[folder]))
        found = state
    return render(request, "parts/look_live.html", {"look": found, "folder": reading.folder(request.actor, folder)})
