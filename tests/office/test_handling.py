"""Handling mail at the counter: seen here at once, told to the server, taken back, refused where it must be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import Conflict, Invalid, MessageTrouble, NotFound, NotPermitted
from poststelle.mail.ports import FLAGGED, SEEN, Errand, Outcome, Role
from poststelle.mail.records import FolderRecord, PlacementRecord
from poststelle.office import feed, handling, reading, special_folders
from poststelle.office.actor import SYSTEM
from poststelle.office.handling import Handled, Selection
from poststelle.store import models
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, an_office
from tests.store.conftest import LOGIN, Shop

TRASH, ARCHIVE = ("Papierkorb",), ("Archiv",)


async def furnished(shop: Shop, *letters: bytes) -> None:
    """The server has a trash and an archive, and these letters in its inbox; all of it is here."""
    shop.server.create_folder(LOGIN, TRASH, role=Role.TRASH)
    shop.server.create_folder(LOGIN, ARCHIVE, role=Role.ARCHIVE)
    for letter in letters:
        shop.server.deliver(LOGIN, letter)
    await shop.sync()


async def the_folder(shop: Shop, *path: str) -> FolderRecord:
    folders = await shop.write(reading.folders, shop.actor, shop.account)
    return next(folder for folder in folders if folder.path == (path or ("INBOX",)))


async def rows(shop: Shop, *path: str) -> list[PlacementRecord]:
    folder = await the_folder(shop, *path)
    page = await shop.write(reading.page, shop.actor, folder.id, 200)
    return list(page.items)


async def do(shop: Shop, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await shop.write(lambda: verb(shop.actor, *args, **options))


async def time_passes(shop: Shop) -> None:
    """The ten seconds are over."""
    await shop.write(
        lambda: models.Errand.objects.filter(due_at__isnull=False).update(
            due_at=models.Errand.objects.first().created_at
        )  # type: ignore[union-attr]
    )


def there(shop: Shop, *path: str) -> list[bytes]:
    return [raw for raw, _ in shop.server.contents(LOGIN, path or ("INBOX",)).values()]


@pytest.mark.parametrize("uidplus", [True, False])
async def test_a_message_moved_here_moves_on_the_server_and_keeps_its_id(shop: Shop, uidplus: bool) -> None:
    shop.server.uidplus = uidplus
    letter = a_letter()
    await furnished(shop, letter)
    (row,) = await rows(shop)
    handled = await do(shop, handling.move, Selection([row.id]), (await the_folder(shop, *ARCHIVE)).id)
    assert handled.count == 1
    assert (await rows(shop), [one.id for one in await rows(shop, *ARCHIVE)]) == ([], [row.id])
    for _ in range(3):
        await shop.sync()
    assert (there(shop), there(shop, *ARCHIVE)) == ([], [letter])
    assert [one.id for one in await rows(shop, *ARCHIVE)] == [row.id]
    assert await shop.write(models.Errand.objects.filter(closed_at=None).count) == 0
    assert ((await the_folder(shop)).total, (await the_folder(shop, *ARCHIVE)).unread) == (0, 1)


async def test_a_move_is_taken_back_by_moving_back(shop: Shop) -> None:
    letter = a_letter()
    await furnished(shop, letter)
    (row,) = await rows(shop)
    handled: Handled = await do(shop, handling.archive, Selection([row.id]))
    await shop.sync()
    assert there(shop, *ARCHIVE) == [letter]
    await do(shop, handling.undo, handled.token)
    assert [one.id for one in await rows(shop)] == [row.id]
    await shop.sync()
    assert (there(shop), there(shop, *ARCHIVE)) == ([letter], [])
    with pytest.raises(NotFound, match="nothing-to-undo"):
        await do(shop, handling.undo, handled.token)


async def test_a_message_flagged_moved_and_moved_again_before_the_server_hears_of_it_ends_where_it_was_put(
    shop: Shop,
) -> None:
    await furnished(shop, a_letter())
    (row,) = await rows(shop)
    await do(shop, handling.mark, Selection([row.id]), add=[FLAGGED])
    await do(shop, handling.archive, Selection([row.id]))
    await do(shop, handling.mark, Selection([row.id]), add=[SEEN])
    await do(shop, handling.delete, Selection([row.id]))
    await shop.sync()
    assert [flags for _, flags in shop.server.contents(LOGIN, TRASH).values()] == [{FLAGGED, SEEN}]
    assert [one.id for one in await rows(shop, *TRASH)] == [row.id]


async def test_deleting_moves_to_the_trash_and_from_there_for_good_after_a_while(shop: Shop) -> None:
    await furnished(shop, a_letter())
    (row,) = await rows(shop)
    await do(shop, handling.delete, Selection([row.id]))
    await shop.sync()
    assert len(there(shop, *TRASH)) == 1
    handled = await do(shop, handling.delete, Selection([row.id]))
    assert await rows(shop, *TRASH) == []
    with pytest.raises(NotFound):
        await do(shop, reading.open_message, row.id)
    await shop.sync()
    assert len(there(shop, *TRASH)) == 1, "the server is not told before the time to regret it is over"
    await do(shop, handling.undo, handled.token)
    assert [one.id for one in await rows(shop, *TRASH)] == [row.id]
    again = await do(shop, handling.delete, Selection([row.id]))
    await time_passes(shop)
    await shop.sync()
    assert there(shop, *TRASH) == []
    with pytest.raises(Conflict, match="too-late-to-undo"):
        await do(shop, handling.undo, again.token)


async def test_a_copy_is_another_placement_of_the_same_message(shop: Shop) -> None:
    letter = a_letter()
    await furnished(shop, letter)
    (row,) = await rows(shop)
    await do(shop, handling.copy, Selection([row.id]), (await the_folder(shop, *ARCHIVE)).id)
    await shop.sync()
    assert (there(shop), there(shop, *ARCHIVE)) == ([letter], [letter])
    assert len(await rows(shop, *ARCHIVE)) == 1
    assert await shop.write(models.Message.objects.count) == 1


async def test_what_the_server_refuses_goes_back_and_is_told(shop: Shop) -> None:
    await furnished(shop, a_letter())
    (row,) = await rows(shop)
    await do(shop, handling.archive, Selection([row.id]))
    shop.server.remove_folder(LOGIN, ARCHIVE)
    await shop.sync()
    assert [one.id for one in await rows(shop)] == [row.id]
    assert len(there(shop)) == 1
    entries = (await shop.write(feed.changes, shop.actor, 0, 200)).items
    assert [entry.facts["code"] for entry in entries if entry.kind == "errand-refused"] == ["folder-missing"]


async def test_everything_in_a_folder_is_read_and_then_emptied(shop: Shop) -> None:
    await furnished(shop, *(a_letter(f"Brief {number}") for number in range(7)))
    inbox = await the_folder(shop)
    assert (await do(shop, handling.mark_folder_read, inbox.id)).count == 7
    assert (await the_folder(shop)).unread == 0
    assert (await do(shop, handling.empty_folder, inbox.id)).count == 7
    await shop.sync()
    assert (there(shop), len(there(shop, *TRASH))) == ([], 7)
    trash = await the_folder(shop, *TRASH)
    await do(shop, handling.empty_folder, trash.id)
    await time_passes(shop)
    await shop.sync()
    assert there(shop, *TRASH) == []


async def test_a_folder_made_for_it_is_made_on_the_server_before_the_message_goes_there(shop: Shop) -> None:
    await furnished(shop, a_letter())
    (row,) = await rows(shop)
    with pytest.raises(Conflict, match="no-such-role") as refused:
        await do(shop, handling.mark_as_spam, Selection([row.id]))
    assert refused.value.facts["accounts"] == [shop.account]
    await do(shop, special_folders.create, shop.account, [Role.SPAM])
    await do(shop, handling.mark_as_spam, Selection([row.id]))
    await shop.sync()
    assert (there(shop), len(there(shop, "Spam"))) == ([], 1)


async def test_spam_goes_into_the_folder_chosen_for_it_and_comes_back(shop: Shop) -> None:
    await furnished(shop, a_letter())
    shop.server.create_folder(LOGIN, ("Unerwünscht",))
    await shop.sync()
    (row,) = await rows(shop)
    with pytest.raises(Conflict, match="no-such-role"):
        await do(shop, handling.mark_as_spam, Selection([row.id]))
    await do(shop, handling.set_role, (await the_folder(shop, "Unerwünscht")).id, Role.SPAM)
    await do(shop, handling.mark_as_spam, Selection([row.id]))
    await shop.sync()
    assert (await the_folder(shop, "Unerwünscht")).role is Role.SPAM, "a listing does not take back what people chose"
    assert len(there(shop, "Unerwünscht")) == 1
    await do(shop, handling.mark_as_wanted, Selection([row.id]))
    await shop.sync()
    assert len(there(shop)) == 1


async def test_folders_are_made_renamed_and_deleted_on_the_server_with_what_they_hold(shop: Shop) -> None:
    await furnished(shop, a_letter())
    (row,) = await rows(shop)
    made = await do(shop, handling.create_folder, shop.account, ["Akten"])
    below = await do(shop, handling.create_folder, shop.account, ["Akten", "Müller"])
    await do(shop, handling.move, Selection([row.id]), below)
    await do(shop, handling.rename_folder, made, ["Mandate"])
    for _ in range(2):
        await shop.sync()
    assert len(there(shop, "Mandate", "Müller")) == 1
    assert [one.id for one in await rows(shop, "Mandate", "Müller")] == [row.id]
    assert (await the_folder(shop, "Mandate", "Müller")).id == below
    handled = await do(shop, handling.delete_folder, made)
    with pytest.raises(NotFound):
        await do(shop, reading.folder, below)
    await do(shop, handling.undo, handled.token)
    assert (await the_folder(shop, "Mandate", "Müller")).total == 1
    await do(shop, handling.delete_folder, made)
    await time_passes(shop)
    for _ in range(2):
        await shop.sync()
    assert [folder.path for folder in shop.server.mailbox(LOGIN).folders.values()] == [("INBOX",), TRASH, ARCHIVE]
    with pytest.raises(NotFound):
        await do(shop, reading.folder, below)


async def test_a_folder_renamed_on_the_server_keeps_placements_grants_and_choices(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, ("Akten",))
    shop.server.create_folder(LOGIN, ("Akten", "Müller"))
    shop.server.deliver(LOGIN, a_letter(), path=("Akten", "Müller"))
    await shop.sync()
    before = await the_folder(shop, "Akten", "Müller")
    (row,) = await rows(shop, "Akten", "Müller")
    await do(shop, handling.choose, before.id, {"process": True})
    shop.server.rename(LOGIN, ("Akten",), ("Mandate",))
    tally = await shop.sync()
    after = await the_folder(shop, "Mandate", "Müller")
    assert (after.id, after.choices) == (before.id, {"process": True})
    assert [one.id for one in await rows(shop, "Mandate", "Müller")] == [row.id]
    assert (tally.new, tally.bytes) == (0, 0)


async def test_two_folders_that_swap_their_names_keep_their_mail_apart(shop: Shop) -> None:
    for name in ("Ein", "Aus"):
        shop.server.create_folder(LOGIN, (name,))
        shop.server.deliver(LOGIN, a_letter(name), path=(name,))
    await shop.sync()
    before = {name: (await the_folder(shop, name)).id for name in ("Ein", "Aus")}
    shop.server.rename(LOGIN, ("Ein",), ("Zwischen",))
    shop.server.rename(LOGIN, ("Aus",), ("Ein",))
    shop.server.rename(LOGIN, ("Zwischen",), ("Aus",))
    await shop.sync()
    assert {name: (await the_folder(shop, name)).id for name in ("Ein", "Aus")} == {
        "Ein": before["Aus"], "Aus": before["Ein"]
    }  # fmt: skip
    assert [row.subject for row in await rows(shop, "Aus")] == ["Ein"]


async def test_a_subscription_is_told_to_the_server_and_heard_from_it(shop: Shop) -> None:
    await furnished(shop)
    archive = await the_folder(shop, *ARCHIVE)
    await do(shop, handling.subscribe, archive.id, subscribed=False)
    await shop.sync()
    assert shop.server.mailbox(LOGIN).folders[ARCHIVE].subscribed is False
    shop.server.subscribe(LOGIN, ARCHIVE, subscribed=True)
    await shop.sync()
    assert (await the_folder(shop, *ARCHIVE)).subscribed


async def test_a_file_put_into_a_folder_is_there_byte_by_byte_and_once(shop: Shop) -> None:
    await furnished(shop)
    raw = a_letter("Vom Stick")
    number = await do(shop, handling.append, (await the_folder(shop, *ARCHIVE)).id, raw, flags=[SEEN])
    for _ in range(2):
        await shop.sync()
    assert there(shop, *ARCHIVE) == [raw]
    assert [one.id for one in await rows(shop, *ARCHIVE)] == [number]
    assert await do(shop, reading.raw, number) == raw


async def test_a_file_a_full_mailbox_refuses_waits_here_until_there_is_room(shop: Shop) -> None:
    await furnished(shop)
    raw = a_letter("Vom Stick")
    number = await do(shop, handling.append, (await the_folder(shop, *ARCHIVE)).id, raw)
    shop.server.set_quota(LOGIN, 1)
    for _ in range(3):
        await shop.sync()
    assert [one.id for one in await rows(shop, *ARCHIVE)] == [number]
    shop.server.set_quota(LOGIN, None)
    await time_passes(shop)
    for _ in range(2):
        await shop.sync()
    assert there(shop, *ARCHIVE) == [raw]
    assert [one.id for one in await rows(shop, *ARCHIVE)] == [number]


async def test_a_file_its_server_will_never_take_stays_here(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await furnished(shop)
    raw = a_letter("Vom Stick")
    number = await do(shop, handling.append, (await the_folder(shop, *ARCHIVE)).id, raw)

    async def refuse(self: MemorySource, errand: Errand) -> Outcome:
        raise MessageTrouble("refused-by-server")

    monkeypatch.setattr(MemorySource, "perform", refuse)
    for _ in range(3):
        await shop.sync()
    assert [one.id for one in await rows(shop, *ARCHIVE)] == [number]
    assert await do(shop, reading.raw, number) == raw
    assert not await shop.write(models.Errand.objects.filter(closed_at=None).exists)


async def test_moving_into_another_mailbox_leaves_the_first_only_when_the_second_has_it(shop: Shop) -> None:
    letter = a_letter()
    await furnished(shop, letter)
    (row,) = await rows(shop)
    other = await shop.write(lambda: an_account(shop.actor, "Zweigstelle"))
    target = await shop.write(lambda: a_folder(other, "Eingang"))
    await do(shop, handling.move, Selection([row.id]), target.id)
    await time_passes(shop)
    await shop.sync()
    assert there(shop) == [letter], "the other server has not been reached yet"
    assert await rows(shop) == []
    await shop.write(
        lambda: models.Errand.objects.filter(kind="append").update(
            outcome="done",
            closed_at=models.Errand.objects.first().created_at,  # type: ignore[union-attr]
        )
    )
    await shop.sync()
    assert there(shop) == []
    assert await do(shop, reading.raw, row.id) == letter


async def test_what_goes_into_a_local_folder_leaves_the_server_and_can_be_taken_back(shop: Shop) -> None:
    letter = a_letter()
    await furnished(shop, letter)
    (row,) = await rows(shop)
    local = await shop.write(
        lambda: models.Folder.objects.create(
            account_id=shop.account, remote_id="local.ablage", path=["Ablage"], place="local"
        )
    )
    handled = await do(shop, handling.move, Selection([row.id]), str(local.pk))
    await do(shop, handling.undo, handled.token)
    assert [one.id for one in await rows(shop)] == [row.id]
    await do(shop, handling.move, Selection([row.id]), str(local.pk))
    await time_passes(shop)
    await shop.sync()
    assert there(shop) == []
    assert [one.id for one in await rows(shop, "Ablage")] == [row.id]
    await shop.sync()
    assert await do(shop, reading.raw, row.id) == letter


@pytest.mark.parametrize(("wish", "left"), [("delete", 0), ("leave", 2), ("delete-later", 2)])
async def test_a_fetch_only_mailbox_tidies_its_server_and_keeps_everything(shop: Shop, wish: str, left: int) -> None:
    await furnished(shop, a_letter("Eins"), a_letter("Zwei"))
    await shop.write(
        lambda: models.Account.objects.update(kind="fetch-only", receiving={"after_import": wish, "after_days": 14})
    )
    await shop.write(handling.tidy_server, SYSTEM, shop.account)
    await shop.sync()
    assert len(there(shop)) == left
    assert len(await rows(shop)) == 2
    await shop.sync()
    assert len(await rows(shop)) == 2


async def test_what_is_damaged_here_is_not_taken_off_its_server(shop: Shop) -> None:
    await furnished(shop, a_letter())
    await shop.write(lambda: models.Account.objects.update(kind="fetch-only", receiving={"after_import": "delete"}))
    (segment,) = shop.home.glob("segments/*/*.seg")
    segment.write_bytes(segment.read_bytes()[:-9][:60] + b"x" * 9)
    assert await shop.write(handling.tidy_server, SYSTEM, shop.account) == 0
    await shop.sync()
    assert len(there(shop)) == 1


async def test_a_fetch_only_mailbox_keeps_what_left_the_server_and_does_not_take_again_what_was_deleted_here(
    shop: Shop,
) -> None:
    shop.server.modseq = False
    first, second = a_letter("Bleibt"), a_letter("Gelöscht")
    uid = shop.server.deliver(LOGIN, first)
    shop.server.deliver(LOGIN, second)
    await shop.sync()
    await shop.write(lambda: models.Account.objects.update(kind="fetch-only", incoming_protocol="pop3"))
    shop.server.remove(LOGIN, ("INBOX",), uid)
    doomed = next(row for row in await rows(shop) if row.subject == "Gelöscht")
    await do(shop, handling.delete, Selection([doomed.id]))
    await time_passes(shop)
    for _ in range(3):
        await shop.sync()
    assert [row.subject for row in await rows(shop)] == ["Bleibt"]
    assert there(shop) == [second]


@pytest.mark.django_db(transaction=True)
def test_ten_thousand_messages_are_moved_in_less_than_five_seconds(home: object) -> None:
    ada = an_office()
    account = an_account(ada)
    inbox, archive = a_folder(account), a_folder(account, "Archiv", role=Role.ARCHIVE)
    a_message_in(inbox)
    like = models.Placement.objects.get()
    models.Placement.objects.bulk_create(
        models.Placement(
            folder_id=like.folder_id, message_id=like.message_id, remote_id=f"9.{number}", flags="", seen=False,
            received_at=like.received_at, ordinal=number, generation=1,
        )
        for number in range(9_999)
    )  # fmt: skip
    models.Folder.objects.filter(pk=inbox.id).update(total=10_000, unread=10_000)
    began = time.thread_time()
    handled = handling.archive(ada, Selection(folder=inbox.id))
    took = time.thread_time() - began
    assert handled.count == 10_000
    assert (reading.folder(ada, inbox.id).total, reading.folder(ada, archive.id).unread) == (0, 10_000)
    assert took < 5


@pytest.mark.django_db(transaction=True)
def test_who_may_only_see_handles_nothing(home: object) -> None:
    ada, bob = an_office(), a_person()
    rights = ["see", "process", "administer"]
    grants = [{"user": "bob@amt.test", "rights": ["see"]}, {"user": "ada@amt.test", "rights": rights}]
    account = an_account(ada, grants=grants)
    inbox, archive = a_folder(account), a_folder(account, "Archiv", role=Role.ARCHIVE)
    row = a_message_in(inbox)
    for attempt in (
        lambda: handling.mark(bob, Selection([row.id]), add=[SEEN]),
        lambda: handling.mark_folder_read(bob, inbox.id),
        lambda: handling.move(bob, Selection([row.id]), archive.id),
        lambda: handling.copy(bob, Selection([row.id]), archive.id),
        lambda: handling.delete(bob, Selection([row.id])),
        lambda: handling.append(bob, inbox.id, a_letter()),
        lambda: handling.create_folder(bob, account.id, ["Neu"]),
        lambda: handling.rename_folder(bob, archive.id, ["Neu"]),
        lambda: handling.delete_folder(bob, archive.id),
        lambda: handling.choose(bob, archive.id, {"show": False}),
    ):
        with pytest.raises(NotPermitted, match="process-needed"):
            attempt()
    handled = handling.mark(ada, Selection([row.id]), add=[SEEN])
    assert handled.token is not None
    with pytest.raises(NotFound, match="nothing-to-undo"):
        handling.undo(bob, handled.token)
    assert reading.placement(ada, row.id).flags == {SEEN}


@pytest.mark.django_db(transaction=True)
def test_what_the_servers_own_rights_forbid_is_refused_before_it_is_tried(home: object) -> None:
    ada = an_office()
    account = an_account(ada)
    inbox, shared = a_folder(account), a_folder(account, "Geteilt")
    row, other = a_message_in(inbox), a_message_in(shared)
    models.Folder.objects.filter(pk=shared.id).update(rights="lrs")
    for attempt in (
        lambda: handling.move(ada, Selection([row.id]), shared.id),
        lambda: handling.delete(ada, Selection([other.id])),
        lambda: handling.mark(ada, Selection([other.id]), add=[FLAGGED]),
        lambda: handling.rename_folder(ada, shared.id, ["Anders"]),
        lambda: handling.create_folder(ada, account.id, ["Geteilt", "Neu"]),
    ):
        with pytest.raises(NotPermitted, match="server-forbids"):
            attempt()
    assert handling.mark(ada, Selection([other.id]), add=[SEEN]).count == 1
    models.Folder.objects.filter(pk=shared.id).update(rights="lrswipcd")
    assert handling.delete(ada, Selection([other.id])).count == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ([], "missing"),
        ([""], "missing"),
        (["a", " "], "missing"),
        (["x" * 201], "too-long"),
        (["a\nb"], "control-character"),
    ],
)
def test_names_no_folder_can_have_are_refused(home: object, path: list[str], reason: str) -> None:
    ada = an_office()
    account = an_account(ada)
    with pytest.raises(Invalid) as refused:
        handling.create_folder(ada, account.id, path)
    assert refused.value.fields == {"path": reason}


@pytest.mark.django_db(transaction=True)
def test_a_folder_is_not_made_twice_nor_put_below_itself(home: object) -> None:
    ada = an_office()
    account = an_account(ada)
    inbox, acts = a_folder(account), a_folder(account, "Akten")
    with pytest.raises(Conflict, match="folder-exists"):
        handling.create_folder(ada, account.id, ["Akten"])
    with pytest.raises(Invalid):
        handling.rename_folder(ada, acts.id, ["Akten", "Tiefer"])
    for verb in (handling.delete_folder, lambda actor, folder: handling.rename_folder(actor, folder, ["Neu"])):
        with pytest.raises(Conflict, match="inbox-stays"):
            verb(ada, inbox.id)
