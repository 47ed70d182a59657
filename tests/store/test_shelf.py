"""The shelf keeps what the sync page promises, on real tables and segments."""

from __future__ import annotations

import random
from collections import Counter
from uuid import UUID

import pytest

from poststelle.adapters.memory.server import INBOX, MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import FLAGGED, SEEN
from poststelle.mail.records import PlacementRecord
from poststelle.office import feed, handling, reading
from poststelle.store import models
from poststelle.store.desk import AccountDesk
from poststelle.sync import folder as folder_page
from poststelle.sync.folder import FolderRound
from tests.builders import a_letter
from tests.store.conftest import LOGIN, Shop


async def rows(shop: Shop) -> list[PlacementRecord]:
    """What the inbox lists, newest first."""

    def read() -> list[PlacementRecord]:
        (branch,) = reading.tree(shop.actor)
        inbox = next(folder for folder in branch.folders if folder.path == INBOX)
        return [*reading.page(shop.actor, inbox.id, 200).items]

    return list(await shop.write(read))


async def ours(shop: Shop) -> Counter[tuple[bytes, frozenset[str]]]:
    """Bytes and flags of everything the inbox lists."""
    return Counter([(await shop.write(reading.raw, shop.actor, row.id), row.flags) for row in await rows(shop)])


def theirs(server: MemoryServer) -> Counter[tuple[bytes, frozenset[str]]]:
    return Counter(server.contents(LOGIN).values())


async def test_what_the_server_holds_is_here_byte_by_byte_newest_first(shop: Shop) -> None:
    letters = [a_letter(f"Brief {number}") for number in range(7)]
    for letter in letters:
        shop.server.deliver(LOGIN, letter)
    tally = await shop.sync(batch_size=3)
    assert tally.new == 7
    assert [row.subject for row in await rows(shop)] == [f"Brief {number}" for number in reversed(range(7))]
    assert await ours(shop) == theirs(shop.server)


async def test_a_second_round_without_changes_does_nothing(shop: Shop) -> None:
    shop.server.deliver(LOGIN, a_letter())
    await shop.sync()
    before = await shop.write(feed.latest)
    tally = await shop.sync()
    assert (tally.new, tally.changed, tally.removed) == (0, 0, 0)
    assert await shop.write(feed.latest) == before


async def test_the_same_mail_twice_in_a_folder_is_two_placements_of_one_message(shop: Shop) -> None:
    letter = a_letter()
    shop.server.deliver(LOGIN, letter)
    shop.server.deliver(LOGIN, letter)
    await shop.sync()
    assert len(await rows(shop)) == 2
    assert await shop.write(models.Message.objects.count) == 1


async def test_flags_and_removals_follow_the_server_and_counts_stay_right(shop: Shop) -> None:
    uids = [shop.server.deliver(LOGIN, a_letter(f"Brief {number}")) for number in range(4)]
    await shop.sync()
    shop.server.set_flags(LOGIN, INBOX, uids[0], (SEEN,))
    shop.server.set_flags(LOGIN, INBOX, uids[1], (SEEN, FLAGGED))
    shop.server.remove(LOGIN, INBOX, uids[2])
    tally = await shop.sync()
    assert (tally.changed, tally.removed) == (2, 1)
    assert await ours(shop) == theirs(shop.server)
    folder = await shop.write(lambda: models.Folder.objects.get(role="inbox"))
    assert (folder.total, folder.unread) == (3, 1)


async def test_what_is_read_here_is_read_on_the_server_and_an_older_word_of_the_server_does_not_undo_it(
    shop: Shop,
) -> None:
    uid = shop.server.deliver(LOGIN, a_letter())
    await shop.sync()
    (row,) = await rows(shop)
    await shop.write(lambda: handling.mark(shop.actor, handling.Selection([row.id]), add=[SEEN]))
    shop.server.set_flags(LOGIN, INBOX, uid, (FLAGGED,))
    await shop.sync()
    assert shop.server.contents(LOGIN)[uid][1] == {SEEN, FLAGGED}
    assert (await rows(shop))[0].flags == {SEEN, FLAGGED}


@pytest.mark.parametrize("modseq", [True, False])
async def test_a_renumbered_folder_keeps_every_placement_and_its_id(shop: Shop, modseq: bool) -> None:
    shop.server.modseq = modseq
    for number in range(60):
        shop.server.deliver(LOGIN, a_letter(f"Brief {number}"))
    await shop.sync()
    before = {row.id for row in await rows(shop)}
    shop.server.renumber(LOGIN, INBOX)
    await shop.sync(batch_size=7)
    assert {row.id for row in await rows(shop)} == before
    assert await ours(shop) == theirs(shop.server)
    assert await shop.write(models.Message.objects.count) == 60


