"""What a power cut leaves of files: contents as far as they were made durable, under names whose folder was made durable after them.

A file system may keep more than that, and nobody may rely on it. The database is left as it is: rows that are durable without the
bytes they name are the worst that can come of it, and SQLite is told to make every commit durable (`tests/store/test_disk.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path


class Witness:
    """Stands in for `os.fsync` and notes what it made durable, where a killed process cannot take it along."""

    def __init__(self, notes: Path, fsync: Callable[[int], None]) -> None:
        self._notes = notes
        self._fsync = fsync

    def __call__(self, handle: int) -> None:
        self._fsync(handle)
        found = os.fstat(handle)
        note = (
            {"folder": str(Path(f"/proc/self/fd/{handle}").readlink()), "names": os.listdir(handle)}
            if stat.S_ISDIR(found.st_mode)
            else {"file": found.st_ino, "size": found.st_size}
        )
        with self._notes.open("a") as notes:
            notes.write(json.dumps(note) + "\n")


def cut(root: Path, notes: Path, before: frozenset[str]) -> int:
    """Take away below `root` what was not durable, but for what was there `before`; how many files and folders that were."""
    sizes: dict[int, int] = {}
    names: set[str] = set()
    for line in notes.read_text().splitlines() if notes.exists() else ():
        note = json.loads(line)
        if "file" in note:
            sizes[note["file"]] = note["size"]
        else:
            folder = Path(note["folder"])
            names -= {name for name in names if Path(name).parent == folder}
            names |= {str(folder / name) for name in note["names"]}
    lost = 0
    for path in sorted(root.rglob("*")):
        if str(path.relative_to(root)) in before or not path.exists():
            continue
        if str(path) not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            lost += 1
        elif path.is_file() and (size := sizes.get(path.stat().st_ino, 0)) < path.stat().st_size:
            os.truncate(path, size)
            lost += 1
    return lost


def all_below(root: Path) -> frozenset[str]:
    """Everything that is there, for `cut`."""
    return frozenset(str(path.relative_to(root)) for path in root.rglob("*"))
