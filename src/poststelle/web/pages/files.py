"""What a browser gets of a mail outside the pages: the HTML frame, attachments, the original."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from poststelle.office import people, reading
from poststelle.web.downloads import download
from poststelle.web.entrance import Visit
from poststelle.web.frame import policy, read_signature


@require_safe
@login_not_required
@xframe_options_sameorigin
def frame(request: HttpRequest, placement: str, signature: str) -> HttpResponse:  # noqa: ARG001  (cookies are ignored)
    """The HTML form of a message for the sandboxed frame; rights are those of the signed person, checked now."""
    wish = read_signature(placement, signature)
    document, _ = reading.html_document(people.actor_of_session(wish.user), placement, remote=wish.remote)
    response = HttpResponse(document, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = policy(remote=wish.remote)
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response


frame.ignores_cookies = True  # type: ignore[attr-defined]  # read by EntranceMiddleware and PersonalLanguageMiddleware


@require_safe
def attachment(request: Visit, placement: str, number: int) -> HttpResponse:
    """One attachment."""
    found = reading.attachment(request.actor, placement, number)
    return download(found.name, found.content_type, found.data)


@require_safe
def original(request: Visit, placement: str) -> HttpResponse:
    """The message as the server gave it."""
    subject = reading.placement(request.actor, placement).subject[:80]
    return download(f"{subject or 'message'}.eml", "message/rfc822", reading.raw(request.actor, placement))
