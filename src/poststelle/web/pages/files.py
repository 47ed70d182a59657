"""What a browser gets of a mail outside the pages: the HTML frame, its pictures, a page to print, attachments, source, original."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from poststelle.errors import Conflict, NotFound
from poststelle.mail.address import Address, format_address
from poststelle.mail.html import Sanitised, document, linkify
from poststelle.office import people, pictures, reading, viewing, wording
from poststelle.web import downloads, pane
from poststelle.web.entrance import Visit, is_part
from poststelle.web.frame import PictureWish, framed, picture_url, read_picture, read_signature
from poststelle.web.readable import marked_html
from poststelle.web.templatetags.mail import long_moment

_LONGEST_WORDS = 160


@require_safe
@login_not_required
@xframe_options_sameorigin
def frame(request: HttpRequest, placement: str, signature: str) -> HttpResponse:  # noqa: ARG001  (cookies are ignored)
    """The HTML form of a message for the sandboxed frame; rights are those of the signed person, checked now."""
    wish = read_signature(placement, signature)
    actor = people.actor_of_session(wish.user)
    with translation.override(actor.user.language if actor.user else None):
        try:
            shown = reading.html_document(
                actor, placement, remote=wish.remote, within=wish.within, through=_through(wish.user, placement)
            ).document
        except Conflict as error:
            told = wording.sentence(error)
            shown = document(Sanitised(f"<p>{escape(told.title)}</p><p>{escape(told.advice)}</p>", 0))
    return framed(marked_html(shown, wish.words), remote=wish.remote)


@require_safe
@login_not_required
def picture(request: HttpRequest, signature: str) -> HttpResponse:  # noqa: ARG001  (cookies are ignored)
    """A remote picture, fetched by us for a reader who asked; where it cannot be had, a quiet place with its words."""
    wish = read_picture(signature)
    actor = people.actor_of_session(wish.user)
    try:
        data, content_type = pictures.picture(actor, wish.message, wish.url)
    except NotFound as error:
        if error.code != "picture-unavailable":
            raise
        with translation.override(actor.user.language if actor.user else None):
            return downloads.missing_picture(wish.words, _("could not be loaded"))
    return downloads.drawn_picture(data, content_type)


# Read by EntranceMiddleware and PersonalLanguageMiddleware.
frame.ignores_cookies = picture.ignores_cookies = True  # type: ignore[attr-defined]


@require_safe
def to_print(request: Visit, placement: str) -> HttpResponse:
    """Head and text on white paper, held like the frame; as ``text``, and with ``remote`` pictures, as they are on the screen."""
    opened = reading.open_message(request.actor, placement)
    heading = _heading(opened)
    shown = document(
        Sanitised(f'<div class="plain">{linkify(opened.text)}</div>', 0),
        title=opened.placement.subject,
        heading=heading,
        paper=True,
    )
    remote = pane.shows_remote(request, opened)
    if opened.has_html and request.GET.get("as") != "text":
        with suppress(Conflict):
            assert request.actor.user is not None  # a session is always a person's
            through = _through(request.actor.user.id, placement)
            shown = reading.html_document(
                request.actor, placement, remote=remote, through=through, heading=heading, paper=True
            ).document
    return framed(shown, remote=remote)


@require_safe
def source(request: Visit, placement: str) -> HttpResponse:
    """The message as it came, as text; a long one as far as a page can show it."""
    return downloads.as_text(reading.source(request.actor, placement).text)


@require_safe
def attachment(request: Visit, placement: str, number: int) -> HttpResponse:
    """One attachment."""
    found = reading.attachment(request.actor, placement, number)
    return downloads.download(found.name, found.content_type, found.data)


@require_safe
def look(request: Visit, placement: str, number: int) -> HttpResponse:
    """An attachment looked at: a picture, a ``page`` (from 0), its words, or the message it is."""
    looked = viewing.look(request.actor, placement, number, _page(request))
    context: dict[str, Any] = {
        "placement": placement, "number": number, "name": looked.name, "look": looked, "here": request.path,
        "last": looked.page + 1 == looked.pages,
    }  # fmt: skip
    if looked.picture:
        context["picture"] = downloads.within_page(looked.picture)
    if looked.kind == "message":
        context["frame"] = pane.frame_of_attachment(request, placement, number)
    page = "parts/look.html" if is_part(request) else "look.html"
    return render(request, page, context)


@require_safe
def all_attachments(request: Visit, placement: str) -> HttpResponseBase:
    """Every attachment in one zip."""
    subject = reading.placement(request.actor, placement).subject[:80]
    pieces = reading.zipped(request.actor, placement)
    return downloads.stream(f"{subject or 'message'}.zip", "application/zip", pieces)


@require_safe
def original(request: Visit, placement: str) -> HttpResponse:
    """The message as the server gave it."""
    subject = reading.placement(request.actor, placement).subject[:80]
    return downloads.download(f"{subject or 'message'}.eml", "message/rfc822", reading.raw(request.actor, placement))


def _through(user: str, placement: str) -> Callable[[str, str], str]:
    """Where a remote picture of the message is found on our side, for this person (id)."""

    def address(url: str, words: str) -> str:
        said = "".join(letter for letter in " ".join(words.split()) if letter.isprintable())
        return picture_url(PictureWish(user, placement, url, said[:_LONGEST_WORDS]))

    return address


def _page(request: Visit) -> int:
    asked = request.GET.get("page", "0")
    return int(asked) if asked.isdecimal() and len(asked) < 6 else 0


def _heading(opened: reading.OpenMessage) -> list[tuple[str, str]]:
    parsed, placement = opened.parsed, opened.placement
    lines = [
        (pgettext("header", "Subject"), placement.subject),
        (pgettext("header", "From"), _people(parsed.from_)),
        (pgettext("header", "To"), _people(parsed.to)),
        (pgettext("header", "Cc"), _people(parsed.cc)),
        (pgettext("header", "Date"), long_moment(placement.sent_at or placement.received_at)),
        (_("Attachments"), ", ".join(file.safe_name for file in opened.attachments if not file.is_inline)),
    ]
    return [(name, value) for name, value in lines if value]


def _people(addresses: Sequence[Address]) -> str:
    return ", ".join(format_address(one.name, one.address) for one in addresses)
