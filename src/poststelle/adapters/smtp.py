"""SMTP as a `Sender`: submission of finished messages (RFC 5321, RFC 6409; ADR 6 says why it is our own).

Law: one answer per recipient; `data_started` is awaited after the recipients and before DATA (Q20). No password on an
unencrypted line but to this machine or by permission (Q43). Every line of the server is bounded.
This module does not know the outbox, retries or Sent folders.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import idna

from poststelle.adapters import sasl
from poststelle.adapters.answer import told
from poststelle.adapters.connection import CONNECT_SECONDS, EgressPolicy, Tls, Trust
from poststelle.adapters.opening import await_greeting, open_connection, start_tls
from poststelle.adapters.stream import Connection
from poststelle.errors import LoginRejected, MessageTrouble, NeedsAttention, ProtocolViolation, Trouble, TryAgain
from poststelle.mail.ports import DataStarted, Envelope, Receipt, RecipientResult, RecipientState
from poststelle.mail.settings import Encryption, Endpoint, Login

GREETING_SECONDS = 30.0
COMMAND_SECONDS = 300.0
DATA_SECONDS = 600.0
"""How long the server may think after the final dot (Q22)."""

LONGEST_LINE, MOST_LINES = 4096, 200
_AT_ONCE = 100
"""Recipients named in one breath where the server allows it; few enough that neither side's buffers fill up."""

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f<>]")
_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_NAME = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered: the code, and the text of each line."""

    code: int
    lines: Sequence[bytes]

    @property
    def is_positive(self) -> bool:
        """The command is done; the first digit alone decides (RFC 5321 section 4.3.2)."""
        return 200 <= self.code < 300

    @property
    def text(self) -> str:
        """Code and text on one line."""
        return f"{self.code} {b' '.join(self.lines).decode('utf-8', 'replace')}".rstrip()


class SmtpSender:
    """`Sender` over one SMTP connection, for as many messages as its caller likes. Made by `open_sender`; not shared between tasks."""

    def __init__(self, connection: Connection, local_hostname: str) -> None:
        self._connection = connection
        self._name = local_hostname if _NAME.fullmatch(local_hostname) else "localhost"
        self._extensions: Mapping[str, str] = {}
        self._secrets: tuple[str, ...] = ()
        self._facts = {"host": connection.host, "port": connection.port}

    @property
    def connection(self) -> Connection:
        """The connection itself, to look at."""
        return self._connection

    @property
    def offers(self) -> Sequence[str]:
        """What the server offers (EHLO keywords, upper case)."""
        return sorted(self._extensions)

    async def greet(self, timeout: float = GREETING_SECONDS) -> None:
        """Read the greeting and introduce ourselves.

        Raises TryAgain, NeedsAttention("plain-on-tls-port", "wrong-protocol", "server-refused"), ProtocolViolation.
        """
        try:
            await await_greeting(self._connection, "smtp", timeout)
        except NeedsAttention as other:
            if other.facts.get("got") != "unknown":
                raise
            raise ProtocolViolation("malformed-response", text="greeting") from other
        greeting = await self._reply(timeout)
        if greeting.code != 220:
            raise self._refusal(greeting)
        await self._introduce()

    async def _introduce(self) -> None:
        """EHLO, or HELO where nobody knows it (RFC 5321 section 3.2)."""
        reply = await self._ask(b"EHLO " + self._name.encode())
        if 500 <= reply.code < 505:
            reply = await self._ask(b"HELO " + self._name.encode())
        if reply.code != 250:
            raise self._refusal(reply)
        extensions: dict[str, str] = {}
        for line in reply.lines[1:]:
            # Old servers announce "AUTH=PLAIN LOGIN".
            keyword, _, values = line.decode("ascii", "replace").upper().replace("AUTH=", "AUTH ").partition(" ")
            extensions[keyword] = f"{extensions.get(keyword, '')} {values}".strip()
        self._extensions = extensions

    async def start_tls(self, tls: Tls) -> None:
        """STARTTLS, and EHLO again; what was said before is forgotten (RFC 3207).

        Raises NeedsAttention("starttls-missing"), CertificateRejected, ProtocolViolation, TryAgain.
        """
        if "STARTTLS" not in self._extensions:
            raise NeedsAttention("starttls-missing", **self._facts)
        reply = await self._ask(b"STARTTLS")
        if 400 <= reply.code < 500:
            raise self._refusal(reply)
        if reply.code != 220:
            raise NeedsAttention("starttls-missing", **self._facts)
        self._extensions = {}
        await start_tls(self._connection, tls, after="smtp")
        await self._introduce()

    async def log_in(self, login: Login, *, plain_text_allowed: bool = False) -> dict[str, object]:
        """Authenticate by the best mechanism offered (RFC 4954); how it was done (`sasl.login_facts`).

        Raises LoginRejected, NeedsAttention("login-needs-tls", "mechanism-not-offered"), ProtocolViolation, TryAgain.
        """
        self._secrets = sasl.spellings(login)
        offered = self._extensions.get("AUTH", "").split()
        mechanism = sasl.mechanism_for(login, offered, self._connection, plain_text_allowed=plain_text_allowed)
        begun = b"AUTH " + mechanism.value.upper().encode()

        async def tell(message: bytes | None) -> bytes | None:
            nonlocal begun
            reply = await self._ask(b" ".join(part for part in (begun, message) if part))
            begun = b""
            if reply.code == 334:
                return reply.lines[0]
            if reply.code != 235:
                raise self._login_refusal(reply)
            return None

        await sasl.converse(sasl.Exchange(mechanism, login), tell, at_once=True)
        facts = sasl.login_facts(mechanism.value, self._connection)
        self._connection.witness.met("logged-in", host=self._connection.host, **facts)
        return facts

    def _login_refusal(self, reply: Reply) -> Trouble:
        if 400 <= reply.code < 500:
            return TryAgain("server-busy", answer=self._told(reply))
        if reply.code in {530, 538}:
            return NeedsAttention("login-needs-tls", **self._facts, answer=self._told(reply))
        return LoginRejected("login-rejected", answer=self._told(reply))

    # -- sending -----------------------------------------------------------------------------------------------------

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        """See `Sender.send`. Raises MessageTrouble before anything is sent if the message or an address cannot go at all."""
        if _BARE.search(raw):
            raise MessageTrouble("line-ends-not-canonical")
        sender, sender_needs_utf8 = _wire_address(envelope.sender)
        everybody = list(dict.fromkeys(envelope.recipients))
        addresses = {recipient: _wire_address(recipient) for recipient in everybody}
        results: dict[str, RecipientResult] = {}
        if "SMTPUTF8" not in self._extensions:
            for recipient, (_, needs_utf8) in addresses.items():
                if needs_utf8 or sender_needs_utf8:
                    results[recipient] = _result(recipient, 553, "553 5.6.7 SMTPUTF8 is not offered by the server")
        still_open = [recipient for recipient in everybody if recipient not in results]
        if still_open:
            commands = [self._mail(sender, raw, [addresses[recipient][0] for recipient in still_open])]
            commands += [b"RCPT TO:<" + addresses[recipient][0].encode() + b">" for recipient in still_open]
            first, *replies = await self._ask_all(commands)
            for recipient, reply in zip(still_open, replies, strict=True):
                verdict = reply if first.is_positive else first
                if not verdict.is_positive:
                    results[recipient] = _result(recipient, verdict.code, self._told(verdict))
        accepted = [recipient for recipient in still_open if recipient not in results]
        if accepted:
            await data_started()
            verdict = await self._data(raw)
            results.update((one, _result(one, verdict.code, self._told(verdict))) for one in accepted)
        elif still_open:
            # Their verdicts stand even if the server has had enough of us.
            with contextlib.suppress(Trouble):
                await self._ask(b"RSET")
        return Receipt(tuple(results[recipient] for recipient in everybody))

    def _mail(self, sender: str, raw: bytes, recipients: Sequence[str]) -> bytes:
        """The command that begins a transaction."""
        words = [b"MAIL FROM:<" + sender.encode() + b">"]
        if "SIZE" in self._extensions:
            words.append(b"SIZE=%d" % len(raw))
        if not raw.isascii() and "8BITMIME" in self._extensions:
            words.append(b"BODY=8BITMIME")
        if not all(address.isascii() for address in (sender, *recipients)) and "SMTPUTF8" in self._extensions:
            words.append(b"SMTPUTF8")
        return b" ".join(words)

    async def _ask_all(self, commands: Sequence[bytes]) -> list[Reply]:
        """MAIL and its RCPTs, in one breath where the server allows it (RFC 2920). After a refused MAIL its reply stands for all.

        Raises NeedsAttention("login-required"), TryAgain.
        """
        replies: list[Reply] = []
        breath = _AT_ONCE if "PIPELINING" in self._extensions else 1
        for start in range(0, len(commands), breath):
            together = commands[start : start + breath]
            await self._connection.write(b"".join(command + b"\r\n" for command in together), COMMAND_SECONDS)
            replies += [await self._answer() for _ in together]
            first = replies[0]
            if first.code == 530:
                raise NeedsAttention("login-required", **self._facts, answer=self._told(first))
            if not first.is_positive:
                return [first] * len(commands)
        return replies

    async def _data(self, raw: bytes) -> Reply:
        await self._connection.write(b"DATA\r\n", COMMAND_SECONDS)
        reply = await self._reply(COMMAND_SECONDS)
        if reply.code != 354:
            return self._verdict(reply)
        stuffed = raw.replace(b"\r\n.", b"\r\n..")
        try:
            if stuffed.startswith(b"."):
                await self._connection.write(b".", COMMAND_SECONDS)
            end = b".\r\n" if not raw or raw.endswith(b"\r\n") else b"\r\n.\r\n"
            small = len(stuffed) < 1 << 16
            for piece in (stuffed + end,) if small else (stuffed, end):
                await self._connection.write(piece, COMMAND_SECONDS)
        except TryAgain:
            # A server may refuse in the middle and hang up; then its word is there to be read.
            with contextlib.suppress(Trouble):
                return self._verdict(await self._reply(1))
            raise
        reply = await self._reply(DATA_SECONDS)
        return reply if reply.is_positive else self._verdict(reply)

    def _verdict(self, reply: Reply) -> Reply:
        """The reply if it refuses the message: any other word, said here, cannot be about it. Raises ProtocolViolation."""
        if reply.code < 400:
            raise ProtocolViolation("malformed-response", text=self._told(reply))
        return reply

    async def close(self) -> None:
        """See `Sender.close`."""
        with contextlib.suppress(Trouble):
            await self._connection.write(b"QUIT\r\n", 2)
        await self._connection.close()

    # -- commands and replies ----------------------------------------------------------------------------------------

    async def _ask(self, command: bytes) -> Reply:
        await self._connection.write(command + b"\r\n", COMMAND_SECONDS)
        return await self._answer()

    async def _answer(self) -> Reply:
        reply = await self._reply(COMMAND_SECONDS)
        if reply.code == 421:
            raise TryAgain("server-busy", answer=self._told(reply))
        return reply

    async def _reply(self, seconds: float) -> Reply:
        lines: list[bytes] = []
        for _ in range(MOST_LINES):
            line = await self._connection.readline(LONGEST_LINE, seconds)
            matched = _REPLY.fullmatch(line)
            if matched is None:
                raise ProtocolViolation("malformed-response", text=told(line, self._secrets))
            lines.append(matched[3] or b"")
            if matched[2] != b"-":
                return Reply(int(matched[1]), lines)
        raise ProtocolViolation("too-much-data", limit=MOST_LINES)

    def _refusal(self, reply: Reply) -> Trouble:
        if 400 <= reply.code < 500:
            return TryAgain("server-busy", answer=self._told(reply))
        if reply.code >= 500:
            return NeedsAttention("server-refused", **self._facts, answer=self._told(reply))
        return ProtocolViolation("malformed-response", text=self._told(reply))

    def _told(self, reply: Reply) -> str:
        return told(reply.text, self._secrets)


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
    endpoint: Endpoint, login: Login | None, *, egress: EgressPolicy, tls: Trust, local_hostname: str,
    connect_seconds: float = CONNECT_SECONDS, greeting_seconds: float = GREETING_SECONDS,
) -> SmtpSender:  # fmt: skip
    """Connect, encrypt as the endpoint says, log in if there is a login. Raises `Trouble`; nothing stays open then."""
    wanted = tls.towards(endpoint, login.client_certificate if login is not None else None)
    connection = await open_connection(endpoint, egress=egress, tls=wanted, timeout=connect_seconds)
    sender = SmtpSender(connection, local_hostname)
    try:
        await sender.greet(greeting_seconds)
        if endpoint.encryption is Encryption.STARTTLS:
            await sender.start_tls(wanted)
        if login is not None:
            await sender.log_in(login, plain_text_allowed=endpoint.plain_text_allowed)
    except BaseException:
        await sender.close()
        raise
    return sender
