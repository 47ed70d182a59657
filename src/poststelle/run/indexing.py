"""Handing documents to the index process, from one thread. The process is started when there is much to write for the first time."""

from __future__ import annotations

import json
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from poststelle.run.indexer import LENGTH
from poststelle.store.index_file import Document


class Indexing:
    """One index process. Belongs to one thread; `stop` may come from any. `module` is what it runs."""

    def __init__(self, module: str = "poststelle.run.indexer") -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def put(self, path: Path, documents: Sequence[Document], upto: int) -> None:
        """See `File.put`. Raises sqlite3.Error as it does, OSError and EOFError for a process that cannot be had or is gone."""
        process = self._started(path)
        assert process.stdin is not None
        assert process.stdout is not None
        asked = pickle.dumps((documents, upto), pickle.HIGHEST_PROTOCOL)
        process.stdin.write(LENGTH.pack(len(asked)))
        process.stdin.write(asked)
        process.stdin.flush()
        head = process.stdout.read(LENGTH.size)
        if len(head) < LENGTH.size:
            raise EOFError("the index process is gone")
        if trouble := json.loads(process.stdout.read(*LENGTH.unpack(head))):
            damaged, told = trouble
            raise (sqlite3.DatabaseError if damaged else sqlite3.OperationalError)(told)

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the process and let go of it; the next `put` starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError), process:  # closes the pipes and waits
                pass

    def _started(self, path: Path) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        return self._process
