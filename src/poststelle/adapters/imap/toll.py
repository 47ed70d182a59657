"""What a server's answers may cost: memory, and the turns of everybody else in the loop.

Law: whatever a server sends, what is kept of it stays small, and while it sends without a pause others get their turn all the
same. This module does not know what the answers mean.
"""

from __future__ import annotations

import asyncio
import time

from poststelle.adapters.imap import wire
from poststelle.adapters.imap.numbers import Numbers
from poststelle.errors import ProtocolViolation

_TURN_SECONDS, _FAIR_SECONDS = 0.002, 0.25
_MOST_LITERALS = 100
_SMALL = 64 * 1024
_MOST_KEPT = 10_000
_MOST_IDLE_TALK = 50_000
"""Answers in one command that say nothing of messages or folders."""

_IDLE_TALK = wire.Condition | wire.Other
_OF_LITTLE_USE = _IDLE_TALK | wire.Capabilities | wire.Expunged | wire.FolderStatus | Numbers

_USED = wire.Condition | wire.Exists | wire.FolderStatus | wire.Listed | wire.QuotaRoot | wire.Rights | wire.Spaces


class Toll:
    """Of one session. `begin` with every command."""

    def __init__(self, limits: wire.Limits) -> None:
        self._limits = limits
        self._in_memory = 0
        self._answers = self._idle_talk = 0
        self._had = self._turn = self._began = 0.0

    def begin(self) -> None:
        """Another command: the account starts anew."""
        self._in_memory = self._answers = self._idle_talk = 0
        self._had = 0.0

    def arrives(self) -> None:
        """The next answer, or its next piece, is there: from now on it costs time. (Asking for CPU time would cost some itself.)"""
        self._began = time.perf_counter()

    async def answer(self, response: wire.Response) -> None:
        """One has been read, or a piece of a long one; whoever waits gets a turn. Raises ProtocolViolation("too-much-data")."""
        self._answers += 1
        self._idle_talk += isinstance(response, _IDLE_TALK)
        if self._answers > self._limits.numbers or self._idle_talk > _MOST_IDLE_TALK:
            raise ProtocolViolation("too-much-data", limit=_MOST_IDLE_TALK)
        now = time.perf_counter()
        worked = now - self._began
        self._turn += worked
        self._had += worked if isinstance(response, _OF_LITTLE_USE) else 0.0
        if self._turn > _TURN_SECONDS:
            # Whoever has had much of what is of little use gets less: others are not to wait for it.
            await asyncio.sleep(4 * self._turn if self._had > _FAIR_SECONDS else 0)
            self._turn = 0.0
            now = time.perf_counter()
        self._began = now

    def literal(self, size: int, before: list[int]) -> bool:
        """Whether the next literal of an answer, after others of these sizes, may lie in memory; else in a file.

        Raises ProtocolViolation where one answer holds too many of them or too much.
        """
        if (total := size + sum(before)) > self._limits.literal:
            raise ProtocolViolation("literal-too-big", size=total, limit=self._limits.literal)
        if len(before) >= _MOST_LITERALS:
            raise ProtocolViolation("too-much-data", limit=_MOST_LITERALS)
        before.append(size)
        small = size <= self._limits.in_memory and sum(before) <= 2 * self._limits.in_memory
        if size > _SMALL and (not small or self._in_memory + size > 4 * self._limits.in_memory):
            return False
        self._in_memory += size
        return True


class Kept(list[wire.Response]):
    """The untagged answers nobody picks out one by one: those that are ever looked at, and not more than a server needs to say."""

    def add(self, response: wire.Response) -> None:
        """Keep it if it is of any use."""
        if isinstance(response, _USED) and len(self) < _MOST_KEPT:
            self.append(response)
