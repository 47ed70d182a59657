"""A mailbox that is too large to be made: what its first synchronisation costs as it goes on (PERFORMANCE goals 17, 18, 23).

`serve` as an office runs it, and a server that makes its mail up (`bench.endless_server`). One mailbox is added; then, at every
twentieth of it, what has come so far, what each message of that twentieth cost in CPU of the engine and its helpers, and how much
memory they take. At the end: a list page and a search. A mailbox of 500,000 messages and 10 GB, and one of 100,000:

    python -m bench.endless --messages 500000 --bytes 20000
    python -m bench.endless --messages 100000 --bytes 8000
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.while_syncing import descendants, inbox, resident
from tests.journeys.office import Installation, Office, served
from tests.servers.ca import CertificateAuthority

VISIBLE = 50


@dataclass
class Endless:
    """The running server: `port`, and the line to it."""

    port: int
    line: IO[bytes]

    def deliver(self, user: str) -> None:
        """One more message for that user."""
        self.line.write(user.encode() + b"\n")
        self.line.flush()

    def document(self, label: str, user: str) -> str:
        """The account document of that user."""
        return json.dumps(
            {
                "label": label, "address": f"{label}@bench.example",
                "incoming": {
                    "protocol": "imap", "host": "127.0.0.1", "port": self.port, "encryption": "none",
                    "plain_text_allowed": True,
                },
                "login": {"username": user, "password": "geheim"},
            }
        )  # fmt: skip


@contextlib.contextmanager
def endless() -> Iterator[Endless]:
    """The server, in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.endless_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield Endless(int(server.stdout.readline()), server.stdin)
    finally:
        server.kill()
        server.wait()


def cpu(processes: list[int]) -> float:
    """Seconds of CPU these have used."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def follow(office: Office, engine: int, label: str, messages: int, saved: float) -> None:
    """A line for each twentieth, until the mailbox is in step."""
    folder, visible = None, None
    told, before, steps = 0, cpu([engine, *descendants(engine)]), 0
    first_minute = later = 0
    while told < messages:
        time.sleep(0.05 if visible is None else 1.0)
        folder = folder or inbox(office, label)
        if (
            folder
            and visible is None
            and len(office.api("GET", f"folders/{folder}/messages?limit=50")["items"]) == VISIBLE
        ):
            visible = time.perf_counter() - saved
            print(f"newest {VISIBLE} visible after {visible:.2f} s (goal 2 s)", flush=True)
        helpers = descendants(engine)
        memory = resident(engine) // 1024
        elapsed = time.perf_counter() - saved
        if elapsed < 60:
            first_minute = max(first_minute, memory)
        else:
            later = max(later, memory)
        held = office.api("GET", f"accounts/{label}")["held"] if visible is not None else 0
        if held >= messages * (steps + 1) // 20:
            steps = held * 20 // messages
            now = cpu([engine, *helpers])
            helping = sum(map(resident, helpers)) // 1024
            each = (now - before) / max(1, held - told) * 1e6
            print(
                f"{held:8} messages, {elapsed:7.1f} s, {each:6.0f} us CPU each, engine {memory} MiB, helpers {helping} MiB",
                flush=True,
            )
            told, before = held, now
    print(f"engine: at most {first_minute} MiB in the first minute, {later} MiB afterwards (goal: flat)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=8_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as scratch, endless() as server:
        installation = Installation(Path(scratch) / "home", CertificateAuthority(Path(scratch)))
        installation.environment |= {"POSTSTELLE_DAILY_MEGABYTES": "0"}
        installation.init()
        with served(installation) as office:
            office.api("GET", "accounts")
            engine = int((installation.home / "engine.lock").read_text())
            office.api("POST", "accounts", json.loads(server.document("big", f"big-{chosen.messages}-{chosen.bytes}")))
            follow(office, engine, "big", chosen.messages, time.perf_counter())
            folder = inbox(office, "big")
            for what, path in (("list", f"folders/{folder}/messages?limit=50"), ("search", "search?q=Klagelauf")):
                began = time.perf_counter()
                office.api("GET", path)
                print(f"{what} page afterwards: {(time.perf_counter() - began) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
