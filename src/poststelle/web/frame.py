"""The addresses of the mail frame: signed, short-lived, and worth something only for one person, one message, one choice.

The frame's response looks at the signature and at nothing else the browser sends (RELIABILITY Q61).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core import signing
from django.urls import reverse

from poststelle.errors import NotFound

LIFETIME_SECONDS = 600
_SALT = "poststelle.web.frame"


@dataclass(frozen=True, slots=True)
class FrameWish:
    """Whose eyes the frame is for, which message, and whether remote pictures may load."""

    user: str
    message: str
    remote: bool


def frame_url(wish: FrameWish) -> str:
    """The frame's address, good for ten minutes."""
    signature = signing.dumps([wish.user, wish.message, wish.remote], salt=_SALT, compress=True)
    return reverse("mail-frame", args=[wish.message, signature])


def read_signature(message: str, signature: str) -> FrameWish:
    """What was signed. Raises NotFound when it is forged, too old or for another message."""
    try:
        user, signed, remote = signing.loads(signature, salt=_SALT, max_age=LIFETIME_SECONDS)
    except (signing.BadSignature, ValueError) as error:
        raise NotFound("message-unknown", message=message) from error
    if signed != message:
        raise NotFound("message-unknown", message=message)
    return FrameWish(user, signed, bool(remote))


def policy(*, remote: bool) -> str:
    """The Content-Security-Policy of the frame: nothing runs, nothing is fetched, except pictures once the reader asked."""
    images = "img-src data: https:" if remote else "img-src data:"
    return (
        f"sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; {images}; style-src 'unsafe-inline'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
