"""Bytes of a mail handed out as files (RELIABILITY Q65).

Law: what a file claims to be decides nothing that could run (`mail.files`). Everything is a download, only raster images are
shown in place.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from poststelle.mail.files import IMAGE_TYPES, safe_name, safe_type

_MISSING = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><style>'
    "div{{height:100%;box-sizing:border-box;padding:5px 10px;overflow:hidden;border:1px dashed #8a919c;border-radius:6px;"
    "color:#5b6370;font:12px/1.45 system-ui,sans-serif}}b,i{{display:block;font-style:normal;font-weight:400}}"
    "b{{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-weight:500}}"
    "@media(prefers-color-scheme:dark){{div{{color:#a9b1bc}}}}@media(max-width:80px),(max-height:24px){{b,i{{display:none}}}}"
    '</style><foreignObject width="100%" height="100%"><div xmlns="http://www.w3.org/1999/xhtml">{lines}</div></foreignObject></svg>'
)


def download(name: str, content_type: str, data: bytes) -> HttpResponse:
    """The response for an attachment or an original."""
    kind = safe_type(content_type)
    response = HttpResponse(data, content_type=kind)
    _hold(response, name, as_file=kind not in IMAGE_TYPES)
    return response


def stream(name: str, content_type: str, pieces: Iterable[bytes]) -> StreamingHttpResponse:
    """The response for something made while it is fetched; always a download."""
    response = StreamingHttpResponse(pieces, content_type=safe_type(content_type))
    _hold(response, name, as_file=True)
    return response


def as_text(text: str) -> HttpResponse:
    """Text to be read in the browser, never taken for anything else."""
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    _hold(response, "source.txt", as_file=False)
    return response


def drawn_picture(data: bytes, content_type: str) -> HttpResponse:
    """A picture we have drawn ourselves, for the mail frame, whose origin is nobody's."""
    response = HttpResponse(data, content_type=content_type)
    _hold(response, "picture", as_file=False)
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def missing_picture(words: str, told: str) -> HttpResponse:
    """What stands in the mail frame for a picture that could not be had: its words, and what we have to say about it. A picture
    itself, because the frame runs no script that could put words there."""
    lines = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in (("b", words), ("i", told)) if text)
    width = min(max(len(words), len(told), 20) * 7 + 24, 320)
    response = drawn_picture(
        _MISSING.format(width=width, height=48 if words else 30, lines=lines).encode(), "image/svg+xml"
    )
    response.status_code = HTTPStatus.NOT_FOUND
    # Where it is opened as a page of its own, nothing runs either; its style is ours.
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    return response


def within_page(drawn: bytes) -> str:
    """A picture we have drawn ourselves, as an address that holds it."""
    kind = "png" if drawn.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(drawn).decode('ascii')}"


def _hold(response: HttpResponseBase, name: str, *, as_file: bool) -> None:
    disposition = content_disposition_header(as_file, safe_name(name))
    response["Content-Disposition"] = disposition or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
