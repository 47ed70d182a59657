"""The outbox's table."""

from __future__ import annotations

import itertools

import pytest

from poststelle.policy.sending import ACCEPTED, DEFERRED, MOVES, REJECTED, move, state_after


def test_every_move_outside_the_table_raises() -> None:
    for state, to in itertools.product(MOVES, MOVES):
        if to in MOVES[state]:
            assert move(state, to) == to
        else:
            with pytest.raises(ValueError, match="illegal move"):
                move(state, to)


def test_what_may_have_left_is_never_sent_again_by_itself() -> None:
    assert "sending" not in MOVES["uncertain"]


@pytest.mark.parametrize(
    ("recipients", "state"),
    [
        ([ACCEPTED], "sent"),
        ([ACCEPTED, ACCEPTED], "sent"),
        ([ACCEPTED, REJECTED], "partly-sent"),
        ([REJECTED, REJECTED], "rejected"),
        ([ACCEPTED, DEFERRED], "deferred"),
        ([DEFERRED, REJECTED], "deferred"),
    ],
)
def test_the_state_of_a_message_follows_from_its_recipients(recipients: list[str], state: str) -> None:
    assert state_after(recipients) == state
