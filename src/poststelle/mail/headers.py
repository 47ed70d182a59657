"""Header fields of a message or part: splitting, unfolding, decoding (RFC 5322, 2045, 2047, 2231).

Law: tolerant and linear. Wrong encodings are read the way their writers meant them; what cannot be read stays as it stands.
Nothing here raises on any bytes. Decoded text is one line without control characters and without bidirectional overrides,
fit to be shown.

This module does not know addresses, MIME structure or how headers are written (`mail.compose`).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from poststelle.mail import charset

MAX_FIELDS = 10_000
MAX_PARAMETERS = 1_000
MAX_WORDS = 10_000
MAX_IDS = 10_000
MAX_ID_LENGTH = 998

# Possessive quantifiers (++, *+) keep these linear: nothing is ever tried twice.
_FIELD = re.compile(r"^([!-9;-~]++)[ \t]*+:(.*+(?:\n[ \t].*+)*+)", re.M)
_STRAY = re.compile(r"\A[ \t]|^(?![!-9;-~]++[ \t]*+:|[ \t\r]|\Z)", re.M)
_BLANKS = " \t\n\r\x0b\x0c"
_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*+)\?=")
_BASE64 = re.compile(rb"[A-Za-z0-9+/ ]*+=*+ *+")
_PARAMETER = re.compile(r";\s*+([^\s=;\"]++)\s*+=\s*+(\"[^\"\\]*+(?:\\.[^\"\\]*+)*+(?:\"|\\?\Z)|[^;]*+)", re.S)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,6}))?(\*)?")
_NOISE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[!-~\xa0-\u1fff]+(?: [!-~\xa0-\u1fff]+)*+")
_ID = re.compile(r"<([^<>]*+)>")


class Headers:
    """The fields of one header in their order: iterates as (name as written, raw value with its folds)."""

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        """Values are given byte for byte, as ISO 8859-1 reads them."""
        self._fields = fields
        # Backwards, so that the first of a name stays.
        self._index = {name.lower(): value for name, value in reversed(fields)}

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return ((name, value.encode("latin-1")) for name, value in self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]

    def raw(self, name: str) -> str:
        """The first such field unfolded, encoded words left as they stand; "" when there is none. Names know no case."""
        value = self._index.get(name.lower())
        return "" if value is None else _unfolded(value)

    def get(self, name: str) -> str:
        """The first such field as text to be shown; "" when there is none."""
        return decode_words(self.raw(name))

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every such field as text to be shown, in order."""
        name = name.lower()
        return tuple(decode_words(_unfolded(value)) for field, value in self._fields if field.lower() == name)


def split(block: bytes) -> tuple[Headers, int, list[str]]:
    """The fields of a header block, where its body begins when lines that are no fields follow, and defects.

    The offset is `len(block)` where the whole block is header. One stray line between fields is passed over; stray lines
    at the start or at the end are the body (somebody forgot the blank line).
    """
    text = block.decode("latin-1")
    if "\n" not in text and "\r" in text[:-1]:
        # Same length, so that offsets hold. Among LF lines a lone CR ends no line: that would let a value forge the next field.
        return _split_with_strays(text, text.replace("\r", "\n"))
    found = _FIELD.findall(text)
    every_line = len(found) + text.count("\n ") + text.count("\n\t") == text.count("\n") + 1
    if not every_line and _STRAY.search(text):
        return _split_with_strays(text, text)
    defects = ["too-many-fields"] if len(found) > MAX_FIELDS else []
    return Headers(found[:MAX_FIELDS]), len(block), defects


def _split_with_strays(block: str, lines: str) -> tuple[Headers, int, list[str]]:
    """The same, field by field. `lines` is the block as long as it is, its lines ended by LF."""
    defects: list[str] = []
    fields: list[tuple[str, str]] = []
    reached = 0
    for match in _FIELD.finditer(lines):
        start = match.start()
        if start > reached:
            if not fields and lines[reached] not in " \t":
                break
            if lines[reached:start].strip(_BLANKS):
                defects.append("stray-header-line")
        if len(fields) == MAX_FIELDS:
            defects.append("too-many-fields")
            return Headers(fields), len(block), defects
        fields.append((match[1], block[match.start(2) : match.end(2)]))
        reached = match.end() + 1
    if lines[reached:].strip(_BLANKS):
        defects.append("no-blank-line")
        return Headers(fields), reached, defects
    return Headers(fields), len(block), defects


def unfold(value: bytes) -> str:
    """A raw field value as one line of text: UTF-8 if it is (RFC 6532), else windows-1252; controls become blanks."""
    return _unfolded(value.decode("latin-1"))


def _unfolded(value: str) -> str:
    if not value.isascii():
        return clean(charset.decode(value.strip(_BLANKS).encode("latin-1")))
    line = " ".join(value.split())
    return line if line.isprintable() else clean(value)


def clean(text: str) -> str:
    """One line fit to be shown: runs of blanks and control characters become one blank, bidirectional overrides vanish."""
    if text.isprintable():
        return " ".join(text.split())
    if _PLAIN.fullmatch(text):
        return text
    return _NOISE.sub(" ", _BIDI.sub("", text)).strip()


