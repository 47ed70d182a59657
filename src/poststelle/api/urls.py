"""The API's addresses, to be included below ``api/v1/``: operations, OpenAPI document, and a page for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import wraps
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path, re_path
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from poststelle.api import docs, problems
from poststelle.api.tokens import ADMIN, BearerToken
from poststelle.api.v1 import (
    accounts,
    changes,
    correspondents,
    discovery,
    egress,
    events,
    folders,
    groups,
    health,
    journal,
    ledger,
    lists,
    live,
    log_in,
    logins,
    messages,
    notice,
    outgoing,
    outgoing_servers,
    people,
    preferences,
    rights,
    search,
    templates,
    tree,
    work,
)
from poststelle.errors import NotFound

_SHAPES = "#/components/schemas/"
_FAILURE: dict[str, Any] = {
    "description": "What went wrong (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": _SHAPES + "Problem"}}},
}


class Api(NinjaAPI):
    """Version 1. Its OpenAPI document names every shape and says of every operation how it fails."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """The OpenAPI document."""
        schema = deepcopy(super().get_openapi_schema(**kwargs))
        shapes = schema["components"]["schemas"]
        failure = problems.Problem.model_json_schema(ref_template=_SHAPES + "{model}", mode="serialization")
        shapes |= {**failure.pop("$defs"), "Problem": failure}
        needed = dict(self._scopes())
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"]["default"] = _FAILURE
                scope = needed[operation["operationId"]]
                operation["security"] = [{BearerToken.__name__: [scope]}]
                operation["description"] = f"{operation['description']}\n\nScope: `{scope}`."
                for place in (operation.get("requestBody", {}), *operation["responses"].values()):
                    for media in place.get("content", {}).values():
                        if "properties" in media["schema"]:
                            name = media["schema"]["title"]
                            shapes[name], media["schema"] = media["schema"], {"$ref": _SHAPES + name}
        return schema

    def _scopes(self) -> Iterator[tuple[str, str]]:
        """Operation id and the scope it takes."""
        for router in self._get_bound_routers():
            for view in router.path_operations.values():
                for operation in view.operations:
                    for callback in operation.auth_callbacks:
                        if isinstance(callback, BearerToken):
                            scope = callback.scope_of(operation.methods[0])
                            yield self.get_openapi_operation_id(operation), scope.value

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name of the function: unique, and short enough for generated clients."""
        return operation.view_func.__name__


def _made() -> Api:
    api = Api(
        title="Poststelle",
        version="1",
        description="Every mailbox of an office: read, search, send. Requests carry `Authorization: Bearer …`.",
        auth=BearerToken(),
        docs_url=None,
        openapi_url="/openapi.json",
        urls_namespace="api-v1",
    )
    problems.register(api)
    api.add_router("/accounts", accounts.router)
    api.add_router("", folders.router)
    api.add_router("/messages", messages.router)
    api.add_router("/outgoing", outgoing.router)
    api.add_router("/search", search.router)
    api.add_router("/correspondents", correspondents.router)
    api.add_router("/changes", changes.router)
    api.add_router("/logins", logins.router, auth=ADMIN)
    api.add_router("/outgoing-servers", outgoing_servers.router, auth=ADMIN)
    api.add_router("/templates", templates.router, auth=ADMIN)
    api.add_router("/groups", groups.router, auth=ADMIN)
    api.add_router("/people", people.router, auth=ADMIN)
    api.add_router("", log_in.router, auth=ADMIN)
    api.add_router("", rights.router, auth=ADMIN)
    api.add_router("", notice.router, auth=ADMIN)
    api.add_router("", egress.router, auth=ADMIN)
    api.add_router("", ledger.router)
    api.add_router("", live.router)
    api.add_router("", events.router, auth=ADMIN)
    api.add_router("/health", health.router)
    api.add_router("/journal", journal.router, auth=ADMIN)
    api.add_router("", discovery.router, auth=ADMIN)
    for module in (lists, work, tree, preferences):
        api.add_router("", module.router)
    return api


api = _made()


def _by_token_alone(patterns: list[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """Neither sends the middleware these to the log-in page, nor does it look at their session or ask for a form's token."""
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback = _telling_methods(pattern.callback)
            pattern.callback.csrf_exempt = True  # type: ignore[attr-defined]
            pattern.callback.login_required = False  # type: ignore[attr-defined]
            pattern.callback.ignores_cookies = True  # type: ignore[attr-defined]
    return patterns


def _telling_methods(view: Callable[..., Any]) -> Callable[..., Any]:
    """The same view, with a problem document as its answer to a method it does not have."""

    def told(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        allowed = {"Allow": response["Allow"]}
        return problems.problem(request, NotFound("method-unknown"), HTTPStatus.METHOD_NOT_ALLOWED, allowed)

    @wraps(view)
    async def awaited(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
        return told(request, await view(request, *args, **named))

    @wraps(view)
    def called(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
        return told(request, view(request, *args, **named))

    return awaited if iscoroutinefunction(view) else called


_operations, _app, _namespace = api.urls

urlpatterns = _by_token_alone(
    [
        path("docs", docs.page, {"api": api}, name="api-docs"),
        path("docs.css", docs.style, name="api-docs-style"),
        path("", include((_by_token_alone(_operations), _app), namespace=_namespace)),
        re_path("", problems.no_such_place),
    ]
)
