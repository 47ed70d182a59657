"""Settings as JSON columns hold them, and back. What a column does not name has its usual value."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from poststelle.mail.records import ExceptionRecord
from poststelle.mail.settings import (
    AfterImport,
    Certificate,
    CertificateMode,
    Encryption,
    Endpoint,
    Receiving,
    Sending,
    SentCopy,
    Signature,
)


def column(value: Any) -> dict[str, Any]:
    """A value of `mail.settings` as JSON can hold it."""
    return {name: one.value if isinstance(one, enum.Enum) else one for name, one in asdict(value).items()}


def tls_column(endpoint: Endpoint | None) -> dict[str, Any]:
    """What an endpoint says of encryption beyond the usual; empty where it says nothing."""
    if endpoint is None:
        return {}
    made: dict[str, Any] = {}
    if endpoint.certificate != Certificate():
        made["certificate"] = column(endpoint.certificate)
    if endpoint.minimum_tls != "1.2":
        made["minimum_tls"] = endpoint.minimum_tls
    if endpoint.plain_text_allowed:
        made["plain_text_allowed"] = True
    return made


def answered_for(
    tls: dict[str, Any], endpoint: Endpoint | None, earlier: Mapping[str, Any], actor: str, *, kept: bool
) -> dict[str, Any]:
    """The column with who made its exceptions from safe connections, when and why; `kept`: those `earlier` told of."""
    if endpoint is None or not endpoint.exceptions:
        return tls
    before = earlier if kept else {}
    now = timezone.now().isoformat()
    told = {"by": before.get("by", actor), "at": before.get("at", now), "reason": endpoint.exception_reason}
    return tls | {name: value for name, value in told.items() if value}


def exceptions_of(way: str, endpoint: Endpoint | None, tls: Mapping[str, Any]) -> list[ExceptionRecord]:
    """The exceptions of a server, with who made them, when and why."""
    words = endpoint.exceptions if endpoint is not None else ()
    by, at, reason = (str(tls.get(name, "")) for name in ("by", "at", "reason"))
    return [ExceptionRecord(way, word, by, at, reason) for word in words]


def endpoint_of(protocol: str, host: str, port: int | None, encryption: str, tls: Mapping[str, Any]) -> Endpoint | None:
    """The endpoint of its columns; None where there is no protocol."""
    if not protocol or port is None:
        return None
    told = tls.get("certificate")
    certificate = Certificate(**{**told, "mode": CertificateMode(told["mode"])}) if told else Certificate()
    return Endpoint(
        protocol, host, port, Encryption(encryption), certificate, tls.get("minimum_tls", "1.2"),
        bool(tls.get("plain_text_allowed")), tls.get("reason", ""),
    )  # fmt: skip


def receiving_of(told: Mapping[str, Any]) -> Receiving:
    """What `column` made of it."""
    after = {"after_import": AfterImport(told["after_import"])} if "after_import" in told else {}
    return Receiving(**{**told, **after})


def sending_of(told: Mapping[str, Any]) -> Sending:
    """What `column` made of it."""
    copy = {"sent_copy": SentCopy(told["sent_copy"])} if "sent_copy" in told else {}
    return Sending(**{**told, **copy})


def signature_of(told: Mapping[str, Any]) -> Signature:
    """What `column` made of it."""
    return Signature(**told)
