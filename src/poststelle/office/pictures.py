"""Remote pictures of mail, once somebody asked for them: fetched here, made again, kept, so that the sender never meets the reader
(RELIABILITY Q63).

Law: ``https:`` where it can be had, else as the sender wrote it; through the egress rule, without cookies or anything of the reader;
at most 5 MB and 25 megapixels; what is handed out was drawn anew by a confined process. The same picture is fetched once for
everybody. That somebody asked is the caller's to know (signed addresses).
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from http import HTTPStatus

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
    for address, seconds in _ways(url):
        plain = address.startswith("http:")
        with suppress(Trouble):
            answer = asyncio.run(
                http.fetch(address, egress=egress.rule(), tls=trust, limit=LARGEST, seconds=seconds, unencrypted=plain)
            )
            if answer.status == HTTPStatus.OK and (drawn := cells.picture(answer.body)):
                return drawn
    return b""


def _ways(url: str) -> list[tuple[str, float]]:
    """Where the picture may be, and how long each is waited for: what was written without encryption is tried with it first."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "http":
        return [(url, SECONDS)]
    host, slash, path = rest.removeprefix("//").partition("/")
    usual = host.removesuffix(":80")
    return [*([(f"https://{usual}{slash}{path}", SECONDS / 2)] if ":" not in usual else []), (f"http:{rest}", SECONDS)]
