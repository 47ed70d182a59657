"""Much mail is put into the search index by a process of its own, which may die without costing anything but time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings

from poststelle.office import reading
from poststelle.office.actor import Actor
from poststelle.run.indexer import NICENESS
from poststelle.run.indexing import Indexing
from poststelle.store import index
from poststelle.store.index_file import is_damaged
from tests.builders import a_folder, a_letter, a_message_in, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Actor:
    """Somebody with three letters, in a data folder of the test's own. Three letters are many here."""
    monkeypatch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"home": tmp_path}))
    monkeypatch.setattr(index, "MANY", 3)
    ada = an_office()
    inbox = a_folder(an_account(ada))
    for name in ("Eins", "Zwei", "Drei"):
        a_message_in(inbox, a_letter(name, "Guten Tag"))
    return ada


@pytest.fixture
def indexing() -> Iterator[Indexing]:
    """The way to an index process."""
    made = Indexing()
    yield made
    made.close()


@pytest.fixture
def writer(ada: Actor, indexing: Indexing) -> Iterator[index.Writer]:
    """A writer that leaves what is many to the process."""
    made = index.Writer(put_many=partial(indexing.put, index.file()))
    yield made
    made.close()


def held() -> list[int]:
    with sqlite3.connect(index.file()) as db:
        return [number for (number,) in db.execute("SELECT message FROM doc")]


def found(actor: Actor) -> list[str]:
    return [hit.placement.subject for hit in reading.search(actor, "guten ").items]


def test_the_index_gives_way_to_those_who_answer_pages(indexing: Indexing, writer: index.Writer) -> None:
    assert writer.index_some(lambda _: None) == 3
    assert indexing._process is not None
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, indexing._process.pid) == min(ours + NICENESS, 19)


def test_many_messages_are_found_that_another_process_has_put_into_the_index(ada: Actor, writer: index.Writer) -> None:
    assert writer.index_some(lambda _: None) == 3
    assert sorted(found(ada)) == ["Drei", "Eins", "Zwei"]


def test_an_index_process_that_was_ended_is_replaced_and_nothing_is_there_twice(
    ada: Actor, writer: index.Writer, indexing: Indexing
) -> None:
    indexing.put(index.file(), [], 0)
    indexing.stop()
    with pytest.raises((EOFError, OSError)):
        writer.index_some(lambda _: None)
    indexing.close()
    while writer.index_some(lambda _: None):
        pass
    assert sorted(found(ada)) == ["Drei", "Eins", "Zwei"]


def test_a_message_the_index_has_already_stays_as_it_is(ada: Actor, writer: index.Writer, indexing: Indexing) -> None:
    writer.index_some(lambda _: None)
    # As a process that was believed dead might.
    indexing.put(index.file(), [(0, number, {}, 0) for number in held()], 0)
    while writer.index_some(lambda _: None):
        pass
    assert sorted(found(ada)) == ["Drei", "Eins", "Zwei"]


def test_a_damaged_index_file_is_told_as_what_it_is(tmp_path: Path, indexing: Indexing) -> None:
    (tmp_path / "search.db").write_bytes(b"kein Verzeichnis" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as told:
        indexing.put(tmp_path / "search.db", [], 0)
    assert is_damaged(told.value)


def test_a_full_or_missing_disk_is_no_damage(tmp_path: Path, indexing: Indexing) -> None:
    with pytest.raises(sqlite3.OperationalError) as told:
        indexing.put(tmp_path / "nowhere" / "search.db", [], 0)
    assert not is_damaged(told.value)
