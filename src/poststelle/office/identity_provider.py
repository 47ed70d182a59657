"""The office's identity provider at the counter: how single sign-on is set up here, and whether the provider answers as it must.

Law: the provider is named in the installation's configuration, so its own address may be asked wherever it lies; nobody logs in by this,
and nothing is kept. What people do there is `office.single_sign_on`.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings

from poststelle.adapters import certificate, http
from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.errors import Conflict, NeedsAttention, PoststelleError
from poststelle.mail.records import Step
from poststelle.office import egress
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import second_factors

DOCUMENT = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
_LARGEST, _SECONDS = 1_000_000, 10.0


@dataclass(frozen=True, slots=True)
class SetUp:
    """How single sign-on is set up. `linked`: how many people have come in by it; `sign_up`: whether strangers it vouches for may."""

    name: str
    issuer: str
    client_id: str
    sign_up: bool
    linked: int


NONE = SetUp("", "", "", sign_up=False, linked=0)
"""No identity provider."""


def set_up(actor: Actor) -> SetUp | None:
    """How it is set up; None where there is no identity provider. Administrators only."""
    require_administrator(actor)
    now = django_settings.POSTSTELLE
    if not now.oidc_issuer:
        return None
    name = now.oidc_name or urlsplit(now.oidc_issuer).hostname or ""
    return SetUp(name, now.oidc_issuer, now.oidc_client_id, now.oidc_sign_up, second_factors.linked())


async def test(actor: Actor) -> AsyncIterator[Step]:
    """Ask the provider what it says of itself, step by step: ``document``, ``endpoints``, ``keys``, ``asking-again``.

    Administrators only. Raises Conflict("no-identity-provider") where none is set up.
    """
    here = await sync_to_async(set_up)(actor)
    if here is None:
        raise Conflict("no-identity-provider")
    rule = await sync_to_async(egress.rule)()
    # Whoever runs the installation has named the provider: it may be inside the own network, and what it points to only if allowed.
    rule = replace(rule, allow=(*rule.allow, urlsplit(here.issuer).hostname or ""))
    said: Mapping[str, Any] = {}
    for name, look in (("document", _document), ("endpoints", _endpoints), ("keys", _keys), ("asking-again", _again)):
        if name != "document" and not said:
            yield Step("", name, "skipped")
            continue
        began = time.monotonic()
        try:
            said, detail = await look(here.issuer, said, rule)
        except PoststelleError as error:
            # Without its document nothing works; the rest is told, and looked at further.
            state = "warned" if error.code in {"sign-on-other-issuer", "sign-on-no-auth-time"} else "failed"
            yield Step("", name, state, time.monotonic() - began, dict(error.facts), error.code)
        else:
            yield Step("", name, "ok", time.monotonic() - began, detail=detail)


_Found = tuple[Mapping[str, Any], dict[str, object]]


async def _document(issuer: str, _: Mapping[str, Any], rule: EgressPolicy) -> _Found:
    address = issuer + DOCUMENT
    return await _read(address, rule), {"address": address}


async def _endpoints(issuer: str, said: Mapping[str, Any], _: EgressPolicy) -> _Found:
    lacking = [name for name in ENDPOINTS if not isinstance(said.get(name), str) or not urlsplit(said[name]).netloc]
    if lacking:
        raise NeedsAttention("sign-on-no-endpoint", endpoints=", ".join(lacking))
    if str(said.get("issuer", "")).rstrip("/") != issuer:
        raise NeedsAttention("sign-on-other-issuer", issuer=issuer, said=str(said.get("issuer", ""))[:300])
    return said, {"address": said["authorization_endpoint"]}


async def _keys(_: str, said: Mapping[str, Any], rule: EgressPolicy) -> _Found:
    address = str(said.get("jwks_uri", ""))
    keys = (await _read(address, rule)).get("keys")
    known = [one for one in keys if isinstance(one, dict) and one.get("kty")] if isinstance(keys, list) else []
    if not known:
        raise NeedsAttention("sign-on-no-keys", address=address)
    since = sorted(filter(None, map(_valid_since, known)))
    return said, {"keys": len(known)} | ({"oldest": since[0]} if since else {})


async def _again(_: str, said: Mapping[str, Any], __: EgressPolicy) -> _Found:
    claims = said.get("claims_supported")
    if isinstance(claims, list) and "auth_time" not in claims:
        raise NeedsAttention("sign-on-no-auth-time")
    return said, {}


async def _read(address: str, rule: EgressPolicy) -> Mapping[str, Any]:
    """The JSON object there."""
    place = urlsplit(address)
    answer = await http.fetch(
        address, egress=rule, tls=Trust(django_settings.POSTSTELLE.ca_file), limit=_LARGEST, seconds=_SECONDS,
        unencrypted=place.hostname in {"127.0.0.1", "localhost", "::1"},
    )  # fmt: skip
    try:
        read = http.json_of(answer.body) if answer.status == 200 else None
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise NeedsAttention("sign-on-no-document", address=address, status=answer.status)
    return read


def _valid_since(key: Mapping[str, Any]) -> str:
    """The day a key's certificate (RFC 7517, 4.7) is valid from, ISO; "" where it comes without one."""
    chain = key.get("x5c")
    first = chain[0] if isinstance(chain, list) and chain and isinstance(chain[0], str) else ""
    try:
        return str(certificate.facts(b64decode(first)).get("not_before", ""))[:10]
    except ValueError:
        return ""
