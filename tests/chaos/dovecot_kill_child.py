"""SIGKILL at random moments of a first sync, daily syncs and errands with a real server: a process that has loaded everything forks one
that syncs an installation as ``sync --once`` does, kills it with all it has started, and forks the next.

Run as ``python -m tests.chaos.dovecot_kill_child KILLS SEED PORT ADDRESS PASSWORD`` in the environment of that installation. Its standard
output is a pickle: how many were killed, what was added to the mailbox by its bytes, and what is here in the end.
"""

from __future__ import annotations

import imaplib
import os
import pickle
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import django

from tests.chaos.kill_child import forked

Held = Counter[tuple[str, bytes, frozenset[str]]]

PATIENCE = 20.0
LONGEST = 0.5
ARRIVALS = 5
ROUNDS = 6
"""Until both sides are at rest: what may have been told already is looked for twice, then told again, and what has to wait for that
after it."""


def sync() -> None:
    """One round, in a session of its own, so that all it starts can be killed with it."""
    from poststelle.run.rounds import sync_once

    os.setsid()
    sync_once([])


def killed(after: float, home: Path) -> bool:
    """Start a round and kill it so many seconds after it has begun; whether it was still at work."""
    child = os.fork()
    if child == 0:
        try:
            sync()
        finally:
            os._exit(0)
    lock, ends = home / "engine.lock", time.monotonic() + PATIENCE
    while not (lock.exists() and lock.read_text() == str(child)) and time.monotonic() < ends:
        time.sleep(0.002)
    time.sleep(after)
    at_work = os.waitpid(child, os.WNOHANG) == (0, 0)
    if at_work:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return at_work


def deliver(client: imaplib.IMAP4, dice: random.Random) -> Counter[bytes]:
    """Mail arrives, and another program reads and flags."""
    from tests.builders import a_letter

    brought = [
        a_letter(f"Neu {dice.getrandbits(60)}", "Zeile\r\n" * dice.choice((1, 50, 2000))) for _ in range(ARRIVALS)
    ]
    for raw in brought:
        client.append(dice.choice(("INBOX", "Archive")), "", "", raw)
    client.select("INBOX")
    client.store(f"{dice.randrange(1, 50)}", "+FLAGS", "(\\Answered)")
    client.close()
    return Counter(brought)


def _folders() -> dict[str, str]:
    from poststelle.office import reading
    from poststelle.office.actor import SYSTEM

    return {folder.path[0]: folder.id for branch in reading.tree(SYSTEM) for folder in branch.folders}


def work(seed: str) -> Counter[bytes]:
    """Handle mail as a person would, as far as it is here; what that adds to the mailbox, by its bytes."""
    from poststelle.mail.ports import FLAGGED, SEEN
    from poststelle.office import handling, reading
    from poststelle.office.actor import SYSTEM
    from tests.builders import a_letter

    dice, folders = random.Random(seed), _folders()
    rows = [row.id for row in reading.page(SYSTEM, folders["INBOX"], 100).items] if "INBOX" in folders else []
    if len(rows) < 10:
        return Counter()
    dice.shuffle(rows)
    added = Counter(reading.raw(SYSTEM, number) for number in rows[5:7])
    handling.mark(SYSTEM, handling.Selection(rows[:3]), add=[FLAGGED, SEEN])
    handling.move(SYSTEM, handling.Selection(rows[2:5]), folders["Archive"])
    handling.copy(SYSTEM, handling.Selection(rows[5:7]), folders["Archive"])
    handling.delete(SYSTEM, handling.Selection(rows[7:9]))
    raw = a_letter(f"Eigener {dice.getrandbits(60)}")
    handling.append(SYSTEM, folders["Sent"], raw, flags=[SEEN])
    added[raw] += 1
    return added


def here() -> Held:
    """Folder, bytes and flags of every message."""
    from poststelle.office import reading
    from poststelle.office.actor import SYSTEM
    from poststelle.store import models

    found: Held = Counter()
    for name, number in _folders().items():
        after = None
        while True:
            page = reading.page(SYSTEM, number, 200, after)
            found.update((name, reading.raw(SYSTEM, row.id), frozenset(row.flags)) for row in page.items)
            after = page.next
            if after is None:
                break
    assert not models.Errand.objects.filter(closed_at=None).exists(), "the server has still to be told something"
    return found


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    kills, seed, port, address, password = arguments
    os.environ["DJANGO_SETTINGS_MODULE"] = "poststelle.run.settings"
    django.setup()
    import poststelle.run.rounds  # noqa: F401 - loaded once, for all that are forked

    dice, home = random.Random(seed), Path(os.environ["POSTSTELLE_HOME"])
    client = imaplib.IMAP4("127.0.0.1", int(port))
    client.login(address, password)
    added: Counter[bytes] = Counter()
    count = 0
    for number in range(3 * int(kills)):
        if count == int(kills):
            break
        added += deliver(client, dice)
        _, brought = forked(partial(work, f"{seed}.{number}"))
        added += brought
        count += killed(dice.uniform(0.0, LONGEST), home)
    client.logout()
    for _ in range(ROUNDS):
        forked(sync)
    _, found = forked(here)
    sys.stdout.buffer.write(pickle.dumps((count, added, found)))


if __name__ == "__main__":
    main(sys.argv[1:])
