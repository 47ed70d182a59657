"""Where a form leads back to, and what a deed says afterwards: as a note in the page, or on the page it returns to."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from poststelle.web.entrance import Visit, is_part


def back(request: Visit, otherwise: str) -> str:
    """Where the form wants to return to, if that is an address of ours."""
    wanted = request.POST.get("back") or request.GET.get("back") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else otherwise


def done(request: Visit, told: str, tokens: Sequence[str] = ()) -> HttpResponse:
    """Says what was done. `tokens`: with which it can be undone; the script finds them in ``X-Undo`` as well."""
    if is_part(request):
        answer = render(request, "parts/done.html", {"told": told, "tokens": tokens})
        answer["X-Undo"] = " ".join(tokens)
        return answer
    if told:
        messages.success(request, told, extra_tags=" ".join(["undo", *tokens]) if tokens else "")
    return redirect(back(request, reverse("mail")))
