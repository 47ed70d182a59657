"""A web server on a free port of 127.0.0.1 that says what a test tells it to, over TLS or not."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping

from tests.servers.listening import listening


def page(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Pages:
    """A running server. `heard` holds every request whole; `pages` maps paths (without query) to answers as bytes."""

    def __init__(self, pages: Mapping[str, bytes | list[bytes]]) -> None:
        self.pages = dict(pages)
        self.heard: list[bytes] = []
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            lines = request.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            request += await reader.readexactly(length)
            self.heard.append(request)
            path = request.split(b" ")[1].decode().partition("?")[0]
            answer = self.pages.get(path, page(b"", "404 Not Found"))
            for piece in answer if isinstance(answer, list) else [answer]:
                writer.write(piece)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def pages(answers: Mapping[str, bytes | list[bytes]], tls: ssl.SSLContext | None = None) -> AsyncIterator[Pages]:
    """A server for as long as the block lasts."""
    made = Pages(answers)
    async with listening(made.talk, tls) as made.port:
        yield made
