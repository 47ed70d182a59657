"""Bad days: the network goes, a server stays away, renumbers, or will not. Afterwards all is as it should be. Our own machine's: `test_own_machine`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import FolderMissing, LoginRejected, TryAgain
from poststelle.mail.ports import Batch, Cursor, RawMessage, RemoteFolderId, RemoteId, Unfetchable
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts, events, incoming
from poststelle.policy import retry
from poststelle.run import engine
from poststelle.store import models, rounds
from tests.builders import a_letter
from tests.run.engine_office import Office, home, office, until
from tests.run.test_fairness import fill

__all__ = ["home", "office"]


async def change(office: Office, account: AccountRecord, **columns: object) -> None:
    await office.shop.write(lambda: models.Account.objects.filter(pk=account.id).update(**columns))


# -- the network and its servers ------------------------------------------------------------------------------------------


async def test_when_the_network_is_back_everybody_is_in_step_within_seconds(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(engine, "LOOK_ANYWAY_SECONDS", 0.5)
    everybody = [await office.mailbox(f"m{number}", host=f"server{number % 3}.test") for number in range(9)]
    office.doors.unreachable = {f"server{number}.test" for number in range(3)}
    async with office.at_work() as running:
        for account in everybody:
            await until(partial(office.troubled, account))
        assert len(running.town.becalmed) == 9
        for number in range(9):
            office.server.deliver(f"m{number}", a_letter("Währenddessen"))
        office.doors.unreachable.clear()
        began = time.monotonic()
        for account in everybody:
            await until(partial(office.holds, account, "Währenddessen"))
        assert time.monotonic() - began < 5.0
        for account in everybody:
            await until(partial(office.synced, account))
            assert (await office.shown(account)).trouble is None
    assert office.doors.probed < 20


async def test_an_hour_without_network_suspends_nobody(office: Office) -> None:
    everybody = [await office.mailbox(f"m{number}", host=f"server{number}.test") for number in range(3)]
    for account in everybody:
        await change(office, account, failures=30, failing_since=timezone.now() - timedelta(hours=1))
    office.doors.unreachable = {f"server{number}.test" for number in range(3)}
    async with office.at_work() as running:
        # Nothing can be known before every server has been tried once.
        await until(partial(_becalmed, running, 3))
        for watched in running._watched.values():
            watched.clear_up()
        await asyncio.sleep(1.0)
        states = [(await office.shown(account)).state for account in everybody]
        assert running.town.doors.weather.is_everywhere()
    assert states == ["active"] * 3


async def _becalmed(running: engine.Engine, count: int) -> bool:
    return running.town.doors.weather.is_silent() and len(running.town.becalmed) >= count - 1


async def test_a_server_that_stays_away_for_an_hour_suspends_its_mailbox_and_resumes_it_by_itself(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.5)
    away, sound = await office.mailbox("fern", host="fern.test"), await office.mailbox("nah")
    await change(office, away, failures=4, failing_since=timezone.now() - timedelta(minutes=61))
    office.doors.unreachable = {"fern.test"}
    async with office.at_work() as running:
        await until(lambda: office.synced(sound))
        await until(lambda: office.troubled(away))
        # The first failure may have come before anybody else's server had answered.
        running._watched[away.id].clear_up()

        async def suspended() -> bool:
            return (await office.row(away)).state == "suspended"

        await until(suspended)
        row = await office.row(away)
        assert row.retry_at is not None
        assert row.standing == "suspended"
        assert (row.trouble or {})["code"] == "connect-timeout"
        office.server.deliver("fern", a_letter("Wieder da"))
        office.doors.unreachable.clear()
        await until(lambda: office.holds(away, "Wieder da"))
        await until(lambda: office.synced(away))
    assert ((await office.row(away)).state, (await office.row(away)).failures) == ("active", 0)


async def test_the_only_server_is_found_again_within_seconds_though_its_mailbox_was_suspended_meanwhile(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(engine, "LOOK_ANYWAY_SECONDS", 0.5)
    only = await office.mailbox("eins", host="nur.test")
    await change(office, only, failures=4, failing_since=timezone.now() - timedelta(minutes=61))
    office.doors.unreachable = {"nur.test"}
    async with office.at_work():

        async def suspended() -> bool:
            return (await office.row(only)).state == "suspended"

        await until(suspended)
        office.server.deliver("eins", a_letter("Währenddessen"))
        office.doors.unreachable.clear()
        await until(lambda: office.holds(only, "Währenddessen"))
        await until(lambda: office.synced(only))
    assert (await office.row(only)).state == "active"


async def test_a_mailbox_suspended_for_an_hour_is_left_alone_by_a_new_engine_too(office: Office) -> None:
    account = await office.mailbox("eins")
    await office.shop.write(partial(rounds.failed, suspended=True), account.id, TryAgain("connect-timeout"), 3000.0)
    async with office.at_work():
        await asyncio.sleep(0.7)
        assert office.doors.opened["eins"] == 0
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await until(lambda: office.synced(account))


async def test_a_password_changed_on_the_server_is_tried_twice_and_then_left_to_a_person(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LOGIN_RETRY", 0.2)
    account = await office.mailbox("eins")
    async with office.at_work():
        await until(lambda: office.synced(account))
        office.doors.closed["eins"] = LoginRejected("login-rejected")
        office.server.deliver("eins", a_letter("Währenddessen"))
        await until(lambda: office.holds(account, "Währenddessen"))
        await office.doors.sources[-1].close()
        office.server.deliver("eins", a_letter("Danach"))

        async def suspended() -> bool:
            return (await office.row(account)).state == "suspended"

        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await asyncio.sleep(0.2)
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await until(suspended)
        assert await office.troubled(account) == "login-rejected"
        opened = office.doors.opened["eins"]
        await asyncio.sleep(1.0)
        assert office.doors.opened["eins"] == opened
        assert (await office.row(account)).retry_at is None
        del office.doors.closed["eins"]
        await office.shop.write(accounts.change, office.ada, account.id, {"login": {"password": "neu"}})
        await until(lambda: office.holds(account, "Danach", "Währenddessen"))


async def test_a_server_that_renumbers_again_and_again_is_stopped_with_that_reason_and_nothing_is_lost(
    office: Office,
) -> None:
    account = await office.mailbox("eins")
    office.server.deliver("eins", a_letter("Bleibt"))
    async with office.at_work():
        await until(lambda: office.synced(account))
        for _ in range(3):
            office.server.renumber("eins", ("INBOX",))
            await office.shop.write(accounts.send_receive, office.ada, account.id)
            await asyncio.sleep(0.7)

        async def suspended() -> bool:
            return (await office.row(account)).state == "suspended"

        await until(suspended)
        assert await office.troubled(account) == "renumbered-again"
        assert await office.subjects(account) == ["Bleibt"]
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await until(lambda: office.synced(account))
        assert await office.subjects(account) == ["Bleibt"]


# -- what people chose ----------------------------------------------------------------------------------------------------


async def test_a_mailbox_fetched_by_hand_only_waits_for_the_hand(office: Office) -> None:
    account = await office.mailbox("eins")
    await change(office, account, receiving={"automatic": False})
    office.server.deliver("eins", a_letter("Hallo"))
    async with office.at_work():
        await asyncio.sleep(0.7)
        assert office.doors.opened["eins"] == 0
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await until(lambda: office.holds(account, "Hallo"))

        async def hung_up() -> bool:
            return office.doors.open_at_once("eins") == 0

        await until(hung_up)
        assert (await office.row(account)).standing == "waiting"


@pytest.mark.parametrize("columns", [{"receiving": {"included": False}}, {"active": False}])
async def test_a_mailbox_that_is_switched_off_is_never_fetched(office: Office, columns: dict[str, Any]) -> None:
    account = await office.mailbox("eins")
    await change(office, account, **columns)
    office.server.deliver("eins", a_letter("Hallo"))
    async with office.at_work():
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await asyncio.sleep(0.7)
    assert office.doors.opened["eins"] == 0


async def test_without_push_mail_comes_with_the_round(office: Office) -> None:
    account = await office.mailbox("eins")
    await change(office, account, receiving={"push": False})
    async with office.at_work(poll_seconds=1.0):
        await change(office, account, receiving={"push": False, "interval_minutes": 0})
        await until(lambda: office.synced(account))
        office.server.deliver("eins", a_letter("Hallo"))
        await asyncio.sleep(0.3)
        assert not await office.has(account, "Hallo")
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await until(lambda: office.holds(account, "Hallo"))


# -- first syncs, and which folders --------------------------------------------------------------------------------------


async def test_stopping_in_the_middle_of_a_first_sync_is_quick_and_the_next_engine_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "PATIENCE_SECONDS", 0.2)
    account = await office.mailbox("eins")
    fill(office, "eins", ("INBOX",), 6000)
    async with office.at_work():

        async def under_way() -> bool:
            return office.doors.open_at_once("eins") == 2 and await office.held(account) > 200

        await until(under_way)
        began = time.monotonic()
    assert time.monotonic() - began < 5.0
    held = await office.held(account)
    assert 200 < held < 6000
    assert office.doors.open_at_once("eins") == 0
    fetched: list[RemoteId] = []
    fetch = MemorySource.fetch

    async def counted(self: MemorySource, folder: RemoteFolderId, ids: Any) -> AsyncIterator[RawMessage | Unfetchable]:
        async for one in fetch(self, folder, ids):
            fetched.append(one.id)
            yield one

    monkeypatch.setattr(MemorySource, "fetch", counted)
    async with office.at_work():
        await until(lambda: office.synced(account), within=60.0)
    assert await office.held(account) == 6000
    # What had been fetched ahead and not kept is fetched again: two batches at most.
    assert len(fetched) <= 6000 - held + 400


async def test_folders_are_left_out_that_nobody_wants_fetched(office: Office) -> None:
    account = await office.mailbox("eins")
    office.server.create_folder("eins", ("Groß",))
    office.server.deliver("eins", a_letter("Hier"))
    async with office.at_work():
        await until(lambda: office.synced(account))

        def leave_out() -> None:
            models.Folder.objects.filter(account=account.id, path=["Groß"]).update(choices={"fetch": False})

        await office.shop.write(leave_out)
        await office.shop.write(accounts.send_receive, office.ada, account.id)

        async def answered() -> bool:
            return (await office.row(account)).sync_wanted_at is None

        await until(answered)
        office.server.deliver("eins", a_letter("Dort"), path=("Groß",))
        office.server.deliver("eins", a_letter("Auch hier"))
        await until(lambda: office.holds(account, "Auch hier", "Hier"))
        await asyncio.sleep(0.5)
        assert not await office.has(account, "Dort")


async def test_of_a_mailbox_that_is_only_looked_at_folders_are_listed_and_nothing_is_fetched(office: Office) -> None:
    account = await office.mailbox("eins")
    await change(office, account, receiving={"background": False})
    office.server.deliver("eins", a_letter("Hallo"))
    async with office.at_work():
        await until(lambda: office.synced(account))
        assert await office.held(account) == 0
        assert (await office.row(account)).trouble is None

        def names() -> list[str]:
            return sorted(row.path[-1] for row in models.Folder.objects.filter(account=account.id, place="remote"))

        assert await office.shop.write(names) == ["INBOX", "Sent"]


async def test_an_account_may_be_kept_to_its_inbox_and_what_is_subscribed(office: Office) -> None:
    account = await office.mailbox("eins")
    await change(office, account, receiving={"all_folders": False})
    for name in ("Wichtig", "Egal"):
        office.server.create_folder("eins", (name,))
        office.server.deliver("eins", a_letter(name), path=(name,))
    office.server.subscribe("eins", ("Egal",), subscribed=False)
    office.server.deliver("eins", a_letter("Eingang"))
    async with office.at_work():
        await until(lambda: office.synced(account))
        assert await office.subjects(account) == ["Eingang", "Wichtig"]


# -- servers that will not ---------------------------------------------------------------------------------------------


async def test_a_full_mailbox_still_receives_and_gets_its_sent_copy_when_there_is_room(office: Office) -> None:
    account = await office.mailbox("eins")
    office.server.set_quota("eins", 1)

    async def postponed() -> bool:
        rows = models.Errand.objects.filter(kind="append", closed_at=None, due_at__gt=timezone.now())
        return bool(await office.shop.write(rows.exists))

    async def copied() -> bool:
        return len(office.server.contents("eins", ("Sent",))) == 1

    async with office.at_work():
        await until(partial(office.synced, account))
        await office.submit(account, "eins@amt.test")
        await until(postponed)
        await until(partial(office.has, account, "Angebot"))
        assert not await office.troubled(account)
        office.server.set_quota("eins", None)
        await office.shop.write(lambda: models.Errand.objects.update(due_at=None))
        await until(copied)


async def test_a_folder_its_server_does_not_open_is_told_of(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await office.mailbox("eins")

    async def closed(self: MemorySource, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        raise FolderMissing("folder-missing", folder=folder)

    def told() -> list[str]:
        found = [one for one in events.page(office.ada, account.id, 50).items if one.code == "folder-closed"]
        return sorted(str(one.facts["folder"]) for one in found)

    async def is_told() -> bool:
        return bool(await office.shop.write(told) == ["INBOX", "Sent"])

    monkeypatch.setattr(MemorySource, "changes", closed)
    async with office.at_work():
        await until(is_told)
        assert not await office.troubled(account)
