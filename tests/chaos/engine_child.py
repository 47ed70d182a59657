"""An engine in a process of its own, watched from outside: what a bad server costs it, and what others notice of that.

Run as ``python -m tests.chaos.engine_child HOME``. Each line of JSON on its standard input names an account to be added, whose server
is to be endured; each answer is a line of JSON: what became of that account, the most memory used meanwhile by the engine and all its
children, and how much work lay between mail to a healthy mailbox beside it and its being here.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

HEALTHY = "gut"
EVERY_SECONDS = 0.25
A_LETTER_EVERY_SECONDS = 1.2
"""Slower than `policy.scheduling` lets a server wake the engine: else the healthy mailbox would wait for that rest, not for others."""

AT_FIRST = 10
LARGEST_POP3_MESSAGE = 32 << 20
"""An eighth of what is allowed: to send it all takes half a minute, and nothing else comes of it."""


def furnish(home: str) -> None:
    """Settings and tables for that data folder."""
    os.environ.update(
        POSTSTELLE_HOME=home, POSTSTELLE_EGRESS_ALLOW="127.0.0.0/8", DJANGO_SETTINGS_MODULE="poststelle.run.settings"
    )
    import django

    django.setup()
    from poststelle.run.data_folder import prepare

    prepare(Path(home))


def family() -> list[int]:
    """This process and everything it has started."""
    found = [os.getpid()]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def memory(field: str) -> float:
    """MiB of the whole family: ``VmRSS`` now, ``VmHWM`` at most since `forget_the_most`."""
    total = 0
    for process in family():
        with suppress(OSError):
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith(field))
    return total / 1024


def forget_the_most() -> None:
    """`VmHWM` begins anew."""
    for process in family():
        with suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5")


class Household:
    """An engine that keeps a healthy mailbox, and any others it is told of."""

    def __init__(self) -> None:
        from poststelle.adapters.memory.server import MemoryServer
        from tests.builders import an_office

        self.bulk = False
        self.server = MemoryServer()
        self.server.create_mailbox(HEALTHY, "gut@amt.test")
        self.ada = an_office()

    async def run(self, lines: asyncio.Queue[bytes]) -> None:
        from poststelle.run.engine import Engine
        from poststelle.run.workshop import Workshop
        from tests.builders import an_account

        async with Workshop() as self.shop:
            self.healthy = await self.shop.write(lambda: an_account(self.ada, HEALTHY))
            self.engine = Engine(self, self.shop, 3600.0)
            running = asyncio.create_task(self.engine.run())
            await self._delivered()
            say({"usual": statistics.median([await self._delivered() for _ in range(AT_FIRST)])})
            while line := await lines.get():
                say(await self.endure(json.loads(line)))
            self.engine.stop.set()
            await running

    async def source(self, access: Any, *, bulk: bool = False) -> Any:
        """Doors: to the healthy mailbox in memory, to all others by network."""
        from poststelle.adapters.memory.source import MemorySource

        if access.incoming.host == "mail.amt.test":
            return MemorySource(self.server, HEALTHY)
        return await self._network().source(access, bulk=bulk or self.bulk)

    async def sender(self, access: Any) -> Any:
        return await self._network().sender(access)

    async def reach(self, endpoint: Any) -> None:
        await self._network().reach(endpoint)

    def _network(self) -> Any:
        from poststelle.office.doors import NetworkDoors
        from poststelle.office.egress import rule

        return NetworkDoors(rule)

    async def endure(self, told: dict[str, Any]) -> dict[str, Any]:
        """One bad account, from being added until it has been judged or its time is up."""
        from poststelle.office import accounts
        from tests.builders import an_account

        self.bulk = bool(told.get("bulk"))
        document = {key: told[key] for key in ("incoming", "login", "kind") if key in told}
        forget_the_most()
        idle, began = memory("VmRSS"), time.monotonic()
        account = await self.shop.write(lambda: an_account(self.ada, told["name"], **document))
        delays, record, in_step_at, next_letter = [], account, float("inf"), began
        while time.monotonic() - began < told["patience"]:
            if time.monotonic() >= next_letter:
                next_letter = time.monotonic() + A_LETTER_EVERY_SECONDS
                delays.append(await self._delivered())
            record = await self.shop.write(accounts.show, self.ada, account.id)
            if record.synced_at is not None and not record.syncing:
                in_step_at = min(in_step_at, time.monotonic())
            if record.trouble is not None or time.monotonic() - in_step_at >= told["linger"]:
                break
            await asyncio.sleep(EVERY_SECONDS)
        seconds = time.monotonic() - began
        delays += [await self._delivered() for _ in range(2)]
        most = memory("VmHWM")
        await self.shop.write(accounts.remove, self.ada, account.id)
        while account.id in self.engine._watched:
            await asyncio.sleep(0.05)
        return {
            "name": told["name"], "code": record.trouble.code if record.trouble else "", "state": record.state,
            "in_step": record.synced_at is not None, "held": record.held, "seconds": seconds, "delay": statistics.median(delays),
            "worst": max(delays), "idle": idle, "mib": most - idle,
        }  # fmt: skip

    async def _delivered(self) -> float:
        """Seconds of work the engine does until a new message in the healthy mailbox is here.

        Of its own work, because the machine may have other things to do; whoever hogs the engine makes it work meanwhile.
        """
        from tests.builders import a_letter

        before, began, worked = await self.shop.write(self._held), time.monotonic(), time.process_time()
        self.server.deliver(HEALTHY, a_letter("Hallo"))
        while await self.shop.write(self._held) == before:
            assert time.monotonic() - began < 60, "a healthy mailbox gets no mail any more"
            await asyncio.sleep(0.005)
        return time.process_time() - worked

    def _held(self) -> int:
        from poststelle.store import models

        return models.Placement.objects.filter(folder__account=self.healthy.id).count()


def say(found: dict[str, Any]) -> None:
    """One answer."""
    print(json.dumps(found), flush=True)  # noqa: T201


async def listen(household: Household) -> None:
    """Hand on what comes until standard input ends."""
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: lines.put_nowait(sys.stdin.buffer.readline()))
    await household.run(lines)


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    (home,) = arguments
    furnish(home)
    asyncio.run(listen(Household()))


if __name__ == "__main__":
    main(sys.argv[1:])
