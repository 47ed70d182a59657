"""What the receiving server found out about a message's sender: the Authentication-Results header (RFC 8601).

Law: only what a trusted server wrote counts, and of its words only the topmost: anybody can send along a header of that name. Any
text gives results, in linear time. This module does not know which servers an account trusts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from poststelle.mail.headers import Headers, unfold

RESULTS = frozenset(
    {"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy", "hardfail", "bestguesspass"}
)
_METHODS = ("spf", "dkim", "dmarc")
_MOST_FIELDS, _LONGEST, _MOST_METHODS = 50, 20_000, 100
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[;=]|[^\s;="]++')
_PARENTHESES = re.compile(r"[()]")


_SERVICES = frozenset(
    {
        "imap",
        "imaps",
        "mail",
        "mx",
        "pop",
        "pop3",
        "secure",
        "outlook",
        "exchange",
        "webmail",
        "smtp",
        "imap4",
        "mailserver",
        "in",
    }
)
_PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "gmail.com": ("google.com",),
    "googlemail.com": ("google.com",),
    "office365.com": ("outlook.com", "office365.com", ""),
    "outlook.com": ("outlook.com", "hotmail.com", ""),
    "gmx.net": ("gmx.net", "gmx.de", "web.de"),
    "web.de": ("web.de", "gmx.net"),
    "ionos.de": ("kundenserver.de", "ionos.de"),
    "1und1.de": ("kundenserver.de", "1und1.de"),
    "strato.de": ("rzone.de", "strato.de"),
    "me.com": ("icloud.com", "apple.com", "me.com"),
}
"""Providers whose receiving servers go by another name than those one fetches from."""


@dataclass(frozen=True, slots=True)
class Method:
    """One check: `name` (spf, dkim, …), its result, and what it looked at, such as ``header.d``."""

    name: str
    result: str
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trusted server says: `server`, and for each of spf, dkim, dmarc a result word ("" where it does not say).

    `domain` is the one that signed (DKIM) or was checked; `passed`: the sender's domain is confirmed.
    """

    server: str
    spf: str
    dkim: str
    dmarc: str
    domain: str

    @property
    def passed(self) -> bool:
        """The domain in From is proved: DMARC says so."""
        return self.dmarc in {"pass", "bestguesspass"}

    @property
    def failed(self) -> bool:
        """The domain in From did not send this."""
        return self.dmarc == "fail" or (not self.dmarc and self.spf in {"fail", "hardfail"} and self.dkim != "pass")


def own_servers(host: str) -> frozenset[str]:
    """The domains of the servers that receive for an account which fetches from `host`: the provider's own, or that of the host."""
    host = host.lower().rstrip(".")
    for domain, servers in _PROVIDERS.items():
        if host == domain or host.endswith(f".{domain}"):
            return frozenset(servers)
    first, _, rest = host.partition(".")
    return frozenset({host, *([rest] if first in _SERVICES and "." in rest else [])} - {""})


def verdict(fields: Headers, trusted: Collection[str]) -> Verdict | None:
    """What the topmost header of a trusted server says; None where there is none.

    `trusted` are domains; a server below one of them is trusted. An empty one trusts a header without a server's name, which
    Microsoft's servers write.
    """
    domains = {domain.lower().rstrip(".") for domain in trusted}
    found = [value for name, value in fields if name.lower() == "authentication-results"]
    for value in found[:_MOST_FIELDS]:
        server, methods = parse(unfold(value[:_LONGEST]))
        if _is_trusted(server, domains):
            return _verdict(server, methods)
    return None


def parse(text: str) -> tuple[str, list[Method]]:
    """The server that wrote a header value ("" where none is named) and what it checked."""
    pieces: list[list[str]] = [[]]
    for match in _TOKEN.finditer(_without_comments(text)):
        if match[0] == ";":
            pieces.append([])
        else:
            pieces[-1].append(match[0].strip('"'))
    server = ""
    if pieces[0] and "=" not in pieces[0]:
        server = pieces.pop(0)[0].lower().rstrip(".")
    methods = (_method(piece) for piece in pieces[:_MOST_METHODS])
    return server, [method for method in methods if method is not None]


def _method(tokens: list[str]) -> Method | None:
    pairs = [(tokens[at - 1].lower(), tokens[at + 1]) for at in range(1, len(tokens) - 1) if tokens[at] == "="]
    if not pairs:
        return None
    (name, result), *properties = pairs
    return Method(name.partition("/")[0].strip(), result.lower(), dict(properties))


def _verdict(server: str, methods: list[Method]) -> Verdict:
    results = dict.fromkeys(_METHODS, "")
    domain = ""
    for method in methods:
        if method.name not in results or method.result not in RESULTS:
            continue
        # Of several signatures one that holds is enough.
        if not results[method.name] or (method.name == "dkim" and method.result == "pass"):
            results[method.name] = method.result
        if method.name == "dkim" and method.result == "pass" and not domain:
            domain = method.properties.get("header.d") or method.properties.get("header.i", "").rpartition("@")[2]
        if method.name == "dmarc" and method.result == "pass":
            domain = method.properties.get("header.from", domain)
    return Verdict(server, results["spf"], results["dkim"], results["dmarc"], domain.lower()[:253])


def _is_trusted(server: str, domains: Collection[str]) -> bool:
    if not server:
        return "" in domains
    return any(domain and (server == domain or server.endswith(f".{domain}")) for domain in domains)


def _without_comments(text: str) -> str:
    """The text without what stands in parentheses, nested ones too."""
    kept, depth, reached = [], 0, 0
    for match in _PARENTHESES.finditer(text):
        if match[0] == "(":
            if not depth:
                kept.append(text[reached : match.start()])
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                reached = match.end()
    if not depth:
        kept.append(text[reached:])
    return " ".join(kept)
