"""SIGKILL at random steps, by the hundred: a process of its own forks one that syncs a mailbox in memory into a real store and is
killed at a step the dice choose, then another one that goes on; then both sides are compared.

Run as ``python -m tests.chaos.kill_child HOME RUNS SEED``. Prints what was wrong, one line a run, and how many were really killed. A step
is a word with the server, an SQL statement, or a file made durable. What the server was told before the kill stays told. Every second
time the power goes as well: of the segments only what was made durable is left.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import random
import shutil
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos import power
from tests.chaos.engine_child import furnish

LOGIN = "zentrale"
VARIATIONS = 4
BATCHES = (2, 5, 50)
FOLDERS = ("Trash", "Archive", "Sent", "Akten")
ROUNDS = 4
"""Until both sides are at rest: what may have been told already is looked for twice."""


class Clock:
    """A minute per look; unlike the memory server's own it can be written down."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


class Steps:
    """Counts, and kills this process at one of them."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._lock = threading.Lock()
        self.count = 0

    def __call__(self, *_: object) -> None:
        with self._lock:
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, execute: Callable[..., Any], *given: Any) -> Any:
        """Around an SQL statement."""
        self()
        return execute(*given)


def save(server: Any, home: Path) -> None:
    """Write the server down, all of it or nothing."""
    box = server.mailbox(LOGIN)
    listeners, box.listeners = box.listeners, set()
    (home / "server.new").write_bytes(pickle.dumps(server))
    (home / "server.new").replace(home / "server")
    box.listeners = listeners


def notes(home: Path) -> Path:
    """Where it is noted what was made durable."""
    return home.with_name(f"{home.name}.durable")


def load(home: Path) -> Any:
    """The server as it was last written down."""
    return pickle.loads((home / "server").read_bytes())


def source(server: Any, home: Path, steps: Steps, way: int) -> Any:
    """A session; what it tells the server is written down before it is answered."""
    from poststelle.adapters.memory.source import MemorySource

    class Source(MemorySource):
        async def perform(self, errand: Any) -> Any:
            outcome = await super().perform(errand)
            save(server, home)
            steps("told")
            return outcome

    return Source(server, LOGIN, batch_size=BATCHES[way % len(BATCHES)], before=steps)


def enter(home: Path) -> None:
    """This process works on that data folder from now on."""
    from django.conf import settings
    from django.db import connections

    settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"home": home})
    settings.DATABASES["default"]["NAME"] = home / "poststelle.db"
    connections["default"].close()
    connections["default"].settings_dict["NAME"] = home / "poststelle.db"


async def sync(home: Path, account: UUID, pool: int, last: int, way: int, rounds: int) -> int:
    """Rounds as the engine does them, after a look at what a dead one has left; how many steps it took."""
    from django.db import connection

    from poststelle.adapters.memory.source import MemorySource
    from poststelle.errors import Trouble
    from poststelle.mail.digest import digest
    from poststelle.store.desk import AccountDesk
    from poststelle.store.messages import segments
    from poststelle.store.shelf import Orphans, Tools
    from poststelle.sync.account import sync_account

    server, steps, stack = load(home), Steps(last), ExitStack()
    writer = ThreadPoolExecutor(max_workers=1)
    fsync = os.fsync
    witness = power.Witness(notes(home), fsync)

    def durable(handle: int) -> None:
        steps()
        witness(handle)
        steps()

    os.fsync = durable

    def write(function: Callable[..., Any], *given: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(writer, function, *given)

    async def read(raws: Sequence[Any]) -> list[Any]:
        return [digest(bytes(raw)) for raw in raws]

    async def open_source() -> MemorySource:
        made: MemorySource = source(server, home, steps, way)
        return made

    await write(lambda: stack.enter_context(connection.execute_wrapper(steps.statement)))
    store = segments()
    orphans = Orphans(store)
    await write(orphans.look)
    tools = Tools(store, orphans, write, read, lambda _: None)
    for _ in range(rounds):
        opened = await open_source()
        try:
            await sync_account(open_source, opened, AccountDesk(tools, pool, account))
        except Trouble as trouble:
            print(f"trouble: {trouble}", file=sys.stderr)  # noqa: T201
        await opened.close()
    await write(lambda: connection.close())  # noqa: PLW0108 - the proxy must be asked in the writer thread
    writer.shutdown()
    os.fsync = fsync
    return steps.count


# -- what is on both sides -------------------------------------------------------------------------------------------


def there(home: Path) -> Counter[tuple[str, str, bytes, frozenset[str]]]:
    """What the server holds: folder, id, bytes, flags."""
    found: Counter[tuple[str, str, bytes, frozenset[str]]] = Counter()
    for path, folder in load(home).mailbox(LOGIN).folders.items():
        for uid, message in folder.messages.items():
            found["/".join(path), folder.remote_id(uid), message.raw, message.flags] += 1
    return found


def here(account: UUID) -> Counter[tuple[str, str, bytes, frozenset[str]]]:
    """The same, held here."""
    from poststelle.office import reading
    from poststelle.office.actor import SYSTEM
    from poststelle.store import models

    remote = dict(models.Placement.objects.values_list("id", "remote_id"))
    found: Counter[tuple[str, str, bytes, frozenset[str]]] = Counter()
    for folder in reading.folders(SYSTEM, str(account)):
        for row in reading.page(SYSTEM, folder.id, 200).items:
            raw = reading.raw(SYSTEM, row.id)
            found["/".join(folder.path), remote[UUID(row.id)], raw, frozenset(row.flags)] += 1
    return found


def miscounted(account: UUID) -> list[str]:
    """Folders whose counters are not what lies in them."""
    from poststelle.mail.ports import SEEN
    from poststelle.office import reading
    from poststelle.office.actor import SYSTEM

    wrong = []
    for folder in reading.folders(SYSTEM, str(account)):
        rows = reading.page(SYSTEM, folder.id, 200).items
        unseen = sum(SEEN not in row.flags for row in rows)
        if (folder.total, folder.unread) != (len(rows), unseen):
            wrong.append(f"{folder.name}: {folder.total}/{folder.unread} instead of {len(rows)}/{unseen}")
    return wrong


def announced() -> int:
    """How many arrivals the journal tells of."""
    from poststelle.store import models

    return sum(entry.facts["count"] for entry in models.Journal.objects.filter(kind="messages-arrived"))


def open_errands() -> list[tuple[str, str, str]]:
    """What the server has still to be told: kind, id, how far it is."""
    from poststelle.store import models

    return [
        *models.Errand.objects.filter(closed_at=None).values_list(
            "kind",
            "remote_id",
            "outcome",
            "due_at",
            "after_id",
            "folder__remote_id",
            "target__remote_id",
            "placement__folder__remote_id",
        )
    ]


def bytes_of(held: Counter[tuple[str, str, bytes, frozenset[str]]]) -> Counter[bytes]:
    """What there is, wherever it lies."""
    return Counter(raw for _, _, raw, _ in held.elements())


def work(home: Path, account: UUID, dice: random.Random) -> Counter[bytes]:
    """A day at the office and at the server; what must exist in the end."""
    from poststelle.mail.ports import FLAGGED, SEEN, Role
    from poststelle.office import handling, reading
    from poststelle.office.actor import SYSTEM
    from poststelle.store import models
    from tests.builders import a_letter

    server = load(home)
    uids = [*server.contents(LOGIN)]
    for _ in range(dice.randrange(1, 8)):
        server.deliver(LOGIN, a_letter(f"Neu {dice.getrandbits(40)}"), path=dice.choice((("INBOX",), ("Akten",))))
    server.set_flags(LOGIN, ("INBOX",), uids[0], (SEEN,))
    server.remove(LOGIN, ("INBOX",), uids[1])
    save(server, home)
    expected = bytes_of(there(home))
    by_role = {folder.role: folder.id for folder in reading.folders(SYSTEM, str(account))}
    # The first and the second are the server's to change.
    rows = reading.page(SYSTEM, by_role[Role.INBOX], 200).items[:-2]
    chosen = [row.id for row in rows]
    dice.shuffle(chosen)
    handling.mark(SYSTEM, handling.Selection(chosen[:4]), add=[FLAGGED])
    handling.move(SYSTEM, handling.Selection(chosen[2:6]), by_role[Role.ARCHIVE])
    handling.copy(SYSTEM, handling.Selection(chosen[5:8]), by_role[Role.ARCHIVE])
    expected.update(reading.raw(SYSTEM, number) for number in chosen[5:8])
    handling.delete(SYSTEM, handling.Selection(chosen[8:10]))
    expected.subtract(reading.raw(SYSTEM, number) for number in chosen[10:11])
    handling.delete(SYSTEM, handling.Selection(chosen[10:11]), permanently=True)
    raw = a_letter(f"Eigener {dice.getrandbits(40)}")
    handling.append(SYSTEM, by_role[Role.SENT], raw, flags=[SEEN])
    expected[raw] += 1
    handling.create_folder(SYSTEM, str(account), ("Neu",))
    models.Errand.objects.exclude(due_at=None).update(due_at=datetime(2026, 1, 1, tzinfo=UTC))
    return +expected


# -- the runs --------------------------------------------------------------------------------------------------------


def forked(job: Callable[[], object]) -> tuple[bool, Any]:
    """Do it in a process of its own: whether it was killed, and what it answers."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            with os.fdopen(writing, "wb") as out:
                out.write(pickle.dumps(job()))
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status), pickle.loads(answer) if answer else None


