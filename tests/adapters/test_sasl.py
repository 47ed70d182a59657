"""Logging in: the exchanges the RFCs print, servers that cheat, and every mechanism against a real server."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.adapters import sasl
from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap import session as imap
from poststelle.adapters.pop3 import session as pop3
from poststelle.adapters.smtp import open_sender
from poststelle.errors import LoginRejected, NeedsAttention, PoststelleError, ProtocolViolation
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

EGRESS = EgressPolicy.of("127.0.0.0/8")
PENCIL = Login("user", Secret("pencil"))
SCRAM = {Mechanism.SCRAM_SHA_1: "fyko+d2lbbFgONRv9qkxdawL", Mechanism.SCRAM_SHA_256: "rOprNGfwEbeRWgbNEkqO"}
WITH_PASSWORD = [Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.CRAM_MD5, Mechanism.SCRAM_SHA_1, Mechanism.SCRAM_SHA_256]


class Line:
    """A line as a mechanism sees it."""

    host, port = "mail.example.test", 993

    def __init__(self, *, encrypted: bool = True, authentic: bool = True, loopback: bool = False) -> None:
        self.encrypted, self.authentic, self.loopback = encrypted, authentic, loopback


def test_scram_sha_1_as_in_rfc_5802() -> None:
    exchange = sasl.Exchange(Mechanism.SCRAM_SHA_1, PENCIL, nonce=SCRAM[Mechanism.SCRAM_SHA_1])
    assert exchange.initial == b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"
    said = exchange.answer(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
    assert said == b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    assert exchange.answer(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=") == b""
    exchange.finished()


def test_scram_sha_256_as_in_rfc_7677() -> None:
    exchange = sasl.Exchange(Mechanism.SCRAM_SHA_256, PENCIL, nonce=SCRAM[Mechanism.SCRAM_SHA_256])
    said = exchange.answer(b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert said.endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    exchange.answer(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    exchange.finished()


def test_cram_md5_as_in_rfc_2195() -> None:
    exchange = sasl.Exchange(Mechanism.CRAM_MD5, Login("tim", Secret("tanstaaftanstaaf")))
    assert exchange.initial is None
    said = exchange.answer(b"<1896.697170952@postoffice.reston.mci.net>")
    assert said == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_the_messages_of_tokens_are_as_their_documents_print_them() -> None:
    assert base64.b64encode(sasl.xoauth2("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")) == (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    )
    assert sasl.oauthbearer("user@example.com", "server.example.com", 143, "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==") == (
        b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
        b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b"),
        ("\u0007", "\u0007"), ("\u06271", "\u06271"), ("Schlüssel", "Schlüssel"), ("Schlu\u0308ssel", "Schlüssel"),
    ],
)  # fmt: skip
def test_passwords_are_prepared_as_in_rfc_4013(text: str, prepared: str) -> None:
    assert sasl.prepared(text) == prepared


def test_a_name_with_comma_and_a_domain_goes_whole() -> None:
    exchange = sasl.Exchange(Mechanism.SCRAM_SHA_1, Login("a,b=c", Secret("x"), domain="KANZLEI"), nonce="n")
    assert exchange.initial == b"n,,n=KANZLEI\\a=2Cb=3Dc,r=n"
    assert sasl.Exchange(Mechanism.PLAIN, Login("eva", Secret("x"), domain="KANZLEI")).initial == b"\0KANZLEI\\eva\0x"


@pytest.mark.parametrize(
    ("challenge", "code"),
    [
        (b"r=other,s=QSXCR+Q6sek8bf92,i=4096", "sasl-challenge-malformed"),
        (b"r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096", "sasl-challenge-malformed"),
        (b"r=fyko+d2lbbFgONRv9qkxdawLX,s=???,i=4096", "sasl-challenge-malformed"),
        (b"r=fyko+d2lbbFgONRv9qkxdawLX,i=4096,s=QSXCR+Q6sek8bf92", "sasl-challenge-malformed"),
        (b"m=ext,r=fyko+d2lbbFgONRv9qkxdawLX,s=QSXCR+Q6sek8bf92,i=4096", "sasl-challenge-malformed"),
        (b"", "sasl-challenge-malformed"),
        (b"r=" + b"x" * 10_000, "sasl-challenge-malformed"),
        (b"r=fyko+d2lbbFgONRv9qkxdawLX,s=QSXCR+Q6sek8bf92,i=1", "sasl-iterations"),
        (b"r=fyko+d2lbbFgONRv9qkxdawLX,s=QSXCR+Q6sek8bf92,i=-1", "sasl-iterations"),
        (b"r=fyko+d2lbbFgONRv9qkxdawLX,s=QSXCR+Q6sek8bf92,i=2000000000", "sasl-iterations"),
        (b"r=fyko+d2lbbFgONRv9qkxdawLX,s=QSXCR+Q6sek8bf92,i=" + b"9" * 5000, "sasl-iterations"),
    ],
)
def test_a_scram_server_that_cheats_gets_no_proof(challenge: bytes, code: str) -> None:
    exchange = sasl.Exchange(Mechanism.SCRAM_SHA_1, PENCIL, nonce=SCRAM[Mechanism.SCRAM_SHA_1])
    began = time.thread_time()
    with pytest.raises(ProtocolViolation) as caught:
        exchange.answer(challenge)
    assert caught.value.code == code
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("final", [b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", b"", b"x", b"v="])
def test_a_server_that_cannot_prove_itself_is_not_believed(final: bytes) -> None:
    exchange = sasl.Exchange(Mechanism.SCRAM_SHA_1, PENCIL, nonce=SCRAM[Mechanism.SCRAM_SHA_1])
    exchange.answer(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
    with pytest.raises(ProtocolViolation) as caught:
        exchange.answer(final)
    assert caught.value.code == "server-unproven"


@pytest.mark.parametrize("rounds", [0, 1])
def test_success_before_the_proof_is_no_success(rounds: int) -> None:
    exchange = sasl.Exchange(Mechanism.SCRAM_SHA_1, PENCIL, nonce=SCRAM[Mechanism.SCRAM_SHA_1])
    for _ in range(rounds):
        exchange.answer(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
    with pytest.raises(ProtocolViolation) as caught:
        exchange.finished()
    assert caught.value.code == "server-unproven"


@pytest.mark.parametrize("mechanism", [*WITH_PASSWORD, Mechanism.EXTERNAL])
@given(challenges=st.lists(st.binary(max_size=60), min_size=5, max_size=5))
def test_no_server_keeps_an_exchange_going(mechanism: Mechanism, challenges: list[bytes]) -> None:
    exchange = sasl.Exchange(mechanism, PENCIL)
    with pytest.raises((ProtocolViolation, LoginRejected)):
        [exchange.answer(challenge) for challenge in challenges]


ALL = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "EXTERNAL", "GSSAPI"})


@pytest.mark.parametrize(
    ("without", "line", "taken"),
    [
        ("", Line(), Mechanism.SCRAM_SHA_256),
        ("SCRAM-SHA-256", Line(), Mechanism.SCRAM_SHA_1),
        ("SCRAM-SHA-256 SCRAM-SHA-1", Line(), Mechanism.PLAIN),
        ("SCRAM-SHA-256 SCRAM-SHA-1 PLAIN", Line(), Mechanism.LOGIN),
        ("SCRAM-SHA-256 SCRAM-SHA-1", Line(authentic=False), Mechanism.CRAM_MD5),
        ("SCRAM-SHA-256 SCRAM-SHA-1", Line(encrypted=False, authentic=False, loopback=True), Mechanism.CRAM_MD5),
        ("SCRAM-SHA-256", Line(encrypted=False, authentic=False), Mechanism.SCRAM_SHA_1),
    ],
)
def test_the_best_mechanism_offered_is_taken(without: str, line: Line, taken: Mechanism) -> None:
    offered = ALL - set(without.split())
    assert sasl.mechanism_for(PENCIL, offered, line, plain_text_allowed=False) is taken


@pytest.mark.parametrize("mechanism", [Mechanism.AUTO, Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.CRAM_MD5])
def test_nothing_that_can_be_overheard_goes_over_an_open_line_unless_allowed(mechanism: Mechanism) -> None:
    login, offered = Login("user", Secret("pencil"), mechanism), {"PLAIN", "LOGIN", "CRAM-MD5"}
    line = Line(encrypted=False, authentic=False)
    with pytest.raises(NeedsAttention) as caught:
        sasl.mechanism_for(login, offered, line, plain_text_allowed=False)
    assert caught.value.code == "login-needs-tls"
    taken = sasl.mechanism_for(login, offered, line, plain_text_allowed=True)
    assert sasl.login_facts(taken.value, line)["warning"] == "password-unencrypted"


def test_a_certificate_serves_where_there_is_no_password() -> None:
    login = Login("user", None, client_certificate=Secret("pem"))
    assert sasl.mechanism_for(login, ALL, Line(), plain_text_allowed=False) is Mechanism.EXTERNAL
    with pytest.raises(NeedsAttention) as caught:
        sasl.mechanism_for(Login("user", None, Mechanism.EXTERNAL), ALL, Line(), plain_text_allowed=False)
    assert caught.value.code == "client-certificate-missing"


def test_a_mechanism_that_was_chosen_is_not_replaced_by_another() -> None:
    with pytest.raises(NeedsAttention) as caught:
        sasl.mechanism_for(Login("u", Secret("p"), Mechanism.SCRAM_SHA_1), {"PLAIN"}, Line(), plain_text_allowed=False)
    assert (caught.value.code, caught.value.facts["offered"]) == ("mechanism-not-offered", ["PLAIN"])


# -- real servers --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def admitting(ca: CertificateAuthority) -> Iterator[Dovecot]:
    """A Dovecot that also lets in whoever shows a certificate of `ca`."""
    server = Dovecot(ca.good(), client_authority=ca.ca_file)
    yield server
    server.stop()


def endpoint_of(server: Dovecot, protocol: str, encryption: Encryption) -> Endpoint:
    secure = encryption is Encryption.TLS
    port = {"imap": (server.imap_port, server.imaps_port), "pop3": (server.pop3_port, server.pop3s_port)}[protocol][
        secure
    ]
    return Endpoint(protocol, "localhost", port, encryption)


async def admitted(
    server: Dovecot, protocol: str, encryption: Encryption, login: Login, ca: CertificateAuthority
) -> object:
    endpoint, tls = endpoint_of(server, protocol, encryption), Trust(ca.ca_file)
    opener: Callable[..., object] = imap.open_session if protocol == "imap" else pop3.open_session
    session = await opener(endpoint, login, egress=EGRESS, tls=tls)  # type: ignore[misc]
    await session.close()
    return session


@pytest.mark.servers
@pytest.mark.parametrize("encryption", list(Encryption))
@pytest.mark.parametrize("mechanism", [Mechanism.AUTO, *WITH_PASSWORD])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_every_mechanism_over_every_encryption(
    dovecot: Dovecot, ca: CertificateAuthority, protocol: str, mechanism: Mechanism, encryption: Encryption
) -> None:
    user = dovecot.user("mechanismen")
    await admitted(dovecot, protocol, encryption, Login(user.address, Secret(user.password), mechanism), ca)
    with pytest.raises(LoginRejected):
        await admitted(dovecot, protocol, encryption, Login(user.address, Secret("falsch"), mechanism), ca)


@pytest.mark.servers
@pytest.mark.parametrize("mechanism", [Mechanism.CRAM_MD5, Mechanism.PLAIN, Mechanism.LOGIN])
async def test_every_mechanism_of_a_real_mta(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority, mechanism: Mechanism
) -> None:
    user = dovecot.user("mechanismen-mta")
    endpoint, tls = Endpoint("smtp", "localhost", mta.tls_port, Encryption.TLS), Trust(ca.ca_file)
    good, bad = (Login(user.address, Secret(password), mechanism) for password in (user.password, "falsch"))
    sender = await open_sender(endpoint, good, egress=EGRESS, tls=tls, local_hostname="localhost")
    await sender.close()
    with pytest.raises(LoginRejected):
        await open_sender(endpoint, bad, egress=EGRESS, tls=tls, local_hostname="localhost")


@pytest.mark.servers
@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("mechanism", [Mechanism.EXTERNAL, Mechanism.AUTO])
async def test_a_certificate_instead_of_a_password(
    admitting: Dovecot, ca: CertificateAuthority, protocol: str, encryption: Encryption, mechanism: Mechanism
) -> None:
    user = admitting.user("ausweis")
    shown = ca.client(user.address)
    login = Login(
        user.address, None, mechanism, client_certificate=Secret(shown.cert.read_text() + shown.key.read_text())
    )
    await admitted(admitting, protocol, encryption, login, ca)


@pytest.mark.servers
async def test_a_certificate_of_somebody_else_is_refused(admitting: Dovecot, ca: CertificateAuthority) -> None:
    user, shown = admitting.user("ausweis"), ca.client("fremd@example.test")
    login = Login(user.address, None, client_certificate=Secret(shown.cert.read_text() + shown.key.read_text()))
    with pytest.raises(LoginRejected):
        await admitted(admitting, "imap", Encryption.TLS, login, ca)


@pytest.mark.servers
@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
async def test_a_certificate_that_is_none_is_said_to_be_unusable(
    dovecot: Dovecot, ca: CertificateAuthority, pem: str
) -> None:
    user = dovecot.user("mechanismen")
    login = Login(user.address, None, client_certificate=Secret(pem))
    with pytest.raises(PoststelleError) as caught:
        await admitted(dovecot, "imap", Encryption.TLS, login, ca)
    assert caught.value.code == ("client-certificate-unusable" if pem else "password-missing")
