"""What has been fetched leaves its server when the settings say so: after every round, by the clock, and never before it is kept."""

from __future__ import annotations

import time
from functools import partial

import pytest

from poststelle.errors import Conflict
from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts, handling, reading
from poststelle.store import appending
from poststelle.store.blobs import Segments
from tests.builders import a_letter
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]

DAY = 86400


def there(office: Office, *path: str) -> int:
    """How many messages the server has."""
    return len(office.server.contents("eins", path or ("INBOX",)))


async def deliver(office: Office, account: AccountRecord, subject: str) -> None:
    """A message comes in, and somebody asks for it: a maildrop says nothing by itself, and its interval is a minute."""
    office.server.deliver("eins", a_letter(subject))
    await office.shop.write(accounts.send_receive, office.ada, account.id)


async def a_maildrop(office: Office, **receiving: object) -> AccountRecord:
    way_in = {"protocol": "pop3", "host": "mail.amt.test", "port": 995, "encryption": "tls"}
    account = await office.mailbox("eins", kind="fetch-only", incoming=way_in, receiving=receiving)
    office.server.deliver("eins", a_letter("Hallo"))
    return account


async def test_a_fetched_message_leaves_its_server_and_stays_here(office: Office) -> None:
    account = await a_maildrop(office, after_import="delete")
    async with office.at_work(0.2):

        async def taken() -> bool:
            return there(office) == 0

        await until(taken)
        assert await office.subjects(account) == ["Hallo"]
        await deliver(office, account, "Noch einer")
        await until(partial(office.has, account, "Noch einer"))
        await until(taken)
    assert await office.subjects(account) == ["Hallo", "Noch einer"]


async def test_a_message_leaves_its_server_when_its_days_are_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await a_maildrop(office, after_import="delete-later", after_days=14)
    now = time.time
    async with office.at_work(0.2):
        await until(partial(office.has, account, "Hallo"))
        await deliver(office, account, "Später")
        await until(partial(office.has, account, "Später"))
        assert there(office) == 2
        monkeypatch.setattr(appending.time, "time", lambda: now() + 15 * DAY)
        await office.shop.write(accounts.send_receive, office.ada, account.id)

        async def taken() -> bool:
            return there(office) == 0

        await until(taken)
    assert await office.subjects(account) == ["Hallo", "Später"]


async def test_what_is_to_stay_stays(office: Office) -> None:
    account = await a_maildrop(office, after_import="leave")
    async with office.at_work(0.2):
        await until(partial(office.has, account, "Hallo"))
        await deliver(office, account, "Danach")
        await until(partial(office.has, account, "Danach"))
    assert there(office) == 2


async def test_what_cannot_be_read_back_is_left_on_its_server(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> bytes:
        raise Conflict("segment-damaged")

    account = await a_maildrop(office, after_import="delete")
    monkeypatch.setattr(Segments, "read", damaged)
    async with office.at_work(0.2):
        await until(partial(office.has, account, "Hallo"))
        await deliver(office, account, "Danach")
        await until(partial(office.has, account, "Danach"))
        await until(lambda: office.synced(account))
    assert there(office) == 2


async def test_into_the_trash_of_a_mailbox_goes_what_came_into_a_folder_that_is_processed(office: Office) -> None:
    account = await office.mailbox("eins", receiving={"after_import": "trash"})
    office.server.create_folder("eins", ("Trash",), role=Role.TRASH)
    office.server.deliver("eins", a_letter("Hallo"))
    async with office.at_work(0.2):
        await until(partial(office.has, account, "Hallo"))
        assert there(office) == 1

        def choose() -> None:
            inbox = next(one for one in reading.folders(office.ada, account.id) if one.role is Role.INBOX)
            handling.choose(office.ada, inbox.id, {"process": True})

        await office.shop.write(choose)

        async def taken() -> bool:
            return (there(office), there(office, "Trash")) == (0, 1)

        await until(taken)
