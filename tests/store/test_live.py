"""What a look found survives nobody's death: killed between bytes and rows, nothing lasting is lost and nothing of the cache stays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import RawMessage, RemoteFolder, RemoteId
from poststelle.office import reading
from poststelle.store import cache, health, live, models
from poststelle.store.desk import AccountDesk
from poststelle.store.messages import segments
from poststelle.sync import live as looking
from tests.builders import a_letter
from tests.store.conftest import LOGIN, Shop

ROOM = 10**9


async def listed(shop: Shop) -> list[tuple[UUID, RemoteFolder]]:
    """The folders, none of them fetched."""

    def forgo() -> None:
        models.Account.objects.update(receiving={"background": False})

    await shop.write(forgo)
    desk = AccountDesk(shop.tools, shop.pool, UUID(shop.account))
    shelves = await desk.reconcile(await MemorySource(shop.server, LOGIN).folders())
    return [(shelf.id, RemoteFolder(shelf.folder, tuple(shelf.path), shelf.role)) for shelf in shelves]


def shelf_of(shop: Shop, folder: tuple[UUID, RemoteFolder]) -> live.LiveShelf:
    return live.LiveShelf(shop.tools, shop.pool, UUID(shop.account), live.Wish(0, folder[0], folder[1], None, ()))


async def look(shop: Shop, folder: tuple[UUID, RemoteFolder]) -> None:
    await looking.window(MemorySource(shop.server, LOGIN), shelf_of(shop, folder), None, largest=ROOM)


async def raws(shop: Shop, folder: tuple[UUID, RemoteFolder]) -> Sequence[bytes]:
    def read() -> list[bytes]:
        return [reading.raw(shop.actor, row.id) for row in reading.page(shop.actor, str(folder[0])).items]

    found: Sequence[bytes] = await shop.write(read)
    return found


def files(shop: Shop) -> tuple[int, int]:
    """Segments kept for good, and those of the cache."""
    return len([*shop.tools.segments.names()]), len([*shop.tools.segments.cached_names()])


async def dies(shop: Shop) -> None:
    await shop.restarted()
    await shop.write(cache.clear_leftovers, shop.tools.segments)


async def test_killed_before_the_rows_of_a_look_its_bytes_go_and_the_next_look_shows_everything(shop: Shop) -> None:
    letters = [a_letter(f"Brief {number}") for number in range(3)]
    for letter in letters:
        shop.server.deliver(LOGIN, letter)
    (inbox,) = await listed(shop)
    await shelf_of(shop, inbox).keep([RawMessage(RemoteId("1.1"), letters[0])])
    assert files(shop) == (0, 1)
    await dies(shop)
    assert files(shop) == (0, 0)
    await look(shop, inbox)
    assert await raws(shop, inbox) == letters[::-1]


async def test_killed_while_the_cache_is_being_kept_for_good_both_ways_lead_on(shop: Shop) -> None:
    letters = [a_letter(f"Brief {number}") for number in range(3)]
    for letter in letters:
        shop.server.deliver(LOGIN, letter)
    (inbox,) = await listed(shop)
    await look(shop, inbox)
    before = {row.pk for row in await shop.write(lambda: [*models.Placement.objects.all()])}
    # The bytes are written for good, and no row says so yet.
    desk = AccountDesk(shop.tools, shop.pool, UUID(shop.account))
    (lasting,) = await desk.reconcile(await MemorySource(shop.server, LOGIN).folders())
    await lasting.keep([RawMessage(RemoteId("1.1"), letters[0])])
    await dies(shop)
    assert files(shop) == (1, 1)
    assert await raws(shop, inbox) == letters[::-1]
    await live.settle_in(shop.tools, [inbox[0]])
    await dies(shop)
    await shop.sync()
    assert await raws(shop, inbox) == letters[::-1]
    rows = await shop.write(lambda: [*models.Placement.objects.all()])
    assert {row.pk for row in rows} == before
    assert [row.cached_at for row in rows] == [None] * 3
    await shop.write(cache.make_room, shop.tools.segments, 0)
    assert files(shop)[1] == 0
    assert await raws(shop, inbox) == letters[::-1]


async def test_cached_bytes_that_are_lost_are_fetched_again_once_the_folder_is_fetched(shop: Shop) -> None:
    letters = [a_letter(f"Brief {number}") for number in range(3)]
    for letter in letters:
        shop.server.deliver(LOGIN, letter)
    (inbox,) = await listed(shop)
    await look(shop, inbox)
    for name in [*shop.tools.segments.cached_names()]:
        shop.tools.segments.remove(name)
    await live.settle_in(shop.tools, [inbox[0]])
    await shop.sync()
    assert await raws(shop, inbox) == letters[::-1]
    assert [row.total for row in await shop.write(lambda: [*models.Folder.objects.filter(pk=inbox[0])])] == [3]


async def test_a_look_at_a_folder_says_nothing_of_how_far_it_was_read(shop: Shop) -> None:
    uids = [shop.server.deliver(LOGIN, a_letter(f"Brief {number}")) for number in range(3)]
    (inbox,) = await listed(shop)
    await look(shop, inbox)
    await look(shop, inbox)
    shop.server.remove(LOGIN, ("INBOX",), uids[0])
    await live.settle_in(shop.tools, [inbox[0]])
    await shop.sync()
    assert len(await raws(shop, inbox)) == 2, "what left before the folder was first read is not held for ever"


async def test_what_is_too_large_for_the_cache_is_named_and_not_fetched(shop: Shop) -> None:
    shop.server.deliver(LOGIN, a_letter("Klein"))
    shop.server.deliver(LOGIN, a_letter("Groß") + b"x" * 5000)
    (inbox,) = await listed(shop)
    await looking.window(MemorySource(shop.server, LOGIN), shelf_of(shop, inbox), None, largest=4000)
    assert len(await raws(shop, inbox)) == 1
    aside = await shop.write(lambda: reading.set_aside(shop.actor, str(inbox[0])))
    assert [one.code for one in aside] == ["too-large"]


def test_only_segments_of_the_cache_can_be_removed(home: Path) -> None:
    with pytest.raises(ValueError, match="0123"):
        segments().remove("0123")


async def test_what_a_backup_leaves_out_is_neither_missed_nor_listed(shop: Shop) -> None:
    shop.server.deliver(LOGIN, a_letter("Nur angesehen"))
    (inbox, *_) = await listed(shop)
    await look(shop, inbox)
    for name in [*shop.tools.segments.cached_names()]:
        shop.tools.segments.remove(name)
    assert await shop.write(health.unreadable, 10) == 0
    await dies(shop)
    assert await raws(shop, inbox) == []
    assert not await shop.write(models.Segment.objects.exists)
    await look(shop, inbox)
    assert len(await raws(shop, inbox)) == 1
