"""What the comparisons of transfer rates share: contenders in processes of their own, rounds interleaved, a table of medians.

A contender measures itself from the connection to the last byte, the second time it does the work, so that neither starting
Python nor warming caches counts.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

Contender = Callable[[Sequence[str]], int]
"""Does the whole work, given its arguments, and returns how many messages it moved."""


def run_here(contender: Contender, arguments: Sequence[str]) -> None:
    """Be one contender: prints messages, wall and CPU seconds."""
    contender(arguments)
    began, before = time.monotonic(), _cpu()
    moved = contender(arguments)
    print(moved, time.monotonic() - began, _cpu() - before)


def _cpu() -> float:
    """Seconds of this process and those it has started and seen end."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def compare(module: str, names: Sequence[str], arguments: Sequence[str], *, rounds: int, expected: int) -> str:
    """Run every contender `rounds` times; the Markdown table, the first name being what the others are compared with."""
    walls: Mapping[str, list[float]] = {name: [] for name in names}
    cpus: Mapping[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            told = subprocess.run(
                [sys.executable, "-m", module, "--be", name, *arguments], check=True, capture_output=True, text=True
            )
            moved, wall, cpu = told.stdout.split()
            if int(moved) != expected:
                raise SystemExit(f"{name} moved {moved} of {expected} messages")
            walls[name].append(float(wall))
            cpus[name].append(float(cpu))
    base = statistics.median(walls[names[0]])
    lines = [f"| contender | wall s (min-max) | CPU s | / {names[0]} |", "|---|---|---|---|"]
    for name in names:
        wall, cpu = statistics.median(walls[name]), statistics.median(cpus[name])
        span = f"{min(walls[name]):.2f}-{max(walls[name]):.2f}"
        lines.append(f"| {name} | {wall:.2f} ({span}) | {cpu:.2f} | {wall / base:.2f} |")
    return "\n".join(lines)
