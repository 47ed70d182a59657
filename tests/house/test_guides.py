"""The guides tell what exists: every setting, command and picture, in German as in English."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from poststelle.office.wording import CODES
from poststelle.run.arguments import parser
from poststelle.run.configuration import Configuration
from tests.house.tree import ROOT

DOCS = ROOT / "docs"
ADMIN = [DOCS / "admin-guide.en.md", DOCS / "admin-guide.de.md"]
GUIDES = [*ADMIN, DOCS / "user-guide.en.md", DOCS / "user-guide.de.md"]


def commands(within: argparse.ArgumentParser, path: str = "") -> Iterator[str]:
    """Every command that does something, such as ``account add``."""
    groups = [action for action in within._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for name, one in group.choices.items():
            yield from commands(one, f"{path} {name}".strip())
    if not groups:
        yield path


@pytest.mark.parametrize("guide", ADMIN, ids=lambda guide: guide.name)
def test_every_setting_is_documented(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    assert [name for name in Configuration.model_fields if f"`{name}`" not in text] == []
    assert [name for name in Configuration.model_fields if f"`POSTSTELLE_{name.upper()}`" not in text] == []
    for name, field in Configuration.model_fields.items():
        if isinstance(field.default, str | int) and not isinstance(field.default, bool) and field.default != "":
            assert re.search(rf"\| `POSTSTELLE_{name.upper()}` \| `{field.default}` \|", text), name


@pytest.mark.parametrize("guide", ADMIN, ids=lambda guide: guide.name)
def test_every_command_is_documented(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    assert [command for command in commands(parser()) if f"`{command}" not in text] == []


@pytest.mark.parametrize("guide", ADMIN, ids=lambda guide: guide.name)
def test_every_code_in_the_table_exists(guide: Path) -> None:
    table = guide.read_text(encoding="utf-8").partition("| Code |")[2]
    named = re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table)
    assert named
    assert [code for code in named if code not in CODES] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_german_and_english_guides_have_the_same_parts() -> None:
    for name in ("admin-guide", "user-guide"):
        english, german = (
            re.findall(r"^(#+|    \S+|\|)", (DOCS / f"{name}.{language}.md").read_text(encoding="utf-8"), re.MULTILINE)
            for language in ("en", "de")
        )
        assert [mark[0] for mark in english] == [mark[0] for mark in german]
