"""Two thousand kills at any step of syncs and errands: ``python -m bench.kill_soak [RUNS] [SEED]``. The runs are those of `tests.chaos`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import kill_child


def main() -> None:
    """Prints what was wrong, and how many were killed."""
    runs, seed = sys.argv[1] if sys.argv[1:] else "2000", sys.argv[2] if sys.argv[2:] else str(time.time_ns())
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        print(f"{runs} runs from seed {seed}", flush=True)
        kill_child.main([place, runs, seed])


if __name__ == "__main__":
    main()
