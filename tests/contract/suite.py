"""What a `Source` must keep that knows folders, flags and errands, beyond what every one must. One suite; each adapter's test module gives
it a `World`.

Law: a test here knows the port and the world, never an adapter. What the port leaves open is left open here as well.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from poststelle.errors import CursorLost, FolderMissing, MessageTrouble
from poststelle.mail.ports import (
    ANSWERED,
    DELETED,
    FLAGGED,
    SEEN,
    Append,
    ChangeFlags,
    Copy,
    CreateFolder,
    Delete,
    DeleteFolder,
    Move,
    RenameFolder,
    Subscribe,
    Unfetchable,
)
from tests.contract.maildrop import MaildropContract
from tests.contract.world import (
    FILES,
    INBOX,
    ODD_NAMES,
    Follower,
    World,
    fetched,
    folder_at,
    id_at,
    id_of,
    letter,
    listing,
    opened,
    raw_of,
)


class SourceContract(MaildropContract):
    """Subclass it with a fixture `world`."""

    async def test_messages_are_dated_as_the_server_received_them(self, world: World) -> None:
        day = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
        for number in range(7):
            await world.deliver(letter(f"brief-{number}"), received_at=day + timedelta(hours=number))
        async with opened(world) as source:
            arrivals = await listing(source, await id_at(source, INBOX))
        assert [arrival.received_at for arrival in arrivals] == [day + timedelta(hours=n) for n in reversed(range(7))]

    async def test_fetching_marks_nothing_as_read(self, world: World) -> None:
        await world.deliver(letter("ungelesen"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            await fetched(source, inbox, [arrival.id for arrival in await listing(source, inbox)])
            assert [arrival.flags for arrival in await listing(source, inbox)] == [frozenset()]
        assert await world.contents() == [(letter("ungelesen"), frozenset())]

    async def test_flags_changed_elsewhere_are_reported(self, world: World) -> None:
        await world.deliver(letter("eins"), flags=[SEEN])
        await world.deliver(letter("zwei"))
        follower = Follower(INBOX)
        async with opened(world) as source:
            await follower.catch_up(source)
            await world.set_flags(INBOX, id_of("eins"), [FLAGGED, "Fristsache"])
            await world.set_flags(INBOX, id_of("zwei"), [SEEN, ANSWERED])
            await follower.catch_up(source)
            assert sorted(map(sorted, follower.held.values())) == [["Fristsache", FLAGGED], [ANSWERED, SEEN]]

    async def test_a_folder_that_is_as_it_was_read_is_never_taken_for_changed_nor_the_other_way_round(
        self, world: World
    ) -> None:
        """A source need not know; what it claims to know is so, and stands for one look only."""
        await world.deliver(letter("eins"))
        follower = Follower(INBOX)
        async with opened(world) as source:
            for change in (
                world.deliver(letter("zwei")),
                world.set_flags(INBOX, id_of("eins"), [SEEN]),
                world.remove(INBOX, id_of("eins")),
            ):
                await follower.catch_up(source)
                inbox = await id_at(source, INBOX)
                assert follower.cursor is not None
                if source.is_current(inbox, follower.cursor):
                    assert not source.is_current(inbox, follower.cursor)
                await change
                await source.folders()
                assert not source.is_current(inbox, follower.cursor)
            await follower.catch_up(source)
            assert len(follower.held) == 1

    async def test_flags_changed_here_reach_the_server_and_again_does_no_harm(self, world: World) -> None:
        await world.deliver(letter("eins"), flags=[SEEN, "Wiedervorlage"])
        await world.deliver(letter("zwei"), flags=[SEEN])
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            _, first = await listing(source, inbox)
            errand = ChangeFlags(inbox, (first.id,), frozenset({FLAGGED, "Fristsache"}), frozenset({SEEN}))
            assert not (await source.perform(errand)).gone
            assert not (await source.perform(errand)).gone
        assert await world.contents() == [
            (letter("eins"), frozenset({FLAGGED, "Fristsache", "Wiedervorlage"})),
            (letter("zwei"), frozenset({SEEN})),
        ]

    async def test_flagging_a_message_that_left_is_an_errand_with_nothing_left_to_do(self, world: World) -> None:
        await world.deliver(letter("geht"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            (arrival,) = await listing(source, inbox)
            await world.remove(INBOX, id_of("geht"))
            outcome = await source.perform(ChangeFlags(inbox, (arrival.id,), frozenset({SEEN})))
            assert outcome.gone == {arrival.id}

    async def test_a_message_is_put_into_a_folder_once_however_often_it_is_asked(self, world: World) -> None:
        await world.create_folder(("Gesendet",))
        raw = letter("gesendet", "Sehr geehrte Frau Müller,\r\n\r\nanbei die Klageschrift.\r\n")
        for _ in range(2):
            async with opened(world) as source:
                sent = await id_at(source, ("Gesendet",))
                errand = Append(sent, raw, frozenset({SEEN, "$Forwarded"}), id_of("gesendet"))
                assert not (await source.perform(errand)).gone
                assert not (await source.perform(errand)).gone
        assert await world.contents(("Gesendet",)) == [(raw, frozenset({SEEN, "$Forwarded"}))]

    async def test_another_message_is_appended_beside_the_first(self, world: World) -> None:
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            for name in ("eins", "zwei", "eins-zwei"):
                await source.perform(Append(inbox, letter(name), frozenset(), id_of(name)))
        assert [raw for raw, _ in await world.contents()] == [letter("eins"), letter("zwei"), letter("eins-zwei")]

    async def test_a_renumbered_folder_loses_its_cursor_and_its_ids(self, world: World) -> None:
        await world.create_folder(FILES)
        await world.deliver(letter("eins"), path=FILES)
        follower = Follower(FILES)
        async with opened(world) as source:
            await follower.catch_up(source)
        (old,) = follower.held
        await world.renumber(FILES)
        async with opened(world) as source:
            files = await id_at(source, FILES)
            with pytest.raises(CursorLost):
                await source.changes(files, follower.cursor)
            answer = (await fetched(source, files, [old]))[old]
            assert isinstance(answer, Unfetchable)
            assert answer.gone
            assert (await source.perform(ChangeFlags(files, (old,), frozenset({SEEN})))).gone == {old}
            await follower.catch_up(source)
            assert old not in follower.held
            assert await follower.sees(source) == Counter([(letter("eins"), frozenset())])

    async def test_a_removed_folder_is_said_to_be_missing_and_the_rest_goes_on(self, world: World) -> None:
        await world.create_folder(FILES)
        await world.deliver(letter("weg"), path=FILES)
        await world.deliver(letter("da"))
        async with opened(world) as source:
            files, inbox = await id_at(source, FILES), await id_at(source, INBOX)
            (arrival,) = await listing(source, files)
            await listing(source, inbox)
            await world.remove_folder(FILES)
            with pytest.raises(FolderMissing):
                await source.changes(files, None)
            with pytest.raises(FolderMissing):
                await fetched(source, files, [arrival.id])
            for errand in (
                ChangeFlags(files, (arrival.id,), frozenset({SEEN})),
                Delete(files, (arrival.id,)),
                Append(files, letter("neu"), frozenset(), id_of("neu")),
            ):
                with pytest.raises(FolderMissing) as caught:
                    await source.perform(errand)
                assert caught.value.facts["folder"] == files
            for look in (
                source.census(files),
                source.window(files, None, 5),
                source.search(files, ["neu"], 5),
                source.describe(files, [arrival.id]),
            ):
                with pytest.raises(FolderMissing):
                    await look
            assert len(await listing(source, inbox)) == 1
            assert FILES not in [folder.path for folder in await source.folders()]

    # -- errands about messages --------------------------------------------------------------------------------------

    async def test_a_moved_message_lies_in_the_other_folder_only_and_again_does_no_harm(self, world: World) -> None:
        await world.create_folder(FILES)
        for name in ("bleibt", "eins", "zwei"):
            await world.deliver(letter(name), flags=[SEEN, "Fristsache"])
        async with opened(world) as source:
            inbox, files = await id_at(source, INBOX), await id_at(source, FILES)
            two, one, _ = await listing(source, inbox)
            errand = Move(inbox, (one.id, two.id), files)
            outcome = await source.perform(errand)
            assert not outcome.gone
            again = await source.perform(errand)
            assert again.gone == {one.id, two.id}
            assert not again.ids
            moved = await listing(source, files)
            if world.tells_new_ids:
                assert outcome.ids == {one.id: moved[1].id, two.id: moved[0].id}
            assert [arrival.received_at for arrival in moved] == [two.received_at, one.received_at]
        assert await world.contents(FILES) == [
            (letter(name), frozenset({SEEN, "Fristsache"})) for name in ("eins", "zwei")
        ]
        assert [raw for raw, _ in await world.contents()] == [letter("bleibt")]

    async def test_a_copied_message_lies_in_both_folders(self, world: World) -> None:
        await world.create_folder(FILES)
        await world.deliver(letter("eins"), flags=[FLAGGED])
        async with opened(world) as source:
            inbox, files = await id_at(source, INBOX), await id_at(source, FILES)
            (one,) = await listing(source, inbox)
            outcome = await source.perform(Copy(inbox, (one.id,), files))
            (copy,) = await listing(source, files)
            if world.tells_new_ids:
                assert outcome.ids == {one.id: copy.id}
        assert await world.contents(FILES) == await world.contents() == [(letter("eins"), frozenset({FLAGGED}))]

    async def test_moving_within_one_folder_changes_nothing(self, world: World) -> None:
        await world.deliver(letter("eins"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            (one,) = await listing(source, inbox)
            assert (await source.perform(Move(inbox, (one.id,), inbox))).ids == {one.id: one.id}
            assert await source.census(inbox) == {one.id}

    async def test_a_move_into_a_folder_that_is_not_there_leaves_everything_where_it_is(self, world: World) -> None:
        await world.create_folder(FILES)
        await world.deliver(letter("eins"))
        async with opened(world) as source:
            inbox, files = await id_at(source, INBOX), await id_at(source, FILES)
            (one,) = await listing(source, inbox)
            await world.remove_folder(FILES)
            with pytest.raises(FolderMissing) as caught:
                await source.perform(Move(inbox, (one.id,), files))
            assert caught.value.facts["folder"] == files
        assert await world.contents() == [(letter("eins"), frozenset())]

    async def test_deleting_spares_what_somebody_else_has_marked_as_deleted(self, world: World) -> None:
        for name in ("fremd", "unser"):
            await world.deliver(letter(name))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            ours, _ = await listing(source, inbox)
            await world.set_flags(INBOX, id_of("fremd"), [DELETED])
            await source.perform(Delete(inbox, (ours.id,)))
        held = await world.contents()
        assert held[0] == (letter("fremd"), frozenset({DELETED}))
        assert all(DELETED in flags for _, flags in held)

    async def test_some_of_many_messages_left_and_the_others_are_done(self, world: World) -> None:
        for number in range(5):
            await world.deliver(letter(f"brief-{number}"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            ids = tuple(arrival.id for arrival in await listing(source, inbox))
            await world.remove(INBOX, id_of("brief-2"))
            outcome = await source.perform(ChangeFlags(inbox, ids, frozenset({SEEN})))
            assert outcome.gone == {ids[2]}
        assert [flags for _, flags in await world.contents()] == [frozenset({SEEN})] * 4

    async def test_flags_of_very_many_messages_are_changed_in_one_errand(self, world: World) -> None:
        await world.create_folder(FILES)
        await world.deliver_many(world.big_batch, FILES)
        async with opened(world) as source:
            files = await id_at(source, FILES)
            every_second = tuple(sorted(await source.census(files)))[::2]
            assert not (await source.perform(ChangeFlags(files, every_second, frozenset({SEEN})))).gone
            seen = {arrival.id for arrival in await source.window(files, None, world.big_batch) if SEEN in arrival.told}
        assert seen == set(every_second)

    async def test_an_appended_message_keeps_the_date_it_is_given(self, world: World) -> None:
        received_at = datetime(2019, 3, 31, 23, 59, 58, tzinfo=UTC)
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            errand = Append(inbox, letter("alt"), frozenset(), id_of("alt"), received_at)
            outcome, again = await source.perform(errand), await source.perform(errand)
            (arrival,) = await listing(source, inbox)
            assert arrival.received_at == received_at
            if world.tells_new_ids:
                assert outcome.id == again.id == arrival.id

    # -- errands about folders ---------------------------------------------------------------------------------------

    async def test_folders_of_odd_names_are_made_filled_renamed_and_removed(self, world: World) -> None:
        names = [name for name in ODD_NAMES if name not in world.impossible_names]
        async with opened(world) as source:
            before = {folder.path for folder in await source.folders()}
            for name in names:
                made = await source.perform(CreateFolder((name,)))
                assert await source.perform(CreateFolder((name,))) == made
                assert made.folder is not None
                await source.perform(Append(made.folder, letter("drin"), frozenset(), id_of("drin")))
                new = (f"neu {name}",)
                renamed = await source.perform(RenameFolder(made.folder, new))
                assert await source.perform(RenameFolder(made.folder, new)) == renamed
                assert renamed.folder is not None
                listed = {folder.id: folder for folder in await source.folders()}
                assert listed[renamed.folder].path == new
                assert listed[renamed.folder].subscribed
                assert made.folder not in listed
                assert len(await source.census(renamed.folder)) == 1
                for _ in range(2):
                    await source.perform(DeleteFolder(renamed.folder))
            assert {folder.path for folder in await source.folders()} == before

    async def test_what_lies_below_a_folder_is_renamed_with_it(self, world: World) -> None:
        for path in (("Mandate",), ("Mandate", "Müller")):
            await world.create_folder(path)
        await world.deliver(letter("akte"), path=("Mandate", "Müller"))
        async with opened(world) as source:
            await source.perform(RenameFolder(await id_at(source, ("Mandate",)), ("Erledigt",)))
            paths = {folder.path for folder in await source.folders()}
            below = await id_at(source, ("Erledigt", "Müller"))
            assert len(await source.census(below)) == 1
        assert not any(path[0] == "Mandate" for path in paths)

    async def test_a_folder_within_a_folder_can_be_made(self, world: World) -> None:
        async with opened(world) as source:
            await source.perform(CreateFolder(("Mandate",)))
            made = await source.perform(CreateFolder(("Mandate", "Müller")))
            assert made.folder == await id_at(source, ("Mandate", "Müller"))

    async def test_a_renamed_folder_is_known_again(self, world: World) -> None:
        await world.create_folder(FILES)
        await world.create_folder(("Andere",))
        async with opened(world) as source:
            before = await folder_at(source, FILES)
            await source.perform(RenameFolder(before.id, ("Umbenannt",)))
            after = await folder_at(source, ("Umbenannt",))
            assert after.identity == before.identity
            assert bool(after.identity) is world.tells_identities
            told = [folder.identity for folder in await source.folders() if folder.identity]
            assert len(told) == len(set(told))

    async def test_a_folder_cannot_take_the_name_of_another(self, world: World) -> None:
        await world.create_folder(FILES)
        await world.create_folder(("Andere",))
        async with opened(world) as source:
            with pytest.raises(MessageTrouble):
                await source.perform(RenameFolder(await id_at(source, FILES), ("Andere",)))
            assert {FILES, ("Andere",)} <= {folder.path for folder in await source.folders()}

    async def test_the_inbox_is_neither_renamed_nor_removed(self, world: World) -> None:
        await world.deliver(letter("da"))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            for errand in (RenameFolder(inbox, ("Alt",)), DeleteFolder(inbox)):
                with pytest.raises(MessageTrouble) as caught:
                    await source.perform(errand)
                assert caught.value.code == "inbox-stays"
        assert len(await world.contents()) == 1

    async def test_a_folder_is_subscribed_and_unsubscribed(self, world: World) -> None:
        await world.create_folder(FILES)
        async with opened(world) as source:
            files = await id_at(source, FILES)
            for subscribed in (True, False, False, True):
                await source.perform(Subscribe(files, subscribed))
                assert (await folder_at(source, FILES)).subscribed is subscribed

    # -- looking without a cursor ------------------------------------------------------------------------------------

    async def test_a_search_finds_all_words_wherever_they_stand_newest_first(self, world: World) -> None:
        for name, body in (("eins", "Frist am Montag"), ("zwei", "Termin am Montag"), ("drei", "Frist: MONTAG")):
            await world.deliver(letter(name, f"{body}\r\n"))
        await world.deliver(
            letter("vier", "Größe\r\n").replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", 1)
        )
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            four, three, two, one = await listing(source, inbox)
            assert await source.search(inbox, ["frist", "montag"], 10) == [three, one]
            assert await source.search(inbox, ["am Montag"], 1) == [two]
            assert await source.search(inbox, ["Schreiben zwei"], 10) == [two]
            assert await source.search(inbox, ["Größe"], 10) == [four]
            assert await source.search(inbox, ['"), OR ALL'], 10) == []

    async def test_waiting_ends_soon_after_a_delivery(self, world: World) -> None:
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            await listing(source, inbox)
            waiting = asyncio.create_task(source.wait(inbox, 20))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            started = time.monotonic()
            await world.deliver(letter("neu"))
            changed = await waiting
            assert time.monotonic() - started < 5
            assert changed is None or inbox in changed

    async def test_what_arrives_between_asking_and_waiting_wakes_as_well(self, world: World) -> None:
        follower = Follower(INBOX)
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            await follower.catch_up(source)
            await world.deliver(letter("dazwischen"))
            started = time.monotonic()
            changed = await source.wait(inbox, 20)
            assert time.monotonic() - started < 5
            assert changed is None or inbox in changed
            await follower.catch_up(source)
            assert await follower.sees(source) == Counter(await world.contents())

    async def test_folders_with_odd_names_work_like_any_other(self, world: World) -> None:
        names = [name for name in ODD_NAMES if name not in world.impossible_names]
        for number, name in enumerate(names):
            await world.create_folder((name,))
            await world.deliver(letter(f"brief-{number}"), path=(name,))
        async with opened(world) as source:
            listed = {folder.path: folder for folder in await source.folders()}
            assert {(name,) for name in names} <= listed.keys()
            for number, name in enumerate(names):
                follower = Follower((name,))
                await follower.catch_up(source)
                assert await follower.sees(source) == Counter([(letter(f"brief-{number}"), frozenset())]), name
                folder = listed[(name,)].id
                await source.perform(ChangeFlags(folder, tuple(follower.held), frozenset({SEEN})))
                await source.perform(Append(folder, letter("dazu"), frozenset(), id_of("dazu")))
                assert await world.contents((name,)) == [
                    (letter(f"brief-{number}"), frozenset({SEEN})),
                    (letter("dazu"), frozenset()),
                ]

    async def test_folders_lie_within_folders(self, world: World) -> None:
        for path in (("Mandate",), ("Mandate", "Müller"), ("Mandate", "Müller", "2026")):
            await world.create_folder(path)
            await world.deliver(letter("/".join(path).replace("ü", "ue")), path=path)
        async with opened(world) as source:
            paths = [folder.path for folder in await source.folders()]
            follower = Follower(("Mandate", "Müller", "2026"))
            await follower.catch_up(source)
            assert await follower.sees(source) == Counter([(letter("Mandate/Mueller/2026"), frozenset())])
        assert {("Mandate",), ("Mandate", "Müller"), ("Mandate", "Müller", "2026")} <= set(paths)

    async def test_waiting_ends_by_itself_when_nothing_happens(self, world: World) -> None:
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            await listing(source, inbox)
            started = time.monotonic()
            assert await source.wait(inbox, 0.4) == frozenset()
            assert 0.3 < time.monotonic() - started < 5
            await world.deliver(letter("danach"))
            assert len(await listing(source, inbox)) == 1

    async def test_fetch_answers_for_messages_that_have_left_too(self, world: World) -> None:
        for name in ("bleibt", "geht", "bleibt-auch"):
            await world.deliver(letter(name))
        async with opened(world) as source:
            inbox = await id_at(source, INBOX)
            ids = [arrival.id for arrival in await listing(source, inbox)]
            await world.remove(INBOX, id_of("geht"))
            answers = await fetched(source, inbox, ids)
            assert await fetched(source, inbox, []) == {}
        left = answers[ids[1]]
        assert isinstance(left, Unfetchable)
        assert left.gone
        assert [raw_of(answers[ids[n]]) for n in (0, 2)] == [letter("bleibt-auch"), letter("bleibt")]
