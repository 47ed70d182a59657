"""The nothing-lost ledger: numbers that add up to the server's, what is missing is named and fetched, what is too much is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import NotFound
from poststelle.mail.ports import RemoteFolderId, Role
from poststelle.mail.records import LedgerRecord
from poststelle.office import ledger
from poststelle.office.actor import Actor
from poststelle.office.events import flush
from poststelle.store import events as event_log
from poststelle.store import ledger as store
from poststelle.store import models, rounds, ways
from poststelle.store.shelf import Tools
from poststelle.store.ways import Access
from tests.builders import a_letter, a_person
from tests.store.conftest import LOGIN, Shop


@dataclass
class Opened:
    """An account on an open session, as the engine has it."""

    shop: Shop
    access: Access
    source: MemorySource
    tools: Tools
    looks: int = 0

    async def look(self, folders: frozenset[RemoteFolderId]) -> None:
        self.looks += 1
        await self.shop.sync()


async def opened(shop: Shop) -> Opened:
    access = await shop.write(ways.access_of, shop.account)
    return Opened(shop, access, MemorySource(shop.server, LOGIN), shop.tools)


async def compared(shop: Shop) -> dict[str, LedgerRecord]:
    await shop.write(store.want, shop.account)
    return {"/".join(one.path): one for one in await ledger.compare(await opened(shop))}


async def filled(shop: Shop, count: int = 7) -> None:
    for number in range(count):
        shop.server.deliver(LOGIN, a_letter(f"Brief {number}"), flags=["\\Seen"] if number % 2 else [])
    await shop.sync()


def forget(shop: Shop, *uids: int) -> None:
    """As if a bug had lost them: neither held nor set aside, and the cursor vouches for them."""
    rows = models.Placement.objects.filter(
        folder__account=shop.account, remote_id__regex=rf"\.({'|'.join(map(str, uids))})$"
    )
    assert rows.delete()[0] == len(uids)


def adds_up(one: LedgerRecord) -> bool:
    return one.server == one.held + one.set_aside + one.to_come + one.under_way + one.missing


async def test_a_folder_in_step_balances(shop: Shop) -> None:
    await filled(shop)
    inbox = (await compared(shop))["INBOX"]
    assert (inbox.server, inbox.held, inbox.missing, inbox.extra) == (7, 7, 0, 0)
    assert inbox.balanced
    assert adds_up(inbox)


async def test_what_is_missing_is_fetched_with_its_flags_and_told(shop: Shop) -> None:
    await filled(shop)
    before = await shop.write(
        lambda: list(models.Placement.objects.filter(remote_id__endswith=".2").values("flags", "received_at"))
    )
    await shop.write(forget, shop, 2, 5)
    inbox = (await compared(shop))["INBOX"]
    assert (inbox.missing, inbox.recovered, inbox.held, inbox.server) == (0, 2, 7, 7)
    assert adds_up(inbox)
    after = await shop.write(
        lambda: list(models.Placement.objects.filter(remote_id__endswith=".2").values("flags", "received_at"))
    )
    assert after == before
    told = await shop.write(lambda: models.Journal.objects.get(kind="ledger-missing").facts)
    assert told == {"count": 2, "recovered": 2}


def put_aside(shop: Shop, uid: int, code: str) -> str:
    """As if the server had refused to hand it out three times; the folder's id."""
    folder = models.Folder.objects.get(role=Role.INBOX.value, account=shop.account)
    validity = models.Placement.objects.filter(folder=folder)[0].remote_id.partition(".")[0]
    models.SetAside.objects.create(
        folder=folder, remote_id=f"{validity}.{uid}", code=code, attempts=3, flags="", received_at=timezone.now(),
        ordinal=uid, size=9, generation=folder.generation,
    )  # fmt: skip
    return str(folder.pk)


async def test_what_is_set_aside_counts_with_its_reason(shop: Shop) -> None:
    await filled(shop)
    await shop.write(forget, shop, 3)
    await shop.write(put_aside, shop, 3, "too-large")
    inbox = (await compared(shop))["INBOX"]
    assert (inbox.server, inbox.held, inbox.set_aside, inbox.missing) == (7, 6, 1, 0)
    assert inbox.reasons == {"too-large": 1}
    assert inbox.balanced


async def test_what_arrives_between_two_looks_is_not_missing(shop: Shop) -> None:
    await filled(shop)
    shop.server.deliver(LOGIN, a_letter("eben gekommen"))
    inbox = (await compared(shop))["INBOX"]
    assert (inbox.server, inbox.held, inbox.missing, inbox.recovered) == (8, 8, 0, 0)


async def test_what_a_person_is_moving_is_under_way_and_not_missing(shop: Shop) -> None:
    await filled(shop)

    def move_here() -> None:
        placed = models.Placement.objects.get(remote_id__endswith=".4", folder__account=shop.account)
        models.Errand.objects.create(
            account_id=shop.account,
            folder=placed.folder,
            remote_id=placed.remote_id,
            kind="move",
            due_at=timezone.now() + timedelta(days=1),
        )
        placed.remote_id = "local.abc"
        placed.save()

    await shop.write(move_here)
    found = await opened(shop)
    found.look = lambda folders: _nothing()  # type: ignore[method-assign,assignment]
    await shop.write(store.want, shop.account)
    (inbox,) = [one for one in await ledger.compare(found) if one.path == ("INBOX",)]
    assert (inbox.under_way, inbox.missing, inbox.local, inbox.held) == (1, 0, 1, 6)
    assert adds_up(inbox)


async def _nothing() -> None:
    pass


