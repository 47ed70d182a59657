"""The ways of an account's test: receiving by IMAP, by POP3, sending by SMTP; each as its steps in their order.

Law: a step is one act under one time; what it finds out is data, why it fails is found by `adapters.diagnosis`. A refused user name
is tried once more in its other spelling, and no password is ever tried twice otherwise.
This module does not know which ways are tried, or the order of both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from poststelle.adapters import diagnosis
from poststelle.adapters.connection import EgressPolicy, Tls, Trust, is_internal, lookup, resolve
from poststelle.adapters.diagnosis import Way
from poststelle.adapters.imap import session as imap
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.opening import settle
from poststelle.adapters.imap.roles import may_be
from poststelle.adapters.imap.source import ImapSource
from poststelle.adapters.opening import start_tls
from poststelle.adapters.pop3 import session as pop3
from poststelle.adapters.smtp import SmtpSender, open_sender
from poststelle.adapters.stream import Connection
from poststelle.adapters.trial import DropWatcher, FolderWatcher, Trial, Watcher
from poststelle.errors import HostForbidden, LoginRejected, NeedsAttention, Trouble, TryAgain
from poststelle.mail.ports import Envelope, RecipientState, RemoteFolder, Role
from poststelle.mail.records import Step
from poststelle.mail.settings import AccountSettings, Encryption, Login

Facts = Mapping[str, object]
Act = Callable[[], Awaitable[Facts]]
ALMOST_FULL = 0.95


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: of a step; for a greeting (short of a step, so that a silent server can still be asked whether it waits for TLS);
    for the test message to arrive."""

    step: float = 10.0
    greeting: float = 6.0
    arrival: float = 120.0


@dataclass(frozen=True, slots=True)
class World:
    """What every step needs to know beside the settings."""

    settings: AccountSettings
    egress: EgressPolicy
    trust: Trust
    local_hostname: str
    times: Times
    inside: bool = False


async def tried(way: Way, name: str, act: Act, seconds: float) -> Step:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            detail = await act()
    except (Trouble, TimeoutError) as error:
        trouble = error if isinstance(error, Trouble) else TryAgain("step-timeout")
        cause = diagnosis.diagnose(trouble, way, name)
        taken = time.monotonic() - begun
        return Step(way.direction, name, "failed", taken, cause.facts, cause.code, cause.needs_person, cause.fixes)
    return Step(way.direction, name, "ok", time.monotonic() - begun, detail)


class Direction:
    """What all directions have in common: finding the server, and TLS in its place."""

    def __init__(self, world: World, way: Way) -> None:
        self.way = way
        self._world = world
        self._endpoint = way.endpoint
        self._login = way.login
        self._connection: Connection | None = None

    def steps(self) -> list[tuple[str, Act]]:
        """What is tried, in its order."""
        raise NotImplementedError

    def noticed(self) -> Sequence[Step]:
        """What is worth saying although everything works."""
        return ()

    async def walk(self) -> AsyncGenerator[Step, None]:
        """Every step as it ends; after a failure the rest is skipped."""
        failed = False
        for name, act in self.steps():
            if failed:
                yield Step(self.way.direction, name, "skipped")
                continue
            done = await tried(self.way, name, act, self._world.times.step)
            failed = done.state == "failed"
            yield done
        if not failed:
            for step in self.noticed():
                yield step

    def _warning(self, name: str, code: str, **facts: object) -> Step:
        helps = diagnosis.fixes(code, self.way, facts)
        return Step(self.way.direction, name, "warned", 0.0, facts, code, fixes=helps)

    async def _named(self, log_in: Callable[[], Awaitable[Facts]], again: Callable[[Login], Awaitable[None]]) -> Facts:
        """The log-in; where it is refused, whether the other spelling of the user name would do (`again` connects anew).

        Raises LoginRejected, with the code ``username-form`` if it would.
        """
        login = self._login
        assert login is not None
        try:
            done = await log_in()
        except LoginRejected as refused:
            other = diagnosis.other_username(login.username, self._world.settings.address)
            plain = (
                refused.code == "login-rejected" and diagnosis.diagnose(refused, self.way, "login").code == refused.code
            )
            if not (plain and other and login.password) or other == login.username:
                raise
            try:
                async with asyncio.timeout(self._world.times.step / 2):
                    await again(replace(login, username=other))
            except (Trouble, TimeoutError):
                raise refused from None
            raise LoginRejected("username-form", username=login.username, working=other) from refused
        return {**done, "username": login.username}

    def _tls(self) -> Tls:
        return self._world.trust.towards(self._endpoint, self._login.client_certificate if self._login else None)

    def _opening(self, greeting: Act, start_tls: Act) -> list[tuple[str, Act]]:
        first: list[tuple[str, Act]] = [("resolve", self._resolve), ("connect", self._connect)]
        if self._endpoint.encryption is Encryption.TLS:
            return [*first, ("tls", self._implicit_tls), ("greeting", greeting)]
        if self._endpoint.encryption is Encryption.STARTTLS:
            return [*first, ("greeting", greeting), ("tls", start_tls)]
        return [*first, ("greeting", greeting)]

    async def _resolve(self) -> Facts:
        host, port = self._endpoint.host, self._endpoint.port
        try:
            found = await resolve(host, port, egress=self._world.egress)
        except HostForbidden as forbidden:
            if self._world.inside:
                found = (await lookup(host, port))[:4]
                openable = self._world.egress.openable(host, found, port)
                forbidden.facts |= {
                    "addresses": [*map(str, found)], "openable": [*map(str, openable)],
                    "internal": any(map(is_internal, found)),
                }  # fmt: skip
            raise
        return {"addresses": [str(address) for address in found]}

    async def _connect(self) -> Facts:
        self._connection = await Connection.open(self._endpoint.host, self._endpoint.port, egress=self._world.egress)
        return {"address": self._connection.peer, "port": self._endpoint.port}

    async def _implicit_tls(self) -> Facts:
        assert self._connection is not None
        await start_tls(self._connection, self._tls(), self._world.times.step / 2)
        return self._connection.tls_facts()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


