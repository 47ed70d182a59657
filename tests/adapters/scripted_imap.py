"""An IMAP server that says what a test tells it to, for the servers no Debian package behaves like.

It hears a command whole, with its literals. It answers a log-in, a folder list and a selection as a poor but honest server would; a test replaces single answers,
given as text in which ``{tag}`` stands for the command's tag. `None` as an answer hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Mapping

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.source import ImapSource, open_source
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.servers.listening import listening

PASSWORD = "Kennwort-des-Tests"
LOGIN = Login("nutzer", Secret(PASSWORD))
EGRESS = EgressPolicy.of("127.0.0.0/8")

HONEST: Mapping[str, bytes | None] = {
    "greeting": b"* OK ready\r\n",
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 LITERAL+\r\n{tag} OK\r\n",
    "LOGIN": b"{tag} OK\r\n",
    "LIST": b'* LIST () "." INBOX\r\n{tag} OK\r\n',
    "EXAMINE": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n",
    "SELECT": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n",
    "UID SEARCH": b"* SEARCH 1 2 3\r\n{tag} OK\r\n",
    "NOOP": b"{tag} OK\r\n",
    "LOGOUT": b"* BYE\r\n{tag} OK\r\n",
}


class ScriptedImap:
    """A running server. `heard` collects every command it was sent."""

    def __init__(
        self, answers: Mapping[str, bytes | list[bytes | None] | None], starttls: ssl.SSLContext | None
    ) -> None:
        self._answers = {**HONEST, **answers}
        self._starttls = starttls
        self.heard: list[bytes] = []
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            if await self._say("greeting", b"*", writer):
                while line := await self._hear(reader, writer):
                    tag, _, rest = line.strip().partition(b" ")
                    words = rest.upper().split(b" ")
                    verb = b" ".join(words[: 2 if words[0] == b"UID" else 1]).decode("latin-1")
                    if verb == "STARTTLS" and self._starttls is not None:
                        writer.write(tag + b" OK go\r\n")
                        await writer.start_tls(self._starttls)
                    elif not await self._say(verb, tag, writer):
                        break
        writer.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The next command with its literals."""
        line = await reader.readline()
        while literal := re.search(rb"\{(\d+)(\+?)\}\r\n$", line):
            if not literal[2]:
                writer.write(b"+ go on\r\n")
            line += await reader.readexactly(int(literal[1])) + await reader.readline()
        if line:
            self.heard.append(line)
        return line

    async def _say(self, verb: str, tag: bytes, writer: asyncio.StreamWriter) -> bool:
        answer = self._answers.get(verb, b"{tag} BAD unknown\r\n")
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            return False
        writer.write(answer.replace(b"{tag}", tag))
        await writer.drain()
        return True

    def endpoint(self, encryption: Encryption = Encryption.NONE) -> Endpoint:
        return Endpoint("imap", "localhost", self.port, encryption)

    async def open(
        self,
        encryption: Encryption = Encryption.NONE,
        tls: Trust | None = None,
        limits: wire.Limits | None = None,
        *,
        bulk: bool = False,
        inbox_is_root: bool = False,
    ) -> ImapSource:
        return await open_source(
            self.endpoint(encryption),
            LOGIN,
            egress=EGRESS,
            tls=tls or Trust(),
            limits=limits,
            bulk=bulk,
            inbox_is_root=inbox_is_root,
        )


@contextlib.asynccontextmanager
async def scripted(
    answers: Mapping[str, bytes | list[bytes | None] | None] | None = None,
    tls: ssl.SSLContext | None = None,
    *,
    starttls: bool = False,
) -> AsyncIterator[ScriptedImap]:
    """A server on a free port for as long as the block lasts. With `tls` it speaks TLS: at once, or when told to start."""
    made = ScriptedImap(answers or {}, tls if starttls else None)
    async with listening(made.talk, None if starttls else tls, 1 << 20) as made.port:
        yield made
