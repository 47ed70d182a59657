"""One huge mailbox delays neither its own new mail nor anybody else's; bulk work is bounded and clears up after itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from poststelle.office import accounts, incoming, second_session
from poststelle.policy.scheduling import Limits
from poststelle.run.network import BulkPlaces
from poststelle.store import models
from tests.builders import a_letter
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]

MANY = 50_000
EARLIER = datetime(2020, 1, 1, tzinfo=UTC)


def fill(office: Office, login: str, path: tuple[str, ...], count: int) -> None:
    """Small old messages, each of its own."""
    for number in range(count):
        raw = b"Subject: alt %d\r\nMessage-ID: <%s.%s.%d@alt.test>\r\n\r\nGuten Tag.\r\n" % (
            number, login.encode(), path[-1].encode(), number,
        )  # fmt: skip
        office.server.deliver(login, raw, path=path, received_at=EARLIER + timedelta(minutes=number))


@pytest.fixture(autouse=True)
def _hands_over_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "PATIENCE_SECONDS", 0.3)


async def test_mail_for_anybody_is_here_within_two_seconds_while_one_mailbox_has_fifty_thousand_new_messages(
    office: Office,
) -> None:
    huge, other = await office.mailbox("riesig"), await office.mailbox("klein", host="anders.test")
    office.server.create_folder("riesig", ("Ablage",))
    fill(office, "riesig", ("Ablage",), MANY // 2)
    fill(office, "riesig", ("INBOX",), MANY // 2)
    async with office.at_work():
        await until(lambda: office.synced(other))

        async def under_way() -> bool:
            return office.doors.open_at_once("riesig") == 2 and await office.held(huge) > 1000

        await until(under_way, within=30.0)
        for number in range(3):
            office.server.deliver("klein", a_letter(f"Eben {number}"))
            office.server.deliver("riesig", a_letter(f"Gerade {number}"))
            assert await until(partial(office.has, other, f"Eben {number}")) < 2.0
            assert await until(partial(office.has, huge, f"Gerade {number}")) < 2.0
        assert await office.held(huge) < MANY, "the first sync was over before it could be in the way"
        assert office.doors.open_at_once("riesig") == 2
        assert office.doors.open_at_once("klein") == 1


async def test_the_newest_of_every_folder_comes_first_and_a_huge_folder_starves_none(office: Office) -> None:
    office.doors.batch_size = 50
    account = await office.mailbox("eins")
    office.server.create_folder("eins", ("Riesig",))
    office.server.create_folder("eins", ("Klein",))
    fill(office, "eins", ("Riesig",), 4000)
    fill(office, "eins", ("Klein",), 300)
    fill(office, "eins", ("INBOX",), 300)
    async with office.at_work():

        async def parts() -> dict[str, tuple[int, int]]:
            def read() -> dict[str, tuple[int, int]]:
                rows = models.Folder.objects.filter(account=account.id)
                return {row.path[-1]: (row.total, row.remaining) for row in rows}

            return dict(await office.shop.write(read))

        async def each_begun() -> bool:
            counted = await parts()
            return all(counted.get(name, (0, 0))[0] for name in ("INBOX", "Riesig", "Klein"))

        await until(each_begun)
        counted = await parts()
        assert counted["Riesig"][0] < 4000

        async def inbox_whole() -> bool:
            return (await parts())["INBOX"] == (300, 0)

        await until(inbox_whole)
        assert (await parts())["Riesig"][1] > 0, "the inbox came to its end before the others"


async def test_when_the_first_sync_is_done_one_session_remains_and_everything_is_here_once(office: Office) -> None:
    account = await office.mailbox("eins")
    office.server.create_folder("eins", ("Ablage",))
    fill(office, "eins", ("Ablage",), 3000)
    fill(office, "eins", ("INBOX",), 3000)
    async with office.at_work():
        for number in range(4):
            await asyncio.sleep(0.3)
            office.server.deliver("eins", a_letter(f"Dazwischen {number}"))
        await until(lambda: office.synced(account), within=60.0)
        await until(partial(office.has, account, "Dazwischen 3"))
        assert await office.held(account) == 6004

        async def one_session() -> bool:
            return office.doors.open_at_once("eins") == 1

        await until(one_session)
        uid = office.server.deliver("eins", a_letter("Kommt und geht"))
        await until(partial(office.has, account, "Kommt und geht"))
        office.server.remove("eins", ("INBOX",), uid)

        async def gone() -> bool:
            return not await office.has(account, "Kommt und geht")

        await until(gone)
    assert (await office.row(account)).standing == "watching"


async def test_what_came_and_went_during_a_first_sync_is_not_here_after_it(office: Office) -> None:
    account = await office.mailbox("eins")
    fill(office, "eins", ("INBOX",), 6000)
    async with office.at_work():

        async def under_way() -> bool:
            return office.doors.open_at_once("eins") == 2

        await until(under_way)
        uid = office.server.deliver("eins", a_letter("Flüchtig"))
        await until(partial(office.has, account, "Flüchtig"))
        office.server.remove("eins", ("INBOX",), uid)
        await until(lambda: office.synced(account), within=60.0)

        async def gone() -> bool:
            return not await office.has(account, "Flüchtig") and await office.held(account) == 6000

        await until(gone)


async def test_a_mailbox_whose_every_round_takes_long_comes_to_rest_all_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(incoming, "LOOKING_SECONDS", 0.0)
    account = await office.mailbox("eins")
    for number in range(40):
        office.server.create_folder("eins", (f"Akte {number}",))
    async with office.at_work():
        await until(lambda: office.synced(account))
        assert office.doors.opened["eins"] == 2
        office.server.deliver("eins", a_letter("Danach"), path=("Akte 7",))
        await until(partial(office.has, account, "Danach"))


async def test_looking_through_many_folders_without_news_takes_no_second_session(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "PATIENCE_SECONDS", 0.0)
    account = await office.mailbox("eins")
    for number in range(40):
        office.server.create_folder("eins", (f"Akte {number}",))
    async with office.at_work():
        await until(lambda: office.synced(account))
        assert office.doors.opened["eins"] == 1


async def test_a_server_that_allows_one_session_is_worked_off_over_that_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_session, "ATTEMPTS_AT_A_SECOND_SESSION", 1)
    account = await office.mailbox("eins")
    fill(office, "eins", ("INBOX",), 4000)
    office.doors.most_sessions = 1
    async with office.at_work():
        await until(lambda: office.synced(account), within=60.0)
        assert await office.held(account) == 4000
        assert office.doors.open_at_once("eins") == 1


async def test_bulk_sessions_are_bounded_in_all_and_per_server(office: Office) -> None:
    office.doors.batch_size = 20
    most: list[int] = []
    everybody = []
    for number in range(6):
        login = f"m{number}"
        everybody.append(await office.mailbox(login, host="mail.amt.test" if number < 3 else "anders.test"))
        fill(office, login, ("INBOX",), 800)
    async with office.at_work(limits=Limits(bulk=2, bulk_per_host=1, connects_per_second=1000)):

        async def all_synced() -> bool:
            most.append(sum(max(office.doors.open_at_once(f"m{number}") - 1, 0) for number in range(6)))
            return all([await office.synced(account) for account in everybody])

        await until(all_synced, within=60.0)
    assert 1 <= max(most) <= 2


async def test_who_waits_for_a_busy_server_does_not_keep_others_from_a_free_one() -> None:
    places = BulkPlaces(Limits(bulk=3, bulk_per_host=1))
    entered: list[str] = []
    leave = asyncio.Event()

    async def work(host: str) -> None:
        async with places.place(host):
            entered.append(host)
            await leave.wait()

    tasks = [asyncio.create_task(work(host)) for host in ("a.test", "a.test", "b.test")]
    await asyncio.sleep(0.01)
    assert entered == ["a.test", "b.test"]
    tasks[1].cancel()
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    leave.clear()
    last = asyncio.create_task(work("a.test"))
    await asyncio.sleep(0.01)
    assert entered[-1] == "a.test"
    assert len(entered) == 3
    leave.set()
    await last


@pytest.mark.parametrize("limit", [150_000, 300_000])
async def test_a_days_bytes_end_the_first_sync_for_today_but_not_what_arrives(
    office: Office, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _Midnight(monkeypatch)
    monkeypatch.setattr(incoming, "PATIENCE_SECONDS", 0.05)
    office.doors.batch_size = 20
    account = await office.mailbox("eins")
    letters = [a_letter(f"alt {number:03}", "x" * 1000) for number in range(600)]
    for letter in letters:
        office.server.deliver("eins", letter, received_at=EARLIER)
    asked: list[str] = []
    office.doors.before = asked.append
    async with office.at_work(limits=Limits(bytes_per_day=limit)):

        async def resting() -> bool:
            return (await office.row(account)).standing == "daily-limit"

        await until(resting, within=30.0)
        sent = sum(map(len, letters[-asked.count("fetch") :]))
        assert (await office.row(account)).traffic["bytes"] == sent, "what was asked ahead counts too"
        assert await office.held(account) < 600
        assert office.doors.open_at_once("eins") == 1
        office.server.deliver("eins", a_letter("Eben"))
        assert await until(partial(office.has, account, "Eben")) < 2.0
        for _ in range(20):
            if (await office.held(account)) == 601:
                break
            clock.strikes()
            await asyncio.sleep(0.5)
        await until(lambda: office.synced(account), within=30.0)
        assert await office.held(account) == 601


class _Midnight:
    """Days that pass when they are told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._day = 0
        patch.setattr("poststelle.store.rounds._today", lambda: f"day {self._day}")
        patch.setattr(second_session, "_seconds_to_midnight", lambda: 0.2)

    def strikes(self) -> None:
        self._day += 1


async def test_a_round_asked_for_during_a_first_sync_is_answered_when_all_is_here(office: Office) -> None:
    account = await office.mailbox("eins")
    fill(office, "eins", ("INBOX",), 4000)
    async with office.at_work():

        async def under_way() -> bool:
            return office.doors.open_at_once("eins") == 2

        await until(under_way)
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await asyncio.sleep(0.3)
        if await office.held(account) < 4000:
            assert (await office.row(account)).sync_wanted_at is not None

        async def answered() -> bool:
            return (await office.row(account)).sync_wanted_at is None

        await until(answered, within=30.0)
        assert await office.held(account) == 4000
