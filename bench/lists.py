"""How fast an office of a million messages reads: list, threads, message, thread, tree, work and search, with 50 people at it.

    POSTSTELLE_HOME=/a/folder/of/its/own python -m bench.lists [--messages 1000000] [--users 50] [--seconds 60] [--think 2.0] [--index]

The office (bench.million) is built once in that folder. Then `users` threads of one process, as the web has them, call the office's
functions, each after thinking for about `think` seconds, with a database connection of its own per call, as a request has it. Server
time in milliseconds. A second table asks for every kind of list there is, one after the other: place × order × threads × filter.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

GOALS = {"list": 100, "threads": 100, "message": 100, "thread": 100, "tree": 50, "work": 100, "search": 150}
_SHARES = {"list": 30, "threads": 20, "message": 25, "thread": 8, "tree": 8, "work": 5, "search": 4}


def percentile(values: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


class Clerk(threading.Thread):
    """One person: thinks, clicks, and notes how long each answer took."""

    def __init__(self, address: str, seconds: float, think: float, seed: int, *, search: bool) -> None:
        super().__init__(daemon=True)
        self._address, self._until, self._think = address, time.monotonic() + seconds, think
        self._dice = random.Random(seed)
        self._shares = {name: share for name, share in _SHARES.items() if search or name != "search"}
        self.times: dict[str, list[float]] = {name: [] for name in _SHARES}
        self._rows: list[str] = []

    def run(self) -> None:
        """Until the time is over."""
        from django.db import connections

        from poststelle.office.actor import Actor
        from poststelle.store import people

        actor = Actor(people.find_user(self._address))
        time.sleep(self._dice.random() * self._think)
        self._clicks(actor, "list")
        connections.close_all()
        while time.monotonic() < self._until:
            time.sleep(self._dice.expovariate(1 / self._think) if self._think else 0)
            kind = self._dice.choices([*self._shares], [*self._shares.values()])[0]
            began = time.perf_counter()
            self._clicks(actor, kind)
            connections.close_all()
            self.times[kind].append(time.perf_counter() - began)

    def _clicks(self, actor: Any, kind: str) -> None:
        from poststelle.mail.listing import INBOX, Filter, Place, Sort, Where
        from poststelle.office import lists, reading, trees, work

        dice = self._dice
        if kind in {"list", "threads"}:
            where = dice.choice(
                [INBOX, INBOX, Where(Place.ROLE, "sent"), Where(Place.ROLE, "archive"), Where(Place.MINE)]
            )
            chosen = dice.choice(
                [Filter(), Filter(), Filter(), Filter(unread=True), Filter(flagged=True), Filter(attachments=True)]
            )
            page = lists.page(actor, where, threads=kind == "threads", filter=chosen, sort=Sort.DATE)
            for _ in range(dice.randrange(2)):
                if page.next:
                    page = lists.page(actor, where, threads=kind == "threads", filter=chosen, after=page.next)
            self._rows = [row.placement.id for row in page.items] or self._rows
        elif kind == "tree":
            trees.shown(actor)
        elif kind == "search":
            reading.search(actor, dice.choice(["frist klag", "rechtamt", "brief post", "hausmein", "verheit wort"]), 50)
        elif self._rows:
            row = dice.choice(self._rows)
            {"message": reading.open_message, "thread": reading.thread, "work": work.on}[kind](actor, row)


def clicking(people: int, seconds: float, think: float, *, search: bool) -> None:
    """The first table."""
    from django.db import connection

    # As the engine does: whoever closes the last connection would fold up the write-ahead log each time.
    connection.ensure_connection()
    clerks = [Clerk(f"p{number}@amt.test", seconds, think, number, search=search) for number in range(people)]
    for clerk in clerks:
        clerk.start()
    for clerk in clerks:
        clerk.join()
    print(
        f"\n{people} people, thinking {think} s\n\n| click | count | p50 ms | p95 ms | goal p95 |\n|---|---|---|---|---|"
    )
    for kind, goal in GOALS.items():
        times = [one for clerk in clerks for one in clerk.times[kind]]
        if times:
            print(f"| {kind} | {len(times)} | {percentile(times, 0.5):.1f} | {percentile(times, 0.95):.1f} | {goal} |")


def every_list() -> None:
    """The second table: the slowest kinds of lists, by processor time, which other work on the machine does not change."""
    from poststelle.mail.listing import INBOX, Filter, Place, Sort, Where
    from poststelle.office import lists
    from poststelle.office.actor import Actor
    from poststelle.store import models, people

    big = models.Folder.objects.get(account__label="Postfach 000", role="inbox")
    places = [
        Where(Place.FOLDER, str(big.pk)), INBOX, Where(Place.ROLE, "sent"), Where(Place.ROLE, "archive"), Where(Place.MINE),
        Where(Place.FOLLOW_UP), Where(Place.MENTIONS), Where(Place.NEW),
    ]  # fmt: skip
    filters = [
        Filter(), Filter(unread=True), Filter(flagged=True), Filter(attachments=True), Filter(mine=True), Filter(unassigned=True),
        Filter(tag="Wichtig"), Filter(tag="Nirgends"),
    ]  # fmt: skip
    found = []
    for address in ("p0@amt.test", "p3@amt.test"):
        actor = Actor(people.find_user(address))
        for where, sort, threads, chosen in product(places, Sort, (False, True), filters):
            if address == "p3@amt.test" and where.place is Place.FOLDER:
                continue

            def ask(where: Where = where, sort: Sort = sort, chosen: Filter = chosen, *, actor: Actor = actor, threads: bool = threads) -> Any:  # fmt: skip
                return lists.page(actor, where, sort=sort, threads=threads, filter=chosen)

            took = min(_processor_seconds(ask) for _ in range(3))
            found.append((took, f"{address[:2]} {where.place.value} {where.role.value if where.place is Place.ROLE else ''} {sort.value} {'threads' if threads else ''} {chosen}"))  # fmt: skip
    found.sort(reverse=True)
    times = [took for took, _ in found]
    print(
        f"\n{len(found)} kinds of lists: p50 {percentile(times, 0.5):.1f} ms, p95 {percentile(times, 0.95):.1f} ms of processor time; the slowest:\n"
    )
    for took, name in found[:12]:
        print(f"- {took * 1000:6.1f} ms  {name}")


def _processor_seconds(ask: Callable[[], Any]) -> float:
    began = time.process_time()
    ask()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=2.0)
    parser.add_argument("--index", action="store_true", help="build the search index too, and search")
    chosen = parser.parse_args()
    home = Path(os.environ["POSTSTELLE_HOME"])
    home.mkdir(mode=0o700, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "poststelle.run.settings"
    import django

    django.setup()
    from bench import million

    if not million.is_built():
        million.build(chosen.messages, index=chosen.index)
    clicking(chosen.users, chosen.seconds, chosen.think, search=chosen.index)
    every_list()


if __name__ == "__main__":
    main()
