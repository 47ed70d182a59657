"""Folders that are not fetched are looked at on their server when somebody opens them, and what they showed makes room again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from poststelle.errors import NotFound, TryAgain
from poststelle.mail.ports import FLAGGED, Role
from poststelle.mail.records import AccountRecord, FolderRecord, LookRecord, PlacementRecord
from poststelle.office import accounts, handling, kinds, ledger, live, reading
from poststelle.office.handling import Selection
from poststelle.policy.scheduling import Limits
from poststelle.store import cache, index, models
from poststelle.store.blobs import CACHED
from poststelle.store.messages import segments
from tests.builders import a_letter, a_person
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]


async def looked_at(office: Office, login: str = "eins", **receiving: object) -> AccountRecord:
    """A mailbox that is only looked at."""
    return await office.mailbox(login, receiving={"background": False} | receiving)


async def folder_of(office: Office, account: AccountRecord, role: Role = Role.INBOX) -> FolderRecord:
    found: list[FolderRecord] = []

    async def listed() -> bool:
        found[:] = [one for one in await office.shop.write(reading.folders, office.ada, account.id) if one.role is role]
        return bool(found)

    await until(listed)
    return found[0]


async def answer(office: Office, look: LookRecord) -> LookRecord:
    latest = look

    async def answered() -> bool:
        nonlocal latest
        latest = await office.shop.write(live.state, office.ada, look.folder_id, look.id)
        return latest.answered_at is not None

    await until(answered)
    return latest


async def open_folder(office: Office, folder: FolderRecord, before: str | None = None) -> LookRecord:
    """Look again, however lately somebody has looked."""
    await office.shop.write(lambda: models.LiveWish.objects.all().delete())
    return await answer(office, await office.shop.write(live.want, office.ada, folder.id, before))


async def shown(office: Office, folder: FolderRecord) -> Sequence[PlacementRecord]:
    page = await office.shop.write(lambda: reading.page(office.ada, folder.id, 200))
    items: Sequence[PlacementRecord] = page.items
    return items


async def subjects(office: Office, folder: FolderRecord) -> list[str]:
    return [one.subject for one in await shown(office, folder)]


async def cached(office: Office) -> int:
    return int(await office.shop.write(models.Placement.objects.filter(cached_at__isnull=False).count))


async def files(office: Office) -> int:
    del office
    return len([*segments().cached_names()])


async def do(office: Office, verb: Any, *args: Any, **more: Any) -> None:
    await office.shop.write(lambda: verb(office.ada, *args, **more))


async def test_what_the_server_has_is_shown_within_a_second_of_opening_the_folder_and_nothing_before(
    office: Office,
) -> None:
    account = await looked_at(office)
    for number in range(3):
        office.server.deliver("eins", a_letter(f"Brief {number}"))
    async with office.at_work():
        inbox = await folder_of(office, account)
        await until(lambda: office.synced(account))
        assert await subjects(office, inbox) == []
        look = await open_folder(office, inbox)
        assert look.trouble is None
        assert await subjects(office, inbox) == ["Brief 2", "Brief 1", "Brief 0"]
        assert [one.id for one in await shown(office, inbox)] == list(look.found)
        opened = await office.shop.write(reading.open_message, office.ada, look.found[0])
        assert opened.placement.subject == "Brief 2"
        assert await office.shop.write(reading.raw, office.ada, look.found[0]) == a_raw(office, "Brief 2")
        office.server.deliver("eins", a_letter("Eben"))
        assert min([await seconds_to_open(office, inbox) for _ in range(4)]) < 1.0, "the session has stayed"
        assert office.doors.opened["eins"] <= 2
        assert (await subjects(office, inbox))[0] == "Eben"
        assert await cached(office) == 4
        assert [*segments().names()] == [], "nothing lies where mail is kept for good"


async def seconds_to_open(office: Office, folder: FolderRecord) -> float:
    began = time.monotonic()
    await open_folder(office, folder)
    return time.monotonic() - began


def a_raw(office: Office, subject: str) -> bytes:
    return next(raw for raw, _ in office.server.contents("eins").values() if b"Subject: " + subject.encode() in raw)


async def test_further_back_is_asked_for_page_by_page(office: Office) -> None:
    account = await looked_at(office)
    for number in range(120):
        office.server.deliver("eins", a_letter(f"Brief {number:03}"))
    async with office.at_work():
        inbox = await folder_of(office, account)
        first = await open_folder(office, inbox)
        assert first.more
        assert (await subjects(office, inbox)) == [f"Brief {number:03}" for number in range(119, 69, -1)]
        await open_folder(office, inbox, first.found[-1])
        assert len(await shown(office, inbox)) == 100
        last = await answer(office, await office.shop.write(live.want_further, office.ada, inbox.id))
        assert not last.more
        assert await subjects(office, inbox) == [f"Brief {number:03}" for number in range(119, -1, -1)]


async def test_each_look_shows_marks_made_elsewhere_and_drops_what_left_the_server(office: Office) -> None:
    account = await looked_at(office)
    uids = [office.server.deliver("eins", a_letter(f"Brief {number}")) for number in range(60)]
    async with office.at_work():
        inbox = await folder_of(office, account)
        first = await open_folder(office, inbox)
        await open_folder(office, inbox, first.found[-1])
        office.server.set_flags("eins", ("INBOX",), uids[59], frozenset({FLAGGED}))
        office.server.remove("eins", ("INBOX",), uids[58])
        office.server.remove("eins", ("INBOX",), uids[0])
        await open_folder(office, inbox)
        found = {one.subject: one for one in await shown(office, inbox)}
        assert FLAGGED in found["Brief 59"].flags
        assert "Brief 58" not in found
        assert "Brief 0" in found, "it lies outside of what was looked at"
        record = await office.shop.write(reading.folder, office.ada, inbox.id)
        assert record.total == 59


async def test_however_many_left_the_server_what_was_only_cached_goes_with_them(office: Office) -> None:
    account = await looked_at(office)
    uids = [office.server.deliver("eins", a_letter(f"Brief {number}")) for number in range(10)]
    async with office.at_work():
        inbox = await folder_of(office, account)
        await open_folder(office, inbox)
        for uid in uids[1:]:
            office.server.remove("eins", ("INBOX",), uid)
        await open_folder(office, inbox)
        assert await subjects(office, inbox) == ["Brief 0"]


async def test_turned_into_an_archive_what_was_shown_is_kept_for_good(office: Office) -> None:
    account = await looked_at(office)
    office.server.deliver("eins", a_letter("Letzter Brief"))
    async with office.at_work():
        inbox = await folder_of(office, account)
        await open_folder(office, inbox)
        await do(office, kinds.to_archive, account.id)
        assert await cached(office) == 0
        await office.shop.write(cache.make_room, office.shop.tools.segments, 0)
        assert await subjects(office, inbox) == ["Letzter Brief"]


async def test_a_message_shown_live_can_be_marked_moved_and_brought_back(office: Office) -> None:
    account = await looked_at(office)
    uid = office.server.deliver("eins", a_letter("Frage"))
    async with office.at_work():
        inbox, sent = await folder_of(office, account), await folder_of(office, account, Role.SENT)
        look = await open_folder(office, inbox)
        await do(office, handling.mark, Selection([look.found[0]]), add=[FLAGGED])

        async def flagged() -> bool:
            return FLAGGED in office.server.contents("eins")[uid][1]

        await until(flagged)
        done = await office.shop.write(handling.move, office.ada, Selection([look.found[0]]), sent.id)

        async def moved() -> bool:
            return len(office.server.contents("eins", ("Sent",))) == 1 and not office.server.contents("eins")

        await until(moved)
        await open_folder(office, sent)
        assert [one.id for one in await shown(office, sent)] == list(look.found), "it kept its id"
        await do(office, handling.undo, done.token)

        async def back() -> bool:
            return len(office.server.contents("eins")) == 1

        await until(back)
        assert await subjects(office, inbox) == ["Frage"]
        assert await cached(office) == 1


async def test_the_server_itself_searches_what_lies_too_far_back_to_be_shown(office: Office) -> None:
    account = await looked_at(office)
    office.server.deliver("eins", a_letter("Nadel"))
    for number in range(60):
        office.server.deliver("eins", a_letter(f"Heu {number}"))
    async with office.at_work():
        inbox = await folder_of(office, account)
        await open_folder(office, inbox)
        look = await answer(office, await office.shop.write(live.search, office.ada, inbox.id, ["nadel"]))
        records = await office.shop.write(live.found, office.ada, look)
        assert [one.subject for one in records] == ["Nadel"]
        await until(lambda: indexed(office))
        hits = await office.shop.write(lambda: reading.search(office.ada, "Nadel", 10, None).items)
        assert hits == [], "what is only looked at is not in the index"


async def indexed(office: Office) -> bool:
    return await office.shop.write(index.behind) == 0


async def test_the_cache_keeps_within_its_bounds_and_drops_what_was_shown_least_lately(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await looked_at(office)
    monkeypatch.setattr(cache, "MOST_IN_A_FOLDER", 70)
    for number in range(150):
        office.server.deliver("eins", a_letter(f"Brief {number:03}") + b"%d" % number * 100)
    async with office.at_work(limits=Limits(cache_bytes=10**9)):
        inbox = await folder_of(office, account)
        first = await open_folder(office, inbox)
        await open_folder(office, inbox, first.found[-1])
        assert await cached(office) == 70
        await open_folder(office, inbox)
        assert (await subjects(office, inbox))[:50] == [f"Brief {number:03}" for number in range(149, 99, -1)]


async def test_segments_of_the_cache_go_whole_when_there_is_no_room_for_them(office: Office) -> None:
    account = await looked_at(office)
    for number in range(150):
        office.server.deliver("eins", a_letter(f"Brief {number:03}") + bytes(f"{number}" * 300, "ascii"))
    async with office.at_work(limits=Limits(cache_bytes=40_000)):
        inbox = await folder_of(office, account)
        await open_folder(office, inbox)
        for _ in range(3):
            await answer(
                office, await office.shop.write(live.want, office.ada, inbox.id, (await shown(office, inbox))[-1].id)
            )

        async def bounded() -> bool:
            def weigh() -> int:
                return sum(row.bytes for row in models.Segment.objects.filter(name__startswith=CACHED))

            return await office.shop.write(weigh) <= 40_000 and await files(office) == await office.shop.write(
                models.Segment.objects.count
            )

        await until(bounded)
        assert 0 < await cached(office) < 150
        messages = await office.shop.write(models.Message.objects.count)
        assert messages == await cached(office), "message rows go with their bytes"
        for one in await shown(office, inbox):
            assert await office.shop.write(reading.raw, office.ada, one.id)


async def test_what_somebody_wrote_a_note_about_is_not_dropped(office: Office) -> None:
    from poststelle.office import work

    account = await looked_at(office)
    office.server.deliver("eins", a_letter("Wichtig"))
    async with office.at_work(limits=Limits(cache_bytes=1_000_000)) as engine:
        inbox = await folder_of(office, account)
        look = await open_folder(office, inbox)
        await do(office, work.add_note, look.found[0], "Bitte aufheben")
        await open_folder(office, inbox)
        await until(partial(nothing_cached, office))
        await office.shop.write(cache.make_room, office.shop.tools.segments, 0)
        assert await subjects(office, inbox) == ["Wichtig"]
        assert await office.shop.write(reading.raw, office.ada, look.found[0])
        del engine


async def watched_anew(office: Office) -> bool:
    return office.doors.opened["eins"] == 2 and office.doors.open_at_once("eins") == 1


async def nothing_cached(office: Office) -> bool:
    return await cached(office) == 0


async def test_without_a_server_it_says_so_and_shows_what_was_seen_last(office: Office) -> None:
    account = await looked_at(office)
    office.server.deliver("eins", a_letter("Von vorhin"))
    async with office.at_work():
        inbox = await folder_of(office, account)
        await open_folder(office, inbox)
    office.doors.closed["eins"] = TryAgain("connection-refused", host="mail.amt.test", port=993)
    async with office.at_work():
        look = await open_folder(office, inbox)
        assert look.trouble is not None
        assert look.trouble.code == "connection-refused"
        assert await subjects(office, inbox) == ["Von vorhin"]
        del office.doors.closed["eins"]
        assert (await open_folder(office, inbox)).trouble is None, "whoever asks does not wait for the next attempt"
    await office.shop.write(lambda: models.Account.objects.update(active=False))
    async with office.at_work():
        look = await open_folder(office, inbox)
        assert look.trouble is not None
        assert look.trouble.code == "not-connected"


async def test_switched_to_background_everything_is_kept_for_good_under_the_same_ids_and_stays_when_switched_back(
    office: Office,
) -> None:
    account = await looked_at(office)
    uids = [office.server.deliver("eins", a_letter(f"Brief {number}")) for number in range(80)]
    async with office.at_work():
        inbox = await folder_of(office, account)
        look = await open_folder(office, inbox)
        before = set(look.found)
        assert len(before) == 50
        office.server.remove("eins", ("INBOX",), uids[79])
        await do(office, accounts.change, account.id, {"receiving": {"background": True}})

        async def all_here() -> bool:
            return await office.held(account) == 79 and await cached(office) == 0

        await until(all_here)
        after = {one.id for one in await shown(office, inbox)}
        assert before - after == {look.found[0]}, "what had left the server is gone, the others kept their ids"
        await do(office, ledger.ask, account.id)

        async def balanced() -> bool:
            records = await office.shop.write(ledger.show, office.ada, account.id)
            one = next(record for record in records if record.folder_id == inbox.id)
            return bool(one.compared_at is not None and one.server == one.held == 79)

        await until(balanced)
        await until(lambda: indexed(office))
        hits = await office.shop.write(lambda: reading.search(office.ada, "Brief 60", 10, None).items)
        assert [hit.placement.subject for hit in hits] == ["Brief 60"], "what came from the cache is found as well"
        await office.shop.write(cache.make_room, office.shop.tools.segments, 10**9)
        assert await files(office) == 0
        await do(office, accounts.change, account.id, {"receiving": {"background": False}})
        await asyncio.sleep(2)  # until the engine has heard of it
        office.server.deliver("eins", a_letter("Später"))
        await asyncio.sleep(0.5)
        assert await office.held(account) == 79
        await open_folder(office, inbox)
        assert len(await shown(office, inbox)) == 80
        await office.shop.write(cache.make_room, office.shop.tools.segments, 0)
        assert len(await shown(office, inbox)) == 79, "what was kept for good stays"
        await do(office, accounts.change, account.id, {"receiving": {"background": True}})
        await until(partial(office.has, account, "Später"))


async def test_one_folder_of_a_fetched_mailbox_may_be_looked_at_only(office: Office) -> None:
    account = await office.mailbox("eins")
    office.server.create_folder("eins", ("Archiv",))
    office.server.deliver("eins", a_letter("Alt"), path=("Archiv",))
    office.server.deliver("eins", a_letter("Neu"))
    async with office.at_work():
        await until(lambda: office.holds(account, "Alt", "Neu"))
        archive = next(
            one for one in await office.shop.write(reading.folders, office.ada, account.id) if one.path[-1] == "Archiv"
        )
        inbox = await folder_of(office, account)
        await do(office, handling.choose, archive.id, {"fetch": False})
        await until(partial(watched_anew, office))
        office.server.deliver("eins", a_letter("Später"), path=("Archiv",))
        assert not await office.shop.write(live.is_live, office.ada, inbox.id)
        assert (await open_folder(office, archive)).trouble is None
        assert await subjects(office, archive) == ["Später", "Alt"]
        assert await cached(office) == 1
        look = (await shown(office, archive))[0]
        await do(office, handling.move, Selection([look.id]), inbox.id)
        assert await cached(office) == 0, "bytes first: what goes into a fetched folder is kept for good"

        async def there() -> bool:
            return len(office.server.contents("eins")) == 2

        await until(there)
        await office.shop.write(cache.make_room, office.shop.tools.segments, 0)
        assert sorted(await subjects(office, inbox)) == ["Neu", "Später"]


async def test_the_same_message_kept_elsewhere_for_good_outlives_the_cache(office: Office) -> None:
    account = await looked_at(office)
    other = await office.mailbox("zwei")
    letter = a_letter("An beide")
    office.server.deliver("eins", letter)
    async with office.at_work():
        inbox = await folder_of(office, account)
        await open_folder(office, inbox)
        office.server.deliver("zwei", letter)
        await until(lambda: office.holds(other, "An beide"))
        await office.shop.write(cache.make_room, office.shop.tools.segments, 0)
        theirs = await folder_of(office, other)
        (kept,) = await shown(office, theirs)
        assert await office.shop.write(reading.raw, office.ada, kept.id) == letter
        await until(lambda: indexed(office))

        async def is_found() -> bool:
            return bool(await office.shop.write(lambda: reading.search(office.ada, "beide", 10, None).items))

        await until(is_found)


async def test_a_folder_out_of_reach_cannot_be_looked_at(office: Office) -> None:
    account = await looked_at(office)
    async with office.at_work():
        inbox = await folder_of(office, account)
        bob = await office.shop.write(a_person)
        for verb in (live.want, live.want_further, live.state, live.is_live):
            with pytest.raises(NotFound):
                await office.shop.write(verb, bob, inbox.id)
        with pytest.raises(NotFound):
            await office.shop.write(live.search, bob, inbox.id, ["wort"])
