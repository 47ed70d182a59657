"""A server that does not keep every keyword: what it does not keep stays here, is said once, and is not told again and again."""

from __future__ import annotations

import pytest
from django.utils import timezone

from poststelle.mail.ports import FLAGGED, SEEN
from poststelle.store import appending, events, handling, models
from poststelle.store.ids import uuid7
from tests.builders import a_letter
from tests.store.conftest import LOGIN, Shop

INBOX = ("INBOX",)


async def marked(shop: Shop, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
    def act() -> None:
        numbers = [str(row.pk) for row in models.Placement.objects.filter(folder__account=shop.account)]
        handling.mark(shop.actor.reach, numbers, frozenset(add), frozenset(remove), actor="ada")

    await shop.write(act)
    await shop.sync()


async def here(shop: Shop) -> set[str]:
    flags: str = await shop.write(lambda: models.Placement.objects.get(folder__account=shop.account).flags)
    return {*flags.split()}


def there(shop: Shop) -> set[str]:
    ((_, flags),) = shop.server.contents(LOGIN, INBOX).values()
    return {*flags}


async def told(shop: Shop) -> list[str]:
    """The keywords the event log names as not kept."""

    def look() -> list[str]:
        events.flush()
        assert not models.Errand.objects.filter(account=shop.account, closed_at=None).exists()
        rows = models.Event.objects.filter(account=shop.account, code="keywords-unkept").order_by("id")
        return [row.facts["keywords"] for row in rows]

    found: list[str] = await shop.write(look)
    return found


async def test_a_keyword_the_server_does_not_keep_stays_here_and_is_said_once(shop: Shop) -> None:
    shop.server.keywords = frozenset({"Bezahlt"})
    uid = shop.server.deliver(LOGIN, a_letter())
    await shop.sync()
    await marked(shop, add=("Wichtig", "Bezahlt"))
    shop.server.set_flags(LOGIN, INBOX, uid, (SEEN, "Bezahlt"))
    await shop.sync()
    assert (await here(shop), there(shop)) == ({SEEN, "Bezahlt", "Wichtig"}, {SEEN, "Bezahlt"})
    await marked(shop, remove=("Wichtig",))
    await marked(shop, add=("Wichtig", FLAGGED))
    shop.server.renumber(LOGIN, INBOX)
    await shop.sync()
    assert (await here(shop), there(shop)) == ({SEEN, FLAGGED, "Bezahlt", "Wichtig"}, {SEEN, FLAGGED, "Bezahlt"})
    assert await told(shop) == ["Wichtig"]


async def test_a_keyword_the_server_has_learned_to_keep_follows_its_word_again(shop: Shop) -> None:
    shop.server.keywords = frozenset()
    uid = shop.server.deliver(LOGIN, a_letter())
    await shop.sync()
    await marked(shop, add=("Wichtig",))
    shop.server.keywords = None
    await marked(shop, remove=("Wichtig",))
    await marked(shop, add=("Wichtig",))
    assert there(shop) == {"Wichtig"}
    shop.server.set_flags(LOGIN, INBOX, uid, ())
    await shop.sync()
    assert await here(shop) == set()
    assert await told(shop) == ["Wichtig"]


@pytest.mark.parametrize("uidplus", [True, False])
async def test_put_into_a_folder_of_another_server_it_keeps_here_what_is_not_kept_there(
    shop: Shop, uidplus: bool
) -> None:
    shop.server.keywords = frozenset({"Bezahlt"})
    shop.server.uidplus = uidplus
    await shop.sync()

    def put() -> None:
        folder = models.Folder.objects.select_related("account").get(account=shop.account, role="inbox")
        flags = frozenset({SEEN, "Bezahlt", "Wichtig"})
        appending.append(
            shop.actor.reach, folder, a_letter(), flags, received_at=timezone.now(), actor="ada", batch=uuid7()
        )

    await shop.write(put)
    for _ in range(3):
        await shop.sync()
    assert (await here(shop), there(shop)) == ({SEEN, "Bezahlt", "Wichtig"}, {SEEN, "Bezahlt"})
    assert await told(shop) == ["Wichtig"]
