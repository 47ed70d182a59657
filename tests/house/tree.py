"""The files of this checkout that people write, without what is built, installed or stored beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "poststelle"
FOLDERS = ("src", "assets", "tests", "bench", "docs", ".ci")
MADE = {"__pycache__", "node_modules", "dist"}
"""Folders that tools make; so is every one whose name begins with a dot."""


def files(folder: Path, *suffixes: str) -> Iterator[Path]:
    """Every written file below `folder`, in order; with suffixes given, only those (".py")."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts[:-1]
        made = path.suffix == ".mo" or any(name in MADE or name.startswith(".") for name in inside)
        if path.is_file() and not made and (not suffixes or path.suffix in suffixes):
            yield path


def everything() -> Iterator[Path]:
    """Every written file of the checkout."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file() and path.suffix != ".log")
    for name in FOLDERS:
        yield from files(ROOT / name)
