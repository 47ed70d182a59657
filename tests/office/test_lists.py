"""Lists at the counter: every order, every filter, threads or not, always the same rows a slow and simple reading gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from poststelle.errors import Invalid, NotFound, NotPermitted
from poststelle.mail.listing import (
    INBOX,
    Filter,
    Place,
    Sort,
    Status,
    Where,
    folder,
    read_filter,
    read_where,
)
from poststelle.mail.order import sender_key, subject_key
from poststelle.mail.ports import FLAGGED, SEEN, Role
from poststelle.mail.records import FolderRecord, PlacementRecord
from poststelle.mail.work import ListPage
from poststelle.office import lists
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import lists as windows
from poststelle.store import models, repeated
from poststelle.store.rows import all_rows, change
from poststelle.store.threads import catch_up
from tests.builders import MORNING, a_folder, a_letter, a_message_in, a_person, an_account, an_office

pytestmark = pytest.mark.usefixtures("home", "transactional_db")


def threaded(number: int, *placed: PlacementRecord) -> None:
    """These messages belong to one thread."""
    for one in placed:
        row = models.Placement.objects.get(pk=one.id)
        models.Placement.objects.filter(message=row.message_id).update(thread=number)
        models.Message.objects.filter(pk=row.message_id).update(thread=number)


def ids(page: ListPage) -> list[str]:
    return [row.placement.id for row in page.items]


def walked(actor: Actor, where: Where, **order: Any) -> list[str]:
    """Every row, window by window; and the same way back."""
    found: list[str] = []
    page = lists.page(actor, where, limit=4, **order)
    while True:
        found += ids(page)
        if page.next is None:
            break
        page = lists.page(actor, where, limit=4, after=page.next, **order)
    back = ids(page)
    while page.previous is not None:
        page = lists.page(actor, where, limit=4, after=page.previous, **order)
        back = ids(page) + back
    assert back == found
    return found


def slowly(placed: Sequence[PlacementRecord], sort: Sort, descending: bool, threads: bool) -> list[str]:
    """The same order, made the simple way."""
    rows = {one.id: models.Placement.objects.get(pk=one.id) for one in placed}
    newest = sorted(placed, key=lambda one: (one.received_at, rows[one.id].ordinal, rows[one.id].pk.hex), reverse=True)
    if threads:
        heads: dict[int, PlacementRecord] = {}
        for one in newest:
            heads.setdefault(rows[one.id].thread or -hash(one.id), one)
        newest = [one for one in newest if one in heads.values()]
    if sort is Sort.DATE:
        return [one.id for one in (newest if descending else newest[::-1])]
    key = {
        Sort.SENDER: lambda one: sender_key(one.sender.name, one.sender.address),
        Sort.SUBJECT: lambda one: subject_key(one.subject),
        Sort.SIZE: lambda one: one.size,
    }[sort]
    return [one.id for one in sorted(newest, key=key, reverse=descending)]


def an_office_full_of_mail(seed: int) -> tuple[Actor, list[FolderRecord], list[PlacementRecord]]:
    dice = random.Random(seed)
    ada = an_office()
    account, other = an_account(ada), an_account(ada, "Rechnung")
    folders = [
        a_folder(account), a_folder(other), a_folder(account, "Archiv", role=Role.ARCHIVE), a_folder(other, "Sent", role=Role.SENT),
    ]  # fmt: skip
    placed = []
    for _ in range(40):
        raw = a_letter(
            dice.choice(["Angebot", "Re: Angebot", "AW: Übersicht", "Änderung", "zuletzt", ""]),
            "x" * dice.randrange(50),
            sender=dice.choice(["Eva <eva@k.test>", "Ärzte e.V. <a@k.test>", "zoe@k.test", "Özil <o@k.test>"]),
            attachments=[("a.txt", "text/plain", b"x")] if dice.random() < 0.3 else [],
        )
        at = MORNING + timedelta(minutes=dice.randrange(25))
        flags = [flag for flag in (SEEN, FLAGGED, "Wichtig") if dice.random() < 0.4]
        placed.append(a_message_in(dice.choice(folders), raw, flags=flags, received_at=at))
        threaded(dice.choice([0, 0, 1, 2, 3, 4]), placed[-1])
    return ada, folders, placed


@pytest.mark.parametrize("seed", [1, 2])
def test_every_order_gives_every_row_once_and_back_again(seed: int) -> None:
    ada, folders, placed = an_office_full_of_mail(seed)
    inboxes = {folders[0].id, folders[1].id}
    places = {
        folder(folders[0].id): [one for one in placed if one.folder_id == folders[0].id],
        INBOX: [one for one in placed if one.folder_id in inboxes],
        Where(Place.ROLE, "archive"): [one for one in placed if one.folder_id == folders[2].id],
        Where(Place.ACCOUNT, folders[1].account_id): [one for one in placed if one.folder_id == folders[1].id],
    }
    for where, there in places.items():
        for sort in Sort:
            for descending in (True, False):
                for threads in (True, False):
                    order: dict[str, Any] = {"sort": sort, "descending": descending, "threads": threads}
                    assert walked(ada, where, **order) == slowly(there, sort, descending, threads), (where, order)


def test_every_filter_leaves_what_it_names() -> None:
    ada, folders, placed = an_office_full_of_mail(3)
    inbox = [one for one in placed if one.folder_id in {folders[0].id, folders[1].id}]
    assert ada.user is not None
    for one in inbox[:4]:
        number = models.Placement.objects.get(pk=one.id).message_id
        models.Task.objects.create(message_id=number, assignee_id=ada.user.id, status="waiting")
    mine = {one.id for one in inbox[:4]}
    expected = {
        Filter(unread=True): {one.id for one in inbox if SEEN not in one.flags},
        Filter(flagged=True): {one.id for one in inbox if FLAGGED in one.flags},
        Filter(attachments=True): {one.id for one in inbox if one.has_attachments},
        Filter(tag="wichtig"): {one.id for one in inbox if "Wichtig" in one.flags},
        Filter(tag="Wicht"): set(),
        Filter(tag="%"): set(),
        Filter(mine=True): mine,
        Filter(unassigned=True): {one.id for one in inbox} - mine,
        Filter(status=Status.WAITING): mine,
        Filter(status=Status.OPEN): {one.id for one in inbox} - mine,
        Filter(unread=True, flagged=True): {one.id for one in inbox if SEEN not in one.flags and FLAGGED in one.flags},
    }
    for chosen, wanted in expected.items():
        for sort in (Sort.DATE, Sort.SUBJECT):
            assert set(walked(ada, INBOX, filter=chosen, sort=sort)) == wanted, chosen
        assert read_filter(str(chosen)) == chosen


def test_a_thread_stands_where_its_newest_message_of_the_place_stands_and_counts_all_one_may_see() -> None:
    ada = an_office()
    account, hidden = (
        an_account(ada),
        an_account(ada, "Geheim", grants=[{"user": "ada@amt.test", "rights": ["administer"]}]),
    )
    inbox, sent, trash = (
        a_folder(account),
        a_folder(account, "Sent", role=Role.SENT),
        a_folder(account, "Trash", role=Role.TRASH),
    )
    first = a_message_in(inbox, a_letter("Angebot", sender="Eva <eva@k.test>"), flags=[SEEN])
    answer = a_message_in(sent, a_letter("Re: Angebot", sender="Zentrale <zentrale@amt.test>"), flags=[SEEN])
    second = a_message_in(inbox, a_letter("Re: Angebot", sender="Eva <eva@k.test>"))
    thrown_away = a_message_in(trash, a_letter("Re: Angebot", sender="Max <max@k.test>"))
    unseen = a_message_in(a_folder(hidden), a_letter("Re: Angebot", sender="Tom <tom@k.test>"))
    threaded(7, first, answer, second, thrown_away, unseen)
    alone = a_message_in(inbox, a_letter("Anderes"))
    page = lists.page(ada, folder(inbox.id), threads=True)
    assert ids(page) == [alone.id, second.id]
    row = page.items[1]
    assert (row.count, row.unread) == (3, 1)
    assert [one.name for one in row.participants if one.name != "Max"] == ["Zentrale", "Eva"]
    assert (page.items[0].count, page.items[0].unread) == (1, 1)
    assert [row.count for row in lists.page(ada, folder(inbox.id)).items] == [1, 1, 1]


def test_a_thread_of_thousands_hides_nothing_behind_it() -> None:
    ada, inbox = _one_inbox()
    old = [a_message_in(inbox, a_letter(f"alt {number}")) for number in range(3)]
    many = [a_message_in(inbox, a_letter("Re: Verteiler")) for _ in range(60)]
    threaded(9, *many)
    with CaptureQueriesContext(connection) as queries:
        page = lists.page(ada, folder(inbox.id), threads=True, limit=4)
    assert ids(page) == [many[-1].id, *(one.id for one in reversed(old))]
    assert len(queries) < 25


def test_one_full_mailbox_among_many_quiet_ones_is_read_as_far_as_the_window_goes() -> None:
    ada = an_office()
    inboxes = [a_folder(an_account(ada, f"Postfach {number}")) for number in range(8)]
    placed = [a_message_in(inboxes[0]) for _ in range(12)]
    placed += [a_message_in(inbox) for inbox in inboxes]
    placed += [a_message_in(inboxes[0]) for _ in range(14)]
    newest_first = [one.id for one in reversed(placed)]
    assert ids(lists.page(ada, INBOX, limit=30)) == newest_first[:30]
    assert walked(ada, INBOX) == newest_first
    assert walked(ada, INBOX, descending=False) == newest_first[::-1]


def test_an_answer_found_in_a_sent_folder_is_told_with_who_sent_it_and_when() -> None:
    ada = an_office()
    account = an_account(ada)
    inbox, sent = a_folder(account), a_folder(account, "Sent", role=Role.SENT)
    asked = a_message_in(inbox, a_letter("Frage"))
    other = a_message_in(inbox, a_letter("Re: Frage"))
    headers = {"In-Reply-To": f"<{asked.message_id}>", "References": f"<before@k.test> <{asked.message_id}>"}
    answer = a_message_in(sent, a_letter("Re: Frage", sender="Bob <bob@amt.test>", headers=headers))
    threaded(3, asked, other, answer)
    found = {row.placement.id: row.answer for row in lists.page(ada, folder(inbox.id)).items}
    told = found[asked.id]
    assert told is not None
    assert (told.sender.name, told.at, told.placement_id, told.author) == ("Bob", answer.received_at, answer.id, None)
    assert found[other.id] is None


def test_what_arrives_above_moves_nothing_below() -> None:
    ada, inbox = _one_inbox()
    before = [a_message_in(inbox) for _ in range(6)]
    page = lists.page(ada, folder(inbox.id), limit=3)
    a_message_in(inbox)
    models.Placement.objects.filter(pk=page.items[-1].placement.id).delete()
    following = lists.page(ada, folder(inbox.id), limit=3, after=page.next)
    assert ids(following) == [one.id for one in reversed(before[:3])]


def test_an_address_of_a_message_opens_its_list_at_the_right_place() -> None:
    ada, inbox = _one_inbox()
    placed = [a_message_in(inbox) for _ in range(30)]
    threaded(5, placed[3], placed[20])
    newest = [one.id for one in reversed(placed)]
    page = lists.around(ada, placed[15].id, folder(inbox.id), limit=6)
    assert ids(page) == newest[11:17]
    above = lists.page(ada, folder(inbox.id), limit=50, after=page.previous)
    below = lists.page(ada, folder(inbox.id), limit=50, after=page.next)
    assert ids(above) + ids(page) + ids(below) == newest
    at_the_end = lists.around(ada, placed[0].id, folder(inbox.id), limit=6)
    assert (ids(at_the_end), at_the_end.next) == (newest[-4:], None)
    folded = lists.around(ada, placed[3].id, folder(inbox.id), threads=True, limit=4)
    assert placed[20].id in ids(folded)
    no_longer_there = lists.around(ada, placed[15].id, folder(inbox.id), filter=Filter(flagged=True))
    assert ids(no_longer_there) == []


def test_the_rows_above_and_below_are_found_from_a_message() -> None:
    ada, inbox = _one_inbox()
    first, second, third = (a_message_in(inbox) for _ in range(3))
    found = lists.neighbours(ada, second.id, folder(inbox.id))
    assert (found.previous, found.next) == (third.id, first.id)
    assert lists.neighbours(ada, third.id, folder(inbox.id)).previous is None
    upside_down = lists.neighbours(ada, second.id, folder(inbox.id), descending=False)
    assert (upside_down.previous, upside_down.next) == (first.id, third.id)


def test_totals_come_from_the_folders_and_only_where_they_tell() -> None:
    ada, inbox = _one_inbox()
    a_message_in(inbox, flags=[SEEN])
    a_message_in(inbox)
    page = lists.page(ada, folder(inbox.id), limit=1)
    assert (page.total, page.unread) == (2, 1)
    assert lists.page(ada, folder(inbox.id), filter=Filter(unread=True)).total == 1
    assert lists.page(ada, folder(inbox.id), filter=Filter(flagged=True)).total is None


def test_a_list_too_long_to_sort_is_sorted_among_the_newest_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = an_office()
    inboxes = [a_folder(an_account(ada, label)) for label in ("Eins", "Zwei")]
    placed = [a_message_in(inboxes[number % 2], a_letter(f"{9 - number}"), flags=[SEEN]) for number in range(8)]
    monkeypatch.setattr(windows, "SORTED_MOST", 7)
    page = lists.page(ada, INBOX, sort=Sort.SUBJECT, descending=False)
    assert ids(page) == [one.id for one in sorted(placed[6:], key=lambda one: one.subject)]
    assert page.sorted_among == 2
    assert lists.page(ada, INBOX).sorted_among is None
    assert ids(lists.page(ada, INBOX, sort=Sort.SUBJECT, filter=Filter(unread=True))) == []


def test_what_is_new_is_new_for_each_person_and_not_for_ever() -> None:
    ada, inbox = _one_inbox()
    yesterday = timezone.now() - timedelta(days=1)
    fresh = a_message_in(inbox, received_at=yesterday, flags=[SEEN])
    a_message_in(inbox, received_at=yesterday - timedelta(days=60))
    models.User.objects.update(created_at=yesterday - timedelta(days=90))
    new = Where(Place.NEW)
    assert ids(lists.page(ada, new)) == [fresh.id]
    assert [row.is_new for row in lists.page(ada, folder(inbox.id)).items] == [True, False]
    assert ada.user is not None
    models.Looked.objects.create(
        message=models.Placement.objects.get(pk=fresh.id).message, user_id=ada.user.id, at=timezone.now()
    )
    assert ids(lists.page(ada, new)) == []
    assert [row.is_new for row in lists.page(ada, folder(inbox.id)).items] == [False, False]


def test_a_message_in_two_places_stands_once_among_ones_own_work() -> None:
    ada, inbox = _one_inbox()
    raw = a_letter("Doppelt")
    a_message_in(inbox, raw)
    copy = a_message_in(a_folder(an_account(ada, "Zweites")), raw)
    assert ada.user is not None
    number = models.Placement.objects.get(pk=copy.id).message_id
    due = timezone.now() - timedelta(hours=1)
    models.Task.objects.create(message_id=number, assignee_id=ada.user.id, follow_up_at=due)
    note = models.Note.objects.create(message_id=number, author_id=ada.user.id, text="@Ada")
    models.Mention.objects.create(note=note, user_id=ada.user.id)
    for place in (Place.MINE, Place.FOLLOW_UP, Place.MENTIONS):
        assert ids(lists.page(ada, Where(place))) == [copy.id], place
        assert ids(lists.page(ada, Where(place), threads=True, sort=Sort.SENDER)) == [copy.id], place
    models.Task.objects.update(status="done")
    assert ids(lists.page(ada, Where(Place.MINE))) == ids(lists.page(ada, Where(Place.FOLLOW_UP))) == []


def test_nobody_lists_what_they_may_not_see() -> None:
    _, inbox = _one_inbox()
    placed = a_message_in(inbox)
    bob = a_person()
    for where in (folder(inbox.id), Where(Place.ACCOUNT, inbox.account_id), folder("nonsense")):
        with pytest.raises(NotFound):
            lists.page(bob, where)
    for place in (INBOX, Where(Place.ROLE, "inbox"), Where(Place.NEW), Where(Place.MINE)):
        assert ids(lists.page(bob, place)) == []
        with pytest.raises(NotFound):
            lists.around(bob, placed.id, place)
        with pytest.raises(NotFound):
            lists.neighbours(bob, placed.id, place)
    with pytest.raises(NotPermitted):
        lists.page(SYSTEM, Where(Place.MINE))


def test_a_grant_on_one_folder_shows_that_folder_and_no_other() -> None:
    ada, inbox = _one_inbox()
    archive = a_folder(an_account(ada, "Anderes"), "Archiv", role=Role.ARCHIVE)
    shown, _ = a_message_in(archive), a_message_in(inbox)
    bob = a_person()
    assert bob.user is not None
    models.Grant.objects.create(account_id=archive.account_id, folder_id=archive.id, user_id=bob.user.id, see=True)
    assert ids(lists.page(bob, Where(Place.ROLE, "archive"))) == [shown.id]
    assert ids(lists.page(bob, INBOX)) == []


def test_what_is_being_deleted_is_in_no_list() -> None:
    ada, inbox = _one_inbox()
    placed = a_message_in(inbox)
    limbo = models.Folder.objects.create(
        account_id=inbox.account_id, remote_id="limbo", path=["limbo"], place="limbo", selectable=False
    )
    models.Placement.objects.filter(pk=placed.id).update(folder=limbo)
    assert ada.user is not None
    models.Task.objects.create(message=models.Placement.objects.get(pk=placed.id).message, assignee_id=ada.user.id)
    assert ids(lists.page(ada, Where(Place.MINE))) == ids(lists.page(ada, INBOX)) == []
    with pytest.raises(NotFound):
        lists.page(ada, folder(str(limbo.pk)))


@pytest.mark.parametrize(
    "cursor", ["x", "e30", "W10", "WzEsMSwxLDEsMV0", "ÿ", "W" * 2000, "WzAsbnVsbCwiMjAyNiIsMWUzMDgsImEiXQ"]
)
def test_a_cursor_nobody_gave_is_refused(cursor: str) -> None:
    ada, inbox = _one_inbox()
    with pytest.raises(Invalid) as refused:
        lists.page(ada, folder(inbox.id), after=cursor)
    assert refused.value.fields == {"cursor": "unknown-value"}


def test_a_cursor_of_another_order_is_refused() -> None:
    ada, inbox = _one_inbox()
    for _ in range(3):
        a_message_in(inbox)
    by_size = lists.page(ada, folder(inbox.id), limit=1, sort=Sort.SIZE).next
    for sort in (Sort.DATE, Sort.SENDER):
        with pytest.raises(Invalid):
            lists.page(ada, folder(inbox.id), sort=sort, after=by_size)


@pytest.mark.parametrize(
    "text", ["", "folder", "folder:", "inbox:1", "role:nothing", "role", "elsewhere", "mine:x", "folder:" + "x" * 101]
)
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_where(text)


def test_a_place_and_its_text_are_the_same() -> None:
    for where in (INBOX, folder("f"), Where(Place.ROLE, "sent"), Where(Place.MINE), Where(Place.BRANCH, "b")):
        assert read_where(str(where)) == where
    for text in ("nonsense", "tag:", "status:maybe", "tag"):
        with pytest.raises(Invalid):
            read_filter(text)


def _one_inbox() -> tuple[Actor, FolderRecord]:
    ada = an_office()
    return ada, a_folder(an_account(ada))


def test_what_was_kept_before_lists_were_sorted_is_listed_rightly_until_it_is_caught_up() -> None:
    ada = an_office()
    account = an_account(ada)
    inbox, other = a_folder(account), a_folder(account, "Archiv", role=Role.INBOX)
    for number, name in enumerate(("Moritz", "anna", "Zoe", "Berta")):
        files = [("a.pdf", "application/pdf", b"%PDF")] if name == "Zoe" else ()
        letter = a_letter(
            f"Brief {9 - number}", "x" * 100 * number, sender=f"{name} <{name}@kunde.test>", attachments=files
        )
        a_message_in(other if name == "anna" else inbox, letter)
    change(
        "UPDATE store_placement SET thread = 0, has_attachments = FALSE, size = 0, by_sender = '', by_subject = ''", []
    )
    change("UPDATE store_message SET thread = 0", [])

    def looks_right() -> None:
        for place in (INBOX, folder(inbox.id)):
            names = [one for one in ("anna", "Berta", "Moritz", "Zoe") if place is INBOX or one != "anna"]
            for sort, expected in (
                (Sort.SENDER, names),
                (Sort.SUBJECT, [one for one in ("Berta", "Zoe", "anna", "Moritz") if one in names]),
                (Sort.SIZE, [one for one in ("Moritz", "anna", "Berta", "Zoe") if one in names]),
            ):
                page = lists.page(ada, place, sort=sort, descending=False, limit=2)
                rows = [*page.items, *lists.page(ada, place, sort=sort, descending=False, after=page.next).items]
                assert [row.placement.sender.name for row in rows] == expected
                at = lists.around(ada, rows[1].placement.id, place, sort=sort, descending=False)
                assert [row.placement.sender.name for row in at.items] == expected
            (with_file,) = lists.page(ada, place, filter=Filter(attachments=True)).items
            assert with_file.placement.sender.name == "Zoe"

    looks_right()
    while catch_up(limit=1):
        looks_right()
    columns = f"SELECT message_id, {repeated.COLUMNS} FROM store_placement"
    kept = {row[0]: (row[1], bool(row[2]), *row[3:]) for row in all_rows(columns)}
    assert kept == repeated.of([*kept])
    assert all(thread for thread, *_ in kept.values())
