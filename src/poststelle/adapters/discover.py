"""From an address to the settings of its mailbox, in the order of trust: known providers, what the domain says of itself, the
central database, DNS, Exchange, and at last guessing.

Law: no password goes anywhere, answers are encrypted but for one form of autoconfig, nobody above the registrable domain is asked
(RELIABILITY Q53), and everything found is a proposal. A source that fails is silent. This module does not know who asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

import dns.asyncresolver
import dns.exception
import dns.resolver
from publicsuffixlist import PublicSuffixList

from poststelle.adapters import presets
from poststelle.adapters.autoconfig import REQUEST, Servers, exchange_of, filled_username, servers_of
from poststelle.adapters.connection import EgressPolicy, Trust, host_name
from poststelle.adapters.http import Answer, fetch, json_of
from poststelle.adapters.opening import await_greeting, open_connection
from poststelle.errors import Trouble
from poststelle.mail.provider import Finding, Places, document_of
from poststelle.mail.settings import Encryption, Endpoint

AUTOCONFIG_BYTES, JSON_BYTES = 256 * 1024, 10 * 1024 * 1024
LOOKUP_SECONDS = 5.0
SOURCE_SECONDS = 25.0
"""How long one source may take as a whole."""

_SRV = (
    ("imap", "_imaps._tcp", Encryption.TLS), ("imap", "_imap._tcp", Encryption.STARTTLS),
    ("pop3", "_pop3s._tcp", Encryption.TLS), ("pop3", "_pop3._tcp", Encryption.STARTTLS),
    ("smtp", "_submissions._tcp", Encryption.TLS), ("smtp", "_submission._tcp", Encryption.STARTTLS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Quest:
    """One discovery: the address and with whose eyes it looks."""

    address: str
    domain: str
    egress: EgressPolicy
    tls: Trust
    places: Places
    exchangers: list[str] = field(default_factory=list)

    def url(self, form: str, domain: str = "") -> str:
        return form.format(domain=domain or self.domain, address=quote(self.address, safe="@"))

    def is_own(self, host: str) -> bool:
        """Whether the host belongs to the mail domain."""
        return registrable(host) == registrable(self.domain)

    async def ask(self, url: str, limit: int, body: bytes | None = None, *, follow: bool = True) -> Answer:
        plain = url.startswith("http:")
        return await fetch(
            url, egress=self.egress, tls=self.tls, limit=limit, body=body, unencrypted=plain, follow=follow,
            content_type="text/xml; charset=utf-8" if body else "",
        )  # fmt: skip


async def discover(
    address: str, *, egress: EgressPolicy, tls: Trust, places: Places | None = None
) -> AsyncGenerator[Finding, None]:
    """What can be found for an address, best first; ends early where a known provider settles it. Never raises `Trouble`.

    The sources are asked at the same time and told in the order of `Places`. Raises NeedsAttention("host-unknown") for a domain
    that cannot be.
    """
    local, _, domain = address.rpartition("@")
    quest = _Quest(f"{local}@{host_name(domain)}", host_name(domain), egress, tls, places or Places())
    known = presets.of_domain(quest.domain)
    if known is not None:
        yield presets.finding_of(known, quest.address, "preset", confirm=False)
        return
    quest.exchangers.extend(await _exchangers(quest))
    known = presets.of_exchangers(quest.exchangers)
    if known is not None:
        yield presets.finding_of(known, quest.address, "mx", confirm=True)
        if "oauth" in known.auth:
            return
    sources: tuple[Callable[[_Quest], Awaitable[Sequence[Finding]]], ...] = (
        _autoconfig, _database, _srv, _by_exchangers, _autodiscover,
    )  # fmt: skip
    found_any = known is not None
    tasks = [asyncio.ensure_future(_in_time(source(quest))) for source in sources]
    try:
        told: set[str] = set()
        for task in tasks:
            for finding in await task:
                if (saying := repr(finding.document)) not in told:
                    told.add(saying)
                    found_any = found_any or bool(finding.document)
                    yield finding
        if not found_any:
            for finding in await _in_time(_guess(quest)):
                yield finding
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _in_time(source: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(SOURCE_SECONDS):
            return await source
    except (Trouble, TimeoutError, ValueError):
        return ()


# -- names ---------------------------------------------------------------------------------------------------------------


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registrable(host: str) -> str:
    """The domain somebody has registered, of which this host is a part; the host itself where there is none above it."""
    return str(_suffixes().privatesuffix(host) or host)


def _resolver(places: Places) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=not places.nameservers)
    if places.nameservers:
        resolver.nameservers = list(places.nameservers)
        resolver.port = places.dns_port
    resolver.lifetime = LOOKUP_SECONDS
    resolver.use_search_by_default = False
    return resolver


async def _records(quest: _Quest, name: str, kind: str) -> list[dns.rdata.Rdata]:
    """The records of a name; none where there are none or nobody answers."""
    try:
        answer = await _resolver(quest.places).resolve(name, kind)
    except (dns.exception.DNSException, OSError):
        return []
    return list(answer)[:50]


def _target(name: object) -> str:
    return str(name).rstrip(".").lower()


async def _exchangers(quest: _Quest) -> list[str]:
    found = await _records(quest, quest.domain, "MX")
    ordered = sorted(found, key=lambda one: int(getattr(one, "preference", 0)))
    return [name for one in ordered if (name := _target(getattr(one, "exchange", "")))]


# -- sources -------------------------------------------------------------------------------------------------------------


async def _first(quest: _Quest, forms: Iterable[str], source: str, confidence: int, domain: str = "") -> list[Finding]:
    """What the first of these addresses that answers with a usable file says; all are asked at once."""
    urls = [quest.url(form, domain) for form in forms]
    for answer in await asyncio.gather(*(quest.ask(url, AUTOCONFIG_BYTES) for url in urls), return_exceptions=True):
        if isinstance(answer, Answer) and answer.status == 200:
            with contextlib.suppress(ValueError):
                servers = servers_of(answer.body, quest.address)
                if servers is not None:
                    doubtful = answer.redirected or answer.url.startswith("http:")
                    return [_said(quest, servers, source, confidence, answer.url, doubtful=doubtful)]
        elif isinstance(answer, BaseException) and not isinstance(answer, (Trouble, TimeoutError)):
            raise answer
    return []


def _said(
    quest: _Quest, servers: Servers, source: str, confidence: int, url: str = "", *, doubtful: bool = False
) -> Finding:
    document = document_of(quest.address, servers.incoming, servers.outgoing)
    if document:
        username = filled_username(servers.username, quest.address)
        document["login"] = {"username": username}
        other = filled_username(servers.outgoing_username, quest.address)
        if servers.incoming is not None and servers.outgoing is not None and other != username:
            outgoing = document["outgoing"]
            assert isinstance(outgoing, dict)
            outgoing |= {"authentication": "own", "login": {"username": other}}
    hosts = tuple(dict.fromkeys(one.host for one in (servers.incoming, servers.outgoing) if one is not None))
    known = next((provider for host in hosts if (provider := presets.of_host(host))), None)
    confirm = doubtful or not all(quest.is_own(host) for host in hosts)
    hints = (*(known.hints if known else ()), *(("oauth-only",) if servers.oauth_only else ()))
    return Finding(
        source, servers.name or (known.name if known else ""), document, hosts, confidence, confirm,
        tuple(dict.fromkeys(hints)), known.id if known else "", bool(known and known.saves_sent), url.partition("?")[0],
    )  # fmt: skip


async def _autoconfig(quest: _Quest) -> Sequence[Finding]:
    return await _first(quest, quest.places.autoconfig, "autoconfig", 80)


async def _database(quest: _Quest) -> Sequence[Finding]:
    if not quest.places.database:
        return ()
    return await _first(quest, (quest.places.database,), "database", 70)


async def _srv(quest: _Quest) -> Sequence[Finding]:
    """RFC 6186 and 8314. What DNS says is not signed: a host outside the domain is to be confirmed."""
    answers = await asyncio.gather(*(_records(quest, f"{name}.{quest.domain}", "SRV") for _, name, _ in _SRV))
    best: dict[str, Endpoint] = {}
    for (protocol, _, encryption), records in zip(_SRV, answers, strict=True):
        for one in sorted(records, key=lambda one: int(getattr(one, "priority", 0))):
            host, port = _target(getattr(one, "target", "")), int(getattr(one, "port", 0))
            if host and 0 < port < 65536 and protocol not in best:
                tls = Encryption.TLS if (protocol, port) == ("smtp", 465) else encryption
                best[protocol] = Endpoint(protocol, host, port, tls)
    incoming = best.get("imap") or best.get("pop3")
    if incoming is None and "smtp" not in best:
        return ()
    return [_said(quest, Servers("", incoming, best.get("smtp")), "srv", 60)]


async def _by_exchangers(quest: _Quest) -> Sequence[Finding]:
    """The domain's mail goes to somebody who may publish settings: asked at the exchanger's own domain, never above it."""
    if not quest.exchangers:
        return ()
    name = quest.exchangers[0]
    base = registrable(name)
    above = name.partition(".")[2]
    for domain in dict.fromkeys(one for one in (above, base) if one and (one == base or one.endswith(f".{base}"))):
        if domain == quest.domain or _suffixes().is_public(domain):
            continue
        forms = (quest.places.autoconfig[0], quest.places.database) if quest.places.database else quest.places.autoconfig[:1]  # fmt: skip
        found = await _first(quest, forms, "mx", 50, domain)
        if found:
            return [replace(one, confirm=True) for one in found]
    return ()


async def _autodiscover(quest: _Quest) -> Sequence[Finding]:
    """Whether an Exchange answers for the domain: without a log-in it mostly says only that it is there."""
    if not quest.places.exchange_json:
        return ()
    for found in (await _exchange_json(quest), *[await _exchange_xml(quest, form) for form in quest.places.exchange]):
        if found is not None:
            return [found]
    with contextlib.suppress(Trouble):
        answer = await quest.ask(quest.url(quest.places.exchange_redirect), AUTOCONFIG_BYTES, follow=False)
        host = urlsplit(answer.location).hostname or ""
        if answer.location.startswith("https:") and host:
            return [
                Finding("autodiscover", "Exchange", {}, (host,), 30, True, ("exchange",), url=answer.location[:300])
            ]
    return ()


async def _exchange_json(quest: _Quest) -> Finding | None:
    try:
        answer = await quest.ask(quest.url(quest.places.exchange_json), JSON_BYTES)
        told = json_of(answer.body) if answer.status == 200 else None
    except (Trouble, ValueError):
        return None
    url = told.get("Url") if isinstance(told, Mapping) else None
    if not isinstance(url, str) or not url.startswith("https://"):
        return None
    host = urlsplit(url).hostname or ""
    if host == "outlook.office365.com":
        known = next(one for one in presets.providers() if one.id == "microsoft365")
        return presets.finding_of(known, quest.address, "autodiscover", confirm=True)
    return Finding("autodiscover", "Exchange", {}, (host,), 40, True, ("exchange",), url=url[:300])


async def _exchange_xml(quest: _Quest, form: str) -> Finding | None:
    url = quest.url(form)
    try:
        answer = await quest.ask(url, AUTOCONFIG_BYTES, REQUEST.format(address=escape(quest.address)).encode())
        if answer.status == 401:
            return Finding("autodiscover", "Exchange", {}, (urlsplit(answer.url).hostname or "",), 30, True, ("exchange",), url=url)  # fmt: skip
        ews, servers = exchange_of(answer.body) if answer.status == 200 else ("", None)
    except (Trouble, ValueError):
        return None
    if servers is not None:
        return _said(quest, servers, "autodiscover", 45, url, doubtful=answer.redirected)
    host = urlsplit(ews).hostname or ""
    return Finding("autodiscover", "Exchange", {}, (host,), 40, True, ("exchange",), url=ews) if host else None


async def _guess(quest: _Quest) -> Sequence[Finding]:
    """The usual names, as far as a server of that protocol with a good certificate answers there."""
    tried = [
        Endpoint(protocol, host.format(domain=quest.domain), port, encryption)
        for protocol, host, port, encryption in quest.places.guesses
    ]
    answers = await asyncio.gather(*(_answers(quest, one) for one in tried))
    there = [one for one, answered in zip(tried, answers, strict=True) if answered]
    best = {
        protocol: next((one for one in there if one.protocol == protocol), None)
        for protocol in ("imap", "pop3", "smtp")
    }
    incoming = best["imap"] or best["pop3"]
    if incoming is None and best["smtp"] is None:
        return ()
    return [_said(quest, Servers("", incoming, best["smtp"]), "guess", 20)]


async def _answers(quest: _Quest, endpoint: Endpoint) -> bool:
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            wanted = quest.tls.towards(endpoint)
            connection = await open_connection(endpoint, egress=quest.egress, tls=wanted, timeout=LOOKUP_SECONDS)
            try:
                await await_greeting(connection, endpoint.protocol, LOOKUP_SECONDS)
            finally:
                await connection.close()
    except (Trouble, TimeoutError):
        return False
    return True
