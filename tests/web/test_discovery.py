"""From an address to a filled form, without a browser and without the network: known providers."""

from __future__ import annotations

import re
from html import unescape

from django.test import AsyncClient

from tests.web.test_mailbox_kinds import as_shown
from tests.web.visitor import Visitor, text_of


async def found_for(visitor: Visitor, address: str) -> tuple[int, str]:
    client = AsyncClient()
    client.cookies = visitor.client.cookies
    response = await client.post(
        "/mailboxes/discover/", {"address": address, "label": "Kanzlei", "login.password": "geheim"}
    )
    return response.status_code, response.content.decode()


async def test_a_known_provider_is_offered_with_its_servers(busy_ada: Visitor) -> None:
    status, page = await found_for(busy_ada, "kanzlei@gmx.de")
    assert status == 200
    assert "imap.gmx.net:993" in page
    assert "geheim" not in page
    link = re.search(r'href="(/mailboxes/new/\?[^"]*imap\.gmx\.net[^"]*)"', page)
    assert link
    assert "label=Kanzlei" in unescape(link[1])


async def test_what_is_no_address_is_said_at_the_field(busy_ada: Visitor) -> None:
    status, page = await found_for(busy_ada, "kanzlei")
    assert status == 422
    assert "This is not an e-mail address" in page


def test_a_provider_of_the_list_fills_the_form(ada: Visitor, bob: Visitor) -> None:
    assert "GMX" in text_of(ada.page("/mailboxes/providers/?q=gmx"))
    assert "Posteo" not in text_of(ada.page("/mailboxes/providers/?q=gmx"))
    fields = as_shown(ada, "/mailboxes/new/?provider=gmx&address=kanzlei@gmx.de")
    assert (fields["incoming.host"], fields["login.username"]) == ("imap.gmx.net", "kanzlei@gmx.de")
    assert bob.get("/mailboxes/providers/").status_code == 403
