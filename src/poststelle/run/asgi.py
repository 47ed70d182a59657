"""The web as an ASGI application: pages in threads, what waits for others in the event loop, readers of strangers' mail from the
start, and the end of the live streams.

Most views only compute and read the database. Such a page is answered from beginning to end by one of a few threads, which keep their
database connections: taken through Django's asynchronous chain it would change threads a dozen times, and open a connection of its
own. Views that wait (live streams, tests of mailboxes) are coroutines and go through that chain.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from typing import IO, Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "poststelle.run.settings")

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.asgi import get_asgi_application
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.db import connection
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve, set_script_prefix

_waiting = get_asgi_application()

from poststelle.run.cells import warden  # noqa: E402 - Django has to be set up first
from poststelle.run.turns import turns  # noqa: E402 - Django has to be set up first
from poststelle.web.live import watch  # noqa: E402 - Django has to be set up first

THREADS = 16


class _Pages(ASGIHandler):
    """Answers requests whose views do not wait, each in one thread."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(THREADS, "page")

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            loop = asyncio.get_running_loop()
            # What a view leaves behind in its context (the language) must not reach the next one.
            response = await loop.run_in_executor(self._threads, copy_context().run, self._in_turn, scope, body)
            try:
                await self.send_response(response, send)
            finally:
                if response.streaming:
                    await sync_to_async(response.close)()

    def _in_turn(self, scope: Mapping[str, Any], body: IO[bytes]) -> HttpResponseBase:
        with turns.taken():
            return self._answer(scope, body)

    def _answer(self, scope: Mapping[str, Any], body: IO[bytes]) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        request, refused = self.create_request(scope, body)
        if request is None:
            assert refused is not None
            return refused
        connection.ensure_connection()
        # Django would close it when the request is finished.
        connection.close_at = None
        with connection.execute_wrapper(_in_nobodys_way):
            response = self.get_response(request)
        if not response.streaming:
            response.close()
        return response


def _in_nobodys_way(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
    """A statement; what may have to wait for the database's only writer is done while others compute."""
    turns.grow_old()
    if connection.in_atomic_block or sql.startswith("SELECT"):
        return execute(sql, *given)
    with turns.given_away():
        return execute(sql, *given)


COLLECTED = (5_000, 20, 50)
"""How often the collector looks for garbage (`gc.set_threshold`): going through all that pages have left behind takes as long as a page."""
_pages = _Pages()
resolve("/")  # every page is loaded before somebody waits for one


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    send: Callable[[Mapping[str, Any]], Awaitable[None]],
) -> None:
    """Django has no lifespan of its own; the rest is its."""
    if scope["type"] != "lifespan":
        handler = _waiting if _waits(scope["path"]) else _pages
        await handler(scope, receive, send)
        return
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            warden.start()
            # What has been loaded stays: the collector need not go through all of it every few hundred pages, which takes a tenth of a second.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECTED)
            await send({"type": "lifespan.startup.complete"})
        else:
            watch.close()
            warden.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _waits(path: str) -> bool:
    try:
        return iscoroutinefunction(resolve(path).func)
    except Resolver404:
        return False
