"""A copy cut off on its way into a folder that is not fetched: no round looks there, so it is looked for, and made once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from poststelle.adapters.memory.server import MemoryServer, folder_id
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import Append, Arrival, Copy, Errand, Move, Outcome, RemoteFolderId
from poststelle.mail.records import AccountRecord
from poststelle.office import handling, incoming
from poststelle.office.handling import Selection
from poststelle.store import doubts, models
from tests.builders import a_letter
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]

FILES = ("Akten",)
LETTER = a_letter("Hallo")


class Killed(BaseException):
    """The end of the process."""


class Doomed(MemorySource):
    """A session in which the process dies over a message on its way: before the server has heard of it, or (`told`) after that."""

    def __init__(self, server: MemoryServer, login: str, *, told: bool) -> None:
        super().__init__(server, login)
        self._told = told

    async def perform(self, errand: Errand) -> Outcome:
        if not isinstance(errand, Copy | Append | Move):
            return await super().perform(errand)
        if self._told:
            await super().perform(errand)
        raise Killed


class Unsearchable(MemorySource):
    """A server whose newest messages are all it shows."""

    searched = 0

    async def search(self, folder: RemoteFolderId, words: Sequence[str], limit: int) -> Sequence[Arrival]:
        raise AssertionError("what is among the newest need not be searched for")


async def a_mailbox(office: Office, **receiving: object) -> AccountRecord:
    """A letter in the inbox, and a folder nobody has subscribed to, with another one."""
    account = await office.mailbox("eins", receiving=receiving or {"all_folders": False})
    office.server.create_folder("eins", FILES)
    office.server.subscribe("eins", FILES, subscribed=False)
    office.server.deliver("eins", a_letter("Anderes"), path=FILES)
    office.server.deliver("eins", LETTER)
    opened = await open_account(office, account)
    await opened.round()
    await opened.close()
    return account


async def open_account(office: Office, account: AccountRecord) -> incoming.OpenAccount:
    return await incoming.open_account(account.id, office.doors, office.shop.tools)


async def ordered(office: Office, account: AccountRecord, *, of: str = "") -> None:
    """A copy into the folder of the letter in the inbox of this mailbox, or of another one."""

    def act() -> None:
        row = models.Placement.objects.get(
            folder__account=of or account.id, folder__role="inbox", message__subject="Hallo"
        )
        target = models.Folder.objects.get(account=account.id, remote_id=folder_id(FILES))
        handling.copy(office.ada, Selection([str(row.pk)]), str(target.pk))

    await office.shop.write(act)


async def killed(office: Office, account: AccountRecord, *, told: bool) -> None:
    opened = await open_account(office, account)
    opened.source = Doomed(office.server, "eins", told=told)
    with pytest.raises(Killed):
        await opened.tell()
    await opened.close()


async def still_open(office: Office) -> list[str]:
    rows = await office.shop.write(
        lambda: [*models.Errand.objects.filter(closed_at=None).values_list("kind", "outcome")]
    )
    return [" ".join(row) for row in rows]


def in_the_folder(office: Office) -> int:
    return sum(raw.raw == LETTER for raw in office.server.mailbox("eins").folders[FILES].messages.values())


async def shown_there(office: Office, account: AccountRecord) -> list[str]:
    """What lies in the folder here, by the server's numbers."""
    rows = models.Placement.objects.filter(
        folder__account=account.id, folder__remote_id=folder_id(FILES), message__subject="Hallo"
    )
    return [*await office.shop.write(lambda: [*rows.values_list("remote_id", flat=True)])]


@pytest.mark.parametrize("newer", [0, 60])
@pytest.mark.parametrize("uidplus", [True, False])
@pytest.mark.parametrize("told", [True, False])
async def test_a_copy_cut_off_is_looked_for_and_made_once(
    office: Office, told: bool, uidplus: bool, newer: int
) -> None:
    office.server.uidplus = uidplus
    account = await a_mailbox(office)
    await ordered(office, account)
    await killed(office, account, told=told)
    for number in range(newer):
        office.server.deliver("eins", a_letter(str(number)), path=FILES)
    opened = await open_account(office, account)
    await opened.tell()
    assert await still_open(office) == []
    assert in_the_folder(office) == 1
    (number_there,) = await shown_there(office, account)
    assert not number_there.startswith(("pending.", "local."))
    assert await office.shop.write(doubts.accounts) == set()


@pytest.mark.parametrize("told", [True, False])
async def test_what_was_on_its_way_from_another_mailbox_is_made_once(office: Office, told: bool) -> None:
    account = await a_mailbox(office)
    other = await office.mailbox("zwei")
    office.server.deliver("zwei", LETTER)
    opened = await open_account(office, other)
    await opened.round()
    await ordered(office, account, of=other.id)
    await killed(office, account, told=told)
    opened = await open_account(office, account)
    await opened.tell()
    assert await still_open(office) == []
    assert in_the_folder(office) == 1


async def test_where_it_is_among_the_newest_the_server_is_not_made_to_search(office: Office) -> None:
    account = await a_mailbox(office)
    await ordered(office, account)
    await killed(office, account, told=True)
    opened = await open_account(office, account)
    opened.source = Unsearchable(office.server, "eins")
    await opened.tell()
    assert await still_open(office) == []


async def test_a_folder_that_cannot_be_opened_ends_the_waiting(office: Office) -> None:
    account = await a_mailbox(office)
    await ordered(office, account)
    await killed(office, account, told=False)
    office.server.remove_folder("eins", FILES)
    opened = await open_account(office, account)
    await opened.tell()
    assert await still_open(office) == []


async def test_an_engine_looks_by_itself_also_where_nothing_is_fetched_at_all(office: Office) -> None:
    account = await a_mailbox(office)
    await ordered(office, account)
    await killed(office, account, told=False)
    await office.shop.write(
        lambda: models.Account.objects.filter(pk=UUID(account.id)).update(receiving={"background": False})
    )
    async with office.at_work():

        async def made() -> bool:
            return not await still_open(office)

        await until(made)
    assert in_the_folder(office) == 1
