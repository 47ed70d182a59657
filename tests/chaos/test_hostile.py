"""Servers that mean harm, one after the other, before an engine in a process of its own: its memory stays where it was, the account
is set aside with a reason or goes on as if nothing were, and mail to a healthy mailbox beside it comes as quickly as ever.

Almost all of that is waiting, so a few such engines endure at the same time, each of them one server after the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from tests.servers.hostile_imap import FOLDERS, RESTLESS, SCENARIOS, hostile
from tests.servers.hostile_pop3 import SCENARIOS as POP3_SCENARIOS
from tests.servers.hostile_pop3 import hostile_pop3

AT_ONCE = 5
MOST_MIB = 200.0
PATIENCE, GOODBYE_SECONDS = 60.0, 20.0
A_MOMENT = 0.5
"""Seconds of the engine's work that may always lie between mail to the healthy mailbox and its being here."""

LONGEST = 2.0
"""The same for the one message that waited longest while a hundred thousand folders were taken in."""

VERDICTS = {
    "endless-greeting": "line-too-long", "endless-line": "line-too-long", "endless-line-in-list": "line-too-long",
    "literal-of-4-gb": "literal-too-big", "literal-of-4-gb-as-name": "literal-too-big", "literal-at-the-limit": "line-too-long",
    "many-literals-in-one-answer": "literal-too-big", "literals-of-nothing": "too-much-data",
    "bomb": "line-too-long",
    "nested-100000-deep": "line-too-long", "nested-by-literals": "too-much-data", "count-of-100-digits": "malformed-response",
    "search-without-end": "too-many-numbers", "search-again-and-again": "too-many-numbers",
    "search-finds-all-there-could-be": "too-many-numbers",
    "endless-untagged": "too-much-data", "endless-nothing": "too-much-data", "endless-flags": "too-much-data",
    "endless-continuations": "unexpected-continuation", "wrong-tag": "foreign-tag",
    "uidvalidity-of-the-hour": "renumbered-again", "scram-for-ever": "sasl-iterations",
    "starttls-injection": "starttls-injection", "small-messages-that-are-big": "too-much-data",
    "hangs-up-in-every-fetch": "connection-lost", "noise": "malformed-response",
    "talks-while-we-listen": "too-much-data", "hangs-up-when-we-listen": "connection-lost",
    "pop3-endless-greeting": "line-too-long", "pop3-endless-capabilities": "too-many-numbers",
    "pop3-endless-list": "too-many-numbers", "pop3-endless-long-uidl": "too-many-numbers",
    "pop3-number-twice": "malformed-response", "pop3-number-of-100-digits": "malformed-response",
    "pop3-hangs-up-in-every-message": "connection-lost", "pop3-starttls-injection": "starttls-injection",
    "pop3-noise": "malformed-response",
}  # fmt: skip
"""What is said of the account afterwards; nothing, where it is kept in step with what makes sense."""


STORMS = frozenset(
    {
        "vanished-storm",
        "vanished-without-end",
        "endless-capabilities",
        "endless-status",
        "endless-expunges",
        "pop3-small-messages-that-are-big",
    }
)
"""Bounded by bytes alone, which takes a minute or two; meanwhile nobody else may feel them."""

STORM_SECONDS, RESTLESS_SECONDS = 3.0, 4.0
MOST_WORDS_TO_THE_RESTLESS = 200
"""What a rest of a second after twenty looks comes to, and far less than what a busy loop says."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Engine:
    """An engine in a process of its own that endures one account after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.usual = 0.0

    async def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 3 * PATIENCE)
        assert line, "the engine has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    async def endure(self, name: str, port: int, *, bulk: bool = False) -> dict[str, Any]:
        """What became of an account at that server, once it is judged, in step for as long as it takes, or patience is at its end."""
        protocol = "pop3" if name.startswith("pop3") else "imap"
        told = {
            "name": name, "kind": "fetch-only" if protocol == "pop3" else "synchronised", "bulk": bulk,
            "patience": STORM_SECONDS if name in STORMS else PATIENCE,
            # Some are in step before they are judged.
            "linger": RESTLESS_SECONDS if name in RESTLESS else PATIENCE if name in VERDICTS else 0.0,
            "login": {"username": "x", "password": "geheim"},
            "incoming": {
                "protocol": protocol, "host": "localhost", "port": port,
                "encryption": "starttls" if "starttls" in name else "none",
            },
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        return await self.hear()


@dataclass(frozen=True, slots=True)
class Endured:
    """What a server did to an engine, what the engine said to it, and what mail to the healthy mailbox usually costs that engine."""

    found: Mapping[str, Any]
    usual: float
    heard: Sequence[bytes]
    connections: int = 0

    @classmethod
    async def by(cls, engine: Engine, name: str) -> Endured:
        """The server of that name, alone before the engine."""
        if name in POP3_SCENARIOS:
            async with hostile_pop3(POP3_SCENARIOS[name]) as (port, heard):
                return cls(await engine.endure(name, port), engine.usual, heard)
        async with hostile({**SCENARIOS, **RESTLESS, **FOLDERS}[name]) as server:
            found = await engine.endure(name, server.port, bulk="bomb" in name)
            return cls(found, engine.usual, server.heard, server.connections)


Everything: TypeAlias = Mapping[str, "asyncio.Future[Endured]"]


@asynccontextmanager
async def engine_in(home: Path) -> AsyncIterator[Engine]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.engine_child", str(home),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    made = Engine(process)
    try:
        made.usual = float((await made.hear())["usual"])
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), GOODBYE_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


