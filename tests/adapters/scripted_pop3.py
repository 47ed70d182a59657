"""A POP3 server that says what a test tells it to, for the servers no Debian package behaves like.

It holds messages under UIDLs and serves them as a plain but honest server would; a test replaces single answers, by command
or by command and argument. `None` as an answer hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.pop3.session import Limits
from poststelle.adapters.pop3.source import Pop3Source, open_source
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.servers.listening import listening

PASSWORD = "Kennwort-des-Tests"
LOGIN = Login("nutzer", Secret(PASSWORD))
EGRESS = EgressPolicy.of("127.0.0.0/8")
Answer = bytes | list[bytes | None] | None


def stuffed(raw: bytes) -> bytes:
    """As a message goes over the wire, up to the final dot."""
    body = (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:]
    return body + (b"" if body.endswith(b"\r\n") or not body else b"\r\n") + b".\r\n"


class ScriptedPop3:
    """A running server. `held` is the maildrop as (UIDL, bytes); each session sees it as it was at its beginning.

    `heard` collects every line it was sent; `sessions` counts the log-ins. `silent`: before it hangs up it does what it was told.
    """

    def __init__(self, held: Sequence[tuple[str, bytes]], answers: Mapping[str, Answer]) -> None:
        self.held = list(held)
        self.answers = {
            "greeting": b"+OK ready\r\n",
            "CAPA": b"+OK\r\nUIDL\r\nTOP\r\nUSER\r\nPIPELINING\r\n.\r\n",
            **answers,
        }
        self.heard: list[bytes] = []
        self.sessions = 0
        self.silent = False
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        drop, doomed = list(self.held), set[int]()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            if await self._say("greeting", bytes, writer):
                while line := await reader.readline():
                    self.heard.append(line)
                    words = line.decode("latin-1").split()
                    verb, number = words[0].upper(), int(words[1]) if words[1:] and words[1].isdigit() else 0
                    self.sessions += verb == "PASS"
                    honest = functools.partial(self._honest, verb, number, drop, doomed)
                    if not await self._say(line.decode("latin-1").strip(), honest, writer):
                        break
                    if verb == "QUIT":
                        break
        writer.close()

    def _honest(self, verb: str, number: int, drop: Sequence[tuple[str, bytes]], doomed: set[int]) -> bytes:
        there = {place: held for place, held in enumerate(drop, 1) if place not in doomed}
        if number and number not in there:
            return b"-ERR no such message\r\n"
        if verb in {"USER", "PASS", "NOOP", "RSET", "APOP"}:
            return b"+OK\r\n"
        if verb == "DELE":
            doomed.add(number)
            return b"+OK\r\n"
        if verb == "QUIT":
            gone = [drop[place - 1] for place in doomed]
            self.held = [held for held in self.held if held not in gone]
            return b"+OK\r\n"
        if verb == "RETR":
            return b"+OK\r\n" + stuffed(there[number][1])
        if verb == "TOP":
            return b"+OK\r\n" + stuffed(there[number][1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        says = {"UIDL": lambda held: held[0].encode("latin-1"), "LIST": lambda held: b"%d" % len(held[1])}.get(verb)
        if says is None:
            return b"-ERR unknown\r\n"
        if number:
            return b"+OK %d %s\r\n" % (number, says(there[number]))
        lines = (b"%d %s\r\n" % (place, says(held)) for place, held in there.items())
        return b"+OK\r\n" + b"".join(lines) + b".\r\n"

    async def _say(self, said: str, honest: Callable[[], bytes], writer: asyncio.StreamWriter) -> bool:
        for name in (said, said.partition(" ")[0]):
            if name in self.answers:
                answer = self.answers[name]
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                break
        else:
            answer = honest()
        if answer is None:
            if self.silent:
                honest()
            return False
        writer.write(answer)
        await writer.drain()
        return True

    async def open(self, login: Login = LOGIN, limits: Limits | None = None) -> Pop3Source:
        endpoint = Endpoint("pop3", "localhost", self.port, Encryption.NONE)
        return await open_source(endpoint, login, egress=EGRESS, tls=Trust(), limits=limits)


@contextlib.asynccontextmanager
async def scripted_pop3(
    held: Sequence[tuple[str, bytes]] = (), answers: Mapping[str, Answer] | None = None
) -> AsyncIterator[ScriptedPop3]:
    """A server on a free port for as long as the block lasts."""
    made = ScriptedPop3(held, answers or {})
    async with listening(made.talk) as made.port:
        yield made
