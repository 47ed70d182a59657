"""The reading pane: everything its template needs of one open message.

Law: opening marks nothing. What is shown of the mail is text, or lies in the sandboxed frame; remote pictures come only when the
reader asked, now or for this sender, and never by themselves when the sender's domain denies the message.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from poststelle.errors import Conflict
from poststelle.mail import spoofing
from poststelle.mail.listing import Place
from poststelle.mail.work import COLOURS
from poststelle.office import lists, reading, viewing, work
from poststelle.office.reading import AttachmentView, OpenMessage
from poststelle.web.entrance import Visit
from poststelle.web.frame import FrameWish, frame_url
from poststelle.web.lists import Asked, hue, initials
from poststelle.web.readable import looked_for
from poststelle.web.telling import STATUSES

LONGEST_QUERY, MOST_MARKED = 500, 20


def context(request: Visit, placement: str) -> dict[str, Any]:
    """For ``parts/message.html``. Raises NotFound."""
    opened = reading.open_message(request.actor, placement)
    others = reading.thread(request.actor, placement, others=True)
    arrived = opened.placement.received_at
    return (
        body(request, opened)
        | work_context(request, placement)
        | {
            "here": request.path,
            "fresh": True,
            "initials": initials(opened.placement.sender),
            "hue": hue(opened.placement.sender),
            "warnings": [mark for mark in opened.marks if mark not in spoofing.NOTICES],
            "notices": [mark for mark in opened.marks if mark in spoofing.NOTICES],
            "read_after": request.chosen.mark_read_after,
            "older": [one for one in others if one.placement.received_at <= arrived],
            "newer": [one for one in others if one.placement.received_at > arrived],
        }
    )


def body(request: Visit, opened: OpenMessage) -> dict[str, Any]:
    """What is below the head: bars, files, text or frame, for ``parts/message_body.html``."""
    placement = opened.placement.id
    as_text = not opened.has_html or request.GET.get("as") == "text"
    broken = is_white = False
    remote = shows_remote(request, opened)
    held_back = left_out = 0
    if not as_text:
        try:
            shown = reading.html_document(request.actor, placement, remote=remote)
            held_back, left_out = (0, shown.held_back) if remote else (shown.held_back, 0)
            is_white = shown.has_colours
        except Conflict:
            as_text = broken = True
    files = [file for file in opened.attachments if as_text or not file.is_inline]
    assert request.actor.user is not None  # a session is always a person's
    words = looked_for(request.GET.get("q", "")[:LONGEST_QUERY])[:MOST_MARKED]
    return {
        "opened": opened,
        "as_text": as_text,
        "broken": broken,
        "remote": remote,
        "held_back": held_back,
        "left_out": left_out,
        "forged": _is_forged(opened),
        "is_white": is_white,
        "looked_for": words,
        "frame": "" if as_text else frame_url(FrameWish(request.actor.user.id, placement, remote, words=tuple(words))),
        "files": [(file, _look(file)) for file in files],
    }


def shows_remote(request: Visit, opened: OpenMessage) -> bool:
    """Whether remote pictures come: the reader asks now (``remote``), or trusts the sender, who is not somebody else."""
    return request.GET.get("remote") == "1" or (opened.remote_allowed and not _is_forged(opened))


def _is_forged(opened: OpenMessage) -> bool:
    return opened.authentication is not None and opened.authentication.failed


def work_context(request: Visit, placement: str) -> dict[str, Any]:
    """What people added, for ``parts/work.html``. Raises NotFound."""
    done = work.on(request.actor, placement)
    flags, offered = done.placement.flags, work.offered_tags(request.actor)
    return {
        "placement": placement,
        "work": done,
        "statuses": STATUSES.items(),
        "message_tags": [tag for tag in offered if tag.keyword in flags],
        "colours": COLOURS if request.actor.is_administrator else (),
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


def _look(file: AttachmentView) -> str:
    """How a file can be looked at; nothing that could run or deceives is offered."""
    return "" if {"program", "disguised"} & {*file.dangers} else viewing.kind_of(file.name, file.content_type)
