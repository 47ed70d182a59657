"""SMTP as a `Sender`: submission over aiosmtplib, on a socket the egress rule has checked (RFC 5321, RFC 6409).

Law: one answer per recipient; `data_started` is awaited after the recipients and before DATA (Q20); every error of the
library is translated here. No password on an unencrypted line except to this machine (Q43).
This module does not know the outbox, retries or Sent folders.
"""

from __future__ import annotations

import base64
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Sequence

import aiosmtplib
import idna

from poststelle.adapters import sasl
from poststelle.adapters.answer import told
from poststelle.adapters.connection import EgressPolicy, connect, host_name, tls_trouble
from poststelle.adapters.stream import Connection, is_loopback, look_at_certificate, protocol_of
from poststelle.errors import (
    CertificateRejected,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    ProtocolViolation,
    Trouble,
    TryAgain,
)
from poststelle.mail.ports import DataStarted, Envelope, Receipt, RecipientResult, RecipientState
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism

GREETING_SECONDS = 30.0
COMMAND_SECONDS = 300.0
DATA_SECONDS = 600.0
"""How long the server may think after the final dot (Q22)."""

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f<>]")


class SmtpSender:
    """`Sender` over one SMTP connection. Made by `open_sender`; not shared between tasks."""

    def __init__(self, endpoint: Endpoint, client: aiosmtplib.SMTP, *, loopback: bool, egress: EgressPolicy) -> None:
        self._endpoint = endpoint
        self._client = client
        self._loopback = loopback
        self._egress = egress
        self._secrets: tuple[str, ...] = ()

    @classmethod
    async def greeted(
        cls,
        endpoint: Endpoint,
        *,
        egress: EgressPolicy,
        tls: ssl.SSLContext,
        local_hostname: str,
        timeout: float = GREETING_SECONDS,
    ) -> SmtpSender:
        """Connected, TLS included if it comes first, and introduced by EHLO; STARTTLS and log-in are still to come."""
        sock = await connect(endpoint.host, endpoint.port, egress=egress)
        client = aiosmtplib.SMTP(
            hostname=host_name(endpoint.host),
            sock=sock,
            use_tls=endpoint.encryption is Encryption.TLS,
            start_tls=False,
            tls_context=tls,
            local_hostname=local_hostname,
            timeout=timeout,
        )
        sender = cls(endpoint, client, loopback=is_loopback(str(sock.getpeername()[0])), egress=egress)
        try:
            async with sender._translated():
                await client.connect()
                await client.ehlo()
        except BaseException:
            client.close()
            sock.close()
            raise
        client.timeout = COMMAND_SECONDS
        return sender

    @property
    def offers(self) -> Sequence[str]:
        """What the server offers (EHLO keywords, upper case)."""
        return sorted(keyword.upper() for keyword in self._client.esmtp_extensions)

    async def start_tls(self, tls: ssl.SSLContext) -> None:
        """STARTTLS, and EHLO again. Raises NeedsAttention("starttls-missing"), CertificateRejected, TryAgain."""
        if not self._client.supports_extension("starttls"):
            raise NeedsAttention("starttls-missing", host=self._endpoint.host, port=self._endpoint.port)
        async with self._translated():
            await self._client.starttls(tls_context=tls, timeout=10)
            await self._client.ehlo()

    async def log_in(self, login: Login) -> None:
        """Authenticate. Raises LoginRejected, NeedsAttention("login-needs-tls", "mechanism-not-offered"), TryAgain."""
        self._secrets = sasl.spellings(login)
        if not self._loopback and self._client.get_transport_info("sslcontext") is None:
            raise NeedsAttention("login-needs-tls", host=self._endpoint.host, port=self._endpoint.port)
        offered = sorted({method.upper() for method in self._client.server_auth_methods})
        mechanism = sasl.choose(login.mechanism, offered)
        if mechanism is None:
            raise NeedsAttention("mechanism-not-offered", wanted=login.mechanism.value, offered=offered)
        messages = [base64.b64encode(step) for step in sasl.steps(mechanism, login)]
        opening: tuple[bytes, ...] = (b"AUTH", mechanism.value.upper().encode())
        async with self._translated():
            if mechanism is Mechanism.PLAIN:
                opening += (messages.pop(0),)
            response = await self._client.execute_command(*opening)
            for message in messages:
                if response.code != 334:
                    break
                response = await self._client.execute_command(message)
        if response.code != 235:
            raise self._login_refusal(response.code, response.message)

    def _login_refusal(self, code: int, message: str) -> Trouble:
        answer = self._answer(code, message)
        if 400 <= code < 500:
            return TryAgain("server-busy", answer=answer)
        if code in {530, 538}:
            return NeedsAttention("login-needs-tls", host=self._endpoint.host, port=self._endpoint.port, answer=answer)
        return LoginRejected("login-rejected", answer=answer)

    # -- sending -----------------------------------------------------------------------------------------------------

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        """See `Sender.send`. Raises MessageTrouble before anything is sent if the message or an address cannot go at all."""
        if _BARE.search(raw):
            raise MessageTrouble("line-ends-not-canonical")
        results: dict[str, RecipientResult] = {}
        sender, _ = _wire_address(envelope.sender)
        utf8_offered = self._client.supports_extension("smtputf8")
        open_recipients: list[tuple[str, str]] = []
        for recipient in dict.fromkeys(envelope.recipients):
            address, needs_utf8 = _wire_address(recipient)
            if needs_utf8 and not utf8_offered:
                results[recipient] = _result(recipient, 553, "553 5.6.7 SMTPUTF8 is not offered by the server")
            else:
                open_recipients.append((recipient, address))
        async with self._translated():
            refused = await self._mail(sender, raw, [address for _, address in open_recipients])
            for recipient, address in open_recipients:
                code, answer = refused or await self._command(b"RCPT", b"TO:<" + address.encode() + b">")
                if code not in {250, 251, 252}:
                    results[recipient] = _result(recipient, code, answer)
        accepted = [recipient for recipient, _ in open_recipients if recipient not in results]
        if accepted:
            await data_started()
            code, answer = await self._data(raw)
            results.update((recipient, _result(recipient, code, answer)) for recipient in accepted)
        else:
            with contextlib.suppress(Trouble):
                async with self._translated():
                    await self._client.rset()
        return Receipt(tuple(results[recipient] for recipient in dict.fromkeys(envelope.recipients)))

    async def _mail(self, sender: str, raw: bytes, recipients: Sequence[str]) -> tuple[int, str] | None:
        """Begin a transaction; the refusal if there is one."""
        options: list[bytes] = []
        if self._client.supports_extension("size"):
            options.append(b"SIZE=%d" % len(raw))
        if not raw.isascii() and self._client.supports_extension("8bitmime"):
            options.append(b"BODY=8BITMIME")
        if not all(address.isascii() for address in (sender, *recipients)):
            if not self._client.supports_extension("smtputf8"):
                return 553, "553 5.6.7 SMTPUTF8 is not offered by the server"
            options.append(b"SMTPUTF8")
        code, answer = await self._command(b"MAIL", b"FROM:<" + sender.encode() + b">", *options)
        if code == 530:
            raise NeedsAttention("login-required", host=self._endpoint.host, port=self._endpoint.port, answer=answer)
        return None if code == 250 else (code, answer)

    async def _command(self, *words: bytes) -> tuple[int, str]:
        response = await self._client.execute_command(*words)
        if response.code == 421:
            raise TryAgain("server-busy", answer=self._answer(response.code, response.message))
        return response.code, self._answer(response.code, response.message)

    async def _data(self, raw: bytes) -> tuple[int, str]:
        async with self._translated():
            try:
                response = await self._client.data(raw, timeout=DATA_SECONDS)
            except aiosmtplib.SMTPDataError as refusal:
                return refusal.code, self._answer(refusal.code, refusal.message)
        return response.code, self._answer(response.code, response.message)

    async def close(self) -> None:
        """See `Sender.close`."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, ValueError):
            if self._client.is_connected:
                await self._client.quit(timeout=5)
        self._client.close()

    # -- errors ------------------------------------------------------------------------------------------------------

    def _answer(self, code: int, message: str) -> str:
        return told(f"{code} {message}" if code > 0 else message, self._secrets)

    @contextlib.asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Turns the library's errors into ours."""
        try:
            yield
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise await self._trouble(error) from error

    async def _trouble(self, error: Exception) -> Trouble:
        host, port = self._endpoint.host, self._endpoint.port
        tls_error = next((e for e in (error, error.__cause__) if isinstance(e, ssl.SSLError)), None)
        if tls_error is not None:
            trouble = tls_trouble(tls_error, host, port)
            if isinstance(trouble, CertificateRejected) and self._endpoint.encryption is Encryption.TLS:
                trouble.facts.update(await look_at_certificate(host, port, egress=self._egress))
            return trouble
        if isinstance(error, aiosmtplib.SMTPConnectTimeoutError):
            return await self._silence()
        if isinstance(error, (aiosmtplib.SMTPTimeoutError, TimeoutError)):
            return TryAgain("read-timeout", host=host, port=port)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return self._unexpected(error)
        return TryAgain("connection-lost", host=host, port=port)

    async def _silence(self) -> Trouble:
        """Nobody greeted us: perhaps because the server waits for TLS."""
        host, port = self._endpoint.host, self._endpoint.port
        if self._endpoint.encryption is not Encryption.TLS:
            with contextlib.suppress(Trouble):
                connection = await Connection.open(host, port, egress=self._egress, timeout=5)
                try:
                    if await connection.answers_tls():
                        return NeedsAttention("plain-on-tls-port", host=host, port=port)
                finally:
                    await connection.close()
        return TryAgain("greeting-timeout", host=host, port=port)

    def _unexpected(self, error: aiosmtplib.SMTPResponseException) -> Trouble:
        host, port = self._endpoint.host, self._endpoint.port
        answer = self._answer(error.code, error.message)
        if 400 <= error.code < 500:
            return TryAgain("server-busy", answer=answer)
        if error.code >= 500:
            return NeedsAttention("server-refused", host=host, port=port, answer=answer)
        got = protocol_of(error.message.partition("line: ")[2].encode("utf-8", "replace"))
        if got == "tls":
            return NeedsAttention("plain-on-tls-port", host=host, port=port)
        if got not in {"unknown", "smtp"}:
            return NeedsAttention("wrong-protocol", host=host, port=port, expected="smtp", got=got)
        return ProtocolViolation("malformed-response", text=answer)


