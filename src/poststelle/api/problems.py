"""What went wrong, as problem+json (RFC 9457).

Law: every answer that is not a success has this shape and tells nothing about the inside. `type` is stable: one per error code.
The sentences come from `office.wording`, in the language the request asks for.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import BaseModel, Field

from poststelle.errors import (
    Conflict,
    Invalid,
    NotFound,
    NotPermitted,
    PoststelleError,
    TooOften,
    TryAgain,
)
from poststelle.office import health
from poststelle.office.actor import Actor
from poststelle.office.wording import field_sentence, sentence

log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[PoststelleError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (NotPermitted, HTTPStatus.FORBIDDEN),
    (Invalid, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Conflict, HTTPStatus.CONFLICT),
    (TooOften, HTTPStatus.TOO_MANY_REQUESTS),
    (TryAgain, HTTPStatus.SERVICE_UNAVAILABLE),
)
_REASONS = {
    "missing": "missing", "extra_forbidden": "unknown-field", "string_type": "not-text", "list_type": "not-a-list",
    "bool_type": "not-true-or-false", "bool_parsing": "not-true-or-false", "int_type": "not-a-number", "int_parsing": "not-a-number",
    "dict_type": "not-an-object", "model_type": "not-an-object", "model_attributes_type": "not-an-object",
    "greater_than_equal": "out-of-range", "less_than_equal": "out-of-range", "int_parsing_size": "out-of-range",
    "string_too_long": "too-long", "string_too_short": "missing", "too_long": "too-many",
}  # fmt: skip
"""Pydantic's names for what is wrong with a value, in the vocabulary of `mail.settings`."""


class FieldProblem(BaseModel):
    """What is wrong with one field of the request."""

    code: str = Field(description="Stable reason, such as `missing` or `not-an-address`.")
    message: str = Field(description="The same as a sentence, in the language of the request.")


class Problem(BaseModel):
    """An RFC 9457 problem document (`application/problem+json`)."""

    type: str = Field(description="Stable identifier of this kind of problem: `/problems/` and the code.")
    title: str = Field(description="What is wrong, in the language `Accept-Language` asks for (German or English).")
    status: int = Field(description="The HTTP status code.")
    detail: str = Field(description="What to do next.")
    code: str = Field(description="The last part of `type`.")
    fields: dict[str, FieldProblem] | None = Field(
        None, description="Only when the request was not acceptable: the reason for each field, by its dotted path."
    )


def language_of(request: HttpRequest) -> str:
    """``de`` or ``en``: what Accept-Language prefers, else the person's own, else English."""
    for language, _ in parse_accept_lang_header(request.headers.get("Accept-Language", "").lower()):
        if language[:2] in {"de", "en"}:
            return language[:2]
    actor = getattr(request, "auth", None)
    return actor.user.language if isinstance(actor, Actor) and actor.user else "en"


def problem(
    request: HttpRequest, error: PoststelleError, status: HTTPStatus, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """The answer to a request that ended in `error`."""
    language = language_of(request)
    with translation.override(language):
        wording = sentence(error)
        document = Problem(
            type=f"/problems/{error.code}",
            title=str(wording.title),
            status=status,
            detail=str(wording.advice),
            code=error.code,
            fields={
                path: FieldProblem(code=reason, message=str(field_sentence(reason)))
                for path, reason in error.fields.items()
            }
            if isinstance(error, Invalid)
            else None,
        )
    body = json.dumps(document.model_dump(exclude_none=True), ensure_ascii=False)
    told = {"Content-Language": language, **(headers or {})}
    return HttpResponse(body, content_type="application/problem+json", status=status, headers=told)


def no_such_place(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    """The answer for an address below the API that means nothing."""
    return problem(request, NotFound("address-unknown"), HTTPStatus.NOT_FOUND)


def register(api: NinjaAPI) -> None:
    """Make every failure of the API's operations a problem document."""
    api.add_exception_handler(PoststelleError, _refused)
    api.add_exception_handler(ValidationError, _unreadable)
    api.add_exception_handler(AuthenticationError, _unknown_caller)
    api.add_exception_handler(HttpError, _malformed)
    api.add_exception_handler(RequestDataTooBig, _too_big)
    api.add_exception_handler(Exception, _unexpected)


def _refused(request: HttpRequest, error: PoststelleError | type[PoststelleError]) -> HttpResponse:
    assert isinstance(error, PoststelleError)  # the framework's type says it may be a class
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.BAD_GATEWAY)
    headers = {}
    if isinstance(error, TryAgain) and error.after is not None:
        headers["Retry-After"] = str(math.ceil(error.after))
    if error.code == "scope-missing":
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.facts["scope"]}"'
    return problem(request, error, status, headers)


def _unreadable(request: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
    fields = {}
    for item in getattr(error, "errors", []):
        # The first step names where the value stood (body, query …), for bodies the second one the parameter.
        path = item["loc"][2:] if item["loc"][0] == "body" else item["loc"][1:]
        fields[".".join(str(step) for step in path)] = _REASONS.get(item["type"], "unknown-value")
    return problem(request, Invalid(fields), HTTPStatus.UNPROCESSABLE_ENTITY)


def _unknown_caller(request: HttpRequest, _: AuthenticationError | type[AuthenticationError]) -> HttpResponse:
    given = request.headers.get("Authorization", "").lower().startswith("bearer ")
    code, challenge = ("token-unknown", 'Bearer error="invalid_token"') if given else ("token-missing", "Bearer")
    return problem(request, NotPermitted(code), HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": challenge})


def _malformed(request: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
    return problem(request, Invalid({}, reason="not-json"), HTTPStatus(getattr(error, "status_code", 400)))


def _too_big(request: HttpRequest, _: RequestDataTooBig | type[RequestDataTooBig]) -> HttpResponse:
    return problem(request, Invalid({"": "too-long"}), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _unexpected(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    if isinstance(error, Exception) and (code := health.lacking(error)):
        return _refused(request, TryAgain(code))
    log.error(
        "api: %s %s failed", request.method, request.path, exc_info=error if isinstance(error, Exception) else None
    )
    return problem(request, PoststelleError("unexpected"), HTTPStatus.INTERNAL_SERVER_ERROR)
