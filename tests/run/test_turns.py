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


def test_whoever_comes_back_from_waiting_does_not_queue_up_again() -> None:
    turns = Turns(1)
    with turns.taken(), ThreadPoolExecutor(1) as threads:
        other, ready = threading.Event(), threading.Event()

        def compute() -> None:
            with turns.taken():
                ready.set()
                other.wait(PATIENCE)

        with turns.given_away():
            computing = threads.submit(compute)
            assert ready.wait(PATIENCE)
        assert not computing.done()
        other.set()


def test_whoever_computes_for_long_keeps_no_turn_from_the_others() -> None:
    turns = Turns(1, patience=-1)
    with turns.taken():
        turns.grow_old()
        with ThreadPoolExecutor(1) as threads, turns.given_away():

            def compute() -> bool:
                with turns.taken():
                    return True

            assert threads.submit(compute).result(PATIENCE)


def test_whoever_computes_for_a_moment_keeps_its_turn() -> None:
    turns = Turns(1)
    with turns.taken(), ThreadPoolExecutor(1) as threads:
        entered = threading.Event()

        def compute() -> None:
            with turns.taken():
                entered.set()

        turns.grow_old()
        waiting = threads.submit(compute)
        assert not entered.wait(0.05)
        with turns.given_away():
            waiting.result(PATIENCE)


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