async def test_what_we_hold_beyond_the_server_alarms_when_it_lasts_and_is_read_afresh(shop: Shop) -> None:
    await filled(shop)

    def ghost() -> None:
        one = models.Placement.objects.get(remote_id__endswith=".6", folder__account=shop.account)
        one.pk, one.remote_id = None, one.remote_id.replace(".6", ".99")
        one._state.adding = True
        models.Placement.objects.create(
            folder=one.folder, message=one.message, remote_id=one.remote_id, flags="", seen=False,
            received_at=one.received_at, ordinal=99, generation=one.generation,
        )  # fmt: skip
        models.Folder.objects.filter(pk=one.folder_id).update(total=8)

    await shop.write(ghost)
    inbox = (await compared(shop))["INBOX"]
    assert (inbox.extra, inbox.held, inbox.server) == (1, 7, 7)
    assert [one.rpartition(".")[2] for one in inbox.extra_ids] == ["99"]
    assert not await shop.write(lambda: models.Journal.objects.filter(kind="ledger-extra").exists())
    await compared(shop)
    assert await shop.write(lambda: models.Journal.objects.get(kind="ledger-extra").facts) == {"count": 1}
    await shop.sync()
    inbox = (await compared(shop))["INBOX"]
    assert (inbox.extra, inbox.held, inbox.balanced) == (0, 7, True)


async def test_during_a_first_sync_what_is_not_here_yet_is_to_come(shop: Shop) -> None:
    await filled(shop)
    await shop.write(lambda: models.Folder.objects.filter(role="inbox").update(whole=False, remaining=2))
    await shop.write(forget, shop, 1, 2)
    inbox = (await compared(shop))["INBOX"]
    assert (inbox.server, inbox.held, inbox.to_come, inbox.missing) == (7, 5, 2, 0)
    assert adds_up(inbox)


async def test_every_folder_is_compared_once_a_day_at_the_accounts_own_time(shop: Shop) -> None:
    await filled(shop)
    shop.server.create_folder(LOGIN, ("Akten",))
    await shop.sync()
    assert await shop.write(ledger.due, shop.account)
    await ledger.compare(await opened(shop))
    assert not await shop.write(ledger.due, shop.account)
    await shop.write(lambda: models.Folder.objects.update(ledger_at=timezone.now() - timedelta(days=1, minutes=1)))
    assert await shop.write(ledger.due, shop.account)


async def test_whoever_asks_gets_a_comparison_at_once(shop: Shop) -> None:
    await filled(shop)
    await ledger.compare(await opened(shop))
    asked = await shop.write(ledger.ask, shop.actor, "Zentrale")
    assert await shop.write(ledger.due, shop.account)
    assert shop.account in await shop.write(rounds.waiting)
    assert not await shop.write(ledger.is_compared, shop.actor, "Zentrale", asked)
    await ledger.compare(await opened(shop))
    assert await shop.write(ledger.is_compared, shop.actor, "Zentrale", asked)


async def test_only_those_who_look_after_the_mailbox_see_its_numbers(shop: Shop) -> None:
    await filled(shop)

    def seen_by(actor: Actor) -> int:
        return len(ledger.show(actor, "Zentrale")) + len(ledger.overview(actor))

    assert await shop.write(seen_by, shop.actor) > 1
    bob = await shop.write(a_person)
    assert await shop.write(ledger.overview, bob) == []
    with pytest.raises(NotFound):
        await shop.write(ledger.show, bob, "Zentrale")
    eve: Any = await shop.write(lambda: a_person("eve@amt.test", administrator=True))
    assert await shop.write(seen_by, eve) > 1


async def test_comparing_is_a_line_in_the_event_log(shop: Shop) -> None:
    await filled(shop)
    await shop.write(forget, shop, 2)
    await shop.write(event_log.flush)
    await compared(shop)
    await shop.write(event_log.flush)
    told = await shop.write(lambda: {row.code: row.facts for row in models.Event.objects.all()})
    assert told["ledger-compared"]["server"] == 7
    assert told["ledger-missing"] == {"folder": "INBOX", "count": 0, "recovered": 1}


async def test_a_comparison_asks_how_full_the_mailbox_is_and_warns(shop: Shop) -> None:
    await filled(shop)
    shop.server.set_quota(LOGIN, 1)
    await compared(shop)
    await shop.write(flush)
    quota = await shop.write(lambda: models.Account.objects.get(pk=shop.account).quota)
    assert quota["limit"] == 1
    assert quota["used"] > 1
    assert await shop.write(lambda: models.Event.objects.filter(code="quota", level="warning").exists())


async def test_what_is_broken_or_set_aside_is_shown_to_who_may_read_it(shop: Shop) -> None:
    shop.server.deliver(LOGIN, b"Content-Type: multipart/mixed\r\nSubject: ohne Grenze\r\n\r\nText")
    await filled(shop, 2)

    folder = await shop.write(put_aside, shop, 77, "too-large")
    page = await shop.write(ledger.unreadable, shop.actor)
    assert [(one.subject, list(defects)) for one, defects in page.items] == [("ohne Grenze", ["no-boundary"])]
    ((where, aside),) = await shop.write(ledger.set_aside, shop.actor)
    assert (where, aside.code) == (folder, "too-large")
    bob = await shop.write(a_person)
    assert (await shop.write(ledger.unreadable, bob)).items == []
    assert await shop.write(ledger.set_aside, bob) == []
    with pytest.raises(NotFound):
        await shop.write(ledger.try_again, bob, folder)
    await shop.write(ledger.try_again, shop.actor, folder)
    assert await shop.write(lambda: models.SetAside.objects.get().attempts) == 0
    assert shop.account in await shop.write(rounds.waiting)
