"""The URL map as tests walk it: every page by its name, whatever file it is written in. The API's routes are walked by tests/api."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.urls import URLPattern, URLResolver, get_resolver

API_OPEN = {"api-docs", "api-docs-style", "openapi-json", "api-root"}
"""The description of the API, for everybody; these stand in the URL map but not in the description."""


def walked(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Address and pattern of every route below."""
    for one in resolver.url_patterns:
        here = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from walked(one, here)
        else:
            yield here, one


ALL = [*walked(get_resolver())]
PAGES: Mapping[str, URLPattern] = {
    route.name or address: route for address, route in ALL if not address.startswith("api/")
}
API = {address.removeprefix("api/v1/"): route for address, route in ALL if address.startswith("api/v1/")}
