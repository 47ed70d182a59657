"""Spoiled input by the hundred, the same in every run: refused with a word of ours or read as far as it goes, never an exception nobody knows, and in time.

Ten minutes each and guided by coverage: ``python -m bench.fuzz_targets NAME``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable

import pytest

from poststelle.adapters.stream import Connection
from tests.chaos import talks
from tests.chaos.fuzz_seeds import SEEDS, mutated
from tests.chaos.fuzz_targets import TARGETS

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


@pytest.mark.parametrize(("name", "talk"), [("imap-talk", talks.imap), ("pop3-talk", talks.pop3), ("smtp", talks.smtp)])
async def test_a_conversation_nobody_spoils_comes_to_its_end(
    name: str, talk: Callable[[Connection], Awaitable[None]]
) -> None:
    line = talks.a_line(SEEDS[name][0])
    await talk(line)
    assert not line.unread
