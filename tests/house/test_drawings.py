"""Drawings in the documents are made from the tables in the code; run this file to draw them anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from poststelle.policy import sending
from poststelle.sync import watch

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "```mermaid\n", "```\n"


def outbox() -> str:
    return drawing("queued", {state: [(to, "") for to in sorted(to)] for state, to in sending.MOVES.items()})


def sync() -> str:
    """Stopping is possible everywhere, so it is not drawn."""
    return drawing(
        watch.State.WAITING,
        {
            state: [(to, f": {event}") for event, to in moves.items() if event is not watch.Event.STOP]
            for state, moves in watch.MOVES.items()
            if state is not watch.State.STOPPED
        },
    )


DRAWINGS = {"outbox.md": outbox, "sync.md": sync}


def drawing(first: str, moves: Mapping[str, Iterable[tuple[str, str]]]) -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {_name(first)}"]
    for state, following in moves.items():
        drawn = [f"    {_name(state)} --> {_name(to)}{label}" for to, label in following]
        lines += drawn or [f"    {_name(state)} --> [*]"]
    return "\n".join(lines) + "\n"


def _name(state: str) -> str:
    return state.replace("-", "_")


def drawn(text: str, made: str) -> str:
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + made + END + tail


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_its_table(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert text == drawn(text, DRAWINGS[name]()), "run python -m tests.house.test_drawings"


if __name__ == "__main__":
    for name, made in DRAWINGS.items():
        document = DOCS / name
        document.write_text(drawn(document.read_text(encoding="utf-8"), made()), encoding="utf-8")
