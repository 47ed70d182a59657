"""Every account is always in one state, and one that stops silently is noticed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from poststelle.policy.health import STATES, Facts, state_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WELL = Facts(
    active=True, in_step=True, suspended=False, troubled=False, syncing=False, since=NOW - timedelta(days=3),
    synced_at=NOW - timedelta(seconds=30), received_at=NOW - timedelta(hours=2), interval=60.0, behind=0, missing=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "well"),
        ({"suspended": True, "troubled": True}, "suspended"),
        ({"active": False}, "switched-off"),
        ({"troubled": True, "missing": 3}, "troubled"),
        ({"missing": 3}, "losing"),
        ({"behind": 3}, "behind"),
        ({"in_step": False, "synced_at": None}, "idle"),
        ({"synced_at": None, "received_at": None, "since": NOW - timedelta(seconds=20)}, "connecting"),
    ],
)
def test_the_worst_that_is_known_is_the_state(change: dict[str, object], state: str) -> None:
    assert state_of(replace(WELL, **change), NOW) == state  # type: ignore[arg-type]
    assert state in STATES


def test_two_intervals_without_a_sign_and_without_a_reason_are_a_stall() -> None:
    quiet = replace(WELL, received_at=None)
    assert state_of(replace(quiet, synced_at=NOW - timedelta(seconds=179)), NOW) == "well"
    assert state_of(replace(quiet, synced_at=NOW - timedelta(seconds=181)), NOW) == "stalled"
    slow = replace(quiet, interval=900.0)
    assert state_of(replace(slow, synced_at=NOW - timedelta(minutes=30)), NOW) == "well"
    assert state_of(replace(slow, synced_at=NOW - timedelta(minutes=32)), NOW) == "stalled"


def test_a_round_that_is_running_may_take_an_hour_after_the_last_message() -> None:
    first = replace(WELL, syncing=True, synced_at=None, since=NOW - timedelta(hours=9), behind=90_000)
    assert state_of(replace(first, received_at=NOW - timedelta(minutes=5)), NOW) == "behind"
    assert state_of(replace(first, received_at=NOW - timedelta(minutes=61)), NOW) == "stalled"


def test_an_account_nobody_ever_connected_is_a_stall_too() -> None:
    assert state_of(replace(WELL, synced_at=None, received_at=None, since=NOW - timedelta(minutes=5)), NOW) == "stalled"
