"""Looking for mail: what is found, by whom, in which order, and how the index keeps up."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backports import zstd
from django.conf import settings

from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord, FolderRecord
from poststelle.mail.words import Stems, words
from poststelle.office.actor import Actor
from poststelle.store import index, index_file, search
from poststelle.store.search import find
from tests.builders import (
    MORNING,
    a_folder,
    a_letter,
    a_message_in,
    a_person,
    an_account,
    an_office,
    everything_is_indexed,
)

pytestmark = pytest.mark.django_db(transaction=True)


class Cabinet:
    """One office with one mailbox, and what is found in it."""

    def __init__(self) -> None:
        self.actor: Actor = an_office()
        self.account = an_account(self.actor)
        self.inbox: FolderRecord = a_folder(self.account)

    def keep(self, subject: str, text: str = "", **more: object) -> None:
        a_message_in(self.inbox, a_letter(subject, text or "Guten Tag", **more))  # type: ignore[arg-type]

    def found(self, query: str, *, ranked: bool = False, actor: Actor | None = None) -> list[str]:
        everything_is_indexed()
        page = find((actor or self.actor).reach, query, 50, None, ranked=ranked)
        return [hit.placement.subject for hit in page.items]


def shared_with_bob(cabinet: Cabinet, label: str) -> AccountRecord:
    """Another mailbox, which bob may see."""
    grants = [{"user": "ada@amt.test", "rights": ["administer"]}, {"user": "bob@amt.test", "rights": ["see"]}]
    return an_account(cabinet.actor, label, address=f"{label.lower()}@amt.test", grants=grants)


@pytest.fixture
def cabinet(home: Path) -> Cabinet:
    return Cabinet()


def test_a_word_finds_its_inflections_and_compounds(cabinet: Cabinet) -> None:
    for subject in ("Rechnungen", "Eingangsrechnung", "Rechnungsnummer", "Mahnung"):
        cabinet.keep(subject)
    assert sorted(cabinet.found("rechnung ")) == ["Eingangsrechnung", "Rechnungen", "Rechnungsnummer"]
    assert "Eingangsrechnung" in cabinet.found("rechnungen ")
    assert cabinet.found('"rechnung"') == []
    assert cabinet.found("mahnungen ") == ["Mahnung"]


def test_umlauts_are_found_however_they_are_written(cabinet: Cabinet) -> None:
    cabinet.keep("Herr Müller")
    cabinet.keep("Frau Mueller")
    cabinet.keep("Goethestraße")
    for query in ("müller ", "mueller ", "Müll", "Mül", "muell", '"müller"'):
        assert sorted(cabinet.found(query)) == ["Frau Mueller", "Herr Müller"], query
    assert cabinet.found("goethestrasse ") == cabinet.found("Goethestraße ") == ["Goethestraße"]


def test_the_last_word_may_be_a_beginning_while_it_is_typed(cabinet: Cabinet) -> None:
    cabinet.keep("Kündigung")
    assert cabinet.found("kündi") == cabinet.found("kün") == ["Kündigung"]
    assert cabinet.found("kün ") == []


def test_phrases_and_exclusions(cabinet: Cabinet) -> None:
    cabinet.keep("Alpha", "nach Ablauf der Frist")
    cabinet.keep("Beta", "die Frist hat einen Ablauf")
    assert cabinet.found('"ablauf der frist"') == ["Alpha"]
    assert cabinet.found("frist -einen") == ["Alpha"]
    assert cabinet.found("-ablauf") == []
    assert cabinet.found("-nacht") == ["Beta", "Alpha"]


def test_people_subjects_and_files_are_looked_for_by_themselves(cabinet: Cabinet) -> None:
    cabinet.keep(
        "Plan", headers={"Reply-To": "antwort@x.test"}, attachments=[("Lageplan.txt", "text/plain", b"Skizze")]
    )
    cabinet.keep("Anderes", "Plan im Text")
    assert cabinet.found("betreff:plan") == ["Plan"]
    assert cabinet.found("datei:lageplan") == cabinet.found("hat:anhang") == ["Plan"]
    assert cabinet.found("-hat:anhang") == ["Anderes"]
    assert cabinet.found("an:antwort") == ["Plan"]
    assert cabinet.found("von:antwort") == []


def test_in_a_field_a_letter_or_two_are_a_word_and_three_may_be_a_beginning(cabinet: Cabinet) -> None:
    cabinet.keep("Plan B")
    assert cabinet.found("betreff:p") == cabinet.found("betreff:pl") == []
    assert cabinet.found("betreff:b") == cabinet.found("betreff:pla") == cabinet.found("betreff:plan") == ["Plan B"]


def test_words_in_fields_find_their_inflections_and_compounds_and_names_only_themselves(cabinet: Cabinet) -> None:
    cabinet.keep("Rechnungen Mahnungen", sender="Meyer <m@x.test>")
    cabinet.keep("Eingangsrechnung Mahnungsflut", sender="Niedermeyer <n@x.test>")
    cabinet.keep("Anderes", "Rechnungen und Mahnungen, Meyer und Niedermeyer")
    assert sorted(cabinet.found("betreff:rechnung betreff:mahnung ")) == [
        "Eingangsrechnung Mahnungsflut",
        "Rechnungen Mahnungen",
    ]
    assert cabinet.found("von:meyer ") == cabinet.found("von:mey") == ["Rechnungen Mahnungen"]


def test_a_word_left_out_leaves_out_its_inflections_and_nothing_that_begins_alike(cabinet: Cabinet) -> None:
    for subject in ("Häuser", "Haus", "Hausmeister"):
        cabinet.keep(subject)
    assert cabinet.found("guten -haus") == cabinet.found("guten -betreff:häuser") == ["Hausmeister"]


@pytest.mark.parametrize("query", ["ist:markiert", "guten ist:markiert", "in:archiv", "guten in:archiv"])
def test_what_a_filter_leaves_is_found_however_far_down_it_lies(
    cabinet: Cabinet, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_WINDOW", 2)
    archive = a_folder(cabinet.account, "Ablage", role=Role.ARCHIVE)
    a_message_in(archive, a_letter("Alt"), flags=["\\Flagged"], received_at=MORNING)
    for number in range(1, 30):
        a_message_in(cabinet.inbox, a_letter(f"Neu {number}"), received_at=MORNING + timedelta(minutes=number))
    assert cabinet.found(query) == ["Alt"]


def test_a_search_in_vain_ends_and_goes_on_where_it_ended(cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_WINDOW", 2), ("_WIDEST", 4), ("_IN_VAIN", 8)):
        monkeypatch.setattr(search, name, value)
    a_message_in(cabinet.inbox, a_letter("Alt"), flags=["\\Flagged"], received_at=MORNING)
    for number in range(1, 30):
        a_message_in(cabinet.inbox, a_letter(f"Neu {number}"), received_at=MORNING + timedelta(minutes=number))
    everything_is_indexed()
    page = find(cabinet.actor.reach, "ist:markiert", 50, None)
    pages = 1
    while page.next and not page.items:
        page, pages = find(cabinet.actor.reach, "ist:markiert", 50, page.next), pages + 1
    assert [hit.placement.subject for hit in page.items] == ["Alt"]
    assert pages > 2


def test_days_bound_what_is_found(cabinet: Cabinet) -> None:
    for days, subject in ((0, "Montag"), (1, "Dienstag"), (2, "Mittwoch")):
        a_message_in(cabinet.inbox, a_letter(subject), received_at=MORNING + timedelta(days=days))
    assert cabinet.found("nach:2026-03-03") == ["Mittwoch", "Dienstag"]
    assert cabinet.found("guten nach:2026-03-03 vor:4.3.2026") == ["Dienstag"]


def test_flags_and_folders_are_asked_of_the_rows(cabinet: Cabinet) -> None:
    archive = a_folder(cabinet.account, "Mandate/2026", role=Role.ARCHIVE)
    a_message_in(cabinet.inbox, a_letter("Neu"))
    a_message_in(cabinet.inbox, a_letter("Gelesen"), flags=["\\Seen"])
    a_message_in(archive, a_letter("Alt"), flags=["\\Seen", "\\Flagged"])
    assert cabinet.found("ist:ungelesen") == ["Neu"]
    assert cabinet.found("-ist:ungelesen ist:markiert") == ["Alt"]
    assert cabinet.found("guten in:archiv") == cabinet.found('in:"Mandate/2026"') == ["Alt"]
    assert cabinet.found("in:nirgends") == []


def test_what_fits_best_comes_first_when_ranked(cabinet: Cabinet) -> None:
    cabinet.keep("Frist")
    cabinet.keep("Anderes", "viel Text und am Ende eine Frist " + "Füllwort " * 200)
    assert cabinet.found("frist ") == ["Anderes", "Frist"]
    assert cabinet.found("frist ", ranked=True) == ["Frist", "Anderes"]
    assert cabinet.found('"eine frist"', ranked=True) == ["Anderes"]


def test_of_messages_with_a_phrase_those_come_first_that_have_it_in_their_subject(cabinet: Cabinet) -> None:
    cabinet.keep("Die neue Akte", "Inhalt")
    cabinet.keep("Neues", "hier ist die neue Akte, und die Akte ist die neue")
    cabinet.keep("Akte", "neue")
    assert cabinet.found('"die neue akte"') == ["Neues", "Die neue Akte"]
    assert cabinet.found('"die neue akte"', ranked=True) == ["Die neue Akte", "Neues"]
    assert cabinet.found('"die neue akte" "hier ist"', ranked=True) == ["Neues"]
    assert cabinet.found('betreff:"neue akte"', ranked=True) == ["Die neue Akte"]
    assert cabinet.found('"neue akte" -hier', ranked=True) == ["Die neue Akte"]


def test_ranked_pages_follow_one_another(cabinet: Cabinet) -> None:
    for number in range(5):
        cabinet.keep(f"Akte {number}")
    everything_is_indexed()
    seen, cursor = [], None
    while True:
        page = find(cabinet.actor.reach, "akte ", 2, cursor, ranked=True)
        seen += [hit.placement.subject for hit in page.items]
        if (cursor := page.next) is None:
            break
    assert sorted(seen) == [f"Akte {number}" for number in range(5)]


def test_a_stranger_finds_nothing_and_a_colleague_only_what_lies_in_shared_mailboxes(cabinet: Cabinet) -> None:
    cabinet.keep("Geheim")
    bob = a_person()
    a_message_in(a_folder(shared_with_bob(cabinet, "Offen")), a_letter("Offen"))
    assert cabinet.found("guten", actor=bob) == ["Offen"]
    assert cabinet.found("-nichts", actor=bob) == ["Offen"]


def test_a_message_that_comes_to_lie_in_another_mailbox_is_found_there_too(cabinet: Cabinet) -> None:
    letter = a_letter("Rundschreiben")
    a_message_in(cabinet.inbox, letter)
    bob = a_person()
    theirs = shared_with_bob(cabinet, "Zweites")
    assert cabinet.found("rundschreiben", actor=bob) == []
    a_message_in(a_folder(theirs), letter)
    assert cabinet.found("rundschreiben", actor=bob) == ["Rundschreiben"]
    assert cabinet.found("rundschreiben") == ["Rundschreiben"]


def test_the_words_of_attachments_join_those_of_the_message(cabinet: Cabinet) -> None:
    cabinet.keep("Gutachten", attachments=[("G.pdf", "application/pdf", b"%PDF-")])
    assert cabinet.found("kellerfenster") == []
    writer = index.Writer()
    ((number, _, _),) = writer.waiting(10)
    writer.attach(number, "Das Kellerfenster ist undicht.", complete=True)
    assert writer.waiting(10) == []
    writer.close()
    assert cabinet.found("gutachten kellerfenster ") == ["Gutachten"]
    assert cabinet.found("fenster ") == ["Gutachten"]
    hit = find(cabinet.actor.reach, "undicht", 5, None).items[0]
    assert "Kellerfenster ist undicht" in hit.snippet


def test_attachments_that_could_not_be_read_are_counted_and_not_tried_again(cabinet: Cabinet) -> None:
    cabinet.keep("Bombe", attachments=[("b.docx", "application/octet-stream", b"PK")])
    cabinet.keep("Bild", attachments=[("b.png", "image/png", b"PNG")])
    everything_is_indexed()
    assert index.attachments_behind() == (1, 0)
    writer = index.Writer()
    writer.attach(writer.waiting(1)[0][0], "", complete=False)
    writer.close()
    assert index.attachments_behind() == (0, 1)


def make_it_layout_5(path: Path) -> None:
    """The same index as it was in layout 5: stems in a column of their own, texts in JSON, no families."""
    with closing(sqlite3.connect(path)) as db:
        held = db.execute(
            "SELECT d.rowid, d.message, d.place, d.attachments, s.text FROM doc d JOIN said s USING (message)"
        ).fetchall()
        progress = db.execute("SELECT message, journal FROM progress").fetchone()
    path.unlink()
    index_file.remove_rest(path)
    stems = Stems()
    with sqlite3.connect(path) as db:
        db.executescript(f"PRAGMA journal_mode=WAL; {LAYOUT_5}; PRAGMA user_version = {5 << 16}")
        db.execute("INSERT INTO progress VALUES (1, ?, ?)", progress)
        for rowid, number, place, attachments, packed in held:
            texts = index_file.unpacked(packed)
            told = " ".join(stems.of(word) for word in words(" ".join(texts.values())))
            db.execute("INSERT INTO doc VALUES (?, ?, ?, ?)", (rowid, number, place, attachments))
            db.execute("INSERT INTO said VALUES (?, ?)", (number, zstd.compress(json.dumps(texts).encode())))
            columns = [texts[name] for name in index_file.COLUMNS]
            db.execute("INSERT INTO words (rowid, body, subject, sender, recipients, files, attached, place, stems) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (rowid, *columns, told))  # fmt: skip
    db.close()


LAYOUT_5 = """
CREATE TABLE doc (rowid INTEGER PRIMARY KEY, message INTEGER NOT NULL UNIQUE, place TEXT NOT NULL, attachments INTEGER NOT NULL);
CREATE TABLE said (message INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), message INTEGER NOT NULL, journal INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(body, subject, sender, recipients, files, attached, place, stems, content='');
CREATE TABLE term (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE VIRTUAL TABLE inside USING fts5(word, content='term', content_rowid='id', tokenize='trigram')
"""


@pytest.fixture
def older(cabinet: Cabinet, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An office with three indexed messages whose index is of layout 5, and a fourth that came since. One is taken over at a time."""
    cabinet.keep("Rechnungen", attachments=[("G.pdf", "application/pdf", b"%PDF-")])
    cabinet.keep("Bild", attachments=[("b.pdf", "application/pdf", b"%PDF-")])
    cabinet.keep("Mahnung")
    everything_is_indexed()
    writer = index.Writer()
    numbers = sorted(number for number, _, _ in writer.waiting(10))
    writer.attach(numbers[0], "Das Kellerfenster ist undicht.", complete=True)
    writer.close()
    make_it_layout_5(home / "search.db")
    monkeypatch.setattr(index_file, "_TAKEN_OVER", 0)
    cabinet.keep("Nachzügler")
    return index_file.older(home / "search.db")


def test_while_an_index_of_the_layout_before_is_taken_over_it_answers_all_that_it_did(
    cabinet: Cabinet, older: Path
) -> None:
    def subjects(query: str) -> list[str]:
        return [hit.placement.subject for hit in find(cabinet.actor.reach, query, 5, None).items]

    steps, count = 0, 1
    while count:
        # Each with a writer of its own, as if the engine were ended in between.
        writer = index.Writer()
        for query in ("rechnung ", "rechnun", "rec", "betreff:rechn", "kellerfenster", "-bild -mahnung -nachzügler"):
            assert subjects(query) == ["Rechnungen"], (query, steps)
        late = [] if older.exists() else ["Nachzügler"]
        assert subjects("guten") == [*late, "Mahnung", "Bild", "Rechnungen"]
        count, steps = writer.index_some(lambda _: None), steps + 1
        writer.close()
    assert steps > 3 + 1
    assert not older.exists()
    assert subjects("guten") == ["Nachzügler", "Mahnung", "Bild", "Rechnungen"]


def test_what_attachments_said_and_which_are_still_to_be_read_is_taken_over(cabinet: Cabinet, older: Path) -> None:
    assert cabinet.found("kellerfenster") == ["Rechnungen"]
    assert index.attachments_behind() == (1, 0)
    writer = index.Writer()
    ((number, _, _),) = writer.waiting(10)
    writer.attach(number, "Ein Dachfenster", complete=True)
    writer.close()
    assert cabinet.found("fenster ") == ["Bild", "Rechnungen"]


def test_where_the_index_that_is_taken_over_is_damaged_all_is_built_from_the_bytes(
    cabinet: Cabinet, older: Path
) -> None:
    index.Writer().close()
    older.write_bytes(b"kein Verzeichnis" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as broken:
        everything_is_indexed()
    assert index_file.is_damaged(broken.value)
    index.start_over()
    assert cabinet.found("guten") == ["Nachzügler", "Mahnung", "Bild", "Rechnungen"]


def test_an_index_that_has_not_taken_over_everything_goes_when_the_layout_changes_again(
    cabinet: Cabinet, older: Path, home: Path
) -> None:
    writer = index.Writer()
    assert writer.index_some(lambda _: None) == 1
    writer.close()
    with closing(sqlite3.connect(home / "search.db")) as db:
        db.execute(f"PRAGMA user_version = {index_file.LAYOUT ^ 1}")  # other rules of stemming
    assert cabinet.found("guten") == ["Nachzügler", "Mahnung", "Bild", "Rechnungen"]
    assert cabinet.found("kellerfenster") == ["Rechnungen"]


def test_an_index_too_old_to_be_asked_is_built_anew(cabinet: Cabinet, home: Path) -> None:
    with sqlite3.connect(home / "search.db") as old:
        old.execute("CREATE TABLE doc (rowid INTEGER PRIMARY KEY, message INTEGER)")
        old.execute("PRAGMA user_version = 1")
    old.close()
    cabinet.keep("Mietvertrag")
    assert find(cabinet.actor.reach, "mietvertrag", 5, None).items == []
    assert index.behind() == 1
    assert cabinet.found("mietvertrag") == ["Mietvertrag"]


def test_mail_of_a_second_that_is_full_is_found_after_what_came_before(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "_PER_SECOND", 2)
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    for number, received_at in ((0, at), *((number, at + timedelta(seconds=1)) for number in range(1, 8))):
        a_message_in(cabinet.inbox, a_letter(f"Vorgang {number}", "Guten Tag"), received_at=received_at)
        everything_is_indexed()
    found = cabinet.found("vorgang ")
    assert len(set(found)) == 8
    assert found[-1] == "Vorgang 0"


def test_what_two_programs_index_of_the_same_seconds_stands_in_its_order_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "_PER_SECOND", 2)
    fields = dict.fromkeys(("body", "subject", "sender", "recipients", "files", "attached", "place"), "a")
    one, other = index_file.File(tmp_path / "search.db"), index_file.File(tmp_path / "search.db")
    for number in range(1, 40, 4):
        second = number % 3
        one.put([(second, number, fields, 0), (second, number + 1, fields, 0)], number)
        other.put([(second, number + 2, fields, 0), (1, number + 3, fields, 0)], number + 3)
    with sqlite3.connect(tmp_path / "search.db") as db:
        rows = db.execute("SELECT rowid, message FROM doc ORDER BY rowid").fetchall()
    assert sorted(number for _, number in rows) == [*range(1, 41)]
    assert [rowid for rowid, _ in rows] == [*range(40)]
    for file in (one, other):
        file.close()


def test_a_very_long_page_is_whole(cabinet: Cabinet) -> None:
    for number in range(260):
        cabinet.keep(f"Nummer {number}")
    everything_is_indexed()
    assert len(find(cabinet.actor.reach, "nummer ", 100_000, None).items) == 260


@pytest.mark.parametrize("query", ["", " ", "-", '"', "***", "( OR NOT", "von:", '"" -""', "NEAR(a b)", "{subject}:x", "\0", "a" * 5000, "ist:ungelesen -x"])  # fmt: skip
def test_any_query_is_answered(cabinet: Cabinet, query: str) -> None:
    cabinet.keep("Eins")
    for ranked in (False, True):
        cabinet.found(query, ranked=ranked)


def test_nothing_is_found_where_nothing_was_indexed(cabinet: Cabinet) -> None:
    assert settings.POSTSTELLE.home == index.file().parent
    assert find(cabinet.actor.reach, "irgendwas", 5, None).items == []


@pytest.mark.parametrize("others", [0, 30])
@pytest.mark.parametrize("worth", [0, 0.001, 1000])
def test_a_word_being_typed_finds_what_goes_on_from_it_whether_much_begins_so_or_little(
    cabinet: Cabinet, others: int, worth: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether it is worth looking into messages depends on how many there are: always, where many begin so, never.
    monkeypatch.setattr(search, "_WORTH", worth)
    subjects = ["Brücke", "Brücken_tag", "Die Bruckner-Gesellschaft", "Eisenbahnbrücke", "Abbruck"]
    for subject in subjects:
        cabinet.keep(subject, "Brot und Brust")
    for number in range(others):
        cabinet.keep(f"Bruder {number}")
    for ranked in (False, True):
        found = cabinet.found("brück", ranked=ranked)
        assert sorted(found) == sorted(one for one in subjects if one != "Abbruck"), ranked
    assert cabinet.found("abb") == cabinet.found("abbru") == ["Abbruck"]
    assert sorted(cabinet.found("brus")) == sorted(subjects)
