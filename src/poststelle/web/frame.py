"""The addresses of the mail frame and of what it shows: signed, short-lived, and worth something only for one person, one message,
one choice.

The responses look at the signature and at nothing else the browser sends (RELIABILITY Q61, Q63).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core import signing
from django.http import HttpResponse
from django.urls import reverse

from poststelle.errors import NotFound

LIFETIME_SECONDS = 600
_FRAME, _PICTURE = "poststelle.web.frame", "poststelle.web.picture"


@dataclass(frozen=True, slots=True)
class FrameWish:
    """Whose eyes the frame is for, which message (or, `within` it, which attached one), and whether remote pictures may load.

    `words` were looked for and are marked.
    """

    user: str
    message: str
    remote: bool
    within: int | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PictureWish:
    """A remote picture somebody asked to see in a message, and the `words` that stand for it where it cannot be had."""

    user: str
    message: str
    url: str
    words: str = ""


def frame_url(wish: FrameWish) -> str:
    """The frame's address, good for ten minutes."""
    signed = [wish.user, wish.message, wish.remote, wish.within, wish.words]
    return reverse("mail-frame", args=[wish.message, signing.dumps(signed, salt=_FRAME, compress=True)])


def read_signature(message: str, signature: str) -> FrameWish:
    """What was signed. Raises NotFound when it is forged, too old or for another message."""
    try:
        user, signed, remote, within, words = signing.loads(signature, salt=_FRAME, max_age=LIFETIME_SECONDS)
    except (signing.BadSignature, ValueError) as error:
        raise NotFound("message-unknown", message=message) from error
    if signed != message:
        raise NotFound("message-unknown", message=message)
    return FrameWish(user, signed, bool(remote), within, tuple(words))


def picture_url(wish: PictureWish) -> str:
    """The address under which our server shows the picture, good for ten minutes."""
    signed = [wish.user, wish.message, wish.url, wish.words]
    return reverse("picture", args=[signing.dumps(signed, salt=_PICTURE, compress=True)])


def read_picture(signature: str) -> PictureWish:
    """What was signed. Raises NotFound when it is forged or too old."""
    try:
        user, message, url, words = signing.loads(signature, salt=_PICTURE, max_age=LIFETIME_SECONDS)
    except (signing.BadSignature, ValueError) as error:
        raise NotFound("picture-unavailable") from error
    return PictureWish(user, message, url, words)


def policy(*, remote: bool) -> str:
    """The Content-Security-Policy of the frame: nothing runs, nothing is fetched, except pictures through us once the reader asked."""
    images = "img-src data: 'self'" if remote else "img-src data:"
    return (
        f"sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; {images}; style-src 'unsafe-inline'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )


def framed(document: str, *, remote: bool) -> HttpResponse:
    """The response that holds a mail's HTML, in the frame or as a page of its own."""
    response = HttpResponse(document, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = policy(remote=remote)
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response
