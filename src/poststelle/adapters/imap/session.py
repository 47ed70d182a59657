"""One IMAP connection: greeting, TLS, log-in, and commands with everything the server says meanwhile (RFC 9051).

Law: one command at a time; whatever arrives during it is harvested (Q7); a command that does not come to its end leaves the
session broken. No password on an unencrypted line except to this machine (Q43); server text is cut and redacted.
This module does not know cursors, errands or batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

from poststelle.adapters import sasl
from poststelle.adapters.answer import told
from poststelle.adapters.connection import EgressPolicy, Tls, Trust
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.command import Literal, serialise, string
from poststelle.adapters.imap.naming import server_name
from poststelle.adapters.imap.numbers import Numbers, numbers_of
from poststelle.adapters.imap.reader import Body
from poststelle.adapters.imap.toll import Kept, Toll
from poststelle.adapters.imap.verdict import Selection, refusal_of, selection_of
from poststelle.adapters.opening import await_greeting, open_connection, start_tls
from poststelle.adapters.stream import Connection
from poststelle.errors import (
    FolderMissing,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    ProtocolViolation,
    Trouble,
    TryAgain,
)
from poststelle.mail.ports import RemoteFolderId
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism

log = logging.getLogger(__name__)

_ONE_WRITE = 64 * 1024
_LAST_WORD_SECONDS = 5.0
_NONE: frozenset[str] = frozenset()
REFUSED = frozenset({"refused-by-server", "command-rejected"})
"""Codes of a plain NO or BAD that says nothing more: the server does not do that."""


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
        self.enabled = self.distrusted = _NONE
        self.selected: Selection | None = None
        self.stirred = False
        self.noticed: dict[bytes, wire.FolderStatus] | None = None
        self.reshaped = False
        self._toll = Toll(limits)
        self._secrets: tuple[str, ...] = ()
        self._count = 0
        self._broken = False

    @property
    def utf8(self) -> bool:
        """Folder names are UTF-8 on the wire, not modified UTF-7 (RFC 6855; RFC 9051 appendix E)."""
        return "UTF8=ACCEPT" in self.enabled or not self.capable & {"IMAP4", "IMAP4REV1"}

    def distrust(self, *names: str) -> None:
        """From now on take these capabilities as not offered."""
        if not names:
            return
        self.distrusted |= set(names)
        self.capable -= self.distrusted
        self.enabled -= self.distrusted

    def _trusted(self, offered: frozenset[str]) -> frozenset[str]:
        return offered - self.distrusted if self.distrusted else offered

    # -- reading -----------------------------------------------------------------------------------------------------

    async def read(self, seconds: float | None = None) -> wire.Response:
        """The next answer, harvested."""
        wait = self.limits.read_seconds if seconds is None else seconds
        start = await self.connection.peek(12, wait)
        self._toll.arrives()
        numbers = numbers_of(start, self.limits.numbers)
        response: wire.Response
        if numbers is not None:
            response = await self._read_numbers(*numbers)
        else:
            parts: list[Body] = [await self.connection.readline(self.limits.line, wait)]
            literals: list[int] = []
            while (size := wire.literal_size(bytes(parts[-1]))) is not None:
                parts.append(await self._literal(size, in_memory=self._toll.literal(size, literals)))
                parts.append(await self.connection.readline(self.limits.line, wait))
            if literals:
                self._toll.arrives()
            response = wire.parse(parts, self.limits.depth)
        self._harvest(response)
        await self._toll.answer(response)
        return response

    async def _read_numbers(self, numbers: Numbers, name_ends: int) -> Numbers:
        await self.connection.read_exactly(name_ends)
        complete = False
        while not complete:
            piece, complete = await self.connection.read_piece(self.limits.line, self.limits.read_seconds)
            self._toll.arrives()
            numbers.feed(piece, last=complete)
            await self._toll.answer(numbers)
        return numbers

    async def _literal(self, size: int, *, in_memory: bool) -> Body:
        if in_memory:
            return await self.connection.read_exactly(size, self.limits.read_seconds)
        with tempfile.TemporaryFile() as file:
            await self.connection.read_into(file.write, size, self.limits.read_seconds)
            file.flush()
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)

    def _harvest(self, response: wire.Response) -> None:
        if isinstance(response, wire.Capabilities):
            self.capable = self._trusted(response.names)
        elif isinstance(response, wire.Enabled):
            self.enabled |= response.names - self.distrusted
        elif isinstance(response, wire.Condition):
            if response.code == "CAPABILITY":
                self.capable = self._trusted(wire.capabilities(response.argument))
            if response.status == "BYE":
                self._broken = True
            if response.code == "NOTIFICATIONOVERFLOW":
                self.noticed, self.reshaped = None, True
                self.distrust("NOTIFY")
        elif isinstance(response, wire.FolderStatus):
            if self.noticed is not None and len(self.noticed) < self.limits.folders:
                self.noticed[response.name] = response
        elif self.selected is not None:
            if isinstance(response, wire.Exists):
                self.stirred |= response.count != self.selected.exists
                self.selected.exists = response.count
            elif isinstance(response, wire.Expunged):
                self.selected.exists = max(0, self.selected.exists - 1)
                self.stirred = True
            elif isinstance(response, Numbers) and response.name == "VANISHED" and not response.earlier:
                left = sum(high - low + 1 for low, high in response.spans)
                self.selected.exists = max(0, self.selected.exists - left)
                self.stirred = True

    # -- commands ----------------------------------------------------------------------------------------------------

    async def command(
        self,
        verb: bytes,
        *arguments: bytes | Literal,
        each: Callable[[wire.Response], None] | None = None,
        most: int | None = None,
    ) -> Answer:
        """Run a command to its OK. Untagged answers go to `each`, or into the Answer. `most`: bytes it may bring.

        A NO or BAD is raised as the `Trouble` that `refusal` finds in it; the session stays usable then.
        """
        answer = await self.attempt(verb, *arguments, each=each, most=most)
        if answer.condition.status != "OK":
            raise self.refusal(answer.condition, verb)
        return answer

    async def attempt(
        self,
        *arguments: bytes | Literal,
        each: Callable[[wire.Response], None] | None = None,
        lead: bytes = b"",
        most: int | None = None,
    ) -> Answer:
        """Run a command to its end, whatever that is. `lead`: a command sent in the same breath, whose end is ignored.

        A command with a `lead` has no literals.
        """
        if self._broken:
            raise TryAgain("connection-lost", host=self.connection.host, port=self.connection.port)
        self._broken = True
        self._toll.begin()
        untagged = Kept()
        try:
            async with asyncio.timeout(self.limits.command_seconds):
                first, tag = self._next_tag() if lead else b"", self._next_tag()
                groups = serialise(tag, arguments, self.capable)
                if lead:
                    groups[0].insert(0, first + b" " + lead + b"\r\n")
                early = await self._send(tag, groups, untagged)
                condition = early or await self._collect(tag, each or untagged.add, first, most)
        except TimeoutError as error:
            raise TryAgain("read-timeout", host=self.connection.host, port=self.connection.port) from error
        self._broken = False
        return Answer(condition, untagged)

    def _next_tag(self) -> bytes:
        self._count += 1
        return b"P%d" % self._count

    async def _send(self, tag: bytes, groups: list[list[bytes]], untagged: Kept) -> wire.Condition | None:
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
                untagged.add(response)
        return None

    async def _collect(
        self, tag: bytes, each: Callable[[wire.Response], None], lead: bytes = b"", most: int | None = None
    ) -> wire.Condition:
        limit = most or self.limits.untagged + self.limits.literal
        begun = self.connection.received
        while True:
            response = await self.read()
            if isinstance(response, wire.Condition) and response.tag is not None:
                if lead and response.tag == lead:
                    lead = b""
                    continue
                return self._mine(response, tag)
            if isinstance(response, wire.Continuation):
                raise ProtocolViolation("unexpected-continuation", text=self.told(response.text))
            self._refuse_bye(response)
            each(response)
            if self.connection.received - begun > limit:
                raise ProtocolViolation("too-much-data", limit=limit)

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
        return refusal_of(condition, self.told(condition.text), verb)

    # -- log-in ------------------------------------------------------------------------------------------------------

    async def greet(self, timeout: float, *, before_tls: bool = False) -> bool:
        """Read the greeting; whether we are logged in already (PREAUTH), which nobody may be before STARTTLS (Q43)."""
        connection = self.connection
        await await_greeting(connection, "imap", timeout)
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

    async def start_tls(self, tls: Tls, timeout: float) -> None:
        """STARTTLS; what was said before is forgotten."""
        if not self.capable:
            await self.capabilities()
        if "STARTTLS" not in self.capable:
            raise NeedsAttention("starttls-missing", host=self.connection.host, port=self.connection.port)
        answer = await self.attempt(b"STARTTLS")
        if answer.condition.status != "OK":
            raise NeedsAttention("starttls-missing", host=self.connection.host, port=self.connection.port)
        self.capable = frozenset()
        await start_tls(self.connection, tls, timeout, after="imap")
        await self.capabilities()

    async def log_in(self, login: Login, *, plain_text_allowed: bool = False) -> dict[str, object]:
        """Authenticate by the best mechanism offered; how it was done (`sasl.login_facts`).

        Raises LoginRejected, NeedsAttention, TryAgain, ProtocolViolation.
        """
        self._secrets = sasl.spellings(login)
        if not self.capable:
            await self.capabilities()
        offered = {name[5:] for name in self.capable if name.startswith("AUTH=")}
        disabled = "LOGINDISABLED" in self.capable
        if disabled and not self.connection.encrypted and not offered:
            raise NeedsAttention("login-needs-tls", host=self.connection.host, port=self.connection.port)
        ways = offered if disabled else offered | {"LOGIN"}
        mechanism = sasl.mechanism_for(login, ways, self.connection, plain_text_allowed=plain_text_allowed)
        if mechanism is Mechanism.LOGIN and not disabled:
            secret = sasl.password_of(login)
            answer = await self.attempt(b"LOGIN", string(login.name.encode()), string(secret.encode()))
            condition = answer.condition
        else:
            condition = await self._authenticate(sasl.Exchange(mechanism, login))
        if condition.status != "OK":
            raise self._login_refusal(condition)
        if condition.code != "CAPABILITY":
            await self.capabilities()
        facts = sasl.login_facts(mechanism.value, self.connection)
        self.connection.witness.met("logged-in", host=self.connection.host, **facts)
        return facts

    def _login_refusal(self, condition: wire.Condition) -> Trouble:
        trouble = self.refusal(condition)
        if isinstance(trouble, (MessageTrouble, ProtocolViolation)):
            return LoginRejected("login-rejected", answer=self.told(condition.text))
        return trouble

    async def _authenticate(self, exchange: sasl.Exchange) -> wire.Condition:
        """AUTHENTICATE to its end (RFC 9051 section 6.2.2). A broken exchange leaves the session broken."""
        tag = self._next_tag()
        begun = tag + b" AUTHENTICATE " + exchange.mechanism.value.upper().encode()
        self._broken = True

        async def tell(message: bytes | None) -> bytes | None:
            nonlocal begun
            line = b" ".join(part for part in (begun, message) if part)
            begun = b""
            await self.connection.write(line + b"\r\n", self.limits.read_seconds)
            while not isinstance(response := await self.read(), wire.Continuation):
                self._refuse_bye(response)
                if isinstance(response, wire.Condition) and response.tag is not None:
                    ended.append(self._mine(response, tag))
                    if response.status != "OK":
                        raise self._login_refusal(response)
                    return None
            return bytes(response.text)

        ended: list[wire.Condition] = []
        try:
            async with asyncio.timeout(2 * self.limits.read_seconds):
                await sasl.converse(exchange, tell, at_once="SASL-IR" in self.capable)
        except TimeoutError as error:
            raise TryAgain("read-timeout", host=self.connection.host, port=self.connection.port) from error
        self._broken = False
        return ended[0]

    # -- folders -----------------------------------------------------------------------------------------------------

    async def hold(self, folder: RemoteFolderId, *, writable: bool = False, anew: bool = False) -> Selection:
        """Take a folder in hand unless it is. `anew`: look at it afresh. Raises FolderMissing with its id as `folder`."""
        selected, name = self.selected, server_name(folder, utf8=self.utf8)
        if not anew and selected is not None and selected.name == name and (selected.writable or not writable):
            return selected
        try:
            return await self.select(name, writable=writable)
        except FolderMissing as missing:
            missing.facts["folder"] = folder
            raise

    async def let_go(self) -> None:
        """No folder in hand any more (RFC 3691); nothing is expunged by it."""
        selected, self.selected = self.selected, None
        if selected is None:
            return
        if "UNSELECT" in self.capable:
            await self.command(b"UNSELECT")
            return
        # CLOSE would expunge in a folder that was opened for writing.
        if selected.writable:
            await self.attempt(b"EXAMINE", string(b"INBOX"))
        await self.attempt(b"CLOSE")

    async def select(self, name: bytes, *, writable: bool) -> Selection:
        """Take a folder in hand, always anew. Raises FolderMissing."""
        self.selected = None
        verb = b"SELECT" if writable else b"EXAMINE"
        extra = (b"(CONDSTORE)",) if self.capable & {"CONDSTORE", "QRESYNC"} else ()
        answer = await self.attempt(verb, string(name), *extra)
        if extra and answer.condition.status == "BAD":
            self.distrust("CONDSTORE", "QRESYNC")
            extra = ()
            answer = await self.attempt(verb, string(name))
        if answer.condition.status != "OK":
            trouble = self.refusal(answer.condition, verb)
            if isinstance(trouble, MessageTrouble):
                raise FolderMissing("folder-missing", answer=self.told(answer.condition.text))
            raise trouble
        made = selection_of(name, answer.condition, answer.untagged, writable=writable, modseqs=bool(extra))
        if not made.uid_validity:
            raise ProtocolViolation("no-uidvalidity", folder=name.decode("latin-1"))
        self.selected = made
        self.stirred = False
        return made

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def idle(self, timeout: float) -> None:
        """IDLE until the selected folder stirs or `timeout` seconds have passed (RFC 2177). Cancelled, it is ended in good order.

        Raises MessageTrouble("refused-by-server") where the server will not, or ends it by itself.
        """
        tag = self._next_tag()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        self._broken = True
        idling = False
        try:
            await self.connection.write(tag + b" IDLE\r\n")
            idling = await self._begin_idle(tag)
            while not self.stirred and not self.reshaped and not self.noticed and (left := deadline - loop.time()) > 0:
                if await self.connection.wait_for_data(left):
                    response = await self.read()
                    self._refuse_bye(response)
                    if isinstance(response, wire.Condition) and response.tag is not None:
                        self._broken = False
                        raise MessageTrouble("refused-by-server", answer=self.told(self._mine(response, tag).text))
                    self.overheard(response)
        except asyncio.CancelledError:
            with contextlib.suppress(Trouble, TimeoutError):
                async with asyncio.timeout(_LAST_WORD_SECONDS):
                    if idling or await self._begin_idle(tag):
                        await self._end_idle(tag)
            raise
        await self._end_idle(tag)

    def overheard(self, response: wire.Response) -> None:
        """What nobody asked for, while nothing was asked: flags or folders have changed."""
        self.stirred |= isinstance(response, wire.Fetched)
        self.reshaped |= isinstance(response, wire.Listed)

    async def _begin_idle(self, tag: bytes) -> bool:
        self._toll.begin()
        while not isinstance(response := await self.read(), wire.Continuation):
            if isinstance(response, wire.Condition) and response.tag is not None:
                self._broken = False
                raise self.refusal(self._mine(response, tag), b"IDLE")
            self._refuse_bye(response)
            self.overheard(response)
        return True

    async def _end_idle(self, tag: bytes) -> None:
        await self.connection.write(b"DONE\r\n")
        self._toll.begin()
        await self._collect(tag, self.overheard)
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
    tls: Trust,
    limits: wire.Limits | None = None,
) -> Session:
    """Connect, encrypt as the endpoint says, log in. Raises `Trouble`; nothing stays open then."""
    bounds = limits or wire.Limits()
    wanted = tls.towards(endpoint, login.client_certificate)
    connection = await open_connection(endpoint, egress=egress, tls=wanted, timeout=bounds.connect_seconds)
    session = Session(connection, bounds)
    try:
        before_tls = endpoint.encryption is Encryption.STARTTLS
        known = await session.greet(bounds.greeting_seconds, before_tls=before_tls)
        if before_tls:
            await session.start_tls(wanted, 10)
        if known:
            await session.capabilities()
        else:
            await session.log_in(login, plain_text_allowed=endpoint.plain_text_allowed)
    except BaseException:
        await connection.close()
        raise
    return session