class Incoming(Direction):
    def __init__(self, world: World, way: Way) -> None:
        super().__init__(world, way)
        self._session: imap.Session | None = None
        self._source: ImapSource | None = None
        self._known = False
        self._found: list[RemoteFolder] = []
        self._fullness = 0.0

    def steps(self) -> list[tuple[str, Act]]:
        return [*self._opening(self._greet, self._start_tls), ("login", self._log_in), ("folders", self._folders)]

    async def _greet(self) -> Facts:
        assert self._connection is not None
        self._session = imap.Session(self._connection, wire.Limits())
        self._known = await self._session.greet(
            self._world.times.greeting, before_tls=self._endpoint.encryption is Encryption.STARTTLS
        )
        return {"capabilities": sorted(self._session.capable or await self._session.capabilities())}

    async def _start_tls(self) -> Facts:
        assert self._session is not None
        assert self._connection is not None
        await self._session.start_tls(self._tls(), self._world.times.step)
        return {**self._connection.tls_facts(), "capabilities": sorted(self._session.capable)}

    async def _log_in(self) -> Facts:
        session, login, endpoint = self._session, self._login, self._endpoint
        assert session is not None
        assert login is not None

        async def again(other: Login) -> None:
            opened = await imap.open_session(endpoint, other, egress=self._world.egress, tls=self._world.trust)
            await opened.close()

        async def log_in() -> Facts:
            return await session.log_in(login, plain_text_allowed=endpoint.plain_text_allowed)

        done: Facts = {"username": login.username} if self._known else await self._named(log_in, again)
        return {**done, "capabilities": sorted(session.capable)}

    async def _folders(self) -> Facts:
        assert self._session is not None
        quirks = await settle(self._session)
        root = self._world.settings.receiving.inbox_is_root
        self._source = ImapSource(self._session, quirks=quirks, inbox_is_root=root)
        found = self._found = list(await self._source.folders())
        quota = await self._source.quota()
        self._fullness = quota.used / quota.limit if quota is not None and quota.limit else 0.0
        return {
            "count": len(found),
            "folders": [{"path": list(folder.path), "role": folder.role.value} for folder in found[:200]],
            "roles": sorted(folder.role.value for folder in found if folder.role is not Role.NONE),
        }

    def noticed(self) -> Sequence[Step]:
        assert self._session is not None
        receiving, found = self._world.settings.receiving, self._found
        steps: list[Step] = []
        below = [folder.path for folder in found if folder.role is not Role.INBOX and not folder.owner]
        if (
            below
            and not receiving.inbox_is_root
            and all(len(path) > 1 and path[0].upper() == "INBOX" for path in below)
        ):
            steps.append(self._warning("prefix", "inbox-is-root", count=len(below)))
        if receiving.push and not self._session.capable & {"IDLE", "IMAP4REV2"}:
            steps.append(self._warning("push", "no-idle"))
        sent = [folder.path for folder in found if folder.role is Role.SENT]
        named = [folder.path for folder in found if may_be(Role.SENT, folder.path)]
        if not sent and self._world.settings.outgoing is not None:
            steps.append(self._warning("sent-folder", "sent-missing"))
        elif len(named) > 1 and "SPECIAL-USE" not in self._session.capable:
            steps.append(self._warning("sent-folder", "sent-ambiguous", folders=[list(path) for path in named[:20]]))
        if self._fullness >= ALMOST_FULL:
            code = "mailbox-full" if self._fullness >= 1 else "mailbox-almost-full"
            steps.append(self._warning("quota", code, percent=round(100 * self._fullness)))
        return steps

    def watcher(self) -> Watcher | None:
        """Who looks for the test message; None where the log-in failed."""
        if self._session is None or self._source is None:
            return None
        return FolderWatcher(self._session, self._source, self._found)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await super().close()


