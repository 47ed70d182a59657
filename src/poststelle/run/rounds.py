"""`sync --once`: one full round for some accounts, index included, here or by the engine that is already running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import uvloop
from django.conf import settings as django_settings

from poststelle.errors import Conflict, NotFound, PoststelleError, Trouble
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts, incoming
from poststelle.office.actor import SYSTEM
from poststelle.office.doors import NetworkDoors
from poststelle.run.engine import Workshop
from poststelle.run.locks import ENGINE, held
from poststelle.store import accounts as rows
from poststelle.store import search

POLL_SECONDS = 0.2
Report = dict[str, Any]


def sync_once(labels: Sequence[str]) -> Report:
    """A round for these accounts (none named: all that can receive), waited for.

    ``{"accounts": [{"label", "state", "seconds", "trouble", "folders": [{"folder", "new", "changed", "removed", "bytes",
    "seconds", "set_aside"}]}], "indexed": bool}``; `state` is ``done``, ``trouble`` (passes) or ``attention`` (needs a
    person). Raises NotFound for an unknown label. A running engine does the work; else this process does.
    """
    chosen = _chosen(labels)
    try:
        with held(django_settings.POSTSTELLE.home, ENGINE):
            return uvloop.run(_here(chosen))
    except Conflict as error:
        if error.code != "lock-taken":
            raise
    return _by_the_engine(chosen)


def _chosen(labels: Sequence[str]) -> list[AccountRecord]:
    if labels:
        return [accounts.show(SYSTEM, label) for label in labels]
    return [record for record in accounts.page(SYSTEM, 100_000).items if record.incoming is not None]


async def _here(chosen: Sequence[AccountRecord]) -> Report:
    async with Workshop() as shop:
        doors = NetworkDoors(accounts.egress())
        entries = await asyncio.gather(*(_one(record, doors, shop) for record in chosen))
        await asyncio.to_thread(_wait_for_the_index)
        return {"accounts": entries, "indexed": True}


async def _one(record: AccountRecord, doors: NetworkDoors, shop: Workshop) -> Report:
    began = time.monotonic()
    try:
        opened = await incoming.open_account(record.id, doors, shop.tools)
        try:
            folders = await opened.round()
        finally:
            await opened.close()
    except Trouble as error:
        seconds = await incoming.failed(record.id, error, shop.tools)
        return _entry(record, "trouble" if seconds is not None else "attention", time.monotonic() - began, [], error)
    return _entry(record, "done", time.monotonic() - began, folders, None)


def _by_the_engine(chosen: Sequence[AccountRecord]) -> Report:
    asked = {record.id: accounts.send_receive(SYSTEM, record.id)[0][1] for record in chosen}
    began = time.monotonic()
    entries = []
    for record in chosen:
        while (entry := _answer(record, asked[record.id], time.monotonic() - began)) is None:
            time.sleep(POLL_SECONDS)
        entries.append(entry)
    _wait_for_the_index()
    return {"accounts": entries, "indexed": True}


def _wait_for_the_index() -> None:
    while search.behind():
        time.sleep(POLL_SECONDS / 4)


def _answer(record: AccountRecord, asked_at: datetime, seconds: float) -> Report | None:
    """What became of the round asked for; None while it is still running."""
    try:
        finished_at, folders = rows.last_round(record.id)
        if finished_at is not None and finished_at >= asked_at:
            return _entry(record, "done", seconds, folders, None)
        now = accounts.show(SYSTEM, record.id)
    except NotFound as error:
        return _entry(record, "trouble", seconds, [], error)
    if now.trouble is not None and now.trouble.since >= asked_at:
        trouble = PoststelleError(now.trouble.code, **now.trouble.facts)
        return _entry(record, "attention" if now.state == rows.SUSPENDED else "trouble", seconds, [], trouble)
    return None


def _entry(
    record: AccountRecord, state: str, seconds: float, folders: Sequence[Report], error: PoststelleError | None
) -> Report:
    return {
        "label": record.label, "id": record.id, "state": state, "seconds": round(seconds, 3),
        "trouble": {"code": error.code, "facts": dict(error.facts)} if error else None, "folders": list(folders),
    }  # fmt: skip
