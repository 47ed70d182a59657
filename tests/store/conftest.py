"""A workshop for shelves: real tables and segments, one writer thread, digests read in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from poststelle.adapters.memory.server import MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.digest import Digest, digest
from poststelle.mail.shelf import Tally
from poststelle.office.actor import Actor
from poststelle.store.blobs import Raw
from poststelle.store.desk import AccountDesk
from poststelle.store.messages import segments
from poststelle.store.shelf import Orphans, Tools
from poststelle.sync.account import sync_account
from tests.builders import an_account, an_office

LOGIN = "zentrale"


@dataclass
class Shop:
    """One account on a memory server, with tools as an engine has them. `indexed`: what was handed to the index."""

    home: Path
    server: MemoryServer
    actor: Actor
    account: str
    pool: int
    write: Callable[..., Awaitable[Any]]
    tools: Tools
    indexed: dict[bytes, Digest] = field(default_factory=dict)

    async def sync(self, *, batch_size: int = 50) -> Tally:
        """One full round."""

        async def open_source() -> MemorySource:
            return MemorySource(self.server, LOGIN, batch_size=batch_size)

        desk = AccountDesk(self.tools, self.pool, UUID(self.account))
        tallies = await sync_account(open_source, await open_source(), desk)
        return sum(tallies.values(), Tally())

    async def restarted(self) -> None:
        """As after the death of the engine: what no row knows is looked for again."""
        orphans = Orphans(self.tools.segments)
        await self.write(orphans.look)
        self.tools = replace(self.tools, orphans=orphans)


async def _read(raws: Sequence[Raw]) -> list[Digest]:
    return [digest(bytes(raw)) for raw in raws]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own for everything but the database."""
    monkeypatch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"home": tmp_path}))
    return tmp_path


@pytest.fixture
async def shop(transactional_db: None, home: Path) -> AsyncIterator[Shop]:
    """A furnished shop; its server is empty."""
    writer = ThreadPoolExecutor(max_workers=1)

    def write(function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(writer, function, *args)

    actor = await write(an_office)
    account = await write(an_account, actor)
    indexed: dict[bytes, Digest] = {}
    store = segments()
    tools = Tools(store, Orphans(store), write, _read, indexed.update)
    server = MemoryServer()
    server.create_mailbox(LOGIN, "zentrale@amt.test")
    yield Shop(home, server, actor, account.id, (await write(lambda: actor.reach)).pool, write, tools, indexed)
    await write(lambda: connection.close())  # noqa: PLW0108 - the proxy must be asked in the writer thread
    writer.shutdown()
