"""A byte stream for line protocols, plain or under TLS, that costs little memory while it idles.

Law: one reader, one writer, every read bounded in bytes and seconds. TLS runs over memory buffers on the plain transport,
for implicit TLS and STARTTLS alike, because asyncio's own TLS transport keeps 256 KiB per connection.
Nothing that arrived before TLS is readable after it. This module does not know any mail protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import ssl
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import cast

from poststelle.adapters import certificate, witness
from poststelle.adapters.compress import Packer, Unpacker
from poststelle.adapters.connection import (
    CONNECT_SECONDS,
    UNVERIFIED,
    EgressPolicy,
    Tls,
    connect,
    host_name,
    tls_trouble,
)
from poststelle.errors import NeedsAttention, ProtocolViolation, Trouble, TryAgain

READ_SECONDS = 60.0
_HIGH_WATER = 256 * 1024
_LOW_WATER = 64 * 1024
_SLICE = 64 * 1024
_RECORD = 16 * 1024
"""The most a TLS record holds."""

_SLOWEST = 1024
"""Bytes per second a long body must reach, measured after its first `READ_SECONDS`."""


class Connection(asyncio.Protocol):
    """One TCP connection. Made by `open`; not shared between tasks. Every method but `close` raises `Trouble` only."""

    def __init__(self, host: str, port: int, egress: EgressPolicy) -> None:
        self.host = host
        self.port = port
        self.egress = egress
        self.witness = witness.current.get()
        self._heard = self.witness.listen()
        self.peer: str = ""
        self.received = 0
        self._buffer = bytearray()
        self._scanned = 0
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self._ended = False
        self._failure: Trouble | None = None
        self._reason: Exception | None = None
        self._accepted: Tls | None = None
        self._tls: ssl.SSLObject | None = None
        self._unpacker: Unpacker | None = None
        self._packer: Packer | None = None
        self._cipher_in: ssl.MemoryBIO | None = None
        self._cipher_out: ssl.MemoryBIO | None = None
        self._shaking_hands = False
        self._first_bytes = b""

    @classmethod
    async def open(cls, host: str, port: int, *, egress: EgressPolicy, timeout: float = CONNECT_SECONDS) -> Connection:
        """A plain connection to a permitted address of the host (see `connect` for what it raises)."""
        sock = await connect(host, port, egress=egress, timeout=timeout)
        connection = cls(host, port, egress)
        connection.peer = str(sock.getpeername()[0])
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock)
        except OSError as error:
            sock.close()
            raise connection._lost() from error
        return connection

    @property
    def encrypted(self) -> bool:
        """TLS is established."""
        return self._tls is not None and not self._shaking_hands

    @property
    def unread(self) -> bool:
        """Bytes have come that nobody has read."""
        return bool(self._buffer)

    @property
    def authentic(self) -> bool:
        """TLS is established with a server whose certificate was checked."""
        return self.encrypted and self._accepted is not None and self._accepted.authentic

    @property
    def loopback(self) -> bool:
        """The peer is this machine itself."""
        return ipaddress.ip_address(self.peer.partition("%")[0]).is_loopback

    # -- what asyncio calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._tls is None:
            self._arrived(data)
        else:
            if self._shaking_hands and len(self._first_bytes) < 8:
                self._first_bytes += data[:8]
            self._decrypt(data)
        if not self._paused and self._transport is not None and self._held > _HIGH_WATER:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._reason = exc
        self._ended = True
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _broken_tls(self, error: Exception) -> Trouble:
        """What it means for us; once hands were shaken, the line was disturbed, and there is nothing for a person to mend."""
        if self._shaking_hands or not isinstance(error, ssl.SSLError):
            return tls_trouble(error, self.host, self.port)
        return TryAgain("tls-failed", host=self.host, port=self.port, reason=error.reason or "")

    def _decrypt(self, data: bytes) -> None:
        assert self._tls is not None
        assert self._cipher_in is not None
        view = memoryview(data)
        pieces: list[bytes] = []  # a record each, and many servers' records are small: together they are handed on
        # Slices, because a memory BIO keeps the size it once grew to.
        for start in range(0, len(view), _SLICE):
            self._cipher_in.write(view[start : start + _SLICE])
            try:
                if self._shaking_hands:
                    self._tls.do_handshake()
                    if self._refused(self._tls):
                        break
                    self._shaking_hands = False
                while piece := self._tls.read(_RECORD):
                    pieces.append(piece)
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLError as error:
                self._fail(error)
                break
            else:
                self._ended = True
                break
        if pieces:
            self._arrived(b"".join(pieces))

    def _refused(self, tls: ssl.SSLObject) -> bool:
        """Whether the certificate will not do, asked before our own last word of the handshake leaves."""
        if self._accepted is not None:
            self._failure = self._accepted.refusal(tls.getpeercert(binary_form=True) or b"", self.host, self.port)
        self._ended = self._failure is not None
        return self._ended

    def _fail(self, error: ssl.SSLError) -> None:
        self._failure = self._broken_tls(error)
        self._failure.__cause__ = error
        self._ended = True
        with contextlib.suppress(ssl.SSLError):
            self._flush()

    def _flush(self) -> None:
        if self._cipher_out is not None and self._transport is not None and self._cipher_out.pending:
            self._transport.write(self._cipher_out.read())

    @property
    def _held(self) -> int:
        """Bytes that have come and were not read."""
        return len(self._buffer) + (self._unpacker.waiting if self._unpacker is not None else 0)

    def _arrived(self, data: bytes) -> None:
        """Plain bytes have come, packed or not."""
        if self._unpacker is None:
            self._buffer += data
            self._heard("S", data)
        else:
            self._unpacker.feed(data)
            self._unpack(_LOW_WATER - len(self._buffer))

    def _unpack(self, room: int) -> bool:
        """Unpack at most so many bytes; whether there were any."""
        before = self.received
        while self._unpacker is not None and self._failure is None and room > 0:
            try:
                piece = self._unpacker.unpack(room)
            except zlib.error as error:
                self._failure = ProtocolViolation("compression-broken", host=self.host, port=self.port)
                self._failure.__cause__ = error
                self._ended = True
                break
            if not piece:
                break
            self._buffer += piece
            self._heard("S", piece)
            self.received += len(piece)
            room -= len(piece)
        return self.received > before

    def compress(self) -> None:
        """From the next byte on, everything is packed in both directions (RFC 4978). What is unpacked counts as received, too."""
        self._unpacker, self._packer = Unpacker(), Packer()
        early = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        self._arrived(early)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _fill(self, seconds: float) -> None:
        """Wait until more bytes have come. Raises TryAgain("read-timeout"), TryAgain("connection-lost")."""
        if self._unpack(_SLICE):
            return
        if self._failure is not None:
            raise self._failure
        if self._ended:
            raise self._lost()
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        alarm = loop.call_later(seconds, self._wake)
        before = self.received
        try:
            await self._waiter
        finally:
            alarm.cancel()
            self._waiter = None
        if self.received == before and not self._ended:
            raise TryAgain("read-timeout", host=self.host, port=self.port)

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:size])
        del self._buffer[:size]
        self._scanned = 0
        if self._paused and self._held < _LOW_WATER and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return taken

    def _lost(self) -> TryAgain:
        lost = TryAgain("connection-lost", host=self.host, port=self.port)
        lost.__cause__ = self._reason
        return lost

    async def wait_for_data(self, seconds: float) -> bool:
        """Whether bytes are there to read, waiting at most so long. Raises TryAgain("connection-lost")."""
        if not self._buffer:
            try:
                await self._fill(seconds)
            except TryAgain as trouble:
                if trouble.code != "read-timeout":
                    raise
        return bool(self._buffer)

    async def peek(self, size: int, seconds: float = READ_SECONDS) -> bytes:
        """The next bytes without taking them: up to `size`, fewer only if a line ends before."""
        while len(self._buffer) < size and b"\n" not in self._buffer:
            await self._fill(seconds)
        return bytes(self._buffer[:size])

    async def read_piece(self, limit: int, seconds: float = READ_SECONDS) -> tuple[bytes, bool]:
        """The next part of a line, at most `limit` bytes, and whether the line ends with it (line end removed)."""
        while True:
            end = self._buffer.find(b"\n", self._scanned, limit)
            if end >= 0:
                line = self._take(end + 1)
                return line[: -2 if line.endswith(b"\r\n") else -1], True
            if len(self._buffer) >= limit:
                return self._take(limit), False
            self._scanned = len(self._buffer)
            await self._fill(seconds)

    async def readline(self, limit: int, seconds: float = READ_SECONDS) -> bytes:
        """One line without its line end. Raises ProtocolViolation("line-too-long") beyond `limit` bytes."""
        line, complete = await self.read_piece(limit, seconds)
        if not complete:
            raise ProtocolViolation("line-too-long", host=self.host, port=self.port, limit=limit)
        return line

    async def read_exactly(self, size: int, seconds: float = READ_SECONDS) -> bytes:
        """Exactly `size` bytes."""
        if len(self._buffer) >= size:
            return self._take(size)
        pieces: list[bytes] = []
        await self.read_into(pieces.append, size, seconds)
        return b"".join(pieces)

    async def read_some(self, seconds: float = READ_SECONDS) -> bytes:
        """What has come, at least one byte; for bodies whose end only their protocol knows."""
        while not self._buffer:
            await self._fill(seconds)
        return self._take(min(len(self._buffer), _SLICE))

    def put_back(self, data: bytes) -> None:
        """Give back the end of what `read_some` took."""
        self._buffer[:0] = data
        self._scanned = 0

    async def read_into(self, sink: Callable[[bytes], object], size: int, seconds: float = READ_SECONDS) -> None:
        """Hand exactly `size` bytes on, piece by piece as they come. Raises TryAgain("too-slow") below 1 KiB/s."""
        pace, left = Pace(self), size
        while left:
            if not self._buffer:
                await self._fill(seconds)
                pace.keep_up(size - left)
            piece = self._take(min(left, len(self._buffer)))
            left -= len(piece)
            sink(piece)

    # -- writing -----------------------------------------------------------------------------------------------------

    async def write(self, data: bytes, seconds: float = READ_SECONDS) -> None:
        """Send; returns when the operating system has taken enough of it."""
        self._heard("C", data)
        for start in range(0, len(data), _SLICE):
            if self._failure is not None:
                raise self._failure
            if self._ended or self._transport is None or self._transport.is_closing():
                raise self._lost()
            piece = memoryview(data)[start : start + _SLICE]
            if self._packer is not None:
                piece = memoryview(self._packer.pack(piece, last=start + _SLICE >= len(data)))
            if self._tls is None:
                self._transport.write(piece)
            else:
                try:
                    self._tls.write(piece)
                except ssl.SSLError as error:
                    raise self._broken_tls(error) from error
                self._flush()
            if self._drained is not None:
                try:
                    await asyncio.wait_for(asyncio.shield(self._drained), seconds)
                except TimeoutError as error:
                    raise TryAgain("write-timeout", host=self.host, port=self.port) from error

    # -- TLS ---------------------------------------------------------------------------------------------------------

    async def start_tls(self, tls: Tls, timeout: float = CONNECT_SECONDS) -> None:
        """Shake hands and check the certificate as `tls` says, before anything else is sent or read.

        Raises CertificateRejected, NeedsAttention("tls-on-plain-port", "tls-too-old"), TryAgain, and
        ProtocolViolation("starttls-injection") if bytes are waiting that were sent before TLS.
        """
        if self._buffer and len(self._buffer) == self.received:
            got = protocol_of(bytes(self._buffer[:8]))
            raise NeedsAttention("tls-on-plain-port", host=self.host, port=self.port, got=got)
        if self._buffer:
            raise ProtocolViolation("starttls-injection", host=self.host, port=self.port)
        self._accepted = tls
        self._begin_handshake(tls.context, host_name(self.host))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self._shaking_hands:
            try:
                await self._fill(max(0.0, deadline - loop.time()))
            except TryAgain as trouble:
                if trouble.code == "read-timeout":
                    raise TryAgain("tls-timeout", host=self.host, port=self.port) from None
                raise
            except NeedsAttention as trouble:
                if trouble.code == "tls-on-plain-port":
                    trouble.facts["got"] = protocol_of(self._first_bytes)
                raise
        if self._failure is not None:  # what came right behind the handshake was disturbed
            raise self._failure
        self._first_bytes = b""

    def _begin_handshake(self, context: ssl.SSLContext, name: str | None) -> None:
        self._cipher_in, self._cipher_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._cipher_in, self._cipher_out, server_hostname=name)
        self._shaking_hands = True
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self._flush()

    async def answers_tls(self, timeout: float = 2.0) -> bool:
        """Whether a silent server was waiting for TLS. Asks by a handshake; the connection is of no use afterwards."""
        self._begin_handshake(UNVERIFIED.context, None)
        with contextlib.suppress(Trouble):
            await self._fill(timeout)
        # An alert of two bytes or a ServerHello; a server that echoes our own hello is no TLS server.
        return re.match(rb"\x15\x03.\0\x02|\x16\x03...\x02", self._first_bytes, re.S) is not None

    def tls_facts(self) -> dict[str, object]:
        """TLS version and what the peer's certificate says; empty without TLS."""
        if self._tls is None:
            return {}
        return {"tls": self._tls.version() or "", **certificate.facts(self._shown())}

    def certificate_ends_at(self) -> datetime | None:
        """When the server's certificate expires (aware); None without TLS."""
        return certificate.ends_at(self._shown()) if self.encrypted else None

    def _shown(self) -> bytes:
        with contextlib.suppress(ValueError):  # once a record was disturbed, OpenSSL shows nothing any more
            return (self._tls.getpeercert(binary_form=True) or b"") if self._tls is not None else b""
        return b""

    async def close(self) -> None:
        """Hang up. Never raises."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if self.encrypted and not self._ended and self._tls is not None and self._cipher_out is not None:
            with contextlib.suppress(ssl.SSLError, OSError):
                self._tls.unwrap()
            transport.write(self._cipher_out.read())
        transport.close()
        self._ended = True
        self._wake()


class Pace:
    """Whether a long body comes fast enough. Begins when it is made."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begun = asyncio.get_running_loop().time()

    def keep_up(self, done: int) -> None:
        """To be told how many bytes have come so far. Raises TryAgain("too-slow") below 1 KiB/s."""
        elapsed = asyncio.get_running_loop().time() - self._begun
        if elapsed > READ_SECONDS and done < elapsed * _SLOWEST:
            raise TryAgain("too-slow", host=self._connection.host, port=self._connection.port)


def protocol_of(greeting: bytes) -> str:
    """Which protocol speaks so: ``imap``, ``pop3``, ``smtp``, ``http``, ``ssh``, ``tls`` or ``unknown``."""
    known = ((b"* ", "imap"), (b"+OK", "pop3"), (b"-ERR", "pop3"), (b"220", "smtp"), (b"554", "smtp"), (b"421", "smtp"),
             (b"HTTP/", "http"), (b"SSH-", "ssh"), (b"\x15\x03", "tls"), (b"\x16\x03", "tls"))  # fmt: skip
    return next((name for start, name in known if greeting.startswith(start)), "unknown")
