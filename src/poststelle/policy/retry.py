"""When to try again and when to stop: the only place that knows about waiting and suspending.

Facts in, verdict out. Passing trouble waits with doubling and jitter, 30 s to 1 h, or as long as the server asked (at most a
day); where it stays for an hour and some attempts, the account is suspended and looked after once an hour, unless all servers
fail at once: then it is the network, and nobody's account. What a person must mend suspends at once, until they have; a refused
log-in gets one retry first, because servers refuse good passwords on bad days, and so does what looks like another protocol or an
old TLS, because a single disturbed byte of a greeting or handshake looks like that. A server that breaks its own rules is left alone for long.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from poststelle.errors import LoginRejected, NeedsAttention, ProtocolViolation, Trouble, TryAgain

FIRST_WAIT, LONGEST_WAIT, LONGEST_WISH = 30.0, 3600.0, 86400.0
LOGIN_RETRY = 60.0
NETWORK_WAIT = 300.0
ALSO_OF_A_BAD_LINE = frozenset({"tls-on-plain-port", "plain-on-tls-port", "wrong-protocol", "tls-too-old"})
FAILURES_TO_SUSPEND, FAILING_SECONDS_TO_SUSPEND = 5, 3600.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Suspend:
    """Do not try again before a person has acted; or, where `again_after` is given, only to look whether it is over."""

    again_after: float | None = None


Verdict = Wait | Suspend


def verdict(
    error: Trouble,
    failures: int,
    *,
    failing_for: float = 0.0,
    everywhere: bool = False,
    limit: int = FAILURES_TO_SUSPEND,
    chance: float | None = None,
) -> Verdict:
    """What to do after `failures` failures in a row, this one included, the first of them `failing_for` seconds ago.

    `everywhere`: all servers fail just now. `limit`: failures that suspend. `chance` in 0..1 replaces the jitter's dice.
    """
    dice = random.random() if chance is None else chance  # noqa: S311 - jitter, not a secret
    jitter = 0.8 + 0.4 * dice
    if isinstance(error, LoginRejected) and failures < 2:
        return Wait(LOGIN_RETRY * jitter)
    if isinstance(error, NeedsAttention) and not (error.code in ALSO_OF_A_BAD_LINE and failures < 2):
        return Suspend()
    if everywhere:
        return Wait(min(FIRST_WAIT * 2 ** (min(failures, 20) - 1), NETWORK_WAIT) * jitter)
    if failures >= limit and failing_for >= FAILING_SECONDS_TO_SUSPEND:
        return Suspend(LONGEST_WAIT * jitter)
    if isinstance(error, TryAgain) and error.after is not None:
        return Wait(min(max(error.after, 1.0), LONGEST_WISH))
    if isinstance(error, ProtocolViolation):
        return Wait(LONGEST_WAIT * jitter)
    return Wait(min(FIRST_WAIT * 2 ** (min(failures, 20) - 1), LONGEST_WAIT) * jitter)
