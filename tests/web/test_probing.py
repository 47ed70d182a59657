"""The test of a mailbox as it streams into the page."""

from __future__ import annotations

import json
import re
import ssl
from html import unescape

from asgiref.sync import sync_to_async
from django.test import AsyncClient

from poststelle.adapters import certificate
from poststelle.mail.records import Fix, Step
from poststelle.office import accounts, egress
from poststelle.web.pages.mailbox_sections import fix_fields
from poststelle.web.pages.probe_lines import step_line
from tests.adapters.scripted_imap import scripted
from tests.servers.ca import CertificateAuthority
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


async def test_an_internal_server_is_allowed_with_one_click_and_the_test_goes_on(busy_ada: Visitor) -> None:
    async with scripted() as server:
        fields = form(
            busy_ada, incoming__host="127.0.0.1", incoming__port=str(server.port), incoming__encryption="none",
            outgoing__host="",
        )  # fmt: skip
        page = await streamed(busy_ada, fields, lines="1")
        allow = re.findall(r'data-allow="([^"]+)"', page)
        assert allow == ["127.0.0.1"]
        answer = await sync_to_async(busy_ada.client.post)(
            "/mailboxes/exceptions/allow/", {"server": allow}, headers={"X-Part": "1"}
        )
        assert answer.status_code == 204
        told = text_of(await streamed(busy_ada, fields, lines="1"))
        assert "Everything works." in told
    shown = text_of(await sync_to_async(busy_ada.page)("/mailboxes/exceptions/"))
    assert "127.0.0.1 ada@amt.test" in shown
    await sync_to_async(busy_ada.post)("/mailboxes/exceptions/revoke/", server="127.0.0.1")
    assert await sync_to_async(egress.allowed)(busy_ada.actor) == ()


async def test_what_can_never_be_allowed_is_not_offered(busy_ada: Visitor) -> None:
    fields = form(busy_ada, incoming__host="169.254.169.254", outgoing__host="8.8.8.8", outgoing__port="2600")
    page = await streamed(busy_ada, fields, lines="1")
    assert "is never reached from here" in text_of(page)
    assert "is not one that mail servers use" in text_of(page)
    assert re.findall(r'data-allow="([^"]+)"', page) == ["8.8.8.8"]


def test_a_server_that_makes_no_sense_is_told_on_the_page(ada: Visitor) -> None:
    ada.post("/mailboxes/exceptions/allow/", server="10.0.0.0/2")
    assert "This network is too large." in ada.page("/mailboxes/exceptions/")


async def test_a_tested_mailbox_is_saved_without_a_question(busy_ada: Visitor) -> None:
    await sync_to_async(egress.allow)(busy_ada.actor, "127.0.0.1")
    async with scripted() as server:
        fields = form(
            busy_ada, incoming__host="127.0.0.1", incoming__port=str(server.port), incoming__encryption="none",
            outgoing__host="", untested="",
        )  # fmt: skip
        await streamed(busy_ada, fields, lines="1")
        answer = await sync_to_async(busy_ada.client.post)("/mailboxes/new/", fields)
    assert answer.status_code == 302


def test_a_certificate_is_shown_before_it_is_accepted_and_why_is_asked_beside_the_button(
    ca: CertificateAuthority,
) -> None:
    issued = ca.self_signed()
    facts = certificate.facts(ssl.PEM_cert_to_DER_cert(issued.cert.read_text()))
    pin = {"mode": "pinned", "fingerprint": facts["fingerprint"], "key": facts["key"]}
    fix = Fix("pin-certificate", {"incoming": {"certificate": pin}})
    refused = Step("incoming", "tls", "failed", detail=facts, error="certificate-self-signed", fixes=(fix,))
    shown = step_line(refused, "", fix_fields)
    digits = issued.fingerprint.upper()
    assert "Fingerprint (SHA-256) " + ":".join(re.findall("..", digits)) in text_of(shown)
    for words in ("Issued to CN=localhost", "Issued by CN=localhost", "compare the fingerprint"):
        assert words in text_of(shown)
    assert 'data-why="incoming.exception_reason"' in shown
    (change,) = [json.loads(unescape(found)) for found in re.findall(r'data-fix="([^"]+)"', shown)]
    assert change["incoming.certificate.key"] == facts["key"]
    # In the form of an outgoing server the fields are called without their direction.
    assert 'data-why="exception_reason"' in step_line(refused, "", lambda _: json.dumps({"certificate.mode": "pinned"}))
    port = Step(
        "incoming",
        "connect",
        "failed",
        error="connection-refused",
        fixes=(Fix("use-usual-port", {"incoming": {"port": 993}}),),
    )
    assert "data-why" not in step_line(port, "", fix_fields)
