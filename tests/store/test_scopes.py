"""Indexes that lists live on: a list is answered by one of them, whatever else there is."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from poststelle.mail.listing import INBOX, Filter, Place, Sort, Where
from poststelle.mail.ports import FLAGGED
from poststelle.office import lists
from poststelle.store import handling, list_rows, messages, models
from poststelle.store.lists import Key, Row
from tests.builders import a_folder, a_letter, a_message_in, an_account, an_office

pytestmark = pytest.mark.usefixtures("home", "transactional_db")


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize(
    "chosen", [Filter(), Filter(unread=True), Filter(flagged=True), Filter(tag="x"), Filter(attachments=True)]
)
def test_which_rows_stand_in_a_folders_list_is_read_from_an_index_alone(
    sort: Sort, threads: bool, chosen: Filter
) -> None:
    ada = an_office()
    inbox = a_folder(an_account(ada))
    a_message_in(inbox, flags=[FLAGGED])
    with CaptureQueriesContext(connection) as queries:
        lists.page(ada, Where(Place.FOLDER, inbox.id), sort=sort, threads=threads, filter=chosen)
    reading = [
        query["sql"] for query in queries if "INDEXED BY placement_" in query["sql"] and "newest_first" in query["sql"]
    ]
    assert reading
    for sql in reading:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row[-1]) for row in cursor.fetchall())
        assert "COVERING INDEX placement" in plan, plan
        assert "SCAN" not in plan, plan


def test_a_list_takes_the_same_few_queries_whatever_its_size() -> None:
    ada = an_office()
    inboxes = [a_folder(an_account(ada, f"Nr. {number}")) for number in range(3)]
    counts = []
    for _ in range(2):
        for inbox in inboxes:
            for _ in range(10):
                a_message_in(inbox, a_letter("Re: Immer dasselbe"))
        models.Placement.objects.update(thread=5)
        with CaptureQueriesContext(connection) as queries:
            lists.page(ada, INBOX, threads=True)
        counts.append(len(queries))
    assert counts[1] <= counts[0] <= 20


def test_what_a_placement_repeats_is_what_its_message_says() -> None:
    ada = an_office()
    placed = a_message_in(
        a_folder(an_account(ada)), a_letter("AW: Über", sender="Öko <o@k.test>", attachments=[("a", "image/png", b"x")])
    )
    row = models.Placement.objects.select_related("message").get(pk=placed.id)
    assert (row.by_sender, row.by_subject, row.has_attachments) == ("oko", "uber", True)
    assert (row.size, row.thread) == (row.message.size, row.message.thread)


def test_hundreds_of_messages_are_looked_up_one_by_one_and_not_through_whole_folders() -> None:
    ada = an_office()
    message = a_message_in(a_folder(an_account(ada)))
    numbers = [message.id, *(str(uuid4()) for _ in range(499))]
    with CaptureQueriesContext(connection) as queries:
        assert len(handling.chosen(ada.reach, numbers)) == 1
        messages.placements_of(ada.reach, range(1, 500), 500)
        list_rows.answers(ada.reach, range(1, 500))
        rows = [Row(number, number, Key(None, "", 0, one)) for number, one in enumerate(numbers, 1)]
        list_rows.of(ada.reach, rows, threads=True)
    reading = [query["sql"] for query in queries if "store_placement p" in query["sql"]]
    assert len(reading) >= 6
    for sql in reading:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            (way,) = {str(row[-1]) for row in cursor.fetchall() if str(row[-1]).split()[1] == "p"}
        assert way.endswith(("(id=?)", "(message_id=?)", "(thread=?)")), way
