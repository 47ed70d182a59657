"""A copy is ordered, the engine dies over it, and the message is moved or deleted before anybody knows whether it was copied: in the end
it has been copied once, and moved or deleted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from poststelle.adapters.memory.server import MemoryServer, folder_id
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import Copy, Delete, Errand, Move, Outcome, RemoteFolder
from poststelle.office import incoming
from poststelle.store import folders, handling, models
from poststelle.store.access import Reach
from poststelle.store.desk import AccountDesk
from poststelle.sync.account import sync_account
from tests.builders import a_letter
from tests.store.conftest import LOGIN, Shop

INBOX, FILES, OLD = ("INBOX",), ("Akten",), ("Alt",)
LETTER = a_letter("Hallo")
ROUNDS = 8
"""More than it takes to look for a copy twice, tell the server again, and look for what it did not say the place of."""


class Killed(BaseException):
    """The end of the process."""


class Doomed(MemorySource):
    """A session in which the process dies over an errand of some kind: before the server has heard of it, or (`told`) after that."""

    def __init__(self, server: MemoryServer, over: tuple[type[Errand], ...], *, told: bool) -> None:
        super().__init__(server, LOGIN)
        self._over = over
        self._told = told

    async def perform(self, errand: Errand) -> Outcome:
        if not isinstance(errand, self._over):
            return await super().perform(errand)
        if self._told:
            await super().perform(errand)
        raise Killed


@pytest.fixture
async def shop_with_a_letter(shop: Shop) -> Shop:
    """One message in the inbox, here and there, and two folders to put it into."""
    shop.server.create_folder(LOGIN, FILES)
    shop.server.create_folder(LOGIN, OLD)
    shop.server.deliver(LOGIN, LETTER)
    await shop.sync()
    return shop


async def killed(shop: Shop, *over: type[Errand], told: bool) -> None:
    """Rounds until the process has died over an errand of one of these kinds."""
    for _ in range(ROUNDS):
        source = Doomed(shop.server, over, told=told)

        async def open_source(source: MemorySource = source) -> MemorySource:
            return source

        try:
            await sync_account(open_source, source, AccountDesk(shop.tools, shop.pool, UUID(shop.account)))
        except Killed:
            return
    raise AssertionError("it was never asked to")


Verb = Callable[[Reach, str, Callable[[tuple[str, ...]], models.Folder]], Any]


def copy(reach: Reach, number: str, folder: Callable[[tuple[str, ...]], models.Folder]) -> None:
    handling.copy(reach, [number], folder(FILES), actor="ada", batch=uuid4())


def move_after_it(reach: Reach, number: str, folder: Callable[[tuple[str, ...]], models.Folder]) -> None:
    handling.move(reach, [number], folder(FILES), actor="ada", batch=uuid4())


def move_elsewhere(reach: Reach, number: str, folder: Callable[[tuple[str, ...]], models.Folder]) -> None:
    handling.move(reach, [number], folder(OLD), actor="ada", batch=uuid4())


def delete(reach: Reach, number: str, _: Callable[[tuple[str, ...]], models.Folder]) -> None:
    handling.delete(reach, [number], permanently=True, actor="ada", batch=uuid4())


async def done(shop: Shop, verb: Verb, where: tuple[str, ...] = INBOX) -> None:
    """Something done to the message in the inbox here, or in another folder; nobody regrets it."""

    def act() -> None:
        def folder(path: tuple[str, ...]) -> models.Folder:
            return models.Folder.objects.get(account=shop.account, remote_id=folder_id(path))

        row = models.Placement.objects.get(folder=folder(where))
        verb(shop.actor.reach, str(row.pk), folder)
        models.Errand.objects.filter(due_at__isnull=False).update(due_at=timezone.now())

    await shop.write(act)


async def folder_deleted(shop: Shop, path: tuple[str, ...]) -> None:
    """A folder deleted here; nobody regrets it."""

    def act() -> None:
        row = models.Folder.objects.get(account=shop.account, remote_id=folder_id(path))
        folders.delete(row, pool=shop.pool, actor="ada", batch=uuid4())
        models.Errand.objects.filter(due_at__isnull=False).update(due_at=timezone.now())

    await shop.write(act)


async def counts(shop: Shop) -> dict[str, int]:
    """Messages by folder, the same on both sides, with nothing left to be told."""

    def look() -> dict[str, int]:
        still = models.Errand.objects.filter(account=shop.account, closed_at=None).values_list("kind", "outcome")
        assert not still, [*still]
        rows = models.Folder.objects.filter(account=shop.account, place="remote", vanished_at=None)
        for row in rows:
            assert row.total == models.Placement.objects.filter(folder=row).count()
        return {row.path[0]: row.total for row in rows if row.total}

    here: dict[str, int] = await shop.write(look)
    there = {path[0]: len(shop.server.contents(LOGIN, path)) for path in shop.server.mailbox(LOGIN).folders}
    assert {name: count for name, count in there.items() if count} == here
    return here


@pytest.mark.parametrize(("told", "uidplus"), [(True, False), (False, True)])
@pytest.mark.parametrize("lost", ["nothing", "order", "answer"])
@pytest.mark.parametrize(
    ("verb", "expected"),
    [(move_after_it, {"Akten": 2}), (move_elsewhere, {"Akten": 1, "Alt": 1}), (delete, {"Akten": 1})],
)
async def test_a_copy_in_doubt_is_made_once_whatever_becomes_of_its_original(
    shop_with_a_letter: Shop, verb: Verb, expected: dict[str, int], lost: str, told: bool, uidplus: bool
) -> None:
    shop = shop_with_a_letter
    shop.server.uidplus = uidplus
    await done(shop, copy)
    await killed(shop, Copy, told=told)
    await done(shop, verb)
    if lost != "nothing":
        await killed(shop, Move, Delete, told=lost == "answer")
    for _ in range(ROUNDS):
        await shop.sync()
    assert await counts(shop) == expected


@pytest.mark.parametrize("verb", [copy, move_after_it])
async def test_what_leaves_a_folder_that_is_deleted_here_gets_where_it_was_to_go(
    shop_with_a_letter: Shop, verb: Verb
) -> None:
    shop = shop_with_a_letter
    await done(shop, move_elsewhere)
    await shop.sync()
    await done(shop, verb, OLD)
    await folder_deleted(shop, OLD)
    await killed(shop, Copy, Move, told=False)
    for _ in range(ROUNDS):
        await shop.sync()
    assert OLD not in shop.server.mailbox(LOGIN).folders
    assert await counts(shop) == {"Akten": 1}


async def moved_elsewhere(shop: Shop) -> None:
    """The letter has come to lie in the old folder, here and there."""
    await done(shop, move_elsewhere)
    await shop.sync()
    await shop.sync()


class Short(MemorySource):
    """A session whose lists lack a folder."""

    async def folders(self) -> Sequence[RemoteFolder]:
        return [folder for folder in await super().folders() if folder.path != OLD]


@pytest.mark.parametrize(
    ("verb", "expected"), [(copy, {"Akten": 1, "Alt": 1}), (move_after_it, {"Akten": 1}), (delete, {})]
)
async def test_what_was_ordered_in_a_folder_that_one_short_list_lacked_is_done(
    shop_with_a_letter: Shop, verb: Verb, expected: dict[str, int]
) -> None:
    shop = shop_with_a_letter
    await moved_elsewhere(shop)
    source = Short(shop.server, LOGIN)

    async def open_source() -> MemorySource:
        return source

    await sync_account(open_source, source, AccountDesk(shop.tools, shop.pool, UUID(shop.account)))
    await done(shop, verb, OLD)
    for _ in range(2):
        await shop.sync()
    assert await counts(shop) == expected


@pytest.mark.parametrize(("verb", "expected"), [(copy, {"Akten": 1}), (move_after_it, {}), (delete, {})])
async def test_what_was_ordered_in_a_folder_that_is_no_more_comes_to_its_end(
    shop_with_a_letter: Shop, verb: Verb, expected: dict[str, int]
) -> None:
    shop = shop_with_a_letter
    await moved_elsewhere(shop)
    await done(shop, verb, OLD)
    shop.server.remove_folder(LOGIN, OLD)
    for _ in range(ROUNDS):
        await shop.sync()
    assert await counts(shop) == expected


@pytest.mark.parametrize("told", [True, False])
async def test_a_copy_in_doubt_whose_folder_is_deleted_on_the_server_is_no_more(
    shop_with_a_letter: Shop, told: bool
) -> None:
    shop = shop_with_a_letter
    await done(shop, copy)
    await killed(shop, Copy, told=told)
    shop.server.remove_folder(LOGIN, FILES)
    for _ in range(ROUNDS):
        await shop.sync()
    assert await counts(shop) == {"INBOX": 1}


async def test_a_copy_made_after_the_backup_is_not_made_again_from_the_restored_data(shop_with_a_letter: Shop) -> None:
    shop = shop_with_a_letter
    await done(shop, copy)
    await killed(shop, Copy, told=True)
    # As an older database knows it: ordered, and nobody has told the server.
    await shop.write(lambda: models.Errand.objects.filter(kind="copy").update(outcome=""))
    await shop.write(incoming.engine_started)
    for _ in range(ROUNDS):
        await shop.sync()
    assert await counts(shop) == {"INBOX": 1, "Akten": 1}
