"""The stream of events: what changed, for those who may know, and its end."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from poststelle.office import feed, outbox
from poststelle.web import live
from tests.builders import a_folder, a_message_in, a_person, an_account
from tests.web.visitor import Visitor

act = sync_to_async


class Stream:
    """An open stream, read event by event."""

    def __init__(self, response: Any) -> None:
        assert response["Content-Type"] == "text/event-stream"
        self._parts: AsyncIterator[bytes] = aiter(response.streaming_content)

    async def told(self, seconds: float = 5) -> dict[str, Any] | str:
        """The next news, or the name of another event."""
        async with asyncio.timeout(seconds):
            while True:
                part = (await anext(self._parts)).decode()
                if part.startswith("event: "):
                    return part.split()[1]
                if "data: " in part:
                    news: dict[str, Any] = json.loads(part.partition("data: ")[2])
                    return news

    async def close(self) -> None:
        await self._parts.aclose()  # type: ignore[attr-defined]


async def listen(visitor: Visitor, after: int | str = "") -> Stream:
    client = AsyncClient()
    client.cookies = visitor.client.cookies
    return Stream(await client.get(f"/live/?after={after}"))


async def test_new_mail_is_told_to_who_may_see_it_within_two_seconds(busy_ada: Visitor) -> None:
    folder = await act(lambda: a_folder(an_account(busy_ada.actor)))()
    stream = await listen(busy_ada)
    await stream._parts.__anext__()
    arrival = asyncio.create_task(stream.told(2))
    await asyncio.sleep(0.3)
    await act(a_message_in)(folder)
    news = await arrival
    assert isinstance(news, dict)
    assert news["folders"] == [folder.id]
    assert not news["outgoing"]
    await stream.close()


async def test_what_happened_while_the_line_was_down_is_told_on_return(busy_ada: Visitor) -> None:
    folder = await act(lambda: a_folder(an_account(busy_ada.actor)))()
    before = await act(feed.latest)()
    await act(a_message_in)(folder)
    await act(a_message_in)(folder)
    stream = await listen(busy_ada, before)
    news = await stream.told()
    assert isinstance(news, dict)
    assert news["folders"] == [folder.id]
    assert news["id"] == await act(feed.latest)()
    await stream.close()


async def test_outgoing_mail_is_told(busy_ada: Visitor) -> None:
    account = await act(an_account)(busy_ada.actor)
    before = await act(feed.latest)()
    await act(lambda: outbox.submit(busy_ada.actor, outbox.Draft(account=account.id, to=["eva@kunde.test"])))()
    stream = await listen(busy_ada, before)
    news = await stream.told()
    assert isinstance(news, dict)
    assert news["outgoing"]
    await stream.close()


async def test_a_colleague_without_rights_hears_nothing(busy_ada: Visitor) -> None:
    bob = await act(lambda: Visitor(a_person()))()
    before = await act(feed.latest)()
    await act(lambda: a_message_in(a_folder(an_account(busy_ada.actor))))()
    stream = await listen(bob, before)
    with pytest.raises(TimeoutError):
        await stream.told(0.8)
    await stream.close()


async def test_the_stream_ends_with_the_log_in(busy_ada: Visitor) -> None:
    before = await act(feed.latest)()
    stream = await listen(busy_ada, before)
    await act(busy_ada.client.logout)()
    await act(an_account)(busy_ada.actor)
    assert await stream.told() == "ended"
    await stream.close()


async def test_the_stream_ends_at_shutdown(busy_ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "watch", live.Watch())
    stream = await listen(busy_ada)
    waiting = asyncio.create_task(stream.told())
    await asyncio.sleep(0.3)
    live.watch.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_a_forged_position_is_only_now(busy_ada: Visitor) -> None:
    stream = await listen(busy_ada, "9" * 30)
    await act(an_account)(busy_ada.actor)
    news = await stream.told()
    assert isinstance(news, dict)
    assert news["accounts"]
    await stream.close()


def test_what_happens_while_a_page_is_made_is_told_to_it(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    account, read = an_account(ada.actor), outbox.page

    def read_and_write(*wanted: Any) -> Any:
        found = read(*wanted)
        outbox.submit(ada.actor, outbox.Draft(account=account.id, to=["eva@kunde.test"]))
        return found

    monkeypatch.setattr(outbox, "page", read_and_write)
    page = ada.page("/outbox/")
    assert "eva@kunde.test" not in page
    after = re.search(r'data-after="(\d+)"', page)
    assert after is not None
    assert [entry.kind for entry in feed.changes(ada.actor, int(after[1])).items] == ["outgoing-submitted"]
