"""Sending: each recipient gets its own answer, the message goes as it is, and nothing is claimed that did not happen."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as Received

from poststelle.adapters import smtp
from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.smtp import SmtpSender, open_sender
from poststelle.adapters.stream import Connection
from poststelle.errors import (
    CertificateRejected,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    PoststelleError,
    ProtocolViolation,
    TryAgain,
)
from poststelle.mail.ports import Envelope, RecipientState
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism
from tests.adapters.scripted_imap import scripted
from tests.servers.ca import Certificate, CertificateAuthority
from tests.servers.listening import listening

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


async def opened(endpoint: Endpoint, login: Login | None = None, tls: Trust | None = None) -> SmtpSender:
    return await open_sender(endpoint, login, egress=EGRESS, tls=tls or Trust(), local_hostname="client.example.test")


class Started:
    """Counts how often DATA was announced, and what the server held then."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.held: list[int] = []

    async def __call__(self) -> None:
        self.held.append(len(self.office.received))


@pytest.mark.parametrize("mechanism", [Mechanism.AUTO, Mechanism.PLAIN, Mechanism.LOGIN])
@pytest.mark.parametrize("encryption", list(Encryption))
async def test_every_log_in_over_every_encryption(
    ca: CertificateAuthority, encryption: Encryption, mechanism: Mechanism
) -> None:
    office = Office()
    with smtpd(office, certificate=ca.good(), encryption=encryption) as endpoint:
        login = Login(LOGIN.username, LOGIN.password, mechanism)
        sender = await opened(endpoint, login, Trust(ca.ca_file))
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
        await opened(endpoint, LOGIN, Trust(ca.ca_file))
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
        connection = await Connection.open("localhost", endpoint.port, egress=EGRESS)
        with pytest.raises(NeedsAttention) as caught:
            await SmtpSender(connection, "client.example.test").greet(0.3)
        await connection.close()
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


# -- servers that say what a test tells them to --------------------------------------------------------------------------


class Script:
    """An SMTP server: answers by verb (bytes, a list taken one by one, None to hang up); `packets` is what it heard, as it came."""

    def __init__(self, answers: Mapping[str, bytes | list[bytes] | None]) -> None:
        self.answers = {
            "greeting": b"220 ready\r\n", "EHLO": b"250-test\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n", "MAIL": b"250 ok\r\n",
            "RCPT": b"250 ok\r\n", "DATA": b"354 go\r\n", "RSET": b"250 ok\r\n", ".": b"250 taken\r\n", "AUTH": b"235 in\r\n",
            **answers,
        }  # fmt: skip
        self.packets: list[bytes] = []
        self.port = 0
        self._in_data = False

    def endpoint(self) -> Endpoint:
        return Endpoint("smtp", "localhost", self.port, Encryption.NONE)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._said("greeting", writer):
            rest = b""
            while packet := await reader.read(1 << 20):
                self.packets.append(packet)
                *lines, rest = (rest + packet).split(b"\r\n")
                if not all(self._line(line, writer) for line in lines):
                    break
        writer.close()

    def _line(self, line: bytes, writer: asyncio.StreamWriter) -> bool:
        if self._in_data:
            self._in_data = line != b"."
            return self._in_data or self._said(".", writer)
        verb = line.partition(b" ")[0].decode().upper()
        self._in_data = verb == "DATA" and self.answers["DATA"] == b"354 go\r\n"
        return self._said(verb if verb in self.answers else "AUTH", writer)

    def _said(self, verb: str, writer: asyncio.StreamWriter) -> bool:
        answer = self.answers[verb]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is not None:
            writer.write(answer)
        return answer is not None


def smtp_script(**answers: bytes | list[bytes] | None) -> AbstractAsyncContextManager[Script]:
    return served(Script({name.replace("dot", "."): answer for name, answer in answers.items()}))


@contextlib.asynccontextmanager
async def served(made: Script) -> AsyncIterator[Script]:
    """The server on a free port for as long as the block lasts."""
    async with listening(made.talk, limit=1 << 22) as made.port:
        yield made


TO = Envelope("a@example.test", ("b@example.test", "c@example.test", "d@example.test"))