def _result(recipient: str, code: int, answer: str) -> RecipientResult:
    if 200 <= code < 300:
        return RecipientResult(recipient, RecipientState.ACCEPTED, answer)
    state = RecipientState.DEFERRED if 400 <= code < 500 else RecipientState.REJECTED
    return RecipientResult(recipient, state, answer)


def _wire_address(address: str) -> tuple[str, bool]:
    """The address with its domain in ASCII, and whether it needs SMTPUTF8 even so. Raises MessageTrouble("address-unsendable")."""
    local, _, domain = address.rpartition("@")
    if not address:
        return "", False
    try:
        if not domain.isascii():
            domain = idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise MessageTrouble("address-unsendable", address=address) from error
    if not local or not domain or _UNSENDABLE.search(local + domain):
        raise MessageTrouble("address-unsendable", address=address)
    return f"{local}@{domain}", not local.isascii()


async def open_sender(
    endpoint: Endpoint,
    login: Login | None,
    *,
    egress: EgressPolicy,
    tls: ssl.SSLContext,
    local_hostname: str,
) -> SmtpSender:
    """Connect, encrypt as the endpoint says, log in if there is a login. Raises `Trouble`; nothing stays open then."""
    sender = await SmtpSender.greeted(endpoint, egress=egress, tls=tls, local_hostname=local_hostname)
    try:
        if endpoint.encryption is Encryption.STARTTLS:
            await sender.start_tls(tls)
        if login is not None:
            await sender.log_in(login)
    except BaseException:
        await sender.close()
        raise
    return sender
