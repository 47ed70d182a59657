"""What people notice while a mailbox comes in: how soon its newest mail is there, how fast another list stays, what it costs.

One `serve` on a folder of many messages that is in step already; then a second, large mailbox is added. Until that is in:

- *visible*: seconds from the end of `account add` until the API lists the newest 50 of its inbox (goal: 2 s);
- *list, threads, message*: server time of the big folder's list page (goal: p95 under 50 ms), of its threads and of a message opened
  (goal: under twice the times while nothing is synchronised), asked again and again at random places;
- *engine*: resident memory of the engine above its idle figure, from /proc (goal: 80 MiB), and that of its reader.

    python -m bench.while_syncing [--big 100000] [--arriving u20k]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bench.first_sync import hand_over
from bench.mailbox import SIZES, fill
from tests.journeys.office import Installation, Office, served
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User


def percentile(values: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def document(label: str, server: Dovecot, user: User) -> str:
    return json.dumps(
        {
            "label": label, "address": user.address,
            "incoming": {"protocol": "imap", "host": "localhost", "port": server.imaps_port, "encryption": "tls"},
            "login": {"username": user.address, "password": user.password},
        }
    )  # fmt: skip


def letter(number: int) -> bytes:
    """A short message."""
    return (
        f"From: Absender {number % 977} <a{number % 977}@post.example>\r\nTo: big@example.test\r\n"
        f"Subject: Vorgang {number} wegen Frist {number % 31}\r\nMessage-ID: <{number}@bench.example>\r\n"
        f"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\n\r\nGuten Tag, zum Vorgang {number} bitten wir um Antwort.\r\n"
    ).encode()


def inbox(office: Office, label: str) -> str | None:
    """The id of that account's inbox, once it is known."""
    folders = office.api("GET", f"accounts/{label}/folders")["items"]
    return next((str(folder["id"]) for folder in folders if folder["role"] == "inbox"), None)


def times_of(office: Office, folder: str, cursors: Sequence[str], until: Callable[[], bool]) -> dict[str, list[float]]:
    """Seconds per list page, threads and message, one after the other, until told to stop (at least 60 of each).

    With pauses, because an access token may ask only so often.
    """
    dice = random.Random(1)
    times: dict[str, list[float]] = {"list page": [], "threads": [], "message": []}
    while not until() or len(times["message"]) < 60:
        time.sleep(0.4)
        where = dice.choice(cursors)
        after = f"&cursor={where}" if where else ""
        began = time.perf_counter()
        rows = office.api("GET", f"folders/{folder}/messages?limit=50{after}")["items"]
        times["list page"].append(time.perf_counter() - began)
        began = time.perf_counter()
        office.api("GET", f"messages?where=folder:{folder}&threads=true&limit=50")
        times["threads"].append(time.perf_counter() - began)
        opened = dice.choice(rows)["id"]
        began = time.perf_counter()
        office.api("GET", f"messages/{opened}")
        times["message"].append(time.perf_counter() - began)
    return times


class Memory(threading.Thread):
    """Watches the resident memory of a process and of its children; `peak` and `children` in KiB."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.peak = self.children = 0

    def run(self) -> None:
        """Until the interpreter ends."""
        while True:
            self.peak = max(self.peak, resident(self._process))
            self.children = max(self.children, sum(resident(child) for child in descendants(self._process)))
            time.sleep(0.1)


def descendants(parent: int) -> list[int]:
    children = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(entry.read_text().rpartition(")")[2].split()[1]) == parent:
                children.append(int(entry.parent.name))
    return children + [other for child in children for other in descendants(child)]


def resident(process: int) -> int:
    """KiB that belong to the process alone and what it shares, as `ps` counts; 0 when it is gone."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--big", type=int, default=100_000, help="messages in the folder that is listed")
    parser.add_argument("--arriving", choices=sorted(SIZES), default="u20k")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as scratch:
        ca = CertificateAuthority(Path(scratch))
        server = Dovecot(ca.good())
        try:
            big, arriving = server.user("big"), server.user("arriving")
            server.fill(big, (letter(number) for number in range(chosen.big)))
            fill(server.maildir(arriving), SIZES[chosen.arriving])
            hand_over(server.directory / "mail")
            measure(Installation(Path(scratch) / "home", ca), server, big, arriving)
        finally:
            server.stop()


def measure(installation: Installation, server: Dovecot, big: User, arriving: User) -> None:
    installation.init()
    installation.run("account", "add", "--json", "-", given=document("big", server, big))
    installation.run("sync", "--once")
    with served(installation) as office:
        folder = inbox(office, "big")
        assert folder is not None
        cursors, after = [""], ""
        for _ in range(40):
            window = office.api("GET", f"folders/{folder}/messages?limit=200" + (f"&cursor={after}" if after else ""))
            after = window["next"]
            cursors.append(after)
        time.sleep(5)
        memory = Memory(int((installation.home / "engine.lock").read_text()))
        memory.start()
        quiet = times_of(office, folder, cursors, lambda: True)
        idle = memory.peak
        installation.run("account", "add", "--json", "-", given=document("arriving", server, arriving))
        saved = time.perf_counter()
        done = threading.Event()
        visible: list[float] = []

        def follow() -> None:
            while not visible:
                newest = inbox(office, "arriving")
                if newest and len(office.api("GET", f"folders/{newest}/messages?limit=50")["items"]) == 50:
                    visible.append(time.perf_counter() - saved)
                time.sleep(0.02)
            while office.api("GET", "accounts/arriving")["synced_at"] is None:
                time.sleep(0.5)
            done.set()

        threading.Thread(target=follow, daemon=True).start()
        busy = times_of(office, folder, cursors, done.is_set)
        whole = time.perf_counter() - saved
    print("| measured | figure | goal |\n|---|---|---|")
    print(f"| newest 50 visible after saving | {visible[0]:.2f} s | ≤ 2 s |")
    print(f"| whole mailbox in | {whole:.1f} s | |")
    for name, goal in (("list page", "p95 < 50 ms"), ("threads", ""), ("message", "")):
        idle_ms, busy_ms = ([percentile(times[name], share) for share in (0.5, 0.95)] for times in (quiet, busy))
        ratio = " / ".join(f"{now / before:.1f}" for now, before in zip(busy_ms, idle_ms, strict=True))
        print(f"| {name}, nothing else going on: p50 / p95 | {idle_ms[0]:.1f} / {idle_ms[1]:.1f} ms | |")
        print(f"| {name} during the first sync: p50 / p95 ({len(busy[name])}) | {busy_ms[0]:.1f} / {busy_ms[1]:.1f} ms, {ratio} × | {goal or '< 2 ×'} |")  # fmt: skip
    print(
        f"| engine, peak above idle | {(memory.peak - idle) / 1024:.0f} MiB (idle {idle / 1024:.0f} MiB)"
        f" and a reader process of {memory.children / 1024:.0f} MiB | ≤ 80 MiB |"
    )


if __name__ == "__main__":
    main()
