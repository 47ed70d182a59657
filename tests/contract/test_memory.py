"""The reference implementation keeps the contract, as a rich server and as a poor one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from poststelle.adapters.memory.server import MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import Source
from tests.contract.suite import SourceContract
from tests.contract.world import FILES, INBOX, Held, Path, World, letter

LOGIN = "kanzlei@contract.example"


class MemoryWorld:
    place = FILES
    keeps_flags = True
    impossible_names = frozenset[str]()
    histories = 300
    tells_identities = True
    big_batch = 10_000

    def __init__(self, *, modseq: bool, batch_size: int) -> None:
        self.server = MemoryServer(modseq=modseq, uidplus=modseq)
        self.tells_new_ids = modseq
        self.server.create_mailbox(LOGIN)
        self.batch_size = batch_size

    async def deliver(
        self, raw: bytes, *, path: Path = INBOX, flags: Sequence[str] = (), received_at: datetime | None = None
    ) -> None:
        self.server.deliver(LOGIN, raw, path=path, flags=flags, received_at=received_at)

    async def set_flags(self, path: Path, message_id: str, flags: Sequence[str]) -> None:
        self.server.set_flags(LOGIN, path, self._uid(path, message_id), flags)

    async def remove(self, path: Path, message_id: str) -> None:
        self.server.remove(LOGIN, path, self._uid(path, message_id))

    async def create_folder(self, path: Path) -> None:
        self.server.create_folder(LOGIN, path)

    async def remove_folder(self, path: Path) -> None:
        self.server.remove_folder(LOGIN, path)

    async def renumber(self, path: Path) -> None:
        self.server.renumber(LOGIN, path)

    async def contents(self, path: Path = INBOX) -> Sequence[Held]:
        return list(self.server.contents(LOGIN, path).values())

    async def deliver_many(self, count: int, path: Path) -> None:
        for number in range(count):
            self.server.deliver(LOGIN, letter(f"viel-{number}"), path=path)

    def kept(self, raw: bytes) -> bytes:
        return raw

    async def open_source(self) -> Source:
        return MemorySource(self.server, LOGIN, batch_size=self.batch_size)

    def _uid(self, path: Path, message_id: str) -> int:
        contents = self.server.contents(LOGIN, path)
        return next(uid for uid, (raw, _) in contents.items() if message_id.encode() in raw)


class TestMemoryKeepsTheContract(SourceContract):
    @pytest.fixture(params=[(True, 50), (False, 50), (True, 1), (False, 3)], ids=["modseq", "census", "1", "census-3"])
    def world(self, request: pytest.FixtureRequest) -> World:
        modseq, batch_size = request.param
        return MemoryWorld(modseq=modseq, batch_size=batch_size)
