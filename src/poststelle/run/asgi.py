"""The web as an ASGI application: Django, and the end of the live streams when the server stops."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "poststelle.run.settings")

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from poststelle.web.live import watch  # noqa: E402 - Django has to be set up first


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    send: Callable[[Mapping[str, Any]], Awaitable[None]],
) -> None:
    """Django has no lifespan of its own; the rest is its."""
    if scope["type"] != "lifespan":
        await _django(scope, receive, send)
        return
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            watch.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
