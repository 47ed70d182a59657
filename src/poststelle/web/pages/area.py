"""A page of the administration that is one form: shown, kept once it is sent, shown again with what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from poststelle.errors import Invalid
from poststelle.office import wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field

MakeFields = Callable[[Mapping[str, str]], Sequence[Field]]
"""The fields as they are stored or were typed, given the sentences on what is wrong with them."""


def form_page(
    request: Visit, area: str, title: Any, fields: MakeFields, keep: Callable[[], object], *, then: str = ""
) -> HttpResponse:
    """`area`: the tab it belongs to; `then`: the page one gets back to, that of the area if empty. `keep` may raise Invalid."""
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            keep()
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Saved."))
            return redirect(then or area)
    shown = fields(wrong)
    named = {field.name for field in shown}
    context = {
        "base": base_of(request), "area": area, "title": title, "fields": shown, "cancel": then or area,
        "general": [told for name, told in wrong.items() if name not in named],
    }  # fmt: skip
    return render(request, "area_form.html", context, status=422 if wrong else 200)
