"""Asking web servers, guarded: the one function for HTTP that goes out (RELIABILITY Q50, Q53, Q54).

Law: it connects to exactly the address that was checked, TLS is strict, each redirect is checked again, nothing secret is sent,
no cookie is kept, and an answer is bounded in bytes (after decompression) and in seconds. Encrypted only, but for what the
caller allows by name. This module does not know what the answers mean.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore2

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.stream import Connection
from poststelle.errors import NeedsAttention, ProtocolViolation, TryAgain
from poststelle.mail.settings import Encryption, Endpoint

SECONDS = 10.0
REDIRECTS = 3
JSON_DEPTH = 100
_MOVED = frozenset({301, 302, 303, 307, 308})
_PIECE = 64 * 1024
_HEADERS = ((b"User-Agent", b"Poststelle"), (b"Accept-Encoding", b"gzip"), (b"Connection", b"close"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a web server said. `url`: who said it in the end; `location`: where it sends us instead, if that was not followed."""

    url: str
    status: int
    body: bytes = b""
    redirected: bool = False
    location: str = ""


class _Stream(httpcore2.AsyncNetworkStream):
    """A `Connection` as the HTTP library wants it."""

    def __init__(self, connection: Connection, trust: Trust) -> None:
        self._connection = connection
        self._trust = trust

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            piece = await self._connection.read_some(timeout or SECONDS)
        except TryAgain as lost:
            if lost.code == "connection-lost":
                return b""  # the end, which the library judges
            raise
        if len(piece) > max_bytes:
            self._connection.put_back(piece[max_bytes:])
        return piece[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._connection.write(buffer, timeout or SECONDS)

    async def aclose(self) -> None:
        await self._connection.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - ours is the stricter one
        server_hostname: str | None = None,  # noqa: ARG002
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        host, port = self._connection.host, self._connection.port
        await self._connection.start_tls(
            self._trust.towards(Endpoint("https", host, port, Encryption.TLS)), timeout or SECONDS
        )
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002
        return None


class _Network(httpcore2.AsyncNetworkBackend):
    """Opens connections through the egress check, and no others."""

    def __init__(self, egress: EgressPolicy, trust: Trust) -> None:
        self._egress = egress
        self._trust = trust

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        opened = await Connection.open(host, port, egress=self._egress, timeout=timeout or SECONDS)
        return _Stream(opened, self._trust)


async def fetch(
    url: str,
    *,
    egress: EgressPolicy,
    tls: Trust,
    limit: int,
    seconds: float = SECONDS,
    body: bytes | None = None,
    content_type: str = "",
    unencrypted: bool = False,
    follow: bool = True,
) -> Answer:
    """GET (with `body` POST) an address. `limit`: bytes of the answer; `unencrypted`: ``http:`` will do for the first request.

    Redirects go to ``https:`` only, without the body. Raises Trouble as `Connection` does, and NeedsAttention("http-address",
    "http-redirects"), ProtocolViolation("http-too-big", "http-broken"), TryAgain("http-timeout").
    """
    try:
        async with asyncio.timeout(seconds):
            answer = await _ask(url, egress, tls, limit, body, content_type, unencrypted=unencrypted)
            for _ in range(REDIRECTS):
                if not answer.location or not follow:
                    return answer
                following = await _ask(answer.location, egress, tls, limit, None, "", unencrypted=False)
                answer = Answer(following.url, following.status, following.body, True, following.location)
    except TimeoutError as error:
        raise TryAgain("http-timeout", host=_host(url)) from error
    if answer.location:
        raise NeedsAttention("http-redirects", host=_host(url), limit=REDIRECTS)
    return answer


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _checked(url: str, *, unencrypted: bool) -> str:
    """An address that may be asked. Raises NeedsAttention("http-address")."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NeedsAttention("http-address", host="") from error
    allowed = {"https", "http"} if unencrypted else {"https"}
    if parts.scheme not in allowed or not parts.hostname or parts.username is not None or port == 0 or len(url) > 2000:
        raise NeedsAttention("http-address", host=parts.hostname or "")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise NeedsAttention("http-address", host=parts.hostname)
    return url


async def _ask(
    url: str,
    egress: EgressPolicy,
    trust: Trust,
    limit: int,
    body: bytes | None,
    content_type: str,
    *,
    unencrypted: bool,
) -> Answer:
    _checked(url, unencrypted=unencrypted)
    headers = [*_HEADERS, (b"Content-Type", content_type.encode())] if body is not None else [*_HEADERS]
    headers.append((b"Host", urlsplit(url).netloc.encode()))
    if body is not None:
        headers.append((b"Content-Length", str(len(body)).encode()))
    method = b"GET" if body is None else b"POST"
    if unencrypted:
        egress = replace(egress, ports=egress.ports | {80})
    pool = httpcore2.AsyncConnectionPool(network_backend=_Network(egress, trust), retries=0, http2=False)
    try:
        async with pool, pool.stream(method, url, headers=headers, content=body) as response:
            told = {name.lower(): value for name, value in response.headers}
            if response.status in _MOVED:
                there = urljoin(url, told.get(b"location", b"").decode("latin-1"))
                return Answer(url, response.status, location=there)
            coding = told.get(b"content-encoding", b"identity").lower()
            return Answer(url, response.status, await _whole(response.aiter_stream(), coding, limit, _host(url)))
    except (httpcore2.ProtocolError, httpcore2.NetworkError, httpcore2.UnsupportedProtocol, UnicodeError) as error:
        raise ProtocolViolation("http-broken", host=_host(url)) from error
    except httpcore2.TimeoutException as error:
        raise TryAgain("http-timeout", host=_host(url)) from error


async def _whole(pieces: AsyncIterator[bytes], coding: bytes, limit: int, host: str) -> bytes:
    """The body, unpacked; never more than `limit` bytes of it exist."""
    if coding not in {b"identity", b"", b"gzip", b"x-gzip", b"deflate"}:
        raise ProtocolViolation("http-broken", host=host)
    unpack = None if coding in {b"identity", b""} else zlib.decompressobj(47)
    held = bytearray()
    async for piece in pieces:
        if unpack is None:
            held += piece
        else:
            try:
                held += unpack.decompress(piece, limit + 1 - len(held))
            except zlib.error as error:
                raise ProtocolViolation("http-broken", host=host) from error
        if len(held) > limit:
            raise ProtocolViolation("http-too-big", host=host, limit=limit)
    return bytes(held)


def json_of(body: bytes) -> Any:
    """The JSON in an answer, at most `JSON_DEPTH` deep. Raises ValueError."""
    try:
        value = json.loads(body)
    except RecursionError as error:
        raise ValueError("too deep") from error
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return value
    raise ValueError("too deep")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
