"""Sending: each recipient gets its own answer, the message goes as it is, and nothing is claimed that did not happen."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as Received

from poststelle.adapters.connection import EgressPolicy, tls_context
from poststelle.adapters.smtp import SmtpSender, open_sender
from poststelle.errors import (
    CertificateRejected,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    PoststelleError,
    TryAgain,
)
from poststelle.mail.ports import Envelope, RecipientState
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism
from tests.adapters.scripted_imap import scripted
from tests.servers.ca import Certificate, CertificateAuthority

EGRESS = EgressPolicy.of("127.0.0.0/8")
PASSWORD = "Kennwort über alles"
LOGIN = Login("nutzer@example.test", Secret(PASSWORD))
RAW = b"From: a@example.test\r\nSubject: Test\r\n\r\n.Punkt\r\n..\r\nEnde\r\n"
ACCEPTED, DEFERRED, REJECTED = RecipientState.ACCEPTED, RecipientState.DEFERRED, RecipientState.REJECTED


class Office:
    """The server's side: answers by the recipient's local part, keeps what it was given."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.data_answer = "250 2.0.0 taken"
        self.mail_answer = "250 2.1.0 ok"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.mail_answer.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.mail_answer

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        answers = {"voll": "452 4.2.2 mailbox full", "weg": "550 5.1.1 no such\x07 user", "zu": "421 4.3.0 closing"}
        answer = answers.get(address.partition("@")[0], "250 2.1.5 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Received) -> str:  # noqa: N802
        self.received.append(envelope)
        return self.data_answer


def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.login == b"nutzer@example.test"
    return AuthResult(success=right and data.password == PASSWORD.encode(), handled=False)


@contextlib.contextmanager
def smtpd(
    office: Office,
    *,
    certificate: Certificate | None = None,
    encryption: Encryption = Encryption.NONE,
    smtputf8: bool = False,
) -> Iterator[Endpoint]:
    """A server on a free port, in a thread with a loop of its own."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
    starttls = context if encryption is Encryption.STARTTLS else None
    started: queue.Queue[tuple[int, Callable[[], object]]] = queue.Queue()

    async def serve() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def protocol() -> SMTP:
            return SMTP(
                office,
                tls_context=starttls,
                authenticator=check,
                auth_require_tls=False,
                enable_SMTPUTF8=smtputf8,
                hostname="test",
                loop=loop,
            )

        tls = context if encryption is Encryption.TLS else None
        listening = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)
        started.put((listening.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(ended.set)))
        await ended.wait()
        listening.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    port, end = started.get(timeout=10)
    try:
        yield Endpoint("smtp", "localhost", port, encryption)
    finally:
        end()
        thread.join()


async def opened(endpoint: Endpoint, login: Login | None = None, tls: ssl.SSLContext | None = None) -> SmtpSender:
    return await open_sender(
        endpoint, login, egress=EGRESS, tls=tls or tls_context(), local_hostname="client.example.test"
    )


class Started:
    """Counts how often DATA was announced, and what the server held then."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.held: list[int] = []

    async def __call__(self) -> None:
        self.held.append(len(self.office.received))


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("encryption", list(Encryption))
async def test_every_log_in_over_every_encryption(
    ca: CertificateAuthority, encryption: Encryption, mechanism: Mechanism
) -> None:
    office = Office()
    with smtpd(office, certificate=ca.good(), encryption=encryption) as endpoint:
        login = Login(LOGIN.username, LOGIN.password, mechanism)
        sender = await opened(endpoint, login, tls_context(ca.ca_file))
        receipt = await sender.send(Envelope("a@example.test", ("b@example.test",)), RAW, Started(office))
        await sender.close()
    assert [result.state for result in receipt.results] == [ACCEPTED]
    assert not receipt.filed_copy


async def test_the_message_arrives_as_it_is() -> None:
    office, raw = Office(), RAW + "Grüße\r\n".encode()
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        await sender.send(Envelope("a@example.test", ("b@example.test",)), raw, Started(office))
        await sender.close()
    assert office.received[0].content == raw
    assert office.received[0].mail_from == "a@example.test"
    assert "BODY=8BITMIME" in office.received[0].mail_options


async def test_each_recipient_has_an_answer_of_its_own() -> None:
    office = Office()
    started = Started(office)
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        to = ("b@example.test", "voll@example.test", "weg@example.test", "c@example.test")
        receipt = await sender.send(Envelope("a@example.test", to), RAW, started)
        await sender.close()
    assert [(result.address, result.state) for result in receipt.results] == list(
        zip(to, (ACCEPTED, DEFERRED, REJECTED, ACCEPTED), strict=True)
    )
    assert receipt.results[1].answer == "452 4.2.2 mailbox full"
    assert "\x07" not in receipt.results[2].answer
    assert started.held == [0]
    assert office.received[0].rcpt_tos == ["b@example.test", "c@example.test"]


async def test_nothing_is_sent_when_every_recipient_is_refused_and_the_connection_goes_on() -> None:
    office = Office()
    started = Started(office)
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        refused = await sender.send(Envelope("a@example.test", ("weg@example.test",)), RAW, started)
        assert started.held == []
        taken = await sender.send(Envelope("a@example.test", ("b@example.test",)), RAW, started)
        await sender.close()
    assert [result.state for result in (*refused.results, *taken.results)] == [REJECTED, ACCEPTED]
    assert len(office.received) == 1


@pytest.mark.parametrize(
    ("answer", "state"), [("554 5.7.1 spam", REJECTED), ("451 4.3.0 later", DEFERRED), ("250 ok", ACCEPTED)]
)
async def test_the_verdict_after_the_dot_holds_for_all_who_were_left(answer: str, state: RecipientState) -> None:
    office = Office()
    office.data_answer = answer
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        to = ("b@example.test", "weg@example.test", "c@example.test")
        receipt = await sender.send(Envelope("a@example.test", to), RAW, Started(office))
        await sender.close()
    assert [result.state for result in receipt.results] == [state, REJECTED, state]


@pytest.mark.parametrize(("answer", "state"), [("550 5.7.1 not you", REJECTED), ("451 4.7.1 greylisted", DEFERRED)])
async def test_a_refused_sender_is_the_answer_for_every_recipient(answer: str, state: RecipientState) -> None:
    office = Office()
    office.mail_answer = answer
    started = Started(office)
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        receipt = await sender.send(Envelope("a@example.test", ("b@x.test", "c@x.test")), RAW, started)
        await sender.close()
    assert [(result.state, result.answer) for result in receipt.results] == [(state, answer)] * 2
    assert started.held == []


async def test_a_server_that_closes_before_data_is_tried_again() -> None:
    office = Office()
    started = Started(office)
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        with pytest.raises(TryAgain):
            await sender.send(Envelope("a@example.test", ("zu@example.test",)), RAW, started)
        await sender.close()
    assert started.held == []


async def test_smtputf8_is_used_only_when_an_address_needs_it() -> None:
    office = Office()
    with smtpd(office, smtputf8=True) as endpoint:
        sender = await opened(endpoint)
        plain = Envelope("a@example.test", ("b@müller.example",))
        await sender.send(plain, RAW, Started(office))
        await sender.send(Envelope("a@example.test", ("bärbel@example.test",)), RAW, Started(office))
        await sender.close()
    assert office.received[0].rcpt_tos == ["b@xn--mller-kva.example"]
    assert "SMTPUTF8" not in office.received[0].mail_options
    assert "SMTPUTF8" in office.received[1].mail_options


async def test_without_smtputf8_only_the_recipient_who_needs_it_is_refused() -> None:
    office = Office()
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        to = ("bärbel@example.test", "b@example.test")
        receipt = await sender.send(Envelope("a@example.test", to), RAW, Started(office))
        await sender.close()
    assert [result.state for result in receipt.results] == [REJECTED, ACCEPTED]


@pytest.mark.parametrize("raw", [b"a: b\n\nx\r\n", b"a: b\r\n\r\nx\ry\r\n", b"a: b\r\n\r\nx\0\r\n"])
async def test_bytes_that_could_be_read_two_ways_are_not_sent(raw: bytes) -> None:
    office = Office()
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        with pytest.raises(MessageTrouble) as caught:
            await sender.send(Envelope("a@example.test", ("b@example.test",)), raw, Started(office))
        await sender.close()
    assert caught.value.code == "line-ends-not-canonical"
    assert not office.received


@pytest.mark.parametrize("address", ["b@example.test>\r\nRCPT TO:<c@x", "b c@example.test", "<b@example.test>", "b"])
async def test_an_address_cannot_smuggle_a_command(address: str) -> None:
    office = Office()
    with smtpd(office) as endpoint:
        sender = await opened(endpoint)
        with pytest.raises(MessageTrouble) as caught:
            await sender.send(Envelope("a@example.test", (address,)), RAW, Started(office))
        await sender.close()
    assert caught.value.code == "address-unsendable"


async def test_a_wrong_password_is_rejected() -> None:
    with smtpd(Office()) as endpoint, pytest.raises(LoginRejected) as caught:
        await opened(endpoint, Login(LOGIN.username, Secret("ganz falsch")))
    assert str(caught.value.facts["answer"]).startswith("535")


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "certificate-expired"),
        ("wrong_name", "certificate-wrong-name"),
        ("self_signed", "certificate-self-signed"),
    ],
)
async def test_a_bad_certificate_is_rejected_with_its_reason(
    ca: CertificateAuthority, kind: str, code: str, encryption: Encryption
) -> None:
    server = smtpd(Office(), certificate=getattr(ca, kind)(), encryption=encryption)
    with server as endpoint, pytest.raises(CertificateRejected) as caught:
        await opened(endpoint, LOGIN, tls_context(ca.ca_file))
    assert caught.value.code == code


