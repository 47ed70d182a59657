"""The test message of an account's test: sent, awaited, looked for in Sent, and removed again, it and nothing else.

Law: messages are found by the Message-ID of this one trial. What cannot be looked into is said to be so.
This module does not know how a log-in is made, nor what the message says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from poststelle.adapters.imap.lookup import remote_id, with_message_id
from poststelle.adapters.imap.session import Session
from poststelle.adapters.imap.source import ImapSource
from poststelle.adapters.pop3 import session as pop3
from poststelle.errors import FolderMissing, Trouble, TryAgain
from poststelle.mail.ports import Delete, RemoteFolder, RemoteFolderId, RemoteId, Role

LOOK_SECONDS = 3.0
_DROP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished test message. `message_id` without brackets; `own`: it goes to the mailbox that is tested."""

    sender: str
    recipient: str
    raw: bytes = field(repr=False)
    message_id: str = ""
    own: bool = True


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where the test message lies: a role's folder and how often."""

    role: Role
    folder: RemoteFolderId
    ids: tuple[RemoteId, ...]


class Watcher(Protocol):
    """Looks for the test message in the mailbox it should reach."""

    async def arrived(self, trial: Trial, seconds: float) -> Sighting:
        """Where it came in. Raises TryAgain("not-arrived") after so many seconds."""
        ...

    async def filed(self, trial: Trial) -> Sighting | None:
        """What lies in Sent; None where there is no such folder."""
        ...

    async def remove(self, trial: Trial) -> int:
        """Remove it wherever it lies; how many were removed."""
        ...


class FolderWatcher:
    """`Watcher` over a logged-in IMAP session."""

    def __init__(self, session: Session, source: ImapSource, folders: list[RemoteFolder]) -> None:
        self._session = session
        self._source = source
        self._folders = {
            folder.role: folder.id for folder in folders if folder.role is not Role.NONE and folder.selectable
        }

    async def arrived(self, trial: Trial, seconds: float) -> Sighting:
        """See `Watcher.arrived`."""
        inbox = self._folders.get(Role.INBOX, RemoteFolderId("INBOX"))
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for role in (Role.INBOX, Role.SPAM):
                folder = self._folders.get(role, inbox if role is Role.INBOX else None)
                if folder is not None and (seen := await self._seen(trial, role, folder)).ids:
                    return seen
            await self._session.hold(inbox, anew=True)
            await self._source.wait(inbox, min(LOOK_SECONDS, left))
        raise TryAgain("not-arrived", seconds=round(seconds))

    async def filed(self, trial: Trial) -> Sighting | None:
        """See `Watcher.filed`."""
        folder = self._folders.get(Role.SENT)
        return await self._seen(trial, Role.SENT, folder) if folder is not None else None

    async def remove(self, trial: Trial) -> int:
        """See `Watcher.remove`."""
        removed = 0
        for role in (Role.INBOX, Role.SPAM, Role.SENT, Role.TRASH):
            folder = self._folders.get(role)
            if folder is None:
                continue
            seen = await self._seen(trial, role, folder)
            if seen.ids:
                await self._source.perform(Delete(folder, seen.ids))
                removed += len(seen.ids)
        return removed

    async def _seen(self, trial: Trial, role: Role, folder: RemoteFolderId) -> Sighting:
        try:
            selection = await self._session.hold(folder, anew=True)
        except FolderMissing:
            return Sighting(role, folder, ())
        found = await with_message_id(self._session, trial.message_id) if selection.exists else ()
        return Sighting(role, folder, tuple(remote_id(selection.uid_validity, uid) for uid in found))


class DropWatcher:
    """`Watcher` over a maildrop, which shows what is new to new sessions only. `again` opens one."""

    def __init__(self, again: Callable[[], Awaitable[pop3.Session]]) -> None:
        self._again = again

    async def _numbers(self, session: pop3.Session, trial: Trial) -> list[int]:
        listed = await session.ask_lines(b"LIST", session.limits.messages)
        newest = [int(line.split()[0]) for line in listed[-20:] if line.split() and line.split()[0].isdigit()]
        wanted, found = trial.message_id.encode(), []
        place = 0
        async for header in session.headers(newest):
            if isinstance(header, Trouble):
                raise header
            if wanted in header:
                found.append(newest[place])
            place += 1
        return found

    async def arrived(self, trial: Trial, seconds: float) -> Sighting:
        """See `Watcher.arrived`."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            session = await self._again()
            try:
                found = await self._numbers(session, trial)
            finally:
                await session.close()
            if found:
                ids = tuple(RemoteId(str(number)) for number in found)
                return Sighting(Role.INBOX, RemoteFolderId("INBOX"), ids)
            await asyncio.sleep(min(_DROP_SECONDS, left))
        raise TryAgain("not-arrived", seconds=round(seconds))

    async def filed(self, trial: Trial) -> Sighting | None:  # noqa: ARG002
        """See `Watcher.filed`: a maildrop has no Sent."""
        return None

    async def remove(self, trial: Trial) -> int:
        """See `Watcher.remove`."""
        session = await self._again()
        try:
            found = await self._numbers(session, trial)
            for answer in await session.delete(found):
                if isinstance(answer, Trouble):
                    raise answer
            await session.quit()
        finally:
            await session.close()
        return len(found)
