"""Spoiled input by the hundred, the same in every run: refused with a word of ours or read as far as it goes, never an exception nobody knows, and in time.

Ten minutes each and guided by coverage: ``python -m bench.fuzz_targets NAME``.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.chaos.fuzz_targets import SEEDS, TARGETS, mutated

RUNS = 3000
LONGEST = 2.0


@pytest.mark.parametrize("name", TARGETS)
def test_spoiled_input_is_borne(name: str) -> None:
    dice = random.Random(f"{name} 20261121")
    for _ in range(RUNS):
        data = mutated(dice.choice(SEEDS[name]), dice)
        began = time.process_time()
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} on {data[:2000]!r}") from error
        assert time.process_time() - began < LONGEST, data[:2000]
