"""The words of attached files; files that only pretend are refused in time."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poststelle.mail.extract import MAX_TEXT, Unreadable, files, text_of
from tests.mail.papers import a_docx, a_pdf, a_sheet, a_slide, an_odt, zipped

UNKNOWN = "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.pdf", a_pdf("Mahnung"), "Mahnung"),
        ("a.docx", a_docx("Mahnung", "zwei"), "Mahnung\nzwei"),
        ("a.xlsx", a_sheet("Mahnung"), "Mahnung\n4711.5"),
        ("a.pptx", a_slide("Mahnung"), "Mahnung"),
        ("a.odt", an_odt("Mahnung"), "Mahnung\tEnde"),
        ("a.rtf", rb"{\rtf1 Mahnung\par zwei}", "Mahnung\nzwei"),
        ("a.htm", b"<style>x{}</style><p>Mahnung", "Mahnung"),
        ("a.xml", b"<a b='c'><p>Mahnung</p></a>", "Mahnung"),
        ("a.txt", "Mahnung über".encode("cp1252"), "Mahnung über"),
        ("a.exe", b"MZ\x00Mahnung", ""),
        ("kein Ende", a_docx("Mahnung"), "Mahnung"),
    ],
)
def test_the_words_of_a_file_are_read_whatever_it_is_called(name: str, data: bytes, text: str) -> None:
    read = text_of(name, UNKNOWN, data)
    assert (
        "\n".join(" ".join(line.split()) if "\t" not in text else line for line in read.split("\n") if line.strip())
        == text
    )


def a_bomb() -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as opened:
        opened.write(b"<w>")
        for _ in range(400):
            opened.write(b"<t>" + b"a" * (1 << 18) + b"</t>")
    return into.getvalue()


def a_liar() -> bytes:
    """A bomb that says in its directory that it is small."""
    data = bytearray(a_bomb())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.infolist()[0].file_size
    for at in (data.find(size.to_bytes(4, "little")), data.rfind(size.to_bytes(4, "little"))):
        data[at : at + 4] = (1000).to_bytes(4, "little")
    return bytes(data)


LAUGHS = b'<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><w><t>&c;</t></w>'


@pytest.mark.parametrize(
    "data",
    [
        a_bomb(),
        zipped(word__document=LAUGHS),
        zipped(word__document=b"<a>" * 5_000),
        zipped(word__document="<nie zu Ende"),
        a_docx("x")[:-30],
        b"%PDF-1.4 und sonst nichts",
        zipped(**{f"n{number}": "" for number in range(10_001)}),
    ],
    ids=["bomb", "entities", "deep", "broken xml", "cut zip", "no pdf", "many entries"],
)
def test_a_file_that_is_too_much_or_broken_is_refused_in_time(data: bytes) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable):
        text_of("a", UNKNOWN, data)
    assert time.process_time() - began < 5


def test_an_archive_that_lies_about_its_size_gains_nothing() -> None:
    with contextlib.suppress(Unreadable):
        assert len(text_of("a.docx", UNKNOWN, a_liar())) <= MAX_TEXT


def test_only_so_much_text_is_kept() -> None:
    assert len(text_of("a.docx", UNKNOWN, a_docx(*(f"Absatz {number}" for number in range(90_000))))) <= MAX_TEXT
    assert len(text_of("a.txt", UNKNOWN, b"a " * MAX_TEXT)) <= MAX_TEXT


def test_files_within_messages_within_are_read_too() -> None:
    inner = b"Content-Type: text/csv; name=a.csv\nContent-Disposition: attachment\n\nspalte\n"
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--\n"
    assert [file.name for file in files(raw)] == ["", "a.csv"]


PAPERS = [a_docx("x"), a_pdf("x"), an_odt("y"), a_sheet("z")]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PAPERS),
    st.integers(0, 2_000),
    st.binary(max_size=12),
    st.sampled_from(["a.pdf", "a.xml", "a.eml", "a"]),
)
def test_a_damaged_file_is_read_or_refused(paper: bytes, at: int, patch: bytes, name: str) -> None:
    for data in (paper[:at] + patch + paper[at + len(patch) :], patch):
        with contextlib.suppress(Unreadable):
            text_of(name, UNKNOWN, data).encode("utf-8")
