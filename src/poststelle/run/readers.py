"""The engine's reader processes: a batch of bytes goes to one, digests come back.

A batch that kills its reader, or takes too long, is tried again message by message; the message that does it even alone is kept
as unreadable: stored, listed and counted like every other.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

from poststelle.errors import TryAgain
from poststelle.mail.digest import Digest
from poststelle.run.reader import COUNT, LENGTH, from_json
from poststelle.store.blobs import Raw

log = logging.getLogger(__name__)

SECONDS_PER_BATCH = 60.0
UNREADABLE = Digest("", ("", ""), (), None, "", (), "", False, ("unreadable",), "", ())


class Readers:
    """A few reader processes, started when first needed. Bound to one event loop."""

    def __init__(self, count: int = 1) -> None:
        self._idle: asyncio.Queue[Process | None] = asyncio.Queue()
        self._all: set[Process] = set()
        for _ in range(count):
            self._idle.put_nowait(None)

    async def read(self, raws: Sequence[Raw]) -> list[Digest]:
        """The digests of these bytes, in order. Never fails because of the bytes; raises TryAgain when no reader can be started."""
        try:
            return await self._ask(raws)
        except (OSError, EOFError, ValueError, TypeError, TimeoutError) as error:
            log.warning("reader lost over %d messages: %r", len(raws), error)
        if len(raws) == 1:
            return [UNREADABLE]
        return [one for raw in raws for one in await self.read([raw])]

    async def close(self) -> None:
        """End them all."""
        for process in self._all:
            process.kill()
            await process.wait()
        self._all.clear()

    async def _ask(self, raws: Sequence[Raw]) -> list[Digest]:
        process = await self._idle.get()
        try:
            if process is None:
                process = await self._started()
            async with asyncio.timeout(SECONDS_PER_BATCH):
                answer = await self._exchange(process, raws)
        except BaseException:
            if process is not None:
                self._all.discard(process)
                if process.returncode is None:
                    process.kill()
            self._idle.put_nowait(None)
            raise
        self._idle.put_nowait(process)
        return answer

    async def _started(self) -> Process:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "poststelle.run.reader", stdin=PIPE, stdout=PIPE
            )
        except OSError as error:
            raise TryAgain("internal-error", kind=type(error).__name__) from error
        self._all.add(process)
        return process

    async def _exchange(self, process: Process, raws: Sequence[Raw]) -> list[Digest]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(COUNT.pack(len(raws)))
        for raw in raws:
            process.stdin.write(LENGTH.pack(len(raw)))
            with memoryview(raw) as view:
                for start in range(0, len(view), 1 << 20):
                    process.stdin.write(view[start : start + (1 << 20)])
                    await process.stdin.drain()
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        answers = json.loads(await process.stdout.readexactly(length))
        if len(answers) != len(raws):
            raise ValueError(len(answers))
        return [from_json(values) for values in answers]
