"""Mail that may have left already waits for a person: after a restore, in a copy, after a crash behind the first byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from poststelle.errors import Conflict, NotFound, NotPermitted, TryAgain
from poststelle.mail.ports import Role
from poststelle.office import accounts, feed, incoming, outbox, sending
from poststelle.office.actor import SYSTEM
from poststelle.office.sending import due
from poststelle.store import mark, models
from poststelle.store import outbox as store_outbox
from tests.builders import a_person
from tests.office.test_sending import SENT, Doors, Scripted, shown, submit
from tests.store.conftest import LOGIN, Shop


def copied(home: Path) -> None:
    """The data folder laid into another one, mark and all."""
    shutil.copy2(home / mark.FILE, home / "copy")
    (home / "copy").replace(home / mark.FILE)


async def started(shop: Shop) -> None:
    await shop.write(incoming.engine_started)


async def set_back(shop: Shop, entry: int) -> None:
    """The database of before that entry of the journal, in which everything still waited."""

    def forget() -> None:
        models.Journal.objects.filter(pk__gt=entry).delete()
        models.Errand.objects.all().delete()
        models.Outgoing.objects.update(state="queued", sent_at=None, data_started_at=None)
        models.Recipient.objects.update(state="waiting")

    await shop.write(forget)


async def test_what_waits_goes_on_after_an_ordinary_start(shop: Shop) -> None:
    await started(shop)
    number = await submit(shop)
    await started(shop)
    await started(shop)
    assert (await shown(shop, number)).state == "queued"
    assert await shop.write(outbox.held, shop.actor) is None


async def test_in_a_copied_folder_what_waited_is_held_and_what_is_written_afterwards_is_sent(shop: Shop) -> None:
    await started(shop)
    before = await submit(shop)
    copied(shop.home)
    await started(shop)
    record = await shown(shop, before)
    assert (record.state, record.due_at, record.trouble and record.trouble.code) == ("held", None, "data-restored")
    after = await submit(shop)
    doors = Doors(shop)
    await doors.run()
    assert [(await shown(shop, number)).state for number in (before, after)] == ["held", "sent"]
    await started(shop)
    assert (await shown(shop, before)).state == "held"


async def test_what_was_being_sent_when_the_copy_was_made_is_held_too_and_it_is_said_how_old_the_copy_is(
    shop: Shop,
) -> None:
    await started(shop)
    number = await submit(shop)
    await shop.write(store_outbox.claim, number)
    before = (await shop.write(feed.changes, SYSTEM, 0)).items[-1].at
    copied(shop.home)
    await started(shop)
    told = await shop.write(outbox.held, shop.actor)
    assert (told.count, told.as_of) == (1, before)
    assert (await shown(shop, number)).state == "held"


async def test_without_a_mark_what_waits_is_held(shop: Shop) -> None:
    await started(shop)
    number = await submit(shop)
    (shop.home / mark.FILE).unlink()
    await started(shop)
    assert (await shown(shop, number)).state == "held"
    entries = (await shop.write(feed.changes, SYSTEM, 0)).items
    assert [(one.kind, one.facts) for one in entries if one.kind == "outbox-held"] == [("outbox-held", {"count": 1})]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1]", b"null", b"\xff" * 300, b'{"file": 1, "entry": "1", "digest": ""}']
)
async def test_a_mark_that_cannot_be_read_is_none(shop: Shop, damage: bytes) -> None:
    await started(shop)
    number = await submit(shop)
    (shop.home / mark.FILE).write_bytes(damage)
    await started(shop)
    assert (await shown(shop, number)).state == "held"


async def test_an_older_database_in_the_same_folder_holds_what_may_have_left_since(shop: Shop) -> None:
    await started(shop)
    number = await submit(shop)
    entry = (await shop.write(feed.changes, SYSTEM, 0)).items[-1].id
    await Doors(shop).run()
    assert (await shown(shop, number)).state == "sent"
    await set_back(shop, entry)
    await started(shop)
    assert (await shown(shop, number)).state == "held"


async def test_an_older_database_that_has_gone_its_own_way_is_known_all_the_same(shop: Shop) -> None:
    await started(shop)
    number = await submit(shop)
    entry = (await shop.write(feed.changes, SYSTEM, 0)).items[-1].id
    await Doors(shop).run()
    await set_back(shop, entry)
    for _ in range(9):
        # As many entries as the mark is from, and more, but others.
        await shop.write(lambda: accounts.send_receive(shop.actor, shop.account))
    await started(shop)
    assert (await shown(shop, number)).state == "held"


async def test_an_older_database_from_which_nothing_has_left_since_holds_nothing(shop: Shop) -> None:
    await started(shop)
    number = await submit(shop)
    entry = (await shop.write(feed.changes, SYSTEM, 0)).items[-1].id
    await shop.write(lambda: accounts.send_receive(shop.actor, shop.account))
    await set_back(shop, entry)
    await started(shop)
    assert (await shown(shop, number)).state == "queued"


async def test_the_mark_never_needs_more_room(shop: Shop) -> None:
    await started(shop)
    size = (shop.home / mark.FILE).stat().st_size
    await submit(shop)
    await Doors(shop).run()
    assert (shop.home / mark.FILE).stat().st_size == size
    assert (shop.home / mark.FILE).stat().st_mode & 0o077 == 0
    assert set(json.loads((shop.home / mark.FILE).read_bytes())) == {"file", "entry", "digest"}


async def held_messages(shop: Shop, *recipients: tuple[str, ...]) -> list[str]:
    await started(shop)
    numbers = [await submit(shop, *to) for to in recipients]
    copied(shop.home)
    await started(shop)
    return numbers


async def test_a_person_sends_one_and_discards_the_other(shop: Shop) -> None:
    first, second = await held_messages(shop, (), ())
    told = await shop.write(outbox.held, shop.actor)
    assert told is not None
    assert told.count == 2
    await shop.write(outbox.send_again, shop.actor, first)
    await shop.write(outbox.discard, shop.actor, second)
    doors = Doors(shop)
    await doors.run()
    assert [(await shown(shop, number)).state for number in (first, second)] == ["sent", "discarded"]
    assert [(await shown(shop, number)).trouble for number in (first, second)] == [None, None]
    assert await shop.write(outbox.held, shop.actor) is None
    for number, decide in ((first, outbox.send_again), (first, outbox.discard), (second, outbox.discard)):
        with pytest.raises(Conflict, match="outgoing-settled"):
            await shop.write(decide, shop.actor, number)
    entries = (await shop.write(feed.changes, SYSTEM, 0)).items
    decided = {
        one.kind: (one.actor, one.subject) for one in entries if one.kind in {"outgoing-released", "outgoing-discarded"}
    }
    assert decided == {
        "outgoing-released": (shop.actor.name, f"outgoing:{first}"),
        "outgoing-discarded": (shop.actor.name, f"outgoing:{second}"),
    }


async def test_what_was_discarded_by_mistake_can_be_sent_after_all(shop: Shop) -> None:
    (number,) = await held_messages(shop, ())
    assert await shop.write(outbox.discard, shop.actor) == 1
    await Doors(shop).run()
    assert (await shown(shop, number)).state == "discarded"
    await shop.write(outbox.send_again, shop.actor, number)
    await Doors(shop).run()
    assert (await shown(shop, number)).state == "sent"


async def test_all_that_is_held_goes_at_one_word_and_nothing_else_does(shop: Shop) -> None:
    numbers = await held_messages(shop, (), ())
    uncertain = await submit(shop)
    await Doors(shop, Scripted(after=TryAgain("connection-lost"))).run()
    assert await shop.write(outbox.send_again, shop.actor) == 2
    assert await shop.write(outbox.send_again, shop.actor) == 0
    await Doors(shop).run()
    assert [(await shown(shop, number)).state for number in (*numbers, uncertain)] == ["sent", "sent", "uncertain"]


async def test_an_uncertain_message_is_sent_again_when_a_person_says_so(shop: Shop) -> None:
    number = await submit(shop)
    await Doors(shop, Scripted(after=TryAgain("connection-lost"))).run()
    assert await shop.write(due) == {}
    await shop.write(outbox.send_again, shop.actor, number)
    await Doors(shop).run()
    record = await shown(shop, number)
    assert (record.state, [one.state for one in record.recipients]) == ("sent", ["accepted"])


async def test_who_may_not_send_from_the_mailbox_decides_nothing(shop: Shop) -> None:
    (number,) = await held_messages(shop, ())
    bob = await shop.write(lambda: a_person("bob@amt.test"))
    with pytest.raises(NotFound):
        await shop.write(outbox.send_again, bob, number)
    assert await shop.write(outbox.discard, bob) == 0
    assert await shop.write(outbox.held, bob) is None
    with pytest.raises(NotPermitted):
        await shop.write(outbox.hold, bob)
    # Whose right has been taken away sees what they wrote, and that is all.
    await shop.write(lambda: models.Grant.objects.all().delete())
    with pytest.raises(NotPermitted):
        await shop.write(outbox.send_again, shop.actor, number)
    assert (await shown(shop, number)).state == "held"


async def test_an_operator_holds_what_waits_after_a_machine_was_set_back(shop: Shop) -> None:
    await started(shop)
    number = await submit(shop)
    assert await shop.write(outbox.hold, SYSTEM) == 1
    assert (await shown(shop, number)).state == "held"
    assert await shop.write(outbox.hold, SYSTEM) == 0


async def put_into_sent(shop: Shop, number: str) -> None:
    """What the server filed when it took the message, before all was set back."""
    raw = await shop.write(lambda: outbox_bytes(number))
    shop.server.deliver(LOGIN, raw, path=SENT)
    await shop.sync()


def outbox_bytes(number: str) -> bytes:
    from poststelle.store import messages

    row = models.Outgoing.objects.select_related("message").get(pk=number)
    return messages.content(row.message.pool_id, bytes(row.message.sha256))


async def test_whose_copy_lies_among_the_sent_mail_has_left(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    alone, several = await held_messages(shop, ("eva@kunde.test",), ("eva@kunde.test", "max@kunde.test"))
    uncertain = await submit(shop, "eva@kunde.test", "max@kunde.test")
    await Doors(shop, Scripted(after=TryAgain("connection-lost"))).run()
    other = await submit(shop)
    await Doors(shop, Scripted(after=TryAgain("connection-lost"))).run()
    for number in (alone, several, uncertain):
        await put_into_sent(shop, number)
    await shop.write(sending.settle_by_copies)
    states = [(await shown(shop, number)).state for number in (alone, several, uncertain, other)]
    # A held message to several may have left to one of them only.
    assert states == ["sent", "held", "sent", "uncertain"]
    assert [one.state for one in (await shown(shop, uncertain)).recipients] == ["accepted", "accepted"]
