"""What a round costs the server in which little or nothing has happened."""

from __future__ import annotations

from poststelle.adapters.memory.server import INBOX, MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import SEEN, Source
from poststelle.sync.account import sync_account
from tests.sync.memory_shelf import Keeping, MemoryDesk

LOGIN = "kanzlei@quiet.example"
FOLDERS = 20


class Office:
    """An account in step with a server of many folders. `asked`: what its session has been asked for since the last round began."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.create_mailbox(LOGIN)
        for number in range(FOLDERS):
            self.server.create_folder(LOGIN, (f"Akte {number}",))
        self.uid = self.server.deliver(LOGIN, b"Message-ID: <1@quiet.example>\r\n\r\n")
        self.keeping = Keeping()
        self.asked: list[str] = []
        self.source = MemorySource(self.server, LOGIN, before=self.asked.append)

    async def again(self) -> Source:
        raise AssertionError("one session will do")

    async def round(self) -> list[str]:
        self.asked.clear()
        await sync_account(self.again, self.source, MemoryDesk(self.keeping))
        return self.asked


async def test_a_round_in_which_nothing_has_happened_asks_for_the_folders_and_nothing_else() -> None:
    office = Office()
    await office.round()
    assert await office.round() == ["folders"]


async def test_a_round_looks_only_into_the_folder_in_which_something_has_happened() -> None:
    office = Office()
    await office.round()
    office.server.set_flags(LOGIN, INBOX, office.uid, [SEEN])
    assert await office.round() == ["folders", "changes"]


async def test_what_is_owed_is_asked_for_though_nothing_has_happened_on_the_server() -> None:
    office = Office()
    await office.round()
    for row in office.keeping.folders.values():
        row.loss_accepted = True
    assert (await office.round()).count("changes") == FOLDERS + 1


async def test_a_server_that_cannot_say_what_has_changed_is_asked_for_every_folder() -> None:
    office = Office()
    office.server.modseq = False
    await office.round()
    assert (await office.round()).count("changes") == FOLDERS + 1
