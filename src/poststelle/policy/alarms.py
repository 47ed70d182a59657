"""When people are told that a mailbox stands still: facts in, verdict out.

Law: told once for one trouble. Trouble that passes is told when nothing has come in for two intervals and a quarter of an hour, and
what comes and goes once a day at most; what needs a person at once.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from poststelle.policy.health import INTERVALS_MISSED

PATIENCE, ONCE_IN = timedelta(minutes=15), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """How an account is doing now: `state` (`policy.health.STATES`), the `code` of its trouble, and when it last came in step."""

    state: str
    code: str
    last: datetime
    interval: float


@dataclass(frozen=True, slots=True)
class Told:
    """The latest alarm of an account: why, when, and whether it was over in the meantime."""

    code: str = ""
    at: datetime | None = None
    over: bool = True


class Verdict(enum.Enum):
    """Tell people; only note that it is (again) the same; note that it is over; nothing."""

    TELL = enum.auto()
    NOTE = enum.auto()
    OVER = enum.auto()
    NOTHING = enum.auto()


def cause(facts: Facts, now: datetime) -> str:
    """Why people should know of the account; empty while they need not."""
    if facts.state == "suspended":
        return facts.code or "suspended"
    patience = max(timedelta(seconds=facts.interval * INTERVALS_MISSED), PATIENCE)
    if facts.state in {"stalled", "troubled"} and now - facts.last > patience:
        return facts.code or "stalled"
    return ""


def verdict(facts: Facts, told: Told, now: datetime) -> Verdict:
    """What to do about it."""
    why = cause(facts, now)
    if not why:
        # A trouble that is not long enough to be told is not over either.
        is_over = facts.state not in {"suspended", "stalled", "troubled"}
        return Verdict.OVER if is_over and not told.over else Verdict.NOTHING
    if not told.over:
        return Verdict.TELL if facts.state == "suspended" and why != told.code else Verdict.NOTHING
    if why == told.code and told.at is not None and now - told.at < ONCE_IN:
        return Verdict.NOTE
    return Verdict.TELL
