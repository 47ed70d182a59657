"""The model of the sync on the real tables: people here handle mail while the server's own clients do, interrupted at any step.

The same histories, clock and demands as in tests/sync, with everything people can do (`HandlingWorld`), and fewer runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from poststelle.mail.digest import Digest, digest
from poststelle.mail.ports import Role
from poststelle.store import places, shelf
from poststelle.store.blobs import Raw
from poststelle.store.messages import segments
from poststelle.store.shelf import Orphans, Tools
from poststelle.sync import account, folder
from tests.builders import an_account, an_office
from tests.store.store_side import HandlingWorld, StoreSide
from tests.sync.model_history import (
    HANDLING,
    KINDS,
    LOGIN,
    MARKING,
    Clockwork,
    Interruption,
    assert_in_step,
    history,
    play,
    spread,
    story,
)

STORMS = 30
SWEEPS = 1
STEPS = 70
"""Of a history that is over by then: after it nothing but quiet rounds follow."""


class Bench:
    """Accounts of one office on one writer thread."""

    def __init__(self, writer: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._actor = self._do(an_office)
        self._pool: int = self._do(lambda: self._actor.reach).pool
        self._count = 0
        store = segments()
        self._tools = Tools(store, Orphans(store), self._write, _read, lambda _: None)

    def world(self) -> HandlingWorld:
        self._count += 1
        record = self._do(lambda: an_account(self._actor, f"Konto {self._count}"))
        world = HandlingWorld.new(StoreSide(self._tools, self._pool, UUID(record.id), self._writer))
        assert isinstance(world, HandlingWorld)
        world.server.create_folder(LOGIN, ("Papierkorb",), role=Role.TRASH)
        return world

    def _do(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._writer.submit(function, *args).result()

    async def _write(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._do(function, *args)


async def _read(raws: Sequence[Raw]) -> list[Digest]:
    return [digest(bytes(raw)) for raw in raws]


@pytest.fixture
def bench(transactional_db: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(account, "INBOX_GLANCE_SECONDS", -1.0)
    monkeypatch.setattr(folder, "RENUMBERINGS_A_DAY", 10_000)
    monkeypatch.setattr(shelf, "ATTEMPTS_BEFORE_SETTING_ASIDE_FOR_GOOD", 10_000)
    writer = ThreadPoolExecutor(max_workers=1)
    # Nobody pulls the plug here; what is durable is tested where it is kept.
    writer.submit(lambda: connection.cursor().execute("PRAGMA synchronous=OFF")).result()
    yield Bench(writer)
    writer.submit(lambda: connection.close()).result()  # noqa: PLW0108 - the proxy must be asked in the writer thread
    writer.shutdown()


async def test_people_on_both_sides_handle_mail_in_a_storm_and_end_in_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(STORMS):
        dice = random.Random(seed)
        monkeypatch.setattr(places, "TIME_TO_REGRET", timedelta(seconds=dice.choice((0, 1000))))
        events = history(seed, length=dice.randrange(10, 50), people_here=MARKING | HANDLING)
        breaks = {tick: dice.choice(KINDS) for tick in range(1, 500) if dice.random() < 0.03}
        due = spread(events, dice, over=300)
        clock = Clockwork(bench.world(), due, breaks, batch_size=dice.choice((1, 2, 5, 50)))
        await play(clock)
        assert_in_step(clock.world, story(seed, events, list(breaks)))


async def test_handling_interrupted_at_any_single_step_ends_in_step(bench: Bench) -> None:
    for seed in range(1000, 1000 + SWEEPS):
        events = history(seed, length=12, people_here=MARKING | HANDLING)

        def begin(breaks: dict[int, Interruption], seed: int = seed, events: Any = events) -> Clockwork:
            return Clockwork(
                bench.world(), spread(events, random.Random(seed), over=45), breaks, batch_size=seed % 4 + 1
            )

        undisturbed = begin({})
        await play(undisturbed)
        assert_in_step(undisturbed.world, story(seed, events, []))
        for tick in range(1, min(undisturbed.ticks, STEPS) + 1):
            clock = begin({tick: KINDS[tick % 2]})
            await play(clock)
            assert_in_step(clock.world, story(seed, events, [tick]))
