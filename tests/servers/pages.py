"""A web server on a free port of 127.0.0.1 that says what a test tells it to, over TLS or not."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping


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
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await made.talk(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