async def test_sender_and_recipients_go_in_one_breath_and_each_gets_its_own_answer() -> None:
    async with smtp_script(RCPT=[b"250 ok\r\n", b"452 full\r\n", b"550 gone\r\n"]) as server:
        sender = await opened(server.endpoint())
        receipt = await sender.send(TO, RAW, Started(Office()))
        await sender.close()
    assert [result.state for result in receipt.results] == [ACCEPTED, DEFERRED, REJECTED]
    assert any(packet.startswith(b"MAIL") and packet.count(b"\r\nRCPT") == 3 for packet in server.packets)


async def test_a_refused_sender_in_one_breath_is_the_answer_for_all_and_nothing_starts() -> None:
    started = Started(Office())
    async with smtp_script(MAIL=b"550 not you\r\n", RCPT=b"503 MAIL first\r\n") as server:
        sender = await opened(server.endpoint())
        receipt = await sender.send(TO, RAW, started)
        await sender.close()
    assert [(result.state, result.answer) for result in receipt.results] == [(REJECTED, "550 not you")] * 3
    assert started.held == []


async def test_thousands_of_recipients_are_named_in_portions() -> None:
    everybody = Envelope("a@example.test", tuple(f"r{number}@example.test" for number in range(3000)))
    async with smtp_script() as server:
        sender = await opened(server.endpoint())
        receipt = await sender.send(everybody, RAW, Started(Office()))
        await sender.close()
    assert {result.state for result in receipt.results} == {ACCEPTED}
    assert [result.address for result in receipt.results] == list(everybody.recipients)


async def test_one_connection_carries_many_messages() -> None:
    async with smtp_script() as server:
        sender = await opened(server.endpoint())
        for number in range(50):
            receipt = await sender.send(TO, RAW + b"%d\r\n" % number, Started(Office()))
            assert {result.state for result in receipt.results} == {ACCEPTED}
        await sender.close()
    assert b"".join(server.packets).count(b"EHLO") == 1


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"EHLO": b"250-test\r\n" * 5000}, "too-much-data"),
        ({"EHLO": b"250-" + b"x" * 100_000 + b"\r\n"}, "line-too-long"),
        ({"EHLO": b"nonsense\r\n"}, "malformed-response"),
        ({"EHLO": b"99 x\r\n"}, "malformed-response"),
        ({"EHLO": b"421 later\r\n"}, "server-busy"),
        ({"EHLO": b"550 no\r\n"}, "server-refused"),
        ({"EHLO": None}, "connection-lost"),
        ({"greeting": b"554 go away\r\n"}, "server-refused"),
        ({"greeting": b"220-" + b"x\r\n220-" * 300 + b"\r\n"}, "too-much-data"),
        ({"AUTH": b"334 " + b"x" * 3000 + b"\r\n"}, "sasl-endless"),
        ({"AUTH": b"334 \r\n"}, "sasl-endless"),
        ({"AUTH": b"454 later\r\n"}, "server-busy"),
        ({"AUTH": b"538 encrypt\r\n"}, "login-needs-tls"),
        ({"AUTH": b"535 no\r\n"}, "login-rejected"),
        ({"AUTH": None}, "connection-lost"),
    ],
)
async def test_a_server_that_breaks_the_rules_ends_with_a_reason(
    answers: dict[str, bytes | list[bytes] | None], code: str
) -> None:
    async with smtp_script(**answers) as server, asyncio.timeout(10):
        with pytest.raises(PoststelleError) as caught:
            await opened(server.endpoint(), LOGIN)
    assert caught.value.code == code


async def test_a_server_of_old_is_spoken_to_in_the_old_way() -> None:
    async with smtp_script(EHLO=[b"502 what\r\n", b"250 test\r\n"], HELO=b"250 test\r\n") as server:
        sender = await opened(server.endpoint())
        assert sender.offers == []
        receipt = await sender.send(TO, RAW, Started(Office()))
        await sender.close()
    assert {result.state for result in receipt.results} == {ACCEPTED}
    async with smtp_script(EHLO=b"250-test\r\n250 AUTH=PLAIN LOGIN\r\n") as server:
        sender = await opened(server.endpoint(), LOGIN)
        await sender.close()


async def test_hanging_up_after_data_began_leaves_the_outcome_open() -> None:
    started = Started(Office())
    async with smtp_script(dot=None) as server:
        sender = await opened(server.endpoint())
        with pytest.raises(TryAgain):
            await sender.send(TO, RAW, started)
        await sender.close()
    assert started.held == [0]


