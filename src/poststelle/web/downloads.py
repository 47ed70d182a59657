"""Bytes of a mail handed out as files (RELIABILITY Q65).

Law: what a file claims to be decides nothing that could run (`mail.files`). Everything is a download, only raster images are
shown in place.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from poststelle.mail.files import IMAGE_TYPES, safe_name, safe_type


def download(name: str, content_type: str, data: bytes) -> HttpResponse:
    """The response for an attachment or an original."""
    kind = safe_type(content_type)
    response = HttpResponse(data, content_type=kind)
    disposition = content_disposition_header(kind not in IMAGE_TYPES, safe_name(name))
    response["Content-Disposition"] = disposition or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response
