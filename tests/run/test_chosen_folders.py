"""Which folders are fetched and shown: all, the subscribed ones, the ones people choose, and one just this once."""

from __future__ import annotations

from functools import partial

import pytest

from poststelle.errors import NotPermitted
from poststelle.mail.records import AccountRecord, FolderRecord
from poststelle.office import handling, reading, rights
from poststelle.store import trees
from tests.builders import a_letter, a_person
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]

ARCHIVE, NOTES = ("Altes",), ("Notizen",)


async def a_mailbox(office: Office, **receiving: object) -> AccountRecord:
    """One with a message in the inbox, in a subscribed folder, and in one that is not subscribed."""
    account = await office.mailbox("eins", receiving=receiving)
    for path in (ARCHIVE, NOTES):
        office.server.create_folder("eins", path)
        office.server.deliver("eins", a_letter(path[0]), path=path)
    office.server.subscribe("eins", ARCHIVE, subscribed=False)
    office.server.deliver("eins", a_letter("Posteingang"))
    return account


async def folder(office: Office, account: AccountRecord, name: str) -> FolderRecord:
    found: list[FolderRecord] = await office.shop.write(reading.folders, office.ada, account.id)
    return next(one for one in found if one.name == name)


async def in_the_tree(office: Office) -> set[str]:
    def look() -> set[str]:
        painted = trees.shown(office.ada.reach, frozenset(), everything=True)
        return {one.label for entries in painted.values() for top in entries for one in top.children}

    shown: set[str] = await office.shop.write(look)
    return shown


async def test_where_not_all_folders_are_fetched_one_may_be_fetched_just_this_once(office: Office) -> None:
    account = await a_mailbox(office, all_folders=False)
    async with office.at_work(0.2):
        await until(lambda: office.synced(account))
        assert await office.subjects(account) == ["Notizen", "Posteingang"]
        old = await folder(office, account, "Altes")
        assert (old.live, old.shown, old.fetched) == (True, True, False)
        await office.shop.write(handling.fetch_now, office.ada, old.id)
        await until(partial(office.has, account, "Altes"))

        async def over() -> bool:
            return (await folder(office, account, "Altes")).synced_at is not None and await office.synced(account)

        await until(over)
        office.server.deliver("eins", a_letter("Später"), path=ARCHIVE)
        office.server.deliver("eins", a_letter("Eben"))
        await until(partial(office.has, account, "Eben"))
        await until(lambda: office.synced(account))
        assert not await office.has(account, "Später")
        await office.shop.write(handling.fetch_now, office.ada, old.id)
        await until(partial(office.has, account, "Später"))
        await office.shop.write(handling.fetch_now, office.ada, old.id)

        async def nothing_is_wanted() -> bool:
            row = await office.row(account)
            wanted = await office.shop.write(lambda: row.folders.filter(fetch_wanted_at__isnull=False).exists())
            return not wanted

        await until(nothing_is_wanted)


async def test_where_only_subscribed_folders_are_shown_the_others_are_not_fetched_either(office: Office) -> None:
    account = await a_mailbox(office, subscribed_only=True)
    async with office.at_work(0.2):
        await until(lambda: office.synced(account))
        assert await office.subjects(account) == ["Notizen", "Posteingang"]
        assert await in_the_tree(office) == {"INBOX", "Notizen", "Sent"}
        old = await folder(office, account, "Altes")
        assert (old.shown, old.fetched) == (False, False)
        await office.shop.write(handling.choose, office.ada, old.id, {"show": True, "fetch": True})
        await until(partial(office.has, account, "Altes"))
        assert await in_the_tree(office) == {"Altes", "INBOX", "Notizen", "Sent"}


async def test_a_folder_nobody_wants_fetched_or_shown_is_neither(office: Office) -> None:
    account = await a_mailbox(office)
    async with office.at_work(0.2):
        await until(lambda: office.synced(account))
        assert await office.holds(account, "Altes", "Notizen", "Posteingang")
        notes = await folder(office, account, "Notizen")
        await office.shop.write(handling.choose, office.ada, notes.id, {"fetch": False, "show": False})
        office.server.deliver("eins", a_letter("Neue Notiz"), path=NOTES)
        office.server.deliver("eins", a_letter("Eben"))
        await until(partial(office.has, account, "Eben"))
        await until(lambda: office.synced(account))
        assert not await office.has(account, "Neue Notiz")
        assert await in_the_tree(office) == {"Altes", "INBOX", "Sent"}


async def test_whoever_may_not_process_a_folder_has_nothing_fetched(office: Office) -> None:
    account = await a_mailbox(office, all_folders=False)
    async with office.at_work(0.2):
        await until(lambda: office.synced(account))
    old = await folder(office, account, "Altes")

    def refused() -> None:
        bob = a_person()
        rights.grant(office.ada, account.id, {"user": "bob@amt.test", "rights": ["see"]})
        with pytest.raises(NotPermitted):
            handling.fetch_now(bob, old.id)

    await office.shop.write(refused)
