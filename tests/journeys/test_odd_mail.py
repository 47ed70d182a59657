"""Odd mail and odd folders: huge, broken, strangely named. They show up and open like any other."""

from __future__ import annotations

import random
import re

import pytest
from playwright.sync_api import expect

from tests.builders import a_letter
from tests.journeys import server_side
from tests.journeys.conftest import Window
from tests.journeys.office import Mailbox, Office, eventually
from tests.servers.dovecot import Dovecot

FOLDERS = ("Übergrößen", "Müller & Söhne", 'Das "Neue"', "It's 100 % <b>fett", "🙂 Privat", "受信", "a\\b")
NESTED = "Akten/Brückner & Bau"
FILM = random.Random(8).randbytes(44 << 20)
"""60 MB once it is written in base64."""

BROKEN = {
    "Ohne Grenze": b"Content-Type: multipart/mixed\r\n\r\nkein Teil\r\n",
    "Ohne Ende": b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nTeil ohne Ende\r\n',
    "Falscher Zeichensatz": b"Content-Type: text/plain; charset=gibt-es-nicht\r\n\r\nGr\xfc\xdfe\r\n",
    "Kaputtes Base64": b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!SGFsbG8*\r\n",
    "Rohe Bytes": b"Content-Type: text/plain\r\n\r\n\x00\x01\xff\xfe Ende\r\n",
}

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@pytest.fixture(scope="module")
def mailbox(office: Office, dovecot: Dovecot) -> Mailbox:
    user = dovecot.user("seltsam")
    for name in (*FOLDERS, NESTED):
        server_side.make_folder(dovecot, user, name)
        server_side.put(dovecot, user, name, a_letter(f"In {name}"))
    head = b"From: Eva <eva@kunde.test>\r\nSubject: %s\r\nMIME-Version: 1.0\r\n"
    dovecot.fill(user, [
        a_letter("Film", attachments=[("Film.bin", "video/mp4", FILM)]),
        *(head % subject.encode() + rest for subject, rest in BROKEN.items()),
        b"\r\n",
        b"Subject: =?utf-8?q?kaputt?=\x00\xff\r\n",
    ])  # fmt: skip
    return office.add_mailbox("Seltsam", user, dovecot)


def test_every_folder_is_in_the_tree_under_its_name_and_opens(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.goto(mailbox.url())
    for name in (*FOLDERS, "Brückner & Bau"):
        page.locator("#tree a.twig", has_text=name).click()
        expect(page.locator(".list-head h1")).to_contain_text(name)
        expect(page.locator("#rows > .row .row-subject")).to_contain_text(
            f"In {'Akten/' if 'Brückner' in name else ''}{name}"
        )
    page.locator("#rows > .row a").click()
    expect(page.locator(".body.text")).to_contain_text("Guten Tag")


def test_a_message_of_60_mb_opens_and_its_attachment_comes_back_whole(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.goto(mailbox.url())
    page.locator("#rows > .row", has_text="Film").click()
    with page.expect_download() as begun:
        page.locator(".attachments a").click()
    assert begun.value.path().read_bytes() == FILM


@pytest.mark.parametrize("subject", BROKEN)
def test_a_broken_message_opens(ada: Window, mailbox: Mailbox, subject: str) -> None:
    page = ada.page
    page.goto(mailbox.url())
    page.locator("#rows > .row", has_text=subject).click()
    expect(page.locator("#subject")).to_have_text(subject)
    expect(page.locator(".body.text")).to_be_visible()


def test_messages_without_anything_open_too(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.goto(mailbox.url())
    expect(page.locator("#rows > .row")).to_have_count(len(BROKEN) + 3)
    page.locator("#rows > .row", has_text="(no subject)").first.click()
    expect(page.locator("#subject")).to_have_text("(no subject)")
    page.locator("#rows > .row", has_text=re.compile("kaputt")).click()
    expect(page.locator("#subject")).to_contain_text("kaputt")


def test_what_is_odd_is_found_by_its_words(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    eventually(lambda: mailbox.office.api("GET", "search?q=Ende")["items"])
    page.goto(mailbox.url())
    page.keyboard.press("/")
    page.keyboard.type("Ende")
    page.keyboard.press("Enter")
    expect(page.locator("#rows > .row", has_text="Ohne Ende")).to_be_visible()
