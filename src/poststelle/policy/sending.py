"""The outbox's states, as tables: one machine per message, derived from one state per recipient (RELIABILITY Q20).

A crash before the first byte of the message puts it back into the queue; after it nobody knows, so it is *uncertain* and
never sent again by itself. What waited when the data was restored or copied is *held* until a person decides (Q24).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from poststelle.mail.ports import RecipientResult, RecipientState

WAITING, ACCEPTED, DEFERRED, REJECTED = "waiting", "accepted", "deferred", "rejected"

MOVES: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"sending", "held"}),
    "sending": frozenset({"queued", "deferred", "sent", "partly-sent", "rejected", "uncertain"}),
    "deferred": frozenset({"sending", "held", "queued", "discarded"}),
    "held": frozenset({"queued", "discarded", "sent"}),
    "uncertain": frozenset({"sent", "queued", "discarded"}),
    "sent": frozenset(),
    "partly-sent": frozenset(),
    "rejected": frozenset(),
    "discarded": frozenset({"queued"}),
}
"""Legal moves of an outgoing message; anything else raises. The drawing in docs/outbox.md is made from this table."""

LONGEST_DEFERRAL_ATTEMPTS = 40


def move(state: str, to: str) -> str:
    """`to`, if that is a legal move. Raises ValueError on an illegal one: a bug, not a condition."""
    if to not in MOVES[state]:
        raise ValueError(f"illegal move of an outgoing message: {state} → {to}")
    return to


def state_after(recipients: Collection[str]) -> str:
    """What an attempt that got an answer for everybody makes of the message."""
    states = set(recipients)
    if states & {WAITING, DEFERRED}:
        return "deferred"
    if states <= {ACCEPTED}:
        return "sent"
    return "partly-sent" if ACCEPTED in states else "rejected"


def given_up(result: RecipientResult) -> RecipientResult:
    """A postponement after the last attempt is a refusal; the server's words stay."""
    return replace(result, state=RecipientState.REJECTED) if result.state is RecipientState.DEFERRED else result
