"""Whether one huge mailbox makes the others wait (PERFORMANCE goal 20).

`serve` with so many watched mailboxes on one made-up server (`bench.endless_server`), all in step; then one with hundreds of
thousands of messages is added. While that comes in, a message is delivered to one of the others at a time, chosen at random, and
the seconds until the API lists it are taken; beside the same before the huge one was added.

    python -m bench.fairness [--accounts 200] [--messages 500000] [--deliveries 50]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from bench.endless import Endless, endless
from bench.while_syncing import inbox
from tests.journeys.office import Installation, Office, served
from tests.servers.ca import CertificateAuthority

PATIENCE = 120.0


def until_visible(office: Office, server: Endless, label: str, folder: str) -> float:
    """Seconds from the delivery until a list shows one message more."""

    def total() -> int:
        folders = office.api("GET", f"accounts/{label}/folders")["items"]
        return next(int(one["total"]) for one in folders if one["id"] == folder)

    before = total()
    began = time.perf_counter()
    server.deliver(label)
    while total() == before:
        if time.perf_counter() - began > PATIENCE:
            raise SystemExit(f"{label}: a delivery was not visible within {PATIENCE:.0f} s")
        time.sleep(0.01)
    return time.perf_counter() - began


def deliveries(
    office: Office, server: Endless, folders: dict[str, str], count: int, dice: random.Random
) -> list[float]:
    """Seconds of so many deliveries, one after the other."""
    return [until_visible(office, server, label, folders[label]) for label in dice.choices([*folders], k=count)]


def line(name: str, seconds: list[float], goal: str) -> str:
    """A row of the table."""
    ordered = sorted(seconds)
    return f"| {name} | {statistics.median(ordered):.2f} | {ordered[int(len(ordered) * 0.95)]:.2f} | {ordered[-1]:.2f} | {goal} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--deliveries", type=int, default=50)
    chosen = parser.parse_args()
    labels = [f"m{number}" for number in range(chosen.accounts - 1)]
    dice = random.Random(3)
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as scratch, endless() as server:
        installation = Installation(Path(scratch) / "home", CertificateAuthority(Path(scratch)))
        installation.init()
        with served(installation) as office:
            for label in labels:
                office.api("POST", "accounts", json.loads(server.document(label, label)))
            while any(office.api("GET", f"accounts/{label}")["synced_at"] is None for label in labels):
                time.sleep(1)
            folders = {label: found for label in labels if (found := inbox(office, label))}
            alone = deliveries(office, server, folders, chosen.deliveries, dice)
            office.api("POST", "accounts", json.loads(server.document("big", f"big-{chosen.messages}-20000")))
            while not office.api("GET", "accounts/big")["held"]:
                time.sleep(0.1)
            beside = deliveries(office, server, folders, chosen.deliveries, dice)
            held = office.api("GET", "accounts/big")["held"]
    if held >= chosen.messages:
        raise SystemExit("the large mailbox was in before the measurement ended: take a larger one")
    print(f"{chosen.accounts} mailboxes; {held} of the large one's {chosen.messages} messages had come at the end\n")
    print("| delivery to visible, seconds | median | p95 | worst | goal |\n|---|---|---|---|---|")
    print(line("all in step", alone, ""))
    print(line("while the large one comes in", beside, "2 s"))


if __name__ == "__main__":
    main()
