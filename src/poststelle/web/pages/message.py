"""What is done beside an open message: who works on it, notes, tags, who is there now, trust in its sender.

One address, two answers as everywhere: the part that changed, or back to the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from poststelle.errors import Invalid
from poststelle.mail.listing import Status
from poststelle.office import handling, reading, wording, work
from poststelle.office.handling import Selection
from poststelle.web import pane
from poststelle.web.entrance import Visit, is_part
from poststelle.web.returning import back

_MORNING = time(8, 0)
_SOON = {"tomorrow": 1, "in-3-days": 3, "next-week": 7}


@require_http_methods(["GET", "HEAD", "POST"])
def work_on(request: Visit, placement: str) -> HttpResponse:
    """The panel of work; posted to, ``do`` says what: assign, status, follow-up, note, note-gone, tag, untag or tag-colour."""
    wrong = ""
    if request.method == "POST":
        reading.placement(request.actor, placement)
        try:
            _DEEDS[request.POST.get("do", "")](request, placement)
        except KeyError as error:
            raise Invalid({"do": "unknown-value"}) from error
        except Invalid as error:
            wrong = " ".join(wording.field_sentences(error).values())
        if not is_part(request):
            if wrong:
                raise Invalid({"do": "unknown-value"})
            return redirect(back(request, reverse("mail")))
    return render(request, "parts/work.html", pane.work_context(request, placement) | {"wrong": wrong})


@require_POST
def here(request: Visit, placement: str) -> HttpResponse:
    """The person has the message open (``doing``: reading or answering); who else has. Or they have left it (gone)."""
    doing = request.POST.get("doing", "reading")
    if doing == "gone":
        work.away(request.actor, placement)
        return HttpResponse(status=204)
    present = work.here(request.actor, placement, doing)
    work.looked(request.actor, placement)
    return render(request, "parts/presence.html", {"present": present, "placement": placement, "doing": doing})


@require_POST
def trust(request: Visit, placement: str) -> HttpResponse:
    """Always show this sender's pictures, from now on."""
    work.trust_sender(request.actor, placement)
    return redirect(back(request, reverse("mail")))


@require_POST
def distrust(request: Visit) -> HttpResponse:
    """No longer show the pictures of the sender with this ``address``."""
    work.distrust_sender(request.actor, request.POST.get("address", ""))
    return redirect(back(request, reverse("personal")))


@require_safe
def folded(request: Visit, placement: str) -> HttpResponse:
    """Another message of the thread, unfolded in its place."""
    opened = reading.open_message(request.actor, placement)
    return render(request, "parts/message_body.html", pane.body(request, opened) | {"folded": True})


def _assign(request: Visit, placement: str) -> None:
    work.assign(request.actor, [placement], request.POST.get("user") or None)


def _status(request: Visit, placement: str) -> None:
    try:
        status = Status(request.POST.get("status", ""))
    except ValueError as error:
        raise Invalid({"status": "unknown-value"}) from error
    work.set_status(request.actor, [placement], status)


def _follow_up(request: Visit, placement: str) -> None:
    work.follow_up(request.actor, [placement], _moment(request), everybody=request.POST.get("everybody") == "1")


def _moment(request: Visit) -> datetime | None:
    """``soon`` (a word) or ``day`` (a date), the morning of it; None for neither."""
    soon, day = request.POST.get("soon", ""), request.POST.get("day", "")
    if soon in _SOON:
        chosen = timezone.localdate() + timedelta(days=_SOON[soon])
    elif day:
        try:
            given = parse_date(day)
        except ValueError:
            given = None
        if given is None:
            raise Invalid({"at": "out-of-range"})
        chosen = given
    else:
        return None
    return timezone.make_aware(datetime.combine(chosen, _MORNING))


def _note(request: Visit, placement: str) -> None:
    text = request.POST.get("text", "")
    if number := request.POST.get("note"):
        work.change_note(request.actor, placement, number, text)
    else:
        work.add_note(request.actor, placement, text)


def _note_gone(request: Visit, placement: str) -> None:
    work.remove_note(request.actor, placement, request.POST.get("note", ""))


def _tag(request: Visit, placement: str) -> None:
    keyword = request.POST.get("tag", "")
    if name := request.POST.get("name", "").strip():
        keyword = work.tag_named(request.actor, name).keyword
    handling.mark(request.actor, Selection([placement]), add=[_offered(request, keyword)])


def _untag(request: Visit, placement: str) -> None:
    handling.mark(request.actor, Selection([placement]), remove=[_offered(request, request.POST.get("tag", ""))])


def _tag_colour(request: Visit, placement: str) -> None:  # noqa: ARG001  (a deed on the tag, for all messages)
    given = request.POST.get("tag", "")
    tag = next((one for one in work.offered_tags(request.actor) if one.keyword == given), None)
    if tag is None:
        raise Invalid({"tag": "unknown-value"})
    work.change_tag(request.actor, tag.keyword, tag.name, request.POST.get("colour", ""))


def _offered(request: Visit, keyword: str) -> str:
    if keyword not in {tag.keyword for tag in work.offered_tags(request.actor)}:
        raise Invalid({"tag": "unknown-value"})
    return keyword


_DEEDS: Mapping[str, Callable[[Visit, str], None]] = {
    "assign": _assign, "status": _status, "follow-up": _follow_up, "note": _note, "note-gone": _note_gone, "tag": _tag,
    "untag": _untag, "tag-colour": _tag_colour,
}  # fmt: skip
