"""Drawings in the documents are made from the tables in the code; run this file to draw them anew."""

from __future__ import annotations

from pathlib import Path

from poststelle.policy.sending import MOVES

OUTBOX = Path(__file__).resolve().parents[2] / "docs" / "outbox.md"
BEGIN, END = "```mermaid\n", "```\n"


def drawing() -> str:
    lines = ["stateDiagram-v2", "    [*] --> queued"]
    for state, following in MOVES.items():
        lines += [f"    {_name(state)} --> {_name(to)}" for to in sorted(following)] or [f"    {_name(state)} --> [*]"]
    return "\n".join(lines) + "\n"


def _name(state: str) -> str:
    return state.replace("-", "_")


def drawn(text: str) -> str:
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + drawing() + END + tail


def test_the_drawing_of_the_outbox_is_its_table() -> None:
    text = OUTBOX.read_text(encoding="utf-8")
    assert text == drawn(text), "run python -m tests.house.test_drawings"


if __name__ == "__main__":
    OUTBOX.write_text(drawn(OUTBOX.read_text(encoding="utf-8")), encoding="utf-8")
