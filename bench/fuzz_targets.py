"""Fuzz one of `tests.chaos.fuzz_targets` for ten minutes, or as long as told: ``python -m bench.fuzz_targets NAME [SECONDS]``.

Guided by coverage where atheris is installed (``pip install atheris``; no dependency of ours), else by dice alone. The first input that
ends in anything but an error of ours is printed, and the process ends with 1.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.fuzz_seeds import LARGEST, SEEDS, mutated


def guided(name: str, seconds: float) -> int:
    """By coverage, from the seeds on."""
    import atheris

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            Path(corpus, str(number)).write_bytes(seed)
        with atheris.instrument_imports(include=["poststelle"]):
            from tests.chaos.fuzz_targets import TARGETS
        options = [f"-max_total_time={int(seconds)}", f"-max_len={LARGEST}", "-timeout=5", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *options, corpus], TARGETS[name])
        atheris.Fuzz()
    return 0


def main() -> int:
    """See the module."""
    name, seconds = sys.argv[1], float(sys.argv[2]) if sys.argv[2:] else 600.0
    if importlib.util.find_spec("atheris") is not None:
        return guided(name, seconds)
    from tests.chaos.fuzz_targets import TARGETS

    dice = random.Random()
    ends, runs, slowest = time.monotonic() + seconds, 0, 0.0
    while time.monotonic() < ends:
        data = mutated(dice.choice(SEEDS[name]), dice)
        began = time.process_time()
        try:
            TARGETS[name](data)
        except Exception:
            print(f"{name}: {data!r}", file=sys.stderr)
            raise
        runs, slowest = runs + 1, max(slowest, time.process_time() - began)
    print(f"{name}: {runs} inputs in {seconds:.0f} s, the slowest {slowest:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