async def test_after_the_dot_the_server_gets_the_longest_time_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5321 section 4.5.3.2.6: whoever hangs up early sends twice (RFC 1047)."""
    assert smtp.DATA_SECONDS >= 600 > smtp.COMMAND_SECONDS >= 300
    monkeypatch.setattr(smtp, "DATA_SECONDS", 0.05)
    started = Started(Office())
    async with smtp_script(dot=b"") as server:
        sender = await opened(server.endpoint())
        with pytest.raises(TryAgain):
            await sender.send(TO, RAW, started)
        await sender.close()
    assert started.held == [0]


async def test_a_refusal_in_the_middle_of_the_data_is_heard() -> None:
    async with smtp_script(DATA=b"354 go\r\n552 too much\r\n") as server:
        sender = await opened(server.endpoint())
        receipt = await sender.send(TO, RAW, Started(Office()))
        await sender.close()
    assert {(result.state, result.answer) for result in receipt.results} == {(REJECTED, "552 too much")}


@pytest.mark.parametrize("answers", [{"DATA": b"250 taken\r\n"}, {"dot": b"354 go on\r\n"}])
async def test_a_message_that_was_not_said_whole_is_never_taken_for_accepted(
    answers: dict[str, bytes | list[bytes] | None],
) -> None:
    started = Started(Office())
    async with smtp_script(**answers) as server:
        sender = await opened(server.endpoint())
        with pytest.raises(ProtocolViolation):
            await sender.send(TO, RAW, started)
        await sender.close()
    assert started.held


async def test_of_a_yes_the_first_digit_decides() -> None:
    async with smtp_script(MAIL=b"255 ok\r\n", RCPT=b"235 ok\r\n") as server:
        sender = await opened(server.endpoint())
        receipt = await sender.send(TO, RAW, Started(Office()))
        await sender.close()
    assert {result.state for result in receipt.results} == {ACCEPTED}
    assert b"".join(server.packets).count(b"DATA\r\n") == 1


async def test_a_bad_sender_address_needs_the_same_leave_as_a_recipient() -> None:
    started = Started(Office())
    async with smtp_script() as server:
        sender = await opened(server.endpoint())
        receipt = await sender.send(Envelope("bärbel@example.test", ("b@example.test",)), RAW, started)
        await sender.close()
    assert receipt.results[0].state is REJECTED
    assert started.held == []
    assert not any(b"MAIL" in packet for packet in server.packets)


class Proving(Script):
    """A server that logs in by SCRAM-SHA-256, and proves that it knows the password unless it does not."""

    def __init__(self, *, honest: bool) -> None:
        super().__init__({"EHLO": b"250-test\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n"})
        self._exchange = self._scram(PASSWORD if honest else "etwas anderes")
        next(self._exchange)
        self._asked = False

    def _line(self, line: bytes, writer: asyncio.StreamWriter) -> bool:
        if not self._asked and not line.startswith(b"AUTH"):
            return super()._line(line, writer)
        self._asked = True
        writer.write(self._exchange.send(line) + b"\r\n")
        return True

    def _scram(self, password: str) -> Generator[bytes, bytes, None]:
        first = base64.b64decode((yield b"").rpartition(b" ")[2]).removeprefix(b"n,,")
        salt, nonce = b"salz", first.partition(b",r=")[2] + b"mehr"
        challenge = b"r=" + nonce + b",s=" + base64.b64encode(salt) + b",i=4096"
        final = base64.b64decode((yield b"334 " + base64.b64encode(challenge)))
        spoken = b",".join((first, challenge, final.rpartition(b",p=")[0]))
        key = hmac.digest(hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096), b"Server Key", "sha256")
        yield b"334 " + base64.b64encode(b"v=" + base64.b64encode(hmac.digest(key, spoken, "sha256")))
        yield b"235 in"


@pytest.mark.parametrize("honest", [True, False])
async def test_scram_carries_no_password_and_needs_the_servers_proof(honest: bool) -> None:
    async with served(Proving(honest=honest)) as server:
        attempt = opened(server.endpoint(), LOGIN)
        if honest:
            await (await attempt).close()
        else:
            with pytest.raises(PoststelleError) as caught:
                await attempt
            assert caught.value.code == "server-unproven"
    assert base64.b64encode(PASSWORD.encode()) not in b"".join(server.packets)