class Ordeal:
    """Every server asked for, each before one of a few engines. An engine that breaks is replaced, and one test knows of it."""

    def __init__(self, names: Sequence[str], homes: Sequence[Path]) -> None:
        # Whoever takes longest comes first.
        self._waiting = deque(sorted(names, key=lambda name: name not in FOLDERS))
        self.endured = {name: asyncio.get_running_loop().create_future() for name in names}
        self._engines = [asyncio.create_task(self._go_on(home)) for home in homes]

    async def _go_on(self, home: Path) -> None:
        while self._waiting:
            name = ""
            try:
                async with engine_in(home) as engine:
                    while self._waiting:
                        name = self._waiting.popleft()
                        self.endured[name].set_result(await Endured.by(engine, name))
            except Exception as error:
                self.endured[name or self._waiting.popleft()].set_exception(error)

    async def end(self) -> None:
        self._waiting.clear()
        _, late = await asyncio.wait(self._engines, timeout=GOODBYE_SECONDS)
        for one in late:
            one.cancel()
        await asyncio.gather(*late, return_exceptions=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Everything]:
    """What became of each server, as soon as it is known."""
    names = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    place = tmp_path_factory.mktemp("engines")
    furnishing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; from tests.chaos.engine_child import furnish; furnish(sys.argv[1])", str(place / "new"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert await furnishing.wait() == 0
    homes = [Path(shutil.copytree(place / "new", place / str(number))) for number in range(min(AT_ONCE, len(names)))]
    ordeal = Ordeal(names, homes)
    yield ordeal.endured
    await ordeal.end()


def assert_nobody_was_disturbed(found: Mapping[str, Any], usual: float) -> None:
    assert found["mib"] < MOST_MIB, found
    assert found["delay"] < max(2 * usual, A_MOMENT), found


def assert_judged(found: Mapping[str, Any]) -> None:
    assert found["code"] == VERDICTS.get(found["name"], ""), found
    assert found["code"] or found["in_step"], found


def assert_endured(found: Mapping[str, Any], usual: float) -> None:
    assert_nobody_was_disturbed(found, usual)
    if found["name"] in STORMS:
        assert found["code"] in {"", "too-much-data", "too-many-numbers"}, found
    else:
        assert_judged(found)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_hostile_server_costs_little_is_judged_and_disturbs_nobody(endured: Everything, name: str) -> None:
    one = await endured[name]
    assert_endured(one.found, one.usual)
    # Whoever is judged is left alone for a while: no busy loop.
    assert one.connections <= 4
    if "starttls" in name or "scram" in name:
        assert not any(b"geheim" in line for line in one.heard)


@pytest.mark.parametrize("name", RESTLESS)
async def test_a_server_that_gives_no_rest_gets_few_words_and_disturbs_nobody(endured: Everything, name: str) -> None:
    one = await endured[name]
    assert_nobody_was_disturbed(one.found, one.usual)
    assert one.found["worst"] < LONGEST, one.found
    assert one.found["held"] == 3
    assert one.connections <= 2
    assert len(one.heard) < MOST_WORDS_TO_THE_RESTLESS


@pytest.mark.parametrize("name", POP3_SCENARIOS)
async def test_a_hostile_maildrop_costs_little_is_judged_and_disturbs_nobody(endured: Everything, name: str) -> None:
    one = await endured[name]
    assert_endured(one.found, one.usual)
    if "starttls" in name:
        assert not any(b"geheim" in line for line in one.heard)


@pytest.mark.parametrize("name", FOLDERS)
async def test_a_hundred_thousand_folders_fit(endured: Everything, name: str) -> None:
    one = await endured[name]
    assert_nobody_was_disturbed(one.found, one.usual)
