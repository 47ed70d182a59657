"""How anything here reaches another machine: the egress rule, the connected socket, and what TLS we accept.

Law: `connect` is the only function that opens a way out, and it connects to exactly the address it has checked
(RELIABILITY Q50, Q51). TLS is verified as the server's settings say, strictly unless a person chose otherwise, and no failed
check falls back to a weaker one (Q40, Q43).
This module does not know any mail protocol.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import re
import socket
import ssl
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import idna

from poststelle.adapters import certificate
from poststelle.errors import CertificateRejected, HostForbidden, NeedsAttention, Trouble, TryAgain
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Certificate, CertificateMode, Encryption, Endpoint

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 10.0
MAIL_PORTS = frozenset({25, 110, 143, 443, 465, 587, 993, 995, 2525})
"""What may be reached outside the networks an administrator has allowed."""

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)
"""Where hosting companies tell a machine its secrets."""
_INTERNAL_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_INTERNAL_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _carried(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address an IPv6 address leads to: mapped, NAT64 or 6to4."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def is_internal(address: Address) -> bool:
    """Whether it is anything but a public unicast address, also when an IPv6 form wraps such an address."""
    if isinstance(address, ipaddress.IPv4Address):
        return any(address in network for network in _INTERNAL_V4)
    inner = _carried(address)
    if inner is not None:
        return is_internal(inner)
    return address not in _GLOBAL_V6 or any(address in network for network in _INTERNAL_V6)


def host_name(host: str) -> str:
    """The host as DNS and certificates spell it: lower case, IDNA for anything not ASCII, without the final dot.

    Raises NeedsAttention("host-unknown") for a name that cannot exist.
    """
    name = host.strip().rstrip(".").lower().strip("[]")
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise NeedsAttention("host-unknown", host=host) from error


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Where connections may go. `allow`: CIDRs, addresses or host names open on every port; `own`: our own services, never.

    `ports`: what is open elsewhere.
    """

    allow: tuple[str, ...] = ()
    own: frozenset[tuple[str, int]] = frozenset()
    ports: frozenset[int] = MAIL_PORTS

    @classmethod
    @functools.lru_cache(maxsize=8)
    def of(cls, text: str, own: frozenset[tuple[str, int]] = frozenset()) -> EgressPolicy:
        """From the comma-separated form of the setting ``egress_allow``. Raises ValueError for what is no CIDR or host."""
        words = tuple(word for word in re.split(r"[,\s]+", text) if word)
        for word in words:
            if "/" in word:
                ipaddress.ip_network(word, strict=False)
            else:
                try:
                    host_name(word)
                except NeedsAttention as error:
                    raise ValueError(f"{word!r} is no host name") from error
        return cls(words, own)

    def permits(self, host: str, address: Address, port: int) -> bool:
        """Whether this address, found for this host, may be connected to on this port."""
        inner = _carried(address)
        if address in _METADATA or inner in _METADATA or address.is_unspecified:
            return False
        mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
        plain: Address = mapped or address
        if plain.is_unspecified or self._is_own(plain, port):
            return False
        if self._is_allowed(host_name(host), plain):
            return True
        return port in self.ports and not is_internal(address)

    def openable(self, host: str, addresses: Sequence[Address], port: int) -> list[Address]:
        """Those of the addresses, now forbidden on this port, that allowing them would open."""
        return [one for one in addresses if replace(self, allow=(str(one),)).permits(host, one, port)]

    def _is_own(self, address: Address, port: int) -> bool:
        for host, own_port in self.own:
            if port != own_port:
                continue
            try:
                own = ipaddress.ip_address(host)
            except ValueError:
                return True
            if address == own or (address.is_loopback and (own.is_unspecified or own.is_loopback)):
                return True
        return False

    def _is_allowed(self, host: str, address: Address) -> bool:
        for word in self.allow:
            try:
                if address in ipaddress.ip_network(word, strict=False):
                    return True
            except ValueError:
                if host_name(word) == host:
                    return True
        return False


async def resolve(host: str, port: int, *, egress: EgressPolicy) -> Sequence[Address]:
    """The addresses of a host that may be connected to on this port, in the resolver's order; never empty.

    Raises TryAgain("host-unknown") and HostForbidden("host-forbidden"); facts `host`, `port`.
    """
    name = host_name(host)
    permitted = [address for address in await lookup(host, port) if egress.permits(name, address, port)]
    if not permitted:
        raise HostForbidden("host-forbidden", host=host, port=port)
    return permitted


