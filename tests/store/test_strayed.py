"""A folder is renumbered on its server while something here is still to be told about its messages: nothing is lost or forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from poststelle.adapters.memory.server import folder_id
from poststelle.store import handling, models
from poststelle.store.access import Reach
from tests.builders import a_letter
from tests.store.conftest import LOGIN, Shop

INBOX, FILES = ("INBOX",), ("Akten",)
LETTER = a_letter("Hallo")


@pytest.fixture
async def shop_with_a_letter(shop: Shop) -> Shop:
    """One message in the inbox, here and there, and a folder to put it into."""
    shop.server.create_folder(LOGIN, FILES)
    shop.server.deliver(LOGIN, LETTER)
    await shop.sync()
    return shop


async def done(shop: Shop, verb: Callable[[Reach, str, models.Folder], Any]) -> str:
    """Something done to the message here; its placement."""

    def act() -> str:
        files = models.Folder.objects.get(account=shop.account, remote_id=folder_id(FILES))
        number = str(models.Placement.objects.get(folder__account=shop.account).pk)
        verb(shop.actor.reach, number, files)
        models.Errand.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
        return number

    placed: str = await shop.write(act)
    return placed


def move(reach: Reach, number: str, files: models.Folder) -> None:
    handling.move(reach, [number], files, actor="ada", batch=uuid4())


def copy(reach: Reach, number: str, files: models.Folder) -> None:
    handling.copy(reach, [number], files, actor="ada", batch=uuid4())


def delete(reach: Reach, number: str, _: models.Folder) -> None:
    handling.delete(reach, [number], permanently=True, actor="ada", batch=uuid4())


async def placed(shop: Shop) -> dict[str, list[str]]:
    """Placements by folder."""

    def look() -> dict[str, list[str]]:
        rows = models.Placement.objects.filter(folder__account=shop.account).select_related("folder")
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault("/".join(row.folder.path), []).append(str(row.pk))
        assert not models.Errand.objects.filter(account=shop.account, closed_at=None).exists()
        return found

    found: dict[str, list[str]] = await shop.write(look)
    return found


def there(shop: Shop) -> tuple[int, int]:
    """How many messages the server has in the inbox, and in the other folder."""
    return len(shop.server.contents(LOGIN, INBOX)), len(shop.server.contents(LOGIN, FILES))


@pytest.mark.parametrize("twice", [False, True])
async def test_a_message_moved_here_is_moved_there_under_its_new_number(shop_with_a_letter: Shop, twice: bool) -> None:
    shop = shop_with_a_letter
    number = await done(shop, move)
    for _ in range(1 + twice):
        shop.server.renumber(LOGIN, INBOX)
        await shop.sync()
    await shop.sync()
    assert there(shop) == (0, 1)
    await shop.sync()
    assert await placed(shop) == {"Akten": [number]}


async def test_a_message_deleted_here_is_deleted_there_under_its_new_number(shop_with_a_letter: Shop) -> None:
    shop = shop_with_a_letter
    await done(shop, delete)
    shop.server.renumber(LOGIN, INBOX)
    await shop.sync()
    assert await shop.write(lambda: models.Folder.objects.get(path=["INBOX"], account=shop.account).total) == 0
    await shop.sync()
    assert there(shop) == (0, 0)
    assert await placed(shop) == {}


async def test_a_message_copied_here_is_copied_there_under_its_new_number(shop_with_a_letter: Shop) -> None:
    shop = shop_with_a_letter
    await done(shop, copy)
    shop.server.renumber(LOGIN, INBOX)
    for _ in range(3):
        await shop.sync()
    assert there(shop) == (1, 1)
    assert {name: len(found) for name, found in (await placed(shop)).items()} == {"INBOX": 1, "Akten": 1}


@pytest.mark.parametrize("verb", [move, delete])
async def test_what_somebody_else_has_removed_meanwhile_is_gone_here_too(
    shop_with_a_letter: Shop, verb: Callable[[Reach, str, models.Folder], Any]
) -> None:
    shop = shop_with_a_letter
    await done(shop, verb)
    shop.server.remove(LOGIN, INBOX, 1)
    for _ in range(5):
        await shop.sync()
    assert there(shop) == (0, 0)
    assert await placed(shop) == {}


async def test_a_copy_is_made_although_somebody_else_has_removed_the_original_meanwhile(
    shop_with_a_letter: Shop,
) -> None:
    shop = shop_with_a_letter
    await done(shop, copy)
    shop.server.remove(LOGIN, INBOX, 1)
    for _ in range(5):
        await shop.sync()
    assert there(shop) == (0, 1)
    assert [*await placed(shop)] == ["Akten"]


async def test_what_somebody_else_has_moved_meanwhile_keeps_its_place_here(shop_with_a_letter: Shop) -> None:
    shop = shop_with_a_letter
    number = await done(shop, move)
    shop.server.remove(LOGIN, INBOX, 1)
    shop.server.deliver(LOGIN, LETTER, path=FILES)
    for _ in range(4):
        await shop.sync()
    assert there(shop) == (0, 1)
    assert await placed(shop) == {"Akten": [number]}
