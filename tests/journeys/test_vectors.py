"""Hostile HTML in real Chromium: no script runs, no request leaves, no page is left, nothing lies over ours.

Each layer is tested without the other: the sanitiser without a frame, the frame without a sanitiser; each is looked at, clicked and
tabbed through. Vectors nobody here wrote are let loose too where POSTSTELLE_CORPORA names their folder; how many is printed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from poststelle.mail.folding import Labels
from poststelle.mail.opened import shown
from tests.journeys import vectors
from tests.journeys.arena import Arena, Seen, Shield, as_shown, only_framed, only_sanitised, opened, unshielded
from tests.journeys.conftest import CHROMIUM, SWITCHES

pytestmark = [pytest.mark.browser]

OWN = {**vectors.SCRIPTS, **vectors.LOOKS, **vectors.TRICKS}
CORPORA = Path(os.environ.get("POSTSTELLE_CORPORA") or "nowhere")


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with opened(str(CHROMIUM), SWITCHES) as made:
        yield made


def harmful(seen: Mapping[str, Seen]) -> dict[str, Seen]:
    return {name: one for name, one in seen.items() if one}


def test_the_vectors_are_alive(arena: Arena) -> None:
    chosen = {**vectors.SCRIPTS, **vectors.LOOKS}
    alive = harmful(arena.let_loose(chosen, unshielded, hands=False))
    assert len(alive) > 0.7 * len(chosen), sorted(chosen.keys() - alive.keys())


def test_a_click_arrives_and_opens_a_window_for_a_link(arena: Arena) -> None:
    link = '<a href="{canary}/away">A link as every mail has one</a>'
    for shield in (only_framed, as_shown):
        seen = arena.let_loose({"link": link.replace("<a", '<a target="_blank"')}, shield)["link"]
        assert (set(seen.windows), bool(seen)) == ({"/away"}, False)
    assert set(arena.let_loose({"link": link}, only_sanitised)["link"].windows) == {"/away"}


@pytest.mark.parametrize("shield", [only_sanitised, only_framed, as_shown], ids=["sanitised", "framed", "both"])
def test_no_vector_gets_through(arena: Arena, shield: Shield) -> None:
    assert harmful(arena.let_loose(OWN, shield)) == {}


@pytest.mark.parametrize("shield", [only_sanitised, only_framed], ids=["sanitised", "framed"])
def test_no_vector_nobody_here_wrote_gets_through(
    arena: Arena, shield: Shield, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = foreign_vectors()
    told(capsys, len(foreign), "vectors nobody here wrote")
    assert harmful(arena.let_loose(foreign, shield)) == {}


def test_no_mail_made_of_such_a_vector_gets_through(arena: Arena, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((CORPORA / "xss-eml").rglob("*.eml"))
    told(capsys, len(files), "mails nobody here wrote")
    forms = {path.stem: shown(path.read_bytes(), Labels("Quoted text", "leads to:")) for path in files}
    chosen = {name: form.html for name, form in forms.items() if form is not None}
    assert harmful(arena.let_loose(chosen, as_shown)) == {}


def told(capsys: pytest.CaptureFixture[str], count: int, what: str) -> None:
    """None is a fact about this run, not about the product: it is said."""
    with capsys.disabled():
        print(f"\n{count} {what} (POSTSTELLE_CORPORA: {CORPORA.name if CORPORA.is_dir() else 'no such folder'})")  # noqa: T201


def foreign_vectors() -> dict[str, str]:
    """The published lists, and our own list of remote contents; none where the folder is missing."""
    found: dict[str, str] = {}
    for file, field in (
        ("xss-vectors/dompurify.json", "payload"), ("xss-vectors/h5sc.json", "payload"),
        ("own-cases/remote-content.json", "html"),
    ):  # fmt: skip
        if (path := CORPORA / file).is_file():
            found |= {
                one["id"]: one[field]
                .replace("{{CANARY}}", "{canary}")
                .replace("http://{{CANARY_HOSTPORT}}", "{canary}")
                .replace("{{CANARY_HOSTPORT}}", "{canary_host}")
                for one in json.loads(path.read_text(encoding="utf-8"))
            }
    return found
