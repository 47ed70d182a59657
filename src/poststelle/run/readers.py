"""The engine's reader processes: a batch of bytes goes to one, digests come back.

A batch that kills its reader, or takes too long, is tried again message by message; the message that takes too long even alone, or
kills two (one may have been ended by the machine), is kept as unreadable: stored, listed and counted like every other.
"""

from __future__ import annotations

import asyncio
import json
import logging
import mmap
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

from poststelle.errors import TryAgain
from poststelle.mail.digest import Digest
from poststelle.run.reader import HEAD, LENGTH, from_json
from poststelle.store.blobs import Raw

log = logging.getLogger(__name__)

SECONDS_PER_BATCH = 30.0
"""A batch and the two messages in it that never end take less than a silent account is given (`sync.folder.LONGEST_SILENCE`)."""

TRIES_ALONE = 2
USUAL_BYTES = 9 << 20
UNREADABLE = Digest("", ("", ""), (), None, "", (), "", False, ("unreadable",), "", ())


class _Reader:
    """One reader process and the memory shared with it."""

    def __init__(self, process: Process, shared: int) -> None:
        self._process = process
        self._shared = shared
        self._window = mmap.mmap(shared, USUAL_BYTES)

    @classmethod
    async def start(cls, module: str) -> _Reader:
        """Raises OSError."""
        shared = os.memfd_create("reader")
        try:
            os.ftruncate(shared, USUAL_BYTES)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, str(shared), stdin=PIPE, stdout=PIPE, pass_fds=(shared,)
            )
        except BaseException:
            os.close(shared)
            raise
        return cls(process, shared)

    async def exchange(self, raws: Sequence[Raw]) -> list[Digest]:
        """The digests of these bytes. Raises what the pipes raise, and ValueError or TypeError for an answer that is none."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._resize(max(USUAL_BYTES, sum(map(len, raws))))
        start = 0
        for raw in raws:
            self._window[start : start + len(raw)] = raw
            start += len(raw)
        stdin.write(HEAD.pack(len(raws), len(self._window)) + b"".join(LENGTH.pack(len(raw)) for raw in raws))
        await stdin.drain()
        (length,) = LENGTH.unpack(await stdout.readexactly(LENGTH.size))
        answers = json.loads(await stdout.readexactly(length))
        if len(answers) != len(raws):
            raise ValueError(len(answers))
        return [from_json(values) for values in answers]

    def _resize(self, size: int) -> None:
        """The memory as large as this batch needs: a big message's pages are given back with the next batch."""
        if size != len(self._window):
            self._window.close()
            os.ftruncate(self._shared, size)
            self._window = mmap.mmap(self._shared, size)

    def kill(self) -> None:
        """End it; safe to repeat."""
        if not self._window.closed:
            self._window.close()
            os.close(self._shared)
        if not self.is_gone:
            self._process.kill()

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    async def ended(self) -> None:
        """Once the process is gone."""
        await self._process.wait()


class Readers:
    """A few reader processes, started when first needed. Bound to one event loop. `module` is what they run."""

    def __init__(self, count: int = 1, module: str = "poststelle.run.reader") -> None:
        self._module = module
        self._idle: asyncio.Queue[_Reader | None] = asyncio.Queue()
        self._all: set[_Reader] = set()
        for _ in range(count):
            self._idle.put_nowait(None)

    async def read(self, raws: Sequence[Raw]) -> list[Digest]:
        """The digests of these bytes, in order. Never fails because of the bytes; raises TryAgain when no reader can be started."""
        for _ in range(TRIES_ALONE if len(raws) == 1 else 1):
            try:
                return await self._ask(raws)
            except TimeoutError:
                log.warning("reader lost over %d messages: too slow", len(raws))
                break
            except (OSError, EOFError, ValueError, TypeError) as error:
                log.warning("reader lost over %d messages: %r", len(raws), error)
        if len(raws) == 1:
            return [UNREADABLE]
        return [one for raw in raws for one in await self.read([raw])]

    async def close(self) -> None:
        """End them all."""
        for reader in self._all:
            reader.kill()
            await reader.ended()
        self._all.clear()

    async def _ask(self, raws: Sequence[Raw]) -> list[Digest]:
        reader = await self._idle.get()
        try:
            if reader is None:
                reader = await self._started()
            async with asyncio.timeout(SECONDS_PER_BATCH):
                answer = await reader.exchange(raws)
        except BaseException:
            if reader is not None:
                reader.kill()
            self._idle.put_nowait(None)
            raise
        self._idle.put_nowait(reader)
        return answer

    async def _started(self) -> _Reader:
        try:
            reader = await _Reader.start(self._module)
        except OSError as error:
            raise TryAgain("internal-error", kind=type(error).__name__) from error
        self._all = {other for other in self._all if not other.is_gone} | {reader}
        return reader