class Maildrop(Direction):
    def __init__(self, world: World, way: Way) -> None:
        super().__init__(world, way)
        self._session: pop3.Session | None = None
        self._listed = False

    def steps(self) -> list[tuple[str, Act]]:
        return [*self._opening(self._greet, self._start_tls), ("login", self._log_in), ("folders", self._folders)]

    async def _greet(self) -> Facts:
        assert self._connection is not None
        self._session = pop3.Session(self._connection, pop3.Limits())
        await self._session.greet(self._world.times.greeting)
        return {"capabilities": sorted(self._session.capable)}

    async def _start_tls(self) -> Facts:
        assert self._session is not None
        assert self._connection is not None
        await self._session.start_tls(self._tls(), self._world.times.step)
        return {**self._connection.tls_facts(), "capabilities": sorted(self._session.capable)}

    async def _anew(self, login: Login) -> pop3.Session:
        return await pop3.open_session(self._endpoint, login, egress=self._world.egress, tls=self._world.trust)

    async def _log_in(self) -> Facts:
        session, login = self._session, self._login
        assert session is not None
        assert login is not None

        async def again(other: Login) -> None:
            await (await self._anew(other)).close()

        async def log_in() -> Facts:
            return await session.log_in(login, plain_text_allowed=self._endpoint.plain_text_allowed)

        return {**await self._named(log_in, again), "capabilities": sorted(session.capable)}

    async def _folders(self) -> Facts:
        assert self._session is not None
        messages = len(await self._session.ask_lines(b"LIST", self._session.limits.messages))
        self._listed = True
        folder = {"path": ["INBOX"], "role": Role.INBOX.value}
        return {"count": 1, "folders": [folder], "roles": [Role.INBOX.value], "messages": messages}

    def noticed(self) -> Sequence[Step]:
        capable = self._session.capable if self._session is not None else {}
        return [self._warning("numbering", "uidl-missing")] if capable and "UIDL" not in capable else []

    def watcher(self) -> Watcher | None:
        """Who looks for the test message; None where the log-in failed."""
        login, session = self._login, self._session
        if login is None or session is None or not self._listed:
            return None

        async def again() -> pop3.Session:
            await session.close()  # a maildrop has one visitor at a time
            return await self._anew(login)

        return DropWatcher(again)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await super().close()


class Outgoing(Direction):
    def __init__(self, world: World, way: Way, message: Trial | None) -> None:
        super().__init__(world, way)
        self._message = message
        self._sender: SmtpSender | None = None
        self.sent = False

    def steps(self) -> list[tuple[str, Act]]:
        last: list[tuple[str, Act]] = [("login", self._log_in)] if self._login is not None else []
        if self._message is not None:
            last.append(("send", self._send))
        return [*self._opening(self._greet, self._start_tls), *last]

    async def _greet(self) -> Facts:
        assert self._connection is not None
        self._sender = SmtpSender(self._connection, self._world.local_hostname)
        await self._sender.greet(self._world.times.greeting)
        return {"capabilities": self._sender.offers}

    async def _start_tls(self) -> Facts:
        assert self._sender is not None
        assert self._connection is not None
        await self._sender.start_tls(self._tls())
        return {**self._connection.tls_facts(), "capabilities": self._sender.offers}

    async def _log_in(self) -> Facts:
        sender, login, endpoint, world = self._sender, self._login, self._endpoint, self._world
        assert sender is not None
        assert login is not None

        async def again(other: Login) -> None:
            opened = await open_sender(
                endpoint, other, egress=world.egress, tls=world.trust, local_hostname=world.local_hostname
            )
            await opened.close()

        async def log_in() -> Facts:
            return await sender.log_in(login, plain_text_allowed=endpoint.plain_text_allowed)

        return await self._named(log_in, again)

    async def _send(self) -> Facts:
        """Hand the test message over. Raises NeedsAttention and TryAgain with what `diagnosis.refused` says."""
        message = self._message
        assert message is not None
        assert self._sender is not None

        async def data_started() -> None:
            self.sent = True

        receipt = await self._sender.send(Envelope(message.sender, (message.recipient,)), message.raw, data_started)
        [result] = receipt.results
        self.sent = result.state is RecipientState.ACCEPTED
        told = message.recipient, result.answer
        if result.state is RecipientState.DEFERRED:
            raise TryAgain(diagnosis.refused(result), address=told[0], answer=told[1])
        if result.state is RecipientState.REJECTED:
            raise NeedsAttention(diagnosis.refused(result), address=told[0], answer=told[1])
        return {"address": told[0], "answer": told[1]}

    async def close(self) -> None:
        if self._sender is not None:
            await self._sender.close()
        await super().close()