def measured(home: Path, account: UUID, pool: int, way: int) -> int:
    """How many steps one round takes there."""
    enter(home)
    return asyncio.run(sync(home, account, pool, 0, way, 1))


def templates(home: Path, account: UUID, pool: int) -> list[tuple[Path, Counter[bytes], int]]:
    """Data folders before a first sync and on a busy day: what must exist in the end, and how many steps that takes."""
    from poststelle.adapters.memory.server import MemoryServer
    from poststelle.mail.ports import Role
    from tests.builders import a_letter

    found = []
    for number in range(2 * VARIATIONS):
        dice, place = random.Random(number), home.with_name(f"template{number}")
        shutil.copytree(home, place)
        server = MemoryServer(modseq=number % 2 == 0, uidplus=number % 4 < 2, clock=Clock())
        server.create_mailbox(LOGIN)
        for name in FOLDERS:
            server.create_folder(LOGIN, (name,), role=Role(name.lower()) if name != "Akten" else Role.NONE)
        for count in range(14):
            server.deliver(LOGIN, a_letter(f"Brief {number} {count}", "Zeile\r\n" * dice.choice((1, 50, 500))))
        server.deliver(LOGIN, a_letter("Akte"), path=("Akten",))
        save(server, place)

        def furnish_it(place: Path = place, dice: random.Random = dice, number: int = number) -> Counter[bytes]:
            enter(place)
            if number < VARIATIONS:
                return bytes_of(there(place))
            asyncio.run(sync(place, account, pool, 0, number, 1))
            return work(place, account, dice)

        _, expected = forked(furnish_it)
        scratch = home.with_name("scratch")
        shutil.copytree(place, scratch)
        _, steps = forked(partial(measured, scratch, account, pool, number))
        shutil.rmtree(scratch)
        found.append((place, expected, steps))
    return found


