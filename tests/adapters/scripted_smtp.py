"""An SMTP server that says what a test tells it to, for the servers no Debian package behaves like.

It takes every message as an honest server would; a test replaces single answers, by command (``greeting``, ``.`` for the end of the
message). `None` as an answer hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from poststelle.mail.settings import Encryption, Endpoint
from tests.servers.listening import listening

HONEST: Mapping[str, bytes | None] = {
    "greeting": b"220 ready\r\n",
    "EHLO": b"250-here\r\n250-AUTH PLAIN\r\n250 SIZE 1000000\r\n",
    "AUTH": b"235 welcome\r\n",
    "MAIL": b"250 ok\r\n",
    "RCPT": b"250 ok\r\n",
    "DATA": b"354 go on\r\n",
    ".": b"250 taken\r\n",
    "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n",
}


class ScriptedSmtp:
    """A running server. `taken` holds every message it accepted or refused."""

    def __init__(self, answers: Mapping[str, bytes | None]) -> None:
        self._answers = {**HONEST, **answers}
        self.taken: list[bytes] = []
        self.port = 0

    def endpoint(self, encryption: Encryption = Encryption.NONE) -> Endpoint:
        return Endpoint("smtp", "localhost", self.port, encryption)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            said = self._say("greeting", writer)
            while said and (line := await reader.readline()):
                verb = line.strip().split(b" ")[0].decode("latin-1").upper()
                said = self._say(verb, writer)
                if verb == "DATA" and (self._answers["DATA"] or b"").startswith(b"354"):
                    self.taken.append(await reader.readuntil(b"\r\n.\r\n"))
                    said = self._say(".", writer)
        writer.close()

    def _say(self, verb: str, writer: asyncio.StreamWriter) -> bool:
        answer = self._answers.get(verb, b"500 what?\r\n")
        if answer is not None:
            writer.write(answer)
        return answer is not None


@contextlib.asynccontextmanager
async def scripted_smtp(answers: Mapping[str, bytes | None] | None = None) -> AsyncIterator[ScriptedSmtp]:
    """A server on a free port for as long as the block lasts."""
    made = ScriptedSmtp(answers or {})
    async with listening(made.talk) as made.port:
        yield made
