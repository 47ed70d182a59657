"""The test of an account's settings, step by step: what works, what does not, and why.

Law: a pure stream of steps, each under `STEP_SECONDS`; a failed step skips the rest of its direction; nothing is saved,
nothing changed on the servers. This module does not know who asks, nor sentences: errors are codes with facts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from poststelle.adapters.connection import EgressPolicy, Tls, Trust, resolve
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.session import Session
from poststelle.adapters.imap.source import ImapSource
from poststelle.adapters.opening import start_tls
from poststelle.adapters.pop3 import session as pop3
from poststelle.adapters.smtp import SmtpSender
from poststelle.adapters.stream import Connection
from poststelle.errors import NeedsAttention, Trouble, TryAgain
from poststelle.mail.ports import Role
from poststelle.mail.records import Step
from poststelle.mail.settings import AccountSettings, Authentication, Encryption, Endpoint, Login

STEP_SECONDS = 10.0
GREETING_SECONDS = 6.0
"""Short of `STEP_SECONDS`, so that a silent server can still be asked whether it waits for TLS."""

Facts = Mapping[str, object]
Act = Callable[[], Awaitable[Facts]]


async def probe(
    settings: AccountSettings, *, egress: EgressPolicy, tls: Trust, local_hostname: str = "localhost"
) -> AsyncIterator[Step]:
    """Try both directions of the settings. Yields each step as it ends; never raises `Trouble`."""
    if settings.incoming is not None and settings.login is not None:
        kind = _Maildrop if settings.incoming.protocol == "pop3" else _Incoming
        way_in = kind(settings.incoming, settings.login, egress, tls)
        try:
            async for step in _walk("incoming", way_in.steps()):
                yield step
        finally:
            await way_in.close()
    if settings.outgoing is not None:
        login = {
            Authentication.NONE: None,
            Authentication.SAME: settings.login,
            Authentication.OWN: settings.outgoing_login,
        }[settings.authentication]
        way_out = _Outgoing(settings.outgoing, login, egress, tls, local_hostname)
        try:
            async for step in _walk("outgoing", way_out.steps()):
                yield step
        finally:
            await way_out.close()


async def _walk(direction: str, steps: Sequence[tuple[str, Act]]) -> AsyncIterator[Step]:
    failed = False
    for name, act in steps:
        if failed:
            yield Step(direction, name, "skipped")
            continue
        begun = time.monotonic()
        try:
            async with asyncio.timeout(STEP_SECONDS):
                detail = await act()
        except (Trouble, TimeoutError) as error:
            failed = True
            trouble = error if isinstance(error, Trouble) else TryAgain("step-timeout")
            seconds, attention = time.monotonic() - begun, isinstance(trouble, NeedsAttention)
            yield Step(direction, name, "failed", seconds, dict(trouble.facts), trouble.code, attention)
        else:
            yield Step(direction, name, "ok", time.monotonic() - begun, detail)


class _Way:
    """What both directions have in common: finding the server, and TLS in its place."""

    def __init__(self, endpoint: Endpoint, login: Login | None, egress: EgressPolicy, tls: Trust) -> None:
        self._endpoint = endpoint
        self._login = login
        self._egress = egress
        self._trust = tls
        self._connection: Connection | None = None

    def _tls(self) -> Tls:
        return self._trust.towards(self._endpoint, self._login.client_certificate if self._login else None)

    def _opening(self, greeting: Act, start_tls: Act) -> list[tuple[str, Act]]:
        first: list[tuple[str, Act]] = [("resolve", self._resolve), ("connect", self._connect)]
        if self._endpoint.encryption is Encryption.TLS:
            return [*first, ("tls", self._implicit_tls), ("greeting", greeting)]
        if self._endpoint.encryption is Encryption.STARTTLS:
            return [*first, ("greeting", greeting), ("tls", start_tls)]
        return [*first, ("greeting", greeting)]

    async def _resolve(self) -> Facts:
        found = await resolve(self._endpoint.host, self._endpoint.port, egress=self._egress)
        return {"addresses": [str(address) for address in found]}

    async def _connect(self) -> Facts:
        self._connection = await Connection.open(self._endpoint.host, self._endpoint.port, egress=self._egress)
        return {"address": self._connection.peer, "port": self._endpoint.port}

    async def _implicit_tls(self) -> Facts:
        assert self._connection is not None
        await start_tls(self._connection, self._tls(), STEP_SECONDS / 2)
        return self._connection.tls_facts()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


class _Incoming(_Way):
    def __init__(self, endpoint: Endpoint, login: Login, egress: EgressPolicy, tls: Trust) -> None:
        super().__init__(endpoint, login, egress, tls)
        self._session: Session | None = None
        self._known = False

    def steps(self) -> list[tuple[str, Act]]:
        return [*self._opening(self._greet, self._start_tls), ("login", self._log_in), ("folders", self._folders)]

    async def _greet(self) -> Facts:
        assert self._connection is not None
        self._session = Session(self._connection, wire.Limits())
        self._known = await self._session.greet(
            GREETING_SECONDS, before_tls=self._endpoint.encryption is Encryption.STARTTLS
        )
        return {"capabilities": sorted(self._session.capable or await self._session.capabilities())}

    async def _start_tls(self) -> Facts:
        assert self._session is not None
        assert self._connection is not None
        await self._session.start_tls(self._tls(), STEP_SECONDS)
        return {**self._connection.tls_facts(), "capabilities": sorted(self._session.capable)}

    async def _log_in(self) -> Facts:
        assert self._session is not None
        assert self._login is not None
        done: Facts = {}
        if not self._known:
            allowed = self._endpoint.plain_text_allowed
            done = await self._session.log_in(self._login, plain_text_allowed=allowed)
        return {**done, "username": self._login.username, "capabilities": sorted(self._session.capable)}

    async def _folders(self) -> Facts:
        assert self._session is not None
        found = await ImapSource(self._session).folders()
        return {
            "count": len(found),
            "folders": [{"path": list(folder.path), "role": folder.role.value} for folder in found[:200]],
            "roles": sorted(folder.role.value for folder in found if folder.role is not Role.NONE),
        }

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await super().close()


class _Maildrop(_Way):
    def __init__(self, endpoint: Endpoint, login: Login, egress: EgressPolicy, tls: Trust) -> None:
        super().__init__(endpoint, login, egress, tls)
        self._session: pop3.Session | None = None

    def steps(self) -> list[tuple[str, Act]]:
        return [*self._opening(self._greet, self._start_tls), ("login", self._log_in), ("folders", self._folders)]

    async def _greet(self) -> Facts:
        assert self._connection is not None
        self._session = pop3.Session(self._connection, pop3.Limits())
        await self._session.greet(GREETING_SECONDS)
        return {"capabilities": sorted(self._session.capable)}

    async def _start_tls(self) -> Facts:
        assert self._session is not None
        assert self._connection is not None
        await self._session.start_tls(self._tls(), STEP_SECONDS)
        return {**self._connection.tls_facts(), "capabilities": sorted(self._session.capable)}

    async def _log_in(self) -> Facts:
        assert self._session is not None
        assert self._login is not None
        done = await self._session.log_in(self._login, plain_text_allowed=self._endpoint.plain_text_allowed)
        return {**done, "username": self._login.username, "capabilities": sorted(self._session.capable)}

    async def _folders(self) -> Facts:
        assert self._session is not None
        messages = len(await self._session.ask_lines(b"LIST", self._session.limits.messages))
        folder = {"path": ["INBOX"], "role": Role.INBOX.value}
        return {"count": 1, "folders": [folder], "roles": [Role.INBOX.value], "messages": messages}

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await super().close()


class _Outgoing(_Way):
    def __init__(
        self, endpoint: Endpoint, login: Login | None, egress: EgressPolicy, tls: Trust, local_hostname: str
    ) -> None:
        super().__init__(endpoint, login, egress, tls)
        self._local_hostname = local_hostname
        self._sender: SmtpSender | None = None

    def steps(self) -> list[tuple[str, Act]]:
        last: list[tuple[str, Act]] = [("login", self._log_in)] if self._login is not None else []
        return [*self._opening(self._greet, self._start_tls), *last]

    async def _greet(self) -> Facts:
        assert self._connection is not None
        self._sender = SmtpSender(self._connection, self._local_hostname)
        await self._sender.greet(GREETING_SECONDS)
        return {"capabilities": self._sender.offers}

    async def _start_tls(self) -> Facts:
        assert self._sender is not None
        assert self._connection is not None
        await self._sender.start_tls(self._tls())
        return {**self._connection.tls_facts(), "capabilities": self._sender.offers}

    async def _log_in(self) -> Facts:
        assert self._sender is not None
        assert self._login is not None
        done = await self._sender.log_in(self._login, plain_text_allowed=self._endpoint.plain_text_allowed)
        return {**done, "username": self._login.username}

    async def close(self) -> None:
        if self._sender is not None:
            await self._sender.close()
        await super().close()
