"""Turns: only so many threads compute at once, and whoever waits for something else stands in nobody's way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from poststelle.run.turns import Turns

PATIENCE = 20.0


def test_no_more_threads_compute_at_once_than_there_are_turns() -> None:
    turns, lock = Turns(2), threading.Lock()
    computing: list[int] = []
    most: list[int] = []

    def compute() -> None:
        with turns.taken():
            with lock:
                computing.append(1)
                most.append(len(computing))
            with lock:
                computing.pop()

    with ThreadPoolExecutor(8) as threads:
        for _ in range(200):
            threads.submit(compute)
    assert len(most) == 200
    assert max(most) <= 2


def test_whoever_waits_for_something_else_lets_others_compute_and_gets_a_turn_again() -> None:
    turns, answered, waiting = Turns(1), threading.Event(), threading.Event()

    def ask() -> bool:
        with turns.taken(), turns.given_away():
            waiting.set()
            return answered.wait(PATIENCE)

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        assert waiting.wait(PATIENCE)
        with turns.taken():
            answered.set()
        assert asking.result(PATIENCE)
    with turns.taken():
        pass


def test_a_thread_without_a_turn_has_none_to_give_away() -> None:
    turns = Turns(1)
    with turns.given_away(), turns.taken():
        pass


def test_a_turn_comes_back_when_computing_fails() -> None:
    turns = Turns(1)
    for _ in range(3):
        try:
            with turns.taken(), turns.given_away():
                raise ValueError
        except ValueError:
            continue
    with turns.taken():
        pass
