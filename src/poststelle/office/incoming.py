"""Mail coming in, as the engine sees it: open an account, bring it up to date, listen, tell the server.

The office introduces the adapters, the sync pages and the store to each other; when to come back is the engine's, guided by
`policy.retry`. Only the system acts here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.utils import timezone

from poststelle.errors import Conflict, FolderMissing, NeedsAttention, Trouble
from poststelle.mail.ports import RemoteFolderId, Role, Source
from poststelle.mail.shelf import Tally
from poststelle.office.doors import Doors
from poststelle.policy import retry
from poststelle.store import accounts, messages, outbox, rounds
from poststelle.store.accounts import Access
from poststelle.store.desk import AccountDesk
from poststelle.store.shelf import FolderShelf, Tools
from poststelle.sync.account import carry_out_errands, sync_account, sync_one


@dataclass(slots=True)
class OpenAccount:
    """An account with its session. Made by `open_account`; `close` it."""

    access: Access
    source: Source
    desk: AccountDesk
    doors: Doors
    tools: Tools

    async def round(self) -> list[dict[str, object]]:
        """Errands and all folders; its report, one entry per folder that can hold messages. Raises Trouble."""
        began = timezone.now()
        await self.tools.write(rounds.started, self.access.account)
        tallies = await sync_account(self._another_session, self.source, self.desk)
        report = [_entry(shelf, tallies.get(shelf.folder, Tally())) for shelf in self.desk.shelves]
        await self.tools.write(rounds.finished, self.access.account, report, began)
        return report

    async def listen(self, timeout: float) -> frozenset[RemoteFolderId] | None:
        """Sleep until the server reports something (see `Source.wait`); the inbox is watched. May be cancelled."""
        inbox = next((shelf for shelf in self.desk.shelves if shelf.role is Role.INBOX), None)
        if inbox is None:
            await asyncio.sleep(timeout)
            return None
        return await self.source.wait(inbox.folder, timeout)

    async def look(self, folders: frozenset[RemoteFolderId]) -> None:
        """Bring these folders up to date; all, where one of them is no longer there. Raises Trouble."""
        try:
            for shelf in self.desk.shelves:
                if shelf.folder in folders:
                    await sync_one(self._another_session, self.source, shelf)
        except FolderMissing:
            await self.round()

    async def tell(self) -> None:
        """Carry out what was changed here, and fetch at once what that put into folders. Raises Trouble."""
        await self.look(await carry_out_errands(self.source, self.desk))

    async def close(self) -> None:
        """Hang up. Never raises."""
        await self.source.close()

    async def _another_session(self) -> Source:
        return await self.doors.source(self.access)


async def open_account(account: str, doors: Doors, tools: Tools) -> OpenAccount:
    """Connect and log in. Raises Trouble, NotFound."""
    try:
        access = await tools.write(accounts.access_of, account)
    except Conflict as error:
        raise NeedsAttention(error.code) from error
    source = await doors.source(access)
    return OpenAccount(access, source, AccountDesk(tools, access.pool, UUID(account)), doors, tools)


async def failed(account: str, error: Trouble, tools: Tools, *, version: int | None = None) -> float | None:
    """Note the failure; seconds to wait before the next try, None when a person must act first.

    `version`: of the settings it failed with, where they may have been changed since.
    """
    failures = await tools.write(rounds.failures_of, account)
    verdict = retry.verdict(error, failures + 1)
    seconds = verdict.seconds if isinstance(verdict, retry.Wait) else None
    await tools.write(partial(rounds.failed, account, error, seconds, version=version))
    return seconds


def engine_started() -> None:
    """Clear what a killed engine left: running rounds, messages caught while being sent."""
    rounds.engine_started()
    outbox.engine_started()


def to_watch() -> Mapping[str, int]:
    """Active synchronised accounts: id and settings version."""
    return rounds.to_watch()


def asked_for() -> set[str]:
    """Accounts somebody wants a round of now."""
    return rounds.waiting()


def with_errands() -> set[str]:
    """Accounts whose server has still to be told something."""
    return messages.with_errands()


def _entry(shelf: FolderShelf, tally: Tally) -> dict[str, object]:
    return {
        "folder": "/".join(shelf.path), "new": tally.new, "changed": tally.changed, "removed": tally.removed,
        "set_aside": tally.set_aside, "bytes": tally.bytes, "seconds": round(tally.seconds, 3),
    }  # fmt: skip
