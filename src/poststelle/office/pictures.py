"""Remote pictures of mail, once somebody asked for them: fetched here, made again, kept, so that the sender never meets the reader
(RELIABILITY Q63).

Law: only ``https:``, through the egress rule, without cookies or anything of the reader; at most 5 MB and 25 megapixels; what is
handed out was drawn anew by a confined process. The same picture is fetched once for everybody. That somebody asked is the caller's
to know (signed addresses).
"""

from __future__ import annotations

import asyncio
import hashlib

from django.conf import settings as django_settings
from django.core.cache import caches

from poststelle.adapters import http
from poststelle.adapters.connection import Trust
from poststelle.errors import NotFound, Trouble
from poststelle.office import cells, egress, reading
from poststelle.office.actor import Actor

LARGEST = 5 << 20
SECONDS = 10.0
_FAILED_FOR = 300


def picture(actor: Actor, placement: str, url: str) -> tuple[bytes, str]:
    """The picture and its media type, for a message the actor may see now. Raises NotFound("picture-unavailable")."""
    reading.placement(actor, placement)
    cache, key = caches["pictures"], hashlib.sha256(url.encode()).hexdigest()
    made = cache.get(key)
    if made is None:
        made = _made(url)
        if made:
            cache.set(key, made)
        else:
            cache.set(key, made, _FAILED_FOR)
    if not made:
        raise NotFound("picture-unavailable")
    return made, "image/png" if made.startswith(b"\x89PNG") else "image/jpeg"


def _made(url: str) -> bytes:
    """Fetched and drawn anew; empty when it cannot be had."""
    trust = Trust(django_settings.POSTSTELLE.ca_file)
    try:
        answer = asyncio.run(http.fetch(url, egress=egress.rule(), tls=trust, limit=LARGEST, seconds=SECONDS))
    except Trouble:
        return b""
    if answer.status != 200:
        return b""
    return cells.picture(answer.body)
