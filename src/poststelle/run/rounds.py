"""`sync --once`: one full round for some accounts, index included, here or by the engine that is already running."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

import uvloop
from django.conf import settings as django_settings

from poststelle.errors import Conflict, NeedsAttention, NotFound, PoststelleError, Trouble, TryAgain
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts, egress, events, incoming
from poststelle.office.actor import SYSTEM
from poststelle.office.doors import NetworkDoors
from poststelle.run.locks import ENGINE, SERVE, held, is_held
from poststelle.run.workshop import Workshop
from poststelle.store import index, rounds

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
Report = dict[str, Any]


def sync_once(labels: Sequence[str]) -> Report:
    """A round for these accounts (none named: all that can receive), waited for.

    ``{"accounts": [{"label", "state", "seconds", "trouble", "folders": [{"folder", "new", "changed", "removed", "bytes",
    "seconds", "set_aside"}]}], "indexed": bool}``; `state` is ``done``, ``trouble`` (passes) or ``attention`` (needs a
    person). Raises NotFound for an unknown label, Conflict("no-way-in") for a mailbox that only sends. Beside `serve` its
    engine does the work, else this process, one after the other where several are started.
    """
    chosen = _chosen(labels)
    while True:
        try:
            with held(django_settings.POSTSTELLE.home, ENGINE):
                return uvloop.run(_here(chosen))
        except Conflict as error:
            if error.code != "lock-taken":
                raise
        if _is_served() and (report := _by_the_engine(chosen)):
            return report
        time.sleep(POLL_SECONDS)


def _chosen(labels: Sequence[str]) -> list[AccountRecord]:
    if not labels:
        return [record for record in accounts.page(SYSTEM, 100_000).items if record.incoming is not None]
    chosen = {record.id: record for record in (accounts.show(SYSTEM, label) for label in labels)}
    for record in chosen.values():
        if record.incoming is None:
            raise Conflict("no-way-in", account=record.label)
    return [*chosen.values()]


async def _here(chosen: Sequence[AccountRecord]) -> Report:
    async with Workshop() as shop:
        doors = NetworkDoors(egress.rule)
        entries = await asyncio.gather(*(_one(record, doors, shop) for record in chosen))
        await shop.indexed()
        await shop.write(events.flush)
        return {"accounts": entries, "indexed": True}


async def _one(record: AccountRecord, doors: NetworkDoors, shop: Workshop) -> Report:
    began = time.monotonic()
    try:
        opened = await incoming.open_account(record.id, doors, shop.tools)
        try:
            folders = await opened.round() or []
        finally:
            await opened.close()
    except Trouble as error:
        await incoming.failed(record.id, error, shop.tools)
        state = "attention" if isinstance(error, NeedsAttention) else "trouble"
        return _entry(record, state, time.monotonic() - began, [], error)
    except Exception as error:  # one account's bug does not stop the others
        log.exception("account %s: unexpected", record.id)
        trouble = TryAgain("internal-error", kind=type(error).__name__)
        await incoming.failed(record.id, trouble, shop.tools)
        return _entry(record, "trouble", time.monotonic() - began, [], trouble)
    return _entry(record, "done", time.monotonic() - began, folders, None)


def _by_the_engine(chosen: Sequence[AccountRecord]) -> Report | None:
    """None when `serve` ended before it could answer."""
    for record in chosen:
        accounts.send_receive(SYSTEM, record.id)
    began = time.monotonic()
    entries = []
    for record in chosen:
        while (entry := _answer(record, time.monotonic() - began)) is None:
            if not _is_served():
                return None
            time.sleep(POLL_SECONDS)
        entries.append(entry)
    while index.behind():
        if not _is_served():
            return None
        time.sleep(POLL_SECONDS / 4)
    return {"accounts": entries, "indexed": True}


def _is_served() -> bool:
    return is_held(django_settings.POSTSTELLE.home, SERVE)


def _answer(record: AccountRecord, seconds: float) -> Report | None:
    """What became of the round asked for; None while it is still running."""
    try:
        answered, folders = rounds.latest(record.id)
        now = accounts.show(SYSTEM, record.id)
    except NotFound as error:
        return _entry(record, "trouble", seconds, [], error)
    if answered and now.trouble is None:
        return _entry(record, "done", seconds, folders, None)
    if answered and now.trouble is not None:
        trouble = PoststelleError(now.trouble.code, **now.trouble.facts)
        # The engine tries a refused log-in once more by itself; whoever asked here is told now.
        person = now.state == rounds.SUSPENDED or trouble.code == "login-rejected"
        return _entry(record, "attention" if person else "trouble", seconds, [], trouble)
    return None


def _entry(
    record: AccountRecord, state: str, seconds: float, folders: Sequence[Report], error: PoststelleError | None
) -> Report:
    return {
        "label": record.label, "id": record.id, "state": state, "seconds": round(seconds, 3),
        "trouble": {"code": error.code, "facts": dict(error.facts)} if error else None, "folders": list(folders),
    }  # fmt: skip
