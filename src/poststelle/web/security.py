"""What every page tells the browser it may do (RELIABILITY Q62).

Law: nothing runs but the one script of the page, named by a nonce; nothing is evaluated; nothing is fetched from elsewhere. Text
becomes HTML in the script only through its one Trusted Types policy, ``poststelle``. Nobody else's page may hold a response or load
it. A response that brings a policy of its own (mail frame, download) keeps it.
"""

from __future__ import annotations

import secrets

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types poststelle"
)


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    """Gives the request a nonce (``request.csp_nonce``) and the response the policy; pages are never kept by shared caches."""

    def process_request(self, request: HttpRequest) -> None:
        request.csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]  # templates read it

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        nonce = getattr(request, "csp_nonce", "")
        if nonce and not response.has_header("Content-Security-Policy"):
            response["Content-Security-Policy"] = POLICY.format(nonce=nonce)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if response.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Cache-Control", "private, no-cache")
            # The same address gives a page or a part of it.
            patch_vary_headers(response, ["HX-Request", "HX-Target"])
        response.setdefault("Cache-Control", "private, no-store")
        return response
