"""How single sign-on is set up, for whoever registers Poststelle at the identity provider, and a test of what that says of itself.

Administrators only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.utils import build_absolute_uri
from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from poststelle.mail.records import Step
from poststelle.office import identity_provider, wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.single_sign_on import PROVIDER

_STEPS: Mapping[str, Any] = {
    "document": gettext_lazy("Read its discovery document"),
    "endpoints": gettext_lazy("Where people log in"),
    "keys": gettext_lazy("Its keys"),
    "asking-again": gettext_lazy("Asking again who somebody is"),
}


async def state(request: Visit) -> HttpResponse:
    """The page; sent to, with the test's outcome."""
    now = await sync_to_async(identity_provider.set_up)(request.actor)
    lines = []
    if request.method == "POST" and now is not None:
        lines = [_line(step) async for step in identity_provider.test(request.actor)]
    callback = build_absolute_uri(request, reverse("openid_connect_callback", kwargs={"provider_id": PROVIDER}))
    context = {"base": base_of(request), "now": now, "callback": callback, "lines": lines}
    response: HttpResponse = await sync_to_async(render)(request, "sign_on.html", context)
    return response


def _line(step: Step) -> tuple[Step, Any, wording.Wording | None, str]:
    """A step, its name, what went wrong and what was found."""
    return step, _STEPS[step.name], wording.sentence(step.error, step.detail) if step.error else None, _found(step)


def _found(step: Step) -> str:
    if "keys" not in step.detail:
        return str(step.detail.get("address", "")) if step.state == "ok" else ""
    if oldest := step.detail.get("oldest"):
        return _("%(count)s, the oldest since %(day)s") % {"count": step.detail["keys"], "day": oldest}
    return str(step.detail["keys"])
