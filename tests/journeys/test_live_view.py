"""A mailbox that is only looked at, on a real Dovecot: shown at once, changed there, killed in the middle, and kept in the end."""

from __future__ import annotations

import os
import random
import signal
import time
import urllib.error
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.builders import a_letter
from tests.journeys import server_side
from tests.journeys.conftest import Window
from tests.journeys.office import Mailbox, Office, account_document, eventually
from tests.servers.dovecot import Dovecot

KILLS = 3

pytestmark = pytest.mark.servers


def looked_at(office: Office, dovecot: Dovecot, name: str, letters: int) -> Mailbox:
    """A mailbox with so many letters, listed and not fetched."""
    user = dovecot.user(name)
    dovecot.fill(user, [a_letter(f"Brief {number:03}") for number in range(letters)])
    document = account_document(name, user, dovecot) | {"receiving": {"background": False}}
    mailbox = Mailbox(office, str(office.api("POST", "accounts", document)["id"]), user)
    eventually(lambda: office.api("GET", f"accounts/{mailbox.id}/folders")["items"])
    return mailbox


def look(mailbox: Mailbox, name: str = "INBOX", **wanted: object) -> Mapping[str, Any]:
    """Ask until it is answered."""
    address = f"folders/{mailbox.folder(name)['id']}/live"
    number = mailbox.office.api("POST", address, wanted or {"before": None})["id"]
    return eventually(lambda: _answered(mailbox.office.api("GET", f"{address}?look={number}")["look"]))


def _answered(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return told if told["answered_at"] else None


def listed(mailbox: Mailbox, name: str = "INBOX") -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    cursor = ""
    while True:
        page = mailbox.office.api("GET", f"folders/{mailbox.folder(name)['id']}/messages?limit=200{cursor}")
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def test_a_mailbox_is_listed_opened_searched_and_changed_on_its_server(office: Office, dovecot: Dovecot) -> None:
    mailbox = looked_at(office, dovecot, "nur-ansehen", 70)
    server_side.make_folder(dovecot, mailbox.user, "Erledigt")
    assert listed(mailbox) == []
    first = look(mailbox)
    assert first["trouble"] is None
    assert [one["subject"] for one in first["messages"]] == [f"Brief {number:03}" for number in range(69, 19, -1)]
    assert len(listed(mailbox)) == 50
    logged_in = f"Login: user=<{mailbox.user.address}>"
    sessions = dovecot.log().count(logged_in)
    assert not look(mailbox, before=first["messages"][-1]["id"])["more"]
    assert sessions == dovecot.log().count(logged_in) > 0, "the session has stayed"
    assert len(listed(mailbox)) == 70
    assert look(mailbox, words=["Brief 007"])["messages"][0]["subject"] == "Brief 007"
    message = first["messages"][0]["id"]
    office.api("PATCH", f"messages/{message}", {"add": ["\\Flagged"]})
    eventually(lambda: "\\Flagged" in server_side.flags(dovecot, mailbox.user, "Brief 069"))
    office.api("POST", f"accounts/{mailbox.id}/sync")
    done = eventually(
        lambda: [
            one for one in office.api("GET", f"accounts/{mailbox.id}/folders")["items"] if one["name"] == "Erledigt"
        ]
    )
    office.api("POST", f"messages/{message}/move", {"folder": done[0]["id"]})
    eventually(lambda: server_side.raw(dovecot, mailbox.user, "Brief 069", "Erledigt"))
    look(mailbox, "Erledigt")
    assert [one["id"] for one in listed(mailbox, "Erledigt")] == [message]


@pytest.mark.browser
def test_opening_the_folder_shows_its_mail_and_says_when_it_was_looked_at(
    ada: Window, office: Office, dovecot: Dovecot
) -> None:
    mailbox = looked_at(office, dovecot, "am-schirm", 60)
    page = ada.page
    page.goto(mailbox.url())
    line = page.locator("#look-live")
    expect(line).to_contain_text("Live from the server, as of")
    expect(page.locator("#rows > .row")).to_have_count(50)
    page.screenshot(path=os.environ.get("LIVE_SHOT", os.devnull), type="png")
    line.get_by_role("button", name="Show older").click()
    expect(page.locator("#rows > .row").last).to_be_attached()
    eventually(lambda: len(listed(mailbox)) == 60)
    dovecot.fill(mailbox.user, [a_letter("Eben")])
    page.wait_for_timeout(2100)
    line.get_by_role("button", name="Look again").click()
    expect(page.locator("#rows > .row").first).to_contain_text("Eben")


def test_killed_in_the_middle_of_looking_nothing_is_lost_and_later_everything_is_kept(
    office: Office, dovecot: Dovecot
) -> None:
    mailbox = looked_at(office, dovecot, "abgeschossen", 120)
    dice = random.Random(20261121)
    lock = office.installation.home / "engine.lock"
    before = None
    for _ in range(KILLS):
        with suppress(urllib.error.HTTPError):
            office.api("POST", f"folders/{mailbox.folder()['id']}/live", {"before": before})
        time.sleep(dice.uniform(0.0, 0.8))
        engine = int(lock.read_text())
        with suppress(ProcessLookupError):
            os.kill(engine, signal.SIGKILL)
        eventually(lambda killed=engine: lock.read_text() not in {"", str(killed)})  # type: ignore[misc]
        before = listed(mailbox)[-1]["id"] if listed(mailbox) else None
    look(mailbox)
    shown = listed(mailbox)
    assert len({one["id"] for one in shown}) == len(shown) >= 50
    files = [path.stem for path in (office.installation.home / "cache").glob("??/*.seg")]
    assert len(files) == len(set(files))
    office.api("PATCH", f"accounts/{mailbox.id}", {"receiving": {"background": True}})
    eventually(lambda: len(listed(mailbox)) == 120)
    kept = listed(mailbox)
    assert {one["id"] for one in shown} <= {one["id"] for one in kept}, "under the same ids"
    assert sorted(one["subject"] for one in kept) == [f"Brief {number:03}" for number in range(120)]


def test_the_data_folder_keeps_looks_apart(office: Office) -> None:
    home: Path = office.installation.home
    assert [*(home / "cache").glob("??/*.seg")]
