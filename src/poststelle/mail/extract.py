"""The words of attached files, for the index: PDF, the office formats, Rich Text, web pages, plain text, mail in mail.

Law: bytes in, text out, bounded in what is unpacked (RELIABILITY Q68) and in what comes out; a file that is broken or too much
raises `Unreadable` and nothing else, as far as Python can promise. PDF is read by a C++ library: run this only in a process that
may die (`run.extractor`).

This module opens nothing: no file, no socket.
"""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from xml.parsers import expat

import pypdfium2

from poststelle.mail import charset, html, rtf
from poststelle.mail.enclosures import Enclosure, enclosures
from poststelle.mail.message import ParsedMessage, Raw, body_text, nested, parse

MAX_TEXT = 500_000
MAX_PAGES = 2_000
MAX_ENTRIES = 10_000
MAX_UNPACKED = 1 << 30
MAX_RATIO = 100
MAX_FILES = 500
_MAX_DEPTH = 3
_LARGEST = 64 << 20
_SMALL = 10 << 20
_MAX_NESTING = 1_000
_CHUNK = 1 << 16


class Unreadable(Exception):
    """The file cannot be read: broken, encrypted, or more than is unpacked here."""


class _Enough(Exception):
    """As much text as anybody will look for."""


@dataclass(frozen=True, slots=True)
class _Markup:
    """How the text lies in one kind of XML: the elements that hold it (None: all), and those that end a line or a cell."""

    holders: frozenset[str] | None
    lines: frozenset[str]
    cells: frozenset[str] = frozenset()


_WORD = _Markup(frozenset({"t", "delText"}), frozenset({"p", "br", "cr"}), frozenset({"tab", "tc"}))
_SHEET = _Markup(frozenset({"t", "v"}), frozenset({"row", "si"}), frozenset({"c"}))
_OPEN = _Markup(None, frozenset({"p", "h", "table-row", "line-break"}), frozenset({"table-cell", "tab", "s"}))

# Which entries of a zip hold the text, and how; the first pattern found tells what kind of file it is.
_OFFICE: tuple[tuple[re.Pattern[str], _Markup], ...] = (
    (re.compile(r"word/(?:document|header\d*|footer\d*|footnotes|endnotes|comments)\.xml"), _WORD),
    (re.compile(r"ppt/(?:slides/slide|notesSlides/notesSlide|comments/comment)\d*\.xml"), _WORD),
    (re.compile(r"xl/(?:sharedStrings|comments\d*|worksheets/sheet\d+)\.xml"), _SHEET),
    (re.compile(r"content\.xml"), _OPEN),
)


def files(raw: Raw) -> Iterator[Enclosure]:
    """The files of a message and of the messages within it, as far as they are worth reading."""
    count = 0
    for inner, parsed in _messages(raw, parse(raw), 0):
        for file in enclosures(inner, parsed):
            if not file.is_envelope and not file.is_inline:
                yield file
                count += 1
            if count >= MAX_FILES:
                return


def _messages(raw: Raw, parsed: ParsedMessage, depth: int) -> Iterator[tuple[Raw, ParsedMessage]]:
    yield raw, parsed
    if depth < _MAX_DEPTH:
        for inner, message in nested(raw, parsed):
            yield from _messages(inner, message, depth + 1)


def text_of(name: str, content_type: str, data: bytes) -> str:
    """The words of a file, at most about `MAX_TEXT` characters; "" where there are none. Raises Unreadable."""
    if len(data) > _LARGEST:
        raise Unreadable("too big")
    read = _reader_of(name, content_type, data)
    if read is None:
        return ""
    try:
        return read(data)[:MAX_TEXT]
    except Unreadable:
        raise
    except (ValueError, KeyError, OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile, expat.ExpatError) as error:  # fmt: skip
        raise Unreadable(type(error).__name__) from error


