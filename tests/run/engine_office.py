"""An office with a mail server in memory, and an engine that may be put to work there. Nothing of ours is doubled but the doors."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from poststelle.adapters.memory.sender import MemorySender
from poststelle.adapters.memory.server import MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import TryAgain
from poststelle.mail.ports import DataStarted, Envelope, Receipt, RecipientResult, RecipientState, Role, Sender
from poststelle.mail.records import AccountRecord
from poststelle.mail.settings import Endpoint
from poststelle.office import accounts, outbox, reading
from poststelle.office.actor import Actor
from poststelle.office.outbox import Draft
from poststelle.policy.scheduling import Limits
from poststelle.run.engine import Engine
from poststelle.run.workshop import Workshop
from poststelle.store import models
from poststelle.store.ways import Access
from tests.builders import an_account, an_office
from tests.store.conftest import home

__all__ = ["home"]

PATIENCE = 10.0
"""Seconds until a test gives up; what it waits for takes a fraction of one."""


@dataclass
class Doors:
    """Doors to the memory server, one mailbox per user name. `closed`: what stands before a mailbox's doors instead."""

    server: MemoryServer
    closed: dict[str, Exception] = field(default_factory=dict)
    opened: Counter[str] = field(default_factory=Counter)
    passwords: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    hung: asyncio.Event = field(default_factory=asyncio.Event)
    hangs: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    probed: int = 0
    batch_size: int = 200
    most_sessions: int = 99
    before: Callable[[str], None] | None = None
    sources: list[MemorySource] = field(default_factory=list)

    def open_at_once(self, login: str) -> int:
        """How many sessions a mailbox has now."""
        return sum(source._open and source._login == login for source in self.sources)

    async def source(self, access: Access, *, bulk: bool = False) -> MemorySource:
        login = self._enter(access)
        if self.open_at_once(login) >= self.most_sessions:
            raise TryAgain("connection-refused", host="mail.amt.test", port=993)
        if login in self.broken:
            return _Broken(self.server, login)
        made = MemorySource(self.server, login, batch_size=self.batch_size, before=self.before)
        self.sources.append(made)
        return made

    async def sender(self, access: Access) -> Sender:
        login = self._enter(access)
        return _Hanging(self.hung) if login in self.hangs else MemorySender(self.server, login)

    async def reach(self, endpoint: Endpoint) -> None:
        self.probed += 1
        if endpoint.host in self.unreachable:
            raise TryAgain("connect-timeout", host=endpoint.host, port=endpoint.port)

    def _enter(self, access: Access) -> str:
        assert access.login is not None
        assert access.login.password is not None
        login = access.login.username
        if access.incoming is not None and access.incoming.host in self.unreachable:
            raise TryAgain("connect-timeout", host=access.incoming.host, port=access.incoming.port)
        self.opened[login] += 1
        self.passwords.append(access.login.password.reveal())
        if login in self.closed:
            raise self.closed[login]
        return login


class _Broken(MemorySource):
    """A bug of ours."""

    async def folders(self) -> Any:
        raise ZeroDivisionError


@dataclass
class _Hanging:
    """A server that takes the message and does not answer until `answers`."""

    answers: asyncio.Event

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        await data_started()
        await self.answers.wait()
        return Receipt(tuple(RecipientResult(one, RecipientState.ACCEPTED, "250") for one in envelope.recipients))

    async def close(self) -> None:
        """Nothing to hang up."""


@dataclass
class Office:
    """An office with a mail server in memory, and an engine that may be started."""

    ada: Actor
    server: MemoryServer
    doors: Doors
    shop: Workshop

    async def mailbox(self, login: str, *, host: str = "mail.amt.test", **settings: object) -> AccountRecord:
        """A mailbox of that name, on the server and here."""
        address = f"{login}@amt.test"
        self.server.create_mailbox(login, address)
        self.server.create_folder(login, ("Sent",), role=Role.SENT)
        more: dict[str, object] = {
            "address": address, "login": {"username": login, "password": "geheim"},
            "incoming": {"protocol": "imap", "host": host, "port": 993, "encryption": "tls"},
        } | settings  # fmt: skip
        record = await self.shop.write(lambda: an_account(self.ada, login, **more))
        assert isinstance(record, AccountRecord)
        return record

    @asynccontextmanager
    async def at_work(self, poll_seconds: float = 3600.0, *, limits: Limits | None = None) -> AsyncIterator[Engine]:
        made = Engine(self.doors, self.shop, poll_seconds, limits=limits)
        running = asyncio.create_task(made.run())
        try:
            yield made
            assert not running.done(), "the engine has ended by itself"
        finally:
            made.stop.set()
            await asyncio.wait_for(running, PATIENCE)

    async def shown(self, account: AccountRecord) -> AccountRecord:
        record = await self.shop.write(accounts.show, self.ada, account.id)
        assert isinstance(record, AccountRecord)
        return record

    async def subjects(self, account: AccountRecord) -> list[str]:
        def read() -> list[str]:
            folders = reading.folders(self.ada, account.id)
            return sorted(row.subject for one in folders for row in reading.page(self.ada, one.id).items)

        return [*await self.shop.write(read)]

    async def synced(self, account: AccountRecord) -> bool:
        record = await self.shown(account)
        return record.synced_at is not None and not record.syncing

    async def troubled(self, account: AccountRecord) -> str:
        record = await self.shown(account)
        return record.trouble.code if record.trouble else ""

    async def holds(self, account: AccountRecord, *subjects: str) -> bool:
        return await self.subjects(account) == sorted(subjects)

    async def has(self, account: AccountRecord, subject: str) -> bool:
        """Whether a message of that subject lies anywhere in the account."""

        def look() -> bool:
            return models.Placement.objects.filter(folder__account=account.id, message__subject=subject).exists()

        return bool(await self.shop.write(look))

    async def row(self, account: AccountRecord) -> models.Account:
        """All that is noted of the account."""
        row = await self.shop.write(lambda: models.Account.objects.get(pk=account.id))
        assert isinstance(row, models.Account)
        return row

    async def held(self, account: AccountRecord) -> int:
        """How many messages of it are here."""
        return (await self.shown(account)).held

    async def state_of(self, number: str) -> str:
        return str((await self.shop.write(outbox.show, self.ada, number)).state)

    async def submit(self, account: AccountRecord, to: str = "eva@kunde.test") -> str:
        draft = Draft(account.id, to=(to,), subject="Angebot", text="Anbei.")
        return str((await self.shop.write(outbox.submit, self.ada, draft)).id)


async def until(condition: Callable[[], Awaitable[object]], within: float = PATIENCE) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within, "it did not happen"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


@pytest.fixture
async def office(transactional_db: None, home: Path) -> AsyncIterator[Office]:
    server = MemoryServer()
    async with Workshop() as shop:
        yield Office(await shop.write(an_office), server, Doors(server), shop)
