"""A thousand one-fault plans on the line to a real Dovecot: ``python -m bench.soak [PLANS] [SEED]``. The plans are those of `tests.chaos`."""

from __future__ import annotations

import os
import sys
import time

import pytest


def main() -> int:
    """How pytest ended."""
    plans, seed = sys.argv[1] if sys.argv[1:] else "1000", sys.argv[2] if sys.argv[2:] else str(time.time_ns())
    os.environ |= {"CHAOS_PLANS": plans, "CHAOS_SEED": seed}
    print(f"{plans} plans from seed {seed}")
    return pytest.main(["-q", "-p", "no:cacheprovider", "tests/chaos/test_proxy.py"])


if __name__ == "__main__":
    sys.exit(main())
