"""What is known or found out about where a mailbox lives: providers, and findings of a discovery.

Law: values only; a finding is a proposal and carries no secret. `document` is part of an account document
(`mail.account_document`), to be merged into what a person has typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from poststelle.mail.settings import Encryption, Endpoint


@dataclass(frozen=True, slots=True)
class Places:
    """Where is asked. ``{domain}`` and ``{address}`` are filled in (the address quoted); what is empty is not asked.

    `autoconfig`: addresses, of which those with ``http:`` are the unencrypted form; `guesses`: protocol, host, port, encryption.
    `nameservers`, `dns_port`: as the system has them where empty.
    """

    autoconfig: tuple[str, ...] = (
        "https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={address}",
        "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
        "http://autoconfig.{domain}/mail/config-v1.1.xml",
    )
    database: str = "https://autoconfig.thunderbird.net/v1.1/{domain}"
    exchange_json: str = (
        "https://autodiscover.{domain}/autodiscover/autodiscover.json?Email={address}&Protocol=EWS&RedirectCount=1"
    )
    exchange: Sequence[str] = (
        "https://{domain}/autodiscover/autodiscover.xml",
        "https://autodiscover.{domain}/autodiscover/autodiscover.xml",
    )
    exchange_redirect: str = "http://autodiscover.{domain}/autodiscover/autodiscover.xml"
    guesses: Sequence[tuple[str, str, int, Encryption]] = tuple(
        (protocol, f"{prefix}{{domain}}", port, encryption)
        for protocol, prefixes, ports in (
            ("imap", ("imap.", "mail.", ""), ((993, Encryption.TLS), (143, Encryption.STARTTLS))),
            ("pop3", ("pop.", "pop3."), ((995, Encryption.TLS),)),
            ("smtp", ("smtp.", "mail.", ""), ((465, Encryption.TLS), (587, Encryption.STARTTLS))),
        )
        for prefix in prefixes
        for port, encryption in ports
    )
    nameservers: Sequence[str] = ()
    dns_port: int = 53


@dataclass(frozen=True, slots=True)
class Provider:
    """A known mail provider. Of each way the first endpoint is proposed; without any it cannot be reached that way.

    `mx`: what the names of its mail exchangers end in. `username`, `smtp_username`: ``address`` or ``local`` (the part before
    the @). `auth`: ``password``, ``app-password``, ``oauth``. `hints`: codes. `saves_sent`: it files sent mail by itself.
    `daily_megabytes`: what IMAP may fetch a day, 0 where nothing is known; `daily_megabytes_pop3` likewise.
    """

    id: str
    name: str
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    imap: tuple[Endpoint, ...] = ()
    pop3: tuple[Endpoint, ...] = ()
    smtp: tuple[Endpoint, ...] = ()
    username: str = "address"
    smtp_username: str = ""
    auth: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    saves_sent: bool = False
    daily_megabytes: int = 0
    daily_megabytes_pop3: int = 0
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Settings found for an address. Which came first is the better one.

    `source`: ``preset``, ``mx``, ``autoconfig``, ``database``, ``srv``, ``autodiscover`` or ``guess``; `document`: what to fill in
    (empty: nothing this release can use, see `hints`); `hosts`: the servers it names; `confidence`: 0 to 100; `confirm`: a person
    must look at `hosts` before any password goes there, because they lie outside the mail domain, came by a redirect or by an
    unencrypted answer; `url`: where it was found.
    """

    source: str
    name: str = ""
    document: Mapping[str, object] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    confidence: int = 0
    confirm: bool = True
    hints: tuple[str, ...] = ()
    provider: str = ""
    saves_sent: bool = False
    url: str = ""


def username_of(form: str, address: str) -> str:
    """The user name a server wants to hear: `form` is ``address`` or ``local``."""
    return address.rpartition("@")[0] if form == "local" else address


def document_of(
    address: str,
    incoming: Endpoint | None,
    outgoing: Endpoint | None,
    username: str = "address",
    outgoing_username: str = "",
) -> dict[str, object]:
    """The part of an account document that says so."""
    document: dict[str, object] = {}
    own = outgoing_username and outgoing_username != username
    if incoming is not None:
        document["kind"] = "fetch-only" if incoming.protocol == "pop3" else "synchronised"
        document["incoming"] = _server(incoming)
    if outgoing is not None:
        document["outgoing"] = _server(outgoing) | (
            {"authentication": "own", "login": {"username": username_of(outgoing_username, address)}} if own else {}
        )
    if document:
        document["login"] = {"username": username_of(username, address)}
    return document


def _server(one: Endpoint) -> dict[str, object]:
    return {"protocol": one.protocol, "host": one.host, "port": one.port, "encryption": one.encryption.value}


def endpoints(protocol: str, text: str) -> tuple[Endpoint, ...]:
    """The servers of ``"mail.example.test 465 587s"``: a plain port speaks TLS, one ending in s STARTTLS. Raises ValueError."""
    host, *ports = text.split()
    return tuple(
        Endpoint(protocol, host, int(port.rstrip("s")), Encryption.STARTTLS if port.endswith("s") else Encryption.TLS)
        for port in ports
    )
