"""The house rules a program can check; the others are in CONTRIBUTING.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.house.tree import PACKAGE, ROOT, everything, files

VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager", "service", "tools"}
UNESCAPED = re.compile(r"\|\s*safe\b|\bmark_safe\b|\bSafeString\b|autoescape\s+off|\|\s*safeseq\b")
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)|\son[a-z]+\s*=\s*[\"']|javascript:|\bhx-on\b", re.IGNORECASE)
MARKS_TEXT_SAFE = {PACKAGE / "web" / "readable.py", PACKAGE / "web" / "markup.py"}
"""What makes HTML of a mail's plain text, and of forms with pieces in them, after escaping both; tested with hostile mail."""
# Put together here, so that this file does not contain what it looks for.
FOREIGN = re.compile(
    "|".join(["/" + "work/", "/" + "root/", "registry" + r"\.npmjs", "pypi" + r"\.org/simple", "/opt/" + "pypi"])
)


def offenders(paths: list[Path], pattern: re.Pattern[str]) -> list[str]:
    """Place and line of every match."""
    found = []
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return found


def test_names_are_imported_from_the_module_that_defines_them() -> None:
    assert [str(path) for path in files(PACKAGE, ".py") if path.name == "__init__.py" and path.stat().st_size] == []


def test_no_module_is_named_after_nothing() -> None:
    assert [str(path) for path in files(PACKAGE, ".py") if VAGUE.intersection((path.stem, path.parent.name))] == []


def test_every_module_says_what_it_is_for() -> None:
    modules = [path for path in files(PACKAGE, ".py") if path.name != "__init__.py" and "migrations" not in path.parts]
    assert [str(path) for path in modules if not path.read_text(encoding="utf-8").startswith('"""')] == []


def test_nothing_reaches_a_page_unescaped() -> None:
    pages = [*files(PACKAGE / "web", ".py", ".html"), *files(PACKAGE / "office", ".py"), *files(PACKAGE / "api", ".py")]
    assert offenders([path for path in pages if path not in MARKS_TEXT_SAFE], UNESCAPED) == []


def test_templates_bring_no_script_of_their_own() -> None:
    templates = list(files(PACKAGE / "web" / "templates", ".html"))
    assert templates
    assert offenders(templates, INLINE_SCRIPT) == []


def test_nothing_names_a_registry_or_the_machine_it_was_written_on() -> None:
    assert offenders(list(everything()), FOREIGN) == []


def test_the_npm_lock_file_holds_hashes_and_no_addresses() -> None:
    packages = json.loads((ROOT / "assets" / "package-lock.json").read_text())["packages"]
    locked = {name: entry for name, entry in packages.items() if name}
    assert locked
    assert all("integrity" in entry and "resolved" not in entry for entry in locked.values())
