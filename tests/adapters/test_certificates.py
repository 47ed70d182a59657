"""Which certificate is accepted: strictly, as pinned, under another name, or any for a while. Nothing chooses for the person."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from poststelle.adapters import certificate as certificates
from poststelle.adapters.connection import Trust
from poststelle.adapters.opening import open_connection
from poststelle.errors import CertificateRejected, NeedsAttention, PoststelleError, Trouble
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Certificate, CertificateMode, Encryption, Endpoint, Login
from tests.adapters.dialects import DIALECTS, EGRESS, cheating, enter, serving, starttls
from tests.servers.ca import Certificate as Issued
from tests.servers.ca import CertificateAuthority

LOGIN = Login("nutzer", Secret("Kennwort-des-Tests"))
TODAY = datetime.now(UTC).date()


def pinned(shown: Issued, *, with_key: bool = True) -> Certificate:
    der = der_of(shown)
    key = certificates.key_fingerprint(der) if with_key else ""
    return Certificate(CertificateMode.PINNED, fingerprint=shown.fingerprint, key=key)


def other_name(name: str) -> Certificate:
    return Certificate(CertificateMode.OTHER_NAME, name=name)


def unchecked(days: int = 30) -> Certificate:
    return Certificate(CertificateMode.UNCHECKED, until=(TODAY + timedelta(days)).isoformat())


def der_of(shown: Issued) -> bytes:
    return x509.load_pem_x509_certificate(shown.cert.read_bytes()).public_bytes(Encoding.DER)


async def verdict(shown: Issued, accepted: Certificate, ca_file: Path | None, *, implicit: bool = True) -> str:
    """How the attempt ends; a rejected server must have heard nothing under TLS."""
    async with cheating("imap", "honest", serving(shown), implicit=implicit) as server:
        endpoint = replace(starttls("imap", server.port), certificate=accepted)
        if implicit:
            endpoint = replace(endpoint, encryption=Encryption.TLS)
        try:
            await enter(endpoint, LOGIN, Trust(ca_file))
        except CertificateRejected as rejected:
            assert not server.secret
            return rejected.code
    return "accepted"


@pytest.fixture(scope="module")
def shown(ca: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Issued]:
    """Twelve certificates a server may show."""
    good = ca.good()
    stranger = CertificateAuthority(tmp_path_factory.mktemp("stranger"))
    return {
        "good": good,
        "renewed": ca.renewed(good),
        "expired": ca.expired(),
        "early": ca.not_yet_valid(),
        "elsewhere": ca.wrong_name(),
        "self-signed": ca.self_signed(),
        "stranger": stranger.good(),
        "client": ca.client("localhost"),
        "common-name": ca.common_name_only("mail.elsewhere.test"),
        "wildcard": ca.named("wildcard", x509.DNSName("*.elsewhere.test")),
        "address": ca.named("address", x509.DNSName("mail.elsewhere.test"), x509.DNSName("localhost")),
        "nul": ca.named("nul", x509.DNSName("mail.elsewhere.test\x00.evil.test")),
    }


STRICT = {
    "good": "accepted", "renewed": "accepted", "expired": "certificate-expired", "early": "certificate-not-yet-valid",
    "elsewhere": "certificate-wrong-name", "self-signed": "certificate-self-signed",
    "stranger": "certificate-unknown-issuer", "client": "certificate-rejected", "common-name": "certificate-wrong-name",
    "wildcard": "certificate-wrong-name", "address": "accepted", "nul": "certificate-wrong-name",
}  # fmt: skip
UNDER_OTHER_NAME = STRICT | {
    "good": "certificate-wrong-name", "renewed": "certificate-wrong-name", "elsewhere": "accepted",
    "common-name": "accepted", "wildcard": "accepted", "address": "accepted", "nul": "certificate-wrong-name",
}  # fmt: skip


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("kind", STRICT)
async def test_strictly_only_a_certificate_that_is_right_in_everything(
    ca: CertificateAuthority,
    shown: dict[str, Issued],
    kind: str,
    implicit: bool,
) -> None:
    assert await verdict(shown[kind], Certificate(), ca.ca_file, implicit=implicit) == STRICT[kind]


@pytest.mark.parametrize("kind", STRICT)
async def test_another_name_changes_nothing_but_the_name(
    ca: CertificateAuthority, shown: dict[str, Issued], kind: str
) -> None:
    assert await verdict(shown[kind], other_name("mail.elsewhere.test"), ca.ca_file) == UNDER_OTHER_NAME[kind]


@pytest.mark.parametrize("kind", STRICT)
async def test_a_pin_accepts_this_certificate_and_no_other(
    ca: CertificateAuthority, shown: dict[str, Issued], kind: str
) -> None:
    assert await verdict(shown[kind], pinned(shown[kind]), None) == "accepted"
    other = "renewed" if kind != "renewed" else "good"
    assert await verdict(shown[other], pinned(shown[kind]), ca.ca_file) == "certificate-changed"


@pytest.mark.parametrize("kind", STRICT)
async def test_without_checking_any_will_do_while_the_exception_lasts(shown: dict[str, Issued], kind: str) -> None:
    assert await verdict(shown[kind], unchecked(), None) == "accepted"


@pytest.mark.parametrize("until", [(TODAY - timedelta(1)).isoformat(), "", "bald"])
async def test_an_exception_that_has_ended_is_none(until: str) -> None:
    with pytest.raises(CertificateRejected) as caught:
        await enter(
            Endpoint("imap", "localhost", 1, Encryption.TLS, Certificate(CertificateMode.UNCHECKED, until=until)),
            LOGIN,
            Trust(),
        )
    assert caught.value.code == "exception-expired"


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
@pytest.mark.parametrize("protocol", list(DIALECTS))
async def test_a_changed_certificate_ends_it_before_anything_is_said_and_tells_old_and_new(
    ca: CertificateAuthority, protocol: str, encryption: Encryption
) -> None:
    good = ca.good()
    pin, now = pinned(good), ca.renewed(good)
    implicit = encryption is Encryption.TLS
    async with cheating(protocol, "honest", serving(now), implicit=implicit) as server:
        endpoint = Endpoint(protocol, "localhost", server.port, encryption, pin)
        with pytest.raises(CertificateRejected) as caught:
            await enter(endpoint, LOGIN, Trust(ca.ca_file))
    assert not server.secret
    assert caught.value.code == "certificate-changed"
    assert caught.value.facts["old_fingerprint"] == good.fingerprint
    assert caught.value.facts["fingerprint"] == now.fingerprint
    assert caught.value.facts["old_key"] == caught.value.facts["key"] == pin.key


async def test_a_pin_without_key_needs_the_certificate_and_a_pin_without_anything_accepts_nothing(
    ca: CertificateAuthority,
) -> None:
    good = ca.good()
    assert await verdict(good, pinned(good, with_key=False), None) == "accepted"
    assert await verdict(good, replace(pinned(good), key="0" * 64), None) == "certificate-changed"
    assert await verdict(good, Certificate(CertificateMode.PINNED), ca.ca_file) == "certificate-changed"
    assert await verdict(good, other_name(""), ca.ca_file) == "certificate-wrong-name"


@pytest.mark.parametrize(
    ("names", "asked", "carried"),
    [
        (["mail.example.test"], "mail.example.test", True),
        (["MAIL.Example.Test"], "mail.example.test", True),
        (["*.example.test"], "mail.example.test", True),
        (["*.example.test"], "a.mail.example.test", False),
        (["*.example.test"], "example.test", False),
        (["m*.example.test"], "mail.example.test", False),
        (["mail.*.test"], "mail.example.test", False),
        (["*.test"], "example.test", False),
        (["*"], "example", False),
        (["127.0.0.1"], "127.0.0.1", False),
        (["mail.example.test"], "", False),
    ],
)
def test_names_are_compared_as_in_rfc_9525(
    ca: CertificateAuthority, names: list[str], asked: str, carried: bool
) -> None:
    shown = ca.named("names", *map(x509.DNSName, names))
    assert certificates.carries(der_of(shown), asked) is carried


def test_bytes_that_are_no_certificate_are_harmless() -> None:
    for der in (b"", b"\x30\x82\xff\xff", b"x" * 10_000):
        assert not certificates.carries(der, "localhost")
        assert certificates.ends_at(der) is None
        assert not certificates.key_fingerprint(der)
        assert "subject" not in certificates.facts(der)


async def test_days_left_can_be_read_from_a_connection(ca: CertificateAuthority) -> None:
    async with cheating("pop3", "honest", serving(ca.good()), implicit=True) as server:
        endpoint = Endpoint("pop3", "localhost", server.port, Encryption.TLS)
        connection = await open_connection(endpoint, egress=EGRESS, tls=Trust(ca.ca_file).towards(endpoint))
        ends_at = connection.certificate_ends_at()
        await connection.close()
    assert ends_at is not None
    assert timedelta(days=19) < ends_at - datetime.now(UTC) < timedelta(days=21)


@pytest.mark.parametrize(("minimum", "spoken"), [("1.3", "tls-too-old"), ("1.2", "accepted"), ("1.0", "accepted")])
async def test_tls_below_what_is_set_is_not_spoken(ca: CertificateAuthority, minimum: str, spoken: str) -> None:
    context = serving(ca.good())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await spoken_with(context, ca, minimum) == spoken


async def test_an_old_server_is_reached_only_by_permission(ca: CertificateAuthority) -> None:
    context = serving(ca.good())
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert await spoken_with(context, ca, "1.2") == "tls-too-old"
    assert await spoken_with(context, ca, "1.1") == "accepted"


async def spoken_with(context: ssl.SSLContext, ca: CertificateAuthority, minimum: str) -> str:
    """How the handshake ends with a server in a thread, because asyncio's own does not say why it hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as talking:
            talking.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    endpoint = Endpoint("imap", "localhost", listening.getsockname()[1], Encryption.TLS, minimum_tls=minimum)
    try:
        connection = await open_connection(endpoint, egress=EGRESS, tls=Trust(ca.ca_file).towards(endpoint))
        await connection.close()
    except PoststelleError as error:
        return error.code
    finally:
        await asyncio.to_thread(thread.join, 5)
        listening.close()
    return "accepted"


