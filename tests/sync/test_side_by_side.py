"""What goes on at the same time while folders are brought up to date over one session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from poststelle.adapters.memory.server import MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import RemoteFolder, Source
from poststelle.mail.shelf import Observation, Shelf, Tally
from poststelle.sync.account import Turns, sync_account
from tests.sync.memory_shelf import Keeping, MemoryDesk, MemoryShelf

LOGIN = "kanzlei@side.example"
FOLDERS = 6
PATIENCE = 20.0


class _Server:
    """Folders with a letter each. `asked`: what the session has been asked for, in order."""

    def __init__(self) -> None:
        server = MemoryServer()
        server.create_mailbox(LOGIN)
        for number in range(FOLDERS - 1):
            server.create_folder(LOGIN, (f"Akte {number}",))
            server.deliver(LOGIN, b"Message-ID: <%d@side.example>\r\n\r\n" % number, path=(f"Akte {number}",))
        server.deliver(LOGIN, b"Message-ID: <inbox@side.example>\r\n\r\n")
        self.asked: list[str] = []
        self.source = MemorySource(server, LOGIN, before=self.asked.append)

    async def again(self) -> Source:
        raise AssertionError("one session will do")


class _WaitingShelf(MemoryShelf):
    """Applies nothing before the server has been asked for the folder after this one."""

    server: _Server
    applied: list[object]

    async def apply(self, seen: Observation) -> Tally:
        self.applied.append(self.folder)
        following = min(len(self.applied) + 1, FOLDERS)
        async with asyncio.timeout(PATIENCE):
            while self.server.asked.count("changes") < following:
                await asyncio.sleep(0)
        return await super().apply(seen)


class _WaitingDesk(MemoryDesk):
    def __init__(self, keeping: Keeping, server: _Server) -> None:
        super().__init__(keeping)
        self._server, self._applied = server, list[object]()

    async def reconcile(self, folders: Sequence[RemoteFolder]) -> Sequence[Shelf]:
        found = []
        for shelf in await super().reconcile(folders):
            waiting = _WaitingShelf(self._keeping, shelf.folder)
            waiting.server, waiting.applied = self._server, self._applied
            found.append(waiting)
        return found


async def test_the_next_folder_is_asked_for_while_the_one_before_it_is_applied() -> None:
    server, keeping = _Server(), Keeping()
    await sync_account(server.again, server.source, _WaitingDesk(keeping, server))
    assert sum(len(row.placements) for row in keeping.folders.values()) == FOLDERS


async def test_a_folder_at_its_first_batch_is_still_left_to_do() -> None:
    """Whoever asks meanwhile which folders are being fetched does not fetch the same one beside it."""
    server, keeping = _Server(), Keeping()
    desk = MemoryDesk(keeping)
    seen: list[int] = []

    class Watched(MemoryShelf):
        async def apply(self, seen_now: Observation) -> Tally:
            seen.append([shelf.folder for shelf in turns.left].count(self.folder))
            return await super().apply(seen_now)

    shelves = [Watched(keeping, shelf.folder) for shelf in await desk.reconcile(await server.source.folders())]
    async with Turns(server.again, server.source, shelves) as turns:
        while await turns.step():
            pass
        assert not turns.left
    assert seen == [1] * FOLDERS


async def test_bytes_are_counted_when_they_come_also_those_of_the_batch_asked_ahead() -> None:
    server, letter = MemoryServer(), b"Message-ID: <%d@side.example>\r\n\r\n"
    server.create_mailbox(LOGIN)
    for number in range(6):
        server.deliver(LOGIN, letter % number)
    asked: list[str] = []
    source, desk = MemorySource(server, LOGIN, batch_size=2, before=asked.append), MemoryDesk(Keeping())
    async with Turns(_Server().again, source, await desk.reconcile(await source.folders())) as turns:
        assert await turns.step()
        await turns.step()
        await turns.settle()
        placed = sum(tally.bytes for tally in turns.tallies.values())
        assert turns.fetched == asked.count("fetch") * len(letter % 0) > placed
