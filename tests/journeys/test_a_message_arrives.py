"""A message arrives: it stands in the open list by itself, opens safely, and what happens to it here and there is so on both sides."""

from __future__ import annotations

import random
import sys
import time

import pytest
from playwright.sync_api import expect

from tests.builders import a_letter
from tests.journeys import server_side
from tests.journeys.conftest import Window
from tests.journeys.office import Mailbox, Office, eventually
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

REPORT = random.Random(4).randbytes(300_000)
"""Contains every byte, line ends of all kinds among them."""

HOSTILE = """\
<html><head><style>@import url(http://spy.example/style.css);</style><meta http-equiv="refresh" content="0;url=http://spy.example/meta">
<script>document.title = "taken"; document.write("a script ran"); new Image().src = "http://spy.example/script";</script></head>
<body background="http://spy.example/background.png" onload="document.body.append('a script ran')"><h1>Grüße aus der Fremde</h1>
<p style="background: url(http://spy.example/css.png); color: teal">Teal text</p>
<img src="https://spy.example/pixel.png" width="1" height="1"><img src=x onerror="document.body.append('a script ran')">
<iframe src="http://spy.example/frame"></iframe><object data="http://spy.example/object"></object>
<video src="http://spy.example/video" autoplay></video><link rel="stylesheet" href="http://spy.example/link.css">
<form action="http://spy.example/form"><input autofocus onfocus="document.body.append('a script ran')"></form>
<a href="javascript:document.body.append('a script ran')">Click</a> <a href="https://elsewhere.example/">Elsewhere</a>
<svg onload="document.body.append('a script ran')"><image href="http://spy.example/svg.png"/></svg></body></html>
"""

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@pytest.fixture(scope="module")
def mailbox(office: Office, dovecot: Dovecot, mta: Mta) -> Mailbox:
    user = dovecot.user("arrives")
    dovecot.fill(user, [a_letter(f"Alter Brief {number}") for number in range(3)])
    return office.add_mailbox("Zentrale", user, dovecot, mta)


def test_a_message_appears_in_the_open_list_by_itself(
    ada: Window, mailbox: Mailbox, dovecot: Dovecot, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ada.page
    page.goto(mailbox.url())
    expect(page.locator("#rows > .row")).to_have_count(3)
    waits = []
    for number in range(3):
        dovecot.deliver(mailbox.user, a_letter(f"Eilbrief {number}"))
        delivered = time.monotonic()
        row = page.locator("#rows > .row", has_text=f"Eilbrief {number}")
        row.wait_for(timeout=20_000)
        waits.append(time.monotonic() - delivered)
        expect(page.locator("#rows > .row").first).to_contain_text(f"Eilbrief {number}")
    with capsys.disabled():
        sys.stdout.write(f"\nfrom delivery to the open list: {', '.join(f'{wait:.2f} s' for wait in waits)}\n")
    assert max(waits) < 5
    expect(page.locator("#tree a.twig .count").first).to_contain_text("6")


def test_a_hostile_html_message_is_read_without_anything_running_or_leaving(
    ada: Window, mailbox: Mailbox, dovecot: Dovecot
) -> None:
    dovecot.deliver(mailbox.user, a_letter("Angriff", "Nur Text", html=HOSTILE))
    page = ada.page
    page.goto(mailbox.url())
    page.locator("#rows > .row", has_text="Angriff").click()
    frame = page.frame_locator("iframe.body")
    expect(frame.locator("h1")).to_have_text("Grüße aus der Fremde")
    expect(frame.locator("body")).to_contain_text("Teal text")
    sandbox = page.locator("iframe.body").get_attribute("sandbox")
    assert sandbox is not None
    assert "allow-scripts" not in sandbox
    assert "allow-same-origin" not in sandbox
    page.wait_for_timeout(1000)
    assert "a script ran" not in frame.locator("body").inner_text()
    expect(page).not_to_have_title("taken")
    assert ada.abroad == []

    page.locator("#remote-bar a.button").first.click()
    expect(frame.locator('img[src*="/mail/picture/"]').first).to_be_attached()
    page.wait_for_timeout(1000)
    assert ada.abroad == [], "the browser asks this house for pictures, and nobody else"
    page.locator(".toolbar details.drop > summary").last.click()
    page.locator('.toolbar a[href$="as=text"]').click()
    expect(page.locator(".body.text")).to_have_text("Nur Text")


def test_an_attachment_is_downloaded_byte_by_byte(ada: Window, mailbox: Mailbox, dovecot: Dovecot) -> None:
    name = 'Übersicht "Q3" & mehr.bin'
    dovecot.deliver(mailbox.user, a_letter("Bericht", attachments=[(name, "application/octet-stream", REPORT)]))
    page = ada.page
    page.goto(mailbox.url())
    page.locator("#rows > .row", has_text="Bericht").click()
    with page.expect_download() as begun:
        page.locator(".attachments a").click()
    assert begun.value.path().read_bytes() == REPORT
    assert begun.value.suggested_filename.startswith("Übersicht")
    with page.expect_download() as begun:
        page.locator(".toolbar details.drop > summary").last.click()
        page.locator('.toolbar a[href$="original.eml"]').click()
    (held,) = server_side.raw(dovecot, mailbox.user, "Bericht")
    assert begun.value.path().read_bytes() == held


def test_what_is_read_here_is_read_there_and_what_is_flagged_there_is_flagged_here(
    ada: Window, mailbox: Mailbox, dovecot: Dovecot
) -> None:
    dovecot.deliver(mailbox.user, a_letter("Hin und her"))
    page = ada.page
    page.goto(mailbox.url())
    row = page.locator("#rows > .row", has_text="Hin und her")
    expect(row).to_contain_class("unread")
    assert "\\Seen" not in server_side.flags(dovecot, mailbox.user, "Hin und her")
    row.click()
    expect(row).not_to_contain_class("unread")
    eventually(lambda: "\\Seen" in server_side.flags(dovecot, mailbox.user, "Hin und her"))

    server_side.flag(dovecot, mailbox.user, "Hin und her", "+FLAGS (\\Flagged)")
    expect(row).to_contain_class("flagged")
    expect(page.locator("#marks [data-key=s]")).to_have_attribute("aria-pressed", "true")

    page.locator("#marks [data-key=s]").click()
    eventually(lambda: "\\Flagged" not in server_side.flags(dovecot, mailbox.user, "Hin und her"))
    page.locator("#marks [data-key=u]").click()
    eventually(lambda: "\\Seen" not in server_side.flags(dovecot, mailbox.user, "Hin und her"))
    expect(row).to_contain_class("unread")


def test_what_another_program_deletes_leaves_the_list_by_itself(
    ada: Window, mailbox: Mailbox, dovecot: Dovecot
) -> None:
    dovecot.deliver(mailbox.user, a_letter("Vergänglich"))
    page = ada.page
    page.goto(mailbox.url())
    row = page.locator("#rows > .row", has_text="Vergänglich")
    expect(row).to_be_visible()
    with server_side.mailbox(dovecot, mailbox.user) as client:
        newest = client.search(None, "ALL")[1][0].split()[-1].decode()
        client.store(newest, "+FLAGS", "(\\Deleted)")
        client.expunge()
    expect(row).to_have_count(0)
