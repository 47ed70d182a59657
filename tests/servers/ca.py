"""A throw-away certificate authority: the certificates a mail client must accept, and those it must refuse.

Every certificate belongs to `localhost` and 127.0.0.1 unless it is wrong on purpose.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.servers.process import Account

DAY = dt.timedelta(days=1)
LOCAL_NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
)


@dataclass(frozen=True)
class Certificate:
    """Two PEM files as a server wants them, and the SHA-256 fingerprint (lower-case hex) a client may pin."""

    cert: Path
    key: Path
    fingerprint: str

    def installed(self, directory: Path, account: Account) -> Certificate:
        """A copy in a server's own directory, which its account can read even if ours is closed to it."""
        copy = Certificate(directory / "server.pem", directory / "server.key", self.fingerprint)
        account.writes(copy.cert, self.cert.read_bytes())
        account.writes(copy.key, self.key.read_bytes())
        return copy


class CertificateAuthority:
    """Issues into `directory`; `ca_file` is what a client has to trust."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Poststelle test authority")])
        now = dt.datetime.now(dt.UTC)
        authority = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))

    def good(self) -> Certificate:
        """Valid now, for localhost and 127.0.0.1."""
        return self._issue("good")

    def expired(self) -> Certificate:
        """Ran out yesterday."""
        return self._issue("expired", begins=-30 * DAY, ends=-DAY)

    def not_yet_valid(self) -> Certificate:
        """Begins tomorrow."""
        return self._issue("not-yet-valid", begins=DAY, ends=30 * DAY)

    def wrong_name(self) -> Certificate:
        """Trusted and in date, but for mail.elsewhere.test only."""
        return self._issue("wrong-name", names=(x509.DNSName("mail.elsewhere.test"),))

    def self_signed(self) -> Certificate:
        """For localhost, signed by its own key: no authority vouches for it."""
        return self._issue("self-signed", self_signed=True)

    def named(self, file_name: str, *names: x509.GeneralName) -> Certificate:
        """Trusted and in date, for these names."""
        return self._issue(file_name, names=names)

    def common_name_only(self, name: str) -> Certificate:
        """Trusted and in date, with a common name and no alternative names, as of old."""
        return self._issue("common-name-only", names=(), common_name=name)

    def client(self, name: str) -> Certificate:
        """For a client to log in with: `name` is its common name."""
        return self._issue("client", names=(), common_name=name, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)

    def renewed(self, before: Certificate) -> Certificate:
        """A new certificate for the same names and the same key."""
        key = serialization.load_pem_private_key(before.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return self._issue(f"renewed-{before.cert.stem}", key=key)

    def _issue(
        self,
        file_name: str,
        *,
        names: tuple[x509.GeneralName, ...] = LOCAL_NAMES,
        common_name: str = "",
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
        key: ec.EllipticCurvePrivateKey | None = None,
        begins: dt.timedelta = -DAY,
        ends: dt.timedelta = 20 * DAY,
        self_signed: bool = False,
    ) -> Certificate:
        cert_file, key_file = self._directory / f"{file_name}.pem", self._directory / f"{file_name}.key"
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or str(names[0].value))])
        issuer_key = key if self_signed else self._key
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(issuer_key, hashes.SHA256())
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Certificate(cert_file, key_file, certificate.fingerprint(hashes.SHA256()).hex())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
