"""What every page's frame needs: office, person, theme, and from where the live view listens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from poststelle.office import feed, people

THEMES = ("auto", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor. The journal's position is read before anything else of the page, so that nothing falls in between."""
    theme = request.COOKIES.get("theme", "auto")
    return {
        "office_name": people.office_name,
        "theme": theme if theme in THEMES else "auto",
        "live_after": feed.latest,
        "demo_logins": settings.DEMO_LOGINS,
    }
