"""How an account is doing, in one word: facts in, state out (RELIABILITY G6: a sync that stops silently is noticed).

Every account is always one of these, the worst first; what it means in words is in `office.happenings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

STATES: Sequence[str] = (
    "suspended", "stalled", "losing", "troubled", "behind", "connecting", "idle", "well", "switched-off",
)  # fmt: skip
"""Worst first."""

INTERVALS_MISSED, SLACK = 2, timedelta(minutes=1)
LONGEST_ROUND = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an account now. `in_step`: it is to be kept in step every `interval` seconds; `since`: its latest round began,
    or it was added."""

    active: bool
    in_step: bool
    suspended: bool
    troubled: bool
    syncing: bool
    since: datetime
    synced_at: datetime | None
    received_at: datetime | None
    interval: float
    behind: int
    missing: int


def state_of(facts: Facts, now: datetime) -> str:
    """One of `STATES`. An account that should be in step and has not been for two intervals, with no reason given, is stalled."""
    if facts.suspended:
        return "suspended"
    if not facts.active:
        return "switched-off"
    if facts.troubled:
        return "troubled"
    if not facts.in_step:
        return "idle"
    if is_stalled(facts, now):
        return "stalled"
    if facts.missing:
        return "losing"
    if facts.behind:
        return "behind"
    return "well" if facts.synced_at is not None else "connecting"


def is_stalled(facts: Facts, now: datetime) -> bool:
    """Nothing has come of it for two intervals; a round that is running may take an hour after the last message it brought."""
    last = max(at for at in (facts.since, facts.synced_at, facts.received_at) if at is not None)
    patience = timedelta(seconds=facts.interval * INTERVALS_MISSED) + SLACK
    return now - last > (max(patience, LONGEST_ROUND) if facts.syncing else patience)