async def test_bytes_kept_before_a_crash_are_adopted_and_not_fetched_again(shop: Shop) -> None:
    for number in range(5):
        shop.server.deliver(LOGIN, a_letter(f"Brief {number}"))
    await shop.sync()
    expected = await ours(shop)

    def forget_rows() -> None:
        # As if the process had died between `keep` and `apply`: the segments are there, no row names them.
        models.Placement.objects.all().delete()
        models.Message.objects.all().delete()
        models.Segment.objects.all().delete()
        models.Folder.objects.update(cursor=None, total=0, unread=0)

    await shop.write(forget_rows)
    await shop.restarted()
    tally = await shop.sync()
    assert tally.new == 5
    assert tally.bytes == 0
    assert await ours(shop) == expected


async def test_what_was_kept_ahead_when_a_round_ended_early_is_not_fetched_again(shop: Shop) -> None:
    for number in range(60):
        shop.server.deliver(LOGIN, a_letter(f"Brief {number}"))
    source = MemorySource(shop.server, LOGIN, batch_size=20)
    desk = AccountDesk(shop.tools, shop.pool, UUID(shop.account))
    shelves = await desk.reconcile(await source.folders())
    folder = FolderRound(source, next(shelf for shelf in shelves if shelf.path == INBOX))
    assert (await folder.step())[1]
    await folder.settle()
    await folder.abandon()
    assert (await shop.sync(batch_size=20)).new == 40
    assert await ours(shop) == theirs(shop.server)
    kept = [shop.tools.segments.index(name) for name in shop.tools.segments.names()]
    assert sum(len(segment.entries) for segment in kept) == 60


async def test_a_damaged_segment_nobody_knows_does_not_keep_the_engine_from_starting(shop: Shop) -> None:
    shop.server.deliver(LOGIN, a_letter())
    await shop.sync()
    (segment,) = shop.tools.segments.names()
    written = shop.tools.segments.index(segment)
    await shop.write(lambda: [models.Placement.objects.all().delete(), models.Message.objects.all().delete()])
    await shop.write(
        lambda: [models.Segment.objects.all().delete(), models.Folder.objects.update(cursor=None, total=0)]
    )
    path = shop.home / "segments" / segment[-2:] / f"{segment}.seg"
    path.write_bytes(path.read_bytes()[: written.bytes - 3])
    await shop.restarted()
    assert (await shop.sync()).new == 1


async def test_random_histories_end_with_the_same_mail_on_both_sides(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_page, "RENUMBERINGS_A_DAY", 1000)
    dice = random.Random(20261121)
    for _ in range(25):
        for _ in range(dice.randint(1, 6)):
            held = shop.server.contents(LOGIN)
            match dice.choice(["deliver", "deliver", "deliver", "flag", "remove", "renumber", "modseq"]):
                case "flag" if held:
                    chosen = dice.choice([*held])
                    shop.server.set_flags(
                        LOGIN, INBOX, chosen, dice.sample([SEEN, FLAGGED, "Erledigt"], dice.randint(0, 3))
                    )
                case "remove" if held:
                    shop.server.remove(LOGIN, INBOX, dice.choice([*held]))
                case "renumber":
                    shop.server.renumber(LOGIN, INBOX)
                case "modseq":
                    shop.server.modseq = not shop.server.modseq
                case _:
                    shop.server.deliver(LOGIN, a_letter(f"Brief {dice.random()}"))
        await shop.sync(batch_size=dice.choice([1, 2, 5, 50]))
        assert await ours(shop) == theirs(shop.server)
        folder = await shop.write(lambda: models.Folder.objects.get(role="inbox"))
        unread = sum(SEEN not in flags for _, flags in shop.server.contents(LOGIN).values())
        assert (folder.total, folder.unread) == (len(shop.server.contents(LOGIN)), unread)


async def test_arrivals_are_one_journal_entry_per_batch_and_folder(shop: Shop) -> None:
    for number in range(6):
        shop.server.deliver(LOGIN, a_letter(f"Brief {number}"))
    await shop.sync(batch_size=3)
    entries = await shop.write(lambda: feed.changes(shop.actor, 0, 100).items)
    arrived = [entry for entry in entries if entry.kind == "messages-arrived"]
    assert [entry.facts["count"] for entry in arrived] == [3, 3]
