"""A file of a mail is handed out under a name any system takes, as something that cannot run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail.files import dangers, named, safe_name, safe_type


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("../../../../etc/passwd", "passwd"),
        ("C:\\boot.ini", "boot.ini"),
        ("..", "file"),
        ("", "file"),
        ("   .txt", "txt"),
        ("x.txt\0.exe", "x.txt.exe"),
        ("PRN.pdf", "file_PRN.pdf"),
        ("x. ", "x"),
        ("Rechnung\u202efdp.exe", "Rechnungfdp.exe"),
        ("Größe 1.png", "Größe 1.png"),
        ("a\r\nb.txt", "ab.txt"),
        ('x"; filename="y.exe', "x_; filename=_y.exe"),
    ],
)
def test_a_hostile_name_becomes_a_harmless_one(sent: str, told: str) -> None:
    assert safe_name(sent) == told


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("ä" * 400 + ".pdf").endswith("ä.pdf")


@given(st.text(max_size=600))
def test_no_name_breaks_a_file_system_or_a_header(sent: str) -> None:
    told = safe_name(sent)
    assert told not in {"", ".", ".."}
    assert len(told.encode()) <= 255
    assert all(letter.isspace() or letter.isprintable() for letter in told)
    assert not set(told) & set('/\\\0\r\n<>:"|?*')


@pytest.mark.parametrize("claimed", ["text/html", "image/svg+xml", "application/xhtml+xml", "nonsense", ""])
def test_what_could_run_loses_its_type(claimed: str) -> None:
    assert safe_type(claimed) == "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("Rechnung.pdf", "application/pdf", ()),
        ("Brief.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ()),
        ("README", "text/plain", ()),
        ("v1.2.3.txt", "text/plain", ()),
        ("setup.EXE", "application/pdf", ("program",)),
        ("Rechnung.pdf.exe", "application/pdf", ("program", "disguised")),
        ("Rechnung.pdf     .js", "text/plain", ("program", "disguised")),
        ("Rechnung\u202efdp.exe", "application/pdf", ("program", "disguised")),
        ("x.txt\0.scr", "text/plain", ("program", "disguised")),
        ("Angebot.docm", "application/pdf", ("macros",)),
        ("login.html", "text/plain", ("page",)),
        ("bild.png", "image/svg+xml", ("page",)),
        ("Rechnung.pdf.html", "text/html", ("page", "disguised")),
        ("Lieferung.iso", "application/octet-stream", ("container",)),
        ("a/b/c.lnk ", "application/octet-stream", ("program",)),
    ],
)
def test_a_file_that_could_do_harm_says_how(name: str, content_type: str, expected: tuple[str, ...]) -> None:
    assert dangers(name, content_type) == expected


@pytest.mark.parametrize(
    ("name", "content_type", "told"),
    [("Plan.pdf", "text/calendar", "Plan.pdf"), ("", "text/calendar", "file.ics"), ("", "message/rfc822", "file.eml"), ("", "x/y", "file")],
)  # fmt: skip
def test_a_file_without_a_name_tells_what_it_is(name: str, content_type: str, told: str) -> None:
    assert named(name, content_type) == told
