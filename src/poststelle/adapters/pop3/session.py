"""One POP3 connection: greeting, TLS, log-in, and the commands (RFC 1939, RFC 2449, RFC 2595, RFC 3206, RFC 5034).

Law: every line, list and message of the server is bounded in size and time. Whatever breaks off in the middle of an answer
leaves the session broken. Nothing is deleted unless `quit` says so: any other end of the connection forgets every DELE.
This module does not know what message ids are made of, cursors or batches.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import mmap
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import IO, TypeVar

from poststelle.adapters import sasl
from poststelle.adapters.answer import told
from poststelle.adapters.connection import CONNECT_SECONDS, EgressPolicy, Tls, Trust
from poststelle.adapters.opening import await_greeting, open_connection, start_tls
from poststelle.adapters.pop3.dots import Unstuffing
from poststelle.adapters.stream import Connection, Pace
from poststelle.errors import LoginRejected, MessageTrouble, NeedsAttention, ProtocolViolation, Trouble, TryAgain
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism

log = logging.getLogger(__name__)

T = TypeVar("T")
Body = bytes | mmap.mmap

_CODE = re.compile(rb"\[([A-Z][A-Z0-9/-]{0,40})[^\]]*\]")
_TAKEN = re.compile(
    r"(maildrop|mailbox|mbox|spool).{0,40}(lock|in use|busy)|too many connections|temporar", re.IGNORECASE
)
"""How servers without response codes say that the maildrop is in somebody's hands."""

_STAMP = re.compile(rb"<[!-;=?-~]+@[!-;=?-~]+>")
"""A greeting's timestamp; only one of proper form, because a made-up one helps to guess the password."""

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_LONGEST_COMMAND = 253
_AT_ONCE = 50
"""Commands under way where the server allows it (RFC 2449 section 6.6)."""
_LIST = 32 << 20
"""Bytes of one list, whatever it is about."""

_TURN = 1000
"""Lines of a list read before others get their turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a server may send (RELIABILITY Q5). Sizes in bytes, times in seconds."""

    line: int = 64 * 1024
    capabilities: int = 200
    messages: int = 200_000
    message: int = 256 * 1024 * 1024
    in_memory: int = 1024 * 1024
    header: int = 128 * 1024
    read_seconds: float = 60.0
    command_seconds: float = 1800.0
    greeting_seconds: float = 30.0
    connect_seconds: float = CONNECT_SECONDS


