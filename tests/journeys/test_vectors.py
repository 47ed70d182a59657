"""Hostile HTML in real Chromium: no script runs, no request leaves, no page is left, nothing lies over ours.

Each layer is tested without the other: the sanitiser without a frame, the frame without a sanitiser. Vectors nobody here wrote are
let loose too where POSTSTELLE_CORPORA names their folder; how many is printed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.journeys import vectors
from tests.journeys.arena import Arena, Seen, Shield, as_shown, only_framed, only_sanitised, opened, unshielded

pytestmark = [pytest.mark.browser]

OWN = {**vectors.SCRIPTS, **vectors.LOOKS, **vectors.TRICKS}
CORPORA = Path(os.environ.get("POSTSTELLE_CORPORA") or "nowhere")


@pytest.fixture
def arena(chromium: Browser) -> Iterator[Arena]:
    context = chromium.new_context(locale="en-GB")
    with opened(context) as made:
        yield made
    context.close()


def let_loose(arena: Arena, chosen: Mapping[str, str], shield: Shield) -> dict[str, Seen]:
    """Those that did something although they were shielded. What no sanitiser has seen is only looked at: a click may hang the browser."""
    hands = shield is not only_framed
    return {name: seen for name, html in chosen.items() if (seen := arena.let_loose(html, shield, hands=hands))}


def test_the_vectors_are_alive(arena: Arena) -> None:
    alive = let_loose(arena, {**vectors.SCRIPTS, **vectors.LOOKS}, unshielded)
    assert len(alive) > 0.7 * (len(vectors.SCRIPTS) + len(vectors.LOOKS)), sorted(OWN.keys() - alive.keys())


@pytest.mark.parametrize("shield", [only_sanitised, only_framed])
def test_no_vector_gets_through_one_layer(arena: Arena, shield: Shield) -> None:
    assert let_loose(arena, OWN, shield) == {}


def test_no_vector_gets_through_both_and_a_click_only_opens_another_window(arena: Arena) -> None:
    for name, html in OWN.items():
        seen = arena.let_loose(html, as_shown)
        assert not seen, (name, seen)
        assert set(seen.by_hand) <= {"/top"}, (name, seen)


@pytest.mark.parametrize("shield", [only_sanitised, only_framed])
def test_no_vector_nobody_here_wrote_gets_through(
    arena: Arena, shield: Shield, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = foreign_vectors()
    with capsys.disabled():
        print(f"\n{len(foreign)} vectors (from {CORPORA.name})")  # noqa: T201
    assert let_loose(arena, foreign, shield) == {}


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
                for one in json.loads(path.read_text(encoding="utf-8"))
            }
    return found
