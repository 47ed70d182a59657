"""The nothing-lost ledger: what every server has against what is held here, compared daily and whenever somebody asks.

Numbers and ids only, never a subject: for administrators, and for those who administer the account. What a comparison finds
missing is fetched at once; what could not be is an alarm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from django.db import connection
from django.utils import timezone

from poststelle.errors import Conflict, FolderMissing, Invalid
from poststelle.mail.ports import Arrival, RemoteFolderId, RemoteId, Source
from poststelle.mail.records import LedgerRecord, Page, PlacementRecord, SetAsideRecord
from poststelle.mail.settings import Right
from poststelle.office.actor import SYSTEM, Actor
from poststelle.office.oversight import overseen, overseen_accounts, oversight
from poststelle.store import connections, events, ledger, rounds
from poststelle.store import unreadable as unreadables
from poststelle.store.ledger import Comparable, Difference
from poststelle.store.shelf import Tools
from poststelle.store.ways import Access

T = TypeVar("T")

NEARLY_FULL = 0.9


class Opened(Protocol):
    """What a comparison needs of an open account (`office.incoming.OpenAccount`)."""

    @property
    def access(self) -> Access: ...
    @property
    def source(self) -> Source: ...
    @property
    def tools(self) -> Tools: ...
    async def look(self, folders: frozenset[RemoteFolderId]) -> bool: ...


def show(actor: Actor, account: str) -> list[LedgerRecord]:
    """Every folder of an account, by id or label. For those who administer it, and administrators. Raises NotFound, NotPermitted."""
    record = overseen(actor, account)
    return ledger.records(actor.reach.pool, record.id)


def overview(actor: Actor) -> list[LedgerRecord]:
    """Every folder of every account the actor may oversee."""
    within = overseen_accounts(actor)
    found = ledger.records(actor.reach.pool) if within else []
    return [record for record in found if record.account_id in within]


def window(actor: Actor, limit: int, start: int = 0) -> list[LedgerRecord]:
    """The same, those that differ from their server first, then by account and path: `limit` of them from `start` on."""
    return ledger.window(oversight(actor), Right.ADMINISTER, limit, start)


def ask(actor: Actor, account: str) -> datetime:
    """Have the account compared now; done once `is_compared` since the moment returned. Raises NotFound, NotPermitted, Conflict."""
    record = overseen(actor, account)
    if record.incoming is None:
        raise Conflict("no-way-in", account=record.label)
    asked = timezone.now()
    ledger.want(record.id)
    rounds.want(SYSTEM.reach, record.id, actor=actor.name)
    return asked


def is_compared(actor: Actor, account: str, since: datetime) -> bool:
    """Whether every folder has been compared since then. Raises NotFound, NotPermitted."""
    return ledger.compared_since(overseen(actor, account).id, since)


def unreadable(actor: Actor, limit: int = 50, after: str | None = None) -> Page[tuple[PlacementRecord, Sequence[str]]]:
    """Messages too broken to be shown whole, newest first, with their defects; their bytes are whole. Takes the right *see*."""
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise Invalid({"cursor": "unknown-value"})
    return unreadables.broken(actor.reach, limit, int(after) if after else None)


def set_aside(actor: Actor) -> list[tuple[str, SetAsideRecord]]:
    """What could not be taken from the servers, with the id of its folder. Takes the right *see*."""
    return unreadables.set_aside(actor.reach)


def try_again(actor: Actor, folder: str) -> None:
    """Fetch again what is set aside in the folder, at once. Takes the right *process*. Raises NotFound."""
    account = unreadables.retry(actor.reach, folder, actor=actor.name)
    rounds.want(actor.reach, account, actor=actor.name)


def due(account: str) -> bool:
    """Whether the engine should compare the account now. Blocking; only the system asks."""
    return ledger.is_due(account)


async def compare(opened: Opened) -> list[LedgerRecord]:
    """Compare the folders that are due, on an open session; what is missing is fetched. Raises Trouble."""
    account = opened.access.account
    made: list[LedgerRecord] = []
    for folder in await _read(ledger.due, account):
        try:
            found = await _compare(opened, folder)
        except FolderMissing:
            await opened.tools.write(ledger.postpone, folder.id)
            continue
        if found is not None:
            made.append(found)
    if made:
        _tell(account, made)
        await _ask_quota(opened)
    return made


async def _compare(opened: Opened, folder: Comparable) -> LedgerRecord | None:
    found = await _difference(opened, folder)
    missing: set[str] = set()
    extra: set[str] = set()
    recovered = 0
    if folder.settled and (found.missing or found.extra):
        # What has come or gone since the last round is no difference: look, and count again.
        first = found
        await opened.look(frozenset({folder.remote}))
        found = await _difference(opened, folder)
        missing, extra = first.missing & found.missing, first.extra & found.extra
    if missing:
        await opened.tools.write(ledger.owe, folder.id, await _described(opened.source, folder.remote, missing))
        await opened.look(frozenset({folder.remote}))
        found = await _difference(opened, folder)
        recovered = len(missing - found.missing)
        missing &= found.missing

    def keep() -> LedgerRecord | None:
        return ledger.record(
            folder.id,
            found,
            to_come=len(found.missing) - len(missing),
            missing=missing,
            extra=extra,
            recovered=recovered,
        )

    return await opened.tools.write(keep)


async def _difference(opened: Opened, folder: Comparable) -> Difference:
    return await _read(ledger.difference, folder.id, await opened.source.census(folder.remote))


async def _described(source: Source, folder: RemoteFolderId, wanted: Collection[str]) -> Sequence[Arrival]:
    """The missing ones as the server lists them, so that they arrive with their flags and dates; what it does not list, as it comes."""
    found = await source.describe(folder, [RemoteId(one) for one in wanted])
    left, now = {*wanted}.difference(one.id for one in found), timezone.now()
    return [*found, *(Arrival(RemoteId(one), frozenset(), now, 0) for one in left)]


async def _ask_quota(opened: Opened) -> None:
    quota = await opened.source.quota()
    if quota is None:
        return
    account = opened.access.account
    connections.learned_quota(account, quota.used, quota.limit)
    if quota.used >= quota.limit * NEARLY_FULL:
        events.note(account, "quota", level="warning", used=quota.used, limit=quota.limit)


def _tell(account: str, made: Sequence[LedgerRecord]) -> None:
    events.note(
        account, "ledger-compared", folders=len(made), server=sum(one.server or 0 for one in made),
        held=sum(one.held for one in made), set_aside=sum(one.set_aside for one in made),
    )  # fmt: skip
    for one in made:
        path = "/".join(one.path)
        if one.missing or one.recovered:
            level: events.Level = "error" if one.missing else "warning"
            events.note(account, "ledger-missing", level=level, folder=path, count=one.missing, recovered=one.recovered)
        if one.extra:
            events.note(account, "ledger-extra", level="warning", folder=path, count=one.extra)


async def _read(function: Callable[..., T], *args: Any) -> T:
    """In a thread of its own: half a million rows are not read on the writer's time."""

    def run() -> T:
        try:
            return function(*args)
        finally:
            connection.close()

    return await asyncio.to_thread(run)