def test_a_thousand_accounts_share_few_contexts(ca: CertificateAuthority) -> None:
    trust = Trust(ca.ca_file)
    made = {
        id(trust.towards(Endpoint("imap", f"mail{number}.test", 993, Encryption.TLS, accepted)).context)
        for number in range(1000)
        for accepted in (Certificate(), Certificate(CertificateMode.PINNED, fingerprint=f"{number:064x}"), unchecked())
    }
    assert len(made) <= 3


def test_a_key_that_asks_for_a_password_does_not_wait_for_one(ca: CertificateAuthority, tmp_path: Path) -> None:
    shown = ca.client("nutzer")
    locked = (
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg=\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    with pytest.raises(NeedsAttention) as caught:
        Trust().towards(Endpoint("imap", "h", 993, Encryption.TLS), Secret(shown.cert.read_text() + locked))
    assert caught.value.code == "client-certificate-unusable"
    assert isinstance(caught.value, Trouble)
    assert not list(tmp_path.iterdir())


def test_a_certificate_of_a_version_nobody_knows_is_told_by_its_fingerprint(ca: CertificateAuthority) -> None:
    version_3, version_35 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x22"
    odd = der_of(ca.good()).replace(version_3, version_35, 1)
    assert certificates.facts(odd) == {"fingerprint": certificates.fingerprint(odd), "key": ""}
    assert certificates.ends_at(odd) is None
    assert not certificates.carries(odd, "localhost")
