"""Servers that mean harm, one after the other, before an engine in a process of its own: its memory stays where it was, the account
is set aside with a reason or goes on as if nothing were, and mail to a healthy mailbox beside it comes as quickly as ever."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.hostile_imap import FOLDERS, SCENARIOS, hostile
from tests.servers.hostile_pop3 import SCENARIOS as POP3_SCENARIOS
from tests.servers.hostile_pop3 import hostile_pop3

MOST_MIB = 200.0
PATIENCE = 60.0
A_MOMENT = 1.0
"""Seconds that are always granted to the healthy mailbox, because the machine has other things to do, too."""

VERDICTS = {
    "endless-greeting": "line-too-long", "endless-line": "line-too-long", "endless-line-in-list": "line-too-long",
    "literal-of-4-gb": "literal-too-big", "literal-of-4-gb-as-name": "literal-too-big", "literal-at-the-limit": "line-too-long",
    "many-literals-in-one-answer": "literal-too-big", "literals-of-nothing": "too-much-data",
    "bomb": "line-too-long",
    "nested-100000-deep": "line-too-long", "nested-by-literals": "too-much-data", "count-of-100-digits": "malformed-response",
    "search-without-end": "too-many-numbers", "search-again-and-again": "too-many-numbers",
    "search-finds-all-there-could-be": "too-many-numbers", "vanished-without-end": "too-many-numbers",
    "endless-untagged": "too-much-data", "endless-nothing": "too-much-data", "endless-flags": "too-much-data",  "endless-continuations": "unexpected-continuation", "wrong-tag": "foreign-tag",
    "uidvalidity-of-the-hour": "renumbered-again", "scram-for-ever": "sasl-iterations",
    "starttls-injection": "starttls-injection", "small-messages-that-are-big": "too-much-data",
    "hangs-up-in-every-fetch": "connection-lost", "noise": "malformed-response",
    "pop3-endless-greeting": "line-too-long", "pop3-endless-capabilities": "too-many-numbers",
    "pop3-endless-list": "too-many-numbers", "pop3-endless-long-uidl": "too-many-numbers",
    "pop3-number-twice": "malformed-response", "pop3-number-of-100-digits": "malformed-response",
    "pop3-hangs-up-in-every-message": "connection-lost", "pop3-starttls-injection": "starttls-injection",
    "pop3-noise": "malformed-response",
}  # fmt: skip
"""What is said of the account afterwards; nothing, where it is kept in step with what makes sense."""


STORMS = {
    "vanished-storm",
    "endless-capabilities",
    "endless-status",
    "endless-expunges",
    "pop3-small-messages-that-are-big",
}
"""Bounded by bytes alone, which takes a minute or two; meanwhile nobody else may feel them."""

STORM_SECONDS = 6.0


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

    async def endure(self, name: str, port: int, *, patience: float = 0.0, **more: object) -> dict[str, Any]:
        """What became of an account at that server."""
        protocol = "pop3" if name.startswith("pop3") else "imap"
        incoming = {"protocol": protocol, "host": "localhost", "port": port, "encryption": "none"}
        if "starttls" in name:
            incoming["encryption"] = "starttls"
        kind = "fetch-only" if protocol == "pop3" else "synchronised"
        patience = patience or (STORM_SECONDS if name in STORMS else PATIENCE)
        told = {
            "name": name,
            "kind": kind,
            "patience": patience,
            "calm": True,
            "login": {"username": "x", "password": "geheim"},
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**told, "incoming": incoming, **more}).encode() + b"\n")
        return await self.hear()


@asynccontextmanager
async def an_engine(home: Path) -> AsyncIterator[Engine]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.engine_child", str(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    made = Engine(process)
    try:
        made.usual = float((await made.hear())["usual"])
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def assert_endured(found: Mapping[str, Any], usual: float) -> None:
    assert found["mib"] < MOST_MIB, found
    assert found["delay"] < max(2 * usual, A_MOMENT), found
    if found["name"] in STORMS:
        assert found["code"] in {"", "too-much-data"}, found
        return
    assert found["code"] == VERDICTS.get(found["name"], ""), found
    assert found["code"] or found["in_step"], found


async def test_hostile_servers_cost_little_are_judged_and_disturb_nobody(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        for name, answers in SCENARIOS.items():
            async with hostile(answers) as server:
                assert_endured(await engine.endure(name, server.port, bulk="bomb" in name), engine.usual)
                # Whoever is judged is left alone for a while: no busy loop.
                assert server.connections <= 4, (name, server.connections)
                if "starttls" in name or "scram" in name:
                    assert not any(b"geheim" in line for line in server.heard)


async def test_hostile_maildrops_cost_little_are_judged_and_disturb_nobody(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        for name, answers in POP3_SCENARIOS.items():
            async with hostile_pop3(answers) as (port, heard):
                assert_endured(await engine.endure(name, port), engine.usual)
                if "starttls" in name:
                    assert not any(b"geheim" in line for line in heard)


@pytest.mark.parametrize("name", FOLDERS)
async def test_a_hundred_thousand_folders_fit(tmp_path: Path, name: str) -> None:
    async with an_engine(tmp_path) as engine, hostile(FOLDERS[name]) as server:
        found = await engine.endure(name, server.port, patience=25.0)
        assert found["mib"] < MOST_MIB, found
        assert found["delay"] < max(2 * engine.usual, 2 * A_MOMENT), found
