"""One thing a stranger sent is looked at by one process, and whatever it does there stays there."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from poststelle.mail.opened import UNREADABLE, opened
from poststelle.office import cells
from tests.builders import a_letter
from tests.mail.papers import a_docx, a_picture, blank_pages
from tests.run import doomed_cell

INVITATION = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Tag\r\nDTSTART;VALUE=DATE:20260303\r\nEND:VEVENT\r\nBEGIN:VEVENT"
    b"\r\nUID:2\r\nSUMMARY:Stunde\r\nDTSTART;TZID=Europe/Berlin:20260303T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Cells as the office asks them, of a kind that does not live long."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    settings.CELLS = "tests.run.doomed_cell.ask"
    yield
    doomed_cell.warden.close()


def size_of(picture: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture)).size


def test_a_cell_says_what_reading_here_would_say() -> None:
    raws = [
        a_letter("Größe", "Hallo\n" * 100, html="<p>Hallo</p>", attachments=[("a.ics", "text/calendar", INVITATION)]),
        a_letter(headers={"Authentication-Results": "mx.amt.test; dmarc=fail header.from=kunde.test"}),
        b"",
        b"\xff\x00\r\n\r\n",
    ]
    for raw in raws:
        assert cells.opened(raw, ["amt.test"]) == opened(raw, ["amt.test"])


def test_files_come_one_by_one_and_all_at_once() -> None:
    raw = a_letter(attachments=[("a.txt", "text/plain", b"1" * 100_000), ("", "image/png", b"\0\xff")])
    assert cells.file(raw, 1) == ("", "image/png", b"\0\xff")
    assert [(name, len(data)) for name, _, data in cells.files(raw)] == [("a.txt", 100_000), ("", 2)]
    assert cells.words("b.docx", "", a_docx("Vorkaufsrecht")) == "Vorkaufsrecht\n"


def test_what_comes_back_can_always_be_written() -> None:
    told = cells.opened(b"Subject: =?utf-8?q?=ED=A0=80?=\r\nX-A: \xed\xa0\x80\r\n\r\n\xed\xa0\x80")
    assert all(text.encode() for text in (told.subject, told.text, told.headers[1][1]))


@pytest.mark.parametrize("fate", ["poison", "memory", "sleep"])
def test_a_message_too_much_for_its_reader_costs_itself_only(poisoned: None, fate: str) -> None:
    assert cells.opened(a_letter("Eins", fate)) == UNREADABLE
    assert cells.opened(a_letter("Zwei")).subject == "Zwei"


def test_while_one_reader_sleeps_others_read(poisoned: None) -> None:
    assert cells.opened(a_letter("Vorher")).subject == "Vorher"
    asleep = threading.Thread(target=cells.opened, args=(a_letter("", "sleep"),))
    asleep.start()
    assert cells.opened(a_letter("Zwei")).subject == "Zwei"
    assert asleep.is_alive()
    asleep.join()


def test_a_reader_reaches_no_file_no_socket_and_no_other_process(poisoned: None) -> None:
    assert cells.opened(a_letter("", "escape")).text == ""


def test_the_next_question_is_answered_when_the_warden_has_gone(poisoned: None) -> None:
    assert cells.opened(a_letter("Eins")).subject == "Eins"
    assert doomed_cell.warden._process is not None
    doomed_cell.warden._process.kill()
    doomed_cell.warden._process.wait()
    assert cells.opened(a_letter("Zwei")).subject == "Zwei"


def test_a_picture_is_made_again_no_larger_than_asked_for() -> None:
    assert size_of(cells.picture(a_picture("JPEG", (4000, 1000)), 1000)) == (1000, 250)
    assert size_of(cells.picture(a_picture("PNG", (400, 100)), 1000)) == (400, 100)
    assert cells.picture(a_picture("PNG", (6000, 5000)), 1000) == b""
    assert cells.picture(b"<svg/>") == b""
    assert b"EVIL" not in cells.picture(a_picture("GIF", (3, 3)) + b"EVIL")


def test_pages_of_a_pdf_are_drawn_one_by_one_in_bounded_size() -> None:
    pdf = blank_pages(3)
    first, last = cells.page(pdf, 0), cells.page(pdf, 2)
    assert (first[1], last[1]) == (3, 3)
    assert max(size_of(first[0])) == max(size_of(last[0])) == 1400
    assert cells.page(pdf, 3) == (b"", 0)
    assert cells.page(b"%PDF-1.7 broken", 0) == (b"", 0)
