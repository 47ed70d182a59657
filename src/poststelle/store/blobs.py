"""Segments: where message bytes live.

One immutable file per committed batch: each message compressed on its own (zstd), then the segment's own index, then a footer.
A segment is written to a temporary name, made durable, renamed, and its directory made durable, before any row names it. The
index says which account, folder and remote id each message came from, so a segment that no row knows (a crash between `write`
and commit) can be adopted instead of fetched again.

    "PSSEG1\\n" · zstd frame · zstd frame … · zstd(JSON index) · index offset (8) · index length (8) · "PSSEGEND"

Integers are big-endian. Segments of the cache (live view) lie in a folder of their own, are told by their names, and are the only
ones that are ever removed. This module does not know rows, pools or who may read.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from poststelle.errors import Conflict
from poststelle.store.durable import make_folder, sync_names
from poststelle.store.ids import uuid7

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CACHED = "cache-"
"""How the names of segments begin that may be removed."""

_HEAD, _TAIL = b"PSSEG1\n", b"PSSEGEND"
_FOOTER = struct.Struct(">QQ8s")
_LEVEL = 3
_CHUNK = 1 << 20
_ABANDONED_SECONDS = 86400

Raw = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from: account id, the folder's remote id, the message's remote id."""

    account: str
    folder: str
    remote_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a segment: its SHA-256, its size in bytes, and where its frame lies."""

    origin: Origin
    sha256: bytes
    size: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Written:
    """A durable segment: its name, its size on disk, its entries in the order given."""

    name: str
    bytes: int
    entries: Sequence[Entry]


class Segments:
    """All segments below one folder; those of the cache below the folder ``cache`` beside it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cache = root.parent / "cache"

    def write(self, messages: Iterable[tuple[Origin, bytes, Raw]], *, cached: bool = False) -> Written:
        """Make these (origin, SHA-256, bytes) durable as one new segment."""
        name = f"{CACHED if cached else ''}{uuid7().hex}"
        path = self._path(name)
        make_folder(path.parent)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            size, entries = _fill(temporary, messages)
        except BaseException:
            # Disk full, most likely: leave no half segment in the way.
            temporary.unlink(missing_ok=True)
            raise
        temporary.rename(path)
        sync_names(path.parent)
        return Written(name, size, entries)

    def read(self, name: str, offset: int, length: int, *, sha256: bytes, size: int) -> bytes:
        """The bytes of one message, checked. Raises Conflict("bytes-damaged") when they are not what was kept."""
        try:
            with self._path(name).open("rb") as file:
                frame = os.pread(file.fileno(), length, offset)
            raw = zstd.ZstdDecompressor().decompress(frame, size + 1)
        except (OSError, zstd.ZstdError) as error:
            raise Conflict("bytes-damaged", segment=name, offset=offset) from error
        if hashlib.sha256(raw).digest() != sha256:
            raise Conflict("bytes-damaged", segment=name, offset=offset)
        return raw

    def names(self) -> Iterator[str]:
        """Every durable segment that is kept for good."""
        for path in self._root.glob("??/*.seg"):
            yield path.stem

    def cached_names(self) -> Iterator[str]:
        """Every segment of the cache."""
        for path in self._cache.glob("??/*.seg"):
            yield path.stem

    def remove(self, name: str) -> None:
        """A segment of the cache that no row names is no more. ValueError for any other."""
        if not name.startswith(CACHED):
            raise ValueError(name)
        self._path(name).unlink(missing_ok=True)

    def clear_unfinished(self) -> None:
        """Remove what writers left that were killed before their segment was whole, once it is a day old."""
        for path in [*self._root.glob("??/*.tmp"), *self._cache.glob("??/*.tmp")]:
            if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)

    def index(self, name: str) -> Written:
        """A segment's own index. Raises Conflict("segment-unreadable")."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                start, length, tail = _FOOTER.unpack(os.pread(file.fileno(), _FOOTER.size, size - _FOOTER.size))
                if tail != _TAIL:
                    raise ValueError(tail)
                rows = json.loads(zstd.decompress(os.pread(file.fileno(), length, start)))
                return Written(name, size, [_entry(row) for row in rows])
        except (OSError, ValueError, struct.error, zstd.ZstdError) as error:
            raise Conflict("segment-unreadable", segment=name) from error

    def _path(self, name: str) -> Path:
        # The leading digits of a UUIDv7 are time; the last ones are random and spread the folders evenly.
        root = self._cache if name.startswith(CACHED) else self._root
        return root / name[-2:] / f"{name}.seg"


def _fill(file_path: Path, messages: Iterable[tuple[Origin, bytes, Raw]]) -> tuple[int, list[Entry]]:
    """Write a whole segment and make it durable; its size and entries."""
    entries: list[Entry] = []
    # Made once: a compressor is larger than most messages.
    compressor = zstd.ZstdCompressor(_LEVEL)
    with file_path.open("xb") as file:
        offset = file.write(_HEAD)
        for origin, sha256, raw in messages:
            length = _compress(compressor, raw, file)
            entries.append(Entry(origin, sha256, len(raw), offset, length))
            offset += length
        index = zstd.compress(json.dumps([_row(entry) for entry in entries]).encode(), _LEVEL)
        size = offset + file.write(index) + file.write(_FOOTER.pack(offset, len(index), _TAIL))
        file.flush()
        os.fsync(file.fileno())
    return size, entries


def _compress(compressor: zstd.ZstdCompressor, raw: Raw, file: BinaryIO) -> int:
    """One frame; how long it is. Of what is large a part at a time."""
    length = start = 0
    with memoryview(raw) as view:
        while len(raw) - start > _CHUNK:
            length += file.write(compressor.compress(view[start : start + _CHUNK]))
            start += _CHUNK
        return length + file.write(compressor.compress(view[start:], mode=compressor.FLUSH_FRAME))


def _row(entry: Entry) -> list[object]:
    origin = entry.origin
    return [
        origin.account, origin.folder, origin.remote_id, entry.sha256.hex(), entry.size, entry.offset, entry.length,
    ]  # fmt: skip


def _entry(row: list[object]) -> Entry:
    account, folder, remote_id, digest, size, offset, length = row
    return Entry(
        Origin(str(account), str(folder), str(remote_id)),
        bytes.fromhex(str(digest)),
        int(str(size)),
        int(str(offset)),
        int(str(length)),
    )
