"""Where somebody was last, for who wants to start there: the address of a list or a message, kept by their browser.

Law: the cookie is worth something only to the person it was written for, and an address in it only while it can be reached. What
somebody searched for is not kept.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import Resolver404, resolve

from poststelle.errors import Invalid, NotFound
from poststelle.mail.listing import Place, read_where
from poststelle.mail.listing import folder as folder_place
from poststelle.mail.preferences import LAST
from poststelle.office import accounts, reading
from poststelle.web.entrance import Visit
from poststelle.web.tree import address_of

_COOKIE, _YEAR = "place", 365 * 24 * 3600


def remember(request: Visit, response: HttpResponse, address: str) -> HttpResponse:
    """The response, with this address as where the person was, if they want to start there."""
    assert request.actor.user is not None  # a session is always a person's
    if request.chosen.start == LAST:
        kept = f"{request.actor.user.id} {address}"
        response.set_cookie(_COOKIE, kept, max_age=_YEAR, httponly=True, samesite="Lax", secure=request.is_secure())
    return response


def remembered(request: Visit) -> str:
    """Where the person was in this browser: the message, where it has gone its list, "" where neither can be reached."""
    assert request.actor.user is not None  # a session is always a person's
    person, _, address = request.COOKIES.get(_COOKIE, "").partition(" ")
    if person != request.actor.user.id:
        return ""
    try:
        found = resolve(address.partition("?")[0])
    except Resolver404:
        return ""
    if found.url_name not in {"folder", "message", "place", "placed"}:
        return ""
    around = _list(request, **{name: found.kwargs[name] for name in ("folder", "where") if name in found.kwargs})
    if around and "placement" in found.kwargs:
        try:
            reading.placement(request.actor, found.kwargs["placement"])
        except NotFound:
            return around
    return around and address


def _list(request: Visit, folder: str = "", where: str = "") -> str:
    """The list's own address, "" where it is out of reach by now."""
    try:
        place = folder_place(reading.folder(request.actor, folder).id) if folder else read_where(where)
        if place.place is Place.ACCOUNT:
            accounts.show(request.actor, place.id)
    except (Invalid, NotFound):
        return ""
    if place.place is Place.BRANCH or (place.place is Place.FOLDER and not folder):
        return ""
    return address_of(place)
