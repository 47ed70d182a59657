"""What commands read from standard input and write to standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from poststelle.errors import Invalid
from poststelle.mail.secret import Secret

T = TypeVar("T", bound="Told")


def read_password() -> Secret:
    """Standard input, less one trailing newline. Raises Invalid."""
    try:
        return Secret(sys.stdin.buffer.read().decode().removesuffix("\n"))
    except UnicodeDecodeError as error:
        raise Invalid({"password": "not-text"}) from error


def read_document(name: str) -> Mapping[str, object]:
    """The JSON object in a file, or on standard input for ``-``. Raises Invalid."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        document = json.loads(raw)
    except OSError as error:
        raise Invalid({name: "not-readable"}) from error
    except (ValueError, RecursionError) as error:
        raise Invalid({name: "not-json"}) from error
    if not isinstance(document, Mapping):
        raise Invalid({name: "not-an-object"})
    return document


def read_text(name: str) -> str:
    """The text in a file, or on standard input for ``-``. Raises Invalid."""
    try:
        return (sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()).decode()
    except OSError as error:
        raise Invalid({name: "not-readable"}) from error
    except UnicodeDecodeError as error:
        raise Invalid({name: "not-text"}) from error


def say(line: object) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_json(value: object, *, indent: int | None = 2) -> None:
    """One JSON document; with `indent` None on one line."""
    say(json.dumps(value, ensure_ascii=False, indent=indent, default=str))


class Told(Protocol):
    """Something the API speaks of."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """As JSON."""
        ...


def say_list(told: Sequence[T], row: Callable[[T], Sequence[object]], *, as_json: bool) -> int:
    """A list: one JSON document, or a table with a row for each. 0."""
    if as_json:
        say_json([one.model_dump(mode="json") for one in told])
    elif told:
        say_table([row(one) for one in told])
    return 0


def say_table(rows: Sequence[Sequence[object]]) -> None:
    """Rows in columns; empty cells as ``-``."""
    cells = [[" ".join(str("-" if value in {None, ""} else value).split()) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
