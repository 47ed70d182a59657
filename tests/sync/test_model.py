"""Any history, interrupted after any step and resumed, ends as if nothing had happened: every message once, nothing lost."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Sequence

import pytest

from poststelle.sync import account
from tests.sync.memory_shelf import MemorySide
from tests.sync.model_history import (
    KINDS,
    MARKING,
    Clockwork,
    Event,
    Interruption,
    World,
    assert_in_step,
    history,
    play,
    spread,
    story,
)

SWEEPS = 60
"""Histories interrupted once, at every single step in turn."""

STORMS = 3000
"""Histories interrupted again and again, with people working on our side as well."""


@pytest.fixture(autouse=True)
def _glance_at_the_inbox_between_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "INBOX_GLANCE_SECONDS", -1.0)


@pytest.fixture(autouse=True)
async def _no_task_is_left_behind() -> AsyncIterator[None]:
    """What was asked ahead when a round ended is waited for, and its exception seen."""
    left: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(str(context["message"])))
    yield
    gc.collect()
    assert left == []


async def test_a_history_interrupted_at_any_single_step_ends_like_an_uninterrupted_one() -> None:
    runs = 0
    for seed in range(SWEEPS):
        events = history(seed, length=14, people_here={})

        def begin(breaks: dict[int, Interruption], seed: int = seed, events: Sequence[Event] = events) -> Clockwork:
            due = spread(events, random.Random(seed), over=120)
            return Clockwork(World.new(MemorySide()), due, breaks, batch_size=seed % 4 + 1)

        undisturbed = begin({})
        await play(undisturbed)
        assert_in_step(undisturbed.world, story(seed, events, []))
        for tick in range(1, undisturbed.ticks + 1):
            clock = begin({tick: KINDS[tick % 2]})
            await play(clock)
            assert_in_step(clock.world, story(seed, events, [tick]))
            assert clock.world.ours() == undisturbed.world.ours(), story(seed, events, [tick])
            runs += 1
    assert runs > 5000


@pytest.mark.parametrize("tenth", range(10))
async def test_a_history_with_work_on_both_sides_and_many_interruptions_ends_in_step(tenth: int) -> None:
    for seed in range(tenth * STORMS // 10, (tenth + 1) * STORMS // 10):
        dice = random.Random(seed)
        events = history(seed, length=dice.randrange(5, 60), people_here=MARKING)
        breaks = {tick: dice.choice(KINDS) for tick in range(1, 600) if dice.random() < 0.03}
        due = spread(events, dice, over=400)
        clock = Clockwork(World.new(MemorySide()), due, breaks, batch_size=dice.choice((1, 2, 5, 50)))
        await play(clock)
        assert_in_step(clock.world, story(seed, events, list(breaks)))
