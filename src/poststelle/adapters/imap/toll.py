"""What a server's answers may cost: memory, and the turns of everybody else in the loop.

Law: whatever a server sends, what is kept of it stays small, and while it sends without a pause others get their turn all the
same. This module does not know what the answers mean.
"""

from __future__ import annotations

import asyncio

from poststelle.adapters.imap import wire
from poststelle.errors import ProtocolViolation

_TURN_SECONDS = 0.02
_MOST_LITERALS = 100
_SMALL = 64 * 1024
_MOST_KEPT = 10_000
_USED = wire.Condition | wire.Exists | wire.FolderStatus | wire.Listed | wire.QuotaRoot | wire.Rights | wire.Spaces


class Toll:
    """Of one session. `begin` with every command."""

    def __init__(self, limits: wire.Limits) -> None:
        self._limits = limits
        self._in_memory = 0
        self._answers = 0
        self._turn_began = 0.0

    def begin(self) -> None:
        """Another command: the account starts anew."""
        self._in_memory = self._answers = 0

    async def answer(self) -> None:
        """One more piece has been read; whoever waits gets a turn now and then. Raises ProtocolViolation("too-much-data")."""
        self._answers += 1
        if self._answers > self._limits.numbers:
            raise ProtocolViolation("too-much-data", limit=self._limits.numbers)
        now = asyncio.get_running_loop().time()
        if now - self._turn_began > _TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_began = asyncio.get_running_loop().time()

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
