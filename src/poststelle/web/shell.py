"""What every page's frame needs: office, person, their choices and trees, and from where the live view listens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from poststelle.mail.preferences import DEFAULT
from poststelle.office import feed, people
from poststelle.office.actor import Actor
from poststelle.web.tree import ARRANGING, Drawing, drawn

THEMES = ("auto", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor. `live_after`: the journal's position before the page was read (`web.entrance`)."""
    actor = getattr(request, "actor", None)
    chosen = getattr(request, "chosen", DEFAULT)
    theme = chosen.theme if chosen.theme in THEMES else request.COOKIES.get("theme", "auto")
    return {
        "office_name": people.office_name,
        "theme": theme if theme in THEMES else "auto",
        "chosen": chosen,
        "folder_tree": SimpleLazyObject(lambda: _tree(request, actor)) if actor is not None else None,
        "live_after": getattr(request, "live_after", feed.latest),
        "demo_logins": settings.DEMO_LOGINS,
    }


def _tree(request: HttpRequest, actor: Actor) -> Drawing:
    return drawn(actor, arranging=bool(request.session.get(ARRANGING)))
