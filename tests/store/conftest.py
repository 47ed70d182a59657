"""A workshop for shelves: real tables and segments, one writer thread, digests read in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from poststelle.mail.digest import Digest, digest
from poststelle.store import accounts, people
from poststelle.store.access import Reach
from poststelle.store.blobs import Raw, Segments
from poststelle.store.messages import segments
from poststelle.store.shelf import Orphans, Tools
from tests.builders import an_account_document
from poststelle.mail import settings as documents


@dataclass
class Shop:
    """Tools as an engine has them, and what was handed to the index."""

    tools: Tools
    pool: int
    account: str
    reach: Reach
    indexed: dict[bytes, Digest] = field(default_factory=dict)


async def _read(raws: Sequence[Raw]) -> list[Digest]:
    return [digest(bytes(raw)) for raw in raws]


@pytest.fixture
async def shop(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"home": tmp_path}))
    writer = ThreadPoolExecutor(max_workers=1)

    def write(function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(writer, function, *args)

    def furnish() -> tuple[int, str, str]:
        user = people.create_office(
            "Kanzlei", "de", email="clara@lindner.example", person="Clara", password="ein langes Kennwort"
        )
        pool = people.the_pool()
        number = accounts.add(
            pool, documents.read(an_account_document()), actor=user.email, grants_to=user.id
        )
        return pool, number, user.id

    pool, account, user = await write(furnish)
    indexed: dict[bytes, Digest] = {}
    store: Segments = segments()

    def note(digests: Mapping[bytes, Digest]) -> None:
        indexed.update(digests)

    orphans = Orphans(store)
    await write(orphans.look)
    yield Shop(Tools(store, orphans, write, _read, note), pool, account, Reach(pool, user), indexed)
    await write(connection.close)
    writer.shutdown()
