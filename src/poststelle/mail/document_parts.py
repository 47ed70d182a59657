"""The parts that account documents, outgoing servers, logins and templates share: servers, certificates, log-ins, senders, grants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from poststelle.mail.document import Fields, refused
from poststelle.mail.plain import plain_of
from poststelle.mail.secret import Secret
from poststelle.mail.settings import (
    DEFAULT_PORTS,
    Certificate,
    CertificateMode,
    Encryption,
    Endpoint,
    GrantWish,
    IdentityWish,
    Login,
    Mechanism,
    Right,
    Signature,
)

_HOST = re.compile(r"(?=.{1,253}$)(?!-)[\w-]{1,63}(?:\.(?!-)[\w-]{1,63})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*-----BEGIN [A-Z ]*PRIVATE KEY-----|"
                  r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*-----BEGIN CERTIFICATE-----", re.DOTALL)  # fmt: skip
_UNSENDABLE = re.compile(r"[\r\n\x00\ud800-\udfff]")
_TLS_VERSIONS = {"1.0", "1.1", "1.2", "1.3"}
SERVER = (
    "host", "port", "protocol", "encryption", "certificate", "minimum_tls", "plain_text_allowed", "exception_reason",
)  # fmt: skip
"""The fields of a server."""
_LONGEST_REASON = 500


class Parts:
    """Reads the shared parts of a document; what is wrong goes into `fields`."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def endpoint(
        self, where: str, value: object, protocols: tuple[str, ...], more: frozenset[str] = frozenset()
    ) -> Endpoint | None:
        """A server; its usual protocol is the first one. The reason of exceptions it does not have is dropped."""
        fields, prefix = self.fields, f"{where}." if where else ""
        document = fields.section(where, value)
        if document is None:
            return None
        fields.known(prefix, document, {*SERVER, *more})
        protocol = document.get("protocol", protocols[0])
        if protocol is None:
            protocol = protocols[0]
        if protocol not in protocols:
            fields.wrong[f"{prefix}protocol"] = refused(protocol, f"{prefix}protocol")
            protocol = protocols[0]
        assert isinstance(protocol, str)
        host = fields.text(f"{prefix}host", document.get("host"), limit=253)
        if host and not _HOST.fullmatch(host):
            fields.wrong[f"{prefix}host"] = "not-a-host"
        encryption = fields.choice(f"{prefix}encryption", document.get("encryption"), Encryption, Encryption.TLS)
        port = document.get("port")
        if port is None:
            port = DEFAULT_PORTS[protocol, encryption]
        elif not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            fields.wrong[f"{prefix}port"] = "not-a-port"
            port = 0
        least = fields.text(f"{prefix}minimum_tls", document.get("minimum_tls"), required=False) or "1.2"
        if least not in _TLS_VERSIONS:
            fields.wrong[f"{prefix}minimum_tls"] = "unknown-value"
        plain = fields.boolean(f"{prefix}plain_text_allowed", document.get("plain_text_allowed"), default=False)
        certificate = self.certificate(f"{prefix}certificate", document.get("certificate"))
        one = Endpoint(protocol, host, port, encryption, certificate, least, plain)
        reason = fields.text(
            f"{prefix}exception_reason", document.get("exception_reason"), required=False, limit=_LONGEST_REASON
        )
        return replace(one, exception_reason=reason) if one.exceptions else one

    def way_out(self, value: object) -> tuple[Endpoint | None, str]:
        """The account's own server, or the label or id of one it refers to; neither where the chain decides."""
        fields, where = self.fields, "outgoing"
        document = fields.section(where, value)
        if document is None:
            return None, ""
        referred = fields.text(f"{where}.server", document.get("server"), required=False, limit=120)
        told = [name for name in SERVER if document.get(name) is not None]
        if referred:
            fields.known(f"{where}.", document, {"server", "authentication", "login", *SERVER})
            for name in told:
                fields.wrong[f"{where}.{name}"] = "contradiction"
            return None, referred
        if not told and document.get("authentication") == "server":
            return None, ""
        return self.endpoint(where, value, ("smtp",), frozenset({"server", "authentication", "login"})), ""

    def certificate(self, where: str, value: object) -> Certificate:
        """How the server's certificate is checked; strict where nothing is said."""
        fields = self.fields
        document = fields.section(where, value) or {}
        fields.known(f"{where}.", document, {"mode", "fingerprint", "key", "name", "until"})
        mode = fields.choice(f"{where}.mode", document.get("mode"), CertificateMode, CertificateMode.STRICT)
        belongs = {
            CertificateMode.STRICT: set(), CertificateMode.PINNED: {"fingerprint", "key"},
            CertificateMode.OTHER_NAME: {"name"}, CertificateMode.UNCHECKED: {"until"},
        }  # fmt: skip
        for name in ("fingerprint", "key", "name", "until"):
            if document.get(name) and name not in belongs[mode] and f"{where}.mode" not in fields.wrong:
                fields.wrong[f"{where}.{name}"] = "contradiction"
        pinned, other = mode is CertificateMode.PINNED, mode is CertificateMode.OTHER_NAME
        name = fields.text(f"{where}.name", document.get("name"), required=other, limit=253)
        if name and not _HOST.fullmatch(name):
            fields.wrong[f"{where}.name"] = "not-a-host"
        return Certificate(
            mode,
            self._digest(f"{where}.fingerprint", document.get("fingerprint"), required=pinned),
            self._digest(f"{where}.key", document.get("key"), required=False),
            name,
            fields.date(f"{where}.until", document.get("until")),
        )

    def _digest(self, where: str, value: object, *, required: bool) -> str:
        text = self.fields.text(where, value, required=required).replace(":", "").lower()
        if text and not _FINGERPRINT.fullmatch(text):
            self.fields.wrong[where] = "not-a-fingerprint"
        return text

    def login(self, where: str, value: object) -> tuple[Login | None, str]:
        """User name and secret, or the label or id of a login that is an object of its own."""
        fields = self.fields
        document = fields.section(where, value)
        if document is None:
            return None, ""
        referred = fields.text(f"{where}.login", document.get("login"), required=False, limit=120)
        if referred:
            fields.known(f"{where}.", document, {"login", "password"})
            secret = self.password(f"{where}.password", document.get("password"))
            return (Login("", secret) if secret else None), referred
        fields.known(
            f"{where}.", document,
            {"login", "username", "password", "mechanism", "domain", "client_certificate", "by_owner"},
        )  # fmt: skip
        username = fields.text(f"{where}.username", document.get("username"))
        mechanism = fields.choice(
            f"{where}.mechanism", document.get("mechanism"), Mechanism, Mechanism.AUTO, "mechanism"
        )
        domain = fields.text(f"{where}.domain", document.get("domain"), required=False)
        password = self.password(f"{where}.password", document.get("password"))
        certificate = self._client_certificate(f"{where}.client_certificate", document.get("client_certificate"))
        by_owner = fields.boolean(f"{where}.by_owner", document.get("by_owner"), default=False)
        if by_owner and (password or certificate):
            fields.wrong[f"{where}.by_owner"] = "contradiction"
        return Login(username, password, mechanism, domain, certificate, by_owner), ""

    def password(self, where: str, value: object) -> Secret | None:
        """A secret; None where none is given."""
        wrong = self.fields.wrong
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            wrong[where] = "missing" if value == "" else "not-text"
        elif _UNSENDABLE.search(value):
            wrong[where] = "control-character"
        elif len(value) > 10_000:
            wrong[where] = "too-long"
        else:
            return Secret(value)
        return None

    def _client_certificate(self, where: str, value: object) -> Secret | None:
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > 100_000 or not _PEM.search(value):
            self.fields.wrong[where] = "not-a-certificate"
            return None
        return Secret(value)

    def signature(self, where: str, value: object) -> Signature:
        """A signature or a text template, never both. HTML alone brings its own text form along."""
        fields = self.fields
        document = fields.section(where, value) or {}
        fields.known(f"{where}.", document, {"text", "html", "template", "not_on_replies"})
        text = fields.block(f"{where}.text", document.get("text"))
        html = fields.block(f"{where}.html", document.get("html"))
        template = fields.block(f"{where}.template", document.get("template"))
        if template and (text or html):
            fields.wrong[f"{where}.template"] = "contradiction"
        if html and not text:
            text = plain_of(html)
            if not text:
                fields.wrong[f"{where}.text"] = "missing"
        later = fields.boolean(f"{where}.not_on_replies", document.get("not_on_replies"), default=False)
        return Signature(text, html, template, later)

    def identities(self, value: object) -> tuple[IdentityWish, ...]:
        """The alternative senders."""
        fields, wishes, seen = self.fields, [], set()
        for where, document in fields.items("identities", value, 100):
            fields.known(f"{where}.", document, {"address", "display_name", "organisation", "reply_to", "signature"})
            address = fields.address(f"{where}.address", document.get("address"))
            if address.lower() in seen:
                fields.wrong[f"{where}.address"] = "taken"
            seen.add(address.lower())
            signature = document.get("signature")
            wishes.append(
                IdentityWish(
                    address,
                    fields.text(f"{where}.display_name", document.get("display_name"), required=False),
                    fields.text(f"{where}.organisation", document.get("organisation"), required=False),
                    fields.address(f"{where}.reply_to", document.get("reply_to"), required=False),
                    self.signature(f"{where}.signature", signature) if signature is not None else None,
                )
            )
        return tuple(wishes)

    def grants(self, value: object) -> tuple[GrantWish, ...] | None:
        """Who may do what; None where nothing is said."""
        if value is None:
            return None
        return tuple(self.grant(where, document) for where, document in self.fields.items("grants", value, 2000))

    def grant(self, where: str, document: Mapping[str, object]) -> GrantWish:
        """One grant: to a user or a group."""
        fields = self.fields
        where = where and f"{where}."
        fields.known(where, document, {"user", "group", "rights", "folder", "from", "until"})
        group = fields.text(f"{where}group", document.get("group"), required=False, limit=120)
        user = fields.text(f"{where}user", document.get("user"), required=not group)
        if user and group:
            fields.wrong[f"{where}group"] = "contradiction"
        rights = document.get("rights")
        if not isinstance(rights, list) or not all(right in [*Right] for right in rights):
            fields.wrong[f"{where}rights"] = "unknown-value"
            rights = []
        folder = fields.text(f"{where}folder", document.get("folder"), required=False, limit=64)
        if folder and not {Right.SEE, Right.PROCESS}.issuperset(rights):
            fields.wrong[f"{where}rights"] = "not-for-a-folder"
        starts = fields.date(f"{where}from", document.get("from"), moment=True)
        ends = fields.date(f"{where}until", document.get("until"), moment=True)
        if starts and ends and ends[:10] < starts[:10]:
            fields.wrong[f"{where}until"] = "ends-before-it-begins"
        dated = "from" in document or "until" in document
        return GrantWish(user, frozenset(Right(right) for right in rights), group, folder, starts, ends, dated)
