"""One IMAP connection: greeting, TLS, log-in, and commands with everything the server says meanwhile (RFC 9051).

Law: one command at a time; whatever arrives during it is harvested (Q7); a command that does not come to its end leaves the
session broken. No password on an unencrypted line except to this machine (Q43); server text is cut and redacted.
This module does not know cursors, errands or batches.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import mmap
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

from poststelle.adapters import sasl
from poststelle.adapters.answer import told
from poststelle.adapters.connection import EgressPolicy
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.command import Literal, serialise, string
from poststelle.adapters.stream import Connection, open_tls, protocol_of
from poststelle.errors import (
    FolderMissing,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    ProtocolViolation,
    Trouble,
    TryAgain,
)
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism

log = logging.getLogger(__name__)

_ONE_WRITE = 64 * 1024
_LAST_WORD_SECONDS = 5.0
_BUSY = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"})


@dataclass(slots=True)
class Selection:
    """The folder in hand. `uid_next` and `highest_modseq` are 0 where the server did not say; `exists` follows its reports."""

    name: bytes
    writable: bool
    uid_validity: int = 0
    uid_next: int = 0
    exists: int = 0
    highest_modseq: int = 0

    @property
    def state(self) -> tuple[int, int, int, int]:
        """What differs when the folder has changed."""
        return self.uid_validity, self.uid_next, self.exists, self.highest_modseq


@dataclass(slots=True)
class Answer:
    """How a command ended (OK), and what came with it."""

    condition: wire.Condition
    untagged: list[wire.Response] = field(default_factory=list)


class Session:
    """A connection in the authenticated state. Made by `open_session`; not shared between tasks."""

    def __init__(self, connection: Connection, limits: wire.Limits) -> None:
        self.connection = connection
        self.limits = limits
        self.capable: frozenset[str] = frozenset()
        self.selected: Selection | None = None
        self.stirred = False
        self._secrets: tuple[str, ...] = ()
        self._count = 0
        self._broken = False

    # -- reading -----------------------------------------------------------------------------------------------------

    async def read(self, seconds: float | None = None) -> wire.Response:
        """The next answer, harvested."""
        wait = self.limits.read_seconds if seconds is None else seconds
        start = await self.connection.peek(12, wait)
        numbers = wire.numbers_of(start, self.limits.numbers)
        response: wire.Response
        if numbers is not None:
            response = await self._read_numbers(*numbers)
        else:
            parts: list[wire.Body] = [await self.connection.readline(self.limits.line, wait)]
            while (size := wire.literal_size(bytes(parts[-1]))) is not None:
                parts.append(await self._literal(size))
                parts.append(await self.connection.readline(self.limits.line, wait))
            response = wire.parse(parts, self.limits.depth)
        self._harvest(response)
        return response

    async def _read_numbers(self, numbers: wire.Numbers, name_ends: int) -> wire.Numbers:
        await self.connection.read_exactly(name_ends)
        complete = False
        while not complete:
            piece, complete = await self.connection.read_piece(self.limits.line, self.limits.read_seconds)
            numbers.feed(piece, last=complete)
        return numbers

    async def _literal(self, size: int) -> wire.Body:
        if size > self.limits.literal:
            raise ProtocolViolation("literal-too-big", size=size, limit=self.limits.literal)
        if size <= self.limits.in_memory:
            return await self.connection.read_exactly(size, self.limits.read_seconds)
        with tempfile.TemporaryFile() as file:
            await self.connection.read_into(file.write, size, self.limits.read_seconds)
            file.flush()
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)

    def _harvest(self, response: wire.Response) -> None:
        if isinstance(response, wire.Capabilities):
            self.capable = response.names
        elif isinstance(response, wire.Condition):
            if response.code == "CAPABILITY":
                self.capable = wire.capabilities(response.argument)
            if response.status == "BYE":
                self._broken = True
        elif self.selected is not None:
            if isinstance(response, wire.Exists):
                self.stirred |= response.count != self.selected.exists
                self.selected.exists = response.count
            elif isinstance(response, wire.Expunged):
                self.selected.exists = max(0, self.selected.exists - 1)
                self.stirred = True
            elif isinstance(response, wire.Numbers) and response.name == "VANISHED":
                self.stirred = True

    # -- commands ----------------------------------------------------------------------------------------------------

    async def command(
        self, verb: bytes, *arguments: bytes | Literal, each: Callable[[wire.Response], None] | None = None
    ) -> Answer:
        """Run a command to its OK. Untagged answers go to `each`, or into the Answer.

        A NO or BAD is raised as the `Trouble` that `refusal` finds in it; the session stays usable then.
        """
        answer = await self.attempt(verb, *arguments, each=each)
        if answer.condition.status != "OK":
            raise self.refusal(answer.condition, verb)
        return answer

    async def attempt(self, *arguments: bytes | Literal, each: Callable[[wire.Response], None] | None = None) -> Answer:
        """Run a command to its end, whatever that is."""
        if self._broken:
            raise TryAgain("connection-lost", host=self.connection.host, port=self.connection.port)
        self._broken = True
        untagged: list[wire.Response] = []
        try:
            async with asyncio.timeout(self.limits.command_seconds):
                tag = self._next_tag()
                early = await self._send(tag, serialise(tag, arguments, self.capable), untagged)
                condition = early or await self._collect(tag, each or untagged.append)
        except TimeoutError as error:
            raise TryAgain("read-timeout", host=self.connection.host, port=self.connection.port) from error
        self._broken = False
        return Answer(condition, untagged)

    def _next_tag(self) -> bytes:
        self._count += 1
        return b"P%d" % self._count

    async def _send(
        self, tag: bytes, groups: list[list[bytes]], untagged: list[wire.Response]
    ) -> wire.Condition | None:
        """Send the groups, each after the first when the server asks for it. An early end comes back."""
        for number, group in enumerate(groups):
            small = sum(map(len, group)) < _ONE_WRITE
            for piece in [b"".join(group)] if small else group:
                await self.connection.write(piece, self.limits.read_seconds)
            while number < len(groups) - 1:
                response = await self.read()
                if isinstance(response, wire.Continuation):
                    break
                if isinstance(response, wire.Condition) and response.tag is not None:
                    return self._mine(response, tag)
                self._refuse_bye(response)
                untagged.append(response)
        return None

    async def _collect(self, tag: bytes, each: Callable[[wire.Response], None]) -> wire.Condition:
        begun = self.connection.received
        while True:
            response = await self.read()
            if isinstance(response, wire.Condition) and response.tag is not None:
                return self._mine(response, tag)
            if isinstance(response, wire.Continuation):
                raise ProtocolViolation("unexpected-continuation", text=self.told(response.text))
            self._refuse_bye(response)
            each(response)
            if self.connection.received - begun > self.limits.untagged + self.limits.literal:
                raise ProtocolViolation("too-much-data", limit=self.limits.untagged)

    def _mine(self, condition: wire.Condition, tag: bytes) -> wire.Condition:
        if condition.tag != tag:
            raise ProtocolViolation("foreign-tag", text=self.told(condition.text))
        return condition

    def _refuse_bye(self, response: wire.Response) -> None:
        if isinstance(response, wire.Condition) and response.status == "BYE":
            raise TryAgain("server-closed", answer=self.told(response.text))

    def told(self, text: bytes) -> str:
        """Server text as a fact: cut, without control characters, without our secrets."""
        return told(text, self._secrets)

    def refusal(self, condition: wire.Condition, verb: bytes = b"") -> Trouble:
        """What a NO or BAD means for us."""
        answer = self.told(condition.text)
        code = condition.code
        if code in _BUSY or "too many connections" in answer.lower():
            return TryAgain("server-busy", answer=answer)
        if code == "OVERQUOTA":
            return NeedsAttention("mailbox-full", answer=answer)
        if code in {"TRYCREATE", "NONEXISTENT"}:
            return FolderMissing("folder-missing", answer=answer)
        if code in {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"}:
            return LoginRejected("login-rejected", answer=answer)
        if code == "PRIVACYREQUIRED":
            return NeedsAttention("login-needs-tls", answer=answer)
        if condition.status == "BAD":
            return ProtocolViolation("command-rejected", command=verb.decode("latin-1"), answer=answer)
        return MessageTrouble("refused-by-server", command=verb.decode("latin-1"), answer=answer)

    # -- log-in ------------------------------------------------------------------------------------------------------

    async def greet(self, timeout: float, *, before_tls: bool = False) -> bool:
        """Read the greeting; whether we are logged in already (PREAUTH), which nobody may be before STARTTLS (Q43)."""
        connection = self.connection
        try:
            start = await connection.peek(4, timeout)
        except TryAgain as trouble:
            if trouble.code != "read-timeout":
                raise
            if not connection.encrypted and await connection.answers_tls():
                raise NeedsAttention("plain-on-tls-port", host=connection.host, port=connection.port) from trouble
            raise TryAgain("greeting-timeout", host=connection.host, port=connection.port) from trouble
        spoken = protocol_of(start)
        if spoken == "tls":
            raise NeedsAttention("plain-on-tls-port", host=connection.host, port=connection.port)
        if spoken != "imap":
            raise NeedsAttention(
                "wrong-protocol", host=connection.host, port=connection.port, expected="imap", got=spoken
            )
        greeting = wire.parse([await connection.readline(self.limits.greeting)])
        self._harvest(greeting)
        if isinstance(greeting, wire.Condition) and greeting.status in {"OK", "PREAUTH"}:
            if before_tls and greeting.status == "PREAUTH":
                raise ProtocolViolation("preauth-before-starttls", host=connection.host, port=connection.port)
            return greeting.status == "PREAUTH"
        if isinstance(greeting, wire.Condition):
            raise TryAgain("server-closed", answer=self.told(greeting.text))
        raise ProtocolViolation("malformed-response", text="greeting")

    async def capabilities(self) -> frozenset[str]:
        """Ask what the server can do."""
        await self.command(b"CAPABILITY")
        return self.capable

    async def start_tls(self, context: ssl.SSLContext, timeout: float) -> None:
        """STARTTLS; what was said before is forgotten."""
        if not self.capable:
            await self.capabilities()
        if "STARTTLS" not in self.capable:
            raise NeedsAttention("starttls-missing", host=self.connection.host, port=self.connection.port)
        answer = await self.attempt(b"STARTTLS")
        if answer.condition.status != "OK":
            raise NeedsAttention("starttls-missing", host=self.connection.host, port=self.connection.port)
        self.capable = frozenset()
        await self.connection.start_tls(context, timeout)
        await self.capabilities()

    async def log_in(self, login: Login) -> None:
        """Authenticate by the best mechanism offered. Raises LoginRejected, NeedsAttention, TryAgain."""
        secret = sasl.password_of(login)
        self._secrets = sasl.spellings(login)
        if not self.capable:
            await self.capabilities()
        connection = self.connection
        if not connection.encrypted and not connection.loopback:
            raise NeedsAttention("login-needs-tls", host=connection.host, port=connection.port)
        offered = {name[5:] for name in self.capable if name.startswith("AUTH=")}
        mechanism = sasl.choose(login.mechanism, offered)
        if mechanism is Mechanism.PLAIN or (mechanism is Mechanism.LOGIN and "LOGINDISABLED" in self.capable):
            answer = await self._authenticate(mechanism, login)
        elif login.mechanism is not Mechanism.PLAIN and "LOGINDISABLED" not in self.capable:
            answer = await self.attempt(b"LOGIN", string(login.username.encode()), string(secret.encode()))
        elif "LOGINDISABLED" in self.capable and not connection.encrypted:
            raise NeedsAttention("login-needs-tls", host=connection.host, port=connection.port)
        else:
            raise NeedsAttention("mechanism-not-offered", wanted=login.mechanism.value, offered=sorted(offered))
        if answer.condition.status != "OK":
            raise self._login_refusal(answer.condition)
        if answer.condition.code != "CAPABILITY":
            await self.capabilities()

    def _login_refusal(self, condition: wire.Condition) -> Trouble:
        trouble = self.refusal(condition)
        if isinstance(trouble, (MessageTrouble, ProtocolViolation)):
            return LoginRejected("login-rejected", answer=self.told(condition.text))
        return trouble

    async def _authenticate(self, mechanism: Mechanism, login: Login) -> Answer:
        messages = [base64.b64encode(step) for step in sasl.steps(mechanism, login)]
        tag = self._next_tag()
        line = tag + b" AUTHENTICATE " + mechanism.value.upper().encode()
        if "SASL-IR" in self.capable and mechanism is Mechanism.PLAIN:
            line += b" " + messages.pop(0)
        self._broken = True
        groups = [[line + b"\r\n"], *([message + b"\r\n"] for message in messages)]
        untagged: list[wire.Response] = []
        condition = await self._send(tag, groups, untagged) or await self._collect(tag, untagged.append)
        self._broken = False
        return Answer(condition, untagged)

    # -- folders -----------------------------------------------------------------------------------------------------

    async def select(self, name: bytes, *, writable: bool) -> Selection:
        """Take a folder in hand, always anew. Raises FolderMissing."""
        self.selected = None
        verb = b"SELECT" if writable else b"EXAMINE"
        extra = (b"(CONDSTORE)",) if self.capable & {"CONDSTORE", "QRESYNC"} else ()
        answer = await self.attempt(verb, string(name), *extra)
        if answer.condition.status != "OK":
            trouble = self.refusal(answer.condition, verb)
            if isinstance(trouble, MessageTrouble):
                raise FolderMissing("folder-missing", answer=self.told(answer.condition.text))
            raise trouble
        made = Selection(name, writable and answer.condition.code != "READ-ONLY")
        for response in answer.untagged:
            if isinstance(response, wire.Exists):
                made.exists = response.count
            elif isinstance(response, wire.Condition) and response.argument.isdigit() and len(response.argument) < 21:
                number = int(response.argument)
                if response.code == "UIDVALIDITY":
                    made.uid_validity = number
                elif response.code == "UIDNEXT":
                    made.uid_next = number
                elif response.code == "HIGHESTMODSEQ":
                    made.highest_modseq = number
        if not made.uid_validity:
            raise ProtocolViolation("no-uidvalidity", folder=name.decode("latin-1"))
        self.selected = made
        self.stirred = False
        return made

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def idle(self, timeout: float) -> None:
        """IDLE until the selected folder stirs or `timeout` seconds have passed (RFC 2177). Cancelled, it is ended in good order."""
        tag = self._next_tag()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        self._broken = True
        idling = False
        try:
            await self.connection.write(tag + b" IDLE\r\n")
            idling = await self._begin_idle(tag)
            while not self.stirred and (left := deadline - loop.time()) > 0:
                if await self.connection.wait_for_data(left):
                    response = await self.read()
                    self._refuse_bye(response)
                    self.stirred |= isinstance(response, wire.Fetched)
        except asyncio.CancelledError:
            with contextlib.suppress(Trouble, TimeoutError):
                async with asyncio.timeout(_LAST_WORD_SECONDS):
                    if idling or await self._begin_idle(tag):
                        await self._end_idle(tag)
            raise
        await self._end_idle(tag)

    async def _begin_idle(self, tag: bytes) -> bool:
        while not isinstance(response := await self.read(), wire.Continuation):
            if isinstance(response, wire.Condition) and response.tag is not None:
                self._broken = False
                raise self.refusal(self._mine(response, tag), b"IDLE")
            self._refuse_bye(response)
        return True

    async def _end_idle(self, tag: bytes) -> None:
        await self.connection.write(b"DONE\r\n")
        await self._collect(tag, lambda _: None)
        self._broken = False

    async def close(self) -> None:
        """LOGOUT if the line is clear, and hang up. Never raises."""
        try:
            if not self._broken:
                self._broken = True
                await self.connection.write(self._next_tag() + b" LOGOUT\r\n", 2)
        except Trouble as trouble:
            log.debug("hanging up: %s", trouble.code)
        await self.connection.close()


async def open_session(
    endpoint: Endpoint,
    login: Login,
    *,
    egress: EgressPolicy,
    tls: ssl.SSLContext,
    limits: wire.Limits | None = None,
) -> Session:
    """Connect, encrypt as the endpoint says, log in. Raises `Trouble`; nothing stays open then."""
    bounds = limits or wire.Limits()
    if endpoint.encryption is Encryption.TLS:
        connection = await open_tls(endpoint.host, endpoint.port, egress=egress, context=tls)
    else:
        connection = await Connection.open(endpoint.host, endpoint.port, egress=egress)
    session = Session(connection, bounds)
    try:
        before_tls = endpoint.encryption is Encryption.STARTTLS
        known = await session.greet(bounds.greeting_seconds, before_tls=before_tls)
        if before_tls:
            await session.start_tls(tls, 10)
        if known:
            await session.capabilities()
        else:
            await session.log_in(login)
    except BaseException:
        await connection.close()
        raise
    return session
