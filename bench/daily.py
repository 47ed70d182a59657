"""The rounds of every day beside mbsync: nothing new, and a little new (PERFORMANCE goals 6 and 7).

A mailbox that all have fetched, on one Dovecot over TLS. Each round first makes sure that nothing has changed and lets everyone
look; then 100 messages of about 10 KB are appended and 500 are flagged, and everyone looks again. Poststelle looks in two ways:

- *warm*: a running `serve`, asked for a round ("send and receive") until that is answered and everything is searchable. Its engine
  is stopped while the changes are made, because it would have fetched them before anybody asked. One such round goes before, because
  a service is not asked in the first second of its life;
- *cold*: `sync --once`, which starts Python, connects and ends, as mbsync does.

Of the warm rounds in which nothing is new the pass itself is shown as well: from its begin to its end as the engine noted them, without
the HTTP request that asked for it.

    python -m bench.daily [u20k] [--rounds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import imaplib
import json
import os
import random
import signal
import sqlite3
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.first_sync import Place as Server
from bench.first_sync import emptied, hand_over, mbsync_command, measured
from bench.mailbox import SIZES, fill
from tests.journeys.office import Installation, Office, served
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

NEW, FLAGGED = 100, 500
WARM, COLD, MBSYNC = "poststelle, running service", "poststelle sync --once", "mbsync"
PASS = "poststelle, running service, the pass itself"
GOALS = {("nothing new", PASS): "≤ 0.25", ("nothing new", COLD): "≤ 1.2", ("100 new, 500 flagged", WARM): "≤ 1.2"}


class Changes:
    """Another mail program at the same mailbox."""

    def __init__(self, place: Server) -> None:
        context = ssl.create_default_context(cafile=str(place.ca_file))
        self._client = imaplib.IMAP4_SSL("localhost", place.server.imaps_port, ssl_context=context)
        self._client.login(place.user.address, place.user.password)
        self._dice = random.Random(2)
        self._number = 0

    def make(self) -> None:
        """100 new messages and 500 changed flags, all in the inbox."""
        for _ in range(NEW):
            self._number += 1
            text = "".join(f"{self._dice.getrandbits(200):x}\r\n" for _ in range(190))
            raw = f"From: a@bench.example\r\nSubject: neu {self._number}\r\nMessage-ID: <n{self._number}@bench.example>\r\n\r\n{text}"
            self._client.append("INBOX", "", imaplib.Time2Internaldate(time.time()), raw.encode())
        _, (exists, *_) = self._client.select("INBOX")
        chosen = sorted(self._dice.sample(range(1, int(exists or b"0") - NEW), FLAGGED))
        sign = "+" if self._number // NEW % 2 else "-"
        self._client.store(",".join(map(str, chosen)), f"{sign}FLAGS.SILENT", r"(\Flagged)")


@dataclass(frozen=True, slots=True)
class Ours:
    """A running service and a data folder of its own for the cold runs."""

    office: Office
    cold: Installation

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """The engine hears of nothing for so long, as if everything had happened in one moment."""
        engine = int((self.office.installation.home / "engine.lock").read_text())
        os.kill(engine, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(engine, signal.SIGCONT)

    def warm(self) -> float:
        """Ask for a round; seconds until it is answered and everything is searchable.

        That is read off the files: whoever asks the service again and again takes time from the round.
        """
        asked = "SELECT synced_at FROM store_account"
        before = self._read("poststelle.db", asked)
        began = time.perf_counter()
        self.office.api("POST", "accounts/bench/sync")
        while self._read("poststelle.db", asked) == before or self._behind():
            time.sleep(0.002)
        return time.perf_counter() - began

    def latest_pass(self) -> float:
        """Seconds the latest round took the engine."""
        return float(
            self._read(
                "poststelle.db", "SELECT (julianday(synced_at) - julianday(last_round_at)) * 86400 FROM store_account"
            )
        )

    def _behind(self) -> bool:
        indexed = self._read("search.db", "SELECT message FROM progress")
        return bool(indexed < self._read("poststelle.db", "SELECT max(id) FROM store_message"))

    def _read(self, name: str, asked: str) -> Any:
        path = self.office.installation.home / name
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(asked).fetchone()[0]

    def once(self) -> float:
        """Start, look, end."""
        return measured(
            [sys.executable, "-m", "poststelle", "sync", "bench", "--once", "--json"], environment=self.cold.environment
        ).wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", choices=sorted(SIZES), default="u20k")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as scratch:
        ca = CertificateAuthority(Path(scratch))
        dovecot = Dovecot(ca.good())
        try:
            user = dovecot.user(chosen.size)
            fill(dovecot.maildir(user), SIZES[chosen.size])
            hand_over(dovecot.directory / "mail")
            place = Server(dovecot, user, ca.ca_file, Path(scratch), SIZES[chosen.size].messages)
            compare(place, ca, chosen.rounds)
        finally:
            dovecot.stop()


def compare(place: Server, ca: CertificateAuthority, rounds: int) -> None:
    """Fetch once, then the rounds; print the table."""
    document = {
        "label": "bench", "address": place.user.address,
        "incoming": {"protocol": "imap", "host": "localhost", "port": place.server.imaps_port, "encryption": "tls"},
        "login": {"username": place.user.address, "password": place.user.password},
    }  # fmt: skip
    running, cold = Installation(place.scratch / "running", ca), Installation(place.scratch / "cold", ca)
    for installation in (running, cold):
        installation.init()
        installation.run("account", "add", "--json", "-", given=json.dumps(document))
        installation.run("sync", "bench", "--once")
    peer = mbsync_command(place, emptied(place, "mbsync"), fsync="yes")
    measured(peer)
    changes = Changes(place)
    spent: dict[tuple[str, str], list[float]] = {}
    with served(running) as office:
        ours = Ours(office, cold)
        ours.warm()
        with ours.asleep():
            changes.make()
        # What a service loads with the first portion of its life, among it the index process, is there afterwards.
        ours.warm()
        measured(peer)
        ours.once()
        ways: Mapping[str, Callable[[], float]] = {
            MBSYNC: lambda: measured(peer).wall,
            WARM: ours.warm,
            COLD: ours.once,
        }
        for _ in range(rounds):
            for name, run in ways.items():
                spent.setdefault(("nothing new", name), []).append(run())
                if name == WARM:
                    spent.setdefault(("nothing new", PASS), []).append(ours.latest_pass())
            with ours.asleep():
                changes.make()
                for name in (MBSYNC, COLD):
                    spent.setdefault(("100 new, 500 flagged", name), []).append(ways[name]())
            spent.setdefault(("100 new, 500 flagged", WARM), []).append(ours.warm())
    print("| round | who | wall s (min-max) | / mbsync | goal |\n|---|---|---|---|---|")
    for (what, name), seconds in spent.items():
        wall, peers = statistics.median(seconds), statistics.median(spent[what, MBSYNC])
        span = f"{wall:.3f} ({min(seconds):.3f}-{max(seconds):.3f})"
        print(f"| {what} | {name} | {span} | {wall / peers:.2f} | {GOALS.get((what, name), '')} |")


if __name__ == "__main__":
    main()
