"""Two thousand kills at any step of syncs and errands: ``python -m bench.kill_soak [RUNS] [SEED]``. The runs are those of `tests.chaos`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import kill_child


def main() -> None:
    """Prints what was wrong, how many were killed, and how long it took."""
    runs, seed = sys.argv[1] if sys.argv[1:] else "2000", sys.argv[2] if sys.argv[2:] else str(time.time_ns())
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        print(f"{runs} runs from seed {seed}", flush=True)
        began = time.monotonic()
        kill_child.main([place, runs, seed])
        print(f"in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
