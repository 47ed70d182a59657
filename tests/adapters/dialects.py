"""A server that speaks just enough IMAP, POP3 or SMTP to let anybody in, and cheats at STARTTLS as it is told.

It would be pleased with any password; what it heard, and whether that was under TLS, is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap import session as imap
from poststelle.adapters.imap import wire
from poststelle.adapters.pop3 import session as pop3
from poststelle.adapters.smtp import open_sender
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.servers.ca import Certificate
from tests.servers.listening import listening

EGRESS = EgressPolicy.of("127.0.0.0/8")


@dataclass(frozen=True)
class Dialect:
    """What a server of this protocol says. ``{tag}`` stands for the command's tag."""

    greeting: bytes
    preauth: bytes
    ask: bytes
    """The command that asks for capabilities."""
    offers: bytes
    stripped: bytes
    start: bytes
    go: bytes
    no: bytes
    bad: bytes
    bye: bytes
    injected: bytes
    """Answers to commands the client has not sent yet."""
    foreign: bytes
    """Consent that is none."""
    done: bytes


DIALECTS = {
    "imap": Dialect(
        greeting=b"* OK ready\r\n",
        preauth=b"* PREAUTH ready\r\n",
        ask=b"CAPABILITY",
        offers=b"* CAPABILITY IMAP4rev1 STARTTLS SASL-IR AUTH=PLAIN\r\n{tag} OK\r\n",
        stripped=b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK\r\n",
        start=b"STARTTLS",
        go=b"{tag} OK go\r\n",
        no=b"{tag} NO not now\r\n",
        bad=b"{tag} BAD what\r\n",
        bye=b"* BYE\r\n",
        injected=b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nP3 OK\r\nP4 OK\r\n",
        foreign=b"P99 OK go\r\n",
        done=b"{tag} OK\r\n",
    ),
    "pop3": Dialect(
        greeting=b"+OK ready <1.2@test>\r\n",
        preauth=b"+OK ready and logged in\r\n",
        ask=b"CAPA",
        offers=b"+OK\r\nSTLS\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
        stripped=b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
        start=b"STLS",
        go=b"+OK go\r\n",
        no=b"-ERR not now\r\n",
        bad=b"-ERR [SYS/PERM] what\r\n",
        bye=b"",
        injected=b"+OK\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n",
        foreign=b"* OK go\r\n",
        done=b"+OK\r\n",
    ),
    "smtp": Dialect(
        greeting=b"220 ready\r\n",
        preauth=b"220 ready and logged in\r\n",
        ask=b"EHLO",
        offers=b"250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
        stripped=b"250-test\r\n250 AUTH PLAIN\r\n",
        start=b"STARTTLS",
        go=b"220 go\r\n",
        no=b"454 4.7.0 not now\r\n",
        bad=b"502 5.5.1 what\r\n",
        bye=b"421 4.3.0 bye\r\n",
        injected=b"250-test\r\n250 AUTH PLAIN\r\n235 in\r\n",
        foreign=b"250 go\r\n",
        done=b"235 in\r\n",
    ),
}

MODES = (
    "strip", "no", "bad", "bye", "hang-up", "preauth", "inject", "inject-late", "inject-greeting", "foreign-consent",
    "no-consent", "go-on-plain", "garbage", "half", "wrong-certificate", "double",
)  # fmt: skip
"""The ways to cheat. Each must end before a password is said."""


class Cheat:
    """A running server. `plain` and `secret` collect what it heard without and under TLS."""

    def __init__(self, dialect: Dialect, mode: str, context: ssl.SSLContext) -> None:
        self._dialect, self._mode, self._context = dialect, mode, context
        self.plain = b""
        self.secret = b""
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialect, mode, secure = self._dialect, self._mode, writer.get_extra_info("sslcontext") is not None
        writer.write(dialect.preauth if mode == "preauth" else dialect.greeting)
        if mode == "inject-greeting":
            writer.write(dialect.go.replace(b"{tag}", b"P1"))
        while line := await reader.readline():
            if secure:
                self.secret += line
            else:
                self.plain += line
            tag = line.partition(b" ")[0] if dialect.greeting.startswith(b"*") else b""
            said = line.upper().removeprefix(tag.upper() + b" " if tag else b"")
            if said.startswith(dialect.ask):
                stripped = mode in {"strip", "preauth"} or secure
                answer = dialect.stripped if stripped else dialect.offers
                writer.write(answer.replace(b"{tag}", tag))
            elif said.startswith(dialect.start):
                if not await self._start(writer, tag):
                    break
                secure = mode in {"honest", "wrong-certificate"}
            else:
                writer.write(dialect.done.replace(b"{tag}", tag))
        writer.close()

    async def _start(self, writer: asyncio.StreamWriter, tag: bytes) -> bool:
        """Answer STARTTLS; whether to go on."""
        dialect, mode = self._dialect, self._mode
        said = {"no": dialect.no, "bad": dialect.bad, "bye": dialect.bye, "foreign-consent": dialect.foreign}
        said |= {
            "hang-up": b"",
            "no-consent": b"",
            "inject": dialect.go + dialect.injected,
            "double": dialect.go + dialect.go,
        }
        writer.write(said.get(mode, dialect.go).replace(b"{tag}", tag))
        if mode in {"honest", "wrong-certificate"}:
            await writer.start_tls(self._context)
        elif mode == "inject-late":
            await asyncio.sleep(0.05)
            writer.write(dialect.injected)
        elif mode == "half":
            await asyncio.sleep(0.05)
            writer.write(b"\x16\x03\x03")
        elif mode == "garbage":
            writer.write(b"\x16\x03\x01\x00\x05garbage")
        return mode not in {"bye", "hang-up", "half"}


def serving(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


@contextlib.asynccontextmanager
async def cheating(
    protocol: str, mode: str, context: ssl.SSLContext, *, implicit: bool = False
) -> AsyncIterator[Cheat]:
    """A server on a free port for as long as the block lasts. `implicit`: with TLS from the first byte."""
    made = Cheat(DIALECTS[protocol], mode, context)
    async with listening(made.talk, context if implicit else None) as made.port:
        yield made


async def enter(endpoint: Endpoint, login: Login, trust: Trust) -> None:
    """Connect, encrypt and log in by this endpoint's protocol, and hang up."""
    if endpoint.protocol == "imap":
        limits = wire.Limits(read_seconds=1)
        await (await imap.open_session(endpoint, login, egress=EGRESS, tls=trust, limits=limits)).close()
    elif endpoint.protocol == "pop3":
        bounds = pop3.Limits(read_seconds=1)
        await (await pop3.open_session(endpoint, login, egress=EGRESS, tls=trust, limits=bounds)).close()
    else:
        sender = await open_sender(endpoint, login, egress=EGRESS, tls=trust, local_hostname="localhost")
        await sender.close()


def starttls(protocol: str, port: int) -> Endpoint:
    return Endpoint(protocol, "localhost", port, Encryption.STARTTLS)
