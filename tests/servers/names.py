"""A DNS server on a free UDP port of 127.0.0.1 that knows what a test tells it, and denies everything else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class _Names(asyncio.DatagramProtocol):
    def __init__(self, records: Mapping[tuple[str, str], Sequence[str]], asked: list[str]) -> None:
        self._records = records
        self._asked = asked
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is one without saying so.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        wanted = question.question[0]
        kind = wanted.rdtype.name
        name = wanted.name.to_text(omit_final_dot=True)
        self._asked.append(f"{kind} {name}")
        known = self._records.get((name, kind))
        if known:
            answer.answer.append(dns.rrset.from_text(wanted.name, 60, "IN", kind, *known))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def names(records: Mapping[tuple[str, str], Sequence[str]]) -> AsyncIterator[tuple[int, list[str]]]:
    """The port, and what was asked as ``"MX kanzlei.test"``. `records`: texts by name and type."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Names(records, asked), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], asked
    finally:
        transport.close()
