"""Waiting until something happens: IDLE for the folder in hand (RFC 2177), NOTIFY for all others (RFC 5465), else asking.

Law: what happened between the last look and the waiting wakes as well, for the watched folder always, for the others where
NOTIFY is offered. NOTIFY that is refused, or that the server gives up (NOTIFICATIONOVERFLOW), is not tried again in this
session. Waiting may be cancelled at any time: a command that was begun is brought to its end.
This module does not know cursors.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from poststelle.adapters.imap.listing import State, state_of
from poststelle.adapters.imap.naming import folder_id, server_name
from poststelle.adapters.imap.session import REFUSED, Session
from poststelle.adapters.imap.verdict import Selection
from poststelle.errors import MessageTrouble, ProtocolViolation, Trouble
from poststelle.mail.ports import RemoteFolderId

T = TypeVar("T")

IDLE_SECONDS = 25 * 60.0
POLL_SECONDS = 60.0
_LAST_WORD_SECONDS = 5.0
_EVENTS = b"(MessageNew MessageExpunge FlagChange)"
_NOTIFY = b"SET STATUS (selected " + _EVENTS + b") (personal (MessageNew MessageExpunge FlagChange MailboxName))"


class Watch:
    """What one session was last told of its folders, and the waiting for more. `seen` is kept up by whoever looks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watching: Selection | None = None
        self.seen: dict[RemoteFolderId, State] = {}

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        """See `Source.wait`."""
        session, loop = self._session, asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if not self._is_in_hand(watched):
            self._watching = await _to_its_end(session.hold(watched, writable=True, anew=True))
            known, self.seen[watched] = self.seen.get(watched), self._watching.state
            if known != self._watching.state:
                return frozenset({watched})
        if "NOTIFY" in session.capable and session.noticed is None:
            await _to_its_end(self._begin_to_notify())
        changed: frozenset[RemoteFolderId] | None = self._changed(watched)
        while changed == frozenset() and (left := deadline - loop.time()) > 0:
            if "IDLE" in session.capable:
                await self._idle(min(left, IDLE_SECONDS))
            else:
                await asyncio.sleep(min(left, POLL_SECONDS))
                await _to_its_end(session.command(b"NOOP", each=session.overheard))
            changed = self._changed(watched)
        return changed

    def _is_in_hand(self, watched: RemoteFolderId) -> bool:
        """The folder has been looked at for this watching, and nothing else since."""
        selected = self._session.selected
        return selected is not None and selected is self._watching and selected.name == self._name(watched)

    async def _idle(self, seconds: float) -> None:
        try:
            await self._session.idle(seconds)
        except (MessageTrouble, ProtocolViolation) as refused:
            if refused.code not in REFUSED:
                raise
            self._session.distrust("IDLE")

    def _name(self, folder: RemoteFolderId) -> bytes:
        return server_name(folder, utf8=self._session.utf8)

    async def _begin_to_notify(self) -> None:
        session = self._session
        session.noticed = {}
        answer = await session.attempt(b"NOTIFY", _NOTIFY)
        if answer.condition.status != "OK":
            session.noticed = None
            session.distrust("NOTIFY")

    def _changed(self, watched: RemoteFolderId) -> frozenset[RemoteFolderId] | None:
        """What was reported since this was last asked."""
        session = self._session
        noticed, session.noticed = session.noticed, None if session.noticed is None else {}
        changed = {watched} if session.stirred else set()
        for name, status in (noticed or {}).items():
            folder, state = folder_id(name, utf8=session.utf8), state_of(status)
            if folder != watched:
                if self._differs(folder, state):
                    changed.add(folder)
                self.seen[folder] = state
        reshaped, session.stirred, session.reshaped = session.reshaped, False, False
        return None if reshaped else frozenset(changed)

    def _differs(self, folder: RemoteFolderId, state: State) -> bool:
        """Whether a status is news: the first word about a folder is where it stands, one that leaves things out is believed."""
        known = self.seen.get(folder)
        return known is not None and (known != state or 0 in state[:2])


async def _to_its_end(command: Coroutine[Any, Any, T]) -> T:
    """Await a command that is not cut off when we are cancelled: a session in the middle of an answer is of no use."""
    running = asyncio.ensure_future(command)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with contextlib.suppress(Trouble, TimeoutError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await running
        raise
