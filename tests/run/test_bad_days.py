"""Bad days: the network goes, a server stays away, a part freezes, the disk is full, the clock is set back. Afterwards all is as it should be."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from poststelle.adapters.memory import MemorySource
from poststelle.errors import FolderMissing, LoginRejected, TryAgain
from poststelle.mail.ports import Batch, Cursor, RawMessage, RemoteFolderId, RemoteId, Unfetchable
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts, events, incoming, second_session
from poststelle.policy import retry
from poststelle.run import engine, watcher
from poststelle.store import models, rounds
from poststelle.store.blobs import Segments
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


# -- our own side ---------------------------------------------------------------------------------------------------------


class _Stuck(MemorySource):
    """A session in which nothing happens any more."""

    async def changes(self, *_: object) -> Any:
        await asyncio.Event().wait()


class _Deaf(MemorySource):
    """The same, and it does not even end when it is told to, for a while."""

    async def changes(self, *_: object) -> Any:
        began = time.monotonic()
        while time.monotonic() - began < 4.0:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.5)
        await asyncio.sleep(0)
        raise TryAgain("connection-lost")


@pytest.mark.parametrize("kind", [_Stuck, _Deaf])
async def test_a_mailbox_nothing_is_heard_of_is_noticed_told_and_tried_again(
    office: Office, kind: type[MemorySource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poststelle.sync.folder.LONGEST_SILENCE", 2.0)
    monkeypatch.setattr(watcher, "LONGEST_SILENCE", 2.0)
    monkeypatch.setattr(incoming, "LONGEST_SILENCE", 2.0)
    monkeypatch.setattr(second_session, "LONGEST_SILENCE", 2.0)
    monkeypatch.setattr(engine, "LOOK_ANYWAY_SECONDS", 0.2)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.2)
    account = await office.mailbox("eins")
    office.server.deliver("eins", a_letter("Hallo"))
    sources: list[MemorySource] = []

    async def source(access: Any, *, bulk: bool = False) -> MemorySource:
        made = (kind if not sources else MemorySource)(office.server, "eins")
        sources.append(made)
        return made

    monkeypatch.setattr(office.doors, "source", source)
    async with office.at_work():
        await until(lambda: office.holds(account, "Hallo"))
    assert len(sources) == 2


async def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.2)
    account, write, full = await office.mailbox("eins"), Segments.write, True

    def no_room(self: Segments, *arguments: Any) -> Any:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, *arguments)

    monkeypatch.setattr(Segments, "write", no_room)
    for number in range(5):
        office.server.deliver("eins", a_letter(f"{number}"))
    async with office.at_work():

        async def told() -> bool:
            return await office.troubled(account) == "no-room"

        await until(told)
        assert await office.held(account) == 0
        full = False
        await until(lambda: office.holds(account, *map(str, range(5))))
        await until(lambda: office.synced(account))
    assert await office.troubled(account) == ""


async def test_a_database_with_no_room_to_grow_loses_nothing_and_goes_on_when_there_is(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.2)
    monkeypatch.setattr(watcher, "SET_BACK_SECONDS", 0.2)
    monkeypatch.setattr(engine, "SET_BACK_SECONDS", 0.2)
    account, count = await office.mailbox("eins"), 300

    def pages(most: int = 0) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            cursor.execute(f"PRAGMA max_page_count = {most or cursor.fetchone()[0]}")

    async with office.at_work():
        await until(lambda: office.synced(account))
        await office.shop.write(pages)
        for number in range(count):
            office.server.deliver("eins", a_letter(f"{number}"))

        async def full() -> bool:
            return "no-room" in caplog.text

        async def whole() -> bool:
            return await office.held(account) == count

        await until(full)
        assert not await whole()
        await office.shop.write(pages, 1 << 30)
        await until(whole)
        await until(lambda: office.synced(account))
    assert await office.troubled(account) == ""


async def test_a_database_locked_for_a_while_loses_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "SET_BACK_SECONDS", 0.2)
    monkeypatch.setattr(engine, "SET_BACK_SECONDS", 0.2)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.2)
    account = await office.mailbox("eins")

    def impatient() -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")

    await office.shop.write(impatient)
    async with office.at_work():
        await until(lambda: office.synced(account))
        other = sqlite3.connect(connection.settings_dict["NAME"])
        other.execute("BEGIN IMMEDIATE")
        office.server.deliver("eins", a_letter("Währenddessen"))
        await asyncio.sleep(1.0)
        other.rollback()
        other.close()
        await until(lambda: office.holds(account, "Währenddessen"))
        await until(lambda: office.synced(account))


async def test_a_clock_set_back_by_a_day_delays_neither_mail_nor_wishes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LOOK_ANYWAY_SECONDS", 0.3)
    account = await office.mailbox("eins")
    real, back = time.time, 0.0
    monkeypatch.setattr(engine.time, "time", lambda: real() - back)
    async with office.at_work():
        await until(lambda: office.synced(account))
        number = await office.submit(account)
        day = timedelta(days=1)

        def as_if_written_tomorrow() -> None:
            models.Outgoing.objects.filter(pk=number).update(
                state="queued", due_at=timezone.now() + day - timedelta(hours=1)
            )
            models.Account.objects.filter(pk=account.id).update(last_round_at=timezone.now() + day)

        async def sent() -> bool:
            return await office.state_of(number) == "sent"

        await until(sent)
        await office.shop.write(as_if_written_tomorrow)
        back = 86400.0
        await until(sent)
        await office.shop.write(accounts.send_receive, office.ada, account.id)

        async def answered() -> bool:
            return (await office.row(account)).sync_wanted_at is None

        await until(answered)


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
