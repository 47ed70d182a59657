"""Account documents as a table (CSV, RFC 4180): one line a mailbox, one column a field by its dotted path.

What a spreadsheet would take for a formula is written as text with a leading apostrophe (RELIABILITY Q75) and read back exactly.
Lists are JSON in their cell; an empty cell says nothing. Nothing of a cell is ever repeated in an error: it may be a password.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from poststelle.errors import Invalid

MOST_LINES = 5000
MOST_BYTES = 10 << 20
_TEXT = (
    "label", "address", "display_name", "kind", "scope", "owner", "organisation", "reply_to", "incoming.protocol",
    "incoming.host", "incoming.encryption", "incoming.minimum_tls", "incoming.certificate.mode",
    "incoming.certificate.fingerprint", "incoming.certificate.key", "incoming.certificate.name", "incoming.certificate.until",
    "incoming.exception_reason",
    "outgoing.server", "outgoing.protocol", "outgoing.host", "outgoing.encryption", "outgoing.minimum_tls",
    "outgoing.certificate.mode", "outgoing.certificate.fingerprint", "outgoing.certificate.key", "outgoing.certificate.name",
    "outgoing.certificate.until", "outgoing.exception_reason", "outgoing.authentication", "outgoing.login.username", "outgoing.login.mechanism",
    "outgoing.login.domain", "outgoing.login.login", "login.login", "login.username", "login.mechanism", "login.domain",
    "receiving.since", "receiving.after_import", "sending.sent_copy", "sending.sent_folder", "signature.text",
    "signature.html", "signature.template", "receiving.files_for", "sending.files_for",
)  # fmt: skip
_SECRETS = ("login.password", "outgoing.login.password")
_NUMBERS = frozenset({"incoming.port", "outgoing.port", "receiving.interval_minutes", "receiving.after_days"})
_SWITCHES = frozenset(
    {
        "office_account", "active", "incoming.plain_text_allowed", "outgoing.plain_text_allowed", "receiving.included",
        "receiving.automatic", "receiving.push", "receiving.background", "receiving.subscribed_only", "receiving.all_folders",
        "receiving.inbox_is_root", "sending.included", "signature.not_on_replies", "login.by_owner", "outgoing.login.by_owner",
    }
)  # fmt: skip
_LISTS = frozenset({"identities", "grants"})
COLUMNS: Sequence[str] = (
    *_TEXT,
    *sorted(_NUMBERS),
    *sorted(_SWITCHES - {"login.by_owner", "outgoing.login.by_owner"}),
    *sorted(_LISTS),
)
"""The columns of an export, in order."""
KNOWN = frozenset({*_TEXT, *_SECRETS, *_NUMBERS, *_SWITCHES, *_LISTS})

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_YES, _NO = frozenset({"true", "1", "yes", "ja", "wahr"}), frozenset({"false", "0", "no", "nein", "falsch"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number in the file (the header is 1), the document it makes, and what is wrong with cells, by column."""

    number: int
    document: Mapping[str, object] = field(repr=False)
    wrong: Mapping[str, str]


def safe(text: str) -> str:
    """The text as a spreadsheet takes it for text."""
    return f"'{text}" if _FORMULA.match(text) else text


def write(documents: Iterable[Mapping[str, object]]) -> str:
    """The table, with a byte order mark so that spreadsheets read it as UTF-8; every cell quoted. Secrets have no column."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for document in documents:
        writer.writerow([safe(_cell(_at(document, column))) for column in COLUMNS])
    return f"\ufeff{out.getvalue()}"


def read(data: bytes) -> list[Line]:
    """The lines of a table, separated by commas, semicolons or tabs. Raises Invalid for what is no table: ``""``, a column's name."""
    if len(data) > MOST_BYTES:
        raise Invalid({"": "too-long"})
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise Invalid({"": "not-a-table"})
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise Invalid({"": "not-a-table"}) from error
    if not rows or not any(rows[0]):
        raise Invalid({"": "not-a-table"})
    columns = [name.strip() for name in rows[0]]
    _check_columns(columns)
    lines = [
        _line(number, columns, cells) for number, cells in enumerate(rows[1:], 2) if any(cell.strip() for cell in cells)
    ]
    if len(lines) > MOST_LINES:
        raise Invalid({"": "too-many"})
    return lines


def _check_columns(columns: Sequence[str]) -> None:
    # A header that is no field may be a line of data: its name is not repeated.
    wrong = {f"column.{number}": "unknown-field" for number, name in enumerate(columns, 1) if name not in KNOWN}
    first: dict[str, int] = {}
    wrong |= {
        f"column.{number}": "taken"
        for number, name in enumerate(columns, 1)
        if first.setdefault(name, number) != number
    }
    if "label" not in columns:
        wrong["label"] = "missing"
    if wrong:
        raise Invalid(dict(list(wrong.items())[:50]))


def _line(number: int, columns: Sequence[str], cells: Sequence[str]) -> Line:
    document: dict[str, object] = {}
    wrong: dict[str, str] = {}
    if len(cells) != len(columns):
        return Line(number, document, {"": "wrong-number-of-cells"})
    for column, cell in zip(columns, cells, strict=True):
        text = cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
        if not text.strip():
            continue
        try:
            _put(document, column, _value(column, text))
        except ValueError as error:
            wrong[column] = str(error)
    return Line(number, document, wrong)


def _value(column: str, text: str) -> object:
    if column in _NUMBERS:
        if not text.strip().isascii() or not text.strip().isdecimal() or len(text) > 9:
            raise ValueError("not-a-number")
        return int(text)
    if column in _SWITCHES:
        word = text.strip().lower()
        if word not in _YES | _NO:
            raise ValueError("not-true-or-false")
        return word in _YES
    if column in _LISTS:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("not-json") from None
    return text


def _put(document: dict[str, object], path: str, value: object) -> None:
    *groups, name = path.split(".")
    for group in groups:
        inner = document.setdefault(group, {})
        assert isinstance(inner, dict)  # no column is both a value and a group
        document = inner
    document[name] = value


def _at(document: Mapping[str, object], path: str) -> object:
    value: object = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value)


def numbered(wrong: Mapping[int, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """What is wrong, as fields of one `Invalid`: ``line.17.incoming.host``."""
    for number, fields in wrong.items():
        for path, reason in fields.items():
            yield f"line.{number}.{path}".rstrip("."), reason
