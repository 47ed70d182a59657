"""A server that suddenly holds far less is not believed at once (RELIABILITY Q4, G5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from poststelle.adapters.memory.server import INBOX, MemoryServer, folder_id
from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import SuspiciousLoss
from poststelle.mail.ports import (
    Batch,
    Cursor,
    Errand,
    Outcome,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Role,
    Source,
    Unfetchable,
)
from poststelle.sync.account import sync_account
from tests.sync.memory_shelf import Keeping, MemoryDesk, Path

LOGIN = "kanzlei@loss.example"
TRASH: Path = ("Papierkorb",)


class ForgetfulSession:
    """A session of a server in trouble: all folders look empty in it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def folders(self) -> Sequence[RemoteFolder]:
        return await self._source.folders()

    async def changes(self, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        return Batch(since or Cursor("[]"), census=frozenset())

    def is_current(self, folder: RemoteFolderId, since: Cursor) -> bool:
        return False

    async def fetch(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        async for answer in self._source.fetch(folder, ids):
            yield answer

    async def perform(self, errand: Errand) -> Outcome:
        return await self._source.perform(errand)

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        return await self._source.wait(watched, timeout)

    async def close(self) -> None:
        await self._source.close()


class Office:
    """An account in step with a server that holds `count` messages in the inbox and in the trash."""

    def __init__(self, count: int) -> None:
        self.server = MemoryServer()
        self.server.create_mailbox(LOGIN)
        self.server.create_folder(LOGIN, TRASH, role=Role.TRASH)
        for number in range(count):
            for path in (INBOX, TRASH):
                self.server.deliver(LOGIN, f"Message-ID: <{number}@loss.example>\r\n\r\n".encode(), path=path)
        self.keeping = Keeping()
        self.sessions = 0

    async def open_source(self) -> Source:
        self.sessions += 1
        assert self.sessions < 20, "a doubtful loss is looked at for ever"
        return MemorySource(self.server, LOGIN)

    async def sync(self, source: Source | None = None) -> None:
        await sync_account(self.open_source, source or await self.open_source(), MemoryDesk(self.keeping))

    def held(self, path: Path = INBOX) -> int:
        return len(self.keeping.folders[folder_id(path)].placements)

    def remove(self, count: int, path: Path = INBOX) -> None:
        for uid in list(self.server.contents(LOGIN, path))[:count]:
            self.server.remove(LOGIN, path, uid)


async def test_a_folder_that_looks_empty_in_one_session_only_keeps_everything() -> None:
    office = Office(40)
    await office.sync()
    await office.sync(ForgetfulSession(await office.open_source()))
    assert office.held() == 40


async def test_a_real_loss_is_applied_after_a_look_in_a_second_session() -> None:
    office = Office(40)
    await office.sync()
    office.remove(30)
    before = office.sessions
    await office.sync()
    assert office.held() == 10
    assert office.sessions == before + 2


async def test_a_few_messages_deleted_elsewhere_go_without_a_second_look() -> None:
    office = Office(40)
    await office.sync()
    office.remove(4)
    before = office.sessions
    await office.sync()
    assert office.held() == 36
    assert office.sessions == before + 1


async def test_a_folder_that_lost_most_of_its_mail_waits_for_a_person() -> None:
    office = Office(80)
    await office.sync()
    office.remove(60)
    for _ in range(2):
        with pytest.raises(SuspiciousLoss) as caught:
            await office.sync()
        assert caught.value.facts == {"gone": 60, "held": 80}
        assert office.held() == 80
    office.keeping.folders[folder_id(INBOX)].loss_accepted = True
    await office.sync()
    assert office.held() == 20


async def test_emptying_the_trash_needs_nobody() -> None:
    office = Office(80)
    await office.sync()
    office.remove(80, TRASH)
    await office.sync()
    assert (office.held(TRASH), office.held()) == (0, 80)


@pytest.mark.parametrize("count", [40, 80, 400])
async def test_a_renumbered_folder_is_fetched_again_and_nobody_is_asked(count: int) -> None:
    office = Office(count)
    await office.sync()
    office.server.renumber(LOGIN, INBOX)
    await office.sync()
    assert office.held() == count
