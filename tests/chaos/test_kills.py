"""`kill -9` at any step of first syncs, daily syncs and errands: nothing is lost, nothing comes twice, every byte is the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

RUNS = 200
MEMORY = Path("/dev/shm")
"""A killed process loses nothing it has handed to the system, so that the disk need not be waited for."""


def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    where = MEMORY if MEMORY.is_dir() else tmp_path
    with tempfile.TemporaryDirectory(dir=where) as place, ThreadPoolExecutor() as pool:
        told = [*pool.map(partial(half_of_them, Path(place)), ("20261121", "20261122"))]
    assert not [problem for problems, _ in told for problem in problems]
    assert sum(killed for _, killed in told) > RUNS * 0.9, "most were done before they could be killed"


def half_of_them(place: Path, seed: str) -> tuple[list[str], int]:
    """What was wrong, and how many were killed."""
    (home := place / seed).mkdir()
    child = subprocess.run(
        [sys.executable, "-m", "tests.chaos.kill_child", str(home), str(RUNS // 2), seed],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    *problems, last = child.stdout.splitlines()
    return problems, int(last.split()[1])
