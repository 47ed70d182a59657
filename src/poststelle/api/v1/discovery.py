"""From an address to settings over HTTP: known providers, what can be found out, and the report of the last test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import translation
from ninja import Query, Router
from pydantic import Field

from poststelle.api.problems import language_of
from poststelle.api.shapes import Given, Shape
from poststelle.api.tokens import OWN, actor_of
from poststelle.errors import NotFound
from poststelle.mail.provider import Finding, Provider
from poststelle.mail.settings import Endpoint
from poststelle.office import discovery as office
from poststelle.office import probing
from poststelle.office.advice import hint_sentence, source_words

router = Router(tags=["accounts"], by_alias=True)


class PresetServer(Shape):
    """A server of a provider."""

    host: str = Field(description="Its name.")
    port: int = Field(description="Its port.")
    encryption: Literal["starttls", "tls"] = Field(description="TLS from the first byte, or after STARTTLS.")

    @classmethod
    def of(cls, one: Endpoint) -> PresetServer:
        """The server of an endpoint."""
        return cls.model_validate({"host": one.host, "port": one.port, "encryption": one.encryption.value})


class Hint(Shape):
    """What to know of a provider."""

    code: str = Field(description="Stable word.")
    text: str = Field(description="The same as a sentence, in the language of the request.")


class Preset(Shape):
    """A known provider."""

    id: str = Field(description="Stable word.")
    name: str = Field(description="What people call it.")
    domains: list[str] = Field(description="Domains whose addresses it gives out.")
    imap: list[PresetServer] = Field(description="Receiving by IMAP; the first one is proposed.")
    pop3: list[PresetServer] = Field(description="Receiving by POP3.")
    smtp: list[PresetServer] = Field(description="Sending.")
    username: Literal["address", "local"] = Field(description="User name: the address, or the part before the @.")
    auth: list[str] = Field(description="`password`, `app-password`, `oauth`.")
    hints: list[Hint] = Field(description="What to know.")
    saves_sent: bool = Field(description="It files sent mail by itself.")
    daily_megabytes: int = Field(description="What IMAP may fetch a day; 0: nothing is known.")

    @classmethod
    def of(cls, one: Provider) -> Preset:
        """The provider, in the language now active."""
        servers = {way: [PresetServer.of(it) for it in getattr(one, way)] for way in ("imap", "pop3", "smtp")}
        return cls.model_validate(
            {
                "id": one.id, "name": one.name, "domains": list(one.domains), **servers, "username": one.username,
                "auth": list(one.auth), "hints": _hints(one.hints), "saves_sent": one.saves_sent,
                "daily_megabytes": one.daily_megabytes,
            }
        )  # fmt: skip


class Found(Shape):
    """Settings found for an address: one line of the stream."""

    source: Literal["preset", "mx", "autoconfig", "database", "srv", "autodiscover", "guess"] = Field(
        description="Where."
    )
    source_text: str = Field(description="The same in words.")
    name: str = Field(description="Name of the provider, if known.")
    document: dict[str, Any] = Field(description="Part of an account document to fill in; empty: nothing usable yet.")
    hosts: list[str] = Field(description="The servers it names.")
    confidence: int = Field(description="0 to 100.")
    confirm: bool = Field(description="A person must look at `hosts` before any password goes there.")
    hints: list[Hint] = Field(description="What to know.")
    provider: str = Field(description="Id of the known provider, if it is one.")
    saves_sent: bool = Field(description="The provider files sent mail by itself.")
    url: str = Field(description="Where it was found.")

    @classmethod
    def of(cls, one: Finding) -> Found:
        """The finding, in the language now active."""
        return cls.model_validate(
            {
                "source": one.source, "source_text": source_words(one.source), "name": one.name,
                "document": dict(one.document), "hosts": list(one.hosts), "confidence": one.confidence,
                "confirm": one.confirm, "hints": _hints(one.hints), "provider": one.provider,
                "saves_sent": one.saves_sent, "url": one.url,
            }
        )  # fmt: skip


def _hints(codes: tuple[str, ...]) -> list[Hint]:
    return [Hint(code=code, text=hint_sentence(code)) for code in codes]


class Wanted(Given):
    """Whose settings are looked for."""

    address: str = Field(description="E-mail address.")


_FOUND: dict[str, Any] = {
    "responses": {
        200: {
            "description": "One finding per line, as it comes in, best first.",
            "content": {"application/x-ndjson": {"schema": Found.model_json_schema(mode="serialization")}},
        }
    }
}
_REPORT: dict[str, Any] = {
    "responses": {
        200: {
            "description": "The report, without secrets.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        }
    }
}


@router.get("/presets", auth=OWN, response=list[Preset])
def list_presets(request: HttpRequest) -> list[Preset]:
    """The known mail providers."""
    with translation.override(language_of(request)):
        return [Preset.of(one) for one in office.providers()]


@router.post("/discover", openapi_extra=_FOUND)
async def discover_settings(request: HttpRequest, wanted: Wanted) -> StreamingHttpResponse:
    """Find settings for an address, as they come in. No password is needed or sent. Administrators only; counted like a test."""
    findings = office.discover(actor_of(request), wanted.address)
    first = await anext(findings, None)
    lines = _lines(first, findings, language_of(request))
    return StreamingHttpResponse(lines, content_type="application/x-ndjson")


async def _lines(first: Finding | None, more: AsyncIterator[Finding], language: str) -> AsyncIterator[str]:
    if first is not None:
        yield _line(first, language)
    async for finding in more:
        yield _line(finding, language)


def _line(finding: Finding, language: str) -> str:
    with translation.override(language):
        return json.dumps(Found.of(finding).model_dump(by_alias=True), ensure_ascii=False) + "\n"


@router.get("/probe-report", openapi_extra=_REPORT)
def show_probe_report(
    request: HttpRequest,
    format: Annotated[Literal["json", "text"], Query(description="As what.")] = "json",  # noqa: A002
) -> HttpResponse:
    """Your last test as a report to pass on: no secrets in it."""
    report = probing.last_report(actor_of(request))
    if report is None:
        raise NotFound("report-unknown")
    with translation.override(language_of(request)):
        if format == "json":
            return HttpResponse(report.as_json(), content_type="application/json")
        return HttpResponse(report.as_text(), content_type="text/plain; charset=utf-8")
