"""The event log of a mailbox, as it happens, and the transcript of what is said with its servers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from poststelle.mail.records import EventRecord
from poststelle.office import events, happenings, health
from poststelle.web.downloads import download
from poststelle.web.entrance import Visit, base_of

_WINDOW = 100
LENGTHS = (10, 30, 120, 480, 1440)
"""Minutes a transcript may be asked for."""


@require_safe
def log(request: Visit, account: str) -> HttpResponse:
    """Newest first, filtered by level; the page looks for newer ones every few seconds."""
    level = request.GET.get("level", "")
    level = level if level in happenings.LEVELS else ""
    after = request.GET.get("after", "")
    after = after if after.isascii() and after.isdigit() and len(after) < 19 else ""
    page = events.page(request.actor, account, _WINDOW, after or None, level=level)
    context: dict[str, Any] = {
        "record": health.show(request.actor, account), "account": account, "events": _told(list(page.items)),
        "next": page.next, "level": level, "levels": happenings.LEVELS.items(), "is_newest": not after,
    }  # fmt: skip
    if request.GET.get("part") == "1":
        return render(request, "parts/events.html", context)
    _, until = events.transcript(request.actor, account)
    context |= {"until": until, "lengths": [(minutes, _length(minutes)) for minutes in LENGTHS]}
    frame: dict[str, Any] = {"base": base_of(request)}
    return render(request, "events.html", frame | context)


@require_POST
def switch_transcript(request: Visit, account: str) -> HttpResponse:
    """On for a while, or off."""
    minutes = request.POST.get("minutes", "")
    if minutes:
        number = int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 6 else 0
        events.start_transcript(request.actor, account, timedelta(minutes=number))
        messages.success(request, _("What is said with the servers is written down from now on."))
    else:
        events.stop_transcript(request.actor, account)
        messages.success(request, _("The transcript has been switched off."))
    return redirect("mailbox-events", account)


@require_safe
def transcript(request: Visit, account: str) -> HttpResponse:
    """The lines, as a file."""
    lines, _until = events.transcript(request.actor, account)
    return download("transcript.txt", "text/plain", lines)


def _told(found: list[EventRecord]) -> list[tuple[EventRecord, str]]:
    return [(one, happenings.event_sentence(one)) for one in found]


def _length(minutes: int) -> str:
    if minutes < 60:
        return _("%(count)s minutes") % {"count": minutes}
    return _("%(count)s hours") % {"count": minutes // 60}
