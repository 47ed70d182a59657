"""The life of a watched account: what may follow what."""

from __future__ import annotations

import pytest

from poststelle.sync.watch import MOVES, Event, State, move


def test_a_good_day_leads_from_waiting_to_watching_and_back() -> None:
    state = State.WAITING
    for event, expected in (
        (Event.DUE, State.CONNECTING),
        (Event.CONNECTED, State.CATCHING_UP),
        (Event.IN_STEP, State.WATCHING),
        (Event.NEWS, State.CATCHING_UP),
        (Event.IN_STEP, State.WATCHING),
        (Event.DONE, State.WAITING),
    ):
        state = move(state, event)
        assert state is expected


def test_trouble_backs_off_and_waits_its_turn_again() -> None:
    assert move(move(State.CATCHING_UP, Event.TROUBLE), Event.DUE) is State.WAITING


def test_only_what_is_due_ends_a_suspension() -> None:
    assert set(MOVES[State.SUSPENDED]) == {Event.DUE, Event.STOP}


@pytest.mark.parametrize("event", Event)
def test_nothing_follows_the_end(event: Event) -> None:
    with pytest.raises(ValueError, match="illegal move"):
        move(State.STOPPED, event)


def test_a_suspended_account_is_never_found_watching_without_having_connected() -> None:
    with pytest.raises(ValueError, match="in-step while suspended"):
        move(State.SUSPENDED, Event.IN_STEP)


def test_every_state_is_reached_and_every_event_leads_somewhere() -> None:
    reached = {to for moves in MOVES.values() for to in moves.values()}
    assert reached == set(State)
    assert {event for moves in MOVES.values() for event in moves} == set(Event)


@pytest.mark.parametrize("state", [state for state in State if state is not State.STOPPED])
def test_it_can_be_stopped_at_any_time(state: State) -> None:
    assert move(state, Event.STOP) is State.STOPPED
