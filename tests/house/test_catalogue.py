"""The table of functions (docs/catalogue.md) names only what exists: pages, API routes, files."""

from __future__ import annotations

import re

from django.urls import Resolver404, resolve

from poststelle.api.urls import api
from tests.house.tree import ROOT

TEXT = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in TEXT.splitlines()
    if re.match(r"\| [JMART]\d+ \|", line)
]
PATHS = api.get_openapi_schema()["paths"]
NUMBERED = {"J": 27, "M": 39, "A": 21, "R": 43, "T": 36}
"""How many functions each of the five programs has."""


def exists(place: str) -> bool:
    """Whether a page's address, ``METHOD /address`` of the API, or a file of the checkout is there."""
    method, _, address = place.rpartition(" ")
    if method:
        return method.lower() in PATHS.get(address, {})
    if not place.startswith("/"):
        return (ROOT / place).exists()
    try:
        resolve(re.sub(r"\{\w+\}", "x", place))
    except Resolver404:
        return False
    return True


def test_every_function_has_its_line() -> None:
    wanted = [f"{program}{number}" for program, last in NUMBERED.items() for number in range(1, last + 1)]
    assert [row[0] for row in ROWS] == wanted


def test_every_place_named_exists() -> None:
    named = {place for row in ROWS for place in re.findall(r"`([^`]+)`", row[3])}
    assert sorted(place for place in named if not exists(place)) == []


def test_what_is_done_says_where_and_what_is_not_says_what_brings_it() -> None:
    assert [row[0] for row in ROWS if row[2] == "✔" and "`" not in row[3]] == []
    assert [row[0] for row in ROWS if row[2] in "◐–" and not row[4]] == []
    told = {sign: int(count) for sign, count in re.findall(r"(Done|in part|not yet) (\d+)", TEXT)}
    assert told == {
        name: sum(row[2] == sign for row in ROWS) for name, sign in (("Done", "✔"), ("in part", "◐"), ("not yet", "–"))
    }
