"""Stands in for an engine: the first one freezes as soon as it is ready, the next one goes on saying that it is alive for a while.

``NOTES`` names the file in which each writes a line when it begins, and the second one another when it has spoken long enough.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

SIGNS, EVERY_SECONDS = 40, 0.1


def note(word: str) -> int:
    """How many lines there are with this one."""
    notes = Path(os.environ["NOTES"])
    with notes.open("a") as file:
        file.write(word + "\n")
    return len(notes.read_text().splitlines())


def main() -> None:
    """Until the parent lets go of it."""
    is_first = note("begun") == 1
    print("ready", flush=True)  # noqa: T201
    for _ in range(0 if is_first else SIGNS):
        if select.select([sys.stdin], [], [], EVERY_SECONDS)[0]:
            return
        print("alive", flush=True)  # noqa: T201
    if not is_first:
        note("spoken")
    sys.stdin.read()


if __name__ == "__main__":
    main()
