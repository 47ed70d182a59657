"""The built-in list of known providers (`providers.toml`), and which of them an address belongs to.

Law: read once, never changed, no network. This module does not know how settings are found otherwise.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from importlib import resources

from poststelle.mail.provider import Finding, Provider, document_of, endpoints

_SERVERS = ("imap", "pop3", "smtp")
_LISTS = ("domains", "mx", "auth", "hints", "source")


@functools.cache
def providers() -> tuple[Provider, ...]:
    """Every known provider, in the order of the file."""
    text = resources.files("poststelle.adapters").joinpath("providers.toml").read_text(encoding="utf-8")
    return tuple(_provider(entry) for entry in tomllib.loads(text)["provider"])


def _provider(entry: dict[str, object]) -> Provider:
    values = dict(entry)
    for protocol in _SERVERS:
        if text := str(values.get(protocol, "")):
            values[protocol] = endpoints(protocol, text)
    for name in _LISTS:
        words = values.get(name, [])
        assert isinstance(words, list)
        values[name] = tuple(words)
    return Provider(**values)  # type: ignore[arg-type]


@functools.cache
def _by_domain() -> dict[str, Provider]:
    return {domain: one for one in providers() for domain in one.domains}


def of_domain(domain: str) -> Provider | None:
    """The provider who gives out addresses of exactly this domain (lower-case ASCII)."""
    return _by_domain().get(domain)


def of_exchangers(names: Iterable[str]) -> Provider | None:
    """The provider the mail exchangers belong to, by the longest ending that fits; names lower-case, without the final dot."""
    fits = [
        (len(pattern), one)
        for name in names
        for one in providers()
        for pattern in one.mx
        if f".{name}".endswith(pattern.removeprefix("*"))
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def of_host(host: str) -> Provider | None:
    """The provider one of whose servers this is."""
    return next((one for one in providers() for way in (one.imap, one.pop3, one.smtp) for server in way if server.host == host), None)  # fmt: skip


def finding_of(provider: Provider, address: str, source: str, *, confirm: bool) -> Finding:
    """The provider's settings for an address. `source`: ``preset`` or ``mx``."""
    incoming = next(iter(provider.imap or provider.pop3), None)
    outgoing = next(iter(provider.smtp), None)
    usable = incoming is not None and set(provider.auth) != {"oauth"}
    document = document_of(address, incoming, outgoing, provider.username, provider.smtp_username)
    return Finding(
        source, provider.name, document if usable else {},
        tuple(dict.fromkeys(server.host for server in (incoming, outgoing) if server)),
        100 if source == "preset" else 90, confirm, provider.hints, provider.id, provider.saves_sent,
    )  # fmt: skip
