"""When to try again and when to stop: the only place that knows about waiting and suspending.

Facts in, verdict out. Passing trouble waits with doubling and jitter, 30 s to 1 h, or as long as the server asked (at most a
day). What a person must mend suspends at once; a refused log-in gets one retry first, because servers refuse good passwords
on bad days. A server that breaks its own rules is left alone for long.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from poststelle.errors import LoginRejected, NeedsAttention, ProtocolViolation, Trouble, TryAgain

FIRST_WAIT, LONGEST_WAIT, LONGEST_WISH = 30.0, 3600.0, 86400.0
LOGIN_RETRY = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Suspend:
    """Do not try again before a person has acted."""


Verdict = Wait | Suspend


def verdict(error: Trouble, failures: int, *, chance: float | None = None) -> Verdict:
    """What to do after `failures` failures in a row, this one included. `chance` in 0..1 replaces the jitter's dice."""
    dice = random.random() if chance is None else chance  # noqa: S311 - jitter, not a secret
    jitter = 0.8 + 0.4 * dice
    if isinstance(error, LoginRejected) and failures < 2:
        return Wait(LOGIN_RETRY * jitter)
    if isinstance(error, NeedsAttention):
        return Suspend()
    if isinstance(error, TryAgain) and error.after is not None:
        return Wait(min(max(error.after, 1.0), LONGEST_WISH))
    if isinstance(error, ProtocolViolation):
        return Wait(LONGEST_WAIT * jitter)
    return Wait(min(FIRST_WAIT * 2 ** (min(failures, 20) - 1), LONGEST_WAIT) * jitter)