async def lookup(host: str, port: int) -> Sequence[Address]:
    """Every address of a host, permitted or not, for looking at only. Raises TryAgain("host-unknown"); facts `host`, `port`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host_name(host), port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise TryAgain("host-unknown", host=host, port=port) from error
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


async def connect(host: str, port: int, *, egress: EgressPolicy, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """A connected, non-blocking TCP socket to the first address of the host that is permitted and answers.

    `timeout` (seconds) holds for each address. Raises HostForbidden("host-forbidden") and TryAgain with
    ``host-unknown``, ``connection-refused``, ``connect-timeout`` or ``connection-lost``; facts `host`, `port`.
    """
    failure: Trouble = TryAgain("host-unknown", host=host, port=port)
    for address in await resolve(host, port, egress=egress):
        try:
            return await _connect_address(address, port, timeout)
        except TimeoutError as error:
            failure = TryAgain("connect-timeout", host=host, port=port)
            failure.__cause__ = error
        except ConnectionRefusedError as error:
            failure = TryAgain("connection-refused", host=host, port=port)
            failure.__cause__ = error
        except OSError as error:
            failure = TryAgain("connection-lost", host=host, port=port, reason=error.strerror or "")
            failure.__cause__ = error
    raise failure


async def _connect_address(address: Address, port: int, timeout: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(made, (str(address), port))
    except BaseException:
        made.close()
        raise
    return made


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom this installation trusts: the system's authorities, and those of `ca_file` (PEM)."""

    ca_file: Path | str | None = None

    def towards(self, endpoint: Endpoint, client_certificate: Secret | None = None) -> Tls:
        """How to speak TLS with this server, as its settings say (RELIABILITY Q40-Q43).

        Raises CertificateRejected("exception-expired") and NeedsAttention("client-certificate-unusable").
        """
        accepted = endpoint.certificate
        if accepted.mode is CertificateMode.UNCHECKED and not _still_holds(accepted.until):
            raise CertificateRejected("exception-expired", host=endpoint.host, port=endpoint.port, until=accepted.until)
        vouched = accepted.mode in {CertificateMode.STRICT, CertificateMode.OTHER_NAME}
        ca_file = str(self.ca_file) if self.ca_file and vouched else None
        changed = Path(ca_file).stat().st_mtime_ns if ca_file else 0
        pem = client_certificate.reveal() if client_certificate else ""
        try:
            context = _context(accepted.mode, ca_file, changed, endpoint.minimum_tls, pem)
        except (ssl.SSLError, OSError, ValueError) as error:
            if not pem:
                raise
            raise NeedsAttention("client-certificate-unusable", host=endpoint.host, port=endpoint.port) from error
        return Tls(context, accepted)


@dataclass(frozen=True, slots=True)
class Tls:
    """What is acceptable when a handshake is made: before it (`context`), and of the certificate that was shown."""

    context: ssl.SSLContext
    accepted: Certificate

    @property
    def authentic(self) -> bool:
        """A connection made so is known to end at the right server."""
        return self.accepted.mode is not CertificateMode.UNCHECKED

    def refusal(self, der: bytes, host: str, port: int) -> CertificateRejected | None:
        """Why this certificate will not do although the handshake went well; None if it will."""
        accepted = self.accepted
        if accepted.mode is CertificateMode.OTHER_NAME:
            if not accepted.name or not certificate.carries(der, host_name(accepted.name)):
                return CertificateRejected("certificate-wrong-name", host=host, port=port, **certificate.facts(der))
        elif accepted.mode is CertificateMode.PINNED:
            same = accepted.fingerprint == certificate.fingerprint(der)
            if not same or (accepted.key and accepted.key != certificate.key_fingerprint(der)):
                return CertificateRejected(
                    "certificate-changed", host=host, port=port,
                    old_fingerprint=accepted.fingerprint, old_key=accepted.key, **certificate.facts(der),
                )  # fmt: skip
        return None


def _still_holds(until: str) -> bool:
    try:
        return datetime.now(UTC).date() <= date.fromisoformat(until[:10])
    except ValueError:
        return False


_TLS_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip


@functools.lru_cache(maxsize=64)
def _context(
    mode: CertificateMode, ca_file: str | None, _changed: int, minimum_tls: str, client_certificate: str
) -> ssl.SSLContext:
    """Made once for equal settings and shared, because each strict one holds the system's certificates in memory."""
    if mode in {CertificateMode.STRICT, CertificateMode.OTHER_NAME}:
        context = ssl.create_default_context()
        context.hostname_checks_common_name = False
        # In the other mode the name is compared with what was typed, after the handshake (`Tls.refusal`).
        context.check_hostname = mode is CertificateMode.STRICT
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _TLS_VERSIONS.get(minimum_tls, ssl.TLSVersion.TLSv1_2)
    if minimum_tls in {"1.0", "1.1"}:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if client_certificate:
        _present(context, client_certificate)
    return context


def _present(context: ssl.SSLContext, pem: str) -> None:
    """Give the context a client certificate with its key. `ssl` reads files only: this one is in memory, not on a disk."""
    descriptor = os.memfd_create("client-certificate")
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, no path
        file.write(pem.encode())
        file.flush()
        # An empty password, because `ssl` would ask the terminal for one.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")


UNVERIFIED = Trust().towards(
    Endpoint("", "", 0, Encryption.TLS, Certificate(CertificateMode.UNCHECKED, until="9999-12-31"))
)
"""For looking at a server only: nothing secret ever goes through a connection made with it."""

_VERIFY_CODES = {
    9: "certificate-not-yet-valid",
    10: "certificate-expired",
    18: "certificate-self-signed",
    19: "certificate-unknown-issuer",
    20: "certificate-unknown-issuer",
    21: "certificate-unknown-issuer",
    2: "certificate-unknown-issuer",
    62: "certificate-wrong-name",
    64: "certificate-wrong-name",
}
"""X509_V_ERR numbers of OpenSSL's x509_vfy.h."""

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG",
            "RECORD_LAYER_FAILURE")  # fmt: skip
_TOO_OLD = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW", "NO_PROTOCOLS_AVAILABLE",
            "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "NO_SHARED_CIPHER")  # fmt: skip


def tls_trouble(error: Exception, host: str, port: int) -> Trouble:
    """What a failed TLS handshake means for us. Raises nothing; the result carries facts `host`, `port` and a reason."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _VERIFY_CODES.get(error.verify_code, "certificate-rejected")
        return CertificateRejected(code, host=host, port=port, reason=str(error.verify_message)[:300])
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if reason in _NOT_TLS:
            return NeedsAttention("tls-on-plain-port", host=host, port=port)
        if reason in _TOO_OLD:
            return NeedsAttention("tls-too-old", host=host, port=port, reason=reason)
        return TryAgain("tls-failed", host=host, port=port, reason=reason)
    return TryAgain("connection-lost", host=host, port=port)
