"""Asking the extractor process for the words of a message's files, from one thread.

A file that kills the process, or takes too long, costs only its own words: the process is started again and the files behind it
are read. What could not be read is said, so that nobody tries for ever.
"""

from __future__ import annotations

import json
import logging
import os
import select
import struct
import subprocess
import sys
import time
from contextlib import suppress

log = logging.getLogger(__name__)

HEAD, LENGTH = struct.Struct(">IQ"), struct.Struct(">I")
SECONDS_PER_FILE = 20.0
LARGEST_MESSAGE = 128 << 20
MOST_LOSSES = 3
MOST_WORDS = 1_000_000
_STARTING_SECONDS = 30.0
_LARGEST_FRAME = 16 << 20


class Extractor:
    """One process, started when first needed. `module` is what it runs. Belongs to one thread; `stop` may come from any."""

    def __init__(self, module: str = "poststelle.run.extractor") -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = self._is_new = False

    def read(self, raw: bytes) -> tuple[str, bool]:
        """The words of the message's files, and whether all could be read. Raises OSError when no process can be started."""
        if len(raw) > LARGEST_MESSAGE:
            return "", False
        texts: list[str | None] = []
        losses = 0
        while not self._stopped and losses < MOST_LOSSES:
            try:
                self._ask(raw, texts)
                break
            except (EOFError, TimeoutError, ValueError, BrokenPipeError) as error:
                log.info("a file was given up: %r", error)
                self._end()
                losses += 1
                texts.append(None)
        words = "\n".join(filter(None, texts))
        return words[:MOST_WORDS], not self._stopped and losses < MOST_LOSSES and None not in texts

    def stop(self) -> None:
        """End the process, whatever it is doing; nothing is read any more."""
        self._stopped = True
        self._end()

    def _ask(self, raw: bytes, texts: list[str | None]) -> None:
        process = self._started()
        assert process.stdin is not None
        rest = memoryview(HEAD.pack(len(texts), len(raw)) + raw)
        while rest:
            rest = rest[os.write(process.stdin.fileno(), rest) :]
        seconds = max(SECONDS_PER_FILE, _STARTING_SECONDS if self._is_new else 0)
        self._is_new = False
        while True:
            deadline = time.monotonic() + seconds
            (length,) = LENGTH.unpack(self._exactly(process, LENGTH.size, deadline))
            if not length:
                return
            if length > _LARGEST_FRAME:
                raise ValueError(length)
            (words,) = json.loads(self._exactly(process, length, deadline))
            texts.append(None if words is None else str(words))
            seconds = SECONDS_PER_FILE

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
            self._is_new = True
        return self._process

    def _exactly(self, process: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
        assert process.stdout is not None
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        data = bytearray()
        while len(data) < size:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            piece = process.stdout.read(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