class Session:
    """A connection to one maildrop. Made by `open_session`; not shared between tasks."""

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self.connection = connection
        self.limits = limits
        self.capable: dict[str, str] = {}
        self._stamp = b""
        self._secrets: tuple[str, ...] = ()
        self._broken = False
        self._deleting = False

    # -- commands ----------------------------------------------------------------------------------------------------

    async def ask(self, command: bytes) -> bytes:
        """The text of the +OK to a command of one line. An -ERR is raised as the `Trouble` that `refusal` finds in it."""
        answer = await anext(self.ask_each([command]))
        if isinstance(answer, Trouble):
            raise answer
        return answer

    async def ask_lines(self, command: bytes, most: int) -> list[bytes]:
        """The lines after the +OK, at most so many, dots removed. Raises ProtocolViolation("too-many-numbers")."""

        async def lines(_text: bytes) -> list[bytes]:
            found: list[bytes] = []
            room = _LIST
            while (line := await self._line()) != b".":
                found.append(line.removeprefix(b"."))
                room -= len(line)
                if len(found) > most or room < 0:
                    raise ProtocolViolation("too-many-numbers", limit=most)
                if len(found) % _TURN == 0:
                    await asyncio.sleep(0)
            return found

        try:
            async with asyncio.timeout(self.limits.command_seconds):
                answer = await anext(self._each([command], lines))
        except TimeoutError as error:
            raise TryAgain("read-timeout", host=self.connection.host, port=self.connection.port) from error
        if isinstance(answer, Trouble):
            raise answer
        return answer

    def ask_each(self, commands: Sequence[bytes]) -> AsyncIterator[bytes | Trouble]:
        """The answers to commands of one line, in their order."""

        async def nothing_more(text: bytes) -> bytes:
            return text

        return self._each(commands, nothing_more)

    def bodies(self, numbers: Sequence[int]) -> AsyncIterator[Body | Trouble]:
        """These messages, whole. Big ones come as a read-only memory map of a temporary file.

        Raises MessageTrouble("too-large"), leaving the session broken, where a message does not end in time.
        """
        return self._each([b"RETR %d" % number for number in numbers], self._body)

    def headers(self, numbers: Sequence[int]) -> AsyncIterator[bytes | Trouble]:
        """What stands above the bodies of these messages, as far as `Limits.header` allows."""
        return self._each([b"TOP %d 0" % number for number in numbers], self._header)

    async def delete(self, numbers: Sequence[int]) -> list[bytes | Trouble]:
        """DELE each; nothing is gone before `quit`."""
        self._deleting = True
        return [answer async for answer in self.ask_each([b"DELE %d" % number for number in numbers])]

    async def quit(self) -> None:
        """End the session and make its deletions true. Raises what an -ERR or a lost connection means: then nobody knows."""
        await self.ask(b"QUIT")
        self._broken = True

    async def _each(
        self, commands: Sequence[bytes], read: Callable[[bytes], Awaitable[T]]
    ) -> AsyncIterator[T | Trouble]:
        """Send the commands, ahead of their answers where the server allows it, and read each answer with what belongs to it.

        What a refused one means is yielded, not raised. Not iterated to the end, it leaves the session broken.
        """
        if self._broken:
            raise TryAgain("connection-lost", host=self.connection.host, port=self.connection.port)
        self._broken = bool(commands)
        ahead, sent = _AT_ONCE if "PIPELINING" in self.capable else 1, 0
        for number, command in enumerate(commands):
            if sent <= number + ahead // 2:
                together = commands[sent : number + ahead]
                sent += len(together)
                if together:
                    await self.connection.write(b"\r\n".join(together) + b"\r\n", self.limits.read_seconds)
            good, text = await self._status()
            answer: T | Trouble = await read(text) if good else self.refusal(text, command)
            self._broken = number + 1 < len(commands)
            yield answer

    async def _line(self) -> bytes:
        return await self.connection.readline(self.limits.line, self.limits.read_seconds)

    async def _status(self) -> tuple[bool, bytes]:
        line = await self._line()
        if line.startswith(b"+OK"):
            return True, line[3:].strip()
        if line.startswith(b"-ERR"):
            return False, line[4:].strip()
        raise ProtocolViolation("malformed-response", text=self.told(line))

    async def _header(self, _text: bytes) -> bytes:
        kept = bytearray()

        def keep(piece: bytes) -> None:
            if len(kept) < self.limits.header:
                kept.extend(piece)

        await self._stuffed(keep)
        return bytes(kept[: self.limits.header])

    async def _body(self, _text: bytes) -> Body:
        pieces: list[bytes] = []
        file: IO[bytes] | None = None
        held = 0

        def keep(piece: bytes) -> None:
            nonlocal file, held
            held += len(piece)
            if file is not None:
                file.write(piece)
                return
            pieces.append(piece)
            if held > self.limits.in_memory:
                file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
                file.writelines(pieces)
                pieces.clear()

        try:
            await self._stuffed(keep)
            if file is None:
                return b"".join(pieces)
            file.flush()
            return mmap.mmap(file.fileno(), held, access=mmap.ACCESS_READ)
        finally:
            if file is not None:
                file.close()

    async def _stuffed(self, keep: Callable[[bytes], None]) -> None:
        """Read to the final dot, handing on what is found on the way."""
        unstuffing, pace, size = Unstuffing(), Pace(self.connection), 0
        while unstuffing.rest is None:
            content = unstuffing.feed(await self.connection.read_some(self.limits.read_seconds))
            size += len(content)
            if size > self.limits.message:
                raise MessageTrouble("too-large", limit=self.limits.message)
            keep(content)
            pace.keep_up(size)
        self.connection.put_back(unstuffing.rest)

    # -- refusals ----------------------------------------------------------------------------------------------------

    def told(self, text: bytes) -> str:
        """Server text as a fact: cut, without control characters, without our secrets."""
        return told(text, self._secrets)

    def refusal(self, text: bytes, command: bytes = b"") -> Trouble:
        """What an -ERR means for us (RFC 2449 section 8, RFC 3206)."""
        answer = self.told(text)
        found = _CODE.match(text.upper())
        code = found[1].decode() if found else ""
        if code == "LOGIN-DELAY":
            return TryAgain("server-busy", after=self.login_delay or None, answer=answer)
        if code in {"IN-USE", "SYS/TEMP"}:
            return TryAgain("server-busy", answer=answer)
        if code == "AUTH":
            return LoginRejected("login-rejected", answer=answer)
        if code == "SYS/PERM":
            facts = {"host": self.connection.host, "port": self.connection.port}
            return NeedsAttention("server-refused", **facts, answer=answer)
        return MessageTrouble("refused-by-server", command=command[:4].decode("latin-1"), answer=answer)

    def _login_refusal(self, trouble: Trouble) -> Trouble:
        """A refused log-in, where the server gave no code."""
        if not isinstance(trouble, MessageTrouble):
            return trouble
        answer = str(trouble.facts.get("answer", ""))
        if _TAKEN.search(answer):
            return TryAgain("server-busy", answer=answer)
        return LoginRejected("login-rejected", answer=answer)

    @property
    def login_delay(self) -> int:
        """Seconds the server wants between two log-ins (RFC 2449 section 6.5); 0 where it has no wish. At most a day."""
        wish = self.capable.get("LOGIN-DELAY", "").partition(" ")[0]
        return min(int(wish), 86400) if wish.isdigit() and len(wish) < 10 else 0

    # -- log-in ------------------------------------------------------------------------------------------------------

    async def greet(self, timeout: float) -> None:
        """Read the greeting and ask what the server can do. Raises as `await_greeting` does, and what an -ERR means."""
        await await_greeting(self.connection, "pop3", timeout)
        good, text = await self._status()
        if not good:
            refused = self.refusal(text)
            raise (
                refused
                if not isinstance(refused, MessageTrouble)
                else TryAgain("server-closed", answer=self.told(text))
            )
        stamp = _STAMP.search(text)
        self._stamp = stamp[0] if stamp else b""
        await self.capabilities()

    async def capabilities(self) -> None:
        """Ask what the server can do; nothing where it does not know the question."""
        self.capable = {}
        try:
            lines = await self.ask_lines(b"CAPA", self.limits.capabilities)
        except MessageTrouble:
            return
        pairs = (line.decode("ascii", "replace").upper().strip().partition(" ") for line in lines)
        self.capable = {name: arguments for name, _, arguments in pairs}

    async def start_tls(self, tls: Tls, timeout: float) -> None:
        """STLS; what was said before is forgotten (RFC 2595 section 4). Raises NeedsAttention("starttls-missing") and others."""
        facts = {"host": self.connection.host, "port": self.connection.port}
        if "STLS" not in self.capable:
            raise NeedsAttention("starttls-missing", **facts)
        try:
            await self.ask(b"STLS")
        except MessageTrouble as refused:
            raise NeedsAttention("starttls-missing", **facts) from refused
        self.capable, self._stamp = {}, b""
        await start_tls(self.connection, tls, timeout, after="pop3")
        await self.capabilities()

    async def log_in(self, login: Login, *, plain_text_allowed: bool = False) -> dict[str, object]:
        """Authenticate by the best way offered; how it was done (`sasl.login_facts`).

        USER and PASS count as LOGIN, APOP as CRAM-MD5: they expose the same. Raises LoginRejected, NeedsAttention, TryAgain.
        """
        self._secrets = sasl.spellings(login)
        mechanisms = set(self.capable.get("SASL", "").split())
        ways = set(mechanisms)
        if not self.capable or "USER" in self.capable:
            ways.add("LOGIN")
        if self._stamp:
            ways.add("CRAM-MD5")
        taken = sasl.mechanism_for(login, ways, self.connection, plain_text_allowed=plain_text_allowed)
        way = taken.value
        try:
            if taken.value.upper() in mechanisms:
                await self._authenticate(sasl.Exchange(taken, login))
            elif taken is Mechanism.CRAM_MD5:
                way = "apop"
                secret = self._stamp + sasl.password_of(login).encode()
                digest = hashlib.md5(secret, usedforsecurity=False).hexdigest()
                await self.ask(b"APOP " + _word(login.name) + b" " + digest.encode())
            else:
                way = "user"
                await self.ask(b"USER " + _word(login.name))
                await self.ask(b"PASS " + _word(sasl.password_of(login)))
        except MessageTrouble as refused:
            raise self._login_refusal(refused) from refused
        await self.capabilities()
        facts = sasl.login_facts(way, self.connection)
        self.connection.witness.met("logged-in", host=self.connection.host, **facts)
        return facts

    async def _authenticate(self, exchange: sasl.Exchange) -> None:
        """AUTH to its end (RFC 5034). A broken exchange leaves the session broken."""
        begun = b"AUTH " + exchange.mechanism.value.upper().encode()
        short = len(begun) + 4 * len(exchange.initial or b"") // 3 + 4 < _LONGEST_COMMAND
        self._broken = True

        async def tell(message: bytes | None) -> bytes | None:
            nonlocal begun
            line = b" ".join(part for part in (begun, message) if part)
            begun = b""
            await self.connection.write(line + b"\r\n", self.limits.read_seconds)
            answer = await self._line()
            if answer.startswith(b"-ERR"):
                raise self._login_refusal(self.refusal(answer[4:].strip(), b"AUTH"))
            if answer.startswith(b"+OK"):
                return None
            if answer != b"+" and not answer.startswith(b"+ "):
                raise ProtocolViolation("malformed-response", text=self.told(answer))
            return answer[2:]

        await sasl.converse(exchange, tell, at_once=short)
        self._broken = False

    async def close(self) -> None:
        """Hang up, with a QUIT only if nothing would be deleted by it. Never raises."""
        try:
            if not self._broken and not self._deleting:
                self._broken = True
                await self.connection.write(b"QUIT\r\n", 2)
        except Trouble as trouble:
            log.debug("hanging up: %s", trouble.code)
        await self.connection.close()


def _word(text: str) -> bytes:
    """An argument of a command. Raises LoginRejected for what would be another command."""
    word = text.encode()
    if not word or _CONTROL.search(word):
        raise LoginRejected("login-rejected", answer="")
    return word


async def open_session(
    endpoint: Endpoint, login: Login, *, egress: EgressPolicy, tls: Trust, limits: Limits | None = None
) -> Session:
    """Connect, encrypt as the endpoint says, log in. Raises `Trouble`; nothing stays open then."""
    bounds = limits or Limits()
    wanted = tls.towards(endpoint, login.client_certificate)
    session = Session(
        await open_connection(endpoint, egress=egress, tls=wanted, timeout=bounds.connect_seconds), bounds
    )
    try:
        await session.greet(bounds.greeting_seconds)
        if endpoint.encryption is Encryption.STARTTLS:
            await session.start_tls(wanted, 10)
        await session.log_in(login, plain_text_allowed=endpoint.plain_text_allowed)
    except BaseException:
        await session.connection.close()
        raise
    return session
