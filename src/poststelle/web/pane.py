"""The reading pane: everything its template needs of one open message.

Law: opening marks nothing. What is shown of the mail is text, or lies in the sandboxed frame; remote pictures come only when the
reader asked, now or for this sender, and never when somebody else wrote in the sender's name.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.utils import timezone

from poststelle.mail import spoofing
from poststelle.mail.headers import unfold
from poststelle.mail.listing import Place
from poststelle.office import lists, preferences, reading, viewing, wording, work
from poststelle.web.entrance import Visit
from poststelle.web.frame import FrameWish, frame_url
from poststelle.web.lists import Asked
from poststelle.web.names import STATUSES

_MOST_HEADERS = 500


def context(request: Visit, placement: str) -> dict[str, Any]:
    """For ``parts/message.html``. Raises NotFound."""
    opened = reading.open_message(request.actor, placement)
    closer = viewing.closer(request.actor, opened)
    chosen = preferences.mine(request.actor)
    return (
        body(request, opened, closer)
        | work_context(request, placement)
        | {
            "closer": closer,
            "sender_told": _sender_told(closer),
            "here": request.path,
            "headers": [(name, unfold(value)) for name, value in islice(opened.parsed.headers, _MOST_HEADERS)],
            "fresh": True,
            "read_after": chosen.mark_read_after,
            "older": [one for one in closer.thread if one.placement.received_at <= opened.placement.received_at and not _is(one, opened)],
            "newer": [one for one in closer.thread if one.placement.received_at > opened.placement.received_at and not _is(one, opened)],
        }
    )


def body(request: Visit, opened: reading.OpenMessage, closer: viewing.Closer) -> dict[str, Any]:
    """What is below the head: bars, files, text or frame, for ``parts/message_body.html``."""
    placement = opened.placement.id
    as_text = not opened.has_html or request.GET.get("as") == "text"
    forged = closer.checks is not None and closer.checks.failed
    remote = request.GET.get("remote") == "1" or (closer.is_trusted and not forged)
    held_back = 0
    if not as_text and not remote:
        _, held_back = reading.html_document(request.actor, placement, remote=False)
    inline = {number for number, part in enumerate(opened.parsed.attachments) if part.is_inline and not as_text}
    assert request.actor.user is not None  # a session is always a person's
    return {
        "opened": opened,
        "as_text": as_text,
        "remote": remote,
        "held_back": held_back,
        "forged": forged,
        "frame": "" if as_text else frame_url(FrameWish(request.actor.user.id, placement, remote)),
        "files": [view for view in viewing.file_views(opened) if view.file.number not in inline],
    }


def work_context(request: Visit, placement: str) -> dict[str, Any]:
    """What people added, for ``parts/work.html``. Raises NotFound."""
    flags = reading.placement(request.actor, placement).flags
    offered = work.offered_tags(request.actor)
    return {
        "placement": placement,
        "work": work.on(request.actor, placement),
        "statuses": STATUSES.items(),
        "tags": [tag for tag in offered if tag.keyword in flags],
        "other_tags": [tag for tag in offered if tag.keyword not in flags],
        "today": timezone.localdate(),
    }


def beside(request: Visit, placement: str, ask: Asked | None) -> dict[str, Any]:
    """The addresses of the messages above and below in the list it is read in; none beside what a search found."""
    if ask is None or ask.where.place is Place.BRANCH:
        return {}
    found = lists.neighbours(
        request.actor, placement, ask.where, threads=ask.threads, sort=ask.sort, descending=ask.descending,
        filter=ask.filter,
    )  # fmt: skip
    return {
        "above": ask.message_url(found.previous) if found.previous else "",
        "below": ask.message_url(found.next) if found.next else "",
    }


def frame_of_attachment(request: Visit, placement: str, number: int) -> str:
    """The frame's address for the HTML form of a message that is an attachment."""
    assert request.actor.user is not None  # a session is always a person's
    return frame_url(FrameWish(request.actor.user.id, placement, remote=False, within=number))






def _is(one: Any, opened: reading.OpenMessage) -> bool:
    same: bool = one.placement.id == opened.placement.id or one.placement.content == opened.placement.content
    return same


def _sender_told(closer: viewing.Closer) -> dict[str, Any]:
    """What to say of the sender: warnings, notices, and what the receiving server found."""
    return {
        "warnings": [wording.sender_mark(mark) for mark in closer.marks if mark not in spoofing.NOTICES],
        "notices": [wording.sender_mark(mark) for mark in closer.marks if mark in spoofing.NOTICES],
    }
