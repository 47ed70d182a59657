"""What answers of discovery say: the autoconfig file of mail programs (draft-ietf-mailmaint-autoconfig), Exchange's Autodiscover.

Law: pure; XML without document type, entities or anything fetched (RELIABILITY Q54), bounded in depth; what makes no sense is
left out. This module does not know where an answer came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from poststelle.mail.settings import Encryption, Endpoint

_DEEPEST, _MOST = 30, 20_000
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63})*\.?", re.ASCII)
_ENCRYPTIONS = {"SSL": Encryption.TLS, "STARTTLS": Encryption.STARTTLS}


@dataclass(slots=True)
class Element:
    """One XML element; `name` without its namespace, in lower case."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Every element of this name below, in their order."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.all(name)

    def first(self, name: str) -> str:
        """The text of the first child of this name; "" if there is none."""
        return next((child.text.strip() for child in self.children if child.name == name), "")


@dataclass(frozen=True, slots=True)
class Servers:
    """What a file says. `username`, `outgoing_username`: ``address``, ``local`` or another text; `oauth_only`: no password is taken."""

    name: str = ""
    incoming: Endpoint | None = None
    outgoing: Endpoint | None = None
    username: str = "address"
    outgoing_username: str = "address"
    oauth_only: bool = False


def xml(body: bytes) -> Element:
    """The root of an XML text. Raises ValueError, for document types and entities as for anything broken."""
    parser = expat.ParserCreate(namespace_separator=" ")
    root = Element("")
    stack, count = [root], 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > _DEEPEST or count > _MOST:
            raise ValueError("too deep or too much")
        stack[-1].children.append(made := Element(name.rpartition(" ")[2].lower(), attributes))
        stack.append(made)

    def text(said: str) -> None:
        stack[-1].text += said

    def refuse(*_: object) -> None:
        raise ValueError("document type")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, UnicodeError, LookupError) as error:
        raise ValueError("no XML") from error
    return root


def servers_of(body: bytes, address: str) -> Servers | None:
    """The best servers of an autoconfig file for this address: IMAP before POP3, encrypted only. None if it has no use.

    Raises ValueError.
    """
    provider = next(xml(body).all("emailprovider"), None)
    if provider is None:
        return None
    ways = [way for name in ("incomingserver", "outgoingserver") for way in provider.all(name)]
    incoming = [found for way in ways if (found := _way(way, address, ("imap", "pop3")))]
    outgoing = [found for way in ways if (found := _way(way, address, ("smtp",)))]
    incoming.sort(key=lambda found: (found[0].protocol != "imap", found[0].encryption is not Encryption.TLS))
    outgoing.sort(key=lambda found: found[0].encryption is not Encryption.TLS)
    if not incoming and not outgoing:
        return None
    receives, sends = next(iter(incoming), None), next(iter(outgoing), None)
    return Servers(
        provider.first("displayname")[:120],
        receives[0] if receives else None,
        sends[0] if sends else None,
        (receives or sends or (None, "address", False))[1],
        (sends or receives or (None, "address", False))[1],
        bool(incoming) and all(oauth for *_, oauth in incoming),
    )


def _way(way: Element, address: str, protocols: tuple[str, ...]) -> tuple[Endpoint, str, bool] | None:
    protocol, port = way.attributes.get("type", "").lower(), way.first("port")
    host = _filled(way.first("hostname"), address).lower()
    encryption = _ENCRYPTIONS.get(way.first("sockettype").upper())
    good_port = port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536
    if protocol not in protocols or encryption is None or not good_port or not _HOST.fullmatch(host):
        return None
    ways_in = [child.text.strip().lower() for child in way.children if child.name == "authentication"]
    form = way.first("username")
    username = {"": "address", "%EMAILADDRESS%": "address", "%EMAILLOCALPART%": "local"}.get(form, form)
    oauth = bool(ways_in) and set(ways_in) == {"oauth2"}
    return Endpoint(protocol, host, int(port), encryption), username, oauth


def _filled(text: str, address: str) -> str:
    local, _, domain = address.rpartition("@")
    for mark, value in (("%EMAILADDRESS%", address), ("%EMAILLOCALPART%", local), ("%EMAILDOMAIN%", domain)):
        text = text.replace(mark, value)
    return text


def filled_username(form: str, address: str) -> str:
    """The user name a file's form comes to; anything that is no word of one line becomes the address."""
    if form in {"address", "local"}:
        return address if form == "address" else address.rpartition("@")[0]
    filled = _filled(form, address)
    return filled if filled.isprintable() and 0 < len(filled) <= 254 and "%" not in filled else address


REQUEST = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
    "<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>"
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
    "</AcceptableResponseSchema></Request></Autodiscover>"
)
"""What Exchange is asked (POX); the address is escaped by whoever fills it in."""


def exchange_of(body: bytes) -> tuple[str, Servers | None]:
    """The EWS address an Autodiscover answer (POX) names ("" if none), and the mail servers it names. Raises ValueError."""
    root = xml(body)
    ews, incoming, outgoing = "", None, None
    for protocol in root.all("protocol"):
        kind = protocol.first("type").upper()
        ews = ews or protocol.first("ewsurl")
        if kind in {"IMAP", "POP3", "SMTP"}:
            found = _exchange_way(protocol, kind.lower())
            if kind == "SMTP":
                outgoing = outgoing or found
            elif found is not None and (incoming is None or incoming.protocol == "pop3"):
                incoming = found
    servers = Servers("", incoming, outgoing) if incoming or outgoing else None
    return ews[:500], servers


def _exchange_way(protocol: Element, kind: str) -> Endpoint | None:
    host, port = protocol.first("server").lower(), protocol.first("port")
    said = (protocol.first("encryption") or ("SSL" if protocol.first("ssl").lower() != "off" else "")).upper()
    encryption = {"SSL": Encryption.TLS, "TLS": Encryption.STARTTLS, "AUTO": Encryption.TLS}.get(said)
    if encryption is None or not _HOST.fullmatch(host) or not (port.isascii() and port.isdigit() and len(port) < 6):
        return None
    if port in {"143", "110", "587"}:
        encryption = Encryption.STARTTLS
    return Endpoint(kind, host, int(port), encryption) if 0 < int(port) < 65536 else None
