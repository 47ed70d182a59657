"""Submitting many messages over one connection: Poststelle's sender beside smtplib and aiosmtplib, into a sink that keeps nothing.

aiosmtplib is measured if it is installed. Run from the checkout: python -m bench.smtp --messages 2000 --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import smtplib
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection as Pipe

import uvloop

from bench.rates import Contender, compare, run_here
from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.smtp import open_sender
from poststelle.mail.ports import Envelope, RecipientState
from poststelle.mail.settings import Encryption, Endpoint

try:
    import aiosmtplib
except ImportError:
    aiosmtplib = None  # type: ignore[assignment]

RAW = b"From: a@bench.example\r\nSubject: Messung\r\n\r\n" + (b"x" * 70 + b"\r\n") * 80
"""About 6 KB."""


class Sink(asyncio.Protocol):
    """Accepts everything, several commands in one breath, too."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._rest, self._in_data = transport, b"", False
        transport.write(b"220 sink\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._rest += data
        said = b""
        while True:
            if self._in_data:
                end = self._rest.find(b"\r\n.\r\n")
                if end < 0:
                    break
                self._rest, self._in_data = self._rest[end + 5 :], False
                said += b"250 taken\r\n"
                continue
            line, found, rest = self._rest.partition(b"\r\n")
            if not found:
                break
            self._rest = rest
            verb = line[:4].upper()
            self._in_data = verb == b"DATA"
            answers = {
                b"EHLO": b"250-sink\r\n250-SIZE\r\n250 PIPELINING\r\n",
                b"DATA": b"354 go\r\n",
                b"QUIT": b"221 bye\r\n",
            }
            said += answers.get(verb, b"250 ok\r\n")
        self._transport.write(said)  # type: ignore[attr-defined]


def serve(pipe: Pipe) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def standard(arguments: Sequence[str]) -> int:
    """smtplib in one thread."""
    port, count = map(int, arguments)
    with smtplib.SMTP("127.0.0.1", port) as client:
        for _ in range(count):
            client.sendmail("a@bench.example", ["b@bench.example"], RAW)
    return count


def bare(arguments: Sequence[str]) -> int:
    """aiosmtplib on a reused connection."""
    port, count = map(int, arguments)

    async def whole() -> int:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        for _ in range(count):
            await client.sendmail("a@bench.example", ["b@bench.example"], RAW)
        await client.quit()
        return count

    return _on_uvloop(whole)


def ours(arguments: Sequence[str]) -> int:
    """The sender as the engine uses it."""
    port, count = map(int, arguments)

    async def begun() -> None:
        pass

    async def whole() -> int:
        endpoint, egress = Endpoint("smtp", "127.0.0.1", port, Encryption.NONE), EgressPolicy.of("127.0.0.0/8")
        sender = await open_sender(endpoint, None, egress=egress, tls=Trust(), local_hostname="bench.example")
        taken = 0
        for _ in range(count):
            receipt = await sender.send(Envelope("a@bench.example", ("b@bench.example",)), RAW, begun)
            taken += receipt.results[0].state is RecipientState.ACCEPTED
        await sender.close()
        return taken

    return _on_uvloop(whole)


def _on_uvloop(whole: object) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())  # type: ignore[operator, no-any-return]


CONTENDERS: Mapping[str, Contender] = {"smtplib": standard, "poststelle": ours, "aiosmtplib": bare}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--be", choices=CONTENDERS)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("rest", nargs="*")
    given = parser.parse_args()
    if given.be:
        run_here(CONTENDERS[given.be], given.rest)
        return
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=serve, args=(sending,), daemon=True)
    process.start()
    port = receiving.recv()
    names = [name for name in CONTENDERS if name != "aiosmtplib" or aiosmtplib is not None]
    words = [str(port), str(given.messages)]
    print(compare("bench.smtp", names[::-1], words, rounds=given.rounds, expected=given.messages))
    process.terminate()


if __name__ == "__main__":
    main()