def decode_words(text: str) -> str:
    """The text with its encoded words read (RFC 2047), also glued to other text, split inside a character, or in quotes."""
    if "=?" not in text:
        return text
    pieces: list[str] = []
    run: list[bytes] = []
    run_label = letters = ""
    reached = 0
    for count, match in enumerate(_WORD.finditer(text)):
        label = match[1].partition("*")[0].lower()
        between = text[reached : match.start()]
        adjacent = bool(run) and not between.strip()
        data = _word_bytes(match[2], match[3]) if count < MAX_WORDS else None
        if data is None and adjacent and letters:
            # Base64 cut within a group of four: useless alone, sound together with the word before.
            data = _word_bytes("b", letters + match[3])
            run[-1:] = [] if data is not None else run[-1:]
        if data is None:
            continue
        if not adjacent or label != run_label:
            if run:
                pieces.append(charset.decode(b"".join(run), run_label))
            if not adjacent:
                pieces.append(between)
            run, run_label = [], label
        run.append(data)
        letters = match[3].rstrip("= ") if match[2] in "bB" else ""
        reached = match.end()
    pieces += charset.decode(b"".join(run), run_label), text[reached:]
    return clean("".join(pieces))


def _word_bytes(encoding: str, text: str) -> bytes | None:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    if not _BASE64.fullmatch(data):
        return None
    try:
        return binascii.a2b_base64(data.rstrip(b"= ") + b"==")
    except binascii.Error:
        return None


def parameters(value: str) -> tuple[str, dict[str, str], bool]:
    """The value before the first `;` in lower case, its parameters by lower-case name, and whether there were too many.

    Reads RFC 2231 continuations in any order, percent encodings with or without charset, and encoded words where none belong.
    """
    head, semicolon, _ = value.partition(";")
    found: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    overflow = False
    for count, match in enumerate(_PARAMETER.finditer(value, len(head)) if semicolon else ()):
        if count == MAX_PARAMETERS:
            overflow = True
            break
        name, text = match[1].lower(), match[2].strip()
        if text[:1] == '"':
            text = text[1:-1] if len(text) > 1 and text[-1] == '"' else text[1:]
            if "\\" in text:
                text = text.replace('\\"', '"').replace("\\\\", "\\")
        section = _SECTION.fullmatch(name) if "*" in name else None
        if section:
            number = int(section[2]) if section[2] else 0
            sections.setdefault(section[1], {}).setdefault(number, (text, bool(section[3])))
        else:
            found.setdefault(name, decode_words(text))
    for name, numbered in sections.items():
        found[name] = _joined([numbered[number] for number in sorted(numbered)])
    return head.strip().lower(), found, overflow


def _joined(pieces: list[tuple[str, bool]]) -> str:
    label = ""
    first, encoded = pieces[0]
    if encoded and first.count("'") >= 2:
        label, _, first = first.split("'", 2)
        pieces[0] = (first, True)
    if not any(encoded for _, encoded in pieces):
        return decode_words("".join(text for text, _ in pieces))
    data = b"".join(unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace") for text, encoded in pieces)
    return decode_words(clean(charset.decode(data, label)))


def message_ids(value: str) -> tuple[str, ...]:
    """The message identifiers of a field without their brackets, in order and once each (RFC 5322 section 3.6.4)."""
    if "<" not in value:
        return ()
    found: dict[str, None] = {}
    for match in _ID.finditer(value):
        identifier = match[1].replace(" ", "")
        if identifier and len(identifier) <= MAX_ID_LENGTH:
            found[identifier] = None
        if len(found) == MAX_IDS:
            break
    return tuple(found)


_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
    "mär": 3, "mrz": 3, "mai": 5, "okt": 10, "dez": 12,
}  # fmt: skip
_TIME = r"([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?"
_DATE = re.compile(
    rf"([0-9]{{1,2}})[\s.-]{{1,3}}([A-Za-zä]{{3}})[A-Za-zä]*[\s.,-]{{1,3}}([0-9]{{2,4}}),?\s+{_TIME}\s*([+-]\s?[0-9]{{4}}|[A-Za-z]+)?"
)
_ASCTIME = re.compile(rf"([A-Za-z]{{3}})\s+([0-9]{{1,2}}),?\s+{_TIME}\s+(?:([+-][0-9]{{4}}|[A-Z]+)\s+)?([0-9]{{4}})")
_ISO = re.compile(rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})[T ]{_TIME}(?:\.[0-9]+)?\s*(Z|[+-][0-9][0-9]:?[0-9][0-9])?")
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "MET": 1, "CET": 1,
          "MEZ": 1, "CEST": 2, "MEST": 2, "MESZ": 2, "EET": 2, "EEST": 3, "BST": 1, "JST": 9}  # fmt: skip


def date(value: str) -> datetime | None:
    """A date field as an aware time in UTC (RFC 5322 section 3.3 with its old forms, asctime, ISO 8601); None if it is none."""
    value = value[:200]
    if match := _DATE.search(value):
        day, month_name, year, hour, minute, second, zone = match.groups()
    elif match := _ASCTIME.search(value):
        month_name, day, hour, minute, second, zone, year = match.groups()
    elif match := _ISO.search(value):
        year, month_name, day, hour, minute, second, zone = match.groups()
    else:
        return None
    month = int(month_name) if month_name.isdigit() else _MONTHS.get(month_name.lower())
    if month is None:
        return None
    try:
        moment = datetime(
            _year(year), month, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=_zone(zone)
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(text) == 3 else year


@lru_cache(100)
def _zone(text: str | None) -> timezone:
    if text and text[0] in "+-":
        digits = re.sub(r"\D", "", text)
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return timezone(-offset if text[0] == "-" else offset)
    return timezone(timedelta(hours=_ZONES.get((text or "").upper(), 0)))
