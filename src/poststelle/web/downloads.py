"""Bytes of a mail handed out as files (RELIABILITY Q65).

Law: what a file claims to be decides nothing that could run. Everything is a download without a type, except a short list;
only raster images are shown in place. The name is cleaned and stands in Content-Disposition only.
"""

from __future__ import annotations

import re
import unicodedata

from django.http import HttpResponse
from django.utils.http import content_disposition_header

SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
KNOWN_TYPES = SHOWN_TYPES | {"application/pdf", "application/zip", "text/plain", "message/rfc822"}

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.I | re.S)


def download(name: str, content_type: str, data: bytes) -> HttpResponse:
    """The response for an attachment or an original."""
    kind = content_type if content_type in KNOWN_TYPES else "application/octet-stream"
    response = HttpResponse(data, content_type=kind)
    disposition = content_disposition_header(kind not in SHOWN_TYPES, safe_name(name))
    response["Content-Disposition"] = disposition or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response


def safe_name(name: str) -> str:
    """A file name any system takes: one component, nothing invisible, no device name, at most 255 octets; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    kept = re.sub(r'[<>:"|?*]', "_", visible).strip(" .")
    if not kept or _RESERVED.fullmatch(kept):
        kept = f"file_{kept}".rstrip("_")
    stem, dot, ending = kept.rpartition(".")
    if dot and len(ending.encode()) <= 20:
        return f"{_cut(stem, 254 - len(ending.encode()))}.{ending}"
    return _cut(kept, 255)


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode("utf-8", "ignore")