async def test_starttls_that_is_not_offered_is_not_done_without() -> None:
    with smtpd(Office()) as endpoint:
        wanted = Endpoint("smtp", endpoint.host, endpoint.port, Encryption.STARTTLS)
        with pytest.raises(NeedsAttention) as caught:
            await opened(wanted, LOGIN)
    assert caught.value.code == "starttls-missing"


async def test_tls_to_a_plain_port_is_recognised() -> None:
    with smtpd(Office()) as endpoint:
        wanted = Endpoint("smtp", endpoint.host, endpoint.port, Encryption.TLS)
        with pytest.raises(NeedsAttention) as caught:
            await opened(wanted)
    assert caught.value.code == "tls-on-plain-port"


async def test_plain_talk_to_a_tls_port_is_recognised(ca: CertificateAuthority) -> None:
    with smtpd(Office(), certificate=ca.good(), encryption=Encryption.TLS) as endpoint:
        wanted = Endpoint("smtp", endpoint.host, endpoint.port, Encryption.NONE)
        with pytest.raises(NeedsAttention) as caught:
            await SmtpSender.greeted(
                wanted, egress=EGRESS, tls=tls_context(), local_hostname="client.example.test", timeout=0.3
            )
    assert caught.value.code == "plain-on-tls-port"


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        (b"* OK IMAP4rev1 ready\r\n", "wrong-protocol"),
        (b"+OK pop\r\n", "wrong-protocol"),
        (b"421 4.3.2 later\r\n", "server-busy"),
        (b"554 5.7.1 go away\r\n", "server-refused"),
        (b"x" * 100_000 + b"\r\n", "malformed-response"),
        (None, "connection-lost"),
    ],
)
async def test_another_servers_greeting_is_recognised(greeting: bytes | None, code: str) -> None:
    async with scripted({"greeting": greeting}) as server:
        with pytest.raises(PoststelleError) as caught:
            await opened(Endpoint("smtp", "localhost", server.port, Encryption.NONE))
    assert caught.value.code == code