def run(
    number: int, template: tuple[Path, Counter[bytes], int], account: UUID, pool: int, seed: int
) -> tuple[bool, str]:
    """One kill and what came of it: whether it struck, and what is wrong."""
    place, expected, steps = template
    dice, home = random.Random(f"{seed}.{number}"), place.with_name("run")
    shutil.copytree(place, home)
    last, way = dice.randrange(1, max(steps, 2)), int(place.name.removeprefix("template"))
    notes(home).unlink(missing_ok=True)
    before = power.all_below(home / "segments")

    def first() -> None:
        enter(home)
        asyncio.run(sync(home, account, pool, last, way, 1))

    def second() -> str:
        enter(home)
        asyncio.run(sync(home, account, pool, 0, way, ROUNDS))
        ours, theirs = here(account), there(home)
        if ours != theirs:
            odd = [
                (folder, remote, sorted(flags))
                for folder, remote, _, flags in ((theirs - ours) + (ours - theirs)).elements()
            ]
            return (
                f"differs: {len(theirs - ours)} missing, {len(ours - theirs)} too many: {odd}; open: {open_errands()}"
            )
        if wrong := miscounted(account):
            return f"miscounted: {wrong}"
        if way < VARIATIONS and announced() != ours.total():
            return f"{announced()} arrivals in the journal of {ours.total()}"
        found = bytes_of(theirs)
        return "" if found == expected else f"lost {len(expected - found)}, doubled {len(found - expected)}"

    killed, _ = forked(first)
    if killed and dice.random() < 0.5:
        power.cut(home / "segments", notes(home), before)
    _, problem = forked(second)
    shutil.rmtree(home)
    return killed, f"run {number} of {place.name}, step {last} of {steps}: {problem}" if problem != "" else ""


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    home, runs, seed = Path(arguments[0]) / "home", int(arguments[1]), int(arguments[2])
    home.mkdir()
    furnish(str(home))
    from django.db import connection

    from tests.builders import an_account, an_office

    actor = an_office()
    account, pool = UUID(an_account(actor).id), actor.reach.pool
    connection.close()
    prepared = templates(home, account, pool)
    killed = 0
    for number in range(runs):
        struck, problem = run(number, prepared[number % len(prepared)], account, pool, seed)
        killed += struck
        if problem:
            print(problem, flush=True)  # noqa: T201
    print(f"killed {killed}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
