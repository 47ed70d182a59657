"""A compressed byte stream in both directions (RFC 4978, RFC 1951): what a connection packs and unpacks with.

Law: unpacking gives back at most as much as was asked for, and keeps the rest packed; a small packet that would become a huge
one costs its own size. This module does not know connections or protocols.
"""

from __future__ import annotations

import zlib

_RAW_DEFLATE = -15


class Unpacker:
    """What arrives, unpacked bit by bit. Raises zlib.error for what is no such stream."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_RAW_DEFLATE)
        self._packed = b""
        self._full = False

    @property
    def waiting(self) -> int:
        """Bytes taken and not yet unpacked."""
        return len(self._packed)

    def feed(self, data: bytes) -> None:
        """Take packed bytes."""
        self._packed += data

    def unpack(self, room: int) -> bytes:
        """The next unpacked bytes, at most `room`; empty when more must arrive first."""
        if not self._packed and not self._full:
            return b""
        if self._zlib.eof:
            raise zlib.error("bytes after the end of the stream")
        piece = self._zlib.decompress(self._packed, room)
        self._packed = self._zlib.unconsumed_tail or self._zlib.unused_data
        # All input may be taken in while output is still held back.
        self._full = len(piece) == room and not self._zlib.eof
        return piece


class Packer:
    """What is sent, packed."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(wbits=_RAW_DEFLATE)

    def pack(self, data: bytes | memoryview, *, last: bool) -> bytes:
        """Packed bytes as far as they are ready; after the `last` part, all of them are."""
        packed = self._zlib.compress(data)
        return packed + self._zlib.flush(zlib.Z_SYNC_FLUSH) if last else packed