def _reader_of(name: str, content_type: str, data: bytes) -> Callable[[bytes], str] | None:
    """By the bytes where they tell, else by name and type: what a file claims to be is often wrong."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"%PDF-" in head:
        return _pdf
    if head.startswith(b"PK\x03\x04"):
        return _office
    if head.startswith(b"{\\rtf"):
        return rtf.text_of
    ending = name.rpartition(".")[2].lower()
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    return _BY_TYPE.get(content_type) or (_plain if content_type.startswith("text/") else None)


def _pdf(data: bytes) -> str:
    document = pypdfium2.PdfDocument(data)
    try:
        pieces: list[str] = []
        size = 0
        for number in range(min(len(document), MAX_PAGES)):
            page = document[number]
            words = page.get_textpage()
            pieces.append(words.get_text_bounded().replace("\r\n", "\n"))
            words.close()
            page.close()
            size += len(pieces[-1])
            if size > MAX_TEXT:
                break
        return "\n".join(pieces)
    finally:
        document.close()


def _office(data: bytes) -> str:
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED or unpacked > max(_SMALL, MAX_RATIO * len(data)):
        raise Unreadable("too much in it")
    budget = min(MAX_UNPACKED, max(_SMALL, MAX_RATIO * len(data)))
    collected = _Collected()
    try:
        for pattern, markup in _OFFICE:
            for entry in sorted(entries, key=lambda entry: (len(entry.filename), entry.filename)):
                if pattern.fullmatch(entry.filename):
                    with archive.open(entry) as opened:
                        budget -= _read_markup(opened, markup, collected, budget)
    except _Enough:
        pass
    return collected.text


class _Collected:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > MAX_TEXT:
            raise _Enough


def _read_markup(source: object, markup: _Markup, collected: _Collected, budget: int) -> int:
    """The text of one entry; how many bytes it had unpacked. What the archive says of its sizes is not believed."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    open_: list[str] = []
    skipped = 0

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal skipped
        local = name.rpartition(" ")[2]
        open_.append(local)
        if len(open_) > _MAX_NESTING:
            raise Unreadable("nested too deep")
        # A shared string's number is no word.
        skipped += local == "c" and attributes.get("t") == "s"

    def end(name: str) -> None:
        nonlocal skipped
        local = name.rpartition(" ")[2]
        open_.pop()
        if local == "c":
            skipped = 0
        if local in markup.lines:
            collected.add("\n")
        elif local in markup.cells:
            collected.add("\t")

    def text(data: str) -> None:
        if not skipped and (markup.holders is None or (open_ and open_[-1] in markup.holders)):
            collected.add(data)

    def refuse(*_: object) -> None:
        raise Unreadable("document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    # No entities, so none that grow (RELIABILITY Q54).
    parser.StartDoctypeDeclHandler = refuse
    size = 0
    read: Callable[[int], bytes] = source.read  # type: ignore[attr-defined]
    while piece := read(_CHUNK):
        size += len(piece)
        if size > budget:
            raise Unreadable("too much in it")
        parser.Parse(piece, False)
    parser.Parse(b"", True)
    return size


def _page(data: bytes) -> str:
    return html.text_of(charset.decode(data[: 8 * MAX_TEXT]))


def _plain(data: bytes) -> str:
    return charset.decode(data[: 4 * MAX_TEXT])


def _markup(data: bytes) -> str:
    collected = _Collected()
    with contextlib.suppress(_Enough):
        _read_markup(io.BytesIO(data), _Markup(None, frozenset({"p"})), collected, len(data))
    return collected.text


def _mail(data: bytes) -> str:
    parsed = parse(data)
    return f"{parsed.subject}\n{body_text(data, parsed, MAX_TEXT)}"


_BY_ENDING: Mapping[str, Callable[[bytes], str]] = {
    "htm": _page, "html": _page, "xhtml": _page, "txt": _plain, "csv": _plain, "tsv": _plain, "md": _plain, "log": _plain,
    "json": _plain, "ics": _plain, "xml": _markup, "eml": _mail,
}  # fmt: skip
_BY_TYPE: Mapping[str, Callable[[bytes], str]] = {
    "text/html": _page, "application/xhtml+xml": _page, "application/xml": _markup, "text/xml": _markup, "application/json": _plain,
}  # fmt: skip
