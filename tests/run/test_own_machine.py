"""Bad days of our own machine: a part freezes, the disk is full or stalls, the database is locked, the clock jumps. Nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import TryAgain
from poststelle.office import accounts, incoming, second_session
from poststelle.policy import retry
from poststelle.run import engine, watcher
from poststelle.store import disk, models
from poststelle.store.blobs import Origin, Raw, Segments
from tests.builders import a_letter
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]


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


async def test_a_disk_that_stalls_under_one_mailbox_delays_no_other_and_loses_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, other = await office.mailbox("eins"), await office.mailbox("zwei")
    gate, write = threading.Event(), Segments.write

    def slow(self: Segments, messages: Sequence[tuple[Origin, bytes, Raw]], **more: Any) -> Any:
        if messages[0][0].account == UUID(stalled.id).hex:
            gate.wait()
        return write(self, messages, **more)

    monkeypatch.setattr(Segments, "write", slow)
    async with office.at_work():
        await until(lambda: office.synced(stalled))
        await until(lambda: office.synced(other))
        for login in ("eins", "zwei"):
            office.server.deliver(login, a_letter("Währenddessen"))
        try:
            await until(lambda: office.holds(other, "Währenddessen"))
            assert await office.held(stalled) == 0
        finally:
            gate.set()
        await until(lambda: office.holds(stalled, "Währenddessen"))


async def test_mail_stops_coming_while_there_is_still_room_to_say_why(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.2)
    account, reserve = await office.mailbox("eins"), disk.RESERVE
    monkeypatch.setattr(disk, "RESERVE", disk.free() * 2)
    office.server.deliver("eins", a_letter("Hallo"))
    async with office.at_work():

        async def told() -> bool:
            return await office.troubled(account) == "no-room"

        await until(told)
        assert await office.held(account) == 0
        monkeypatch.setattr(disk, "RESERVE", reserve)
        await until(lambda: office.holds(account, "Hallo"))


async def test_a_database_with_no_room_to_grow_loses_nothing_and_goes_on_when_there_is(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.2)
    monkeypatch.setattr(watcher, "SET_BACK_SECONDS", 0.2)
    monkeypatch.setattr(engine, "SET_BACK_SECONDS", 0.2)
    account, count = await office.mailbox("eins"), 300

    def without_free_pages() -> None:  # earlier tests left some, into which all of this would fit
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")

    def pages(most: int = 0) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            cursor.execute(f"PRAGMA max_page_count = {most or cursor.fetchone()[0]}")

    async with office.at_work():
        await until(lambda: office.synced(account))
        await office.shop.write(without_free_pages)
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


async def test_a_clock_set_forward_by_a_day_disturbs_nobody(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOOK_ANYWAY_SECONDS", 0.3)
    account = await office.mailbox("eins")
    real, ahead = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    async with office.at_work():
        await until(lambda: office.synced(account))
        ahead = 86400.0
        office.server.deliver("eins", a_letter("Währenddessen"))
        await until(lambda: office.holds(account, "Währenddessen"))
        number = await office.submit(account)

        async def sent() -> bool:
            return await office.state_of(number) == "sent"

        await until(sent)
        await office.shop.write(accounts.send_receive, office.ada, account.id)

        async def answered() -> bool:
            return (await office.row(account)).sync_wanted_at is None

        await until(answered)
        assert not await office.troubled(account)


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
