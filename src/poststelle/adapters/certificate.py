"""Server certificates as values: what they say, their fingerprints, and whether they carry a name (RFC 9525).

Law: pure, and no certificate is too broken to be looked at: what cannot be read matches nothing.
This module does not know connections or settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType, x509.DuplicateExtension)
"""What the library raises for certificates that break the rules of their format."""


def fingerprint(der: bytes) -> str:
    """SHA-256 of the certificate, lower-case hex without colons."""
    return hashlib.sha256(der).hexdigest()


def key_fingerprint(der: bytes) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo), likewise; "" if it cannot be read."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    except (*UNREADABLE, UnsupportedAlgorithm):
        return ""


def facts(der: bytes) -> dict[str, object]:
    """What an administrator wants to know of a certificate, as far as it can be read.

    `subject`, `names`, `issuer`, `not_before`, `not_after` (ISO, UTC), and the fingerprints to pin: `fingerprint`, `key`.
    """
    if not der:
        return {}
    found: dict[str, object] = {"fingerprint": fingerprint(der), "key": key_fingerprint(der)}
    with contextlib.suppress(*UNREADABLE):
        shown = x509.load_der_x509_certificate(der)
        found["not_before"] = shown.not_valid_before_utc.isoformat()
        found["not_after"] = shown.not_valid_after_utc.isoformat()
        found["subject"] = _shown(shown.subject.rfc4514_string())
        found["issuer"] = _shown(shown.issuer.rfc4514_string())
        dns, addresses = _alternative_names(shown)
        found["names"] = [_shown(name)[:253] for name in (*dns, *map(str, addresses))][:20]
    return found


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)[:300]


def ends_at(der: bytes) -> datetime | None:
    """When it expires (aware); None if that cannot be read."""
    try:
        return x509.load_der_x509_certificate(der).not_valid_after_utc
    except UNREADABLE:
        return None


def carries(der: bytes, name: str) -> bool:
    """Whether it is made out to this name (lower-case ASCII) or IP address.

    By its alternative names, a ``*`` standing for exactly one whole first label. Only where it has none at all, by a common
    name that is exactly this one (Q42).
    """
    try:
        shown = x509.load_der_x509_certificate(der)
        dns, addresses = _alternative_names(shown)
        common = [str(attribute.value) for attribute in shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except UNREADABLE:
        return False
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name) in addresses
    if dns or addresses:
        return any(_covers(pattern.lower(), name) for pattern in dns)
    return len(common) == 1 and common[0].lower() == name


def _covers(pattern: str, name: str) -> bool:
    if not pattern.startswith("*."):
        return pattern == name
    label, _, rest = name.partition(".")
    return bool(label) and "." in rest and rest == pattern[2:]


def _alternative_names(
    shown: x509.Certificate,
) -> tuple[list[str], list[ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    addresses = names.get_values_for_type(x509.IPAddress)
    return names.get_values_for_type(x509.DNSName), [
        address for address in addresses if isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address))
    ]
