"""The test of a mailbox as it streams into the page."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.test import AsyncClient

from poststelle.office import accounts
from tests.web.test_mailboxes import form
from tests.web.visitor import Visitor, text_of


async def streamed(visitor: Visitor, fields: dict[str, str], **headers: str) -> str:
    client = AsyncClient()
    client.cookies = visitor.client.cookies
    response = await client.post("/mailboxes/test/", fields, headers={"X-Lines": "1"} if headers else None)
    return b"".join([part async for part in response]).decode()


async def test_it_says_line_by_line_what_works_and_what_to_do(busy_ada: Visitor) -> None:
    fields = form(busy_ada, incoming__host="127.0.0.1", outgoing__host="")
    told = text_of(await streamed(busy_ada, fields, lines="1"))
    assert told.startswith("Receiving: Find the server “127.0.0.1” lies inside the own network (127.0.0.1).")
    assert "Receiving: Log in" in told
    assert told.endswith("or save and mend it later. Download the report")
    assert not (await sync_to_async(accounts.page)(busy_ada.actor)).items


async def test_without_script_it_is_a_page_of_its_own(busy_ada: Visitor) -> None:
    page = await streamed(busy_ada, form(busy_ada, incoming__host="127.0.0.1", outgoing__host=""))
    assert page.lstrip().startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert "lies inside the own network" in page
