"""What every `Source` must keep, even one that knows a single folder and no flags. Each adapter's test module gives it a `World`.

Law: a test here knows the port and the world, never an adapter. What the port leaves open (over-reporting, batch sizes, order
of fetched messages) is left open here as well.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from poststelle.errors import CursorLost
from poststelle.mail.ports import (
    SEEN,
    Arrival,
    Batch,
    Cursor,
    Delete,
    Role,
)
from tests.contract.world import (
    INBOX,
    Follower,
    History,
    World,
    fetched,
    id_at,
    id_of,
    letter,
    listing,
    opened,
    patient_step,
    raw_of,
)


class MaildropContract:
    """Subclass it with a fixture `world`."""

    async def test_a_first_listing_reports_everything_newest_first(self, world: World) -> None:
        for number in range(7):
            await world.deliver(letter(f"brief-{number}"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            arrivals = await listing(source, inbox)
            answers = await fetched(source, inbox, [arrival.id for arrival in arrivals])
        assert [raw_of(answers[arrival.id]) for arrival in arrivals] == [
            letter(f"brief-{number}") for number in reversed(range(7))
        ]
        assert all(arrival.received_at.tzinfo for arrival in arrivals)
        assert [arrival.size for arrival in arrivals] == [len(letter("brief-0"))] * 7

    async def test_what_remains_is_counted_down_to_nothing(self, world: World) -> None:
        for number in range(120):
            await world.deliver(letter(f"brief-{number}"), flags=[SEEN] if number % 2 else [])
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            batches: list[Batch] = []
            while not batches or batches[-1].more:
                batches.append(await source.changes(inbox, batches[-1].cursor if batches else None))
        for number, batch in enumerate(batches):
            assert batch.remaining == sum(len(later.arrivals) for later in batches[number + 1 :])
        assert sum(len(batch.arrivals) for batch in batches) == 120

    async def test_an_empty_folder_is_reported_whole_at_once(self, world: World) -> None:
        async with opened(world) as source:
            batch = await source.changes(await id_at(source, INBOX), None)
        assert (list(batch.arrivals), batch.remaining, batch.more) == ([], 0, False)

    async def test_nothing_is_under_reported_wherever_a_history_is_cut(self, world: World) -> None:
        for seed in range(world.histories):
            await world.create_folder(world.place)
            history, follower = History(world, seed), Follower(world.place)
            source = await world.open_source()
            for _ in range(6):
                for _ in range(history.random.randrange(6)):
                    await history.event()
                if history.random.random() < 0.5:
                    await source.close()
                    source = await world.open_source()
                for _ in range(history.random.randrange(3)):
                    source, _ = await patient_step(world, source, follower)
            for _ in range(2):
                more = True
                while more:
                    source, more = await patient_step(world, source, follower)
            told = f"seed {seed}: {'; '.join(history.told)}"
            assert await follower.sees(source) == Counter(await world.contents(world.place)), told
            await source.close()
            await world.remove_folder(world.place)

    async def test_a_batch_asked_for_and_applied_twice_equals_once(self, world: World) -> None:
        await world.create_folder(world.place)
        history, once, twice = History(world, 99), Follower(world.place), Follower(world.place)
        source = await world.open_source()
        for _ in range(8):
            for _ in range(4):
                await history.event()
            before = twice.cursor
            for _ in range(2):  # a session may see only what was there when it began
                more = True
                while more:
                    source, more = await patient_step(world, source, once)
            await twice.step(source)
            twice.cursor = before  # as if the machine had died before the cursor was written
            await twice.catch_up(source)
            assert once.held == twice.held, "; ".join(history.told)
        assert await twice.sees(source) == Counter(await world.contents(world.place))
        await source.close()

    async def test_a_cursor_survives_reconnecting(self, world: World) -> None:
        for number in range(5):
            await world.deliver(letter(f"alt-{number}"))
        follower = Follower(INBOX)
        async with opened(world) as source:
            await follower.catch_up(source)
        await world.deliver(letter("neu"))
        await world.remove(INBOX, id_of("alt-2"))
        await world.set_flags(INBOX, id_of("alt-3"), [SEEN])
        async with opened(world) as source:
            batch = await source.changes(await id_at(source, INBOX), follower.cursor)
            assert len(batch.arrivals) == 1, "a reconnect is not a reason to report everything again"
            follower.apply(batch)
            await follower.catch_up(source)
            assert await follower.sees(source) == Counter(await world.contents())

    async def test_a_cursor_that_cannot_be_read_is_a_lost_cursor(self, world: World) -> None:
        async with opened(world) as source:
            with pytest.raises(CursorLost):
                await source.changes(await id_at(source, INBOX), Cursor("kein Zeiger"))

    async def test_deleting_removes_these_messages_and_no_others(self, world: World) -> None:
        for name in ("eins", "zwei", "drei"):
            await world.deliver(letter(name))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            three, two, one = await listing(source, inbox)
            errand = Delete(inbox, (one.id, three.id))
            assert not (await source.perform(errand)).gone
            assert (await source.perform(errand)).gone == {one.id, three.id}
            assert await source.census(inbox) == {two.id}

    async def test_a_census_names_everything_there_is(self, world: World) -> None:
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            assert await source.census(inbox) == frozenset()
            for name in ("eins", "zwei"):
                await world.deliver(letter(name))
            first = await source.census(inbox)
            await world.remove(INBOX, id_of("eins"))
            assert len(first) == 2
            (left,) = await source.census(inbox)
            assert left in first

    async def test_a_window_shows_the_newest_and_then_what_is_older(self, world: World) -> None:
        for number in range(9):
            await world.deliver(letter(f"brief-{number}"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            everything = await listing(source, inbox)
            shown: list[Arrival] = []
            while page := await source.window(inbox, shown[-1] if shown else None, 4):
                assert len(page) <= 4
                shown += page
        assert [arrival.id for arrival in shown] == [arrival.id for arrival in everything]

    async def test_single_messages_are_described_as_they_are_listed(self, world: World) -> None:
        for number in range(3):
            await world.deliver(letter(f"brief-{number}"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            new, _, old = await listing(source, inbox)
            described = {one.id: one for one in await source.describe(inbox, [old.id, new.id])}
        assert {number: one.ordinal for number, one in described.items()} == {one.id: one.ordinal for one in (old, new)}
        assert {one.size for one in described.values()} == {old.size, new.size}

    async def test_the_inbox_is_known_by_its_role(self, world: World) -> None:
        async with opened(world) as source:
            roles = {folder.path: folder.role for folder in await source.folders()}
        assert roles[INBOX] is Role.INBOX
        assert list(roles.values()).count(Role.INBOX) == 1

    async def test_a_message_of_60_megabytes_comes_through_unchanged(self, world: World) -> None:
        line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx\r\n"
        raw = letter("gross", line * (60_000_000 // len(line) + 1))
        await world.deliver(letter("klein"))
        await world.deliver(raw)
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            arrivals = await listing(source, inbox)
            assert [arrival.size for arrival in arrivals] == [len(raw), len(letter("klein"))]
            answers = await fetched(source, inbox, [arrival.id for arrival in arrivals])
            assert hashlib.sha256(raw_of(answers[arrivals[0].id])).digest() == hashlib.sha256(raw).digest()
            assert raw_of(answers[arrivals[1].id]) == letter("klein")

    @pytest.mark.parametrize(
        "raw",
        [
            b"Nur eine Zeile ohne alles",
            b"\r\n\r\nKein Kopf\r\n",
            b"Subject: kein Rumpf\r\n",
            b"Subject: \xfc\xf6\xe4 \xff\xfe\r\nFrom: \xc3\xbc\r\n\r\n\xff\xfe\x80\r\n",
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\noffen\r\n--x\r\nContent-Type: image/",
            b"Content-Transfer-Encoding: base64\r\n\r\n====!!!\r\n*5 FETCH (UID 1)\r\n)\r\n",
            b"Subject: lang\r\n\r\n" + b"x" * 100_000 + b"\r\n",
            b"Subject: Wagenr\xfccklauf\r\n\r\neins\rzwei\rdrei\r\n",
            b"From: a\r\nFrom: b\r\n folded\r\n\r\n.\r\n..\r\nFrom mir\r\n",
            b"Subject: literal {5}\r\n\r\na1 OK {10}\r\n* BYE\r\n",
        ],
    )
    async def test_a_broken_message_arrives_byte_for_byte(self, world: World, raw: bytes) -> None:
        await world.deliver(raw)
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            (arrival,) = await listing(source, inbox)
            answer = (await fetched(source, inbox, [arrival.id]))[arrival.id]
        assert raw_of(answer) == world.kept(raw)
        assert arrival.size in {len(raw), len(world.kept(raw))}

    async def test_the_same_bytes_twice_are_two_messages(self, world: World) -> None:
        for _ in range(2):
            await world.deliver(letter("doppelt"))
        follower = Follower(INBOX)
        async with opened(world) as source:
            await follower.catch_up(source)
            assert await follower.sees(source) == Counter({(letter("doppelt"), frozenset()): 2})

    async def test_what_the_database_must_keep_of_a_folder_is_text_and_small(self, world: World) -> None:
        for number in range(60):
            await world.deliver(letter(f"brief-{number}"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            batch = await source.changes(inbox, None)
            kept = [inbox, batch.cursor, *(arrival.id for arrival in batch.arrivals)]
        assert all(text.encode("utf-8") and len(text) < 2000 and text.isprintable() for text in kept)
        assert len({arrival.id for arrival in batch.arrivals}) == len(batch.arrivals)
