"""Adapters are tested on the event loop the product runs them on."""

from __future__ import annotations

from collections.abc import Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, object]:
    return {"uvloop": uvloop.new_event_loop}
