"""The life of a watched account, as a table: states, what can happen, and where that leads.

The engine moves along this table and nowhere else; a move that is not in it raises. The drawing in docs/sync.md is made from it.
This module does not know tasks, time or the store.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.StrEnum):
    """Where an account stands."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    CATCHING_UP = "catching-up"
    WATCHING = "watching"
    LIVE = "live"
    BACKING_OFF = "backing-off"
    SUSPENDED = "suspended"
    STOPPED = "stopped"


class Event(enum.StrEnum):
    """What happens to it."""

    DUE = "due"
    """Its time or its turn has come, or somebody asked."""
    CONNECTED = "connected"
    LIVE_ONLY = "live-only"
    """Connected, and nothing is to be fetched in the background."""
    IN_STEP = "in-step"
    """Everything the server has reported is here, or being fetched by the second session."""
    NEWS = "news"
    """The server reported something, or something here waits to be told."""
    DONE = "done"
    """In step and hung up until the next time: no push, or only by Send/Receive."""
    TROUBLE = "trouble"
    """Passing trouble."""
    REFUSED = "refused"
    """Suspended, until a person acts or an hour has passed."""
    STOP = "stop"


_TROUBLES = {Event.TROUBLE: State.BACKING_OFF, Event.REFUSED: State.SUSPENDED, Event.STOP: State.STOPPED}

MOVES: Mapping[State, Mapping[Event, State]] = {
    State.WAITING: {Event.DUE: State.CONNECTING} | _TROUBLES,
    State.CONNECTING: {Event.CONNECTED: State.CATCHING_UP, Event.LIVE_ONLY: State.LIVE} | _TROUBLES,
    State.CATCHING_UP: {Event.IN_STEP: State.WATCHING, Event.DONE: State.WAITING} | _TROUBLES,
    State.WATCHING: {Event.NEWS: State.CATCHING_UP, Event.DONE: State.WAITING} | _TROUBLES,
    State.LIVE: {Event.DONE: State.WAITING} | _TROUBLES,
    State.BACKING_OFF: {Event.DUE: State.WAITING, Event.STOP: State.STOPPED},
    State.SUSPENDED: {Event.DUE: State.WAITING, Event.STOP: State.STOPPED},
    State.STOPPED: {},
}
"""Legal moves; anything else raises."""


def move(state: State, event: Event) -> State:
    """Where the event leads. Raises ValueError for one that cannot happen there: a bug, not a condition."""
    try:
        return MOVES[state][event]
    except KeyError as error:
        raise ValueError(f"illegal move of a watched account: {event} while {state}") from error
