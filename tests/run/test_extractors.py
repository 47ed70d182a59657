"""What is attached is opened elsewhere, with nothing in reach, and costs at most itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from poststelle.run import extractors
from poststelle.run.extractors import Extractor
from tests.builders import a_letter
from tests.mail.papers import a_docx, a_pdf, a_sheet, an_odt

DOOMED = "tests.run.doomed_extractor"
TEXT = "text/plain"


@pytest.fixture
def extractor() -> Iterator[Extractor]:
    made = Extractor()
    yield made
    made.stop()


@pytest.fixture
def doomed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Extractor]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    made = Extractor(DOOMED)
    yield made
    made.stop()


def with_files(*files: tuple[str, str, bytes]) -> bytes:
    return a_letter("Unterlagen", "anbei", attachments=files)


def test_every_kind_of_paper_is_read_in_the_confined_process(extractor: Extractor) -> None:
    papers = [
        ("a.pdf", "application/pdf", a_pdf("Pachtvertrag")),
        ("b.docx", "application/octet-stream", a_docx("Vollmacht")),
        ("c.xlsx", "application/octet-stream", a_sheet("Kostenstelle")),
        ("d.odt", "application/octet-stream", an_odt("Satzung")),
        ("e.rtf", "application/rtf", rb"{\rtf1\ansi Verf\'fcgung}"),
        ("f.html", "application/octet-stream", b"<p>Bekanntmachung</p>"),
        ("g.csv", "application/octet-stream", "Straße;Ort".encode("cp1252")),
        ("h.eml", "application/octet-stream", a_letter("Widerspruch", "fristgerecht")),
    ]
    words, complete = extractor.read(with_files(*papers))
    assert complete
    for word in (
        "Pachtvertrag",
        "Vollmacht",
        "Kostenstelle",
        "Satzung",
        "Verfügung",
        "Bekanntmachung",
        "Straße",
        "fristgerecht",
    ):
        assert word in words, word
    assert extractor.read(with_files(papers[0])) == extractor.read(with_files(papers[0]))


def test_a_file_that_kills_the_process_costs_only_its_own_words(doomed: Extractor) -> None:
    raw = with_files(("a.txt", TEXT, b"eins"), ("b.txt", TEXT, b"poison"), ("c.txt", TEXT, b"drei"))
    assert doomed.read(raw) == ("eins\ndrei", False)
    assert doomed.read(with_files(("a.txt", TEXT, b"vier"))) == ("vier", True)


def test_a_file_nobody_finishes_is_given_up(doomed: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed.read(with_files(("a.txt", TEXT, b"warm")))
    monkeypatch.setattr(extractors, "SECONDS_PER_FILE", 0.5)
    monkeypatch.setattr(extractors, "_STARTING_SECONDS", 20.0)
    assert doomed.read(with_files(("a.txt", TEXT, b"sleep"), ("b.txt", TEXT, b"zwei"))) == ("zwei", False)


def test_a_message_of_killers_is_given_up_after_a_few(doomed: Extractor) -> None:
    raw = with_files(*[(f"{number}.txt", TEXT, b"poison") for number in range(50)])
    assert doomed.read(raw) == ("", False)


def test_more_memory_than_allowed_is_refused_and_reading_goes_on(doomed: Extractor) -> None:
    assert doomed.read(with_files(("a.txt", TEXT, b"memory"), ("b.txt", TEXT, b"zwei"))) == ("zwei", False)


def test_neither_network_nor_files_are_in_reach(doomed: Extractor) -> None:
    assert doomed.read(with_files(("a.txt", TEXT, b"escape"))) == ("", True)


def test_stopping_ends_what_is_being_read(doomed: Extractor) -> None:
    threading.Timer(2.0, doomed.stop).start()
    began = time.monotonic()
    _, complete = doomed.read(with_files(("a.txt", TEXT, b"sleep")))
    assert not complete
    assert time.monotonic() - began < 10
