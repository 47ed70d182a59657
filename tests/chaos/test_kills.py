"""`kill -9` at any step of first syncs, daily syncs and errands: nothing is lost, nothing comes twice, every byte is the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 200


MEMORY = Path("/dev/shm")
"""A killed process loses nothing it has handed to the system, so that the disk need not be waited for."""


def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as place:
        child = subprocess.run(
            [sys.executable, "-m", "tests.chaos.kill_child", place, str(RUNS), "20261121"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
    assert child.returncode == 0, child.stderr
    *problems, told = child.stdout.splitlines()
    assert not problems, "\n".join(problems)
    assert int(told.split()[1]) > RUNS * 0.9, "most were done before they could be killed"
