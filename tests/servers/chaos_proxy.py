"""A network with one fault: a proxy in front of a real server that lets everything through, until the fault is armed and its byte comes.

The fault strikes once, in the connection that carries the byte; every other connection, before and after, is whole. TLS passes
through untouched, so that what is broken on the line is broken for the reader of TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.servers.listening import listening

KINDS = ("cut", "reset", "half-close", "black-hole", "stall", "garbage", "flip", "drop", "dup", "slow")
"""End politely; end rudely; end one direction; swallow all from now on; pause; insert noise; turn a bit; lose a piece; say a piece
twice; crawl for a while."""

STALL_SECONDS = 1.0
SLOW_BYTES, SLOW_SECONDS = 20_000, 1.5
HELD_SECONDS = 20.0


@dataclass
class Fault:
    """What happens once, when so many bytes have passed in that direction since it was armed."""

    kind: str
    after: int
    from_server: bool = True
    struck: asyncio.Event = field(default_factory=asyncio.Event)


class ChaosProxy:
    """A running proxy. `connections` counts them all; `arm` sets the one fault."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._fault: Fault | None = None
        self._left = 0
        self.connections = 0
        self.port = 0

    def arm(self, fault: Fault) -> None:
        """From now on bytes count towards this fault."""
        self._fault, self._left = fault, fault.after

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its end."""
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        pair = (writer, far_writer)
        ways = (
            self._way(reader, far_writer, pair, from_server=False),
            self._way(far_reader, writer, pair, from_server=True),
        )
        try:
            await asyncio.gather(*ways)
        finally:
            for one in pair:
                one.close()

    async def _way(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, ...],
        *,
        from_server: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(16384):
                fault = self._fault
                if fault is not None and fault.from_server is from_server and not fault.struck.is_set():
                    if len(data) > self._left:
                        fault.struck.set()
                        writer.write(data[: self._left])
                        if not await self._strike(fault, data[self._left :], reader, writer, pair):
                            return
                        continue
                    self._left -= len(data)
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(OSError):
                writer.write_eof()

    async def _strike(
        self, fault: Fault, rest: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, ...],
    ) -> bool:  # fmt: skip
        """Do it with the rest of a piece; whether the connection goes on."""
        noise = random.Random(fault.after).randbytes(64)
        match fault.kind:
            case "cut":
                for one in pair:
                    one.close()
            case "reset":
                for one in pair:
                    sock = one.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.transport.abort()
            case "half-close":
                writer.write_eof()
                await asyncio.sleep(HELD_SECONDS)
            case "black-hole":
                while await reader.read(65536):
                    pass
                await asyncio.sleep(HELD_SECONDS)
            case "stall":
                await asyncio.sleep(STALL_SECONDS)
                writer.write(rest)
                return True
            case "garbage":
                writer.write(noise + rest)
                return True
            case "flip":
                writer.write(bytes([rest[0] ^ 4]) + rest[1:])
                return True
            case "drop":
                return True
            case "dup":
                writer.write(rest + rest)
                return True
            case "slow":
                ends = asyncio.get_running_loop().time() + SLOW_SECONDS
                while rest and asyncio.get_running_loop().time() < ends:
                    writer.write(rest[: SLOW_BYTES // 20])
                    rest = rest[SLOW_BYTES // 20 :]
                    await asyncio.sleep(0.05)
                writer.write(rest)
                return True
        return False


@contextlib.asynccontextmanager
async def chaos_proxy(target: int) -> AsyncIterator[ChaosProxy]:
    """A proxy on a free port in front of `target` for as long as the block lasts."""
    made = ChaosProxy(target)
    async with listening(made.carry) as made.port:
        yield made
